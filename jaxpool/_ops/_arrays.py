"""Accepting arrays."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array


def as_array(name: str, value: Any) -> Array:
    """The argument as a JAX array; what is no array is an error, nested lists included."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise TypeError(f"{name} must be an array, got {value!r} of type {type(value).__name__}.")
    return jnp.asarray(value)
