"""Windows of very many cells that share few: their cells are laid out along an axis, and pooled as a whole.

An expression for each cell of a window would take minutes to compile. One axis is pooled after the other.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering import order as ordering
from jaxpool._lowering.divisors import divide
from jaxpool._lowering.folds import first_elements
from jaxpool._lowering.native import partitioned
from jaxpool._lowering.positions import along, flat_places
from jaxpool._lowering.stages import MOST_AT_ONCE
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

    def gather(self, tangent: Array, index: Array, window: Window) -> Array:
        places, some = selected_places(index, window, tangent.shape)
        picked = tangent.reshape(tangent.size).at[places].get(mode="clip")
        return picked if some is None else lax.select(some, picked, lax.full_like(picked, 0))

    def scatter(self, cotangent: Array, index: Array, window: Window) -> Array:
        """Adds what comes from each window to its cell of this index; of regular windows alone."""
        dtype, index = cotangent.dtype, index.astype(np.int32)
        total = jnp.zeros(window.input_shape(cotangent.shape), accumulation_dtype(dtype))
        parts = [range(0, axis.extent, axis.stride) for axis in window.pooled.values()]
        for starts in itertools.product(*parts):
            sent, found, number = cotangent, index, lax.full_like(total, 0, np.int32)
            for (d, axis), start in zip(window.pooled.items(), starts, strict=True):
                sent, found = _repeated(sent, d, axis, start), _repeated(found, d, axis, start)
                taps = lax.broadcast_in_dim(_taps(axis, start) * window.tap_strides[d], number.shape, (d,))
                number += taps
            here = lax.select(lax.eq(found, number), sent, lax.full_like(sent, 0))
            total += here.astype(total.dtype)
        return total.astype(dtype)

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


def are_large(window: Window) -> bool:
    """Whether windows have so many cells along an axis that they are laid out."""
    return any(axis.size > MOST_AT_ONCE for axis in window.pooled.values()) and _can_lay_out(window)


def have_many_phases(window: Window) -> bool:
    """Whether windows are so far apart that the cells of each phase would be too many loops."""
    if window.bins or all(axis.stride <= MOST_AT_ONCE for axis in window.pooled.values()):
        return False
    return _can_lay_out(window)


def can_place(operand: Array) -> bool:
    """Whether places are numbers that are known, small, and of one array that is not split over devices."""
    is_known = all(isinstance(length, int) for length in operand.shape)
    return is_known and operand.size < 2**31 and not partitioned.get()


def selected_places(index: Array, window: Window, shape: tuple[int, ...]) -> tuple[Array, Array | None]:
    """Where in the flat array each window selected, and which windows have elements, if not all."""
    positions, some = {}, None
    for d, stride in window.tap_strides.items():
        axis = window.pooled[d]
        tap = lax.div(index.astype(np.int32), lax.full_like(index, stride, np.int32))
        tap = lax.rem(tap, lax.full_like(tap, axis.size))
        if isinstance(axis, PlacedBins):
            positions[d] = axis.starts + tap
            continue
        starts = np.arange(axis.windows, dtype=np.int32) * axis.stride - axis.low
        positions[d] = lax.broadcast_in_dim(starts, tap.shape, (d,)) + tap * axis.dilation
        if not (counts := axis.element_counts()).all():  # a window of padding selects nothing
            here = lax.broadcast_in_dim(counts > 0, tap.shape, (d,))
            some = here if some is None else some & here
            positions[d] = lax.clamp(np.int32(0), positions[d], np.int32(axis.length - 1))
    return flat_places(shape, positions), some


def _can_lay_out(window: Window) -> bool:
    """Whether the cells of all windows along each axis are at most three times the axis."""

    def are_few(axis: Axis | PlacedBins) -> bool:
        if isinstance(axis, PlacedBins):
            return axis.starts.size == axis.windows and axis.cover <= 3  # those of all channels are the same
        return axis.extent <= axis.stride or (axis.dilation == 1 and axis.size <= 3 * axis.stride)

    return not partitioned.get() and all(map(are_few, window.pooled.values()))


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
    parts = []
    for start in range(0, axis.extent, axis.stride):
        cells = _repeated(array, dimension, axis, start)
        holds = lax.broadcast_in_dim(_taps(axis, start) >= 0, cells.shape, (dimension,))
        parts.append(lax.select(holds, cells, lax.full_like(cells, 0)))
    return functools.reduce(lax.add, parts)


def _repeated(array: Array, dimension: int, axis: Axis, start: int) -> Array:
    """For each cell, what its window has that begins from `start` to a stride more before it; 0 of none."""
    before, behind = array.shape[:dimension], array.shape[dimension + 1 :]
    cells = lax.broadcast_in_dim(
        array,
        (*before, axis.windows, axis.stride, *behind),
        [d + (d > dimension) for d in range(array.ndim)],
    )
    cells = cells.reshape(*before, axis.windows * axis.stride, *behind)
    low = start - axis.low
    high = axis.length - low - axis.windows * axis.stride
    return _pad(cells, dimension, (low, high, 0), jnp.zeros((), array.dtype))


def _taps(axis: Axis, start: int) -> np.ndarray:
    """For each cell, its tap in that window; a negative number, of no tap, if it is none."""
    offset = (np.arange(axis.length) + axis.low - start) % axis.stride + start
    tap, rest = np.divmod(offset, axis.dilation)
    return np.where((rest == 0) & (tap < axis.size), tap, -(2**20)).astype(np.int32)


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
