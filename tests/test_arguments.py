"""Arguments of the new pools: mistakes are named, and each argument that changes changes the result."""

import functools
import inspect
import re

import jax
import numpy as np
import pytest

import jaxpool
from tests.programs import interpret

NAN, INF = np.nan, np.inf

# ------------------------------------------------------------------------------------------------ mistakes

_X = np.zeros((2, 6, 5, 3), np.float32)
_KEY = np.zeros(2, np.uint32)
_WINDOW = {"window_shape": (2, 2)}
_BINS = {"output_shape": (2, 2)}
_SKETCH = {"out_features": 4}
_VLAD = {"centers": _X[0, 0], "kernel": _X[0, 0].T}
_HEADS = np.linspace(-3, 3, 9, dtype=np.float32).reshape(3, 3, 1)
_SIM = {"scale": _HEADS[0, :, 0], "bias": _HEADS[1, :, 0], "query_kernel": _HEADS, "key_kernel": 2 * _HEADS}


@pytest.mark.parametrize(
    ("error", "message", "name", "arguments"),
    [
        (ValueError, "p must be above 0, got 0", "lp_pool", _WINDOW | {"p": 0}),
        (TypeError, "p must be a number, got 'a'", "lp_pool", _WINDOW | {"p": "a"}),
        (ValueError, "p must be above 0, got nan", "global_lp_pool", {"p": NAN}),
        (ValueError, "temperature must be above 0", "logsumexp_pool", _WINDOW | {"temperature": 0}),
        (ValueError, "temperature must be above 0", "soft_pool", _WINDOW | {"temperature": INF}),
        (ValueError, "temperature must be above 0", "global_logsumexp_pool", {"temperature": -1.0}),
        (TypeError, "temperature must be a number", "soft_pool", _WINDOW | {"temperature": "a"}),
        (TypeError, "mean must be a bool, got 1", "logsumexp_pool", _WINDOW | {"mean": 1}),
        (ValueError, "q must be from 0 to 1, got 2", "quantile_pool", _WINDOW | {"q": 2}),
        (TypeError, "q must be a number", "quantile_pool", _WINDOW | {"q": None}),
        (TypeError, "missing .* argument: 'q'", "quantile_pool", _WINDOW),
        (ValueError, "q must be from 0 to 1, got -1", "global_quantile_pool", {"q": -1}),
        (ValueError, "inputs must have elements", "global_median_pool", {"inputs": _X[:, :0]}),
        (ValueError, "inputs must have elements", "global_first_pool", {"inputs": _X[:, :0]}),
        (TypeError, "axis must be an int, got None", "global_last_pool", {"axis": None}),
        (ValueError, "axis must hold ints from -4 to 3", "global_first_pool", {"axis": 4}),
        (TypeError, "k must be an int, got 2.0", "global_topk_pool", {"k": 2.0}),
        (ValueError, "k must be at least 1, got 0", "global_topk_pool", {"k": 0}),
        (TypeError, "inputs must be real", "global_topk_pool", {"inputs": _X + 1j, "k": 2}),
        (ValueError, "weights must broadcast", "global_weighted_avg_pool", {"weights": _X[0, 0, 0, :2]}),
        (TypeError, "weights must be real", "global_weighted_avg_pool", {"weights": _X + 1j}),
        (ValueError, "temperature must be above 0", "global_soft_pool", {"temperature": 0}),
        (ValueError, "correction must be 0 or 1, got 3", "global_var_pool", {"correction": 3}),
        (ValueError, "axis must not name the last axis", "statistics_pool", {"axis": (1, -1)}),
        (ValueError, "logits must broadcast", "attentive_statistics_pool", {"logits": _X[0, 0, 0, :2]}),
        (TypeError, "logits must be real", "attentive_statistics_pool", {"logits": _X + 1j}),
        (ValueError, "temperature must be above 0", "soft_argmax_pool", {"temperature": 0}),
        (ValueError, "temperature must have the shape", "soft_argmax_pool", {"temperature": np.ones(3)}),
        (TypeError, "temperature must be a number, got None", "soft_argmax_pool", {"temperature": None}),
        (TypeError, "normalized must be a bool, got 1", "soft_argmax_pool", {"normalized": 1}),
        (ValueError, "axis must not name the last axis", "covariance_pool", {"axis": (1, 3)}),
        (ValueError, "power must be 'sqrt' or None, got 0.5", "covariance_pool", {"power": 0.5}),
        (ValueError, "iterations must be at least 1, got 0", "covariance_pool", {"iterations": 0}),
        (ValueError, "where must have one channel", "covariance_pool", {"where": _X == 0}),
        (TypeError, "inputs must be real", "bilinear_pool", {"inputs": _X + 1j}),
        (TypeError, "others must be real", "bilinear_pool", {"others": _X + 1j}),
        (ValueError, "others must have the shape", "bilinear_pool", {"others": _X[:1]}),
        (TypeError, "out_features must be an int, got 2.5", "compact_bilinear_pool", {"out_features": 2.5}),
        (ValueError, "out_features must be at least 1", "compact_bilinear_pool", {"out_features": 0}),
        (TypeError, "sketches must be a seed or", "compact_bilinear_pool", _SKETCH | {"sketches": "a"}),
        (
            TypeError,
            "buckets must be int",
            "compact_bilinear_pool",
            _SKETCH | {"sketches": [_X[0, 0, 0]] * 2},
        ),
        (
            ValueError,
            r"signs must have the shape \(6,\), got \(3,\)",
            "compact_bilinear_pool",
            _SKETCH | {"sketches": (np.zeros(6, int), _X[0, 0, 0])},
        ),
        (ValueError, "centers must have the shape", "netvlad_pool", _VLAD | {"centers": _X[0, 0, 0]}),
        (ValueError, "kernel must have the shape", "netvlad_pool", _VLAD | {"kernel": _X[0, 0]}),
        (ValueError, "bias must have the shape", "netvlad_pool", _VLAD | {"bias": _X[0, 0, 0, :2]}),
        (ValueError, r"scale must have the shape \(3,\)", "sim_pool", _SIM | {"scale": _X[0, 0]}),
        (ValueError, r"key_kernel must have the shape \(3, 3, 1\)", "sim_pool", _SIM | {"key_kernel": _X[0]}),
        (
            ValueError,
            "query_kernel must have the shape .* heads times size are 3",
            "sim_pool",
            _SIM | {"query_kernel": np.ones((3, 2, 2))},
        ),
        (ValueError, "gamma must be above 0 and finite, got 0", "sim_pool", _SIM | {"gamma": 0}),
        (ValueError, "correction must be 0 or 1, got 2", "var_pool", _WINDOW | {"correction": 2}),
        (TypeError, "correction must be an int", "std_pool", _WINDOW | {"correction": 0.5}),
        (ValueError, "inputs must have at least 3 dimensions", "global_avg_pool", {"inputs": _X[0, 0]}),
        (ValueError, "axis must hold ints from -4 to 3", "global_avg_pool", {"axis": 4}),
        (ValueError, "axis must name no dimension twice", "global_max_pool", {"axis": (1, -3)}),
        (TypeError, "every entry of axis must be an int", "global_min_pool", {"axis": (1.0,)}),
        (TypeError, "keepdims must be a bool", "global_sum_pool", {"keepdims": 1}),
        (TypeError, "where must be an array of bools", "global_sum_pool", {"where": np.ones(3)}),
        (ValueError, "where must broadcast", "max_pool", _WINDOW | {"where": np.ones(2, bool)}),
        (TypeError, "where must be an array", "avg_pool", _WINDOW | {"where": True}),
        (TypeError, "output_shape must be a sequence", "adaptive_avg_pool", {"output_shape": 2}),
        (ValueError, "at least 1", "adaptive_max_pool", {"output_shape": (2, 0)}),
        (ValueError, "at least 5 dimensions", "adaptive_avg_pool", {"output_shape": (1,) * 4}),
        (TypeError, "return_indices must be a bool", "adaptive_max_pool", _BINS | {"return_indices": 1}),
        (TypeError, "levels must be a sequence", "spatial_pyramid_pool", {"levels": 2}),
        (TypeError, "every entry of every tuple of levels", "pyramid_pool", {"levels": ((1, 2.0),)}),
        (TypeError, "levels must be a sequence of ints, got 1.5", "pyramid_pool", {"levels": (1.5,)}),
        (ValueError, "levels must have at least one", "spatial_pyramid_pool", {"levels": ()}),
        (ValueError, "levels must hold ints of at least 1", "spatial_pyramid_pool", {"levels": (2, 0)}),
        (ValueError, "every tuple of levels must hold", "pyramid_pool", {"levels": ((2, 0),)}),
        (ValueError, "levels must have tuples with one", "pyramid_pool", {"levels": ((2, 1), (3,))}),
        (ValueError, "levels must have tuples with one", "spatial_pyramid_pool", {"levels": ((),)}),
        (ValueError, "inputs must have at least 3 dim", "spatial_pyramid_pool", {"inputs": _X[0, 0]}),
        (ValueError, "channel_axis must be None or an int", "spatial_pyramid_pool", {"channel_axis": 4}),
        (ValueError, "reduction must be 'avg' or 'max', got 'sum'", "pyramid_pool", {"reduction": "sum"}),
        (ValueError, "reduction must be", "spatial_pyramid_pool", {"reduction": None}),
        (TypeError, "inputs must be real", "pyramid_pool", {"inputs": _X + 1j, "reduction": "max"}),
        (ValueError, "channel_axis must be an int, for", "pyramid_pool", {"channel_axis": None}),
        (TypeError, "resize must be a bool, got 1", "pyramid_pool", {"resize": 1}),
        (ValueError, "reduction must be", "strip_pool", {"reduction": "min"}),
        (ValueError, "at least 2 dim", "strip_pool", {"inputs": _X[0, 0, 0], "channel_axis": None}),
        (ValueError, "channel_axis must be an int, for", "fast_pyramid_pool", {"channel_axis": None}),
        (TypeError, "times must be an int, got 1.5", "fast_pyramid_pool", {"times": 1.5}),
        (ValueError, "times must be at least 1, got 0", "fast_pyramid_pool", {"times": 0}),
        (TypeError, "indices must be integers", "max_unpool", _BINS | {"indices": _X}),
        (ValueError, "indices must have the shape", "max_unpool", _BINS | {"indices": np.zeros(2, int)}),
        (ValueError, "values must have the shape", "avg_unpool", _WINDOW | {"output_shape": (9, 9)}),
        (ValueError, "output_shape must have 2 entries", "avg_unpool", _WINDOW | {"output_shape": (7,)}),
        (ValueError, "key must be a key", "stochastic_pool", _WINDOW | {"key": None}),
        (TypeError, "key must be a key", "stochastic_pool", _WINDOW | {"key": np.zeros(2)}),
        (TypeError, "deterministic must be a bool", "stochastic_pool", _WINDOW | {"deterministic": 1}),
        (ValueError, "key must be a key", "fractional_max_pool", _WINDOW | _BINS | {"key": None}),
        (
            ValueError,
            "random_samples must have the shape",
            "fractional_avg_pool",
            _WINDOW | _BINS | {"random_samples": np.zeros(3, np.float32)},
        ),
        (
            TypeError,
            "random_samples must be floating-point",
            "fractional_max_pool",
            _WINDOW | _BINS | {"random_samples": np.zeros(2, int)},
        ),
        (
            ValueError,
            "overlapping must be False",
            "fractional_max_pool",
            _WINDOW | _BINS | {"overlapping": True},
        ),
        (
            ValueError,
            "window_shape must be None",
            "fractional_avg_pool",
            _WINDOW | _BINS | {"pseudo_random": True},
        ),
        (
            ValueError,
            "output_shape must let .* start elsewhere",
            "fractional_max_pool",
            _WINDOW | {"output_shape": (6, 2)},
        ),
        (
            ValueError,
            "output_shape must be at most",
            "fractional_avg_pool",
            {"window_shape": None, "output_shape": (7, 2), "pseudo_random": True},
        ),
    ],
)
def test_mistakes_are_named(error, message, name, arguments):
    first = {"values" if "unpool" in name else "inputs": _X}
    if name.startswith(("fractional", "stochastic")):
        first["key"] = _KEY
    if name == "max_unpool":
        first["indices"] = np.zeros(_X.shape, np.int32)
    with pytest.raises(error, match=message) as raised:
        getattr(jaxpool, name)(**(first | arguments))
    assert re.search(r"got|missing", str(raised.value))


