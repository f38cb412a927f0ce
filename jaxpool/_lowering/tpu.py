"""Choices for TPUs, whose own windowed operations are the best known; taps move 2.6 to 7 times the bytes."""

from __future__ import annotations

from jax import Array

from jaxpool._lowering import native, phases, taps
from jaxpool._window import Window

select_value = native.select_value
select = native.select
add = native.add
spread = native.spread


def gather(tangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    return taps.gather(tangent, index, window)


def scatter(cotangent: Array, index: Array, operand: Array, window: Window, order: str) -> Array:
    # Select-and-scatter knows no dilation, and does not say what a window without elements does.
    axes = window.pooled.values()
    if any(axis.dilation > 1 or not axis.element_counts().all() for axis in axes):
        return phases.scatter(cotangent, index, window)
    return native.scatter(cotangent, operand, window, order)
