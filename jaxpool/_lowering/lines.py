"""The last pooled axis and the channels behind it as one axis, for loops over few channels are no vectors.

Where windows begin at each cell, those of a channel have its cells, which are as many places apart as there
are channels: a dilated window of the line.
"""

from __future__ import annotations

import dataclasses
import math

from jax import Array, lax

from jaxpool._lowering.native import partitioned
from jaxpool._window import Axis, Window


@dataclasses.dataclass(frozen=True)
class Line:
    """A window over an axis that has been merged with the channels behind it."""

    window: Window
    channels: tuple[int, ...]

    def merge(self, array: Array) -> Array:
        """The array with a line in place of the axis and the channels."""
        last = len(self.window.axes) - 1
        # Else what gives the array is computed anew for each tap, from places that take divisions to find:
        # the gradient of medians of (4, 300, 301, 3) takes 13 ms and not 3.
        array = lax.optimization_barrier(array)
        return array.reshape(*array.shape[:last], array.shape[last] * math.prod(self.channels))

    def split(self, array: Array) -> Array:
        """The array with the axis and the channels in place of the line."""
        *outer, length = array.shape
        return array.reshape(*outer, length // math.prod(self.channels), *self.channels)


def line_of(window: Window, shape: tuple[int, ...]) -> Line | None:
    """The line of windows that begin at each cell; devices that an array is split over would gather it."""
    last = max(window.pooled, default=-1)
    axis = window.axes[last] if window.pooled else None
    if not isinstance(axis, Axis) or axis.stride > 1 or partitioned.get():
        return None
    channels = shape[last + 1 :]
    step = math.prod(channels)
    line = Axis(axis.length * step, axis.size, 1, axis.dilation * step, axis.low * step, axis.high * step)
    return Line(Window((*window.axes[:last], line)), channels)
