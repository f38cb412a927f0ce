"""Pools that select one element of each window: maximum and minimum."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, Unpack, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._lowering.divisors import cell_counts, first_cells
from jaxpool._lowering.order import identity
from jaxpool._ops._arrays import along_pooled, as_array, as_mask
from jaxpool._primitives import select
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, WindowOptions, make_window, spatial_axes


@overload
def max_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    return_indices: Literal[False] = False,
    where: ArrayLike | None = None,
    **options: Unpack[WindowOptions],
) -> Array: ...
@overload
def max_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    return_indices: Literal[True],
    where: ArrayLike | None = None,
    **options: Unpack[WindowOptions],
) -> tuple[Array, Array]: ...
@public
def max_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    return_indices: bool = False,
    where: ArrayLike | None = None,
) -> Array | tuple[Array, Array]:
    r"""Pools by taking the maximum of each window.

    With window $\Omega$, stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \max_{i \in \Omega} x_{o s + i d - l}, \qquad
       \frac{\partial y_o}{\partial x_j} = [\, j = \operatorname{argmax} \,]. $$

    - Ties go to the first element in row-major order, in value, index, tangent and cotangent alike.
    - A NaN makes its window NaN; the index and the gradient go to the first NaN.
    - Padding, and what `where` masks, is never selected. A window of nothing else gives the dtype's lowest
      value (-inf for floating-point numbers), index -1 and no gradient.
    - float16 and bfloat16 add the gradients of overlapping windows in float32.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype. The maximum of bools is any.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      return_indices: whether to return also where each maximum was found.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        never selected, and without harm if it is NaN.

    Returns:
      The maxima, of the inputs' dtype and of shape `(*batch, *pooled, channels)`. With `return_indices`,
      a pair with int32 positions of the same shape, row-major in the unpadded spatial block
      (`y * width + x`, PyTorch's convention).

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 5.0, 2.0], [4.0, 0.0, 5.0]])[..., None]
      >>> jaxpool.max_pool(x, (2, 2))[..., 0]
      Array([[5., 5.]], dtype=float32)
      >>> values, indices = jaxpool.max_pool(x, (2, 2), return_indices=True)
      >>> indices[..., 0]
      Array([[1, 1]], dtype=int32)
      >>> jax.grad(lambda x: jaxpool.max_pool(x, (2, 2)).sum())(x)[..., 0]
      Array([[0., 2., 0.],
             [0., 0., 0.]], dtype=float32)

    References:
      Arguments as `flax.linen.max_pool`; indices and `ceil_mode` as `torch.nn.MaxPool2d`.
    """
    return _extreme(
        "max",
        inputs,
        return_indices,
        where,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )


@overload
def min_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    return_indices: Literal[False] = False,
    where: ArrayLike | None = None,
    **options: Unpack[WindowOptions],
) -> Array: ...
@overload
def min_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    return_indices: Literal[True],
    where: ArrayLike | None = None,
    **options: Unpack[WindowOptions],
) -> tuple[Array, Array]: ...
@public
def min_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    return_indices: bool = False,
    where: ArrayLike | None = None,
) -> Array | tuple[Array, Array]:
    r"""Pools by taking the minimum of each window.

    With window $\Omega$, stride $s$, dilation $d$ and low padding $l$ along each spatial axis,

    $$ y_o = \min_{i \in \Omega} x_{o s + i d - l}, \qquad
       \frac{\partial y_o}{\partial x_j} = [\, j = \operatorname{argmin} \,]. $$

    - Ties go to the first element in row-major order, in value, index, tangent and cotangent alike.
    - A NaN makes its window NaN; the index and the gradient go to the first NaN.
    - Padding, and what `where` masks, is never selected. A window of nothing else gives the dtype's highest
      value (inf for floating-point numbers), index -1 and no gradient.
    - float16 and bfloat16 add the gradients of overlapping windows in float32.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype. The minimum of bools is all.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      return_indices: whether to return also where each minimum was found.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        never selected, and without harm if it is NaN.

    Returns:
      The minima, of the inputs' dtype and of shape `(*batch, *pooled, channels)`. With `return_indices`,
      a pair with int32 positions of the same shape, row-major in the unpadded spatial block
      (`y * width + x`, PyTorch's convention).

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([3.0, 1.0, 2.0, 4.0])[:, None]
      >>> jaxpool.min_pool(x, (2,), padding="SAME")[:, 0]
      Array([1., 1., 2., 4.], dtype=float32)

    References:
      Arguments as `flax.nnx.min_pool`; indices and `ceil_mode` as `torch.nn.MaxPool2d`.
    """
    return _extreme(
        "min",
        inputs,
        return_indices,
        where,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )


def _extreme(
    order: str,
    inputs: ArrayLike,
    return_indices: bool,
    where: ArrayLike | None,
    *arguments: Any,
    **options: Any,
) -> Any:
    array = as_ordered("inputs", inputs)
    window = make_window(array.shape, *arguments, **options)
    spatial = spatial_axes(array.ndim, len(arguments[0]), options["channel_axis"])
    mask = as_mask(where, array.shape)
    if not return_indices:
        return on_each_device(extreme, array, window, mask, order=order)
    lengths = tuple(array.shape[d] for d in spatial)
    return on_each_device(
        extreme, array, window, mask, along=spatial, order=order, spatial=spatial, lengths=lengths
    )


def extreme(
    inputs: Array,
    window: Window,
    mask: Array | None,
    *,
    order: str,
    spatial: tuple[int, ...] | None = None,
    lengths: tuple[int, ...] | None = None,
) -> Any:
    """The first element of each window in `order`, and its position where there are spatial dimensions.

    Their lengths are those of the whole array, which may be split.
    """
    if spatial is None:
        return _value(inputs, window, mask, order=order)
    block = dict(zip(spatial, lengths or [inputs.shape[d] for d in spatial], strict=True))
    if math.prod(block.values()) > np.iinfo(np.int32).max:
        raise ValueError(
            "inputs must have fewer than 2**31 elements in the spatial block for int32 indices, got "
            f"{tuple(block.values())}."
        )
    return _value_and_position(inputs, window, mask, order=order, block=tuple(block.items()))


def as_ordered(name: str, inputs: ArrayLike) -> Array:
    """The argument as an array whose elements have an order."""
    array = as_array(name, inputs)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(f"{name} must be real, integer or bool to have an order, got {array.dtype}.")
    return array


@functools.partial(jax.jit, static_argnames="order", inline=True)
def _value(inputs: Array, window: Window, mask: Array | None, *, order: str) -> Array:
    if mask is None:
        return select.select(inputs, window, order)
    return _masked(inputs, window, order, mask)[0]


@functools.partial(jax.jit, static_argnames=("order", "block"), inline=True)
def _value_and_position(
    inputs: Array, window: Window, mask: Array | None, *, order: str, block: tuple[tuple[int, int], ...]
) -> tuple[Array, Array]:
    if mask is None:
        value, index = select.select_with_index(inputs, window, order)
        return value, _positions(index, window, dict(block))
    value, index, some = _masked(inputs, window, order, mask)
    return value, jnp.where(some, _positions(index, window, dict(block)), -1)


def _masked(inputs: Array, window: Window, order: str, mask: Array) -> tuple[Array, Array, Array]:
    """The first of each window's valid elements, the number of its tap, and whether there is one."""
    lowest = identity(order, inputs.dtype)
    hidden = lax.stop_gradient(jnp.where(mask, inputs, lowest))
    value, index = select.select_with_index(hidden, window, order)
    # What is masked ties with the lowest elements. Where that is all there is, the first of them is selected.
    some, first = select.select_with_index(along_pooled(mask, inputs, window), window, "max")
    index = jnp.where(value == lowest, jnp.broadcast_to(first, index.shape), index)
    if jnp.issubdtype(inputs.dtype, jnp.inexact):
        value = select.take(inputs, index, window)
    return jnp.where(some, value, lowest), index, some


def _positions(index: Array, window: Window, lengths: dict[int, int]) -> Array:
    """The flat position of each window's tap `index` in the spatial block; -1 for windows of only padding."""
    index = index.astype(np.int32)
    position, step = jnp.zeros_like(index), 1
    for d in reversed(lengths):
        axis, along = window.pooled.get(d), lax.broadcasted_iota(np.int32, index.shape, d)
        if axis is not None:
            tap = index // window.tap_strides[d] % axis.size
            along = first_cells(window, d) + tap * axis.dilation
        position += along * step
        step *= lengths[d]
    return jnp.where(cell_counts(window, "elements", np.dtype(np.int32)) == 0, -1, position)
