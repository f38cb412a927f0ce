"""Tokens: along some axes there are many, and along the last axis what each of them consists of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_axes, static_length
from jaxpool._ops._arrays import as_mask, masked
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import by_partitioner
from jaxpool._window import Axis, Window

# Pools `*tokens, mask, *operands`, with tokens along the axis before the last: in the precision of sums,
# and 0 where they take no part.
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
    arrays: Sequence[Array],
    pool: _Pool,
    axis: SupportsIndex | Sequence[SupportsIndex] | None,
    where: ArrayLike | None,
    *operands: Array | None,
) -> Array:
    """All tokens of arrays along some axes, pooled as one, to something that lacks these axes."""
    first = arrays[0]
    pooled = token_axes(axis, first)
    # Tokens are taken whole, so that their channels are no more split than what is pooled.
    taken = (*pooled, first.ndim - 1)
    window = Window(tuple(Axis(1, 1) if d in taken else None for d in range(first.ndim)))
    carry_out = functools.partial(_carry_out, pool, pooled, len(arrays))
    return by_partitioner(carry_out, window, pooled, *arrays, as_token_mask(where, first), *operands)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), inline=True)
def _carry_out(pool: _Pool, pooled: tuple[int, ...], count: int, *operands: Any) -> Array:
    arrays, mask, operands = operands[:count], operands[count], operands[count + 1 :]
    first = arrays[0]
    tokens = [masked(array, mask, 0).astype(accumulation_dtype(first.dtype)) for array in arrays]
    if mask is not None:
        mask = flat_tokens(jnp.broadcast_to(mask, (*first.shape[:-1], 1)), pooled)
    return pool(*(flat_tokens(array, pooled) for array in tokens), mask, *operands).astype(first.dtype)


def flat_tokens(array: Array, pooled: Sequence[int]) -> Array:
    """The pooled axes as one, before the last."""
    others = [d for d in range(array.ndim - 1) if d not in pooled]
    tokens = lax.transpose(array, [*others, *pooled, array.ndim - 1])
    return tokens.reshape(*(array.shape[d] for d in others), -1, array.shape[-1])


def token_counts(tokens: Array, mask: Array | None) -> Array | int:
    """How many tokens take part, with as many axes; 1 where there are none, for a divisor."""
    if mask is None:
        return max(static_length(tokens.shape[-2]), 1)
    return jnp.maximum(jnp.sum(mask, -2, keepdims=True, dtype=tokens.dtype), 1)


def sum_outer(first: Array, second: Array) -> Array:
    """The sum of the tokens' outer products."""
    # GPU and TPU would else round what is multiplied, to 10 or 7 bits.
    return jnp.einsum("...nc,...nd->...cd", first, second, precision=lax.Precision.HIGHEST)
