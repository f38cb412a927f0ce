"""The groups of global pools of sequences, and of those by statistics."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from tests import reference
from tests.functions import Function, Group, linear

# Padding at the end, at the start, with a hole, and nothing else.
_PADDED = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1], [0] * 5], bool)[..., None]

_OF_CHANNELS = np.random.RandomState(0).rand(2, 3, 4) > 0.4


def wide(inputs):
    """In which both frameworks work out what is beside the inputs."""
    if isinstance(inputs, jax.Array):
        return inputs.astype(max(inputs.dtype, np.dtype(np.float32), key=lambda dtype: dtype.itemsize))
    return np.asarray(inputs, np.float64)


def bound(name, *arguments, **options):
    """A function of inputs of the package, and of the oracle."""
    return [
        lambda inputs, package=package: getattr(package, name)(inputs, *arguments, **options)
        for package in (jaxpool, reference)
    ]


def _linear(name, *arguments, result="mean", special=True, **options):
    return linear(name, *bound(name, *arguments, **options), result=result, special=special)


def _of_elements(name, *arguments, oracle=None, **options):
    oracle, more = oracle or (name, {})
    settings = options | more
    return Function(
        f"global_{name}_pool",
        lambda inputs: getattr(jaxpool, f"global_{name}_pool")(inputs, *arguments, **options),
        lambda inputs: reference.global_of_elements(oracle, inputs, **settings),
        lambda inputs, tangent: reference.global_of_elements_jvp(oracle, inputs, tangent, **settings),
    )


def _topk(k, **options):
    return Function(
        "global_topk_pool",
        *bound("global_topk_pool", k, **options),
        lambda inputs, tangent: reference.global_topk_jvp(inputs, tangent, k, **options),
        result="same",
        special=True,
    )


def beside(name, make, **options):
    """A pool of inputs and an array that is made from them, so that derivatives are checked in both."""

    def bound(package, xp):
        return lambda inputs: getattr(package, name)(inputs, make(wide(inputs), xp), **options)

    return Function(name, bound(jaxpool, jnp), bound(reference, np))


def _weights(wide, xp):
    return 1.5 + xp.cos(wide[..., :1])


def _logits(wide, xp):
    return 2 * xp.sin(wide)


_quantile = functools.partial(_of_elements, "quantile", 0.3, oracle=("quantile", {"q": 0.3}))
_median = functools.partial(_of_elements, "median", oracle=("quantile", {"q": 0.5}))

SEQUENCES = (
    Group(
        "sequence 1d",
        (4, 5, 2),
        (
            _linear("global_first_pool", where=_PADDED, result="same"),
            _linear("global_last_pool", where=_PADDED, result="same"),
            _topk(2, where=_PADDED),
            _linear("global_weighted_avg_pool", np.float32([[0], [1], [2], [3], [4]]), where=_PADDED),
            _linear("global_sqrt_n_pool", where=_PADDED),
            _linear("global_rank_pool", where=_PADDED, special=False),
        ),
    ),
    Group(
        "sequence of other axes",
        (2, 3, 4),
        (
            _linear("global_first_pool", axis=-1, keepdims=True, result="same"),
            _linear("global_last_pool", axis=2, where=_OF_CHANNELS, result="same"),
            _topk(2, axis=0, where=_OF_CHANNELS),
            _topk(5),
            beside("global_weighted_avg_pool", _weights, axis=(1, 0), where=_OF_CHANNELS),
            _linear("global_sqrt_n_pool", keepdims=True),
            _linear("global_rank_pool", axis=2, keepdims=True, special=False),
        ),
    ),
    Group(
        "statistics 1d",
        (4, 5, 2),
        (
            _of_elements("std", correction=1, where=_PADDED),
            _of_elements("soft", temperature=0.7, where=_PADDED),
            beside("attentive_statistics_pool", _logits, where=_PADDED),
        ),
    ),
    Group(
        "statistics 2d",
        (2, 3, 2, 2),
        (
            _of_elements("var", axis=(-1, 1), keepdims=True),
            Function("statistics_pool", *bound("statistics_pool", (1, 2))),
        ),
    ),
    Group("quantiles 1d", (4, 5, 2), (_quantile(where=_PADDED),)),
    Group("quantiles 2d", (2, 3, 2, 2), (_median(axis=(2, 0), keepdims=True),)),
)
