"""Windows that are all of an array along the pooled dimensions: plain reductions and broadcasts."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jax import Array, lax

from jaxpool._lowering import order as ordering
from jaxpool._lowering.divisors import divide
from jaxpool._lowering.folds import Weight, weighted
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Divisor, Window

_barrier = lax.optimization_barrier


@dataclasses.dataclass(frozen=True)
class Whole:
    """The operations on the only window there is.

    Attributes:
      together: whether a value and its index are one reduction, or the value is kept for the index's own.
      in_slices: how many slices of an array are joined at once to select a value; 0 for a reduction of XLA's.
    """

    together: bool
    in_slices: int = 0

    def select_value(self, operand: Array, window: Window, order: str) -> Array:
        if self.in_slices:
            return self._select_in_slices(operand, window, order)
        reducer = {"max": lax.max, "min": lax.min}[order]
        return _reduce(operand, ordering.identity(order, operand.dtype), reducer, window)

    def _select_in_slices(self, operand: Array, window: Window, order: str) -> Array:
        dtype, keys = operand.dtype, ordering.has_keys(operand.dtype)
        value = ordering.to_keys(operand, order) if keys else operand
        for d in window.pooled:
            while (length := value.shape[d]) > 1:
                # What is in two slices, for they need not be even, is selected no less.
                part = -(-length // self.in_slices)
                starts = [min(i * part, length - part) for i in range(-(-length // part))]
                slices = [lax.slice_in_dim(value, start, start + part, axis=d) for start in starts]
                value = _barrier(functools.reduce(functools.partial(ordering.first, order), slices))
        return ordering.from_keys(value, dtype) if keys else value

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        numbers, none = _numbers(operand, window), np.array(np.iinfo(np.int32).max, np.int32)
        if self.together:
            value, index = ordering.reduce_first(order, operand, numbers, list(window.pooled))
            value, index = _kept(value, window), _kept(index, window)
        else:
            value = _barrier(self.select_value(operand, window, order))
            ties = ordering.is_first(operand, _broadcast(value, window))
            index = _reduce(lax.select(ties, numbers, lax.full_like(numbers, none)), none, lax.min, window)
        return _barrier((value, index.astype(window.index_dtype)))

    def gather(self, tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        picked = lax.select(_is_selected(index, window), tangent, lax.full_like(tangent, 0))
        return _reduce(picked, np.zeros((), tangent.dtype), lax.add, window)

    def scatter(self, cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        received = _broadcast(cotangent, window)
        return lax.select(_is_selected(index, window), received, lax.full_like(received, 0))

    def add(self, operand: Array, window: Window, divisor: Divisor) -> Array:
        wide = operand.astype(accumulation_dtype(operand.dtype))
        total = _reduce(wide, np.zeros((), wide.dtype), lax.add, window)
        return divide(total, window, divisor).astype(operand.dtype)

    def spread(self, cotangent: Array, window: Window, divisor: Divisor) -> Array:
        wide = cotangent.astype(accumulation_dtype(cotangent.dtype))
        return _broadcast(divide(wide, window, divisor).astype(cotangent.dtype), window)

    def add_weighted(
        self, values: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        terms = weighted(weight, values, operand, _broadcast(statistic, window))
        return _reduce(terms, np.zeros((), terms.dtype), lax.add, window)

    def spread_weighted(
        self, cotangent: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        return weighted(weight, _broadcast(cotangent, window), operand, _broadcast(statistic, window))


def _reduce(operand: Array, identity: np.ndarray, reducer, window: Window) -> Array:
    return _kept(lax.reduce(operand, identity, reducer, list(window.pooled)), window)


def _kept(reduced: Array, window: Window) -> Array:
    """The array with the reduced dimensions, of length one."""
    return lax.expand_dims(reduced, list(window.pooled))


def _broadcast(array: Array, window: Window) -> Array:
    """One value for each window as one for each of its elements."""
    return lax.broadcast_in_dim(array, window.input_shape(array.shape), range(array.ndim))


def _numbers(operand: Array, window: Window) -> Array:
    """The number of each element in its window."""
    numbers = lax.full_like(operand, 0, np.int32)
    for d, stride in window.tap_strides.items():
        numbers += lax.broadcasted_iota(np.int32, operand.shape, d) * stride
    return numbers


def _is_selected(index: Array, window: Window) -> Array:
    everywhere = _broadcast(index.astype(np.int32), window)
    return everywhere == _numbers(everywhere, window)
