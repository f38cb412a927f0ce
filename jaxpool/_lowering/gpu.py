"""Choices for GPUs, where one fused kernel that touches each byte once is the aim."""

from __future__ import annotations

from jax import Array

from jaxpool._lowering import folds, native
from jaxpool._lowering.passes import Passes
from jaxpool._lowering.whole import Whole
from jaxpool._window import Divisor, Window

# Up to 5x5 taps, and some more, are one kernel: 5 to 7 times fewer bytes than XLA's select-and-scatter, which
# also needs atomics. Beyond, XLA cuts the pass in pieces by itself, and takes long to do it.
_passes = Passes(folds.PADDED, most_taps=32, most_in_line=8)
irregular = _passes
whole = Whole()

# XLA fuses reduce-window with what comes before and after it.
select_value = native.select_value
add = native.add

select = _passes.select
gather = _passes.gather
scatter = _passes.scatter
add_weighted = _passes.add_weighted
spread_weighted = _passes.spread_weighted


def spread(cotangent: Array, window: Window, divisor: Divisor) -> Array:
    # Where windows tile the array, all phases are the same pass, of which XLA would make a kernel by itself.
    return (native if window.tiles else _passes).spread(cotangent, window, divisor)
