"""The Equinox modules: each is its function with the arguments bound, and at home in Equinox."""

import inspect
import io

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
import jaxpool.nnx as nnx_pool
from tests.module_tables import (
    DRAWN,
    INPUTS,
    MASKED,
    OF_THE_MODULE,
    OF_TOKENS,
    POOLS,
    RANDOM,
    SIZED,
    WEIGHTS,
    arrays_of,
    assert_same_programs,
    expected_of,
    make,
    make_nnx,
    modules_of,
    settings_of,
)
from tests.programs import interpret

eqx = pytest.importorskip("equinox", reason="the extra equinox is missing")

import jaxpool.equinox as eqx_pool  # noqa: E402

KEY = jax.random.key(0)


def _make(name, **settings):
    return make(eqx_pool, name, **settings_of(name) | settings)


def test_one_module_for_each_function_in_the_same_order():
    assert modules_of(eqx_pool) == modules_of(nnx_pool)
    assert all(issubclass(getattr(eqx_pool, name), eqx.Module) for name in POOLS)


@pytest.mark.parametrize("name", POOLS)
def test_arguments_are_those_of_nnx(name):
    ours = dict(inspect.signature(getattr(eqx_pool, name)).parameters)
    theirs = dict(inspect.signature(getattr(nnx_pool, name)).parameters)
    assert ("key" in ours) == (name in DRAWN)
    ours.pop("key", None)
    theirs.pop("rngs", None)
    assert [p.replace(name="deterministic") if n == "inference" else p for n, p in ours.items()] == [
        *theirs.values()
    ]
    of_calls = inspect.signature(getattr(eqx_pool, name).__call__).parameters
    assert [*of_calls][-2 if name in RANDOM else -1 :] == ["key", "inference"][: 1 + (name in RANDOM)]


@pytest.mark.parametrize("name", [name for name in POOLS if name not in WEIGHTS])
def test_programs_are_the_function_s(name):
    module = _make(name)
    assert_same_programs((module, lambda *arrays: expected_of(name, *arrays)), *arrays_of(name))
    assert not jax.tree.leaves(eqx.filter(module, eqx.is_array))
    assert len({module, _make(name)}) == 1
    assert jax.tree.structure(module) == jax.tree.structure(_make(name))


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name not in DRAWN])
def test_results_are_the_function_s(name):
    module = _make(name)
    actual, expected = interpret(
        lambda *arrays: (module(*arrays), expected_of(name, *arrays)), *arrays_of(name)
    )
    chex.assert_trees_all_equal(actual, expected)
    for weight, start in WEIGHTS[name].items():
        chex.assert_trees_all_equal(getattr(module, weight), start.astype(np.float32))
    assert len(jax.tree.leaves(module)) == len(WEIGHTS[name])


@pytest.mark.parametrize("name", DRAWN)
def test_modules_are_the_function_with_what_is_drawn(name):
    module, again = _make(name), _make(name)
    chex.assert_trees_all_equal(module, again)
    weights = {n: getattr(module, n) for n in WEIGHTS[name]}
    bound = {n: v for n, v in settings_of(name).items() if n not in OF_THE_MODULE}
    chex.assert_trees_all_equal(*interpret(lambda x: (module(x), POOLS[name](x, **weights, **bound)), INPUTS))
    drawn = [w for w in weights.values() if w is not None and np.any(w)]
    assert len(drawn) > 1
    of_nnx = make_nnx(name, **settings_of(name))
    for n, weight in weights.items():
        assert (weight is None) == (getattr(of_nnx, n) is None)
        assert weight is None or weight.shape == getattr(of_nnx, n).shape
    with pytest.raises(TypeError, match=f"{name}: missing a required .*'key'"):
        getattr(eqx_pool, name)(3, 1)


@pytest.mark.parametrize("name", MASKED)
def test_masks_are_given_when_called(name):
    where = (INPUTS[..., :1] if name in OF_TOKENS else INPUTS) > 0.5
    actual, expected = interpret(
        lambda where, *arrays: (
            _make(name)(*arrays, where=where),
            expected_of(name, *arrays, where=where),
        ),
        where,
        *arrays_of(name),
    )
    chex.assert_trees_all_equal(actual, expected)


@pytest.mark.parametrize("name", WEIGHTS)
def test_what_is_learned_gets_a_gradient(name):
    module = _make(name)

    def of_module(x):
        return eqx.filter_grad(lambda module: jnp.sum(jnp.sin(3 * module(x))))(module)

    gradient = interpret(lambda x: jax.tree.leaves(of_module(x)), INPUTS)
    assert len(gradient) == len([start for start in WEIGHTS[name].values() if start is not None])
    assert all(np.any(leaf) for leaf in gradient)


# ------------------------------------------------------------------------------------------------ as Equinox


