"""Pools that add the elements of each window: sum and average."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jaxpool._elsewhere import public
from jaxpool._lowering.divisors import divisors
from jaxpool._ops._arrays import along_pooled, as_array, as_mask, masked, mean_dtype
from jaxpool._ops._integers import (
    Rounding,
    as_dtype,
    as_rounding,
    is_integer_dtype,
    quotient,
    sum_dtype,
    summand,
)
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.sum import window_sum
from jaxpool._shards import on_each_device
from jaxpool._window import Divisor, Padding, Window, make_window


@public
def sum_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    r"""Pools by adding the elements of each window.

    With window $\Omega$, stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \sum_{i \in \Omega} x_{o s + i d - l}. $$

    - float16 and bfloat16 are added in float32, forward and backward, and rounded once, unless `dtype` is
      float32.
    - Integers of 8 and 16 bits and bools are added in int32, unsigned ones in uint32, as by `jnp.sum`; beyond
      the range of the result sums wrap around.
    - Padding, and what `where` masks, is no element: a window of nothing else gives 0.
    - NaN and infinities reach the windows that contain them and no others.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
        numeric dtype.
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
        never added, and without harm if it is NaN.
      dtype: the dtype of the result, which elements are converted to before they are added; `None` is that
        of the inputs, and for integers and bools as in `jnp.sum`.

    Returns:
      The sums, of shape `(*batch, *pooled, channels)`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(6)[:, None]
      >>> jaxpool.sum_pool(x, (3,), (3,))[:, 0]
      Array([ 3, 12], dtype=int32)
      >>> ones = jnp.ones((300, 1), jnp.int8)
      >>> jaxpool.sum_pool(ones, (300,)), jaxpool.sum_pool(ones, (300,), dtype=jnp.int8)
      (Array([[300]], dtype=int32), Array([[44]], dtype=int8))

    References:
      Arguments as `flax.linen.avg_pool`, of which this is the numerator; `dtype` as in `jnp.sum`.
    """
    array = as_array("inputs", inputs)
    window = make_window(
        array.shape,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )
    return on_each_device(add, array, window, as_mask(where, array.shape), dtype=as_dtype(dtype))


@public
def avg_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    divisor_override: int | None = None,
    where: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    rounding: Rounding = "truncate",
) -> Array:
    r"""Pools by averaging the elements of each window.

    With window $\Omega$, stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \frac{1}{c_o} \sum_{i \in \Omega} x_{o s + i d - l}, $$

    where $c_o$ is the number of cells of the window that lie in the input or in the padding asked for
    (`count_include_pad=True`), that lie in the input (`False`), or `divisor_override`.

    - Cells by which `ceil_mode` lets a window overhang the padding are never counted.
    - Elements that `where` masks are counted in no case. A window without elements gives 0.
    - float16 and bfloat16 are added and divided in float32, forward and backward, and rounded once: the
      mean of 4096 bfloat16 ones is 1.
    - Averages are integers where `dtype` is one of integers. Then elements are added as by `sum_pool`, in
      int32, uint32 or what is wider, and their sum is divided without rounding before the end.
    - NaN and infinities reach the windows that contain them and no others.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
        numeric dtype.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      count_include_pad: whether padding counts in the divisor.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      divisor_override: what to divide by in place of the count.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        never added, never counted, and without harm if it is NaN.
      dtype: the dtype of the result; `None` is that of the inputs, and for integers and bools as in
        `jnp.mean`.
      rounding: where `dtype` is one of integers, how averages are rounded: `"truncate"` towards 0, as
        `jnp.mean` and PyTorch do, or to the `"nearest"`, halves away from 0, as TensorFlow Lite does.

    Returns:
      The averages, of shape `(*batch, *pooled, channels)`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, a window fits nowhere, `divisor_override` is 0, or
        `rounding` is given where `dtype` is not one of integers.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 3.0])[:, None]
      >>> jaxpool.avg_pool(x, (2,), padding="SAME")[:, 0]
      Array([1.5, 2.5, 1.5], dtype=float32)
      >>> jaxpool.avg_pool(x, (2,), padding="SAME", count_include_pad=False)[:, 0]
      Array([1.5, 2.5, 3. ], dtype=float32)
      >>> pixels = jnp.array([1, 2, -4, -3], jnp.int8)[:, None]
      >>> jaxpool.avg_pool(pixels, (2,), (2,), dtype=jnp.int8)[:, 0]
      Array([ 1, -3], dtype=int8)
      >>> jaxpool.avg_pool(pixels, (2,), (2,), dtype=jnp.int8, rounding="nearest")[:, 0]
      Array([ 2, -4], dtype=int8)

    References:
      Arguments as `flax.linen.avg_pool`; `ceil_mode` and `divisor_override` as `torch.nn.AvgPool2d`; `dtype`
      as in `jnp.mean`.
    """
    array = as_array("inputs", inputs)
    window = make_window(
        array.shape,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )
    result = as_dtype(dtype)
    return on_each_device(
        average,
        array,
        window,
        as_mask(where, array.shape),
        divisor=as_divisor(count_include_pad, divisor_override, result),
        dtype=result,
        rounding=as_rounding(rounding, result),
    )


def as_divisor(
    count_include_pad: bool, divisor_override: int | None, dtype: np.dtype | None = None
) -> Divisor:
    """What the sum of a window is divided by for an average of a dtype, checked."""
    if divisor_override is None:
        return "cells" if count_include_pad else "elements"
    if not isinstance(divisor_override, int | np.integer) or isinstance(divisor_override, bool):
        raise TypeError(f"divisor_override must be None or an int, got {divisor_override!r}.")
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0, got 0.")
    if is_integer_dtype(dtype) and not 0 < divisor_override < 2**31:
        raise ValueError(
            f"divisor_override must be from 1 to {2**31 - 1} where dtype is one of integers, got "
            f"{divisor_override}."
        )
    return int(divisor_override)


@functools.partial(jax.jit, static_argnames="dtype", inline=True)
def add(inputs: Array, window: Window, mask: Array | None, *, dtype: np.dtype | None = None) -> Array:
    """The sums of windows, of the valid elements where there is a mask."""
    dtype = sum_dtype(inputs.dtype) if dtype is None else dtype
    return window_sum(masked(summand(inputs, dtype), mask, 0), window).astype(dtype)


@functools.partial(jax.jit, static_argnames=("divisor", "dtype", "rounding"), inline=True)
def average(
    inputs: Array,
    window: Window,
    mask: Array | None,
    *,
    divisor: Divisor,
    dtype: np.dtype | None = None,
    rounding: Rounding = "truncate",
) -> Array:
    """The averages of windows, of the valid elements where there is a mask."""
    dtype = mean_dtype(inputs) if dtype is None else dtype
    if is_integer_dtype(dtype):
        total = add(inputs, window, mask, dtype=sum_dtype(dtype))
        return quotient(total, counts(inputs, window, mask, divisor, total.dtype), rounding).astype(dtype)
    if mask is None:
        return window_sum(summand(inputs, dtype), window, divisor).astype(dtype)
    total = window_sum(masked(inputs.astype(accumulation_dtype(dtype)), mask, 0), window)
    return (total / counts(inputs, window, mask, divisor, total.dtype)).astype(dtype)


def counts(inputs: Array, window: Window, mask: Array | None, divisor: Divisor, dtype: np.dtype) -> Array:
    """What the sums of windows are divided by, of the valid elements; it broadcasts to them."""
    if isinstance(divisor, int):
        return lax.full((1,) * inputs.ndim, divisor, dtype)
    found = divisors(window, divisor, np.dtype(np.int32))
    if mask is not None:
        left_out = window_sum((~along_pooled(mask, inputs, window)).astype(np.int32), window)
        found = jnp.maximum(found - left_out, 1)
    return found.astype(dtype)
