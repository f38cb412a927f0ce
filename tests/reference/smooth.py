"""Norms, log-sum-exp, soft and stochastic pools, each a plain function of the elements of one window.

Beside each function is its gradient, of the same arguments. Results are computed in float64 and rounded to
`dtype`, by default that of the input; for integers and bools the caller says which.
"""

import numpy as np

from tests.reference.arrays import averaged
from tests.reference.layout import each_window, reduce_windows, regular


def lp_pool(inputs, *arguments, p=2.0, dtype=None, **options):
    """The p-norm of each window, 0 where it has no element."""
    return _pool(lambda elements: lp(elements, p), inputs, *arguments, dtype=dtype, **options)


def logsumexp_pool(inputs, *arguments, temperature=1.0, mean=False, dtype=None, **options):
    """`T log(sum(exp(x / T)))` of each window, or of the mean; minus infinity where it has no element."""
    return _pool(
        lambda elements: logsumexp(elements, temperature, mean), inputs, *arguments, dtype=dtype, **options
    )


def soft_pool(inputs, *arguments, temperature=1.0, dtype=None, **options):
    """The average of each window weighted by `exp(x / T)`, 0 where it has no element."""
    return _pool(lambda elements: soft(elements, temperature), inputs, *arguments, dtype=dtype, **options)


def stochastic_pool_expectation(inputs, *arguments, dtype=None, **options):
    """The average of each window weighted by `relu(x)`, 0 where no element is positive."""
    return _pool(stochastic_expectation, inputs, *arguments, dtype=dtype, **options)


def stochastic_choices(inputs, *arguments, **options):
    """With which probability each window picks each flat position: `(*output shape, positions)`.

    All 0 where a window has no positive element.
    """
    inputs = np.asarray(inputs).astype(np.float64)
    layout = regular(inputs.shape, *arguments, **options)
    rows = layout.rows(inputs)
    chances = np.zeros((rows.shape[1], *layout.empty(np.float64).shape))
    for place, positions in each_window(layout, inputs.shape):
        chances[positions, *place] = probabilities(rows[place[0], positions])
    return np.stack([layout.results(chance, np.float64) for chance in chances], axis=-1)


def _pool(function, inputs, *arguments, dtype, where=None, **options):
    inputs, dtype = averaged(inputs, dtype)
    layout = regular(inputs.shape, *arguments, **options)
    return reduce_windows(function, inputs, layout, dtype=dtype, where=where)


def lp(elements, p=2.0):
    largest = np.max(np.abs(elements), initial=0.0)
    if p == np.inf or largest == 0 or not np.isfinite(largest):
        return largest
    return largest * np.sum((np.abs(elements) / largest) ** p) ** (1 / p)


def lp_gradient(elements, p=2.0):
    """0 for the norm 0 and for an element 0; that of the largest norm goes to the first of equals."""
    norm = lp(elements, p)
    gradient = np.zeros_like(elements)
    if norm == 0:
        return gradient
    if p == np.inf:
        first = np.argmax(np.abs(elements))
        gradient[first] = np.sign(elements[first])
        return gradient
    nonzero = elements != 0
    gradient[nonzero] = np.sign(elements[nonzero]) * (np.abs(elements[nonzero]) / norm) ** (p - 1)
    return gradient


def logsumexp(elements, temperature=1.0, mean=False):
    largest = np.max(elements, initial=-np.inf)
    if not np.isfinite(largest):
        return largest
    summed = np.sum(np.exp((elements - largest) / temperature))
    return largest + temperature * np.log(summed / len(elements) if mean else summed)


def logsumexp_gradient(elements, temperature=1.0, mean=False):
    """The softmax, with or without `mean`; 0 where all elements are minus infinity."""
    largest = np.max(elements, initial=-np.inf)
    if largest == -np.inf:
        return np.zeros_like(elements)
    weights = np.exp((elements - largest) / temperature)
    return weights / np.sum(weights)


def soft(elements, temperature=1.0):
    largest = np.max(elements, initial=-np.inf)
    if len(elements) == 0:
        return 0.0
    if not np.isfinite(largest):
        return largest
    present = elements[elements > -np.inf]  # x exp(x) has the limit 0, where the product of both is NaN
    return np.sum(present * logsumexp_gradient(present, temperature))


def soft_gradient(elements, temperature=1.0):
    """0 for elements that are minus infinity."""
    gradient = np.zeros_like(elements)
    present = ~(elements == -np.inf)
    weights = logsumexp_gradient(elements[present], temperature)
    distance = elements[present] - soft(elements, temperature)
    gradient[present] = weights * (1 + distance / temperature)
    return gradient


def probabilities(elements):
    """Proportional to the positive parts of the elements; all 0 where these are."""
    positive = np.maximum(elements, 0)
    total = np.sum(positive)
    return positive if total == 0 else positive / total


def stochastic_expectation(elements):
    return np.sum(probabilities(elements) * np.maximum(elements, 0))


def stochastic_gradient(elements):
    """0 for elements that are not positive."""
    total = np.sum(np.maximum(elements, 0))
    if total == 0:
        return np.zeros_like(elements)
    return np.where(elements > 0, (2 * elements - stochastic_expectation(elements)) / total, 0.0)
