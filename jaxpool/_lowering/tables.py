"""Which cells each window has, and which windows cover each cell, written out along one axis."""

from __future__ import annotations

import dataclasses

import numpy as np

from jaxpool._window import Axis


@dataclasses.dataclass(frozen=True)
class Table:
    """What windows join to each result along an axis: (results, places), with as many as the fullest has.

    A place that holds nothing has the position of another one of the same result, if it has any.
    """

    positions: np.ndarray
    taps: np.ndarray
    holds: np.ndarray


def cells_of_windows(axis: Axis) -> Table:
    taps = np.broadcast_to(np.arange(axis.size), (axis.windows, axis.size))
    positions = np.arange(axis.windows)[:, None] * axis.stride - axis.low + taps * axis.dilation
    return _table(positions, taps, axis.holds())


def windows_of_cells(axis: Axis) -> Table:
    """In the order of the taps."""
    cells = cells_of_windows(axis)
    windows, taps = np.nonzero(cells.holds)
    positions = cells.positions[windows, taps]
    order = np.lexsort((taps, positions))
    counts = np.bincount(positions, minlength=axis.length)
    holds = np.arange(max(counts, default=0)) < counts[:, None]
    places = np.zeros((2, *holds.shape), int)
    places[:, holds] = windows[order], taps[order]
    return _table(places[0], places[1], holds)


def _table(positions: np.ndarray, taps: np.ndarray, holds: np.ndarray) -> Table:
    if holds.size:
        some = np.take_along_axis(positions, np.argmax(holds, axis=1)[:, None], axis=1)
        positions = np.where(holds, positions, np.where(holds.any(axis=1, keepdims=True), some, 0))
    return Table(positions.astype(np.int32), taps.astype(np.int32), holds)
