"""Weights within segments, averages by them, and the foremost elements of each segment."""

from __future__ import annotations

import functools
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_broadcastable, as_real
from jaxpool._ops._segments import Segments, read_segments, wide
from jaxpool._ops._smooth import as_temperature, or_one
from jaxpool._ops.segment_moments import exponentials
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.rows import take_rows


@public
def segment_softmax(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    temperature: float = 1.0,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""The softmax within each segment: weights that add up to 1.

    $$ y_i = \frac{e^{x_i / T}}{\sum_{j \,:\, s_j = s_i} e^{x_j / T}} $$

    - Stabilised by the maximum of each segment. An element that takes no part has the weight
      0, and so has one of -inf, also where its segment has no others. A NaN or inf makes its segment NaN.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      temperature: the scale of differences that count, above 0.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The weights, of the shape and dtype of the inputs; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.log(jnp.array([1.0, 2.0, 4.0]))
      >>> print(jaxpool.segment_softmax(x, jnp.array([0, 1, 0]), 2).round(3))
      [0.2 1.  0.8]

    References:
      `torch_geometric.utils.softmax`, `jraph.segment_softmax`.
    """
    array = as_real("inputs", inputs)
    segments = read_segments(
        array,
        segment_ids,
        num_segments,
        row_splits=row_splits,
        where=where,
        axis=axis,
        indices_are_sorted=indices_are_sorted,
    )
    return _softmax(array, segments, temperature=as_temperature(temperature))


@public
def segment_attention_pool(
    inputs: ArrayLike,
    logits: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by averaging the elements of each segment with importances that a network computes.

    $$ y_s = \sum_{i \,:\, s_i = s} w_i x_i, \qquad w_i = \frac{e^{g_i}}{\sum_{j \,:\, s_j = s_i} e^{g_j}} $$

    with a logit $g_i$ for each element.

    - A logit of -inf takes its element out; a segment of nothing else, or empty, is 0. A NaN in either
      makes its segment NaN.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      logits: logarithms of importances, an array of real dtype that broadcasts to `inputs`, such as one of
        shape `(length, 1)`.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The weighted averages, with the segments in place of the axis, of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x, logits = jnp.array([1.0, 5.0, 3.0]), jnp.log(jnp.array([1.0, 1.0, 3.0]))
      >>> print(jaxpool.segment_attention_pool(x, logits, jnp.array([0, 1, 0]), 2).round(3))
      [2.5 5. ]

    References:
      Li et al., "Gated Graph Sequence Neural Networks", 2016; Ilse, Tomczak and Welling, "Attention-based
      Deep Multiple Instance Learning", 2018. `torch_geometric.nn.aggr.AttentionalAggregation`.
    """
    array = as_real("inputs", inputs)
    segments = read_segments(
        array,
        segment_ids,
        num_segments,
        row_splits=row_splits,
        where=where,
        axis=axis,
        indices_are_sorted=indices_are_sorted,
    )
    return _attend(array, _broadcast(logits, array.shape), segments)


@public
def segment_topk_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    k: SupportsIndex,
    keys: ArrayLike | None = None,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by keeping the foremost elements of each segment, in descending order of one of their channels.

    $$ y_{s, r} = x_{\sigma_s(r)}, \quad r = 1, \dots, k $$

    where $\sigma_s$ sorts the elements of segment $s$ by their keys, the largest first.

    - The key of an element is one for all its channels: by default its last channel. Ties keep the order of
      the elements; a NaN counts as the largest. Keys have no gradient.
    - What a segment of fewer elements lacks is 0, without a gradient.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      k: how many elements to keep.
      keys: an array of real dtype and shape `(length,)`; `None` is the last channel, where one axis of
        channels comes behind that of the elements.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The elements, of the shape of the inputs with `(segments, k)` in place of the axis, and of their dtype;
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 3.0], [2.0, 9.0], [3.0, 4.0]])
      >>> print(jaxpool.segment_topk_pool(x, jnp.array([0, 1, 0]), 2, k=2)[:, :, 0])
      [[3. 1.]
       [2. 0.]]

    References:
      Zhang et al., "An End-to-End Deep Learning Architecture for Graph Classification", 2018.
      `torch_geometric.nn.aggr.SortAggregation`.
    """
    array = as_real("inputs", inputs)
    segments = read_segments(
        array,
        segment_ids,
        num_segments,
        row_splits=row_splits,
        where=where,
        axis=axis,
        indices_are_sorted=indices_are_sorted,
    )
    return _topk(array, segments, _read_keys(keys, array, segments), k=_as_k(k))


@functools.partial(jax.jit, static_argnames="temperature")
def _softmax(inputs: Array, segments: Segments, *, temperature: float) -> Array:
    rows = segments.masked(wide(segments.rows(inputs)), -np.inf)
    return _weights(rows, segments, temperature).reshape(inputs.shape).astype(inputs.dtype)


@jax.jit
def _attend(inputs: Array, logits: Array, segments: Segments) -> Array:
    importances = segments.masked(wide(segments.rows(logits)), -np.inf)
    weights = _weights(importances, segments)
    # What has no weight is no element, whatever it is.
    rows = jnp.where(importances == -np.inf, 0, wide(segments.rows(inputs)))
    return segments.placed(segments.sum(weights * rows)).astype(inputs.dtype)


def _weights(rows: Array, segments: Segments, temperature: float = 1.0) -> Array:
    weights, _ = exponentials(rows, segments, temperature)
    return weights / or_one(segments.spread(segments.sum(weights)))


def _broadcast(logits: ArrayLike, shape: tuple[int, ...]) -> Array:
    return jnp.broadcast_to(as_broadcastable("logits", as_real("logits", logits), shape), shape)


def _as_k(k: SupportsIndex) -> int:
    number = as_integer("k", k)
    if number < 1:
        raise ValueError(f"k must be at least 1, got {number}.")
    return number


def _read_keys(keys: ArrayLike | None, inputs: Array, segments: Segments) -> Array:
    """One key for each element: (batch, rows)."""
    if segments.where is not None and segments.where.shape[-1] > 1:
        raise ValueError("where must be the same for all channels of an element.")
    if keys is None:
        if segments.axis != inputs.ndim - 2:
            raise ValueError(
                f"keys must be given unless inputs have one axis behind axis {segments.axis}, got the shape "
                f"{inputs.shape}."
            )
        return inputs[..., -1].reshape(segments.ids.shape)
    array, length = as_real("keys", keys), inputs.shape[segments.axis]
    if array.shape != (length,):
        raise ValueError(f"keys must have the shape ({length},) of the inputs' axis, got {array.shape}.")
    return jnp.broadcast_to(array, segments.ids.shape)


@functools.partial(jax.jit, static_argnames="k")
def _topk(inputs: Array, segments: Segments, keys: Array, *, k: int) -> Array:
    rows = segments.rows(inputs)
    batch, length, _ = rows.shape
    shape = (*inputs.shape[: segments.axis], segments.number, k, *inputs.shape[segments.axis + 1 :])
    if not length:
        return jnp.zeros(shape, inputs.dtype)

    def foremost(ids: Array, valid: Array, keys: Array) -> tuple[Array, Array]:
        ids = jnp.where(valid, ids, segments.number)
        numbers = lax.iota(np.int32, length)
        ids, _, _, order = lax.sort((ids, ~jnp.isnan(keys), -keys, numbers), num_keys=3)
        start, stop = (
            jnp.searchsorted(ids, jnp.arange(segments.number, dtype=ids.dtype), side=side)
            for side in ("left", "right")
        )
        place = start[:, None] + jnp.arange(k, dtype=start.dtype)[None]
        return order[jnp.minimum(place, length - 1)], place < stop[:, None]

    place, exists = jax.vmap(foremost)(segments.ids, segments.valid[..., 0], keys)
    place, exists = (array.reshape(batch, 1, segments.number * k) for array in (place, exists))
    found = take_rows(rows, exists.astype(accumulation_dtype(rows.dtype)), place)
    return found.reshape(shape).astype(inputs.dtype)
