"""A large window as a composition of small ones: k + k taps in place of k * k, and fewer along each axis.

Selecting from each row, and then from what was selected in the rows, is selecting from the window; so is
adding. Along one axis, a window of 13 cells is four windows of four cells, three apart: a selection does not
mind that they share cells. The index of a selection is the sum of what the tap of each stage adds to it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

from jax import Array, lax

from jaxpool._window import Axis, Bins, Window


@dataclasses.dataclass(frozen=True)
class Stage:
    """A small window over what the stages within it gave, and what its taps add to the index of the whole."""

    window: Window
    unit: int = 1  # what one cell along the axis adds
    step: int = 1  # how many cells a tap is further than the last
    reach: int = 1  # how many cells lie behind one tap
    pads: Mapping[int, tuple[int, int]] = dataclasses.field(default_factory=dict)  # for the next stage

    def number(self, tap: int) -> int:
        """What a tap of this stage adds to the index of the whole."""
        return tap * self.step * self.unit

    def split(self, index: Array) -> tuple[Array, Array]:
        """The tap of this stage in an index of the whole, and the index that the stages within have left."""
        if self.window.taps == 1:  # the unit may be one more than the index can hold
            return lax.full_like(index, 0), index
        tap = index // lax.full_like(index, self.unit)
        if self.reach > 1:  # the first tap that reaches the cell
            last = lax.full_like(index, self.reach - 1)
            tap = lax.max(tap, last) - last + lax.full_like(index, self.step - 1)
            tap = tap // lax.full_like(index, self.step)
        return tap, index - tap * lax.full_like(index, self.number(1))


# What is an expression for each cell of a window takes long to compile with more.
MOST_AT_ONCE = 64

# Whether one stage reads all cells of the windows along an axis.
InOne = Callable[[Axis], bool]


def up_to(most: int) -> InOne:
    """Up to so many cells for each step of the window, and few enough to compile."""
    return lambda axis: axis.size <= min(most * axis.stride, MOST_AT_ONCE)


def unless_cheaper(cells: float, *, disjoint: bool = False) -> InOne:
    """Unless two stages read fewer cells for each one of the axis, and the pass itself counts as so many."""

    def in_one(axis: Axis) -> bool:
        return axis.size / axis.stride <= _in_two(axis, disjoint)[0] + cells

    return in_one


def in_stages(
    window: Window,
    most_taps: int,
    in_one: InOne | None = None,
    *,
    disjoint: bool = False,
    outermost_first: bool = False,
    pad_early: bool = False,
) -> list[Stage]:
    """The window in stages, the first one first.

    Args:
      window: the whole window.
      most_taps: up to this many taps are one stage; more are one for each axis.
      in_one: whether one stage is enough along an axis; `None` where it always is.
      disjoint: whether windows of the first of two stages may not share cells, which are added.
      outermost_first: the order of the axes. Only with the innermost first is the first element in row-major
        order the first in each stage.
      pad_early: whether each stage writes the padding of the next one; for values alone.
    """
    if window.taps <= most_taps:
        return [Stage(window)]
    stages = []
    for d in window.pooled if outermost_first else reversed(window.pooled):
        axis, unit = window.pooled[d], window.tap_strides[d]
        if isinstance(axis, Bins) or axis.size < 4 or in_one is None or in_one(axis):
            stages.append(Stage(_line(window, d, axis), unit))
        else:
            _, inner, outer, step = _in_two(axis, disjoint)
            stages.append(Stage(_line(window, d, inner), unit))
            stages.append(Stage(_line(window, d, outer), unit, step, inner.size))
    return _padded_early(stages) if pad_early else stages


def _line(window: Window, dimension: int, axis: Axis | Bins) -> Window:
    return Window(tuple(axis if d == dimension else None for d in range(len(window.axes))))


@functools.cache
def _in_two(axis: Axis, disjoint: bool) -> tuple[float, Axis, Axis, int]:
    """Small windows, a window over these, and how many taps they are apart: where the fewest cells are read.

    How many these are for each cell of the axis comes first. The small windows need not start at each cell,
    where the large ones do not.
    """
    choices = []
    for stride in (n for n in range(1, axis.stride + 1) if axis.stride % n == 0):
        for step in range(1, axis.size):
            size = step + (axis.size - step) % step
            if step * axis.dilation % stride or (disjoint and size > step):
                continue
            taps = (axis.size - size) // step + 1
            choices.append((size / stride + taps / axis.stride, size, taps, stride, step))
    cost, size, taps, stride, step = min(choices)
    inner = Axis(axis.length, size, stride, axis.dilation, axis.low, axis.high)
    outer = Axis(inner.windows, taps, axis.stride // stride, step * axis.dilation // stride)
    return cost, inner, outer, step


def _padded_early(stages: list[Stage]) -> list[Stage]:
    """Leaves the padding of a stage to the one before it, which writes it for nothing: then no taps lack."""
    for i in range(1, len(stages)):
        ((d, axis),) = stages[i].window.pooled.items()
        stages[i - 1] = dataclasses.replace(stages[i - 1], pads={d: (axis.low, axis.high)})
        stages[i] = dataclasses.replace(stages[i], window=stages[i].window.replace(d, axis.padded()))
    return stages
