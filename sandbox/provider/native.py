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
PROPERTIES_BY_TOKEN: Final = {TOKEN: PROPERTIES}
_INPUT_KEYS: Final = frozenset(key for key, schema in PROPERTIES.items() if not schema.output_only)
_STABLE_OUTPUT_KEYS: Final = ("dataSourceArn", "dataSourceId")
"""The outputs that an update does not change (`isStableOutput` in outputs)."""
_ID_KEYS: Final = ("applicationId", "dataSourceId", "indexId")
"""The properties whose values form the ID, separated by `|`."""
_RECORDED_INPUTS: Final = "__inputs"
"""The key under which the state contains the inputs, as a secret."""


class DataSourceLifecycle:
    """The engine's operations on data sources.

    https://www.pulumi.com/registry/packages/aws-native/api-docs/qbusiness/datasource/
    """

    def __init__(self, configuration: Configuration) -> None:
        """Store the Region from the provider's configuration."""
        self.region = configuration.region

    def check(
        self, _old_inputs: Properties, new_inputs: Properties, _automatic_name: str, /
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the inputs without nulls, and the failures (`ValidateResource` in resources).

        A failure consists of the name of an unknown or missing input and the reason.
        """
        inputs: Properties = _remove_nulls(new_inputs) or {}
        failures = [
            (key, f"the sandbox's {TOKEN} has no {key}; it has {', '.join(sorted(_INPUT_KEYS))}")
            for key in sorted(set(inputs) - _INPUT_KEYS)
        ]
        failures += [
            (key, f"missing required property {key}")
            for key, schema in PROPERTIES.items()
            if schema.required and key not in inputs
        ]
        return inputs, failures

    def diff(self, state: Properties, inputs: Properties, _ignored_keys: Collection[str], /) -> Diff:
        """Return an empty diff, or one whose details the engine determines (`Diff` in provider).

        The diff is empty if the inputs equal the actual values, except for the order of subnets and
        security groups. The engine has already copied the old values of ignored inputs into `inputs`.
        """
        actual_inputs = _select_actual_inputs(state, inputs)
        is_equal = _sort_network_ids(actual_inputs) == _sort_network_ids(inputs)
        return Diff({} if is_equal else None, (), delete_before_replace=not is_equal)

    def preview(
        self, state: Properties, inputs: Properties, _ignored_keys: Collection[str], /
    ) -> Properties:
        """Return the expected state (`PreviewOutputs` in outputs)."""
        unknown_outputs = {key: UNKNOWN for key, schema in PROPERTIES.items() if schema.output_only}
        stable_outputs = {key: state[key] for key in _STABLE_OUTPUT_KEYS if key in state}
        return {**unknown_outputs, **stable_outputs, **inputs}

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Create the data source and return its ID and state (`Create` in provider)."""
        response = self._call_service("creating resource", lambda api: api.create_data_source(**inputs))
        properties = {**inputs, **response}
        resource_id = "|".join(str(properties[key]) for key in _ID_KEYS)
        return resource_id, self._read_back(resource_id, inputs)

    def read(
        self, resource_id: str, state: Properties, _inputs: Properties, /
    ) -> tuple[Properties, Properties] | None:
        """Return the actual inputs and state; None if there is no data source (`Read` in provider).

        Inputs that the program never set are not added, except in an import, which has no state.
        """
        actual = self._find_properties(resource_id)
        if actual is None:
            return None
        if _RECORDED_INPUTS not in state:
            imported_inputs = {key: actual[key] for key in actual if key in _INPUT_KEYS}
            return imported_inputs, _build_state(imported_inputs, actual)
        recorded_inputs = state[_RECORDED_INPUTS]
        actual_state = {**actual, _RECORDED_INPUTS: recorded_inputs}
        actual_inputs = _select_actual_inputs(actual_state, recorded_inputs)
        if _sort_network_ids(actual_inputs) == _sort_network_ids(recorded_inputs):
            return recorded_inputs, _build_state(recorded_inputs, actual)
        return actual_inputs, _build_state(actual_inputs, actual)

    def update(
        self,
        resource_id: str,
        state: Properties,
        inputs: Properties,
        _ignored_keys: Collection[str],
        /,
    ) -> Properties:
        """Update the data source and return its state (`CalcPatch` in resources).

        Cloud Control's handler reads all properties, applies the patch to them, and sends all of them.
        This method sends the inputs and, from the state, the properties that the program never set.
        """
        removed_keys = _select_actual_inputs(state, inputs).keys() - inputs.keys()
        remaining_keys = _INPUT_KEYS & (state.keys() - removed_keys)
        properties = {key: state[key] for key in remaining_keys} | inputs

        def update_data_source(api: Any) -> None:
            api.update_data_source(**{**properties, **_parse_id(resource_id)})

        self._call_service("updating resource", update_data_source)
        return self._read_back(resource_id, inputs)

    def delete(self, resource_id: str, _state: Properties, /) -> None:
        """Delete the data source if it exists (`Delete` in client)."""

        def delete_data_source(api: Any) -> None:
            ignore_not_found(api.delete_data_source, **_parse_id(resource_id))

        self._call_service("deleting resource", delete_data_source)

    def _read_back(self, resource_id: str, inputs: Properties) -> Properties:
        """Return the state after a change; raise ProviderError if the data source does not exist."""
        actual = self._find_properties(resource_id)
        if actual is None:
            raise ProviderError(f"reading resource state: {resource_id} does not exist")
        return _build_state(inputs, actual)

    def _find_properties(self, resource_id: str) -> Properties | None:
        """Return the actual properties, with timestamps as text; None if there is no data source."""
        response = self._call_service(
            "reading resource state",
            lambda api: ignore_not_found(api.get_data_source, **_parse_id(resource_id)),
        )
        if response is None:
            return None
        timestamps = {key: response[key].isoformat() for key in ("createdAt", "updatedAt")}
        properties = {**response, **timestamps}
        return {key: properties[key] for key in properties if key in PROPERTIES}

    def _call_service(self, activity: str, function: Callable[[Any], Any]) -> Any:
        return call_aws(activity, function, get_client("qbusiness", self.region))


LIFECYCLE_BY_TOKEN: Final = {TOKEN: DataSourceLifecycle}
FUNCTION_BY_TOKEN: Final[Mapping[str, Callable[[Configuration], Properties]]] = {}


def _parse_id(resource_id: str) -> dict[str, str]:
    """Return the parts of an ID as a call's parameters; raise ProviderError for a malformed ID."""
    parts = resource_id.split("|")
    if len(parts) != len(_ID_KEYS):
        raise ProviderError(
            f"{resource_id} is not the ID of a data source; expected {'|'.join(_ID_KEYS)}"
        )
    return dict(zip(_ID_KEYS, parts, strict=True))


def _build_state(inputs: Properties, actual: Properties) -> Properties:
    """Return the state: the actual properties and the inputs (`CheckpointObject` in resources)."""
    return {**actual, _RECORDED_INPUTS: {**SECRET, "value": inputs}}


def _select_actual_inputs(state: Properties, inputs: Properties) -> Properties:
    """Return the actual values of the inputs that the program set before or sets now.

    The real function, `ActualInputBaselineFromOutputs` in resources, also includes required inputs,
    which the program always sets.
    """
    recorded_inputs = state.get(_RECORDED_INPUTS, {})
    selected_keys = _INPUT_KEYS & (recorded_inputs.keys() | inputs.keys())
    return {key: state[key] for key in state if key in selected_keys}


def _sort_network_ids(inputs: Properties) -> Properties:
    """Return the inputs with sorted subnets and security groups.

    The real function is `suppressUnorderedCollectionDiffs` in resources.
    """
    vpc_configuration = inputs.get("vpcConfiguration")
    if not isinstance(vpc_configuration, dict):
        return inputs
    sorted_configuration = {
        key: sorted(ids) if isinstance(ids, list) else ids for key, ids in vpc_configuration.items()
    }
    return {**inputs, "vpcConfiguration": sorted_configuration}


def _remove_nulls(json_value: Any) -> Any:
    """Return a JSON value without nulls; an object that contains only nulls counts as null.

    The real function is `filterNullProperties` in provider.
    """
    if isinstance(json_value, dict):
        contents = {key: _remove_nulls(content) for key, content in json_value.items()}
        remainder = {key: content for key, content in contents.items() if content is not None}
        has_only_nulls = bool(json_value) and not remainder
        return None if has_only_nulls else remainder
    if isinstance(json_value, list):
        return [content for content in map(_remove_nulls, json_value) if content is not None]
    return json_value
