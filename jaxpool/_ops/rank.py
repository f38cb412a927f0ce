"""Pools by an order statistic of each window: median and quantiles."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._lowering.order import to_keys, with_one_zero
from jaxpool._lowering.shards import filled
from jaxpool._lowering.sweep import window_taps
from jaxpool._ops._arrays import as_mask, as_number, as_real, masked, valid_counts
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.select import take
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window

# Beyond, a sorting network takes longer to compile than it saves.
_MOST_IN_NETWORK = 64


@public
def median_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the median of each window.

    With the $n$ elements of a window in ascending order, $x_{(0)} \le \dots \le x_{(n - 1)}$,

    $$ y = \tfrac12 \big( x_{(\lfloor (n - 1) / 2 \rfloor)} + x_{(\lceil (n - 1) / 2 \rceil)} \big). $$

    - Elements are counted without padding, so windows at the border have fewer, and without what `where`
      masks. A window of nothing else gives 0 and no gradient.
    - The gradient goes to the first element, in row-major order, that ties with an order statistic.
    - A NaN makes its window NaN; the gradient goes to the first NaN.
    - float16 and bfloat16 are interpolated in float32 and rounded once.
    - Beside the input, one byte or two for each window are kept for the backward pass, for each of the two
      order statistics.

    Args:
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
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The medians, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools promote
      as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 9.0, 2.0, 3.0])[:, None]
      >>> jaxpool.median_pool(x, (3,))[:, 0]
      Array([2., 3.], dtype=float32)
      >>> jaxpool.median_pool(x, (4,))[:, 0]
      Array([2.5], dtype=float32)

    References:
      `jnp.median` of each window; `scipy.ndimage.median_filter`, for odd windows inside the border.
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
    return on_each_device(_quantile, array, window, as_mask(where, array.shape), q=0.5)


@public
def quantile_pool(
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    q: float,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking a quantile of each window, interpolated linearly.

    With the $n$ elements of a window in ascending order, $x_{(0)} \le \dots \le x_{(n - 1)}$, and the rank
    $r = q (n - 1)$,

    $$ y = (1 - f)\, x_{(\lfloor r \rfloor)} + f\, x_{(\lceil r \rceil)}, \qquad f = r - \lfloor r \rfloor. $$

    `q=0` is the minimum, `q=0.5` the median, and `q=1` the maximum.

    - Elements are counted without padding, so windows at the border have fewer, and without what `where`
      masks. A window of nothing else gives 0 and no gradient.
    - The gradient goes to the first element, in row-major order, that ties with an order statistic.
    - A NaN makes its window NaN; the gradient goes to the first NaN.
    - float16 and bfloat16 are interpolated in float32 and rounded once.
    - Beside the input, one byte or two for each window are kept for the backward pass, for each of the two
      order statistics.

    Args:
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
      q: which quantile, from 0 to 1.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The quantiles, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, `q` is outside 0 to 1,
        or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 9.0, 2.0, 3.0])[:, None]
      >>> jaxpool.quantile_pool(x, (4,), q=0.25)[:, 0]
      Array([1.75], dtype=float32)

    References:
      `jnp.quantile` of each window, with its default method.
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
    return on_each_device(_quantile, array, window, as_mask(where, array.shape), q=as_level(q))


@functools.partial(jax.jit, static_argnames="q", inline=True)
def _quantile(inputs: Array, window: Window, mask: Array | None, *, q: float) -> Array:
    counts = _Counts.of(inputs, window, mask)
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    indices = _selected(lax.stop_gradient(inputs), window, mask, counts, q)
    elements = [take(wide, index, window) for index in indices]
    low, high = elements[0], elements[-1]
    if low is not high:
        low = interpolated(low, high, counts.map(lambda n: q * (n - 1) % 1, wide.dtype))
    return jnp.where(counts.array > 0, low, lax.full_like(low, 0)).astype(inputs.dtype)


def interpolated(low: Array, high: Array, fraction: Array) -> Array:
    """What lies a fraction of the way from low to high."""
    # An infinite element must not be weighed with 0.
    return jnp.where(fraction == 0, low, (1 - fraction) * low + fraction * high)


def as_level(q: float) -> float:
    """Which quantile, checked."""
    level = as_number("q", q)
    if not 0 <= level <= 1:
        raise ValueError(f"q must be from 0 to 1, got {q!r}.")
    return level


class _Counts(NamedTuple):
    """How many elements each window has, which broadcasts to the windows, and what that may be."""

    array: Array
    possible: list[int]

    @staticmethod
    def of(inputs: Array, window: Window, mask: Array | None) -> _Counts:
        array = valid_counts(inputs, window, mask, np.dtype(np.int32))
        if mask is not None:
            return _Counts(array, list(range(window.taps + 1)))
        counts = [np.unique(axis.element_counts()).tolist() for axis in window.pooled.values()]
        return _Counts(array, sorted({math.prod(each) for each in itertools.product(*counts)}))

    def map(self, function: Callable[[int], float], dtype: np.dtype) -> Array:
        """A function of the number of elements, for each window."""
        value = lax.full_like(self.array, function(self.possible[0]), dtype)
        for count in self.possible[1:]:
            value = jnp.where(self.array == count, np.array(function(count), dtype), value)
        return value


def _selected(inputs: Array, window: Window, mask: Array | None, counts: _Counts, q: float) -> list[Array]:
    """The taps of the elements whose rank is that of the quantile, rounded down and up; one if these agree.

    Elements are sorted as integers, of which NaN are the first; padding, and what is masked, the last.
    """
    keys = with_one_zero(to_keys(inputs, "min"))
    nan, padding = np.iinfo(keys.dtype).min, np.iinfo(keys.dtype).max
    keys = lax.optimization_barrier(masked(keys, mask, padding))
    taps = window_taps(filled(keys, window, padding), padding, window.local)
    ordered = _in_network(taps) if len(taps) <= _MOST_IN_NETWORK else list(lax.sort(jnp.stack(taps), 0))
    ranks = [[rounded(q * max(n - 1, 0)) for n in counts.possible] for rounded in (math.floor, math.ceil)]
    indices = []
    for of_counts in ranks if ranks[0] != ranks[1] else ranks[:1]:
        rank_of = dict(zip(counts.possible, of_counts, strict=True))
        ranks_here = counts.map(rank_of.__getitem__, np.dtype(np.int32))
        first, *others = sorted({*of_counts})
        value = ordered[first]
        for rank in others:
            value = jnp.where(ranks_here == rank, ordered[rank], value)
        value = lax.optimization_barrier(jnp.where(ordered[0] == nan, ordered[0], value))
        index = lax.full_like(value, 0, window.index_dtype)
        for number in reversed(range(len(taps))):
            index = lax.select(lax.eq(taps[number], value), lax.full_like(index, number), index)
        indices.append(lax.optimization_barrier(index))
    return indices


def _in_network(arrays: list[Array]) -> list[Array]:
    """The arrays sorted, element by element, in Batcher's odd-even merge sort."""
    arrays = list(arrays)
    for low, high in _comparators(len(arrays)):
        arrays[low], arrays[high] = lax.min(arrays[low], arrays[high]), lax.max(arrays[low], arrays[high])
    return arrays


def _comparators(count: int) -> list[tuple[int, int]]:
    """Pairs to be put in order, one after the other; as for a power of two, of which the last are missing."""
    pairs = []
    size = 1
    while size < count:
        step = size
        while step:
            for start in range(step % size, count - step, 2 * step):
                for low in range(start, min(start + step, count - step)):
                    if low // (2 * size) == (low + step) // (2 * size):
                        pairs.append((low, low + step))
            step //= 2
        size *= 2
    return pairs
