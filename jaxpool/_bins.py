"""The geometry of irregular windows: adaptive bins, and the random windows of fractional pooling."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._arguments import as_integers, as_sequence, static_length
from jaxpool._shards import refuse_layout
from jaxpool._window import Axis, Bins, Window, spatial_axes


def adaptive_window(
    shape: Sequence[int], output_shape: Sequence[SupportsIndex | None], channel_axis: int | None
) -> Window:
    """The windows that divide each axis in so many bins."""
    refuse_layout()
    sizes = as_sequence("output_shape", output_shape)
    spatial = spatial_axes(len(shape), len(sizes), channel_axis)
    axes: list[Axis | Bins | None] = [None] * len(shape)
    places: list[Any] = []
    for d, size in zip(spatial, sizes, strict=True):
        if size is None:
            continue
        length, (windows,) = static_length(shape[d]), as_integers("output_shape", (size,), 1)
        if not length:
            raise ValueError(f"inputs must have elements along the pooled axes, got shape {tuple(shape)}.")
        if length % windows == 0:
            axes[d] = Axis(length, length // windows, length // windows)
            continue
        i = np.arange(windows)
        starts, stops = i * length // windows, -(-(i + 1) * length // windows)
        cover = max(np.bincount(np.concatenate([np.arange(*bin) for bin in zip(starts, stops, strict=True)])))
        axes[d] = Bins(length, windows, int(max(stops - starts)), int(cover))
        others = tuple(e for e in range(len(shape)) if e != d)
        places += [np.expand_dims(ends.astype(np.int32), others) for ends in (starts, stops)]
    return Window(tuple(axes), tuple(places))


def fractional_window(
    shape: Sequence[int],
    window_shape: Sequence[SupportsIndex] | None,
    output_shape: Sequence[SupportsIndex],
    channel_axis: int | None,
    *,
    pseudo_random: bool,
    overlapping: bool,
) -> FractionalWindow:
    """The windows of fractional pooling, checked."""
    refuse_layout()
    outputs = as_integers("output_shape", output_shape, 1)
    n = len(outputs)
    spatial = spatial_axes(len(shape), n, channel_axis)
    lengths = [static_length(shape[d]) for d in spatial]
    axes: list[Bins | None] = [None] * len(shape)
    if not pseudo_random:
        if overlapping:
            raise ValueError("overlapping must be False without pseudo_random, got True.")
        sizes = as_integers("window_shape", window_shape, 1, n)
        if any(
            size + output - 1 > length for size, output, length in zip(sizes, outputs, lengths, strict=True)
        ):
            raise ValueError(
                "output_shape must let each window start elsewhere, at most inputs - window + 1 of them, "
                f"got {outputs} for a window_shape of {sizes} and a spatial shape of {tuple(lengths)}."
            )
        for d, length, windows, size in zip(spatial, lengths, outputs, sizes, strict=True):
            step = (length - size) / max(windows - 1, 1)
            misplaced = 4 * float(np.finfo(np.float32).eps) * length  # at most, by the rounding of starts
            cover = min(windows, math.floor((size + misplaced) / max(step, 1)) + 1)
            axes[d] = Bins(length, windows, size, cover)
        return FractionalWindow(Window(tuple(axes)), pseudo_random, overlapping)
    if window_shape is not None:
        raise ValueError(
            "window_shape must be None with pseudo_random, where windows reach from one start to the next, "
            f"got {window_shape!r}."
        )
    if any(output > length for output, length in zip(outputs, lengths, strict=True)):
        raise ValueError(
            f"output_shape must be at most the spatial shape {tuple(lengths)} of the inputs, got {outputs}."
        )
    for d, length, windows in zip(spatial, lengths, outputs, strict=True):
        size = min(length // windows + 1 + overlapping, length)
        axes[d] = Bins(length, windows, size, min(1 + overlapping, windows))
    return FractionalWindow(Window(tuple(axes)), pseudo_random, overlapping)


@dataclasses.dataclass(frozen=True)
class FractionalWindow:
    """Windows whose starts are drawn at random along some dimensions.

    Attributes:
      window: all that is known of them without the samples.
      pseudo_random: whether windows are drawn as TensorFlow does, or as PyTorch.
      overlapping: whether a window includes the first cell of the next one.
    """

    window: Window
    pseudo_random: bool
    overlapping: bool

    def drawn(self, samples: Array) -> Window:
        """The windows drawn by one sample in [0, 1) for each axis: (..., axes)."""
        draw = self._as_tensorflow if self.pseudo_random else self._as_pytorch
        places = [
            place
            for i, d in enumerate(self.window.bins)
            for place in draw(self.window.pooled[d], lax.index_in_dim(samples, i, -1, keepdims=False), d)
        ]
        return Window(self.window.axes, tuple(places))

    def _as_pytorch(self, bins: Bins, sample: Array, dimension: int) -> tuple[Array, Array]:
        last = bins.length - bins.size
        numbers = lax.broadcasted_iota(sample.dtype, self._shape(sample, bins, dimension), dimension)
        step = np.array(last, sample.dtype) / np.array(max(bins.windows - 1, 1), sample.dtype)
        starts = jnp.floor((numbers + sample) * step) - jnp.floor(sample * step)
        starts = jnp.where(numbers == bins.windows - 1, np.array(last, sample.dtype), starts)
        starts = jnp.minimum(starts, np.array(last, sample.dtype)).astype(np.int32)
        return starts, starts + bins.size

    def _as_tensorflow(self, bins: Bins, sample: Array, dimension: int) -> tuple[Array, Array]:
        length, windows = bins.length, bins.windows
        size, step = length // windows, length / windows
        most = min((size + 2) / step - 1, (length + 1 - size) / step - (windows - 1))
        # Above 0, as in the paper: at 0 a window of no cells could come out.
        sample = jnp.maximum(sample * most, np.array(np.finfo(np.float32).tiny, sample.dtype))
        numbers = lax.broadcasted_iota(np.int32, self._shape(sample, bins, dimension), dimension)
        # step * (number + sample), with what is whole kept out of the rounding.
        rest = (numbers * length % windows).astype(sample.dtype)
        within = jnp.ceil((rest + sample * length) / windows).astype(np.int32) - 1
        starts = jnp.where(numbers == 0, 0, numbers * length // windows + within)
        rest, first = (lax.slice_in_dim(starts, *ends, axis=dimension) for ends in ((1, None), (0, 1)))
        stops = jnp.concatenate([rest, lax.full_like(first, length)], dimension)
        return starts, jnp.minimum(stops + 1, length) if self.overlapping else stops

    def _shape(self, sample: Array, bins: Bins, dimension: int) -> list[int]:
        return [bins.windows if d == dimension else n for d, n in enumerate(sample.shape)]
