"""What docs/migration.md says of other frameworks under "Traps", where they differ from jaxpool."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests.cases import distinct
from tests.frameworks import by_jax, by_torch, helpers, installed, run_operator


@pytest.fixture(autouse=True)
def standard_promotion():
    """The other frameworks on JAX promote dtypes and ranks silently."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def test_averages_of_integers_are_truncated():
    torch = installed("torch")
    x = np.array([[[1, 2, -1, -2, -4, -3, 127, 126]]])
    theirs = torch.nn.functional.avg_pool1d(torch.from_numpy(x), 2)[0, 0]
    ours = jaxpool.avg_pool(x.astype(np.int8), (2,), (2,), dtype=np.int8, channel_axis=1)[0, 0]
    assert ours.tolist() == theirs.tolist() == [1, -1, -3, 126]
    assert np.mean(x.reshape(4, 2), 1, dtype=int).tolist() == theirs.tolist()
    assert jnp.mean(np.int8([127, 126]), dtype=jnp.int8) == -1


def test_torch_lp_pool_has_no_magnitude():
    torch = installed("torch")
    pool = torch.nn.functional.lp_pool1d
    x = np.array([[[-1.0, 2.0, -3.0]]], np.float32)
    np.testing.assert_allclose(
        pool(torch.from_numpy(x), 3, 2, 1).numpy(),
        helpers()["torch_lp_pool"](jnp.asarray(x), (2,), (1,), 3),
        1e-5,
    )
    assert pool(torch.from_numpy(x), 3, 2, 1)[0, 0, 1].isnan()
    assert pool(torch.from_numpy(x), 1.5, 2, 1).isnan().all()
    assert not np.isnan(jaxpool.lp_pool(x, (2,), p=1.5, channel_axis=1)).any()


def test_torch_lp_pool_scales_up_in_ceil_mode():
    torch = installed("torch")
    x = np.array([[[3.0, 4.0, 5.0]]], np.float32)
    theirs = torch.nn.functional.lp_pool1d(torch.from_numpy(x), 2, 2, ceil_mode=True)
    np.testing.assert_allclose(theirs[0, 0].numpy(), [5.0, 5.0 * math.sqrt(2)], 1e-6)
    ours = jaxpool.lp_pool(x, (2,), (2,), ceil_mode=True, channel_axis=1)
    np.testing.assert_allclose(ours[0, 0], [5.0, 5.0], 1e-6)


@pytest.mark.parametrize("o", [2, 3, 4, 5])
def test_equinox_has_other_bins(o):
    x = distinct((3, 10), np.float32)
    theirs = installed("equinox").nn.AdaptiveAvgPool1d(o)(jnp.asarray(x))
    np.testing.assert_allclose(
        helpers()["equinox_adaptive_avg_pool1d"](jnp.asarray(x), o), theirs, 1e-5, 1e-6
    )
    same = np.allclose(jaxpool.adaptive_avg_pool(x, (o,), channel_axis=0), theirs, atol=1e-6)
    assert same == (10 % o == 0)


def test_unpooling_an_index_twice():
    torch = installed("torch")
    values, indices = np.array([[[1.0, 2.0, 3.0]]], np.float32), np.array([[[0, 0, 1]]])
    pullback = by_torch(
        "torch.nn.functional.max_unpool1d(x, i, 2, 1, output_size=(4,))",
        values,
        {"torch": torch, "i": indices},
    )[1]
    assert pullback(np.ones((1, 1, 4), np.float32)).tolist() == [[[1, 1, 1]]]
    call = "jaxpool.max_unpool(x, i, (4,), channel_axis=1)"
    (unpooled,), pullback = by_jax(call, values, {"jaxpool": jaxpool, "i": indices})
    assert unpooled.tolist() == [[[2, 3, 0, 0]]]
    assert pullback(np.ones((1, 1, 4), np.float32)).tolist() == [[[0, 1, 1]]]


NAN = np.array([1, np.nan, 2, np.nan, 0], np.float32)
MAXIMUM = {  # how to take the maximum of five elements, and the index where there is one
    "jaxpool": (
        {"jaxpool": "jaxpool"},
        "jaxpool.max_pool(x[:, None], (5,), return_indices=True)",
    ),
    "torch": ({"torch": "torch"}, "torch.nn.functional.max_pool1d(x[None], 5, return_indices=True)"),
    "tensorflow": ({"tf": "tensorflow"}, 'tf.nn.max_pool1d(x[None, :, None], 5, 1, "VALID")'),
    "argmax": (
        {"tf": "tensorflow"},
        'tf.nn.max_pool_with_argmax(x[None, :, None, None], (5, 1), 1, "VALID")',
    ),
    "onnx": (
        {"onnx": "onnx", "ort": "onnxruntime"},
        'run_operator("MaxPool", onnx, ort, x[None, None], kernel_shape=[5])',
    ),
    "flax": ({"nn": "flax.linen"}, "nn.max_pool(x[:, None], (5,))"),
    "haiku": ({"hk": "haiku"}, 'hk.max_pool(x[:, None], (5, 1), 1, "VALID")'),
    "equinox": ({"eqx": "equinox"}, "eqx.nn.MaxPool1d(5)(x[None])"),
    "keras": ({"keras": "keras"}, "keras.layers.MaxPooling1D(5)(x[None, :, None])"),
}
LOWEST = float(np.finfo(np.float32).min)
OF_NAN = {  # for elements 1, NaN, 2, NaN, 0
    "jaxpool": [np.nan, 1],
    "torch": [np.nan, 3],
    "tensorflow": [2],
    "argmax": [2, 2],
    "onnx": [2, 2],
}
OF_INFINITY = {
    "jaxpool": [-np.inf, 0],
    "torch": [-np.inf, 0],
    "tensorflow": [LOWEST],
    "argmax": [-np.inf, 0],
    "onnx": [-np.inf, 0],
}


def _maximum(name, x):
    modules, call = MAXIMUM[name]
    names = {alias: installed(module) for alias, module in modules.items()}
    x = names["torch"].from_numpy(x) if name == "torch" else jnp.asarray(x) if name == "equinox" else x
    outputs = eval(call, names | {"x": x, "run_operator": run_operator})
    return [
        np.asarray(output).item() for output in (outputs if isinstance(outputs, tuple | list) else [outputs])
    ]


@pytest.mark.parametrize("name", MAXIMUM)
def test_table_of_special_values(name):
    assert _maximum(name, np.array([0, 1, 0, 1, 1], np.float32)) in ([1], [1, 1])  # ties
    np.testing.assert_equal(_maximum(name, NAN), OF_NAN.get(name, [np.nan]))
    np.testing.assert_equal(_maximum(name, np.full(5, -np.inf, np.float32)), OF_INFINITY.get(name, [-np.inf]))
