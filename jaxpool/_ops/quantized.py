"""Average pools of quantized numbers: integers that stand for real numbers, in steps of a scale."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_mask, as_number, masked
from jaxpool._ops._integers import quotient
from jaxpool._ops._whole import pool_whole
from jaxpool._ops.sum_avg import as_divisor, counts
from jaxpool._primitives.sum import window_sum
from jaxpool._shards import on_each_device
from jaxpool._window import Divisor, Padding, Window, make_window


@public
def quantized_avg_pool(
    inputs: ArrayLike,
    scale: float,
    zero_point: SupportsIndex,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = True,
    *,
    output_scale: float | None = None,
    output_zero_point: SupportsIndex | None = None,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools quantized numbers by averaging the elements of each window.

    An integer $q$ stands for the number $s (q - z)$, with scale $s$ and zero point $z$, and those that
    result for $s' (q' - z')$. With window $\Omega$, stride $t$, dilation $d$ and low padding $l$ along each
    spatial axis,

    $$ q'_o = \operatorname{saturate} \Big( \operatorname{round} \Big(
       \frac{s}{s' c_o} \sum_{i \in \Omega} (q_{o t + i d - l} - z) + z' \Big) \Big), $$

    where $c_o$ is the number of cells or elements of the window, as in `avg_pool`. Maxima and minima need no
    such function: the largest of integers stands for the largest number, so `max_pool` is theirs.

    - Halves are rounded to even, and what the dtype does not reach is its lowest or highest number.
    - Elements are added in int32. Where the scale stays the same all is exact, in integers; where it does
      not, the sum is multiplied by $s / (s' c_o)$ in float32.
    - Padding stands for 0. A window without elements gives the zero point.
    - Integers have no gradient.

    Args:
      inputs: an array of int8 or uint8, of shape `(*batch, *spatial, channels)`, with any number of batch
        axes.
      scale: the step between the numbers that the inputs stand for, above 0.
      zero_point: the integer of the inputs that stands for 0.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      count_include_pad: whether padding counts in the divisor.
      output_scale: the step between the numbers that the result stands for; `None` is that of the inputs.
      output_zero_point: the integer of the result that stands for 0; `None` is that of the inputs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding, and
        never counted.

    Returns:
      The averages, of the inputs' dtype and of shape `(*batch, *pooled, channels)`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is not of int8 or uint8.
      ValueError: an argument has the wrong length or sign, a window fits nowhere, or a zero point is no
        number of the inputs' dtype.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([10, 13, 12, 15], jnp.uint8)[:, None]  # 0, 1.5, 1 and 2.5
      >>> jaxpool.quantized_avg_pool(x, 0.5, 10, (2,), (2,))[:, 0]
      Array([12, 14], dtype=uint8)
      >>> jaxpool.quantized_avg_pool(x, 0.5, 10, (2,), (2,), output_scale=0.25, output_zero_point=0)[:, 0]
      Array([3, 7], dtype=uint8)

    References:
      Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
      Inference", 2018. `QLinearAveragePool` of ONNX Runtime, which adds numbers of float32: where an average
      lies halfway between two integers, rounding has it take the other one in a tenth of the cases.
    """
    array = _as_quantized(inputs)
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
        _average,
        array,
        window,
        as_mask(where, array.shape),
        divisor=as_divisor(count_include_pad, None),
        steps=_as_steps(array.dtype, scale, zero_point, output_scale, output_zero_point),
    )


