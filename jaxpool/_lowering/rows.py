"""Weighted rows of an array: taken and added up, added to, and multiplied with values.

Arrays are a batch of tables: `rows` of shape (batch, cells, channels); `weights` and `places` (batch, taps,
results), where a place is the cell that a tap of a result reads; `values` (batch, results, channels).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.native import partitioned
from jaxpool._precision import accumulation_dtype

# So many taps are one expression; more are a loop over groups of them, for compilation.
_MOST_AT_ONCE = 16


def take(rows: Array, weights: Array, places: Array) -> Array:
    """For each result, the sum of the rows at its places, each times its weight."""
    return jax.vmap(_take)(rows, weights, places)


def take_laid_out(rows: Array, weights: Array, places: Array) -> Array:
    """The same of rows that are written to memory first, one channel beside the next, for accelerators.

    XLA would read channels that come first where they are, each element from another line of the memory.
    """
    return take(lax.optimization_barrier(rows), weights, places)


def take_settled(rows: Array, weights: Array, places: Array) -> Array:
    """The same for CPUs, in memory before channels go elsewhere.

    XLA would read an element at a time, in the order of what comes after: 512 boxes of 7x7 from
    (2, 256, 200, 304), channels first, take 34 ms in place of 207.
    """
    return lax.optimization_barrier(take(rows, weights, places))


def dot(rows: Array, values: Array, places: Array) -> Array:
    """For each tap of each result, the scalar product of the row at its place and the result's values."""
    return jax.vmap(_dot)(rows, values, places)


def dot_in_blocks(rows: Array, values: Array, places: Array) -> Array:
    """The same for CPUs, where XLA writes down what it gathers: for 64 results at a time, in a cache.

    For 25,088 results of 16 taps and 256 channels in float32 it takes 31 ms and 3 MB, where `dot` takes 57 ms
    and 411 MB.
    """
    if partitioned.get() or not isinstance(values.size, int) or not values.size:
        return dot(rows, values, places)
    return lax.map(lambda table: _dot_in_blocks(*table), (rows, values, places))


def put(values: Array, weights: Array, places: Array, *, cells: int, dtype: np.dtype) -> Array:
    """For each row, the sum of the values of the results that have it among their places, each weighted.

    On an H200, 25,088 results of 16 taps and 256 channels take 223 us in the order of cells, which is sorted
    for, and 371 by a scatter for each tap; of 8 channels 315 and 213.
    """
    one = _put_sorted if _are_wide(values.shape[2]) and not partitioned.get() else _put
    return jax.vmap(functools.partial(one, cells))(values, weights, places).astype(dtype)


def put_in_turn(values: Array, weights: Array, places: Array, *, cells: int, dtype: np.dtype) -> Array:
    """The same, one result after the other, for CPUs.

    For 25,088 results of 16 taps and 256 channels in float32 it takes 22 ms, where XLA:CPU scatters in 50.
    """
    if partitioned.get() or 0 in values.shape:  # whose batches the partitioner knows; nothing to add
        return put(values, weights, places, cells=cells, dtype=dtype)
    function = functools.partial(_put_in_turn, cells)
    return lax.map(lambda table: function(*table), (values, weights, places)).astype(dtype)


def _take(rows: Array, weights: Array, places: Array) -> Array:
    dtype = accumulation_dtype(rows.dtype)

    def add(total: Array, group: tuple[Array, Array]) -> Array:
        for weight, place in zip(*group, strict=True):
            total += _weighted(weight[:, None], _read(rows, place).astype(dtype))
        return total

    return _fold(add, jnp.zeros((places.shape[1], rows.shape[1]), dtype), weights, places)


def _dot(rows: Array, values: Array, places: Array) -> Array:
    def product(place: Array) -> Array:
        return jnp.sum(_read(rows, place).astype(values.dtype) * values, 1)

    groups = _grouped(places)
    products = lax.map(lambda group: jnp.stack([product(place) for place in group]), groups)
    return products.reshape(places.shape)


def _dot_in_blocks(rows: Array, values: Array, places: Array) -> Array:
    def product(result: tuple[Array, Array]) -> Array:
        value, place = result
        return lax.dot(_read(rows, place).astype(value.dtype), value)

    return lax.map(product, (values, places.T), batch_size=64).T


def _put(cells: int, values: Array, weights: Array, places: Array) -> Array:
    def add(total: Array, group: tuple[Array, Array]) -> Array:
        for weight, place in zip(*group, strict=True):
            sent = _weighted(weight[:, None], values)
            total = total.at[place].add(sent, mode="promise_in_bounds")
        return total

    return _fold(add, jnp.zeros((cells, values.shape[1]), values.dtype), weights, places)


def _put_sorted(cells: int, values: Array, weights: Array, places: Array) -> Array:
    """All taps at once, in the order of their cells, so that few adds meet in one."""
    taps, results = places.shape
    number = lax.iota(np.int32, taps * results)
    place, order = lax.sort_key_val(places.reshape(taps * results), number)
    weight = weights.reshape(taps * results)[order]
    sent = _weighted(weight[:, None], values.at[order % results].get(mode="promise_in_bounds"))
    total = jnp.zeros((cells, values.shape[1]), values.dtype)
    return total.at[place].add(sent, mode="promise_in_bounds", indices_are_sorted=True)


def _put_in_turn(cells: int, values: Array, weights: Array, places: Array) -> Array:
    # Results that meet in a cell find it in a cache when they go in the order of their first cells: 18 ms in
    # place of 28 for those of `put_in_turn`, but of 16 channels 5 for 3.5.
    order = jnp.argsort(places[0]) if _are_wide(values.shape[1]) else jnp.arange(places.shape[1])
    # Else XLA:CPU widens 16-bit values again for each tap.
    values = lax.optimization_barrier(values)

    def add(total: Array, group: tuple[Array, Array]) -> Array:
        # The taps of a result side by side in memory.
        weight, place = (taps[:, order].T for taps in group)

        def add_result(number: Array, total: Array) -> Array:
            sent = lax.dynamic_slice_in_dim(values, order[number], 1)
            for tap in range(place.shape[1]):
                at = place[number, tap]
                received = lax.dynamic_slice_in_dim(total, at, 1) + _weighted(weight[number, tap], sent)
                total = lax.dynamic_update_slice_in_dim(total, received, at, 0)
            return total

        return lax.fori_loop(0, values.shape[0], add_result, total)

    return _fold(add, jnp.zeros((cells, values.shape[1]), values.dtype), weights, places)


def _fold(add: Callable[..., Array], start: Array, weights: Array, places: Array) -> Array:
    """Adds all groups of taps to what is there at the start."""
    groups = _grouped(weights), _grouped(places)
    return lax.scan(lambda total, group: (add(total, group), None), start, groups)[0]


def _grouped(taps: Array) -> Array:
    """Groups of as many taps as divide them, up to the most at once."""
    most = max(n for n in range(1, _MOST_AT_ONCE + 1) if taps.shape[0] % n == 0)
    return taps.reshape(taps.shape[0] // most, most, taps.shape[1])


def _are_wide(channels: Any) -> bool:
    """Whether rows are so wide that it is worth to sort for them; the number may be symbolic."""
    return isinstance(channels, int) and channels >= 64


def _read(rows: Array, places: Array) -> Array:
    return rows.at[places].get(mode="promise_in_bounds")


def _weighted(weight: Array, value: Array) -> Array:
    """A value times its weight; nothing where that is 0, whatever the value."""
    return jnp.where(weight == 0, 0, weight * value)
