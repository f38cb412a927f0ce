"""Streams: chunk after chunk is the whole sequence, however it is cut."""

import functools
import itertools
import math

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
    SELECTIONS,
    WINDOWED,
    arguments_of,
    chunk_by_chunk,
    function_of,
    in_chunks,
    of_whole,
    with_specials,
)

# ----------------------------------------------------------------------------------------------- windows


@settings(deadline=None, max_examples=14, database=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(WINDOWED)),
    size=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    cuts=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    special=st.booleans(),
)
def test_cut_anywhere_is_the_whole(name, size, stride, dilation, cuts, special):
    lengths = [stride * cut for cut in cuts]
    x = with_specials(sum(lengths)) if special else distinct((sum(lengths), 2), np.float32)
    arguments = arguments_of(name, size, stride, dilation)
    stream = streaming(function_of(name), **arguments)
    expected = interpret(functools.partial(of_whole, name, arguments), x)
    actual = interpret(functools.partial(chunk_by_chunk, stream, lengths), x)
    assert actual.dtype == expected.dtype
    if name in SELECTIONS and name not in ("median_pool", "quantile_pool"):  # which interpolate
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(WINDOWED))
def test_each_pool_that_has_windows_streams(name):
    arguments, lengths, x = arguments_of(name, 4, 2, 2), (2, 6, 4), distinct((12, 2), np.float32)
    stream = streaming(function_of(name), **arguments)
    expected = interpret(functools.partial(of_whole, name, arguments), x)
    actual = interpret(functools.partial(chunk_by_chunk, stream, lengths), x)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert not np.array_equal(actual[:4], np.roll(expected, 1, 0)[:4])


@pytest.mark.parametrize("include", [True, False])
def test_averages_count_padding_before_the_first_element_as_they_are_told_to(include):
    x, options = distinct((7, 2)), {"count_include_pad": include}
    stream = streaming(jaxpool.avg_pool, window_shape=(4,), **options)
    with jax.enable_x64(True):
        actual = interpret(functools.partial(chunk_by_chunk, stream, (1, 2, 4)), x)
    expected = reference.avg_pool(x, (4,), None, [(3, 0)], **options)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    np.testing.assert_allclose(actual[0], x[0] / (4 if include else 1), rtol=1e-12)


@pytest.mark.parametrize("name", ["max_pool", "avg_pool elements", "median_pool", "var_pool", "gem_pool"])
def test_gradients_go_through_chunks(name):
    """Values, tangents and gradients of a cut sequence are those of the whole, and those of parameters."""
    arguments, x = arguments_of(name, 3, 2), distinct((8, 2), np.float32)
    p = arguments.pop("p", None)

    def all_of(pool, x, p):
        values, pull = jax.vjp(pool, x, p)
        return values, pull(jnp.cos(values)), jax.jvp(pool, (x, p), (jnp.sin(x), jnp.ones_like(p)))[1]

    def bound(p):
        return arguments | ({"p": p} if name == "gem_pool" else {})

    def cut(x, p):
        return chunk_by_chunk(streaming(function_of(name), **bound(p)), (4, 2, 2), x)

    p = np.float32([2, 3]) if p is None else p
    whole = interpret(functools.partial(all_of, lambda x, p: of_whole(name, bound(p), x)), x, p)
    actual = interpret(functools.partial(all_of, cut), x, p)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), actual, whole)


@pytest.mark.parametrize(
    ("axis", "batch", "channels", "shape"),
    [
        (-1, (2, 3), 2, (2, 3, 8, 2)),
        (-2, (2,), 3, (2, 3, 8)),
        (0, (2,), 3, (3, 2, 8)),
        (None, (3,), None, (3, 8)),
    ],
)
def test_any_layout(axis, batch, channels, shape):
    x = distinct(shape, np.float32)
    options = {"window_shape": (3,), "channel_axis": axis}
    stream, time = streaming(jaxpool.max_pool, **options), -2 if axis == -1 else -1
    cut = functools.partial(
        chunk_by_chunk, stream, (1, 5, 2), batch=batch, channels=channels, time=time % len(shape)
    )
    expected = reference.max_pool(x, (3,), None, [(2, 0)], channel_axis=axis)[0]
    np.testing.assert_array_equal(interpret(cut, x), expected)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.int8, np.bool_, np.complex64])
