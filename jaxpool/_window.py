"""The geometry of windows: plain, hashable integers, worked out once from what the user wrote.

Everything a user can get wrong about a window is found here; below this file, geometry is trusted.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, SupportsIndex, TypeAlias, TypedDict

import jax
import numpy as np

from jaxpool._arguments import as_integer, as_integers, as_sequence, is_integer, static_length
from jaxpool._elsewhere import public

Padding: TypeAlias = (
    str | SupportsIndex | Sequence[SupportsIndex] | Sequence[tuple[SupportsIndex, SupportsIndex]]
)

# What the sum of a window is divided by: nothing, a number, or its count of elements or of all cells.
Divisor: TypeAlias = int | Literal["elements", "cells"] | None


class WindowOptions(TypedDict, total=False):
    """The keyword arguments that every windowed pool shares."""

    window_dilation: Sequence[SupportsIndex] | None
    ceil_mode: bool
    channel_axis: int | None


@dataclasses.dataclass(frozen=True)
class Axis:
    """How a window slides along one dimension of an array."""

    length: int
    size: int
    stride: int = 1
    dilation: int = 1
    low: int = 0
    high: int = 0
    overhang: int = 0
    """How many of the `high` cells of padding `ceil_mode` added beyond those that were asked for."""

    places: ClassVar[int] = 0

    @property
    def extent(self) -> int:
        return (self.size - 1) * self.dilation + 1

    @property
    def windows(self) -> int:
        return (self.length + self.low + self.high - self.extent) // self.stride + 1

    @property
    def tiles(self) -> bool:
        """Whether the windows cover the axis without overlap, gap, padding or rest."""
        dense = self.size == self.stride and self.dilation == 1
        return dense and not (self.low or self.high or self.length % self.size)

    @property
    def inside(self) -> bool:
        """Whether all cells of windows are elements."""
        return not (self.low or self.high)

    @property
    def whole(self) -> bool:
        """Whether the only window is the axis itself."""
        return self.size == self.length and self.dilation == 1 and not (self.low or self.high)

    def padded(self) -> Axis:
        """The same windows over an array that has the padding."""
        return Axis(self.length + self.low + self.high, self.size, self.stride, self.dilation)

    def with_windows_around(self) -> tuple[Axis, tuple[int, int]]:
        """As many windows more at both ends as all cells have the same taps, and how many they are."""
        last = self.length - 1 + self.low
        low = max(-(-(self.extent - 1 - self.low) // self.stride), 0)
        high = max(last // self.stride - self.windows + 1, 0)
        pads = {"low": self.low + low * self.stride, "high": self.high + high * self.stride}
        return dataclasses.replace(self, **pads), (low, high)

    def first_taps(self) -> np.ndarray:
        """The first tap of each window that is an element and not padding; 0 where none is."""
        starts = np.arange(self.windows) * self.stride - self.low
        return np.where(self.element_counts() > 0, np.maximum(-(starts // self.dilation), 0), 0)

    @property
    def asked(self) -> tuple[int, int]:
        """The cells of padding at both ends that were asked for."""
        return self.low, self.high - self.overhang

    def element_counts(self, include_padding: bool = False) -> np.ndarray:
        """How many elements each window has; with `include_padding`, the padding asked for counts too."""
        low, high = self.asked if include_padding else (0, 0)
        starts = np.arange(self.windows) * self.stride - self.low
        # How many taps lie before each end; a table of windows by taps would take 16 MB for 4096 of each.
        first, last = (
            np.clip(-((starts - end) // self.dilation), 0, self.size) for end in (-low, self.length + high)
        )
        return last - first

    def cover_counts(self) -> np.ndarray:
        """How many windows each cell is in."""
        windows, taps = np.nonzero(self.holds())
        cells = windows * self.stride - self.low + taps * self.dilation
        return np.bincount(cells, minlength=self.length)

    def holds(self, low: int = 0, high: int = 0) -> np.ndarray:
        """Which taps of each window are elements, or lie in so much padding: (windows, taps)."""
        starts = np.arange(self.windows)[:, None] * self.stride - self.low
        positions = starts + np.arange(self.size) * self.dilation
        return (positions >= -low) & (positions < self.length + high)


@dataclasses.dataclass(frozen=True)
class Bins:
    """Windows of several starts and sizes along one dimension, in ascending order; none is empty.

    Where they start and stop is not known here: two arrays of integers go with the operand.
    """

    places: ClassVar[int] = 2

    length: int
    windows: int
    size: int
    """How many cells the largest window has."""
    cover: int
    """How many windows at most share a cell."""

    dilation = 1
    tiles = False
    whole = False

    def first_taps(self) -> np.ndarray:
        """The first tap of each window that is an element."""
        return np.zeros(self.windows, int)

    def element_counts(self, include_padding: bool = False) -> np.ndarray:
        """At least one for each window: how many is not known here."""
        return np.ones(self.windows, int)


@dataclasses.dataclass(frozen=True)
class Shard:
    """The windows of one device along a dimension that is split: an equal part of those of an axis.

    They slide over the cells that they need, `length` of them. Which part of the axis a device has is not
    known here: an array with the position of the first of these cells goes with the operand. Cells outside
    the array, which are there near its ends, are no elements.
    """

    axis: Axis
    devices: int

    places: ClassVar[int] = 1
    whole = False
    tiles = False

    @property
    def windows(self) -> int:
        return self.axis.windows // self.devices

    @property
    def step(self) -> int:
        """How many cells the windows of one device start behind those of the one before."""
        return self.windows * self.axis.stride

    @property
    def length(self) -> int:
        return (self.windows - 1) * self.axis.stride + self.axis.extent

    @property
    def size(self) -> int:
        return self.axis.size

    @property
    def dilation(self) -> int:
        return self.axis.dilation

    @property
    def local(self) -> Axis:
        """The windows, where all cells are elements."""
        return Axis(self.length, self.axis.size, self.axis.stride, self.axis.dilation)

    @property
    def inside(self) -> bool:
        """Whether all cells of all devices are elements."""
        return self.axis.inside

    def element_counts(self, include_padding: bool = False) -> np.ndarray:
        """How many elements each window of all devices has."""
        return self.axis.element_counts(include_padding)


@functools.partial(jax.tree_util.register_dataclass, data_fields=["places"], meta_fields=["axes"])
@dataclasses.dataclass(frozen=True)
class Window:
    """An `Axis`, `Bins` or `Shard` for every dimension of the array that is pooled, `None` for the others.

    For JAX it is a tree whose leaves are the places.
    """

    axes: tuple[Axis | Bins | Shard | None, ...]
    places: tuple[Any, ...] = ()
    """What is not known before the program runs: as many arrays of integers as each axis says."""

    @property
    def pooled(self) -> dict[int, Any]:
        """The dimensions that the window slides along."""
        return {d: axis for d, axis in enumerate(self.axes) if axis is not None}

    @property
    def unplaced(self) -> Window:
        """All that is known of the window before the program runs."""
        return Window(self.axes)

    @property
    def place_count(self) -> int:
        return sum(axis.places for axis in self.pooled.values())

    @property
    def place_of(self) -> dict[int, tuple[Any, ...]]:
        """The arrays that place the window along each pooled dimension."""
        arrays = iter(self.places)
        return {d: tuple(itertools.islice(arrays, axis.places)) for d, axis in self.pooled.items()}

    @property
    def bins(self) -> list[int]:
        """The dimensions whose windows are irregular, in order."""
        return [d for d, axis in enumerate(self.axes) if isinstance(axis, Bins)]

    @property
    def shards(self) -> dict[int, Shard]:
        """The dimensions that are split among devices."""
        return {d: axis for d, axis in enumerate(self.axes) if isinstance(axis, Shard)}

    @property
    def local(self) -> Window:
        """The window where all cells of this device are elements."""
        return Window(tuple(axis.local if isinstance(axis, Shard) else axis for axis in self.axes))

    @property
    def whole(self) -> bool:
        """Whether there is one window along each pooled dimension, all of it."""
        return bool(self.pooled) and all(axis.whole for axis in self.pooled.values())

    @property
    def tiles(self) -> bool:
        """Whether the windows cover the array without overlap, gap, padding or rest."""
        return all(axis.tiles for axis in self.pooled.values())

    @property
    def taps(self) -> int:
        """How many cells a window has; they are numbered in row-major order."""
        return math.prod(axis.size for axis in self.pooled.values())

    @property
    def tap_strides(self) -> dict[int, int]:
        """What one step along each pooled dimension adds to the number of a tap."""
        sizes = {d: axis.size for d, axis in self.pooled.items()}
        return {d: math.prod(n for e, n in sizes.items() if e > d) for d in sizes}

    @property
    def index_dtype(self) -> np.dtype:
        """The smallest unsigned integer that numbers every tap."""
        return np.min_scalar_type(self.taps - 1)

    def output_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self._shape(shape, "windows")

    def input_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return self._shape(shape, "length")

    def _shape(self, shape: Sequence[int], lengths: str) -> tuple[int, ...]:
        return tuple(n if a is None else getattr(a, lengths) for a, n in zip(self.axes, shape, strict=True))

    def replace(self, dimension: int, axis: Axis | Bins | Shard) -> Window:
        """The window with another axis along one dimension."""
        return Window((*self.axes[:dimension], axis, *self.axes[dimension + 1 :]))

    def insert(self, dimension: int) -> Window:
        """The same window for arrays that have one more dimension."""
        return Window((*self.axes[:dimension], None, *self.axes[dimension:]))

    def only(self, *dimensions: int) -> Window:
        """The part of the window that slides along these dimensions."""
        axes = tuple(axis if d in dimensions else None for d, axis in enumerate(self.axes))
        places = (arrays for d, arrays in self.place_of.items() if d in dimensions)
        return Window(axes, tuple(itertools.chain.from_iterable(places)))

    def inner(self, shape: Sequence[Any]) -> int:
        """How many elements lie next to each other behind the last pooled axis, such as channels.

        An array whose number of channels is symbolic is taken for one of 64.
        """
        return math.prod(
            n if isinstance(n, int) else 64 for n in shape[max(self.pooled, default=len(shape)) + 1 :]
        )

    def by_axis(self) -> list[Window]:
        """The window, or one along each axis, for what pools the results of the one before, innermost first.

        That is where there are three times as many cells as along the axes, or more than 64. On the CPU,
        forward and backward in (16, 56, 56, 64) over the time of x + 1, of sums that weigh each cell, at once
        and by axis: 5x5/2 9.0 and 11.9, 5x5/1 (2.5 times as many) 15 and 17, 7x7/1 (3.5) 29 and 22.
        """
        if not self.pooled:
            return [self]
        lines, strides = 0, 1
        for axis in self.local.pooled.values():
            lines += axis.size * strides
            strides *= axis.stride
        if self.whole or (self.taps <= 64 and self.taps < 3 * lines):
            return [self]
        return [self.only(d) for d in reversed(self.pooled)]


@public
def output_shape(
    input_shape: Sequence[SupportsIndex],
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
) -> tuple[int, ...]:
    r"""The shape that a windowed pool returns, in plain integers.

    Along each spatial axis, with input length $i$, window $k$, stride $s$, dilation $d$ and
    padding $(l, h)$,

    $$ o = \left\lfloor \frac{i + l + h - d(k - 1) - 1}{s} \right\rfloor + 1. $$

    With `ceil_mode` the quotient is rounded up, and a last window that would start beyond the input
    and its low padding is dropped, as in PyTorch and ONNX.

    Args:
      input_shape: the shape of the array to pool, `(*batch, *spatial, channels)`.
      window_shape: the window's size along each spatial axis.
      strides: the step between windows along each spatial axis; `None` is 1.
      padding: `"VALID"`, `"SAME"`, `"SAME_LOWER"`, `"CAUSAL"`, an int, a sequence of ints, or a
        sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether a window that overhangs the end still counts.
      channel_axis: the axis of channels; `None` where there is none.

    Returns:
      The output's shape, as a tuple of ints.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, or a window fits nowhere.

    Example:
      >>> import jaxpool
      >>> jaxpool.output_shape((32, 55, 55, 96), (3, 3), (2, 2))
      (32, 27, 27, 96)
      >>> jaxpool.output_shape((1, 6, 6, 1), (3, 3), (2, 2), ceil_mode=True)
      (1, 3, 3, 1)
    """
    shape = as_integers("input_shape", input_shape, minimum=0)
    window = make_window(
        shape,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )
    return window.output_shape(shape)


def make_window(
    shape: Sequence[int],
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
) -> Window:
    """Checks what the user wrote and turns it into a `Window` for arrays of this shape."""
    sizes = as_integers("window_shape", window_shape, minimum=1)
    if not sizes:
        raise ValueError("window_shape must have at least one entry, got an empty sequence.")
    if 2 < len(sizes) == len(shape) and sizes[0] == 1 and channel_axis is not None:
        raise ValueError(
            "window_shape must have entries for spatial axes, and none for batch and channels, got "
            f"{sizes} for inputs of {len(shape)} dimensions."
        )
    spatial = spatial_axes(len(shape), len(sizes), channel_axis)
    n = len(sizes)
    steps = (1,) * n if strides is None else as_integers("strides", strides, 1, n)
    dilations = (1,) * n if window_dilation is None else as_integers("window_dilation", window_dilation, 1, n)
    if not isinstance(ceil_mode, bool | np.bool_):
        raise TypeError(f"ceil_mode must be a bool, got {ceil_mode!r}.")
    lengths = [static_length(shape[d]) for d in spatial]
    pads = as_pads(padding, lengths, sizes, steps, dilations)
    axes: list[Axis | None] = [None] * len(shape)
    for dimension, *axis in zip(spatial, lengths, sizes, steps, dilations, pads, strict=True):
        axes[dimension] = _axis(*axis, ceil_mode=bool(ceil_mode))
    return Window(tuple(axes))


def spatial_axes(ndim: int, window_ndim: int, channel_axis: int | None) -> tuple[int, ...]:
    """The dimensions that a window of `window_ndim` axes slides along, in order."""
    channels = 0 if channel_axis is None else 1
    if ndim < window_ndim + channels:
        raise ValueError(
            f"inputs must have at least {window_ndim + channels} dimensions for {window_ndim} spatial axes "
            f"and channel_axis={channel_axis!r}, got {ndim}."
        )
    dimensions = list(range(ndim))
    if channel_axis is not None:
        position = as_integer("channel_axis", channel_axis)
        if not -ndim <= position < ndim:
            raise ValueError(
                f"channel_axis must be None or an int from {-ndim} to {ndim - 1} for inputs of {ndim} "
                f"dimensions, got {channel_axis!r}."
            )
        del dimensions[position]
    return tuple(dimensions[-window_ndim:])


def _axis(
    length: int, size: int, stride: int, dilation: int, pads: tuple[int, int], *, ceil_mode: bool
) -> Axis | None:
    low, high = pads
    extent = (size - 1) * dilation + 1
    room = length + low + high - extent
    windows = (room + stride - 1 if ceil_mode else room) // stride + 1
    if ceil_mode and (windows - 1) * stride >= length + low:
        windows -= 1
    if windows < 1:
        raise ValueError(
            f"window_shape must fit the padded inputs: a window of {size} with dilation {dilation} spans "
            f"{extent} cells, but the spatial axis has {length} and padding {pads}."
        )
    # Only padding that some window touches is kept: the rest would be carried along for nothing.
    touched = max((windows - 1) * stride + extent - length - low, 0)
    axis = Axis(length, size, stride, dilation, low, touched, max(touched - high, 0))
    return None if axis == Axis(length, 1) else axis


def as_pads(
    padding: Any,
    lengths: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    minimum: int | None = 0,
) -> tuple[tuple[int, int], ...]:
    """The cells of padding at both ends of each axis, of at least the minimum where there is one."""
    if isinstance(padding, str):
        return tuple(
            _named_pads(padding, *axis) for axis in zip(lengths, sizes, strides, dilations, strict=True)
        )
    n = len(sizes)
    if is_integer(padding):
        padding = (padding,) * n
    entries = as_sequence("padding", padding, n)
    pairs = []
    for entry in entries:
        if is_integer(entry):
            entry = (entry, entry)
        pairs.append(as_integers("each entry of padding", entry, minimum, 2))
    return tuple(pairs)


def _named_pads(name: str, length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
    extent = (size - 1) * dilation + 1
    total = max((-(-length // stride) - 1) * stride + extent - length, 0)
    match name.upper():
        case "VALID":
            return (0, 0)
        case "SAME":
            return (total // 2, total - total // 2)
        case "SAME_LOWER":
            return (total - total // 2, total // 2)
        case "CAUSAL":
            return (extent - 1, 0)
    raise ValueError(
        "padding must be 'VALID', 'SAME', 'SAME_LOWER', 'CAUSAL', an int, a sequence of ints or a "
        f"sequence of (low, high) pairs, got {name!r}."
    )
