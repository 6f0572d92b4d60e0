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
from sandbox.provider.policy_equivalence import are_equivalent, normalize

DEFAULTS: Final = "__defaults"
"""The input that lists the inputs for which the provider set a default."""


class ResourceInitError(ProviderError):
    """Raised for a failed operation that may have changed the resource.

    The engine still stores `state`.
    """

    def __init__(self, identifier: str, state: Properties, reason: str) -> None:
        """Store the ID and the state for the engine."""
        super().__init__(reason)
        self.identifier = identifier
        self.state = {**state, "id": identifier}


class Property(NamedTuple):
    """One property of a resource."""

    kind: str = "string"
    """The type: string, boolean, integer, any, object or array (of strings), lists (an object that
    contains arrays), or policies (an array of objects)."""
    default: object = None
    required: bool = False
    replaces: bool = False
    document: bool = False
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
    framework = False
    """Whether the resource is built with Terraform's plugin framework instead of Terraform's plugin SDK.

    If so, the engine keeps the old state after a failed update, and it receives only the changed
    properties' names (`DiffWithContext` in pf/tfbridge without `enableAccuratePFBridgePreview`).
    """
    deletes_before_replacing = False
    """Whether a replacement always deletes the old resource first: `DeleteBeforeReplace`."""

    @abstractmethod
    def read(self, iam: Any, identifier: str, /) -> Properties | None:
        """Return the resource's actual properties; None if the resource does not exist."""

    @abstractmethod
    def create(self, iam: Any, desired: Properties, /) -> str:
        """Create the resource and return its ID."""

    def update(  # noqa: B027 a resource without its own update method is replaced
        self, iam: Any, identifier: str, actual: Properties, desired: Properties, /
    ) -> None:
        """Change the resource from its recorded state to the desired state."""

    @abstractmethod
    def delete(self, iam: Any, identifier: str, state: Properties, /) -> None:
        """Delete the resource; it is not an error if the resource does not exist."""


