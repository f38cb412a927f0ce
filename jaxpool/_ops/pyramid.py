"""Pyramids: what pools of several sizes make of one array, side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal, SupportsIndex, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer, as_integers, as_sequence, is_integer
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_bool, mean_dtype
from jaxpool._ops.adaptive import adaptive_avg_pool, adaptive_max_pool
from jaxpool._ops.max_min import as_ordered, max_pool
from jaxpool._ops.whole import global_avg_pool, global_max_pool
from jaxpool._precision import accumulation_dtype
from jaxpool._window import spatial_axes

# A number of bins along every spatial axis, or one for each.
Level = SupportsIndex | Sequence[SupportsIndex]
Reduction = Literal["avg", "max"]


@public
def spatial_pyramid_pool(
    inputs: ArrayLike,
    levels: Sequence[Level] = (1, 2, 4),
    *,
    reduction: Reduction = "max",
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by spatial pyramid pooling: in bins of several sizes, to one vector for inputs of any size.

    With levels of $O_1, \dots, O_L$ bins,

    $$ y = \big[ \operatorname{vec} P_{O_1}(x), \dots, \operatorname{vec} P_{O_L}(x) \big], $$

    where $P_O$ is `adaptive_max_pool` or `adaptive_avg_pool` with $O$ bins along each spatial axis.

    - The vector has one level after the other, in the order of `levels`. Within a level, bins and channels
      lie as in the inputs: with channels last, bins in row-major order and the channels of a bin next to each
      other; with channels first, all bins of a channel next to each other, as PyTorch flattens them.
    - Of a sequence it is temporal pyramid pooling.
    - Ties, NaN, infinities, masks and low precision are as in `adaptive_max_pool` and `adaptive_avg_pool`.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype, or complex for
        averages.
      levels: the number of bins of each level: an int for every spatial axis, or a tuple such as `(2, 3)`
        with one for each. A tuple says how many spatial axes there are; with ints alone it is all axes but
        that of channels and the first of the others, as in `global_avg_pool`; inside `vmap`, which hides
        the batch, write tuples.
      reduction: `"max"` or `"avg"`.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      The vectors, of shape `(*batch, length)` with as many elements for each channel as the levels have bins.
      The dtype is that of the inputs; integers and bools promote as in `jnp.mean` for averages.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, or a pooled axis is empty.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 4.0, 2.0, 3.0])[None, :, None]
      >>> jaxpool.spatial_pyramid_pool(x, (1, 2))
      Array([[4., 4., 3.]], dtype=float32)
      >>> jaxpool.spatial_pyramid_pool(jnp.ones((8, 13, 17, 256)), (4, 2, 1)).shape
      (8, 5376)

    References:
      He, Zhang, Ren and Sun, "Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition",
      2014.
    """
    array, pool = as_array("inputs", inputs), _pool_of(reduction, adaptive_avg_pool, adaptive_max_pool)
    shapes = _shapes_of(levels, array.ndim, channel_axis)
    spatial = spatial_axes(array.ndim, len(shapes[0]), channel_axis)
    inner = set(spatial) if channel_axis is None else {*spatial, channel_axis % array.ndim}
    outer = [d for d in range(array.ndim) if d not in inner]
    pooled = (pool(array, shape, channel_axis=channel_axis, where=where) for shape in shapes)
    rows = [lax.collapse(level.transpose(*outer, *sorted(inner)), len(outer)) for level in pooled]
    return jnp.concatenate(rows, -1)


