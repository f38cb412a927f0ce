"""What pools of arrays that are split over TPU v5e chips send, move and hold, counted in compiled programs.

    python -m benchmarks.scaling [--quick] [--out DIR]

Pools are compiled for four chips that no machine has to have, forward and forward with backward, for arrays
that are split along their batch, channels, rows, or rows and columns: by `jaxpool.sharding.spatial`; as plain
functions, which XLA's own partitioner splits; and, for a few, with XLA's own pooling in place of jaxpool's,
split by that partitioner too. Arguments and results are laid out alike. Of each program are counted

- its collectives, and the bytes that the busiest chip receives by them, as `traffic.py` tells;
- the bytes that it reads and writes in memory, and its temporaries. These are XLA's own figures: the bytes
  have the padding of a TPU's tiles, the temporaries leave out what stays on the chip.

The picture shows the halo as a share of the shard, from the geometry as lines and from programs for 4 and for
64 chips as points.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import pathlib
import platform
from collections.abc import Callable, Sequence
from typing import Any

import jax
import matplotlib
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

import jaxpool
from benchmarks.cases import Case
from benchmarks.compile_only import TPU
from benchmarks.compiled import BOTH, FORWARD, lax_pool, program
from benchmarks.contenders import Pool, jaxpool_pool, selects
from benchmarks.picture import STYLE
from benchmarks.report import version
from benchmarks.traffic import Traffic, traffic

SPATIAL, AUTOMATIC, LAX = CONTENDERS = ("spatial", "XLA's partitioner", "XLA's partitioner and pool")
PACKAGES = ("jax", "jaxlib", "libtpu")
TABLE_WIDTH = 170  # a narrower terminal wraps lines, where rich would leave out columns


@dataclasses.dataclass(frozen=True)
class Layout:
    """How many chips an array of images is split over along each of its dimensions."""

    name: str
    chips: tuple[int, int, int, int]

    def fits(self, shape: Sequence[int]) -> bool:
        return all(length % n == 0 for length, n in zip(shape, self.chips, strict=True))

    def sharding(self, devices: Sequence[Any]) -> NamedSharding:
        """On a mesh whose neighbours are neighbours in the machine."""
        names = ("batch", "rows", "columns", "channels")
        split = {name: n for name, n in zip(names, self.chips, strict=True) if n > 1}
        kinds = (AxisType.Auto,) * len(split)
        mesh = jax.make_mesh(tuple(split.values()), tuple(split), axis_types=kinds, devices=devices)
        return NamedSharding(mesh, PartitionSpec(*(name if name in split else None for name in names)))


BATCH = Layout("batch", (4, 1, 1, 1))
CHANNELS = Layout("channels", (1, 1, 1, 4))
ROWS = Layout("rows", (1, 4, 1, 1))
BLOCKS = Layout("rows and columns", (1, 2, 2, 1))
LAYOUTS, QUICK_LAYOUTS = (BATCH, CHANNELS, ROWS, BLOCKS), (BATCH, BLOCKS)


@dataclasses.dataclass(frozen=True)
class Program:
    """What a compiled program costs each chip."""

    traffic: Traffic
    moved_bytes: int
    temporary_bytes: int


@dataclasses.dataclass(frozen=True)
class Row:
    """One pass of one case in one layout."""

    case: Case
    layout: str
    step: str
    shard_bytes: int
    halo_bytes: int  # from the geometry
    programs: dict[str, Program]


@dataclasses.dataclass(frozen=True)
class Halo:
    """What a chip receives of a square image with one channel, from the geometry and in a program."""

    size: int
    chips: int
    split: str
    shard_cells: int
    cells: int
    compiled_cells: int


def image_pool(function: str, shape: tuple[int, ...], size: int, stride: int) -> Case:
    """A pool with padding "SAME" along rows and columns."""
    sizes, strides = (size, size), (stride, stride)
    padding = tuple((low, high) for low, high in lax.padtype_to_pads(shape[1:3], sizes, strides, "SAME"))
    return Case(function, shape, sizes, strides, padding)


FEATURES, LARGE = (16, 56, 56, 64), (1, 2048, 2048, 128)
WINDOWS = ((2, 2), (3, 2), (3, 1), (7, 1))  # extent and stride
CASES = [image_pool(name, FEATURES, *window) for name in ("max_pool", "avg_pool") for window in WINDOWS]
CASES.append(image_pool("max_pool", LARGE, 3, 2))
QUICK_CASES = [image_pool("max_pool", FEATURES, 3, 2)]  # with XLA's own pooling too

# Of the picture: windows, the side of a square of as many cells as a shard, and chips along rows and columns.
SIZES, QUICK_SIZES = (3, 13), (3,)
SIDES, QUICK_SIDES = (64, 4096), (64,)
SPLITS = {chips: {"rows": (chips, 1), "rows and columns": (math.isqrt(chips),) * 2} for chips in (4, 64)}
SLICES = {4: TPU, 64: dataclasses.replace(TPU, topology=TPU.topology | {"topology_name": "v5e:8x8"})}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    console = Console(width=max(Console().width, TABLE_WIDTH), markup=False, highlight=False, soft_wrap=True)
    if missing := TPU.missing():
        console.print(missing)
        raise SystemExit(1)
    few = (QUICK_CASES, QUICK_LAYOUTS, QUICK_SIZES, QUICK_SIDES)
    cases, layouts, sizes, sides = few if options.quick else (CASES, LAYOUTS, SIZES, SIDES)
    work = [
        (case, layout, step)
        for case, layout in itertools.product(cases, layouts)
        if layout.fits(case.shape)
        for step in steps(case)
    ]
    rows = [measure(*item) for item in track(work, "Compiling pools", console=console)]
    images = [(n, *item) for n in SPLITS for item in itertools.product(SPLITS[n], sizes, sides)]
    halos = [measure_halo(*item) for item in track(images, "Compiling halos", console=console)]
    console.print(_table(rows))
    for line in summarise(rows, halos):
        console.print(line)
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"scaling{'-quick' if options.quick else ''}"
    write_json(rows, halos, options.out / f"{name}.json")
    draw(halos, options.out / f"{name}.png")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description="Counts what pools of split arrays cost on four TPU v5e chips.",
    )
    parser.add_argument("--quick", action="store_true", help="only a few cases")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("benchmarks/results"),
        help="folder for scaling.json and scaling.png, or scaling-quick.json and scaling-quick.png",
    )
    return parser


# ---- measurements


def steps(case: Case) -> tuple[str, ...]:
    """The passes that compile in reasonable time: the gradient of 7x7 maxima takes most of a minute."""
    return (FORWARD,) if selects(case) and max(case.window_shape) > 3 else (FORWARD, BOTH)


def halo_cells(case: Case, chips: Sequence[int], step: str = FORWARD) -> int:
    """How many elements the busiest chip needs of the others, from the geometry.

    Each dimension fetches a halo of what the one before has fetched too, for the corners. Backward, as many
    elements go the other way. Of two chips along a dimension, each has a neighbour on one side only.
    """
    block = [length // n for length, n in zip(case.shape, chips, strict=True)]
    received = 0
    windows = zip((1, 2), case.window_shape, case.strides, case.padding, strict=True)
    for d, size, stride, (low, _) in windows:
        ends = (low, max(size - stride - low, 0)) if chips[d] > 1 else (0, 0)
        slabs = sum(ends) if chips[d] > 2 or step == BOTH else max(ends)
        received += math.prod(block) // block[d] * slabs * (2 if chips[d] > 2 and step == BOTH else 1)
        block[d] += sum(ends)
    return received


def measure(case: Case, layout: Layout, step: str) -> Row:
    pool, sharding = jaxpool_pool(case), layout.sharding(TPU.devices)
    split = jaxpool.sharding.spatial(pool, mesh=sharding.mesh, spec=sharding.spec)
    programs = {
        SPATIAL: examine(split, case, step, sharding),
        AUTOMATIC: examine(pool, case, step, sharding),
    }
    if case in QUICK_CASES:
        programs[LAX] = examine(lax_pool(case), case, step, sharding)
    halo, cells = halo_cells(case, layout.chips, step), math.prod(case.shape) // len(TPU.devices)
    return Row(case, layout.name, step, 4 * cells, 4 * halo, programs)


def examine(pool: Pool, case: Case, step: str, sharding: NamedSharding) -> Program:
    """A pass, compiled for arguments and results that are laid out alike."""
    function, *arguments = program(pool, case, step)
    laid_out = [jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding) for x in arguments]
    compiled = jax.jit(function, out_shardings=sharding).lower(*laid_out).compile()
    text, analysis, memory = compiled.as_text(), compiled.cost_analysis(), compiled.memory_analysis()
    if text is None or analysis is None or memory is None:
        raise ValueError("The compiler tells nothing of this program.")
    return Program(traffic(text), int(analysis["bytes accessed"]), memory.temp_size_in_bytes)


def measure_halo(chips: int, split: str, size: int, side: int) -> Halo:
    case, layout = _square(side, chips, size), Layout(split, (1, *SPLITS[chips][split], 1))
    sharding = layout.sharding(SLICES[chips].devices)
    pool = jaxpool.sharding.spatial(jaxpool_pool(case), mesh=sharding.mesh, spec=sharding.spec)
    received = examine(pool, case, FORWARD, sharding).traffic.received_bytes // 4
    return Halo(size, chips, split, side**2, halo_cells(case, layout.chips), received)


def _square(side: int, chips: int, size: int) -> Case:
    """A square image of which each chip has as many cells as a square of this side."""
    length = side * math.isqrt(chips)
    return image_pool("avg_pool", (1, length, length, 1), size, 1)


# ---- what is shown


def describe(sent: Traffic) -> str:
    """Such as "1 all-gather, 2 permutes"."""
    found = ((kind.removeprefix("collective-"), n) for kind, n in sorted(sent.collectives.items()))
    return ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in found) or "none"


_COLUMNS: dict[str, Callable[[Program], str]] = {
    "collectives": lambda p: describe(p.traffic),
    "kB received": lambda p: f"{p.traffic.received_bytes / 1e3:.1f}",
    "MB moved": lambda p: f"{p.moved_bytes / 1e6:.1f}",
    "temporary MB": lambda p: f"{p.temporary_bytes / 1e6:.1f}",
}


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title=f"Four TPU v5e chips: {' / '.join(CONTENDERS)}", title_justify="left")
    for number, column in enumerate(("case", "layout", "pass", *_COLUMNS)):
        table.add_column(column, justify="right" if number > 3 else "left", no_wrap=number < 3)
    for case, of_case in itertools.groupby(rows, lambda row: row.case):
        table.add_section()
        for number, row in enumerate(of_case):
            cells = (" / ".join(map(show, row.programs.values())) for show in _COLUMNS.values())
            table.add_row("" if number else str(case), row.layout, row.step, *cells)
    return table


def summarise(rows: Sequence[Row], halos: Sequence[Halo]) -> list[str]:
    """What the project promises of split arrays, as it is in these programs."""
    alone = sum(row.programs[SPATIAL].traffic.received_bytes == row.halo_bytes for row in rows)
    agreeing = sum(halo.cells == halo.compiled_cells for halo in halos)
    return [
        f"{SPATIAL}, programs that receive the halo alone: {alone} of {len(rows)}",
        *(_other_collectives(rows, name) for name in CONTENDERS),
        f"points of the picture that lie on their line: {agreeing} of {len(halos)}",
    ]


def _other_collectives(rows: Sequence[Row], contender: str) -> str:
    found = [row.programs[contender].traffic.collectives for row in rows if contender in row.programs]
    others = sum(any(kind != "collective-permute" for kind in collectives) for collectives in found)
    return f"{contender}, programs with other collectives than permutes: {others} of {len(found)}"


def write_json(rows: Sequence[Row], halos: Sequence[Halo], path: pathlib.Path) -> None:
    """All figures, and the versions that they were compiled with."""
    versions = {name: version(name) for name in PACKAGES}
    contents = {
        "versions": {"python": platform.python_version(), **versions},
        "rows": [dataclasses.asdict(row) | {"case": str(row.case)} for row in rows],
        "halos": [dataclasses.asdict(halo) for halo in halos],
        "summary": summarise(rows, halos),
    }
    path.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n")


def draw(halos: Sequence[Halo], path: pathlib.Path) -> None:
    """Writes the picture, with a panel for each number of chips."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 5), layout="constrained")
        figure.suptitle("What a chip receives to pool its part of a square image")
        panels = figure.subplots(1, len(SPLITS), sharex=True, sharey=True)
        for axes, chips in zip(panels, SPLITS, strict=True):
            _draw_panel(axes, chips, halos)
        panels[0].set_ylabel("halo as a share of the shard")
        panels[0].yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SIZES))
        figure.savefig(path)


# colour; line and marker
_COLOURS = {3: "#2f6fb3", 13: "#e07b1f"}
_LOOKS = {"rows": ("-", "o"), "rows and columns": ("--", "s")}


def _draw_panel(axes: Any, chips: int, halos: Sequence[Halo]) -> None:
    axes.set(title=f"{chips} chips", xscale="log", yscale="log")
    axes.set_xlabel("cells of a shard (lines: geometry, points: compiled programs)")
    sides = [2**exponent for exponent in range(6, 16)]
    for size, split in itertools.product(SIZES, SPLITS[chips]):
        (line, marker), along = _LOOKS[split], (1, *SPLITS[chips][split], 1)
        shares = [halo_cells(_square(side, chips, size), along) / side**2 for side in sides]
        label, colour = f"{size}x{size}/1, split along {split}", _COLOURS[size]
        axes.plot([side**2 for side in sides], shares, line, color=colour, label=label)
        found = [halo for halo in halos if (halo.size, halo.chips, halo.split) == (size, chips, split)]
        points = [halo.compiled_cells / halo.shard_cells for halo in found]
        axes.plot([halo.shard_cells for halo in found], points, marker, color=colour, markersize=5)


if __name__ == "__main__":
    main()
