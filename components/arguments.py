"""Store settings, the paths at which they were set, and the problems with them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import pulumi
from pulumi.output import Unknown

from .commands import (
    PropertyPath,
    Scalar,
    edit_instruction,
    escape,
    quote,
    remove_command,
    set_command,
    show_path,
)

HIDDEN: Final = "[secret]"
"""Shown in place of a secret value, or of a value derived from one."""


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


class Arguments(dict[str, Any]):
    """Settings, by their names in ConnectorRoleArgs, and the paths at which they were set."""

    def __init__(
        self,
        values: Mapping[str, object],
        paths: Mapping[str, PropertyPath],
        secrets: Iterable[str] = (),
        *,
        in_stack: bool = False,
        only_role: bool = False,
    ) -> None:
        """Store the settings.

        `paths` has the path of each setting, and of each of a VPC's lists. Messages hide the values of
        the settings in `secrets`, except a valid connector's name. If `in_stack` is true, the settings
        are in a stack's configuration: messages also say how to fix each problem, and the Region is
        required. An error message contains the component's name unless `only_role` is true.
        """
        super().__init__(values)
        self.paths = paths
        self.secrets = frozenset(secrets)
        self.in_stack = in_stack
        self.only_role = only_role
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.protect = False
        """Whether the configuration protects the role from deletion."""
        self.read_from_aws: Collection[str] = ()
        """The settings whose values AWS returned, so no warning about their form is necessary."""

    @classmethod
    def of(cls, given: Mapping[str, object], paths: Mapping[str, PropertyPath]) -> "Arguments":
        """Convert a mapping to Arguments and reject unknown keys.

        If `given` is already an Arguments object, return a copy, so that validation does not add
        problems to the original.
        """
        if isinstance(given, Arguments):
            return given.copied()
        arguments = cls({}, paths)
        names = {path: name for name, path in paths.items()}
        for key, value in given.items():
            if name := names.get((key,)):
                arguments[name] = value
            else:
                arguments.at_key(key).reject_name([str(path[0]) for path in names if len(path) == 1])
        return arguments

    def resolved(self, values: Mapping[str, object], secrets: Collection[str]) -> "Arguments":
        """Return a copy with `values` in place of Outputs, and with `secrets` also marked as secret."""
        copy = self.copied()
        copy.update(values)
        copy.secrets |= {*secrets}
        return copy

    def copied(self) -> "Arguments":
        """Return a copy without `protect`, which `ConnectorRole` reads from the original."""
        copy = Arguments(
            self, self.paths, self.secrets, in_stack=self.in_stack, only_role=self.only_role
        )
        copy.problems += self.problems
        copy.warnings += self.warnings
        copy.read_from_aws = self.read_from_aws
        return copy

    def is_set(self, name: str) -> bool:
        """Return whether a setting has a value.

        None means not set, and so does "", the default that `Pulumi.yaml` declares for optional strings.
        """
        return self.get(name) not in (None, "")

    def unresolved(self) -> dict[str, object]:
        """Return the settings that are, or contain, Outputs or values that are not known yet."""
        return {name: value for name, value in self.items() if _has_outputs(value)}

    def at(self, name: str) -> "Place":
        """Return the place of a setting."""
        return Place(self, self.paths[name], self.paths[name], name in self.secrets, name)

    def at_key(self, *path: str | int, secret: bool = False) -> "Place":
        """Return the place of a path that is not one of the settings' paths."""
        return Place(self, path, path, secret)

    def show(self, value: object, *settings: str) -> str:
        """Return a value derived from these settings, or HIDDEN if one of them is secret."""
        return str(value) if self.secrets.isdisjoint(settings) else HIDDEN


