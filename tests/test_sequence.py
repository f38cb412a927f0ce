"""Global pools of sequences and by statistics: padding on either side, rows of nothing else, NaN, ties."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxpool
from tests.cases import distinct
from tests.programs import interpret

# Each takes inputs, and a mask or none.
POOLS = {
    "first": jaxpool.global_first_pool,
    "last": jaxpool.global_last_pool,
    "topk": lambda x, where: jaxpool.global_topk_pool(x, 2, where=where),
    "weighted": lambda x, where: jaxpool.global_weighted_avg_pool(
        x, lax.stop_gradient(1 + jnp.square(x)), where=where
    ),
    "sqrt_n": jaxpool.global_sqrt_n_pool,
    "soft": jaxpool.global_soft_pool,
    "var": jaxpool.global_var_pool,
    "var of a sample": functools.partial(jaxpool.global_var_pool, correction=1),
    "std": jaxpool.global_std_pool,
    "median": jaxpool.global_median_pool,
    "quantile": lambda x, where: jaxpool.global_quantile_pool(x, 0.3, where=where),
    "statistics": jaxpool.statistics_pool,
    "attentive": lambda x, where: jaxpool.attentive_statistics_pool(
        x, lax.stop_gradient(jnp.sin(x)), where=where
    ),
}


def _derivatives(name, x, where):
    """Value, gradient and tangent."""

    def total(x):
        values = POOLS[name](x, where=where)
        return jnp.sum(jnp.where(jnp.isfinite(values), jnp.sin(values), 0)), values

    (_, values), gradient = jax.value_and_grad(total, has_aux=True)(x)
    return values, gradient, jax.jvp(lambda x: POOLS[name](x, where=where), (x,), (jnp.ones_like(x),))[1]


def _interpret(name, x, where):
    return interpret(lambda x, where: POOLS[name](x, where=where), x, where)


@pytest.mark.parametrize("name", POOLS)
def test_padding_is_nothing_whatever_is_in_it(name):
    """On either side, in value and derivatives: as of the sequence alone, and 0 where there is padding."""
    tokens = distinct((3, 4, 2), np.float32)
    padded = np.full((4, 7, 2), np.nan, np.float32)
    where = np.zeros((4, 7, 1), bool)
    for row, start in enumerate((0, 3, 1)):
        padded[row, start : start + 4], where[row, start : start + 4] = tokens[row], True
    padded[2, 0] = np.inf
    alone = interpret(functools.partial(_derivatives, name), tokens, None)
    values, gradient, tangent = interpret(functools.partial(_derivatives, name), padded, where)
    taken = gradient[where[..., 0]].reshape(tokens.shape)
    for expected, actual in zip(alone, (values[:3], taken, tangent[:3]), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert not np.any(gradient[~where[..., 0]])
    assert (values[3] == (-np.inf if name == "topk" else 0)).all()  # a row of padding only
    assert not np.any(tangent[3])


# --------------------------------------------------------------------------------------------- one by one


def _line(*numbers, dtype=np.float32):
    return np.array(numbers, dtype)[None, :, None]


def test_ends_are_elements_like_others():
    x = _line(np.nan, 1, np.inf, 2, -np.inf)
    for pool, at in ((jaxpool.global_first_pool, 0), (jaxpool.global_last_pool, 4)):
        assert np.array_equal(interpret(pool, x)[0, 0], x[0, at, 0], equal_nan=True)
        gradient = interpret(jax.grad(lambda x, pool=pool: jnp.sum(pool(x))), x)
        assert gradient[0, :, 0].tolist() == np.eye(5)[at].tolist()


@pytest.mark.parametrize(
    ("numbers", "mask", "k", "expected"),
    [
        ((1, 3, 3, 2), (1, 1, 1, 1), 1, (3,)),
        ((1, np.nan, 5, 2), (1, 1, 1, 1), 2, (np.nan, 5)),
        ((1, -np.nan, np.nan, 2), (1, 1, 1, 1), 2, (np.nan, np.nan)),
        ((-np.inf, 9, 3, 8), (1, 0, 1, 0), 3, (-np.inf, 3, -np.inf)),
        ((9, -np.inf, 9, 3), (0, 1, 0, 1), 2, (-np.inf, 3)),
        ((0.0, -0.0, 0.0), (1, 1, 1), 2, (0.0, -0.0)),
    ],
)
def test_largest_stand_as_they_stood(numbers, mask, k, expected):
    def pool(x, where):
        return jaxpool.global_topk_pool(x, k, where=where)

    result = interpret(pool, _line(*numbers), _line(*mask, dtype=bool))[0, :, 0]
    np.testing.assert_array_equal(result, expected)
    assert np.array_equal(np.signbit(result), np.signbit(expected)) or np.isnan(result).any()


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_])
def test_lowest_integers_come_before_what_is_masked(dtype):
    low = np.iinfo(dtype).min if dtype != np.bool_ else False
    x, where = _line(1, low, 1, 1, dtype=dtype), _line(0, 1, 0, 1, dtype=bool)
    result = interpret(lambda x, where: jaxpool.global_topk_pool(x, 3, where=where), x, where)
    assert result[0, :, 0].tolist() == [low, 1, low]


def test_ties_share_no_gradient():
    x, where = _line(2, 3, 3, 1, 3), _line(1, 1, 1, 1, 0, dtype=bool)
    topk = interpret(jax.grad(lambda x: jnp.sum(jaxpool.global_topk_pool(x, 1, where=where))), x)
    assert topk[0, :, 0].tolist() == [0, 1, 0, 0, 0]
    median = interpret(jax.grad(lambda x: jnp.sum(jaxpool.global_median_pool(x, where=where))), x)
    assert median[0, :, 0].tolist() == [0.5, 0.5, 0, 0, 0]
    upper = interpret(jax.grad(lambda x: jnp.sum(jaxpool.global_quantile_pool(x, 1.0, where=where))), x)
    assert upper[0, :, 0].tolist() == [0, 1, 0, 0, 0]


def test_quantiles_meet_nan_and_infinities():
    x = _line(1, np.nan, np.inf, np.nan, 0)

    def pool(x, where=None):
        return jnp.sum(jaxpool.global_quantile_pool(x, 0.5, where=where))

    value, gradient = interpret(jax.value_and_grad(pool), x)
    assert np.isnan(value)
    assert gradient[0, :, 0].tolist() == [0, 1, 0, 0, 0]
    assert interpret(pool, x, ~np.isnan(x)) == 1  # the infinity is not weighed with 0


@pytest.mark.parametrize("q", [0.1, 1 / 3, 1.0])
def test_quantiles_are_those_of_a_window(q):
    x = distinct((2, 5, 6, 3), np.float32)

    def pools(x):
        whole = jaxpool.global_quantile_pool(x, q), jaxpool.global_quantile_pool(x, q, where=jnp.isfinite(x))
        return *whole, jaxpool.quantile_pool(x, (5, 6), q=q)[:, 0, 0]

    whole, masked, window = interpret(pools, x)
    np.testing.assert_array_equal(whole, window)
    np.testing.assert_array_equal(masked, window)


def test_deviations_do_not_cancel():
    x = (4096 + distinct((2, 50, 3))).astype(np.float32)
    expected = np.std(x.astype(float), 1)
    logits = np.zeros((50, 1), np.float32)
    results = interpret(
        lambda x: [
            jaxpool.global_std_pool(x),
            jnp.sqrt(jaxpool.global_var_pool(x)),
            jaxpool.statistics_pool(x)[:, 3:],
            jaxpool.attentive_statistics_pool(x, logits)[:, 3:],
        ],
        x,
    )
    for result in results:
        np.testing.assert_allclose(result, expected, rtol=1e-3)


def test_one_deviation_is_without_gradient():
    x = np.full((1, 4, 2), 0.1, np.float32)
    for name in ("std", "statistics", "attentive"):
        assert all(np.isfinite(a).all() for a in interpret(functools.partial(_derivatives, name), x, None))


def test_a_sample_of_one_has_no_variance():
    x, where = _line(3, 4), _line(1, 0, dtype=bool)
    sample, population = (_interpret(name, x, where) for name in ("var of a sample", "var"))
    assert np.isnan(sample)
    assert population == 0


def test_weights_that_cancel_give_nothing():
    x, weights = _line(1, 2, 3), _line(1, -1, 0)
    pool = jaxpool.global_weighted_avg_pool
    value, gradients = interpret(
        jax.value_and_grad(lambda x, w: jnp.sum(pool(x, w)), argnums=(0, 1)), x, weights
    )
    assert value == 0
    assert not any(map(np.any, gradients))


@pytest.mark.parametrize("pool", [jaxpool.global_weighted_avg_pool, jaxpool.attentive_statistics_pool])
def test_what_is_beside_padding_has_no_gradient(pool):
    x, beside = _line(1, 2, 3, np.nan, np.inf), _line(3, 1, 2, np.inf, np.nan)
    where = _line(1, 1, 1, 0, 0, dtype=bool)

    def gradient(x, beside, where):
        return jax.grad(lambda beside: jnp.sum(jnp.sin(pool(x, beside, 1, where=where))))(beside)

    padded, alone = interpret(
        lambda x, beside, where: [gradient(x, beside, where), gradient(x[:, :3], beside[:, :3], None)],
        *(x, beside, where),
    )
    np.testing.assert_allclose(padded[:, :3], alone, rtol=1e-5)
    assert np.any(alone)
    assert not np.any(padded[:, 3:])


def test_a_logit_takes_its_element_out():
    x, logits = distinct((2, 5, 3), np.float32), np.where(np.arange(5) < 3, 0, -np.inf)[:, None]
    actual, expected = interpret(
        lambda x: (
            jaxpool.attentive_statistics_pool(x, logits.astype(np.float32)),
            jaxpool.statistics_pool(x[:, :3]),
        ),
        x,
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_largest_may_be_more_than_there_are():
    result = interpret(lambda x: jaxpool.global_topk_pool(x, 4), _line(1, 2))
    assert result[0, :, 0].tolist() == [1, 2, -np.inf, -np.inf]


@pytest.mark.parametrize("split", [("x", None, None), (None, "x", None)], ids=str)
def test_on_an_explicit_mesh(split):
    """Of sequences that are split over devices, by rows or along the sequence."""
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Explicit,) * 2)
    inputs, where = distinct((4, 8, 2), np.float32), np.arange(8)[:, None] < np.arange(2, 6)[:, None, None]

    def results(x):
        few = [POOLS[name](x, where=where) for name in ("last", "topk", "median", "statistics")]
        return few, jax.grad(lambda x: jnp.sum(jnp.sin(POOLS["last"](x, where=where))))(x)

    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, jax.NamedSharding(mesh, jax.P(*split)))
        actual = jax.jit(results)(placed)
    chex.assert_trees_all_close(actual, interpret(results, inputs), rtol=1e-5, atol=1e-6)
