"""Choices for GPUs, where one fused kernel that touches each byte once is the aim."""

from __future__ import annotations

from jax import Array

from jaxpool._lowering import native, phases, taps
from jaxpool._window import Window

# XLA fuses reduce-window with what comes before and after it.
select_value = native.select_value
add = native.add

# Up to this, all taps are one kernel; beyond, a kernel for each dimension compiles in a fraction of the time.
_MOST_TAPS_AT_ONCE = 32


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    by_axis = window.taps > _MOST_TAPS_AT_ONCE
    return (taps.select_by_axis if by_axis else taps.select)(operand, window, order)


def gather(tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    by_axis = window.taps > _MOST_TAPS_AT_ONCE
    return (taps.gather_by_axis if by_axis else taps.gather)(tangent, index, window)


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    # One kernel and 5 to 7 times fewer bytes than XLA's select-and-scatter, which also needs atomics.
    by_axis = window.taps > _MOST_TAPS_AT_ONCE
    return (phases.scatter_by_axis if by_axis else phases.scatter)(cotangent, index, window)


def spread(cotangent: Array, window: Window) -> Array:
    return phases.spread(cotangent, window)
