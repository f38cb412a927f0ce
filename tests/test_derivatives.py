"""Derivatives beyond the first order: against finite differences, and one mode against the other."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests.cases import DERIVATIVE_CASES, SMALL_CASES, curved, distinct, random
from tests.covering import pairs
from tests.differences import assert_derivatives
from tests.functions import FUNCTIONS, KINDS
from tests.groups import GROUPS
from tests.programs import interpret

_FEW = [case for case in SMALL_CASES if case.name in ("1d", "windows of padding", "channels first 1d")]


def _of_each_name():
    """Each function that a group has, once, in the one in the middle of its groups."""
    bound = [(f, group) for group in GROUPS for f in group.functions]
    bound.sort(key=lambda pair: pair[0].name.split()[0])
    for _, found in itertools.groupby(bound, key=lambda pair: pair[0].name.split()[0]):
        found = list(found)
        yield found[len(found) // 2]


def _of_one_setting():
    return {function.name.split()[0]: function for function in FUNCTIONS}.values()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("function", "place", "platform"),
    [
        *zip(FUNCTIONS, itertools.cycle(_FEW), itertools.cycle(["cpu", "tpu", "cuda", "cpu"])),
        *pairs(KINDS, SMALL_CASES, ["cpu", "cuda", "tpu"]),
        *(
            (f, group, platform)
            for (f, group), platform in zip(_of_each_name(), itertools.cycle(["cpu", "tpu"]))
        ),
    ],
    ids=str,
)
def test_second_order(function, place, platform):
    inputs = distinct(place.shape)
    if np.isnan(function.expected(inputs, *place.arguments, **place.options)).any():
        pytest.skip("a variance of one element has no derivative")
    pool = curved(lambda x: function.apply(x, *place.arguments, **place.options))
    assert_derivatives(pool, inputs, platform=platform)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("function", KINDS, ids=str)
def test_chex_finds_the_same(function):
    """As README has it, and compiled: finite differences of all elements, in both modes, to second order."""
    case = next(case for case in DERIVATIVE_CASES if case.name == "1d causal stride")
    pool = functools.partial(function.apply, **case.options)
    chex.assert_numerical_grads(
        jax.jit(curved(lambda x: pool(x, *case.arguments))),
        (distinct(case.shape),),
        order=2,
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("function", KINDS, ids=str)
def test_every_mode_gives_the_same(function):
    def total(inputs):
        return jnp.sum(curved(lambda x: function.apply(x, (3, 2), (2, 1), "SAME"))(inputs))

    def derivatives(inputs):
        pool = functools.partial(function.apply, window_shape=(3, 2), strides=(2, 1), padding="SAME")
        jacobians = jax.jacfwd(pool)(inputs), jax.jacrev(pool)(inputs)
        modes = (
            (jax.jacfwd, jax.grad),
            (jax.jacrev, jax.jacfwd),
            (jax.jacrev, jax.grad),
            (jax.jacfwd, jax.jacfwd),
        )
        return jacobians, [outer(inner(total))(inputs) for outer, inner in modes]

    (forward, reverse), hessians = interpret(derivatives, distinct((1, 4, 3, 1)))
    chex.assert_trees_all_close(forward, reverse, atol=1e-12)
    assert np.any(hessians[0])
    for hessian in hessians[1:]:
        chex.assert_trees_all_close(hessian, hessians[0], atol=1e-10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("function", KINDS, ids=str)
def test_third_order(function):
    def total(inputs):
        return jnp.sum(jnp.sin(function.apply(inputs, (2,), None, "SAME")))

    inputs = distinct((5, 1))
    nested = (jax.jacfwd, jax.jacrev, jax.jacfwd), (jax.jacrev, jax.jacfwd, jax.jacrev)
    third, other = interpret(lambda x: [a(b(c(total)))(x) for a, b, c in nested], inputs)
    chex.assert_trees_all_close(other, third, atol=1e-10)
    assert np.any(third)


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


@pytest.mark.parametrize("function", [f for f in _of_one_setting() if f.name != "pool"], ids=str)
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
    mean, gradient = jax.jit(jax.value_and_grad(lambda x: jnp.sum(jaxpool.avg_pool(x, (64, 64)))))(ones)
    assert mean == 1
    chex.assert_trees_all_close(gradient, jnp.full_like(ones, 1 / 4096))
    assert jaxpool.avg_pool(jnp.full((4, 1), 60000, np.float16), (4,)) == 60000


def test_many_windows_of_one_element_add_up_in_float32():
    """300 windows share one maximum: 300 ones added up in 8 bits would stop at 256."""
    peak = np.zeros((599, 1), jnp.bfloat16)
    peak[299] = 1
    for pool in (jaxpool.max_pool, jaxpool.sum_pool):
        gradient = interpret(jax.grad(lambda x, pool=pool: jnp.sum(pool(x, (300,)))), peak)
        assert gradient[299] == 300
