"""A random pool: an element of each window, drawn by its size."""

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
from jaxpool._lowering.shards import filled
from jaxpool._lowering.sweep import window_taps
from jaxpool._lowering.weights import Relative, Scale
from jaxpool._ops._arrays import as_bool, as_mask, as_real, masked
from jaxpool._ops._smooth import as_scale, or_one, statistics
from jaxpool._ops.random import as_key
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.select import select_with_index, take
from jaxpool._primitives.sum import weighted_sum, window_sum
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window


@public
def stochastic_pool(
    key: ArrayLike | None,
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    deterministic: bool = False,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by drawing an element of each window, with a probability in proportion to its size.

    With the elements $x_1, \dots, x_n$ of a window and $x^+ = \max(x, 0)$,

    $$ y = x_i \text{ with probability } p_i = \frac{x_i^+}{\sum_k x_k^+}, \qquad
       \mathbb{E}\, y = \sum_i p_i x_i, $$

    which is what `deterministic=True` gives, for use after training.

    - The gradient goes to the element that was drawn; with `deterministic` it is that of the expectation.
    - Padding, and what `where` masks, is no element. A window without a positive element gives 0 and no
      gradient.
    - A NaN makes its window NaN, and an element of inf is always drawn.
    - float16 and bfloat16 are compared and added in float32, and rounded once.

    Args:
      key: a key of `jax.random`; `None` with `deterministic`.
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
      deterministic: whether to give the expectation in place of a draw.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The elements or their expectations, of shape `(*batch, *pooled, channels)` and of the inputs' dtype;
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, there is no key to draw
        with, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 4.0, -2.0, 0.0])[:, None]
      >>> jaxpool.stochastic_pool(None, x, (2,), (2,), deterministic=True)[:, 0]
      Array([3.4, 0. ], dtype=float32)
      >>> keys = jax.random.split(jax.random.key(0), 1000)
      >>> draws = jax.vmap(lambda key: jaxpool.stochastic_pool(key, x, (2,), (2,)))(keys)
      >>> round(float((draws[:, 0] == 4).mean()), 1)
      0.8

    References:
      Zeiler and Fergus, "Stochastic Pooling for Regularization of Deep Convolutional Neural Networks", 2013.
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
    if as_bool("deterministic", deterministic):
        return on_each_device(_expected, array, window, mask)
    checked = as_key(key, "deterministic")
    dtype = accumulation_dtype(array.dtype)
    uniform = jax.random.uniform(checked, window.output_shape(array.shape), dtype)
    return on_each_device(_drawn, array, window, mask, values=(uniform,))


@functools.partial(jax.jit, inline=True)
def _drawn(inputs: Array, window: Window, mask: Array | None, uniform: Array) -> Array:
    wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
    positive = lax.stop_gradient(jnp.maximum(wide, lax.full_like(wide, 0)))
    total = window_sum(positive, window)
    threshold = uniform * total
    # The first element at which the running sum passes the threshold.
    running, index = lax.full_like(total, 0), lax.full_like(total, 0, np.int32)
    for tap in window_taps(filled(positive, window, 0), 0, window.local):
        running += tap
        index += (running <= threshold).astype(np.int32)
    # Where rounding has passed all elements, or the total is not finite, the largest is drawn.
    _, first = select_with_index(positive, window, "max")
    passed = (index < window.taps) & (total < np.inf)
    index = jnp.where(passed, index.astype(first.dtype), first)
    value = take(wide, lax.optimization_barrier(index), window)
    return jnp.where(total == 0, lax.full_like(value, 0), value).astype(inputs.dtype)


@functools.partial(jax.jit, inline=True)
def _expected(inputs: Array, window: Window, mask: Array | None) -> Array:
    wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
    # A maximum of equals halves the gradient, of which an element of 0 has none.
    positive = jnp.where(wide <= 0, lax.full_like(wide, 0), wide)
    largest = statistics(positive, window, _RELATIVE_SIZE)
    total = weighted_sum(lax.full_like(wide, 1), positive, largest, window, _RELATIVE_SIZE)
    product = weighted_sum(positive, positive, largest, window, _RELATIVE_SIZE)
    return (product / or_one(total)).astype(inputs.dtype)


_RELATIVE_SIZE = Relative(lax.div, Scale(lambda element: element, 0, as_scale, lax.div))
