"""What brings the values of windows back to cells, and its cotangents.

`output_shape` is the shape of the spatial block that results.
"""

import numpy as np

from tests.reference.arrays import as_rows, averaged, check_shape, from_rows, product, rounded, wide_dtype
from tests.reference.geometry import with_spatial_shape
from tests.reference.layout import each_window, regular


def max_unpool(values, indices, output_shape, *, channel_axis=-1):
    """Zeros, and each value at its flat position: the last of several in row-major order of windows.

    A value whose position lies outside is dropped.
    """
    values = np.asarray(values)
    rows = as_rows(values, len(output_shape), channel_axis)
    result = np.zeros((len(rows), product(output_shape)), values.dtype)
    for row, position, column in _winners(indices, output_shape, channel_axis):
        result[row, position] = rows[row, column]
    return from_rows(result, with_spatial_shape(values.shape, output_shape, channel_axis), channel_axis)


def max_unpool_vjp(cotangent, indices, output_shape, *, channel_axis=-1):
    """Each value receives the cotangent of the cell that has it, 0 where none has."""
    cotangent = np.asarray(cotangent)
    rows = as_rows(cotangent, len(output_shape), channel_axis)
    received = np.zeros_like(as_rows(np.asarray(indices), len(output_shape), channel_axis), cotangent.dtype)
    for row, position, column in _winners(indices, output_shape, channel_axis):
        received[row, column] = rows[row, position]
    return from_rows(received, np.shape(indices), channel_axis)


def _winners(indices, output_shape, channel_axis):
    """`(row, position, column)` of every position that a window names, with the last such window."""
    rows = as_rows(np.asarray(indices), len(output_shape), channel_axis)
    winners = {}
    for row, column in np.ndindex(*rows.shape):
        if 0 <= rows[row, column] < product(output_shape):
            winners[row, int(rows[row, column])] = column
    return [(row, position, column) for (row, position), column in winners.items()]


def avg_unpool(
    values, output_shape, window_shape, *arguments, where=None, channel_axis=-1, dtype=None, **options
):
    """Each cell is the mean of the values that `where` leaves of the windows that contain it, or 0."""
    values, dtype = averaged(values, dtype)
    shape = with_spatial_shape(values.shape, output_shape, channel_axis)
    layout = regular(shape, window_shape, *arguments, channel_axis=channel_axis, **options)
    check_shape("values", values, layout.shape)
    rows = layout.rows(values)
    means = np.zeros(layout.rows(np.zeros(shape)).shape, rows.dtype)
    kept = layout.rows(np.broadcast_to(True if where is None else where, values.shape))
    with np.errstate(invalid="ignore"):  # of infinities of both signs
        for (row, position), columns in _containing(layout, shape).items():
            columns = [column for column in columns if kept[row, column]]
            means[row, position] = np.mean(rows[row, columns]) if columns else 0
    return from_rows(rounded(means, dtype), shape, channel_axis)


def avg_unpool_vjp(cotangent, window_shape, *arguments, dtype=None, **options):
    """Each value receives its share of the cotangents of the cells of its window."""
    cotangent = np.asarray(cotangent)
    layout = regular(cotangent.shape, window_shape, *arguments, **options)
    rows = layout.rows(cotangent.astype(wide_dtype(cotangent.dtype)))
    received = np.zeros_like(layout.empty(rows.dtype))
    for (row, position), columns in _containing(layout, cotangent.shape).items():
        received[row, columns] += rows[row, position] / len(columns)
    return layout.results(received, cotangent.dtype if dtype is None else dtype)


def _containing(layout, shape):
    """`(row, position)` of every cell that a window contains, with the columns of all such windows."""
    found = {}
    for (row, column), positions in each_window(layout, shape):
        for position in positions:
            found.setdefault((row, int(position)), []).append(column)
    return found
