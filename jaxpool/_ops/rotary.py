"""Attention over everything, to keys that are turned by where they are."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integers, static_length
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_bool, as_real
from jaxpool._ops._smooth import as_temperature
from jaxpool._ops._tokens import as_token_mask, flat_tokens, token_axes
from jaxpool._ops.attention import behind, check_shapes, mean_of, project, shares
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import refuse_layout


@public
def rotary_attention_pool(
    inputs: ArrayLike,
    query: ArrayLike | None,
    query_kernel: ArrayLike,
    key_kernel: ArrayLike,
    value_kernel: ArrayLike,
    out_kernel: ArrayLike,
    query_bias: ArrayLike | None = None,
    key_bias: ArrayLike | None = None,
    value_bias: ArrayLike | None = None,
    out_bias: ArrayLike | None = None,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    reference_shape: Sequence[SupportsIndex] | None = None,
    temperature: float = 10000.0,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by multi-head attention to everything along some axes, with rotary positions.

    Along these axes are the tokens $x_1, \dots, x_n$, of the length of the last axis. Before them comes the
    query $x_0 = q$, which is a token too. With heads $h$ of size $d$ and rotations $R_i$, of which $R_0$ does
    nothing,

    $$ y = b_o + \sum_h W_o^h \Big( b_v^h + W_v^h \sum_i w_i^h x_i \Big), \qquad
       w^h = \operatorname{softmax}_i \Big( \tfrac{1}{\sqrt d} (W_q^h q + b_q^h)^\top R_i
       (W_k^h x_i + b_k^h) \Big). $$

    With $N$ axes each has a part of every key, of $m = d / 2N$ pairs of neighbours. At position $p$ along it
    the pair $j$ is turned by the angle $p \, T^{-j / m}$.

    - Stabilised by each head's largest logit. A NaN makes the result NaN.
    - Where no token takes part only the query does, whose mean then counts as 0.
    - float16 and bfloat16 have logits, weights and averages in float32, and the result is rounded once.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      query: an array of shape `(channels,)`, a class token, or `None` for the mean of the tokens.
      query_kernel: an array of shape `(channels, heads, size)`, as the next two.
      key_kernel: what tokens are projected to keys with.
      value_kernel: what they are projected to values with.
      out_kernel: an array of shape `(heads, size, features)`.
      query_bias: an array of shape `(heads, size)`, or `None` for none.
      key_bias: an array of shape `(heads, size)`, or `None` for none.
      value_bias: an array of shape `(heads, size)`, or `None` for none.
      out_bias: an array of shape `(features,)`, or `None` for none.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, features)`.
      reference_shape: the lengths that positions are stretched to, one for each of these axes, in their order
        in the array; `None` for positions as they are.
      temperature: the $T$ of the angles, above 0.
      where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
        no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      An array of the inputs' dtype and of their shape without the pooled axes, with `features` along the
      last; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong shape or sign, twice the number of axes does not divide the size
        of heads, or `axis` names the last axis or one that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.ones((5, 7, 7, 8))
      >>> kernel = jnp.ones((8, 2, 4))
      >>> jaxpool.rotary_attention_pool(x, None, kernel, kernel, kernel, jnp.ones((2, 4, 3))).shape
      (5, 3)

    References:
      timm's `RotAttentionPool2d`, after CLIP's `AttentionPool2d`; `reference_shape` is its `ref_feat_size`.
      Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
    """
    refuse_layout()
    array = as_real("inputs", inputs)
    pooled = token_axes(axis, array)
    parameters = {
        "query": query,
        "query_kernel": query_kernel,
        "key_kernel": key_kernel,
        "value_kernel": value_kernel,
        "out_kernel": out_kernel,
        "query_bias": query_bias,
        "key_bias": key_bias,
        "value_bias": value_bias,
        "out_bias": out_bias,
    }
    optional = ("query", "query_bias", "key_bias", "value_bias", "out_bias")
    arrays = {
        name: None if value is None and name in optional else as_real(name, value)
        for name, value in parameters.items()
    }
    if np.ndim(arrays["query"]) > 1:
        raise ValueError(f"query must have one dimension, got shape {np.shape(arrays['query'])}.")
    check_shapes(arrays, array.shape[-1])
    size = np.shape(arrays["query_kernel"])[-1]
    if not pooled or size % (2 * len(pooled)):
        raise ValueError(
            f"query_kernel must have heads whose size twice the number of axes divides, got {size} for axes "
            f"{pooled}."
        )
    lengths = [static_length(array.shape[d]) for d in pooled]
    stretched = lengths
    if reference_shape is not None:
        stretched = as_integers("reference_shape", reference_shape, 1, len(pooled))
    angles = _angles(lengths, stretched, size, as_temperature(temperature))
    return _attend(array, as_token_mask(where, array), arrays, angles, pooled, as_bool("keepdims", keepdims))


