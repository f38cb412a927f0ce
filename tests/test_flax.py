"""One import changed, same results; and where they differ on purpose, that Flax does what the table says."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool
from tests.cases import CASES, assert_close, random
from tests.programs import interpret


@pytest.fixture(autouse=True)
def standard_promotion():
    """Flax's pools promote dtypes silently."""
    with jax.numpy_dtype_promotion("standard"):
        yield


SAME = [case for case in CASES if not case.flax]
CRASHES = [case for case in CASES if case.flax and not case.options]


def _pools(package, inputs, case):
    """All that Flax has, as a package computes it."""
    found = [
        getattr(package, name, nn.pooling.min_pool)(inputs, *case.arguments, *settings)
        for name, *settings in (("max_pool",), ("min_pool",), ("avg_pool",), ("avg_pool", False))
    ]
    for init, reduce_fn in ((0.0, jax.lax.add), (1.0, jax.lax.mul), (-np.inf, jax.lax.max)):
        found.append(package.pool(inputs, init, reduce_fn, *case.arguments))
    return found


def _are_the_same(package, other):
    return all(getattr(package, f) is getattr(other, f) for f in ("max_pool", "avg_pool", "pool"))


PACKAGES = [(linen_pool, nn), (nnx_pool, nnx)]
if (
    _are_the_same(linen_pool, nnx_pool)
    and _are_the_same(nn, nnx)
    and linen_pool.min_pool is nnx_pool.min_pool
):
    PACKAGES = PACKAGES[1:]  # which has all of what the other has


@pytest.mark.parametrize(("ours", "theirs"), PACKAGES, ids=lambda package: package.__name__)
@pytest.mark.parametrize("case", SAME, ids=str)
def test_same_results(case, ours, theirs):
    actual, expected = interpret(
        lambda x: (_pools(ours, x, case), _pools(theirs, x, case)), random(case.shape)
    )
    # Where a window has no element, Flax divides zero by zero; the contract says zero.
    expected[:4] = [np.nan_to_num(array, nan=0.0, posinf=np.inf, neginf=-np.inf) for array in expected[:4]]
    for mine, flax_s in zip(actual, expected, strict=True):
        assert_close(mine, flax_s)


@pytest.mark.parametrize("case", SAME, ids=str)
def test_same_gradients_without_ties(case):
    inputs = np.random.RandomState(0).permutation(np.prod(case.shape)).reshape(case.shape).astype(np.float32)

    def gradients(x):
        pools = (nnx_pool.max_pool, nnx.max_pool, nnx_pool.avg_pool, nnx.avg_pool)
        return [
            jax.grad(lambda x, pool=pool: jnp.sum(jnp.sin(pool(x, *case.arguments))))(x) for pool in pools
        ]

    maxima, flax_maxima, averages, flax_averages = interpret(gradients, inputs)
    assert_close(maxima, flax_maxima)
    assert_close(averages, flax_averages)


@pytest.mark.parametrize("case", CRASHES, ids=str)
def test_flax_refuses_what_the_table_says(case):
    with pytest.raises((AssertionError, TypeError, ValueError, KeyError, AttributeError, RuntimeError)):
        nnx.max_pool(random(case.shape), *case.arguments)


def test_flax_loses_precision():
    ones = jnp.ones((1, 64, 64, 1), jnp.bfloat16)
    assert nnx_pool.avg_pool(ones, (64, 64)) == 1
    assert nnx.avg_pool(ones, (64, 64)) != 1
    large = jnp.full((1, 4, 4, 1), 60000, np.float16)
    assert nnx_pool.avg_pool(large, (4, 4)) == 60000
    assert nnx.avg_pool(large, (4, 4)) == np.inf
    bytes_ = jnp.full((1, 2, 2, 1), 100, np.int8)
    assert nnx_pool.avg_pool(bytes_, (2, 2)) == 100
    assert nnx.avg_pool(bytes_, (2, 2)) == -28


def test_flax_returns_nothing_where_no_window_fits():
    inputs = jnp.ones((1, 3, 3, 1))
    assert nnx.max_pool(inputs, (5, 5)).size == 0
    with pytest.raises(ValueError, match="window_shape must fit"):
        nnx_pool.max_pool(inputs, (5, 5))
