"""Choices for the CPU, where XLA's own windowed operations are scalar loops: passes by runs, at memory speed.

The times are of one core and (16, 56, 56, 64) float32, where x + 1 takes 2.7 ms.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxpool._lowering import folds, native
from jaxpool._lowering.passes import Passes
from jaxpool._lowering.positions import flat_places
from jaxpool._lowering.stages import Stage, in_stages
from jaxpool._lowering.whole import Whole
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Divisor, Window

# Up to 3x3 taps in one pass run at the speed of memory: 3.0 ms, where two passes take 5.7. 5x5 taps take 8.4
# ms and 1.5 s to compile, two passes 5.8 ms and 0.3 s. Along one axis, 13 taps in two passes of four take as
# long as in one pass, and 31 taps half as long.
_passes = Passes(folds.RUNS, most_taps=9, most_in_line=8)
# XLA does not vectorise loops over so few channels along two axes at once: 3x3/2 takes 5.1 ms, not 2.8.
_FEW = 16


class _Irregular(Passes):
    """Windows that start anywhere, one axis at a time: along both at once, more would be gathered."""

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        if not _are_shared(window):
            return super().select(operand, window, order)
        return folds.select(operand, window, self._stages(window), order, self.style)

    def scatter(self, cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        if _are_shared(window):
            return super().scatter(cotangent, index, operand, window, order)
        # Where each channel has windows of its own, loops over those of a cell are no vectors: 210 ms. A
        # scatter, one element after the other and so always in the same order, takes 40.
        positions = {
            d: window.pooled[d].starts + (index // stride % window.pooled[d].size).astype(np.int32)
            for d, stride in window.tap_strides.items()
        }
        wide = cotangent.astype(accumulation_dtype(cotangent.dtype))
        received = jnp.zeros(operand.size, wide.dtype).at[flat_places(operand.shape, positions)].add(wide)
        return received.reshape(operand.shape).astype(cotangent.dtype)


def _are_shared(window: Window) -> bool:
    """Whether all batch entries and channels have the same windows."""
    return all(window.pooled[d].starts.size == window.pooled[d].windows for d in window.bins)


irregular = _Irregular(folds.RUNS, most_taps=1, most_in_line=1)
# XLA's own reduction by lax.max loses every NaN with jaxlib 0.12. One by comparisons takes 12 ms, and slices
# 2.4 ms, where XLA's takes 1.7.
whole = Whole(in_slices=8)

gather = _passes.gather
scatter = _passes.scatter
add_weighted = _passes.add_weighted
spread_weighted = _passes.spread_weighted


def select_value(operand: Array, window: Window, order: str) -> Array:
    return folds.select_value(operand, _stages(operand, window, _passes.most_in_line), order, folds.RUNS)


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    value_stages = _stages(operand, window, _passes.most_in_line)
    most_taps = 4 if 1 < _inner(operand, window) < _FEW else _passes.most_taps
    stages = in_stages(window, most_taps, _passes.most_in_line)
    return folds.select(operand, window, stages, order, folds.RUNS, value_stages=value_stages)


def add(operand: Array, window: Window, divisor: Divisor) -> Array:
    return folds.add(operand, window, _stages(operand, window, None), divisor, folds.RUNS)


def spread(cotangent: Array, window: Window, divisor: Divisor) -> Array:
    # A copy, where windows tile the array, takes three quarters of the time that phases take.
    return (native if window.tiles else _passes).spread(cotangent, window, divisor)


def _stages(operand: Array, window: Window, most_in_line: int | None) -> list[Stage]:
    """The stages of a value alone, whose axes may come in any order."""
    inner = _inner(operand, window)
    if inner == 1:
        # The last axis in a pass of its own, which the one before has padded: 3x3/2 takes 2.9 ms, not 5.9.
        return in_stages(window, 4, most_in_line, outermost_first=True, pad_early=True)
    if inner < _FEW:
        return in_stages(window, 4, most_in_line)
    return in_stages(window, _passes.most_taps, most_in_line, pad_early=True)


def _inner(operand: Array, window: Window) -> int:
    """How many elements lie next to each other behind the last pooled axis, such as channels."""
    return math.prod(operand.shape[max(window.pooled, default=-1) + 1 :])
