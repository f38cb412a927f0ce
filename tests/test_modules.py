"""The Flax modules: each is its function with the arguments bound, and at home in Flax."""

import inspect
import pickle
import subprocess
import sys

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxpool
import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool
from tests.cases import CASES, random

POOLS = {
    "MaxPool": jaxpool.max_pool,
    "MinPool": jaxpool.min_pool,
    "AvgPool": jaxpool.avg_pool,
    "SumPool": jaxpool.sum_pool,
    "Pool": jaxpool.pool,
}
INPUTS = np.random.RandomState(0).rand(2, 8, 8, 3).astype(np.float32)


def _arguments(name):
    return (1.0, jax.lax.mul, (2, 2)) if name == "Pool" else ((2, 2),)


def _modules(package):
    return [n for n, v in vars(package).items() if inspect.isclass(v) and v.__module__ == package.__name__]


def test_one_module_for_each_function_in_the_same_order():
    functions = [n for n in dir(jaxpool) if inspect.isfunction(getattr(jaxpool, n)) and n != "output_shape"]
    names = ["".join(map(str.capitalize, function.split("_"))) for function in functions]
    for package in (linen_pool, nnx_pool):
        assert set(_modules(package)) == {"Pooling", *names}
    assert _modules(linen_pool) == _modules(nnx_pool)


@pytest.mark.parametrize("name", POOLS)
def test_arguments_are_the_function_s(name):
    expected = list(inspect.signature(POOLS[name]).parameters.values())[1:]
    assert list(inspect.signature(getattr(nnx_pool, name)).parameters.values()) == expected
    linen = inspect.signature(getattr(linen_pool, name)).parameters
    # Linen's modules have a method `init`, so the argument of this name has another there.
    assert [
        p.replace(name="init") if n == "init_value" else p
        for n, p in linen.items()
        if n not in ("parent", "name")
    ] == expected


@pytest.mark.parametrize("name", POOLS)
def test_results_are_the_function_s(name):
    expected = POOLS[name](INPUTS, *_arguments(name), (2, 1), "SAME", window_dilation=(1, 2))
    arguments = (*_arguments(name), [2, 1], "SAME")
    options = {"window_dilation": [1, 2]}
    chex.assert_trees_all_equal(getattr(nnx_pool, name)(*arguments, **options)(INPUTS), expected)
    module = getattr(linen_pool, name)(*arguments, **options)
    chex.assert_trees_all_equal(module.apply({}, INPUTS), expected)
    assert module.init(jax.random.key(0), INPUTS) == {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case(case):
    inputs = random(case.shape)
    expected = jaxpool.max_pool(inputs, *case.arguments, **case.options, return_indices=True)
    arguments = {"return_indices": True, **case.options}
    chex.assert_trees_all_equal(nnx_pool.MaxPool(*case.arguments, **arguments)(inputs), expected)
    module = linen_pool.MaxPool(*case.arguments, **arguments)
    chex.assert_trees_all_equal(module.apply({}, inputs), expected)


@pytest.mark.parametrize("package", [linen_pool, nnx_pool])
@pytest.mark.parametrize("name", POOLS)
def test_documentation_and_pickling(name, package):
    cls = getattr(package, name)
    assert cls.__name__ == cls.__qualname__ == name
    assert f"jaxpool.{POOLS[name].__name__}" in inspect.getdoc(cls)
    module = cls(*_arguments(name), padding=[[0, 1], [1, 0]])
    assert module.padding == ((0, 1), (1, 0))
    copy = pickle.loads(pickle.dumps(module))
    assert type(copy) is cls
    assert copy.padding == module.padding


@pytest.mark.parametrize("package", [linen_pool, nnx_pool])
def test_mistakes_are_named(package):
    with pytest.raises(TypeError, match="window_shape"):
        package.MaxPool()
    with pytest.raises(TypeError, match="stride"):
        package.MaxPool((2, 2), stride=(2, 2))
    module = package.MaxPool(2)
    with pytest.raises(TypeError, match="window_shape must be a sequence of ints, such as"):
        module(INPUTS) if package is nnx_pool else module.apply({}, INPUTS)


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


def test_core_imports_neither_flax_nor_optax():
    code = "import sys, jaxpool; assert not {'flax', 'optax'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(
            [sys.executable, "-c", code.replace("jaxpool;", "jaxpool.nnx;")], check=True, capture_output=True
        )
