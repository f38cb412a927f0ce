"""Windowed reductions as XLA's own operations: reduce-window, select-and-scatter and their transposes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering import taps
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Window

_REDUCERS = {"max": lax.max, "min": lax.min}


def select_value(operand: Array, window: Window, order: str) -> Array:
    """The first of each window's elements in `order`."""
    return _reduce(operand, taps.identity(order, operand.dtype), _REDUCERS[order], window)


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    """The first of each window's elements in `order`, and the number of its tap.

    The two are independent, so that XLA drops the index of a program that does not use it.
    """
    return select_value(operand, window, order), taps.select(operand, window, order)[1]


def add(operand: Array, window: Window) -> Array:
    """The sum of each window's elements."""
    return _reduce(operand, np.zeros((), operand.dtype), lax.add, window)


def spread(cotangent: Array, window: Window) -> Array:
    """Adds what comes from each window to all its cells."""
    operand = jax.ShapeDtypeStruct(window.input_shape(cotangent.shape), cotangent.dtype)
    (result,) = jax.linear_transpose(lambda x: add(x, window), operand)(cotangent)
    return result


def scatter(cotangent: Array, operand: Array, window: Window, order: str) -> Array:
    """Adds what comes from each window to the cell that is its first element in `order`."""
    dtype = cotangent.dtype
    wide = accumulation_dtype(dtype)
    keeps = lax.ge if order == "max" else lax.le

    def select(current: Array, candidate: Array) -> Array:
        # A current NaN stays, so the first NaN wins; the comparison lets a later NaN replace a number.
        return keeps(current, candidate) | (current != current)

    scalar = jax.ShapeDtypeStruct((), wide)
    selecting, adding = jax.make_jaxpr(select)(scalar, scalar), jax.make_jaxpr(lax.add)(scalar, scalar)
    result = lax.select_and_scatter_p.bind(
        operand.astype(wide),
        cotangent.astype(wide),
        jnp.zeros((), wide),
        select_jaxpr=selecting.jaxpr,
        select_consts=(),
        scatter_jaxpr=adding.jaxpr,
        scatter_consts=(),
        **_arguments(window),
    )
    return result.astype(dtype)


def _reduce(operand: Array, init: np.ndarray, reducer, window: Window) -> Array:
    dilation = tuple(1 if axis is None else axis.dilation for axis in window.axes)
    return lax.reduce_window(operand, init, reducer, window_dilation=dilation, **_arguments(window))


def _arguments(window: Window) -> dict[str, tuple]:
    return {
        "window_dimensions": tuple(1 if axis is None else axis.size for axis in window.axes),
        "window_strides": tuple(1 if axis is None else axis.stride for axis in window.axes),
        "padding": tuple((0, 0) if axis is None else (axis.low, axis.high) for axis in window.axes),
    }