class Place(NamedTuple):
    """The place of a value in a role's arguments or a stack's configuration."""

    arguments: Arguments
    path: PropertyPath
    """In snake case for a Python program, or in camel case for stack configuration and packages."""
    shown: PropertyPath
    """The path in messages, without the names of a secret's entries, because they are secret, too."""
    secret: bool
    setting: str = ""
    """The setting's name in ConnectorRoleArgs; empty for any other key."""

    @property
    def name(self) -> str:
        """The path, as messages show it, in Pulumi's notation."""
        return show_path(self.shown)

    def entry(self, *names: str | int) -> "Place":
        """Return the place of an entry in this value; if this value is secret, hide the entry's name."""
        path = (*self.path, *names)
        return self._replace(path=path, shown=self.shown if self.secret else path)

    def list_of_vpc(self, name: str) -> "Place":
        """Return the place of one of the VPC's lists, whose name is shown even if the VPC is secret."""
        path = self.arguments.paths[name]
        return self._replace(path=path, shown=path)

    def show(self, value: object) -> str:
        """Return this place's value, or one derived from it, as text; HIDDEN if the place is secret."""
        return HIDDEN if self.secret else str(value)

    def quote(self, value: object) -> str:
        """Return this place's value as JSON (see `commands.quote`), or HIDDEN if the place is secret."""
        return HIDDEN if self.secret else quote(value)

    def set(self, value: Scalar) -> str:
        """Return the command that sets this value or, if no command can, the result of `edit`."""
        return set_command(self.path, value, secret=self.secret) if self._has_command else self.edit()

    def remove(self) -> str:
        """Return the command that removes this value or, if no command can, the result of `edit`."""
        return remove_command(self.path) if self._has_command else self.edit()

    def edit(self) -> str:
        """Return the instruction to edit the stack's file; empty outside a stack's configuration."""
        return edit_instruction() if self.arguments.in_stack else ""

    @property
    def _has_command(self) -> bool:
        """Whether a command can change this value; always false outside a stack's configuration.

        Also false for an entry in a secret, because a command would replace the whole secret.
        """
        in_secret = self.secret and len(self.path) > 1
        return self.arguments.in_stack and not in_secret

    def reject(self, message: str, expected: str, fix: str = "") -> None:
        """Add a problem with this value; the default fix is the result of `edit`."""
        problem = Problem(self.shown, message, expected, fix or self.edit(), self.setting)
        self.arguments.problems.append(problem)

    def reject_type(self, kind: str, value: object, expected: str, fix: str = "") -> None:
        """Add a problem for a value whose type is not `kind`."""
        advice = (
            "; if the value is right, quote it"
            if kind == "a string" and isinstance(value, (int, float)) and not isinstance(value, bool)
            else ""
        )
        self.reject(f"expected {kind}, got {self.quote(value)}{advice}", expected, fix)

    def reject_name(self, known: Collection[str], expected: str = "", prefix: str = "") -> None:
        """Reject this place because the last part of its path is not in `known`; suggest similar names.

        If no name is similar, the message lists the valid names: `expected` or, by default, all of
        `known`. If the place is secret, the message always lists all of `known`. The comparison ignores
        `prefix` at the start of a name.
        """
        *parent, name = self.path
        paths = {each: show_path((*parent, each)) for each in known}
        if self.secret:
            self.reject("has an entry that is not a setting", f"one of {', '.join(paths.values())}")
        elif near := [paths[each] for each in similar(str(name).removeprefix(prefix), known, prefix)]:
            # Removing a misspelled setting would lose its value, so the fix is to edit the file.
            self.reject(f"is not a setting{suggestion(near)}", " or ".join(near))
        else:
            names = expected or ", ".join(paths.values())
            self.reject("is not a setting", f"one of {names}", self.remove())


def as_mapping(value: object) -> Mapping[str, object]:
    """Return the value if it is a mapping; otherwise, an empty mapping."""
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}


def is_unknown(value: object) -> bool:
    """Return whether a value is an Output, or the unknown content of an Output during a preview."""
    return isinstance(value, (pulumi.Output, Unknown))


def _has_outputs(value: object) -> bool:
    """Return whether a value is, or contains, an Output or an unknown value."""
    if isinstance(value, Mapping):
        return any(map(_has_outputs, cast("Mapping[object, object]", value).values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_outputs, cast("Sequence[object]", value)))
    return is_unknown(value)


def similar(given: str, names: Collection[str], prefix: str = "") -> list[str]:
    """Return the names that extend or abbreviate the given name, or else a similar name, if any.

    The comparison ignores case, and `prefix` at the start of each of the `names`.
    """
    if not given:
        return []
    compared = {each.removeprefix(prefix).lower(): each for each in names}
    begin = given.lower()
    near = [each for each in compared if each.startswith(begin) or begin.startswith(each)]
    if not near:
        from difflib import get_close_matches  # noqa: PLC0415 slow to import, and only for a typo

        near = get_close_matches(begin, compared, 1)
    return [compared[each] for each in near]


def suggestion(near: Collection[str]) -> str:
    """Return the end of a message that suggests similar names; empty if there are none."""
    return f"; did you mean {' or '.join(near)}?" if near else ""
