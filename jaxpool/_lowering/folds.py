"""Selecting and adding in passes over an array, one for each stage of a window, and their linear maps.

A window selects in two steps: its value, and then the first tap that ties with it. Both read the operand,
which costs less than to carry an index along. Barriers keep XLA from computing a pass anew for each tap that
reads it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import Array, lax

from jaxpool._lowering import order as ordering
from jaxpool._lowering.divisors import divide, is_uniform
from jaxpool._lowering.stages import Stage
from jaxpool._lowering.sweep import Reading, over_cells, over_windows
from jaxpool._lowering.taps import Block, Source
from jaxpool._lowering.weights import Weight, weighted
from jaxpool._precision import accumulation_dtype
from jaxpool._window import Divisor, Window

_barrier = lax.optimization_barrier


@dataclasses.dataclass(frozen=True)
class Style:
    """How a platform wants its passes.

    Attributes:
      reading: how to deal with results that lack a tap.
      together: whether a value and its index are one kernel, or the value is kept for the index's own.
      keys: whether 16-bit floating-point numbers are compared as integers.
    """

    reading: Reading
    together: bool
    keys: bool

    def source(self, array: Array, padding: Any, *, masked: bool) -> Source:
        """What to read, which need not be masked where any element of the array does."""
        return Source(array, padding, masked or self.reading != "gathered")


RUNS = Style(reading="runs", together=False, keys=True)
PADDED = Style(reading="padded", together=True, keys=False)
GATHERED = Style(reading="gathered", together=True, keys=False)


def select_value(operand: Array, stages: Sequence[Stage], order: str, style: Style) -> Array:
    """The first of each window's elements in `order`."""
    return _barrier(_select_values(operand, stages, order, style)[-1])


def select(
    operand: Array,
    window: Window,
    stages: Sequence[Stage],
    order: str,
    style: Style,
    *,
    value_stages: Sequence[Stage] | None = None,
) -> tuple[Array, Array]:
    """The first of each window's elements in `order`, and the number of its tap.

    An index of one stage needs the value alone, which `value_stages` may give faster.
    """
    if len(stages) > 1 or value_stages is None:
        value_stages = stages
    keys = _has_keys(operand, style)
    padding = ordering.identity(order, operand.dtype, keys=keys)
    *sources, value = _select_values(operand, value_stages, order, style, reread=True)
    if not style.together:
        *sources, value = _barrier((*sources, value))
    sources = sources[: len(stages)]
    if keys:
        sources = [ordering.with_one_zero(source) for source in sources]
        values = [*sources[1:], ordering.with_one_zero(ordering.to_keys(value, order))]
    else:
        values = [*sources[1:], value]
    index = None
    for stage, array, selected in zip(stages, sources, values, strict=True):
        lowest = first_elements(window) if stage is stages[-1] else {}
        fold = functools.partial(_first_tie, selected, stage, window.index_dtype, lowest)
        inner = [] if index is None else [Source(_barrier(index))]
        index = over_windows(
            fold, stage.window, Source(array, padding), *inner, reading=style.reading, reread=True
        )
    return _barrier((value, index))


def _select_values(
    operand: Array, stages: Sequence[Stage], order: str, style: Style, *, reread: bool = False
) -> list[Array]:
    """What each stage selects from, and the value, which alone has no barrier; within, keys where faster."""
    dtype, keys = operand.dtype, _has_keys(operand, style)
    padding = ordering.identity(order, dtype, keys=keys)
    values = [ordering.to_keys(operand, order) if keys else operand]
    for stage in stages:
        fold = functools.partial(_first, order, padding)
        # What is gathered in place of padding is another element of the window, if it has any.
        source = style.source(values[-1], padding, masked=_can_be_empty(stage.window))
        value = over_windows(fold, stage.window, source, reading=style.reading, reread=reread)
        value = Source(value, padding).padded(stage.pads).array
        values.append(value if stage is stages[-1] else _barrier(value))
    if keys:
        values[-1] = ordering.from_keys(values[-1], dtype)
    return values


