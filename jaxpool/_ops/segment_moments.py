"""Pools of segments by norms, smooth maxima and spread."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_bool, as_real
from jaxpool._ops._segments import Segments, read_segments, wide
from jaxpool._ops._smooth import (
    as_reference,
    as_scale,
    as_temperature,
    exponential,
    logarithm,
    or_one,
    order_of_norm,
    power,
)
from jaxpool._ops.spread import as_correction, deviation


@public
def segment_lp_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    p: float = 2.0,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by the Lp norm of the elements of each segment.

    $$ y_s = \Big( \sum_{i \,:\, s_i = s} |x_i|^p \Big)^{1/p} $$

    over the elements that take part.

    - Stabilised by the largest magnitude, as `lp_pool` is: nothing overflows. At a norm of 0, and at an
      element of 0, the gradient counts as 0.
    - An empty segment is 0. A NaN makes its segment NaN.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      p: the order of the norm, above 0; `inf` is the largest magnitude.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The norms, with the segments in place of the axis, of the inputs' dtype; integers and bools promote as
      in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> jaxpool.segment_lp_pool(jnp.array([3.0, 2.0, -4.0]), jnp.array([0, 1, 0]), 2)
      Array([5., 2.], dtype=float32)

    References:
      `lp_pool`, of segments; `torch_geometric.nn.aggr.PowerMeanAggregation` is of means.
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
    return _lp(array, segments, p=order_of_norm(p))


@public
def segment_logsumexp_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    temperature: float = 1.0,
    mean: bool = False,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by a smooth maximum of each segment: the logarithm of the sum of exponentials.

    $$ y_s = T \log \sum_{i \,:\, s_i = s} e^{x_i / T} $$

    over the elements that take part; with `mean=True` the sum is divided by their number.

    - Stabilised by the maximum: nothing overflows. Where all elements are -inf, and in an empty segment, the
      result is -inf, without a gradient. A NaN makes its segment NaN.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      temperature: the scale of differences that count, above 0.
      mean: whether to take the mean of the exponentials in place of their sum.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The smooth maxima, with the segments in place of the axis, of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.log(jnp.array([1.0, 2.0, 4.0]))
      >>> print(jnp.exp(jaxpool.segment_logsumexp_pool(x, jnp.array([0, 1, 0]), 2)).round(3))
      [5. 2.]

    References:
      `torch_scatter.scatter_logsumexp`; `jax.nn.logsumexp`.
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
    return _logsumexp(array, segments, temperature=as_temperature(temperature), mean=as_bool("mean", mean))


@public
def segment_var_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    correction: int = 0,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by the variance of the elements of each segment.

    $$ y_s = \frac{1}{n_s - c} \sum_{i \,:\, s_i = s} (x_i - \bar x_s)^2 $$

    over the $n_s$ elements that take part, with the mean $\bar x_s$ and the correction $c$.

    - In two passes: a large mean costs no precision. With `correction=1` a segment of one element is NaN.
    - An empty segment is 0. A NaN makes its segment NaN.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      correction: what is subtracted from the number of elements, 0 or 1, as in `jnp.var`.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The variances, with the segments in place of the axis, of the inputs' dtype; integers and bools promote
      as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> jaxpool.segment_var_pool(jnp.array([1.0, 7.0, 5.0]), jnp.array([0, 1, 0]), 2)
      Array([4., 0.], dtype=float32)

    References:
      `torch_geometric.nn.aggr.VarAggregation`.
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
    return _spread(array, segments, correction=as_correction(correction), root=False)


@public
def segment_std_pool(
    inputs: ArrayLike,
    segment_ids: ArrayLike | None = None,
    num_segments: int | None = None,
    *,
    correction: int = 0,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: int = 0,
    indices_are_sorted: bool = False,
) -> Array:
    r"""Pools by the standard deviation of the elements of each segment.

    $$ y_s = \sqrt{\frac{1}{n_s - c} \sum_{i \,:\, s_i = s} (x_i - \bar x_s)^2} $$

    over the $n_s$ elements that take part, with the mean $\bar x_s$ and the correction $c$.

    - Where all elements are equal the result is 0 and has the gradient 0. Otherwise as `segment_var_pool`.

    Args:
      inputs: an array of real, integer or bool dtype.
      segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
        `num_segments` - 1 are dropped.
      num_segments: how many segments there are.
      correction: what is subtracted from the number of elements, 0 or 1, as in `jnp.std`.
      row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
      where: a mask of bools that broadcasts to `inputs`, of the elements that take part.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.

    Returns:
      The standard deviations, with the segments in place of the axis, of the inputs' dtype; integers and
      bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or ids and splits are both given, or neither.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> jaxpool.segment_std_pool(jnp.array([1.0, 7.0, 5.0]), jnp.array([0, 1, 0]), 2)
      Array([2., 0.], dtype=float32)

    References:
      `torch_geometric.nn.aggr.StdAggregation`, which adds 1e-5 to the variance.
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
    return _spread(array, segments, correction=as_correction(correction), root=True)


@functools.partial(jax.jit, static_argnames="p")
def _lp(inputs: Array, segments: Segments, *, p: float) -> Array:
    rows = segments.masked(wide(segments.rows(inputs)), 0)
    # The derivative of the magnitude of 0 is 1 in JAX; here it counts as 0.
    magnitudes = jnp.where(rows == 0, 0, jnp.abs(rows))
    largest = segments.first(magnitudes, "max")
    if p == math.inf:
        return segments.placed(jnp.where(largest == -np.inf, 0, largest)).astype(inputs.dtype)
    scale = lax.stop_gradient(as_scale(largest))
    # Rows of no segment are 0, of which any power is.
    total = segments.sum(power(p)(rows, or_one(segments.spread(scale))))
    norm = scale * jnp.power(or_one(total), 1 / p)
    return segments.placed(jnp.where(total == 0, 0, norm)).astype(inputs.dtype)


@functools.partial(jax.jit, static_argnames=("temperature", "mean"))
def _logsumexp(inputs: Array, segments: Segments, *, temperature: float, mean: bool) -> Array:
    rows = segments.masked(wide(segments.rows(inputs)), -np.inf)
    weights, reference = exponentials(rows, segments, temperature)
    total = segments.sum(weights)
    if mean:
        total /= jnp.maximum(segments.counts(total.dtype), 1)
    return segments.placed(logarithm(total, reference, temperature)).astype(inputs.dtype)


def exponentials(rows: Array, segments: Segments, temperature: float = 1.0) -> tuple[Array, Array]:
    """Exponentials of elements relative to the largest of their segment, and that: always a number."""
    reference = lax.stop_gradient(segments.first(rows, "max"))
    reference = as_reference(reference)
    return exponential(temperature)(rows, segments.spread(reference)), reference


@functools.partial(jax.jit, static_argnames=("correction", "root"))
def _spread(inputs: Array, segments: Segments, *, correction: int, root: bool) -> Array:
    rows = segments.masked(wide(segments.rows(inputs)), 0)
    deviations = segments.masked(rows - segments.spread(segments.average(rows)), 0)
    counts = segments.counts(rows.dtype)
    variance = jnp.where(counts > 0, segments.sum(lax.square(deviations)) / (counts - correction), 0)
    result = deviation(variance) if root else variance
    return segments.placed(result).astype(inputs.dtype)
