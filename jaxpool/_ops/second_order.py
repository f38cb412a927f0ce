"""Global pools of the second order: of products of channels, in place of channels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer, is_integer
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_real, masked
from jaxpool._ops._tokens import pool_tokens, sum_outer, token_counts
from jaxpool._ops.segments import segment_sum_pool


@public
def covariance_pool(
    inputs: ArrayLike,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    power: Literal["sqrt"] | None = "sqrt",
    iterations: int = 5,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by taking the covariance of channels along some axes, or its square root.

    $$ \Sigma = \frac{1}{n} \sum_i (x_i - \mu) (x_i - \mu)^\top $$

    over the $n$ tokens $x_i$ that take part, of the length of the last axis, with their mean $\mu$. With
    `power="sqrt"`, which holds the largest variances down, the result is an approximation of
    $\Sigma^{1/2}$: with $t = \operatorname{tr} \Sigma$, $Y_0 = \Sigma / t$ and $Z_0 = I$,

    $$ Y_{k+1} = \tfrac{1}{2} Y_k (3 I - Z_k Y_k), \qquad Z_{k+1} = \tfrac{1}{2} (3 I - Z_k Y_k) Z_k, \qquad
       y = \sqrt t \, Y_N. $$

    These are Newton and Schulz's iterations, products of matrices alone: after five of them eigenvalues of
    above a hundredth of the trace are near their roots, and smaller ones below them.

    - The result is exactly symmetric. `y[..., *np.triu_indices(channels)]` has each of its elements once.
    - A covariance of 0, such as that of one token, has the root 0, without a gradient.
    - Two passes: deviations are taken from the mean, so nothing cancels where that is large.
    - A NaN or an infinity makes the whole matrix NaN. Where no token takes part it is 0.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once. Products of
      float32 are not rounded before they are added, on no platform.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, channels, channels)`.
      power: `"sqrt"` for the square root, `None` for the covariance.
      iterations: how many for the square root, at least 1.
      where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
        no part, and is without harm if it is NaN.

    Returns:
      The matrices, of the inputs' dtype and of their shape without the pooled axes, with the channels along
      the last two; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong value or shape, or `axis` names the last axis or one that is not
        there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 0.0], [5.0, 0.0]])[None]
      >>> jaxpool.covariance_pool(x, power=None)
      Array([[[4., 0.],
              [0., 0.]]], dtype=float32)
      >>> jaxpool.covariance_pool(x)
      Array([[[2., 0.],
              [0., 0.]]], dtype=float32)

    References:
      Li, Xie, Wang and Zuo, "Is Second-order Information Helpful for Large-scale Visual Recognition?", 2017
      (MPN-COV). Li, Xie, Wang and Gao, "Towards Faster Training of Global Covariance Pooling Networks by
      Iterative Matrix Square Root Normalization", 2018 (iSQRT-COV).
    """
    array = as_real("inputs", inputs)
    if power is not None and power != "sqrt":
        raise ValueError(f"power must be 'sqrt' or None, got {power!r}.")
    steps = _at_least_one("iterations", iterations)
    return pool_tokens((array,), _power_of_covariance(None if power is None else steps), axis, where)