@overload
def pyramid_pool(
    inputs: ArrayLike,
    levels: Sequence[Level] = (1, 2, 3, 6),
    *,
    resize: Literal[True] = True,
    reduction: Reduction = "avg",
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array: ...
@overload
def pyramid_pool(
    inputs: ArrayLike,
    levels: Sequence[Level] = (1, 2, 3, 6),
    *,
    resize: Literal[False],
    reduction: Reduction = "avg",
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> tuple[Array, ...]: ...
@public
def pyramid_pool(
    inputs: ArrayLike,
    levels: Sequence[Level] = (1, 2, 3, 6),
    *,
    resize: bool = True,
    reduction: Reduction = "avg",
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array | tuple[Array, ...]:
    r"""Pools in bins of several sizes and puts the results, resized, beside the inputs, as PSPNet does.

    With levels of $O_1, \dots, O_L$ bins,

    $$ y = \big[ x, R(P_{O_1}(x)), \dots, R(P_{O_L}(x)) \big] $$

    along channels, where $P_O$ is `adaptive_avg_pool` or `adaptive_max_pool` with $O$ bins along each spatial
    axis, and $R$ interpolates linearly between the centers of bins, back to the size of the inputs. Beyond
    the outermost centers it is constant.

    - $R$ is `jax.image.resize(..., "linear", antialias=False)`, and in PyTorch
      `interpolate(..., mode="bilinear", align_corners=False)`; but a NaN or an infinity reaches only the
      cells up to the centers of its bin's neighbours.
    - PSPNet has a convolution between $P$ and $R$. `resize=False` gives what $P$ does.
    - float16 and bfloat16 are pooled and interpolated in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype, or complex for
        averages.
      levels: the number of bins of each level: an int for every spatial axis, or a tuple such as `(2, 3)`
        with one for each. A tuple says how many spatial axes there are; with ints alone it is all axes but
        that of channels and the first of the others, as in `global_avg_pool`; inside `vmap`, which hides
        the batch, write tuples.
      resize: whether to resize and concatenate, or to return the pooled arrays.
      reduction: `"avg"` or `"max"`.
      channel_axis: the axis of channels, along which results are concatenated; without `resize` it may be
        `None` where there is none. The spatial axes are the last ones once it is set aside.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no part in a
        bin, and is without harm there if it is NaN. The inputs beside the bins stay what they are.

    Returns:
      An array of shape `(*batch, *spatial, channels * (1 + len(levels)))` and of the inputs' dtype; integers
      and bools promote as in `jnp.mean`. Without `resize`, a tuple with the result of
      `adaptive_avg_pool` or `adaptive_max_pool` for each level.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, a pooled axis is empty, or there are no channels
        to concatenate along.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 2.0, 6.0, 8.0])[None, :, None]
      >>> jaxpool.pyramid_pool(x, (1, 2))[0].T
      Array([[0. , 2. , 6. , 8. ],
             [4. , 4. , 4. , 4. ],
             [1. , 2.5, 5.5, 7. ]], dtype=float32)
      >>> [level.shape for level in jaxpool.pyramid_pool(jnp.ones((8, 60, 60, 64)), resize=False)]
      [(8, 1, 1, 64), (8, 2, 2, 64), (8, 3, 3, 64), (8, 6, 6, 64)]

    References:
      Zhao, Shi, Qi, Wang and Jia, "Pyramid Scene Parsing Network", 2017.
    """
    array, pool = as_array("inputs", inputs), _pool_of(reduction, adaptive_avg_pool, adaptive_max_pool)
    shapes = _shapes_of(levels, array.ndim, channel_axis)
    if not as_bool("resize", resize):
        return tuple(pool(array, shape, channel_axis=channel_axis, where=where) for shape in shapes)
    spatial = spatial_axes(array.ndim, len(shapes[0]), channel_axis)
    array = array.astype(mean_dtype(array))
    wide = array.astype(accumulation_dtype(array.dtype))
    lengths = tuple((d, array.shape[d]) for d in spatial)
    bins = (pool(wide, shape, channel_axis=channel_axis, where=where) for shape in shapes)
    resized = [_resized(level, lengths) for level in bins]
    return _beside(array, *(level.astype(array.dtype) for level in resized), channel_axis=channel_axis)


@public
def strip_pool(
    inputs: ArrayLike,
    *,
    reduction: Reduction = "avg",
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> tuple[Array, ...]:
    r"""Pools to strips: for each spatial axis, all that lies along the others.

    For the spatial axes $H$ and $W$,

    $$ y_h = \frac{1}{W} \sum_w x_{h w}, \qquad y_w = \frac{1}{H} \sum_h x_{h w}, $$

    or the maxima.

    - The first strip is as long as the first spatial axis, and so on. The other axes stay with length 1, so
      that strips broadcast with each other and with the inputs.
    - Of one spatial axis the strip is the inputs themselves.
    - Ties, NaN, infinities, masks and low precision are as in `global_avg_pool` and `global_max_pool`.

    Args:
      inputs: an array of shape `(batch, *spatial, channels)`, of real, integer or bool dtype, or complex for
        averages.
      reduction: `"avg"` or `"max"`.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are all but it and the
        first of the others, as in `global_avg_pool`, also inside `vmap`.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      A tuple with as many strips as there are spatial axes, such as `(batch, height, 1, channels)` and
      `(batch, 1, width, channels)`. The dtype is that of the inputs; integers and bools promote as in
      `jnp.mean` for averages.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: there is no spatial axis, or no such axis of channels.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]])[None, ..., None]
      >>> rows, columns = jaxpool.strip_pool(x)
      >>> rows[0, :, 0, 0], columns[0, 0, :, 0]
      (Array([3., 1.], dtype=float32), Array([0.5, 1.5, 4. ], dtype=float32))

    References:
      Hou, Zhang, Cheng and Feng, "Strip Pooling: Rethinking Spatial Pooling for Scene Parsing", 2020.
    """
    array, pool = as_array("inputs", inputs), _pool_of(reduction, global_avg_pool, global_max_pool)
    spatial = spatial_axes(array.ndim, _spatial_count(array.ndim, channel_axis), channel_axis)
    others = ([other for other in spatial if other != d] for d in spatial)
    return tuple(pool(array, axes, where=where, keepdims=True) for axes in others)


@public
def fast_pyramid_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex] = (5, 5),
    *,
    times: SupportsIndex = 3,
    channel_axis: int = -1,
) -> Array:
    r"""Pools by taking the maximum, several times in a row, and puts all results beside the inputs.

    With `max_pool` of stride 1 and `"SAME"` padding as $M$,

    $$ y = \big[ x, M(x), M(M(x)), \dots \big] $$

    along channels. With an odd window of $k$ cells, the $n$th result is the maximum of a window of
    $n (k - 1) + 1$ cells: of 5, 9 and 13 by default.

    - At ties the gradient goes through the first element of each of the pools in a row, which need not be the
      first one of the large window.
    - A NaN makes all windows NaN that it is in. float16 and bfloat16 add gradients in float32 in each pool.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      window_shape: the window's size along each spatial axis, such as `(5, 5)`.
      times: how many pools there are.
      channel_axis: the axis of channels, along which results are concatenated. The spatial axes are the last
        ones once it is set aside.

    Returns:
      An array of shape `(*batch, *spatial, channels * (1 + times))` and of the inputs' dtype.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, or there are no channels to concatenate along.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([5.0, 1.0, 4.0, 2.0, 3.0])[:, None]
      >>> jaxpool.fast_pyramid_pool(x, (3,), times=2).T
      Array([[5., 1., 4., 2., 3.],
             [5., 5., 4., 4., 3.],
             [5., 5., 5., 4., 4.]], dtype=float32)

    References:
      `SPPF` of Jocher, "YOLOv5", 2020; with windows side by side, Redmon and Farhadi's YOLOv3-SPP, 2018.
    """
    count = as_integer("times", times)
    if count < 1:
        raise ValueError(f"times must be at least 1, got {times!r}.")
    results = [as_ordered("inputs", inputs)]
    for _ in range(count):
        results.append(max_pool(results[-1], window_shape, padding="SAME", channel_axis=channel_axis))
    return _beside(*results, channel_axis=channel_axis)


def _pool_of(reduction: str, average: Callable, maximum: Callable) -> Callable:
    if reduction not in ("avg", "max"):
        raise ValueError(f"reduction must be 'avg' or 'max', got {reduction!r}.")
    return average if reduction == "avg" else maximum


def _shapes_of(levels: Sequence[Level], ndim: int, channel_axis: int | None) -> list[tuple[int, ...]]:
    """The number of bins along each spatial axis, for each level."""
    entries = as_sequence("levels", levels)
    if not entries:
        raise ValueError("levels must have at least one entry, got an empty sequence.")
    tuples = [as_integers("every tuple of levels", entry, 1) for entry in entries if not is_integer(entry)]
    rank = len(tuples[0]) if tuples else _spatial_count(ndim, channel_axis)
    if not rank or any(len(entry) != rank for entry in tuples):
        raise ValueError(f"levels must have tuples with one entry for each spatial axis, got {levels!r}.")
    return [
        as_integers("levels", (entry,), 1) * rank if is_integer(entry) else as_integers("levels", entry, 1)
        for entry in entries
    ]


def _spatial_count(ndim: int, channel_axis: int | None) -> int:
    """How many axes are spatial where nothing says so: all but that of channels and the first."""
    others = 1 if channel_axis is None else 2
    if ndim <= others:
        raise ValueError(
            f"inputs must have at least {others + 1} dimensions where all but the first and channel_axis="
            f"{channel_axis!r} are spatial, got {ndim}."
        )
    return ndim - others


def _beside(*arrays: Array, channel_axis: int | None) -> Array:
    """Arrays of one shape, side by side along channels."""
    if channel_axis is None:
        raise ValueError("channel_axis must be an int, for results are concatenated along it, got None.")
    return jnp.concatenate(arrays, channel_axis)


@functools.partial(jax.jit, static_argnums=1, inline=True)
def _resized(bins: Array, lengths: tuple[tuple[int, int], ...]) -> Array:
    for dimension, length in lengths:
        bins = _interpolated(bins, dimension, length)
    return bins


def _interpolated(bins: Array, dimension: int, length: int) -> Array:
    """Linear interpolation between the centers of bins along one dimension, at the centers of cells.

    A sum over bins, most of which weigh 0: there are few, and it is one loop forward and one backward, where
    the transpose of a gather would scatter. In a product with a matrix, a NaN would reach every cell; on the
    CPU it takes as long in (2, 60, 60, 512) with levels of 1, 2, 3 and 6, both forward and backward.
    """
    count = bins.shape[dimension]
    # In integers, 2 * length of them between two centers, so that no rounding lends a bin a weight.
    places = np.clip((2 * np.arange(length) + 1) * count - length, 0, 2 * length * (count - 1))
    distances = abs(places[:, None] - 2 * length * np.arange(count))
    weights = np.maximum(2 * length - distances, 0) / (2 * length)
    weights = weights.reshape([1] * dimension + [length, count] + [1] * (bins.ndim - dimension - 1))
    terms = weights.astype(bins.dtype) * jnp.expand_dims(bins, dimension)
    return jnp.sum(jnp.where(weights > 0, terms, 0), dimension + 1)
