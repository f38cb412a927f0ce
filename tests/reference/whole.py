"""Global pools: one window, the whole of some axes."""

import numpy as np

from tests.reference.arrays import averaged, product, summed
from tests.reference.layout import Layout, reduce_windows, row_count, select_windows
from tests.reference.smooth import logsumexp, lp
from tests.reference.windows import highest, lowest, total


def global_max_pool(inputs, axis=None, **options):
    """The largest element that `where` keeps, the lowest value where there is none."""
    return _select(np.argmax, lowest(np.asarray(inputs).dtype), inputs, axis, **options)


def global_min_pool(inputs, axis=None, **options):
    """The smallest element that `where` keeps, the highest value where there is none."""
    return _select(np.argmin, highest(np.asarray(inputs).dtype), inputs, axis, **options)


def global_sum_pool(inputs, axis=None, *, dtype=None, **options):
    """The sum; small integers and bools widen."""
    inputs = summed(inputs)
    return _reduce(total, inputs, inputs.dtype if dtype is None else dtype, axis, **options)


def global_avg_pool(inputs, axis=None, *, dtype=None, **options):
    """The sum divided by the number of elements that `where` keeps, 0 where there is none."""
    return _reduce(
        lambda elements: total(elements) / max(len(elements), 1), *averaged(inputs, dtype), axis, **options
    )


def global_lp_pool(inputs, axis=None, *, p=2.0, dtype=None, **options):
    """The p-norm."""
    return _reduce(lambda elements: lp(elements, p), *averaged(inputs, dtype), axis, **options)


def global_logsumexp_pool(inputs, axis=None, *, temperature=1.0, mean=False, dtype=None, **options):
    """`T log(sum(exp(x / T)))`, or of the mean."""

    def function(elements):
        return logsumexp(elements, temperature, mean)

    return _reduce(function, *averaged(inputs, dtype), axis, **options)


def global_of_integers(function, inputs, axis, **options):
    """A function of the elements that `where` keeps, all of int64."""
    return _reduce(function, np.asarray(inputs, np.int64), np.int64, axis, **options)


def _reduce(function, inputs, dtype, axis, *, where=None, keepdims=False):
    axes = _axes(axis, inputs.ndim)
    moved, mask = _with_last(axes, inputs, where)
    result = reduce_windows(function, moved, _layout(moved.shape, len(axes)), dtype=dtype, where=mask)
    return _restored(result, axes, keepdims)


def _select(choose, identity, inputs, axis, *, where=None, keepdims=False):
    inputs = np.asarray(inputs)
    axes = _axes(axis, inputs.ndim)
    moved, mask = _with_last(axes, inputs, where)
    result, _ = select_windows(choose, identity, moved, _layout(moved.shape, len(axes)), where=mask)
    return _restored(result, axes, keepdims)


def _axes(axis, ndim):
    """`axis` as ascending numbers from 0; by default all axes but the first and the last."""
    if axis is None:
        return list(range(1, ndim - 1))
    axes = [axis] if np.ndim(axis) == 0 else axis
    return sorted(int(at) % ndim for at in axes)


def _with_last(axes, inputs, where):
    """Inputs and mask with the reduced axes after all others."""
    mask = np.broadcast_to(True if where is None else where, inputs.shape)
    last = range(inputs.ndim - len(axes), inputs.ndim)
    return np.moveaxis(inputs, axes, last), np.moveaxis(mask, axes, last)


def _layout(shape, rank):
    others, reduced = shape[: len(shape) - rank], shape[len(shape) - rank :]
    window = list(range(product(reduced)))
    return Layout([[window]] * row_count(shape, rank, None), (*others, *[1] * rank), rank, None)


def _restored(result, axes, keepdims):
    """Without the reduced axes, or with them in their place."""
    others = result.reshape(result.shape[: result.ndim - len(axes)])
    return np.expand_dims(others, tuple(axes)) if keepdims else others
