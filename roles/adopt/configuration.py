"""Convert entries' settings to a stack's configuration."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, cast

from components.configuration import (
    ALLOWED_ACCOUNTS,
    DATA_SOURCES,
    KEYS,
    MAXIMUM_ENTRIES,
    MAXIMUM_SIZE,
    REGION_KEY,
    size_in_bytes,
)
from components.settings import SETTINGS
from roles.adopt.entries import Entry
from roles.arns import Arn
from roles.errors import InputError

_INDEX: Final = KEYS["index_id"]
_OF_STACK: Final = ("region", "application_id")

Settings = Mapping[str, Any]


def entries_in(existing: Settings) -> dict[str, Any]:
    """Return the entries of `dataSources` in a stack's settings, as far as they are plain text."""
    given = existing.get(DATA_SOURCES) or {}
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        found = {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def configure(entries: Mapping[str, Entry], existing: Settings, project: str) -> dict[str, object]:
    """Return the configuration of a stack with these entries; `existing` are its present settings.

    The most frequent index is the default. An entry does not inherit settings that its role lacks,
    because an import keeps the role as it is. Raises InputError if the stack would exceed a limit.
    """
    first = next(iter(entries.values())).requirements
    counts = Counter(each.requirements.index_id for each in entries.values())
    index = existing.get(_INDEX) or counts.most_common(1)[0][0]
    inherited = [
        KEYS[name] for name in KEYS if SETTINGS[name].scope == "default" and existing.get(KEYS[name])
    ]
    sources: dict[str, object] = {}
    for name, each in entries.items():
        settings = {
            KEYS[key]: its for key, its in each.requirements.settings().items() if key not in _OF_STACK
        }
        if settings[_INDEX] == index:
            del settings[_INDEX]
        # Otherwise, a path that is set later at the top level would replace the role.
        settings.setdefault(KEYS["role_path"], "/")
        off = [key for key in inherited if key not in settings and key != _INDEX]
        sources[name] = {**settings, **dict.fromkeys(off, "")}
    every = {**entries_in(existing), **sources}
    size = size_in_bytes({f"{project}:{DATA_SOURCES}": json.dumps(every)})
    if len(every) > MAXIMUM_ENTRIES or size > MAXIMUM_SIZE:
        raise InputError(
            f"a stack can have at most {MAXIMUM_ENTRIES} data sources and {MAXIMUM_SIZE:,} bytes of "
            f"settings, but there would be {len(every)} data sources with {size:,} bytes: use several "
            "stacks, and select data sources for each with --data-source or --exclude"
        )
    if existing:
        return {f"{project}:{DATA_SOURCES}": sources}
    return {
        REGION_KEY: first.region,
        ALLOWED_ACCOUNTS: [Arn.of(first.application_arn).account],
        f"{project}:{KEYS['application_id']}": first.application_arn,
        f"{project}:{_INDEX}": index,
        f"{project}:{DATA_SOURCES}": sources,
    }
