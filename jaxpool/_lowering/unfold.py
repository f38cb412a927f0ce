"""Large windows whose cells are gathered along dimensions of their own and reduced.

For what no stages can do, weighted sums and elements chosen by index alone. What is compiled does not grow
with the window, as it does where each tap is an expression of its own.
"""

from __future__ import annotations

import functools
import operator

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering import order as ordering
from jaxpool._lowering.positions import take
from jaxpool._lowering.sweep import PlacedBins
from jaxpool._lowering.tables import Table, cells_of_windows, windows_of_cells
from jaxpool._lowering.weights import Weight, weighted
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Axis, Window


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    """The first element of each irregular window in `order`, and the number of its tap, in one reduction."""
    behind = [d + i + 1 for i, d in enumerate(window.pooled)]
    operand = lax.expand_dims(operand, behind)
    positions, holds, numbers = {}, [], jnp.zeros((1,) * operand.ndim, np.int32)
    for (d, axis), cells in zip(window.pooled.items(), behind, strict=True):
        taps = lax.broadcasted_iota(np.int32, _along(cells, axis.size, operand.ndim), cells)
        starts, stops = (lax.expand_dims(ends, behind) for ends in _ends(axis, d, len(window.axes)))
        positions[cells - 1] = starts + taps
        holds.append(starts + taps < stops)
        numbers += taps * window.tap_strides[d]
    elements = take(operand, positions)
    padding = lax.full_like(elements, ordering.identity(order, elements.dtype))
    holds = jnp.broadcast_to(functools.reduce(operator.and_, holds), elements.shape)
    value, index = ordering.reduce_first(
        order, lax.select(holds, elements, padding), jnp.broadcast_to(numbers, elements.shape), behind
    )
    return lax.optimization_barrier((value, index.astype(window.index_dtype)))


def _along(dimension: int, length: int, ndim: int) -> list[int]:
    return [length if d == dimension else 1 for d in range(ndim)]


def _ends(axis: Axis | PlacedBins, dimension: int, ndim: int) -> tuple[Array, Array]:
    """Where the windows along a dimension start and stop; those of a regular one have no padding."""
    if isinstance(axis, PlacedBins):
        return axis.starts, axis.stops
    starts = lax.broadcasted_iota(np.int32, _along(dimension, axis.windows, ndim), dimension) * axis.stride
    return starts, starts + axis.size


def gather(tangent: Array, index: Array, window: Window) -> Array:
    """The element of each window whose tap has the number `index`."""
    tables = {d: cells_of_windows(axis) for d, axis in window.pooled.items()}
    numbers = jnp.broadcast_to(_numbers(tables, window), _shape(tangent, tables))
    picks = numbers == lax.expand_dims(index, _behind(tables)).astype(np.int32)
    return _total(_where(picks, _unfold(tangent, tables)), tables)


def scatter(cotangent: Array, index: Array, window: Window) -> Array:
    """Adds what comes from each window to the cell at its tap `index`."""
    tables = {d: windows_of_cells(axis) for d, axis in window.pooled.items()}
    numbers = jnp.broadcast_to(_numbers(tables, window), _shape(cotangent, tables))
    picks = numbers == _unfold(index.astype(np.int32), tables)
    wide = cotangent.astype(accumulation_dtype(cotangent.dtype))
    return _total(_where(picks, _unfold(wide, tables)), tables).astype(cotangent.dtype)


def add_weighted(values: Array, operand: Array, statistic: Array, window: Window, weight: Weight) -> Array:
    """Adds the values of each window, weighted by what its element of the operand is to its statistic."""
    tables = {d: cells_of_windows(axis) for d, axis in window.pooled.items()}
    here = lax.expand_dims(statistic, _behind(tables))
    return _total(weighted(weight, _unfold(values, tables), _unfold(operand, tables), here), tables)


def spread_weighted(
    cotangent: Array, operand: Array, statistic: Array, window: Window, weight: Weight
) -> Array:
    """Adds what comes from each window to its cells, with the same weights."""
    tables = {d: windows_of_cells(axis) for d, axis in window.pooled.items()}
    here = lax.expand_dims(operand, _behind(tables))
    return _total(weighted(weight, _unfold(cotangent, tables), here, _unfold(statistic, tables)), tables)


def _behind(tables: dict[int, Table]) -> list[int]:
    """The dimensions of places, each behind that of its results."""
    return [d + i + 1 for i, d in enumerate(tables)]


def _shape(array: Array, tables: dict[int, Table]) -> tuple[int, ...]:
    """The shape of the unfolded array."""
    return tuple(
        m for d, n in enumerate(array.shape) for m in (tables[d].holds.shape if d in tables else (n,))
    )


def _unfold(array: Array, tables: dict[int, Table]) -> Array:
    """The array's elements at the positions in the tables; 0 where there are none."""
    for d, table in reversed(tables.items()):
        array = jnp.take(array, table.positions, axis=d, mode="clip")
        holds = np.expand_dims(table.holds, tuple(e for e in range(array.ndim) if e not in (d, d + 1)))
        array = _where(jnp.broadcast_to(holds, array.shape), array)
    return array


def _numbers(tables: dict[int, Table], window: Window) -> Array:
    """The number of the tap at each place."""
    ndim = len(window.axes) + len(tables)
    total = jnp.zeros((1,) * ndim, np.int32)
    for (d, table), behind in zip(tables.items(), _behind(tables), strict=True):
        numbers = (table.taps * window.tap_strides[d]).astype(np.int32)
        total = total + np.expand_dims(
            numbers, tuple(e for e in range(ndim) if e not in (behind - 1, behind))
        )
    return total


def _where(holds: Array, array: Array) -> Array:
    return lax.select(holds, array, lax.full_like(array, 0))


def _total(terms: Array, tables: dict[int, Table]) -> Array:
    return lax.optimization_barrier(lax.reduce(terms, np.zeros((), terms.dtype), lax.add, _behind(tables)))