def test_any_dtype(dtype):
    x = (10 * distinct((8, 2))).astype(dtype)
    for name in ("sum_pool",) if dtype == np.complex64 else ("max_pool", "sum_pool", "avg_pool"):
        arguments = arguments_of(name, 3)
        expected = interpret(functools.partial(of_whole, name, arguments), x)
        actual = interpret(
            functools.partial(chunk_by_chunk, streaming(function_of(name), **arguments), (3, 4, 1)), x
        )
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected, err_msg=name)


# ------------------------------------------------------------------------------------------ large windows


@pytest.mark.parametrize(
    ("name", "size"),
    [("max_pool", 131), ("min_pool", 128), ("sum_pool", 131), ("avg_pool", 140), ("avg_pool third", 128)],
)
def test_large_windows_are_streams_behind_streams(name, size):
    arguments = arguments_of(name, size, 2, 2 if size == 128 else 1)
    stream = streaming(function_of(name), **arguments)
    is_staged = size != 131 or name in SELECTIONS  # of which a sum has no stages: it is prime
    assert hasattr(stream, "stages") == is_staged
    x = np.round(8 * distinct((300, 2), np.float32))
    x[3, 0], x[200, 1] = np.nan, -np.inf
    expected = getattr(reference, name.partition(" ")[0])(
        x.astype(np.float64),
        (size,),
        (2,),
        "CAUSAL",
        window_dilation=arguments["window_dilation"],
        **WINDOWED[name],
    )
    expected = expected[0] if isinstance(expected, tuple) else expected
    state, outputs = stream.init((), 2), []
    cells = sum(leaf.size for leaf in jax.tree.leaves(state) if leaf.ndim)
    assert cells == 2 * (size - 1) * arguments["window_dilation"][0]
    for chunk in in_chunks([40, 160, 100], x):
        output, state = interpret(stream.step, state, chunk)
        outputs.append(output)
    np.testing.assert_allclose(np.concatenate(outputs), expected, rtol=1e-6)


def test_gradients_of_ties_in_large_windows_go_to_the_first():
    x = np.round(2 * distinct((160, 1), np.float32))
    arguments, pull = {"window_shape": (133,)}, lambda pool: lambda x: jax.vjp(pool, x)[1](jnp.cos(x))[0]
    stream = streaming(jaxpool.max_pool, **arguments)
    cut = interpret(pull(functools.partial(chunk_by_chunk, stream, (7, 100, 53), channels=1)), x)
    whole = interpret(pull(functools.partial(of_whole, "max_pool", arguments)), x)
    np.testing.assert_allclose(cut, whole, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.int8, np.bool_])
def test_stages_lose_nothing(dtype):
    """Ones of 16 bits add up to more than 256, those of 8 to more than 127; bools are counted."""
    x = np.ones((400, 1), dtype)
    stream = streaming(jaxpool.sum_pool, window_shape=(384,))
    total = interpret(functools.partial(chunk_by_chunk, stream, (200, 200), channels=1), x)
    assert total.dtype == (jnp.bfloat16 if dtype == jnp.bfloat16 else np.int32)
    assert total[-1, 0] == 384


# ----------------------------------------------------------------------------------------- transformations


@pytest.mark.parametrize("name", ["avg_pool elements", "global_std_pool"])
def test_scan_and_vmap(name):
    """A carry of scan; and streams side by side, of which each may be elsewhere."""
    arguments = arguments_of(name, 3) if name in WINDOWED else GLOBAL[name]
    stream, x = streaming(function_of(name), **arguments), distinct((2, 12, 2), np.float32)

    def scanned(x):
        def step(state, chunk):
            return stream.step(state, chunk)[::-1]

        state, outputs = jax.lax.scan(step, stream.init((), 2), x.reshape(6, 2, 2))
        return outputs, state

    def after(count, x):
        outputs = stream.init((), 2)
        for chunk in in_chunks([1] * count, x[:count]):
            outputs = stream.step(outputs, chunk)[1]
        return outputs

    outputs, _ = jax.jit(jax.vmap(scanned))(x)
    expected = interpret(functools.partial(chunk_by_chunk, stream, [2] * 6, batch=(2,)), x)
    expected = expected.reshape(2, 6, 2, 2) if name in WINDOWED else np.moveaxis(expected, 0, 1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)

    def side_by_side(x):
        states, chunks = [after(count, x[i]) for i, count in enumerate((1, 4))], x[:, 6:8]
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        alone = [stream.step(state, chunk)[0] for state, chunk in zip(states, chunks, strict=True)]
        return jax.vmap(stream.step)(both, chunks)[0], jnp.stack(alone)

    np.testing.assert_allclose(*interpret(side_by_side, x), rtol=1e-5)


