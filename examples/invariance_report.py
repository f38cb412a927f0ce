"""The tables and figures of invariance.py: what pools do to a shifted digit, what they buy and cost."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure  # without pyplot, so Agg draws it: no display is needed
from matplotlib.ticker import PercentFormatter

try:
    from rich import box
    from rich.table import Table
except ModuleNotFoundError as error:
    sys.exit(f'{error}. It is installed by\n  pip install "jaxpool[examples]"')

from invariance_networks import DOWNSAMPLERS, FEATURE_HEADS, features, sight

Measures = dict[str, Callable[[dict[str, Any]], float]]  # what to read from the figures of a run
Results = dict[str, list[dict[str, Any]]]  # for each downsampler, the figures of the run of each seed

BENEFITS: Measures = {
    "accuracy": lambda run: run["accuracy"]["shift"][0],
    "accuracy, shift 3": lambda run: run["accuracy"]["shift"][3],
    "same answer, all shifts": lambda run: float(np.mean(run["consistency"]["shift"])),
    "accuracy, noise 0.2": lambda run: run["accuracy"]["noise"]["0.2"],
}
COSTS: Measures = {
    "MFLOP": lambda run: run["cost"]["flops"] / 1e6,
    "activations, kB": lambda run: run["cost"]["activation_bytes"] / 1e3,
    "parameters": lambda run: run["cost"]["parameters"],
    "training, s": lambda run: run["training_seconds"],
}


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def in_percent(values: Sequence[float]) -> str:
    """The mean, and the standard deviation where there are several."""
    spread = f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f}{spread}"


def make_table(results: Results) -> Table:
    """All downsamplers. Costs are the least of all seeds: only times differ, where a machine is busy."""
    table = Table(box=box.MARKDOWN, title="What each downsampler buys, in percent, and what it costs")
    for number, heading in enumerate(["downsampler", "sees", *BENEFITS, *COSTS]):
        table.add_column(heading, justify="right" if number else "left")
    for name, runs in results.items():
        bought = [in_percent([measure(run) for run in runs]) for measure in BENEFITS.values()]
        paid = [short(min(measure(run) for run in runs)) for measure in COSTS.values()]
        table.add_row(DOWNSAMPLERS[name].label, f"{sight(name)} px", *bought, *paid)
    return table


def make_feature_table(changes: dict[str, dict[str, list[float]]]) -> Table:
    """Pools on features with random weights, before anything is learned."""
    table = Table(box=box.MARKDOWN, title="How much random features change when digits move by one pixel")
    for number, heading in enumerate(["pool", *FEATURE_HEADS]):
        table.add_column(heading, justify="right" if number else "left")
    for name, heads in changes.items():
        table.add_row(feature_label(name), *(f"{heads[head][1]:.2g}" for head in FEATURE_HEADS))
    return table


def feature_label(name: str) -> str:
    return DOWNSAMPLERS[name].label if DOWNSAMPLERS[name].windows else "no pool"


# Of Okabe and Ito, who chose colors that all kinds of eyes tell apart.
BLUE, ORANGE, GRAY = "#0072b2", "#d55e00", "#999999"
# Shares close to 1 need more room.
STRETCH: dict[str, Any] = {
    "value": "function",
    "functions": (
        lambda share: -np.log(1.015 - np.minimum(share, 1)),
        lambda height: 1.015 - np.exp(-height),
    ),
}
TICKS = (0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 1)


def relative_change(before: Any, after: Any) -> float:
    return float(jnp.linalg.norm((after - before).ravel()) / jnp.linalg.norm(before.ravel()))


def draw_maps(images: np.ndarray, pools: Sequence[str]) -> Figure:
    """A digit, the digit moved by one pixel, and what each pool makes of features of both."""
    digit = jnp.asarray(images[508:509])  # a 5, with straight and with round strokes
    moved = jnp.roll(digit, 1, axis=2)
    columns: list[tuple[str, Callable, Callable]] = [("digit", lambda x: x, lambda x: x.mean((1, 2)))]
    columns += [
        (feature_label(name), features(name, "in place"), features(name, "global average")) for name in pools
    ]
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    figure.suptitle("One pixel to the right: what changes in a feature map")
    grid = figure.subplots(3, len(columns))
    for axes, (label, in_place, average) in zip(grid.T, columns, strict=True):
        before, after = in_place(digit), in_place(moved)
        channel = int(jnp.argmax(before.var((0, 1, 2))))
        maps = [np.asarray(maps[0, ..., channel]) for maps in (before, after, jnp.abs(after - before))]
        for row, values in zip(axes, maps, strict=True):
            row.imshow(values, cmap="magma", vmin=0, vmax=maps[0].max())
            row.set(xticks=[], yticks=[])
            row.spines[:].set_visible(False)
        axes[0].set_title(label, fontsize=11)
        in_all = relative_change(average(digit), average(moved))
        axes[2].set_xlabel(f"in place {relative_change(before, after):.0%}\naverage {in_all:.1%}")
    for row, name in zip(grid[:, 0], ("as it is", "moved", "difference"), strict=True):
        row.set_ylabel(name, fontsize=11)
    figure.supxlabel(
        "Relative change of all channels, in place and of their averages over the map", fontsize=10
    )
    return figure


def panels(names: Sequence[str], title: str, height: float) -> tuple[Figure, dict[str, Any]]:
    """A figure with axes for each downsampler, in rows of five."""
    rows, columns = -(-len(names) // 5), min(len(names), 5)
    figure = Figure(figsize=(max(2.3 * columns, 7), height * rows + 1), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    for axes in grid[max(len(names) - columns, 0) :]:
        axes.tick_params(labelbottom=True)  # also where the row below is not full
    for axes, name in zip(grid, names, strict=False):
        axes.set_title(DOWNSAMPLERS[name].label, fontsize=11)
    return figure, dict(zip(names, grid, strict=False))


def draw_curves(results: Results) -> Figure:
    """Accuracy against the distance of shifts, a panel for each downsampler with the others behind it."""
    figure, grid = panels([*results], "Accuracy on shifted digits, after training on unshifted ones", 1.9)
    curves = {name: np.array([run["accuracy"]["shift"] for run in runs]) for name, runs in results.items()}
    for name, axes in grid.items():
        for other in curves.values():
            axes.plot(other.mean(0), color=GRAY, linewidth=0.7, alpha=0.5)
        distances = range(curves[name].shape[1])
        lowest, highest = curves[name].min(0), curves[name].max(0)
        axes.fill_between(distances, lowest, highest, color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(distances, curves[name].mean(0), "o-", color=BLUE, ms=3)
        axes.set_yscale(**STRETCH)
        axes.set(yticks=TICKS, xticks=distances, ylim=(0.05, 1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(alpha=0.3)
    figure.supxlabel(
        "Shift in pixels, mean of four directions. Blue: mean and range of the seeds.\n"
        "Gray: the other downsamplers",
        fontsize=10,
    )
    return figure


def draw_consistency(results: Results) -> Figure:
    """How often an answer stays what it was, for every shift."""
    figure, grid = panels([*results], "How many answers stay the same when digits are shifted", 2.3)
    image: Any = None
    for name, axes in grid.items():
        shares = np.mean([run["consistency"]["shift"] for run in results[name]], axis=0)
        reach = len(shares) // 2 + 0.5
        extent = (-reach, reach, reach, -reach)
        image = axes.imshow(shares, cmap="cividis", vmin=0.8, vmax=1, extent=extent, interpolation="nearest")
        axes.set_title(f"{DOWNSAMPLERS[name].label}\n{shares.mean():.1%}", fontsize=11)
        axes.set(xticks=(-4, 0, 4), yticks=(-4, 0, 4))
    bar = figure.colorbar(
        image, ax=[*grid.values()], shrink=0.6, extend="min", ticks=[0.8, 0.85, 0.9, 0.95, 1]
    )
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.supxlabel("Shift to the right and down, in pixels. Titles: mean over all shifts", fontsize=10)
    return figure


def draw_rows(results: Results, measures: Measures, title: str, note: str) -> tuple[Figure, list[Any]]:
    """A figure with axes for each measure beside each other, in which each downsampler is a row."""
    figure = Figure(figsize=(12, 0.3 * len(results) + 1.9), layout="constrained")
    figure.suptitle(title)
    figure.supxlabel(note, fontsize=10)
    grid = figure.subplots(1, len(measures), sharey=True)
    labels = [DOWNSAMPLERS[name].label for name in results]
    grid[0].set(yticks=range(len(labels)), yticklabels=labels, ylim=(len(labels) - 0.4, -0.6))
    for axes, heading in zip(grid, measures, strict=True):
        axes.set_title(heading, fontsize=11)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", alpha=0.3)
    return figure, list(grid)


def draw_benefits(results: Results) -> Figure:
    """What each choice buys."""
    note = "In percent, on scales that stretch to the right. Dots: seeds. Bars: their mean"
    figure, grid = draw_rows(results, BENEFITS, "What each downsampler buys", note)
    bought = [[[measure(run) for run in runs] for runs in results.values()] for measure in BENEFITS.values()]
    lowest = min(min(seeds) for rows in bought for seeds in rows)
    for axes, rows in zip(grid, bought, strict=True):
        for row, seeds in enumerate(rows):
            axes.plot(seeds, [row] * len(seeds), "o", color=BLUE, ms=6, alpha=0.5, mew=0, clip_on=False)
            axes.plot([np.mean(seeds)], [row], "|", color=ORANGE, ms=13, mew=2.5, clip_on=False)
        axes.set_xscale(**STRETCH)
        axes.set(xticks=TICKS, xlim=(lowest - 0.1, 1))
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}")
        axes.grid(axis="x", alpha=0.3)
    return figure


def draw_costs(results: Results) -> Figure:
    """What each choice costs, with numbers."""
    note = "Operations, and bytes that the gradient needs, for one image. Scales are logarithmic"
    figure, grid = draw_rows(results, COSTS, "What each downsampler costs", note)
    for axes, measure in zip(grid, COSTS.values(), strict=True):
        costs = [min(measure(run) for run in runs) for runs in results.values()]
        axes.plot(costs, range(len(costs)), "o", color=BLUE, ms=6)
        for row, cost in enumerate(costs):
            axes.annotate(short(cost), (cost, row), (7, 0), textcoords="offset points", va="center", size=9)
        axes.set_xscale("log")
        spread = max(costs) / min(costs)
        axes.set_xlim(min(costs) / 1.5, max(costs) * 2 * spread**0.4)  # with room for the last number
        axes.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
    return figure


def draw_all(results: Results, images: np.ndarray, feature_pools: Sequence[str], folder: Path) -> list[Path]:
    """Draws everything and returns the files."""
    figures = {
        "maps": draw_maps(images, feature_pools),
        "curves": draw_curves(results),
        "consistency": draw_consistency(results),
        "benefits": draw_benefits(results),
        "costs": draw_costs(results),
    }
    paths = {name: folder / f"invariance-{name}.png" for name in figures}
    for name, figure in figures.items():
        figure.savefig(paths[name])
    return list(paths.values())
