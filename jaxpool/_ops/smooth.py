"""Smooth pools: norms, smooth maxima, and averages that are weighted by the elements themselves."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_bool, as_mask, as_real, masked, valid_counts
from jaxpool._ops._smooth import as_temperature, logsumexp, lp_norm, order_of_norm, soft_average
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window


@public
def lp_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    p: float = 2.0,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the Lp norm of each window.

    With window $\Omega$, stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \Big( \sum_{i \in \Omega} |x_{o s + i d - l}|^p \Big)^{1/p}, \qquad
       \frac{\partial y_o}{\partial x_j} = \Big( \frac{|x_j|}{y_o} \Big)^{p - 1} \operatorname{sign} x_j. $$

    `p=1` adds magnitudes, `p=2` is the Euclidean norm, and `p=inf` the largest magnitude.

    - Where the norm is 0 the gradient is 0, and so is that of an element 0. At ties of `p=inf` it goes to the
      first element in row-major order.
    - A NaN makes its window NaN.
    - Padding, and what `where` masks, is no element: a window of nothing else gives 0 and no gradient.
    - Nothing overflows or underflows where the result is representable: magnitudes are divided by their
      window's largest. float16 and bfloat16 are computed in float32 and rounded once.

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
      p: the order of the norm, above 0; `jnp.inf` for the largest magnitude.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The norms, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools promote
      as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, `p` is not positive,
        or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([3.0, -4.0, 0.0, 0.0])[:, None]
      >>> jaxpool.lp_pool(x, (2,), (2,))[:, 0]
      Array([5., 0.], dtype=float32)
      >>> jax.grad(lambda x: jaxpool.lp_pool(x, (2,), (2,)).sum())(x)[:, 0]
      Array([ 0.6, -0.8,  0. ,  0. ], dtype=float32)

    References:
      Gulcehre et al., "Learned-Norm Pooling for Deep Feedforward and Recurrent Neural Networks", 2014.
      `torch.nn.LPPool2d`, which leaves out the magnitude, so that odd `p` of negative elements differ; ONNX
      `LpPool`.
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
    return on_each_device(lp, array, window, as_mask(where, array.shape), p=order_of_norm(p))


@public
def logsumexp_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    temperature: float = 1.0,
    mean: bool = False,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by a smooth maximum: the logarithm of the sum of each window's exponentials.

    With window $\Omega$, stride $s$, dilation $d$, low padding $l$ along each spatial axis and temperature
    $T$,

    $$ y_o = T \log \sum_{i \in \Omega} e^{x_{o s + i d - l} / T}, \qquad
       \frac{\partial y_o}{\partial x_j} = e^{(x_j - y_o) / T}. $$

    With `mean=True` the sum is divided by the number of elements. It then lies between the average
    ($T \to \infty$) and the maximum ($T \to 0$); without, at or above the maximum.

    - Stabilised by each window's maximum: nothing overflows.
    - A window whose elements are all -inf gives -inf and no gradient. A NaN makes its window NaN.
    - Padding, and what `where` masks, is no element: a window of nothing else gives -inf and no gradient.
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
      temperature: the scale of differences that count, above 0.
      mean: whether to take the mean of the exponentials in place of their sum.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The smooth maxima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, `temperature` is not
        positive, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0])[:, None]
      >>> print(f"{jaxpool.logsumexp_pool(x, (2,))[0, 0]:.4f}")
      3.1269
      >>> for temperature in (100.0, 1.0, 0.01):
      ...     print(f"{jaxpool.logsumexp_pool(x, (2,), temperature=temperature, mean=True)[0, 0]:.2f}")
      2.00
      2.43
      2.99

    References:
      Pinheiro and Collobert, "From Image-level to Pixel-level Labeling with Convolutional Networks", 2015,
      whose `r` is `1 / temperature` with `mean=True`. `jax.nn.logsumexp`.
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
    temperature, mean = as_temperature(temperature), as_bool("mean", mean)
    mask = as_mask(where, array.shape)
    return on_each_device(smooth_maximum, array, window, mask, temperature=temperature, mean=mean)


@public
def soft_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    temperature: float = 1.0,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging each window with weights that grow exponentially with the elements.

    With the elements $x_1, \dots, x_n$ of a window and temperature $T$,

    $$ y = \sum_i p_i x_i, \quad p_i = \frac{e^{x_i / T}}{\sum_k e^{x_k / T}}, \qquad
       \frac{\partial y}{\partial x_j} = p_j \Big( 1 + \frac{x_j - y}{T} \Big). $$

    It lies between the average ($T \to \infty$) and the maximum ($T \to 0$).

    - Stabilised by each window's maximum: nothing overflows.
    - A window whose elements are all -inf gives -inf, and one that has inf gives inf, without a gradient;
      beside others, an element of -inf counts for nothing. A NaN makes its window NaN.
    - Padding, and what `where` masks, is no element: a window of nothing else gives 0 and no gradient.
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
      temperature: the scale of differences that count, above 0.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The weighted averages, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
      bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, `temperature` is not
        positive, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0])[:, None]
      >>> print(f"{jaxpool.soft_pool(x, (2,))[0, 0]:.4f}")
      2.7616

    References:
      Stergiou, Poppe and Kalliatakis, "Refining activation downsampling with SoftPool", 2021.
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
    mask = as_mask(where, array.shape)
    return on_each_device(soft, array, window, mask, temperature=as_temperature(temperature))


@functools.partial(jax.jit, static_argnames="p", inline=True)
def lp(inputs: Array, window: Window, mask: Array | None, *, p: float) -> Array:
    """The norms of windows, of the valid elements where there is a mask."""
    return lp_norm(masked(inputs, mask, 0), window, p).astype(inputs.dtype)


@functools.partial(jax.jit, static_argnames=("temperature", "mean"), inline=True)
def smooth_maximum(
    inputs: Array, window: Window, mask: Array | None, *, temperature: float, mean: bool
) -> Array:
    """The smooth maxima of windows, of the valid elements where there is a mask."""
    counts = valid_counts(inputs, window, mask, accumulation_dtype(inputs.dtype)) if mean else None
    return logsumexp(masked(inputs, mask, -np.inf), window, temperature, counts).astype(inputs.dtype)


@functools.partial(jax.jit, static_argnames="temperature", inline=True)
def soft(inputs: Array, window: Window, mask: Array | None, *, temperature: float) -> Array:
    """The soft averages of windows, of the valid elements where there is a mask."""
    some = valid_counts(inputs, window, mask, np.dtype(np.int32)) > 0
    return soft_average(masked(inputs, mask, -np.inf), window, temperature, some).astype(inputs.dtype)