@pytest.mark.parametrize(
    "name", ["lp_pool", "logsumexp_pool", "soft_pool", "median_pool", "var_pool", "std_pool"]
)
def test_complex_numbers_have_no_order(name):
    with pytest.raises(TypeError, match="inputs must be real, integer or bool"):
        getattr(jaxpool, name)(_X.astype(np.complex64), (2, 2))


# ---------------------------------------------------------------------------------------------- arguments

_SMALL = np.random.RandomState(0).rand(2, 8, 9, 3).astype(np.float32)
_WINDOWED = {"inputs": _SMALL, "window_shape": (2, 3), "strides": (3, 2), "padding": [(1, 1), (0, 1)]}
_FRACTIONAL = {"key": _KEY, "inputs": _SMALL, "window_shape": (2, 2), "output_shape": (5, 2)}
_PSEUDO_RANDOM = {**_FRACTIONAL, "window_shape": None, "pseudo_random": True}
_ALONG = {"inputs": _SMALL, "axis": 2}
_AVG_UNPOOL = {"values": _SMALL, "output_shape": (9, 10), "window_shape": (2, 2)}
BASES = {
    "quantile_pool": _WINDOWED | {"q": 0.3},
    "stochastic_pool": _WINDOWED | {"key": _KEY},
    "max_unpool": {
        "values": _SMALL,
        "indices": np.arange(_SMALL.size, dtype=np.int32).reshape(_SMALL.shape) % 80,
        "output_shape": (8, 10),
    },
    "fractional_max_pool": _FRACTIONAL,
    "fractional_avg_pool": _FRACTIONAL,
    "adaptive_avg_pool": {"inputs": _SMALL, "output_shape": (3, 4)},
    "adaptive_max_pool": {"inputs": _SMALL, "output_shape": (3, 4)},
    "spatial_pyramid_pool": {"inputs": _SMALL, "levels": (1, 2), "reduction": "avg"},
    "pyramid_pool": {"inputs": _SMALL, "levels": (1, 2)},
    "strip_pool": {"inputs": _SMALL},
    "fast_pyramid_pool": {"inputs": _SMALL, "window_shape": (2, 3)},
    "subsample_pool": _WINDOWED | {"coefficient": 0.3, "bias": 0.1},
    "mixed_pool": _WINDOWED | {"alpha": 0.3},
    "gem_pool": _WINDOWED | {"p": 2.0},
    "global_gem_pool": {"inputs": _SMALL, "p": 2.0},
    "global_lse_pool": {"inputs": _SMALL, "r": 2.0},
    "global_mixed_pool": {"inputs": _SMALL, "alpha": 0.3},
    "global_weighted_avg_pool": {"inputs": _SMALL, "weights": _SMALL[..., :1]},
    "global_avg_pool": {"inputs": 9 * _SMALL, "dtype": np.int32},
    "global_quantile_pool": {"inputs": _SMALL, "q": 0.3},
    "global_topk_pool": {"inputs": _SMALL, "k": 2, "axis": 2},
    **dict.fromkeys(("global_first_pool", "global_last_pool", "statistics_pool", "global_rank_pool"), _ALONG),
    "attentive_statistics_pool": _ALONG | {"logits": _SMALL[..., :1]},
    **dict.fromkeys(("soft_argmax_pool", "covariance_pool", "bilinear_pool"), _ALONG),
    "compact_bilinear_pool": _ALONG | {"out_features": 4},
    "netvlad_pool": _ALONG | {"centers": _SMALL[0, 0, :3], "kernel": 5 * _SMALL[0, 0, :3].T},
    "sim_pool": _ALONG | _SIM,
    "detail_preserving_pool": _WINDOWED | {"alpha": 0.3, "lam": 1.5},
    "lip_pool": _WINDOWED | {"logits": _SMALL[..., :1] * 2},
}
CHANGES = {
    "inputs": _SMALL + 1,
    "key": np.ones(2, np.uint32),
    "window_shape": (3, 2),
    "strides": (2, 3),
    "padding": 1,
    "window_dilation": (2, 2),
    "ceil_mode": True,
    "channel_axis": 1,
    "return_indices": True,
    "where": (_SMALL > 0.3) & (_SMALL < 0.7),
    "p": 3,
    "temperature": 0.5,
    "mean": True,
    "q": 0.4,
    "correction": 1,
    "axis": 1,
    "keepdims": True,
    "deterministic": True,
    "random_samples": np.float32([0.1, 0.9]),
    "coefficient": np.float32([0.1, 0.2, 0.3]),
    "bias": np.float32([0.5, 0.1, 0.2]),
    "activation": True,
    "alpha": 0.6,
    "logits": _SMALL * 3,
    "weights": _SMALL * 3,
    "k": 3,
    "dtype": np.float16,
    "rounding": "nearest",
    "eps": 0.5,
    "levels": (1, (3, 2)),
    "reduction": "max",
    "resize": False,
    "times": 2,
    "lam": 2.5,
    "symmetric": True,
    "normalized": False,
    "power": None,
    "iterations": 2,
    "others": _SMALL[..., ::-1] * 2,
    "out_features": 5,
    "sketches": 1,
    "centers": _SMALL[0, 1, :3],
    "scale": np.float32([2, 1, 0]),
    "query_kernel": _HEADS[::-1],
    "key_kernel": _HEADS[::-1],
    "query_bias": 5 * _HEADS[0],
    "gamma": 2.0,
    "r": -1.0,
    "kernel": 5 * _SMALL[0, 2, :3].T,
    "pseudo_random": {"pseudo_random": True, "window_shape": None},
}
# Whose mask has one channel.
_OF_TOKENS = ("covariance_pool", "bilinear_pool", "compact_bilinear_pool", "netvlad_pool", "sim_pool")
# Those of which most changes ask for a change of another argument, too.
_OTHERS = [
    ("max_unpool", {"values": _SMALL + 1}),
    ("max_unpool", {"indices": BASES["max_unpool"]["indices"] // 2}),
    ("max_unpool", {"output_shape": (9, 10)}),
    ("max_unpool", {"channel_axis": 1}),
    ("fractional_max_pool", {"output_shape": (2, 5)}),
    ("fractional_avg_pool", {"output_shape": (2, 5)}),
    ("adaptive_avg_pool", {"output_shape": (4, 3)}),
    ("adaptive_max_pool", {"output_shape": (4, 3)}),
]
_UNCHANGED = {"where", "random_samples", "overlapping", "values", "indices", "output_shape"}


def _arguments_of(name):
    return inspect.signature(getattr(jaxpool, name)).parameters


def _base(name):
    return BASES.get(name, {"inputs": _SMALL} if name.startswith("global") else _WINDOWED)


# With arguments of other forms: in this file further down, or in the file of their family.
_ELSEWHERE = (
    "output_shape",
    "streaming",
    "replace_flax_pools",
    "as_lax",
    "pool",
    "reduce_window",
    "avg_unpool",
    "blur_pool",
    "max_blur_pool",
    "polyphase_pool",
    "gated_pool",
    "spectral_pool",
    "wavelet_pool",
    "wavelet_unpool",
)
_ELSEWHERE += (
    "attention_pool",
    "rotary_attention_pool",
    "roi_align",
    "roi_pool",
    "ps_roi_align",
    "ps_roi_pool",
)
_ELSEWHERE += ("multiscale_roi_align", "crop_and_resize", "quantized_avg_pool", "global_quantized_avg_pool")
_ELSEWHERE += tuple(name for name in dir(jaxpool) if name.startswith("segment_"))  # in test_segments.py
_ELSEWHERE += ("__getattr__",)
EVERY = [
    name for name in dir(jaxpool) if inspect.isfunction(getattr(jaxpool, name)) and name not in _ELSEWHERE
]
_CHANGED = [
    (name, CHANGES[argument] if argument == "pseudo_random" else {argument: CHANGES[argument]})
    for name in EVERY
    if name not in ("max_pool", "min_pool", "sum_pool", "avg_pool", "max_unpool")
    for argument in _arguments_of(name)
    if argument not in _UNCHANGED
]
_CHANGED += [
    (name, {"where": CHANGES["where"][..., :1] if name in _OF_TOKENS else CHANGES["where"]})
    for name in EVERY
    if "where" in _arguments_of(name)
]
_CHANGED += [
    (name, {"random_samples": CHANGES["random_samples"]})
    for name in ("fractional_max_pool", "fractional_avg_pool")
]


def _differ(before, after):
    before, after = jax.tree.leaves(before), jax.tree.leaves(after)
    return len(before) != len(after) or any(
        a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(before, after, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "change"), _CHANGED + _OTHERS, ids=lambda v: v if isinstance(v, str) else "-".join(v)
)
def test_every_argument_changes_the_result(name, change):
    assert _differ(_unchanged(name), _results(name, _base(name) | change))


def _results(name, arguments):
    return interpret(lambda: getattr(jaxpool, name)(**arguments))


@functools.cache
def _unchanged(name):
    return _results(name, _base(name))


@pytest.mark.parametrize("name", ["fractional_max_pool", "fractional_avg_pool"])
def test_overlapping_windows_change_the_result(name):
    assert _differ(_results(name, _PSEUDO_RANDOM), _results(name, _PSEUDO_RANDOM | {"overlapping": True}))


@pytest.mark.parametrize(
    "change",
    [
        {"window_dilation": (1, 2), "output_shape": (9, 11)},
        {"strides": (2, 1), "output_shape": (16, 10)},
        {"strides": (2, 1), "output_shape": (17, 10), "ceil_mode": False},
        {"padding": 1, "output_shape": (7, 8)},
        {"window_shape": (3, 2), "output_shape": (10, 10)},
        {"channel_axis": 1, "output_shape": (10, 4)},
    ],
    ids=str,
)
def test_arguments_of_avg_unpool_change_the_result(change):
    assert _differ(_results("avg_unpool", _AVG_UNPOOL), _results("avg_unpool", _AVG_UNPOOL | change))


def test_every_argument_is_in_a_table():
    """So that an argument nobody listens to cannot be added unseen."""
    for name in EVERY:
        for argument in _arguments_of(name):
            assert argument in CHANGES or argument in _UNCHANGED or name in ("avg_pool", "max_unpool"), (
                argument
            )
