"""Streams whose chunks come with masks: what they leave is all that there is, however a sequence is cut."""

import functools
import inspect

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
from tests.streams import SELECTIONS, WINDOWED, arguments_of, function_of, in_chunks, with_specials

MASKED = sorted(name for name in WINDOWED if "where" in inspect.signature(function_of(name)).parameters)


def of_mask(name, arguments, x, where):
    return function_of(name)(inputs=x, padding="CAUSAL", where=where, **arguments)


def masked_chunk_by_chunk(stream, lengths, x, where):
    """The outputs side by side, for a mask as long as the sequence."""
    state, outputs = stream.init((), x.shape[-1], x.dtype, masked=True), []
    for chunk, mask in zip(in_chunks(lengths, x), in_chunks(lengths, where), strict=True):
        output, state = stream.step(state, chunk, mask)
        outputs.append(output)
    return jnp.concatenate(outputs)


def test_all_pools_with_masks_are_there():
    assert {*WINDOWED} - {*MASKED} == {"morphology.dilate", "morphology.erode"}


@settings(deadline=None, max_examples=16, database=None, derandomize=True)
@given(
    name=st.sampled_from(MASKED),
    size=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    cuts=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    special=st.booleans(),
    channels=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_cut_anywhere_is_the_whole(name, size, stride, dilation, cuts, special, channels, seed):
    """With a mask for each channel, or one for both; what is masked may be NaN."""
    lengths = [stride * cut for cut in cuts]
    where = np.random.RandomState(seed).rand(sum(lengths), channels) > 0.5
    x = with_specials(sum(lengths)) if special else distinct((sum(lengths), 2), np.float32)
    x = np.where(where, x, np.float32(np.nan))
    arguments = arguments_of(name, size, stride, dilation)
    stream = streaming(function_of(name), **arguments)
    expected = interpret(functools.partial(of_mask, name, arguments), x, where)
    actual = interpret(functools.partial(masked_chunk_by_chunk, stream, lengths), x, where)
    assert actual.dtype == expected.dtype
    if name in SELECTIONS and name not in ("median_pool", "quantile_pool"):  # which interpolate
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MASKED)
def test_each_pool_takes_masks(name):
    arguments, lengths, x = arguments_of(name, 4, 2, 2), (2, 6, 4), distinct((12, 2), np.float32)
    where = np.random.RandomState(0).rand(12, 2) > 0.8
    stream = streaming(function_of(name), **arguments)
    expected = interpret(functools.partial(of_mask, name, arguments), x, where)
    actual = interpret(functools.partial(masked_chunk_by_chunk, stream, lengths), x, where)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    unmasked = interpret(functools.partial(of_mask, name, arguments), x, np.ones_like(where))
    assert not np.array_equal(actual, unmasked)


@pytest.mark.parametrize("count_include_pad", [True, False])
def test_averages_match_the_oracle(count_include_pad):
    x, where = distinct((9, 2)), np.random.RandomState(1).rand(9, 2) > 0.4
    stream = streaming(jaxpool.avg_pool, window_shape=(4,), count_include_pad=count_include_pad)
    with jax.enable_x64(True):
        actual = interpret(functools.partial(masked_chunk_by_chunk, stream, (1, 5, 3)), x, where)
    expected = reference.avg_pool(
        x, (4,), None, [(3, 0)], count_include_pad=count_include_pad, where=where, dtype=np.float64
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool elements", "median_pool", "std_pool", "gem_pool"])
def test_derivatives_go_through_chunks(name):
    """Both modes, with ties; what is masked has no gradient, though it be NaN."""
    arguments, where = arguments_of(name, 3, 2), np.random.RandomState(2).rand(12, 2) > 0.4
    x = np.where(where, np.round(3 * distinct((12, 2), np.float32)) + 4, np.float32(np.nan))
    stream = streaming(function_of(name), **arguments)

    def all_of(pool, x):
        values, pull = jax.vjp(pool, x)
        tangent = jnp.sin(jnp.arange(24.0).reshape(12, 2))
        return values, pull(jnp.cos(values))[0], jax.jvp(pool, (x,), (tangent,))[1]

    def both(x, where):
        cut = functools.partial(masked_chunk_by_chunk, stream, (4, 2, 6), where=where)
        whole = functools.partial(of_mask, name, arguments, where=where)
        return all_of(cut, x), all_of(whole, x)

    actual, expected = interpret(both, x, where)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), actual, expected)
    assert (np.asarray(actual[1])[~where] == 0).all()


