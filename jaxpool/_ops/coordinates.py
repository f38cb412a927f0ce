"""Global pools to coordinates: where in an array there is much."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_bool, as_parameter, as_real, masked
from jaxpool._ops._smooth import as_temperature, softmax_average
from jaxpool._ops._whole import pool_whole
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Window


@public
def soft_argmax_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    temperature: ArrayLike = 1.0,
    normalized: bool = True,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the expected coordinates under a softmax along some axes: a spatial softmax.

    $$ y = \sum_i p_i r_i, \quad p_i = \frac{e^{x_i / T}}{\sum_k e^{x_k / T}}, \qquad
       \frac{\partial y}{\partial x_j} = \frac{1}{T} \, p_j (r_j - y) $$

    over the elements that take part, with their coordinates $r$ and the temperature $T$. It lies between the
    center of all ($T \to \infty$) and the place of the maximum ($T \to 0$).

    - Coordinates are in the order of the axes, as in an index: along the rows before along the columns, which
      is y before x. `[..., ::-1]` has x first.
    - Stabilised by the maximum: nothing overflows. Equal maxima give what is midway between them. An element
      of -inf has no weight; a NaN or inf makes the result NaN.
    - Where all elements are -inf, or none takes part, coordinates are 0, without a gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels, n)`.
      temperature: the scale of differences that count, above 0: a number, or an array of shape `()`.
      normalized: whether coordinates are from -1, the center of the first cell, to 1, that of the last, and 0
        where there is one cell only; otherwise they count cells from 0.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.

    Returns:
      The coordinates, of the inputs' dtype and of their shape without the pooled axes, with one coordinate
      for each of these along a new last axis; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there, or
        `temperature` is a number that is not above 0.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.zeros((1, 3, 5, 1)).at[0, 2, 1, 0].set(100.0)
      >>> jaxpool.soft_argmax_pool(x)
      Array([[[ 1. , -0.5]]], dtype=float32)
      >>> jaxpool.soft_argmax_pool(x, normalized=False)
      Array([[[2., 1.]]], dtype=float32)

    References:
      Levine, Finn, Darrell and Abbeel, "End-to-End Training of Deep Visuomotor Policies", 2016.
      `kornia.geometry.subpix.spatial_soft_argmax2d`, which has x first.
    """
    array = as_real("inputs", inputs)
    scale = temperature if hasattr(temperature, "shape") else as_temperature(temperature)
    scale = as_parameter("temperature", scale, array.ndim, None)
    return pool_whole(array, _expectations(as_bool("normalized", normalized)), axis, where, False, scale)


@functools.cache
def _expectations(normalized: bool):
    def pool(inputs: Array, window: Window, mask: Array | None, temperature: Array) -> Array:
        wide = masked(inputs, mask, -np.inf).astype(accumulation_dtype(inputs.dtype))
        logits = wide / temperature.astype(wide.dtype)
        expected = [softmax_average(_coordinates(wide, d, normalized), logits, window) for d in window.pooled]
        return jnp.stack(expected, -1).astype(inputs.dtype)

    return pool


def _coordinates(wide: Array, dimension: int, normalized: bool) -> Array:
    """Where each element is along a dimension."""
    length = wide.shape[dimension]
    places = np.arange(length, dtype=float)
    if normalized:
        places = (2 * places - (length - 1)) / max(length - 1, 1)
    shape = [-1 if d == dimension else 1 for d in range(wide.ndim)]
    return jnp.broadcast_to(jnp.asarray(places, wide.dtype).reshape(shape), wide.shape)
