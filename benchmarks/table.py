"""Show the runs of several commands as a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.measuring import Run, ratio, spread

_UNITS: Final = {"wall": "s", "processor": "s", "memory": "MiB"}


def table(runs: Mapping[str, Sequence[Run]], base: str, measures: Sequence[str] = tuple(_UNITS)) -> str:
    """Return a table of wall time, processor time and memory, with ratios to the base."""
    header = ["", *(cell for each in measures for cell in (f"{each}, {_UNITS[each]}", "ratio"))]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for name, measured in runs.items():
        cells = [name]
        for measure in measures:
            show = mebibytes if measure == "memory" else seconds
            figures = [getattr(run, measure) for run in measured]
            cells += [show(figures), f"{ratio(measured, runs[base], measure):.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _show(digits: int) -> Callable[[Sequence[float]], str]:
    def show(figures: Sequence[float]) -> str:
        median, minimum, maximum = (f"{figure:.{digits}f}" for figure in spread(figures))
        return f"{median} ({minimum} to {maximum})"

    return show


seconds = _show(2)
mebibytes = _show(0)
