"""Choices for the CPU, where XLA's own windowed operations are scalar loops: passes by runs, at memory speed.

The times are of one core and (16, 56, 56, 64) float32, where x + 1 takes 2.7 ms.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering import folds, native
from jaxpool._lowering import order as ordering
from jaxpool._lowering.blocks import Blocks, are_large, can_place, have_many_phases, selected_places
from jaxpool._lowering.flat import convert, flat
from jaxpool._lowering.lines import Line, line_of
from jaxpool._lowering.order import BY_INDEX
from jaxpool._lowering.passes import Passes
from jaxpool._lowering.repeat import repeat
from jaxpool._lowering.stages import InOne, Stage, in_stages, unless_cheaper, up_to
from jaxpool._lowering.sweep import PlacedBins
from jaxpool._lowering.weights import Relative, Weight, times
from jaxpool._lowering.whole import Whole
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Divisor, Window

# XLA's own reduction by lax.max loses every NaN with jaxlib 0.12. One by comparisons takes 12 ms, and slices
# 2.4 ms, where XLA's takes 1.7.
whole = Whole(in_slices=8, repeat=repeat, convert=convert)
_blocks = Blocks(whole)
# Up to 3x3 taps in one pass run at the speed of memory: 3.0 ms, where two passes take 5.7. 5x5 taps take 8.4
# ms and 1.5 s to compile, two passes 5.8 ms and 0.3 s. Along one axis, 13 taps in two passes of four take as
# long as in one pass, and 31 taps half as long.
_passes = Passes(folds.RUNS, most_taps=9, in_one=unless_cheaper(2), blocks=_blocks)
# XLA does not vectorise loops over so few channels along two axes at once: 3x3/2 takes 5.1 ms, not 2.8.
_FEW = 16


class _Irregular(Passes):
    """Windows that start anywhere, one axis at a time: along both at once, more would be gathered."""

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        if are_large(window) or not _are_shared(window):
            return super().select(operand, window, order)
        return folds.select(operand, window, self._stages(window), order, self.style)

    def scatter(self, cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        # Where each channel has windows of its own, loops over those of a cell are no vectors: 210 ms for 40.
        # Of few large windows, (27, 125, 141) to (5, 9) takes 4 times the limit, not 12; 56 to 7 the same.
        if not _are_shared(window) or _are_few(cotangent, operand):
            return _write(cotangent, index, operand, window)
        return super().scatter(cotangent, index, operand, window, order)


def _are_shared(window: Window) -> bool:
    """Whether all batch entries and channels have the same windows."""
    return all(window.pooled[d].starts.size == window.pooled[d].windows for d in window.bins)


def _are_few(cotangent: Array, operand: Array) -> bool:
    """Whether there are so few windows that to write for each of them takes no time."""
    return can_place(operand) and operand.size >= 16 * cotangent.size


_barrier = lax.optimization_barrier
# The exponential of 28. Elements that are as far below their maximum still count in float32, and the
# difference of two elements is rounded by 1e-6 at most.
_LARGEST_RATIO = 2.0**40
_Linear = Callable[[Array, Array, Array], Array]  # of values, the weights of elements, and windows' ratios
irregular = _Irregular(folds.RUNS, most_taps=1, in_one=up_to(1), blocks=_blocks)


def select_value(operand: Array, window: Window, order: str) -> Array:
    if are_large(window):
        return _blocks.select_value(operand, window, order)
    if line := _line(operand, window):
        return line.split(select_value(line.merge(operand), line.window, order))
    return folds.select_value(operand, _stages(operand, window), order, folds.RUNS)


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    if are_large(window):
        return _blocks.select(operand, window, order)
    if line := _line(operand, window):
        value, index = select(line.merge(operand), line.window, order)
        return line.split(value), line.split(index)
    value_stages = _stages(operand, window)
    most_taps = 4 if 1 < window.inner(operand.shape) < _FEW else _passes.most_taps
    stages = in_stages(window, most_taps, _in_one(operand, window))
    return folds.select(operand, window, stages, order, folds.RUNS, value_stages=value_stages)


def gather(tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    if can_place(operand) and window.taps >= (9 if window.inner(operand.shape) < _FEW else 32):
        # It takes some 1 ns a window, whatever its size: 0.3 ms for 32 channels of (4, 50, 50), 9x9/1, by
        # index 37 in passes, in stages 0.8; and for 16 of (4, 8192), 1024/1, 0.6, in stages 456. Passes take
        # 3x3/1 of 3 channels of (8, 112, 112) in 0.6 and not 0.2, of 64 of (8, 56, 56) in 0.5 and not 1.3.
        return _blocks.gather(tangent, index, window)
    return _passes.gather(tangent, index, operand, window, order)


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    if _is_faster_to_write(operand, window, order):
        return _write(cotangent, index, operand, window)
    if line := _line(operand, window, together=True):
        cotangent, index, operand = map(line.merge, (cotangent, index, operand))
        return line.split(_passes.scatter(cotangent, index, operand, line.window, order))
    return _passes.scatter(cotangent, index, operand, window, order)


def _line(array: Array, window: Window, *, together: bool = False) -> Line | None:
    """The last axis and few channels in one, where that is faster.

    It is where XLA does not unroll the loop over channels, of which there are more than 8. Forward and
    backward of 3x3/1 in (4, 300, 301, 11) take 9.3 ms in bfloat16 and not 67, of 9 channels in float32 14 and
    not 18; but of (4, 300, 201, 17) 17 and not 11. Of fewer channels it is for cells that read windows
    along several axes `together`: the gradient of 3 channels takes 1.0 ms in bfloat16 and not 10, 1.2 in
    float32 and not 3.4, of 2x2/1 and 8 channels 0.7 and not 8.6, but of 3x3/1 1.0 where it took 0.8.
    """
    inner = window.inner(array.shape)
    least = 2 if together and len(window.pooled) > 1 else 9
    return line_of(window, array.shape) if least <= inner < _FEW else None


def _is_faster_to_write(operand: Array, window: Window, order: str) -> bool:
    """Whether to write where each window selected, in place of asking the windows of each cell.

    It takes some 4 ns a window, whatever its size, and is as far from the limit everywhere: 3 to 5 times in
    float32. Passes are at the limit where they are vectors, of many channels, and up to 14 times off it where
    cells of different phases lie side by side, or windows are very large.
    """
    if not can_place(operand):
        return False
    if are_large(window) or have_many_phases(window):
        return True
    covering, inner = _covering(window), window.inner(operand.shape)
    if all(axis.stride == 1 for axis in window.pooled.values()):
        # In (8, 64, 64, 48), 19x19/1 takes 3.6 times the limit in place of 7.8, but 9x9/1 4.3 and not 3.6. Of
        # few channels in (2, 300, 301, 12), 15x15/1 takes 7.2 ms in place of 11.5, but 9x9/1 6.7 and 7.2;
        # along one axis, in (2, 90301, 12), 31/1 2.9 and 6.0.
        in_stages = inner >= _FEW or (order != BY_INDEX and len(window.pooled) > 1)
        return inner > 1 and covering >= (100 if in_stages else 25)
    is_wide = operand.dtype.itemsize > 2
    write = _is_faster_to_write_many if inner >= _FEW else _is_faster_to_write_few
    return write(window, inner, covering, is_wide=is_wide)


def _is_faster_to_write_many(window: Window, inner: int, covering: int, *, is_wide: bool) -> bool:
    """Whether it is of many channels, where windows are apart.

    In (2, 164, 4000 / c, c), milliseconds in place of those of passes: 5x5/3 of 24 channels 0.26 and 0.44, of
    48 0.25 and 0.14, 11x11/5 0.13 and 0.28; 9x9/2 of 32 0.44 and 0.58, of 130 0.68 and 0.69; 3x3/2 dilated by
    2 and 3, of which some phases have no cells, 0.46 and 0.98 of 16; 4x4/2 of 20 0.65 and 1.65, of 28 0.54
    and 0.56, of 32 0.38 and 0.20, of bfloat16 and 20 1.1 and 1.3. In (2, 34, 34, 672 / c, c), 3x3x3/2 of 32
    0.38 and 0.75, of 64 0.35 and 0.34, of bfloat16 and 24 1.0 and 2.2.
    """
    axes = window.pooled.values()
    apart = math.prod(axis.stride for axis in axes)
    if covering >= 25 or (apart >= (9 if inner < 48 else 25) and covering >= 4):
        return True
    if any(math.gcd(axis.stride, axis.dilation) > 1 for axis in axes):
        return covering > 1
    most = (48 if is_wide else 28) if len(axes) > 2 else (28 if is_wide else 24)
    return covering > 1 and window.taps > 9 and inner <= most


def _is_faster_to_write_few(window: Window, inner: int, covering: int, *, is_wide: bool) -> bool:
    """Whether it is of few channels, where windows are apart.

    Of (4, 1024, 1024) without channels, 4x4/4 takes 2.9 times the limit in place of 5.5, but 2x2/2 3.7 where
    passes take 1.2. In (8, 12544, 12), 3/2 takes 1.0 ms where passes take 0.6, but 4/2 of bfloat16 1.2 and
    3.4. In (8, 32, 112, 112), channels first, 3x3/2 1.5 and 0.6, but 5x5/2 of bfloat16 5.7 and 27; in (8,
    112, 112, c), 3x3/2 of 5 channels 0.46 and 0.23, of 8 0.26 and 0.36, of bfloat16 and 4 channels 0.22 and
    0.72.
    """
    axes = list(window.pooled.values())
    if covering == 1:
        return math.prod(axis.stride for axis in axes) >= 8
    if len(axes) > 2 or any(axis.size > 3 for axis in axes):
        return True
    # Before jax 0.12, passes of 16-bit numbers take four times as long in place of three quarters.
    return len(axes) == 2 and axes[1].stride > 1 and inner > (5 if is_wide else 0)


def _covering(window: Window) -> int:
    """How many windows a cell is in, at most."""
    return math.prod(
        axis.cover
        if isinstance(axis, PlacedBins)
        else -(-axis.size * math.gcd(axis.stride, axis.dilation) // axis.stride)
        for axis in window.pooled.values()
    )


def _write(cotangent: Array, index: Array, operand: Array, window: Window) -> Array:
    """Adds what comes from each window to where it selected: one after the other, always in that order."""
    places, some = selected_places(index, window, operand.shape)
    if some is not None:
        cotangent = lax.select(some, cotangent, lax.full_like(cotangent, 0))
    covering, dtype = _covering(window), cotangent.dtype
    slow = dtype == jnp.bfloat16
    if covering > 2 or (covering == 2 and slow):  # two numbers add up to the same, rounded once
        cotangent = cotangent.astype(accumulation_dtype(dtype))
    elif covering == 1 and ordering.has_keys(dtype) and (slow or operand.size <= 16 * cotangent.size):
        # Nothing is added but to zero, so it may as well be integers: for 2x2x2 of (4, 128, 64, 64) without
        # channels, bfloat16 takes 2.4 ms and not 8.7, float16 1.6 and not 2.9. To see them as numbers again
        # is one more pass, which float16 gains by up to 4x4: 0.7 ms and not 0.9, but 4x5 loses a tenth.
        cotangent = lax.bitcast_convert_type(cotangent, np.uint16)
    received = jnp.zeros(operand.size, cotangent.dtype).at[places].add(cotangent, mode="drop")
    received = received.reshape(operand.shape)
    if received.dtype == np.uint16:
        return lax.bitcast_convert_type(received, dtype)
    return received.astype(dtype)


def add(operand: Array, window: Window, divisor: Divisor) -> Array:
    if are_large(window):
        return _blocks.add(operand, window, divisor)
    if line := _line(operand, window):
        return line.split(add(line.merge(operand), line.window, divisor))
    stages = _stages(operand, window, disjoint=True)
    wide = _widened(operand, window)
    return convert(folds.add(wide, window, stages, divisor, folds.RUNS), operand.dtype)


def spread(cotangent: Array, window: Window, divisor: Divisor) -> Array:
    # A copy, where windows tile the array, takes three quarters of the time that phases take.
    if window.tiles:
        return native.spread(cotangent, window, divisor)
    if have_many_phases(window):
        return _blocks.spread(cotangent, window, divisor)
    if line := _line(cotangent, window, together=window.taps <= _passes.most_taps):
        return line.split(spread(line.merge(cotangent), line.window, divisor))
    stages = in_stages(window, _passes.most_taps, _in_one(cotangent, window, disjoint=True), disjoint=True)
    wide = _widened(cotangent, window)
    return convert(folds.spread(wide, window, stages, divisor, folds.RUNS), cotangent.dtype)


def _widened(array: Array, window: Window) -> Array:
    """The array in the precision of sums, before they are taken, where loops that convert are no vectors.

    3x3/2 of 11 channels in float16 takes 0.6 ms and not 2.2, 15/2 1.1 and not 4.6; 3x3/1 of 3 channels 1.3
    and not 1.0, of 16 channels 1.6 and not 0.4.
    """
    if not 4 < window.inner(array.shape) < _FEW:
        return array
    return convert(array, accumulation_dtype(array.dtype))


def add_weighted(values: Array, operand: Array, statistic: Array, window: Window, weight: Weight) -> Array:
    def by_window(values: Array, weights: Array, ratios: Array) -> Array:
        return _passes.add_weighted(values, operand, statistic, window, weight)

    def by_element(values: Array, weights: Array, ratios: Array) -> Array:
        return ratios * add(times(values, weights), window, None)

    return _by_common_statistic(by_window, by_element, values, operand, statistic, window, weight)


def spread_weighted(
    cotangent: Array, operand: Array, statistic: Array, window: Window, weight: Weight
) -> Array:
    def by_window(cotangent: Array, weights: Array, ratios: Array) -> Array:
        return _passes.spread_weighted(cotangent, operand, statistic, window, weight)

    def by_element(cotangent: Array, weights: Array, ratios: Array) -> Array:
        return times(spread(ratios * cotangent, window, None), weights)

    return _by_common_statistic(by_window, by_element, cotangent, operand, statistic, window, weight)


def _by_common_statistic(
    by_window: _Linear,
    by_element: _Linear,
    values: Array,
    operand: Array,
    statistic: Array,
    window: Window,
    weight: Weight,
) -> Array:
    """Weighs each element once, against one statistic of all windows, where that serves.

    It does where no ratio of a window to it is so large that elements which count in the window would be too
    small. An exponential takes as long as ten sums. What depends on neither values nor branch is outside of
    the condition, where XLA shares it between the sums of a program.
    """
    if not isinstance(weight, Relative) or 0 in statistic.shape or native.partitioned.get():
        return by_window(values, operand, statistic)
    common, ratio = jnp.max(statistic), weight.scale.ratio
    ratios = flat(lambda statistic: ratio(lax.full_like(statistic, common), statistic), statistic)
    weights = flat(lambda operand: weight(operand, lax.full_like(operand, common)), operand)
    return lax.cond(jnp.max(ratios) <= _LARGEST_RATIO, by_element, by_window, values, weights, ratios)


def _stages(operand: Array, window: Window, *, disjoint: bool = False) -> list[Stage]:
    """The stages of a value alone, whose axes may come in any order."""
    inner, in_one = window.inner(operand.shape), _in_one(operand, window, disjoint=disjoint)
    if inner == 1:
        # The last axis in a pass of its own, which the one before has padded: 3x3/2 takes 2.9 ms, not 5.9.
        return in_stages(window, 4, in_one, disjoint=disjoint, outermost_first=True, pad_early=True)
    if inner < _FEW:
        return in_stages(window, 4, in_one, disjoint=disjoint)
    return in_stages(window, _passes.most_taps, in_one, disjoint=disjoint, pad_early=True)


def _in_one(operand: Array, window: Window, *, disjoint: bool = False) -> InOne:
    """A second pass along an axis is soon worth it where cells in a loop are no vectors.

    Forward and backward of 9/3 in (4, 100000, 3) take 1.4 ms and not 2.8, of 9x9/1 in (8, 56, 56, 64) 7.5 and
    not 10.9, but of 13/4 in (8, 40000, 16) 6.9 and not 4.0.
    """
    return unless_cheaper(1 if window.inner(operand.shape) < _FEW else 2, disjoint=disjoint)
