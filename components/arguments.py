"""Represent one role's settings, as set by a program, a package, or a stack's configuration."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import pulumi

from .connectors import Connector, find_connector
from .fields import Field, has_outputs
from .report import Problem, Report
from .settings import SETTINGS


class Arguments(NamedTuple):
    """One role's settings."""

    fields: Mapping[str, Field]
    """Every setting, set or not, by its name in ConnectorRoleArgs and in the order of SETTINGS."""
    protect: bool = False
    """Whether the configuration protects the role from deletion."""
    problems: Sequence[Problem] = ()
    """The problems that were found while the settings were read."""
    warnings: Sequence[str] = ()
    only_role: bool = False
    """Whether the stack has only this role; otherwise, an error message has the component's name."""
    secret_exists: bool = False
    """Whether AWS returned the secret's ARN, so no warning about its suffix is necessary."""

    @classmethod
    def of(
        cls, given: "Mapping[str, object] | Arguments", spell: Callable[[str], str] = str
    ) -> "Arguments":
        """Convert a program's arguments and reject unknown keys; return Arguments as they are.

        `spell` returns the key of each setting, which is its name in a Python program.
        """
        if isinstance(given, Arguments):
            return given
        report = Report()
        names = {spell(name): name for name in SETTINGS}
        report.check_keys(Field(given, (), ()), names)
        values = {key: _as_input(value) for key, value in given.items()}
        fields = {
            name: Field(values.get(key), (key,), (key,), setting=name) for key, name in names.items()
        }
        return cls(fields, problems=report.problems)

    def resolved(self, values: Mapping[str, object], are_secret: Mapping[str, bool]) -> "Arguments":
        """Return a copy with `values` in place of Outputs, which may be secret."""
        fields = {
            name: Field(
                values.get(name, field.value),
                field.path,
                field.shown,
                field.secret or are_secret.get(name, False),
                field.in_stack,
                name,
            )
            for name, field in self.fields.items()
        }
        return self._replace(fields=fields)

    def unresolved(self) -> dict[str, object]:
        """Return the settings that are, or contain, Outputs or values that are not known yet."""
        given = {name: field.value for name, field in self.fields.items() if field.is_set}
        return {name: value for name, value in given.items() if has_outputs(value)}

    def are_secret(self, names: Iterable[str]) -> bool:
        """Return whether any of these settings is secret."""
        return any(self.fields[name].secret for name in names)

    @property
    def connector(self) -> Connector:
        """The connector; `connectors.ANY` if the setting is invalid."""
        return find_connector(self.fields["connector"].value)


def _as_input(value: Any, levels: int = 2) -> Any:
    """Copy tuples into lists, and mappings into dicts, the only mappings in which Pulumi finds Outputs.

    An awaitable becomes an Output, because it can be awaited only once. Settings have at most two levels
    (a list in `vpc_configuration`); deeper values are invalid and stay as they are.
    """
    if levels and isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {key: _as_input(entry, levels - 1) for key, entry in entries.items()}
    if levels and isinstance(value, (list, tuple)):
        return [_as_input(item, levels - 1) for item in cast("list[object]", value)]
    return pulumi.Output.from_input(value) if inspect.isawaitable(value) else value
