"""Tangents and cotangents of the pools of windows.

`dtype` is by default that of the tangent or cotangent; float64 asks for the unrounded result.
"""

import numpy as np

from tests.reference.arrays import as_rows, check_shape, from_rows, inexact_dtype, product, rounded
from tests.reference.geometry import spatial_shape
from tests.reference.layout import each_window, regular
from tests.reference.windows import avg_pool, divisors, sum_pool


def pick(array, indices, spatial_rank, *, channel_axis=-1, dtype=None):
    """The entries of `array` at flat spatial positions `indices`; 0 where the index is -1."""
    array, indices = np.asarray(array), np.asarray(indices)
    rows = as_rows(array.astype(inexact_dtype(array.dtype)), spatial_rank, channel_axis)
    index_rows = as_rows(indices, spatial_rank, channel_axis)
    picked = np.zeros(index_rows.shape, rows.dtype)
    for row, column in np.ndindex(*index_rows.shape):
        position = index_rows[row, column]
        if position != -1:
            picked[row, column] = rows[row, position]
    picked = rounded(picked, array.dtype if dtype is None else dtype)
    return from_rows(picked, indices.shape, channel_axis)


def scatter_add(array, indices, input_shape, spatial_rank, *, channel_axis=-1, dtype=None):
    """Zeros of `input_shape`, each entry of `array` added at its flat position; -1 adds nothing."""
    array, indices = np.asarray(array), np.asarray(indices)
    rows = as_rows(array.astype(inexact_dtype(array.dtype)), spatial_rank, channel_axis)
    index_rows = as_rows(indices, spatial_rank, channel_axis)
    check_shape("array", array, indices.shape)
    spatial = spatial_shape(input_shape, spatial_rank, channel_axis)
    scattered = np.zeros((len(rows), product(spatial)), rows.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for row, column in np.ndindex(*index_rows.shape):
            position = index_rows[row, column]
            if position != -1:
                scattered[row, position] += rows[row, column]
    scattered = rounded(scattered, array.dtype if dtype is None else dtype)
    return from_rows(scattered, tuple(input_shape), channel_axis)


def select_jvp(tangent, indices, *arguments, where=None, dtype=None, **options):
    """Tangent of `max_pool` and `min_pool`: that of the selected element, 0 where there is none."""
    layout = regular(np.shape(tangent), *arguments, **options)
    _check_indices(indices, np.shape(tangent), layout, where)
    return pick(tangent, indices, layout.rank, channel_axis=layout.channel_axis, dtype=dtype)


def select_vjp(cotangent, indices, input_shape, *arguments, where=None, dtype=None, **options):
    """Cotangent of `max_pool` and `min_pool`: each goes to the selected element of its window."""
    layout = regular(input_shape, *arguments, **options)
    _check_indices(indices, input_shape, layout, where)
    settings = {"channel_axis": layout.channel_axis, "dtype": dtype}
    return scatter_add(cotangent, indices, input_shape, layout.rank, **settings)


def _check_indices(indices, input_shape, layout, where):
    """Each index names an element of its own window, and is -1 only where the window has none."""
    check_shape("indices", np.asarray(indices), layout.shape)
    rows = layout.rows(indices)
    for place, positions in each_window(layout, input_shape, where):
        allowed = positions.tolist() or [-1]
        if rows[place] not in allowed:
            raise ValueError(f"window {place}: expected one of {allowed}, got {rows[place]}")


def sum_jvp(tangent, *arguments, **options):
    """The sum is linear: its tangent is the sum of the tangents."""
    return sum_pool(tangent, *arguments, **options)


def sum_vjp(cotangent, input_shape, *arguments, where=None, dtype=None, **options):
    """Every input cell receives the sum of the cotangents of the windows that contain it."""
    layout = regular(input_shape, *arguments, **options)
    return distribute(lambda row, positions: 1, cotangent, input_shape, layout, where=where, dtype=dtype)


def avg_jvp(tangent, *arguments, **options):
    """The average is linear: its tangent is the average of the tangents."""
    return avg_pool(tangent, *arguments, **options)


def avg_vjp(
    cotangent,
    input_shape,
    window_shape,
    strides=None,
    padding="VALID",
    count_include_pad=True,
    *,
    divisor_override=None,
    where=None,
    dtype=None,
    **options,
):
    """As `sum_vjp`, each window's cotangent divided by what the window's sum was divided by."""
    cotangent = np.asarray(cotangent)
    geometry = dict(options, window_shape=window_shape, strides=strides, padding=padding)
    divisor = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    layout = regular(input_shape, **geometry)
    check_shape("cotangent", cotangent, layout.shape)
    rows = layout.rows(cotangent.astype(inexact_dtype(cotangent.dtype)))
    with np.errstate(all="ignore"):
        shares = rows / divisors(input_shape, where=where, **divisor, **geometry)
    shares = layout.results(shares, shares.dtype)
    return sum_vjp(shares, input_shape, where=where, dtype=dtype or cotangent.dtype, **geometry)


def window_jvp(gradient, inputs, tangent, *arguments, where=None, dtype=None, **options):
    """Tangent of a pool whose function has `gradient(elements)`: its product with the tangents."""
    inputs, tangent = np.asarray(inputs), np.asarray(tangent)
    layout = regular(inputs.shape, *arguments, **options)
    wide = inexact_dtype(inputs.dtype)
    rows, tangent_rows = layout.rows(inputs.astype(wide)), layout.rows(tangent.astype(wide))
    results = layout.empty(wide)
    with np.errstate(all="ignore"):
        for place, positions in each_window(layout, inputs.shape, where):
            at = place[0], positions
            results[place] = np.sum(gradient(rows[at]) * tangent_rows[at])
    return layout.results(results, tangent.dtype if dtype is None else dtype)


def window_vjp(gradient, inputs, cotangent, *arguments, where=None, dtype=None, **options):
    """Cotangent of a pool whose function has `gradient(elements)`: each element receives its share."""
    inputs = np.asarray(inputs)
    layout = regular(inputs.shape, *arguments, **options)
    rows = layout.rows(inputs.astype(inexact_dtype(inputs.dtype)))

    def share(row, positions):
        return gradient(rows[row, positions])

    return distribute(share, cotangent, inputs.shape, layout, where=where, dtype=dtype)


def distribute(share, cotangent, input_shape, layout, *, where=None, dtype=None):
    """Every element of a window receives `share(row, positions)` of the window's cotangent."""
    cotangent = np.asarray(cotangent)
    check_shape("cotangent", cotangent, layout.shape)
    rows = layout.rows(cotangent.astype(inexact_dtype(cotangent.dtype)))
    spatial = spatial_shape(input_shape, layout.rank, layout.channel_axis)
    received = np.zeros((len(rows), product(spatial)), rows.dtype)
    with np.errstate(all="ignore"):
        for place, positions in each_window(layout, input_shape, where):
            received[place[0], positions] += rows[place] * share(place[0], positions)
    received = rounded(received, cotangent.dtype if dtype is None else dtype)
    return from_rows(received, tuple(input_shape), layout.channel_axis)
