"""What programs cost besides their time: compilation, memory while they run, memory between the passes."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from typing import Any

import jax

from benchmarks import contenders
from benchmarks.cases import Case


@dataclasses.dataclass(frozen=True)
class Program:
    """Forward and backward pass of a pool in one program."""

    compile_seconds: float  # from Python to machine code, with nothing known from before
    temporary_bytes: int  # at once, beside arguments and results
    kept_bytes_per_output: float  # from the forward to the backward pass, beside the operand


def is_examined(case: Case) -> bool:
    """Whether the case is one of the few examined: one layout and one precision show what there is to see."""
    is_common = case.dtype == "float32" and case.channel_axis == -1 and case.shape[-1] == 64
    return is_common and len(case.window_shape) == 2 and case.function in ("max_pool", "avg_pool")


def examine(case: Case, compilations: int) -> dict[str, Program]:
    """The programs of jaxpool and Flax, compiled so many times and not run; large windows only once."""
    if math.prod(case.window_shape) > 25:
        compilations = 1
    pools = {"jaxpool": contenders.jaxpool_pool(case), "flax": contenders.flax_pool(case)}
    return {name: _program(pool, case, compilations) for name, pool in pools.items()}


def _program(pool: contenders.Pool, case: Case, compilations: int) -> Program:
    x = contenders.inputs_of(case)
    cotangent = jax.ShapeDtypeStruct(contenders.output_shape(case), x.dtype)

    def compile_afresh() -> tuple[float, Any]:
        jax.clear_caches()
        start = time.perf_counter()
        compiled = jax.jit(contenders.both_passes(pool)).lower(x, cotangent).compile()
        return time.perf_counter() - start, compiled.memory_analysis()

    seconds, (memory, *_) = zip(*(compile_afresh() for _ in range(compilations)), strict=True)
    return Program(
        statistics.median(seconds), memory.temp_size_in_bytes, _kept_bytes(pool, x) / cotangent.size
    )


def _kept_bytes(pool: contenders.Pool, x: jax.ShapeDtypeStruct) -> int:
    """The size of what the forward pass hands to the backward pass; the operand is there anyway."""
    program = jax.make_jaxpr(lambda x: jax.vjp(pool, x))(x).jaxpr
    (operand,), (_, *kept) = program.invars, program.outvars
    arrays: list[Any] = [variable.aval for variable in kept if variable is not operand]
    return sum(array.size * array.dtype.itemsize for array in arrays)
