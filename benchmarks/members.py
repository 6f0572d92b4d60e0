"""Measure a stack with several members of `dataSources` against a loop over the same components."""

from typing import Final

from benchmarks.measuring import Run, measure, ratio, spread
from benchmarks.programs import SETTINGS, Laboratory, laboratory, operation
from tests.helpers.stacks import UP, Stack

_NUMBERS: Final = (1, 10, 50)
_ROUNDS: Final = 5
_OURS: Final = "dataSources"
_BASE: Final = "a loop over the components"
_TOP: Final = ("aws:region", "aws:allowedAccountIds", "applicationId", "indexId")


def section() -> str:
    """Measure previews and first updates, and return the section."""
    rows = [
        "| members | `pulumi preview` | ratio | first `pulumi up` | ratio |",
        "|---|---|---|---|---|",
    ]
    with laboratory() as here:
        for number in _NUMBERS:
            stacks = {_OURS: _members(here, number), _BASE: here.components(number)}
            previews = measure(
                {name: operation(stack, "preview") for name, stack in stacks.items()}, _ROUNDS
            )
            updates = measure(
                {name: operation(stack, *UP, fresh=True) for name, stack in stacks.items()}, _ROUNDS
            )
            cells = [
                cell
                for runs in (previews, updates)
                for cell in (_seconds(runs[_OURS]), f"{ratio(runs[_OURS], runs[_BASE], 'wall'):.2f}")
            ]
            rows.append(f"| {number} | {' | '.join(cells)} |")
    return (
        "## Several data sources in one stack\n\n"
        f"Seconds of a stack with `dataSources`, and the ratio to {_BASE} of this project with the same "
        f"arguments ({_ROUNDS} rounds):\n\n{chr(10).join(rows)}\n"
    )


def _members(here: Laboratory, number: int) -> Stack:
    member = {key: value for key, value in SETTINGS.items() if key not in _TOP}
    members = {f"connector-{each}": member for each in range(number)}
    top = {key: SETTINGS[key] for key in _TOP}
    return here.this_program({**top, "dataSources": members})


def _seconds(runs: list[Run]) -> str:
    found = spread([run.wall for run in runs])
    return f"{found.median:.2f} ({found.minimum:.2f} to {found.maximum:.2f})"
