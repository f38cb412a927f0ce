"""Detail-preserving pools: elements count by how far they are from their window's average."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import along_pooled, as_bool, as_mask, as_parameter, as_real, channels_of, masked
from jaxpool._ops._smooth import or_one
from jaxpool._ops._taps import each_tap, padded
from jaxpool._ops.sum_avg import average
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.sum import window_spread, window_sum
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window

# Keeps powers of distances smooth at 0; the paper's.
_EPSILON = 1e-3


@public
def detail_preserving_pool(
    inputs: ArrayLike,
    alpha: ArrayLike,
    lam: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    symmetric: bool = False,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging each window with weights that grow with the distance from its mean.

    With the elements $x_1, \dots, x_n$ of a window, their mean $\bar x$ and $\varepsilon = 10^{-3}$,

    $$ y = \frac{\sum_i w_i x_i}{\sum_i w_i}, \qquad
       w_i = \alpha + \Big( \sqrt{d_i^2 + \varepsilon^2} \Big)^\lambda, \qquad
       d_i = \max(0, x_i - \bar x), $$

    or $d_i = x_i - \bar x$ where `symmetric`. `lam=0` and $\alpha \to \infty$ give the average; the larger
    $\lambda$, the more the details that stand out: those above the mean, or with `symmetric` on both sides.

    - Smooth, also where elements are equal, for $\varepsilon > 0$.
    - Neither parameter is kept from being negative here, where weights could add up to 0; the modules learn
      their logarithms.
    - A NaN or an infinity makes its window NaN, and so does a power beyond the largest number.
    - Padding, and what `where` masks, is no element: a window of nothing else gives 0 and no gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      alpha: what all elements weigh: an array of shape `()` or `(channels,)`, or a number, of at least 0.
      lam: the exponent, which is called lambda in the paper, in the same form and of at least 0.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      symmetric: whether elements below the mean count as those above.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The weighted averages, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
      bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 0.0, 0.0, 8.0])[:, None]
      >>> for alpha, lam in ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0)):
      ...     print(jnp.round(jaxpool.detail_preserving_pool(x, alpha, lam, (4,))[:, 0], 2))
      [2.]
      [5.6]
      [8.]

    References:
      Saeedan, Weber, Goesele and Roth, "Detail-Preserving Pooling in Deep Networks", 2018, with windows'
      means for the linearly downscaled image, which the paper calls lite.
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
    values = [as_parameter(name, v, array.ndim, channels) for name, v in (("alpha", alpha), ("lam", lam))]
    symmetric = as_bool("symmetric", symmetric)
    mask = as_mask(where, array.shape)
    return on_each_device(_preserve_details, array, window, mask, values=values, symmetric=symmetric)


@functools.partial(jax.jit, static_argnames="symmetric", inline=True)
def _preserve_details(
    inputs: Array, window: Window, mask: Array | None, alpha: Array, lam: Array, *, symmetric: bool
) -> Array:
    @jax.checkpoint  # so that the input is kept for the backward pass, and not what it takes to weigh it
    def pool(inputs: Array, alpha: Array, lam: Array) -> Array:
        wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
        weigh = functools.partial(_weight, alpha.astype(wide.dtype), lam.astype(wide.dtype), symmetric)
        mean = average(wide, window, mask, divisor="elements")
        valid = None if mask is None else along_pooled(mask, wide, window).astype(wide.dtype)
        # On the CPU, forward and backward in (16, 56, 56, 64) by 2x2/2: 143 ms, and tap by tap 205.
        totals = _weigh_tiles if window.tiles or window.whole else _weigh_taps
        total, weighted = totals(wide, window, valid, mean, weigh)
        # The mean and an average of distances from it, which is 0 where all weights are.
        return mean + weighted / or_one(total)

    return pool(inputs, alpha, lam).astype(inputs.dtype)


def _weight(alpha: Array, lam: Array, symmetric: bool, distance: Array) -> Array:
    detail = distance if symmetric else jnp.maximum(distance, 0)
    return alpha + jnp.exp(lam / 2 * jnp.log(detail * detail + _EPSILON**2))


def _weigh_tiles(
    wide: Array, window: Window, valid: Array | None, mean: Array, weigh: Callable
) -> tuple[Array, Array]:
    """Sums of weights, and of distances times these, where each cell is in one window."""
    distance = wide - window_spread(mean, window)
    weight = weigh(distance) if valid is None else valid * weigh(distance)
    return window_sum(weight, window), window_sum(weight * distance, window)


def _weigh_taps(
    wide: Array, window: Window, valid: Array | None, mean: Array, weigh: Callable
) -> tuple[Array, Array]:
    """The same, where windows may share cells: tap by tap."""
    total = weighted = lax.full_like(mean, 0)
    elements = each_tap(padded(wide, window), window)
    for element, inside in zip(elements, _are_elements(wide, window, valid), strict=True):
        distance = element - mean
        weight = inside * weigh(distance)
        total += weight
        weighted += weight * distance
    return total, weighted


def _are_elements(wide: Array, window: Window, valid: Array | None) -> Iterable[Any]:
    """For each tap, 1 in windows where it is an element, and 0 where it is not."""
    axes = window.pooled
    if valid is None:
        if all(np.all(axis.element_counts() == axis.size) for axis in axes.values()):
            return [1] * window.taps
        valid = lax.full([n if d in axes else 1 for d, n in enumerate(wide.shape)], 1, wide.dtype)
    return each_tap(padded(valid, window), window)
