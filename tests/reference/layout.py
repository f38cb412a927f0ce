"""One way to visit the windows of any pool: gather the elements of each as a vector, apply a function."""

import dataclasses

import numpy as np

from tests.reference.arrays import as_rows, from_rows, product, rounded, wide_dtype
from tests.reference.geometry import output_shape, spatial_shape, windows


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the elements of every window lie, and how the results are arranged.

    `positions[row][column]` lists the flat positions, in the spatial block, of the elements of one window:
    the rows are those of `as_rows`, the columns the output positions in row-major order.
    """

    positions: list
    shape: tuple  # of the results, batch and channel axes included
    rank: int
    channel_axis: int | None

    def rows(self, array):
        return as_rows(np.asarray(array), self.rank, self.channel_axis)

    def empty(self, dtype):
        """Uninitialised rows of results, for they may be none."""
        columns = product(spatial_shape(self.shape, self.rank, self.channel_axis))
        return np.empty((len(self.positions), columns), dtype)

    def results(self, rows, dtype):
        return from_rows(rounded(rows, dtype), self.shape, self.channel_axis)


def regular(shape, window_shape, strides=None, padding="VALID", *, channel_axis=-1, **options):
    """The layout of `windows`: the same for every row."""
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    found = [
        [position for _, position in elements] for elements, _ in windows(shape, window_shape, **geometry)
    ]
    rank = len(window_shape)
    count = row_count(shape, rank, channel_axis)
    return Layout([found] * count, output_shape(shape, window_shape, **geometry), rank, channel_axis)


def row_count(shape, rank, channel_axis):
    """How many rows an array of `shape` has; its spatial axes may have no element."""
    spatial = len(spatial_shape(shape, rank, channel_axis))
    others = list(shape)
    channels = 1 if channel_axis is None else others.pop(channel_axis)
    return channels * product(others[: len(others) - spatial])


def each_window(layout, shape, where=None):
    """Yields `(place, positions)` for every window of an input of `shape`.

    `place` is the row and column of its result, `positions` are those of its elements that `where` keeps.
    """
    kept = layout.rows(np.broadcast_to(True if where is None else where, shape))
    for row, found in enumerate(layout.positions):
        for column, window in enumerate(found):
            positions = np.array(window, int)
            yield (row, column), positions[kept[row, positions]]


def reduce_windows(function, inputs, layout, *, dtype=None, where=None):
    """`function(elements)` of every window; `elements` is a vector, maybe an empty one."""
    inputs = np.asarray(inputs)
    rows = layout.rows(inputs.astype(wide_dtype(inputs.dtype)))
    results = layout.empty(rows.dtype)
    with np.errstate(all="ignore"):  # infinities and NaN are values like others
        for place, positions in each_window(layout, inputs.shape, where):
            results[place] = function(rows[place[0], positions])
    return layout.results(results, inputs.dtype if dtype is None else dtype)


def select_windows(choose, identity, inputs, layout, *, where=None):
    """The element at `choose(elements)` of every window, and its flat position: `(values, indices)`.

    `identity` and -1 where a window has no element.
    """
    inputs = np.asarray(inputs)
    rows = layout.rows(inputs.astype(wide_dtype(inputs.dtype)))
    values, indices = layout.empty(rows.dtype), layout.empty(np.int32)
    for place, positions in each_window(layout, inputs.shape, where):
        values[place], indices[place] = identity, -1
        if len(positions):
            indices[place] = positions[choose(rows[place[0], positions])]
            values[place] = rows[place[0], indices[place]]
    return layout.results(values, inputs.dtype), layout.results(indices, np.int32)
