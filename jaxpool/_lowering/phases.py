"""Windowed reductions seen from the output: each input cell asks the windows that cover it.

Cells whose positions agree modulo the stride are one *phase*: the same pattern of windows covers them all.
With stride s, cell q*s + p (phase p) is tap i of window q - t wherever t*s + p = i*dilation, so every shift t
of the pooled array serves all phases at once, through a table of s tap numbers. The result is one elementwise
sum over shifts: no scatter, no atomics, the same in every run.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from jax import Array, lax

from jaxpool._precision import accumulation_dtype
from jaxpool._window import Axis, Window


def scatter(cotangent: Array, index: Array, window: Window) -> Array:
    """Adds what comes from each window to the cell at its tap `index`."""
    return _collect(cotangent, index, window)


def scatter_by_axis(cotangent: Array, index: Array, window: Window) -> Array:
    """As `scatter`, one dimension after the other: k + k terms in place of k * k."""
    dtype = cotangent.dtype
    cotangent = cotangent.astype(accumulation_dtype(dtype))
    for line, along in split_index(index, window):
        cotangent = scatter(cotangent, along, line)
    return cotangent.astype(dtype)


def split_index(index: Array, window: Window) -> list[tuple[Window, Array]]:
    """The selection one dimension after the other, the outermost first: its part of the window, and its taps.

    Windows that select from the same row select the same element of it, so what is left of an index once the
    row is known can be kept with the row: that of any of these windows will do.
    """
    levels = []
    for d, axis in window.pooled.items():
        line, along, rest = window.only(d), lax.full_like(index, 0), index
        if axis.size > 1:  # else the step may be one more than the index can hold
            step = lax.full_like(index, window.tap_strides[d])
            along, rest = index // step, index % step
        levels.append((line, along))
        index = lax.optimization_barrier(_collect(rest, along, line, lax.max))
    return levels


def spread(cotangent: Array, window: Window) -> Array:
    """Adds what comes from each window to all its cells."""
    return _collect(cotangent, None, window)


def spread_by_axis(cotangent: Array, window: Window) -> Array:
    """As `spread`, one dimension after the other: k + k terms in place of k * k."""
    for d in window.pooled:
        cotangent = lax.optimization_barrier(spread(cotangent, window.only(d)))
    return cotangent


@dataclasses.dataclass(frozen=True)
class _Shift:
    """One shift of the pooled axis: where its slice starts, and which tap falls on each phase."""

    start: int
    taps: tuple[int, ...]  # -1 where none does


@dataclasses.dataclass(frozen=True)
class _Phases:
    """One pooled axis, cut into phases: cell `first + q * stride + p` has quotient `q` and phase `p`."""

    stride: int
    quotients: int
    crop: int
    pad: tuple[int, int]
    shifts: tuple[_Shift, ...]


def _phases(axis: Axis) -> _Phases:
    first = axis.low // axis.stride
    quotients = (axis.low + axis.length - 1) // axis.stride - first + 1
    tables: dict[int, list[int]] = {}
    for tap in range(axis.size):
        steps, phase = divmod(tap * axis.dilation, axis.stride)
        tables.setdefault(steps, [-1] * axis.stride)[phase] = tap
    low = max(max(tables) - first, 0)
    high = max(first + quotients - min(tables) - axis.windows, 0)
    shifts = tuple(_Shift(first - t + low, tuple(taps)) for t, taps in tables.items())
    return _Phases(axis.stride, quotients, axis.low - first * axis.stride, (low, high), shifts)


def _collect(
    cotangent: Array,
    index: Array | None,
    window: Window,
    combine: Callable[[Array, Array], Array] = lax.add,
) -> Array:
    """What each cell receives from the windows that cover it, or that selected it where there is an index."""
    shape = window.input_shape(cotangent.shape)
    if 0 in shape:
        return lax.full(shape, 0, cotangent.dtype)
    axes = {d: _phases(axis) for d, axis in window.pooled.items()}
    pads = [(*axes[d].pad, 0) if d in axes else (0, 0, 0) for d in range(len(shape))]
    cotangents = lax.pad(cotangent, lax.full((), 0, cotangent.dtype), pads)
    indices = None if index is None else lax.pad(index, lax.full((), 0, index.dtype), pads)
    shifts = list(itertools.product(*(phases.shifts for phases in axes.values())))
    if len(shifts) > 1:
        cotangents = cotangents.astype(accumulation_dtype(cotangent.dtype))
    terms = (_term(cotangents, indices, window, axes, shift) for shift in shifts)
    total = functools.reduce(combine, terms).astype(cotangent.dtype)
    return _merge(total, axes, shape)


def _term(
    cotangents: Array,
    indices: Array | None,
    window: Window,
    axes: dict[int, _Phases],
    shifts: Sequence[_Shift],
) -> Array:
    """What all cells receive from the windows at one shift: an array with the phases as axes of their own."""
    taps, holds = _tap_numbers(window, axes, shifts)

    def shifted(array: Array) -> Array:
        for d, shift in zip(axes, shifts, strict=True):
            limit = shift.start + axes[d].quotients
            array = lax.slice_in_dim(array, shift.start, limit, axis=d)
        return array

    cotangents = shifted(cotangents)
    quotient_dims, phase_dims, shape = _split_shape(cotangents.shape, axes)
    cotangents = lax.broadcast_in_dim(cotangents, shape, quotient_dims)
    hits = None if holds.all() else lax.broadcast_in_dim(holds, shape, phase_dims)
    if indices is not None:
        taps = lax.broadcast_in_dim(taps.astype(indices.dtype), shape, phase_dims)
        selected = lax.broadcast_in_dim(shifted(indices), shape, quotient_dims) == taps
        hits = selected if hits is None else hits & selected
    return cotangents if hits is None else lax.select(hits, cotangents, lax.full_like(cotangents, 0))


def _tap_numbers(
    window: Window, axes: dict[int, _Phases], shifts: Sequence[_Shift]
) -> tuple[np.ndarray, np.ndarray]:
    """For each combination of phases: the number of the tap that falls there, and whether one does."""
    tables = np.ix_(*(shift.taps for shift in shifts))
    numbers = sum(table * window.tap_strides[d] for d, table in zip(axes, tables, strict=True))
    holds = functools.reduce(np.logical_and, (table >= 0 for table in tables), np.array(True))
    return np.where(holds, numbers, 0), holds


def _split_shape(
    shape: Sequence[int], axes: dict[int, _Phases]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Gives every pooled axis a twin for its phases: where the axes go, the twins go, and the whole shape."""
    quotient_dims, phase_dims, split = [], [], []
    for d, length in enumerate(shape):
        quotient_dims.append(len(split))
        split.append(length)
        if d in axes:
            phase_dims.append(len(split))
            split.append(axes[d].stride)
    return tuple(quotient_dims), tuple(phase_dims), tuple(split)


def _merge(split: Array, axes: dict[int, _Phases], shape: Sequence[int]) -> Array:
    """Folds the phases back into their axes and cuts the padding off."""
    lengths = (p.quotients * p.stride if (p := axes.get(d)) else n for d, n in enumerate(shape))
    merged = lax.reshape(split, tuple(lengths))
    for d, phases in axes.items():
        merged = lax.slice_in_dim(merged, phases.crop, phases.crop + shape[d], axis=d)
    return merged
