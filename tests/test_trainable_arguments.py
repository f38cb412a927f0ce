"""What pools with parameters, blurred, polyphase and attention pools refuse; and every argument counts."""

import inspect

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool.sharding import spatial
from tests.programs import interpret
from tests.test_trainable import BIASES, IMAGES, INF, KERNELS, QUERY, WHERE

_WINDOW = {"window_shape": (2, 2)}

_X = np.zeros((2, 6, 5, 3), np.float32)
_ATTENTION = {"query": None, **KERNELS}


@pytest.mark.parametrize(
    ("error", "message", "name", "arguments"),
    [
        (ValueError, "filter_size must be at least 1, got 0", "blur_pool", {"filter_size": 0}),
        (TypeError, "filter_size must be an int, got 2.0", "blur_pool", {"filter_size": 2.0}),
        (
            ValueError,
            "padding must be one of REFLECT, EDGE, ZERO, WRAP, got 'SAME'",
            "blur_pool",
            {"padding": "SAME"},
        ),
        (ValueError, "strides must have at least one entry", "blur_pool", {"strides": ()}),
        (ValueError, "strides must hold ints of at least 1", "blur_pool", {"strides": (0, 1)}),
        (ValueError, "more cells along axis 2 .* got 5", "blur_pool", {"filter_size": 10}),
        (ValueError, "strides must have 2 entries", "max_blur_pool", {**_WINDOW, "strides": (2,)}),
        (TypeError, "window_shape must be a sequence", "max_blur_pool", {"window_shape": 2}),
        (
            ValueError,
            r"strides must divide the spatial axes, which are \(6, 5\)",
            "polyphase_pool",
            {"strides": (2, 2)},
        ),
        (ValueError, "p must be above 0", "polyphase_pool", {"strides": (2, 1), "p": 0}),
        (ValueError, "strides must have at least one entry", "polyphase_pool", {"strides": ()}),
        (
            ValueError,
            r"alpha must have the shape \(\) or \(3,\), got \(2,\)",
            "mixed_pool",
            {"alpha": np.ones(2), **_WINDOW},
        ),
        (TypeError, "alpha must be an array, got 'a'", "mixed_pool", {"alpha": "a", **_WINDOW}),
        (
            ValueError,
            r"alpha must have the shape \(\), got",
            "mixed_pool",
            {"alpha": np.ones(3), **_WINDOW, "channel_axis": None},
        ),
        (
            ValueError,
            "coefficient must have",
            "subsample_pool",
            {"coefficient": np.ones((3, 1)), "bias": 0, **_WINDOW},
        ),
        (ValueError, "bias must have", "subsample_pool", {"coefficient": 1, "bias": np.ones(1), **_WINDOW}),
        (
            TypeError,
            "activation must be a bool",
            "subsample_pool",
            {"coefficient": 1, "bias": 0, **_WINDOW, "activation": 1},
        ),
        (
            ValueError,
            r"gate must have the shape \(2, 2\) or \(2, 2, 3\), got \(4,\)",
            "gated_pool",
            {"gate": np.ones(4), **_WINDOW},
        ),
        (
            ValueError,
            r"lam must have the shape \(\) or \(3,\), got \(2,\)",
            "detail_preserving_pool",
            {"alpha": 1.0, "lam": np.ones(2), **_WINDOW},
        ),
        (
            TypeError,
            "symmetric must be a bool, got 1",
            "detail_preserving_pool",
            {"alpha": 1.0, "lam": 1.0, **_WINDOW, "symmetric": 1},
        ),
        (ValueError, "eps must be above 0 and finite, got 0", "gem_pool", {"p": 3.0, **_WINDOW, "eps": 0}),
        (ValueError, r"p must have the shape \(\) or \(3,\)", "global_gem_pool", {"p": np.ones(2)}),
        (
            ValueError,
            "query must have one dimension",
            "rotary_attention_pool",
            {**_ATTENTION, "query": np.ones((2, 3))},
        ),
        (
            ValueError,
            "query_kernel must have heads whose size twice the number of axes divides",
            "rotary_attention_pool",
            {
                **_ATTENTION,
                "axis": 1,
                **{name: array[..., :1] for name, array in KERNELS.items() if "out" not in name},
                "out_kernel": KERNELS["out_kernel"][:, :1],
            },
        ),
        (ValueError, r"r must have the shape \(\) or \(3,\)", "global_lse_pool", {"r": np.ones(2)}),
        (
            ValueError,
            r"p must have the shape \(\), got \(3,\)",
            "global_gem_pool",
            {"p": np.ones(3), "axis": -1},
        ),
        (
            TypeError,
            "inputs must be real",
            "gem_pool",
            {"inputs": _X.astype(np.complex64), "p": 3.0, **_WINDOW},
        ),
        (
            ValueError,
            r"logits must broadcast to inputs of shape \(2, 6, 5, 3\), got shape \(2,\)",
            "lip_pool",
            {"logits": np.ones(2), **_WINDOW},
        ),
        (ValueError, "axis must not name the last axis", "attention_pool", {**_ATTENTION, "axis": -1}),
        (
            ValueError,
            r"query must have the shape \(3,\), got \(2,\)",
            "attention_pool",
            {**_ATTENTION, "query": np.ones(2)},
        ),
        (
            ValueError,
            r"query must have the shape \(4, 3\), got \(4, 2\)",
            "attention_pool",
            {**_ATTENTION, "query": np.ones((4, 2))},
        ),
        (
            ValueError,
            r"query_kernel must have the shape \(channels, heads, size\)",
            "attention_pool",
            {**_ATTENTION, "query_kernel": np.ones(2)},
        ),
        (
            ValueError,
            r"out_kernel must have the shape \(heads, size, features\)",
            "attention_pool",
            {**_ATTENTION, "out_kernel": np.ones(2)},
        ),
        (
            ValueError,
            r"key_kernel must have the shape \(3, 2, 4\), got",
            "attention_pool",
            {**_ATTENTION, "key_kernel": np.ones((3, 4, 2))},
        ),
        (TypeError, "value_kernel must be an array", "attention_pool", {**_ATTENTION, "value_kernel": None}),
        (
            ValueError,
            r"positions must have the shape \(31, 3\), got",
            "attention_pool",
            {**_ATTENTION, "positions": np.ones((30, 3))},
        ),
        (
            ValueError,
            "where must have one channel",
            "attention_pool",
            {**_ATTENTION, "where": np.ones(3, bool)},
        ),
    ],
)
def test_mistakes_are_named(error, message, name, arguments):
    with pytest.raises(error, match=message):
        getattr(jaxpool, name)(**({"inputs": _X} | arguments))


