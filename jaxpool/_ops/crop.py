"""Boxes of an image, each resampled to the same shape, by TensorFlow's rules."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._arguments import as_integers
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_number
from jaxpool._ops._regions import (
    Taps,
    as_arrays,
    between,
    placed,
    read_regions,
    sample,
    steps_of,
)

Method = Literal["bilinear", "nearest"]


@public
def crop_and_resize(
    inputs: ArrayLike,
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    box_indices: ArrayLike | None = None,
    method: Method = "bilinear",
    extrapolation_value: float = 0.0,
    channel_axis: int | None = -1,
) -> Array:
    r"""Crops boxes and resizes each to the same shape, by linear interpolation.

    Boxes are normalised: along an axis of $I$ cells, 0 is the centre of the first and 1 that of the last.
    With a box from $l$ to $h$ and output length $o$, result $i$ is sampled at

    $$ \Big( l + \frac{i}{o - 1} (h - l) \Big) (I - 1), $$

    or, where $o = 1$, at the middle of the box.

    - What is sampled outside the array is `extrapolation_value`. So is a box with a NaN, or one whose index
      is out of range. A reversed box gives a reversed crop.
    - Differentiable in the inputs, and with linear interpolation in the boxes, where a sample crosses no
      centre of a cell.
    - float16 and bfloat16 are added in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype.
      boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
        `box_indices`: the lows and then the highs in the order of the axes, such as `(y1, x1, y2, x2)`, as in
        TensorFlow and unlike `roi_align`.
      output_shape: the length of the results along each spatial axis, such as `(14, 14)`.
      box_indices: integers of shape `(regions,)`: which image of a single batch axis each box is in; `None`
        where boxes have the batch of the inputs.
      method: `"bilinear"`, or `"nearest"` for the nearest cell.
      extrapolation_value: what is outside the array.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.

    Returns:
      The crops, of shape `(*batch, regions, *output_shape, channels)`, or `(regions, *output_shape,
      channels)` with `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, sign or name.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
      >>> jaxpool.crop_and_resize(x, jnp.array([[[0.0, 0.0, 0.5, 1.0]]]), (2, 3))[0, 0, ..., 0]
      Array([[0., 1., 2.],
             [3., 4., 5.]], dtype=float32)

    References:
      `tf.image.crop_and_resize`.
    """
    if method not in ("bilinear", "nearest"):
        raise ValueError(f'method must be "bilinear" or "nearest", got {method!r}.')
    return _crop(
        *as_arrays(inputs, boxes, box_indices),
        shape=as_integers("output_shape", output_shape, minimum=1),
        method=method,
        outside=as_number("extrapolation_value", extrapolation_value),
        channel_axis=channel_axis,
    )


@functools.partial(jax.jit, static_argnames=("shape", "method", "outside", "channel_axis"))
def _crop(
    inputs: Array,
    boxes: Array,
    indices: Array | None,
    *,
    shape: tuple[int, ...],
    method: Method,
    outside: float,
    channel_axis: Any,
) -> Array:
    regions, layout = read_regions(inputs, boxes, indices, shape, channel_axis, axes_first_to_last=True)
    images = layout.channels_last(inputs)
    lengths = images.shape[-regions.rank - 1 : -1]
    axes, inside = [], jnp.ones((1,) * (2 + regions.rank), bool)
    for d, length in enumerate(lengths):
        low, high = jnp.moveaxis(regions.boxes[..., d : d + 1] * (length - 1), 2, 0)
        share = np.linspace(0, 1, shape[d], dtype=low.dtype) if shape[d] > 1 else np.array([0.5], low.dtype)
        places = low + share.reshape(1, 1, -1) * (high - low)
        within = (places >= 0) & (places <= length - 1)
        axes.append(between(places, length, margin=0) if method == "bilinear" else _nearest(places, within))
        inside &= jnp.expand_dims(within, [2 + e for e in range(regions.rank) if e != d])
    first = regions.image * math.prod(lengths)
    crops = sample(layout.tables(images, joined=regions.indexed), first, axes, steps_of(lengths))
    return placed(jnp.where(inside[..., None], crops, outside), regions, layout, inputs.dtype)


def _nearest(places: Array, within: Array) -> Taps:
    # Halves are rounded away from 0, as TensorFlow does.
    cells = jnp.floor(jnp.where(within, places, 0) + 0.5).astype(np.int32)
    return Taps(cells[None], within[None].astype(places.dtype))
