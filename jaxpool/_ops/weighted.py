"""Global averages in which elements count by weights, by their number or by themselves."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_axes, as_integer
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import (
    along_pooled,
    as_array,
    as_broadcastable,
    as_real,
    masked,
    mean_dtype,
    valid_counts,
)
from jaxpool._ops._smooth import as_temperature, or_one
from jaxpool._ops._whole import pool_whole
from jaxpool._ops.smooth import soft
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.sum import window_sum
from jaxpool._window import Window


@public
def global_weighted_avg_pool(
    inputs: ArrayLike,
    weights: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by averaging everything along some axes, each element with a weight.

    $$ y = \frac{1}{W} \sum_i w_i x_i, \qquad W = \sum_i w_i, \qquad
       \frac{\partial y}{\partial x_j} = \frac{w_j}{W}, \quad
       \frac{\partial y}{\partial w_j} = \frac{x_j - y}{W} $$

    over the elements that take part. Equal weights make it `global_avg_pool`.

    - Where the weights add up to 0, and where no element takes part, the average is 0, without a gradient.
    - A NaN makes the result NaN, even where its weight is 0; `where` takes it out.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of any numeric dtype.
      weights: an array of real, integer or bool dtype that broadcasts to `inputs`, such as
        `(batch, length, 1)`.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it or its weight is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The weighted averages, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `weights` are complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 5.0])[None, :, None]
      >>> weights = jnp.array([1.0, 2.0, 3.0])[:, None]  # the later, the more
      >>> print(jnp.round(jaxpool.global_weighted_avg_pool(x, weights), 4))
      [[3.6667]]

    References:
      Muennighoff, "SGPT: GPT Sentence Embeddings for Semantic Search", 2022, whose weights are positions.
      `jnp.average`.
    """
    array = as_array("inputs", inputs)
    shares = as_broadcastable("weights", as_real("weights", weights), array.shape)
    return pool_whole(array.astype(mean_dtype(array)), _weighted_average, axis, where, keepdims, shares)


@public
def global_sqrt_n_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by adding everything along some axes, over the square root of how much that is.

    $$ y = \frac{1}{\sqrt n} \sum_i x_i $$

    over the $n$ elements that take part: independent ones of variance 1 give one of variance 1, whatever $n$.

    - Where no element takes part the result is 0.
    - float16 and bfloat16 are added and divided in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of any numeric dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The scaled sums, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> jaxpool.global_sqrt_n_pool(jnp.ones((1, 9, 1)))
      Array([[3.]], dtype=float32)

    References:
      `mean_sqrt_len_tokens` of sentence-transformers' `Pooling`; the name is that of
      `tf.math.segment_sqrt_n`, and `"sqrtn"` that of TensorFlow's embeddings.
    """
    array = as_array("inputs", inputs)
    return pool_whole(array.astype(mean_dtype(array)), _over_root, axis, where, keepdims)


@public
def global_soft_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    temperature: float = 1.0,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by averaging along some axes with weights that grow exponentially with the elements.

    $$ y = \sum_i p_i x_i, \quad p_i = \frac{e^{x_i / T}}{\sum_k e^{x_k / T}}, \qquad
       \frac{\partial y}{\partial x_j} = p_j \Big( 1 + \frac{x_j - y}{T} \Big) $$

    over the elements that take part, with the temperature $T$. It lies between the average
    ($T \to \infty$) and the maximum ($T \to 0$).

    - Stabilised by the maximum: nothing overflows. A NaN makes the result NaN.
    - Where all elements are -inf the result is -inf, and where one is inf it is inf, without a gradient;
      an element of -inf beside finite ones has no weight. Where no element takes part it is 0.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      temperature: the scale of differences that count, above 0.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The weighted averages, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0])[None, :, None]
      >>> print(f"{jaxpool.global_soft_pool(x)[0, 0]:.4f}")
      2.7616

    References:
      Stergiou, Poppe and Kalliatakis, "Refining activation downsampling with SoftPool", 2021.
    """
    array = as_real("inputs", inputs)
    return pool_whole(array, _soft(as_temperature(temperature)), axis, where, keepdims)


@public
def global_rank_pool(
    inputs: ArrayLike,
    axis: SupportsIndex = 1,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools a sequence by what changes in it: sums its elements with weights that rise from first to last.

    Of $T$ elements that take part, and with the harmonic numbers $H_t = \sum_{i \le t} 1 / i$,

    $$ y = \sum_{t=1}^T \alpha_t x_t, \qquad \alpha_t = 2 (T - t + 1) - (T + 1) (H_T - H_{t-1}). $$

    It is one step towards the vector whose products with the averages of the first $t$ elements are in the
    order of time. Of a video's frames it is the dynamic image: what stands still goes, for the weights add up
    to 0.

    - Where no element takes part the result is 0. So it is of one element.
    - NaN and infinities are elements like others.
    - float16 and bfloat16 are added in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of any numeric dtype.
      axis: which axis to pool: time.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
        element where it is `False` takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axis stays, with length 1.

    Returns:
      The weighted sums, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([5.0, 5.0, 5.0, 6.0])[None, :, None]  # stands still, then rises
      >>> print(f"{jaxpool.global_rank_pool(x)[0, 0]:.2f}")
      0.75

    References:
      Bilen et al., "Dynamic Image Networks for Action Recognition", 2016.
    """
    array = as_array("inputs", inputs)
    pooled = as_axes(as_integer("axis", axis), array.ndim)
    return pool_whole(array.astype(mean_dtype(array)), _ranked, pooled, where, keepdims)


def _ranked(inputs: Array, window: Window, mask: Array | None) -> Array:
    ((axis, _),) = window.pooled.items()
    wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
    valid = jnp.ones((1,) * wide.ndim, np.bool_) if mask is None else mask
    valid = along_pooled(valid, wide, window)
    number = jnp.cumsum(valid.astype(wide.dtype), axis=axis)
    reciprocal = jnp.where(valid, 1 / jnp.maximum(number, 1), lax.full_like(number, 0))
    count = valid_counts(inputs, window, mask, wide.dtype)
    # H_T - H_{t-1}, added up from the end.
    left = lax.cumsum(reciprocal, axis, reverse=True)
    weight = 2 * (count - number + 1) - (count + 1) * left
    return window_sum(jnp.where(valid, weight, lax.full_like(weight, 0)) * wide, window).astype(inputs.dtype)


def _weighted_average(inputs: Array, window: Window, mask: Array | None, weights: Array) -> Array:
    wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
    weights = masked(along_pooled(weights, inputs, window).astype(wide.dtype), mask, 0)
    total = window_sum(weights, window)
    average = window_sum(weights * wide, window) / or_one(total)
    return jnp.where(total == 0, lax.full_like(average, 0), average).astype(inputs.dtype)


def _over_root(inputs: Array, window: Window, mask: Array | None) -> Array:
    wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
    counts = valid_counts(inputs, window, mask, wide.dtype)
    return (window_sum(wide, window) / jnp.sqrt(or_one(counts))).astype(inputs.dtype)


@functools.cache
def _soft(temperature: float):
    return functools.partial(soft, temperature=temperature)