@public
def bilinear_pool(
    inputs: ArrayLike,
    others: ArrayLike | None = None,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging the outer products of two arrays along some axes.

    $$ y = \frac{1}{n} \sum_i x_i z_i^\top, \qquad y_{cd} = \frac{1}{n} \sum_i x_{ic} \, z_{id} $$

    over the $n$ tokens that take part: how the channels of one array go with those of the other, wherever
    that is. Without `others`, $z$ is $x$.

    Networks go on with signed square roots, `jnp.sign(y) * jnp.sqrt(jnp.abs(y) + eps)`, divided by their
    norm; without `eps` the gradient is not finite where `y` is 0.

    - Where no token takes part the result is 0. A NaN makes its row or column NaN.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once. Products of
      float32 are not rounded before they are added, on no platform.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      others: a real array of the shape of `inputs` but for the last axis, or `None` for `inputs`.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, channels, channels of others)`.
      where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
        no part, and is without harm if it is NaN.

    Returns:
      The matrices, of the inputs' dtype and of their shape without the pooled axes, with the channels of both
      along the last two; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong shape, or `axis` names the last axis or one that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 0.0], [1.0, 2.0]])[None]
      >>> jaxpool.bilinear_pool(x)
      Array([[[1., 1.],
              [1., 2.]]], dtype=float32)

    References:
      Lin, RoyChowdhury and Maji, "Bilinear CNN Models for Fine-grained Visual Recognition", 2015, which adds
      in place of averaging.
    """
    array = as_real("inputs", inputs)
    return pool_tokens((array, _as_others(others, array)), _bilinear, axis, where)


@public
def compact_bilinear_pool(
    inputs: ArrayLike,
    out_features: int,
    others: ArrayLike | None = None,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    sketches: SupportsIndex | Sequence[ArrayLike] = 0,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging sketches of outer products along some axes: `bilinear_pool` in fewer numbers.

    With the bucket $h_c$ and the sign $s_c$ of each channel of one array, and $h'_d$ and $s'_d$ of the other,

    $$ y_f = \frac{1}{n} \sum_i \;\; \sum_{c, d \,:\, h_c + h'_d \equiv f} s_c \, s'_d \; x_{ic} \, z_{id} $$

    over the $n$ tokens that take part, and the sums of buckets modulo `out_features`. Inner products of such
    results are, on average over the sketches, those of the results of `bilinear_pool`.

    - The sketches are the same in every call, on every platform, unless they are given others.
    - Where no token takes part the result is 0. A NaN makes the whole result NaN.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once. Products of
      float32 are not rounded before they are added, on no platform.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      out_features: how many buckets there are, the length of the result.
      others: a real array of the shape of `inputs` but for the last axis, or `None` for `inputs`, which has
        two sketches then.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, out_features)`.
      sketches: `(buckets, signs)`: integers from 0 to below `out_features` and numbers that are -1 or 1, in
        two arrays of one entry for each of the inputs' channels and then one for each of the others'. Or a
        seed, with which they are `random.randint(out_features, size=n)` and then
        `2 * random.randint(2, size=n) - 1` of `random = np.random.RandomState(seed)`.
      where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
        no part, and is without harm if it is NaN.

    Returns:
      The sketches' means, of the inputs' dtype and of their shape without the pooled axes, with
      `out_features` along the last; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong value or shape, or `axis` names the last axis or one that is not
        there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 0.0], [1.0, 2.0]])[None]
      >>> buckets, signs = jnp.array([0, 1, 0, 2]), jnp.array([1, 1, 1, -1])
      >>> jaxpool.compact_bilinear_pool(x, 4, sketches=(buckets, signs))
      Array([[ 1.,  1., -1., -2.]], dtype=float32)
      >>> jaxpool.compact_bilinear_pool(x, 8).shape
      (1, 8)

    References:
      Gao, Beijbom, Zhang and Darrell, "Compact Bilinear Pooling", 2016. Pham and Pagh, "Fast and Scalable
      Polynomial Kernels via Explicit Feature Maps", 2013.
    """
    array = as_real("inputs", inputs)
    other = _as_others(others, array)
    size = _at_least_one("out_features", out_features)
    buckets, signs = _as_sketches(sketches, array.shape[-1] + other.shape[-1], size)
    return pool_tokens((array, other), _compact(size), axis, where, buckets, signs)


def _as_others(others: ArrayLike | None, array: Array) -> Array:
    if others is None:
        return array
    other = as_real("others", others)
    if other.ndim != array.ndim or other.shape[:-1] != array.shape[:-1]:
        raise ValueError(f"others must have the shape {(*array.shape[:-1], 'channels')}, got {other.shape}.")
    return other


def _as_sketches(sketches: Any, length: int, size: int) -> tuple[Array, Array]:
    """The bucket and the sign of each channel of both arrays."""
    if is_integer(sketches):
        random = np.random.RandomState(as_integer("sketches", sketches))
        return jnp.asarray(random.randint(size, size=length)), jnp.asarray(
            2 * random.randint(2, size=length) - 1
        )
    if not isinstance(sketches, Sequence) or len(sketches) != 2:
        raise TypeError(f"sketches must be a seed or the two arrays (buckets, signs), got {sketches!r}.")
    buckets, signs = (
        as_array(name, value) for name, value in zip(("buckets", "signs"), sketches, strict=True)
    )
    if not jnp.issubdtype(buckets.dtype, jnp.integer):
        raise TypeError(f"buckets must be integers, got {buckets.dtype}.")
    for name, value in (("buckets", buckets), ("signs", signs)):
        if value.shape != (length,):
            raise ValueError(f"{name} must have the shape {(length,)}, got {value.shape}.")
    return buckets, as_real("signs", signs)


def _at_least_one(name: str, value: Any) -> int:
    number = as_integer(name, value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {value!r}.")
    return number


@functools.cache
def _power_of_covariance(iterations: int | None):
    """The square root after so many iterations, or with `None` the covariance."""

    def pool(tokens: Array, mask: Array | None) -> Array:
        mean = jnp.sum(tokens, -2, keepdims=True) / token_counts(tokens, mask)
        deviations = masked(tokens - mean, mask, 0)
        covariance = _bilinear(deviations, deviations, mask)
        return _symmetric(covariance if iterations is None else _root(covariance, iterations))

    return pool


def _root(matrix: Array, iterations: int) -> Array:
    trace = jnp.trace(matrix, axis1=-2, axis2=-1)[..., None, None]
    trace = jnp.where(trace == 0, lax.full_like(trace, 1), trace)
    # The first iteration's other factor is the identity.
    root = matrix / trace
    step = _newton_schulz(root)
    root, inverse = _product(root, step), step
    for _ in range(iterations - 1):
        step = _newton_schulz(_product(inverse, root))
        root, inverse = _product(root, step), _product(step, inverse)
    return jnp.sqrt(trace) * root


def _newton_schulz(product: Array) -> Array:
    identity = jnp.eye(product.shape[-1], dtype=product.dtype)
    return 1.5 * jnp.broadcast_to(identity, product.shape) - 0.5 * product


def _product(first: Array, second: Array) -> Array:
    return jnp.matmul(first, second, precision=lax.Precision.HIGHEST)


def _symmetric(matrix: Array) -> Array:
    return (matrix + jnp.matrix_transpose(matrix)) / 2


def _bilinear(tokens: Array, others: Array, mask: Array | None) -> Array:
    return sum_outer(tokens, others) / token_counts(tokens, mask)


@functools.cache
def _compact(size: int):
    """The sketches of the mean of all outer products, for that is the mean of their sketches.

    The paper multiplies the Fourier transforms of each token's two sketches, which reads and writes `size`
    numbers for each token: forward and backward 97 and 94 ms on CPU, for four images of 14x14 tokens and 512
    channels and a size of 8192, where this takes 19 and 46 on a busier machine. It is a sum of segments, so
    that every run adds in the same order.
    """

    def pool(tokens: Array, others: Array, mask: Array | None, buckets: Array, signs: Array) -> Array:
        channels, signs = tokens.shape[-1], signs.astype(tokens.dtype)
        to = (buckets[:channels, None] + buckets[None, channels:]) % size
        signs = signs[:channels, None] * signs[None, channels:]
        products = _bilinear(tokens, others, mask)
        products *= lax.expand_dims(signs, range(products.ndim - 2))
        # A row for each product, of all images.
        rows = jnp.moveaxis(products, (-2, -1), (0, 1)).reshape(to.size, *products.shape[:-2])
        return jnp.moveaxis(segment_sum_pool(rows, to.reshape(to.size), size), 0, -1)

    return pool
