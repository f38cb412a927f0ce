"""Networks of the modules under what Flax has for modules: transformations, tables and pictures."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool

INPUTS = np.random.RandomState(0).rand(2, 8, 8, 3).astype(np.float32)


@pytest.fixture
def network():
    return nnx.Sequential(
        nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)),
        nnx_pool.MaxPool([2, 2], strides=[2, 2], padding=[[0, 1], [1, 0]]),
        nnx_pool.AvgPool((2, 2), (2, 2), count_include_pad=False),
    )


def test_nnx_transformations(network):
    expected = network(INPUTS)
    assert expected.shape == (2, 2, 2, 4)
    chex.assert_trees_all_close(nnx.jit(lambda net, x: net(x))(network, INPUTS), expected, rtol=1e-5)
    graph, state = nnx.split(network)
    assert isinstance(hash(graph), int)
    chex.assert_trees_all_close(nnx.merge(graph, state)(INPUTS), expected, rtol=1e-5)
    gradient = nnx.grad(lambda net: jnp.sum(net(INPUTS) ** 2))(network)
    assert [leaf.shape for leaf in jax.tree.leaves(gradient)] == [(4,), (3, 3, 3, 4)]
    mapped = nnx.vmap(lambda net, x: net(x), in_axes=(None, 0))(network, np.stack([INPUTS, INPUTS]))
    chex.assert_trees_all_close(mapped[1], expected, rtol=1e-5)


def test_nnx_pictures(network, capsys):
    table = nnx.tabulate(network, INPUTS)
    assert "MaxPool" in table
    assert "AvgPool" in table
    nnx.display(network)
    shown = capsys.readouterr().out
    assert "window_shape=(2, 2)" in shown
    assert "count_include_pad=False" in shown


def test_linen_transformations():
    network = nn.Sequential(
        [nn.Conv(3, (3, 3)), linen_pool.MaxPool([3, 3], padding="SAME"), linen_pool.AvgPool((2, 2), (2, 2))]
    )
    variables = network.init(jax.random.key(0), INPUTS)
    expected = network.apply(variables, INPUTS)
    assert expected.shape == (2, 4, 4, 3)
    chex.assert_trees_all_close(jax.jit(network.apply)(variables, INPUTS), expected, rtol=1e-5)
    table = nn.tabulate(network, jax.random.key(0))(INPUTS)
    assert "MaxPool" in table
    assert "AvgPool" in table


def test_linen_lifted_transformations():
    pool = linen_pool.MaxPool((2, 2), padding="SAME")
    expected = pool.apply({}, INPUTS)
    mapped = nn.vmap(
        linen_pool.MaxPool, in_axes=0, variable_axes={"params": None}, split_rngs={"params": False}
    )
    chex.assert_trees_all_equal(mapped((2, 2), padding="SAME").apply({}, INPUTS), expected)
    rematerialised = nn.remat(linen_pool.MaxPool)((2, 2), padding="SAME")
    chex.assert_trees_all_equal(rematerialised.apply({}, INPUTS), expected)
    gradients = [
        jax.grad(lambda x, m=m: jnp.sum(m.apply({}, x) ** 2))(INPUTS) for m in (pool, rematerialised)
    ]
    chex.assert_trees_all_equal(*gradients)

    class Layer(nn.Module):
        @nn.compact
        def __call__(self, carry, _):
            return linen_pool.MaxPool((2, 2), padding="SAME")(carry), None

    scanned = nn.scan(Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)()
    chex.assert_trees_all_equal(scanned.apply({}, INPUTS, None)[0], pool.apply({}, pool.apply({}, expected)))