def _angles(lengths: Sequence[int], stretched: Sequence[int], size: int, temperature: float) -> np.ndarray:
    """How far each pair of each token's keys is turned: (tokens, size / 2)."""
    pairs = size // (2 * len(lengths))
    frequencies = temperature ** -(np.arange(pairs) / pairs)
    places = [np.arange(n) * (m / max(n, 1)) for n, m in zip(lengths, stretched, strict=True)]
    grid = np.stack(np.meshgrid(*places, indexing="ij"), -1)
    return (grid[..., None] * frequencies).reshape(math.prod(lengths), size // 2)


@functools.partial(jax.jit, static_argnums=(4, 5), inline=True)
def _attend(
    inputs: Array,
    mask: Array | None,
    parameters: Mapping[str, Array | None],
    angles: Array,
    pooled: tuple[int, ...],
    keepdims: bool,
) -> Array:
    dtype = accumulation_dtype(inputs.dtype)
    wide = {name: None if a is None else a.astype(dtype) for name, a in parameters.items()}
    tokens = flat_tokens(inputs.astype(dtype), pooled)
    valid = None if mask is None else flat_tokens(jnp.broadcast_to(mask, (*inputs.shape[:-1], 1)), pooled)
    if valid is not None:
        tokens = jnp.where(valid, tokens, lax.full_like(tokens, 0))
    query = mean_of(tokens, valid) if wide["query"] is None else wide["query"]
    tokens, valid = behind(query, tokens, valid)
    asking = _with_bias(
        jnp.einsum("...c,chd->...hd", tokens[..., 0, :], wide["query_kernel"]), wide["query_bias"]
    )
    keys = _with_bias(jnp.einsum("...nc,chd->...nhd", tokens, wide["key_kernel"]), wide["key_bias"])
    turned = _turned(keys, jnp.pad(angles.astype(dtype), [(1, 0), (0, 0)]))
    logits = jnp.einsum("...hd,...nhd->...nh", asking / math.sqrt(asking.shape[-1]), turned)
    averages = jnp.einsum("...nh,...nc->...hc", shares(logits, valid), tokens)
    result = project(averages, wide).astype(inputs.dtype)
    return jnp.expand_dims(result, pooled) if keepdims else result


def _with_bias(heads: Array, bias: Array | None) -> Array:
    return heads if bias is None else heads + jnp.broadcast_to(bias, heads.shape)


def _turned(keys: Array, angles: Array) -> Array:
    """The keys, (..., tokens, heads, size), whose pairs of neighbours are turned by the angles of tokens."""
    pairs = keys.reshape(*keys.shape[:-1], -1, 2)
    first, second = pairs[..., 0], pairs[..., 1]
    cosine, sine = (jnp.broadcast_to(f(angles)[:, None], first.shape) for f in (jnp.cos, jnp.sin))
    turned = jnp.stack([first * cosine - second * sine, second * cosine + first * sine], -1)
    return turned.reshape(keys.shape)
