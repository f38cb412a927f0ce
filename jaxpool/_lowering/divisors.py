"""What the sum of a window is divided by to make an average."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.sweep import PlacedBins
from jaxpool._window import Bins, Divisor, Shard, Window


def divide(total: Array, window: Window, divisor: Divisor) -> Array:
    """The sums of windows over their divisors."""
    if is_uniform(window, divisor):
        uniform = uniform_divisor(window, divisor)
        return total if uniform is None else total / lax.full_like(total, uniform)
    return total / jnp.broadcast_to(divisors(window, divisor, total.dtype), total.shape)


def divisors(window: Window, divisor: Divisor, dtype: np.dtype) -> Array:
    """What windows count of "elements" or "cells", at least 1; it broadcasts over the other dimensions."""
    if is_uniform(window, divisor):
        return lax.full((1,) * len(window.axes), uniform_divisor(window, divisor) or 1, dtype)
    counts = cell_counts(window, str(divisor), dtype)
    return lax.max(counts, lax.full_like(counts, 1))


def is_uniform(window: Window, divisor: Divisor) -> bool:
    """Whether all windows have the same divisor."""
    if not isinstance(divisor, str):
        return True
    counts = [axis.element_counts(divisor == "cells") for axis in window.pooled.values()]
    return not window.bins and all((count == count[0]).all() for count in counts)


def uniform_divisor(window: Window, divisor: Divisor) -> int | None:
    """The divisor that all windows have."""
    if not isinstance(divisor, str):
        return divisor
    counts = [axis.element_counts(divisor == "cells")[0] for axis in window.pooled.values()]
    return max(int(np.prod(counts)), 1)


def cell_counts(window: Window, divisor: str, dtype: np.dtype) -> Array:
    """How many "elements" or "cells" each window has; it broadcasts over the other dimensions."""
    # Only the pooled axes take part, one by one, so XLA has no large constant to fold.
    product = lax.full((1,) * len(window.axes), 1, dtype)
    for d, axis in window.pooled.items():
        if isinstance(axis, PlacedBins):
            count = axis.stops - axis.starts
        elif isinstance(axis, Bins):
            starts, stops = window.place_of[d]
            count = stops - starts
        elif isinstance(axis, Shard):
            low, high = axis.axis.asked if divisor == "cells" else (0, 0)
            stop = taps_before(window, d, axis.axis.length + high)
            count = stop - taps_before(window, d, -low)
        else:
            count = axis.element_counts(divisor == "cells")
            count = np.expand_dims(count, tuple(e for e in range(len(window.axes)) if e != d))
        product = product * count.astype(dtype)
    return product


def first_cells(window: Window, dimension: int) -> Array:
    """Where in the whole array the first tap of each window is along a dimension."""
    axis, place = window.pooled[dimension], window.place_of[dimension]
    if isinstance(axis, Bins):
        return place[0]
    shape = [axis.windows if d == dimension else 1 for d in range(len(window.axes))]
    starts = lax.broadcasted_iota(np.int32, shape, dimension)
    if isinstance(axis, Shard):
        return starts * axis.axis.stride + place[0]
    return starts * axis.stride - axis.low


def taps_before(window: Window, dimension: int, position: int) -> Array:
    """How many taps of each window lie before a position along a dimension."""
    axis = window.pooled[dimension]
    return jnp.clip(-((first_cells(window, dimension) - position) // axis.dilation), 0, axis.size)
