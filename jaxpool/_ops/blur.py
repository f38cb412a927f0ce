"""Anti-aliased pools: a binomial filter removes what the coarser grid cannot show."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer, as_integers, static_length
from jaxpool._elsewhere import public
from jaxpool._lowering.settle import settle
from jaxpool._ops._arrays import along_pooled, as_array, as_mask, masked, mean_dtype
from jaxpool._ops._smooth import or_one
from jaxpool._ops._taps import weigh_taps
from jaxpool._ops.max_min import as_ordered, max_pool
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import on_each_device
from jaxpool._window import Axis, Padding, Shard, Window, spatial_axes

# What is beyond the ends: the cells inside in mirror order, the last one, nothing, or those of the other end.
BlurPadding: TypeAlias = Literal["REFLECT", "EDGE", "ZERO", "WRAP"]


@public
def blur_pool(
    inputs: ArrayLike,
    filter_size: int = 3,
    strides: Sequence[SupportsIndex] = (2, 2),
    padding: BlurPadding = "REFLECT",
    *,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging with a binomial filter, which keeps a coarser grid from aliasing.

    With filter size $n$, stride $s$ and $l = \lfloor (n - 1) / 2 \rfloor$ along each spatial axis,

    $$ y_o = \sum_{i=0}^{n-1} b_i x_{o s + i - l}, \qquad b_i = 2^{1 - n} \binom{n - 1}{i}, $$

    one axis after the other. The filter is the average of two neighbours, $n - 1$ times: `(1, 2, 1) / 4` for
    3, `(1, 4, 6, 4, 1) / 16` for 5. With stride 1 it only blurs.

    - The output has $\lceil L / s \rceil$ cells along an axis of length $L$.
    - The weights of what `where` masks go to the others, in proportion; where it leaves nothing of a window
      the result is 0, without a gradient. Cells beyond the ends are masked as those that they repeat.
    - NaN and infinities reach the windows that contain them and no others.
    - float16 and bfloat16 are added in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any numeric
        dtype.
      filter_size: the filter's length along each spatial axis; 1 takes every `strides`-th cell, and 2 is
        `avg_pool`.
      strides: the step between windows along each spatial axis. There are as many spatial axes as strides.
      padding: what lies beyond the ends: `"REFLECT"` the cells inside in mirror order, without repeating the
        last one, `"EDGE"` the last cell, `"ZERO"` zeros, `"WRAP"` the cells of the other end.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      The blurred array, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, `padding` is none of the four, or an axis is too
        short to be reflected or wrapped.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 0.0, 4.0, 0.0, 0.0])[:, None]
      >>> jaxpool.blur_pool(x, 3, (1,))[:, 0]
      Array([0., 1., 2., 1., 0.], dtype=float32)
      >>> jaxpool.blur_pool(x, 3, (2,))[:, 0]
      Array([0., 2., 0.], dtype=float32)

    References:
      Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019, whose padding and filters these are.
    """
    array = as_array("inputs", inputs)
    size = as_integer("filter_size", filter_size)
    if size < 1:
        raise ValueError(f"filter_size must be at least 1, got {filter_size!r}.")
    if padding not in get_args(BlurPadding):
        raise ValueError(f"padding must be one of {', '.join(get_args(BlurPadding))}, got {padding!r}.")
    steps = as_integers("strides", strides, minimum=1)
    if not steps:
        raise ValueError("strides must have at least one entry, got an empty sequence.")
    low, high = (size - 1) // 2, size // 2
    axes: list[Axis | None] = [None] * array.ndim
    for d, step in zip(spatial_axes(array.ndim, len(steps), channel_axis), steps, strict=True):
        length = static_length(array.shape[d])
        if length < {"REFLECT": high + 1, "WRAP": high}.get(padding, 1):
            raise ValueError(
                f"inputs must have more cells along axis {d} for filter_size={size} and padding={padding!r}, "
                f"got {length}."
            )
        axes[d] = Axis(length, size, step, low=low, high=high)
    return on_each_device(_blur, array, Window(tuple(axes)), as_mask(where, array.shape), padding=padding)


