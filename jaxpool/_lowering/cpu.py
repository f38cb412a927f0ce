"""Choices for the CPU, where XLA's own windowed operations are scalar loops, with one exception."""

from __future__ import annotations

from jax import Array

from jaxpool._lowering import native, phases, taps
from jaxpool._window import Window

# Beyond this, one loop over all taps takes longer to compile and to run than one loop for each axis.
_MOST_TAPS_AT_ONCE = 32


def select_value(operand: Array, window: Window, order: str) -> Array:
    if _tiles(window):
        # XLA has a vectorised path for these: 0.2 ms for 2x2/2 on (16, 56, 56, 64), as fast as it gets.
        return native.select_value(operand, window, order)
    return taps.select_value(operand, window, order)


def select(operand: Array, window: Window, order: str) -> tuple[Array, Array]:
    return taps.select_by_axis(operand, window, order)


def gather(tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    by_axis = window.taps > _MOST_TAPS_AT_ONCE
    return (taps.gather_by_axis if by_axis else taps.gather)(tangent, index, window)


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    # XLA's select-and-scatter materialises indices and scatters serially: 50 to 170 times slower.
    by_axis = window.taps > _MOST_TAPS_AT_ONCE
    return (phases.scatter_by_axis if by_axis else phases.scatter)(cotangent, index, window)


def add(operand: Array, window: Window) -> Array:
    if _tiles(window):
        return native.add(operand, window)
    return taps.add(operand, window)


def spread(cotangent: Array, window: Window) -> Array:
    return phases.spread_by_axis(cotangent, window)


def _tiles(window: Window) -> bool:
    return all(axis.tiles for axis in window.pooled.values())
