"""Pools with parameters: each a plain function of the elements of one window and of what belongs to them.

Parameters are numbers, or have one entry for each channel. Results are computed in float64.
"""

import numpy as np

from tests.reference.arrays import averaged, product
from tests.reference.geometry import windows
from tests.reference.layout import each_window, regular
from tests.reference.whole import global_avg_pool, global_logsumexp_pool, global_max_pool


def subsample_pool(inputs, coefficient, bias, *arguments, activation=False, dtype=None, **options):
    """LeNet's: the sum times a coefficient plus a bias, under a scaled hyperbolic tangent."""

    def function(elements, taps, others, parameters):
        result = parameters[0] * np.sum(elements) + parameters[1]
        return 1.7159 * np.tanh(2 * result / 3) if activation else result

    return _pool(function, inputs, (), (coefficient, bias), *arguments, dtype=dtype, **options)


def mixed_pool(inputs, alpha, *arguments, dtype=None, **options):
    """So much of the maximum, and the rest of the average; 0 where a window has no element."""

    def function(elements, taps, others, parameters):
        return mixture(elements, parameters[0])

    return _pool(function, inputs, (), (alpha,), *arguments, dtype=dtype, **options)


def gated_pool(inputs, gate, *arguments, dtype=None, **options):
    """The same, in a proportion that the logistic function of a weighted sum decides."""
    gate, rank = np.asarray(gate, np.float64), len(arguments[0])
    weights = gate.reshape(product(gate.shape[:rank]), *gate.shape[rank:])

    def function(elements, taps, others, parameters):
        here = np.array([parameters[tap] for tap in taps])
        return mixture(elements, 1 / (1 + np.exp(-np.sum(here * elements))))

    return _pool(function, inputs, (), tuple(weights), *arguments, dtype=dtype, **options)


def gem_pool(inputs, p, *arguments, eps=1e-6, dtype=None, **options):
    """The generalised mean of what is at least `eps`; 0 where a window has no element."""

    def function(elements, taps, others, parameters):
        if len(elements) == 0:
            return 0.0
        return np.mean(np.maximum(elements, eps) ** parameters[0]) ** (1 / parameters[0])

    return _pool(function, inputs, (), (p,), *arguments, dtype=dtype, **options)


def global_gem_pool(inputs, p, axis=None, *, eps=1e-6, where=None, keepdims=False, dtype=None):
    """By logarithms, with the log-sum-exp of a mean; `p` is a number."""
    inputs, dtype = averaged(inputs, dtype)
    logs = p * np.log(np.maximum(inputs, eps))
    result = np.exp(global_logsumexp_pool(logs, axis, mean=True, where=where, keepdims=keepdims) / p)
    return result.astype(dtype)


def global_lse_pool(inputs, r, axis=None, *, where=None, keepdims=False, dtype=None):
    """The logarithm of the mean of exponentials, over what is multiplied; `r` is a number."""
    inputs, dtype = averaged(inputs, dtype)
    value = global_logsumexp_pool(r * inputs, axis, mean=True, where=where, keepdims=keepdims) / r
    return value.astype(dtype)


def global_mixed_pool(inputs, alpha, axis=None, *, where=None, keepdims=False, dtype=None):
    """So much of the maximum, and the rest of the average; 0 where there is no element."""
    inputs, dtype = averaged(inputs, dtype)
    options = {"axis": axis, "where": where, "keepdims": keepdims}
    largest = global_max_pool(inputs, **options)
    largest = np.where(np.isneginf(largest), 0, largest)
    return (alpha * largest + (1 - alpha) * global_avg_pool(inputs, **options)).astype(dtype)


def detail_preserving_pool(inputs, alpha, lam, *arguments, symmetric=False, dtype=None, **options):
    """The average, weighted by powers of distances from the mean; 0 where a window has no element."""

    def function(elements, taps, others, parameters):
        if len(elements) == 0:
            return 0.0
        distances = elements - np.mean(elements)
        details = distances if symmetric else np.maximum(distances, 0)
        weights = parameters[0] + np.sqrt(details**2 + 1e-3**2) ** parameters[1]
        return np.sum(weights * elements) / np.sum(weights)

    return _pool(function, inputs, (), (alpha, lam), *arguments, dtype=dtype, **options)


def lip_pool(inputs, logits, *arguments, dtype=None, **options):
    """The average, weighted by the exponentials of the logits; 0 where a window has no element."""

    def function(elements, taps, others, parameters):
        (importance,) = others
        if len(elements) == 0:
            return 0.0
        weights = np.exp(importance - np.max(importance))
        return np.sum(weights * elements) / np.sum(weights)

    return _pool(function, inputs, (logits,), (), *arguments, dtype=dtype, **options)


def mixture(elements, share):
    if len(elements) == 0:
        return 0.0
    return share * np.max(elements) + (1 - share) * np.mean(elements)


def _pool(function, inputs, others, parameters, *arguments, dtype, channel_axis=-1, where=None, **options):
    inputs, dtype = averaged(inputs, dtype)
    layout = regular(inputs.shape, *arguments, channel_axis=channel_axis, **options)
    found = windows(inputs.shape, *arguments, channel_axis=channel_axis, **options)
    rows = layout.rows(inputs)
    others = [layout.rows(np.broadcast_to(np.asarray(a, np.float64), inputs.shape)) for a in others]
    channels = 1 if channel_axis is None else inputs.shape[channel_axis]
    parameters = [np.broadcast_to(np.asarray(a, np.float64), (channels,)) for a in parameters]
    results = layout.empty(np.float64)
    for (row, column), positions in each_window(layout, inputs.shape, where):
        kept = set(positions.tolist())
        taps = [tap for tap, position in found[column][0] if position in kept]
        channel = row // (len(rows) // channels)
        here = [a[channel] for a in parameters]
        results[row, column] = function(rows[row, positions], taps, [a[row, positions] for a in others], here)
    return layout.results(results, dtype)
