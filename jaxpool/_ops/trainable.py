"""Pools with parameters that a network learns: how to weigh a sum, and maximum against average."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integers
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import (
    as_bool,
    as_mask,
    as_parameter,
    as_real,
    channels_of,
    masked,
    unpooled_channels,
    valid_counts,
)
from jaxpool._ops._taps import correlate
from jaxpool._ops._whole import pool_whole
from jaxpool._ops.max_min import extreme
from jaxpool._ops.sum_avg import add, average
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window


@public
def subsample_pool(
    inputs: ArrayLike,
    coefficient: ArrayLike,
    bias: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    activation: bool = False,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by LeNet's trainable subsampling: the sum of each window, times a coefficient, plus a bias.

    With window $\Omega$, stride $s$, dilation $d$ and low padding $l$ along each spatial axis, coefficient
    $a$ and bias $b$ of the channel,

    $$ y_o = f \Big( a \sum_{i \in \Omega} x_{o s + i d - l} + b \Big), $$

    where $f(u) = 1.7159 \tanh(2 u / 3)$ with `activation`, and $f(u) = u$ without.

    - Padding, and what `where` masks, is no element: a window of nothing else gives $f(b)$, and no gradient
      to the inputs.
    - NaN and infinities reach the windows that contain them and no others.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      coefficient: what sums are multiplied by: an array of shape `()` or `(channels,)`, or a number. An
        average has one over the number of the window's cells.
      bias: what is added, in the same form.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      activation: whether to apply LeNet's scaled hyperbolic tangent.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      An array of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools promote as
      in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 3.0, 4.0])[:, None]
      >>> jaxpool.subsample_pool(x, 0.5, 1.0, (2,), (2,))[:, 0]
      Array([2.5, 4.5], dtype=float32)

    References:
      LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998:
      layers S2 and S4, and appendix A for the activation.
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
    channels = channels_of(array, channel_axis)
    values = [
        as_parameter(name, value, array.ndim, channels)
        for name, value in (("coefficient", coefficient), ("bias", bias))
    ]
    activation = as_bool("activation", activation)
    mask = as_mask(where, array.shape)
    return on_each_device(_subsample, array, window, mask, values=values, activation=activation)


@public
def mixed_pool(
    inputs: ArrayLike,
    alpha: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by mixing the maximum and the average of each window in a proportion that is learned.

    With the elements $x_1, \dots, x_n$ of a window,

    $$ y = \alpha \max_i x_i + (1 - \alpha) \frac{1}{n} \sum_i x_i. $$

    - The gradient of the maximum goes to the first of ties, in row-major order. A NaN makes its window NaN.
    - Padding, and what `where` masks, is no element, and not counted: a window of nothing else gives 0 and no
      gradient.
    - Nothing keeps $\alpha$ between 0 and 1.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      alpha: the part of the maximum: an array of shape `()` or `(channels,)`, or a number.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The mixtures, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 0.0, 8.0])[:, None]
      >>> jaxpool.mixed_pool(x, 0.5, (2,), (2,))[:, 0]
      Array([2.5, 6. ], dtype=float32)
      >>> jax.grad(lambda alpha: jaxpool.mixed_pool(x, alpha, (2,), (2,)).sum())(0.5)
      Array(5., dtype=float32, weak_type=True)

    References:
      Lee, Gallagher and Tu, "Generalizing Pooling Functions in Convolutional Neural Networks: Mixed, Gated,
      and Tree", 2016.
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
    value = as_parameter("alpha", alpha, array.ndim, channels_of(array, channel_axis))
    return on_each_device(_mixed, array, window, as_mask(where, array.shape), values=(value,))


@public
def global_mixed_pool(
    inputs: ArrayLike,
    alpha: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by mixing the maximum and the average along some axes in a proportion that is learned.

    $$ y = \alpha \max_i x_i + (1 - \alpha) \frac{1}{n} \sum_i x_i $$

    over the $n$ elements that take part. With `alpha=0.5` it is the mean of the two.

    - The gradient of the maximum goes to the first of ties, in row-major order. A NaN makes the result NaN.
    - Where no element takes part the result is 0, without a gradient.
    - Nothing keeps $\alpha$ between 0 and 1.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      alpha: the part of the maximum: an array of shape `()` or `(channels,)`, where channels are the last
        axis and not pooled, or a number.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The mixtures, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 6.0])[None, :, None]
      >>> jaxpool.global_mixed_pool(x, 0.5)
      Array([[4.5]], dtype=float32)

    References:
      Lee, Gallagher and Tu, "Generalizing Pooling Functions in Convolutional Neural Networks: Mixed, Gated,
      and Tree", 2016; timm's `avgmax`.
    """
    array = as_real("inputs", inputs)
    channels = unpooled_channels(array, axis)
    return pool_whole(
        array, _mixed, axis, where, keepdims, as_parameter("alpha", alpha, array.ndim, channels)
    )


