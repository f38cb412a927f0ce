"""Choices for GPUs, where one fused kernel that touches each byte once is the aim."""

from __future__ import annotations

from jax import Array

from jaxpool._lowering import native, phases, taps
from jaxpool._window import Window

# XLA fuses reduce-window with what comes before and after it.
select_value = native.select_value
add = native.add

# All taps in one fusion; one dimension after the other would need a kernel for each.
select = taps.select


def gather(tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    return taps.gather(tangent, index, window)


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    # One kernel and 5 to 7 times fewer bytes than XLA's select-and-scatter, which also needs atomics.
    return phases.scatter(cotangent, index, window)


def spread(cotangent: Array, window: Window) -> Array:
    return phases.spread(cotangent, window)
