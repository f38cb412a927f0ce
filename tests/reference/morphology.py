"""Morphology: each result visits the cells of the element that lie in the array; in float64 if not flat."""

import numpy as np

from tests.reference.arrays import is_bool, product
from tests.reference.geometry import windows
from tests.reference.layout import regular
from tests.reference.windows import highest, lowest


def dilate(inputs, kernel, strides=None, padding="SAME", *, per_channel=False, **options):
    """The largest of the elements, each plus the entry of the reflected element; and its flat position."""
    inputs, flipped = np.asarray(inputs), _flipped(kernel, per_channel)
    return _select(np.argmax, lowest, 1, inputs, flipped, strides, padding, per_channel, options)


def erode(inputs, kernel, strides=None, padding="SAME_LOWER", *, per_channel=False, **options):
    """The smallest of the elements, each less the entry of the element; and its flat position."""
    inputs = np.asarray(inputs)
    return _select(np.argmin, highest, -1, inputs, kernel, strides, padding, per_channel, options)


def opening(inputs, kernel, **options):
    return dilate(erode(inputs, kernel, **options)[0], kernel, **options)[0]


def closing(inputs, kernel, **options):
    return erode(dilate(inputs, kernel, **options)[0], kernel, **options)[0]


def gradient(inputs, kernel, **options):
    return difference(dilate(inputs, kernel, **options)[0], erode(inputs, kernel, **options)[0])


def top_hat(inputs, kernel, **options):
    return difference(np.asarray(inputs), opening(inputs, kernel, **options))


def black_hat(inputs, kernel, **options):
    return difference(closing(inputs, kernel, **options), np.asarray(inputs))


def difference(larger, smaller):
    return larger != smaller if is_bool(larger.dtype) else larger - smaller


def _flipped(kernel, per_channel):
    rank = np.ndim(kernel) - per_channel
    return np.asarray(kernel)[(slice(None, None, -1),) * rank]


def _select(choose, none, sign, inputs, kernel, strides, padding, per_channel, options):
    kernel = np.asarray(kernel)
    flat, shape = is_bool(kernel.dtype), kernel.shape[: kernel.ndim - per_channel]
    layout = regular(inputs.shape, shape, strides, padding, **options)
    found = windows(inputs.shape, shape, strides, padding, **options)
    rows = layout.rows(inputs if flat else inputs.astype(np.float64))
    axis = options.get("channel_axis", -1)
    channels = 1 if axis is None else inputs.shape[axis]
    entries = np.broadcast_to(kernel.reshape(product(shape), -1), (product(shape), channels))
    values, indices = layout.empty(rows.dtype), layout.empty(np.int32)
    for row in range(len(rows)):
        own = entries[:, row // (len(rows) // channels)]
        for column, (elements, _) in enumerate(found):
            cells = [(tap, position) for tap, position in elements if not flat or own[tap]]
            there = np.array([rows[row, p] if flat else rows[row, p] + sign * own[tap] for tap, p in cells])
            place = choose(there) if cells else None
            values[row, column] = there[place] if cells else none(rows.dtype)
            indices[row, column] = cells[place][1] if cells else -1
    return layout.results(values, rows.dtype), layout.results(indices, np.int32)
