"""Checks and measures the pools on an accelerator, within minutes that are given.

    python -m benchmarks.device --out DIR

Needs nothing but JAX, Flax, Optax, Chex and pytest; PyTorch is compared where it sees the device too. In this
order, each part writing `DIR/<part>.json` and its lines as it goes, so that a run that is cut off leaves what
it has:

- correctness: public functions against the tests' oracle, with derivatives, in 32 and 16 bits;
- pools: forward, backward and both in arrays of 256 MiB, over the time that `x + 1` takes, beside XLA's own
  (Flax) and PyTorch; whether ten runs give the same bits;
- small: the same in arrays of some MiB, where to launch counts;
- networks: training steps;
- large: windows of 7x7 and more, adaptive, fractional and global pools;
- regions: pools of boxes beside torchvision, how far the two are apart, whether ten runs give the same bits;
- segments: pools of rows beside `jax.ops` and PyTorch, in the same way;
- techniques: the other ways to carry out a pool that jaxpool has;
- compilation: seconds, and the temporaries of forward and backward in one program.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

# Read when JAX looks for devices: the rest of the memory is PyTorch's.
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.6")

import jax
import jax.numpy as jnp

from benchmarks import contenders, measurements, networks, programs, regions, report, segments, timing
from benchmarks.cases import CASES, PASSES, RESIZING, AnyCase, Case
from jaxpool._lowering import TECHNIQUES, forced

EFFORT = timing.Effort(samples=5, seconds=0.1, at_least=3)
DTYPES = ("float32", "bfloat16", "float16")
BATCH = 256

Record = dict[str, Any]
Part = Callable[["Scale"], Iterator[tuple[str, Record]]]  # a line and a record of each thing measured


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large everything is: as an accelerator wants it, or tiny, to see that all of it runs."""

    tiny: bool

    def cases(self, cases: Iterable[AnyCase]) -> list[AnyCase]:
        if not self.tiny:
            return [contenders.enlarge(case, contenders.LARGE) for case in cases]
        return self.small(list(cases)[:2])

    def small(self, cases: Sequence[AnyCase]) -> list[AnyCase]:
        if not self.tiny:
            return list(cases)
        return [dataclasses.replace(case, shape=(1, *case.shape[1:-1], 2)) for case in cases[:2]]

    def network(self, network: networks.Network) -> networks.Network:
        return dataclasses.replace(network, shape=(2 if self.tiny else BATCH, *network.shape[1:]))


# --------------------------------------------------------------------------------------------- correctness


def correctness(scale: Scale) -> Iterator[tuple[str, Record]]:
    """Each function of the tests' tables in each dtype, with other numbers in other geometries."""
    from tests import grid
    from tests.cases import DERIVATIVE_CASES
    from tests.functions import FUNCTIONS
    from tests.groups import GROUPS

    places, kinds = itertools.cycle(DERIVATIVE_CASES), itertools.cycle(grid.KINDS_OF_NUMBERS)
    rows = [(f.name, next(places).name, dtype, next(kinds)) for dtype in DTYPES for f in FUNCTIONS]
    dtypes = itertools.cycle(DTYPES)
    rows += [(f.name, group.name, next(dtypes), next(kinds)) for group in GROUPS for f in group.functions]

    def difference(row: tuple[str, ...]) -> str:
        try:
            grid.check(*row)
        except Exception as error:  # whatever it is, the others are checked too
            return f"{type(error).__name__}: {error}"
        return ""

    for row, found in _in_threads(difference, rows[:: 100 if scale.tiny else 1]):
        first = found.strip().split("\n")[0]
        yield ", ".join(row) + (f": {first}" if found else ""), {"row": row, "difference": found}


# --------------------------------------------------------------------------------------------------- times


def pools(scale: Scale) -> Iterator[tuple[str, Record]]:
    return _measured(scale.cases(case for case in CASES if max(case.window_shape) <= 5))


def small(scale: Scale) -> Iterator[tuple[str, Record]]:
    return _measured(scale.small([case for case in CASES if max(case.window_shape) <= 3][:10]))


def large(scale: Scale) -> Iterator[tuple[str, Record]]:
    windows = (case for case in CASES if max(case.window_shape) > 5)
    return itertools.chain(_measured(scale.cases(windows)), _measured(scale.cases(RESIZING)))


