"""Choices for TPUs, whose own windowed operations are the best known; taps move 2.6 to 7 times the bytes."""

from __future__ import annotations

from jax import Array

from jaxpool._lowering import folds, native
from jaxpool._lowering.blocks import have_many_phases
from jaxpool._lowering.order import BY_INDEX
from jaxpool._lowering.passes import Passes
from jaxpool._lowering.stages import up_to
from jaxpool._lowering.whole import Whole
from jaxpool._window import Window

# To read an element of each window by its number moves 20.6 GB, of 9x9/1 in (16, 56, 56, 64), not 7.5.
_passes = Passes(folds.PADDED, most_taps=32, in_one=up_to(8), reads=False)
# Forward and backward of soft pools of 5x5/2 in (16, 56, 56, 64) move 745 MB by axis and 1693 in one pass, of
# 3x3x3/1 in (2, 32, 32, 32, 24) 463 and 1161; 3x3/1 1076 by axis and 454 in one pass.
_weighing = Passes(folds.PADDED, most_taps=9, in_one=up_to(8))
irregular = _passes
whole = Whole()

select_value = native.select_value
add = native.add
spread = native.spread
gather = _passes.gather
add_weighted = _weighing.add_weighted
spread_weighted = _weighing.spread_weighted


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    # The two are independent, so that XLA drops the index of a program that does not use it.
    return native.select_value(operand, window, order), _passes.select(operand, window, order)[1]


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    # XLA's own would hold 2048/1024 in more memory than a core has.
    by_xla = native.can_scatter(window) and order != BY_INDEX and not have_many_phases(window)
    choice = native if by_xla else _passes
    return choice.scatter(cotangent, index, operand, window, order)
