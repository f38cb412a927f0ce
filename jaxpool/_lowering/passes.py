"""All operations as passes over arrays, in as many stages as asked for: a technique, whole."""

from __future__ import annotations

import dataclasses

from jax import Array

from jaxpool._lowering import folds, unfold
from jaxpool._lowering.blocks import Blocks, are_large, can_place, have_many_phases
from jaxpool._lowering.order import BY_INDEX
from jaxpool._lowering.stages import MOST_AT_ONCE, InOne, Stage, in_stages
from jaxpool._lowering.weights import Relative, Weight
from jaxpool._lowering.whole import Whole
from jaxpool._window import Axis, Divisor, Window


def _at_once(axis: Axis) -> bool:
    """Whether a sum along an axis is one pass: for compilation, up to so many cells."""
    return axis.size <= MOST_AT_ONCE


_BLOCKS = Blocks(Whole())


@dataclasses.dataclass(frozen=True)
class Passes:
    """The operations in one style, with windows in stages beyond so many taps, and two along some axes."""

    style: folds.Style
    most_taps: int
    in_one: InOne | None
    blocks: Blocks = _BLOCKS  # of windows of very many cells
    reads: bool = True  # an element by its number from where it is, of many

    def select_value(self, operand: Array, window: Window, order: str) -> Array:
        if are_large(window):
            return self.blocks.select_value(operand, window, order)
        return folds.select_value(operand, self._stages(window), order, self.style)

    def select(self, operand: Array, window: Window, order: str) -> tuple[Array, Array]:
        if are_large(window):
            return self.blocks.select(operand, window, order)
        if not window.bins:
            return folds.select(operand, window, self._stages(window), order, self.style)
        # In stages, a kernel would gather what one of them selected anew for each tap of the next.
        if window.taps > MOST_AT_ONCE:
            return unfold.select(operand, window, order)
        return folds.select(operand, window, [Stage(window)], order, self.style)

    def gather(self, tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        many = window.taps > MOST_AT_ONCE
        reads = are_large(window) or (many and order == BY_INDEX and (self.reads or window.bins))
        if reads and can_place(operand):
            return self.blocks.gather(tangent, index, window)
        if order != BY_INDEX:
            return folds.gather(tangent, index, self._stages(window), self.style)
        if many and not window.bins:
            return unfold.gather(tangent, index, window)
        return folds.gather(tangent, index, [Stage(window)], self.style)

    def scatter(self, cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
        if have_many_phases(window):
            return self.blocks.scatter(cotangent, index, window)
        if order != BY_INDEX:
            return folds.scatter(cotangent, index, self._stages(window), self.style)
        if window.taps > MOST_AT_ONCE and not window.bins:
            return unfold.scatter(cotangent, index, window)
        return folds.scatter(cotangent, index, [Stage(window)], self.style)

    def add(self, operand: Array, window: Window, divisor: Divisor) -> Array:
        if are_large(window):
            return self.blocks.add(operand, window, divisor)
        return folds.add(operand, window, self._sum_stages(window), divisor, self.style)

    def spread(self, cotangent: Array, window: Window, divisor: Divisor) -> Array:
        if have_many_phases(window):
            return self.blocks.spread(cotangent, window, divisor)
        return folds.spread(cotangent, window, self._sum_stages(window), divisor, self.style)

    def add_weighted(
        self, values: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        for part in self._weighed(operand, statistic, window, weight):
            values = self._carry_out("add_weighted", values, *part)
        return values

    def spread_weighted(
        self, cotangent: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        for part in reversed(self._weighed(operand, statistic, window, weight)):
            cotangent = self._carry_out("spread_weighted", cotangent, *part)
        return cotangent

    def _carry_out(
        self, name: str, values: Array, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> Array:
        """One pass of a weighted sum or of its transpose."""
        arguments = (values, operand, statistic, window, weight)
        if window.whole:
            return getattr(self.blocks.whole, name)(*arguments)
        if window.taps > MOST_AT_ONCE:
            return getattr(unfold, name)(*arguments)
        return getattr(folds, name)(*arguments, self.style)

    def _weighed(
        self, operand: Array, statistic: Array, window: Window, weight: Weight
    ) -> list[tuple[Array, Array, Window, Weight]]:
        """The window's parts, the innermost first: what is weighed, against what, in which windows and how.

        The sums of rows are relative to the rows' own statistics, and these are weighed in turn.
        """
        if not isinstance(weight, Relative) or window.taps <= self.most_taps:
            return [(operand, statistic, window, weight)]
        scale = weight.scale
        *inner, last = (window.only(d) for d in reversed(window.pooled))
        largest, parts = scale.size(operand), []
        for part in inner:
            largest = self.select_value(largest, part, "max")
            reference = scale.usable(largest)
            parts.append((operand, reference, part, weight))
            operand, weight = reference, Weight(scale.ratio)
        return [*parts, (operand, statistic, last, weight)]

    def _stages(self, window: Window) -> list[Stage]:
        return in_stages(window, self.most_taps, self.in_one)

    def _sum_stages(self, window: Window) -> list[Stage]:
        return in_stages(window, self.most_taps, _at_once, disjoint=True)
