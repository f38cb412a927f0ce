"""The passes of a pool, compiled for a platform: by jaxpool, and with XLA's own operations."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks.cases import Case, spatial_axes
from benchmarks.compile_only import TPU, Platform
from benchmarks.contenders import Pool, both_passes, inputs_of, jaxpool_pool, output_shape, selects
from benchmarks.cost import Cost, cost

FORWARD, INDEX, BACKWARD, BOTH = STEPS = ("forward", "forward with index", "backward", "both")

# For a TPU, XLA compiles its own select-and-scatter of 7x7 windows in 20 s, that of 9x9 windows in 3 minutes.
_MOST_TAPS_ON_TPU = 49


@dataclasses.dataclass(frozen=True)
class Row:
    """One pass of one case on one platform."""

    platform: str
    case: Case
    step: str
    compulsory_bytes: int
    costs: dict[str, Cost]  # by contender, "jaxpool" and "lax"
    compile_seconds: dict[str, float]

    def over_compulsory(self, contender: str) -> float:
        return self.costs[contender].bytes / self.compulsory_bytes

    def is_worse(self) -> bool:
        """Whether jaxpool takes more than XLA's own in anything."""
        return self.costs["jaxpool"].exceeds(self.costs["lax"])


def measure(case: Case, platform: Platform, step: str) -> Row:
    costs, seconds = {}, {}
    for name, pool in {"jaxpool": jaxpool_pool(case), "lax": lax_pool(case)}.items():
        function, *arguments = program(pool, case, step)
        start = time.perf_counter()
        compiled = platform.compile(function, *arguments)
        seconds[name] = time.perf_counter() - start
        costs[name] = cost(compiled)
    return Row(platform.name, case, step, compulsory_bytes(case, step), costs, seconds)


def steps(case: Case, platform: Platform) -> tuple[str, ...]:
    """The passes that differ and that compile in reasonable time."""
    if not selects(case):
        return (FORWARD, BACKWARD, BOTH)
    if platform is TPU and math.prod(case.window_shape) > _MOST_TAPS_ON_TPU:
        return (FORWARD,)
    return STEPS


def compulsory_bytes(case: Case, step: str) -> int:
    """The arguments and results of a pass, and the index of a selection, each read or written once."""
    itemsize = jnp.dtype(case.dtype).itemsize
    windows = math.prod(output_shape(case))
    arrays = (math.prod(case.shape) + windows) * itemsize
    index = windows * (1 if math.prod(case.window_shape) <= 256 else 2) if selects(case) else 0
    one_pass = arrays if step == FORWARD else arrays + index
    return 2 * one_pass if step == BOTH else one_pass


def broken_limits(cost: Cost, step: str, compulsory_bytes: int) -> list[str]:
    """What a pass on a GPU takes too much of: ideal is a kernel each way that moves each byte once."""
    kept = {
        "kernels": cost.kernels <= (2 if step == BOTH else 1),
        "bytes": cost.bytes <= 1.1 * compulsory_bytes,
        "scatters": cost.scatters == 0,
        "sorts": cost.sorts == 0,
    }
    return [name for name, is_kept in kept.items() if not is_kept]


def lax_pool(case: Case) -> Pool:
    """XLA's reduce-window, as Flax calls it, for channels on any axis; JAX has its derivative."""
    rank = len(case.shape)

    def everywhere(along: tuple[Any, ...], elsewhere: Any) -> tuple[Any, ...]:
        placed = dict(zip(spatial_axes(case), along, strict=True))
        return tuple(placed.get(d, elsewhere) for d in range(rank))

    arguments = [everywhere(case.window_shape, 1), everywhere(case.strides, 1)]
    arguments.append(everywhere(case.padding, (0, 0)))
    selections = {"max_pool": (-np.inf, lax.max), "min_pool": (np.inf, lax.min)}
    init, reducer = selections.get(case.function, (0.0, lax.add))

    def pool(x: Array) -> Array:
        value = lax.reduce_window(x, np.asarray(init, x.dtype), reducer, *arguments)
        return value / math.prod(case.window_shape) if case.function == "avg_pool" else value

    return pool


def program(pool: Pool, case: Case, step: str) -> tuple[Any, ...]:
    """One pass: a function, and the shapes and dtypes of its arguments."""
    x = inputs_of(case)
    value, pullback = jax.eval_shape(lambda x: jax.vjp(pool, x), x)
    return {
        FORWARD: (pool, x),
        INDEX: (_with_index(pool), x),
        BACKWARD: (lambda pullback, cotangent: pullback(cotangent), pullback, value),
        BOTH: (both_passes(pool), x, value),
    }[step]


def _with_index(pool: Pool) -> Callable[[Array], Any]:
    """The forward pass and what it keeps, but for the operand, which is there anyway."""

    def forward(x: Array) -> tuple[Array, list[Array]]:
        value, pullback = jax.vjp(pool, x)
        kept = jax.tree.leaves(pullback)
        return value, [leaf for leaf in kept if jnp.issubdtype(leaf.dtype, jnp.integer)]

    return forward
