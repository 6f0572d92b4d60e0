"""How does one look into values that may be Outputs, or hold some?"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import pulumi


def lift(value: object, function: Callable[[Any], Any]) -> Any:
    """Apply a function to a plain value now, to an Output once it is known."""
    if isinstance(value, pulumi.Output):
        return cast("pulumi.Output[Any]", value).apply(function)
    return function(value)


_DEEPEST: Final = 4
"""Arguments, VPC configuration, list, member: what is deeper is refused, whatever is in it."""


def map_outputs(
    value: object, function: Callable[[pulumi.Output[Any]], object], depth: int = _DEEPEST
) -> Any:
    """Return the value with the function applied to each Output in it, as deep as settings go.

    An awaitable is made an Output first: it can be awaited once, an Output again and again.
    """
    match value:
        case pulumi.Output():
            return function(cast("pulumi.Output[Any]", value))
        case _ if not depth:
            return value
        case Mapping():
            members = cast("Mapping[str, object]", value)
            return {key: map_outputs(member, function, depth - 1) for key, member in members.items()}
        case list() | tuple():
            return [map_outputs(member, function, depth - 1) for member in cast("list[object]", value)]
        case _ if inspect.isawaitable(value):
            return function(pulumi.Output.from_input(value))
        case _:
            return value
