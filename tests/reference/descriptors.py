"""Pools of tokens and of places: each result a plain function of a matrix with a row for each token."""

import itertools

import numpy as np

from tests.reference.arrays import averaged, rounded


def soft_argmax_pool(inputs, axis=None, *, temperature=1.0, normalized=True, where=None, dtype=None):
    """The mean of the places, each with the exponential of its element, 0 where there is none."""
    inputs, dtype = averaged(inputs, dtype)
    axes = _axes(axis, inputs.ndim)
    lengths = [inputs.shape[d] for d in axes]
    steps = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in lengths]
    steps = steps if normalized else [np.arange(n) for n in lengths]
    places = np.array(list(itertools.product(*steps)))

    def expected(elements, takes_part):
        elements, found = elements[takes_part] / temperature, places[takes_part]
        if not len(elements) or np.max(elements) == -np.inf:
            return np.zeros(len(axes))
        weights = np.exp(elements - np.max(elements))
        return sum(w * place for w, place in zip(weights, found, strict=True)) / np.sum(weights)

    others = [d for d in range(inputs.ndim) if d not in axes]
    mask = np.broadcast_to(True if where is None else where, inputs.shape)
    lines, masks = (
        np.transpose(a, [*others, *axes]).reshape(*[a.shape[d] for d in others], -1) for a in (inputs, mask)
    )
    results = np.zeros((*lines.shape[:-1], len(axes)))
    for place in np.ndindex(lines.shape[:-1]):
        results[place] = expected(lines[place], masks[place])
    return rounded(results, dtype)


def covariance_pool(inputs, axis=None, *, power="sqrt", iterations=5, where=None, dtype=None):
    """The covariance of the columns, or so many iterations towards its square root."""

    def pool(tokens):
        channels = tokens.shape[1]
        if not len(tokens):
            return np.zeros((channels, channels))
        centered = tokens - np.mean(tokens, 0)
        matrix = sum(np.outer(row, row) for row in centered) / len(tokens)
        if power is None or np.trace(matrix) == 0:
            return matrix
        y, z = matrix / np.trace(matrix), np.eye(channels)
        for _ in range(iterations):
            y, z = y @ (3 * np.eye(channels) - z @ y) / 2, (3 * np.eye(channels) - z @ y) @ z / 2
        return np.sqrt(np.trace(matrix)) * y

    return _of_tokens(pool, axis, where, dtype, inputs)


def bilinear_pool(inputs, others=None, axis=None, *, where=None, dtype=None):
    """The mean of outer products."""
    return _of_tokens(_mean_outer, axis, where, dtype, inputs, inputs if others is None else others)


def compact_bilinear_pool(
    inputs, out_features, others=None, axis=None, *, sketches=0, where=None, dtype=None
):
    """The mean of circular convolutions of the rows' sketches."""
    other = inputs if others is None else others
    first, second = np.shape(inputs)[-1], np.shape(other)[-1]
    if isinstance(sketches, int):
        random = np.random.RandomState(sketches)
        buckets = random.randint(out_features, size=first + second)
        signs = 2 * random.randint(2, size=first + second) - 1
    else:
        buckets, signs = map(np.asarray, sketches)

    def sketch(row, buckets, signs):
        result = np.zeros(out_features)
        for value, bucket, sign in zip(row, buckets, signs, strict=True):
            result[bucket] += sign * value
        return result

    def pool(rows, others):
        total = np.zeros(out_features)
        for row, other in zip(rows, others, strict=True):
            one, two = (
                sketch(row, buckets[:first], signs[:first]),
                sketch(other, buckets[first:], signs[first:]),
            )
            total += [sum(one[i] * two[f - i] for i in range(out_features)) for f in range(out_features)]
        return total / max(len(rows), 1)

    return _of_tokens(pool, axis, where, dtype, inputs, other)


def netvlad_pool(inputs, centers, kernel, bias=None, axis=None, *, where=None, dtype=None):
    """Residuals from each center, by the softmax of each row's logits."""
    centers, kernel = (np.asarray(array, float) for array in (centers, kernel))
    bias = np.zeros(len(centers)) if bias is None else np.asarray(bias, float)

    def pool(tokens):
        residuals = np.zeros(centers.shape)
        for token in tokens:
            logits = [token @ kernel[:, k] + bias[k] for k in range(len(centers))]
            weights = np.exp(logits - np.max(logits))
            for k, center in enumerate(centers):
                residuals[k] += weights[k] / np.sum(weights) * (token - center)
        residuals = np.array([_unit(row) for row in residuals])
        return _unit(residuals)

    return _of_tokens(pool, axis, where, dtype, inputs)


def sim_pool(
    inputs,
    scale,
    bias,
    query_kernel,
    key_kernel,
    query_bias=0,
    axis=None,
    *,
    gamma=None,
    where=None,
    dtype=None,
):
    """Averages of normalised rows, by how much their mean's query has in common with their keys."""
    heads, size = np.shape(query_kernel)[1:]

    def pool(tokens):
        result = np.zeros((heads, size))
        if len(tokens):
            normal = [(row - row.mean()) / np.sqrt(row.var() + 1e-5) * scale + bias for row in tokens]
            for head in range(heads):
                query = (
                    tokens.mean(0) @ query_kernel[:, head] + np.broadcast_to(query_bias, (heads, size))[head]
                )
                logits = np.array([row @ key_kernel[:, head] @ query / np.sqrt(size) for row in normal])
                weights = np.exp(logits - logits.max()) / np.sum(np.exp(logits - logits.max()))
                values = np.array(normal)[:, head * size : (head + 1) * size]
                if gamma is None:
                    result[head] = weights @ values
                else:
                    result[head] = (weights @ (values - values.min(0) + 1e-6) ** gamma) ** (1 / gamma)
        return result.ravel()

    return _of_tokens(pool, axis, where, dtype, inputs)


def _mean_outer(rows, others):
    products = [np.outer(row, other) for row, other in zip(rows, others, strict=True)]
    return sum(products, np.zeros((rows.shape[1], others.shape[1]))) / max(len(rows), 1)


def _unit(array):
    return array / max(np.sqrt(np.sum(array**2)), 1e-12)


def _axes(axis, ndim):
    return list(range(1, ndim - 1)) if axis is None else sorted(int(a) % ndim for a in np.ravel(axis))


def _of_tokens(function, axis, where, dtype, *arrays):
    """`function(*matrices)` for each place, with a row for each token that takes part."""
    inputs, dtype = averaged(arrays[0], dtype)
    arrays = [inputs, *(np.asarray(array).astype(float) for array in arrays[1:])]
    axes = _axes(axis, inputs.ndim)
    others = [d for d in range(inputs.ndim - 1) if d not in axes]
    shape = [inputs.shape[d] for d in others]

    def matrices(array):
        return np.transpose(array, [*others, *axes, -1]).reshape(*shape, -1, array.shape[-1])

    mask = np.broadcast_to(True if where is None else where, (*inputs.shape[:-1], 1))
    *matrices_of, masks = map(matrices, [*arrays, mask])
    with np.errstate(all="ignore"):  # infinities and NaN are values like others
        results = [
            function(*(tokens[place][masks[place][:, 0]] for tokens in matrices_of))
            for place in np.ndindex(*shape)
        ]
    return rounded(np.reshape(results, (*shape, *np.shape(results[0]))), dtype)