@pytest.mark.parametrize("name", ["polyphase_pool", "attention_pool", "spectral_pool", "wavelet_pool"])
def test_what_is_neither_windowed_nor_global_is_not_split(name):
    arguments = {"polyphase_pool": {"strides": (2, 1)}, "attention_pool": _ATTENTION}
    arguments |= {"spectral_pool": {"output_shape": (3, 3)}, "wavelet_pool": {}}
    split = spatial(getattr(jaxpool, name), mesh=jax.make_mesh((2,), ("x",)), spec=P(None, "x"))
    with pytest.raises(ValueError, match="function must be a windowed or global pool"):
        split(_X, **arguments[name])


def test_split_blurs_refuse_what_they_cannot():
    mesh = jax.make_mesh((8,), ("x",))
    split = spatial(jaxpool.blur_pool, mesh=mesh, spec=P("x"))
    with pytest.raises(ValueError, match="padding must not be 'WRAP' along an axis that is split"):
        split(np.zeros((16, 1), np.float32), 3, (2,), "WRAP")
    with pytest.raises(ValueError, match="more than one cell on each device"):
        split(np.zeros((8, 1), np.float32), 2, (1,))


_BASES = {
    "blur_pool": {"inputs": IMAGES},
    "max_blur_pool": {"inputs": IMAGES, "window_shape": (2, 3), "padding": "SAME"},
    "polyphase_pool": {"inputs": IMAGES, "strides": (2, 3)},
    "gated_pool": {"inputs": IMAGES, "gate": np.float32([[0.1, 0.2]]), "window_shape": (1, 2)},
    "attention_pool": {"inputs": IMAGES, "query": QUERY, **KERNELS},
    "rotary_attention_pool": {"inputs": IMAGES, "query": QUERY, **KERNELS, "axis": 1},
}
_CHANGES = {
    "blur_pool": {
        "inputs": IMAGES + 1,
        "filter_size": 5,
        "strides": (2, 1),
        "padding": "EDGE",
        "channel_axis": 1,
        "where": WHERE,
    },
    "max_blur_pool": {
        "inputs": IMAGES + 1,
        "window_shape": (3, 2),
        "strides": (2, 1),
        "padding": "VALID",
        "window_dilation": (2, 2),
        "channel_axis": 1,
        "filter_size": 2,
        "blur_padding": "ZERO",
        "where": WHERE,
    },
    "polyphase_pool": {"inputs": IMAGES + 1, "strides": (4, 2), "p": 0.1, "channel_axis": 2},
    "gated_pool": {
        "inputs": IMAGES + 1,
        "gate": np.float32([[0.3, 0.2]]),
        "window_shape": {"window_shape": (2, 1), "gate": np.float32([[0.1], [0.2]])},
        "strides": (2, 1),
        "padding": "SAME",
        "window_dilation": (1, 2),
        "ceil_mode": {"ceil_mode": True, "strides": (1, 3)},
        "channel_axis": 1,
        "where": WHERE,
    },
    "attention_pool": {
        "inputs": IMAGES + 1,
        "query": -QUERY,
        **{name: -2 * kernel for name, kernel in KERNELS.items()},
        **BIASES,
        "positions": np.ones((48, 3), np.float32).cumsum(0),
        "axis": 1,
        "where": WHERE,
        "keepdims": True,
    },
    "rotary_attention_pool": {
        "inputs": IMAGES + 1,
        "query": -QUERY,
        **{name: -2 * kernel for name, kernel in KERNELS.items()},
        **BIASES,
        "axis": 2,
        "where": WHERE,
        "keepdims": True,
        "key_bias": BIASES["query_bias"] + 1,
        "reference_shape": (3,),
        "temperature": 10.0,
    },
}


@pytest.mark.parametrize("name", _BASES)
def test_every_argument_changes_the_result(name):
    pool, base = getattr(jaxpool, name), _BASES[name]
    changes = {a: value if isinstance(value, dict) else {a: value} for a, value in _CHANGES[name].items()}
    before, changed = interpret(
        lambda: (pool(**base), {argument: pool(**(base | change)) for argument, change in changes.items()})
    )
    for argument, after in changed.items():
        assert after.shape != before.shape or not np.array_equal(after, before), argument
    assert set(_CHANGES[name]) == set(inspect.signature(pool).parameters)


def test_polyphase_norms_choose_differently():
    x = np.float32([[5.0], [4.0], [0.0], [4.0]])
    assert jaxpool.polyphase_pool(x, (2,), p=INF)[0, 0] == 5
    assert jaxpool.polyphase_pool(x, (2,), p=1.0)[0, 0] == 4
