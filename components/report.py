"""Collect the problems of one role's settings, and decide how messages show names and values."""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple, Protocol

from .errors import Path, Problem, property_path, quote

BLANK: Final = ""
"""The value of a setting that is not set, like None: `Pulumi.yaml` declares it as the default."""
REMOVE: Final = ""
"""In place of the value that a command sets: the command removes the setting, which has the effect of
BLANK."""
EDIT: Final = None
"""In place of the value that a command sets: no command can set it, and the user edits the file."""
HIDDEN: Final = "[secret]"
"""Shown in place of a secret value, and of a value that follows from one."""


def _python_path(setting: str) -> Path:
    return (setting,)


class Command(Protocol):
    """Writes commands for messages."""

    def __call__(self, path: Path, value: str | None, *, secret: bool) -> str:
        """Return the command that sets a path to a value, removes it (REMOVE), or edits it (EDIT)."""
        ...


class Source(NamedTuple):
    """The place where settings are given, with its names and commands."""

    path: Callable[[str], Path] = _python_path
    """Return the path of a setting by its name in ConnectorRoleArgs: `("roleName",)` of `role_name`."""
    spell: Callable[[str], str] = str
    """Return the name of a member of a setting: `subnetIds` of `subnet_ids`."""
    command: "Command | None" = None
    required: Collection[str] = ()
    """Settings that are required here, in addition to those that every source requires."""
    belongs_to_component: bool = False
    """Whether other components can exist when a problem is found: messages then name the component."""


ARGUMENTS: Final = Source(belongs_to_component=True)
"""The arguments of a component in a Python program."""


class Report:
    """The problems and warnings of one role's settings."""

    def __init__(self, source: Source, secrets: Collection[str] = ()) -> None:
        """Start an empty report; `secrets` are the settings whose values are never shown."""
        self.source = source
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.unknown: set[str] = set()
        """The settings that are not known yet, or have a member that is not."""
        self._secrets = frozenset(secrets)

    def at(self, setting: str, *members: str | int) -> "Place":
        """Return the place of a setting, or of a member of one."""
        return Place(self, setting, tuple(members))

    def is_secret(self, *settings: str) -> bool:
        """Return whether any of these settings is secret."""
        return not self._secrets.isdisjoint(settings)

    def show(self, value: object, *settings: str) -> str:
        """Return a value that follows from these settings, as a message may show it."""
        return HIDDEN if self.is_secret(*settings) else str(value)

    def name(self, setting: str) -> str:
        """Return the name of a setting, as a message shows it."""
        return property_path(self.source.path(setting))

    def refuse_name(self, path: Path, known: Collection[Path]) -> None:
        """Add the problem of a name that is not a setting; suggest those that are."""
        names = [property_path(each) for each in known]
        near = suggestion(property_path(path), names)
        fix = self.source.command(path, REMOVE, secret=False) if self.source.command else None
        self.problems.append(Problem(path, f"is not a setting{near}", ", ".join(names), fix))


class Place(NamedTuple):
    """A setting, or a member of one, in a report."""

    report: Report
    setting: str
    members: tuple[str | int, ...] = ()
    """Spelled as they were given."""
    public: int = 0
    """The number of members whose names are public, even if the setting is secret."""

    @property
    def path(self) -> Path:
        """The path as it was given."""
        return (*self.report.source.path(self.setting), *self.members)

    @property
    def name(self) -> str:
        """The path, as a message shows it."""
        return property_path(self.path)

    @property
    def secret(self) -> bool:
        """Whether the value is secret."""
        return self.report.is_secret(self.setting)

    def member(self, *names: str | int) -> "Place":
        """Return the place of a member."""
        return self._replace(members=(*self.members, *names))

    def known_member(self, name: str) -> "Place":
        """Return the place of a member that the setting always has, whose name is public."""
        return self._replace(members=(*self.members, name), public=len(self.members) + 1)

    def show(self, value: object) -> str:
        """Return the value at this place, or one that follows from it, as a message may show it."""
        return self.report.show(value, self.setting)

    def refuse(
        self, message: str, expected: str, value: str | None = EDIT, fix: str | None = None
    ) -> None:
        """Add a problem, and the command that sets this place to `value`, removes it, or edits it.

        `fix` replaces the command.
        """
        path = self.path
        if self.secret and self.members:
            # Other names are part of the secret. To set a member as plain text would replace the whole.
            path, value = self._replace(members=self.members[: self.public]).path, EDIT
        if self.report.source.command and not fix:
            fix = self.report.source.command(path, value, secret=self.secret)
        self.report.problems.append(Problem(path, message, expected, fix, self.setting))

    def refuse_type(self, kind: str, value: object, expected: str, example: str | None = None) -> None:
        """Add the problem of a value that has another type than `kind`."""
        advice = "; quote it" if kind == "a string" and isinstance(value, (int, float)) else ""
        self.refuse(f"expected {kind}, got {self.show(quote(value))}{advice}", expected, example)

    def refuse_member(self, name: str, known: Collection[str]) -> None:
        """Add the problem of a member that does not exist; suggest those that do."""
        expected = ", ".join(property_path((*self.path, each)) for each in known)
        near = suggestion(name, known, self.path)
        message = "has a member that is not a setting" if self.secret else f"is not a setting{near}"
        self.member(name).refuse(message, expected, REMOVE)


def suggestion(given: str, names: Collection[str], parent: Path = ()) -> str:
    """Suggest the names that begin with a given text, or else the closest one."""
    if not given:
        return ""
    begin = given.lower()
    near = [name for name in names if name.lower().startswith(begin)]
    if not near:
        from difflib import get_close_matches  # noqa: PLC0415 slow to import, and only for a typo

        near = get_close_matches(begin, names, 1)
    shown = " or ".join(property_path((*parent, name)) for name in near)
    return f"; did you mean {shown}?" if near else ""
