"""The measurements as a picture: how far each library is from the limit, function by function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure  # without pyplot, so Agg draws it: no display is needed

from benchmarks.cases import PASSES
from benchmarks.measurements import Measurement

# name in the legend, colour, marker
LOOKS = {
    "flax": ("Flax", "#e07b1f", "o"),
    "pytorch": ("PyTorch", "#8a8a8a", "s"),
    "jaxpool": ("jaxpool", "#2f6fb3", "D"),
}
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.titlesize": 15,
    "figure.titleweight": "bold",
    "font.size": 11,
    "grid.alpha": 0.3,
    "savefig.dpi": 120,
}


def draw(measurements: Sequence[Measurement], title: str, path: Path) -> None:
    """Writes the picture, with a panel for each pass, a line for each function, and a point for each case."""
    functions = list(dict.fromkeys(m.case.function for m in measurements))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 1.7 + 0.42 * len(functions)), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left")
        figure.supxlabel("time over the limit, which is to move what has to be moved at the speed of x + 1")
        for axes, step in zip(figure.subplots(1, 3, sharex=True, sharey=True), PASSES, strict=True):
            _draw_pass(axes, measurements, functions, step)
        first = figure.axes[0]
        first.set_yticks(range(len(functions)), functions)
        first.set_ylim(len(functions) - 0.5, -0.5)
        figure.legend(*first.get_legend_handles_labels(), loc="outside upper right", ncols=len(LOOKS))
        figure.savefig(path)


def _draw_pass(axes, measurements: Sequence[Measurement], functions: Sequence[str], step: str) -> None:
    axes.set(title=step, xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color="black", linewidth=0.8)
    for i, (contender, (label, colour, marker)) in enumerate(LOOKS.items()):
        beside = 0.25 * (i - 1)  # of the line, so that the libraries do not hide each other
        rows = [
            (m.over_limit(contender, step), functions.index(m.case.function) + beside) for m in measurements
        ]
        points = [(time, row) for time, row in rows if time is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=colour, markersize=5, alpha=0.6, label=label)
