"""What a mask leaves is all that there is: no element that it takes out is seen, counted or harmful."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import reference
from tests.cases import assert_close, column, random
from tests.programs import interpret, value_and_gradient

NAN, INF = np.nan, np.inf

MASKED = ((3, 2), (2, 1), "SAME")


@pytest.mark.parametrize("mask_shape", [(2, 5, 4, 2), (5, 1, 1), (4, 2), ()], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.int32])
def test_masks_match_oracle(dtype, mask_shape):
    inputs, where = random((2, 5, 4, 2), dtype), np.random.RandomState(0).rand(*mask_shape) > 0.5

    def pools(inputs, where):
        extremes = [
            pool(inputs, *MASKED, where=where, return_indices=True)
            for pool in (jaxpool.max_pool, jaxpool.min_pool)
        ]
        averages = [jaxpool.avg_pool(inputs, *MASKED, count, where=where) for count in (True, False)]
        overridden = jaxpool.avg_pool(inputs, *MASKED, divisor_override=3, where=where)
        return extremes, jaxpool.sum_pool(inputs, *MASKED, where=where), [*averages, overridden]

    extremes, total, averages = interpret(pools, inputs, np.asarray(where))
    for actual, oracle in zip(extremes, (reference.max_pool, reference.min_pool), strict=True):
        expected = oracle(inputs, *MASKED, where=where)
        assert_close(actual[0], expected[0])
        assert_close(actual[1], expected[1])
    assert_close(total, reference.sum_pool(inputs, *MASKED, where=where))
    mean_dtype = np.float32 if dtype == np.int32 else dtype
    for actual, settings in zip(
        averages,
        ({}, {"count_include_pad": False}, {"divisor_override": 3}),
        strict=True,
    ):
        expected = reference.avg_pool(inputs, *MASKED, where=where, dtype=mean_dtype, **settings)
        assert_close(actual, expected)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("window", [(3, 3), (9, 8)])
def test_elements_are_read_from_where_they_are(window, platform):
    """Of masks that leave nothing of some windows, with padding, strides and both derivatives."""
    arguments, shape = (window, (2, 1), "SAME"), (2, 13, 12, 2)
    inputs, where = random(shape), np.random.RandomState(0).rand(*shape) > 0.97
    tangent = np.cos(np.arange(inputs.size, dtype=np.float32)).reshape(shape)

    def all_of(inputs, where, tangent):
        def pool(x):
            return jaxpool.max_pool(x, *arguments, where=where)

        values, along = jax.jvp(pool, (inputs,), (tangent,))
        return values, along, jax.vjp(pool, inputs)[1](along)[0]

    values, along, gradient = interpret(all_of, inputs, where, tangent, platform=platform)
    expected, indices = reference.max_pool(inputs, *arguments, where=where)
    assert_close(values, expected)
    slope = reference.select_jvp(tangent, indices, *arguments, where=where)
    assert (indices == -1).any()
    assert_close(along, slope)
    assert_close(gradient, reference.select_vjp(slope, indices, shape, *arguments, where=where))


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_large_bins_take_masks(platform):
    """More cells than are one expression, in value, tangent and cotangent."""
    shape = (1, 26, 25, 2)
    inputs, where = random(shape), np.random.RandomState(0).rand(*shape) > 0.7

    def pool(x):
        return jaxpool.adaptive_max_pool(x, (3, 3), where=where)

    def all_of(x):
        values, along = jax.jvp(pool, (x,), (jnp.sin(x),))
        return values, along, jax.vjp(pool, x)[1](values)[0]

    values, along, gradient = interpret(all_of, inputs, platform=platform)
    expected, indices = reference.adaptive_max_pool(inputs, (3, 3), where=where)
    assert_close(values, expected)
    assert_close(along, reference.pick(np.sin(inputs), indices, 2))
    assert_close(gradient, reference.scatter_add(expected, indices, shape, 2))


@pytest.mark.parametrize("masked", [0.0, NAN, INF, -INF])
def test_what_is_masked_harms_nothing(masked):
    where = np.random.RandomState(0).rand(2, 5, 4, 2) > 0.6
    clean = random((2, 5, 4, 2))
    inputs = np.where(where, clean, np.float32(masked))
    cotangent = np.cos(np.arange(2 * 3 * 4 * 2, dtype=np.float32)).reshape(2, 3, 4, 2)

    def gradients(inputs):
        pools = (jaxpool.max_pool, jaxpool.min_pool, jaxpool.sum_pool, jaxpool.avg_pool)
        return [jax.vjp(lambda x, p=p: p(x, *MASKED, where=where), inputs)[1](cotangent)[0] for p in pools]

    *selected, total, average = interpret(gradients, inputs)
    for name, actual in zip(("max", "min"), selected, strict=True):
        indices = getattr(reference, f"{name}_pool")(inputs, *MASKED, where=where)[1]
        assert_close(actual, reference.select_vjp(cotangent, indices, inputs.shape, *MASKED, where=where))
    for oracle, actual in ((reference.sum_vjp, total), (reference.avg_vjp, average)):
        assert_close(actual, oracle(cotangent, inputs.shape, *MASKED, where=where))


_WITH_MASKS = {
    "lp_pool": {"p": 3},
    "logsumexp_pool": {"mean": True},
    "soft_pool": {},
    "quantile_pool": {"q": 0.3},
    "std_pool": {},
    "gem_pool": {"p": 2.5},
    "mixed_pool": {"alpha": 0.3},
    "detail_preserving_pool": {"alpha": 0.3, "lam": 1.2},
    "lip_pool": {"logits": np.float32(1.5)},
}


_GEOMETRY = dict(zip(("window_shape", "strides", "padding", "window_dilation"), MASKED, strict=False))
_IN_BINS = {
    "fractional_max_pool": lambda x, **mask: jaxpool.fractional_max_pool(
        None, x, (2, 2), (3, 2), deterministic=True, **mask
    ),
    "fractional_avg_pool": lambda x, **mask: jaxpool.fractional_avg_pool(
        None, x, None, (3, 2), pseudo_random=True, deterministic=True, **mask
    ),
    "spatial_pyramid_pool": lambda x, **mask: jaxpool.spatial_pyramid_pool(x, (3, 1), **mask),
    "pyramid_pool": lambda x, **mask: jaxpool.pyramid_pool(x, (2, 3), **mask)[..., 2:],
    "strip_pool": lambda x, **mask: jaxpool.strip_pool(x, **mask)[0],
}


@pytest.mark.parametrize("masked", [NAN, INF, -INF])
@pytest.mark.parametrize("name", [*_WITH_MASKS, *_IN_BINS])
def test_what_is_masked_harms_nothing_composed(name, masked):
    where = np.random.RandomState(0).rand(2, 5, 4, 2) > 0.6
    clean = random((2, 5, 4, 2))

    def pool(x):
        if name in _IN_BINS:
            return _IN_BINS[name](x, where=where)
        return getattr(jaxpool, name)(x, **_WITH_MASKS[name], **_GEOMETRY, where=where)

    def value_and_derivatives(x):
        value, pullback = jax.vjp(pool, x)
        return value, pullback(jnp.cos(value)), jax.jvp(pool, (x,), (jnp.sin(clean),))[1]

    actual, expected = (
        interpret(value_and_derivatives, np.where(where, clean, np.float32(number))) for number in (masked, 7)
    )
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(actual[1]).all()


@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_lowest_elements_win_over_what_is_masked(name):
    """Valid elements that equal the identity tie with what is masked before them."""
    worst = -INF if name == "max_pool" else INF
    inputs, where = column(worst, worst, worst, 1), np.array([[False], [True], [False], [False]])
    pool = getattr(jaxpool, name)
    values, indices = interpret(lambda x: pool(x, (2,), (2,), return_indices=True, where=where), inputs)
    assert values[:, 0].tolist() == [worst, worst]
    assert indices[:, 0].tolist() == [1, -1]
    _, gradient = value_and_gradient(lambda x: pool(x, (2,), (2,), where=where), inputs)
    assert gradient[:, 0].tolist() == [0, 1, 0, 0]


def test_masks_batch_with_their_inputs():
    inputs, where = random((3, 5, 2)), np.random.RandomState(0).rand(3, 5, 2) > 0.5

    def pool(x, m):
        return jaxpool.max_pool(x, (2,), where=m), jaxpool.avg_pool(x, (2,), where=m)

    together, apart = interpret(lambda x, m: (jax.vmap(pool)(x, m), pool(x, m)), inputs, where)
    for actual, expected in zip(together, apart, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
