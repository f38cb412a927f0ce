"""Windowed reductions seen from the input: a window is its *taps*, shifted and strided slices of the array.

Tap `i` of every window at once is one slice, so reducing windows is an elementwise fold over slices.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.phases import split_index
from jaxpool._window import Window

_BETTER = {"max": lax.gt, "min": lax.lt}


def identity(order: str, dtype: np.dtype) -> np.ndarray:
    """What every element precedes in `order`, or ties with: the value of a window that has none."""
    sign = -1 if order == "max" else 1
    if dtype == np.bool_:
        return np.array(order == "min")
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.array(sign * np.inf, dtype)
    limits = jnp.iinfo(dtype)
    return np.array(limits.min if order == "max" else limits.max, dtype)


def select_value(operand: Array, window: Window, order: str) -> Array:
    """The first of each window's elements in `order`, one dimension after the other."""
    value = operand
    for dimension in reversed(window.pooled):
        candidates = _taps(value, window.only(dimension), identity(order, value.dtype))
        value = functools.reduce(functools.partial(_first_in, order), candidates)
        # Without the barrier XLA:CPU does not vectorise some orders of axes (1.2 ms becomes 32 ms).
        value = lax.optimization_barrier(value)
    return value


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    """The first of each window's elements in `order`, and the number of its tap."""
    candidates = _taps(operand, window, identity(order, operand.dtype))
    value = next(candidates)
    index = _first_elements(window, value.shape)
    for number, candidate in enumerate(candidates, start=1):
        better = _precedes(order, candidate, value)
        value = lax.select(better, candidate, value)
        index = lax.select(better, lax.full_like(index, number), index)
    # Value and index come from one place, or XLA computes the index again where it is used.
    return lax.optimization_barrier((value, index))


def select_by_axis(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    """As `select`, one dimension after the other: k + k taps in place of k * k."""
    value, index = operand, lax.full(operand.shape, 0, window.index_dtype)
    pooled = tuple(window.pooled)
    # The innermost dimension first, and a strict comparison: ties go to the first in row-major order.
    for dimension in reversed(pooled):
        line, step = window.only(dimension), window.tap_strides[dimension]
        values, indices = _taps(value, line, identity(order, value.dtype)), _taps(index, line, 0)
        value, index = next(values), next(indices)
        done = window.only(*(d for d in pooled if d >= dimension))
        index = lax.max(index, _first_elements(done, index.shape, window))
        for number, (candidate, inner) in enumerate(zip(values, indices, strict=True), start=1):
            better = _precedes(order, candidate, value)
            value = lax.select(better, candidate, value)
            index = lax.select(better, inner + lax.full_like(inner, number * step), index)
        value, index = lax.optimization_barrier((value, index))
    return value, index


def gather(operand: Array, index: Array, window: Window) -> Array:
    """The element of each window whose tap has the number `index`."""
    candidates = _taps(operand, window, 0)
    picked = next(candidates)
    for number, candidate in enumerate(candidates, start=1):
        picked = lax.select(index == number, candidate, picked)
    return picked


def gather_by_axis(operand: Array, index: Array, window: Window) -> Array:
    """As `gather`, one dimension after the other: k + k taps in place of k * k."""
    for line, along in reversed(split_index(index, window)):
        operand = lax.optimization_barrier(gather(operand, along, line))
    return operand


def add(operand: Array, window: Window) -> Array:
    """The sum of each window's elements, one dimension after the other."""
    for dimension in reversed(window.pooled):
        operand = functools.reduce(lax.add, _taps(operand, window.only(dimension), 0))
        operand = lax.optimization_barrier(operand)
    return operand


def slices(padded: Array, window: Window) -> Iterator[Array]:
    """One slice of the padded operand for each tap, in row-major order, each of the output's shape."""
    for tap in itertools.product(*(range(axis.size) for axis in window.pooled.values())):
        result = padded
        for i, (d, axis) in zip(tap, window.pooled.items(), strict=True):
            start = i * axis.dilation
            limit = start + (axis.windows - 1) * axis.stride + 1
            result = lax.slice_in_dim(result, start, limit, axis.stride, d)
        yield result


def _taps(operand: Array, window: Window, padding: int | np.ndarray) -> Iterator[Array]:
    pads = [(0, 0, 0) if axis is None else (axis.low, axis.high, 0) for axis in window.axes]
    if any(low or high for low, high, _ in pads):
        operand = lax.pad(operand, lax.convert_element_type(padding, operand.dtype), pads)
    return slices(operand, window)


def _first_in(order: str, current: Array, candidate: Array) -> Array:
    return lax.select(_precedes(order, candidate, current), candidate, current)


def _precedes(order: str, candidate: Array, current: Array) -> Array:
    """Whether a later candidate takes the place of the current one: if better, or the first NaN."""
    better = _BETTER[order](candidate, current)
    if jnp.issubdtype(candidate.dtype, jnp.floating):
        better |= (candidate != candidate) & (current == current)
    return better


def _first_elements(window: Window, shape: Sequence[int], whole: Window | None = None) -> Array:
    """The number of the first tap of each window that is an element and not padding.

    Taps are numbered as in the `whole` window, of which this one may be a part.
    """
    whole = whole or window
    first = lax.full(shape, 0, whole.index_dtype)
    for d, axis in window.pooled.items():
        numbers = axis.first_taps() * whole.tap_strides[d]
        if numbers.any():
            first += lax.broadcast_in_dim(numbers.astype(first.dtype), shape, (d,))
    return first
