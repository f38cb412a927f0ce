"""Heads with parameters: rotary attention, and smooth maxima whose sharpness is learned."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from tests.differences import assert_derivatives
from tests.programs import interpret


def test_rotary_attention_is_differentiable_in_all_it_is_given(x64):
    """Where some tokens take no part, which harm nothing; and where one row has none."""
    random, where = np.random.RandomState(0), np.ones((2, 2, 3, 1), bool)
    where[0, 0, 1], where[1] = False, False
    shapes = [(2, 2, 3, 4), (4,), *[(4, 2, 4)] * 3, (2, 4, 3), *[(2, 4)] * 3, (3,)]
    arrays = [random.randn(*shape) for shape in shapes]

    def pool(x, *parameters):
        x = jnp.where(where, x, jnp.nan)
        return jaxpool.rotary_attention_pool(x, *parameters, where=where, reference_shape=(4, 4))

    assert_derivatives(pool, *arrays)
    assert_derivatives(lambda x, *rest: pool(x, None, *rest), arrays[0], *arrays[2:])


def test_smooth_maxima_lie_between_averages_and_extremes(x64):
    x = np.array([[1.0, 5.0, -2.0], [2.0, 5.0, -np.inf]])[..., None]
    sharpness = np.array([1e-4, 2.0, 300.0, -300.0])
    found = interpret(
        lambda x: jnp.concatenate([jaxpool.global_lse_pool(x, jnp.array(r)) for r in sharpness], 1), x
    )
    np.testing.assert_allclose(found[0, [0, 2, 3]], [4 / 3, 5, -2], atol=0.02)
    np.testing.assert_allclose(
        found[0, 1], jaxpool.global_logsumexp_pool(x[:1], temperature=0.5, mean=True)[0, 0]
    )
    assert found[1, 3] == -np.inf


def test_smooth_maxima_have_gradients_in_their_sharpness(x64):
    """Where there are infinities too, and where nothing takes part."""
    x, where = np.array([[1.0, 5.0, -np.inf], [2.0, 7.0, 1.0]])[..., None], np.ones((2, 3, 1), bool)
    where[1] = False

    def total(x, r):
        return jnp.sum(jnp.maximum(jaxpool.global_lse_pool(x, r, where=where), -1))

    slopes = interpret(jax.grad(total, (0, 1)), x, np.float64(0.5))
    assert all(np.isfinite(slope).all() for slope in slopes)
    assert not slopes[0][1].any()
    assert_derivatives(lambda r: jaxpool.global_lse_pool(x[:1, :2], r), np.float64(0.5))
