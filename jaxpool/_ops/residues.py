"""What is left of an image when its dilations, erosions, openings and closings are taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from jax import Array
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops.morphology import Kernel, composed


@public
def gradient(
    inputs: ArrayLike,
    kernel: Kernel,
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    channel_axis: int | None = -1,
    per_channel: bool = False,
) -> Array:
    r"""The morphological gradient: the dilation less the erosion, which is large at edges.

    With the erosion $\varepsilon$ and its adjoint dilation $\delta$,

    $$ y = \delta(x) - \varepsilon(x). $$

    - Of bools it is where the two differ. Integers wrap around. Where both are infinite, it is NaN.
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
      The gradient, of the inputs' shape and dtype; where `kernel` is not flat,
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 1.0, 1.0, 5.0, 5.0, 5.0])[:, None]
      >>> jaxpool.morphology.gradient(x, (3,))[:, 0]
      Array([0., 0., 4., 4., 0., 0.], dtype=float32)


    References:
      Rivest, Soille and Beucher, "Morphological Gradients", 1993. As `scipy.ndimage.morphological_gradient`.
    """
    return composed(
        lambda x, dilated, eroded: _difference(dilated(x), eroded(x)),
        inputs,
        kernel,
        window_dilation=window_dilation,
        channel_axis=channel_axis,
        per_channel=per_channel,
    )


@public
def top_hat(
    inputs: ArrayLike,
    kernel: Kernel,
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    channel_axis: int | None = -1,
    per_channel: bool = False,
) -> Array:
    r"""The white top hat: what an opening removes, which is bright and smaller than the element.

    With the erosion $\varepsilon$ and its adjoint dilation $\delta$,

    $$ y = x - \delta(\varepsilon(x)) \ge 0. $$

    - Of bools it is where the two differ. Integers wrap around. Where both are infinite, it is NaN.
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
      The top hat, of the inputs' shape and dtype; where `kernel` is not flat,
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 9.0, 0.0, 5.0, 6.0, 7.0])[:, None]
      >>> jaxpool.morphology.top_hat(x, (2,))[:, 0]
      Array([0., 9., 0., 0., 0., 1.], dtype=float32)


    References:
      Meyer, "Contrast Feature Extraction", 1979. As `scipy.ndimage.white_tophat`.
    """
    return composed(
        lambda x, dilated, eroded: _difference(x, dilated(eroded(x))),
        inputs,
        kernel,
        window_dilation=window_dilation,
        channel_axis=channel_axis,
        per_channel=per_channel,
    )


@public
def black_hat(
    inputs: ArrayLike,
    kernel: Kernel,
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    channel_axis: int | None = -1,
    per_channel: bool = False,
) -> Array:
    r"""The black top hat: what a closing fills, which is dark and smaller than the element.

    With the erosion $\varepsilon$ and its adjoint dilation $\delta$,

    $$ y = \varepsilon(\delta(x)) - x \ge 0. $$

    - Of bools it is where the two differ. Integers wrap around. Where both are infinite, it is NaN.
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
      The black top hat, of the inputs' shape and dtype; where `kernel` is not flat,
      integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([9.0, 0.0, 9.0, 5.0, 4.0, 3.0])[:, None]
      >>> jaxpool.morphology.black_hat(x, (2,))[:, 0]
      Array([0., 9., 0., 0., 0., 0.], dtype=float32)


    References:
      Meyer, "Contrast Feature Extraction", 1979. As `scipy.ndimage.black_tophat`.
    """
    return composed(
        lambda x, dilated, eroded: _difference(eroded(dilated(x)), x),
        inputs,
        kernel,
        window_dilation=window_dilation,
        channel_axis=channel_axis,
        per_channel=per_channel,
    )


def _difference(larger: Array, smaller: Array) -> Array:
    return larger ^ smaller if larger.dtype == bool else larger - smaller
