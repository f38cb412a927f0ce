"""Derivatives: against the oracle, against finite differences, and one mode against the other."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests.cases import (
    EVEN_CASES,
    FUNCTIONS,
    KINDS,
    ODD_CASES,
    SIMPLE,
    assert_close,
    by_turns,
    curved,
    distinct,
    random,
    with_dtypes,
)
from tests.irregular import COMPOSED_GROUPS, GROUPS, IRREGULAR

WITH_ORACLE = [function for function in SIMPLE if function.oracle_vjp]
each_group = pytest.mark.parametrize("group", GROUPS, ids=str)


def _bind(function, case):
    return lambda inputs: function.apply(inputs, *case.arguments, **case.options)


@pytest.mark.parametrize(("case", "dtype"), with_dtypes(("float32",), ("bfloat16", "float16")), ids=str)
def test_both_modes_match_oracle(case, dtype):
    dtype = jnp.dtype(dtype)
    inputs, tangent = random(case.shape, dtype), random(case.shape, dtype, seed=1)
    output_shape = jaxpool.output_shape(case.shape, *case.arguments, **case.options)
    cotangent = random(output_shape, dtype, seed=2)

    @jax.jit  # one program for all functions, to compile once
    def derivatives(inputs, tangent, cotangent):
        pushed = [jax.jvp(_bind(function, case), (inputs,), (tangent,)) for function in WITH_ORACLE]
        pulled = [jax.vjp(_bind(function, case), inputs) for function in WITH_ORACLE]
        return pushed, [(value, pullback(cotangent)[0]) for value, pullback in pulled]

    for function, (value, pushed), (same_value, pulled) in zip(
        WITH_ORACLE, *derivatives(inputs, tangent, cotangent), strict=True
    ):
        expected = function.oracle(inputs, *case.arguments, **case.options)
        assert_close(value, expected, dtype)
        assert_close(same_value, expected, dtype)
        assert_close(pushed, function.oracle_jvp(inputs, tangent, *case.arguments, **case.options), dtype)
        assert_close(pulled, function.oracle_vjp(inputs, cotangent, *case.arguments, **case.options), dtype)


@pytest.mark.parametrize("group", COMPOSED_GROUPS, ids=str)
def test_both_modes_of_composed_match_oracle(group):
    """Among many ties and zeros."""
    inputs, tangent = random(group.shape), random(group.shape, seed=1)

    @jax.jit
    def derivatives(inputs, tangent):
        results = []
        for function in group.functions:
            value, pullback = jax.vjp(function.apply, inputs)
            pulled = pullback(jnp.cos(jnp.arange(1.0, value.size + 1)).reshape(value.shape))[0]
            results.append((*jax.jvp(function.apply, (inputs,), (tangent,)), value, pulled))
        return results

    for function, (value, pushed, same_value, pulled) in zip(
        group.functions, derivatives(inputs, tangent), strict=True
    ):
        expected = function.oracle(inputs)
        assert_close(value, expected)
        assert_close(same_value, expected)
        assert_close(pushed, function.oracle_jvp(inputs, tangent))
        cotangent = np.cos(np.arange(1, expected.size + 1, dtype=np.float32)).reshape(expected.shape)
        assert_close(pulled, function.oracle_vjp(inputs, cotangent))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "group", [group for group in IRREGULAR if any(f.oracle_vjp for f in group.functions)], ids=str
)
def test_reverse_mode_of_irregular_matches_oracle(group, dtype):
    inputs = random(group.shape, jnp.dtype(dtype))
    expected = [function.oracle(inputs) for function in group.functions]
    cotangents = [random(value.shape, inputs.dtype, seed=1) for value in expected]

    @jax.jit
    def pulled(inputs, cotangents):
        pairs = zip(group.functions, cotangents, strict=True)
        return [jax.vjp(f.apply, inputs)[1](cotangent)[0] for f, cotangent in pairs]

    for function, cotangent, actual in zip(
        group.functions, cotangents, pulled(inputs, cotangents), strict=True
    ):
        assert_close(actual, function.oracle_vjp(inputs, cotangent))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("case", "function"), by_turns(ODD_CASES, KINDS, one_in=2), ids=str)
def test_finite_differences_to_second_order(case, function):
    inputs = (distinct(case.shape),)
    chex.assert_numerical_grads(curved(_bind(function, case)), inputs, order=2, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("function", KINDS, ids=str)
@pytest.mark.parametrize("case", EVEN_CASES, ids=str)
def test_every_mode_gives_the_same(case, function):
    def total(inputs):
        return jnp.sum(curved(_bind(function, case))(inputs))

    inputs = distinct(case.shape)
    hessian = jax.jit(jax.jacfwd(jax.grad(total)))(inputs)
    assert np.isfinite(hessian).all()
    chex.assert_trees_all_close(jax.jit(jax.jacrev(jax.jacfwd(total)))(inputs), hessian, atol=1e-10)
    chex.assert_trees_all_close(jax.jit(jax.jacrev(jax.grad(total)))(inputs), hessian, atol=1e-10)
    pool = _bind(function, case)
    forward, reverse = jax.jit(jax.jacfwd(pool))(inputs), jax.jit(jax.jacrev(pool))(inputs)
    chex.assert_trees_all_close(forward, reverse, atol=1e-12)


def _curved(group):
    """All functions of a group in one, but those whose value is NaN somewhere, where it has no derivative."""
    inputs = distinct(group.shape)
    functions = [f for f in group.functions if not np.isnan(f.oracle(inputs)).any()]

    def function(inputs):
        return jnp.concatenate([curved(f.apply)(inputs).ravel() for f in functions])

    return function, inputs


@pytest.mark.usefixtures("x64")
@each_group
def test_derivatives_of_groups_to_second_order(group):
    """Both modes, and one over the other, against finite differences: all by one program."""
    function, inputs = _curved(group)

    def total(inputs):
        values = function(inputs)  # of different weights, so that no two differences cancel
        return jnp.sum(values * jnp.cos(jnp.arange(1.0, values.size + 1)))

    @jax.jit
    def derivatives(inputs, direction):
        value, pushed = jax.jvp(function, (inputs,), (direction,))
        gradient, curvature = jax.jvp(jax.grad(total), (inputs,), (direction,))
        slope, other_curvature = jax.value_and_grad(lambda x: jax.jvp(total, (x,), (direction,))[1])(inputs)
        return value, gradient, (pushed, curvature), (slope, other_curvature)

    for seed in range(3):
        direction, step = distinct(group.shape, seed=seed + 1), 1e-5
        values, gradients, (pushed, curvature), (slope, other_curvature) = derivatives(inputs, direction)
        above, below = (derivatives(inputs + sign * step * direction, direction) for sign in (1, -1))
        assert np.isfinite(curvature).all()
        for expected, high, low in ((pushed, above[0], below[0]), (curvature, above[1], below[1])):
            np.testing.assert_allclose((high - low) / (2 * step), expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(other_curvature, curvature, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(np.vdot(gradients, direction), slope, rtol=1e-10, atol=1e-10)
        assert values.shape == pushed.shape


@pytest.mark.parametrize("group", [group for group in GROUPS if group.transforms], ids=str)
def test_linearize_and_linear_transpose_of_groups(group):
    inputs = distinct(group.shape, np.float32)
    tangent = random(group.shape, np.float32, seed=1)

    def values(inputs):
        return [function.apply(inputs) for function in group.functions]

    @jax.jit
    def both(inputs, tangent):
        value, linear = jax.linearize(values, inputs)
        cotangent = jax.tree.map(jnp.cos, value)
        transposed = jax.linear_transpose(linear, tangent)(cotangent)
        expected = jax.jvp(values, (inputs,), (tangent,)), jax.vjp(values, inputs)[1](cotangent)
        return ((value, linear(tangent)), transposed), expected

    chex.assert_trees_all_close(*both(inputs, tangent), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("function", KINDS, ids=str)
def test_third_order(function):
    def total(inputs):
        return jnp.sum(jnp.sin(function.apply(inputs, (2,), None, "SAME")))

    inputs = distinct((5, 1))
    third = jax.jacfwd(jax.jacrev(jax.jacfwd(total)))(inputs)
    chex.assert_trees_all_close(jax.jacrev(jax.jacfwd(jax.jacrev(total)))(inputs), third, atol=1e-10)
    assert np.any(third)


@pytest.mark.parametrize("function", KINDS, ids=str)
@pytest.mark.parametrize("case", ODD_CASES, ids=str)
def test_linearize_and_linear_transpose(case, function):
    inputs = distinct(case.shape, np.float32)
    tangent = random(case.shape, np.float32, seed=1)
    pool = _bind(function, case)
    value, linear = jax.linearize(pool, inputs)
    expected_value, expected = jax.jvp(pool, (inputs,), (tangent,))
    chex.assert_trees_all_close((value, linear(tangent)), (expected_value, expected), rtol=1e-5, atol=1e-6)
    cotangent = random(value.shape, np.float32, seed=2)
    transposed = jax.linear_transpose(linear, tangent)(cotangent)
    chex.assert_trees_all_close(transposed, jax.vjp(pool, inputs)[1](cotangent), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_values_beside_indices_are_differentiable(name):
    inputs = distinct((2, 5, 4, 2), np.float32)
    pool = getattr(jaxpool, name)

    def values(inputs):
        return jnp.sum(jnp.square(pool(inputs, (3, 2), return_indices=True)[0]))

    expected = jax.grad(lambda inputs: jnp.sum(jnp.square(pool(inputs, (3, 2)))))(inputs)
    chex.assert_trees_all_close(jax.grad(values)(inputs), expected)
    tangents = jax.jvp(lambda x: pool(x, (3, 2), return_indices=True), (inputs,), (inputs,))[1]
    chex.assert_trees_all_close(tangents[0], jax.jvp(lambda x: pool(x, (3, 2)), (inputs,), (inputs,))[1])
    assert tangents[1].dtype == jax.dtypes.float0


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.name != "pool"], ids=str)
def test_integers_have_no_tangent(function):
    inputs = random((6, 2), np.int32)
    tangent = np.zeros(inputs.shape, jax.dtypes.float0)
    _, result = jax.jvp(lambda x: function.apply(x, (2,)), (inputs,), (tangent,))
    assert result.dtype == jax.dtypes.float0 or not np.any(result)
    gradient = jax.grad(lambda x: jnp.sum(function.apply(x, (2,))).astype(np.float32), allow_int=True)(inputs)
    assert gradient.dtype == jax.dtypes.float0


def test_general_pool_is_differentiable_in_its_init():
    inputs = distinct((6, 1), np.float32)

    def pool(init):
        return jnp.sum(jaxpool.pool(inputs, init, jnp.add, (2,), None, "SAME"))

    value, gradient = jax.value_and_grad(pool)(jnp.float32(1))
    assert gradient == 6
    chex.assert_trees_all_close(value, pool(jnp.float32(0)) + 6, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_accumulates_in_float32(dtype):
    ones = jnp.ones((64, 64, 1), dtype)
    mean, gradient = jax.value_and_grad(lambda x: jnp.sum(jaxpool.avg_pool(x, (64, 64))))(ones)
    assert mean == 1
    chex.assert_trees_all_close(gradient, jnp.full_like(ones, 1 / 4096))
    assert jaxpool.avg_pool(jnp.full((4, 1), 60000, np.float16), (4,)) == 60000
    # 300 windows share one maximum: 300 ones added up in 8 bits would stop at 256.
    peak = jnp.zeros((599, 1), dtype).at[299].set(1)
    gradient = jax.grad(lambda x: jnp.sum(jaxpool.max_pool(x, (300,))))(peak)
    assert gradient[299] == 300
    spread = jax.grad(lambda x: jnp.sum(jaxpool.sum_pool(x, (300,))))(peak)
    assert spread[299] == 300
