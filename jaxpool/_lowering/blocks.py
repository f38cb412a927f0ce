"""Windows of very many cells that share few: their cells are laid out along an axis, and pooled as a whole.

An expression for each cell of a window would take minutes to compile. One axis is pooled after the other.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering import order as ordering
from jaxpool._lowering.divisors import divide
from jaxpool._lowering.folds import first_elements
from jaxpool._lowering.positions import along
from jaxpool._lowering.sweep import PlacedBins
from jaxpool._lowering.whole import Whole
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Axis, Divisor, Window


@dataclasses.dataclass(frozen=True)
class Blocks:
    """The operations on windows whose cells have been laid out, by those on the only window there is."""

    whole: Whole

    def select_value(self, operand: Array, window: Window, order: str) -> Array:
        padding = ordering.identity(order, operand.dtype)
        for d, axis in reversed(window.pooled.items()):
            block = _laid_out(operand, d, axis, padding)
            value = self.whole.select_value(block, _line(block, d + 1), order)
            operand = lax.squeeze(value, [d + 1])
        return operand

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        padding, index = ordering.identity(order, operand.dtype), None
        for d, axis in reversed(window.pooled.items()):
            block = _laid_out(operand, d, axis, padding)
            line = _line(block, d + 1)
            value, tap = self.whole.select(block, line, order)
            number = _number(lax.squeeze(tap, [d + 1]), d, axis) * window.tap_strides[d]
            if index is not None:
                inner = _laid_out(index, d, axis, 0)
                number += lax.squeeze(self.whole.gather(inner, tap, inner, line, order), [d + 1])
            operand, index = lax.squeeze(value, [d + 1]), number
        index = jnp.zeros(operand.shape, np.int32) if index is None else index
        for d, first in first_elements(window).items():  # the lowest elements tie with padding before them
            index = lax.max(index, lax.broadcast_in_dim(first.astype(np.int32), index.shape, (d,)))
        return operand, index.astype(window.index_dtype)

    def add(self, operand: Array, window: Window, divisor: Divisor) -> Array:
        total = operand.astype(accumulation_dtype(operand.dtype))
        for d, axis in reversed(window.pooled.items()):
            block = _laid_out(total, d, axis, 0)
            total = lax.squeeze(self.whole.add(block, _line(block, d + 1), None), [d + 1])
        return divide(total, window, divisor).astype(operand.dtype)

    def spread(self, cotangent: Array, window: Window, divisor: Divisor) -> Array:
        total = divide(cotangent.astype(accumulation_dtype(cotangent.dtype)), window, divisor)
        for d, axis in window.pooled.items():
            total = _spread_out(lax.optimization_barrier(total), d, axis)
        return total.astype(cotangent.dtype)


def can_lay_out(axis: Axis | PlacedBins) -> bool:
    """Whether the cells of all windows along an axis are at most twice the axis."""
    if isinstance(axis, PlacedBins):
        return axis.starts.size == axis.windows  # those of all channels are the same
    return axis.extent <= axis.stride or (axis.dilation == 1 and axis.size <= 2 * axis.stride)


def _line(block: Array, dimension: int) -> Window:
    length = block.shape[dimension]
    whole = Axis(length, length, length)
    return Window(tuple(whole if d == dimension else None for d in range(block.ndim)))


def _laid_out(array: Array, dimension: int, axis: Axis | PlacedBins, padding: np.ndarray | int) -> Array:
    """The cells of each window along a dimension behind it, with padding where there are none."""
    value = lax.convert_element_type(padding, array.dtype)
    if isinstance(axis, PlacedBins):
        return _bins_laid_out(array, dimension, axis, value)
    parts = []
    for start in range(0, axis.extent, axis.stride):
        high = start + axis.windows * axis.stride - axis.low - axis.length
        cells = _pad(array, dimension, (axis.low - start, high, 0), value)
        cells = cells.reshape(
            *array.shape[:dimension], axis.windows, axis.stride, *array.shape[dimension + 1 :]
        )
        stop = min(axis.extent - start, axis.stride)
        parts.append(lax.slice_in_dim(cells, 0, stop, axis.dilation, dimension + 1))
    return lax.optimization_barrier(lax.concatenate(parts, dimension + 1))


def _spread_out(array: Array, dimension: int, axis: Axis) -> Array:
    """What comes from each window along a dimension, added to all its cells."""
    before, behind = array.shape[:dimension], array.shape[dimension + 1 :]
    zero = jnp.zeros((), array.dtype)
    total = lax.full((*before, axis.length, *behind), zero)
    for start in range(0, axis.extent, axis.stride):
        taps = -(-min(axis.extent - start, axis.stride) // axis.dilation)
        cells = lax.broadcast_in_dim(
            array, (*before, axis.windows, taps, *behind), [d + (d > dimension) for d in range(array.ndim)]
        )
        rest = axis.stride - (taps - 1) * axis.dilation - 1
        cells = _pad(cells, dimension + 1, (0, rest, axis.dilation - 1), zero)
        cells = cells.reshape(*before, axis.windows * axis.stride, *behind)
        low = start - axis.low
        total += _pad(cells, dimension, (low, axis.length - low - axis.windows * axis.stride, 0), zero)
    return total


def _pad(array: Array, dimension: int, pads: tuple[int, int, int], padding: Array) -> Array:
    return lax.pad(array, padding, [pads if d == dimension else (0, 0, 0) for d in range(array.ndim)])


def _bins_laid_out(array: Array, dimension: int, bins: PlacedBins, padding: Array) -> Array:
    begins = _begins(bins)
    behind = tuple(d for d in range(array.ndim + 1) if d != dimension)
    sizes = tuple(bins.size if d == dimension else n for d, n in enumerate(array.shape))
    numbers = lax.GatherDimensionNumbers(behind, (), (dimension,))
    cells = lax.gather(array, begins.reshape(bins.windows, 1), numbers, sizes, mode="promise_in_bounds")
    ends = [lax.expand_dims(end, [dimension + 1]) for end in (begins, bins.starts, bins.stops)]
    shape = along(dimension + 1, [bins.size] * cells.ndim)
    position = ends[0] + lax.broadcasted_iota(np.int32, shape, dimension + 1)
    holds = jnp.broadcast_to((ends[1] <= position) & (position < ends[2]), cells.shape)
    return lax.optimization_barrier(lax.select(holds, cells, lax.full_like(cells, padding)))


def _begins(bins: PlacedBins) -> Array:
    """Where what is laid out of each window begins: so early that it has as many cells as the largest one."""
    return lax.min(bins.starts, lax.full_like(bins.starts, bins.length - bins.size))


def _number(place: Array, dimension: int, axis: Axis | PlacedBins) -> Array:
    """The tap that is at a place of what was laid out."""
    tap = place.astype(np.int32)
    if isinstance(axis, PlacedBins):
        tap += _begins(axis) - axis.starts  # below 0 where the lowest elements tie with what is no element
    return lax.max(tap, lax.full_like(tap, 0))
