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
from tests.programs import interpret

POOLS = {
    "".join(map(str.capitalize, name.split("_"))): function
    for home in (jaxpool, jaxpool.morphology)
    for name, function in vars(home).items()
    if inspect.isfunction(function)
    and name
    not in ("output_shape", "streaming", "replace_flax_pools", "reduce_window", "as_lax", "__getattr__")
}
ARRAYS = (
    "key",
    "inputs",
    "others",
    "features",
    "boxes",
    "box_indices",
    "segment_ids",
    "row_splits",
    "keys",
    "logits",
    "weights",
    "values",
    "indices",
    "where",
    "random_samples",
)
INPUTS = np.random.RandomState(0).rand(2, 8, 8, 3).astype(np.float32)

_WINDOW = {"window_shape": [2, 2], "strides": [2, 1], "padding": [[0, 1], [1, 0]]}
_BINS = {"output_shape": [3, 5]}
# The arguments of those that need others than a window. With lists, that modules make tuples of.
SETTINGS = {
    "Pool": {"init": 1.0, "reduce_fn": jax.lax.mul, **_WINDOW},
    "QuantilePool": {"q": 0.3, **_WINDOW},
    "StochasticPool": {"deterministic": True, **_WINDOW},
    "MaxUnpool": {"output_shape": [16, 20]},
    "AvgUnpool": {"output_shape": [16, 9], "window_shape": [2, 2], "strides": [2, 1]},
    "FractionalMaxPool": {"window_shape": [2, 2], "deterministic": True, **_BINS},
    "FractionalAvgPool": {"window_shape": [2, 2], "deterministic": True, **_BINS},
    "BlurPool": {"strides": [2, 1], "padding": "EDGE"},
    "PolyphasePool": {"strides": [2, 1]},
    "SpatialPyramidPool": {"levels": [3, 1], "reduction": "avg"},
    "PyramidPool": {"levels": [[2, 1], [3, 2]], "reduction": "max"},
    "StripPool": {"reduction": "max"},
    "FastPyramidPool": {"window_shape": [3, 3], "times": 2},
    "QuantizedAvgPool": {"scale": 0.1, "zero_point": 3, "output_scale": 0.2, **_WINDOW},
    "SpectralPool": _BINS,
    "WaveletPool": {"strides": [2, 1], "wavelet": "db2", "bands": "all"},
    "WaveletUnpool": {"strides": [2, 2], "output_shape": [15, 6], "channel_axis": 1},
    "AttentionPool": {"num_heads": 1, "num_positions": 65},
    "RotaryAttentionPool": {"num_heads": 2, "head_size": 4, "out_features": 5, "reference_shape": [4, 4]},
    "SoftArgmaxPool": {"axis": [1, -2], "normalized": False},
    "CovariancePool": {"axis": [1, 2], "iterations": 3},
    "BilinearPool": {"axis": [2]},
    "CompactBilinearPool": {"out_features": 5, "axis": [2], "sketches": 3},
    "NetvladPool": {"num_clusters": 2, "axis": [1, 2]},
    "SimPool": {"num_heads": 3, "use_bias": True, "axis": [1, 2], "gamma": 1.25},
    "Open": {"kernel": [[False, True], [True, True]], "window_dilation": [1, 2]},
    "Close": {"kernel": [2, 3]},
    "Gradient": {"kernel": [3, 1]},
    "TopHat": {"kernel": [3, 3]},
    "BlackHat": {"kernel": [2, 2]},
}
# What a module learns, and what it starts from where it is not drawn at random.
WEIGHTS = {
    "SubsamplePool": {"coefficient": np.full(3, 0.25), "bias": np.zeros(3)},
    "MixedPool": {"alpha": np.full((), 0.5)},
    "GlobalMixedPool": {"alpha": np.full((), 0.5)},
    "GatedPool": {"gate": np.zeros((2, 2))},
    "Dilate": {"kernel": np.zeros((2, 2))},
    "Erode": {"kernel": np.zeros((2, 2))},
    "GemPool": {"p": np.full((), 3.0)},
    "GlobalGemPool": {"p": np.full((), 3.0)},
    "GlobalLsePool": {"r": np.full((), 10.0)},
    "SimPool": {
        "scale": np.ones(3),
        "bias": np.zeros(3),
        "query_kernel": (3, 3, 1),
        "key_kernel": (3, 3, 1),
        "query_bias": np.zeros((3, 1)),
    },
    "DetailPreservingPool": {"alpha": np.zeros(3), "lam": np.zeros(3)},
    "SoftArgmaxPool": {"temperature": np.zeros(())},
    "NetvladPool": {"centers": (2, 3), "kernel": (3, 2), "bias": np.zeros(2)},
    "RotaryAttentionPool": {
        "query": None,
        **dict.fromkeys(("query_kernel", "key_kernel", "value_kernel"), (3, 2, 4)),
        "out_kernel": (2, 4, 5),
        **dict.fromkeys(("query_bias", "key_bias", "value_bias"), np.zeros((2, 4))),
        "out_bias": np.zeros(5),
    },
    "AttentionPool": {
        "query": None,
        "query_kernel": (3, 1, 3),
        "key_kernel": (3, 1, 3),
        "value_kernel": (3, 1, 3),
        "out_kernel": (1, 3, 3),
        "query_bias": np.zeros((1, 3)),
        "value_bias": np.zeros((1, 3)),
        "out_bias": np.zeros(3),
        "positions": (65, 3),
    },
}
SIZED = (
    "RotaryAttentionPool",
    "SubsamplePool",
    "DetailPreservingPool",
    "AttentionPool",
    "NetvladPool",
    "SimPool",
    "Dilate",
    "Erode",
)
DRAWN = ("RotaryAttentionPool", "AttentionPool", "NetvladPool", "SimPool")
LOGARITHMS = ("DetailPreservingPool", "SoftArgmaxPool")
# What frameworks call an argument otherwise.
RENAMED = {"jaxpool.linen": {"init": "init_value"}, "jaxpool.equinox": {"deterministic": "inference"}}
OF_THE_MODULE = (
    "num_heads",
    "num_clusters",
    "use_bias",
    "head_size",
    "out_features",
    "learned_query",
    "num_queries",
    "num_positions",
    "window_shape",
)
SETTINGS |= {name: _BINS for name in POOLS if name.startswith("Adaptive")}
REGIONS = ("RoiAlign", "RoiPool", "PsRoiAlign", "PsRoiPool", "CropAndResize", "MultiscaleRoiAlign")
BOXES = np.float32([[[0.1, 0.2, 0.9, 0.7]], [[0.3, 0.1, 0.8, 0.9]]])
SETTINGS |= {name: {"output_shape": [3, 1]} for name in REGIONS}
SETTINGS["MultiscaleRoiAlign"] |= {"image_shape": [8, 8]}
SETTINGS |= {name: {"axis": [1, -2]} for name in POOLS if name.startswith("Global")}
SETTINGS |= {"GlobalFirstPool": {"axis": 2}, "GlobalLastPool": {"axis": -2}, "GlobalTopkPool": {"k": 3}}
SETTINGS["GlobalRankPool"] = {"axis": 2}
SETTINGS["GlobalQuantilePool"] |= {"q": 0.3}
SETTINGS["GlobalQuantizedAvgPool"] |= {"scale": 0.1, "zero_point": 3}
SETTINGS |= {name: {"axis": [2, 1]} for name in ("StatisticsPool", "AttentiveStatisticsPool")}
SEGMENTED = [name for name in POOLS if name.startswith("Segment")]
SETTINGS |= {name: {"num_segments": 4, "axis": 1} for name in SEGMENTED}
SETTINGS["SegmentTopkPool"] |= {"axis": 2, "k": 2}
MASKED = [
    name
    for name in POOLS
    if "where" in inspect.signature(POOLS[name]).parameters and name not in (*DRAWN, "SegmentTopkPool")
]
OF_TOKENS = ("CovariancePool", "BilinearPool", "CompactBilinearPool")  # whose mask has one channel
RANDOM = [name for name in POOLS if "key" in inspect.signature(POOLS[name]).parameters]


