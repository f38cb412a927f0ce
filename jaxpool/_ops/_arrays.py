"""Accepting arrays and numbers."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._arguments import as_axes, shown, static_length
from jaxpool._lowering.divisors import cell_counts
from jaxpool._primitives.sum import window_sum
from jaxpool._window import Window


def as_array(name: str, value: Any) -> Array:
    """The argument as a JAX array; what is no array is an error, nested lists included."""
    check_array(name, value)
    return jnp.asarray(value)


def check_array(name: str, value: Any) -> None:
    """What is an array stays where it is."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise TypeError(
            f"{name} must be an array, got {shown(value)} of type {type(value).__name__}; jnp.asarray makes "
            "arrays of numbers."
        )


def as_real(name: str, value: Any) -> Array:
    """The argument as an array of floating-point numbers; integers and bools promote as in `jnp.mean`."""
    array = as_array(name, value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(f"{name} must be real, integer or bool, got {array.dtype}.")
    return array.astype(mean_dtype(array))


def mean_dtype(array: Array) -> np.dtype:
    """The dtype of an average of the array."""
    return jax.eval_shape(jnp.mean, jax.ShapeDtypeStruct((), array.dtype)).dtype


def as_mask(where: Any, shape: tuple[int, ...], of: str = "inputs") -> Array | None:
    """A mask with as many dimensions as an array, which it broadcasts to; `None` for none."""
    if where is None:
        return None
    mask = as_array("where", where)
    if mask.dtype != np.bool_:
        raise TypeError(f"where must be an array of bools, got {mask.dtype}.")
    return as_broadcastable("where", mask, shape, of)


def as_broadcastable(name: str, array: Array, shape: tuple[int, ...], of: str = "inputs") -> Array:
    """The array with as many dimensions as another one, which it broadcasts to."""
    missing = len(shape) - array.ndim
    if missing < 0 or any(m not in (1, n) for m, n in zip(array.shape, shape[missing:], strict=True)):
        raise ValueError(f"{name} must broadcast to {of} of shape {shape}, got shape {array.shape}.")
    return array.reshape((1,) * missing + array.shape)


def check_elements(array: Array, pooled: Sequence[int]) -> None:
    """There must be something to select, whatever a mask leaves of it."""
    if not all(static_length(array.shape[d]) for d in pooled):
        raise ValueError(f"inputs must have elements along axes {tuple(pooled)}, got shape {array.shape}.")


def along_pooled(mask: Array, inputs: Array, window: Window) -> Array:
    """The mask with the length of the inputs along the pooled dimensions; elsewhere it may broadcast."""
    shape = [n if d in window.pooled else mask.shape[d] for d, n in enumerate(inputs.shape)]
    return jnp.broadcast_to(mask, shape)


def masked(inputs: Array, mask: Array | None, value: float) -> Array:
    """The inputs, with a value in place of those that take no part."""
    return inputs if mask is None else jnp.where(mask, inputs, lax.full_like(inputs, value))


def valid_counts(inputs: Array, window: Window, mask: Array | None, dtype: np.dtype) -> Array:
    """How many elements of each window take part; broadcasts to the windows."""
    if mask is None:
        return cell_counts(window, "elements", dtype)
    return window_sum(along_pooled(mask, inputs, window).astype(dtype), window)


def as_number(name: str, value: Any) -> float:
    """The argument as a Python number."""
    if not isinstance(value, numbers.Real | np.number) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {shown(value)}.")
    return float(value)


def as_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a bool, got {shown(value)}.")
    return bool(value)


def as_parameter(name: str, value: Any, ndim: int, channels: tuple[int, Any] | None) -> Array:
    """A number, or one for each channel, with as many dimensions as the inputs, which it broadcasts to.

    `channels` is the dimension of channels and its length, `None` where there is none.
    """
    array = as_real(name, np.asarray(value) if isinstance(value, int | float) else value)
    if array.ndim == 0:
        return array.reshape((1,) * ndim)
    if channels is None or array.shape != (channels[1],):
        shapes = "()" if channels is None else f"() or ({channels[1]},)"
        raise ValueError(f"{name} must have the shape {shapes}, got {array.shape}.")
    return array.reshape([-1 if d == channels[0] else 1 for d in range(ndim)])


def channels_of(array: Array, channel_axis: int | None) -> tuple[int, Any] | None:
    """The dimension of channels and its length."""
    if channel_axis is None:
        return None
    dimension = channel_axis % array.ndim
    return dimension, array.shape[dimension]


def unpooled_channels(array: Array, axis: Any) -> tuple[int, Any] | None:
    """The last dimension and its length; `None` where it is one of the axes that are pooled."""
    last = array.ndim - 1
    return None if last in as_axes(axis, array.ndim) else channels_of(array, last)
