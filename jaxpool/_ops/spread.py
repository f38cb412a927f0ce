"""Pools by the spread of each window: variance and standard deviation."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._lowering.divisors import cell_counts
from jaxpool._lowering.weights import Weight
from jaxpool._ops._arrays import along_pooled, as_mask, as_real, masked
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.sum import weighted_sum, window_sum
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window


@public
def var_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    correction: int = 0,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the variance of each window.

    With the elements $x_1, \dots, x_n$ of a window, their mean $\mu$ and the correction $c$,

    $$ y = \frac{1}{n - c} \sum_i (x_i - \mu)^2, \qquad
       \frac{\partial y}{\partial x_j} = \frac{2 (x_j - \mu)}{n - c}. $$

    - A NaN makes its window NaN.
    - Two passes: deviations are taken from the window's own mean, so nothing cancels where the mean is large.
    - Padding, and what `where` masks, is no element. A window of nothing else gives 0; one of a single
      element gives NaN with `correction=1`, as in `jnp.var`.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      correction: 0, or 1 for the unbiased estimate from a sample.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The variances, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, `correction` is
        neither 0 nor 1, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 7.0])[:, None]
      >>> jaxpool.var_pool(x, (2,))[:, 0]
      Array([1., 4.], dtype=float32)
      >>> jaxpool.var_pool(x, (2,), correction=1)[:, 0]
      Array([2., 8.], dtype=float32)

    References:
      `jnp.var` of each window.
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
    return on_each_device(
        variance, array, window, as_mask(where, array.shape), correction=as_correction(correction)
    )


@public
def std_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    correction: int = 0,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the standard deviation of each window.

    With the elements $x_1, \dots, x_n$ of a window, their mean $\mu$ and the correction $c$,

    $$ y = \sqrt{ \frac{1}{n - c} \sum_i (x_i - \mu)^2 }, \qquad
       \frac{\partial y}{\partial x_j} = \frac{x_j - \mu}{(n - c)\, y}. $$

    - Where the deviation is 0 so is the gradient. A NaN makes its window NaN.
    - Two passes: deviations are taken from the window's own mean, so nothing cancels where the mean is large.
    - Padding, and what `where` masks, is no element. A window of nothing else gives 0; one of a single
      element gives NaN with `correction=1`, as in `jnp.std`.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      correction: 0, or 1 to divide by one less, as for a sample.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The standard deviations, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
      bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, `correction` is
        neither 0 nor 1, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 7.0, 7.0])[:, None]
      >>> jaxpool.std_pool(x, (2,))[:, 0]
      Array([1., 2., 0.], dtype=float32)
      >>> jax.grad(lambda x: jaxpool.std_pool(x, (2,), (2,)).sum())(x)[:, 0]
      Array([-0.5,  0.5,  0. ,  0. ], dtype=float32)

    References:
      `jnp.std` of each window.
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
    return on_each_device(
        standard_deviation, array, window, as_mask(where, array.shape), correction=as_correction(correction)
    )


def as_correction(correction: int) -> int:
    """A correction of the number of elements, checked."""
    if isinstance(correction, bool) or not hasattr(correction, "__index__"):
        raise TypeError(f"correction must be an int, got {correction!r}.")
    if correction not in (0, 1):
        raise ValueError(f"correction must be 0 or 1, got {correction!r}.")
    return int(correction)


@functools.partial(jax.jit, static_argnames="correction", inline=True)
def variance(inputs: Array, window: Window, mask: Array | None, *, correction: int) -> Array:
    """The variances of windows, of the valid elements where there is a mask."""
    return moments(inputs, window, mask, correction)[1].astype(inputs.dtype)


@functools.partial(jax.jit, static_argnames="correction", inline=True)
def standard_deviation(inputs: Array, window: Window, mask: Array | None, *, correction: int) -> Array:
    """The roots of the same."""
    return deviation(moments(inputs, window, mask, correction)[1]).astype(inputs.dtype)


def deviation(variance: Array) -> Array:
    """The root of a variance, without a gradient where it is 0."""
    zero = variance == 0
    root = jnp.sqrt(jnp.where(zero, lax.full_like(variance, 1), variance))
    return jnp.where(zero, lax.full_like(root, 0), root)


def moments(inputs: Array, window: Window, mask: Array | None, correction: int) -> tuple[Array, Array]:
    """The means and variances of windows, in the precision of sums."""
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    if mask is None:
        counts, mean, total = _spread(wide, window)
    else:
        counts, mean, total = _valid_spread(masked(wide, mask, 0), window, along_pooled(mask, wide, window))
    return mean, jnp.where(counts > 0, total / (counts - correction), lax.full_like(total, 0))


def _spread(wide: Array, window: Window) -> tuple[Array, Array, Array]:
    """The number of elements, their mean, and the sum of their squared deviations."""
    mean, total, counts = wide, lax.full_like(wide, 0), jnp.ones((1,) * wide.ndim, wide.dtype)
    for part in window.by_axis():
        # What lies within is as far from its own mean as it was, and this from that of all.
        within, inner = total, mean
        mean = window_sum(inner, part, "elements")
        total = weighted_sum(lax.full_like(inner, 1), inner, mean, part, SQUARED_DEVIATION)
        if inner is not wide:
            total = window_sum(within, part) + counts * total
        counts *= cell_counts(part, "elements", wide.dtype)
    return counts, mean, total


def _valid_spread(wide: Array, window: Window, valid: Array) -> tuple[Array, Array, Array]:
    """The same of the valid elements; the others are 0."""
    total, counts = lax.full_like(wide, 0), valid.astype(wide.dtype)
    mean = wide
    for part in window.by_axis():
        within, inner, weights = total, mean, jnp.broadcast_to(counts, mean.shape)
        counts = window_sum(counts, part)
        mean = window_sum(weights * inner, part) / jnp.maximum(counts, 1)
        total = window_sum(within, part) + weighted_sum(weights, inner, mean, part, SQUARED_DEVIATION)
    return counts, mean, total


SQUARED_DEVIATION = Weight(lambda element, mean: lax.square(lax.sub(element, mean)))