@public
def max_blur_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    channel_axis: int | None = -1,
    filter_size: int = 3,
    blur_padding: BlurPadding = "REFLECT",
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the maximum around every cell, then blurs and takes every `strides`-th.

    $$ y = \operatorname{blur\_pool}_{n, s} \big( \operatorname{max\_pool}_{k, 1}(x) \big) $$

    A maximum pool of stride 2 keeps one of two grids and forgets the other; here what lies on the other is
    blurred into the one that is kept.

    - The maximum has the ties, NaN and low precision of `max_pool`, the blur those of `blur_pool`.
    - Windows of padding only, which have a maximum of -inf, spread it to the blurs that contain them; those
      of which `where` leaves nothing take no part.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      window_shape: the size of the maximum's window along each spatial axis, such as `(2, 2)`.
      strides: the step of the blur along each spatial axis; `None` is 1.
      padding: the maximum's: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the
        start), `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)`
        pairs.
      window_dilation: the step between the elements of the maximum's window; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      filter_size: the blur's length along each spatial axis.
      blur_padding: what the blur takes for cells beyond the ends: `"REFLECT"`, `"EDGE"`, `"ZERO"` or
        `"WRAP"`, as `blur_pool`.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      The blurred maxima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, a window fits nowhere, or an axis is too short to
        be reflected or wrapped.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.zeros((8, 1)).at[3].set(8.0)
      >>> for shifted in (x, jnp.roll(x, 1, 0)):
      ...     print(jaxpool.max_blur_pool(shifted, (2,), (2,))[:, 0])
      [0. 6. 2. 0.]
      [0. 2. 6. 0.]

    References:
      Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019: MaxBlurPool.
    """
    rank = len(as_integers("window_shape", window_shape, minimum=1))
    steps = as_integers("strides", (1,) * rank if strides is None else strides, 1, rank)
    array = as_ordered("inputs", inputs)
    mask = as_mask(where, array.shape)
    options: Any = {"window_dilation": window_dilation, "channel_axis": channel_axis}
    maxima = max_pool(array, window_shape, None, padding, where=mask, **options)
    if mask is not None:
        mask = max_pool(jnp.broadcast_to(mask, array.shape), window_shape, None, padding, **options)
    return blur_pool(maxima, filter_size, steps, blur_padding, channel_axis=channel_axis, where=mask)


@functools.partial(jax.jit, static_argnames="padding", inline=True)
def _blur(inputs: Array, window: Window, mask: Array | None, *, padding: BlurPadding) -> Array:
    inputs = inputs.astype(mean_dtype(inputs))
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    blurred = _filtered(masked(wide, mask, 0), window, padding)
    if mask is not None:
        # Of what is missing, so that padding counts as it does without a mask.
        weight = 1 - _filtered((~along_pooled(mask, wide, window)).astype(wide.dtype), window, padding)
        blurred = jnp.where(weight > 0, blurred / or_one(weight), lax.full_like(blurred, 0))
    return blurred.astype(inputs.dtype)


def _filtered(wide: Array, window: Window, padding: BlurPadding) -> Array:
    """The array, filtered along each axis in turn."""
    for d, axis in window.pooled.items():
        weights = [math.comb(axis.size - 1, tap) / 2 ** (axis.size - 1) for tap in range(axis.size)]
        wide = weigh_taps(settle(_pad(wide, window, d, padding)), window.only(d), weights)
    return wide


def _pad(array: Array, window: Window, dimension: int, padding: BlurPadding) -> Array:
    """The array with the cells that windows reach beyond its ends along a dimension."""
    axis = window.pooled[dimension]
    if isinstance(axis, Shard):
        return _fill(array, axis, jnp.reshape(window.place_of[dimension][0], ()), dimension, padding)
    if padding == "ZERO":
        pads = [(axis.low, axis.high, 0) if d == dimension else (0, 0, 0) for d in range(array.ndim)]
        return lax.pad(array, np.zeros((), array.dtype), pads)
    # By slices, for jnp.pad wants to know the lengths of other axes too, of which export leaves some open.
    below, above = (
        _beyond(array, dimension, padding, *ends) for ends in ((axis.low, False), (axis.high, True))
    )
    return lax.concatenate([*below, array, *above], dimension)


def _beyond(array: Array, dimension: int, padding: BlurPadding, count: int, at_end: bool) -> list[Array]:
    """So many cells beyond one end of an array."""
    if not count:
        return []
    length = array.shape[dimension]
    if padding == "WRAP":
        start = 0 if at_end else length - count
        return [lax.slice_in_dim(array, start, start + count, axis=dimension)]
    if padding == "REFLECT":
        start = length - 1 - count if at_end else 1
        return [lax.rev(lax.slice_in_dim(array, start, start + count, axis=dimension), (dimension,))]
    last = length - 1 if at_end else 0
    return [lax.slice_in_dim(array, last, last + 1, axis=dimension)] * count


def _fill(array: Array, shard: Shard, place: Array, dimension: int, padding: BlurPadding) -> Array:
    """The part of one device, where the cells beyond the ends of the whole array are there but empty."""
    if padding == "WRAP":
        raise ValueError("padding must not be 'WRAP' along an axis that is split over devices, got 'WRAP'.")
    if padding == "REFLECT" and shard.axis.size % 2 == 0 and shard.windows * shard.axis.stride == 1:
        raise ValueError(
            f"inputs must have more than one cell on each device along axis {dimension} to be reflected."
        )
    last = shard.axis.length - 1
    cells = place + lax.iota(np.int32, shard.length)
    inside = jnp.clip(cells, 0, last)
    if padding == "ZERO":
        here = lax.broadcast_in_dim(cells == inside, array.shape, (dimension,))
        return jnp.where(here, array, lax.full_like(array, 0))
    source = inside if padding == "EDGE" else last - jnp.abs(last - jnp.abs(cells))
    return jnp.take(array, source - place, axis=dimension, mode="clip")
