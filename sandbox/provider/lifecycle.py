"""Handle the engine's requests for a resource, as the Pulumi Terraform bridge does for pulumi-aws.

Most docstrings mention the bridge's corresponding function, such as `Provider.Check`. Unless stated
otherwise, it is in the package `tfbridge` in https://github.com/pulumi/pulumi-terraform-bridge.
`sandbox/provider/__init__.py` lists the differences from the real provider.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from sandbox.provider.calls import ProviderError, call_aws, get_client
from sandbox.provider.configuration import UNKNOWN, Configuration, Properties
from sandbox.provider.policy_equivalence import are_equivalent, normalize_policy

DEFAULTS: Final = "__defaults"
"""The input that lists the inputs for which the provider set a default."""


class ResourceInitError(ProviderError):
    """Raised for a failed operation that may have changed the resource.

    The engine still stores `state`.
    """

    def __init__(self, resource_id: str, state: Properties, reason: str) -> None:
        """Store the ID and the state for the engine."""
        super().__init__(reason)
        self.resource_id = resource_id
        self.state = {**state, "id": resource_id}


class Property(NamedTuple):
    """One property of a resource."""

    kind: str = "string"
    """The type: string, boolean, integer, any, object or array (of strings), lists (an object that
    contains arrays), or policies (an array of objects)."""
    default: object = None
    required: bool = False
    replaces: bool = False
    is_document: bool = False
    """Whether the value is a policy document; equivalent documents count as equal."""
    computed: bool = False
    """Whether AWS sets the property if the program does not."""
    output_only: bool = False
    """Whether only AWS can set the property."""
    imported: bool = False
    """Whether an import adds the property to the inputs even if its value is the default."""


class Diff(NamedTuple):
    """The changes that an update would make to a resource."""

    changes: Mapping[str, str] | None
    """ADD, UPDATE, or DELETE for the path of each value that differs, such as `tags.Team`; None if the
    engine must compare the inputs itself."""
    replaces: Collection[str]
    delete_before_replace: bool
    detailed: bool = True
    """Whether the provider reports the paths to the engine, and not only the top-level properties."""


class Resource(ABC):
    """A type of resource; subclasses call AWS."""

    token: str
    properties: Mapping[str, Property]
    uses_framework = False
    """Whether the resource is built with Terraform's plugin framework instead of Terraform's plugin SDK.

    If so, the engine keeps the old state after a failed update, and it receives only the changed
    properties' names (`DiffWithContext` in pf/tfbridge without `enableAccuratePFBridgePreview`).
    """
    deletes_before_replacing = False
    """Whether a replacement always deletes the old resource first: `DeleteBeforeReplace`."""

    @abstractmethod
    def read(self, iam: Any, resource_id: str, /) -> Properties | None:
        """Return the resource's actual properties; None if the resource does not exist."""

    @abstractmethod
    def create(self, iam: Any, desired: Properties, /) -> str:
        """Create the resource and return its ID."""

    def update(  # noqa: B027 a resource without its own update method is replaced
        self, iam: Any, resource_id: str, recorded: Properties, desired: Properties, /
    ) -> None:
        """Change the resource from its recorded state to the desired state."""

    @abstractmethod
    def delete(self, iam: Any, resource_id: str, state: Properties, /) -> None:
        """Delete the resource; it is not an error if the resource does not exist."""


