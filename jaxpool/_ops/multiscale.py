"""Regions sampled from the level of a feature pyramid that suits their size."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer, as_integers
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_bool, as_number, as_real
from jaxpool._ops._regions import (
    as_arrays,
    placed,
    read_layout,
    read_regions,
    steps_of,
)
from jaxpool._ops._samples import averages, grid_of, samples_of


@public
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
    _, boxes, indices = as_arrays(levels[0], boxes, box_indices)
    return _multiscale_roi_align(
        [as_real("features", level) for level in levels],
        boxes,
        indices,
        bins=as_integers("output_shape", output_shape, minimum=1),
        pixels=as_integers("image_shape", image_shape, minimum=1),
        canonical=(
            as_number("canonical_scale", canonical_scale),
            as_integer("canonical_level", canonical_level),
        ),
        grid=grid_of(sampling_ratio, max_sampling_ratio),
        aligned=as_bool("aligned", aligned),
        channel_axis=channel_axis,
    )


@functools.partial(
    jax.jit, static_argnames=("bins", "pixels", "canonical", "grid", "aligned", "channel_axis")
)
def _multiscale_roi_align(
    features: list[Array],
    boxes: Array,
    indices: Array | None,
    *,
    bins: tuple[int, ...],
    pixels: tuple[int, ...],
    canonical: tuple[float, int],
    grid: tuple[int, bool],
    aligned: bool,
    channel_axis: Any,
) -> Array:
    regions, layout = read_regions(features[0], boxes, indices, bins, channel_axis)
    rank = regions.rank
    images = [read_layout(level, rank, channel_axis).channels_last(level) for level in features]
    kinds = {(image.shape[: -rank - 1], image.shape[-1], image.dtype) for image in images}
    if len(kinds) > 1:
        raise ValueError(
            "features must have the same batch, channels and dtype in all levels, got "
            f"{[(level.shape, str(level.dtype)) for level in features]}."
        )
    lengths = np.array([image.shape[-rank - 1 : -1] for image in images])
    strides = _strides(lengths, as_integers("image_shape", pixels, minimum=1, length=rank))
    level = _level(regions.boxes, strides, *canonical)

    def of_level(values: np.ndarray) -> Array:
        return jnp.asarray(values.astype(np.int32))[level]

    scale = jnp.asarray(1 / strides, regions.boxes.dtype)[level]
    here = [of_level(along) for along in lengths.T]
    axes = samples_of(regions.boxes, scale[..., None, None], aligned, bins, here, grid)
    cells = lengths.prod(axis=1)
    first = regions.image * int(cells.sum()) + of_level(np.cumsum(cells) - cells)
    steps = [of_level(step) for step in np.array([steps_of(row) for row in lengths]).T]
    joined = jnp.concatenate([image.reshape(*layout.batch, -1, image.shape[-1]) for image in images], -2)
    tables = layout.tables(joined, joined=regions.indexed)
    return placed(averages(tables, first, axes, steps), regions, layout, features[0].dtype)


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
