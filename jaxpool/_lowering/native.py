"""Windowed reductions as XLA's own operations: reduce-window, select-and-scatter and their transposes."""

from __future__ import annotations

import contextvars

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.divisors import divide
from jaxpool._lowering.order import identity
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Axis, Divisor, Window

# Whether XLA's partitioner splits the arrays of the program that is being lowered over devices.
partitioned: contextvars.ContextVar[bool] = contextvars.ContextVar("partitioned", default=False)

_REDUCERS = {"max": lax.max, "min": lax.min}


def select_value(operand: Array, window: Window, order: str) -> Array:
    """The first of each window's elements in `order`."""
    return _reduce(operand, identity(order, operand.dtype), _REDUCERS[order], window)


def add(operand: Array, window: Window, divisor: Divisor) -> Array:
    """The sum of each window's elements, over the divisor."""
    total = _sum(operand.astype(accumulation_dtype(operand.dtype)), window)
    return divide(total, window, divisor).astype(operand.dtype)


def spread(cotangent: Array, window: Window, divisor: Divisor) -> Array:
    """Adds what comes from each window, over the divisor, to all its cells."""
    shares = divide(cotangent.astype(accumulation_dtype(cotangent.dtype)), window, divisor)
    shares = shares.astype(_received_dtype(cotangent.dtype, window))
    if window.tiles:
        return _repeat(shares, window)
    operand = jax.ShapeDtypeStruct(window.input_shape(shares.shape), shares.dtype)
    (result,) = jax.linear_transpose(lambda x: _sum(x, window), operand)(shares)
    return result.astype(cotangent.dtype)


def _repeat(shares: Array, window: Window) -> Array:
    """Where windows tile an array, each cell receives from one: a copy."""
    shape, dimensions = [], []
    for d, length in enumerate(shares.shape):
        dimensions.append(len(shape))
        shape += [length, window.pooled[d].size] if d in window.pooled else [length]
    return lax.reshape(lax.broadcast_in_dim(shares, shape, dimensions), window.input_shape(shares.shape))


def _received_dtype(dtype: np.dtype, window: Window) -> np.dtype:
    """What cells add up in: as they are where no two windows overlap, for a TPU to move fewer bytes."""
    overlap = any(axis.extent > axis.stride for axis in window.pooled.values())
    return accumulation_dtype(dtype) if overlap else dtype


def can_scatter(window: Window) -> bool:
    """Select-and-scatter knows no dilation, and does not say what a window without elements does."""
    axes = window.pooled.values()
    return all(axis.dilation == 1 and axis.element_counts().all() for axis in axes)


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    """Adds what comes from each window to the cell that is its first element in `order`."""
    if not can_scatter(window):
        raise NotImplementedError(f"select-and-scatter takes no dilation and no empty windows, got {window}.")
    dtype = cotangent.dtype
    wide = _received_dtype(dtype, window)
    keeps = lax.ge if order == "max" else lax.le

    def select(current: Array, candidate: Array) -> Array:
        if partitioned.get():
            return keeps(current, candidate)
        # A current NaN stays, so the first NaN wins; the comparison lets a later NaN replace a number.
        return keeps(current, candidate) | (current != current)

    if partitioned.get():
        operand = _nan_as_infinity(operand, order)
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


def _nan_as_infinity(operand: Array, order: str) -> Array:
    """Numbers that a comparison alone orders, with NaN before all others.

    XLA's partitioner gathers all of an array, even one that is split along its batch, unless it knows the
    function that selects: a comparison of its two arguments. On one TPU, one more pass moves a third more.
    """
    limits = jnp.finfo(operand.dtype)
    bound, nan = (limits.max, np.inf) if order == "max" else (limits.min, -np.inf)
    finite = {"max": lax.min, "min": lax.max}[order](operand, lax.full_like(operand, bound))
    return lax.select(operand != operand, lax.full_like(operand, nan), finite)


def _sum(operand: Array, window: Window) -> Array:
    return _reduce(operand, np.zeros((), operand.dtype), lax.add, window)


def _reduce(operand: Array, init: np.ndarray, reducer, window: Window) -> Array:
    dilation = tuple(1 if axis is None else axis.dilation for axis in _axes(window))
    return lax.reduce_window(operand, init, reducer, window_dilation=dilation, **_arguments(window))


def _arguments(window: Window) -> dict[str, tuple]:
    axes = _axes(window)
    return {
        "window_dimensions": tuple(1 if axis is None else axis.size for axis in axes),
        "window_strides": tuple(1 if axis is None else axis.stride for axis in axes),
        "padding": tuple((0, 0) if axis is None else (axis.low, axis.high) for axis in axes),
    }


def _axes(window: Window) -> list[Axis | None]:
    return [window.pooled.get(d) for d in range(len(window.axes))]