@pytest.mark.parametrize("name", ["median_pool", "global_logsumexp_pool"])
def test_batches_that_are_split_over_an_explicit_mesh(name):
    arguments = arguments_of(name, 3) if name in WINDOWED else {}
    stream, x = streaming(function_of(name), **arguments), distinct((8, 4, 2), np.float32)
    expected = interpret(lambda x: stream.step(stream.init((8,), 2), x)[0], x)
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):

        def put(leaf):
            return jax.device_put(leaf, jax.sharding.PartitionSpec(*["batch"][: leaf.ndim]))

        outputs, state = jax.jit(stream.step)(jax.tree.map(put, stream.init((8,), 2)), put(x))
        assert "8@batch" in str(jax.typeof(outputs))
        assert "8@batch" in str(jax.typeof(jax.tree.leaves(state)[0]))
        np.testing.assert_allclose(outputs, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["max_pool", "global_avg_pool"])
def test_compiles_once_for_chunks_of_one_length(name):
    arguments = arguments_of(name, 5) if name in WINDOWED else {}
    stream, traced = streaming(function_of(name), **arguments), []

    @jax.jit
    def step(state, chunk):
        traced.append(chunk.shape)
        return stream.step(state, chunk)

    state = stream.init((), 1)
    for _ in range(4):
        _, state = step(state, jnp.ones((2, 1)))
    assert traced == [(2, 1)]
    step(state, jnp.ones((4, 1)))
    assert len(traced) == 2


# ------------------------------------------------------------------------------------------------ mistakes

_X = np.zeros((4, 2), np.float32)


@pytest.mark.parametrize(
    ("error", "message", "function", "arguments"),
    [
        (TypeError, "function must be a pool, got 3", 3, {}),
        (
            ValueError,
            "function must be a windowed pool or one of global_max",
            jaxpool.global_topk_pool,
            {"k": 2},
        ),
        (
            ValueError,
            "padding must be 'CAUSAL' in a stream, got 'SAME'",
            jaxpool.max_pool,
            {"padding": "SAME"},
        ),
        (ValueError, "ceil_mode must be False in a stream, got True", jaxpool.max_pool, {"ceil_mode": True}),
        (ValueError, "return_indices must be False", jaxpool.max_pool, {"return_indices": True}),
        (ValueError, "where must be None in a stream", jaxpool.max_pool, {"where": np.ones(2, bool)}),
        (
            ValueError,
            "key must be None in a stream",
            jaxpool.stochastic_pool,
            {"key": np.zeros(2, np.uint32)},
        ),
        (TypeError, r"must be among \['p'\], got 'axis'", jaxpool.global_lp_pool, {"axis": 1}),
        (ValueError, "p must be above 0, got 0", jaxpool.global_lp_pool, {"p": 0}),
        (ValueError, "correction must be 0 or 1", jaxpool.global_var_pool, {"correction": 2}),
        (TypeError, "mean must be a bool", jaxpool.global_logsumexp_pool, {"mean": 1}),
    ],
)
def test_mistakes_are_named(error, message, function, arguments):
    if function in (jaxpool.max_pool, jaxpool.stochastic_pool):
        arguments = {"window_shape": (2,), **arguments}
    with pytest.raises(error, match=message):
        streaming(function, **arguments)


