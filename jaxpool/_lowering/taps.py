"""What a pass reads: sources, and the taps of blocks of results, along each axis a slice or gathered."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.positions import take

_NEVER = -(2**20)  # less than any number of a tap, and so is the sum of a few


@dataclasses.dataclass(frozen=True)
class Source:
    """An array that results are folded from, and what stands for elements where there are none.

    Where nothing may, the padding is `None`, and the array is never padded. Where any element may, what is
    gathered need not be masked.
    """

    array: Array
    padding: Any = 0
    masked: bool = True

    def padded(self, pads: Mapping[int, tuple[int, int]]) -> Source:
        if not any(low or high for low, high in pads.values()):
            return self
        config = [(*pads.get(d, (0, 0)), 0) for d in range(self.array.ndim)]
        padding = lax.convert_element_type(self.padding, self.array.dtype)
        return dataclasses.replace(self, array=lax.pad(self.array, padding, config))


@dataclasses.dataclass(frozen=True)
class Part:
    """A tap along one axis: where its slice of the source starts; how many results at each end lack it."""

    number: int
    start: int
    low: int
    high: int


@dataclasses.dataclass(frozen=True)
class Gathered:
    """A tap along one axis by the element that it is for each result; where `holds` is false, any element."""

    number: int | Array | np.ndarray
    position: Array | np.ndarray
    holds: Array | np.ndarray | None  # `None` where all results have it

    def of(self, start: int, stop: int, dimension: int) -> Gathered:
        """The tap for some of the results."""
        position = lax.slice_in_dim(self.position, start, stop, axis=dimension)
        holds = None if self.holds is None else lax.slice_in_dim(self.holds, start, stop, axis=dimension)
        number = self.number
        if not isinstance(number, int):
            number = lax.slice_in_dim(number, start, stop, axis=dimension)
        return Gathered(number, position, holds)


@dataclasses.dataclass(frozen=True)
class Run:
    """Neighbouring results along one axis and their taps, which are `step` cells of the source apart.

    They are `length` results from `start` on, `apart` from each other: windows, or the cells of a phase.
    """

    start: int
    apart: int
    length: int
    step: int
    parts: tuple[Part | Gathered, ...]


@dataclasses.dataclass(frozen=True)
class Tap:
    """A tap of a block of results, and its number in the window."""

    parts: Mapping[int, tuple[Run, Any]]
    strides: Mapping[int, int]

    @property
    def number(self) -> int:
        """The number of the tap, where it is the same for all results."""
        return sum(part.number * self.strides[d] for d, (_, part) in self.parts.items())

    def number_like(self, array: Array) -> Array:
        """The number of the tap for each result."""
        numbers = [part.number * self.strides[d] for d, (_, part) in self.parts.items()]
        total = lax.full_like(array, sum(number for number in numbers if isinstance(number, int)))
        for number in numbers:
            if not isinstance(number, int):
                total = lax.add(total, jnp.broadcast_to(number.astype(array.dtype), array.shape))
        return total

    def is_at(self, numbers: Array) -> Array:
        """Where the numbers are that of the tap, and there is one."""
        total = lax.full_like(numbers, 0, np.int32)
        for d, (_, part) in self.parts.items():
            number = np.int32(self.strides[d]) * part.number
            if isinstance(part, Gathered) and part.holds is not None:
                where = np.where if isinstance(part.holds, np.ndarray) else jnp.where
                number = where(part.holds, number, np.int32(_NEVER))
            total = lax.add(total, jnp.broadcast_to(number, total.shape))
        return lax.eq(numbers.astype(np.int32), total)

    def read(self, source: Source) -> Array:
        """The element of the source at this tap, for each result."""
        slices = {d: (run, part) for d, (run, part) in self.parts.items() if isinstance(part, Part)}
        start, stop, step = [0] * source.array.ndim, list(source.array.shape), [1] * source.array.ndim
        for d, (run, part) in slices.items():
            held = run.length - part.low - part.high
            start[d], stop[d], step[d] = part.start, part.start + (held - 1) * run.step + 1, run.step
        elements = Source(lax.slice(source.array, start, stop, step), source.padding)
        elements = elements.padded({d: (part.low, part.high) for d, (_, part) in slices.items()}).array
        gathered = {d: part for d, (_, part) in self.parts.items() if d not in slices}
        if not gathered:
            return elements
        elements = take(elements, {d: part.position for d, part in gathered.items()})
        holds = [part.holds for part in gathered.values() if part.holds is not None]
        if not (holds and source.masked):
            return elements
        # Broadcast one by one, for a constant of two axes would be as large as the image.
        everywhere = functools.reduce(lax.bitwise_and, (jnp.broadcast_to(h, elements.shape) for h in holds))
        return lax.select(everywhere, elements, lax.full_like(elements, source.padding))


@dataclasses.dataclass(frozen=True)
class Block:
    """Results that are folded together: one run along each axis."""

    runs: Mapping[int, Run]
    tap_strides: Mapping[int, int]

    def taps(self) -> Iterator[Tap]:
        """The taps that any of the results have, in the window's row-major order."""
        for parts in itertools.product(*(run.parts for run in self.runs.values())):
            paired = {d: (run, part) for (d, run), part in zip(self.runs.items(), parts, strict=True)}
            yield Tap(paired, self.tap_strides)

    def full(self, source: Source, value: Any, dtype: Any = None) -> Array:
        """A block that holds one value; of the source's dtype where no other is given."""
        shape = [self.runs[d].length if d in self.runs else n for d, n in enumerate(source.array.shape)]
        return lax.full(shape, value, dtype or source.array.dtype)

    def of(self, results: Array) -> Array:
        """The block's part of an array of results."""
        for d, run in self.runs.items():
            stop = run.start + (run.length - 1) * run.apart + 1
            results = lax.slice_in_dim(results, run.start, stop, run.apart, d)
        return results

    def along(self, dimension: int, numbers: np.ndarray) -> np.ndarray:
        """The block's part of one number for each result along a dimension."""
        run = self.runs.get(dimension)
        return numbers if run is None else numbers[run.start :: run.apart][: run.length]