def _has_keys(operand: Array, style: Style) -> bool:
    return style.keys and ordering.has_keys(operand.dtype)


def _can_be_empty(window: Window) -> bool:
    """Whether a window may have no element at some tap, and no other one in its place."""
    return bool(window.bins) or not all(axis.element_counts().all() for axis in window.pooled.values())


def _first(order: str, padding: Any, block: Block, source: Source) -> Array:
    elements = [tap.read(source) for tap in block.taps()]
    if not elements:
        return block.full(source, padding)
    return functools.reduce(functools.partial(ordering.first, order), elements)


def _first_tie(
    value: Array,
    stage: Stage,
    dtype: np.dtype,
    lowest: dict[int, np.ndarray],
    block: Block,
    source: Source,
    inner: Source | None = None,
) -> Array:
    """The index of the first tap whose element ties with the value; `inner` is what the element adds."""
    index = None
    for tap in reversed(list(block.taps())):
        candidate = block.full(source, stage.number(tap.number), dtype)
        if inner is not None:
            candidate += tap.read(inner)
        if index is not None:
            candidate = lax.select(ordering.is_first(tap.read(source), block.of(value)), candidate, index)
        index = candidate
    if index is None:
        return block.full(source, 0, dtype)
    # The lowest elements tie with padding, which comes before them or after all others.
    first = block.full(source, 0, dtype)
    for d, numbers in lowest.items():
        if (numbers := block.along(d, numbers)).any():
            first += lax.broadcast_in_dim(numbers.astype(dtype), first.shape, (d,))
    return lax.max(index, first) if lowest else index


def first_elements(window: Window) -> dict[int, np.ndarray]:
    """What each dimension adds to the least number that the tap of an element can have."""
    numbers = {d: axis.first_taps() * window.tap_strides[d] for d, axis in window.pooled.items()}
    return {d: number for d, number in numbers.items() if number.any()}


def gather(tangent: Array, index: Array, stages: Sequence[Stage], style: Style) -> Array:
    """The element of each window whose tap has the number `index`."""
    for stage, taps in reversed(_split(index, stages, style)):
        fold = functools.partial(_picked, taps)
        source = style.source(tangent, 0, masked=_can_be_empty(stage.window))
        tangent = _barrier(over_windows(fold, stage.window, source, reading=style.reading))
    return tangent


def _picked(taps: Array, block: Block, source: Source) -> Array:
    picked = None
    numbers = block.of(taps)
    for tap in block.taps():
        element = tap.read(source)
        here = lax.eq(numbers, tap.number_like(numbers))
        picked = element if picked is None else lax.select(here, element, picked)
    return block.full(source, 0) if picked is None else picked


def scatter(cotangent: Array, index: Array, stages: Sequence[Stage], style: Style) -> Array:
    """Adds what comes from each window to the cell at its tap `index`."""
    dtype = cotangent.dtype
    for stage, taps in _split(index, stages, style):
        finish = (lambda total: total.astype(dtype)) if stage is stages[0] else _keep
        fold = functools.partial(_received, lax.add, finish)
        sources = (style.source(array, 0, masked=False) for array in (cotangent, taps))
        cotangent = _barrier(over_cells(fold, stage.window, *sources, reading=style.reading))
    return cotangent


def _split(index: Array, stages: Sequence[Stage], style: Style) -> list[tuple[Stage, Array]]:
    """The tap of each stage, the outermost first, for what that stage selected from.

    Windows that select from the same row select the same element of it, so what is left of an index once the
    row is known can be kept with the row: that of any of these windows will do.
    """
    taps = []
    for stage in reversed(stages[1:]):
        tap, rest = stage.split(index)
        taps.append((stage, tap))
        fold = functools.partial(_received, lax.max, _keep)
        sources = (style.source(array, 0, masked=False) for array in (rest, tap))
        index = _barrier(over_cells(fold, stage.window, *sources, reading=style.reading))
    return [*taps, (stages[0], index)]


