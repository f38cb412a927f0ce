"""All operations as passes over arrays, in as many stages as asked for: a technique, whole."""

from __future__ import annotations

import dataclasses

from jax import Array

from jaxpool._lowering import folds
from jaxpool._lowering.stages import Stage, in_stages
from jaxpool._window import Divisor, Window


@dataclasses.dataclass(frozen=True)
class Passes:
    """The operations in one style, with windows in stages beyond so many taps, in all and along one axis."""

    style: folds.Style
    most_taps: int
    most_in_line: int

    def select_value(self, operand: Array, window: Window, order: str) -> Array:
        return folds.select_value(operand, self._stages(window), order, self.style)

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        return folds.select(operand, window, self._stages(window), order, self.style)

    def gather(self, tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        return folds.gather(tangent, index, self._stages(window), self.style)

    def scatter(self, cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        return folds.scatter(cotangent, index, self._stages(window), self.style)

    def add(self, operand: Array, window: Window, divisor: Divisor) -> Array:
        return folds.add(operand, window, self._sum_stages(window), divisor, self.style)

    def spread(self, cotangent: Array, window: Window, divisor: Divisor) -> Array:
        return folds.spread(cotangent, window, self._sum_stages(window), divisor, self.style)

    def _stages(self, window: Window) -> list[Stage]:
        return in_stages(window, self.most_taps, self.most_in_line)

    def _sum_stages(self, window: Window) -> list[Stage]:
        return in_stages(window, self.most_taps)