def _measured(cases: Sequence[AnyCase]) -> Iterator[tuple[str, Record]]:
    by_pytorch, _ = contenders.find_pytorch()
    # All are compiled before the first is measured, which then has the processor to itself.
    for case, compiled in list(_in_threads(contenders.compile_pools, cases)):
        try:
            measured = measurements.measure(
                case, EFFORT, by_pytorch=by_pytorch, queued=True, compiled=compiled
            )
            yield _line(measured), report.case_record(measured) | _repeated(case, compiled)
        except Exception as error:  # whatever it is, the others are measured too
            yield f"{case}: {error}", {"name": str(case), "error": f"{type(error).__name__}: {error}"}


def _line(measured: measurements.Measurement) -> str:
    cells = [str(measured.case)]
    for step in PASSES:
        cells.append(f"{step} {measured.limit(step) / measured.seconds['jaxpool'][step]:.0%}")
        for name in ("flax", "pytorch"):
            ratio = measured.versus(name, step)
            cells.append(f"{name} {ratio:.2f}" if ratio else f"no {name}")
    return ", ".join(cells)


def _repeated(case: AnyCase, compiled: dict[str, contenders.CompiledPool]) -> Record:
    """Whether ten runs agree in every bit, and the gradient with XLA's own; ties and NaN apart, it must."""
    inputs = contenders.normal(case.shape, case.dtype, seed=0)
    cotangent = contenders.normal(contenders.output_shape(case), case.dtype, seed=1)
    both = functools.partial(compiled["jaxpool"].both, inputs, cotangent)
    expected, same = both(), _same_in_ten(both)
    record: Record = {"same_bits_in_ten_runs": same}
    if "flax" in compiled:
        (theirs,) = compiled["flax"].both(inputs, cotangent)[1]
        record["gradient_difference"] = float(contenders.difference(theirs, expected[1][0]))
    return record


def of_regions(scale: Scale) -> Iterator[tuple[str, Record]]:
    cases = regions.CASES
    if scale.tiny:
        cases = [dataclasses.replace(case, shape=(2, 20, 30, 49), boxes=4) for case in cases[::5]]
    return _beside_others(regions, cases)


def of_segments(scale: Scale) -> Iterator[tuple[str, Record]]:
    cases = segments.CASES
    if scale.tiny:
        cases = [dataclasses.replace(case, rows=200, channels=2, segments=20) for case in cases[::5]]
    return _beside_others(segments, cases)


def _beside_others(module: Any, cases: Sequence[Any]) -> Iterator[tuple[str, Record]]:
    for case, compiled in list(_in_threads(module.compile_pools, cases)):
        try:
            calls, apart = module.compare(case, compiled)
        except Exception as error:  # whatever it is, the others are measured too
            yield f"{case}: {error}", {"name": str(case), "error": f"{type(error).__name__}: {error}"}
            continue
        flat = {(name, step): call for name, steps in calls.items() for step, call in steps.items()}
        taken = timing.medians(flat, EFFORT, queued=True)
        seconds = {name: {step: taken[name, step] for step in steps} for name, steps in calls.items()}
        same = _same_in_ten(calls["jaxpool"]["both"])
        shown = [
            f"{name} {' '.join(f'{1e6 * each:.0f}' for each in steps.values())} us"
            for name, steps in seconds.items()
        ]
        differences = [f"{name} {each:.1e} apart" for name, each in apart.items()]
        yield (
            ", ".join([str(case), *shown, *differences, f"same bits {same}"]),
            {"name": str(case), "seconds": seconds, "apart": apart, "same_bits_in_ten_runs": same},
        )


def _same_in_ten(call: timing.Call) -> bool:
    expected = call()
    return bool(jnp.stack([_same_bits(expected, call()) for _ in range(10)]).all())


@jax.jit
def _same_bits(first: Any, second: Any) -> jax.Array:
    def bits(array: jax.Array) -> jax.Array:
        return jax.lax.bitcast_convert_type(array, f"uint{8 * array.dtype.itemsize}")

    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return jnp.stack([(bits(a) == bits(b)).all() for a, b in pairs]).all()


