"""Tokens: along some axes there are many, and along the last axis what each of them consists of."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_axes, static_length
from jaxpool._ops._arrays import as_mask
from jaxpool._ops.whole import masked
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import by_partitioner
from jaxpool._window import Axis, Window

# Pools `tokens, mask, dimensions, *operands`: in the precision of sums, and 0 where a token takes no part.
_Pool = Callable[..., Array]


def token_axes(axis: SupportsIndex | Sequence[SupportsIndex] | None, array: Array) -> tuple[int, ...]:
    """The dimensions along which there are tokens, of which the last is none."""
    pooled = as_axes(axis, array.ndim)
    if array.ndim - 1 in pooled:
        raise ValueError(f"axis must not name the last axis, which has the channels, got {axis!r}.")
    return pooled


def as_token_mask(where: ArrayLike | None, array: Array) -> Array | None:
    mask = as_mask(where, array.shape)
    if mask is not None and mask.shape[-1] != 1:
        raise ValueError(f"where must have one channel, for tokens take part or do not, got {mask.shape}.")
    return mask


def pool_tokens(
    array: Array,
    pool: _Pool,
    axis: SupportsIndex | Sequence[SupportsIndex] | None,
    where: ArrayLike | None,
    *operands: Array | None,
) -> Array:
    """All tokens along some axes, pooled as one, to something that lacks these axes."""
    pooled = token_axes(axis, array)
    # Tokens are taken whole, so that their channels are no more split than what is pooled.
    taken = (*pooled, array.ndim - 1)
    window = Window(tuple(Axis(1, 1) if d in taken else None for d in range(array.ndim)))
    carry_out = functools.partial(_carry_out, pool, pooled)
    return by_partitioner(carry_out, window, pooled, array, as_token_mask(where, array), *operands)


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def _carry_out(
    pool: _Pool, pooled: tuple[int, ...], inputs: Array, mask: Array | None, *operands: Array | None
) -> Array:
    dtype = accumulation_dtype(inputs.dtype)
    return pool(masked(inputs, mask, 0).astype(dtype), mask, pooled, *operands).astype(inputs.dtype)


def mean_outer(first: Array, second: Array, mask: Array | None, pooled: tuple[int, ...]) -> Array:
    """The mean of the tokens' outer products: their sum, where that is of nothing."""
    return sum_outer(first, second, pooled) / token_counts(first, mask, pooled)[..., None]


def sum_outer(first: Array, second: Array, pooled: tuple[int, ...]) -> Array:
    """The sum of the tokens' outer products."""
    batch = tuple(d for d in range(first.ndim - 1) if d not in pooled)
    # GPU and TPU would else round what is multiplied, to 10 or 7 bits.
    return lax.dot_general(first, second, ((pooled, pooled), (batch, batch)), precision=lax.Precision.HIGHEST)


def token_counts(tokens: Array, mask: Array | None, pooled: tuple[int, ...]) -> Array:
    """How many tokens take part, with a last axis of length 1; 1 where there are none, for a divisor."""
    if mask is None:
        shape = [1 if d in (*pooled, tokens.ndim - 1) else n for d, n in enumerate(tokens.shape)]
        count = max(math.prod(static_length(tokens.shape[d]) for d in pooled), 1)
        return lax.squeeze(jnp.full(shape, count, tokens.dtype), pooled)
    takes_part = jnp.broadcast_to(mask, (*tokens.shape[:-1], 1))
    return jnp.maximum(jnp.sum(takes_part, pooled, dtype=tokens.dtype), 1)