class Lifecycle:
    """The engine's operations on one type of resource."""

    def __init__(self, resource: Resource, configuration: Configuration) -> None:
        """Store the resource and the provider's configuration."""
        self.resource = resource
        self.configuration = configuration

    def check(
        self, olds: Properties, news: Properties, automatic_name: str, /
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the inputs with defaults and all tags, and the failures (`Provider.Check`).

        A failure consists of the name of an unknown, missing, or invalid input and the reason. If the
        program does not set a property, a default from an earlier update is kept. If no list of
        defaults was stored, every old value of a property with a default counts as a default
        (`applyDefaults`). An earlier name is kept even if the program had set it.
        """
        properties = self.resource.properties
        known = {key for key, declared in properties.items() if not declared.output_only}
        inputs = {key: value for key, value in news.items() if value is not None and key != DEFAULTS}
        failures = [
            (key, f"the sandbox's {self.resource.token} has no {key}; it has {', '.join(sorted(known))}")
            for key in sorted(set(inputs) - known)
        ]
        failures += [
            (key, f"{key} is required")
            for key, declared in properties.items()
            if declared.required and key not in inputs
        ]
        failures += [
            (key, f"{key} contains an invalid JSON policy")
            for key, declared in properties.items()
            if declared.document and not _is_policy(inputs.get(key, UNKNOWN))
        ]
        listed = olds.get(DEFAULTS, olds)
        old_defaults = {key: value for key, value in olds.items() if key in listed}
        defaults: list[str] = []
        for key, declared in properties.items():
            if key in inputs or (declared.default is None and key != "name"):
                continue
            default = old_defaults.get(key, declared.default)
            if key == "name":  # `ComputeAutoNameDefault` in tfbridge/info
                default = olds.get(key) or automatic_name
            if default:  # Terraform itself sets empty defaults
                inputs[key] = default
                defaults.append(key)
        if "tagsAll" in known:
            inputs["tagsAll"] = self._all_tags(inputs.get("tags") or {})
        return {**inputs, DEFAULTS: sorted(defaults)}, failures

    def _all_tags(self, tags: Any) -> Any:
        """Return the resource's tags and the provider's default tags: `applyTags` in pulumi-aws.

        A tag of the resource overrides a default tag with the same key. If a tag of the resource is
        unknown, return UNKNOWN.
        """
        if tags == UNKNOWN or UNKNOWN in tags.values():
            return UNKNOWN
        return {**self.configuration.default_tags, **tags}

    def diff(self, state: Properties, inputs: Properties, ignored: Collection[str], /) -> Diff:
        """Compare the recorded state with the desired state: `Provider.Diff`, `makeDetailedDiffV2`."""
        planned = self._plan(state, inputs, ignored)
        changes: dict[str, str] = {}
        for key, declared in self.resource.properties.items():
            if not declared.output_only:
                changes |= _changes(key, state.get(key), planned.get(key))
        changed = set(map(top_level, changes))
        replaces = sorted(key for key in changed if self.resource.properties[key].replaces)
        named_by_user = "name" in inputs and "name" not in inputs.get(DEFAULTS, ["name"])
        deletes_first = self.resource.deletes_before_replacing or named_by_user
        return Diff(changes, replaces, bool(replaces) and deletes_first, not self.resource.framework)

    def _plan(self, state: Properties, inputs: Properties, ignored: Collection[str] = ()) -> Properties:
        """Return the desired state for a create or an update.

        Ignored and output-only properties keep their recorded values, and so do computed properties that
        the program does not set. If a document is equivalent to the recorded one, the recorded text is
        kept. Any other document is normalized (`StateFunc`).
        """
        planned: Properties = {}
        for key, declared in self.resource.properties.items():
            old, new = state.get(key), inputs.get(key)
            if key in ignored or declared.output_only or (new is None and declared.computed):
                new = old
            elif new is None:
                new = declared.default
            elif declared.document and new != UNKNOWN:
                new = old if old and are_equivalent(old, new) else normalize(new)
            planned[key] = new
        return _without_nulls(planned)

    def preview(self, state: Properties, inputs: Properties, ignored: Collection[str], /) -> Properties:
        """Return the expected state; for a new resource, values from AWS are unknown."""
        properties = self.resource.properties.items()
        by_aws = {
            key: UNKNOWN for key, declared in properties if declared.computed or declared.output_only
        }
        return {**({} if state else by_aws), **self._plan(state, inputs, ignored)}

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Create the resource and return its ID and state: `Provider.Create`.

        Raises ResourceInitError if the new resource cannot be read.
        """
        planned = self._plan({}, inputs)
        identifier = self._call("create", self.resource.create, planned)
        try:
            return identifier, self._read_back(identifier, planned)
        except ProviderError as error:
            raise ResourceInitError(identifier, planned, str(error)) from error

    def update(
        self, identifier: str, state: Properties, inputs: Properties, ignored: Collection[str], /
    ) -> Properties:
        """Update the resource in place and return its state: `Provider.Update`.

        Unless the resource is built with the framework, a failed call leaves the planned values in the
        state, not the actual ones (`Resource.Apply` and `ResourceData.State` in terraform-plugin-sdk),
        so only a refresh detects the difference.
        """
        planned = self._plan(state, inputs, ignored)
        try:
            self._call("update", self.resource.update, identifier, state, planned)
            return self._read_back(identifier, planned)
        except ProviderError as error:
            if not self.resource.framework:
                raise ResourceInitError(identifier, planned, str(error)) from error
            raise

    def delete(self, identifier: str, state: Properties, /) -> None:
        """Delete the resource."""
        self._call("delete", self.resource.delete, identifier, state)

    def read(
        self, identifier: str, state: Properties, inputs: Properties, /
    ) -> tuple[Properties, Properties] | None:
        """Return the actual inputs and state (`Provider.Read`); None if the resource does not exist.

        If there is no state, the operation is an import.
        """
        actual = self._read(identifier, state)
        if actual is None:
            return None
        return self._refreshed(inputs, actual) if state else self._imported(actual), actual

    def _read_back(self, identifier: str, planned: Properties) -> Properties:
        actual = self._read(identifier, planned)
        if actual is None:
            raise ProviderError(f"read {self.resource.token}: {identifier} does not exist")
        return actual

    def _read(self, identifier: str, state: Properties) -> Properties | None:
        """Return the actual state; None if the resource does not exist.

        A property that AWS does not store keeps its recorded value; without one, it gets its default.
        A document that is equivalent to the recorded one keeps the recorded text.
        """
        actual = self._call("read", self.resource.read, identifier)
        if actual is None:
            return None
        actual["id"] = identifier  # MakeTerraformResult in tfbridge
        for key, declared in self.resource.properties.items():
            if declared.document:
                old, new = state.get(key), normalize(actual[key])
                actual[key] = old if old and are_equivalent(old, new) else new
            elif key not in actual:
                actual[key] = state.get(key, declared.default)
        if "tagsAll" in actual:
            # A default tag counts as the resource's own tag only if the resource also sets it.
            own = state.get("tags") or {}
            default = self.configuration.default_tags.items() - own.items()
            actual["tags"] = dict(actual["tagsAll"].items() - default)
        return _without_nulls(actual)

    def _refreshed(self, inputs: Properties, actual: Properties) -> Properties:
        """Return the inputs with their actual values: `extractInputsObject`.

        Inputs and tags that AWS no longer has are removed, but no inputs, tags, or list entries are
        added. Documents keep their text. A default whose value has changed is no longer a default.
        """
        refreshed: Properties = {}
        for key, value in inputs.items():
            if key != DEFAULTS and key in actual:
                document = self.resource.properties[key].document
                refreshed[key] = value if document else _limit_to(value, actual[key])
        defaults = [key for key in inputs.get(DEFAULTS, []) if refreshed.get(key) == inputs[key]]
        return {**refreshed, DEFAULTS: defaults} if defaults else refreshed

    def _imported(self, actual: Properties) -> Properties:
        """Return an import's inputs: `extractSchemaInputsObject`.

        These are the properties, except output-only ones, that are required or `imported`, or have a
        value that is neither empty nor the default.
        """
        found = {
            key: actual[key]
            for key, declared in self.resource.properties.items()
            if not declared.output_only
            and key in actual
            and (
                declared.required
                or declared.imported
                or (actual[key] and actual[key] != declared.default)
            )
        }
        return {**found, DEFAULTS: []}

    def _call(self, operation: str, function: Callable[..., Any], *arguments: Any) -> Any:
        iam = get_client("iam", self.configuration.region, self.configuration.maximum_attempts)
        return call_aws(f"{operation} {self.resource.token}", function, iam, *arguments)


def top_level(path: str) -> str:
    """Return the property at the beginning of a path."""
    return path.partition(".")[0].partition("[")[0]


def _is_policy(text: Any) -> bool:
    try:
        return text == UNKNOWN or isinstance(json.loads(text), dict)
    except (TypeError, ValueError):
        return False


def _changes(path: str, old: Any, new: Any) -> dict[str, str]:
    """Return the paths where two values differ, each with ADD, UPDATE, or DELETE.

    An empty value equals a missing one, but an empty entry of an object does not equal a missing entry.
    Replacing an empty string is an UPDATE. The order of a list does not matter; a list's new entry is an
    ADD even if it replaces another entry.
    """
    if not (old or new):
        return {}
    if all(isinstance(each, dict) for each in (old, new) if each):
        old, new = old or {}, new or {}
        found: dict[str, str] = {}
        for key in sorted({*old, *new}):
            entry = f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]"
            if key in old and key in new:
                found |= _changes(entry, old[key], new[key])
            else:  # even an empty entry differs from a missing one
                found[entry] = "DELETE" if key in old else "ADD"
        return found
    if isinstance(old, list) and isinstance(new, list):
        return {f"{path}[{i}]": "DELETE" for i, item in enumerate(old) if item not in new} | {
            f"{path}[{i}]": "ADD" for i, item in enumerate(new) if item not in old
        }
    if old == new:
        return {}
    return {path: "ADD" if old is None else "DELETE" if new is None else "UPDATE"}


def _limit_to(old: Any, new: Any) -> Any:
    """Return the new value, limited to the old object's keys or the old list's length."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: new[key] for key in old if key in new}
    if isinstance(old, list) and isinstance(new, list):
        return [entry for _, entry in zip(old, new, strict=False)]
    return new


def _without_nulls(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if value is not None}
