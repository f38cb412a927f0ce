"""Adding the elements of each window, with or without weights, and the transpose: spreading over windows.

    y = add(x) = A x / n          dy = add(dx)          dx = spread(dy) = A' (dy / n)

A is the sum over windows and n the divisor, which makes it an average. Both are linear, so nothing is kept
between forward and backward. 16-bit numbers are added in float32, and rounded once.

With a weight g of each element x and of its window's statistic m, such as its maximum,

    y_o = sum_i g(x_i, m_o) v_i                    v'_i = sum_o g(x_i, m_o) y'_o

are linear in v and y' and each other's transpose. Their derivatives in x and m are sums of the same kind,
with the derivative of g for a weight, so that any order of either mode keeps x, m and nothing for each tap.
"""

from __future__ import annotations

import functools
from typing import Any

from jax import Array, lax
from jax.interpreters import ad

from jaxpool._lowering.weights import Weight
from jaxpool._primitives._define import alike, check_sharding, define, define_jvp, no_tangent
from jaxpool._window import Divisor, Window


def window_sum(operand: Array, window: Window, divisor: Divisor = None) -> Array:
    """The sum of each window's elements, over the divisor."""
    return add_p.bind(*alike(operand, *window.places), window=window.unplaced, divisor=divisor)


def window_spread(values: Array, window: Window) -> Array:
    """For each cell, the sum of the values of the windows that it is in."""
    return spread_p.bind(*alike(values, *window.places), window=window.unplaced, divisor=None)


def weighted_sum(values: Array, operand: Array, statistic: Array, window: Window, weight: Weight) -> Array:
    """The sum of each window's values, weighted by a function of its elements and its statistic.

    Programs are cached by the identity of `weight`.
    """
    places, window = window.places, window.unplaced
    operands = alike(values, operand, statistic, *places)
    return add_weighted_p.bind(*operands, window=window, weight=weight)


def _add_type(operand: Any, *places: Any, window: Window, divisor: Divisor) -> Any:
    check_sharding(operand, window)
    return operand.update(shape=window.output_shape(operand.shape), weak_type=False)


def _spread_type(cotangent: Any, *places: Any, window: Window, divisor: Divisor) -> Any:
    return cotangent.update(shape=window.input_shape(cotangent.shape), weak_type=False)


def _add_weighted_type(
    values: Any, operand: Any, statistic: Any, *places: Any, window: Window, weight: Weight
) -> Any:
    check_sharding(operand, window)
    return statistic.update(weak_type=False)


def _spread_weighted_type(cotangent: Any, operand: Any, statistic: Any, *places: Any, **params: Any) -> Any:
    return operand.update(weak_type=False)


add_p = define("add", _add_type)
spread_p = define("spread", _spread_type)
add_weighted_p = define("add_weighted", _add_weighted_type)
spread_weighted_p = define("spread_weighted", _spread_weighted_type)


def _linear(primitive, transpose):
    """Derivative rules for a linear map, and where it puts irregular windows."""

    def tangent_rule(tangent, operand, *places, **params):
        return primitive.bind(tangent, *places, **params)

    def transpose_rule(cotangent, operand, *places, **params):
        if type(cotangent) is ad.Zero:
            return [ad.Zero(operand.aval), *[None] * len(places)]
        return [transpose.bind(cotangent, *places, **params), *[None] * len(places)]

    define_jvp(primitive, tangent_rule)
    ad.primitive_transposes[primitive] = transpose_rule


def _transposed(primitive, transpose):
    """The transposition of a weighted sum, which is linear in its values."""

    def transpose_rule(cotangent, values, *others, **params):
        if type(cotangent) is ad.Zero:
            return [ad.Zero(values.aval), *[None] * len(others)]
        return [transpose.bind(cotangent, *others, **params), *[None] * len(others)]

    ad.primitive_transposes[primitive] = transpose_rule


def _add_weighted_jvp(primals, tangents, *, window, weight):
    values, *others = primals
    in_values, in_operand, in_statistic, *_ = tangents
    by_operand, by_statistic = (weight.derivative(i) for i in range(2))
    added: dict[Weight, list[Array]] = {}  # what is added with each weight: the two may be the same
    if type(in_values) is not ad.Zero:
        added[weight] = [in_values]
    if type(in_operand) is not ad.Zero:
        factor, derivative = by_operand
        added.setdefault(derivative, []).append(factor * values * in_operand)
    terms = [
        add_weighted_p.bind(functools.reduce(lax.add, parts), *others, window=window, weight=each)
        for each, parts in added.items()
    ]
    if type(in_statistic) is not ad.Zero:
        factor, derivative = by_statistic
        terms.append(factor * in_statistic * add_weighted_p.bind(*primals, window=window, weight=derivative))
    value = add_weighted_p.bind(*primals, window=window, weight=weight)
    return value, functools.reduce(lax.add, terms) if terms else no_tangent(value)


def _spread_in_cotangent(tangent, cotangent, *others, **params):
    return spread_weighted_p.bind(tangent, *others, **params)


def _spread_in_operand(tangent, *operands, window, weight):
    factor, derivative = weight.derivative(0)
    return factor * tangent * spread_weighted_p.bind(*operands, window=window, weight=derivative)


def _spread_in_statistic(tangent, cotangent, *others, window, weight):
    factor, derivative = weight.derivative(1)
    return spread_weighted_p.bind(factor * cotangent * tangent, *others, window=window, weight=derivative)


_linear(add_p, spread_p)
_linear(spread_p, add_p)
ad.primitive_jvps[add_weighted_p] = _add_weighted_jvp
define_jvp(spread_weighted_p, _spread_in_cotangent, _spread_in_operand, _spread_in_statistic)
_transposed(add_weighted_p, spread_weighted_p)
_transposed(spread_weighted_p, add_weighted_p)
