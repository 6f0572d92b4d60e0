"""Decide which Outputs are secret or unknown.

An Output that reveals a secret setting is secret, and an Output that depends on an unknown setting is
unknown. `Output.all` ensures both. Because each of its inputs takes time, plain settings are not passed.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import pulumi

from .settings import is_unknown

T = TypeVar("T")


def has_outputs(value: object) -> bool:
    """Return whether a value is, or contains, an Output or an unknown value."""
    if isinstance(value, Mapping):
        return any(map(has_outputs, cast("Mapping[object, object]", value).values()))
    if isinstance(value, (list, tuple)):
        return any(map(has_outputs, cast("list[object]", value)))
    return is_unknown(value)


def depending_on(value: pulumi.Output[T], *inputs: object) -> pulumi.Output[T]:
    """Return a value that is also secret or unknown if one of the inputs is."""
    outputs = filter(has_outputs, inputs)
    return pulumi.Output.all(value, *outputs).apply(lambda values: values[0])


def as_secret_as(value: pulumi.Output[T], *inputs: object) -> pulumi.Output[T]:
    """Make a value secret if one of the inputs is secret; otherwise, make it not secret.

    Unknown inputs do not make the value unknown. If no input contains an Output, return the value
    unchanged, even if it is secret.
    """
    outputs = [*filter(has_outputs, inputs)]
    if not outputs:
        return value
    # Always known, so that unknown inputs do not make the value unknown.
    marker = pulumi.Output.all(*outputs).apply(lambda _: None, run_with_unknowns=True)
    return depending_on(pulumi.Output.unsecret(value), marker)


def unknown_if_missing(answer: pulumi.Output[Any]) -> pulumi.Output[str]:
    """Return a provider function's result, or unknown if it is missing.

    During a preview, the engine returns no result for a provider whose configuration is unknown
    (`provider.Invoke` in pkg/resource/plugin).
    """
    return answer.apply(lambda value: cast("str", pulumi.UNKNOWN) if value is None else value)
