"""Quantiles, variance and standard deviation, each a plain function of the elements of one window.

As in `smooth`, beside each function is its gradient, and `dtype` is that of the input by default.
"""

import numpy as np

from tests.reference.arrays import averaged
from tests.reference.layout import reduce_windows, regular


def median_pool(inputs, *arguments, dtype=None, **options):
    """The median of each window, 0 where it has no element."""
    return quantile_pool(inputs, *arguments, q=0.5, dtype=dtype, **options)


def quantile_pool(inputs, *arguments, q, dtype=None, **options):
    """The quantile of each window, linear between order statistics; 0 where it has no element."""
    return _pool(lambda elements: quantile(elements, q), inputs, *arguments, dtype=dtype, **options)


def var_pool(inputs, *arguments, correction=0, dtype=None, **options):
    """The variance of each window, 0 where it has no element, NaN where it has too few."""
    return _pool(lambda elements: var(elements, correction), inputs, *arguments, dtype=dtype, **options)


def std_pool(inputs, *arguments, correction=0, dtype=None, **options):
    """The square root of `var_pool`."""
    return _pool(lambda elements: std(elements, correction), inputs, *arguments, dtype=dtype, **options)


def _pool(function, inputs, *arguments, dtype, where=None, **options):
    inputs, dtype = averaged(inputs, dtype)
    layout = regular(inputs.shape, *arguments, **options)
    return reduce_windows(function, inputs, layout, dtype=dtype, where=where)


def _order_statistics(elements, q):
    """`(value, weight)` of the elements that the quantile lies between; one where it is an element."""
    place = q * (len(elements) - 1)
    low = int(np.floor(place))
    ascending = np.sort(elements)
    if low == place:
        return [(ascending[low], 1.0)]
    return [(ascending[low], low + 1 - place), (ascending[low + 1], place - low)]


def quantile(elements, q):
    if len(elements) == 0:
        return 0.0
    if np.isnan(elements).any():
        return np.nan
    return sum(value * weight for value, weight in _order_statistics(elements, q))


def quantile_gradient(elements, q):
    """To the first element that ties with each order statistic; 0 where the quantile is NaN."""
    gradient = np.zeros_like(elements)
    if len(elements) and not np.isnan(elements).any():
        for value, weight in _order_statistics(elements, q):
            gradient[np.argmax(elements == value)] += weight
    return gradient


def var(elements, correction=0):
    if len(elements) == 0:
        return 0.0
    if len(elements) <= correction:
        return np.nan
    return np.sum((elements - np.mean(elements)) ** 2) / (len(elements) - correction)


def var_gradient(elements, correction=0):
    """NaN where the variance is."""
    if len(elements) == 0:
        return np.zeros_like(elements)
    if len(elements) <= correction:
        return np.full_like(elements, np.nan)
    return 2 * (elements - np.mean(elements)) / (len(elements) - correction)


def std(elements, correction=0):
    return np.sqrt(var(elements, correction))


def std_gradient(elements, correction=0):
    """0 where the standard deviation is 0."""
    spread = std(elements, correction)
    if spread == 0:
        return np.zeros_like(elements)
    return var_gradient(elements, correction) / (2 * spread)