def _network():
    conv = eqx.nn.Conv2d(3, 4, 3, key=KEY)
    pools = [
        eqx_pool.MaxPool((2, 2), (2, 2), channel_axis=0),
        eqx_pool.SubsamplePool(4, (2, 2), channel_axis=-3),
        eqx_pool.StochasticPool((2, 2), channel_axis=0),
    ]
    return eqx.nn.Sequential([conv, *pools, eqx_pool.GlobalAvgPool((-2, -1))])


IMAGES = np.random.RandomState(0).rand(2, 3, 9, 9).astype(np.float32)


def test_a_sequential_of_one_example_and_of_many():
    network = _network()
    keys = jax.random.split(KEY, 2)
    expected = [network(image, key=key) for image, key in zip(IMAGES, keys, strict=True)]
    assert expected[0].shape == (4,)
    for mapped in (jax.vmap, eqx.filter_vmap):
        actual = mapped(lambda image, key: network(image, key=key))(IMAGES, keys)
        chex.assert_trees_all_close(actual, np.stack(expected), rtol=1e-5)
    chex.assert_trees_all_close(eqx.filter_jit(network)(IMAGES[0], key=keys[0]), expected[0], rtol=1e-5)


def test_inference_mode_switches_what_is_random():
    network = _network()
    settled = eqx.nn.inference_mode(network)
    chex.assert_trees_all_equal(settled(IMAGES[0]), settled(IMAGES[0], key=KEY))
    with pytest.raises(ValueError, match="key must be given to StochasticPool to draw samples"):
        network(IMAGES[0])
    again = eqx.nn.inference_mode(settled, value=False)
    assert (again(IMAGES[0], key=KEY) != settled(IMAGES[0])).any()


@pytest.mark.parametrize("name", RANDOM)
def test_a_call_says_otherwise(name):
    module = _make(name, deterministic=False)
    expected = expected_of(name, INPUTS)
    settings = {n: value for n, value in settings_of(name).items() if n != "deterministic"}
    chex.assert_trees_all_equal(module(INPUTS, key=KEY), POOLS[name](KEY, INPUTS, **settings))
    chex.assert_trees_all_equal(module(INPUTS, inference=True), expected)
    chex.assert_trees_all_equal(eqx.nn.inference_mode(module)(INPUTS, key=KEY), expected)
    assert (_make(name)(INPUTS, key=KEY, inference=False) != expected).any()
    if name != "StochasticPool":
        samples = np.full(2, 0.5, np.float32)
        chex.assert_trees_all_equal(module(INPUTS, random_samples=samples), expected)


def test_leaves_are_saved_and_replaced():
    network, file = _network(), io.BytesIO()
    changed = eqx.tree_at(lambda net: net.layers[2].coefficient, network, replace_fn=lambda w: w + 1)
    chex.assert_trees_all_equal(changed.layers[2].coefficient, network.layers[2].coefficient + 1)
    eqx.tree_serialise_leaves(file, changed)
    file.seek(0)
    loaded = eqx.tree_deserialise_leaves(file, network)
    assert eqx.tree_equal(loaded, changed)
    assert not eqx.tree_equal(loaded, network)


def test_what_may_be_an_array_is_no_setting_of_the_program():
    pool = eqx_pool.Pool(jnp.float32(1), jax.lax.mul, (2,), (2,), channel_axis=None)
    x = jnp.array([1.0, 2.0, 3.0, 4.0])
    chex.assert_trees_all_equal(jax.jit(lambda pool, x: pool(x))(pool, x), jnp.array([2.0, 12.0]))
    sketches = np.arange(6) % 4, np.float32([1, -1] * 3)
    module = eqx_pool.CompactBilinearPool(4, None, sketches=sketches)
    chex.assert_trees_all_equal(
        module(INPUTS), jaxpool.compact_bilinear_pool(INPUTS, 4, None, None, sketches=sketches)
    )


def test_subclasses():
    class Wide(eqx_pool.MaxPool):
        times: int

        def __init__(self, times):
            super().__init__((times, times), channel_axis=0)
            self.times = times

    assert [*inspect.signature(Wide).parameters] == ["times"]
    assert Wide(3)(IMAGES[0]).shape == (3, 7, 7)
    assert eqx_pool.MaxPool[int].__origin__ is eqx_pool.MaxPool
    with pytest.raises(TypeError, match="Wide: every entry of window_shape"):
        Wide("3")
    with pytest.raises(TypeError, match="MaxPool: got an unexpected keyword argument 'stride'"):
        eqx_pool.MaxPool((2, 2), stride=(2, 2))


def test_sized_modules_know_how_many_channels():
    assert all(_make(name).num_features == 3 for name in SIZED)
    assert not any(hasattr(_make(name), "num_features") for name in POOLS if name not in SIZED)
