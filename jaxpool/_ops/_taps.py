"""Sums of windows whose elements are weighted by where in the window they are."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.settle import settle
from jaxpool._lowering.shards import filled
from jaxpool._window import Axis, Window


def correlate(inputs: Array, window: Window, weights: Sequence[float | Array]) -> Array:
    """The sum of each window's elements, each times the weight of its tap; padding counts as 0."""
    pads = [(a.low, a.high, 0) if isinstance(a, Axis) else (0, 0, 0) for a in window.axes]
    padded = settle(lax.pad(filled(inputs, window, 0), np.zeros((), inputs.dtype), pads))
    return weigh_taps(padded, window, weights)


def weigh_taps(padded: Array, window: Window, weights: Sequence[float | Array]) -> Array:
    """The same of an array that has all cells that windows reach."""
    axes = window.local.pooled
    steps = [axes[d].stride if d in axes else 1 for d in range(padded.ndim)]
    terms = []
    for tap, weight in zip(np.ndindex(*(axis.size for axis in axes.values())), weights, strict=True):
        starts, stops = [0] * padded.ndim, list(padded.shape)
        for (d, axis), position in zip(axes.items(), tap, strict=True):
            starts[d] = position * axis.dilation
            stops[d] = starts[d] + (axis.windows - 1) * axis.stride + 1
        terms.append(lax.slice(padded, starts, stops, steps) * jnp.asarray(weight, padded.dtype))
    return settle(functools.reduce(operator.add, terms))
