"""Measures pools that are drawn at random, and shows where they are furthest from the limit.

    python -m benchmarks.cliffs --seed 7    # until an hour is over, or 300 pools are measured

A run goes on where the last one with its seed has ended: all is in `DIR/cliffs-<seed>.jsonl`. The worst ones
are measured again, by themselves, before they are believed. Then tables are printed, and the distribution is
drawn as `DIR/cliffs-<seed>.png`.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import command, contenders, measurements, picture, report
from benchmarks.cases import PASSES, AnyCase
from benchmarks.draws import draw
from benchmarks.timing import Effort

FIRST = Effort(samples=7, seconds=0.3, at_least=2)
AGAIN = Effort(samples=25, seconds=2.0, at_least=5)
WORST = 20

Record = dict[str, Any]
# What is shown of each pass, which of two values is the worse, and how the quantity is read from a record.
QUANTITIES = {
    "time over the limit": (max, "ours_over_limit"),
    "times as fast as Flax": (min, "flax_over_ours"),
    "times as fast as PyTorch": (min, "pytorch_over_ours"),
}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    description = (__doc__ or "").split("\n")[0]
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser("benchmarks.cliffs", description=description, formatter_class=style)
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--number", type=int, default=300, metavar="N", help="how many pools are drawn")
    parser.add_argument("--minutes", type=float, default=60, help="after which no other one is measured")
    parser.add_argument("--megabytes", type=float, nargs=2, default=(1, 64), help="least and most of inputs")
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    by_pytorch, _ = command.begin(options)
    path = options.out / f"cliffs-{options.seed}.jsonl"
    records = _load(path)
    end = time.monotonic() + 60 * options.minutes
    with Progress(console=Console(stderr=True), auto_refresh=False) as progress:
        bar = progress.add_task("", total=options.number)
        for number in range(options.number):
            case = draw(options.seed, number, options.megabytes)
            progress.update(bar, description=str(case), refresh=True)
            if number not in records and time.monotonic() < end:
                _keep(path, records, _measure(number, case, FIRST, by_pytorch))
            progress.advance(bar)
        doubtful = [record["number"] for record in _doubtful(list(records.values()))]
        bar = progress.add_task("", total=len(doubtful))
        for number in doubtful:
            case = draw(options.seed, number, options.megabytes)
            progress.update(bar, description=f"again: {case}", refresh=True)
            _keep(path, records, _measure(number, case, AGAIN, by_pytorch) | {"again": True})
            progress.advance(bar)
    found = list(records.values())
    console = Console(width=None if sys.stdout.isatty() else 150)
    for table in (*_worst(found), _distribution(found), _compilation(found)):
        console.print(table)
    for record in found:
        if "error" in record:
            console.print(f"{record['call']}: {record['error']}", markup=False)
    draw_distribution(found, path.with_suffix(".png"))
    print(f"Written: {path} and {path.with_suffix('.png')}")


def call(case: AnyCase) -> str:
    """The call, as one writes it."""
    arguments = [
        "x",
        *map(repr, case.arguments),
        *(f"{name}={value!r}" for name, value in case.options.items()),
    ]
    return f"jaxpool.{case.function}({', '.join(arguments)})  # {case.dtype}{list(case.shape)}"


def _measure(number: int, case: AnyCase, effort: Effort, by_pytorch: contenders.PyTorch | None) -> Record:
    record: Record = {"number": number, "call": call(case)}
    compiled, compile_seconds = {}, {}
    try:
        for name, pool in contenders.pools_of(case).items():
            start = time.perf_counter()
            compiled[name] = contenders.compile_pool(pool, contenders.inputs_of(case))
            compile_seconds[name] = time.perf_counter() - start
        measured = measurements.measure(case, effort, by_pytorch=by_pytorch, compiled=compiled)
    except Exception as error:  # whatever it is, the others are measured too
        return record | {"error": f"{type(error).__name__}: {error}"}
    finally:
        jax.clear_caches()
        gc.collect()
    return record | report.case_record(measured) | {"compile_seconds": compile_seconds}


def _keep(path: Path, records: dict[int, Record], record: Record) -> None:
    records[record["number"]] = record
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def _load(path: Path) -> dict[int, Record]:
    """The last record of each number."""
    if not path.exists():
        return {}
    records = map(json.loads, path.read_text().splitlines())
    return {record["number"]: record for record in records}


def _values(records: Sequence[Record], key: str, step: str) -> list[tuple[float, Record]]:
    found = ((record.get(key, {}).get(step), record) for record in records)
    return [(value, record) for value, record in found if value is not None]


def _doubtful(records: Sequence[Record]) -> Iterator[Record]:
    """The worst in any pass and quantity, that have not been measured again."""
    chosen: dict[int, Record] = {}
    for worse, key in QUANTITIES.values():
        for step in PASSES:
            ranked = sorted(_values(records, key, step), key=lambda pair: pair[0], reverse=worse is max)
            chosen |= {record["number"]: record for _, record in ranked[: WORST // 4]}
    return (record for record in chosen.values() if not record.get("again"))


def _worst(records: Sequence[Record]) -> Iterator[Table]:
    """The worst in forward and backward pass together, with the calls."""
    for name, (worse, key) in QUANTITIES.items():
        ranked = sorted(_values(records, key, "both"), key=lambda pair: pair[0], reverse=worse is max)
        table = Table("no.", *PASSES, "call", title=f"Worst: {name}", title_justify="left")
        for _, record in ranked[:WORST]:
            numbers = [f"{record[key][step]:.2f}" for step in PASSES]
            table.add_row(str(record["number"]), *numbers, record["call"])
        yield table


def _distribution(records: Sequence[Record]) -> Table:
    columns = ("", "pass", "pools", "mean", "median", "90 %", "95 %", "99 %", "worst")
    table = Table(*columns, title="Distribution; means are geometric", title_justify="left")
    for name, (worse, key) in QUANTITIES.items():
        for step in PASSES:
            values = [value for value, _ in _values(records, key, step)]
            if not values:
                continue
            shares = (0.5, 0.9, 0.95, 0.99, 1)
            quantiles = np.quantile(values, shares if worse is max else [1 - share for share in shares])
            numbers = [np.exp(np.mean(np.log(values))), *quantiles]
            table.add_row(name, step, str(len(values)), *(f"{number:.2f}" for number in numbers))
    return table


def _compilation(records: Sequence[Record]) -> Table:
    """The longest beside Flax's; the pass forward, backward and both, each by itself."""
    table = Table("ours, s", "Flax, s", "call", title="Compilation of all passes", title_justify="left")
    found = [(record["compile_seconds"], record) for record in records if "compile_seconds" in record]
    both = [(seconds, record) for seconds, record in found if "flax" in seconds]
    both.sort(key=lambda pair: pair[0]["flax"] / pair[0]["jaxpool"])
    alone = sorted(found, key=lambda pair: -pair[0]["jaxpool"])
    for seconds, record in both[:5] + alone[:5]:
        theirs = f"{seconds['flax']:.2f}" if "flax" in seconds else ""
        table.add_row(f"{seconds['jaxpool']:.2f}", theirs, record["call"])
    return table


def draw_distribution(records: Sequence[Record], path: Path) -> None:
    """A panel for each quantity: which share of the pools is worse than what."""
    with matplotlib.rc_context(picture.STYLE):
        figure = Figure(figsize=(15, 5), layout="constrained")
        figure.suptitle(f"{len(records)} pools drawn at random")
        for axes, (name, (worse, key)) in zip(
            figure.subplots(1, 3, sharey=True), QUANTITIES.items(), strict=True
        ):
            axes.set(title=name, xscale="log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.axvline(1, color="black", linewidth=0.8)
            for step in PASSES:
                values = sorted((value for value, _ in _values(records, key, step)), reverse=worse is max)
                axes.plot(values, np.linspace(0, 100, len(values)), label=step)
        figure.axes[0].set_ylabel("pools that are worse, %")
        figure.axes[0].legend()
        figure.savefig(path)


if __name__ == "__main__":
    main()
