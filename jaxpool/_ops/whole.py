"""Global pools: one window that is all of an array along some axes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_bool, as_real
from jaxpool._ops._integers import Rounding, as_dtype, as_rounding
from jaxpool._ops._smooth import as_temperature, order_of_norm
from jaxpool._ops._whole import WholePool, pool_whole
from jaxpool._ops.max_min import as_ordered, extreme
from jaxpool._ops.smooth import lp, smooth_maximum
from jaxpool._ops.sum_avg import add, average


@public
def global_avg_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
    dtype: DTypeLike | None = None,
    rounding: Rounding = "truncate",
) -> Array:
    r"""Pools by averaging everything along some axes.

    $$ y = \frac{1}{n} \sum_i x_i $$

    over the $n$ elements that take part.

    - Where no element takes part the average is 0.
    - float16 and bfloat16 are added and divided in float32, forward and backward, and rounded once.
    - Averages are integers where `dtype` is one of integers. Then elements are added as by `global_sum_pool`,
      in int32, uint32 or what is wider, and their sum is divided without rounding before the end.

    Args:
      inputs: an array of any numeric dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.
      dtype: the dtype of the result; `None` is that of the inputs, and for integers and bools as in
        `jnp.mean`.
      rounding: where `dtype` is one of integers, how averages are rounded: `"truncate"` towards 0, as
        `jnp.mean` and PyTorch do, or to the `"nearest"`, halves away from 0, as TensorFlow Lite does.

    Returns:
      The averages.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or shape, names an axis that is not there, or `rounding` is
        given where `dtype` is not one of integers.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 6.0])[None, :, None]
      >>> jaxpool.global_avg_pool(x)
      Array([[3.]], dtype=float32)
      >>> jaxpool.global_avg_pool(x, where=x < 5)
      Array([[1.5]], dtype=float32)

    References:
      Lin, Chen and Yan, "Network In Network", 2013. `keras.layers.GlobalAveragePooling2D`, ONNX
      `GlobalAveragePool`; `where` and `dtype` as in `jnp.mean`.
    """
    array = as_array("inputs", inputs)
    result = as_dtype(dtype)
    return pool_whole(array, _average(result, as_rounding(rounding, result)), axis, where, keepdims)


@public
def global_max_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the maximum along some axes.

    $$ y = \max_i x_i, \qquad \frac{\partial y}{\partial x_j} = [\, j = \operatorname{argmax} \,] $$

    over the elements that take part.

    - Ties go to the first element in row-major order, in value, tangent and cotangent alike; `jnp.max`
      divides the gradient among them.
    - A NaN makes the result NaN; the gradient goes to the first NaN.
    - Where no element takes part the result is the dtype's lowest value (-inf for floating-point numbers).

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The maxima, of the inputs' dtype.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 3.0, 1.0])[None, :, None]
      >>> jaxpool.global_max_pool(x)
      Array([[3.]], dtype=float32)
      >>> jax.grad(lambda x: jaxpool.global_max_pool(x)[0, 0])(x)[0, :, 0]
      Array([0., 1., 0., 0.], dtype=float32)

    References:
      `keras.layers.GlobalMaxPooling2D`, ONNX `GlobalMaxPool`; `where` as in `jnp.max`.
    """
    array = as_ordered("inputs", inputs)
    return pool_whole(array, _extreme("max"), axis, where, keepdims)


