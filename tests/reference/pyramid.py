"""Pools of several sizes, side by side: the bins of pyramids, interpolation cell by cell, strips."""

import itertools
import math
from fractions import Fraction

import numpy as np

from tests.reference.arrays import averaged
from tests.reference.irregular import adaptive_avg_pool, adaptive_max_pool
from tests.reference.whole import global_avg_pool, global_max_pool
from tests.reference.windows import max_pool


def spatial_pyramid_pool(inputs, levels, *, reduction="max", channel_axis=-1, where=None):
    """For each image the elements of one level after the other, in the order in which they lie."""
    rank = _rank(inputs, levels, channel_axis)
    pooled = [_pooled(inputs, level, rank, reduction, channel_axis, where) for level in levels]
    if channel_axis is not None and channel_axis % inputs.ndim < inputs.ndim - rank - 1:
        pooled = [np.moveaxis(array, channel_axis, -1 - rank) for array in pooled]
    batch = pooled[0].shape[: -rank - (channel_axis is not None)]
    result = np.empty((*batch, sum(math.prod(array.shape[len(batch) :]) for array in pooled)), inputs.dtype)
    for image in np.ndindex(*batch):
        result[image] = list(itertools.chain.from_iterable(array[image].flat for array in pooled))
    return result


def pyramid_pool(inputs, levels, *, resize=True, reduction="avg", channel_axis=-1, where=None):
    """The levels, or the inputs and with them each level interpolated, one after the other along channels."""
    rank = _rank(inputs, levels, channel_axis)
    if not resize:
        return tuple(_pooled(inputs, level, rank, reduction, channel_axis, where) for level in levels)
    wide, dtype = averaged(inputs, None)
    images = [wide]
    for level in levels:
        bins = _pooled(wide, level, rank, reduction, channel_axis, where)
        images.append(_interpolated(bins, wide, rank, channel_axis))
    return np.concatenate(images, channel_axis).astype(dtype)


def _interpolated(bins, like, rank, channel_axis):
    bins, result = np.moveaxis(bins, channel_axis, 0), np.zeros_like(np.moveaxis(like, channel_axis, 0))
    behind = (slice(None),) * (result.ndim - rank)
    axes = zip(bins.shape[-rank:], result.shape[-rank:], strict=True)
    neighbours = [[_neighbours(cell, *lengths) for cell in range(lengths[1])] for lengths in axes]
    for place in np.ndindex(*result.shape[-rank:]):
        of_axes = [of_axis[cell] for of_axis, cell in zip(neighbours, place, strict=True)]
        for pairs in itertools.product(*of_axes):
            weight = float(math.prod(weight for _, weight in pairs))
            with np.errstate(invalid="ignore"):  # infinities of both signs
                result[(*behind, *place)] += weight * bins[(*behind, *[bin for bin, _ in pairs])]
    return np.moveaxis(result, 0, channel_axis)


def _neighbours(cell, bins, cells):
    """The bins between whose centers the center of a cell lies, and what they weigh."""
    center = (Fraction(2 * cell + 1, 2) * bins / cells) - Fraction(1, 2)
    center = min(max(center, Fraction(0)), Fraction(bins - 1))
    low = math.floor(center)
    return [(bin, weight) for bin, weight in ((low, low + 1 - center), (low + 1, center - low)) if weight]


def strip_pool(inputs, *, reduction="avg", channel_axis=-1, where=None):
    """For each spatial axis, the average or maximum of all that lies along the others."""
    spatial = _spatial(inputs, channel_axis)
    pool = {"avg": global_avg_pool, "max": global_max_pool}[reduction]
    return tuple(pool(inputs, [e for e in spatial if e != d], where=where, keepdims=True) for d in spatial)


def fast_pyramid_pool(inputs, window_shape, *, times=3, channel_axis=-1):
    """The inputs, their maxima, the maxima of these, and so on, one after the other along channels."""
    images = [inputs]
    for _ in range(times):
        images.append(max_pool(images[-1], window_shape, None, "SAME", channel_axis=channel_axis)[0])
    return np.concatenate(images, channel_axis)


def _pooled(inputs, level, rank, reduction, channel_axis, where):
    outputs = [level] * rank if isinstance(level, int) else level
    if reduction == "max":
        return adaptive_max_pool(inputs, outputs, channel_axis=channel_axis, where=where)[0]
    return adaptive_avg_pool(inputs, outputs, channel_axis=channel_axis, where=where)


def _rank(inputs, levels, channel_axis):
    ranks = [len(level) for level in levels if not isinstance(level, int)]
    return ranks[0] if ranks else len(_spatial(inputs, channel_axis))


def _spatial(inputs, channel_axis):
    """All axes but that of channels and the first of the others."""
    axes = list(range(inputs.ndim))
    if channel_axis is not None:
        axes.pop(channel_axis)
    return axes[1:]
