"""Pools of segments, such as the nodes of graphs or the points of sets, by sums and by selection."""

from __future__ import annotations

import functools
from typing import Any, Literal, Unpack, overload

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_bool, mean_dtype
from jaxpool._ops._segments import SegmentOptions, Segments, read_segments
from jaxpool._ops.max_min import as_ordered


@public
def segment_sum_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by adding the elements of each segment.

    $$ y_s = \sum_{i \,:\, s_i = s} x_i $$

    over the elements that take part.

    - An empty segment is 0. An element whose id is not one of 0 to `num_segments` - 1 takes no part.
    - Every run adds in the same order, on a GPU too: rows are added up in blocks, and no two at once to one
      place. Where ids are not sorted, accelerators sort the rows first.
    - float16 and bfloat16 are added in float32, forward and backward, and rounded once. Bools are counted in
      int32.
    - Integers keep their dtype and wrap around, as in `jax.ops.segment_sum`, which this takes the place of;
      convert them first where sums are larger.

    Args:
      inputs: an array of any numeric dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element along the axis.
      num_segments: how many segments there are.
      row_splits: in place of ids and their number, integers of shape `(segments + 1,)` that do not decrease:
        segment $s$ has the elements from `row_splits[s]` to before `row_splits[s + 1]`.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no part, and is
        without harm if it is NaN.
      axis: the axis of elements; the others are pooled alike.
      indices_are_sorted: a promise that ids do not decrease, which saves accelerators sorting; where it is
        broken the result is arbitrary.

    Returns:
      The sums, with the segments in place of the axis, of the inputs' dtype (int32 for bools).

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 4.0, 8.0])
      >>> jaxpool.segment_sum_pool(x, jnp.array([0, 2, 0, 2]), 3)
      Array([ 5.,  0., 10.], dtype=float32)
      >>> jaxpool.segment_sum_pool(x, row_splits=jnp.array([0, 1, 4]))
      Array([ 1., 14.], dtype=float32)

    References:
      `jax.ops.segment_sum`; `torch_geometric.nn.aggr.SumAggregation`; `row_splits` as TensorFlow's ragged
      tensors have them.
    """
    array = as_array("inputs", inputs)
    return _sum(
        array,
        read_segments(
            array,
            segment_ids,
            num_segments,
            row_splits=row_splits,
            where=where,
            axis=axis,
            indices_are_sorted=indices_are_sorted,
        ),
    )


@public
def segment_avg_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by averaging the elements of each segment.

    $$ y_s = \frac{1}{n_s} \sum_{i \,:\, s_i = s} x_i $$

    over the $n_s$ elements of segment $s$ that take part.

    - An empty segment is 0, without a gradient. Otherwise as `segment_sum_pool`.
    - float16 and bfloat16 are added and divided in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of any numeric dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The averages, with the segments in place of the axis, of the inputs' dtype; integers and bools promote
      as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 4.0, 8.0])
      >>> jaxpool.segment_avg_pool(x, jnp.array([0, 2, 0, 2]), 3)
      Array([2.5, 0. , 5. ], dtype=float32)

    References:
      `torch_geometric.nn.aggr.MeanAggregation`, `torch_geometric.nn.global_mean_pool`.
    """
    array = as_array("inputs", inputs)
    return _avg(
        array.astype(mean_dtype(array)),
        read_segments(
            array,
            segment_ids,
            num_segments,
            row_splits=row_splits,
            where=where,
            axis=axis,
            indices_are_sorted=indices_are_sorted,
        ),
    )


