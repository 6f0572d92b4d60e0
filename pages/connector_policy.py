"""Generate the files in guardrails/ and examples/ci-roles/ that summarize all connectors' policies.

The policy in guardrails/connector_policy.json has placeholders for parts of the settings' values, such as
the ID in a secret's ARN.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, cast

from components.connectors import CONNECTORS
from components.formats import APPLICATION, ROLE_NAME, ROLE_PATH, Format, Location, Text
from components.policies import role_policy
from components.problems import Place, Source
from components.settings import SETTINGS, Flag, Role, Value, Vpc
from pages.markdown import compact_json
from roles.actions import ACTIONS

_PLACE: Final = Place((), Source.PACKAGE)
_LOCATION: Final = Location("{partition}", "{region}", "{account}")


def page() -> str:
    """Return the text of connector_policy.json: the policy, and the format of each placeholder."""
    policy = {"Version": "2012-10-17", "Statement": _statements()}
    return compact_json({"placeholders": _formats(), "policy": policy}) + "\n"


def actions() -> str:
    """Return the text of actions.json: the policy's actions by service, and those of `audit` and `check`."""
    every = {action for statement in _statements() for action in statement["Action"]}
    grouped = groupby(sorted(every), key=lambda action: action.partition(":")[0])
    auditing = sorted({*ACTIONS["audit"], *ACTIONS["check"]})
    return compact_json({**{key: [*own] for key, own in grouped}, "auditAndCheck": auditing}) + "\n"


def _statements() -> Sequence[dict[str, Any]]:
    """Return the statements of all connectors' role policies, with placeholders."""
    values = _values()
    found: dict[str, dict[str, Any]] = {}
    for connector in CONNECTORS:
        settings = {name: Value(_PLACE, None, parsed=values.get(name)) for name in SETTINGS}
        settings["connector"] = Value(_PLACE, connector)
        document = role_policy(Role(connector, settings, _LOCATION), "{role}")
        for statement in json.loads(document)["Statement"]:
            like = found.setdefault(json.dumps([*_form(statement)]), statement)
            for operator, keys in statement.get("Condition", {}).items():
                for key, given in keys.items():
                    if isinstance(given, list):
                        every: list[str] = like["Condition"][operator][key]
                        every += [value for value in cast("list[str]", given) if value not in every]
    return [*found.values()]


def _form(statement: Mapping[str, Any]) -> Iterator[object]:
    """Yield a statement's parts, except its Sid, its Effect, and its lists of condition values."""
    yield statement["Action"]
    yield statement["Resource"]
    for operator, keys in statement.get("Condition", {}).items():
        yield from ((operator, key, isinstance(given, list) or given) for key, given in keys.items())


def _texts() -> Iterator[tuple[str, str, Format]]:
    """Yield the setting, name, and format of each text that is part of role policies."""
    for name, (kind, *_) in SETTINGS.items():
        if isinstance(kind, Vpc):
            yield from ((name, listed, form) for listed, form in kind.lists.items())
        elif isinstance(kind, Format) and not kind.choices and not SETTINGS[name].of_role:
            yield name, name, kind


def _parts(setting: str, name: str, form: Format) -> Mapping[str, str]:
    """Return a placeholder for each of a text's parts that can differ between resources."""
    thing, _, part = name.removeprefix("kms_").removesuffix("s").rpartition("_")
    is_home = SETTINGS[setting].scope == "stack" or SETTINGS[setting].same_account
    if "(?P<id>" not in form.pattern:
        return {} if is_home else {"account": thing}
    account = {} if is_home or "(?P<account>" not in form.pattern else {"account": f"{thing}_account"}
    return {"id": f"{thing}_{part}", **account}


def _values() -> Mapping[str, Any]:
    """Return parsed values for all settings on which the policies depend."""
    found: dict[str, Any] = {"region": Text(_LOCATION.region)} | {
        name: {} if isinstance(kind, Vpc) else True
        for name, (kind, *_) in SETTINGS.items()
        if isinstance(kind, Flag | Vpc)
    }
    for setting, name, form in _texts():
        parts = {part: f"{{{placeholder}}}" for part, placeholder in _parts(setting, name, form).items()}
        if parts and setting == name:
            found[name] = Text(next(iter(parts.values())), **parts)
        elif parts:
            found[setting][name] = [(_PLACE, Text(**parts))]
    return found


def _formats() -> Mapping[str, str]:
    """Return the format of each placeholder; no format matches a wildcard or a policy variable."""
    formats = {part: _group(APPLICATION.pattern, part) for part in Location._fields}
    for setting, name, form in _texts():
        parts = _parts(setting, name, form)
        formats |= {placeholder: _group(form.pattern, part) for part, placeholder in parts.items()}
    # `role` stands for an optional path, without its first slash, and a name.
    return {**formats, "role": f"(?:{ROLE_PATH.pattern.partition('/(?:')[2]}{ROLE_NAME.pattern}"}


def _group(pattern: str, name: str) -> str:
    """Return the pattern inside a named group of a regular expression."""
    _, _, rest = pattern.partition(f"(?P<{name}>")
    depth = 1
    for end, character in enumerate(rest):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if not depth:
            return rest[:end]
    raise ValueError(f"no group {name} in {pattern}")
