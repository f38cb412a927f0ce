"""Global pools by an order statistic: median and quantiles."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_axes
from jaxpool._elsewhere import public
from jaxpool._lowering.order import to_keys, with_one_zero
from jaxpool._ops._arrays import as_real, check_elements, masked, valid_counts
from jaxpool._ops._whole import pool_whole
from jaxpool._ops.rank import as_level, interpolated
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.select import select_with_index, take
from jaxpool._window import Window


@public
def global_median_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the median along some axes.

    With the $n$ elements that take part in ascending order, $x_{(0)} \le \dots \le x_{(n - 1)}$,

    $$ y = \tfrac12 \big( x_{(\lfloor (n - 1) / 2 \rfloor)} + x_{(\lceil (n - 1) / 2 \rceil)} \big). $$

    - The gradient goes to the first element, in row-major order, that ties with an order statistic.
    - A NaN makes the result NaN; the gradient goes to the first NaN.
    - Where no element takes part the median is 0, without a gradient.
    - float16 and bfloat16 are interpolated in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The medians, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or an axis is not there or has length 0.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 9.0, 2.0, 3.0])[None, :, None]
      >>> jaxpool.global_median_pool(x)
      Array([[2.5]], dtype=float32)
      >>> jaxpool.global_median_pool(x, where=x < 5)
      Array([[2.]], dtype=float32)

    References:
      `jnp.median`; `where` as in `jnp.mean`.
    """
    return _pool(inputs, 0.5, axis, where, keepdims)


@public
def global_quantile_pool(
    inputs: ArrayLike,
    q: float,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking a quantile along some axes, interpolated linearly.

    With the $n$ elements that take part in ascending order, $x_{(0)} \le \dots \le x_{(n - 1)}$, and the rank
    $r = q (n - 1)$,

    $$ y = (1 - f)\, x_{(\lfloor r \rfloor)} + f\, x_{(\lceil r \rceil)}, \qquad f = r - \lfloor r \rfloor. $$

    `q=0` is the minimum, `q=0.5` the median, and `q=1` the maximum.

    - The gradient goes to the first element, in row-major order, that ties with an order statistic.
    - A NaN makes the result NaN; the gradient goes to the first NaN.
    - Where no element takes part the quantile is 0, without a gradient.
    - float16 and bfloat16 are interpolated in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      q: which quantile, from 0 to 1.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The quantiles, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, `q` is outside 0 to 1, or an axis is not there or
        has length 0.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 9.0, 2.0, 3.0])[None, :, None]
      >>> jaxpool.global_quantile_pool(x, 0.25)
      Array([[1.75]], dtype=float32)

    References:
      `jnp.quantile`, with its default method; `where` as in `jnp.mean`.
    """
    return _pool(inputs, as_level(q), axis, where, keepdims)


def _pool(
    inputs: ArrayLike,
    q: float,
    axis: SupportsIndex | Sequence[SupportsIndex] | None,
    where: ArrayLike | None,
    keepdims: bool,
) -> Array:
    array = as_real("inputs", inputs)
    check_elements(array, as_axes(axis, array.ndim))
    return pool_whole(array, _quantile(q), axis, where, keepdims)


@functools.cache
def _quantile(q: float):
    def pool(inputs: Array, window: Window, mask: Array | None) -> Array:
        counts = None if mask is None else valid_counts(inputs, window, mask, np.dtype(np.int32))
        # Of each number of elements that may take part, in the precision of `quantile_pool`.
        ranks = q * np.maximum(np.arange(window.taps + 1) - 1, 0)
        low, high = (rounded(ranks).astype(np.int32) for rounded in (np.floor, np.ceil))
        wide = inputs.astype(accumulation_dtype(inputs.dtype))
        below, above = _elements(
            inputs, wide, window, mask, [_at(counts, rank, window) for rank in (low, high)]
        )
        fraction = _at(counts, (ranks - low).astype(wide.dtype), window)
        value = interpolated(below, above, fraction)
        if counts is not None:
            value = jnp.where(counts > 0, value, lax.full_like(value, 0))
        return value.astype(inputs.dtype)

    return pool


def _elements(
    inputs: Array, wide: Array, window: Window, mask: Array | None, ranks: Sequence[Array]
) -> list[Array]:
    """The elements of these ranks; NaN where there is one.

    Elements are sorted as integers, of which NaN are the first and those that take no part the last.
    """
    keys = with_one_zero(to_keys(lax.stop_gradient(inputs), "min"))
    nan, last = np.iinfo(keys.dtype).min, np.iinfo(keys.dtype).max
    keys = lax.optimization_barrier(masked(keys, mask, last))
    pooled, line = list(window.pooled), keys.ndim - len(window.pooled)
    others = [d for d in range(keys.ndim) if d not in pooled]
    lines = lax.transpose(keys, [*others, *pooled])
    lines = lax.sort(lines.reshape(*lines.shape[:line], -1))
    first = lax.slice_in_dim(lines, 0, 1, axis=line)
    elements = []
    for rank in ranks:
        places = jnp.expand_dims(lax.squeeze(rank, pooled), line)
        value = jnp.take_along_axis(lines, places, line, mode="promise_in_bounds")
        value = jnp.expand_dims(lax.squeeze(jnp.where(first == nan, first, value), [line]), pooled)
        # Of those that tie, the first in the inputs.
        index = select_with_index(keys == value, window, "max")[1]
        elements.append(take(wide, index, window))
    return elements


def _at(counts: Array | None, table: np.ndarray, window: Window) -> Array:
    """What a table says of counts, found by comparing: arrays on several devices cannot index one on each."""
    shape = (1,) * len(window.axes)
    if counts is None:
        return jnp.full(shape, table[-1])
    numbers = np.arange(len(table), dtype=counts.dtype).reshape(*shape, -1)
    return jnp.sum(jnp.where(counts[..., None] == numbers, table.reshape(numbers.shape), 0), -1)
