"""Global pools to residuals: how far from each of some centers what is near it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_real, masked
from jaxpool._ops._tokens import pool_tokens, sum_outer

# The least that vectors are divided by, as in `torch.nn.functional.normalize`.
_SHORTEST = 1e-12


@public
def netvlad_pool(
    inputs: ArrayLike,
    centers: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by adding what along some axes differs from centers, each to those that it is assigned to.

    With the tokens $x_i$ along these axes, of the length of the last axis, the centers $c_k$, the kernel's
    columns $w_k$ and the biases $b_k$,

    $$ V_k = \sum_i a_k(x_i) \, (x_i - c_k), \qquad
       a_k(x) = \frac{e^{w_k^\top x + b_k}}{\sum_l e^{w_l^\top x + b_l}}, $$

    over the tokens that take part. Each $V_k$ is then divided by its norm, and all together by theirs:
    intra-normalisation, by which no center outweighs the others, and normalisation.

    With $w_k = 2 \alpha c_k$ and $b_k = -\alpha |c_k|^2$ tokens go to the nearest center, the more so the
    larger $\alpha$ is. Tokens of unit length are usual.

    - A norm below 1e-12 counts as that, so that a center with next to no tokens has next to nothing in the
      result. Where $V_k$ is 0, as all are where no token takes part, it stays 0, without a gradient.
    - Assignments are stabilised by each token's largest logit. A NaN makes the whole result NaN.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once. Products of
      float32 are not rounded before they are added, on no platform.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      centers: an array of shape `(clusters, channels)`.
      kernel: what tokens are projected to logits with, an array of shape `(channels, clusters)`.
      bias: what is added to the logits, an array of shape `(clusters,)`, or `None` for nothing.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, clusters, channels)`.
      where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
        no part, and is without harm if it is NaN.

    Returns:
      An array of the inputs' dtype and of their shape without the pooled axes, with clusters and channels
      along the last two; integers and bools promote as in `jnp.mean`. The paper's descriptor is
      `.reshape(batch, -1)` of it.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong shape, or `axis` names the last axis or one that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[3.0, 4.0], [-1.0, 0.0]])[None]
      >>> centers = jnp.array([[3.0, 3.0], [-3.0, 0.0]])
      >>> y = jaxpool.netvlad_pool(x, centers, 20 * centers.T)
      >>> print(jnp.round(y, 4))
      [[[0.     0.7071]
        [0.7071 0.    ]]]

    References:
      Arandjelovic, Gronat, Torii, Pajdla and Sivic, "NetVLAD: CNN architecture for weakly supervised place
      recognition", 2016.
    """
    array, means, columns = (
        as_real(name, value) for name, value in (("inputs", inputs), ("centers", centers), ("kernel", kernel))
    )
    channels = array.shape[-1] if array.ndim else 0
    if means.ndim != 2 or means.shape[1] != channels:
        raise ValueError(f"centers must have the shape {('clusters', channels)}, got {means.shape}.")
    offsets = jnp.zeros(len(means), array.dtype) if bias is None else as_real("bias", bias)
    for name, value, shape in (("kernel", columns, means.shape[::-1]), ("bias", offsets, means.shape[:1])):
        if value.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {value.shape}.")
    return pool_tokens((array,), _residuals, axis, where, means, columns, offsets)


def _residuals(
    tokens: Array,
    mask: Array | None,
    centers: Array,
    kernel: Array,
    bias: Array,
) -> Array:
    centers, kernel, bias = (array.astype(tokens.dtype) for array in (centers, kernel, bias))
    logits = jnp.matmul(tokens, kernel, precision=lax.Precision.HIGHEST)
    assigned = masked(jax.nn.softmax(logits + jnp.broadcast_to(bias, logits.shape)), mask, 0)
    total = sum_outer(assigned, tokens)
    shares = jnp.sum(assigned, -2)[..., None]
    residuals = total - shares * jnp.broadcast_to(centers, total.shape)
    return _unit(_unit(residuals, -1), (-2, -1))


def _unit(vectors: Array, axis: int | tuple[int, ...]) -> Array:
    """Vectors of length 1 along some axes; those of 0 stay so, without a gradient."""
    square = jnp.sum(vectors * vectors, axis, keepdims=True)
    scale = lax.rsqrt(jnp.maximum(square, _SHORTEST**2))
    return vectors * jnp.where(square == 0, lax.full_like(scale, 0), scale)