@public
def global_min_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the minimum along some axes.

    $$ y = \min_i x_i, \qquad \frac{\partial y}{\partial x_j} = [\, j = \operatorname{argmin} \,] $$

    over the elements that take part.

    - Ties go to the first element in row-major order, in value, tangent and cotangent alike; `jnp.min`
      divides the gradient among them.
    - A NaN makes the result NaN; the gradient goes to the first NaN.
    - Where no element takes part the result is the dtype's highest value (inf for floating-point numbers).

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The minima, of the inputs' dtype.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 3.0, 1.0])[None, :, None]
      >>> jaxpool.global_min_pool(x)
      Array([[1.]], dtype=float32)
      >>> jax.grad(lambda x: jaxpool.global_min_pool(x)[0, 0])(x)[0, :, 0]
      Array([1., 0., 0., 0.], dtype=float32)

    References:
      `where` as in `jnp.min`.
    """
    array = as_ordered("inputs", inputs)
    return pool_whole(array, _extreme("min"), axis, where, keepdims)


@public
def global_sum_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
    dtype: DTypeLike | None = None,
) -> Array:
    r"""Pools by adding everything along some axes.

    $$ y = \sum_i x_i $$

    over the elements that take part.

    - Where no element takes part the sum is 0.
    - float16 and bfloat16 are added in float32, forward and backward, and rounded once, unless `dtype` is
      float32.
    - Integers of 8 and 16 bits and bools are added in int32, unsigned ones in uint32, as by `jnp.sum`; beyond
      the range of the result sums wrap around.

    Args:
      inputs: an array of any numeric dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.
      dtype: the dtype of the result, which elements are converted to before they are added; `None` is that
        of the inputs, and for integers and bools as in `jnp.sum`.

    Returns:
      The sums.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> jaxpool.global_sum_pool(jnp.ones((2, 4, 4, 3)), axis=(1, 2), keepdims=True).shape
      (2, 1, 1, 3)

    References:
      `jnp.sum`, of which `where` and `dtype` are.
    """
    array = as_array("inputs", inputs)
    return pool_whole(array, _sum(as_dtype(dtype)), axis, where, keepdims)


@public
def global_lp_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    p: float = 2.0,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by taking the Lp norm along some axes.

    $$ y = \Big( \sum_i |x_i|^p \Big)^{1/p} $$

    over the elements that take part.

    - Where the norm is 0 the gradient is 0. A NaN makes the result NaN. Where no element takes part it is 0.
    - Nothing overflows or underflows where the result is representable. float16 and bfloat16 are computed in
      float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      p: the order of the norm, above 0; `jnp.inf` for the largest magnitude.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The norms, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([3.0, -4.0])[None, :, None]
      >>> jaxpool.global_lp_pool(x)
      Array([[5.]], dtype=float32)

    References:
      ONNX `GlobalLpPool`; `jnp.linalg.norm`.
    """
    array = as_real("inputs", inputs)
    return pool_whole(array, _norm(order_of_norm(p)), axis, where, keepdims)


@public
def global_logsumexp_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    temperature: float = 1.0,
    mean: bool = False,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by a smooth maximum along some axes: the logarithm of the sum of exponentials.

    $$ y = T \log \sum_i e^{x_i / T} $$

    over the elements that take part; with `mean=True` the sum is divided by their number.

    - Stabilised by the maximum: nothing overflows. Where all elements are -inf, or none takes part, the
      result is -inf, without a gradient. A NaN makes the result NaN.
    - float16 and bfloat16 are computed in float32 and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      temperature: the scale of differences that count, above 0.
      mean: whether to take the mean of the exponentials in place of their sum.
      where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
        takes no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      The smooth maxima, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or shape, or names an axis that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0])[None, :, None]
      >>> print(f"{jaxpool.global_logsumexp_pool(x)[0, 0]:.4f}")
      3.1269

    References:
      Pinheiro and Collobert, "From Image-level to Pixel-level Labeling with Convolutional Networks", 2015.
      `jax.nn.logsumexp`.
    """
    array = as_real("inputs", inputs)
    return pool_whole(
        array, _smooth_maximum(as_temperature(temperature), as_bool("mean", mean)), axis, where, keepdims
    )


@functools.cache
def _average(dtype: np.dtype | None, rounding: Rounding) -> WholePool:
    return functools.partial(average, divisor="elements", dtype=dtype, rounding=rounding)


@functools.cache
def _sum(dtype: np.dtype | None) -> WholePool:
    return functools.partial(add, dtype=dtype)


@functools.cache
def _extreme(order: str) -> WholePool:
    return lambda inputs, window, mask: extreme(inputs, window, mask, order=order)


@functools.cache
def _norm(p: float) -> WholePool:
    return functools.partial(lp, p=p)


@functools.cache
def _smooth_maximum(temperature: float, mean: bool) -> WholePool:
    return functools.partial(smooth_maximum, temperature=temperature, mean=mean)
