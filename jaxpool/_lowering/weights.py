"""Weights of elements: functions of an element and of its window's statistic, such as its maximum."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
from jax import Array, lax

_Function = Callable[[Array, Array], Array]


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight g of an element x and of its window's statistic m, element by element.

    Attributes:
      function: g itself.
      ratio: for weights that only compare, r with g(x, m) = g(x, c) r(c, m) for any number c, as
        exp(x - m) = exp(x - c) exp(c - m); `None` for others.
    """

    function: _Function
    ratio: _Function | None = None

    def __call__(self, element: Array, statistic: Array) -> Array:
        return self.function(element, statistic)

    @functools.cache  # noqa: B019  # programs are cached by the identity of weights, which live as long
    def derivative(self, argument: int) -> Weight:
        """The derivative by the element (0) or the statistic (1)."""

        def function(*arguments: Array) -> Array:
            def along(x: Array) -> Array:
                return self.function(*(x if i == argument else other for i, other in enumerate(arguments)))

            x = arguments[argument]
            return jax.jvp(along, (x,), (lax.full_like(x, 1),))[1]

        return Weight(function, self.ratio if argument == 0 else None)


def weighted(weight: Weight, value: Array, element: Array, statistic: Array) -> Array:
    """A value times the weight of an element."""
    return times(value, weight(element, statistic))


def times(value: Array, weight: Array) -> Array:
    """A value times its weight. What is 0 stays so, whatever its weight: padding has none."""
    zero = lax.full_like(value, 0)
    return lax.select(lax.eq(value, zero), zero, lax.mul(weight, value))