def _received(
    combine: Callable[[Array, Array], Array],
    finish: Callable[[Array], Array],
    block: Block,
    sent: Source,
    taps: Source | None = None,
) -> Array:
    """What a cell receives from the windows that cover it: all, or those that selected it by their tap."""
    wide = accumulation_dtype(sent.array.dtype)
    received = []
    for tap in block.taps():
        value = tap.read(sent).astype(wide)
        if taps is not None:
            numbers = tap.read(taps)
            here = tap.is_at(numbers) if not sent.masked else lax.eq(numbers, tap.number_like(numbers))
            value = lax.select(here, value, lax.full_like(value, 0))
        received.append(value)
    total = functools.reduce(combine, received) if received else block.full(sent, 0, wide)
    return finish(total)


def add_weighted(
    values: Array, operand: Array, statistic: Array, window: Window, weight: Weight, style: Style
) -> Array:
    """Adds the values of each window, weighted by what its element of the operand is to its statistic."""

    def total(block: Block, values: Source, operand: Source) -> Array:
        here = block.of(statistic)
        terms = [weighted(weight, t.read(values), t.read(operand), here) for t in block.taps()]
        return functools.reduce(lax.add, terms) if terms else block.full(values, 0)

    sources = Source(values), style.source(operand, 0, masked=False)
    return _barrier(over_windows(total, window, *sources, reading=style.reading))


def spread_weighted(
    cotangent: Array, operand: Array, statistic: Array, window: Window, weight: Weight, style: Style
) -> Array:
    """Adds what comes from each window to its cells, with the same weights."""

    def received(block: Block, cotangent: Source, statistic: Source) -> Array:
        here = block.of(operand)
        terms = [weighted(weight, t.read(cotangent), here, t.read(statistic)) for t in block.taps()]
        return functools.reduce(lax.add, terms) if terms else block.full(cotangent, 0)

    sources = Source(cotangent), style.source(statistic, 0, masked=False)
    return _barrier(over_cells(received, window, *sources, reading=style.reading))


def _keep(total: Array) -> Array:
    return total


def add(operand: Array, window: Window, stages: Sequence[Stage], divisor: Divisor, style: Style) -> Array:
    """The sum of each window's elements, over the divisor."""
    total = operand
    for stage in stages:
        total = over_windows(_sum, stage.window, Source(total), reading=style.reading)
        total = Source(total).padded(stage.pads).array
        if stage is not stages[-1]:
            total = _barrier(total)
    return _barrier(divide(total, window, divisor).astype(operand.dtype))


def _sum(block: Block, source: Source) -> Array:
    dtype = accumulation_dtype(source.array.dtype)
    elements = [tap.read(source).astype(dtype) for tap in block.taps()]
    return functools.reduce(lax.add, elements) if elements else block.full(source, 0, dtype)


def spread(
    cotangent: Array, window: Window, stages: Sequence[Stage], divisor: Divisor, style: Style
) -> Array:
    """Adds what comes from each window, over the divisor, to all its cells."""
    dtype = cotangent.dtype

    def share(total: Array) -> Array:
        return divide(total, window, divisor)

    uniform = is_uniform(window, divisor)  # then one division for each cell does, in the pass that adds
    if not uniform:
        cotangent = share(cotangent.astype(accumulation_dtype(dtype)))
        cotangent = cotangent if style.together else _barrier(cotangent)
    for stage in reversed(stages):
        finish = _keep
        if stage is stages[0]:
            finish = (
                (lambda total: share(total).astype(dtype)) if uniform else (lambda total: total.astype(dtype))
            )
        fold = functools.partial(_received, lax.add, finish)
        cotangent = _barrier(over_cells(fold, stage.window, Source(cotangent), reading=style.reading))
    return cotangent