@pytest.mark.parametrize(
    ("name", "size"),
    [("max_pool", 131), ("min_pool", 128), ("sum_pool", 144), ("avg_pool", 140), ("avg_pool third", 128)],
)
def test_large_windows_take_masks_through_their_stages(name, size):
    """Values and gradients; what is masked is NaN, much of the rest -inf, no better than nothing."""
    rng, lengths = np.random.RandomState(size), (40, 160, 100)
    x = np.round(2 * distinct((300, 2), np.float32))
    if name == "max_pool":
        x[rng.rand(300) < 0.9] = -np.inf
    where = (rng.rand(300, 1) < 0.1) & (np.arange(300)[:, None] // 150 == 0)
    x = np.where(where, x, np.float32(np.nan))
    arguments = arguments_of(name, size, 2, 2 if size == 128 else 1)
    stream = streaming(function_of(name), **arguments)
    assert len(stream.stages) > 2

    def both(pool):
        def with_gradient(x, where):
            values, pull = jax.vjp(lambda x: pool(x, where), x)
            weights = jnp.cos(jnp.arange(values.size, dtype=np.float32)).reshape(values.shape)
            return values, pull(weights)[0]

        return interpret(with_gradient, x, where)

    actual = both(functools.partial(masked_chunk_by_chunk, stream, lengths))
    expected = both(functools.partial(of_mask, name, arguments))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), actual, expected)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.int8, np.bool_])
def test_stages_with_masks_lose_nothing(dtype):
    """As without; and of the lowest integers the first that takes part is none of those that do not."""
    x, where = np.ones((400, 1), dtype), np.arange(400)[:, None] != 300
    total = streaming(jaxpool.sum_pool, window_shape=(384,))
    mean = streaming(jaxpool.avg_pool, window_shape=(384,))
    found = interpret(
        lambda x, w: [masked_chunk_by_chunk(s, (200, 200), x, w)[-1, 0] for s in (total, mean)], x, where
    )
    assert found[0].dtype == (jnp.bfloat16 if dtype == jnp.bfloat16 else np.int32)
    assert found[1].dtype == (jnp.bfloat16 if dtype == jnp.bfloat16 else np.float32)
    assert [*map(float, found)] == [384 if dtype == jnp.bfloat16 else 383, 1]


def test_a_step_without_a_mask_leaves_all_and_the_state_fits_scan():
    stream, x = streaming(jaxpool.max_pool, window_shape=(3,)), distinct((12, 2), np.float32)
    where = np.arange(12)[:, None] % 4 > 1

    def scanned(x, where):
        first = stream.step(stream.init((), 2, masked=True), x[:4])
        rest = x[4:].reshape(4, 2, 2), where[4:].reshape(4, 2, 1)
        outputs = jax.lax.scan(lambda state, chunk: stream.step(state, *chunk)[::-1], first[1], rest)[1]
        return jnp.concatenate([first[0], outputs.reshape(8, 2)])

    where_all = where | (np.arange(12) < 4)[:, None]
    expected = interpret(functools.partial(of_mask, "max_pool", {"window_shape": (3,)}), x, where_all)
    np.testing.assert_array_equal(jax.jit(scanned)(x, where), expected)


def test_batches_that_are_split_over_an_explicit_mesh():
    stream, x = streaming(jaxpool.max_pool, window_shape=(3,)), distinct((8, 4, 2), np.float32)
    where = np.random.RandomState(0).rand(4, 1) > 0.4
    expected = interpret(lambda x: stream.step(stream.init((8,), 2, masked=True), x, where)[0], x)
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):

        def put(leaf):
            return jax.device_put(leaf, jax.sharding.PartitionSpec(*["batch"][: leaf.ndim]))

        state = jax.tree.map(put, stream.init((8,), 2, masked=True))
        outputs, state = jax.jit(stream.step)(state, put(x), where)
        assert all("8@batch" in str(jax.typeof(leaf)) for leaf in (outputs, state.cells, state.mask))
        np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("size", [3, 200])
def test_mistakes_are_named(size):
    stream, x = streaming(jaxpool.max_pool, window_shape=(size,)), np.zeros((4, 2), np.float32)
    with pytest.raises(ValueError, match="where must be None for a state that init made without masked"):
        stream.step(stream.init((), 2), x, np.ones((4, 1), bool))
    with pytest.raises(TypeError, match="masked must be a bool, got 1"):
        stream.init((), 2, masked=1)
    for error, message, where in (
        (ValueError, "where must broadcast to chunk of shape", np.ones((3, 1), bool)),
        (TypeError, "where must be an array of bools, got float32", x),
    ):
        with pytest.raises(error, match=message):
            stream.step(stream.init((), 2, masked=True), x, where)
    with pytest.raises(ValueError, match="masked must be False, for <function dilate"):
        streaming(jaxpool.morphology.dilate, kernel=(3,)).init((), 2, masked=True)
