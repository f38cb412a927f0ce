"""The Flax modules: each is its function with the arguments bound, and at home in Flax."""

import functools
import inspect
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxpool
import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool
from tests.cases import CASES, random
from tests.module_tables import (
    ARRAYS,
    DRAWN,
    INPUTS,
    MASKED,
    OF_THE_MODULE,
    OF_TOKENS,
    POOLS,
    RANDOM,
    RENAMED,
    SIZED,
    WEIGHTS,
    arrays_of,
    assert_same_programs,
    expected_of,
    make,
    make_linen,
    make_nnx,
    modules_of,
    settings_of,
)
from tests.programs import interpret


def test_one_module_for_each_function_in_the_same_order():
    for package in (linen_pool, nnx_pool):
        assert set(modules_of(package)) == {"Pooling", *POOLS}
    assert modules_of(linen_pool) == modules_of(nnx_pool)


@pytest.mark.parametrize("name", POOLS)
def test_arguments_are_the_function_s(name):
    learned = WEIGHTS.get(name, {})
    expected = [
        p
        for p in inspect.signature(POOLS[name]).parameters.values()
        if p.name not in ARRAYS and p.name not in learned
    ]
    arguments = list(inspect.signature(getattr(nnx_pool, name)).parameters.values())
    assert (arguments[-1].name == "rngs") == (name in RANDOM or name in DRAWN)
    assert (arguments[0].name == "num_features") == (name in SIZED)
    of_the_module = set(OF_THE_MODULE) - set(inspect.signature(POOLS[name]).parameters)
    other = ("rngs", "num_features", *of_the_module)
    assert [p for p in arguments if p.name not in other] == expected
    linen = inspect.signature(getattr(linen_pool, name)).parameters
    # Linen's modules have a method `init`, so the argument of this name has another there.
    assert [
        p.replace(name="init") if n == "init_value" else p
        for n, p in linen.items()
        if n not in ("parent", "name", *of_the_module)
    ] == expected


@pytest.mark.parametrize("name", [name for name in POOLS if name not in WEIGHTS])
def test_programs_are_the_function_s(name):
    module, linen = make_nnx(name, **settings_of(name)), make_linen(name, **settings_of(name))

    def of_linen(*arrays):
        pooled, variables = linen.init_with_output({}, *arrays)
        assert not variables
        return pooled

    assert_same_programs((module, of_linen, lambda *arrays: expected_of(name, *arrays)), *arrays_of(name))
    assert not jax.tree.leaves(nnx.state(module, nnx.Param))


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name not in DRAWN])
def test_results_are_the_function_s(name):
    module, linen = make_nnx(name, **settings_of(name)), make_linen(name, **settings_of(name))

    def program(*arrays):
        variables = linen.init(jax.random.key(0), *arrays)
        return module(*arrays), linen.apply(variables, *arrays), expected_of(name, *arrays), variables

    of_nnx, of_linen, expected, variables = interpret(program, *arrays_of(name))
    chex.assert_trees_all_equal(of_nnx, expected)
    chex.assert_trees_all_equal(of_linen, expected)
    learned = {n: start.astype(np.float32) for n, start in WEIGHTS[name].items()}
    chex.assert_trees_all_equal(variables, {"params": learned})
    chex.assert_trees_all_equal(nnx.to_pure_dict(nnx.state(module, nnx.Param)), learned)


@pytest.mark.parametrize("name", DRAWN)
def test_modules_are_the_function_with_what_is_drawn_at_random(name):
    module, linen = (make(name, **settings_of(name)) for make in (make_nnx, make_linen))
    bound = {n: v for n, v in settings_of(name).items() if n not in OF_THE_MODULE}

    def program(x):
        variables = linen.init(jax.random.key(0), x)
        weights = [
            dict.fromkeys(WEIGHTS[name]) | of_one
            for of_one in (nnx.to_pure_dict(nnx.state(module)), variables["params"])
        ]
        expected = [POOLS[name](x, **of_one, **bound) for of_one in weights]
        return [module(x), linen.apply(variables, x)], expected

    chex.assert_trees_all_equal(*interpret(program, INPUTS))


def test_windows_are_taken_by_position():
    expected = jaxpool.avg_pool(INPUTS, (2, 2), (2, 1), "SAME", False, window_dilation=(1, 2))
    for package in (nnx_pool, linen_pool):
        module = package.AvgPool((2, 2), [2, 1], "SAME", False, window_dilation=[1, 2])
        actual = module(INPUTS) if package is nnx_pool else module.apply({}, INPUTS)
        chex.assert_trees_all_equal(actual, expected)


