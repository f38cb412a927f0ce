"""What smooth pools are made of: weighted sums of each window, scaled by its largest element.

Elements are weighed against their own window's maximum, so that nothing overflows and small numbers keep
their digits beside a window of large ones. Nothing is kept for each tap, forward or backward: see
`weighted_sum`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.weights import Weight
from jaxpool._ops._arrays import as_number
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.select import select
from jaxpool._primitives.sum import weighted_sum
from jaxpool._window import Window


def order_of_norm(p: float) -> float:
    """The order of a norm, checked."""
    number = as_number("p", p)
    if not number > 0:
        raise ValueError(f"p must be above 0, got {p!r}.")
    return number


def as_temperature(temperature: Any) -> float:
    """A temperature, checked."""
    number = as_number("temperature", temperature)
    if not 0 < number < math.inf:
        raise ValueError(f"temperature must be above 0 and finite, got {temperature!r}.")
    return number


def soft_average(wide: Array, window: Window, temperature: float, some: Array) -> Array:
    """Averages of windows, weighted by exponentials of the elements; 0 where there are not some."""
    # An element of -inf has no weight, but -inf times nothing would be NaN.
    elements = jnp.where(wide == -np.inf, lax.full_like(wide, 0), wide)
    mean = softmax_average(elements, wide, window, temperature)
    largest = lax.stop_gradient(select(wide, window, "max"))
    return jnp.where(some & jnp.isinf(largest), largest, mean)


def lp_norm(inputs: Array, window: Window, p: float) -> Array:
    """The norms of windows, in the precision of sums."""
    norms = inputs.astype(accumulation_dtype(inputs.dtype))
    if p == math.inf:
        return _largest_magnitude(norms, window)
    for part in window.by_axis():
        norms = _lp_norm(norms, part, p)
    return norms


def _lp_norm(wide: Array, window: Window, p: float) -> Array:
    largest = lax.stop_gradient(select(jnp.abs(wide), window, "max"))
    if p == 2:  # of which a power of two is near enough, and dividing by it is exact
        info = jnp.finfo(wide.dtype)
        scale = lax.clamp(info.tiny, as_scale(lax.reduce_precision(largest, info.nexp, 0)), 1 / info.tiny)
        weight, root = _SQUARE, lax.sqrt
    else:
        scale = as_scale(largest)
        weight, root = power(p), lambda total: jnp.power(total, 1 / p)
    total = weighted_sum(lax.full_like(wide, 1), wide, scale, window, weight)
    return jnp.where(total == 0, lax.full_like(total, 0), scale * root(or_one(total)))


def logsumexp(wide: Array, window: Window, temperature: float, counts: Array | None) -> Array:
    """Smooth maxima of windows; of means where there are counts."""
    *inner, last = window.by_axis()
    for part in inner:
        wide = logarithm(*_exponentials(wide, part, temperature), temperature)
    total, reference = _exponentials(wide, last, temperature)
    return logarithm(total if counts is None else total / or_one(counts), reference, temperature)


def _exponentials(wide: Array, window: Window, temperature: float) -> tuple[Array, Array]:
    """The sums of windows' exponentials, and what elements are compared with: maxima that are numbers."""
    reference = as_reference(lax.stop_gradient(select(wide, window, "max")))
    return weighted_sum(lax.full_like(wide, 1), wide, reference, window, exponential(temperature)), reference


def as_reference(largest: Array) -> Array:
    """What elements are compared with before they are raised: the largest, where it is a number."""
    return jnp.where(jnp.isfinite(largest), largest, lax.full_like(largest, 0))


def as_scale(largest: Array) -> Array:
    """What magnitudes are divided by: the largest, where that can be."""
    return jnp.where((largest > 0) & (largest < np.inf), largest, lax.full_like(largest, 1))


def logarithm(total: Array, reference: Array, temperature: float) -> Array:
    """The smooth maximum of a sum of exponentials relative to a reference."""
    value = reference + temperature * jnp.log(or_one(total))
    return jnp.where(total == 0, lax.full_like(value, -np.inf), value)


def softmax_average(values: Array, logits: Array, window: Window, temperature: float = 1.0) -> Array:
    """Averages of windows, weighted by exponentials of the logits."""
    parts = window.by_axis()
    for part in parts:
        total, reference = _exponentials(logits, part, temperature)
        values = weighted_sum(values, logits, reference, part, exponential(temperature)) / or_one(total)
        if part is not parts[-1]:
            logits = logarithm(total, reference, temperature)
    return values


@functools.cache
def exponential(temperature: float) -> Weight:
    """Exponentials of elements relative to their window's maximum."""

    def weight(element: Array, largest: Array) -> Array:
        return lax.exp(lax.div(lax.sub(element, largest), lax.full_like(element, temperature)))

    return Weight(weight, ratio=weight)


def _square(element: Array, scale: Array) -> Array:
    return lax.square(element / scale)


_SQUARE = Weight(_square, ratio=_square)


@functools.cache
def power(p: float) -> Weight:
    """Powers of magnitudes relative to their window's largest; at 0 every derivative counts as 0."""

    def weight(element: Array, largest: Array) -> Array:
        nonzero = element != 0
        ratio = jnp.abs(jnp.where(nonzero, element, largest)) / largest
        return jnp.where(nonzero, ratio**p, lax.full_like(ratio, 0))

    return Weight(weight, ratio=weight)


def or_one(total: Array) -> Array:
    """A divisor that gives a quotient, and a gradient of 0, where the total is 0."""
    return jnp.where(total == 0, lax.full_like(total, 1), total)


def _largest_magnitude(wide: Array, window: Window) -> Array:
    # The derivative of the magnitude of 0 is 1 in JAX; here it counts as 0.
    magnitudes = jnp.where(wide == 0, lax.full_like(wide, 0), jnp.abs(wide))
    largest = select(magnitudes, window, "max")
    return jnp.where(largest == -np.inf, lax.full_like(largest, 0), largest)