@public
def global_quantized_avg_pool(
    inputs: ArrayLike,
    scale: float,
    zero_point: SupportsIndex,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    output_scale: float | None = None,
    output_zero_point: SupportsIndex | None = None,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools quantized numbers by averaging everything along some axes.

    An integer $q$ stands for the number $s (q - z)$, with scale $s$ and zero point $z$, and those that
    result for $s' (q' - z')$:

    $$ q' = \operatorname{saturate} \Big( \operatorname{round} \Big(
       \frac{s}{s' n} \sum_i (q_i - z) \Big) + z' \Big) $$

    over the $n$ elements that take part.

    - Halves are rounded to even, before the zero point is added, and what the dtype does not reach is its
      lowest or highest number.
    - Elements are added in int32, which is enough for eight million. Where the scale stays the same all is
      exact, in integers; where it does not, the sum is multiplied by $s / (s' n)$ in float32.
    - Where no element takes part the average is the zero point.
    - Integers have no gradient.

    Args:
      inputs: an array of int8 or uint8.
      scale: the step between the numbers that the inputs stand for, above 0.
      zero_point: the integer of the inputs that stands for 0.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      output_scale: the step between the numbers that the result stands for; `None` is that of the inputs.
      output_zero_point: the integer of the result that stands for 0; `None` is that of the inputs.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The averages, of the inputs' dtype.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is not of int8 or uint8.
      ValueError: an argument has the wrong length or shape, names an axis that is not there, or a zero point
        is no number of the inputs' dtype.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([10, 13, 12, 15], jnp.uint8)[None, :, None]  # 0, 1.5, 1 and 2.5
      >>> jaxpool.global_quantized_avg_pool(x, 0.5, 10, output_scale=0.125, output_zero_point=0)
      Array([[10]], dtype=uint8)

    References:
      Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
      Inference", 2018. `QLinearGlobalAveragePool` of ONNX Runtime.
    """
    array = _as_quantized(inputs)
    steps = _as_steps(array.dtype, scale, zero_point, output_scale, output_zero_point)
    return pool_whole(array, _whole_average(steps), axis, where, keepdims)


class _Steps(NamedTuple):
    """What the integers before and after stand for."""

    scale: float
    zero_point: int
    output_scale: float
    output_zero_point: int


def _as_quantized(inputs: ArrayLike) -> Array:
    array = as_array("inputs", inputs)
    if array.dtype not in (np.int8, np.uint8):
        raise TypeError(f"inputs must be an array of int8 or uint8, got {array.dtype}.")
    return array


def _as_steps(
    dtype: np.dtype, scale: Any, zero_point: Any, output_scale: Any, output_zero_point: Any
) -> _Steps:
    before = as_scale("scale", scale), _as_zero_point("zero_point", zero_point, dtype)
    return _Steps(
        *before,
        before[0] if output_scale is None else as_scale("output_scale", output_scale),
        before[1]
        if output_zero_point is None
        else _as_zero_point("output_zero_point", output_zero_point, dtype),
    )


def as_scale(name: str, value: Any) -> float:
    """The step of quantized numbers, checked."""
    number = as_number(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be above 0 and finite, got {value!r}.")
    return number


def _as_zero_point(name: str, value: Any, dtype: np.dtype) -> int:
    number, limits = as_integer(name, value), np.iinfo(dtype)
    if not limits.min <= number <= limits.max:
        raise ValueError(
            f"{name} must be from {limits.min} to {limits.max} for inputs of {dtype}, got {value!r}."
        )
    return number


@functools.cache
def _whole_average(steps: _Steps) -> functools.partial[Array]:
    return functools.partial(_average, divisor="elements", steps=steps, round_first=True)


@functools.partial(jax.jit, static_argnames=("divisor", "steps", "round_first"), inline=True)
def _average(
    inputs: Array,
    window: Window,
    mask: Array | None,
    *,
    divisor: Divisor,
    steps: _Steps,
    round_first: bool = False,
) -> Array:
    """The averages of windows. ONNX Runtime adds the zero point to those of windows before it rounds."""
    total = window_sum(masked(inputs.astype(np.int32) - steps.zero_point, mask, 0), window)
    count = counts(inputs, window, mask, divisor, total.dtype)
    before, after = (0, steps.output_zero_point) if round_first else (steps.output_zero_point, 0)
    if steps.scale == steps.output_scale:
        rounded = quotient(total + before * count, count, "even")
    else:
        factor = np.float32(steps.scale) / (np.float32(steps.output_scale) * count.astype(np.float32))
        rounded = jnp.round(total.astype(np.float32) * factor + before)
    limits = np.iinfo(inputs.dtype)
    return jnp.clip(rounded + after, limits.min, limits.max).astype(inputs.dtype)
