"""Bins of regions and the grid of samples inside each, averaged or the largest of them."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._arguments import as_integer
from jaxpool._lowering.order import precedes
from jaxpool._ops._regions import Taps, between, sample
from jaxpool._precision import accumulation_dtype


class Samples(NamedTuple):
    """The samples of bins along one axis.

    Attributes:
      taps: the two cells of each sample, (samples, 2, tables, regions, bins).
      taken: which samples a region takes, (samples, tables, regions, 1).
      number: how many that are, (tables, regions, 1).
    """

    taps: Taps
    taken: Array
    number: Array


def grid_of(sampling_ratio: Any, max_sampling_ratio: Any) -> tuple[int, bool]:
    """The most samples along an axis of a bin, and whether that many are taken of each."""
    most = as_integer("max_sampling_ratio", max_sampling_ratio)
    ratio = None if sampling_ratio is None else as_integer("sampling_ratio", sampling_ratio)
    for name, value in (("max_sampling_ratio", most), ("sampling_ratio", ratio)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    return (most, False) if ratio is None else (ratio, True)


def samples_of(
    boxes: Array,
    scale: Any,
    aligned: bool,
    bins: Sequence[int],
    lengths: Sequence[Any],
    grid: tuple[int, bool],
) -> list[Samples]:
    """The samples of all bins along each axis, of numbers or arrays of lengths."""
    low, extent = _placement(boxes, scale, aligned)
    along = zip(jnp.moveaxis(low, -1, 0), jnp.moveaxis(extent, -1, 0), bins, lengths, strict=True)
    return [_bin_samples(*axis, *grid) for axis in along]


def every_cell(length: int, dtype: np.dtype) -> Samples:
    """An axis that has as many bins as cells, each with its own cell, whatever the region."""
    cells = jnp.arange(length, dtype=np.int32).reshape(1, 1, 1, 1, length)
    number = jnp.ones((1, 1, 1), dtype)
    return Samples(Taps(cells, jnp.ones(cells.shape, dtype)), number[None] > 0, number)


def _placement(boxes: Array, scale: Any, aligned: bool) -> tuple[Array, Array]:
    """Where boxes begin, in coordinates of centres, and how far they extend."""
    low, high = jnp.moveaxis(boxes * scale - (0.5 if aligned else 0), -2, 0)
    return low, high - low if aligned else jnp.maximum(high - low, 1)


def _bin_samples(low: Array, extent: Array, bins: int, length: Any, most: int, fixed: bool) -> Samples:
    """The samples of bins of boxes along an axis of a length; `most`, or up to as many as bins have cells."""
    low, size = (array[None, ..., None] for array in (low, extent / bins))
    count = jnp.full_like(size, most) if fixed else jnp.clip(jnp.ceil(size), 0, most)
    number = jnp.arange(most, dtype=low.dtype).reshape(-1, 1, 1, 1)
    position = np.arange(bins, dtype=low.dtype).reshape(1, 1, 1, -1)
    coordinates = low + (position + (number + 0.5) / jnp.maximum(count, 1)) * size
    taps = between(coordinates, length, margin=1)
    return Samples(Taps(*(jnp.moveaxis(each, 0, 1) for each in taps)), number < count, count[0])


def averages(tables: Array, first: Array, axes: Sequence[Samples], steps: Any, shift: Any = 0) -> Array:
    """The average of each bin's samples; see `sample`."""
    taps = []
    for axis in axes:
        weights = jnp.where(
            axis.taken[:, None], axis.taps.weights / jnp.maximum(axis.number, 1)[None, None], 0
        )
        count = math.prod(weights.shape[:2])
        taps.append(Taps(*(each.reshape(count, *each.shape[2:]) for each in (axis.taps.cells, weights))))
    return sample(tables, first, taps, steps, shift)


def maxima(tables: Array, first: Array, axes: Sequence[Samples], steps: Any) -> Array:
    """The largest of each bin's samples, one after the other; see `sample`."""

    def larger(best: Array, number: Array) -> tuple[Array, None]:
        value = sample(tables, first, [a.taps.of(n) for a, n in zip(axes, number, strict=True)], steps)
        taken = [
            jnp.expand_dims(a.taken[n], [2 + i for i in range(len(axes))])
            for a, n in zip(axes, number, strict=True)
        ]
        replaces = functools.reduce(operator.and_, taken) & precedes("max", value, best)
        return jnp.where(replaces, value, best), None

    numbers = jnp.array(list(np.ndindex(*(len(axis.taken) for axis in axes))), np.int32)
    shape = (*first.shape, *(axis.taps.cells.shape[-1] for axis in axes), tables.shape[-1])
    lowest = jnp.full(shape, -np.inf, accumulation_dtype(tables.dtype))
    best, _ = lax.scan(larger, lowest, numbers)
    some = functools.reduce(operator.and_, (axis.number > 0 for axis in axes))
    return jnp.where(jnp.expand_dims(some, [2 + i for i in range(len(axes))]), best, 0)
