"""Weights of elements: functions of an element and of its window's statistic, such as its maximum."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
from jax import Array, lax

_Function = Callable[[Array, Array], Array]


@dataclasses.dataclass(frozen=True)
class Scale:
    """How elements compare with a statistic, where it is any number that is about as large as they are.

    Attributes:
      size: how large an element is.
      smallest: an element that is no larger than any other.
      usable: a statistic of the size of a window's largest element, which may be infinite.
      ratio: r with g(x, m) = g(x, c) r(c, m) for any two statistics, as exp(x - m) = exp(x - c) exp(c - m).
    """

    size: Callable[[Array], Array]
    smallest: float
    usable: Callable[[Array], Array]
    ratio: _Function


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight g of an element x and of its window's statistic m, element by element."""

    function: _Function

    def __call__(self, element: Array, statistic: Array) -> Array:
        return self.function(element, statistic)

    @functools.cache  # noqa: B019  # programs are cached by the identity of weights, which live as long
    def derivative(self, argument: int) -> tuple[float, Weight]:
        """The derivative by the element (0) or the statistic (1): a factor, and a weight."""
        return 1.0, Weight(_derivative(self.function, argument))


@dataclasses.dataclass(frozen=True)
class Relative(Weight):
    """A weight that only compares.

    Attributes:
      function: g itself.
      scale: how it compares.
      rate: r with dg/dx = -dg/dm = r g, of exponentials.
    """

    scale: Scale
    rate: float | None = None

    @functools.cache  # noqa: B019
    def derivative(self, argument: int) -> tuple[float, Weight]:
        if self.rate is not None:
            return (self.rate if argument == 0 else -self.rate), self
        function = _derivative(self.function, argument)
        return 1.0, Relative(function, self.scale) if argument == 0 else Weight(function)


def _derivative(function: _Function, argument: int) -> _Function:
    def derivative(*arguments: Array) -> Array:
        def along(x: Array) -> Array:
            return function(*(x if i == argument else other for i, other in enumerate(arguments)))

        x = arguments[argument]
        return jax.jvp(along, (x,), (lax.full_like(x, 1),))[1]

    return derivative


def weighted(weight: Weight, value: Array, element: Array, statistic: Array) -> Array:
    """A value times the weight of an element."""
    return times(value, weight(element, statistic))


def times(value: Array, weight: Array) -> Array:
    """A value times its weight. What is 0 stays so, whatever its weight: padding has none."""
    zero = lax.full_like(value, 0)
    return lax.select(lax.eq(value, zero), zero, lax.mul(weight, value))
