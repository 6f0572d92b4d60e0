"""Carry the arguments of one role, and report problems at the places where they were given."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pulumi

from .commands import EDIT, REMOVE, PropertyPath, escape, property_path, quote, write_command

BLANK: Final = ""
"""The value of a setting that is not set, like None: `Pulumi.yaml` declares it as the default."""
HIDDEN: Final = "[secret]"
"""Shown in place of a secret value, and of a value that follows from one."""


class Problem(NamedTuple):
    """One problem with one setting."""

    path: PropertyPath
    message: str
    """The value that was given, and the reason for its rejection."""
    expected: str
    fix: str | None = None
    """The command or action that fixes it; None if `expected` is enough."""
    setting: str = ""
    """The setting by its name in ConnectorRoleArgs; empty for another key."""

    @property
    def name(self) -> str:
        """The setting, as a message shows it."""
        return escape(property_path(self.path))


class SettingsError(pulumi.RunError):
    """Raised when settings are invalid; Pulumi shows the message without a traceback."""

    def __init__(self, problems: Sequence[Problem], component_name: str | None = None) -> None:
        """Write every problem into the message.

        `component_name` is the component whose arguments are invalid. The message names it, since other
        components of the program may have been created.
        """
        self.problems = tuple(problems)
        """The problems, in the order of the settings."""
        owner, outcome = "", "nothing was created or changed"
        if component_name:
            owner, outcome = f" of {quote(component_name)}", "its role was not created or changed"
        count = f"{len(problems)} error{'s' * (len(problems) > 1)}"
        lines = [f"invalid configuration{owner}: {count}; {outcome}"]
        for problem in problems:
            lines += ["", f"  {problem.name}: {problem.message}", f"    expected: {problem.expected}"]
            lines += [f"    fix: {problem.fix}"] if problem.fix else []
        super().__init__("\n".join(lines))


class Arguments(dict[str, Any]):
    """The settings of one role by their names in ConnectorRoleArgs, and where they were given."""

    def __init__(
        self,
        values: Mapping[str, object],
        paths: Mapping[str, PropertyPath],
        secrets: Iterable[str] = (),
        *,
        in_stack: bool = False,
        only_role: bool = False,
    ) -> None:
        """Hold the settings.

        `paths` are where they, and a VPC's lists, were given. The values of `secrets` are never shown.
        Settings `in_stack` are in the configuration of a stack, where commands change them and the
        Region is required. Messages name the component unless it is the `only_role` of its stack.
        """
        super().__init__(values)
        self.paths = paths
        self.secrets = frozenset(secrets)
        self.in_stack = in_stack
        self.only_role = only_role
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.unknown: set[str] = set()
        """The settings that are not known yet, or have an entry that is not."""
        self.protect = False
        """Whether the configuration protects the role from deletion."""

    @classmethod
    def of(cls, given: Mapping[str, object], paths: Mapping[str, PropertyPath]) -> "Arguments":
        """Return the arguments that were given at these paths; Arguments are copied."""
        if isinstance(given, Arguments):
            return given.resolved({}, ())
        arguments = cls({}, paths)
        names = {path: name for name, path in paths.items()}
        for key, value in given.items():
            if name := names.get((key,)):
                arguments[name] = value
            else:
                arguments.at_key(key).reject_name([str(path[0]) for path in names if len(path) == 1])
        return arguments

    def resolved(self, values: Mapping[str, object], secrets: Collection[str]) -> "Arguments":
        """Return a copy with the values of Outputs, of which some are secret."""
        copy = Arguments(
            {**self, **values},
            self.paths,
            self.secrets.union(secrets),
            in_stack=self.in_stack,
            only_role=self.only_role,
        )
        copy.problems += self.problems
        copy.warnings += self.warnings
        return copy

    def at(self, name: str) -> "Place":
        """Return the place of a setting."""
        return Place(self, self.paths[name], len(self.paths[name]), name in self.secrets, name)

    def at_key(self, *path: str | int, secret: bool = False) -> "Place":
        """Return the place of a key that is not a setting of the role, or of an entry of it."""
        return Place(self, path, len(path), secret)

    def show(self, value: object, *settings: str) -> str:
        """Return a value that follows from these settings, as a message may show it."""
        return str(value) if self.secrets.isdisjoint(settings) else HIDDEN


class Place(NamedTuple):
    """The place of a value among the arguments of a role."""

    arguments: Arguments
    path: PropertyPath
    """Spelled as it was given."""
    public: int
    """The number of parts of the path that are public even if the value is secret."""
    secret: bool
    setting: str = ""
    """The setting by its name in ConnectorRoleArgs; empty for another key."""

    @property
    def name(self) -> str:
        """The path, as a message shows it."""
        return property_path(self.path)

    def entry(self, *names: str | int) -> "Place":
        """Return the place of an entry, whose name is as secret as the value."""
        return self._replace(path=(*self.path, *names))

    def list_of_vpc(self, name: str) -> "Place":
        """Return the place of a VPC's list, whose name is public."""
        path = self.arguments.paths[name]
        return self._replace(path=path, public=len(path))

    def show(self, value: object) -> str:
        """Return the value at this place, or one that follows from it, as a message may show it."""
        return HIDDEN if self.secret else str(value)

    def quote(self, value: object) -> str:
        """Quote the value at this place, as a message may show it."""
        return HIDDEN if self.secret else quote(value)

    def command(self, value: str | None) -> str:
        """Return the command that sets this place to `value`, removes it, or edits it.

        An entry of a secret is edited, because a command that sets it would replace the whole secret.
        """
        is_entry_of_secret = self.secret and len(self.path) > 1
        return write_command(self.path, EDIT if is_entry_of_secret else value, secret=self.secret)

    def reject(
        self, message: str, expected: str, value: str | None = EDIT, fix: str | None = None
    ) -> None:
        """Add a problem, and the command that sets this place to `value`, removes it, or edits it.

        `fix` replaces the command.
        """
        path = self.path[: self.public] if self.secret else self.path
        if self.arguments.in_stack and not fix:
            fix = self.command(value)
        self.arguments.problems.append(Problem(path, message, expected, fix, self.setting))

    def reject_type(self, kind: str, value: object, expected: str, example: str | None = None) -> None:
        """Add the problem of a value that has another type than `kind`."""
        advice = "; quote it" if kind == "a string" and isinstance(value, (int, float)) else ""
        self.reject(f"expected {kind}, got {self.quote(value)}{advice}", expected, example)

    def reject_name(self, known: Collection[str], expected: str = "") -> None:
        """Report a name that does not exist, and suggest similar ones."""
        *parent, name = self.path
        near = suggestion(str(name), known, tuple(parent))
        message = "has a member that is not a setting" if self.secret else f"is not a setting{near}"
        paths = ", ".join(property_path((*parent, each)) for each in known)
        # To remove a misspelled setting would lose its value.
        self.reject(message, expected or paths, EDIT if near else REMOVE)


def suggestion(given: str, names: Collection[str], parent: PropertyPath = ()) -> str:
    """Suggest the names that begin like a given text, or else the closest one."""
    if not given:
        return ""
    begin = given.lower()
    near = [each for each in names if each.lower().startswith(begin) or begin.startswith(each.lower())]
    if not near:
        from difflib import get_close_matches  # noqa: PLC0415 slow to import, and only for a typo

        near = get_close_matches(begin, names, 1)
    shown = " or ".join(property_path((*parent, name)) for name in near)
    return f"; did you mean {shown}?" if near else ""
