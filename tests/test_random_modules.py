"""Modules of random pools: what they draw from, and how a module or a call is told not to."""

import chex
import flax
import jax
import numpy as np
import pytest
from flax import nnx

import jaxpool.nnx as nnx_pool
from tests.module_tables import INPUTS, POOLS, RANDOM, expected_of, make_linen, settings_of


def _random_settings(name):
    return {n: value for n, value in settings_of(name).items() if n != "deterministic"}


@pytest.mark.parametrize("name", RANDOM)
def test_nnx_draws_from_its_stream(name):
    module = getattr(nnx_pool, name)(**_random_settings(name), rngs=nnx.Rngs(0))
    first, second = module(INPUTS), module(INPUTS)
    assert (first != second).any()
    again = getattr(nnx_pool, name)(**_random_settings(name), rngs=nnx.Rngs(0))
    chex.assert_trees_all_equal(again(INPUTS), first)
    graph, state = nnx.split(again)
    assert jax.tree.leaves(state)
    chex.assert_trees_all_close(nnx.jit(lambda m, x: m(x))(nnx.merge(graph, state), INPUTS), second)
    by_name = getattr(nnx_pool, name)(**_random_settings(name), rngs=nnx.Rngs(7, pooling=0))
    other = getattr(nnx_pool, name)(**_random_settings(name), rngs=nnx.Rngs(0, pooling=7))
    assert (by_name(INPUTS) != other(INPUTS)).any()
    module.eval()
    chex.assert_trees_all_equal(module(INPUTS), expected_of(name, INPUTS))
    module.train()
    assert (module(INPUTS) != module(INPUTS)).any()


@pytest.mark.parametrize("name", RANDOM)
def test_linen_draws_from_its_stream(name):
    module = make_linen(name, **_random_settings(name))
    draws = [module.apply({}, INPUTS, rngs={"pooling": jax.random.key(seed)}) for seed in (0, 0, 1)]
    chex.assert_trees_all_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize("name", RANDOM)
def test_nnx_switches_as_dropout_does(name):
    module = getattr(nnx_pool, name)(**_random_settings(name), rngs=nnx.Rngs(0))
    network, expected = nnx.Sequential(module), expected_of(name, INPUTS)
    chex.assert_trees_all_equal(module(INPUTS, deterministic=True), expected)
    network.eval()
    chex.assert_trees_all_equal(network(INPUTS), expected)
    assert (module(INPUTS, deterministic=False) != expected).any()
    network.train()
    if hasattr(nnx, "view"):  # Flax 0.12.0 has `eval` and `train` alone
        viewed = nnx.view(network, deterministic=True)
        chex.assert_trees_all_equal(viewed(INPUTS), expected)
        assert "deterministic: bool | None = None" in nnx.view_info(network)
    assert (network(INPUTS) != expected).any()
    with pytest.raises(TypeError, match=f"{name}: got an unexpected keyword argument 'deterministc'"):
        module(INPUTS, deterministc=True)


@pytest.mark.parametrize("name", RANDOM)
def test_nnx_draws_from_what_a_call_gives(name):
    module = getattr(nnx_pool, name)(**_random_settings(name))
    given = [nnx.Rngs(pooling=3), nnx.Rngs(pooling=3)["pooling"], nnx.Rngs(pooling=3)["pooling"]()]
    expected = POOLS[name](given.pop(), INPUTS, **_random_settings(name))
    for rngs in given:
        chex.assert_trees_all_equal(module(INPUTS, rngs=rngs), expected)
    of_stream = getattr(nnx_pool, name)(**_random_settings(name), rngs=nnx.Rngs(pooling=3)["pooling"])
    of_all = getattr(nnx_pool, name)(**_random_settings(name), rngs=nnx.Rngs(pooling=3))
    chex.assert_trees_all_equal(of_stream(INPUTS), of_all(INPUTS))
    with pytest.raises(TypeError, match=f"{name}: rngs must be of nnx.Rngs or nnx.RngStream, got 3"):
        getattr(nnx_pool, name)(**_random_settings(name), rngs=3)


@pytest.mark.parametrize("name", RANDOM)
def test_linen_draws_unless_a_call_says_otherwise(name):
    expected, module = expected_of(name, INPUTS), make_linen(name, **_random_settings(name))
    for call in ({"deterministic": True}, {"method": lambda m, x: m(x, True)}):
        chex.assert_trees_all_equal(module.apply({}, INPUTS, **call), expected)
    settled = make_linen(name, **settings_of(name))
    key = {"pooling": jax.random.key(0)}
    drawn = settled.apply({}, INPUTS, deterministic=False, rngs=key)
    chex.assert_trees_all_equal(drawn, module.apply({}, INPUTS, rngs=key))
    chex.assert_trees_all_equal(settled.apply({}, INPUTS, deterministic=None), expected)


@pytest.mark.parametrize("name", RANDOM)
def test_nothing_to_draw_from_is_named(name):
    with pytest.raises(ValueError, match=f"rngs must be given to {name}"):
        getattr(nnx_pool, name)(**_random_settings(name))(INPUTS)
    with pytest.raises(flax.errors.InvalidRngError, match="pooling"):
        make_linen(name, **_random_settings(name)).apply({}, INPUTS)


@pytest.mark.parametrize("name", ["FractionalMaxPool", "FractionalAvgPool"])
def test_samples_need_no_stream(name):
    samples = np.full(2, 0.5, np.float32)
    module = getattr(nnx_pool, name)(**_random_settings(name))
    chex.assert_trees_all_equal(module(INPUTS, random_samples=samples), expected_of(name, INPUTS))
