"""Maximum, minimum, sum and average of windows, and the general pool."""

import numpy as np

from tests.reference.arrays import averaged, is_bool, is_integer, summed
from tests.reference.geometry import windows
from tests.reference.layout import each_window, reduce_windows, regular, select_windows


def lowest(dtype):
    """What every number of `dtype` is at least: the maximum of nothing."""
    if is_bool(dtype):
        return False
    return np.iinfo(dtype).min if is_integer(dtype) else -np.inf


def highest(dtype):
    """What every number of `dtype` is at most: the minimum of nothing."""
    if is_bool(dtype):
        return True
    return np.iinfo(dtype).max if is_integer(dtype) else np.inf


def max_pool(inputs, *arguments, where=None, **options):
    """The largest element of each window, and its flat position: `(values, indices)`.

    The first of equals, the first NaN if there is one; the lowest value and -1 where there is none.
    """
    inputs = np.asarray(inputs)
    layout = regular(inputs.shape, *arguments, **options)
    return select_windows(np.argmax, lowest(inputs.dtype), inputs, layout, where=where)


def min_pool(inputs, *arguments, where=None, **options):
    """The smallest element of each window, and its flat position; otherwise as `max_pool`."""
    inputs = np.asarray(inputs)
    layout = regular(inputs.shape, *arguments, **options)
    return select_windows(np.argmin, highest(inputs.dtype), inputs, layout, where=where)


def total(elements):
    """The sum; integers wrap around in their own dtype, in which NumPy by itself would not add."""
    return elements.sum(dtype=elements.dtype)


def sum_pool(inputs, *arguments, where=None, dtype=None, **options):
    """The sum of each window, 0 where it has no element; small integers and bools widen."""
    inputs = summed(inputs)
    layout = regular(inputs.shape, *arguments, **options)
    return reduce_windows(total, inputs, layout, where=where, dtype=dtype)


def avg_pool(
    inputs,
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
    """The sum of each window divided by its number of cells, elements, or `divisor_override`.

    0 where a window has no element. For integers and bools the caller says which `dtype` results.
    """
    inputs, dtype = averaged(inputs, dtype)
    geometry = dict(options, window_shape=window_shape, strides=strides, padding=padding)
    divisor = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    layout = regular(inputs.shape, **geometry)
    sums = layout.rows(sum_pool(inputs, where=where, **geometry))
    with np.errstate(all="ignore"):
        averages = sums / divisors(inputs.shape, where=where, **divisor, **geometry)
    return layout.results(averages, dtype)


def divisors(shape, *, count_include_pad, divisor_override, where, **geometry):
    """What the sum of each window is divided by: rows of results."""
    layout = regular(shape, **geometry)
    found = windows(shape, **geometry)
    result = layout.empty(np.float64)
    for (row, column), positions in each_window(layout, shape, where):
        elements, cells = found[column]
        masked = len(elements) - len(positions)
        count = cells - masked if count_include_pad else len(positions)
        # An empty sum divided by 1 is the 0 that the contract wants.
        result[row, column] = max(count, 1) if divisor_override is None else divisor_override
    return result


def pool(inputs, init, reduce_fn, *arguments, dtype=None, **options):
    """`reduce_fn(... reduce_fn(reduce_fn(init, first), second) ..., last)` over each window.

    `reduce_fn` is a NumPy function of two vectors: the result so far and the next element.
    """

    def fold(elements):
        result = np.full(1, init, elements.dtype)
        for element in elements:
            result = reduce_fn(result, np.full(1, element))
        return result[0]

    return reduce_windows(fold, inputs, regular(np.shape(inputs), *arguments, **options), dtype=dtype)


def reduce_window(operands, inits, function, sizes, strides, pads, base_dilation, dilation):
    """`function(... function(inits, firsts) ..., lasts)` over each window of operands that are dilated.

    `function` is of two tuples with a number for each operand. Cells between elements are none.
    """
    geometry = list(zip(operands[0].shape, sizes, strides, pads, base_dilation, dilation, strict=True))
    shape = [
        (max((n - 1) * b + 1, 0) + low + high - (k - 1) * d - 1) // s + 1
        for n, k, s, (low, high), b, d in geometry
    ]
    results = [np.empty(shape, operand.dtype) for operand in operands]
    for output in np.ndindex(*shape):
        reduced = tuple(inits)
        for tap in np.ndindex(*sizes):
            offsets = zip(output, tap, geometry, strict=True)
            places = [o * s + t * d - low for o, t, (_, _, s, (low, _), _, d) in offsets]
            cells = [divmod(place, b) for place, (_, _, _, _, b, _) in zip(places, geometry, strict=True)]
            if all(rest == 0 and 0 <= at < n for (at, rest), (n, *_) in zip(cells, geometry, strict=True)):
                elements = tuple(operand[tuple(at for at, _ in cells)] for operand in operands)
                reduced = function(reduced, elements)
        for result, value in zip(results, reduced, strict=True):
            result[output] = value
    return results
