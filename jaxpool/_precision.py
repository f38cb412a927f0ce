"""The precision that sums are accumulated in."""

import jax.numpy as jnp
import numpy as np


def accumulation_dtype(dtype: np.dtype) -> np.dtype:
    """What sums of this dtype are accumulated in: at least float32 for floating-point numbers."""
    if jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32:
        return np.dtype(np.float32)
    return dtype
