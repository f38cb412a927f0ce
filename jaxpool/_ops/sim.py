"""Global averages by the attention of the mean: SimPool."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_number, as_real, masked
from jaxpool._ops._tokens import pool_tokens, token_counts
from jaxpool._ops.attention import shares
from jaxpool._ops.whole import global_min_pool

# What is added to values before they are raised to a power, as in timm, so that they are above 0.
_LEAST = 1e-6


@public
def sim_pool(
    inputs: ArrayLike,
    scale: ArrayLike,
    bias: ArrayLike,
    query_kernel: ArrayLike,
    key_kernel: ArrayLike,
    query_bias: ArrayLike | None = None,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    gamma: float | None = None,
    eps: float = 1e-5,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by SimPool: averages by the attention that the mean pays to everything along some axes.

    With the tokens $x_i$ along these axes, of the length of the last axis, their normalisations
    $z_i = s (x_i - \mu_i) / \sqrt{\sigma_i^2 + \varepsilon} + b$ and heads $h$ of size $d$, each of which has
    its own channels $z_i^h$,

    $$ y^h = \sum_i w_i^h z_i^h, \qquad
       w^h = \operatorname{softmax}_i \Big( \tfrac{1}{\sqrt d} (W_q^h \bar x + b_q^h)^\top W_k^h z_i \Big), $$

    over the tokens that take part, whose mean is $\bar x$. With `gamma` averages are those of powers: of
    $(z_i^h - \min_i z_i^h + 10^{-6})^\gamma$, of which the root is taken.

    There is no projection of values or of results, and no bias of the keys, which would add the same to all
    logits of a head and change nothing.

    - Stabilised by each head's largest logit. A NaN makes the result NaN.
    - Where no token takes part the result is 0, without a gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      scale: what normalised tokens are multiplied by, an array of shape `(channels,)`.
      bias: what is then added, an array of shape `(channels,)`.
      query_kernel: what the mean is projected with, an array of shape `(channels, heads, size)`, of which
        heads times size are the channels.
      key_kernel: what tokens are projected with, an array of the same shape.
      query_bias: an array of shape `(heads, size)`, or `None` for none.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, channels)`.
      gamma: the exponent of powers, above 0; `None` for averages of the values themselves.
      eps: what is added to variances, above 0.
      where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
        no part, and is without harm if it is NaN.

    Returns:
      An array of the inputs' dtype and of their shape without the pooled axes; integers and bools promote as
      in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong shape or sign, or `axis` names the last axis or one that is not
        there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]])[None]
      >>> kernel = 3 * jnp.eye(2)[:, None]
      >>> y = jaxpool.sim_pool(x, jnp.ones(2), jnp.zeros(2), kernel, kernel)
      >>> print(jnp.round(y, 3))  # the mean has more in the second channel, as two of the tokens have
      [[-1.  1.]]

    References:
      Psomas, Kakogeorgiou, Karantzalos and Avrithis, "Keep It SimPool: Who Said Supervised Transformers
      Suffer from Attention Deficit?", 2023. timm's `SimPool2d`, whose minimum, as here, is that of one
      example; the paper's code takes that of the batch.
    """
    array = as_real("inputs", inputs)
    given = {
        "scale": scale,
        "bias": bias,
        "query_kernel": query_kernel,
        "key_kernel": key_kernel,
        "query_bias": query_bias,
    }
    arrays = {
        name: None if value is None and name == "query_bias" else as_real(name, value)
        for name, value in given.items()
    }
    _check_shapes(arrays, array.shape[-1] if array.ndim else 0)
    exponent = None if gamma is None else _above_zero("gamma", gamma)
    pool = _attend_with(exponent, _above_zero("eps", eps))
    return pool_tokens((array,), pool, axis, where, *arrays.values())


def _above_zero(name: str, value: Any) -> float:
    number = as_number(name, value)
    if not 0 < number < np.inf:
        raise ValueError(f"{name} must be above 0 and finite, got {value!r}.")
    return number


def _check_shapes(arrays: dict[str, Array | None], channels: int) -> None:
    kernel = np.shape(arrays["query_kernel"])
    if len(kernel) != 3 or kernel[0] != channels or math.prod(kernel[1:]) != channels:
        raise ValueError(
            f"query_kernel must have the shape ({channels}, heads, size), where heads times size are "
            f"{channels}, got {kernel}."
        )
    expected = {
        "scale": (channels,),
        "bias": (channels,),
        "query_kernel": kernel,
        "key_kernel": kernel,
        "query_bias": kernel[1:],
    }
    for name, array in arrays.items():
        if array is not None and array.shape != expected[name]:
            raise ValueError(f"{name} must have the shape {expected[name]}, got {array.shape}.")


@functools.cache
def _attend_with(gamma: float | None, eps: float):
    return functools.partial(_attend, gamma=gamma, eps=eps)


def _attend(
    tokens: Array,
    mask: Array | None,
    scale: Array,
    bias: Array,
    query_kernel: Array,
    key_kernel: Array,
    query_bias: Array | None,
    *,
    gamma: float | None,
    eps: float,
) -> Array:
    if not tokens.shape[-2]:
        return jnp.zeros((*tokens.shape[:-2], tokens.shape[-1]), tokens.dtype)
    scale, bias, query_kernel, key_kernel = (
        array.astype(tokens.dtype) for array in (scale, bias, query_kernel, key_kernel)
    )
    heads = query_kernel.shape[1:]
    normal = _normalised(tokens, eps)
    normal = normal * jnp.broadcast_to(scale, normal.shape) + jnp.broadcast_to(bias, normal.shape)
    mean = jnp.sum(tokens, -2, keepdims=True) / token_counts(tokens, mask)
    query = jnp.einsum("...c,chd->...hd", jnp.squeeze(mean, -2), query_kernel)
    if query_bias is not None:
        query += jnp.broadcast_to(query_bias.astype(query.dtype), query.shape)
    looking = jnp.einsum("...hd,chd->...hc", query / math.sqrt(heads[1]), key_kernel)
    logits = jnp.einsum("...hc,...nc->...nh", looking, normal)
    weights = shares(logits, mask)
    some = None if mask is None else jnp.any(mask, -2)  # (..., 1)

    def average(values: Array) -> Array:
        of_heads = jnp.einsum("...nh,...nhd->...hd", weights, values.reshape(*values.shape[:-1], *heads))
        return of_heads.reshape(*of_heads.shape[:-2], -1)

    if gamma is None:
        return average(normal)
    least = masked(global_min_pool(normal, -2, where=mask), some, 0)
    above = normal - jnp.expand_dims(least, -2) + _LEAST
    above = masked(above, mask, 1)
    powers = average(jnp.power(above, gamma))
    root = jnp.power(powers if some is None else masked(powers, some, 1), 1 / gamma)
    return masked(root, some, 0)


def _normalised(tokens: Array, eps: float) -> Array:
    """Of mean 0 and variance 1, each token by itself."""
    centered = tokens - jnp.mean(tokens, -1, keepdims=True)
    return centered * lax.rsqrt(jnp.mean(lax.square(centered), -1, keepdims=True) + eps)
