"""Choices for GPUs, where one fused kernel that touches each byte once is the aim.

The times are of an H200 and 256 MiB of float32, channels last, where x + 1 takes 132 us. A thread computes
four neighbours at once, and a GPU starts no more than so many threads in a time: no pass is faster than 168
us that gives as many bytes of bfloat16.
"""

from __future__ import annotations

import math
import sys

from jax import Array

from jaxpool._lowering import folds, native
from jaxpool._lowering.passes import Passes
from jaxpool._lowering.stages import up_to
from jaxpool._lowering.weights import Weight
from jaxpool._lowering.whole import Whole
from jaxpool._window import Divisor, Window

# Forward and backward of 3x3/2 maxima take 95 and 119 us in a pass that gathers, 95 and 167 in one that pads.
_at_once = Passes(folds.GATHERED, most_taps=sys.maxsize, in_one=None)
_padded = Passes(folds.PADDED, most_taps=sys.maxsize, in_one=None)
# Sums of 5x5/1 take 681 us in one pass, 339 in one for each axis; those of 3x3/1 257 and 324.
_by_axis = Passes(folds.PADDED, most_taps=1, in_one=up_to(8))
# Gradients of 7x7/2 maxima take 377 us in passes that pad and interleave, 257 in ones that gather; channels
# first, where what is gathered are no neighbours, 387 and 493.
_strided_by_axis = Passes(folds.GATHERED, most_taps=1, in_one=up_to(8))
_MOST_TAPS, _MOST_OVERLAP = 32, 9
# Between devices, XLA's partitioner exchanges a halo of what is sliced, but all of what is gathered from.
_partitioned = Passes(folds.PADDED, most_taps=32, in_one=up_to(8))

irregular = Passes(folds.GATHERED, most_taps=32, in_one=up_to(8))


def _passes(window: Window) -> Passes:
    return _passes_of(window, few=window.taps <= _MOST_TAPS and _overlap(window) <= _MOST_OVERLAP)


def _passes_of(window: Window, *, few: bool) -> Passes:
    if native.partitioned.get():
        return _partitioned
    return _at_once if few else _by_axis


def _overlap(window: Window) -> float:
    """How many windows a cell is in."""
    return window.taps / math.prod(axis.stride for axis in window.pooled.values())


def _passes_over_windows(operand: Array, window: Window) -> Passes:
    return _reading(_passes(window), operand, window)


def _reading(passes: Passes, operand: Array, window: Window) -> Passes:
    return passes if passes is not _at_once or _reads_neighbours(operand, window) else _padded


def _reads_neighbours(operand: Array, window: Window) -> bool:
    """Whether four results in a row read four elements in a row: else 3x3/2 maxima take 201 us, not 118."""
    last, inner = max(window.pooled, default=-1), window.inner(operand.shape)
    return inner % 4 == 0 if inner > 1 else last < 0 or window.pooled[last].stride == 1


def _passes_over_cells(cotangent: Array, window: Window) -> Passes:
    passes = _passes(window)
    strided = any(axis.stride > 1 for axis in window.pooled.values())
    if passes is _by_axis and strided and _reads_neighbours(cotangent, window):
        return _strided_by_axis
    return passes


def _passes_for_values(operand: Array, window: Window) -> Passes | None:
    """Passes where they beat XLA's own reduction, which fuses with what comes before and after it.

    For 3x3/2 it takes 93 us where passes take 90, and for 3x3/1 328 and 204; in bfloat16 167 and 92, 652 and
    226.
    """
    least = 4 if operand.dtype.itemsize > 2 else 1.5
    if _overlap(window) < least or not _reads_neighbours(operand, window):
        return None
    return None if native.partitioned.get() else _passes_over_windows(operand, window)


def select_value(operand: Array, window: Window, order: str) -> Array:
    return (_passes_for_values(operand, window) or native).select_value(operand, window, order)


def add(operand: Array, window: Window, divisor: Divisor) -> Array:
    return (_passes_for_values(operand, window) or native).add(operand, window, divisor)


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    return _passes_over_windows(operand, window).select(operand, window, order)


def gather(tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    return _passes_over_windows(tangent, window).gather(tangent, index, operand, window, order)


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    return _passes_over_cells(cotangent, window).scatter(cotangent, index, operand, window, order)


def spread(cotangent: Array, window: Window, divisor: Divisor) -> Array:
    # Where windows tile the array, it is a copy.
    return (native if window.tiles else _passes_over_cells(cotangent, window)).spread(
        cotangent, window, divisor
    )


def add_weighted(values: Array, operand: Array, statistic: Array, window: Window, weight: Weight) -> Array:
    return _reading(_weighing(window), operand, window).add_weighted(
        values, operand, statistic, window, weight
    )


def spread_weighted(
    cotangent: Array, operand: Array, statistic: Array, window: Window, weight: Weight
) -> Array:
    return _weighing(window).spread_weighted(cotangent, operand, statistic, window, weight)


def _weighing(window: Window) -> Passes:
    """Weights of 7x7/2 for each window: 58 MB, where rows that are weighed and then summed move 92."""
    return _passes_of(window, few=len(window.by_axis()) == 1)


class _Whole(Whole):
    """Few elements of each channel in one loop: the sums of (2688, 7, 7, 512) take 71 us, reduced 118."""

    def select_value(self, operand: Array, window: Window, order: str) -> Array:
        return _where_few(operand, window).select_value(operand, window, order)

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        return _where_few(operand, window).select(operand, window, order)

    def add(self, operand: Array, window: Window, divisor: Divisor) -> Array:
        return _where_few(operand, window).add(operand, window, divisor)

    def add_weighted(
        self, values: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        return _where_few(operand, window).add_weighted(values, operand, statistic, window, weight)


_reductions = Whole()


def _where_few(operand: Array, window: Window) -> Passes | Whole:
    """A loop where there are few elements, next to others that a warp of threads reads beside them."""
    inner = window.inner(operand.shape)
    few = window.taps <= 64 and inner % 4 == 0 and inner >= 32
    return _padded if few and not native.partitioned.get() else _reductions


whole = _Whole()
