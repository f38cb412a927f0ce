"""Pyramids: against PyTorch and JAX's own resizing, against other ways to say the same, and split batches."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from tests.cases import distinct, random
from tests.programs import interpret
from tests.split import collectives, make_mesh

LEVELS = (1, 2, 3, 6)


def test_fast_pyramids_are_windows_side_by_side():
    inputs = np.random.RandomState(0).randn(2, 11, 9, 3).astype(np.float32)

    def both(x):
        side_by_side = [jaxpool.max_pool(x, (k, k), padding="SAME") for k in (5, 9, 13)]
        return jaxpool.fast_pyramid_pool(x), jnp.concatenate([x, *side_by_side], -1)

    chex.assert_trees_all_equal(*interpret(both, inputs))


@pytest.mark.parametrize("shape", [(1, 7, 9, 2), (1, 13, 6, 2), (1, 4, 2, 2)], ids=str)
def test_levels_are_resized_as_jax_does(shape):
    inputs = distinct(shape, np.float32)

    def both(x):
        levels = jaxpool.pyramid_pool(x, LEVELS, resize=False)
        resized = [jax.image.resize(level, shape, "linear", antialias=False) for level in levels]
        return jaxpool.pyramid_pool(x, LEVELS), jnp.concatenate([x, *resized], -1)

    chex.assert_trees_all_close(*interpret(both, inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 7, 9), (2, 3, 13, 6), (2, 3, 4, 2)], ids=str)
def test_pyramids_are_torch_s(shape):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, which this compares with")
    F, inputs = torch.nn.functional, random(shape, np.float32)
    x = torch.from_numpy(inputs).requires_grad_()
    levels = [F.adaptive_avg_pool2d(x, n) for n in LEVELS]
    resized = [F.interpolate(y, shape[2:], mode="bilinear", align_corners=False) for y in levels]
    flat = [F.adaptive_max_pool2d(x, n).flatten(1) for n in (4, 2, 1)]
    rows, columns = F.adaptive_avg_pool2d(x, (None, 1)), F.adaptive_avg_pool2d(x, (1, None))
    theirs = [torch.cat([x, *resized], 1), torch.cat(flat, 1), rows, columns]
    cotangents = [random(y.shape, np.float32, seed=1) for y in theirs]
    gradient = torch.autograd.grad(theirs, x, [torch.from_numpy(y) for y in cotangents])[0]

    def ours(x):
        flat = jaxpool.spatial_pyramid_pool(x, (4, 2, 1), channel_axis=1)
        return [jaxpool.pyramid_pool(x, channel_axis=1), flat, *jaxpool.strip_pool(x, channel_axis=1)]

    def results(x, cotangents):
        values, pullback = jax.vjp(ours, x)
        return values, pullback(cotangents)[0]

    expected = [y.detach().numpy() for y in theirs], gradient.numpy()
    chex.assert_trees_all_close(interpret(results, inputs, cotangents), expected, rtol=1e-4, atol=1e-5)


def test_other_axes_of_channels():
    """Wherever they are, the vector has bins and channels as they lie, behind the batch."""
    inputs = random((2, 4, 5, 3), np.float32)

    def pooled(axis):
        x = jnp.moveaxis(jnp.asarray(inputs), -1, axis)
        return jaxpool.spatial_pyramid_pool(x, ((2, 2),), channel_axis=axis).reshape(2, -1)

    bins = np.array(jaxpool.adaptive_max_pool(inputs, (2, 2)))
    for axis, behind in ((0, 1), (1, 1), (2, 2), (3, 3)):
        np.testing.assert_array_equal(pooled(axis), np.moveaxis(bins, -1, behind).reshape(2, -1))
    without = jaxpool.spatial_pyramid_pool(inputs[..., 0], (2,), channel_axis=None)
    np.testing.assert_array_equal(without, bins[..., 0].reshape(2, -1))


def test_strips_of_any_rank():
    inputs = random((2, 3, 4, 5, 2), np.float32)
    strips = jaxpool.strip_pool(inputs)
    assert [strip.shape for strip in strips] == [(2, 3, 1, 1, 2), (2, 1, 4, 1, 2), (2, 1, 1, 5, 2)]
    for strip, others in zip(strips, ((2, 3), (1, 3), (1, 2)), strict=True):
        np.testing.assert_allclose(strip, inputs.mean(others, keepdims=True), 1e-5, 1e-6)
    (line,) = jaxpool.strip_pool(inputs[:, 0, 0])
    np.testing.assert_array_equal(line, inputs[:, 0, 0])


def test_not_a_number_stays_between_its_neighbours():
    inputs = np.zeros((1, 12, 1), np.float32)
    inputs[0, 0] = np.nan
    (level,) = np.array(jaxpool.pyramid_pool(inputs, (3,)))[..., 1]
    assert np.isnan(level).tolist() == [True] * 6 + [False] * 6


def test_levels_are_rounded_once():
    """In bfloat16, by where float32 has it."""
    inputs = jnp.asarray(distinct((1, 9, 9, 1)), jnp.bfloat16)
    expected = jaxpool.pyramid_pool(inputs.astype(np.float32)).astype(jnp.bfloat16)
    chex.assert_trees_all_equal(jaxpool.pyramid_pool(inputs), expected)


def test_integers_promote_as_their_mean():
    inputs = random((1, 4, 4, 1), np.int32)
    assert jaxpool.pyramid_pool(inputs, reduction="max").dtype == np.float32
    assert jaxpool.pyramid_pool(inputs, resize=False, reduction="max")[0].dtype == np.int32


def _pyramids(x):
    levels = jaxpool.spatial_pyramid_pool(x, (1, 2)), jaxpool.pyramid_pool(x, (1, 2))
    return *levels, *jaxpool.strip_pool(x), jaxpool.fast_pyramid_pool(x, (2, 2), times=2)


def _with_gradient(x):
    values, pullback = jax.vjp(_pyramids, x)
    return values, pullback(jax.tree.map(jnp.cos, values))[0]


def test_split_batches_exchange_nothing():
    inputs, place = distinct((8, 3, 4, 2), np.float32), NamedSharding(make_mesh(), P(("y", "x")))
    placed = jax.device_put(inputs, place)
    compiled = jax.jit(_with_gradient).lower(placed).compile()
    assert not collectives(compiled.as_text())
    actual = compiled(placed)
    assert all(leaf.sharding.is_equivalent_to(place, leaf.ndim) for leaf in jax.tree.leaves(actual))
    chex.assert_trees_all_close(actual, interpret(_with_gradient, inputs), rtol=1e-5, atol=1e-5)


def test_types_say_that_batches_are_split():
    mesh = make_mesh(AxisType.Explicit)
    inputs = jax.ShapeDtypeStruct((8, 3, 4, 2), np.float32, sharding=NamedSharding(mesh, P("x")))
    with jax.set_mesh(mesh):
        results = jax.tree.leaves(jax.eval_shape(_with_gradient, inputs))
    assert [result.sharding.spec[0] for result in results] == ["x"] * 6
