"""Streams as modules: a model that is called chunk by chunk is the model of the whole sequence."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxpool
import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool
from tests.cases import distinct
from tests.streams import in_chunks

WINDOW = {"window_shape": (4,), "strides": (2,)}
LENGTHS = (4, 6, 2)
X = distinct((3, 12, 2), np.float32)


def _of_whole(x, where=None):
    return jaxpool.max_pool(x, **WINDOW, padding="CAUSAL", where=where)


def _stream(**arguments):
    return jaxpool.streaming(jaxpool.max_pool, **WINDOW | arguments)


def test_nnx_models_are_those_of_the_whole_sequence():
    layer = nnx.Linear(2, 5, rngs=nnx.Rngs(0))
    model = nnx.Sequential(layer, nnx_pool.Streaming(_stream(), (3,), 5))
    step = nnx.jit(lambda model, chunk: model(chunk))
    expected = _of_whole(layer(X))
    for _ in range(2):  # the second time from the start again
        outputs = [step(model, chunk) for chunk in in_chunks(LENGTHS, X)]
        np.testing.assert_allclose(jnp.concatenate(outputs, -2), expected, rtol=1e-5)
        model.layers[1].reset()


def test_nnx_tells_the_state_from_parameters_and_brings_it_back():
    model = nnx.Sequential(nnx.Linear(2, 5, rngs=nnx.Rngs(0)), nnx_pool.Streaming(_stream(), (3,), 5))
    first, second, _ = in_chunks(LENGTHS, X)
    model(first)
    graph, params, state = nnx.split(model, nnx.Param, nnx_pool.StreamState)
    assert [leaf.shape for leaf in jax.tree.leaves(state)] == [(3, 3, 5), ()]
    assert len(jax.tree.leaves(params)) == 2
    again = nnx.merge(graph, *jax.tree.map(jnp.copy, (params, state)))
    np.testing.assert_array_equal(again(second), model(second))


def test_nnx_scan_carries_the_state_and_gradients_reach_parameters():
    chunks = jnp.moveaxis(X.reshape(3, 6, 2, 2), 1, 0)

    def loss(model):
        outputs = nnx.scan(lambda model, chunk: (model, model(chunk)), length=6)(model, chunks)[1]
        return jnp.sum(jnp.sin(outputs))

    layer = nnx.Linear(2, 5, rngs=nnx.Rngs(0))
    model = nnx.Sequential(layer, nnx_pool.Streaming(_stream(), (3,), 5))
    actual = nnx.grad(loss)(model)["layers"][0]["kernel"][...]
    expected = nnx.grad(lambda layer: jnp.sum(jnp.sin(_of_whole(layer(X)))))(layer)["kernel"][...]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_linen_models_are_those_of_the_whole_sequence():
    model = nn.Sequential([nn.Dense(5), linen_pool.Streaming(_stream())])
    variables = model.init(jax.random.key(0), X[:, :4])
    assert int(variables["stream"]["layers_1"]["state"].seen) == 0
    expected, outputs = _of_whole(nn.Dense(5).apply({"params": variables["params"]["layers_0"]}, X)), []
    step = jax.jit(lambda variables, chunk: model.apply(variables, chunk, mutable=["stream"]))
    for chunk in in_chunks(LENGTHS, X):
        output, changed = step(variables, chunk)
        variables = variables | changed
        outputs.append(output)
    np.testing.assert_allclose(jnp.concatenate(outputs, -2), expected, rtol=1e-5)


def test_equinox_models_are_those_of_the_whole_sequence():
    eqx = pytest.importorskip("equinox", reason="the extra equinox is missing")
    import jaxpool.equinox as eqx_pool

    def make():
        return eqx.nn.Sequential([eqx.nn.Lambda(jnp.sin), eqx_pool.Streaming(_stream(), (3,), 2)])

    model, state = eqx.nn.make_with_state(make)()
    outputs = []
    for chunk in in_chunks(LENGTHS, X):
        output, state = eqx.filter_jit(model)(chunk, state)
        outputs.append(output)
    np.testing.assert_array_equal(jnp.concatenate(outputs, -2), _of_whole(jnp.sin(X)))


@pytest.mark.parametrize("axis", [-1, -2, None])
def test_masks_and_any_layout(axis):
    """Of a global pool too, whose state needs no room for masks."""
    x = X if axis is not None else X[..., 0]
    x = np.swapaxes(x, -1, -2) if axis == -2 else x
    time = -2 if axis == -1 else -1
    where = np.random.RandomState(0).rand(*x.shape) > 0.5
    batch, channels = (3,), None if axis is None else 2
    expected = (
        _of_whole(x, where)
        if axis == -1
        else jaxpool.max_pool(x, **WINDOW, padding="CAUSAL", where=where, channel_axis=axis)
    )
    stream = _stream(channel_axis=axis)
    module = nnx_pool.Streaming(stream, batch, channels, masked=True)
    linen = linen_pool.Streaming(stream)
    variables, chunks = None, list(zip(*(in_chunks(LENGTHS, a, time) for a in (x, where)), strict=True))
    variables = linen.init(jax.random.key(0), *chunks[0])
    outputs = []
    for chunk, mask in chunks:
        output, variables = linen.apply(variables, chunk, mask, mutable=["stream"])
        np.testing.assert_array_equal(module(chunk, mask), output)
        outputs.append(output)
    np.testing.assert_array_equal(jnp.concatenate(outputs, time), expected)
    running = nnx_pool.Streaming(jaxpool.streaming(jaxpool.global_avg_pool), (3,), 2, masked=True)
    mask = np.random.RandomState(0).rand(*X.shape) > 0.5
    means = [running(*chunk) for chunk in zip(in_chunks(LENGTHS, X), in_chunks(LENGTHS, mask), strict=True)]
    np.testing.assert_allclose(means[-1], jaxpool.global_avg_pool(X, -2, where=mask), rtol=1e-5)


@pytest.mark.parametrize(
    "make", [lambda stream: nnx_pool.Streaming(stream, (3,), 2), linen_pool.Streaming], ids=["nnx", "linen"]
)
def test_what_is_no_stream_is_named(make):
    with pytest.raises(
        TypeError, match=r"^Streaming: stream must be what jaxpool.streaming returns, got <fun"
    ):
        make(jaxpool.max_pool)
    with pytest.raises(ValueError, match=r"^Streaming: channels must be an int where channel_axis is -1"):
        nnx_pool.Streaming(_stream(), (3,), None)
    with pytest.raises(ValueError, match="inputs must have at least 2 dimensions"):
        linen_pool.Streaming(_stream()).init(jax.random.key(0), X[0, 0])
