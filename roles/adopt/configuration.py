"""Convert entries' settings to a stack's configuration."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from components.configuration import (
    ALLOWED_ACCOUNTS,
    DATA_SOURCES,
    MAXIMUM_ENTRIES,
    MAXIMUM_SIZE,
    config_key,
    size_in_bytes,
)
from components.problems import camel_case
from roles.adopt.entries import Entry
from roles.adopt.existing import Existing
from roles.adopt.requirements import Requirements
from roles.arns import Arn
from roles.errors import InputError

_COMMON_SETTINGS: Final = ("region", "application_id")
"""Settings that all data sources of an application share."""


def configure_one(entry: Entry, before: Existing, project: str) -> dict[str, object]:
    """Return the configuration of a stack with one role."""
    settings = {**entry.requirements.settings(), **before.protect}
    return {**_provider(entry.requirements), **_spell_keys(settings, project)}


def configure_several(entries: Mapping[str, Entry], before: Existing, project: str) -> dict[str, object]:
    """Return the configuration of a stack with `dataSources`; the most frequent index is the default."""
    first = next(iter(entries.values())).requirements
    indexes = Counter(each.requirements.index_id for each in entries.values())
    default = {"application_id": first.application_arn, "index_id": indexes.most_common(1)[0][0]}
    sources: dict[str, object] = {}
    for name, each in entries.items():
        settings = each.requirements.settings()
        if settings["index_id"] == default["index_id"]:
            del settings["index_id"]
        # Otherwise, a path that is set later at the top level would replace the role.
        settings.setdefault("role_path", "/")
        own = {
            camel_case(setting): value
            for setting, value in settings.items()
            if setting not in _COMMON_SETTINGS
        }
        sources[name] = {**own, **before.protect_of(name)}
    top = _spell_keys({**default, **before.protect}, project)
    return {**_provider(first), **top, f"{project}:{DATA_SOURCES}": sources}


def check_limits(
    entries: Mapping[str, Entry], configure: Callable[[Mapping[str, Entry]], Mapping[str, object]]
) -> None:
    """If the entries do not fit in one stack, raise InputError with a way to split them."""

    def size(some: Mapping[str, Entry]) -> int:
        values = configure(some).items()
        passed = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values}
        return size_in_bytes(passed)

    def fit(some: Mapping[str, Entry]) -> bool:
        return len(some) <= MAXIMUM_ENTRIES and size(some) <= MAXIMUM_SIZE

    if fit(entries):
        return
    by_connector: dict[str, dict[str, Entry]] = {}
    for name, each in entries.items():
        by_connector.setdefault(each.requirements.connector.name, {})[name] = each
    parts: list[tuple[list[str], dict[str, Entry]]] = []
    for connector, own in sorted(by_connector.items(), key=lambda item: -len(item[1])):
        for connectors, some in parts:
            if fit(some | own):
                connectors.append(connector)
                some.update(own)
                break
        else:
            parts.append(([connector], {**own}))
    lines = [
        f"  --connector {' --connector '.join(connectors)}  "
        f"({len(some)} data source{'s' * (len(some) != 1)}"
        f"{'' if fit(some) else ', too many: adopt each role into its own stack, with --data-source'})"
        for connectors, some in parts
    ]
    raise InputError(
        f"a stack can have at most {MAXIMUM_ENTRIES} data sources and {MAXIMUM_SIZE:,} bytes of "
        f"settings, but there are {len(entries)} data sources with {size(entries):,} bytes. Use several "
        "stacks: repeat the command for each stack with the options in one of these lines:",
        *lines,
        details={
            "connectors": {connector: len(own) for connector, own in by_connector.items()},
            "stacks": [connectors for connectors, _ in parts],
        },
    )


def _provider(requirements: Requirements) -> dict[str, object]:
    """Return the AWS provider's configuration for an application."""
    account = Arn.of(requirements.application_arn).account
    return {config_key("region"): requirements.region, ALLOWED_ACCOUNTS: [account]}


def _spell_keys(settings: Mapping[str, object], project: str) -> dict[str, object]:
    """Return the settings by their keys in a stack's configuration."""
    return {config_key(name, f"{project}:"): value for name, value in settings.items()}
