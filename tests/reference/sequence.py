"""Global pools of lines: each result a plain function of the elements that take part and what is beside them.

Beside a function of elements is its gradient, as in `statistics` and `smooth`.
"""

import numpy as np

from tests.reference.arrays import averaged, inexact_dtype, rounded, wide_dtype
from tests.reference.smooth import soft, soft_gradient
from tests.reference.statistics import quantile, quantile_gradient, std, std_gradient, var, var_gradient
from tests.reference.windows import lowest

# The functions of elements, and their gradients.
_OF_ELEMENTS = {
    "var": (var, var_gradient),
    "std": (std, std_gradient),
    "quantile": (quantile, quantile_gradient),
    "soft": (soft, soft_gradient),
}


def global_of_elements(name, inputs, axis=None, *, where=None, keepdims=False, dtype=None, **settings):
    """One of the pools by the elements alone: `var`, `std`, `quantile` or `soft`."""
    inputs, dtype = averaged(inputs, dtype)
    results = _each(lambda x: _OF_ELEMENTS[name][0](x, **settings), (inputs,), axis, where, keepdims)
    return rounded(results, dtype)


def global_of_elements_jvp(name, inputs, tangent, axis=None, *, where=None, keepdims=False, **settings):
    """The tangent of `global_of_elements`."""

    def along(elements, directions):
        return np.sum(_OF_ELEMENTS[name][1](elements, **settings) * directions)

    arrays = [array.astype(inexact_dtype(array.dtype)) for array in (inputs, tangent)]
    return rounded(_each(along, arrays, axis, where, keepdims), inputs.dtype)


def global_first_pool(inputs, axis=1, *, where=None, keepdims=False):
    """The first element that `where` keeps, 0 where there is none."""
    return _end(lambda elements: elements[:1], inputs, axis, where, keepdims)


def global_last_pool(inputs, axis=1, *, where=None, keepdims=False):
    """The last element that `where` keeps, 0 where there is none."""
    return _end(lambda elements: elements[-1:], inputs, axis, where, keepdims)


def global_topk_pool(inputs, k, axis=1, *, where=None):
    """The `k` largest elements in the order in which they stand, the lowest value where there are none."""
    return _by_position(inputs, inputs, k, axis, where, lowest(inputs.dtype))


def global_topk_jvp(inputs, tangent, k, axis=1, *, where=None):
    """The tangents of the `k` largest elements, 0 where there are none."""
    return _by_position(inputs, tangent, k, axis, where, 0)


def global_weighted_avg_pool(inputs, weights, axis=None, *, where=None, keepdims=False, dtype=None):
    """The sum of elements times weights over that of the weights, 0 where that is 0."""

    def average(elements, shares):
        total = np.sum(shares)
        return 0 if total == 0 else np.sum(elements * shares) / total

    inputs, dtype = averaged(inputs, dtype)
    return rounded(_each(average, (inputs, np.asarray(weights, float)), axis, where, keepdims), dtype)


def global_sqrt_n_pool(inputs, axis=None, *, where=None, keepdims=False, dtype=None):
    """The sum over the root of the number of elements, 0 where there is none."""
    inputs, dtype = averaged(inputs, dtype)

    def scaled(elements):
        return np.sum(elements) / max(len(elements), 1) ** 0.5

    return rounded(_each(scaled, (inputs,), axis, where, keepdims), dtype)


def global_rank_pool(inputs, axis=1, *, where=None, keepdims=False, dtype=None):
    """One step of a linear ranker's gradient from 0, on the averages of the first elements."""
    inputs, dtype = averaged(inputs, dtype)

    def pairs(elements):
        averages = [np.mean(elements[: t + 1]) for t in range(len(elements))]
        return sum(later - earlier for t, later in enumerate(averages) for earlier in averages[:t])

    return rounded(_each(pairs, (inputs,), axis, where, keepdims), dtype)


def statistics_pool(inputs, axis=1, *, where=None, dtype=None):
    """Means, then standard deviations, 0 where there is no element."""
    return attentive_statistics_pool(inputs, np.zeros(np.shape(inputs)), axis, where=where, dtype=dtype)


def attentive_statistics_pool(inputs, logits, axis=1, *, where=None, dtype=None):
    """The same, weighted by the softmax of the logits."""

    def moments(elements, importances):
        if len(elements) == 0:
            return [0, 0]
        weights = np.exp(importances - np.max(importances))
        weights /= np.sum(weights)
        mean = np.sum(weights * elements)
        return [mean, np.sqrt(np.sum(weights * (elements - mean) ** 2))]

    inputs, dtype = averaged(inputs, dtype)
    both = _each(moments, (inputs, np.asarray(logits, float)), axis, where, False)
    return rounded(np.concatenate([both[..., 0], both[..., 1]], -1), dtype)


def _end(part, inputs, axis, where, keepdims):
    inputs = np.asarray(inputs)

    def element(elements):
        return [*part(elements), 0][0]

    return _each(element, (inputs,), axis, where, keepdims, inputs.dtype)


def _by_position(inputs, values, k, axis, where, otherwise):
    def largest(elements, beside):
        ranks = sorted(
            range(len(elements)), key=lambda i: (0, 0) if np.isnan(elements[i]) else (1, -elements[i])
        )
        found = [beside[i] for i in sorted(ranks[:k])]
        return [*found, *[otherwise] * (k - len(found))]

    wide = np.asarray(inputs).astype(wide_dtype(inputs.dtype))
    wide = wide if wide.dtype.kind == "f" else wide.astype(object)  # whose negatives are not unsigned
    results = _each(largest, (wide, np.asarray(values)), axis, where, False, values.dtype)
    return np.moveaxis(results, -1, axis)


def _each(function, arrays, axis, where, keepdims, dtype=None):
    """`function(*elements)` for each line, of those that `where` keeps; what it returns comes last."""
    shape = np.shape(arrays[0])
    axes = list(range(1, len(shape) - 1)) if axis is None else [int(a) % len(shape) for a in np.ravel(axis)]
    axes = sorted(axes)
    others = [n for d, n in enumerate(shape) if d not in axes]
    last = range(len(others), len(shape))
    lines = [
        np.moveaxis(np.broadcast_to(array, shape), axes, last).reshape(*others, -1)
        for array in (True if where is None else where, *arrays)
    ]
    with np.errstate(all="ignore"):  # infinities and NaN are values like others
        results = [
            function(*(line[place][lines[0][place]] for line in lines[1:])) for place in np.ndindex(*others)
        ]
    results = np.array(results, dtype)
    results = results.reshape(*others, *results.shape[1:])
    return np.expand_dims(results, tuple(axes)) if keepdims else results
