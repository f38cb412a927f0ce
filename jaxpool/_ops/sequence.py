"""Global pools that take elements of one axis where they stand: the first, the last, the largest few."""

from __future__ import annotations

import functools
from typing import SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_axes, as_integer
from jaxpool._elsewhere import public
from jaxpool._lowering.order import identity, to_keys, with_one_zero
from jaxpool._ops._arrays import along_pooled, as_array, check_elements, masked
from jaxpool._ops._whole import pool_whole
from jaxpool._ops.max_min import as_ordered
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Window


@public
def global_first_pool(
    inputs: ArrayLike,
    axis: SupportsIndex = 1,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the first element along an axis.

    $$ y = x_f, \qquad \frac{\partial y}{\partial x_j} = [\, j = f \,], \qquad f = \min \, \{ i : m_i \} $$

    with the mask $m$: of a sequence with padding at the start it is the first token that is none.

    - Where no element takes part the result is 0, without a gradient.
    - NaN and infinities are elements like others; the others' are without harm.
    - Of a mask that is the same for all channels, one row of the inputs is read for each result.

    Args:
      inputs: an array of any numeric dtype.
      axis: which axis to pool.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
        element where it is `False` takes no part.
      keepdims: whether the pooled axis stays, with length 1.

    Returns:
      The first elements, of the inputs' dtype.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong shape, or `axis` is not there or has length 0.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 1.0, 2.0, 3.0])[None, :, None]
      >>> jaxpool.global_first_pool(x)
      Array([[0.]], dtype=float32)
      >>> jaxpool.global_first_pool(x, where=x > 0)
      Array([[1.]], dtype=float32)

    References:
      Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019,
      for the first token; `cls` of sentence-transformers' `Pooling`.
    """
    return _pool_axis(as_array("inputs", inputs), _end("first"), axis, where, keepdims)


@public
def global_last_pool(
    inputs: ArrayLike,
    axis: SupportsIndex = 1,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the last element along an axis.

    $$ y = x_l, \qquad \frac{\partial y}{\partial x_j} = [\, j = l \,], \qquad l = \max \, \{ i : m_i \} $$

    with the mask $m$: of a sequence with padding at the end, or at the start, it is the last token that is
    none.

    - Where no element takes part the result is 0, without a gradient.
    - NaN and infinities are elements like others; the others' are without harm.
    - Of a mask that is the same for all channels, one row of the inputs is read for each result.

    Args:
      inputs: an array of any numeric dtype.
      axis: which axis to pool.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
        element where it is `False` takes no part.
      keepdims: whether the pooled axis stays, with length 1.

    Returns:
      The last elements, of the inputs' dtype.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong shape, or `axis` is not there or has length 0.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([3.0, 2.0, 1.0, 0.0])[None, :, None]
      >>> jaxpool.global_last_pool(x)
      Array([[0.]], dtype=float32)
      >>> jaxpool.global_last_pool(x, where=x > 0)
      Array([[1.]], dtype=float32)

    References:
      Neelakantan et al., "Text and Code Embeddings by Contrastive Pre-Training", 2022; `lasttoken` of
      sentence-transformers' `Pooling`.
    """
    return _pool_axis(as_array("inputs", inputs), _end("last"), axis, where, keepdims)


@public
def global_topk_pool(
    inputs: ArrayLike,
    k: int,
    axis: SupportsIndex = 1,
    *,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the largest few elements along an axis, in the order in which they stand.

    $$ y_o = x_{i_o}, \quad i_1 < \dots < i_k, \qquad
       \frac{\partial y_o}{\partial x_j} = [\, j = i_o \,] $$

    with the positions $i$ of the $k$ largest elements. `k=1` is the maximum.

    - Of elements that tie the first are taken. A NaN counts as the largest.
    - Where fewer than $k$ elements take part, they come first, and the rest is the dtype's lowest value (-inf
      for floating-point numbers), without a gradient: as `global_max_pool` has it where there is nothing, and
      so that a maximum of the results is that of the elements.

    Args:
      inputs: an array of real, integer or bool dtype.
      k: how many elements to take, which may be more than there are.
      axis: which axis to pool.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
        element where it is `False` takes no part, and is without harm if it is NaN.

    Returns:
      The largest elements, of the inputs' dtype and shape, but of length `k` along the axis.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape, `k` is below 1, or `axis` is not there or has length 0.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([2.0, 5.0, 1.0, 4.0, 3.0])[None, :, None]
      >>> jaxpool.global_topk_pool(x, 3)[0, :, 0]
      Array([5., 4., 3.], dtype=float32)
      >>> jaxpool.global_topk_pool(x, 3, where=x < 4)[0, :, 0]
      Array([2., 1., 3.], dtype=float32)

    References:
      Kalchbrenner, Grefenstette and Blunsom, "A Convolutional Neural Network for Modelling Sentences", 2014,
      where it is k-max pooling.
    """
    array = as_ordered("inputs", inputs)
    count = as_integer("k", k)
    if count < 1:
        raise ValueError(f"k must be at least 1, got {k!r}.")
    return _pool_axis(array, _largest(count), axis, where, True)


def _pool_axis(array: Array, pool, axis: SupportsIndex, where: ArrayLike | None, keepdims: bool) -> Array:
    pooled = as_axes(as_integer("axis", axis), array.ndim)
    check_elements(array, pooled)
    return pool_whole(array, pool, pooled, where, keepdims)


@functools.cache
def _end(end: str):
    def pool(inputs: Array, window: Window, mask: Array | None) -> Array:
        ((axis, along),) = window.pooled.items()
        if mask is None:
            start = 0 if end == "first" else along.length - 1
            return lax.slice_in_dim(inputs, start, start + 1, axis=axis)
        none, nearest = (along.length, jnp.min) if end == "first" else (-1, jnp.max)
        places = jnp.where(
            along_pooled(mask, inputs, window), _numbers(inputs.ndim, axis, along.length), none
        )
        place = nearest(places, axis, keepdims=True)
        return _at(inputs, place, place != none, axis, np.zeros((), inputs.dtype))

    return pool


@functools.cache
def _largest(k: int):
    def pool(inputs: Array, window: Window, mask: Array | None) -> Array:
        ((axis, along),) = window.pooled.items()
        places = _places_of_largest(lax.stop_gradient(inputs), mask, axis, min(k, along.length))
        missing = [(0, max(k - along.length, 0)) if d == axis else (0, 0) for d in range(inputs.ndim)]
        places = jnp.pad(lax.sort(places, axis), missing, constant_values=along.length)
        return _at(inputs, places, places < along.length, axis, identity("max", inputs.dtype))

    return pool


def _places_of_largest(inputs: Array, mask: Array | None, axis: int, k: int) -> Array:
    """Where the largest elements are along an axis; the length of the axis in place of those that are not."""
    if jnp.issubdtype(inputs.dtype, jnp.inexact):
        # XLA finds float32 faster than it sorts integers: four of each of 4096 lines of 1024 in 55 ms on CPU,
        # not 570.
        finite = jnp.all(jnp.isfinite(masked(inputs, mask, 0)))
        search = functools.partial(_places_of_numbers, mask=mask, axis=axis, k=k)
        return lax.cond(finite, functools.partial(search, finite=True), search, inputs)
    keys = inputs.astype(np.uint8) if inputs.dtype == np.bool_ else inputs
    if mask is None:
        return _top_k(keys, axis, k)[1]
    # What takes no part ties with the lowest of the others, and comes after all of them.
    length = inputs.shape[axis]
    places = jnp.where(mask, _numbers(inputs.ndim, axis, length), length) + lax.full_like(keys, 0, np.int32)
    keys = lax.bitwise_not(masked(keys, mask, np.iinfo(keys.dtype).min))
    return lax.slice_in_dim(lax.sort((keys, places), axis, num_keys=2)[1], 0, k, axis=axis)


def _places_of_numbers(inputs: Array, mask: Array | None, axis: int, k: int, finite: bool = False) -> Array:
    if finite:
        keys, lowest = inputs.astype(accumulation_dtype(inputs.dtype)), -np.inf
        keys = jnp.where(keys == 0, lax.full_like(keys, 0), keys)  # -0 and 0 tie
    else:
        # As integers, of which NaN is the largest, and none is the lowest there is.
        keys = with_one_zero(to_keys(inputs, "max"))
        lowest = np.iinfo(keys.dtype).min
    found, places = _top_k(masked(keys, mask, lowest), axis, k)
    return jnp.where(found == lowest, inputs.shape[axis], places)


def _top_k(keys: Array, axis: int, k: int) -> list[Array]:
    return [jnp.moveaxis(found, -1, axis) for found in lax.top_k(jnp.moveaxis(keys, axis, -1), k)]


def _numbers(ndim: int, axis: int, length: int) -> Array:
    """The number of each element along an axis."""
    return lax.broadcasted_iota(np.int32, [length if d == axis else 1 for d in range(ndim)], axis)


def _at(array: Array, places: Array, valid: Array, axis: int, otherwise: np.ndarray) -> Array:
    """The elements at places along an axis, where these are valid."""
    inside = jnp.clip(places, 0, array.shape[axis] - 1)
    found = jnp.take_along_axis(array, inside, axis, mode="promise_in_bounds")
    return jnp.where(valid, found, otherwise)
