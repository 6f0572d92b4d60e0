"""Collect the problems with settings, and build the message that lists all of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import pulumi

from .commands import PropertyPath, escape, quote, show_path
from .fields import Field, as_mapping


class Problem(NamedTuple):
    """A problem with a setting or another key."""

    path: PropertyPath
    message: str
    """Why the setting or key was rejected, usually with its value."""
    expected: str
    fix: str = ""
    """The command or action that fixes the problem; empty if the message suggests none."""
    setting: str = ""
    """The setting's name in ConnectorRoleArgs; empty for any other key."""

    @property
    def name(self) -> str:
        """The path, as messages show it."""
        return escape(show_path(self.path))


class SettingsError(pulumi.RunError):
    """Raised when settings are invalid; Pulumi shows the message without a traceback."""

    def __init__(self, problems: Sequence[Problem], component_name: str | None = None) -> None:
        """Build a message that describes every problem.

        If `component_name` is set, the message contains it, because the program may have created other
        components.
        """
        self.problems = tuple(problems)
        """The problems, in the order in which the message lists them."""
        owner, outcome = "", "no role was created or changed"
        if component_name:
            owner, outcome = f" for {quote(component_name)}", "its role was not created or changed"
        count = f"{len(problems)} error{'s' * (len(problems) > 1)}"
        lines = [f"invalid configuration{owner}: {count}; {outcome}"]
        for problem in problems:
            lines += ["", f"  {problem.name}: {problem.message}", f"    expected: {problem.expected}"]
            lines += [f"    fix: {problem.fix}"] if problem.fix else []
        super().__init__("\n".join(lines))


class Report:
    """The problems with settings, and warnings and notes about them."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        """Start with the problems that were found earlier."""
        self.problems = [*problems]
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def reject(self, field: Field, message: str, expected: str, fix: str = "") -> None:
        """Add a problem with a value; the default fix is to edit the stack's file, if there is one."""
        problem = Problem(field.shown, message, expected, fix or field.edit(), field.setting)
        self.problems.append(problem)

    def reject_type(self, field: Field, kind: str, expected: str, fix: str = "") -> None:
        """Add a problem with a value whose type is not `kind`, such as "a list"."""
        self.reject(field, f"expected {kind}, got {field.quote(field.value)}", expected, fix)

    def check_keys(self, field: Field, known: Collection[str], listed: str = "") -> None:
        """Reject each key of an object that is not in `known`; suggest similar keys.

        If no key is similar, the message lists the known keys: `listed` or, by default, all of them with
        their paths. If the object is secret, the message lists them and hides the key.
        """
        for key in cast("Mapping[object, object]", as_mapping(field.value)):
            if key in known:
                continue
            entry = field.entry(key if isinstance(key, str) else quote(key))
            paths = {each: field.part(each).name for each in known}
            expected = f"one of {listed or ', '.join(paths.values())}"
            if field.secret:
                self.reject(entry, "has an entry that is not a setting", expected)
            elif near := [paths[each] for each in similar(str(entry.path[-1]), known)]:
                # Removing a misspelled setting would lose its value, so the fix is to edit the file.
                self.reject(entry, f"is not a setting{suggestion(near)}", " or ".join(near))
            else:
                self.reject(entry, "is not a setting", expected, entry.remove())


def similar(given: str, names: Collection[str]) -> list[str]:
    """Return the names that begin with the given one or are its beginning, or else the closest one.

    The comparison ignores case and namespaces.
    """
    begin = given.rpartition(":")[2].lower()
    if not begin:
        return []
    compared = {each.rpartition(":")[2].lower(): each for each in names}
    near = [each for each in compared if each.startswith(begin) or begin.startswith(each)]
    if not near:
        from difflib import get_close_matches  # noqa: PLC0415 slow to import, and only for a typo

        near = get_close_matches(begin, compared, 1)
    return [compared[each] for each in near]


def suggestion(near: Collection[str]) -> str:
    """Return the end of a message that suggests similar names; empty if there are none."""
    return f"; did you mean {' or '.join(near)}?" if near else ""
