"""Random pools: fractional windows, whose places are drawn."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Literal, SupportsIndex, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._bins import FractionalWindow, fractional_window
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_bool, as_mask
from jaxpool._ops.max_min import as_ordered, extreme
from jaxpool._ops.sum_avg import average
from jaxpool._window import spatial_axes


@overload
def fractional_max_pool(
    key: ArrayLike | None,
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex] | None,
    output_shape: Sequence[SupportsIndex],
    *,
    pseudo_random: bool = False,
    overlapping: bool = False,
    random_samples: ArrayLike | None = None,
    deterministic: bool = False,
    channel_axis: int | None = -1,
    return_indices: Literal[False] = False,
    where: ArrayLike | None = None,
) -> Array: ...
@overload
def fractional_max_pool(
    key: ArrayLike | None,
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex] | None,
    output_shape: Sequence[SupportsIndex],
    *,
    pseudo_random: bool = False,
    overlapping: bool = False,
    random_samples: ArrayLike | None = None,
    deterministic: bool = False,
    channel_axis: int | None = -1,
    return_indices: Literal[True],
    where: ArrayLike | None = None,
) -> tuple[Array, Array]: ...
@public
def fractional_max_pool(
    key: ArrayLike | None,
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex] | None,
    output_shape: Sequence[SupportsIndex],
    *,
    pseudo_random: bool = False,
    overlapping: bool = False,
    random_samples: ArrayLike | None = None,
    deterministic: bool = False,
    channel_axis: int | None = -1,
    return_indices: bool = False,
    where: ArrayLike | None = None,
) -> Array | tuple[Array, Array]:
    r"""Pools by taking the maximum of windows at random places, for any ratio of sizes.

    Along each spatial axis, with input length $I$, output length $O$, window $k$ and a sample $u$, uniform in
    $[0, 1)$, window $i$ starts at

    $$ \lfloor (i + u)\, \alpha \rfloor - \lfloor u \alpha \rfloor, \qquad \alpha = \frac{I - k}{O - 1}, $$

    and the last one at $I - k$, as in PyTorch: each image, channel and axis has a sample of its own. With
    `pseudo_random=True` windows reach from one start to the next, as in TensorFlow,

    $$ a_0 = 0, \quad a_i = \lceil \alpha\, (i + u) \rceil - 1, \quad a_O = I, \qquad \alpha = \frac{I}{O}, $$

    with one sample for each axis, scaled so that all windows have $\lfloor \alpha \rfloor$ or one more cell.

    - So the reduction $I / O$ may be any number from 1 on, such as the square root of 2, and not only a
      whole one; and a network sees slightly other windows in each step, which regularises it.
    - Ties go to the first element in row-major order, in value, index, tangent and cotangent alike.
    - A window of which `where` leaves nothing gives the dtype's lowest value, with the index -1.
    - A NaN makes its window NaN; the index and the gradient go to the first NaN.
    - float16 and bfloat16 add the gradients of overlapping windows in float32.

    Args:
      key: a key of `jax.random`; `None` where `random_samples` or `deterministic` says which windows to take.
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`; `None` with `pseudo_random`.
      output_shape: the number of windows along each spatial axis.
      pseudo_random: whether windows are drawn as TensorFlow does, and not as PyTorch.
      overlapping: with `pseudo_random`, whether a window includes the first cell of the next one.
      random_samples: the samples, in [0, 1), in the order of the spatial axes: of shape `(n,)` for `n`
        spatial axes, or `(*batch, channels, n)`, or `(*batch, n)` where there are no channels.
      deterministic: whether all samples are one half, for the same windows in each call.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      return_indices: whether to return also where each maximum was found.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      The maxima, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype. With
      `return_indices`, a pair with int32 positions of the same shape, row-major in the spatial block
      (`y * width + x`, PyTorch's convention).

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length, shape or sign, windows do not fit or would start at the
        same cell, or there is nothing to draw samples from.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(7.0)[:, None]
      >>> jaxpool.fractional_max_pool(None, x, (2,), (4,), random_samples=jnp.array([0.25]))[:, 0]
      Array([1., 3., 4., 6.], dtype=float32)
      >>> images = jnp.ones((8, 25, 25, 16))
      >>> jaxpool.fractional_max_pool(jax.random.key(0), images, (2, 2), (18, 18)).shape
      (8, 18, 18, 16)

    References:
      Graham, "Fractional Max-Pooling", 2014. `torch.nn.FractionalMaxPool2d`, whose `_random_samples` have the
      width first for images; `tf.nn.fractional_max_pool`.
    """
    array = as_ordered("inputs", inputs)
    windows = fractional_window(
        array.shape,
        window_shape,
        output_shape,
        channel_axis,
        pseudo_random=as_bool("pseudo_random", pseudo_random),
        overlapping=as_bool("overlapping", overlapping),
    )
    spatial = spatial_axes(array.ndim, len(output_shape), channel_axis)
    samples = _samples(key, random_samples, deterministic, array, windows, channel_axis)
    positions = spatial if as_bool("return_indices", return_indices) else None
    return _fractional_max(array, samples, as_mask(where, array.shape), windows, positions)


@public
def fractional_avg_pool(
    key: ArrayLike | None,
    inputs: ArrayLike,
    window_shape: Sequence[SupportsIndex] | None,
    output_shape: Sequence[SupportsIndex],
    *,
    pseudo_random: bool = False,
    overlapping: bool = False,
    random_samples: ArrayLike | None = None,
    deterministic: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging windows at random places, for any ratio of sizes.

    Along each spatial axis, with input length $I$, output length $O$, window $k$ and a sample $u$, uniform in
    $[0, 1)$, window $i$ starts at

    $$ \lfloor (i + u)\, \alpha \rfloor - \lfloor u \alpha \rfloor, \qquad \alpha = \frac{I - k}{O - 1}, $$

    and the last one at $I - k$, as in PyTorch: each image, channel and axis has a sample of its own. With
    `pseudo_random=True` windows reach from one start to the next, as in TensorFlow,

    $$ a_0 = 0, \quad a_i = \lceil \alpha\, (i + u) \rceil - 1, \quad a_O = I, \qquad \alpha = \frac{I}{O}, $$

    with one sample for each axis, scaled so that all windows have $\lfloor \alpha \rfloor$ or one more cell.

    - So the reduction $I / O$ may be any number from 1 on, such as the square root of 2, and not only a
      whole one; and a network sees slightly other windows in each step, which regularises it.
    - float16 and bfloat16 are added and divided in float32, forward and backward, and rounded once.
    - NaN and infinities reach the windows that contain them and no others.
    - A window of which `where` leaves nothing gives 0.

    Args:
      key: a key of `jax.random`; `None` where `random_samples` or `deterministic` says which windows to take.
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
        numeric dtype.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`; `None` with `pseudo_random`.
      output_shape: the number of windows along each spatial axis.
      pseudo_random: whether windows are drawn as TensorFlow does, and not as PyTorch.
      overlapping: with `pseudo_random`, whether a window includes the first cell of the next one.
      random_samples: the samples, in [0, 1), in the order of the spatial axes: of shape `(n,)` for `n`
        spatial axes, or `(*batch, channels, n)`, or `(*batch, n)` where there are no channels.
      deterministic: whether all samples are one half, for the same windows in each call.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
        part, and is without harm if it is NaN.

    Returns:
      The averages, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype; integers and bools
      promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length, shape or sign, windows do not fit or would start at the
        same cell, or there is nothing to draw samples from.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(7.0)[:, None]
      >>> sample = jnp.array([0.3])
      >>> jaxpool.fractional_avg_pool(None, x, None, (3,), pseudo_random=True, random_samples=sample)[:, 0]
      Array([0.5, 3. , 5.5], dtype=float32)

    References:
      Graham, "Fractional Max-Pooling", 2014. `torch.nn.FractionalMaxPool2d`, whose `_random_samples` have the
      width first for images; `tf.nn.fractional_avg_pool`.
    """
    array = as_array("inputs", inputs)
    windows = fractional_window(
        array.shape,
        window_shape,
        output_shape,
        channel_axis,
        pseudo_random=as_bool("pseudo_random", pseudo_random),
        overlapping=as_bool("overlapping", overlapping),
    )
    samples = _samples(key, random_samples, deterministic, array, windows, channel_axis)
    return _fractional_average(array, samples, as_mask(where, array.shape), windows)


def as_key(key: ArrayLike | None, otherwise: str) -> Array:
    if key is None:
        raise ValueError(f"key must be a key of jax.random, or {otherwise} be given, got None.")
    array = as_array("key", key)
    if not jnp.issubdtype(array.dtype, jax.dtypes.prng_key) and array.dtype != np.uint32:
        raise TypeError(f"key must be a key of jax.random, got an array of {array.dtype}.")
    return array


def _samples(
    key: ArrayLike | None,
    random_samples: ArrayLike | None,
    deterministic: bool,
    inputs: Array,
    windows: FractionalWindow,
    channel_axis: int | None,
) -> Array:
    """A sample for each spatial axis, in an array that broadcasts to the inputs but for that last axis."""
    bins, n = windows.window.bins, len(windows.window.bins)
    others = [d for d in range(inputs.ndim) if d not in bins]
    if channel_axis is not None:  # channels come last
        others.append(others.pop(others.index(channel_axis % inputs.ndim)))
    own = tuple(inputs.shape[d] for d in others)
    dtype = np.dtype(np.float64 if inputs.dtype == np.float64 else np.float32)
    if as_bool("deterministic", deterministic):
        samples = jnp.full((n,), 0.5, dtype)
    elif random_samples is not None:
        samples = as_array("random_samples", random_samples)
        if not jnp.issubdtype(samples.dtype, jnp.floating):
            raise TypeError(f"random_samples must be floating-point numbers, got {samples.dtype}.")
        if samples.shape not in ((n,), (*own, n)):
            raise ValueError(
                f"random_samples must have the shape {(n,)} or {(*own, n)} for inputs of shape "
                f"{inputs.shape}, got {samples.shape}."
            )
        samples = samples.astype(dtype)
    else:
        key = as_key(key, "random_samples or deterministic")
        samples = jax.random.uniform(key, (n,) if windows.pseudo_random else (*own, n), dtype)
    if samples.ndim == 1:
        return samples.reshape((1,) * inputs.ndim + (n,))
    if isinstance(inputs.size, int) and inputs.size > np.iinfo(np.int32).max:
        raise ValueError(
            "inputs must have fewer than 2**31 elements where each channel has samples of its own, got shape "
            f"{inputs.shape}; random_samples of shape {(n,)} are for all."
        )
    return jnp.expand_dims(jnp.transpose(samples, [*np.argsort(others), len(others)]), bins)


@functools.partial(jax.jit, static_argnums=(3, 4), inline=True)
def _fractional_max(
    inputs: Array,
    samples: Array,
    mask: Array | None,
    windows: FractionalWindow,
    spatial: tuple[int, ...] | None,
) -> Array | tuple[Array, Array]:
    return extreme(inputs, windows.drawn(samples), mask, order="max", spatial=spatial)


@functools.partial(jax.jit, static_argnums=(3,), inline=True)
def _fractional_average(
    inputs: Array, samples: Array, mask: Array | None, windows: FractionalWindow
) -> Array:
    return average(inputs, windows.drawn(samples), mask, divisor="elements")
