"""Adaptive pools: windows that divide an array of any size into a given number of bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, SupportsIndex, overload

from jax import Array
from jax.typing import ArrayLike

from jaxpool._bins import adaptive_window
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_bool, as_mask
from jaxpool._ops.max_min import as_ordered, extreme
from jaxpool._ops.sum_avg import average
from jaxpool._window import spatial_axes


@public
def adaptive_avg_pool(
    inputs: ArrayLike,
    output_shape: Sequence[SupportsIndex | None],
    *,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging, in as many bins as asked for, whatever the size of the inputs.

    Along each spatial axis, with input length $I$ and output length $O$, bin $i$ has the cells

    $$ \Big\{ \Big\lfloor \frac{i I}{O} \Big\rfloor, \dots,
       \Big\lceil \frac{(i + 1) I}{O} \Big\rceil - 1 \Big\}, $$

    and the result is the average of each bin's elements.

    - Where $O$ divides $I$ the bins are the windows of `avg_pool` of size and stride $I / O$; elsewhere
      neighbours may share cells. $O > I$ repeats elements.
    - A bin of which `where` leaves nothing gives 0 and no gradient.
    - float16 and bfloat16 are added and divided in float32, forward and backward, and rounded once.
    - NaN and infinities reach the bins that contain them and no others.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
        numeric dtype.
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`; `None` keeps an axis as it
        is.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      The averages, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, or a pooled axis is empty.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(5.0)[:, None]
      >>> jaxpool.adaptive_avg_pool(x, (2,))[:, 0]
      Array([1., 3.], dtype=float32)
      >>> jaxpool.adaptive_avg_pool(jnp.ones((8, 30, 17, 64)), (7, None)).shape
      (8, 7, 17, 64)

    References:
      `torch.nn.AdaptiveAvgPool2d`, `keras.layers.AdaptiveAveragePooling2D`.
    """
    array = as_array("inputs", inputs)
    window = adaptive_window(array.shape, output_shape, channel_axis)
    return average(array, window, as_mask(where, array.shape), divisor="elements")


@overload
def adaptive_max_pool(
    inputs: ArrayLike,
    output_shape: Sequence[SupportsIndex | None],
    *,
    channel_axis: int | None = -1,
    return_indices: Literal[False] = False,
    where: ArrayLike | None = None,
) -> Array: ...
@overload
def adaptive_max_pool(
    inputs: ArrayLike,
    output_shape: Sequence[SupportsIndex | None],
    *,
    channel_axis: int | None = -1,
    return_indices: Literal[True],
    where: ArrayLike | None = None,
) -> tuple[Array, Array]: ...
@public
def adaptive_max_pool(
    inputs: ArrayLike,
    output_shape: Sequence[SupportsIndex | None],
    *,
    channel_axis: int | None = -1,
    return_indices: bool = False,
    where: ArrayLike | None = None,
) -> Array | tuple[Array, Array]:
    r"""Pools by taking the maximum, in as many bins as asked for, whatever the size of the inputs.

    Along each spatial axis, with input length $I$ and output length $O$, bin $i$ has the cells

    $$ \Big\{ \Big\lfloor \frac{i I}{O} \Big\rfloor, \dots,
       \Big\lceil \frac{(i + 1) I}{O} \Big\rceil - 1 \Big\}, $$

    and the result is the largest of each bin's elements.

    - Where $O$ divides $I$ the bins are the windows of `max_pool` of size and stride $I / O$; elsewhere
      neighbours may share cells. $O > I$ repeats elements.
    - Ties go to the first element in row-major order, in value, index, tangent and cotangent alike.
    - A bin of which `where` leaves nothing gives the dtype's lowest value, with the index -1.
    - A NaN makes its bin NaN; the index and the gradient go to the first NaN.
    - float16 and bfloat16 add the gradients of bins that share a cell in float32.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`; `None` keeps an axis as it
        is.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      return_indices: whether to return also where each maximum was found.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      The maxima, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype. With
      `return_indices`, a pair with int32 positions of the same shape, row-major in the spatial block
      (`y * width + x`, PyTorch's convention).

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, or a pooled axis is empty.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 4.0, 2.0, 5.0, 3.0])[:, None]
      >>> values, indices = jaxpool.adaptive_max_pool(x, (2,), return_indices=True)
      >>> values[:, 0], indices[:, 0]
      (Array([4., 5.], dtype=float32), Array([1, 3], dtype=int32))

    References:
      `torch.nn.AdaptiveMaxPool2d`, `keras.layers.AdaptiveMaxPooling2D`.
    """
    array = as_ordered("inputs", inputs)
    window = adaptive_window(array.shape, output_shape, channel_axis)
    spatial = spatial_axes(array.ndim, len(output_shape), channel_axis)
    positions = spatial if as_bool("return_indices", return_indices) else None
    return extreme(array, window, as_mask(where, array.shape), order="max", spatial=positions)
