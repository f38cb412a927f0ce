"""Generalised means, of windows and of whole arrays, with an exponent that a network learns."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import (
    as_mask,
    as_number,
    as_parameter,
    as_real,
    channels_of,
    masked,
    unpooled_channels,
    valid_counts,
)
from jaxpool._ops._smooth import logsumexp
from jaxpool._ops._whole import pool_whole
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window


@public
def gem_pool(
    inputs: ArrayLike,
    p: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    eps: float = 1e-6,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by the generalised mean of each window, with an exponent that is learned.

    With the elements $x_1, \dots, x_n$ of a window,

    $$ y = \Big( \frac{1}{n} \sum_i \max(x_i, \varepsilon)^p \Big)^{1/p}. $$

    `p=1` is the average, `p=2` the root mean square, and $p \to \infty$ the maximum; $p < 0$ leans towards
    the minimum. Elements below $\varepsilon$ count as $\varepsilon$ and get no gradient: it is meant for
    activations that are not negative.

    - Computed as $\exp(\frac{1}{p} \log \frac{1}{n} \sum_i e^{p \log x_i})$, stabilised by each window's
      maximum: nothing overflows, whatever the exponent.
    - A NaN makes its window NaN, and so does `p=0`.
    - Padding, and what `where` masks, is no element, and not counted: a window of nothing else gives 0 and no
      gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      p: the exponent: an array of shape `()` or `(channels,)`, or a number; not 0.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      eps: the least value that elements count as, above 0.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The generalised means, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
      bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 0.0, 8.0])[:, None]
      >>> for p in (1.0, 3.0, 100.0):
      ...     print(jnp.round(jaxpool.gem_pool(x, p, (2,), (2,))[:, 0], 1))
      [2. 4.]
      [2.4 6.3]
      [3.  7.9]

    References:
      Radenović, Tolias and Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", 2018.
    """
    array = as_real("inputs", inputs)
    window = make_window(
        array.shape,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )
    exponent = as_parameter("p", p, array.ndim, channels_of(array, channel_axis))
    return on_each_device(
        _gem, array, window, as_mask(where, array.shape), values=(exponent,), eps=_as_eps(eps)
    )


@public
def global_gem_pool(
    inputs: ArrayLike,
    p: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    eps: float = 1e-6,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by the generalised mean along some axes, with an exponent that is learned.

    $$ y = \Big( \frac{1}{n} \sum_i \max(x_i, \varepsilon)^p \Big)^{1/p} $$

    over the $n$ elements that take part. `p=1` is the average, and $p \to \infty$ the maximum. Elements below
    $\varepsilon$ count as $\varepsilon$ and get no gradient.

    - Stabilised by the maximum: nothing overflows, whatever the exponent. A NaN makes the result NaN, and so
      does `p=0`. Where no element takes part it is 0.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      p: the exponent: an array of shape `()` or `(channels,)`, where channels are the last axis and not
        pooled, or a number; not 0.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      eps: the least value that elements count as, above 0.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The generalised means, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([3.0, 3.0, 6.0])[None, :, None]
      >>> jaxpool.global_gem_pool(x, 1.0)
      Array([[4.]], dtype=float32)
      >>> jaxpool.global_gem_pool(x, 3.0, where=x < 5)
      Array([[3.]], dtype=float32)

    References:
      Radenović, Tolias and Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", 2018, whose
      `p` starts at 3.
    """
    array = as_real("inputs", inputs)
    exponent = as_parameter("p", p, array.ndim, unpooled_channels(array, axis))
    return pool_whole(array, _whole(_as_eps(eps)), axis, where, keepdims, exponent)


def _as_eps(eps: Any) -> float:
    number = as_number("eps", eps)
    if not 0 < number < np.inf:
        raise ValueError(f"eps must be above 0 and finite, got {eps!r}.")
    return number


@functools.partial(jax.jit, static_argnames="eps", inline=True)
def _gem(inputs: Array, window: Window, mask: Array | None, p: Array, *, eps: float) -> Array:
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    p, counts = p.astype(wide.dtype), valid_counts(inputs, window, mask, wide.dtype)
    logs = masked(p * _logarithms(masked(wide, mask, 1), eps), mask, -np.inf)
    return _root(logs, p, window, counts).astype(inputs.dtype)


@functools.cache
def _whole(eps: float):
    return functools.partial(_gem, eps=eps)


def _logarithms(wide: Array, eps: float) -> Array:
    return jnp.log(jnp.where(wide < eps, lax.full_like(wide, eps), wide))


def _root(powers: Array, p: Array, window: Window, counts: Array) -> Array:
    """The root of the mean of powers, of which both are given by their logarithms."""
    mean = logsumexp(powers, window, 1.0, counts)
    some = counts > 0
    exponents = jnp.where(some, mean, lax.full_like(mean, 0)) / p
    return jnp.where(some, jnp.exp(exponents), lax.full_like(mean, 0))
