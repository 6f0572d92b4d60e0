"""Read accepted findings, each with a reason and an end date, from a YAML file."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from components.problems import quote
from roles.errors import InputError
from roles.project import read_mapping

_FILE: Final = "an object with entries such as `ID: {reason: TEXT, until: 2027-03-31}`"


class Acceptance(NamedTuple):
    """Why a finding is accepted, and until when."""

    reason: str
    until: date
    """The last day of the acceptance, in UTC."""


def read_acceptances(path: Path) -> dict[str, Acceptance]:
    """Return the acceptances in a file by ID; if it has errors, raise an InputError that lists them."""
    if not path.exists():
        raise InputError(f"there is no file {path}")
    given = read_mapping(path, _FILE)
    if wrong := [f"  {quote(key)}" for key, value in given.items() if not _is_valid(key, value)]:
        raise InputError(f"these entries in {path} are not of the form {_FILE}:", *wrong)
    return {key: Acceptance(**value) for key, value in given.items()}


def _is_valid(key: object, value: Any) -> bool:
    entries = cast("dict[str, Any]", value if isinstance(value, dict) else {})
    reason, until = entries.get("reason"), entries.get("until")
    is_filled = isinstance(reason, str) and bool(reason.strip()) and type(until) is date
    return is_filled and isinstance(key, str) and {*entries} == {*Acceptance._fields}


def without_effect(
    acceptances: Mapping[str, Acceptance], found: Collection[str], today: date
) -> Iterator[str]:
    """Yield a note about each acceptance that has ended, or whose ID no finding has."""
    for name, (reason, until) in acceptances.items():
        if until < today:
            yield f"the acceptance of {name} ended on {until}: {reason}"
        elif name not in found:
            yield f"no finding in these accounts and Regions has the accepted ID {name}: {reason}"
