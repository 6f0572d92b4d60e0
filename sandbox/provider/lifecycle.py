"""What does the engine ask of a resource, whatever its type, and what is the answer?

Peculiarities that the answers share with pulumi-aws 7: automatic names of the resource's name, a
hyphen and seven characters; JSON documents compared by meaning; deletion before replacement where the
user chose the name; the provider's default tags in `tagsAll`.
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sandbox.provider.calls import ProviderError, call, client

Properties = dict[str, Any]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the protocol sends in place of a value that is not known yet."""
_DEFAULTS: Final = "__defaults"
"""Names the properties that the provider and not the user has set, as the real provider does."""


class HalfDoneError(ProviderError):
    """Raised when IAM has done what it was asked, and reading the result failed."""

    def __init__(self, identifier: str, state: Properties, reason: str) -> None:
        """Say what there is by now."""
        super().__init__(reason)
        self.identifier = identifier
        self.state = state


class Configuration(NamedTuple):
    """What the provider was configured with."""

    region: str = ""
    default_tags: Mapping[str, str] = {}


class Property(NamedTuple):
    """One property of a resource."""

    kind: str = "string"
    """Its type in a Pulumi schema: string, boolean, integer, or an object or array of strings."""
    default: object = None
    required: bool = False
    replaces: bool = False
    """Whether a change of it makes another resource."""
    document: bool = False
    """Whether it is a policy document, compared by meaning."""
    computed: bool = False
    """Whether IAM sets it."""


class Diff(NamedTuple):
    """How a resource would change."""

    changed: Mapping[str, str]
    """ADD, UPDATE or DELETE for each property."""
    replaces: Sequence[str]
    delete_first: bool


