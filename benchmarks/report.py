"""The measurements as tables on the screen and as JSON."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from benchmarks.cases import PASSES
from benchmarks.contenders import cores
from benchmarks.measurements import Measurement
from benchmarks.programs import Program
from benchmarks.summary import Promise, summarise

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "torch")


@dataclasses.dataclass(frozen=True)
class Results:
    """All that one run has found out."""

    environment: dict[str, Any]
    measurements: Sequence[Measurement]
    networks: dict[str, dict[str, float]]  # the seconds of a step, by network and pools
    programs: dict[str, dict[str, Program]]  # by case and library


def describe_environment(command: str) -> dict[str, Any]:
    """When and on what the command ran."""
    device = jax.devices()[0]
    versions = {name: version(name) for name in PACKAGES}
    return {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "platform": device.platform,
        "device": _processor() if device.platform == "cpu" else device.device_kind,
        "cores": cores(),
        "versions": {"python": platform.python_version(), **versions},
    }


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name; Python itself does not know it on Linux."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write_json(results: Results, path: Path) -> None:
    """All medians in seconds, with the ratios that the tables show."""
    contents = {
        "environment": results.environment,
        "cases": [case_record(m) for m in results.measurements],
        "summary": [dataclasses.asdict(promise) for promise in summarise(results.measurements)],
        "training_step_seconds": results.networks,
        "programs": {
            case: {library: dataclasses.asdict(program) for library, program in programs.items()}
            for case, programs in results.programs.items()
        },
    }
    path.write_text(json.dumps(contents, indent=2, ensure_ascii=False) + "\n")


def case_record(m: Measurement) -> dict[str, Any]:
    return {
        "name": str(m.case),
        **dataclasses.asdict(m),
        "flax_over_ours": {step: m.versus("flax", step) for step in PASSES},
        "pytorch_over_ours": {step: m.versus("pytorch", step) for step in PASSES},
        "ours_over_limit": {step: m.over_limit("jaxpool", step) for step in PASSES},
        "both_over_forward_and_backward": m.together(),
    }


def print_tables(results: Results, console: Console) -> None:
    """All tables, the longest first, so that the promises are what one sees at the end."""
    console.print(_times(results.measurements, with_bandwidth=results.environment["platform"] != "cpu"))
    console.print(_programs(results.programs))
    console.print(_networks(results.networks))
    console.print(_promises(summarise(results.measurements)))


def _table(title: str, columns: Sequence[str], caption: str = "", words: int = 1) -> Table:
    """A table whose first columns are words and whose others are numbers."""
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < words else "right", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    """Three significant digits, or nothing where there is nothing."""
    if value is None:
        return ""
    return f"{value:#.3g}".rstrip(".") if value < 999.5 else f"{value:,.0f}"


def _times(measurements: Sequence[Measurement], with_bandwidth: bool) -> Table:
    columns = {
        "pass": lambda m, step: step,
        "ours, ms": lambda m, step: _number(1000 * m.seconds["jaxpool"][step]),
        "Flax/ours": lambda m, step: _number(m.versus("flax", step)),
        "PyTorch/ours": lambda m, step: _number(m.versus("pytorch", step)),
        "ours/limit": lambda m, step: _number(m.over_limit("jaxpool", step)),
        "of copy bandwidth": lambda m, step: f"{1 / m.over_limit('jaxpool', step):.0%}",
        "both/(forward + backward)": lambda m, step: _number(m.together()) if step == "both" else "",
    }
    if not any("pytorch" in m.seconds for m in measurements):
        del columns["PyTorch/ours"]
    if not with_bandwidth:
        del columns["of copy bandwidth"]
    caption = "Limit: to move the bytes that have to move, at the speed at which x + 1 moves them."
    table = _table("Median times of pools, and their ratios", ("case", *columns), caption, words=2)
    for m in measurements:
        for step in PASSES:
            cells = [cell(m, step) for cell in columns.values()]
            table.add_row(str(m.case) if step == PASSES[0] else "", *cells, end_section=step == PASSES[-1])
    return table


def _networks(networks: dict[str, dict[str, float]]) -> Table:
    columns = ("network, max pools, batch", "ours, ms", "Flax, ms", "no pooling, ms", "Flax/ours")
    table = _table("Median times of training steps", columns)
    for name, seconds in networks.items():
        times = [_number(1000 * seconds[pool]) for pool in ("jaxpool", "flax", "no pooling")]
        table.add_row(name, *times, _number(seconds["flax"] / seconds["jaxpool"]))
    return table


def _programs(programs: dict[str, dict[str, Program]]) -> Table:
    columns = ("case", "compile, s", "Flax", "temporary, MB", "Flax", "kept, bytes/output", "Flax")
    table = _table("Forward and backward pass in one program", columns)
    for name, found in programs.items():
        cells = []
        for show in (
            lambda program: _number(program.compile_seconds),
            lambda program: _number(program.temporary_bytes / 1e6),
            lambda program: f"{program.kept_bytes_per_output:.2f}",
        ):
            cells += [show(found["jaxpool"]), show(found["flax"])]
        table.add_row(name, *cells)
    return table


def _promises(promises: Sequence[Promise]) -> Table:
    table = _table("Summary; means are geometric", ("", *PASSES, "in the worst case"))
    for promise in promises:
        table.add_row(promise.name, *(_number(promise.values.get(step)) for step in PASSES), promise.case)
    return table
