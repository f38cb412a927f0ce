"""The windows of one device, of an array that is split among many: regular ones over cells it has fetched.

Some of these cells may lie outside the array. There they are filled with what changes nothing, so that any
technique can take them for elements; what depends on how many elements there are is worked out here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.divisors import divide, is_uniform, taps_before, uniform_divisor
from jaxpool._lowering.order import BY_INDEX, identity
from jaxpool._lowering.weights import Relative, Weight
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Divisor, Window


def carry_out(local: Callable, name: str, *operands: Array, window: Window, **params: Any) -> Any:
    """Carries out an operation; `local` does so where all cells are elements."""
    return _OPERATIONS[name](local, *operands, window=window, **params)


def filled(array: Array, window: Window, value: Any) -> Array:
    """The array with a value in all cells outside."""
    inside = None
    for d, shard in window.shards.items():
        if not shard.inside:
            along = [n if e == d else 1 for e, n in enumerate(array.shape)]
            cells = window.place_of[d][0] + lax.broadcasted_iota(np.int32, along, d)
            here = (cells >= 0) & (cells < shard.axis.length)
            inside = here if inside is None else inside & here
    return array if inside is None else jnp.where(inside, array, lax.full_like(array, value))


def _select_value(local: Callable, operand: Array, *, window: Window, order: str) -> Array:
    operand = filled(operand, window, identity(order, operand.dtype))
    return local(operand, window=window.local, order=order)


def _select(local: Callable, operand: Array, *, window: Window, order: str) -> tuple[Array, Array]:
    operand = filled(operand, window, identity(order, operand.dtype))
    value, index = local(operand, window=window.local, order=order)
    # The lowest elements tie with cells outside, but these come first in no window that has an element.
    return value, lax.max(index, jnp.broadcast_to(_first_elements(window), index.shape))


def _first_elements(window: Window) -> Array:
    """The least number that the tap of an element can have."""
    first = jnp.zeros((1,) * len(window.axes), np.int32)
    for d, axis in window.pooled.items():
        outside = taps_before(window, d, 0)
        first += jnp.where(outside < axis.size, outside, 0) * window.tap_strides[d]
    return first.astype(window.index_dtype)


def _gather(local: Callable, tangent: Array, *others: Array, window: Window, order: str) -> Array:
    return local(filled(tangent, window, 0), *others, window=window.local, order=order)


def _scatter(
    local: Callable, cotangent: Array, index: Array, operand: Array, *, window: Window, order: str
) -> Array:
    if order != BY_INDEX and any(not shard.inside for shard in window.shards.values()):
        # Read on a TPU, which selects once more. An infinite element must come before what is outside.
        limits = jnp.finfo(operand.dtype)
        if order == "max":
            operand = lax.max(operand, lax.full_like(operand, limits.min))
        else:
            operand = lax.min(operand, lax.full_like(operand, limits.max))
        operand = filled(operand, window, identity(order, operand.dtype))
    return local(cotangent, index, operand, window=window.local, order=order)


def _add(local: Callable, operand: Array, *, window: Window, divisor: Divisor) -> Array:
    operand = filled(operand, window, 0)
    if is_uniform(window, divisor):
        return local(operand, window=window.local, divisor=uniform_divisor(window, divisor))
    wide = operand.astype(accumulation_dtype(operand.dtype))
    total = local(wide, window=window.local, divisor=None)
    return divide(total, window, divisor).astype(operand.dtype)


def _spread(local: Callable, cotangent: Array, *, window: Window, divisor: Divisor) -> Array:
    if is_uniform(window, divisor):
        return local(cotangent, window=window.local, divisor=uniform_divisor(window, divisor))
    shares = divide(cotangent.astype(accumulation_dtype(cotangent.dtype)), window, divisor)
    return local(shares, window=window.local, divisor=None).astype(cotangent.dtype)


def _add_weighted(
    local: Callable, values: Array, operand: Array, statistic: Array, *, window: Window, weight: Weight
) -> Array:
    values, operand = filled(values, window, 0), _without_size(operand, window, weight)
    return local(values, operand, statistic, window=window.local, weight=weight)


def _spread_weighted(
    local: Callable, cotangent: Array, operand: Array, statistic: Array, *, window: Window, weight: Weight
) -> Array:
    operand = _without_size(operand, window, weight)
    return local(cotangent, operand, statistic, window=window.local, weight=weight)


def _without_size(operand: Array, window: Window, weight: Weight) -> Array:
    """The operand, of which a row is weighed against its own elements, not against what lies outside."""
    return filled(operand, window, weight.scale.smallest) if isinstance(weight, Relative) else operand


_OPERATIONS = {
    "select_value": _select_value,
    "select": _select,
    "gather": _gather,
    "scatter": _scatter,
    "add": _add,
    "spread": _spread,
    "add_weighted": _add_weighted,
    "spread_weighted": _spread_weighted,
}