class Lifecycle:
    """The engine's operations on one type of resource."""

    def __init__(self, resource: Resource, configuration: Configuration) -> None:
        """Store the resource and the provider's configuration."""
        self.resource = resource
        self.configuration = configuration

    def check(
        self, old_inputs: Properties, new_inputs: Properties, automatic_name: str, /
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the inputs with defaults and all tags, and the failures (`Provider.Check`).

        A failure consists of the name of an unknown, missing, or invalid input and the reason. If the
        program does not set a property, a default from an earlier update is kept. If no list of
        defaults was stored, every old value of a property with a default counts as a default
        (`applyDefaults`). An earlier name is kept even if the program had set it.
        """
        inputs = _remove_nulls(new_inputs)
        inputs.pop(DEFAULTS, None)
        failures = self._find_input_failures(inputs)
        old_default_keys = old_inputs.get(DEFAULTS, old_inputs)
        default_keys: list[str] = []
        for key, schema in self.resource.properties.items():
            if key in inputs:
                continue
            if key == "name":  # `ComputeAutoNameDefault` in tfbridge/info
                default = old_inputs.get("name") or automatic_name
            elif schema.default is not None and key in old_inputs and key in old_default_keys:
                default = old_inputs[key]
            else:
                default = schema.default
            if default:  # Terraform itself sets empty defaults
                inputs[key] = default
                default_keys.append(key)
        if "tagsAll" in self.resource.properties:
            inputs["tagsAll"] = self._merge_default_tags(inputs.get("tags") or {})
        return {**inputs, DEFAULTS: sorted(default_keys)}, failures

    def _find_input_failures(self, inputs: Properties) -> list[tuple[str, str]]:
        properties = self.resource.properties
        input_keys = sorted(key for key, schema in properties.items() if not schema.output_only)
        failures = [
            (key, f"the sandbox's {self.resource.token} has no {key}; it has {', '.join(input_keys)}")
            for key in sorted(set(inputs) - set(input_keys))
        ]
        failures += [
            (key, f"{key} is required")
            for key, schema in properties.items()
            if schema.required and key not in inputs
        ]
        failures += [
            (key, f"{key} contains an invalid JSON policy")
            for key, schema in properties.items()
            if schema.is_document and not _is_policy(inputs.get(key, UNKNOWN))
        ]
        return failures

    def _merge_default_tags(self, tags: Any) -> Any:
        """Return the resource's tags and the provider's default tags: `applyTags` in pulumi-aws.

        A tag of the resource overrides a default tag with the same key. If a tag of the resource is
        unknown, return UNKNOWN.
        """
        if tags == UNKNOWN or UNKNOWN in tags.values():
            return UNKNOWN
        return {**self.configuration.default_tags, **tags}

    def diff(self, state: Properties, inputs: Properties, ignored_keys: Collection[str], /) -> Diff:
        """Compare the recorded state with the desired state: `Provider.Diff`, `makeDetailedDiffV2`."""
        planned = self._plan_state(state, inputs, ignored_keys)
        change_by_path: dict[str, str] = {}
        for key, schema in self.resource.properties.items():
            if not schema.output_only:
                change_by_path |= _find_changes(key, state.get(key), planned.get(key))
        changed_keys = set(map(top_level, change_by_path))
        replacing_keys = sorted(key for key in changed_keys if self.resource.properties[key].replaces)
        has_name_from_user = "name" in inputs and "name" not in inputs.get(DEFAULTS, ["name"])
        deletes_first = self.resource.deletes_before_replacing or has_name_from_user
        return Diff(
            change_by_path,
            replacing_keys,
            delete_before_replace=bool(replacing_keys) and deletes_first,
            detailed=not self.resource.uses_framework,
        )

    def _plan_state(
        self, state: Properties, inputs: Properties, ignored_keys: Collection[str] = ()
    ) -> Properties:
        """Return the desired state for a create or an update.

        Ignored and output-only properties keep their recorded values, and so do computed properties that
        the program does not set. If a document is equivalent to the recorded one, the recorded text is
        kept. Any other document is normalized (`StateFunc`).
        """
        planned: Properties = {}
        for key, schema in self.resource.properties.items():
            recorded, desired = state.get(key), inputs.get(key)
            is_computed = desired is None and schema.computed
            if key in ignored_keys or schema.output_only or is_computed:
                planned[key] = recorded
            elif desired is None:
                planned[key] = schema.default
            elif schema.is_document and desired != UNKNOWN:
                planned[key] = _keep_equivalent_document(recorded, desired)
            else:
                planned[key] = desired
        return _remove_nulls(planned)

    def preview(
        self, state: Properties, inputs: Properties, ignored_keys: Collection[str], /
    ) -> Properties:
        """Return the expected state; for a new resource, values from AWS are unknown."""
        planned = self._plan_state(state, inputs, ignored_keys)
        if state:
            return planned
        unknown_properties = {
            key: UNKNOWN
            for key, schema in self.resource.properties.items()
            if schema.computed or schema.output_only
        }
        return {**unknown_properties, **planned}

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Create the resource and return its ID and state: `Provider.Create`.

        Raises ResourceInitError if the new resource cannot be read.
        """
        planned = self._plan_state({}, inputs)
        resource_id = self._call_iam("create", self.resource.create, planned)
        try:
            return resource_id, self._read_back(resource_id, planned)
        except ProviderError as error:
            raise ResourceInitError(resource_id, planned, str(error)) from error

    def update(
        self, resource_id: str, state: Properties, inputs: Properties, ignored_keys: Collection[str], /
    ) -> Properties:
        """Update the resource in place and return its state: `Provider.Update`.

        Unless the resource is built with the framework, a failed call leaves the planned values in the
        state, not the actual ones (`Resource.Apply` and `ResourceData.State` in terraform-plugin-sdk),
        so only a refresh detects the difference.
        """
        planned = self._plan_state(state, inputs, ignored_keys)
        try:
            self._call_iam("update", self.resource.update, resource_id, state, planned)
            return self._read_back(resource_id, planned)
        except ProviderError as error:
            if not self.resource.uses_framework:
                raise ResourceInitError(resource_id, planned, str(error)) from error
            raise

    def delete(self, resource_id: str, state: Properties, /) -> None:
        """Delete the resource."""
        self._call_iam("delete", self.resource.delete, resource_id, state)

    def read(
        self, resource_id: str, state: Properties, inputs: Properties, /
    ) -> tuple[Properties, Properties] | None:
        """Return the actual inputs and state (`Provider.Read`); None if the resource does not exist.

        If there is no state, the operation is an import.
        """
        actual = self._find_state(resource_id, state)
        if actual is None:
            return None
        if state:
            return self._refresh_inputs(inputs, actual), actual
        return self._select_imported_inputs(actual), actual

    def _read_back(self, resource_id: str, planned: Properties) -> Properties:
        """Return the state after a change; raise ProviderError if the resource does not exist."""
        actual = self._find_state(resource_id, planned)
        if actual is None:
            raise ProviderError(f"read {self.resource.token}: {resource_id} does not exist")
        return actual

    def _find_state(self, resource_id: str, recorded: Properties) -> Properties | None:
        """Return the actual state; None if the resource does not exist.

        A property that AWS does not store keeps its recorded value; without one, it gets its default.
        A document that is equivalent to the recorded one keeps the recorded text.
        """
        actual = self._call_iam("read", self.resource.read, resource_id)
        if actual is None:
            return None
        actual["id"] = resource_id  # MakeTerraformResult in tfbridge
        for key, schema in self.resource.properties.items():
            if schema.is_document:
                actual[key] = _keep_equivalent_document(recorded.get(key), actual[key])
            elif key not in actual:
                actual[key] = recorded.get(key, schema.default)
        if "tagsAll" in actual:
            # A default tag counts as the resource's own tag only if the resource also sets it.
            recorded_tags = recorded.get("tags") or {}
            inherited_tags = self.configuration.default_tags.items() - recorded_tags.items()
            actual["tags"] = dict(actual["tagsAll"].items() - inherited_tags)
        return _remove_nulls(actual)

    def _refresh_inputs(self, inputs: Properties, actual: Properties) -> Properties:
        """Return the inputs with their actual values: `extractInputsObject`.

        Inputs and tags that AWS no longer has are removed, but no inputs, tags, or list entries are
        added. Documents keep their text. A default whose value has changed is no longer a default.
        """
        refreshed: Properties = {}
        for key, recorded in inputs.items():
            if key == DEFAULTS or key not in actual:
                continue
            is_document = self.resource.properties[key].is_document
            refreshed[key] = recorded if is_document else _limit_to_recorded(recorded, actual[key])
        default_keys = [key for key in inputs.get(DEFAULTS, []) if refreshed.get(key) == inputs[key]]
        return {**refreshed, DEFAULTS: default_keys} if default_keys else refreshed

    def _select_imported_inputs(self, actual: Properties) -> Properties:
        """Return an import's inputs: `extractSchemaInputsObject`.

        These are the properties, except output-only ones, that are required or `imported`, or have a
        value that is neither empty nor the default.
        """
        imported_inputs: Properties = {}
        for key, schema in self.resource.properties.items():
            if schema.output_only or key not in actual:
                continue
            differs_from_default = actual[key] and actual[key] != schema.default
            if schema.required or schema.imported or differs_from_default:
                imported_inputs[key] = actual[key]
        return {**imported_inputs, DEFAULTS: []}

    def _call_iam(self, operation: str, function: Callable[..., Any], *arguments: Any) -> Any:
        iam = get_client("iam", self.configuration.region, self.configuration.maximum_attempts)
        return call_aws(f"{operation} {self.resource.token}", function, iam, *arguments)


def top_level(path: str) -> str:
    """Return the property at the beginning of a path."""
    return path.partition(".")[0].partition("[")[0]


def _is_policy(document: Any) -> bool:
    try:
        return document == UNKNOWN or isinstance(json.loads(document), dict)
    except (TypeError, ValueError):
        return False


def _keep_equivalent_document(recorded: Any, document: str) -> str:
    """Return the recorded document if it is equivalent to a document; otherwise, normalize that one."""
    if recorded and are_equivalent(recorded, document):
        return recorded
    return normalize_policy(document)


def _find_changes(path: str, recorded: Any, planned: Any) -> dict[str, str]:
    """Return the paths where two values differ, each with ADD, UPDATE, or DELETE.

    An empty value equals a missing one, but an empty entry of an object does not equal a missing entry.
    Replacing an empty string is an UPDATE. The order of a list does not matter; a list's new entry is an
    ADD even if it replaces another entry.
    """
    non_empty = [side for side in (recorded, planned) if side]
    if not non_empty:
        return {}
    if all(isinstance(side, dict) for side in non_empty):
        return _find_object_changes(path, recorded or {}, planned or {})
    if isinstance(recorded, list) and isinstance(planned, list):
        deletions = [index for index, content in enumerate(recorded) if content not in planned]
        additions = [index for index, content in enumerate(planned) if content not in recorded]
        change_by_index = dict.fromkeys(deletions, "DELETE") | dict.fromkeys(additions, "ADD")
        return {f"{path}[{index}]": change for index, change in change_by_index.items()}
    if recorded == planned:
        return {}
    if recorded is None:
        return {path: "ADD"}
    return {path: "DELETE" if planned is None else "UPDATE"}


def _find_object_changes(path: str, recorded: Properties, planned: Properties) -> dict[str, str]:
    change_by_path: dict[str, str] = {}
    for key in sorted({*recorded, *planned}):
        key_path = f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]"
        if key in recorded and key in planned:
            change_by_path |= _find_changes(key_path, recorded[key], planned[key])
        else:  # even an empty entry differs from a missing one
            change_by_path[key_path] = "DELETE" if key in recorded else "ADD"
    return change_by_path


def _limit_to_recorded(recorded: Any, actual: Any) -> Any:
    """Return the actual value, limited to the recorded object's keys or the recorded list's length."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        return {key: actual[key] for key in recorded if key in actual}
    if isinstance(recorded, list) and isinstance(actual, list):
        return actual[: len(recorded)]
    return actual


def _remove_nulls(properties: Properties) -> Properties:
    return {key: content for key, content in properties.items() if content is not None}