def training(scale: Scale) -> Iterator[tuple[str, Record]]:
    for network in map(scale.network, networks.NETWORKS[:1] if scale.tiny else networks.NETWORKS):
        seconds = networks.measure(network, EFFORT, queued=True)
        ratio = seconds["flax"] / seconds["jaxpool"]
        yield (
            f"{network}: {1000 * seconds['jaxpool']:.2f} ms, flax {ratio:.2f}",
            {
                "name": str(network),
                "seconds": seconds,
            },
        )


def techniques(scale: Scale) -> Iterator[tuple[str, Record]]:
    """The passes of some cases by each technique, where it can do them."""
    for case in scale.cases(case for case in CASES if case.quick or max(case.window_shape) == 5):
        inputs = contenders.normal(case.shape, case.dtype, seed=0)
        cotangent = contenders.normal(contenders.output_shape(case), case.dtype, seed=1)
        calls: dict[tuple[str, str], timing.Call] = {}
        for name in TECHNIQUES:
            with forced(name):
                calls |= {(name, step): call for step, call in _passes(case, inputs, cotangent)}
        seconds: dict[str, dict[str, float]] = {}
        for (name, step), time_taken in timing.medians(calls, EFFORT, queued=True).items():
            seconds.setdefault(name, {})[step] = time_taken
        shown = [
            f"{name} {step} {1e6 * taken:.0f} us"
            for name, steps in seconds.items()
            for step, taken in steps.items()
        ]
        yield ", ".join([str(case), *shown]), {"name": str(case), "seconds": seconds}


def _passes(case: Any, inputs: jax.Array, cotangent: jax.Array) -> Iterator[tuple[str, timing.Call]]:
    pool = contenders.jaxpool_pool(case)
    for step, function, arguments in (
        ("forward", pool, (inputs,)),
        ("both", contenders.both_passes(pool), (inputs, cotangent)),
    ):
        try:
            compiled = jax.jit(function).lower(*arguments).compile()
        except NotImplementedError:
            continue
        yield step, lambda compiled=compiled, arguments=arguments: compiled(*arguments)


def compilation(scale: Scale) -> Iterator[tuple[str, Record]]:
    examined = [case for case in CASES if programs.is_examined(case) and max(case.window_shape) <= 13]
    for case in scale.cases(examined):
        assert isinstance(case, Case)
        found = programs.examine(case, compilations=1)
        shown = [
            f"{name} {program.compile_seconds:.2f} s, {program.temporary_bytes / 1e6:.0f} MB"
            for name, program in found.items()
        ]
        record = {name: dataclasses.asdict(program) for name, program in found.items()}
        yield ", ".join([str(case), *shown]), {"name": str(case), **record}


def _in_threads(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Pairs of items and results, in order: compilers leave Python to the other threads."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(contenders.cores()) as executor:
        yield from zip(items, executor.map(function, items), strict=True)


# ----------------------------------------------------------------------------------------------------- run

PARTS: dict[str, Part] = {
    "correctness": correctness,
    "pools": pools,
    "small": small,
    "networks": training,
    "large": large,
    "regions": of_regions,
    "segments": of_segments,
    "techniques": techniques,
    "compilation": compilation,
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    by_pytorch, said = contenders.find_pytorch()
    if not by_pytorch:
        print(f"{said}: its columns are left out.")
    start = time.monotonic()
    environment = report.describe_environment("python -m benchmarks.device")
    print(environment, flush=True)
    for name in options.parts:
        records: list[Record] = []
        cut = False
        for line, record in PARTS[name](Scale(options.tiny)):
            print(f"{time.monotonic() - start:5.0f} s {name}: {line}", flush=True)
            records.append(record)
            cut = time.monotonic() - start > 60 * options.minutes
            contents = {"environment": environment, "cut": cut, "records": records}
            (options.out / f"{name}.json").write_text(json.dumps(contents, indent=1) + "\n")
            if cut:
                print("The time is over.", flush=True)
                return


def _parser() -> argparse.ArgumentParser:
    description = (__doc__ or "").split("\n")[0]
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m benchmarks.device", description=description, formatter_class=style
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the parts' JSON")
    parser.add_argument("--minutes", type=float, default=8, help="after which no more is measured")
    parser.add_argument("--tiny", action="store_true", help="tiny arrays and few cases, as a rehearsal")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="and in which order")
    return parser


if __name__ == "__main__":
    main()