@overload
def segment_max_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    return_indices: Literal[False] = False,
    **options: Unpack[SegmentOptions],
) -> Array: ...
@overload
def segment_max_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    return_indices: Literal[True],
    **options: Unpack[SegmentOptions],
) -> tuple[Array, Array]: ...
@public
def segment_max_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    r"""Pools by taking the maximum of each segment.

    $$ y_s = \max_{i \,:\, s_i = s} x_i, \qquad
       \frac{\partial y_s}{\partial x_j} = [\, j = \operatorname{argmax} \,] $$

    over the elements that take part.

    - Ties go to the first element, in value, index, tangent and cotangent alike; `jax.ops.segment_max`
      divides the gradient among them.
    - A NaN makes its segment NaN; the gradient goes to the first NaN.
    - An empty segment has the dtype's lowest value (-inf for floating-point numbers), the index -1 and no
      gradient. An element whose id is not one of 0 to `num_segments` - 1 takes no part.
    - Each row reads its gradient from its segment: no scatter, and the same bits in every run.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element along the axis.
      num_segments: how many segments there are.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements; the others are pooled alike.
      indices_are_sorted: a promise that ids do not decrease, which saves accelerators sorting.
      return_indices: whether to return also where each maximum was found.

    Returns:
      The maxima, with the segments in place of the axis, of the inputs' dtype. With `return_indices`, a pair
      with int32 positions along the axis, of the same shape.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 8.0, 4.0, 8.0])
      >>> values, indices = jaxpool.segment_max_pool(x, jnp.array([0, 2, 0, 2]), 3, return_indices=True)
      >>> print(values, indices)
      [  4. -inf   8.] [ 2 -1  1]

    References:
      `jax.ops.segment_max`; `torch_geometric.nn.aggr.MaxAggregation`; indices as `torch_scatter.scatter_max`
      has them.
    """
    array = as_ordered("inputs", inputs)
    segments = read_segments(
        array,
        segment_ids,
        num_segments,
        row_splits=row_splits,
        where=where,
        axis=axis,
        indices_are_sorted=indices_are_sorted,
    )
    return _extreme(array, segments, order="max", indices=as_bool("return_indices", return_indices))


@overload
def segment_min_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    return_indices: Literal[False] = False,
    **options: Unpack[SegmentOptions],
) -> Array: ...
@overload
def segment_min_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    return_indices: Literal[True],
    **options: Unpack[SegmentOptions],
) -> tuple[Array, Array]: ...
@public
def segment_min_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    r"""Pools by taking the minimum of each segment.

    $$ y_s = \min_{i \,:\, s_i = s} x_i, \qquad
       \frac{\partial y_s}{\partial x_j} = [\, j = \operatorname{argmin} \,] $$

    over the elements that take part.

    - Ties go to the first element, in value, index, tangent and cotangent alike.
    - A NaN makes its segment NaN; the gradient goes to the first NaN.
    - An empty segment has the dtype's highest value (inf for floating-point numbers), the index -1 and no
      gradient. An element whose id is not one of 0 to `num_segments` - 1 takes no part.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element along the axis.
      num_segments: how many segments there are.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements; the others are pooled alike.
      indices_are_sorted: a promise that ids do not decrease, which saves accelerators sorting.
      return_indices: whether to return also where each minimum was found.

    Returns:
      The minima, with the segments in place of the axis, of the inputs' dtype. With `return_indices`, a pair
      with int32 positions along the axis, of the same shape.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> jaxpool.segment_min_pool(jnp.array([3.0, 8.0, 1.0]), jnp.array([0, 1, 0]), 2)
      Array([1., 8.], dtype=float32)

    References:
      `jax.ops.segment_min`; `torch_geometric.nn.aggr.MinAggregation`.
    """
    array = as_ordered("inputs", inputs)
    segments = read_segments(
        array,
        segment_ids,
        num_segments,
        row_splits=row_splits,
        where=where,
        axis=axis,
        indices_are_sorted=indices_are_sorted,
    )
    return _extreme(array, segments, order="min", indices=as_bool("return_indices", return_indices))


@jax.jit
def _sum(inputs: Array, segments: Segments) -> Array:
    if inputs.dtype == np.bool_:
        inputs = inputs.astype(np.int32)
    return segments.placed(segments.sum(segments.rows(inputs))).astype(inputs.dtype)


@jax.jit
def _avg(inputs: Array, segments: Segments) -> Array:
    return segments.placed(segments.average(segments.rows(inputs))).astype(inputs.dtype)


@functools.partial(jax.jit, static_argnames=("order", "indices"))
def _extreme(inputs: Array, segments: Segments, *, order: str, indices: bool) -> Any:
    rows = segments.rows(inputs)
    if not indices:
        return segments.placed(segments.first(rows, order))
    value, index = segments.first_and_index(rows, order)
    return segments.placed(value), segments.placed(index)