@pytest.mark.parametrize(
    ("error", "message", "arguments", "init"),
    [
        (ValueError, "function must be one windowed pool with one", {"window_shape": (2, 2)}, ((3, 4), 2)),
        (TypeError, "window_shape must be a sequence", {"window_shape": 2}, ((), 2)),
        (ValueError, "channels must be an int where channel_axis is -1, got None", {}, ((), None)),
        (
            ValueError,
            "channels must be None where channel_axis is None, got 2",
            {"channel_axis": None},
            ((), 2),
        ),
        (TypeError, "batch_shape must be a sequence", {}, (3, 2)),
        (ValueError, "strides must hold ints of at least 1", {"strides": (0,)}, ((), 2)),
        (ValueError, "divisor_override must not be 0", {"divisor_override": 0}, ((), 2)),
        (
            ValueError,
            "divisor_override must not be 0",
            {"window_shape": (256,), "divisor_override": 0},
            ((), 2),
        ),
    ],
)
def test_mistakes_of_arguments_are_named_with_the_first_state(error, message, arguments, init):
    with pytest.raises(error, match=message):
        streaming(jaxpool.avg_pool, **{"window_shape": (3,), **arguments}).init(*init)


def test_pools_with_arrays_beside_their_elements_are_named():
    stream = streaming(jaxpool.lip_pool, window_shape=(3,), logits=np.float32(1))
    with pytest.raises(ValueError, match="one array of elements and one its result, got <function lip_pool"):
        stream.init((), 2)


@pytest.mark.parametrize(
    ("error", "message", "chunk"),
    [
        (ValueError, "chunk must have the shape ('length', 2) for this state, got (4, 3)", _X[:, [0, 0, 0]]),
        (ValueError, "chunk must have the shape ('length', 2) for this state, got (0, 2)", _X[:0]),
        (ValueError, "that the stride 2 divides, got 3", _X[:3]),
        (TypeError, "chunk must be of the state's dtype float32, got int32", _X.astype(np.int32)),
        (TypeError, "chunk must be an array", [[1.0, 2.0]]),
    ],
)
def test_wrong_chunks_are_named(error, message, chunk):
    stream = streaming(jaxpool.max_pool, window_shape=(3,), strides=(2,))
    with pytest.raises(error) as raised:
        stream.step(stream.init((), 2), chunk)
    assert message in str(raised.value)


def test_wrong_chunks_and_states_of_running_pools_are_named():
    stream = streaming(jaxpool.global_avg_pool)
    state = stream.init((3,), 2)
    for error, message, chunk in (
        (ValueError, "chunk must have the batch and channels of the state", _X),
        (ValueError, "chunk must have the shape", _X[0]),
        (TypeError, "chunk must be of the state's dtype float32, got int32", _X.astype(np.int32)),
    ):
        with pytest.raises(error, match=message):
            stream.step(state, chunk)
    windows = streaming(jaxpool.max_pool, window_shape=(3,))
    for other in (stream, windows, streaming(jaxpool.max_pool, window_shape=(256,))):
        with pytest.raises(TypeError, match="state must be one of this stream, got 3"):
            other.step(3, _X)


def test_no_pool_stays_inside_a_stream():
    """A pool that a step fails in leaves nothing behind."""
    stream = streaming(jaxpool.gated_pool, gate=np.zeros(2, np.float32), window_shape=(3,))
    with pytest.raises(ValueError, match="gate must have the shape"):
        stream.init((), 2)
    assert jaxpool.max_pool(_X, (2,)).shape == (3, 2)


def test_how_many_elements_a_window_has_is_worked_out_without_a_table():
    for length, size, stride, dilation, pads in itertools.product(
        (1, 5), (1, 4), (1, 2), (1, 3), ((0, 9), (9, 0))
    ):
        (axis,) = jaxpool._window.make_window(
            (length,), (size,), (stride,), [pads], window_dilation=(dilation,), channel_axis=None
        ).axes
        if axis is not None:
            np.testing.assert_array_equal(axis.element_counts(), axis.holds().sum(1))
            expected = axis.holds(*axis.asked).sum(1)
            np.testing.assert_array_equal(axis.element_counts(include_padding=True), expected)
    assert math.prod(axis.holds().shape) > 0