def settings_of(name):
    return SETTINGS.get(name, _WINDOW)


def _arrays(name):
    indices = np.arange(INPUTS.size, dtype=np.int32).reshape(INPUTS.shape) % 320
    others = {"MaxUnpool": (INPUTS, indices), "LipPool": (INPUTS, 2 * INPUTS)}
    others |= dict.fromkeys(("GlobalWeightedAvgPool", "AttentiveStatisticsPool"), (INPUTS, INPUTS[..., :1]))
    ids = np.int32([0, 2, 0, 3, 2, -1, 3, 0])
    others |= dict.fromkeys(SEGMENTED, (INPUTS, ids)) | {"SegmentAttentionPool": (INPUTS, 2 * INPUTS, ids)}
    others |= {"BilinearPool": (INPUTS, INPUTS[..., :2])}
    others |= dict.fromkeys(("QuantizedAvgPool", "GlobalQuantizedAvgPool"), (np.uint8(255 * INPUTS),))
    others |= dict.fromkeys(REGIONS, (INPUTS, BOXES)) | {"MultiscaleRoiAlign": ([INPUTS], BOXES)}
    return others.get(name, (INPUTS,))


def expected_of(name, *arrays, **more):
    key = (None,) if name in RANDOM else ()
    arguments = dict(
        zip(
            [p for p in inspect.signature(POOLS[name]).parameters if p in ARRAYS],
            (*key, *arrays),
            strict=False,
        )
    )
    parameters = inspect.signature(POOLS[name]).parameters
    settings = {n: value for n, value in settings_of(name).items() if n in parameters}
    weights = WEIGHTS.get(name, {})
    if name in LOGARITHMS:
        weights = {n: jnp.exp(start.astype(np.float32)) for n, start in weights.items()}
    return POOLS[name](**(weights | arguments), **settings, **more)


