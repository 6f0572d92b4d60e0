"""Measure many roles in one stack."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.measuring import ROUNDS, Run, measure, spread
from benchmarks.programs import Laboratory, laboratory, operation
from benchmarks.table import table
from tests.stacks import UP, Stack

_ROUNDS_OF_PREVIEWS: Final = {1000: 3}
_ROUNDS_OF_UPDATES: Final = {100: 3, 1000: 1}
"""Fewer rounds where each takes minutes."""
_BASE: Final = "hand-written resources"
_EXPLANATION: Final = """\
To Pulumi, a component is a resource of its own: the engine registers it, and its outputs, in addition
to the role and the policy. This is the difference between hand-written components and hand-written
resources. Hand-written components give the same guarantee as this project's components, an ARN that
resolves after the policy exists, but validate nothing: the difference between the two is this project's
overhead.

With a file backend, as here, the engine writes the whole state before and after each step. The time of
a first update therefore grows with the square of the number of resources, in any program: at 100 roles
this is most of the CLI's time (`pulumi up --profiling FILE` shows it). A component adds one step for
itself and one for its outputs.
"""


def section(number: int) -> str:
    """Measure previews and first updates of a number of roles, and return the section."""
    with laboratory() as here:
        stacks = _stacks(here, number)
        warm = number not in _ROUNDS_OF_PREVIEWS
        previews = measure(
            {name: operation(stack, "preview") for name, stack in stacks.items()},
            _ROUNDS_OF_PREVIEWS.get(number, ROUNDS),
            warm=warm,
        )
        growth = ""
        if number > 1:
            fewer = measure(
                {
                    name: operation(stack, "preview")
                    for name, stack in _stacks(here, number // 10).items()
                },
                len(previews[_BASE]),
            )
            growth = f"{_growth(number, previews, fewer)}\n"
        updates = measure(
            {name: operation(stack, *UP, fresh=warm) for name, stack in stacks.items()},
            _ROUNDS_OF_UPDATES.get(number, ROUNDS),
            warm=warm,
        )
    counts = f"{len(previews[_BASE])} rounds of previews, {len(updates[_BASE])} of updates"
    title = "One role in a loop" if number == 1 else f"{number} roles"
    return (
        f"## {title}\n\n{f'{_EXPLANATION}{chr(10)}' if number == 1 else ''}"
        f"`pulumi preview` before the first update ({counts}):\n\n{table(previews, _BASE)}\n{growth}"
        f"First `pulumi up`:\n\n{table(updates, _BASE)}"
    )


def _stacks(here: Laboratory, number: int) -> dict[str, Stack]:
    return {
        "this project's components": here.components(number),
        "hand-written components": here.component_by_hand(number),
        _BASE: here.by_hand(number),
    }


def _growth(number: int, more: Mapping[str, Sequence[Run]], fewer: Mapping[str, Sequence[Run]]) -> str:
    """Show the cost of each further role."""
    few = number // 10
    lines = [
        f"Cost of each role beyond {few} in a preview:\n",
        "|  | processor, ms | memory, KiB |",
        "|---|---|---|",
    ]
    for name in more:
        cells = [
            (_median(more[name], what) - _median(fewer[name], what)) / (number - few) * scale
            for what, scale in (("processor", 1000), ("memory", 1024))
        ]
        lines.append(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _median(runs: Sequence[Run], what: str) -> float:
    return spread([getattr(run, what) for run in runs]).median
