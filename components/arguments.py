"""Hold one role's arguments, and report problems at the places where the arguments were given."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pulumi

from .commands import EDIT, REMOVE, PropertyPath, escape, property_path, quote, write_command

BLANK: Final = ""
"""Means not set, like None: the default that `Pulumi.yaml` declares for a setting."""
HIDDEN: Final = "[secret]"
"""Shown in place of a secret value, or of a value derived from one."""


class Problem(NamedTuple):
    """One problem with one setting."""

    path: PropertyPath
    message: str
    """The given value, and why it was rejected."""
    expected: str
    fix: str | None = None
    """The command or action that fixes the problem; None if `expected` is enough."""
    setting: str = ""
    """The setting's name in ConnectorRoleArgs; empty for any other key."""

    @property
    def name(self) -> str:
        """The setting's path, as messages show it."""
        return escape(property_path(self.path))


class SettingsError(pulumi.RunError):
    """Raised when settings are invalid; Pulumi shows the message without a traceback."""

    def __init__(self, problems: Sequence[Problem], component_name: str | None = None) -> None:
        """Describe every problem in the message.

        `component_name` is the component whose arguments are invalid. The message names it, because the
        program may have created other components.
        """
        self.problems = tuple(problems)
        """The problems, in the order of the settings."""
        owner, outcome = "", "nothing was created or changed"
        if component_name:
            owner, outcome = f" for {quote(component_name)}", "its role was not created or changed"
        count = f"{len(problems)} error{'s' * (len(problems) > 1)}"
        lines = [f"invalid configuration{owner}: {count}; {outcome}"]
        for problem in problems:
            lines += ["", f"  {problem.name}: {problem.message}", f"    expected: {problem.expected}"]
            lines += [f"    fix: {problem.fix}"] if problem.fix else []
        super().__init__("\n".join(lines))


class Arguments(dict[str, Any]):
    """One role's settings by their names in ConnectorRoleArgs, and the places where they were given."""

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

        `paths` says where they and a VPC's lists were given. Messages never show the values of
        `secrets`. With `in_stack`, the settings are in a stack's configuration: commands change them,
        and the Region is required. Messages name the component unless it is the stack's `only_role`.
        """
        super().__init__(values)
        self.paths = paths
        self.secrets = frozenset(secrets)
        self.in_stack = in_stack
        self.only_role = only_role
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.unknown: set[str] = set()
        """The settings that are not known yet, or have an entry that is not known yet."""
        self.protect = False
        """Whether the configuration protects the role from deletion."""

    @classmethod
    def of(cls, given: Mapping[str, object], paths: Mapping[str, PropertyPath]) -> "Arguments":
        """Return `given` as Arguments with these paths, or a copy if it already is one."""
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
        """Return a copy for validation, with the values of Outputs, some of which are secret."""
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
        """Return the place of a key that is not one of the role's settings, or of an entry in it."""
        return Place(self, path, len(path), secret)

    def show(self, value: object, *settings: str) -> str:
        """Return a value derived from these settings, or hide it if one of them is secret."""
        return str(value) if self.secrets.isdisjoint(settings) else HIDDEN


class Place(NamedTuple):
    """The place of a value among a role's arguments."""

    arguments: Arguments
    path: PropertyPath
    """Spelled as the user gave it."""
    public: int
    """How many leading parts of the path are public even if the value is secret."""
    secret: bool
    setting: str = ""
    """The setting's name in ConnectorRoleArgs; empty for any other key."""

    @property
    def name(self) -> str:
        """The path, as messages show it."""
        return property_path(self.path)

    def entry(self, *names: str | int) -> "Place":
        """Return the place of an entry, whose name is as secret as the value."""
        return self._replace(path=(*self.path, *names))

    def list_of_vpc(self, name: str) -> "Place":
        """Return the place of a VPC's list, whose name is public."""
        path = self.arguments.paths[name]
        return self._replace(path=path, public=len(path))

    def show(self, value: object) -> str:
        """Return the value at this place, or a value derived from it; hide a secret one."""
        return HIDDEN if self.secret else str(value)

    def quote(self, value: object) -> str:
        """Quote the value at this place, or hide it if it is secret."""
        return HIDDEN if self.secret else quote(value)

    def command(self, value: str | None) -> str:
        """Return the command that sets this place to `value`, removes it, or edits it.

        Secret entries are edited, because a command that sets one would replace the whole secret.
        """
        is_entry_of_secret = self.secret and len(self.path) > 1
        return write_command(self.path, EDIT if is_entry_of_secret else value, secret=self.secret)

    def reject(
        self, message: str, expected: str, value: str | None = EDIT, fix: str | None = None
    ) -> None:
        """Add a problem, with a command that sets this place to `value`, removes it, or edits it.

        `fix` replaces the command.
        """
        path = self.path[: self.public] if self.secret else self.path
        if self.arguments.in_stack and not fix:
            fix = self.command(value)
        self.arguments.problems.append(Problem(path, message, expected, fix, self.setting))

    def reject_type(self, kind: str, value: object, expected: str, example: str | None = None) -> None:
        """Add a problem for a value whose type is not `kind`."""
        advice = "; quote it" if kind == "a string" and isinstance(value, (int, float)) else ""
        self.reject(f"expected {kind}, got {self.quote(value)}{advice}", expected, example)

    def reject_name(self, known: Collection[str], expected: str = "") -> None:
        """Reject a name that does not exist, and suggest similar ones."""
        *parent, name = self.path
        near = suggestion(str(name), known, tuple(parent))
        message = "has an entry that is not a setting" if self.secret else f"is not a setting{near}"
        paths = ", ".join(property_path((*parent, each)) for each in known)
        # Removing a misspelled setting would lose its value.
        self.reject(message, expected or paths, EDIT if near else REMOVE)


def suggestion(given: str, names: Collection[str], parent: PropertyPath = ()) -> str:
    """Suggest the names that begin like the given one, or else the closest name."""
    if not given:
        return ""
    begin = given.lower()
    near = [each for each in names if each.lower().startswith(begin) or begin.startswith(each.lower())]
    if not near:
        from difflib import get_close_matches  # noqa: PLC0415 slow to import, and only for a typo

        near = get_close_matches(begin, names, 1)
    shown = " or ".join(property_path((*parent, name)) for name in near)
    return f"; did you mean {shown}?" if near else ""
