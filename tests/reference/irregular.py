"""Adaptive and fractional pools: windows whose sizes and steps differ."""

import itertools

import numpy as np

from tests.reference.arrays import averaged, check_shape
from tests.reference.derivatives import distribute
from tests.reference.geometry import flat_position, spatial_shape, with_spatial_shape
from tests.reference.layout import Layout, reduce_windows, row_count, select_windows
from tests.reference.windows import lowest, total


def adaptive_max_pool(inputs, output_shape, *, channel_axis=-1, where=None):
    """The largest element of each bin, and its flat position, as `max_pool`."""
    return _maximum(inputs, adaptive(np.shape(inputs), output_shape, channel_axis), where)


def adaptive_avg_pool(inputs, output_shape, *, channel_axis=-1, where=None, dtype=None):
    """The average of each bin, 0 where `where` leaves nothing of it."""
    return _average(inputs, adaptive(np.shape(inputs), output_shape, channel_axis), dtype, where)


def adaptive_avg_vjp(cotangent, input_shape, output_shape, *, channel_axis=-1, where=None, dtype=None):
    layout = adaptive(input_shape, output_shape, channel_axis)
    return _average_vjp(cotangent, input_shape, layout, dtype, where)


def fractional_max_pool(inputs, *arguments, where=None, **options):
    """The largest element of each window, and its flat position; the arguments are those of `fractional`."""
    return _maximum(inputs, fractional(np.shape(inputs), *arguments, **options), where)


def fractional_avg_pool(inputs, *arguments, dtype=None, where=None, **options):
    """The average of each window; the arguments are those of `fractional`."""
    return _average(inputs, fractional(np.shape(inputs), *arguments, **options), dtype, where)


def fractional_avg_vjp(cotangent, input_shape, *arguments, dtype=None, where=None, **options):
    return _average_vjp(cotangent, input_shape, fractional(input_shape, *arguments, **options), dtype, where)


def _maximum(inputs, layout, where=None):
    return select_windows(np.argmax, lowest(np.asarray(inputs).dtype), inputs, layout, where=where)


def _mean(elements):
    return total(elements) / max(len(elements), 1)


def _average(inputs, layout, dtype, where=None):
    inputs, dtype = averaged(inputs, dtype)
    return reduce_windows(_mean, inputs, layout, dtype=dtype, where=where)


def _average_vjp(cotangent, input_shape, layout, dtype, where=None):
    def share(row, at):
        return 1 / max(len(at), 1)

    return distribute(share, cotangent, input_shape, layout, where=where, dtype=dtype)


def adaptive(shape, output_shape, channel_axis=-1):
    """The layout of bins that overlap by at most one cell; None in `output_shape` keeps that axis."""
    spatial = spatial_shape(shape, len(output_shape), channel_axis)
    outputs = [size if count is None else count for size, count in zip(spatial, output_shape, strict=True)]
    bins = [
        # The integers that floor(i size / count) and ceil((i + 1) size / count) are.
        [range(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        for size, count in zip(spatial, outputs, strict=True)
    ]
    found = [_grid(bins, spatial)] * row_count(shape, len(spatial), channel_axis)
    return _layout(found, shape, outputs, channel_axis)


def fractional(
    shape,
    window_shape,
    output_shape,
    *,
    random_samples,
    pseudo_random=False,
    overlapping=False,
    channel_axis=-1,
):
    """The layout that `random_samples` make: PyTorch's windows, or with `pseudo_random` TensorFlow's."""
    spatial = spatial_shape(shape, len(output_shape), channel_axis)
    found = []
    for samples in _samples_of_rows(shape, random_samples, channel_axis):
        ranges = []
        for axis, (size, count) in enumerate(zip(spatial, output_shape, strict=True)):
            if pseudo_random:
                ranges.append(_pseudo_random_ranges(samples[axis], size, count, overlapping))
            else:
                ranges.append(_random_ranges(samples[axis], size, count, window_shape[axis]))
        found.append(_grid(ranges, spatial))
    return _layout(found, shape, output_shape, channel_axis)


def _samples_of_rows(shape, random_samples, channel_axis):
    """The samples of every row: one per spatial axis; they come for all rows or, channels last, for each."""
    samples = np.asarray(random_samples)
    rank = samples.shape[-1]
    count = row_count(shape, rank, channel_axis)
    if samples.ndim == 1:
        return [samples] * count
    others = list(shape)
    channels = [] if channel_axis is None else [others.pop(channel_axis)]
    check_shape("random_samples", samples, (*others[: len(others) - rank], *channels, rank))
    if channels:
        samples = np.moveaxis(samples, -2, 0)
    return samples.reshape(count, rank)


def _random_ranges(sample, size, count, window):
    """PyTorch's, whose arithmetic is in float32: its rounding decides where windows start."""
    starts = [size - window]
    if count > 1:
        sample, alpha = np.float32(sample), np.float32(size - window) / np.float32(count - 1)
        offset = int(sample * alpha)
        starts = [int((np.float32(i) + sample) * alpha) - offset for i in range(count - 1)] + starts
    return [range(start, start + window) for start in starts]


def _pseudo_random_ranges(sample, size, count, overlapping):
    """TensorFlow's, whose arithmetic is in float64."""
    window, alpha = size // count, size / count
    u = float(sample) * min((window + 2) / alpha - 1, (size + 1 - window) / alpha - (count - 1))
    starts = [0] + [int(np.ceil(alpha * (i + u))) - 1 for i in range(1, count)]
    ends = [*starts[1:], size]
    return [range(start, min(end + overlapping, size)) for start, end in zip(starts, ends, strict=True)]


def _grid(ranges, spatial):
    """The flat positions of every window whose sides are one of the `ranges` of each axis."""
    return [
        [flat_position(place, spatial) for place in itertools.product(*sides)]
        for sides in itertools.product(*ranges)
    ]


def _layout(found, shape, outputs, channel_axis):
    result = with_spatial_shape(shape, outputs, channel_axis)
    return Layout(found, result, len(outputs), channel_axis)
