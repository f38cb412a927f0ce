"""Pools with parameters, blurred, polyphase and attention pools: split over devices, and exported."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool.sharding import spatial
from tests.cases import distinct
from tests.programs import interpret
from tests.split import Split, assert_same
from tests.test_trainable import KERNELS

_PARAMETERS = {
    "subsample": functools.partial(jaxpool.subsample_pool, coefficient=np.float32([0.1, 0.2, 0.3]), bias=0.4),
    "mixed": functools.partial(jaxpool.mixed_pool, alpha=np.float32([0.1, 0.2, 0.3])),
    "gated": functools.partial(
        jaxpool.gated_pool, gate=np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2)
    ),
    "details": functools.partial(jaxpool.detail_preserving_pool, alpha=np.float32([2, 3, 4]), lam=1.5),
    "gem": functools.partial(jaxpool.gem_pool, p=np.float32([2, 3, 4])),
    "max blur": functools.partial(jaxpool.max_blur_pool),
}
_WINDOW = {"window_shape": (3, 2), "strides": (2, 1), "padding": "SAME"}
SPATIAL = {name: functools.partial(pool, **_WINDOW) for name, pool in _PARAMETERS.items()}
_OFFSETS = np.linspace(-1, 1, 27, dtype=np.float32).reshape(3, 3, 3)
SPATIAL["dilate"] = lambda x: jaxpool.morphology.dilate(x, _OFFSETS, (2, 2), per_channel=True)
SPATIAL["open mask"] = functools.partial(jaxpool.morphology.open, kernel=np.eye(3, dtype=bool))
SPATIAL["lip"] = lambda x: jaxpool.lip_pool(x, jnp.cos(x), **_WINDOW)
SPATIAL["lip of one channel"] = lambda x: jaxpool.lip_pool(x, x[..., :1], **_WINDOW)
SPATIAL |= {
    f"blur {size} {padding}": functools.partial(jaxpool.blur_pool, filter_size=size, padding=padding)
    for size, padding in ((2, "REFLECT"), (3, "REFLECT"), (5, "EDGE"), (4, "ZERO"), (7, "REFLECT"))
}


@pytest.mark.parametrize("name", SPATIAL)
def test_split_along_space(name):
    inputs = distinct((1, 16, 16, 3), np.float32)
    counts = assert_same({name: Split(SPATIAL[name], P(None, "y", "x"), inputs)})
    assert counts["all-gather"] == counts["all-to-all"] == counts["reduce-scatter"] == 0
    assert (counts["collective-permute"] > 0) == (name != "blur 2 REFLECT")


def test_parameters_of_split_pools_get_the_whole_gradient():
    mesh = jax.make_mesh((2, 4), ("y", "x"))
    inputs = distinct((2, 16, 8, 3), np.float32)

    def loss(pool, alpha, inputs):
        return jnp.sum(jnp.sin(pool(inputs, alpha, **_WINDOW)))

    split = spatial(jaxpool.mixed_pool, mesh=mesh, spec=P("y", "x"))
    alpha = np.float32([0.1, 0.2, 0.3])
    expected = interpret(jax.grad(functools.partial(loss, jaxpool.mixed_pool)), alpha, inputs)
    gradient = jax.jit(jax.grad(functools.partial(loss, split)))(alpha, inputs)
    chex.assert_trees_all_close(gradient, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["mixed", "gated", "dilate", "blur 3 REFLECT", "lip"])
def test_on_explicit_meshes(name):
    pool, inputs = SPATIAL[name], distinct((2, 16, 8, 3), np.float32)
    mesh = jax.make_mesh((2, 4), ("y", "x"), axis_types=(AxisType.Explicit,) * 2)
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, P("y", "x")))
        actual = jax.jit(pool)(placed)
    chex.assert_trees_all_close(actual, interpret(pool, inputs), rtol=1e-5, atol=1e-6)


def test_whole_pools_of_batches_and_channels_on_explicit_meshes():
    mesh = jax.make_mesh((2, 4), ("y", "x"), axis_types=(AxisType.Explicit,) * 2)
    inputs = distinct((2, 8, 6, 4), np.float32)
    pools = {
        "gem": lambda x: jaxpool.global_gem_pool(x, 3.0),
        "polyphase": functools.partial(jaxpool.polyphase_pool, strides=(2, 2)),
    }
    for name, spec in (("gem", P("y")), ("gem", P("y", None, None, "x")), ("polyphase", P("y"))):
        with jax.set_mesh(mesh):
            actual = jax.jit(pools[name])(jax.device_put(inputs, NamedSharding(mesh, spec)))
        chex.assert_trees_all_close(actual, interpret(pools[name], inputs), rtol=1e-5)


@pytest.mark.parametrize("name", ["gated", "gem", "dilate", "blur 3 REFLECT", "polyphase", "attention"])
def test_export(name):
    """To every platform, with a symbolic batch, and back."""
    more = {
        "polyphase": functools.partial(jaxpool.polyphase_pool, strides=(2, 2)),
        "attention": functools.partial(jaxpool.attention_pool, query=None, **KERNELS),
    }
    pool, inputs = (SPATIAL | more)[name], distinct((2, 8, 8, 3), np.float32)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(pool(x)))))
    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, 8, 8, 3), np.float32)
    exported = jax.export.export(gradient, platforms=("cpu", "cuda", "tpu"))(spec)
    loaded = jax.export.deserialize(exported.serialize())
    expected = interpret(gradient, inputs)
    chex.assert_trees_all_close(loaded.call(inputs), expected, rtol=1e-4, atol=1e-5)
