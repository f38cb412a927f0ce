"""Running pools: what they know is that of all so far, and merges."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxpool
from jaxpool import streaming
from tests import reference
from tests.cases import distinct
from tests.programs import interpret
from tests.streams import (
    GLOBAL,
    chunk_by_chunk,
    function_of,
    in_chunks,
    with_specials,
)


@settings(deadline=None, max_examples=8, database=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(GLOBAL)),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    special=st.booleans(),
    masked=st.booleans(),
)
def test_running_pools_are_the_pool_of_all_so_far(name, lengths, special, masked):
    total = sum(lengths)
    x = (with_specials(total) if special else distinct((total, 2), np.float32))[None]
    where = np.arange(total)[None, :, None] % 3 > 0 if masked else np.ones((1, total, 1), bool)
    stream, ends = streaming(function_of(name), **GLOBAL[name]), list(itertools.accumulate(lengths))

    def cut(x, where):
        state, outputs = stream.init((1,), 2), []
        for chunk, mask in zip(in_chunks(lengths, x), in_chunks(lengths, where), strict=True):
            output, state = stream.step(state, chunk, where=mask if masked else None)
            outputs.append(output)
        return outputs

    def whole(x, where):
        return [function_of(name)(x[:, :end], axis=1, where=where[:, :end], **GLOBAL[name]) for end in ends]

    for actual, expected in zip(interpret(cut, x, where), interpret(whole, x, where), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(GLOBAL))
def test_states_merge(name):
    """In any grouping, with what has seen nothing on either side: the pool of both."""
    stream, pool = streaming(function_of(name), **GLOBAL[name]), function_of(name)

    def merged(x):
        a, b, c = (stream.step(stream.init((2,), 2), chunk)[1] for chunk in in_chunks((3, 1, 4), x))
        nothing = stream.init((2,), 2)
        left = stream.merge(stream.merge(nothing, stream.merge(a, b)), c)
        right = stream.merge(a, stream.merge(b, stream.merge(c, nothing)))
        return stream.result(left), stream.result(right), pool(x, axis=1, **GLOBAL[name])

    left, right, expected = interpret(merged, distinct((2, 8, 2), np.float32))
    np.testing.assert_allclose(left, expected, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(right, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["global_avg_pool", "global_logsumexp_pool mean", "statistics_pool"])
def test_gradients_go_through_merges(name):
    stream = streaming(function_of(name), **GLOBAL[name])

    def derivatives(x):
        def cut(x):
            return chunk_by_chunk(stream, (3, 5), x)[-1]

        def whole(x):
            return function_of(name)(x, axis=0, **GLOBAL[name])

        for function in (cut, whole):
            values, pull = jax.vjp(function, x)
            yield pull(jnp.cos(values))[0], jax.jvp(function, (x,), (jnp.sin(x),))[1]

    actual, expected = interpret(lambda x: [*derivatives(x)], distinct((8, 2), np.float32))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), actual, expected)


@pytest.mark.parametrize("order", ["max", "min"])
def test_merged_gradients_of_ties_and_nan_go_to_the_first(order):
    stream = streaming(getattr(jaxpool, f"global_{order}_pool"))
    x = np.float32([[2, np.nan, 2], [2, 0, 2], [2, np.nan, 2]])

    def total(x):
        return chunk_by_chunk(stream, (1, 1, 1), x, channels=3)[-1].sum()

    np.testing.assert_array_equal(interpret(jax.grad(total), x), np.float32([[1, 1, 1], [0] * 3, [0] * 3]))


def test_long_sums_do_not_stall():
    """2**24 ones, merged, and then a thousand more: a float32 alone would stay where it is."""
    stream, pair = streaming(jaxpool.global_sum_pool), streaming(jaxpool.statistics_pool)
    for of, expected in ((stream, [2**24 + 1000]), (pair, [1, 0])):

        @jax.jit
        def run(of=of):
            one = jnp.ones((1, 1))
            state = of.step(of.init((), 1), one)[1]
            state = jax.lax.fori_loop(0, 24, lambda _, state: of.merge(state, state), state)
            return of.result(jax.lax.fori_loop(0, 1000, lambda _, state: of.step(state, one)[1], state))

        np.testing.assert_array_equal(run(), np.float32(expected))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int8, np.bool_])
def test_states_of_low_precision_are_wide(dtype):
    x = np.ones((300, 1), dtype)
    for name in ("global_sum_pool", "global_avg_pool", "global_std_pool", "global_max_pool"):
        stream = streaming(function_of(name))
        result = interpret(functools.partial(chunk_by_chunk, stream, (100, 200), channels=1), x)[-1]
        expected = interpret(functools.partial(function_of(name), axis=0), x)
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected, err_msg=name)
    state = streaming(jaxpool.global_avg_pool).init((), 1, dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {np.dtype(np.float32)}


def test_a_mean_that_is_far_from_0_has_an_exact_variance():
    x = (1e4 + distinct((1000, 1))).astype(np.float32)
    stream = streaming(jaxpool.global_var_pool)
    result = interpret(functools.partial(chunk_by_chunk, stream, [700, 1, 299], channels=1), x)[-1]
    np.testing.assert_allclose(result, np.var(x.astype(np.float64), 0), rtol=1e-3)


def test_devices_read_parts_of_a_stream():
    """Each its own, with a merge of all in a tree at the end."""
    stream = streaming(jaxpool.global_logsumexp_pool)

    def tree(x):
        states = jax.vmap(lambda x: stream.step(stream.init((), 2), x)[1])(x)
        running = jax.lax.associative_scan(stream.merge, states)
        return stream.result(jax.tree.map(lambda leaf: leaf[-1], running))

    x = distinct((4, 3, 2), np.float32)
    expected = reference.logsumexp_pool(x.reshape(12, 2), (12,))[0]
    np.testing.assert_allclose(interpret(tree, x), expected, rtol=1e-6)
