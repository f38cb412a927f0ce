"""What pools of regions have in common: reading boxes, sampling between cells, putting channels in place."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxpool._arguments import as_integers, static_length
from jaxpool._lowering.settle import settle
from jaxpool._ops._arrays import as_array, as_real
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.rows import take_rows


class Layout(NamedTuple):
    """Where the axes of inputs are: some of a batch, those of space, and channels, if any."""

    rank: int
    batch: tuple[int, ...]
    channel: int | None  # the dimension

    def channels_last(self, inputs: Array) -> Array:
        """The inputs as (*batch, *spatial, channels)."""
        return inputs[..., None] if self.channel is None else jnp.moveaxis(inputs, self.channel, -1)

    def tables(self, images: Array, *, joined: bool) -> Array:
        """Images of channels last as tables of rows: one for all of them, or one for each."""
        tables = () if joined else self.batch
        cells = math.prod(images.shape[len(tables) : -1])
        return images.reshape(math.prod(tables), cells, images.shape[-1])

    def restored(self, result: Array) -> Array:
        """A result of channels last with the channels where the inputs have them."""
        if self.channel is None:
            return result[..., 0]
        behind = len(self.batch) + self.rank - self.channel
        # Regions come behind a batch.
        return jnp.moveaxis(result, -1, -1 - behind if behind <= self.rank else self.channel)


@dataclasses.dataclass(frozen=True)
class Regions:
    """Boxes, by the table of rows that they are sampled from.

    Attributes:
      boxes: of shape (tables, regions, 2, axes), low and high along each axis, in the order of the axes.
      image: which of the images in its table each region is in; (tables, regions).
      indexed: whether boxes name their image: then one table has all images, and results have no batch.
    """

    boxes: Array
    image: Array
    indexed: bool

    @property
    def rank(self) -> int:
        return self.boxes.shape[-1]


def as_arrays(inputs: Any, boxes: Any, box_indices: Any) -> tuple[Array, Array, Array | None]:
    indices = None if box_indices is None else as_array("box_indices", box_indices)
    return as_real("inputs", inputs), as_real("boxes", boxes), indices


def read_regions(
    inputs: Array,
    boxes: Array,
    indices: Array | None,
    output_shape: tuple[int, ...],
    channel_axis: Any,
    *,
    axes_first_to_last: bool = False,
) -> tuple[Regions, Layout]:
    """The boxes, checked beside the output shape, and the layout of the inputs that they fit."""
    array = boxes
    if array.ndim < 2 or array.shape[-1] % 2 or not array.shape[-1]:
        raise ValueError(
            f"boxes must have the shape (..., regions, 2 * spatial axes), such as (8, 4), got {array.shape}."
        )
    rank = array.shape[-1] // 2
    layout = read_layout(inputs, rank, channel_axis)
    as_integers("output_shape", output_shape, minimum=1, length=rank)
    dtype = np.promote_types(accumulation_dtype(array.dtype), accumulation_dtype(inputs.dtype))
    array = array.astype(dtype).reshape(*array.shape[:-1], 2, rank)
    if not axes_first_to_last:
        array = array[..., ::-1]
    if indices is None:
        if array.shape[:-3] != layout.batch:
            raise ValueError(
                f"boxes must have the batch {layout.batch} of the inputs before their regions where "
                f"box_indices is None, got the shape {boxes.shape}."
            )
        array = array.reshape(math.prod(layout.batch), *array.shape[-3:])
        return Regions(array, jnp.zeros(array.shape[:2], np.int32), False), layout
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise TypeError(f"box_indices must be an array of integers, got {indices.dtype}.")
    if len(layout.batch) != 1:
        raise ValueError(f"inputs must have one batch axis with box_indices, got {len(layout.batch)}.")
    if array.ndim != 3 or indices.shape != array.shape[:1]:
        raise ValueError(
            "boxes and box_indices must have the shapes (regions, 2 * spatial axes) and (regions,), got "
            f"{boxes.shape} and {indices.shape}."
        )
    indices = indices.astype(np.int32)
    # Regions of no image are nowhere.
    exists = (indices >= 0) & (indices < layout.batch[0])
    array = jnp.where(exists[:, None, None], array, np.nan)
    image = jnp.where(exists, indices, 0)
    return Regions(array[None], image[None], True), layout


def read_layout(inputs: Array, rank: int, channel_axis: Any) -> Layout:
    channel = None
    if channel_axis is not None:
        channel = operator.index(channel_axis)
        if not -inputs.ndim <= channel < inputs.ndim:
            raise ValueError(
                f"channel_axis must be an axis of inputs of shape {inputs.shape}, got {channel}."
            )
        channel %= inputs.ndim
    others = [n for d, n in enumerate(inputs.shape) if d != channel]
    if len(others) < rank:
        raise ValueError(
            f"inputs must have {rank} spatial axes beside the channels for boxes of {2 * rank} numbers, got "
            f"the shape {inputs.shape}."
        )
    for length in others[len(others) - rank :]:
        if static_length(length) == 0:
            raise ValueError(f"inputs must have no empty spatial axis, got the shape {inputs.shape}.")
    return Layout(rank, tuple(others[: len(others) - rank]), channel)


class Taps(NamedTuple):
    """The cells of one axis that results are made of: (taps, tables, regions, bins), each inside the axis."""

    cells: Array
    weights: Array

    def of(self, tap: Any) -> Taps:
        return Taps(self.cells[tap], self.weights[tap])


def between(coordinates: Array, length: Array | int, margin: int) -> Taps:
    """The two cells beside each coordinate, by linear interpolation; of no weight beyond the margin.

    A coordinate beyond the centre of the last cell, but within the margin, is on that centre.

    Args:
      coordinates: of shape (..., tables, regions, bins).
      length: of the axis, a number or (tables, regions).
      margin: how far outside an axis a coordinate may be.

    Returns:
      Taps with a first dimension of 2.
    """
    last = jnp.asarray(length - 1, coordinates.dtype)
    last = last.reshape([1] * (coordinates.ndim - 1 - last.ndim) + [*last.shape, 1])
    inside = (coordinates >= -margin) & (coordinates <= last + margin)
    place = jnp.clip(jnp.where(inside, coordinates, 0), 0, last)
    low = jnp.clip(jnp.floor(place), 0, jnp.maximum(last - 1, 0))
    share = place - low
    cells = jnp.stack([low, jnp.minimum(low + 1, last)]).astype(np.int32)
    return Taps(cells, jnp.where(inside[None], jnp.stack([1 - share, share]), 0))


def sample(
    tables: Array, first: Array, axes: Sequence[Taps], steps: Sequence[Array | int], shift: Array | int = 0
) -> Array:
    """The sums over the products of what each axis reads.

    Args:
      tables: rows of shape (tables, cells, channels).
      first: the row of the first cell of each region's image, (tables, regions).
      axes: what is read along each axis.
      steps: how many rows lie from a cell to the next one along each axis, a number or (tables, regions).
      shift: what each bin adds to its rows.

    Returns:
      An array of shape (tables, regions, *bins, channels), in the precision of sums.
    """
    rank = len(axes)

    def spread(array: Array, axis: int) -> Array:
        """(taps, tables, regions, bins) with an axis for the taps and one for the bins of each axis."""
        others = [d for d in range(rank) if d != axis]
        return jnp.expand_dims(array, [*others, *(rank + 2 + d for d in others)])

    def along_regions(value: Array | int) -> Array:
        shape = np.shape(value) or (1, 1)
        return jnp.reshape(value, (*[1] * rank, *shape, *[1] * rank)).astype(np.int32)

    terms = [spread(taps.cells, d) * along_regions(steps[d]) for d, taps in enumerate(axes)]
    places = functools.reduce(operator.add, terms, along_regions(first))
    places += jnp.reshape(shift, (*[1] * (rank + 2), *(np.shape(shift) or [1] * rank)))
    weights = functools.reduce(operator.mul, [spread(taps.weights, d) for d, taps in enumerate(axes)])
    shape = places.shape[rank:]
    weights, places = (_merged(array, rank) for array in (weights, places))
    weights, places = settle((weights.astype(accumulation_dtype(tables.dtype)), places.astype(np.int32)))
    total = take_rows(tables, weights, places)
    return total.reshape(*shape, tables.shape[-1])


def _merged(array: Array, rank: int) -> Array:
    """(*taps, tables, regions, *bins) as (tables, taps, results), in steps that explicit meshes follow."""
    shape = array.shape[rank:]
    array = jnp.moveaxis(array.reshape(math.prod(array.shape[:rank]), *shape), 0, 1)
    return array.reshape(*array.shape[:2], math.prod(shape[1:]))


def own_channels(channels: int, bins: int) -> int:
    """How many channels each of the bins has of its own."""
    if channels % bins:
        raise ValueError(
            f"inputs must have a number of channels that the {bins} bins divide, got {channels}."
        )
    return channels // bins


def steps_of(lengths: Sequence[int], unit: int = 1) -> list[int]:
    """How many rows lie from a cell to the next one along each axis, in row-major order."""
    return [unit * math.prod(lengths[d + 1 :]) for d in range(len(lengths))]


def placed(result: Array, regions: Regions, layout: Layout, dtype: Any) -> Array:
    """(tables, regions, *bins, channels) with the batch and the channels of the inputs."""
    batch = () if regions.indexed else layout.batch
    return layout.restored(result.reshape(*batch, *result.shape[1:])).astype(dtype)
