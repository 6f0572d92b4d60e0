"""What do many roles in one stack cost?"""

from typing import Final

from benchmarks.measuring import ROUNDS, Run, measure, spread
from benchmarks.programs import laboratory, operation
from benchmarks.table import table

NUMBERS: Final = (1, 10, 100, 1000)
_LARGE: Final = 1000
_UP: Final = ("up", "--yes", "--skip-preview")
_BASE: Final = "pairs by hand"
_TEXT: Final = """\
## Many roles

A component is a resource of its own to Pulumi: it is registered, and its outputs are, beside the role
and the policy. That is what sets the components by hand apart from the pairs by hand; what this project
adds is the difference between its components and those by hand, which check nothing.
"""


def section() -> str:
    """Measure previews and first updates of more and more roles, and return the section."""
    text = f"{_TEXT}\n"
    growth: dict[str, dict[int, Run]] = {}
    for number in NUMBERS:
        with laboratory() as here:
            stacks = {
                "this project's components": here.components(number),
                "components by hand": here.component_by_hand(number),
                _BASE: here.by_hand(number),
            }
            large = number == _LARGE
            previews = measure(
                {name: operation(it, "preview") for name, it in stacks.items()},
                3 if large else ROUNDS,
                warm=not large,
            )
            text += f"{number} roles, `pulumi preview` of their creation:\n\n{table(previews, _BASE)}\n"
            updates = measure(
                {name: operation(it, *_UP, fresh=not large) for name, it in stacks.items()},
                1 if large else ROUNDS,
                warm=not large,
            )
            text += f"{number} roles, first `pulumi up`:\n\n{table(updates, _BASE)}\n"
        for name, runs in previews.items():
            medians = (spread([getattr(run, what) for run in runs]).median for what in Run._fields)
            growth.setdefault(name, {})[number] = Run(*medians)
    return text + _growth(growth)


def _growth(growth: dict[str, dict[int, Run]]) -> str:
    """Show what one role more costs, among few and among many."""
    header = (
        "",
        *(f"{what}, {steps}" for what in ("ms", "KiB") for steps in ("10 to 100", "100 to 1000")),
    )
    lines = [
        "What each further role adds to a preview, in processor time and memory:\n",
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
    ]
    for name, by_number in growth.items():
        slopes = [
            _slope(by_number, what, few, more) * scale
            for what, scale in (("processor", 1000), ("memory", 1024))
            for few, more in ((10, 100), (100, 1000))
        ]
        lines.append(f"| {name} | {' | '.join(f'{slope:.2f}' for slope in slopes)} |")
    return "\n".join(lines) + "\n"


def _slope(by_number: dict[int, Run], what: str, few: int, more: int) -> float:
    return (getattr(by_number[more], what) - getattr(by_number[few], what)) / (more - few)
