"""Measure many roles in one stack."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.measuring import ROUNDS, Command, Run, measure, spread
from benchmarks.programs import Laboratory, laboratory, operation
from benchmarks.table import table
from tests.helpers.stacks import UP, Stack

_ROUNDS: Final = {1: 27}
"""More rounds for one role, because two runs of one program differ more than two programs do."""
_ROUNDS_OF_UPDATES: Final = {100: 3}
"""Fewer rounds for updates that take ten seconds each."""
_SPLIT: Final = 100
"""The number of roles above which a stack should be split, and from which each role's cost shows."""
_BASE: Final = "hand-written resources"
_OURS: Final = "this project's components"
_ONE_WRITE: Final = {"PULUMI_SKIP_CHECKPOINTS": "true"}
"""With it, the engine writes the state only at the end: `NewSnapshotManager` in pkg/backend."""
_EXPLANATION: Final = """\
To Pulumi, a component is a separate resource: the engine registers it and its outputs besides the
role and the policy. This is the difference between hand-written components and hand-written
resources. Hand-written components provide the same guarantee as this project's components, an ARN
that resolves after the policy exists, but no validation: the difference between the two is this
project's overhead.
"""
_BACKENDS: Final = """\
The rows "state written once" show the cost of the backend: with a self-managed backend (a file, S3,
Azure Blob Storage, Google Cloud Storage, PostgreSQL), the engine writes the whole state before and
after each operation on a resource (`diySnapshotPersister` in pkg/backend/diy), so the bytes that a
first update writes grow with the square of the number of resources, in any program. On S3, each write is
a listing, a copy, and an upload, one after the other (`saveCheckpoint`). Pulumi Cloud receives only
the changes, many in one request (`cloudJournaler` in pkg/backend/httpstate/journal), so that its
time grows linearly. (From the source of Pulumi; S3 and Pulumi Cloud were not measured here.)
"""


def section(number: int) -> str:
    """Measure previews and first updates of a number of roles, and return the section."""
    with laboratory() as here:
        stacks = _stacks(here, number)
        rounds = _ROUNDS.get(number, ROUNDS)
        previews = measure({name: operation(it, "preview") for name, it in stacks.items()}, rounds)
        growth = ""
        if number >= _SPLIT:  # the cost of ten roles is lost in the noise
            fewer = measure(
                {
                    name: operation(stack, "preview")
                    for name, stack in _stacks(here, number // 10).items()
                }
            )
            growth = f"{_growth(number, previews, fewer)}\n"
        updates = {name: operation(stack, *UP, fresh=True) for name, stack in stacks.items()}
        updates |= {
            f"{name}, state written once": _with(updates[name], _ONE_WRITE) for name in (_OURS, _BASE)
        }
        measured = measure(updates, _ROUNDS_OF_UPDATES.get(number, rounds))
        writes = _writes(here, number)
    counts = f"{len(previews[_BASE])} rounds of previews, {len(measured[_BASE])} of updates"
    title = "One role in a loop" if number == 1 else f"{number} roles"
    return (
        f"## {title}\n\n{f'{_EXPLANATION}{chr(10)}' if number == 1 else ''}"
        f"`pulumi preview` before the first update ({counts}):\n\n{table(previews, _BASE)}\n{growth}"
        f"First `pulumi up`:\n\n{table(measured, _BASE)}\n{writes}"
        f"{f'{chr(10)}{_BACKENDS}' if number == _SPLIT else ''}"
    )


def _with(command: Command, variables: Mapping[str, str]) -> Command:
    return command._replace(environment={**command.environment, **variables})


def _writes(here: Laboratory, number: int) -> str:
    """Count how often the engine writes the state during a first update."""
    stack = here.components(number)
    stack.environment["PULUMI_DIY_BACKEND_RETAIN_CHECKPOINTS"] = "true"
    stack.up()
    written = [*stack.state_file.parent.glob(f"{stack.state_file.name}.[0-9]*")]
    size = sum(file.stat().st_size for file in written) / 2**20
    return f"With {_OURS}, the engine wrote the state {len(written):,} times, {size:,.1f} MiB in all.\n"


def _stacks(here: Laboratory, number: int) -> dict[str, Stack]:
    return {
        _OURS: here.components(number),
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
            (_median(more[name], measure) - _median(fewer[name], measure)) / (number - few) * scale
            for measure, scale in (("processor", 1000), ("memory", 1024))
        ]
        lines.append(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _median(runs: Sequence[Run], measure: str) -> float:
    return spread([getattr(run, measure) for run in runs]).median
