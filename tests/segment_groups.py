"""The groups of pools of segments."""

import functools

import jax.numpy as jnp
import numpy as np

import jaxpool
from tests import reference
from tests.functions import Function, Group, linear
from tests.sequence_groups import wide

# Some ids are of no segment, one segment is empty, one has a single element.
_IDS, _NUMBER = np.array([2, 0, -1, 2, 0, 4, 2, 7, 0]), 5
_SORTED = np.sort(_IDS)
_SPLITS, _SPLIT_IDS = np.array([1, 4, 4, 8]), np.array([-1, 0, 0, 0, 2, 2, 2, 2, 3])
_MASK = np.random.RandomState(0).rand(9, 2) > 0.3
_OF_ROWS = np.array([1, 1, 0, 1, 1, 0, 1, 1, 1], bool)
_KEYS = np.array([3.0, 1.0, 2.0, np.nan, 1.0, 5.0, 3.0, 0.0, -2.0], np.float32)


def _bound(name, ids, number, oracle=None, **options):
    """A pool of this package and of the oracle, which knows no splits."""
    theirs = {key: value for key, value in options.items() if key not in ("indices_are_sorted", "row_splits")}
    if "row_splits" in options:
        ours = functools.partial(getattr(jaxpool, name), **options)
    else:
        ours = functools.partial(getattr(jaxpool, name), segment_ids=ids, num_segments=number, **options)
    expected = functools.partial(oracle or getattr(reference, name), ids=ids, number=number, **theirs)
    return ours, expected


def _linear(name, *arguments, result="mean", **options):
    return linear(name, *_bound(name, *arguments, **options), result=result)


def _curved(name, *arguments, **options):
    return Function(name, *_bound(name, *arguments, **options))


def _extreme(order, ids, number, **options):
    name = f"segment_{order}_pool"
    with_index = functools.partial(reference.segment_extreme, order)
    ours, expected = _bound(name, ids, number, with_index, **options)
    _, jvp = _bound(name, ids, number, functools.partial(reference.segment_extreme_jvp, order), **options)
    return Function(
        name,
        ours,
        lambda inputs: expected(inputs=inputs)[0],
        lambda inputs, tangent: jvp(inputs=inputs, tangent=tangent),
        result="same",
        special=True,
        indexed=(
            functools.partial(ours, return_indices=True),
            lambda inputs: expected(inputs=inputs),
        ),
    )


def _attention(ids, number, **options):
    """With logits of the inputs, so that derivatives are checked in both."""

    def bound(package, xp, **names):
        pool = functools.partial(package.segment_attention_pool, **names, **options)
        return lambda inputs: pool(inputs, 2 * xp.sin(wide(inputs)))

    return Function(
        "segment_attention_pool",
        bound(jaxpool, jnp, segment_ids=ids, num_segments=number),
        bound(reference, np, ids=ids, number=number),
    )


def _topk(ids, number, **options):
    ours, expected = _bound("segment_topk_pool", ids, number, **options)
    return linear("segment_topk_pool", ours, lambda inputs: expected(inputs), takes_complex=False)


SEGMENTS = (
    Group(
        "segments 1d",
        (9, 2),
        (
            _linear("segment_sum_pool", _IDS, _NUMBER, where=_MASK, result="segment sum"),
            _linear("segment_avg_pool", _IDS, _NUMBER, where=_MASK),
            _extreme("max", _IDS, _NUMBER, where=_MASK),
            _extreme("min", _SORTED, _NUMBER, indices_are_sorted=True),
            _curved("segment_lp_pool", _IDS, _NUMBER, where=_OF_ROWS[:, None], p=3.0),
            _curved("segment_logsumexp_pool", _SORTED, _NUMBER, temperature=0.8, mean=True),
            _curved("segment_std_pool", _IDS, _NUMBER, where=_OF_ROWS[:, None], correction=0),
            _curved("segment_softmax", _IDS, _NUMBER, temperature=1.3, where=_MASK),
            _attention(_IDS, _NUMBER, where=_OF_ROWS[:, None]),
            _topk(_IDS, _NUMBER, k=2, keys=_KEYS),
        ),
    ),
    Group(
        "segments of an axis",
        (2, 9, 3),
        (
            _linear("segment_sum_pool", _SPLIT_IDS, 3, row_splits=_SPLITS, axis=1, result="segment sum"),
            _linear("segment_avg_pool", _SORTED, _NUMBER, axis=-2, indices_are_sorted=True),
            _extreme("max", _SPLIT_IDS, 3, row_splits=_SPLITS, axis=1),
            _extreme("min", _IDS, _NUMBER, axis=1, where=_OF_ROWS[:, None]),
            _curved("segment_var_pool", _SPLIT_IDS, 3, row_splits=_SPLITS, axis=1, correction=1),
            _curved("segment_lp_pool", _IDS, _NUMBER, axis=1),
            _topk(_SORTED, _NUMBER, k=3, keys=_KEYS, axis=1),
        ),
    ),
)
