"""Repeating numbers on a CPU, for which XLA makes a scalar loop of bfloat16."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def repeat(array: Array, shape: Sequence[int], dimensions: Sequence[int]) -> Array:
    """`lax.broadcast_in_dim`, of bfloat16 as integers: (64, 32, 32, 64) takes 0.7 ms, and not 7.5.

    Only a loop that computes with integers stays one over integers, so a bit is turned before it and in it.
    The two would meet and vanish if what is repeated were not its own remainder by the next number, which XLA
    does not compute again in the loop.
    """
    if array.dtype != jnp.bfloat16:
        return lax.broadcast_in_dim(array, shape, dimensions)
    one = np.uint16(1)
    bits = (lax.bitcast_convert_type(array, np.uint16) ^ one).astype(np.uint32)
    bits = lax.optimization_barrier(lax.rem(bits, bits + np.uint32(1)).astype(np.uint16))
    return lax.bitcast_convert_type(lax.broadcast_in_dim(bits, shape, dimensions) ^ one, array.dtype)