@pytest.mark.parametrize("name", MASKED)
def test_masks_are_given_when_called(name):
    module, linen = make_nnx(name, **settings_of(name)), make_linen(name, **settings_of(name))
    where = (INPUTS[..., :1] if name in OF_TOKENS else INPUTS) > 0.5
    if name not in WEIGHTS:
        pools = (module, functools.partial(linen.apply, {}), functools.partial(expected_of, name))
        assert_same_programs(
            [lambda w, *arrays, pool=pool: pool(*arrays, where=w) for pool in pools], where, *arrays_of(name)
        )
        return

    def program(where, *arrays):
        of_linen, _ = linen.init_with_output(jax.random.key(0), *arrays, where=where)
        return module(*arrays, where=where), of_linen, expected_of(name, *arrays, where=where)

    of_nnx, of_linen, expected = interpret(program, where, *arrays_of(name))
    chex.assert_trees_all_equal(of_nnx, expected)
    chex.assert_trees_all_equal(of_linen, expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case(case):
    """The program of a module is that of the function."""
    arguments = {"return_indices": True, **case.options}
    of_nnx, of_linen = (package.MaxPool(*case.arguments, **arguments) for package in (nnx_pool, linen_pool))
    pools = (
        of_nnx,
        lambda x: of_linen.apply({}, x),
        lambda x: jaxpool.max_pool(x, *case.arguments, **arguments),
    )
    *actual, expected = (str(jax.make_jaxpr(pool)(random(case.shape))) for pool in pools)
    assert actual == [expected] * 2


@pytest.mark.parametrize("name", POOLS)
def test_documentation_and_pickling(name, package):
    cls = getattr(package, name)
    assert cls.__name__ == cls.__qualname__ == name
    home = jaxpool.morphology if POOLS[name] in vars(jaxpool.morphology).values() else jaxpool
    assert f"`{home.__name__}.{POOLS[name].__name__}`" in inspect.getdoc(cls)
    module = make(package, name, **settings_of(name))
    copy = pickle.loads(pickle.dumps(module))
    assert type(copy) is cls
    for argument, value in settings_of(name).items():
        argument = RENAMED.get(package.__name__, {}).get(argument, argument)
        assert getattr(copy, argument) == getattr(module, argument)
        assert not isinstance(getattr(copy, argument), list)
        assert np.array_equal(getattr(copy, argument), value)


@pytest.mark.parametrize("name", WEIGHTS)
def test_what_is_learned_gets_a_gradient(name):
    module, linen = make_nnx(name, **settings_of(name)), make_linen(name, **settings_of(name))

    def loss(pooled):
        return jnp.sum(jnp.sin(3 * pooled))

    graph, state = nnx.split(module)

    def of_nnx(x, state):
        return nnx.grad(lambda module: loss(module(x)))(nnx.merge(graph, state))

    gradients = nnx.to_pure_dict(interpret(of_nnx, INPUTS, state))
    assert set(gradients) == {n for n, start in WEIGHTS[name].items() if start is not None}
    assert all(np.any(gradient) for gradient in jax.tree.leaves(gradients))

    def of_linen(x):
        variables = linen.init(jax.random.key(0), x)
        return jax.grad(lambda variables: loss(linen.apply(variables, x)))(variables)["params"]

    other = jax.eval_shape(of_linen, INPUTS)
    chex.assert_trees_all_equal_shapes_and_dtypes(other, gradients)


def test_attention_ofmodules_of():
    """Clip's mean query or a learned one, any number of heads and features."""
    settings = {"num_heads": 3, "out_features": 5, "learned_query": True, "keepdims": True}
    module = nnx_pool.AttentionPool(3, **settings, rngs=nnx.Rngs(0))
    assert module(INPUTS).shape == (2, 1, 1, 5)
    assert nnx.state(module)["query"].shape == (3,)
    assert "positions" not in nnx.state(module)
    other = nnx_pool.AttentionPool(3, **settings, rngs=nnx.Rngs(1))
    assert (other(INPUTS) != module(INPUTS)).all()
    where = INPUTS[..., :1] > 0.5
    assert (module(INPUTS, where=where) != module(INPUTS)).all()
    several = nnx_pool.AttentionPool(3, 1, num_queries=4, rngs=nnx.Rngs(0))
    assert nnx.state(several)["query"].shape == (4, 3)
    assert several(INPUTS).shape == (2, 4, 3)
    linen = linen_pool.AttentionPool(**settings)
    variables = linen.init(jax.random.key(0), INPUTS)
    assert linen.apply(variables, INPUTS, where=where).shape == (2, 1, 1, 5)
    with pytest.raises(ValueError, match="num_heads must divide the 3 channels, got 2"):
        nnx_pool.AttentionPool(3, 2, rngs=nnx.Rngs(0))
    with pytest.raises(TypeError, match="rngs"):
        nnx_pool.AttentionPool(3, 1)
