"""Smooth maxima whose sharpness is learned."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_parameter, as_real, masked, unpooled_channels, valid_counts
from jaxpool._ops._smooth import logsumexp
from jaxpool._ops._whole import pool_whole
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Window


@public
def global_lse_pool(
    inputs: ArrayLike,
    r: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by log-sum-exp along some axes, with a sharpness that is learned.

    $$ y = \frac{1}{r} \log \Big( \frac{1}{n} \sum_i e^{r x_i} \Big) $$

    over the $n$ elements that take part. It lies between the average ($r \to 0$) and the maximum
    ($r \to \infty$); with $r < 0$ between the average and the minimum. With a number for $r$ it is
    `global_logsumexp_pool` with `temperature=1 / r` and `mean=True`.

    - Stabilised by the largest exponent: nothing overflows. A NaN makes the result NaN, and so does `r=0`.
    - Where no element takes part it is -inf, without a gradient. Infinities have no gradient in `r`.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      r: the sharpness: an array of shape `()` or `(channels,)`, where channels are the last axis and not
        pooled, or a number; not 0.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The smooth maxima, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 1.0, 2.0])[None, :, None]
      >>> print(f"{jaxpool.global_lse_pool(x, jnp.array(10.0)).item():.2f}")  # nearly the maximum
      1.89
      >>> print(f"{jaxpool.global_lse_pool(x, 0.01).item():.2f}")  # nearly the average
      1.00

    References:
      Pinheiro and Collobert, "From Image-level to Pixel-level Labeling with Convolutional Networks", 2015.
      timm's `LsePlus2d`, whose `r` starts at 10.
    """
    array = as_real("inputs", inputs)
    sharpness = as_parameter("r", r, array.ndim, unpooled_channels(array, axis))
    return pool_whole(array, _lse, axis, where, keepdims, sharpness)


@functools.partial(jax.jit, inline=True)
def _lse(inputs: Array, window: Window, mask: Array | None, r: Array) -> Array:
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    r, counts = r.astype(wide.dtype), valid_counts(inputs, window, mask, wide.dtype)
    exponents = masked(_times(masked(wide, mask, 0), r), mask, -np.inf)
    value = _times(logsumexp(exponents, window, 1.0, counts), 1 / r)
    return jnp.where(counts > 0, value, lax.full_like(value, -np.inf)).astype(inputs.dtype)


def _times(elements: Array, factor: Array) -> Array:
    """The product, in which infinities have no gradient in the factor: it would be infinite, or NaN."""
    finite = ~jnp.isinf(elements)
    of_finite = jnp.where(finite, elements, lax.full_like(elements, 0)) * factor
    return jnp.where(finite, of_finite, elements * lax.stop_gradient(factor))