class Resource:
    """What all resources have in common; a subclass says what IAM has to do."""

    token: str
    properties: Mapping[str, Property]

    # The three answers of IAM, as properties.

    def fetch(self, iam: Any, identifier: str) -> Properties | None:
        """Return the resource as it is, None if it is not there."""
        raise NotImplementedError

    def make(self, iam: Any, wanted: Properties) -> str:
        """Make the resource and return its ID."""
        raise NotImplementedError

    def change(self, iam: Any, identifier: str, present: Properties, wanted: Properties) -> None:
        """Turn the resource as it is into the one that is wanted."""
        raise NotImplementedError

    def remove(self, iam: Any, identifier: str, state: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""
        raise NotImplementedError

    # What the engine asks.

    def check(
        self, name: str, olds: Properties, news: Properties, seed: bytes
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the inputs with their defaults, and what is wrong with them."""
        known = {name for name, it in self.properties.items() if not it.computed}
        given = {name: value for name, value in news.items() if not name.startswith("__")}
        failures = [
            (other, f"the sandbox's {self.token} has no {other}; it has {', '.join(sorted(known))}")
            for other in sorted(set(given) - known)
        ]
        defaults = {
            name: it.default
            for name, it in self.properties.items()
            if it.default is not None and name not in given
        }
        if "name" in known and "name" not in given:
            kept = olds["name"] if "name" in olds.get(_DEFAULTS, []) else None
            suffix = f"{random.Random(seed).getrandbits(28):07x}"  # noqa: S311 a name, no secret
            defaults["name"] = kept or f"{name}-{suffix}"
        failures += [
            (name, f"{name} is required")
            for name, it in self.properties.items()
            if it.required and name not in given
        ]
        return {**given, **defaults, _DEFAULTS: sorted(defaults)}, failures

    def diff(self, configuration: Configuration, olds: Properties, news: Properties) -> Diff:
        """Compare the state with the inputs."""
        wanted = self._wanted(configuration, news)
        changed: dict[str, str] = {}
        for name, it in self.properties.items():
            old, new = olds.get(name) or None, wanted.get(name) or None
            if (it.computed and name not in wanted) or _same(old, new, document=it.document):
                continue
            changed[name] = "ADD" if old is None else "DELETE" if new is None else "UPDATE"
        replaces = [name for name in changed if self.properties[name].replaces]
        delete_first = bool(replaces) and "name" not in news.get(_DEFAULTS, [])
        return Diff(changed, replaces, delete_first)

    def preview(self, configuration: Configuration, inputs: Properties, olds: Properties) -> Properties:
        """Return the state to be expected: what IAM sets stays, or is not known yet."""
        computed = {name: olds.get(name, UNKNOWN) for name, it in self.properties.items() if it.computed}
        return computed | self._wanted(configuration, inputs)

    def create(self, configuration: Configuration, inputs: Properties) -> tuple[str, Properties]:
        """Make the resource; return its ID and its state."""
        wanted = self._wanted(configuration, inputs)
        iam = client("iam", configuration.region)
        identifier = call(f"create {self.token}", self.make, iam, wanted)
        return identifier, self._state(iam, identifier, {}, wanted)

    def read(
        self, configuration: Configuration, identifier: str, olds: Properties, inputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """Return inputs and state as IAM has them; without `olds`, for an import."""
        state = call(f"read {self.token}", self.fetch, client("iam", configuration.region), identifier)
        if state is None:
            return None
        for name, it in self.properties.items():
            # Equal documents stay as they were written.
            if it.document and _same(olds.get(name), state[name], document=True):
                state[name] = olds[name]
            if name not in state and not it.computed:
                state[name] = olds.get(name, it.default)
        if "tagsAll" in state:
            defaults = configuration.default_tags.items() - (inputs.get("tags") or {}).items()
            state["tags"] = dict(state["tagsAll"].items() - defaults)
        present = {name: value for name, value in state.items() if value is not None}
        found = {
            name: value
            for name, value in present.items()
            if not self.properties[name].computed
            and (name in inputs or value not in (self.properties[name].default, {}, []))
        }
        kept = [name for name in inputs.get(_DEFAULTS, []) if found.get(name) == inputs.get(name)]
        return {**found, _DEFAULTS: kept}, present

    def update(
        self, configuration: Configuration, identifier: str, olds: Properties, news: Properties
    ) -> Properties:
        """Change the resource in place; return its state."""
        wanted = self._wanted(configuration, news)
        iam = client("iam", configuration.region)
        call(f"update {self.token}", self.change, iam, identifier, olds, wanted)
        return self._state(iam, identifier, olds, wanted)

    def delete(self, configuration: Configuration, identifier: str, state: Properties) -> None:
        """Remove the resource."""
        call(f"delete {self.token}", self.remove, client("iam", configuration.region), identifier, state)

    def _wanted(self, configuration: Configuration, inputs: Properties) -> Properties:
        wanted = {name: value for name, value in inputs.items() if not name.startswith("__")}
        if "tagsAll" in self.properties:
            tags = inputs.get("tags") or {}
            unknown = tags == UNKNOWN
            wanted["tagsAll"] = UNKNOWN if unknown else {**configuration.default_tags, **tags}
        return wanted

    def _state(self, iam: Any, identifier: str, olds: Properties, wanted: Properties) -> Properties:
        known = {name: it for name, it in olds.items() if name in self.properties} | wanted
        try:
            present = call(f"read {self.token}", self.fetch, iam, identifier)
        except ProviderError as error:
            raise HalfDoneError(identifier, known, str(error)) from error
        if present is None:
            raise HalfDoneError(identifier, known, f"read {self.token}: {identifier} is not there yet")
        return {name: value for name, value in {**present, **wanted}.items() if value is not None}


def from_json(value: Any) -> Any:
    """Return what a text of JSON stands for, and anything else as it is."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _same(old: Any, new: Any, *, document: bool) -> bool:
    if document and isinstance(old, str) and isinstance(new, str):
        return _meaning(from_json(old)) == _meaning(from_json(new))
    if isinstance(old, list) and isinstance(new, list):
        return sorted(old) == sorted(new)
    return old == new


def _meaning(value: Any) -> Any:
    """Bring a policy document into the one form that all documents of its meaning share."""
    if isinstance(value, dict):
        return {key: _meaning(member) for key, member in value.items()}
    if isinstance(value, list):
        if len(value) == 1:
            return _meaning(value[0])
        if all(isinstance(member, str) for member in value):
            return sorted(value)
        return [_meaning(member) for member in value]
    return value
