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


@pytest.fixture(autouse=True)
def standard_promotion():
    """Flax's pools promote dtypes silently."""
    with jax.numpy_dtype_promotion("standard"):
        yield


SAME = [case for case in CASES if not case.flax]
CRASHES = [case for case in CASES if case.flax and not case.options]


@pytest.mark.parametrize(("ours", "theirs"), [(linen_pool, nn), (nnx_pool, nnx)], ids=["linen", "nnx"])
@pytest.mark.parametrize("case", SAME, ids=str)
def test_same_results(case, ours, theirs):
    inputs = random(case.shape)
    for name, *settings in (
        ("max_pool",),
        ("min_pool",),
        ("avg_pool",),
        ("avg_pool", False),
    ):
        flax_pool = getattr(theirs, name, nn.pooling.min_pool)
        expected = flax_pool(inputs, *case.arguments, *settings)
        # Where a window has no element, Flax divides zero by zero; the contract says zero.
        expected = np.nan_to_num(expected, nan=0.0, posinf=np.inf, neginf=-np.inf)
        assert_close(getattr(ours, name)(inputs, *case.arguments, *settings), expected)
    for init, reduce_fn in ((0.0, jax.lax.add), (1.0, jax.lax.mul), (-np.inf, jax.lax.max)):
        expected = theirs.pool(inputs, init, reduce_fn, *case.arguments)
        assert_close(ours.pool(inputs, init, reduce_fn, *case.arguments), expected)


@pytest.mark.parametrize("case", SAME, ids=str)
def test_same_gradients_without_ties(case):
    inputs = np.random.RandomState(0).permutation(np.prod(case.shape)).reshape(case.shape).astype(np.float32)
    for name in ("max_pool", "avg_pool"):
        ours, theirs = (
            jax.grad(lambda x, m=m, name=name: jnp.sum(jnp.sin(getattr(m, name)(x, *case.arguments))))(inputs)
            for m in (nnx_pool, nnx)
        )
        assert_close(ours, theirs)


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


def test_flax_returns_nothing_where_no_window_fits():
    inputs = jnp.ones((1, 3, 3, 1))
    assert nnx.max_pool(inputs, (5, 5)).size == 0
    with pytest.raises(ValueError, match="window_shape must fit"):
        nnx_pool.max_pool(inputs, (5, 5))
