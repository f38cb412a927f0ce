"""Pools of segments, one segment and one channel after the other."""

import math

import numpy as np


def _members(inputs, ids, number, where, axis):
    """The inputs with the axis first, and for each segment and channel the rows that take part."""
    rows = np.moveaxis(inputs, axis, 0)
    valid = np.moveaxis(np.broadcast_to(True if where is None else where, inputs.shape), axis, 0)
    places = [
        (segment, channel, [i for i, s in enumerate(ids) if s == segment and valid[(i, *channel)]])
        for segment in range(number)
        for channel in np.ndindex(rows.shape[1:])
    ]
    return rows, places


def _pool(function, inputs, ids, number, where, axis):
    rows, places = _members(_wide(inputs), ids, number, where, axis)
    results = np.zeros((number, *rows.shape[1:]), rows.dtype)
    with np.errstate(invalid="ignore"):
        for segment, channel, members in places:
            results[(segment, *channel)] = function([rows[(i, *channel)] for i in members])
    return _of_dtype(np.moveaxis(results, 0, axis), inputs)


def _wide(inputs):
    return inputs.astype(np.result_type(inputs.dtype, np.float64))


def _of_dtype(results, inputs):
    return results if inputs.dtype.kind in "bui" else results.astype(inputs.dtype)


def segment_sum_pool(inputs, ids, number, where=None, axis=0):
    """The sum of each segment; integers wrap around in their own dtype."""
    sums = _pool(sum, inputs, ids, number, where, axis)
    return sums.astype(np.int64).astype(inputs.dtype) if inputs.dtype.kind in "ui" else sums


def segment_avg_pool(inputs, ids, number, where=None, axis=0):
    return _pool(lambda x: sum(x) / len(x) if x else 0, inputs, ids, number, where, axis)


def segment_lp_pool(inputs, ids, number, where=None, axis=0, p=2.0):
    def norm(x):
        return (
            max([abs(e) for e in x], default=0) if p == math.inf else sum(abs(e) ** p for e in x) ** (1 / p)
        )

    return _pool(norm, inputs, ids, number, where, axis)


def segment_logsumexp_pool(inputs, ids, number, where=None, axis=0, temperature=1.0, mean=False):
    def smooth(x):
        total = sum(math.exp(e / temperature) for e in x)
        return temperature * math.log(total / (len(x) if mean else 1)) if total else -math.inf

    return _pool(smooth, inputs, ids, number, where, axis)


def segment_var_pool(inputs, ids, number, where=None, axis=0, correction=0):
    def variance(x):
        mean = sum(x) / max(len(x), 1)
        return sum((e - mean) ** 2 for e in x) / (len(x) - correction) if x else 0

    return _pool(variance, inputs, ids, number, where, axis)


def segment_std_pool(inputs, ids, number, where=None, axis=0, correction=0):
    return np.sqrt(segment_var_pool(inputs, ids, number, where, axis, correction))


def segment_extreme(order, inputs, ids, number, where=None, axis=0):
    """The first elements in an order and where they are, -1 where there are none."""
    rows, places = _members(inputs, ids, number, where, axis)
    lowest = _lowest(order, inputs.dtype)
    values = np.full((number, *rows.shape[1:]), lowest, inputs.dtype)
    indices = np.full(values.shape, -1)
    for segment, channel, members in places:
        for i in members:
            best, element = values[(segment, *channel)], rows[(i, *channel)]
            better = element > best if order == "max" else element < best
            if indices[(segment, *channel)] < 0 or better or (element != element and best == best):
                values[(segment, *channel)], indices[(segment, *channel)] = element, i
    return np.moveaxis(values, 0, axis), np.moveaxis(indices, 0, axis)


def segment_extreme_jvp(order, inputs, tangent, ids, number, where=None, axis=0):
    _, indices = segment_extreme(order, inputs, ids, number, where, axis)
    return np.where(indices < 0, 0, np.take_along_axis(tangent, np.maximum(indices, 0), axis))


def _lowest(order, dtype):
    if dtype == np.bool_:
        return order == "min"
    if np.issubdtype(dtype, np.integer):
        return np.iinfo(dtype).min if order == "max" else np.iinfo(dtype).max
    return -np.inf if order == "max" else np.inf


def segment_softmax(inputs, ids, number, where=None, axis=0, temperature=1.0):
    rows, places = _members(_wide(inputs), ids, number, where, axis)
    weights = np.zeros(rows.shape)
    for _, channel, members in places:
        powers = [math.exp(rows[(i, *channel)] / temperature) for i in members]
        for i, power in zip(members, powers, strict=True):
            weights[(i, *channel)] = power / sum(powers)
    return _of_dtype(np.moveaxis(weights, 0, axis), inputs)


def segment_attention_pool(inputs, logits, ids, number, where=None, axis=0):
    weights = segment_softmax(np.broadcast_to(_wide(logits), inputs.shape), ids, number, where, axis)
    weighted = np.where(weights == 0, 0, _wide(inputs)) * weights
    return _of_dtype(segment_sum_pool(weighted, ids, number, None, axis), inputs)


def segment_topk_pool(inputs, ids, number, k, keys, where=None, axis=0):
    rows = np.moveaxis(inputs, axis, 0)
    results = np.zeros((number, k, *rows.shape[1:]), inputs.dtype)
    for segment in range(number):
        members = [i for i, s in enumerate(ids) if s == segment and (where is None or where[i])]
        members.sort(key=lambda i: -math.inf if np.isnan(keys[i]) else -keys[i])
        for rank, i in enumerate(members[:k]):
            results[segment, rank] = rows[i]
    return np.moveaxis(results, (0, 1), (axis, axis + 1))
