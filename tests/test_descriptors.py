"""Pools of tokens and of places: padding, rows of nothing, what is 0, and what the results mean."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from tests.cases import distinct
from tests.differences import assert_derivatives
from tests.programs import interpret

CENTERS, KERNEL, BIAS = (
    distinct((2, 3), np.float32),
    distinct((3, 2), np.float32, seed=1),
    np.float32([0.1, 0]),
)
# A scale, a bias, and the kernels of three heads.
SIM = np.float32([1, 2, 0.5]), np.float32([0.1, 0, -1]), *distinct((2, 3, 3, 1), np.float32)
# Each takes inputs of three channels, and a mask or none.
POOLS = {
    "soft argmax": jaxpool.soft_argmax_pool,
    "root of covariance": jaxpool.covariance_pool,
    "covariance": functools.partial(jaxpool.covariance_pool, power=None),
    "bilinear": lambda x, **mask: jaxpool.bilinear_pool(x, -x[..., :2], **mask),
    "compact": lambda x, **mask: jaxpool.compact_bilinear_pool(x, 4, 2 * x, **mask),
    "netvlad": lambda x, **mask: jaxpool.netvlad_pool(x, CENTERS, KERNEL, BIAS, **mask),
    "sim": lambda x, **mask: jaxpool.sim_pool(x, *SIM, **mask),
    "sim of powers": lambda x, **mask: jaxpool.sim_pool(x, *SIM, gamma=2.0, **mask),
}


def _derivatives(name, x, where):
    """Value, gradient, and the tangent of both."""

    def gradient(x):
        return jax.value_and_grad(lambda x: jnp.sum(jnp.sin(POOLS[name](x, where=where))))(x)

    return POOLS[name](x, where=where), gradient(x)[1], jax.jvp(gradient, (x,), (jnp.ones_like(x),))[1]


@pytest.mark.parametrize("name", POOLS)
def test_padding_is_nothing_whatever_is_in_it(name):
    """In value and derivatives of both orders; and a row of nothing else gives 0, without a gradient."""
    tokens = distinct((2, 4, 3), np.float32)
    padded = np.full((3, 6, 3), np.nan, np.float32)
    padded[:2, :4], padded[0, 4] = tokens, np.inf
    where = np.zeros((3, 6, 1), bool)
    where[:2, :4] = True
    values, gradient, (slope, curvature) = interpret(functools.partial(_derivatives, name), padded, where)
    assert not np.any(values[2])
    for array in (gradient, curvature):
        assert not np.any(array[2])
        assert not np.any(array[:, 4:])
    if name == "soft argmax":
        return  # whose places are in what is padded
    alone = interpret(functools.partial(_derivatives, name), tokens, None)
    of_tokens = (values[:2], gradient[:2, :4], (slope, curvature[:2, :4]))
    chex.assert_trees_all_close(of_tokens, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", POOLS)
def test_low_precision_accumulates_in_float32(name):
    x = distinct((1, 600, 3), np.float32).astype(jnp.bfloat16)
    result = interpret(POOLS[name], x)
    expected = interpret(POOLS[name], x.astype(np.float32))
    assert result.dtype == jnp.bfloat16
    np.testing.assert_array_equal(result, expected.astype(jnp.bfloat16))


@pytest.mark.parametrize("name", ["root of covariance", "compact"])
def test_export(name):
    """To every platform, with a symbolic batch, and back."""

    def gradient(x):
        return jax.grad(lambda x: jnp.sum(jnp.sin(POOLS[name](x))))(x)

    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, 3, 2, 3), np.float32)
    exported = jax.export.export(jax.jit(gradient), platforms=("cpu", "cuda", "tpu"))(spec)
    x = distinct((2, 3, 2, 3), np.float32)
    loaded = jax.export.deserialize(exported.serialize())
    chex.assert_trees_all_close(loaded.call(x), interpret(gradient, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", [P("y"), P(None, "y", "x")], ids=str)
def test_on_an_explicit_mesh(spec):
    """Of arrays that are split over devices by rows, or along what is pooled and by channels."""
    mesh = jax.make_mesh((2, 4), ("y", "x"), axis_types=(AxisType.Explicit,) * 2)
    inputs = distinct((2, 6, 4), np.float32)

    def results(x):
        return (
            jaxpool.soft_argmax_pool(x),
            jaxpool.covariance_pool(x),
            jaxpool.bilinear_pool(x, 2 * x),
            jaxpool.compact_bilinear_pool(x, 4),
            jaxpool.netvlad_pool(x, inputs[0], inputs[1].T),
            jaxpool.sim_pool(x, *inputs[0, :2], *inputs[:, :4].reshape(2, 4, 2, 2), gamma=1.5),
        )

    with jax.set_mesh(mesh):
        actual = jax.jit(results)(jax.device_put(inputs, NamedSharding(mesh, spec)))
    chex.assert_trees_all_close(actual, interpret(results, inputs), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------------------------------------- soft argmax


def test_low_temperatures_find_the_maximum():
    x = distinct((3, 4, 5, 2), np.float32)

    def places(x):
        return jaxpool.soft_argmax_pool(x, temperature=1e-4, normalized=False)

    flat = np.moveaxis(x, -1, 1).reshape(3, 2, -1)
    expected = np.stack(np.unravel_index(np.argmax(flat, -1), (4, 5)), -1)
    np.testing.assert_allclose(interpret(places, x), expected, atol=1e-5)


def test_places_are_midway_between_equal_maxima():
    x = np.zeros((1, 1, 4, 5, 1), np.float32)
    x[0, 0, 1, 0], x[0, 0, 3, 4] = 200, 200
    cells, scaled = interpret(
        lambda x: [jaxpool.soft_argmax_pool(x, normalized=normalized) for normalized in (False, True)], x
    )
    np.testing.assert_allclose(cells[0, 0], [0, 2, 2], atol=1e-6)
    np.testing.assert_allclose(scaled[0, 0], [0, 1 / 3, 0], atol=1e-6)


@pytest.mark.parametrize(("number", "expected"), [(-np.inf, 0), (np.nan, np.nan), (np.inf, np.nan)])
def test_places_of_special_values(number, expected):
    x = np.full((1, 4, 1), -np.inf, np.float32)
    x[0, 2] = number
    value, gradient = interpret(jax.value_and_grad(lambda x: jnp.sum(jaxpool.soft_argmax_pool(x))), x)
    np.testing.assert_array_equal(value, np.float32(expected))
    assert np.isnan(expected) or not np.any(gradient)


def test_soft_argmax_is_differentiable_in_its_temperature(x64):
    def pool(x, temperature):
        return jaxpool.soft_argmax_pool(x, temperature=temperature)

    assert_derivatives(pool, distinct((1, 3, 2, 1)), np.array(0.7))


# ---------------------------------------------------------------------------------------------- covariances


def test_iterations_lead_to_the_square_root(x64):
    x = distinct((2, 30, 4))
    covariance, few, many = interpret(
        lambda x: (
            jaxpool.covariance_pool(x, power=None),
            jaxpool.covariance_pool(x),
            jaxpool.covariance_pool(x, iterations=20),
        ),
        x,
    )
    for matrix, tokens in zip(covariance, x, strict=True):
        np.testing.assert_allclose(matrix, np.cov(tokens.T, bias=True), rtol=1e-10)
    np.testing.assert_allclose(many @ many, covariance, rtol=1e-8, atol=1e-12)
    assert 0 < np.max(abs(few - many)) < 0.05 * np.max(abs(many))


@pytest.mark.parametrize("tokens", [1, 5])
@pytest.mark.parametrize("power", ["sqrt", None])
def test_no_covariance_is_without_gradient(tokens, power):
    x = np.full((2, tokens, 3), 0.5, np.float32)

    def pool(x):
        return jaxpool.covariance_pool(x, power=power)

    def gradient(x):
        return jax.grad(lambda x: jnp.sum(jnp.sin(pool(x))))(x)

    value, pushed, pulled, curvature = interpret(
        lambda x: (*jax.jvp(pool, (x,), (1 + x,)), *jax.jvp(gradient, (x,), (1 + x,))), x
    )
    assert not any(map(np.any, (value, pushed, pulled)))
    assert np.isfinite(curvature).all()


def test_covariances_do_not_cancel_and_are_symmetric():
    x = (4096 + distinct((2, 50, 5))).astype(np.float32)
    covariance, root = interpret(
        lambda x: (jaxpool.covariance_pool(x, power=None), jaxpool.covariance_pool(x)), x
    )
    for matrix, tokens in zip(covariance, x.astype(float), strict=True):
        np.testing.assert_allclose(matrix, np.cov(tokens.T, bias=True), rtol=1e-3, atol=1e-4)
    for matrix in (covariance, root):
        np.testing.assert_array_equal(matrix, np.swapaxes(matrix, 1, 2))


# ------------------------------------------------------------------------------------------ outer products


def test_sketches_keep_inner_products_on_average():
    x, y = distinct((2, 1, 6, 3), np.float32)
    exact = np.vdot(*(np.einsum("nc,nd->cd", a[0], a[0]) / 6 for a in (x, y)))

    def product(seed):
        return jnp.vdot(*(jaxpool.compact_bilinear_pool(a, 32, sketches=seed) for a in (x, y)))

    products = interpret(lambda: jnp.stack([product(seed) for seed in range(40)]))
    assert abs(np.mean(products) - exact) < 3 * np.std(products) / 40**0.5


def test_sketches_are_those_of_the_documented_generator():
    x = distinct((2, 3, 4), np.float32)
    random = np.random.RandomState(7)
    sketches = random.randint(5, size=8), 2 * random.randint(2, size=8) - 1
    seeded, given = interpret(
        lambda x: [jaxpool.compact_bilinear_pool(x, 5, sketches=s) for s in (7, sketches)], x
    )
    np.testing.assert_array_equal(seeded, given)


def test_others_are_beside_the_inputs():
    x = distinct((2, 3, 4), np.float32)
    pairs = interpret(
        lambda x: [
            (jaxpool.bilinear_pool(x), jaxpool.bilinear_pool(x, x)),
            (jaxpool.compact_bilinear_pool(x, 5), jaxpool.compact_bilinear_pool(x, 5, x)),
        ],
        x,
    )
    for alone, twice in pairs:
        np.testing.assert_array_equal(alone, twice)


# ------------------------------------------------------------------------------------------------- residuals


def test_netvlad_is_differentiable_in_what_is_learned(x64):
    def pool(x, *parameters):
        return jaxpool.netvlad_pool(x, *parameters)

    assert_derivatives(pool, distinct((1, 4, 3)), *(array.astype(float) for array in (CENTERS, KERNEL, BIAS)))


def test_tokens_in_their_centers_leave_nothing():
    centers = np.eye(2, 3, dtype=np.float32)
    x = np.stack([centers, centers + np.float32([0, 0, 3])])

    def pool(x):
        return jaxpool.netvlad_pool(x, centers, 400 * centers.T)

    values, gradient = interpret(lambda x: (pool(x), jax.grad(lambda x: jnp.sum(jnp.sin(pool(x))))(x)), x)
    assert not np.any(values[0])
    assert not np.any(gradient[0])
    np.testing.assert_allclose(values[1], [[0, 0, 0.5**0.5]] * 2, rtol=1e-6)
    assert np.isfinite(gradient).all()
