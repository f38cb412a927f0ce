"""Selecting one element of each window: its value, the number of its tap, and the linear maps of both modes.

    value, index = select(x)        y = x[index]
    dy = gather(dx, index)          the tangent: the derivative of a selection is the same selection
    dx = scatter(dy, index)         the cotangent: its transpose

`gather` and `scatter` are linear in their first argument and each other's transpose. Between forward and
backward only the index is new, one byte per window of up to 256 taps. They also take the operand, which is
alive anyway: a TPU's own operation selects once more from it. Each platform reads one of the two.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.interpreters import ad

from jaxpool._lowering.order import BY_INDEX
from jaxpool._primitives._define import alike, check_sharding, define, define_jvp, no_tangent
from jaxpool._window import Window


def select(operand: Array, window: Window, order: str) -> Array:
    """The first element of each window in `order`."""
    return select_value_p.bind(*alike(operand, *window.places), window=window.unplaced, order=order)


def select_with_index(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    """The first element of each window in `order`, and the row-major number of its tap."""
    value, index = select_p.bind(*alike(operand, *window.places), window=window.unplaced, order=order)
    return value, index


def take(operand: Array, index: Array, window: Window) -> Array:
    """The element of each window whose tap has this number, however that was chosen."""
    return gather(operand, index, operand, window)


def gather(tangent: Array, index: Array, operand: Array, window: Window) -> Array:
    """The tangent of the operand's elements that were chosen, however that was."""
    return gather_p.bind(
        *alike(tangent, index, operand, *window.places), window=window.unplaced, order=BY_INDEX
    )


def _value_type(operand: Any, *places: Any, window: Window, order: str) -> Any:
    check_sharding(operand, window)
    return operand.update(shape=window.output_shape(operand.shape), weak_type=False)


def _value_and_index_type(operand: Any, *places: Any, window: Window, order: str) -> list[Any]:
    value = _value_type(operand, window=window, order=order)
    return [value, value.update(dtype=window.index_dtype)]


def _gather_type(tangent: Any, index: Any, operand: Any, *places: Any, window: Window, order: str) -> Any:
    return tangent.update(shape=index.shape, weak_type=False)


def _scatter_type(cotangent: Any, index: Any, operand: Any, *places: Any, window: Window, order: str) -> Any:
    return cotangent.update(shape=operand.shape, weak_type=False)


select_value_p = define("select_value", _value_type)
select_p = define("select", _value_and_index_type, multiple_results=True)
gather_p = define("gather", _gather_type)
scatter_p = define("scatter", _scatter_type)


def _select_value_jvp(primals, tangents, **params):
    values, tangents = _select_jvp(primals, tangents, **params)
    return values[0], tangents[0]


def _select_jvp(primals, tangents, **params):
    (operand, *places), (tangent, *_) = primals, tangents
    value, index = select_p.bind(operand, *places, **params)
    if not jnp.issubdtype(operand.dtype, jnp.inexact):
        return [value, index], [no_tangent(value), no_tangent(index)]
    return [value, index], [gather_p.bind(tangent, index, operand, *places, **params), no_tangent(index)]


def _linear_in_first(primitive, transpose):
    """Derivative rules for a map linear in its first argument and piecewise constant in the others."""

    def tangent_rule(tangent, first, index, operand, *places, **params):
        return primitive.bind(tangent, index, operand, *places, **params)

    def transpose_rule(cotangent, first, index, operand, *places, **params):
        if type(cotangent) is ad.Zero:
            return [ad.Zero(first.aval), None, None, *[None] * len(places)]
        received = transpose.bind(cotangent, index, operand, *places, **params)
        return [received, None, None, *[None] * len(places)]

    define_jvp(primitive, tangent_rule)
    ad.primitive_transposes[primitive] = transpose_rule


ad.primitive_jvps[select_value_p] = _select_value_jvp
ad.primitive_jvps[select_p] = _select_jvp
_linear_in_first(gather_p, scatter_p)
_linear_in_first(scatter_p, gather_p)