@public
def gated_pool(
    inputs: ArrayLike,
    gate: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by mixing the maximum and the average of each window in a proportion that it decides itself.

    With the elements $x_1, \dots, x_n$ of a window, the gate's weights $\omega_1, \dots, \omega_n$ and the
    logistic function $\sigma$,

    $$ y = \sigma(\omega^\top x) \max_i x_i + \big( 1 - \sigma(\omega^\top x) \big) \frac{1}{n} \sum_i x_i. $$

    - The gradient of the maximum goes to the first of ties, in row-major order. A NaN makes its window NaN.
    - Padding, and what `where` masks, is no element, and not counted: a window of nothing else gives 0 and no
      gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      gate: the weights, an array of shape `window_shape`, or `(*window_shape, channels)` with others for each
        channel.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The mixtures, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 0.0, 8.0])[:, None]
      >>> jaxpool.gated_pool(x, jnp.zeros(2), (2,), (2,))[:, 0]  # no preference: half of each
      Array([2.5, 6. ], dtype=float32)
      >>> jaxpool.gated_pool(x, jnp.array([-100.0, 10.0]), (2,), (2,))[:, 0]
      Array([2., 8.], dtype=float32)

    References:
      Lee, Gallagher and Tu, "Generalizing Pooling Functions in Convolutional Neural Networks: Mixed, Gated,
      and Tree", 2016.
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
    sizes = as_integers("window_shape", window_shape, minimum=1)
    values = _as_gate(gate, sizes, array.ndim, channels_of(array, channel_axis))
    return on_each_device(_gated, array, window, as_mask(where, array.shape), values=values)


def _as_gate(
    gate: ArrayLike, sizes: tuple[int, ...], ndim: int, channels: tuple[int, Any] | None
) -> list[Array]:
    """The weight of each tap, of which each broadcasts to the inputs."""
    weights = as_real("gate", gate)
    shapes = [sizes] if channels is None else [sizes, (*sizes, channels[1])]
    if weights.shape not in shapes:
        raise ValueError(f"gate must have the shape {' or '.join(map(str, shapes))}, got {weights.shape}.")
    return [as_parameter("gate", weights[tap], ndim, channels) for tap in np.ndindex(*sizes)]


@functools.partial(jax.jit, static_argnames="activation", inline=True)
def _subsample(
    inputs: Array, window: Window, mask: Array | None, coefficient: Array, bias: Array, *, activation: bool
) -> Array:
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    total = add(wide, window, mask) * coefficient.astype(wide.dtype) + bias.astype(wide.dtype)
    if activation:
        total = 1.7159 * jnp.tanh(total * (2 / 3))
    return total.astype(inputs.dtype)


@functools.partial(jax.jit, inline=True)
def _mixed(inputs: Array, window: Window, mask: Array | None, alpha: Array) -> Array:
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    return _mix(wide, window, mask, alpha.astype(wide.dtype)).astype(inputs.dtype)


@functools.partial(jax.jit, inline=True)
def _gated(inputs: Array, window: Window, mask: Array | None, *gate: Array) -> Array:
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    share = jax.nn.sigmoid(correlate(masked(wide, mask, 0), window, gate))
    return _mix(wide, window, mask, share).astype(inputs.dtype)


def _mix(wide: Array, window: Window, mask: Array | None, share: Array) -> Array:
    """So much of windows' maxima, and the rest of their averages."""
    largest = extreme(wide, window, mask, order="max")
    some = valid_counts(wide, window, mask, np.dtype(np.int32)) > 0
    largest = jnp.where(some, largest, lax.full_like(largest, 0))
    return share * largest + (1 - share) * average(wide, window, mask, divisor="elements")
