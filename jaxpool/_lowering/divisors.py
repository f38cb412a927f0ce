"""What the sum of a window is divided by to make an average."""

from __future__ import annotations

import math

import numpy as np
from jax import Array, lax

from jaxpool._window import Divisor, Window


def divide(total: Array, window: Window, divisor: Divisor) -> Array:
    """The sums of windows over their divisors."""
    if divisor is None:
        return total
    if isinstance(divisor, int):
        return total / lax.full_like(total, divisor)
    counts = _counts(window, divisor)
    if is_uniform(window, divisor):
        return total / lax.full_like(total, math.prod(int(count[0]) for count in counts.values()))
    # Only the pooled axes take part, so XLA has no large constant to fold.
    shape = tuple(n if d in counts else 1 for d, n in enumerate(total.shape))
    product = lax.full(shape, 1, total.dtype)
    for d, count in counts.items():
        product *= lax.broadcast_in_dim(count.astype(total.dtype), shape, (d,))
    return total / lax.broadcast_in_dim(product, total.shape, range(total.ndim))


def is_uniform(window: Window, divisor: Divisor) -> bool:
    """Whether all windows have the same divisor."""
    if not isinstance(divisor, str):
        return True
    return all((count == count[0]).all() for count in _counts(window, divisor).values())


def _counts(window: Window, divisor: str) -> dict[int, np.ndarray]:
    """One count for each window along each axis, at least 1; their product is the number of cells."""
    counts = {d: axis.element_counts(divisor == "cells") for d, axis in window.pooled.items()}
    return {d: np.maximum(count, 1) for d, count in counts.items()}
