"""How do the keys of stack configuration become settings?

The keys are the settings' names in camel case, and `aws:region`. Presence and YAML types are
declared in `Pulumi.yaml` and checked by the engine; what it lets through is examined like any other
value: https://www.pulumi.com/docs/iac/concepts/config/
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

import pulumi

from components import settings
from components.examination import unknown_name
from components.settings import Path, Problem, printable


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


KEYS: Final = {name: _camel_case(name) for name in settings.NAMES if name != "region"}
"""The key of each setting in the project's namespace."""
MEMBERS: Final = {name: _camel_case(name) for name in settings.VPC_MEMBERS}
"""The members of a VPC configuration, as the component and as the API call them."""


class AsGiven(str):
    """A key that is no setting: called what it is, even if a setting's argument is called so."""

    __slots__ = ()


class StackConfiguration:
    """The settings as they stand in the stack's configuration."""

    region_required = True

    def __init__(self, config: pulumi.Config, *, refuse_unknown_keys: bool) -> None:
        """Read every key in the table; with `refuse_unknown_keys`, object to any other."""
        self.namespace = config.name
        self.problems: Sequence[Problem] = [
            unknown_name(self, (AsGiven(key),), [(name,) for name in KEYS])
            for key in (self._other_keys() if refuse_unknown_keys else ())
        ]
        self.arguments: dict[str, object] = {
            "region": pulumi.Config("aws").get("region"),
            **{name: _value(name, config.get(key)) for name, key in KEYS.items()},
        }
        # Not booleans: what they do shows in every preview.
        self.secrets: Sequence[str] = [
            name
            for name, key in KEYS.items()
            if name not in settings.BOOLEANS and pulumi.runtime.is_config_secret(config.full_key(key))
        ]
        vpc = self.arguments["vpc_configuration"]
        if vpc and isinstance(vpc, Mapping):
            self.arguments["vpc_configuration"] = self._members(cast("Mapping[str, object]", vpc))

    def name(self, path: Path) -> str:
        """Return the key, with its path for a member of an object."""
        if (key := _spelled(path[0], {"region": "aws:region"})) == "aws:region":
            return key
        own = self.namespace == pulumi.get_project() or ":" in key
        return ("" if own else f"{self.namespace}:") + in_camel_case(path)

    def command(self, problem: Problem) -> str:
        """Return the command that sets the key to an example, or removes it.

        More than one member at a time, and a key that no path can name, are a matter of the file.
        """
        key = self.name(problem.path)
        if problem.path[-1] in (*settings.OBJECTS, *MEMBERS) or printable(key) != key or "\\" in key:
            return f"edit Pulumi.{pulumi.get_stack()}.yaml"
        stack = shlex.quote(pulumi.get_stack())
        path = " --path" if len(problem.path) > 1 else ""
        if problem.example is None:
            return f"pulumi config rm --stack {stack}{path} -- {shlex.quote(key)}"
        # These three exclude each other; without any, Pulumi asks about what looks like a secret.
        plain = "--type string" if path else "--plaintext"
        kind = "--secret" if problem.path[0] in self.secrets else plain
        value = f"{shlex.quote(key)} {shlex.quote(problem.example)}"
        return f"pulumi config set --stack {stack}{path} {kind} -- {value}"

    def _other_keys(self) -> list[str]:
        keys = (key.partition(":") for key in pulumi.runtime.get_config_env())
        known = KEYS.values()
        return [key for space, _, key in keys if space == self.namespace and key not in known]

    def _members(self, vpc: Mapping[str, object]) -> dict[str, object]:
        """Name the members as the component does, and object to those that it does not have."""
        known = [("vpc_configuration", member) for member in MEMBERS]
        self.problems = [
            *self.problems,
            *(
                unknown_name(self, ("vpc_configuration", AsGiven(key)), known)
                for key in vpc
                if key not in MEMBERS.values()
            ),
        ]
        return {name: vpc.get(key) for name, key in MEMBERS.items()}


def autonaming_warning(source: StackConfiguration) -> str | None:
    """Say so if the stack names its roles otherwise than the documentation takes for granted.

    https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming
    """
    stack = pulumi.Config("pulumi").get_object("autonaming")
    place: object = stack
    chosen: Mapping[str, object] = {}
    for step in ("", "providers", "aws", "resources", "aws:iam/role:Role"):
        place = cast("Mapping[str, object]", place).get(step) if step else place
        if not isinstance(place, Mapping):
            break
        if "mode" in place or "pattern" in place:
            chosen = cast("Mapping[str, object]", place)
    pattern, mode = chosen.get("pattern"), chosen.get("mode", "default")
    if (mode == "default" and not pattern) or str(pattern).startswith("${name}-"):
        return None
    return (
        f"{source.name(('role_name',))} is not set, and pulumi:autonaming ({pattern or mode}) decides "
        "the role's name. It may lack qbusiness, without which the Amazon Q Business console does not "
        "list the role, and permissions for roles named after the component do not cover it: set a "
        "role name"
    )


def in_camel_case(path: Path) -> str:
    """Return a setting's name, with the path to a member, as configuration and packages write it."""
    members = MEMBERS if path[0] == "vpc_configuration" else {}
    return _spelled(path[0], KEYS) + "".join(
        f"[{part}]" if isinstance(part, int) else _member(_spelled(part, members)) for part in path[1:]
    )


def _spelled(name: str, keys: Mapping[str, str]) -> str:
    return name if isinstance(name, AsGiven) else keys.get(name, name)


def _member(key: str) -> str:
    quoted = key.replace('"', '\\"')
    return f".{key}" if key.isidentifier() and key.isascii() else f'["{quoted}"]'


def _value(name: str, text: str | None) -> object:
    """Return what the text stands for; text that is not JSON stays as it is, to be refused by form."""
    if text and name in (*settings.OBJECTS, *settings.BOOLEANS):
        # Too many digits, and too deep: neither is an object or a boolean of ours.
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    return text
