"""Pools drawn at random, as evenly over all kinds of arrays and windows as numbers of any size allow."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from benchmarks.cases import AnyCase, Case, Resizing

_MIB = 2**20
_WINDOWED = ("max", "max", "min", "avg", "avg", "sum", "lp", "soft", "median")
_RESIZING = (
    "adaptive_max",
    "adaptive_avg",
    *(f"global_{name}" for name in ("max", "avg", "sum", "lp", "logsumexp")),
)
_WINDOWS = {1: 31, 2: 31, 3: 9}  # the largest of each rank
_TAPS = {"soft": 49}  # of what takes as many operations as a window has elements


def draw(seed: int, number: int, megabytes: tuple[float, float] = (1, 64)) -> AnyCase:
    """The pool of this number; the same for a seed whatever was drawn before."""
    random = _Random(seed, number)
    dtype = random.choice("float32", "float32", "bfloat16", "float16")
    rank = random.choice(1, 2, 2, 2, 3)
    axis = random.choice(-1, -1, 1, None)
    channels = 1 if axis is None else random.channels()
    elements = (
        random.between(*megabytes) * _MIB / np.dtype("float32" if dtype == "float32" else "int16").itemsize
    )
    batch = random.integer(1, 32)
    place = _Place(dtype, axis, batch, channels, random.sides(rank, elements / batch / channels))
    if random.choice(*[True] * 4, False):
        return _windowed(random, place)
    function = random.choice(*_RESIZING)
    adaptive = function.startswith("adaptive")
    output = tuple(random.integer(1, min(side, 64)) for side in place.sides) if adaptive else ()
    return Resizing(f"{function}_pool", place.shape, output, dtype=dtype, channel_axis=axis)


@dataclasses.dataclass(frozen=True)
class _Place:
    dtype: str
    axis: int | None
    batch: int
    channels: int
    sides: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        shape = [self.batch, *self.sides]
        if self.axis is not None:
            shape.insert(self.axis % (len(shape) + 1), self.channels)
        return tuple(shape)


def _windowed(random: _Random, place: _Place) -> Case:
    name, rank = random.choice(*_WINDOWED), len(place.sides)
    window = random.window(rank)
    if name == "median":
        window = (3,) * min(rank, 2) + (1,) * (rank - 2)
    while math.prod(window) > _TAPS.get(name, math.inf):
        window = tuple(math.ceil(size / 2) for size in window)
    window = tuple(min(size, side) for size, side in zip(window, place.sides, strict=True))
    dilated = random.choice(*[False] * 5, True)
    dilation = tuple(
        random.integer(1, max(1, min(3, side // size)))
        for size, side in zip(window, place.sides, strict=True)
    )
    reach = [d * (size - 1) + 1 for d, size in zip(dilation if dilated else (1,) * rank, window, strict=True)]
    once = random.choice(True, True, False)
    strides = tuple(random.integer(1, size) for size in window)
    strides = tuple(min(strides[0], size) for size in window) if once else strides
    padding = random.choice("none", "same", "half")
    pads = {
        "none": [(0, 0)] * rank,
        "same": [((size - 1) // 2, size // 2) for size in reach],
        "half": [(min(window[i], reach[i]) // 2,) * 2 for i in range(rank)],
    }[padding]
    return Case(
        f"{name}_pool",
        place.shape,
        window,
        strides,
        tuple(pads),
        place.dtype,
        place.axis,
        dilation if dilated and max(dilation) > 1 else (),
        random.choice(*[False] * 5, True),
    )


class _Random:
    def __init__(self, seed: int, number: int) -> None:
        self._generator = np.random.default_rng([seed, number])

    def choice(self, *values: Any) -> Any:
        return values[self._generator.integers(len(values))]

    def between(self, low: float, high: float) -> float:
        """A number of which each size is as likely as each other."""
        return math.exp(self._generator.uniform(math.log(low), math.log(high)))

    def integer(self, low: int, high: int) -> int:
        return min(high, int(self.between(low, high + 1)))

    def channels(self) -> int:
        """From 1 to 1024, of which half are multiples of 8 or 16, or powers of 2."""
        count = self.integer(1, 1024)
        if self.choice(True, False):
            return count | 1
        return math.ceil(count / 16) * 16 if count > 16 else 2 ** math.ceil(math.log2(count))

    def sides(self, rank: int, elements: float) -> tuple[int, ...]:
        """Sides of as many elements; the longest is up to a few times as long as the shortest."""
        shape = [self.between(1, 3) for _ in range(rank)]
        scale = (max(elements, 3**rank) / math.prod(shape)) ** (1 / rank)
        return tuple(max(3, round(scale * side)) for side in shape)

    def window(self, rank: int) -> tuple[int, ...]:
        """Of one size along all axes, or not."""
        sizes = [self.integer(2, _WINDOWS[rank]) for _ in range(rank)]
        return tuple(sizes[:1] * rank if self.choice(True, True, False) else sizes)
