"""Mathematical morphology: dilation and erosion by a structuring element, and what is composed of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeAlias

from jax import Array
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_real
from jaxpool._ops._element import is_flat, select_over
from jaxpool._ops.max_min import as_ordered
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Padding

_Mask: TypeAlias = "Sequence[bool] | Sequence[_Mask]"
Kernel: TypeAlias = "ArrayLike | Sequence[SupportsIndex] | _Mask"


@public
def dilate(
    inputs: ArrayLike,
    kernel: Kernel,
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "SAME",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    per_channel: bool = False,
) -> Array:
    r"""Dilates by a structuring element: the maximum of each window, plus what the element has there.

    With an element $b$ in a window $\Omega$ (0 if it is flat, and $-\infty$ where a mask leaves out a cell),
    stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \max_{i \in \Omega} x_{o s + i d - l} + \bar b_i, \qquad \bar b_i = b_{k - 1 - i}. $$

    The element is reflected, so that dilation and erosion are adjoint: without strides,
    $\delta(x) \le y$ where and only where $x \le \varepsilon(y)$.

    - Ties go to the first element of the window in row-major order, in tangent and cotangent alike; the
      derivative in $b$ goes to the same cell.
    - A NaN makes its window NaN, and the gradient goes to the first. What -inf in $b$ leaves out of finite
      inputs, with infinite ones it makes NaN.
    - Padding, and what a mask leaves out, is never selected. A window of nothing else gives the dtype's
      lowest value (-inf for floating-point numbers) and no gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype; it has as many spatial axes as the window of `kernel`.
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      strides: the step between windows along each spatial axis; `None` is 1.
      padding: `"SAME"` (an odd cell goes to the end, so that the centre of an element of even size is that of
        SciPy), `"SAME_LOWER"` (to the start), `"VALID"`, `"CAUSAL"` (all at the start), an int, a sequence of
        ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.

    Returns:
      The maxima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; where `kernel` is not
      flat, integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 0.0, 4.0, 0.0, 0.0])[:, None]
      >>> jaxpool.morphology.dilate(x, (3,))[:, 0]
      Array([0., 4., 4., 4., 0.], dtype=float32)
      >>> jaxpool.morphology.dilate(x, [False, True, True])[:, 0]  # reaches to the right
      Array([0., 0., 4., 4., 0.], dtype=float32)
      >>> jaxpool.morphology.dilate(x, jnp.array([-1.0, 0.0, -3.0]))[:, 0]
      Array([0., 3., 4., 1., 0.], dtype=float32)


    References:
      Haralick, Sternberg and Zhuang, "Image Analysis Using Mathematical Morphology", 1987. As
      `scipy.ndimage.grey_dilation`; `tf.nn.dilation2d` does not reflect.
    """
    return select_over(
        "max",
        inputs,
        kernel,
        per_channel,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )


@public
def erode(
    inputs: ArrayLike,
    kernel: Kernel,
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "SAME_LOWER",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    per_channel: bool = False,
) -> Array:
    r"""Erodes by a structuring element: the minimum of each window, less what the element has there.

    With an element $b$ in a window $\Omega$ (0 if it is flat, and $-\infty$ where a mask leaves out a cell),
    stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \min_{i \in \Omega} x_{o s + i d - l} - b_i. $$

    It is adjoint to dilation, in which the element is reflected: without strides,
    $\delta(x) \le y$ where and only where $x \le \varepsilon(y)$.

    - Ties go to the first element of the window in row-major order, in tangent and cotangent alike; the
      derivative in $b$ goes to the same cell.
    - A NaN makes its window NaN, and the gradient goes to the first. What -inf in $b$ leaves out of finite
      inputs, with infinite ones it makes NaN.
    - Padding, and what a mask leaves out, is never selected. A window of nothing else gives the dtype's
      highest value (inf for floating-point numbers) and no gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype; it has as many spatial axes as the window of `kernel`.
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      strides: the step between windows along each spatial axis; `None` is 1.
      padding: `"SAME_LOWER"` (an odd cell goes to the start, so that the centre of an element of even size is
        that of SciPy), `"SAME"` (to the end), `"VALID"`, `"CAUSAL"` (all at the start), an int, a sequence of
        ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.

    Returns:
      The minima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; where `kernel` is not
      flat, integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([5.0, 5.0, 1.0, 5.0, 5.0])[:, None]
      >>> jaxpool.morphology.erode(x, (3,))[:, 0]
      Array([5., 1., 1., 1., 5.], dtype=float32)
      >>> jaxpool.morphology.erode(x, [False, True, True])[:, 0]
      Array([5., 1., 1., 5., 5.], dtype=float32)
      >>> jax.grad(lambda b: jaxpool.morphology.erode(x, b).sum())(jnp.zeros(3))
      Array([-2., -2., -1.], dtype=float32)


    References:
      Haralick, Sternberg and Zhuang, "Image Analysis Using Mathematical Morphology", 1987. As
      `scipy.ndimage.grey_erosion`; `tf.nn.erosion2d` reflects.
    """
    return select_over(
        "min",
        inputs,
        kernel,
        per_channel,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )


@public
def open(
    inputs: ArrayLike,
    kernel: Kernel,
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    channel_axis: int | None = -1,
    per_channel: bool = False,
) -> Array:
    r"""Opens by a structuring element: erodes, then dilates, which removes what is bright and small.

    With the erosion $\varepsilon$ and its adjoint dilation $\delta$,

    $$ y = \delta(\varepsilon(x)) \le x. $$

    - What is opened does not change when it is opened again, but for rounding where `kernel` is not flat.
    - Ties, NaN, infinities and padding are as in `jaxpool.morphology.dilate` and `jaxpool.morphology.erode`.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype; it has as many spatial axes as the window of `kernel`.
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.

    Returns:
      The opening, of the inputs' shape and dtype; where `kernel` is not flat,
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 9.0, 0.0, 5.0, 6.0, 7.0])[:, None]
      >>> jaxpool.morphology.open(x, (2,))[:, 0]
      Array([0., 0., 0., 5., 6., 6.], dtype=float32)


    References:
      Serra, "Image Analysis and Mathematical Morphology", 1982. As `scipy.ndimage.grey_opening`.
    """
    return composed(
        lambda x, dilated, eroded: dilated(eroded(x)),
        inputs,
        kernel,
        window_dilation=window_dilation,
        channel_axis=channel_axis,
        per_channel=per_channel,
    )


@public
def close(
    inputs: ArrayLike,
    kernel: Kernel,
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    channel_axis: int | None = -1,
    per_channel: bool = False,
) -> Array:
    r"""Closes by a structuring element: dilates, then erodes, which fills what is dark and small.

    With the erosion $\varepsilon$ and its adjoint dilation $\delta$,

    $$ y = \varepsilon(\delta(x)) \ge x. $$

    - What is closed does not change when it is closed again, but for rounding where `kernel` is not flat.
    - Ties, NaN, infinities and padding are as in `jaxpool.morphology.dilate` and `jaxpool.morphology.erode`.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype; it has as many spatial axes as the window of `kernel`.
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.

    Returns:
      The closing, of the inputs' shape and dtype; where `kernel` is not flat,
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([9.0, 0.0, 9.0, 5.0, 4.0, 3.0])[:, None]
      >>> jaxpool.morphology.close(x, (2,))[:, 0]
      Array([9., 9., 9., 5., 4., 3.], dtype=float32)


    References:
      Serra, "Image Analysis and Mathematical Morphology", 1982. As `scipy.ndimage.grey_closing`.
    """
    return composed(
        lambda x, dilated, eroded: eroded(dilated(x)),
        inputs,
        kernel,
        window_dilation=window_dilation,
        channel_axis=channel_axis,
        per_channel=per_channel,
    )


def composed(combine: Callable[..., Array], inputs: ArrayLike, kernel: Any, **options: Any) -> Array:
    """A function of the inputs, of their dilation and of their erosion; in float32 what has 16 bits."""
    array = as_ordered("inputs", inputs)
    if not is_flat(kernel):
        array = as_real("inputs", array)
    wide = array.astype(accumulation_dtype(array.dtype))
    dilated, eroded = (functools.partial(f, kernel=kernel, **options) for f in (dilate, erode))
    return combine(wide, dilated, eroded).astype(array.dtype)
