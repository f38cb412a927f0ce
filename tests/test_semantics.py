"""What the pools beyond maximum, sum and average promise: magnitudes, ties and draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import reference
from tests.cases import column, random
from tests.programs import interpret, value_and_gradient

NAN, INF = np.nan, np.inf


# ---------------------------------------------------------------------------------- norms and smooth maxima


@pytest.mark.parametrize("scale", [4e36, 1e30, 1e-30, 2e-37])
@pytest.mark.parametrize("p", [0.5, 1, 2, 3, 100, INF])
def test_norms_neither_overflow_nor_underflow(p, scale):
    inputs = column(3, -4, 0, 12)
    scaled, exact = (
        np.stack([inputs * np.float32(scale), inputs]),
        reference.global_lp_pool(inputs[None], p=p),
    )

    def pools(x):
        value, pullback = jax.vjp(lambda x: jaxpool.lp_pool(x, (2,), (2,), p=p), x)
        return value, pullback(jnp.ones_like(value))[0], jaxpool.global_lp_pool(x, axis=1, p=p)

    (value, expected), (gradient, slopes), (whole, _) = interpret(pools, scaled)
    np.testing.assert_allclose(value / np.float32(scale), expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(whole / np.float32(scale), exact[0], rtol=1e-5)


@pytest.mark.parametrize("p", [0.5, 1, 2, 3, INF])
def test_the_norm_has_no_gradient_at_zero(p):
    value, gradient = value_and_gradient(lambda x: jaxpool.lp_pool(x, (2,), (2,), p=p), column(0, 0, 0, 2))
    assert value[:, 0].tolist() == [0, 2]
    assert gradient[:, 0].tolist() == [0, 0, 0, 1]


SMOOTH = {
    "logsumexp": lambda x, **settings: jaxpool.logsumexp_pool(x, (2,), (2,), mean=True, **settings),
    "soft": lambda x, **settings: jaxpool.soft_pool(x, (2,), (2,), **settings),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_maxima_of_infinities(name):
    inputs = column(-INF, -INF, -INF, 1, 3, 3, INF, 1, NAN, 1)
    value, gradient = value_and_gradient(SMOOTH[name], inputs)
    expected = [-INF, 1 - np.log(2) if name == "logsumexp" else 1, 3, INF, NAN]
    np.testing.assert_allclose(value[:, 0], np.float32(expected), rtol=1e-6)
    assert gradient[:6, 0].tolist() == [0, 0, 0, 1, 0.5, 0.5]


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_maxima_lie_between_average_and_maximum(name):
    inputs = column(1, 3, -2, 5, 1e30, -1e30)
    cold, hot = interpret(
        lambda x: (SMOOTH[name](x, temperature=1e-3), SMOOTH[name](x[:4], temperature=1e5)), inputs
    )
    np.testing.assert_allclose(cold[:, 0], [3, 5, 1e30], rtol=1e-3)
    np.testing.assert_allclose(hot[:, 0], [2, 1.5], rtol=1e-2)


# --------------------------------------------------------------------------------------- spread and order


def test_variances_do_not_cancel():
    inputs = np.random.RandomState(0).randint(-4, 5, (16, 1)).astype(np.float32)
    for pool in (jaxpool.var_pool, jaxpool.std_pool):
        far, near = interpret(lambda x, y, pool=pool: (pool(x, (4,)), pool(y, (4,))), inputs + 1e6, inputs)
        np.testing.assert_allclose(far, near, rtol=1e-4)


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_the_deviation_of_equals_is_zero_without_gradient(size):
    inputs = np.repeat(np.float32([0, 0.5, -4, 2]), size)[:, None]
    value, gradient = value_and_gradient(lambda x: jaxpool.std_pool(x, (size,), (size,)), inputs)
    assert not np.any(value)
    assert not np.any(gradient)


def test_too_few_elements_have_no_unbiased_variance():
    for pool in (jaxpool.var_pool, jaxpool.std_pool):
        unbiased, biased = interpret(
            lambda x, pool=pool: (pool(x, (1,), correction=1), pool(x, (1,))), column(1, 2)
        )
        assert np.isnan(unbiased).all()
        assert not np.any(biased)


@pytest.mark.parametrize("q", [0, 0.5, 0.3, 1])
def test_quantiles_of_special_values(q):
    inputs = column(INF, -INF, 2, NAN, 1, 1, INF, INF)
    value, gradient = value_and_gradient(lambda x: jaxpool.quantile_pool(x, (2,), (2,), q=q), inputs)
    expected = {0: -INF, 1: INF}.get(q, NAN)
    np.testing.assert_array_equal(value[:, 0], np.float32([expected, NAN, 1, INF]))
    assert gradient[4:, 0].tolist() == [1, 0, 1, 0]


EMPTY = {
    "lp_pool": (0, {}),
    "logsumexp_pool": (-INF, {}),
    "soft_pool": (0, {}),
    "median_pool": (0, {}),
    "quantile_pool": (0, {"q": 0.2}),
    "var_pool": (0, {}),
    "std_pool": (0, {"correction": 1}),
}


@pytest.mark.parametrize("name", EMPTY)
def test_windows_of_padding_only(name):
    expected, settings = EMPTY[name]

    def pool(x, cotangent):
        value, pullback = jax.vjp(lambda x: getattr(jaxpool, name)(x, (2,), (2,), [(2, 4)], **settings), x)
        return value, pullback(cotangent)[0]

    value, gradient = interpret(pool, column(1, 2), column(1, 0, 1, 1))
    assert value[[0, 2, 3], 0].tolist() == [expected] * 3
    assert not np.any(gradient)


def test_stochastic_windows_of_padding_only():
    for deterministic in (True, False):
        value = interpret(
            lambda x, deterministic=deterministic: jaxpool.stochastic_pool(
                np.zeros(2, np.uint32), x, (2,), (2,), [(2, 4)], deterministic=deterministic
            ),
            column(1, 2),
        )
        assert value[[0, 2, 3], 0].tolist() == [0] * 3


# ------------------------------------------------------------------------------------------------- unpools


def test_duplicate_positions_take_the_last():
    values = np.arange(1, 2001, dtype=np.float32).reshape(1, 1000, 2)
    indices = np.random.RandomState(0).randint(-1, 9, values.shape).astype(np.int32)

    @jax.jit  # compiled, and more than once: threads might scatter in any order
    def unpool(values):
        result, pullback = jax.vjp(lambda v: jaxpool.max_unpool(v, indices, (8,)), values)
        return result, pullback(jnp.ones_like(result))[0]

    for _ in range(5):
        result, gradient = unpool(values)
        np.testing.assert_array_equal(result, reference.max_unpool(values, indices, (8,)))
        ones = np.ones_like(result)
        np.testing.assert_array_equal(gradient, reference.max_unpool_vjp(ones, indices, (8,)))


def test_unpooling_restores_what_pooling_took():
    inputs = random((2, 6, 4, 2))

    def there_and_back(x):
        values, indices = jaxpool.max_pool(x, (2, 2), (2, 2), return_indices=True)
        means = jaxpool.avg_pool(x, (2, 2), (2, 2))
        repeated = jaxpool.avg_unpool(means, (6, 4), (2, 2), (2, 2))
        return jaxpool.max_unpool(values, indices, (6, 4)), means, jaxpool.avg_pool(repeated, (2, 2), (2, 2))

    restored, means, again = interpret(there_and_back, inputs)
    np.testing.assert_array_equal(restored, np.where(restored != 0, inputs, 0))
    np.testing.assert_allclose(again, means, rtol=1e-6)


# ---------------------------------------------------------------------------------------------- randomness


def test_stochastic_draws_follow_the_probabilities():
    inputs = random((5, 4, 1)) * np.float32(2)
    arguments, count = ((3, 2), (2, 2), "SAME"), 4000
    keys = jax.random.split(jax.random.key(0), count)

    @jax.jit
    def draws(keys):
        # The position is the tangent: that of the element that was drawn.
        positions = jnp.arange(1.0, inputs.size + 1).reshape(inputs.shape)
        return jax.vmap(
            lambda key: jax.jvp(
                lambda x: jaxpool.stochastic_pool(key, x, *arguments), (inputs,), (positions,)
            )[1]
        )(keys)

    drawn = np.asarray(draws(keys)).astype(int)
    chances = reference.stochastic_choices(inputs, *arguments)
    for place in np.ndindex(*chances.shape[:-1]):
        found = np.bincount(drawn[:, *place], minlength=inputs.size + 1) / count
        assert (found[1:][chances[place] == 0] == 0).all()
        np.testing.assert_allclose(found[1:], chances[place], atol=4.5 * 0.5 / np.sqrt(count))


FRACTIONAL = (
    {"window_shape": (2, 2)},
    {"window_shape": None, "pseudo_random": True},
    {"window_shape": None, "pseudo_random": True, "overlapping": True},
)


@pytest.mark.parametrize("options", FRACTIONAL, ids=str)
def test_each_key_gives_other_fractional_windows(options):
    inputs = np.random.RandomState(0).rand(2, 16, 16, 2).astype(np.float32)

    def pool(key, **settings):
        return jaxpool.fractional_max_pool(key, inputs, output_shape=(11, 11), **options, **settings)

    results = interpret(
        lambda: (
            *(pool(jax.random.key(seed)) for seed in (0, 0, 1)),
            pool(None, random_samples=np.full(2, 0.5, np.float32)),
            pool(None, deterministic=True),
            pool(jax.random.key(3), deterministic=True),
        )
    )
    first, second, third, half, *deterministic = results
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()
    for result in deterministic:
        np.testing.assert_array_equal(result, half)


def test_keys_and_samples_batch():
    inputs = np.random.RandomState(0).rand(2, 7, 2).astype(np.float32)
    keys = np.random.RandomState(2).randint(0, 99, (3, 2)).astype(np.uint32)
    samples = np.random.RandomState(1).rand(3, 2, 2, 1).astype(np.float32)

    def of_key(key):
        stochastic = jaxpool.stochastic_pool(key, inputs, (2,))
        return stochastic, jaxpool.fractional_max_pool(key, inputs, (2,), (4,))

    def of_samples(samples):
        return jaxpool.fractional_avg_pool(None, inputs, (2,), (4,), random_samples=samples)

    for function, batch in ((of_key, keys), (of_samples, samples)):
        together, apart = interpret(
            lambda batch, function=function: (jax.vmap(function)(batch), [function(one) for one in batch]),
            batch,
        )
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *apart)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), together, stacked)


def test_indices_batch():
    values = random((3, 2, 4, 2))
    indices = np.random.RandomState(0).randint(-1, 6, values.shape).astype(np.int32)

    def unpool(v, i):
        return jaxpool.max_unpool(v, i, (6,))

    together, apart = interpret(lambda v, i: (jax.vmap(unpool)(v, i), unpool(v, i)), values, indices)
    np.testing.assert_array_equal(together, apart)


# ------------------------------------------------------------------------------------------ many dimensions


@pytest.mark.parametrize("axis", [3, (1, 4), -1, (0, 2, 5)], ids=str)
def test_arrays_of_seven_dimensions(axis):
    """XLA:CPU of jaxlib 0.10.2 crashes where such arrays are multiplied and added up: jax#39257, #40412."""
    x, weights = random((3, 1, 2, 2, 8, 8, 8)), np.cos(random((2, 1, 8, 1, 8))) + 1.5
    where = np.random.RandomState(0).rand(2, 8, 8, 8) > 0.4
    pools = {
        "global_weighted_avg_pool": {"weights": weights, "where": where},
        "global_lp_pool": {"keepdims": True},
        "global_soft_pool": {"where": where},
        "global_std_pool": {},
        "global_gem_pool": {"p": np.linspace(1, 2, 8, dtype=np.float32) if axis != -1 else 2.0},
    }

    @jax.jit
    def value_and_gradient(x):
        values, pullback = jax.vjp(
            lambda x: {n: getattr(jaxpool, n)(x, axis=axis, **o) for n, o in pools.items()}, x
        )
        return values, pullback(jax.tree.map(jnp.cos, values))[0]

    values, gradient = value_and_gradient(x)
    assert np.isfinite(gradient).all()
    for name, options in pools.items():
        axes = tuple(d % 7 for d in np.atleast_1d(axis))
        arrays = [
            np.moveaxis(np.broadcast_to(a, x.shape), axes, range(len(axes))) for a in (x, weights, where)
        ]
        rows, shares, kept = (a.reshape(-1, 1, a[(0,) * len(axes)].size) for a in arrays)
        more = {"where": kept} if "where" in options else {}
        more |= {"weights": shares} if "weights" in options else {}
        if "p" in options:
            more["p"] = np.resize(options["p"], rows.shape[-1]) if np.ndim(options["p"]) else 2.0
        expected = getattr(jaxpool, name)(rows, axis=0, **more)
        np.testing.assert_allclose(values[name].ravel(), expected.ravel(), rtol=2e-5, atol=1e-6)
