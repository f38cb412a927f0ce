"""All of an array along some axes, as one window."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_axes, static_length
from jaxpool._ops._arrays import as_bool, as_mask
from jaxpool._shards import by_partitioner
from jaxpool._window import Axis, Window

# XLA:CPU of jaxlib 0.10.2 and 0.11.0 crashes where it adds up products of 7 or 8 dimensions (jax#39257).
_MOST_DIMENSIONS = 6
# Pools a whole window: (inputs, window, mask, *parameters).
WholePool = Callable[..., Array]


def pool_whole(
    array: Array,
    pool: WholePool,
    axis: SupportsIndex | Sequence[SupportsIndex] | None,
    where: ArrayLike | None,
    keepdims: bool,
    *parameters: Array,
) -> Array:
    """All of an array along some axes, pooled as one window."""
    pooled = as_axes(axis, array.ndim)
    if array.ndim > _MOST_DIMENSIONS and len(runs := _runs(array.ndim, pooled)) < array.ndim:
        return _pool_merged(array, pool, runs, pooled, as_mask(where, array.shape), keepdims, *parameters)
    lengths = {d: static_length(array.shape[d]) for d in pooled}
    window = Window(tuple(Axis(lengths[d], lengths[d]) if d in lengths else None for d in range(array.ndim)))
    mask = as_mask(where, array.shape)
    removed = () if as_bool("keepdims", keepdims) else tuple(window.pooled)
    carry_out = functools.partial(_carry_out, pool, window, removed)
    return by_partitioner(carry_out, window, removed, array, mask, *parameters)


def _runs(ndim: int, pooled: Sequence[int]) -> list[list[int]]:
    """The dimensions, those that are pooled one by one, and neighbours that are not in one."""
    numbers = itertools.groupby(range(ndim), lambda d: d if d in pooled else -1)
    return [list(run) for _, run in numbers]


def _pool_merged(
    array: Array,
    pool: WholePool,
    runs: Sequence[Sequence[int]],
    pooled: Sequence[int],
    mask: Array | None,
    keepdims: bool,
    *parameters: Array,
) -> Array:
    """The same of an array in which each run is one dimension."""

    def merged(each: Array) -> Array:
        whole = [run for run in runs if any(each.shape[d] != 1 for d in run)]
        kept = {d for run in whole for d in run}
        each = jnp.broadcast_to(each, [n if d in kept else 1 for d, n in enumerate(array.shape)])
        return each.reshape([math.prod(each.shape[d] for d in run) for run in runs])

    axes = [i for i, run in enumerate(runs) if run[0] in pooled]
    where = None if mask is None else merged(mask)
    result = pool_whole(merged(array), pool, axes, where, True, *map(merged, parameters))
    lengths = [result.shape[runs.index([d])] if d in pooled else n for d, n in enumerate(array.shape)]
    result = result.reshape(lengths)
    return result if as_bool("keepdims", keepdims) else lax.squeeze(result, pooled)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), inline=True)
def _carry_out(
    pool: WholePool, window: Window, removed: tuple[int, ...], array: Array, *operands: Array | None
) -> Array:
    return lax.squeeze(pool(array, window, *operands), removed)
