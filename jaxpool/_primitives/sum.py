"""Adding the elements of each window, and its transpose: spreading a value over the elements of its window.

    y = add(x)          dy = add(dx)          dx = spread(dy)

Both are linear, so nothing is kept between forward and backward.
"""

from __future__ import annotations

from typing import Any

from jax import Array
from jax.interpreters import ad

from jaxpool._primitives._define import check_sharding, define
from jaxpool._window import Window


def window_sum(operand: Array, window: Window) -> Array:
    """The sum of each window's elements, accumulated in the operand's own dtype."""
    return add_p.bind(operand, window=window)


def _add_type(operand: Any, *, window: Window) -> Any:
    check_sharding(operand, window)
    return operand.update(shape=window.output_shape(operand.shape), weak_type=False)


def _spread_type(cotangent: Any, *, window: Window) -> Any:
    return cotangent.update(shape=window.input_shape(cotangent.shape), weak_type=False)


add_p = define("add", _add_type)
spread_p = define("spread", _spread_type)


def _add_transpose(cotangent: Any, operand: Any, *, window: Window) -> list[Any]:
    return [spread_p.bind(cotangent, window=window)]


def _spread_transpose(cotangent: Any, operand: Any, *, window: Window) -> list[Any]:
    return [add_p.bind(cotangent, window=window)]


ad.deflinear2(add_p, _add_transpose)
ad.deflinear2(spread_p, _spread_transpose)
