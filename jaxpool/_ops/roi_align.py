"""Regions of an image sampled between its cells: RoIAlign and its kin."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer, as_integers
from jaxpool._lowering.order import precedes
from jaxpool._ops import _regions
from jaxpool._ops._arrays import as_bool, as_number, as_real
from jaxpool._ops._regions import Taps, between, placed, read_output_shape, read_regions, sample, steps_of
from jaxpool._precision import accumulation_dtype

Reduction = Literal["avg", "max"]


def roi_align(
    inputs: ArrayLike,
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    box_indices: ArrayLike | None = None,
    spatial_scale: float = 1.0,
    sampling_ratio: SupportsIndex | None = 2,
    max_sampling_ratio: SupportsIndex = 8,
    aligned: bool = True,
    reduction: Reduction = "avg",
    channel_axis: int | None = -1,
) -> Array:
    r"""Pools regions: divides each box into bins and averages samples of the inputs inside each bin.

    A box is divided into `output_shape` bins of equal size. Each has a grid of $g$ samples along each axis,
    which are interpolated linearly between the centres of the cells around them. Along one axis, with the box
    from $l$ to $h$, scaled by `spatial_scale`, and $o$ bins, sample $s$ of bin $i$ is at

    $$ l - \tfrac12 + \Big( i + \frac{s + \tfrac12}{g} \Big) \frac{h - l}{o} $$

    where cell $j$ is centred on $j$. The result is linear in the inputs, and a bin the product of one
    weighted sum along each axis.

    - Samples within one cell outside the array are moved to its edge; those further out count as 0, as in
      torchvision. So does a NaN in a box, and a region whose index is out of range: its result is 0 and has
      no gradient, so that a fixed number of boxes can be padded with the index -1.
    - A box of no extent, or reversed, is sampled as the formula says; with `sampling_ratio=None` it has no
      samples, and its result is 0.
    - With `reduction="max"` ties go to the first sample in row-major order, and a NaN makes its bin NaN.
    - Differentiable in the inputs and in the boxes, where a sample crosses no centre of a cell.
    - float16 and bfloat16 are added in float32, forward and backward, and rounded once.
    - On a GPU the gradient of the inputs adds with atomics, in no fixed order, as cells are in any number of
      boxes; on a CPU and a TPU all results are the same in every run.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype.
      boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
        `box_indices`: the lows and then the highs, each with the last axis first: `(x1, y1, x2, y2)`, as in
        torchvision.
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      box_indices: integers of shape `(regions,)`: which image of a single batch axis each box is in; `None`
        where boxes have the batch of the inputs.
      spatial_scale: how many cells of the inputs one unit of a box is, such as 1/16.
      sampling_ratio: the number of samples along each axis of a bin; `None` for as many as the bin has cells,
        rounded up, torchvision's -1.
      max_sampling_ratio: the most samples that a bin has with `sampling_ratio=None`.
      aligned: whether coordinates are those of the cells' edges, so that cell 0 reaches from 0 to 1. If not,
        they are those of centres, and boxes have an extent of at least 1: torchvision's default, and that of
        the first RoIAlign.
      reduction: `"avg"`, or `"max"` for the largest of a bin's samples.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.

    Returns:
      The regions, of shape `(*batch, regions, *output_shape, channels)`, or `(regions, *output_shape,
      channels)` with `box_indices`, with the channels where the inputs have them relative to the spatial
      axes. They have the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, sign or name.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
      >>> box = jnp.array([[[0.0, 0.0, 4.0, 2.0]]])  # the upper half
      >>> jaxpool.roi_align(x, box, (1, 2))[0, 0, ..., 0]
      Array([[2.5, 4.5]], dtype=float32)

    References:
      He et al., "Mask R-CNN", 2017. `torchvision.ops.roi_align`; ONNX `RoiAlign`, whose
      `coordinate_transformation_mode="output_half_pixel"` is `aligned=False`.
    """
    array = as_real("inputs", inputs)
    regions, layout = read_regions(array, boxes, box_indices, channel_axis)
    bins = read_output_shape(output_shape, regions.rank)
    grid = _grid(sampling_ratio, max_sampling_ratio)
    if reduction not in ("avg", "max"):
        raise ValueError(f'reduction must be "avg" or "max", got {reduction!r}.')
    images = layout.channels_last(array)
    lengths = images.shape[-regions.rank - 1 : -1]
    low, extent = _placement(
        regions.boxes, as_number("spatial_scale", spatial_scale), as_bool("aligned", aligned)
    )
    axes = [
        _bin_samples(low[..., d], extent[..., d], bins[d], lengths[d], *grid) for d in range(regions.rank)
    ]
    first = regions.image * math.prod(lengths)
    pool = _averages if reduction == "avg" else _maxima
    tables = layout.tables(images, joined=regions.indexed)
    return placed(pool(tables, first, axes, steps_of(lengths)), regions, layout, array.dtype)


def ps_roi_align(
    inputs: ArrayLike,
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    box_indices: ArrayLike | None = None,
    spatial_scale: float = 1.0,
    sampling_ratio: SupportsIndex | None = 2,
    max_sampling_ratio: SupportsIndex = 8,
    channel_axis: int = -1,
) -> Array:
    r"""Pools regions as `roi_align` does, each bin from channels of its own.

    With $B$ bins in all, result channel $c$ of bin $b$, in row-major order, averages samples of input channel
    $c B + b$.

    - Samples, padding with the index -1, boxes with a NaN, derivatives and low precision are those of
      `roi_align` with `aligned=True`.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype; the number of
        channels is a multiple of that of bins.
      boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
        `box_indices`, such as `(x1, y1, x2, y2)`; see `roi_align`.
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      box_indices: integers of shape `(regions,)`: which image each box is in; `None` where boxes have the
        batch of the inputs.
      spatial_scale: how many cells of the inputs one unit of a box is.
      sampling_ratio: the number of samples along each axis of a bin; `None` for as many as the bin has cells.
      max_sampling_ratio: the most samples that a bin has with `sampling_ratio=None`.
      channel_axis: the axis of channels.

    Returns:
      The regions, of shape `(*batch, regions, *output_shape, channels / bins)`, or without the batch with
      `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or channels are no multiple of the bins.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.broadcast_to(jnp.arange(4.0), (1, 6, 6, 4))
      >>> jaxpool.ps_roi_align(x, jnp.array([[[1.0, 1.0, 5.0, 5.0]]]), (2, 2))[0, 0, ..., 0]
      Array([[0., 1.],
             [2., 3.]], dtype=float32)

    References:
      Li et al., "Light-Head R-CNN", 2017. `torchvision.ops.ps_roi_align`.
    """
    array = as_real("inputs", inputs)
    regions, layout = read_regions(array, boxes, box_indices, as_integer("channel_axis", channel_axis))
    bins = read_output_shape(output_shape, regions.rank)
    grid = _grid(sampling_ratio, max_sampling_ratio)
    count = math.prod(bins)
    images = _regions.own_channels(layout.channels_last(array), count)
    lengths = images.shape[-regions.rank - 2 : -2]
    low, extent = _placement(regions.boxes, as_number("spatial_scale", spatial_scale), True)
    axes = [
        _bin_samples(low[..., d], extent[..., d], bins[d], lengths[d], *grid) for d in range(regions.rank)
    ]
    first = regions.image * (math.prod(lengths) * count)
    tables = layout.tables(images, joined=regions.indexed)
    shift = np.arange(count, dtype=np.int32).reshape(bins)
    result = _averages(tables, first, axes, steps_of(lengths, count), shift)
    return placed(result, regions, layout, array.dtype)


def multiscale_roi_align(
    features: Sequence[ArrayLike] | Mapping[str, ArrayLike],
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    image_shape: Sequence[SupportsIndex],
    box_indices: ArrayLike | None = None,
    canonical_scale: float = 224,
    canonical_level: SupportsIndex = 4,
    sampling_ratio: SupportsIndex | None = 2,
    max_sampling_ratio: SupportsIndex = 8,
    aligned: bool = False,
    channel_axis: int | None = -1,
) -> Array:
    r"""Pools regions as `roi_align` does, each from the level of a feature pyramid that suits its size.

    Level $k$ has $2^{-k}$ cells to a pixel, rounded to a power of two from the shapes of features and image.
    A box of area $A$ is pooled from level

    $$ k = \Big\lfloor k_0 + \log_2 \frac{\sqrt A}{s_0} + 10^{-6} \Big\rfloor $$

    or the nearest one that there is, with the canonical level $k_0$ and scale $s_0$.

    - All levels are read as one table of cells, so that each region is sampled once, whatever its level. The
      level is piecewise constant: boxes have the gradient of `roi_align` there.
    - A box of no area is pooled from the finest level, one with a NaN is 0.
    - Padding with the index -1, derivatives and low precision are those of `roi_align`.

    Args:
      features: the levels from fine to coarse, arrays of shape `(*batch, *spatial, channels)`, or a mapping
        to them in that order, such as one by name.
      boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
        `box_indices`, such as `(x1, y1, x2, y2)`, in pixels of the image; see `roi_align`.
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      image_shape: the number of pixels along each spatial axis of the image.
      box_indices: integers of shape `(regions,)`: which image each box is in; `None` where boxes have the
        batch of the features.
      canonical_scale: the size of a box that is pooled from the canonical level, in pixels.
      canonical_level: the logarithm of that level's stride: 4 for 16 pixels to a cell.
      sampling_ratio: the number of samples along each axis of a bin; `None` for as many as the bin has cells.
      max_sampling_ratio: the most samples that a bin has with `sampling_ratio=None`.
      aligned: as in `roi_align`; torchvision's class has `False`.
      channel_axis: the axis of channels; `None` where there is none.

    Returns:
      The regions, of shape `(*batch, regions, *output_shape, channels)`, or without the batch with
      `box_indices`, of the features' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or features are complex.
      ValueError: an argument has the wrong shape or sign, or levels differ in batch, channels or dtype, or
        are no halvings of each other.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> fine, coarse = jnp.full((1, 32, 32, 1), 2.0), jnp.full((1, 16, 16, 1), 3.0)
      >>> boxes = jnp.array([[[0.0, 0.0, 50.0, 50.0], [0.0, 0.0, 120.0, 120.0]]])
      >>> pooled = jaxpool.multiscale_roi_align(
      ...     [fine, coarse], boxes, (1, 1), image_shape=(128, 128), canonical_scale=100, canonical_level=3
      ... )
      >>> pooled[0, :, 0, 0, 0]
      Array([2., 3.], dtype=float32)

    References:
      Lin et al., "Feature Pyramid Networks for Object Detection", 2017, equation 1.
      `torchvision.ops.MultiScaleRoIAlign`.
    """
    levels = list(features.values() if isinstance(features, Mapping) else features)
    if not levels:
        raise ValueError("features must have at least one level, got none.")
    arrays = [as_real("features", level) for level in levels]
    regions, layout = read_regions(arrays[0], boxes, box_indices, channel_axis)
    rank, dtype = regions.rank, arrays[0].dtype
    bins, pixels = (
        read_output_shape(output_shape, rank),
        as_integers("image_shape", image_shape, minimum=1, length=rank),
    )
    grid = _grid(sampling_ratio, max_sampling_ratio)
    images = []
    for array in arrays:
        last = _regions.read_layout(array, rank, channel_axis).channels_last(array)
        if images and (last.shape[: -rank - 1], last.shape[-1], array.dtype) != (
            images[0].shape[: -rank - 1],
            images[0].shape[-1],
            dtype,
        ):
            raise ValueError(
                "features must have the same batch, channels and dtype in all levels, got "
                f"{[(a.shape, str(a.dtype)) for a in arrays]}."
            )
        images.append(last)
    lengths = np.array([image.shape[-rank - 1 : -1] for image in images])
    strides = _strides(lengths, pixels)
    level = _level(
        regions.boxes,
        strides,
        as_number("canonical_scale", canonical_scale),
        as_integer("canonical_level", canonical_level),
    )
    cells = lengths.prod(axis=1)
    joined = jnp.concatenate([image.reshape(*layout.batch, -1, image.shape[-1]) for image in images], -2)
    scale = jnp.asarray(1 / strides, regions.boxes.dtype)[level]
    low, extent = _placement(regions.boxes, scale[..., None, None], as_bool("aligned", aligned))
    here = [jnp.asarray(lengths[:, d], np.int32)[level] for d in range(rank)]
    axes = [_bin_samples(low[..., d], extent[..., d], bins[d], here[d], *grid) for d in range(rank)]
    offsets = np.concatenate([[0], np.cumsum(cells)[:-1]])
    first = regions.image * int(cells.sum()) + jnp.asarray(offsets, np.int32)[level]
    steps = [jnp.asarray(step, np.int32)[level] for step in np.array([steps_of(row) for row in lengths]).T]
    return placed(
        _averages(layout.tables(joined, joined=regions.indexed), first, axes, steps), regions, layout, dtype
    )


class _Samples(NamedTuple):
    """The samples of bins along one axis.

    Attributes:
      taps: the two cells of each sample, (samples, 2, tables, regions, bins).
      taken: which samples a region takes, (samples, tables, regions, 1).
      count: how many that are, (tables, regions, 1).
    """

    taps: Taps
    taken: Array
    count: Array


def _grid(sampling_ratio: Any, max_sampling_ratio: Any) -> tuple[int, bool]:
    """The most samples along an axis of a bin, and whether that many are taken of each."""
    most = as_integer("max_sampling_ratio", max_sampling_ratio)
    ratio = None if sampling_ratio is None else as_integer("sampling_ratio", sampling_ratio)
    for name, value in (("max_sampling_ratio", most), ("sampling_ratio", ratio)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    return (most, False) if ratio is None else (ratio, True)


def _placement(boxes: Array, scale: Any, aligned: bool) -> tuple[Array, Array]:
    """Where boxes begin, in coordinates of centres, and how far they extend."""
    low, high = jnp.moveaxis(boxes * scale - (0.5 if aligned else 0), -2, 0)
    return low, high - low if aligned else jnp.maximum(high - low, 1)


def _bin_samples(low: Array, extent: Array, bins: int, length: Any, most: int, fixed: bool) -> _Samples:
    low, size = (array[None, ..., None] for array in (low, extent / bins))
    count = jnp.full_like(size, most) if fixed else jnp.clip(jnp.ceil(size), 0, most)
    number = np.arange(most, dtype=low.dtype).reshape(-1, 1, 1, 1)
    position = np.arange(bins, dtype=low.dtype).reshape(1, 1, 1, -1)
    coordinates = low + (position + (number + 0.5) / jnp.maximum(count, 1)) * size
    taps = between(coordinates, length, margin=1)
    return _Samples(Taps(*(jnp.moveaxis(each, 0, 1) for each in taps)), number < count, count[0])


def _averages(tables: Array, first: Array, axes: Sequence[_Samples], steps: Any, shift: Any = 0) -> Array:
    taps = []
    for axis in axes:
        weights = jnp.where(
            axis.taken[:, None], axis.taps.weights / jnp.maximum(axis.count, 1)[None, None], 0
        )
        taps.append(Taps(*(each.reshape(-1, *each.shape[2:]) for each in (axis.taps.cells, weights))))
    return sample(tables, first, taps, steps, shift)


def _maxima(tables: Array, first: Array, axes: Sequence[_Samples], steps: Any) -> Array:
    def larger(best: Array, number: Array) -> tuple[Array, None]:
        value = sample(tables, first, [a.taps.of(n) for a, n in zip(axes, number, strict=True)], steps)
        taken = [
            jnp.expand_dims(a.taken[n], [2 + i for i in range(len(axes))])
            for a, n in zip(axes, number, strict=True)
        ]
        replaces = functools.reduce(operator.and_, taken) & precedes("max", value, best)
        return jnp.where(replaces, value, best), None

    numbers = np.array(list(np.ndindex(*(len(axis.taken) for axis in axes))))
    shape = (*first.shape, *(axis.taps.cells.shape[-1] for axis in axes), tables.shape[-1])
    lowest = jnp.full(shape, -np.inf, accumulation_dtype(tables.dtype))
    best, _ = lax.scan(larger, lowest, numbers)
    some = functools.reduce(operator.and_, (axis.count > 0 for axis in axes))
    return jnp.where(jnp.expand_dims(some, [2 + i for i in range(len(axes))]), best, 0)


def _strides(lengths: np.ndarray, pixels: Sequence[int]) -> np.ndarray:
    """How many pixels a cell of each level is, a power of two."""
    exponents = np.round(np.log2(np.array(pixels) / lengths))
    if (exponents != exponents[:, :1]).any() or (np.diff(exponents[:, 0]) != 1).any():
        raise ValueError(
            f"features must each have half the cells of the one before along each axis, for an image of "
            f"{tuple(pixels)} got {lengths.tolist()}."
        )
    return 2.0 ** exponents[:, 0]


def _level(boxes: Array, strides: np.ndarray, scale: float, canonical: int) -> Array:
    """Which of the levels each box is pooled from."""
    extents = boxes[..., 1, :] - boxes[..., 0, :]
    size = jnp.prod(extents, -1) ** (1 / extents.shape[-1])
    target = jnp.floor(canonical + jnp.log2(size / scale) + 1e-6)
    finest = round(math.log2(strides[0]))
    # A size of 0 has no finite logarithm, one of a NaN none at all.
    return jnp.nan_to_num(jnp.clip(target - finest, 0, len(strides) - 1)).astype(np.int32)
