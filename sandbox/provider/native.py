"""Provide Amazon Q Business data sources, as version 1 of pulumi-aws-native does.

Most docstrings mention the real provider's corresponding function and its package, in `provider/pkg` in
https://github.com/pulumi/pulumi-aws-native. Unlike that provider, this module calls Amazon Q Business
without Cloud Control. `sandbox/provider/__init__.py` lists other differences.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from sandbox.provider.calls import ProviderError, call_aws, get_client, ignore_not_found
from sandbox.provider.configuration import SECRET, UNKNOWN, Configuration, Properties
from sandbox.provider.lifecycle import Diff, Property

TOKEN: Final = "aws-native:qbusiness:DataSource"
PROPERTIES: Final[Mapping[str, Property]] = {
    "applicationId": Property(required=True, replaces=True),
    "configuration": Property("any", required=True),
    "description": Property(),
    "displayName": Property(required=True),
    "indexId": Property(required=True, replaces=True),
    "roleArn": Property(),
    "syncSchedule": Property(),
    "vpcConfiguration": Property("lists"),
    "createdAt": Property(output_only=True),
    "dataSourceArn": Property(output_only=True),
    "dataSourceId": Property(output_only=True),
    "status": Property(output_only=True),
    "type": Property(output_only=True),
    "updatedAt": Property(output_only=True),
}
SCHEMA: Final = {TOKEN: PROPERTIES}
_INPUTS: Final = frozenset(name for name, declared in PROPERTIES.items() if not declared.output_only)
_STABLE: Final = ("dataSourceArn", "dataSourceId")
"""The outputs that an update does not change (`isStableOutput` in outputs)."""
_IDENTIFIER: Final = ("applicationId", "dataSourceId", "indexId")
"""The properties whose values form the ID, separated by `|`."""
_CHECKPOINT: Final = "__inputs"
"""The key under which the state contains the inputs, as a secret."""


class DataSource:
    """The engine's operations on data sources.

    https://www.pulumi.com/registry/packages/aws-native/api-docs/qbusiness/datasource/
    """

    def __init__(self, configuration: Configuration) -> None:
        """Store the Region from the provider's configuration."""
        self.region = configuration.region

    def check(
        self, _olds: Properties, news: Properties, _automatic_name: str, /
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the inputs without nulls, and the failures (`ValidateResource` in resources).

        A failure consists of the name of an unknown or missing input and the reason.
        """
        inputs: Properties = _without_nulls(news) or {}
        failures = [
            (key, f"the sandbox's {TOKEN} has no {key}; it has {', '.join(sorted(_INPUTS))}")
            for key in sorted(set(inputs) - _INPUTS)
        ]
        failures += [
            (key, f"missing required property {key}")
            for key, declared in PROPERTIES.items()
            if declared.required and key not in inputs
        ]
        return inputs, failures

    def diff(self, state: Properties, inputs: Properties, _ignored: Collection[str], /) -> Diff:
        """Return an empty diff, or one whose details the engine determines (`Diff` in provider).

        The diff is empty if the inputs equal the actual values, except for the order of subnets and
        security groups. The engine has already copied the old values of ignored inputs into `inputs`.
        """
        same = _sorted(_baseline(state, inputs)) == _sorted(inputs)
        return Diff({} if same else None, (), delete_before_replace=not same)

    def preview(self, state: Properties, inputs: Properties, _ignored: Collection[str], /) -> Properties:
        """Return the expected state (`PreviewOutputs` in outputs)."""
        by_aws = {name: UNKNOWN for name, declared in PROPERTIES.items() if declared.output_only}
        return {**by_aws, **{name: state[name] for name in _STABLE if name in state}, **inputs}

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Create the data source and return its ID and state (`Create` in provider)."""
        created = self._call("creating resource", lambda api: api.create_data_source(**inputs))
        identifier = "|".join(str({**inputs, **created}[name]) for name in _IDENTIFIER)
        return identifier, self._read_back(identifier, inputs)

    def read(
        self, identifier: str, state: Properties, _inputs: Properties, /
    ) -> tuple[Properties, Properties] | None:
        """Return the actual inputs and state; None if there is no data source (`Read` in provider).

        Inputs that the program never set are not added, except in an import, which has no state.
        """
        actual = self._read(identifier)
        if actual is None:
            return None
        if _CHECKPOINT in state:
            old = state[_CHECKPOINT]
            found = _baseline({**actual, _CHECKPOINT: old}, old)
            if _sorted(found) == _sorted(old):
                found = old
        else:
            found = {name: value for name, value in actual.items() if name in _INPUTS}
        return found, _checkpoint(found, actual)

    def update(
        self, identifier: str, state: Properties, inputs: Properties, _ignored: Collection[str], /
    ) -> Properties:
        """Update the data source and return its state (`CalcPatch` in resources).

        Cloud Control's handler reads all properties, applies the patch to them, and sends all of them.
        This method sends the inputs and, from the state, the properties that the program never set.
        """
        removed = _baseline(state, inputs).keys() - inputs.keys()
        model = {name: state[name] for name in _INPUTS & state.keys() - removed} | inputs

        def change(api: Any) -> None:
            api.update_data_source(**{**model, **_parameters(identifier)})

        self._call("updating resource", change)
        return self._read_back(identifier, inputs)

    def delete(self, identifier: str, _state: Properties, /) -> None:
        """Delete the data source if it exists (`Delete` in client)."""

        def delete(api: Any) -> None:
            ignore_not_found(api.delete_data_source, **_parameters(identifier))

        self._call("deleting resource", delete)

    def _read_back(self, identifier: str, inputs: Properties) -> Properties:
        actual = self._read(identifier)
        if actual is None:
            raise ProviderError(f"reading resource state: {identifier} does not exist")
        return _checkpoint(inputs, actual)

    def _read(self, identifier: str) -> Properties | None:
        """Return the actual properties, with timestamps as text; None if there is no data source."""
        found = self._call(
            "reading resource state",
            lambda api: ignore_not_found(api.get_data_source, **_parameters(identifier)),
        )
        if found is None:
            return None
        times = {name: found[name].isoformat() for name in ("createdAt", "updatedAt")}
        return {name: value for name, value in {**found, **times}.items() if name in PROPERTIES}

    def _call(self, operation: str, function: Callable[[Any], Any]) -> Any:
        return call_aws(operation, function, get_client("qbusiness", self.region))


RESOURCES: Final = {TOKEN: DataSource}
FUNCTIONS: Final[Mapping[str, Callable[[Configuration], Properties]]] = {}


def _parameters(identifier: str) -> dict[str, str]:
    """Return the parts of an ID as a call's parameters; raise ProviderError for a malformed ID."""
    parts = identifier.split("|")
    if len(parts) != len(_IDENTIFIER):
        raise ProviderError(
            f"{identifier} is not the ID of a data source; expected {'|'.join(_IDENTIFIER)}"
        )
    return dict(zip(_IDENTIFIER, parts, strict=True))


def _checkpoint(inputs: Properties, actual: Properties) -> Properties:
    """Return the state: the actual properties and the inputs (`CheckpointObject` in resources)."""
    return {**actual, _CHECKPOINT: {**SECRET, "value": inputs}}


def _baseline(state: Properties, inputs: Properties) -> Properties:
    """Return the actual values of the inputs that the program set before or sets now.

    The real function, `ActualInputBaselineFromOutputs` in resources, also includes required inputs,
    which the program always sets.
    """
    given = _INPUTS & (state.get(_CHECKPOINT, {}).keys() | inputs.keys())
    return {name: value for name, value in state.items() if name in given}


def _sorted(inputs: Properties) -> Properties:
    """Return the inputs with sorted subnets and security groups.

    The real function is `suppressUnorderedCollectionDiffs` in resources.
    """
    vpc = inputs.get("vpcConfiguration")
    if not isinstance(vpc, dict):
        return inputs
    lists = {name: sorted(ids) if isinstance(ids, list) else ids for name, ids in vpc.items()}
    return {**inputs, "vpcConfiguration": lists}


def _without_nulls(value: Any) -> Any:
    """Return a value without nulls; an object that contains only nulls counts as null.

    The real function is `filterNullProperties` in provider.
    """
    if isinstance(value, dict):
        found = {name: _without_nulls(entry) for name, entry in value.items()}
        return {name: entry for name, entry in found.items() if entry is not None} or (
            None if value else value
        )
    if isinstance(value, list):
        return [entry for entry in map(_without_nulls, value) if entry is not None]
    return value
