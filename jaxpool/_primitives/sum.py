"""Adding the elements of each window, and its transpose: spreading a value over the elements of its window.

    y = add(x) = A x / n          dy = add(dx)          dx = spread(dy) = A' (dy / n)

A is the sum over windows and n the divisor, which makes it an average. Both are linear, so nothing is kept
between forward and backward. 16-bit numbers are added in float32, and rounded once.
"""

from __future__ import annotations

from typing import Any

from jax import Array
from jax.interpreters import ad

from jaxpool._primitives._define import check_sharding, define
from jaxpool._window import Divisor, Window


def window_sum(operand: Array, window: Window, divisor: Divisor = None) -> Array:
    """The sum of each window's elements, over the divisor."""
    return add_p.bind(operand, window=window, divisor=divisor)


def _add_type(operand: Any, *, window: Window, divisor: Divisor) -> Any:
    check_sharding(operand, window)
    return operand.update(shape=window.output_shape(operand.shape), weak_type=False)


def _spread_type(cotangent: Any, *, window: Window, divisor: Divisor) -> Any:
    return cotangent.update(shape=window.input_shape(cotangent.shape), weak_type=False)


add_p = define("add", _add_type)
spread_p = define("spread", _spread_type)


def _add_transpose(cotangent: Any, operand: Any, **params: Any) -> list[Any]:
    return [spread_p.bind(cotangent, **params)]


def _spread_transpose(cotangent: Any, operand: Any, **params: Any) -> list[Any]:
    return [add_p.bind(cotangent, **params)]


ad.deflinear2(add_p, _add_transpose)
ad.deflinear2(spread_p, _spread_transpose)
