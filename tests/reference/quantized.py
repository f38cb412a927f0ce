"""Averages that are integers: exact fractions, rounded at the end."""

import math
from fractions import Fraction

import numpy as np

from tests.reference.layout import regular
from tests.reference.whole import global_of_integers
from tests.reference.windows import divisors, sum_pool


def _away_from_zero(number):
    return int(math.copysign(math.floor(abs(number) + Fraction(1, 2)), number))


# Python rounds halves to even.
ROUNDINGS = {"truncate": math.trunc, "nearest": _away_from_zero, "even": round}


def integer_avg_pool(inputs, *arguments, dtype, rounding="truncate", **options):
    """As `avg_pool`, rounded to an integer."""
    return _of_averages(ROUNDINGS[rounding], inputs, *arguments, **options).astype(dtype)


def global_integer_avg_pool(inputs, axis=None, *, dtype, rounding="truncate", **options):
    """As `global_avg_pool`, rounded to an integer."""

    def function(elements):
        return ROUNDINGS[rounding](_average(elements))

    return global_of_integers(function, inputs, axis, **options).astype(dtype)


def quantized_avg_pool(
    inputs, scale, zero_point, *arguments, output_scale=None, output_zero_point=None, **options
):
    """The average of what integers stand for, as one; the zero point is added before halves are rounded."""
    ratio, added = _ratio(scale, output_scale), zero_point if output_zero_point is None else output_zero_point
    shifted = inputs.astype(np.int64) - zero_point
    results = _of_averages(lambda average: round(ratio * average + added), shifted, *arguments, **options)
    return _saturated(results, inputs.dtype)


def global_quantized_avg_pool(
    inputs, scale, zero_point, axis=None, *, output_scale=None, output_zero_point=None, **options
):
    """The same of everything along some axes; the zero point is added after halves are rounded."""
    ratio, added = _ratio(scale, output_scale), zero_point if output_zero_point is None else output_zero_point

    def function(elements):
        return round(ratio * _average(elements - zero_point)) + added

    return _saturated(global_of_integers(function, inputs, axis, **options), inputs.dtype)


def _average(elements):
    return Fraction(int(elements.sum()), max(len(elements), 1))


def _ratio(scale, output_scale):
    """Of two scales, as they are in float32."""
    if output_scale is None:
        return 1
    return Fraction(float(np.float32(scale))) / Fraction(float(np.float32(output_scale)))


def _saturated(integers, dtype):
    return np.clip(integers, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def _of_averages(
    function,
    inputs,
    window_shape,
    strides=None,
    padding="VALID",
    count_include_pad=True,
    *,
    divisor_override=None,
    where=None,
    **options,
):
    """A function from the fraction that is the average of each window to an integer."""
    geometry = dict(options, window_shape=window_shape, strides=strides, padding=padding)
    divisor = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    inputs = np.asarray(inputs, np.int64)
    layout = regular(inputs.shape, **geometry)
    sums = layout.rows(sum_pool(inputs, where=where, **geometry))
    counts = divisors(inputs.shape, where=where, **divisor, **geometry)
    results = layout.empty(np.int64)
    for place in np.ndindex(results.shape):
        results[place] = function(Fraction(int(sums[place]), int(counts[place])))
    return layout.results(results, np.int64)
