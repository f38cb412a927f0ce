"""What comes first in a selection: the largest or smallest element, or a NaN.

In operations of `lax`, for there are some for each tap: to trace 300 ties takes 45 ms, and 104 by operators.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

# Chosen by the index alone, so that no platform may select once more.
BY_INDEX = "index"
_BETTER = {"max": lax.gt, "min": lax.lt}


def identity(order: str, dtype: np.dtype, *, keys: bool = False) -> np.ndarray:
    """What every element precedes in `order`, or ties with: the value of a window that has none."""
    if keys:
        infinity = np.array(np.inf, dtype).view(np.int16)
        return ~infinity if order == "max" else infinity
    sign = -1 if order == "max" else 1
    if dtype == np.bool_:
        return np.array(order == "min")
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.array(sign * np.inf, dtype)
    limits = jnp.iinfo(dtype)
    return np.array(limits.min if order == "max" else limits.max, dtype)


def first(order: str, current: Array, candidate: Array) -> Array:
    """The one that precedes; either of them where they tie."""
    return {"max": lax.max, "min": lax.min}[order](current, candidate)


def precedes(order: str, candidate: Array, other: Array) -> Array:
    """Whether a candidate comes before another one, with which it does not tie."""
    better = _BETTER[order](candidate, other)
    if jnp.issubdtype(candidate.dtype, jnp.floating):
        better = lax.bitwise_or(better, lax.bitwise_and(lax.ne(candidate, candidate), lax.eq(other, other)))
    return better


def reduce_first(order: str, elements: Array, numbers: Array, dimensions: list[int]) -> tuple[Array, Array]:
    """The first elements along dimensions and their numbers; of those that tie, the lowest."""

    def first_of_two(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
        (value, number), (candidate, candidate_number) = left, right
        ahead, behind = precedes(order, candidate, value), precedes(order, value, candidate)
        replaces = ahead | (~behind & (candidate_number < number))
        return lax.select(replaces, candidate, value), lax.select(replaces, candidate_number, number)

    none = np.array(np.iinfo(numbers.dtype).max, numbers.dtype)
    value, number = lax.reduce(
        (elements, numbers), (identity(order, elements.dtype), none), first_of_two, dimensions
    )
    return value, number


def is_first(candidate: Array, value: Array) -> Array:
    """Whether a candidate ties with the first of the elements that it is one of."""
    ties = lax.eq(candidate, value)
    if jnp.issubdtype(candidate.dtype, jnp.floating):
        ties = lax.bitwise_or(ties, lax.ne(candidate, candidate))
    return ties


def has_keys(dtype: np.dtype) -> bool:
    """Whether XLA:CPU compares these numbers 20 to 50 times faster as integers."""
    return jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits == 16


def to_keys(numbers: Array, order: str) -> Array:
    """Integers in the order of floating-point numbers of as many bits; a NaN precedes them all."""
    bits = lax.bitcast_convert_type(numbers, f"int{8 * numbers.dtype.itemsize}")
    largest = lax.full_like(bits, np.iinfo(bits.dtype).max)
    infinity = lax.full_like(bits, np.array(np.inf, numbers.dtype).view(bits.dtype).item())
    return lax.select(bits & largest > infinity, largest if order == "max" else ~largest, _turned(bits))


def from_keys(keys: Array, dtype: np.dtype) -> Array:
    return lax.bitcast_convert_type(_turned(keys), dtype)


def _turned(bits: Array) -> Array:
    """With the bits of a magnitude turned where the sign is negative: the larger it is, the smaller."""
    information = np.iinfo(bits.dtype)
    negative = lax.shift_right_arithmetic(bits, lax.full_like(bits, information.bits - 1))
    return bits ^ (negative & lax.full_like(bits, information.max))


def with_one_zero(keys: Array) -> Array:
    """The keys with that of -0 replaced by that of +0: the two tie."""
    return lax.select(keys == lax.full_like(keys, -1), lax.full_like(keys, 0), keys)
