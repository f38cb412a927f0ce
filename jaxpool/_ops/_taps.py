"""Sums of windows whose elements are weighted by where in the window they are."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.settle import settle
from jaxpool._lowering.shards import filled
from jaxpool._window import Axis, Window


def correlate(inputs: Array, window: Window, weights: Sequence[float | Array]) -> Array:
    """The sum of each window's elements, each times the weight of its tap; padding counts as 0."""
    return weigh_taps(padded(inputs, window), window, weights)


def weigh_taps(cells: Array, window: Window, weights: Sequence[float | Array]) -> Array:
    """The same of an array that has all cells that windows reach."""
    taps = zip(each_tap(cells, window), weights, strict=True)
    return settle(functools.reduce(operator.add, (tap * jnp.asarray(w, cells.dtype) for tap, w in taps)))


def padded(inputs: Array, window: Window) -> Array:
    """The array with all cells that windows reach; those outside are 0."""
    pads = [(a.low, a.high, 0) if isinstance(a, Axis) else (0, 0, 0) for a in window.axes]
    return settle(lax.pad(filled(inputs, window, 0), np.zeros((), inputs.dtype), pads))


def each_tap(cells: Array, window: Window) -> Iterator[Array]:
    """For each tap in row-major order, the cells where it is: one for each window."""
    axes = window.local.pooled
    steps = [axes[d].stride if d in axes else 1 for d in range(cells.ndim)]
    for tap in np.ndindex(*(axis.size for axis in axes.values())):
        starts, stops = [0] * cells.ndim, list(cells.shape)
        for (d, axis), position in zip(axes.items(), tap, strict=True):
            starts[d] = position * axis.dilation
            stops[d] = starts[d] + (axis.windows - 1) * axis.stride + 1
        yield lax.slice(cells, starts, stops, steps)
