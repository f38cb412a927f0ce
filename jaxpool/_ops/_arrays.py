"""Accepting arrays and numbers."""

from __future__ import annotations

import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxpool._window import Window


def as_array(name: str, value: Any) -> Array:
    """The argument as a JAX array; what is no array is an error, nested lists included."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise TypeError(f"{name} must be an array, got {value!r} of type {type(value).__name__}.")
    return jnp.asarray(value)


def as_real(name: str, value: Any) -> Array:
    """The argument as an array of floating-point numbers; integers and bools promote as in `jnp.mean`."""
    array = as_array(name, value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(f"{name} must be real, integer or bool, got {array.dtype}.")
    return array.astype(mean_dtype(array))


def mean_dtype(array: Array) -> np.dtype:
    """The dtype of an average of the array."""
    return jax.eval_shape(jnp.mean, jax.ShapeDtypeStruct((), array.dtype)).dtype


def as_mask(where: Any, shape: tuple[int, ...]) -> Array | None:
    """A mask with as many dimensions as the inputs, which it broadcasts to; `None` for none."""
    if where is None:
        return None
    mask = as_array("where", where)
    if mask.dtype != np.bool_:
        raise TypeError(f"where must be an array of bools, got {mask.dtype}.")
    missing = len(shape) - mask.ndim
    if missing < 0 or any(m not in (1, n) for m, n in zip(mask.shape, shape[missing:], strict=True)):
        raise ValueError(f"where must broadcast to inputs of shape {shape}, got shape {mask.shape}.")
    return mask.reshape((1,) * missing + mask.shape)


def along_pooled(mask: Array, inputs: Array, window: Window) -> Array:
    """The mask with the length of the inputs along the pooled dimensions; elsewhere it may broadcast."""
    shape = [n if d in window.pooled else mask.shape[d] for d, n in enumerate(inputs.shape)]
    return jnp.broadcast_to(mask, shape)


def as_number(name: str, value: Any) -> float:
    """The argument as a Python number."""
    if not isinstance(value, numbers.Real | np.number) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    return float(value)


def as_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be a bool, got {value!r}.")
    return bool(value)
