"""What the sum of a window is divided by to make an average."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.sweep import PlacedBins
from jaxpool._window import Divisor, Window


def divide(total: Array, window: Window, divisor: Divisor) -> Array:
    """The sums of windows over their divisors."""
    if divisor is None:
        return total
    if isinstance(divisor, int):
        return total / lax.full_like(total, divisor)
    if is_uniform(window, divisor):
        counts = [axis.element_counts(divisor == "cells")[0] for axis in window.pooled.values()]
        return total / lax.full_like(total, max(int(np.prod(counts)), 1))
    counts = cell_counts(window, divisor, total.dtype)
    return total / jnp.broadcast_to(lax.max(counts, lax.full_like(counts, 1)), total.shape)


def is_uniform(window: Window, divisor: Divisor) -> bool:
    """Whether all windows have the same divisor."""
    if not isinstance(divisor, str):
        return True
    counts = [axis.element_counts(divisor == "cells") for axis in window.pooled.values()]
    return not window.bins and all((count == count[0]).all() for count in counts)


def cell_counts(window: Window, divisor: str, dtype: np.dtype) -> Array:
    """How many "elements" or "cells" each window has; it broadcasts over the other dimensions."""
    # Only the pooled axes take part, one by one, so XLA has no large constant to fold.
    product = lax.full((1,) * len(window.axes), 1, dtype)
    for d, axis in window.pooled.items():
        if isinstance(axis, PlacedBins):
            count = axis.stops - axis.starts
        else:
            count = axis.element_counts(divisor == "cells")
            count = np.expand_dims(count, tuple(e for e in range(len(window.axes)) if e != d))
        product = product * count.astype(dtype)
    return product
