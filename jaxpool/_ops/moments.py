"""Global pools by mean and spread: variance, standard deviation, and statistics for the next layer."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_broadcastable, as_real, masked
from jaxpool._ops._smooth import softmax_average
from jaxpool._ops._tokens import token_axes
from jaxpool._ops._whole import pool_whole
from jaxpool._ops.spread import as_correction, deviation, moments, standard_deviation, variance
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Window


@public
def global_var_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    correction: int = 0,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the variance along some axes.

    $$ y = \frac{1}{n - c} \sum_i (x_i - \mu)^2, \qquad
       \frac{\partial y}{\partial x_j} = \frac{2 (x_j - \mu)}{n - c} $$

    over the $n$ elements that take part, with their mean $\mu$ and the correction $c$.

    - A NaN makes the result NaN, and so does an infinity.
    - Two passes: deviations are taken from the mean, so nothing cancels where that is large.
    - Where no element takes part the variance is 0; of a single one it is NaN with `correction=1`, as in
      `jnp.var`.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      correction: 0, or 1 for the unbiased estimate from a sample.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The variances, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 9.0])[None, :, None]
      >>> jaxpool.global_var_pool(x, where=x < 5)
      Array([[1.]], dtype=float32)

    References:
      `jnp.var`, of which `correction` and `where` are.
    """
    array = as_real("inputs", inputs)
    return pool_whole(array, _variance(as_correction(correction)), axis, where, keepdims)


@public
def global_std_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    correction: int = 0,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the standard deviation along some axes.

    $$ y = \sqrt{ \frac{1}{n - c} \sum_i (x_i - \mu)^2 }, \qquad
       \frac{\partial y}{\partial x_j} = \frac{x_j - \mu}{(n - c)\, y} $$

    over the $n$ elements that take part, with their mean $\mu$ and the correction $c$.

    - Where the deviation is 0 so is the gradient. A NaN makes the result NaN, and so does an infinity.
    - Two passes: deviations are taken from the mean, so nothing cancels where that is large.
    - Where no element takes part the deviation is 0; of a single one it is NaN with `correction=1`, as in
      `jnp.std`.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      correction: 0, or 1 for the unbiased estimate of the variance from a sample.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The standard deviations, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 5.0, 9.0])[None, :, None]
      >>> jaxpool.global_std_pool(x, where=x < 6)
      Array([[2.]], dtype=float32)

    References:
      `jnp.std`, of which `correction` and `where` are.
    """
    array = as_real("inputs", inputs)
    return pool_whole(array, _deviation(as_correction(correction)), axis, where, keepdims)


@public
def statistics_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] = 1,
    *,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking mean and standard deviation along some axes, side by side.

    $$ y = (\mu, \sigma), \qquad \mu = \frac{1}{n} \sum_i x_i, \qquad
       \sigma = \sqrt{ \frac{1}{n} \sum_i (x_i - \mu)^2 } $$

    over the $n$ elements that take part: the means of all channels, then their deviations.

    - Where the deviation is 0 it has no gradient. A NaN makes both NaN.
    - Two passes: deviations are taken from the mean, so nothing cancels where that is large.
    - Where no element takes part both are 0.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      axis: which axes to pool, one or several, of which none is the last.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
        element where it is `False` takes no part, and is without harm if it is NaN.

    Returns:
      An array of the inputs' dtype and of their shape without the pooled axes, with twice as many channels;
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, or `axis` names the last axis or one that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 0.0], [5.0, 2.0]])[None]
      >>> jaxpool.statistics_pool(x)
      Array([[3., 1., 2., 1.]], dtype=float32)

    References:
      Snyder et al., "X-Vectors: Robust DNN Embeddings for Speaker Recognition", 2018.
    """
    array = as_real("inputs", inputs)
    return pool_whole(array, _statistics, token_axes(axis, array), where, False)


@public
def attentive_statistics_pool(
    inputs: ArrayLike,
    logits: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] = 1,
    *,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking mean and standard deviation along some axes, by weights that a network computes.

    $$ y = (\mu, \sigma), \qquad \mu = \sum_i w_i x_i, \qquad
       \sigma = \sqrt{ \sum_i w_i (x_i - \mu)^2 }, \qquad w_j = \frac{e^{g_j}}{\sum_i e^{g_i}} $$

    over the elements that take part, with their logits $g$: the means of all channels, then their deviations.
    Equal logits make it `statistics_pool`.

    - Stabilised by the largest logit: nothing overflows. A logit of -inf takes its element out.
    - Where the deviation is 0 it has no gradient. A NaN in either makes both NaN, and so does a logit of inf.
    - Two passes: deviations are taken from the mean, so nothing cancels where that is large.
    - Where no element takes part both are 0.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      logits: logarithms of weights, an array of real dtype that broadcasts to `inputs`, such as one with a
        single channel.
      axis: which axes to pool, one or several, of which none is the last.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
        element where it is `False` takes no part, and is without harm if it or its logit is NaN.

    Returns:
      An array of the inputs' dtype and of their shape without the pooled axes, with twice as many channels;
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong shape, or `axis` names the last axis or one that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 0.0], [5.0, 2.0]])[None]
      >>> print(jaxpool.attentive_statistics_pool(x, jnp.zeros((2, 1))))
      [[3. 1. 2. 1.]]
      >>> print(jaxpool.attentive_statistics_pool(x, jnp.array([[-jnp.inf], [0.0]])))
      [[5. 2. 0. 0.]]

    References:
      Okabe, Koshinaka and Shinoda, "Attentive Statistics Pooling for Deep Speaker Embedding", 2018.
      Desplanques et al., "ECAPA-TDNN", 2020, with logits for each channel.
    """
    array = as_real("inputs", inputs)
    importances = as_broadcastable("logits", as_real("logits", logits), array.shape)
    pooled = token_axes(axis, array)
    return pool_whole(array, _attentive_statistics, pooled, where, False, importances)


@functools.cache
def _variance(correction: int):
    return functools.partial(variance, correction=correction)


@functools.cache
def _deviation(correction: int):
    return functools.partial(standard_deviation, correction=correction)


def _statistics(inputs: Array, window: Window, mask: Array | None) -> Array:
    mean, squares = moments(inputs, window, mask, 0)
    return jnp.concatenate([mean, deviation(squares)], -1).astype(inputs.dtype)


def _attentive_statistics(inputs: Array, window: Window, mask: Array | None, logits: Array) -> Array:
    wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
    logits = jnp.broadcast_to(masked(logits.astype(wide.dtype), mask, -np.inf), wide.shape)
    mean = softmax_average(wide, logits, window)
    squares = softmax_average(lax.square(wide - mean), logits, window)
    return jnp.concatenate([mean, deviation(squares)], -1).astype(inputs.dtype)
