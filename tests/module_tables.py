"""Every pool as a module: its settings, its arrays, what it learns, and how a framework makes it."""

import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jaxpool
import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool

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


def arrays_of(name):
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


def modules_of(package):
    return [n for n, v in vars(package).items() if inspect.isclass(v) and v.__module__ == package.__name__]


def assert_same_programs(pools, *arrays):
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
