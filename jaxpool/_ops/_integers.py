"""Results in a dtype that the user chose, and averages that are integers."""

from __future__ import annotations

import functools
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxpool._precision import accumulation_dtype

Rounding = Literal["truncate", "nearest"]


def as_dtype(dtype: Any) -> np.dtype | None:
    """The dtype of results, checked; `None` for that which the inputs ask for."""
    if dtype is None:
        return None
    try:
        found = _sum_of(np.dtype(np.float32), dtype, jax.config.jax_enable_x64)
    except (TypeError, ValueError):  # the latter of dtypes that are no numbers
        found = np.dtype(np.void)
    if not jnp.issubdtype(found, jnp.number):
        raise TypeError(f"dtype must be None or a dtype of numbers, got {dtype!r}.")
    return found


def as_rounding(rounding: Any, dtype: np.dtype | None) -> Rounding:
    """How averages of a dtype are rounded, checked."""
    if rounding not in get_args(Rounding):
        raise ValueError(f"rounding must be 'truncate' or 'nearest', got {rounding!r}.")
    if rounding != "truncate" and not is_integer_dtype(dtype):
        raise ValueError(f"rounding must be 'truncate' where dtype is not one of integers, got {rounding!r}.")
    return rounding


def is_integer_dtype(dtype: np.dtype | None) -> bool:
    return dtype is not None and jnp.issubdtype(dtype, jnp.integer)


def sum_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of a sum, as `jnp.sum` has it: small integers and bools widen."""
    return _sum_of(dtype, None, jax.config.jax_enable_x64)


@functools.cache
def _sum_of(summed: np.dtype, dtype: Any, x64: bool) -> np.dtype:
    """Asks JAX once, for that takes 280 us where the call of a pool takes 23; its answer depends on `x64`."""
    add = functools.partial(jnp.sum, dtype=dtype)
    return jax.eval_shape(add, jax.ShapeDtypeStruct((), summed)).dtype


def summand(inputs: Array, dtype: np.dtype) -> Array:
    """What is added for a sum of a dtype: 16-bit results are rounded once, at the end."""
    return inputs if inputs.dtype == dtype else inputs.astype(accumulation_dtype(dtype))


def quotient(total: Array, count: Array, rounding: Rounding | Literal["even"]) -> Array:
    """Integers over integers above 0, exactly, and rounded; `"even"` is to the nearest, halves to even."""
    below, rest = jnp.divmod(total, count)
    if rounding == "truncate":
        up = (rest > 0) & (below < 0)
    else:
        half = count - rest  # twice the rest might overflow
        up = (rest > half) | ((rest == half) & (below % 2 == 1 if rounding == "even" else below >= 0))
    return below + up.astype(below.dtype)
