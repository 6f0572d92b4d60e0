"""Measure many roles in one stack."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.measuring import ROUNDS, Run, measure, spread
from benchmarks.programs import Laboratory, laboratory, operation
from benchmarks.table import table
from tests.stacks import Stack

_ROUNDS_OF_PREVIEWS: Final = {1000: 3}
_ROUNDS_OF_UPDATES: Final = {100: 3, 1000: 1}
"""Where they are fewer, since each takes minutes."""
_UP: Final = ("up", "--yes", "--skip-preview")
_BASE: Final = "pairs by hand"
_EXPLANATION: Final = """\
A component is a resource of its own to Pulumi: it is registered, and its outputs are, beside the role
and the policy. That is what sets the components by hand apart from the pairs by hand. They promise what
this project's components do, an ARN that is known once the policy is in place, and check nothing: what
this project adds is the difference between the two.

In a backend of files, as here, the engine writes the whole state before and after each step. A first
update therefore costs what grows with the square of its resources, whoever declares them: at 100 roles
this is most of what the CLI does (`pulumi up --profiling FILE` shows it), and a component, with a step
more for itself and one for its outputs, has its part in it.
"""


def section(number: int) -> str:
    """Measure previews and first updates of so many roles, and return the section."""
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
            {name: operation(stack, *_UP, fresh=warm) for name, stack in stacks.items()},
            _ROUNDS_OF_UPDATES.get(number, ROUNDS),
            warm=warm,
        )
    counts = f"{len(previews[_BASE])} rounds of previews, {len(updates[_BASE])} of updates"
    title = "One role in a loop" if number == 1 else f"{number} roles"
    return (
        f"## {title}\n\n{f'{_EXPLANATION}{chr(10)}' if number == 1 else ''}"
        f"`pulumi preview` of their creation ({counts}):\n\n{table(previews, _BASE)}\n{growth}"
        f"First `pulumi up`:\n\n{table(updates, _BASE)}"
    )


def _stacks(here: Laboratory, number: int) -> dict[str, Stack]:
    return {
        "this project's components": here.components(number),
        "components by hand": here.component_by_hand(number),
        _BASE: here.by_hand(number),
    }


def _growth(number: int, more: Mapping[str, Sequence[Run]], fewer: Mapping[str, Sequence[Run]]) -> str:
    """Show what one role more costs."""
    few = number // 10
    lines = [
        f"What each role beyond {few} adds to a preview:\n",
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
