"""Flax's pools carried out by jaxpool's, in models that are not edited."""

import json
import threading

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.linen import max_pool, pooling

import jaxpool
from benchmarks import published
from tests.cases import random


@pytest.fixture(autouse=True)
def standard_promotion():
    """Flax, and what is written with it, promotes dtypes and ranks silently."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _primitives(function, *arguments):
    text = str(jax.make_jaxpr(function)(*arguments))
    return {name for name in ("reduce_window", "window_select", "window_add") if name in text}


CALLS = {
    "max": lambda x: nn.max_pool(x, (3, 2), (2, 1), "SAME"),
    "min": lambda x: pooling.min_pool(x, (2, 2)),
    "avg": lambda x: nn.avg_pool(x, (2, 2), (2, 2), ((1, 0), (0, 1))),
    "avg without padding": lambda x: nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False),
    "imported by name": lambda x: max_pool(x, (2, 2), (2, 2)),
    "nnx": lambda x: nnx.max_pool(x, (2, 2), (1, 1)),
    "one image": lambda x: nn.avg_pool(x[0], (2, 2)),
    "more batch axes": lambda x: nn.max_pool(x[None], (2, 2)),
}


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
def test_results_and_gradients_are_flax_s(name, dtype):
    x = random((2, 6, 5, 3), jnp.dtype(dtype))

    def value_and_gradient(x):
        value, pullback = jax.vjp(CALLS[name], x)
        return value, pullback(jnp.ones_like(value))[0]

    with jaxpool.replace_flax_pools():
        assert "reduce_window" not in _primitives(CALLS[name], x)
        ours = value_and_gradient(x)
    assert _primitives(CALLS[name], x) == {"reduce_window"}
    tolerance = 1e-6 if dtype == np.float32 else 2e-2
    for actual, expected in zip(ours, value_and_gradient(x), strict=True):
        assert actual.dtype == expected.dtype
        np.testing.assert_allclose(
            np.asarray(actual, np.float32), np.asarray(expected, np.float32), tolerance, tolerance
        )


def test_other_reductions_stay_flax_s():
    x = random((1, 4, 4, 2))
    with jaxpool.replace_flax_pools():
        assert _primitives(lambda x: nn.pool(x, 1.0, jax.lax.max, (2, 2), (1, 1), "VALID"), x) == {
            "reduce_window"
        }
        integers = jnp.arange(16).reshape(1, 4, 4, 1)
        found = pooling.pool(integers, 0, jax.lax.add, (2, 2), (2, 2), "VALID")
    np.testing.assert_array_equal(found[0, ..., 0], [[10, 18], [42, 50]])


def _fail_inside(found):
    with jaxpool.replace_flax_pools():
        with jaxpool.replace_flax_pools():
            found.append(_primitives(CALLS["max"], random((1, 4, 4, 1))))
        found.append(_primitives(CALLS["max"], random((1, 4, 4, 1))))
        raise RuntimeError


def test_flax_is_as_it_was_after_all():
    before, found = pooling.pool, []
    with pytest.raises(RuntimeError):
        _fail_inside(found)
    assert found == [{"window_select"}, {"window_select"}]
    assert pooling.pool is before


def test_what_is_jitted_is_traced_again():
    traced = []

    @jax.jit
    def pool(x):
        traced.append("window_select" in _primitives(CALLS["max"], x))
        return CALLS["max"](x)

    x = random((1, 4, 4, 1))
    for _ in range(2):
        pool(x)
        with jaxpool.replace_flax_pools():
            pool(x)
    assert traced == [False, True]


def test_other_threads_see_flax_s_own():
    x, found = random((1, 4, 4, 1)), []
    opened, looked = threading.Event(), threading.Event()

    def outside():
        opened.wait(30)
        found.append(_primitives(CALLS["max"], x))
        looked.set()

    thread = threading.Thread(target=outside)
    thread.start()
    with jaxpool.replace_flax_pools():
        opened.set()
        assert looked.wait(60)
        found.append(_primitives(CALLS["max"], x))
    thread.join()
    assert found == [{"reduce_window"}, {"window_select"}]


# ------------------------------------------------------------------------------ models that others published


def _published(name):
    reason = f"{name.partition('.')[0]} is in the extra frameworks, to compare"
    if name.startswith("flaxmodels."):
        models = pytest.importorskip("flaxmodels", reason=reason)
        options = {"include_head": False} if "VGG" in name else {"num_classes": 10}
        return getattr(models, name.partition(".")[2])(output="logits", pretrained=None, **options), {
            "train": False
        }
    models = pytest.importorskip("jax_resnet", reason=reason)
    return getattr(models, name.partition(".")[2])(n_classes=10), {}


@pytest.mark.parametrize("name", ["flaxmodels.VGG16", "flaxmodels.ResNet18", "jax_resnet.ResNetD18"])
def test_published_models_run_on_our_pools(name):
    model, options = _published(name)
    x = np.abs(random((1, 32, 32, 3)))
    variables = jax.jit(lambda key, x: model.init(key, x, **options))(jax.random.key(0), x)

    @jax.jit
    def step(params, x):
        def loss(params):
            output = model.apply({**variables, "params": params}, x, **options, mutable=True)[0]
            return jnp.sum(jnp.cos(jax.tree.leaves(output)[-1]))

        return jax.value_and_grad(loss)(params)

    params = variables["params"]
    expected = step(params, x)
    with jaxpool.replace_flax_pools():
        assert "reduce_window" not in _primitives(step, params, x)
        actual = step(params, x)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * max(np.abs(other).max(), 1))


def test_their_training_steps_are_timed(tmp_path, monkeypatch, capsys):
    pytest.importorskip("flaxmodels", reason="flaxmodels is in the extra frameworks, to compare")
    monkeypatch.setattr(published, "MODELS", published.MODELS[1:2])
    published.main(["--quick", "--out", str(tmp_path)])
    assert "flaxmodels.ResNet18, max 3x3/2, (1, 32, 32, 3): " in capsys.readouterr().out
    results = json.loads((tmp_path / "published-quick.json").read_text())
    assert results["models"]["flaxmodels.ResNet18"]["seconds"].keys() == {"flax", "jaxpool"}
