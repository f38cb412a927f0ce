"""Windows that are all of an array along the pooled dimensions: plain reductions and broadcasts."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering import order as ordering
from jaxpool._lowering.divisors import divide
from jaxpool._lowering.native import partitioned
from jaxpool._lowering.weights import Weight, weighted
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Divisor, Window

_barrier = lax.optimization_barrier
_FEW = 16  # channels, in loops over which XLA:CPU makes no vectors
_NONE = np.array(np.iinfo(np.int32).max, np.int32)


@dataclasses.dataclass(frozen=True)
class Whole:
    """The operations on the only window there is.

    Attributes:
      in_slices: how many slices of an array are joined at once to select; 0 for a reduction of XLA's.
      repeat: how one number becomes many.
      convert: how numbers become those of another dtype.
    """

    in_slices: int = 0
    repeat: Callable[[Array, Sequence[int], Sequence[int]], Array] = lax.broadcast_in_dim
    convert: Callable[[Array, np.dtype], Array] = lax.convert_element_type

    def select_value(self, operand: Array, window: Window, order: str) -> Array:
        if self.in_slices:
            return self._first(operand, window, order)[0]
        reducer = {"max": lax.max, "min": lax.min}[order]
        return _reduce(operand, ordering.identity(order, operand.dtype), reducer, window)

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        value, index = self._first(operand, window, order)
        return _barrier((value, index.astype(window.index_dtype)))

    def _first(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        # Devices that an array is split over would exchange slices of it, and nothing has no slices.
        if self.in_slices and window.taps and not partitioned.get():
            return self._select_in_slices(operand, window, order)
        numbers = _numbers(operand.shape, window)
        value, index = ordering.reduce_first(order, operand, numbers, list(window.pooled))
        return _kept(value, window), _kept(index, window)

    def _select_in_slices(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        dtype, keys = operand.dtype, ordering.has_keys(operand.dtype)
        value = ordering.to_keys(operand, order) if keys else operand
        number = lax.full((1, 1, 1), 0, np.int32)
        tied = functools.partial(_tied, keys=keys)
        for d, stride in window.tap_strides.items():
            # What lies before and behind is an axis each, and few channels are none: loops over them would be
            # no vectors. For (19, 166, 207, 8) to (1, 2), forward takes 4.3 ms and not 6.2.
            before, length, behind = value.shape[:d], value.shape[d], value.shape[d + 1 :]
            inner = math.prod(behind)
            unit = inner if inner < _FEW else 1
            value = value.reshape(math.prod(before), length * unit, inner // unit)
            places = lax.broadcasted_iota(np.int32, (1, length * unit, 1), 1)
            places = lax.div(places, lax.full_like(places, unit)) * np.int32(stride)
            number = (number if d == min(window.pooled) else number.reshape(value.shape)) + places
            while value.shape[1] > unit:
                values, numbers = self._slices(value, unit), self._slices(number, unit)
                first = _barrier(functools.reduce(functools.partial(ordering.first, order), values))
                number = functools.reduce(lax.min, map(tied, values, numbers, [first] * len(values)))
                value, number = first, _barrier(number)
            number = jnp.broadcast_to(number, value.shape).reshape(*before, 1, *behind)
            value = value.reshape(*before, 1, *behind)
        # A number is its own remainder by the next one, and that XLA computes once: before version 0.12
        # it would join slices anew for each element that a gradient compares with a number, 23 ms.
        number = lax.rem(number, number + 1)
        return ordering.from_keys(value, dtype) if keys else value, number

    def _slices(self, array: Array, unit: int) -> list[Array]:
        """Slices of as many units, of which some may be in two slices: they are selected no less."""
        length = array.shape[1] // unit
        part = -(-length // self.in_slices)
        starts = [min(i * part, length - part) for i in range(-(-length // part))]
        return [lax.slice_in_dim(array, start * unit, (start + part) * unit, axis=1) for start in starts]

    def gather(self, tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        picked = lax.select(_is_selected(index, window), tangent, lax.full_like(tangent, 0))
        return _sum(picked, window)

    def scatter(self, cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        # Of bfloat16 XLA:CPU would select in a scalar loop, which takes 6.6 ms where this takes 1.3.
        wide = cotangent.astype(accumulation_dtype(cotangent.dtype))
        received = _broadcast(wide, window)
        picked = lax.select(_is_selected(index, window), received, lax.full_like(received, 0))
        return picked.astype(cotangent.dtype)

    def add(self, operand: Array, window: Window, divisor: Divisor) -> Array:
        total = _sum(self.convert(operand, accumulation_dtype(operand.dtype)), window)
        return divide(total, window, divisor).astype(operand.dtype)

    def spread(self, cotangent: Array, window: Window, divisor: Divisor) -> Array:
        wide = cotangent.astype(accumulation_dtype(cotangent.dtype))
        shares = divide(wide, window, divisor).astype(cotangent.dtype)
        return self.repeat(shares, window.input_shape(shares.shape), range(shares.ndim))

    def add_weighted(
        self, values: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        return _sum(weighted(weight, values, operand, _broadcast(statistic, window)), window)

    def spread_weighted(
        self, cotangent: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        return weighted(weight, _broadcast(cotangent, window), operand, _broadcast(statistic, window))


def _tied(value: Array, number: Array, first: Array, *, keys: bool) -> Array:
    """The numbers of the values that tie with the first of them; of the others, one that is higher."""
    if keys:
        value, first = ordering.with_one_zero(value), ordering.with_one_zero(first)
    return jnp.where(ordering.is_first(value, first), number, _NONE)


def _reduce(operand: Array, identity: np.ndarray, reducer, window: Window) -> Array:
    return _kept(lax.reduce(operand, identity, reducer, list(window.pooled)), window)


def _sum(operand: Array, window: Window) -> Array:
    return _reduce(operand, np.zeros((), operand.dtype), lax.add, window)


def _kept(reduced: Array, window: Window) -> Array:
    """The array with the reduced dimensions, of length one."""
    return lax.expand_dims(reduced, list(window.pooled))


def _broadcast(array: Array, window: Window) -> Array:
    """One value for each window as one for each of its elements."""
    return lax.broadcast_in_dim(array, window.input_shape(array.shape), range(array.ndim))


def _numbers(shape: Sequence[int], window: Window) -> Array:
    """The number of each element in its window."""
    numbers = lax.full(shape, 0, np.int32)
    for d, stride in window.tap_strides.items():
        numbers += lax.broadcasted_iota(np.int32, shape, d) * stride
    return numbers


def _is_selected(index: Array, window: Window) -> Array:
    everywhere = _broadcast(index.astype(np.int32), window)
    return everywhere == _numbers(everywhere.shape, window)