def make_nnx(name, **settings):
    return make(nnx_pool, name, **settings)


def _modules(package):
    return [n for n, v in vars(package).items() if inspect.isclass(v) and v.__module__ == package.__name__]


def test_one_module_for_each_function_in_the_same_order():
    for package in (linen_pool, nnx_pool):
        assert set(_modules(package)) == {"Pooling", *POOLS}
    assert _modules(linen_pool) == _modules(nnx_pool)


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


def make_linen(name, **settings):
    return make(linen_pool, name, **settings)


def make(package, name, **settings):
    """A module of any framework, with what it needs beside its settings."""
    names = RENAMED.get(package.__name__, {})
    settings = {names.get(n, n): value for n, value in settings.items()}
    if package is not linen_pool and name in SIZED:
        settings["num_features"] = INPUTS.shape[-1]
    if package is not linen_pool and name in DRAWN:
        settings |= {"rngs": nnx.Rngs(0)} if package is nnx_pool else {"key": jax.random.key(0)}
    return getattr(package, name)(**settings)


def _assert_same_programs(pools, *arrays):
    """Of what has nothing to learn: the programs are the same, constants too, so their results are."""
    *actual, expected = (jax.make_jaxpr(pool)(*arrays) for pool in pools)
    constants, functions = _unprinted(expected)
    for program in actual:
        assert str(program) == str(expected)
        others, same = _unprinted(program)
        chex.assert_trees_all_equal(others, constants)
        assert same == functions


def _unprinted(program):
    """Constants and functions in a program, and in programs within it: they are printed without numbers."""
    constants, functions = list(program.consts), []
    for equation in program.jaxpr.eqns:
        constants += [value.val for value in equation.invars if hasattr(value, "val")]
        for parameter in jax.tree.leaves(list(equation.params.values())):
            if hasattr(parameter, "consts"):
                for found, inner in zip((constants, functions), _unprinted(parameter), strict=True):
                    found += inner
            elif inspect.isfunction(parameter):
                functions.append(parameter)
    return constants, functions


@pytest.mark.parametrize("name", [name for name in POOLS if name not in WEIGHTS])
def test_programs_are_the_function_s(name):
    module, linen = make_nnx(name, **settings_of(name)), make_linen(name, **settings_of(name))

    def of_linen(*arrays):
        pooled, variables = linen.init_with_output({}, *arrays)
        assert not variables
        return pooled

    _assert_same_programs((module, of_linen, lambda *arrays: expected_of(name, *arrays)), *_arrays(name))
    assert not jax.tree.leaves(nnx.state(module, nnx.Param))


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name not in DRAWN])
def test_results_are_the_function_s(name):
    module, linen = make_nnx(name, **settings_of(name)), make_linen(name, **settings_of(name))

    def program(*arrays):
        variables = linen.init(jax.random.key(0), *arrays)
        return module(*arrays), linen.apply(variables, *arrays), expected_of(name, *arrays), variables

    of_nnx, of_linen, expected, variables = interpret(program, *_arrays(name))
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
        _assert_same_programs(
            [lambda w, *arrays, pool=pool: pool(*arrays, where=w) for pool in pools], where, *_arrays(name)
        )
        return

    def program(where, *arrays):
        of_linen, _ = linen.init_with_output(jax.random.key(0), *arrays, where=where)
        return module(*arrays, where=where), of_linen, expected_of(name, *arrays, where=where)

    of_nnx, of_linen, expected = interpret(program, where, *_arrays(name))
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


def test_attention_of_modules():
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
