"""One pass over arrays in which every result is folded from the few elements that windows join to it.

Tap `i` of window `o` is the cell `o * stride - low + i * dilation`. Towards the windows, each window is
folded from its cells; towards the cells, each cell is folded from the windows that cover it, so that nothing
is ever scattered. For neighbouring results a tap is one slice, and a pass is an elementwise loop over slices.

Near the ends of an array some taps fall into the padding. There are three ways to deal with them:

- by *runs* (`"runs"`): results are cut into runs that have the same taps, which are folded by themselves
  and concatenated. XLA:CPU makes one kernel of it, a vectorised loop for each run. Only the last dimension is
  padded, because runs would break up that loop.
- by padding the slice of each tap to the length of the results (`"padded"`), which partitions well.
- by gathering the elements of a tap (`"gathered"`), whose positions are constants that never leave the array;
  what they are for results that lack the tap is masked, or does not matter. A GPU reads four neighbours at
  once, where for a slice that is padded it branches for each.

Where windows start and stop anywhere, the elements of a tap are gathered too. For XLA:CPU, such results are
cut in two where others read them: it keeps what is concatenated, and would gather the rest anew for each
reader.

Towards the cells, those whose positions agree modulo the stride are a *phase*: the same taps cover them all.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.positions import along, take
from jaxpool._lowering.tables import Table, cells_of_windows, windows_of_cells
from jaxpool._lowering.taps import Block, Gathered, Part, Run, Source
from jaxpool._window import Axis, Bins, Window


@dataclasses.dataclass(frozen=True)
class PlacedBins(Bins):
    """Irregular windows and where they are: arrays with as many dimensions as the operand."""

    starts: Array
    stops: Array


Fold = Callable[..., Any]  # of a block and the sources: an array, or several of them in `over_windows`
Reading = Literal["runs", "padded", "gathered"]
# A run takes about 10 ms to compile; windows up to 7 cells have 7.
_MOST_RUNS = 8


def window_taps(array: Array, padding: Any, window: Window) -> list[Array]:
    """The elements of all windows at each tap; `padding` where there are none."""
    source = Source(array, padding).padded({d: (axis.low, axis.high) for d, axis in window.pooled.items()})
    # Else each tap would be padded by itself.
    source = dataclasses.replace(source, array=lax.optimization_barrier(source.array))
    runs = {d: _window_runs(axis.padded(), False)[0] for d, axis in window.pooled.items()}
    return [tap.read(source) for tap in Block(runs, window.tap_strides).taps()]


def over_windows(fold: Fold, window: Window, *sources: Source, reading: Reading, reread: bool = False) -> Any:
    """Each window folded from its cells; `fold` computes one block of the result from the sources.

    Results that are `reread`, as a value is for its index, are not left to be computed anew.
    """
    segments = {}
    for d, axis in window.pooled.items():
        if isinstance(axis, PlacedBins):
            runs = _gathered_runs(axis.windows, _window_taps(axis), d, cut=reread and reading == "runs")
            segments[d] = [[runs]]
            continue
        if reading == "gathered" and _has_table(axis, d, sources[0].array):
            segments[d] = [[[_table_run(cells_of_windows(axis), d, len(window.axes))]]]
            continue
        pad = reading != "runs"
        runs = _window_runs(axis, pad)
        if _too_many(runs, axis.stride, d, window, sources[0].array) and all(
            s.padding is not None for s in sources
        ):
            sources = tuple(_kept(source.padded({d: (axis.low, axis.high)}), window) for source in sources)
            runs = _window_runs(axis.padded(), pad)
        segments[d] = [[runs]]
    return _assemble(fold, sources, segments, window.tap_strides)


def over_cells(fold: Fold, window: Window, *sources: Source, reading: Reading) -> Array:
    """Each cell folded from the windows that cover it; `fold` computes one block from the sources."""
    segments = {}
    for d, axis in window.pooled.items():
        if isinstance(axis, PlacedBins):
            segments[d] = [[_gathered_runs(axis.length, _cell_taps(axis, d), d, cut=reading == "runs")]]
            continue
        if reading == "gathered" and _has_table(axis, d, sources[0].array):
            segments[d] = [[[_table_run(windows_of_cells(axis), d, len(window.axes))]]]
            continue
        pad = reading != "runs"
        segments[d] = _cell_segments(axis, pad)
        if _too_many(segments[d][0][0], axis.stride, d, window, sources[0].array):
            axis, pads = axis.with_windows_around()
            sources = tuple(_kept(source.padded({d: pads}), window) for source in sources)
            segments[d] = _cell_segments(axis, pad)
    apart = reading == "runs" and _are_apart(segments, window.inner(sources[0].array.shape))
    return _assemble(fold, sources, segments, window.tap_strides, apart=apart)


def _are_apart(segments: Mapping[int, list[list[list[Run]]]], inner: int) -> bool:
    """Whether the last few cells are no part of the loop over the others.

    XLA:CPU makes no vectors of a loop over both that reads many taps. Gradients of (2, 9375, 64) take 1.5 ms
    for 9/3, with 25 taps, and 0.25 apart, in bfloat16 5.9 and 0.33; of (2, 165, 63, 64) 0.13 and 0.30 for
    3x3/2, with 16. Of 3 channels, those of averages of 3/2 in bfloat16 1.2 and 0.41, of 2x2/2 0.62 and 1.2.
    """
    taps = [
        [len(run.parts) for phases in parts for runs in phases for run in runs] for parts in segments.values()
    ]
    most = math.prod(max(each, default=0) for each in taps)
    return math.prod(map(sum, taps)) > 16 or (inner < 16 and most > 1)


def _kept(source: Source, window: Window) -> Source:
    """What has been padded, which jax 0.10 would do anew for each tap: 21 ms for 5/1 of 9 channels, not 10.

    Along several axes it does not, and forward and backward of 3x3/1 would take 8.9 ms and not 3.0.
    """
    if len(window.pooled) > 1:
        return source
    return dataclasses.replace(source, array=lax.optimization_barrier(source.array))


def _too_many(runs: list[Run], stride: int, dimension: int, window: Window, array: Array) -> bool:
    """Whether to pad the sources along a dimension: for compilation, or because runs would be inner loops."""
    innermost = dimension == max(window.pooled) and window.inner(array.shape) == 1 and stride == 1
    return len(runs) > (1 if innermost else _MOST_RUNS)


def _window_runs(axis: Axis, pad: bool) -> list[Run]:
    taps = np.arange(axis.size)
    return _runs(axis.holds(), taps, taps * axis.dilation - axis.low, axis.stride, pad)


def _cell_segments(axis: Axis, pad: bool) -> list[list[list[Run]]]:
    """The phases of all cells but the last few, which do not fill a stride, and of these."""
    quotients, rest = divmod(axis.length, axis.stride)
    main = [_cell_runs(axis, phase, quotients, pad) for phase in range(axis.stride)]
    tail = [_cell_runs(axis, quotients * axis.stride + phase, 1, pad) for phase in range(rest)]
    return [segment for segment, cells in ((main, quotients), (tail, rest)) if cells] or [main]


def _cell_runs(axis: Axis, cell: int, count: int, pad: bool) -> list[Run]:
    """Cells from `cell` on, a stride apart; a tap of the window `q + first` falls on the q-th of them."""
    taps = np.arange(axis.size)
    first, rest = np.divmod(cell + axis.low - taps * axis.dilation, axis.stride)
    taps, first = taps[rest == 0], first[rest == 0]
    windows = np.arange(count)[:, None] + first
    runs = _runs((windows >= 0) & (windows < axis.windows), taps, first, 1, pad)
    return [dataclasses.replace(run, start=cell + run.start * axis.stride, apart=axis.stride) for run in runs]


def _gathered_runs(length: int, taps: tuple[Gathered, ...], dimension: int, *, cut: bool) -> list[Run]:
    ends = [0, length // 2, length] if cut and length > 1 else [0, length]
    return [
        Run(start, 1, stop - start, 1, tuple(tap.of(start, stop, dimension) for tap in taps))
        for start, stop in itertools.pairwise(ends)
    ]


def _has_table(axis: Axis, dimension: int, array: Array) -> bool:
    """Whether it is worth to read by a table, which says where each result along a dimension has a tap.

    Slices need none where neighbours in memory have neighbours as taps, and along a line of very many cells
    it would be as large as the array.
    """
    outer, inner = math.prod(array.shape[:dimension]), math.prod(array.shape[dimension + 1 :])
    in_line = axis.stride == 1 and inner == 1
    return not in_line and (axis.length <= 4096 or outer * inner >= 64)


def _table_run(table: Table, dimension: int, ndim: int) -> Run:
    """All results along an axis of regular windows, and their taps."""

    def placed(numbers: np.ndarray) -> np.ndarray:
        return np.expand_dims(numbers, tuple(d for d in range(ndim) if d != dimension))

    parts = []
    for positions, taps, holds in zip(table.positions.T, table.taps.T, table.holds.T, strict=True):
        number = int(taps[0]) if (taps == taps[0]).all() else placed(taps)
        parts.append(Gathered(number, placed(positions), None if holds.all() else placed(holds)))
    return Run(0, 1, len(table.holds), 1, tuple(parts))


def _window_taps(bins: PlacedBins) -> tuple[Gathered, ...]:
    positions = [bins.starts + lax.full_like(bins.starts, tap) for tap in range(bins.size)]
    return tuple(Gathered(tap, position, position < bins.stops) for tap, position in enumerate(positions))


def _cell_taps(bins: PlacedBins, dimension: int) -> tuple[Gathered, ...]:
    """The windows that may cover each cell: as many as there can be, from the first that stops behind it."""
    cells = lax.broadcasted_iota(np.int32, along(dimension, [bins.length] * bins.stops.ndim), dimension)
    stops = jnp.moveaxis(bins.stops, dimension, -1)
    before = jnp.expand_dims(stops, dimension) <= jnp.expand_dims(cells, cells.ndim)
    # Else a GPU would count anew for each cell of the image: 180 us for the gradient of 56 to 20, not 132.
    first = lax.optimization_barrier(jnp.sum(before, -1, np.int32))
    taps = []
    for place in range(bins.cover):
        index = first + lax.full_like(first, place)
        start = take(bins.starts, {dimension: index})
        holds = (index < lax.full_like(index, bins.windows)) & (start <= cells)
        taps.append(Gathered(cells - start, index, holds))
    return tuple(taps)


def _runs(holds: np.ndarray, taps: np.ndarray, first: np.ndarray, step: int, pad: bool) -> list[Run]:
    """Cuts results into runs; `holds` says which (results, taps) there are, `first` where a tap starts."""
    cuts = [] if pad else (np.flatnonzero((holds[1:] != holds[:-1]).any(axis=1)) + 1).tolist()
    runs = []
    for start, stop in itertools.pairwise([0, *cuts, len(holds)]):
        parts = []
        for i in np.flatnonzero(holds[start:stop].any(axis=0)):
            held = np.flatnonzero(holds[start:stop, i])
            low, high = int(held[0]), stop - start - 1 - int(held[-1])
            parts.append(Part(int(taps[i]), int(first[i]) + (start + low) * step, low, high))
        runs.append(Run(start, 1, stop - start, step, tuple(parts)))
    return runs


def _assemble(
    fold: Fold,
    sources: Sequence[Source],
    segments: Mapping[int, list[list[list[Run]]]],
    tap_strides: Mapping[int, int],
    *,
    apart: bool = False,
) -> Array:
    """Folds all blocks and puts them together: segments and runs along their axes, phases between.

    Segments that are kept `apart` are each a loop of its own.
    """

    def join(chosen: dict[int, list[list[Run]]]) -> Array:
        if len(chosen) == len(segments):
            return _interleave(fold, sources, chosen, tap_strides)
        d = list(segments)[len(chosen)]
        parts = [join({**chosen, d: phases}) for phases in segments[d]]
        if apart and len(parts) > 1:
            parts = [lax.optimization_barrier(part) for part in parts]
        return _concatenate(parts, d)

    return join({})


def _interleave(
    fold: Fold,
    sources: Sequence[Source],
    phases: Mapping[int, list[list[Run]]],
    tap_strides: Mapping[int, int],
) -> Array:
    """Puts the phases of each axis along a new one behind it, and merges the two: to cell q * s + p."""
    split = [d for d in phases if len(phases[d]) > 1]

    def behind(dimension: int) -> int:
        return dimension + sum(d < dimension for d in split)

    def build(runs: dict[int, Run]) -> Array:
        if len(runs) < len(phases):
            d = list(phases)[len(runs)]
            joined = [
                _concatenate([build({**runs, d: run}) for run in phase], behind(d)) for phase in phases[d]
            ]
            return _concatenate(joined, behind(d) + 1)
        block = fold(Block(runs, tap_strides), *sources)
        return lax.expand_dims(block, [behind(d) + 1 for d in split]) if split else block

    result = build({})
    shape = list(result.shape) if split else []
    for d in split:
        shape[d : d + 2] = [shape[d] * shape[d + 1]]
    return lax.reshape(result, shape) if split else result


def _concatenate(blocks: list[Any], dimension: int) -> Any:
    return blocks[0] if len(blocks) == 1 else jax.tree.map(lambda *b: lax.concatenate(b, dimension), *blocks)
