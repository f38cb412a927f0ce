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

from jaxpool._lowering.weights import Relative, Scale
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


def soft_average(inputs: Array, window: Window, temperature: float, some: Array) -> Array:
    """Averages of windows, weighted by exponentials of the elements; 0 where there are not some."""
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    # An element of -inf has no weight, but -inf times nothing would be NaN.
    elements = jnp.where(wide == -np.inf, lax.full_like(wide, 0), wide)
    mean = softmax_average(elements, inputs, window, temperature)
    largest = largest_size(inputs, window, exponential(temperature)).astype(wide.dtype)
    return jnp.where(some & jnp.isinf(largest), largest, mean)


def lp_norm(inputs: Array, window: Window, p: float) -> Array:
    """The norms of windows, in the precision of sums."""
    if p == math.inf:
        return _largest_magnitude(inputs.astype(accumulation_dtype(inputs.dtype)), window)
    if p == 2:
        weight, root = _SQUARE, lax.sqrt
    else:
        weight, root = power(p), lambda total: jnp.power(total, 1 / p)
    _, scale, total = _weigh(inputs, window, weight)
    return jnp.where(total == 0, lax.full_like(total, 0), scale * root(or_one(total)))


def _weigh(inputs: Array, window: Window, weight: Relative) -> tuple[Array, Array, Array]:
    """What is weighed, the statistics that it is weighed against, and the sums of windows' weights."""
    wide, statistic = inputs.astype(accumulation_dtype(inputs.dtype)), statistics(inputs, window, weight)
    return wide, statistic, weighted_sum(lax.full_like(wide, 1), wide, statistic, window, weight)


def statistics(inputs: Array, window: Window, weight: Relative) -> Array:
    """What the elements of windows are weighed against, in the precision of sums."""
    largest = largest_size(inputs, window, weight)
    return weight.scale.usable(largest.astype(accumulation_dtype(inputs.dtype)))


def largest_size(inputs: Array, window: Window, weight: Relative) -> Array:
    """The largest sizes of windows' elements, without a gradient."""
    return select(weight.scale.size(lax.stop_gradient(inputs)), window, "max")


def logsumexp(inputs: Array, window: Window, temperature: float, counts: Array | None) -> Array:
    """Smooth maxima of windows; of means where there are counts."""
    _, reference, total = _weigh(inputs, window, exponential(temperature))
    return logarithm(total if counts is None else total / or_one(counts), reference, temperature)


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
    weight = exponential(temperature)
    logits, largest, total = _weigh(logits, window, weight)
    return weighted_sum(values, logits, largest, window, weight) / or_one(total)


@functools.cache
def exponential(temperature: float) -> Relative:
    """Exponentials of elements relative to their window's maximum."""

    def weight(element: Array, largest: Array) -> Array:
        return lax.exp(lax.div(lax.sub(element, largest), lax.full_like(element, temperature)))

    return Relative(weight, Scale(lambda element: element, -np.inf, as_reference, weight), 1 / temperature)


def _square(element: Array, scale: Array) -> Array:
    return lax.square(element * (1 / scale))


def _power_of_two(largest: Array) -> Array:
    """What is near enough to the largest magnitude, and what to divide by is exact."""
    info = jnp.finfo(largest.dtype)
    return lax.clamp(info.tiny, as_scale(lax.reduce_precision(largest, info.nexp, 0)), 1 / info.tiny)


_SQUARE = Relative(_square, Scale(lax.abs, 0, _power_of_two, _square))


@functools.cache
def power(p: float) -> Relative:
    """Powers of magnitudes relative to their window's largest; at 0 every derivative counts as 0."""

    def weight(element: Array, largest: Array) -> Array:
        nonzero = element != 0
        ratio = jnp.abs(jnp.where(nonzero, element, largest)) / largest
        return jnp.where(nonzero, ratio**p, lax.full_like(ratio, 0))

    return Relative(weight, Scale(lax.abs, 0, as_scale, weight))


def or_one(total: Array) -> Array:
    """A divisor that gives a quotient, and a gradient of 0, where the total is 0."""
    return jnp.where(total == 0, lax.full_like(total, 1), total)


def _largest_magnitude(wide: Array, window: Window) -> Array:
    # The derivative of the magnitude of 0 is 1 in JAX; here it counts as 0.
    magnitudes = jnp.where(wide == 0, lax.full_like(wide, 0), jnp.abs(wide))
    largest = select(magnitudes, window, "max")
    return jnp.where(largest == -np.inf, lax.full_like(largest, 0), largest)
