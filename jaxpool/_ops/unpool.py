"""Unpooling: putting pooled values back where they came from."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integers
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import along_pooled, as_array, as_mask, masked, mean_dtype
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.move import move
from jaxpool._primitives.sum import window_spread
from jaxpool._shards import refuse_layout
from jaxpool._window import Padding, Window, make_window, spatial_axes


@public
def max_unpool(
    values: ArrayLike,
    indices: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Puts each value where its index says, and 0 everywhere else: a partial inverse of max pooling.

    With values $v$ and indices $k$ of one image and channel, in row-major order,

    $$ y_j = v_{i^*}, \quad i^* = \max \{\, i : k_i = j \,\}, \qquad
       \frac{\partial y_j}{\partial v_i} = [\, i = i^* \,], $$

    and $y_j = 0$ where no index is $j$.

    - A position that several windows name takes the last of them, as an assignment in NumPy would, on every
      platform and in every run; the gradient goes to that one. (PyTorch does not say which it takes.)
    - An index outside the spatial block, such as the -1 of an empty window, is dropped, with its value; so is
      what `where` masks.
    - Values are moved and not computed with: NaN and infinities arrive as they are.

    Args:
      values: an array of shape `(*batch, *pooled, channels)`, of any dtype.
      indices: integers of the same shape: positions in the spatial block of the result, row-major
        (`y * width + x`), as `max_pool` returns them with `return_indices=True`.
      output_shape: the spatial shape of the result, such as `(28, 28)`; as many axes of `values` are spatial.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      where: a mask of bools that broadcasts to `values`; a value where it is `False` is put nowhere.

    Returns:
      An array of shape `(*batch, *output_shape, channels)` and of the values' dtype.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or shape.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 5.0, 2.0, 4.0])[:, None]
      >>> values, indices = jaxpool.max_pool(x, (2,), (2,), return_indices=True)
      >>> jaxpool.max_unpool(values, indices, (4,))[:, 0]
      Array([0., 5., 0., 4.], dtype=float32)

    References:
      Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014. `torch.nn.MaxUnpool2d`.
    """
    array, positions = as_array("values", values), as_array("indices", indices)
    if not jnp.issubdtype(positions.dtype, jnp.integer):
        raise TypeError(f"indices must be integers, got {positions.dtype}.")
    if positions.shape != array.shape:
        raise ValueError(f"indices must have the shape {array.shape} of values, got {positions.shape}.")
    lengths = as_integers("output_shape", output_shape, 0)
    if not lengths:
        raise ValueError("output_shape must have at least one entry, got an empty sequence.")
    refuse_layout()
    positions = masked(positions, as_mask(where, array.shape, "values"), -1)
    return _unpool_max(array, positions, lengths, spatial_axes(array.ndim, len(lengths), channel_axis))


@public
def avg_unpool(
    values: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Gives each cell the average of the windows that it is in: a partial inverse of average pooling.

    With values $v$ and the windows $\Omega_o$ that a pool with the same arguments has,

    $$ y_j = \frac{1}{c_j} \sum_{o : j \in \Omega_o} v_o, \qquad c_j = |\{\, o : j \in \Omega_o \,\}|. $$

    Where windows tile the array each value is repeated, and `avg_pool` with the same arguments gives the
    values back.

    - A cell that is in no window, or in none that `where` leaves, is 0.
    - float16 and bfloat16 are added and divided in float32, forward and backward, and rounded once.
    - NaN and infinities reach the cells of their window and no others.

    Args:
      values: an array of shape `(*batch, *pooled, channels)`, of any numeric dtype.
      output_shape: the spatial shape of the result, which is that of the pool's inputs.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the pool's size is rounded up, as PyTorch and ONNX do.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      where: a mask of bools that broadcasts to `values`; a value where it is `False` is put nowhere.

    Returns:
      An array of shape `(*batch, *output_shape, channels)` and of the values' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or sign, a window fits nowhere, or `values` is not of the
        shape that a pool of `output_shape` returns.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> v = jnp.array([1.0, 3.0])[:, None]
      >>> jaxpool.avg_unpool(v, (4,), (2,), (2,))[:, 0]
      Array([1., 1., 3., 3.], dtype=float32)
      >>> jaxpool.avg_unpool(v, (3,), (2,))[:, 0]
      Array([1., 2., 3.], dtype=float32)

    References:
      The transpose of `avg_pool`, averaged over windows; for tiling windows, upsampling by repetition.
    """
    array = as_array("values", values)
    lengths = as_integers("output_shape", output_shape, 0)
    shape = list(array.shape)
    for d, length in zip(spatial_axes(array.ndim, len(lengths), channel_axis), lengths, strict=True):
        shape[d] = length
    window = make_window(
        shape,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )
    if len(window_shape) != len(lengths):
        raise ValueError(f"output_shape must have {len(window_shape)} entries, got {output_shape!r}.")
    if window.output_shape(shape) != array.shape:
        raise ValueError(
            f"values must have the shape {window.output_shape(shape)} that a pool of inputs {tuple(shape)} "
            f"returns, got {array.shape}."
        )
    refuse_layout()
    return _unpool_average(array, window, as_mask(where, array.shape, "values"))


@functools.partial(jax.jit, static_argnums=(2, 3), inline=True)
def _unpool_max(values: Array, indices: Array, lengths: tuple[int, ...], spatial: tuple[int, ...]) -> Array:
    first, n = values.ndim - len(spatial), math.prod(lengths)
    values, indices = (_flat(array, spatial) for array in (values, indices))
    shape = (*values.shape[:-1], n)
    inside = (indices >= 0) & (indices < n)
    target = jnp.where(inside, indices, n).astype(np.int32)
    numbers = lax.broadcasted_iota(np.int32, target.shape, first)
    # The last window that names a position wins. Integers, so that the order of a scatter does not matter.
    others = tuple(lax.broadcasted_iota(np.int32, target.shape, d) for d in range(first))
    source = jnp.full(shape, -1, np.int32).at[(*others, target)].max(numbers, mode="drop")
    wins = jnp.take_along_axis(source, jnp.minimum(target, max(n - 1, 0)), first, mode="clip") == numbers
    moved = move(values, source, jnp.where(inside & wins, target, -1), first)
    moved = moved.reshape(*moved.shape[:-1], *lengths)
    return jnp.moveaxis(moved, range(first, moved.ndim), spatial)


def _flat(array: Array, spatial: tuple[int, ...]) -> Array:
    """The array with its spatial dimensions in one, behind the others."""
    first = array.ndim - len(spatial)
    array = jnp.moveaxis(array, spatial, range(first, array.ndim))
    return array.reshape(*array.shape[:first], math.prod(array.shape[first:]))


@functools.partial(jax.jit, inline=True)
def _unpool_average(values: Array, window: Window, mask: Array | None) -> Array:
    dtype = mean_dtype(values)
    wide = masked(values.astype(accumulation_dtype(dtype)), mask, 0)
    if mask is None:
        covers = lax.full((1,) * values.ndim, 1, np.int32)
        for d, axis in window.pooled.items():
            others = tuple(e for e in range(values.ndim) if e != d)
            covers = covers * np.expand_dims(axis.cover_counts().astype(np.int32), others)
    else:
        covers = window_spread(along_pooled(mask, values, window).astype(np.int32), window)
    received = window_spread(wide, window)
    return (received / jnp.maximum(covers, 1).astype(received.dtype)).astype(dtype)
