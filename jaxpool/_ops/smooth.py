"""Smooth pools: a function of a weighted sum of each window, scaled by its largest element.

Elements are weighed against their own window's maximum, so that nothing overflows and small numbers keep
their
digits beside a window of large ones. Nothing is kept for each tap, forward or backward: see `weighted_sum`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._lowering.divisors import cell_counts
from jaxpool._lowering.folds import Weight
from jaxpool._lowering.settle import settle
from jaxpool._ops._arrays import as_bool, as_number, as_real
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.select import select
from jaxpool._primitives.sum import weighted_sum
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window


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
) -> Array:
    r"""Pools by taking the Lp norm of each window.

    With window $\Omega$, stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \Big( \sum_{i \in \Omega} |x_{o s + i d - l}|^p \Big)^{1/p}, \qquad
       \frac{\partial y_o}{\partial x_j} = \Big( \frac{|x_j|}{y_o} \Big)^{p - 1} \operatorname{sign} x_j. $$

    `p=1` adds magnitudes, `p=2` is the Euclidean norm, and `p=inf` the largest magnitude.

    - Where the norm is 0 the gradient is 0, and so is that of an element 0. At ties of `p=inf` it goes to the
      first element in row-major order.
    - A NaN makes its window NaN.
    - Padding is no element: a window of padding only gives 0 and no gradient.
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
        once it is set aside.
      p: the order of the norm, above 0; `jnp.inf` for the largest magnitude.

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
    return on_each_device(_lp, array, window, p=order_of_norm(p))


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
    - Padding is no element: a window of padding only gives -inf and no gradient.
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
        once it is set aside.
      temperature: the scale of differences that count, above 0.
      mean: whether to take the mean of the exponentials in place of their sum.

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
    return on_each_device(_logsumexp, array, window, temperature=temperature, mean=mean)


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
) -> Array:
    r"""Pools by averaging each window with weights that grow exponentially with the elements.

    With the elements $x_1, \dots, x_n$ of a window and temperature $T$,

    $$ y = \sum_i p_i x_i, \quad p_i = \frac{e^{x_i / T}}{\sum_k e^{x_k / T}}, \qquad
       \frac{\partial y}{\partial x_j} = p_j \Big( 1 + \frac{x_j - y}{T} \Big). $$

    It lies between the average ($T \to \infty$) and the maximum ($T \to 0$).

    - Stabilised by each window's maximum: nothing overflows.
    - A window whose elements are all -inf gives -inf, and one that has inf gives inf, without a gradient;
      beside others, an element of -inf counts for nothing. A NaN makes its window NaN.
    - Padding is no element: a window of padding only gives 0 and no gradient.
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
        once it is set aside.
      temperature: the scale of differences that count, above 0.

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
    return on_each_device(_soft, array, window, temperature=as_temperature(temperature))


def order_of_norm(p: float) -> float:
    """The order of a norm, checked."""
    number = as_number("p", p)
    if not number > 0:
        raise ValueError(f"p must be above 0, got {p!r}.")
    return number


def as_temperature(temperature: Any) -> float:
    """A temperature, checked."""
    number = as_number("temperature", temperature)
    if not 0 < number < math.inf:
        raise ValueError(f"temperature must be above 0 and finite, got {temperature!r}.")
    return number


@functools.partial(jax.jit, static_argnames="p", inline=True)
def _lp(inputs: Array, window: Window, *, p: float) -> Array:
    return lp_norm(inputs, window, p).astype(inputs.dtype)


@functools.partial(jax.jit, static_argnames=("temperature", "mean"), inline=True)
def _logsumexp(inputs: Array, window: Window, *, temperature: float, mean: bool) -> Array:
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    counts = cell_counts(window, "elements", wide.dtype) if mean else None
    return logsumexp(wide, window, temperature, counts).astype(inputs.dtype)


@functools.partial(jax.jit, static_argnames="temperature", inline=True)
def _soft(inputs: Array, window: Window, *, temperature: float) -> Array:
    some = cell_counts(window, "elements", np.dtype(np.int32)) > 0
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    return soft_average(wide, window, temperature, some).astype(inputs.dtype)


def soft_average(wide: Array, window: Window, temperature: float, some: Array) -> Array:
    """Averages of windows, weighted by exponentials of the elements; 0 where there are not some."""
    # An element of -inf has no weight, but -inf times nothing would be NaN.
    elements = jnp.where(wide == -np.inf, lax.full_like(wide, 0), wide)
    mean = softmax_average(elements, wide, window, temperature)
    largest = lax.stop_gradient(select(wide, window, "max"))
    return jnp.where(some & jnp.isinf(largest), largest, mean)


def lp_norm(inputs: Array, window: Window, p: float) -> Array:
    """The norms of windows, in the precision of sums."""
    norms = inputs.astype(accumulation_dtype(inputs.dtype))
    if p == math.inf:
        return _largest_magnitude(norms, window)
    for part in window.by_axis(3):
        norms = _lp_norm(norms, part, p)
    return norms


def _lp_norm(wide: Array, window: Window, p: float) -> Array:
    largest = lax.stop_gradient(select(jnp.abs(wide), window, "max"))
    if p == 2:  # of which a power of two is near enough, and dividing by it is exact
        info = jnp.finfo(wide.dtype)
        scale = lax.reduce_precision(largest, info.nexp, 0)
        scale = lax.clamp(info.tiny, scale, 1 / info.tiny)
        weight, statistic, root = _square, 1 / scale, lax.sqrt
    else:
        scale = jnp.where((largest > 0) & (largest < np.inf), largest, lax.full_like(largest, 1))
        weight, statistic, root = power(p), scale, lambda total: jnp.power(total, 1 / p)
    total = weighted_sum(lax.full_like(wide, 1), wide, statistic, window, weight)
    return jnp.where(total == 0, lax.full_like(total, 0), scale * root(or_one(total)))


def logsumexp(wide: Array, window: Window, temperature: float, counts: Array | None) -> Array:
    """Smooth maxima of windows; of means where there are counts."""
    *inner, last = window.by_axis(1.6)
    for part in inner:
        wide = logarithm(*_exponentials(wide, part, temperature), temperature)
    total, reference = _exponentials(wide, last, temperature)
    return logarithm(total if counts is None else total / or_one(counts), reference, temperature)


def _exponentials(wide: Array, window: Window, temperature: float) -> tuple[Array, Array]:
    """The sums of windows' exponentials, and what elements are compared with: maxima that are numbers."""
    reference = lax.stop_gradient(select(wide, window, "max"))
    reference = jnp.where(jnp.isfinite(reference), reference, lax.full_like(reference, 0))
    return weighted_sum(lax.full_like(wide, 1), wide, reference, window, exponential(temperature)), reference


