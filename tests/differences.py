"""Derivatives against finite differences of the same program's results, in double precision."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.cases import distinct
from tests.programs import Program


def assert_derivatives(function: Callable, *arrays: Any, step: float = 1e-5, platform: str = "cpu") -> None:
    """Both modes, and each over the other, in all the arrays at once and along one direction."""

    def total(arrays):
        values = function(*arrays)  # of different weights, so that no two differences cancel
        return jnp.sum(values * jnp.cos(jnp.arange(1.0, values.size + 1)).reshape(values.shape))

    def derivatives(arrays, direction):
        def slope(arrays):
            return jax.jvp(total, (arrays,), (direction,))[1]

        value, pushed = jax.jvp(lambda arrays: function(*arrays), (arrays,), (direction,))
        gradient, over_reverse = jax.jvp(jax.grad(total), (arrays,), (direction,))
        downhill, over_forward = jax.value_and_grad(slope)(arrays)
        return (value, gradient), (pushed, over_reverse), over_forward, downhill

    direction = [distinct(array.shape, seed=seed) for seed, array in enumerate(arrays, start=1)]
    evaluate = Program(derivatives, [*arrays], direction, platform=platform)
    (_, gradient), tangents, over_forward, downhill = evaluate([*arrays], direction)
    above, below = (
        evaluate([array + sign * step * d for array, d in zip(arrays, direction, strict=True)], direction)[0]
        for sign in (1, -1)
    )
    leaves = map(jax.tree.leaves, (above, below, tangents))
    for high, low, tangent in zip(*leaves, strict=True):
        assert np.isfinite(tangent).all()
        np.testing.assert_allclose((high - low) / (2 * step), tangent, rtol=1e-5, atol=1e-5)
    for forward, reverse in zip(over_forward, tangents[1], strict=True):
        np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-10)
    along = sum(np.vdot(slope, d) for slope, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose(along, downhill, rtol=1e-10, atol=1e-10)
