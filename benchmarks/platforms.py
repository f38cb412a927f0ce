"""What the pools cost on an NVIDIA H200 and a TPU v5e, counted in programs that are compiled and not run.

    python -m benchmarks.platforms [--quick] [--out DIR]

Every case of `cases.py` is compiled as up to four programs, by jaxpool and with XLA's own operations, which
are what Flax calls: the forward pass; the forward pass with the index of each maximum or minimum, which it
keeps for the backward pass; the backward pass alone, with all that was kept among its arguments; and both as
one. `cost.py` tells how kernels and bytes are counted. Beside the bytes stands how many times the compulsory
ones they are: the arguments and results of a pass and the index of a selection, each read or written once.

Of maxima over more than 7x7 elements, the TPU's backward passes are left out: XLA compiles them for minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import platform
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.cases import CASES
from benchmarks.compile_only import H200, PLATFORMS, TPU
from benchmarks.compiled import FORWARD, INDEX, STEPS, Row, broken_limits, measure, steps
from benchmarks.report import version

PACKAGES = ("jax", "jaxlib", "jax-cuda13-plugin", "nvidia-cuda-nvcc", "libtpu")
TABLE_WIDTH = 180  # a narrower terminal wraps lines, where rich would leave out columns


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    console = Console(width=max(Console().width, TABLE_WIDTH), markup=False, highlight=False, soft_wrap=True)
    for missing in filter(None, (target.missing() for target in PLATFORMS)):
        console.print(missing)
    work = [
        (case, target, step)
        for target in PLATFORMS
        if not target.missing()
        for case in CASES
        if case.quick or not options.quick
        for step in steps(case, target)
    ]
    if not work:
        raise SystemExit(1)
    rows = [measure(*item) for item in track(work, "Compiling", console=console)]
    for target in PLATFORMS:
        if of_target := [row for row in rows if row.platform == target.name]:
            console.print(_table(target.name, of_target))
    for line in summarise(rows):
        console.print(line)
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(rows, options.out / f"platforms{'-quick' if options.quick else ''}.json")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.platforms", description="Counts what the pools cost on an H200 and a TPU."
    )
    parser.add_argument("--quick", action="store_true", help="only a few cases")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=pathlib.Path("benchmarks/results"),
        help="folder for platforms.json, or platforms-quick.json",
    )
    return parser


def write_json(rows: Sequence[Row], path: pathlib.Path) -> None:
    """All figures, and the versions that they were compiled with."""
    versions = {name: version(name) for name in PACKAGES}
    contents = {
        "versions": {"python": platform.python_version(), **versions},
        "rows": [dataclasses.asdict(row) | {"case": str(row.case)} for row in rows],
        "summary": summarise(rows),
    }
    path.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n")


def _table(title: str, rows: Iterable[Row]) -> Table:
    """One line for each pass; the numbers are jaxpool's and those of XLA's own operations."""
    table = Table(title=f"{title}: jaxpool / XLA's own operations", title_justify="left")
    columns = ("kernels", "MB", "times compulsory", "temporary MB", "scatters", "sorts", "compiled in s")
    for number, column in enumerate(("case", "pass", *columns)):
        table.add_column(column, justify="right" if number > 1 else "left", no_wrap=True)
    for row in rows:
        first = row.step == FORWARD
        if first:
            table.add_section()
        table.add_row(str(row.case) if first else "", row.step, *_cells(row).values())
    return table


def _cells(row: Row) -> dict[str, str]:
    """What is shown of a row: jaxpool's number, a stroke, and lax's."""

    def pair(show: Callable[[str], str]) -> str:
        return f"{show('jaxpool')} / {show('lax')}"

    return {
        "kernels": pair(lambda name: str(row.costs[name].kernels)),
        "MB": pair(lambda name: f"{row.costs[name].bytes / 1e6:.1f}"),
        "times compulsory": pair(lambda name: f"{row.over_compulsory(name):.2f}"),
        "temporary MB": pair(lambda name: f"{row.costs[name].temporary_bytes / 1e6:.1f}"),
        "scatters": pair(lambda name: str(row.costs[name].scatters)),
        "sorts": pair(lambda name: str(row.costs[name].sorts)),
        "compiled in s": pair(lambda name: f"{row.compile_seconds[name]:.1f}"),
    }


def summarise(rows: Sequence[Row]) -> list[str]:
    """What the project promises, as it is in these rows."""
    on_h200 = [row for row in rows if row.platform == H200.name]
    narrow = [row for row in on_h200 if max(row.case.window_shape) <= 3]
    # A TPU computes the index only where forward and backward pass are not one program.
    on_tpu = [row for row in rows if row.platform == TPU.name and row.step != INDEX]
    return [
        *filter(None, (_worst(narrow, step) for step in STEPS)),
        *_list(
            "H200, windows up to 3x3, over a kernel each way or 1.1 times compulsory", narrow, _breaks_limits
        ),
        *_list(
            "H200, with a scatter or a sort", on_h200, lambda row: row.costs["jaxpool"].scatters_or_sorts()
        ),
        *_list("TPU v5e, over XLA's own in kernels, bytes or temporaries", on_tpu, Row.is_worse),
    ]


def _worst(rows: Sequence[Row], step: str) -> str:
    """The most kernels and bytes that a pass takes."""
    of_step = [row for row in rows if row.step == step]
    if not of_step:
        return ""
    kernels = max(row.costs["jaxpool"].kernels for row in of_step)
    ratio = max(row.over_compulsory("jaxpool") for row in of_step)
    return f"H200, windows up to 3x3, {step}: kernels {kernels}, times compulsory {ratio:.2f}"


def _breaks_limits(row: Row) -> bool:
    return bool(broken_limits(row.costs["jaxpool"], row.step, row.compulsory_bytes))


def _list(title: str, rows: Sequence[Row], chosen: Callable[[Row], bool]) -> list[str]:
    found = [row for row in rows if chosen(row)]
    return [f"{title}: {len(found)} of {len(rows)}", *map(_describe, found)] if rows else []


def _describe(row: Row) -> str:
    cells = _cells(row)
    shown = (f"{name} {cells[name]}" for name in ("kernels", "MB", "times compulsory", "temporary MB"))
    return f"  {row.case}, {row.step}: {', '.join(shown)}"


if __name__ == "__main__":
    main()