def logarithm(total: Array, reference: Array, temperature: float) -> Array:
    """The smooth maximum of a sum of exponentials relative to a reference."""
    value = reference + temperature * jnp.log(or_one(total))
    return jnp.where(total == 0, lax.full_like(value, -np.inf), value)


def softmax_average(values: Array, logits: Array, window: Window, temperature: float = 1.0) -> Array:
    """Averages of windows, weighted by exponentials of the logits."""
    parts = window.by_axis(1.6)
    for part in parts:
        total, reference = _exponentials(logits, part, temperature)
        # Else XLA:CPU has the two share the weight of each tap as an array: for 5x5 taps 364 kernels in place
        # of 4, which compile for three times as long.
        apart = settle(reference)
        values = weighted_sum(values, logits, apart, part, exponential(temperature)) / or_one(total)
        if part is not parts[-1]:
            logits = logarithm(total, reference, temperature)
    return values


@functools.cache
def exponential(temperature: float) -> Weight:
    """Exponentials of elements relative to their window's maximum."""

    def weight(element: Array, largest: Array) -> Array:
        return lax.exp(lax.div(lax.sub(element, largest), lax.full_like(element, temperature)))

    return weight


def _square(element: Array, reciprocal: Array) -> Array:
    scaled = element * reciprocal
    return scaled * scaled


@functools.cache
def power(p: float) -> Weight:
    """Powers of magnitudes relative to their window's largest; at 0 every derivative counts as 0."""

    def weight(element: Array, largest: Array) -> Array:
        nonzero = element != 0
        ratio = jnp.abs(jnp.where(nonzero, element, largest)) / largest
        return jnp.where(nonzero, ratio**p, lax.full_like(ratio, 0))

    return weight


def or_one(total: Array) -> Array:
    """A divisor that gives a quotient, and a gradient of 0, where the total is 0."""
    return jnp.where(total == 0, lax.full_like(total, 1), total)


def _largest_magnitude(wide: Array, window: Window) -> Array:
    # The derivative of the magnitude of 0 is 1 in JAX; here it counts as 0.
    magnitudes = jnp.where(wide == 0, lax.full_like(wide, 0), jnp.abs(wide))
    largest = select(magnitudes, window, "max")
    return jnp.where(largest == -np.inf, lax.full_like(largest, 0), largest)
