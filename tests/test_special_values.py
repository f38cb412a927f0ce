"""Ties, NaN, infinities, extremes and empty windows: value, index, tangent and cotangent tell one story."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import reference
from tests.programs import interpret

NAN, INF = np.nan, np.inf


def _assert_equal(actual, expected):
    """To the bit; NaN of bfloat16 only compare as float32."""
    wide = np.float32 if jnp.issubdtype(actual.dtype, jnp.floating) else actual.dtype
    np.testing.assert_array_equal(np.asarray(actual, wide), np.asarray(expected, wide))


def _check(name, inputs, *arguments, **options):
    """Compares value, index, tangent and cotangent with the oracle, to the bit; returns value and index."""

    def pool(x, **more):
        return getattr(jaxpool, name)(x, *arguments, **options, **more)

    def results(x, *directions):
        found = [pool(x), *pool(x, return_indices=True)]
        if directions:
            primal, pullback = jax.vjp(pool, x)
            found += [*jax.jvp(pool, (x,), directions[:1]), primal, *pullback(directions[1])]
        return found

    value, index = getattr(reference, name)(inputs, *arguments, **options)
    expected, directions = [value, value, index], ()
    if jnp.issubdtype(inputs.dtype, jnp.floating):
        # Small numbers, that 16 bits can hold.
        tangent, cotangent = (
            (np.arange(array.size) % 255 + 1).reshape(array.shape).astype(inputs.dtype)
            for array in (inputs, value)
        )
        directions = tangent, cotangent
        expected += [value, reference.select_jvp(tangent, index, *arguments, **options)]
        expected += [value, reference.select_vjp(cotangent, index, inputs.shape, *arguments, **options)]
    actual = interpret(results, inputs, *directions)
    for a, b in zip(actual, expected, strict=True):
        _assert_equal(a, b)
    return actual[1:3]


GEOMETRIES = [
    ((2, 2), (2, 2), "VALID"),
    ((3, 3), (2, 2), "SAME"),
    ((3, 2), None, [(2, 1), (1, 1)]),
    ((2, 3), (3, 2), "CAUSAL"),
]


VALUES = (
    (0.0, 1.0),  # ties
    (NAN, 1.0, 2.0),
    (NAN,),
    (-INF,),
    (INF,),
    (-INF, NAN),
    (-INF, INF, NAN, 0.0, 1.0),
    (-INF, 0.0),
    (0.0, -0.0),
)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
@pytest.mark.parametrize("arguments", GEOMETRIES, ids=str)
def test_special_values(arguments, name, dtype):
    inputs = [np.random.RandomState(0).choice(values, (5, 6, 2)) for values in VALUES]
    _check(name, np.stack(inputs).astype(dtype), *arguments)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int8, np.bool_])
@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
@pytest.mark.parametrize("arguments", GEOMETRIES, ids=str)
def test_integer_extremes(arguments, name, dtype):
    limits = (False, True) if dtype == np.bool_ else (np.iinfo(dtype).min, 0, np.iinfo(dtype).max)
    inputs = [
        np.random.RandomState(0).choice(values, (5, 6, 2)) for values in (limits, limits[:1], limits[-1:])
    ]
    _check(name, np.stack(inputs).astype(dtype), *arguments)


def test_ties_and_nan_by_hand():
    value, index = _check("max_pool", np.float32([[7, 7], [7, 7]])[..., None], (2, 2))
    assert (value, index) == (7, 0)
    value, index = _check("max_pool", np.float32([[1, NAN], [NAN, 9]])[..., None], (2, 2))
    assert np.isnan(value)
    assert index == 1
    value, index = _check("max_pool", np.full((2, 2, 1), -INF, np.float32), (2, 2), None, [(1, 0), (1, 0)])
    assert (value == -INF).all()
    assert index[..., 0].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("dtype", "lowest", "highest"),
    [
        (np.float32, -INF, INF),
        (jnp.bfloat16, -INF, INF),
        (np.int32, -(2**31), 2**31 - 1),
        (np.uint8, 0, 255),
        (np.bool_, False, True),
    ],
)
def test_windows_of_padding_only(dtype, lowest, highest):
    inputs = np.ones((2, 1), dtype)
    arguments = ((2,), (2,), [(2, 4)])
    value, index = _check("max_pool", inputs, *arguments)
    assert value[[0, 2, 3], 0].tolist() == [lowest] * 3
    assert index[:, 0].tolist() == [-1, 0, -1, -1]
    value, index = _check("min_pool", inputs, *arguments)
    assert value[[0, 2, 3], 0].tolist() == [highest] * 3
    assert index[:, 0].tolist() == [-1, 0, -1, -1]
    for pool in (
        jaxpool.sum_pool,
        jaxpool.avg_pool,
        functools.partial(jaxpool.avg_pool, count_include_pad=False),
    ):
        assert interpret(lambda x, pool=pool: pool(x, *arguments), inputs)[[0, 2, 3], 0].tolist() == [0] * 3


def test_windows_of_padding_only_have_no_gradient():
    inputs = jnp.ones((2, 1))
    for pool in (jaxpool.max_pool, jaxpool.min_pool, jaxpool.sum_pool, jaxpool.avg_pool):
        _, pullback = jax.vjp(lambda x, pool=pool: pool(x, (2,), (2,), [(2, 4)]), inputs)
        gradient = pullback(jnp.array([[NAN], [0.0], [INF], [-INF]]))[0]
        assert gradient[:, 0].tolist() == [0, 0]


def test_general_pool_of_padding_only_gives_init():
    inputs = jnp.full((2, 1), 3.0)
    value, gradient = jax.value_and_grad(
        lambda x: jnp.sum(jaxpool.pool(x, 1.0, jnp.multiply, (2,), (2,), [(2, 4)]))
    )(inputs)
    assert value == 9 + 3 * 1
    assert gradient[:, 0].tolist() == [3, 3]
    empty = jaxpool.pool(jnp.zeros((0, 1)), 5.0, jnp.add, (2,), (1,), 1)
    assert empty[:, 0].tolist() == [5]


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("max", -INF), ("min", INF), ("sum", 0), ("avg", 0), ("logsumexp", -INF), ("lp", 0)],
)
def test_axes_without_elements_give_what_nothing_gives(name, expected, platform):
    """The CPU's selection had no result of an empty axis."""

    def pool(x):
        return getattr(jaxpool, f"global_{name}_pool")(x)

    def results(x):
        value, pullback = jax.vjp(pool, x)
        return pool(x), value, jax.jvp(pool, (x,), (x,))[1], *pullback(value)

    *values, tangent, gradient = interpret(results, np.zeros((3, 0, 2), np.float32), platform=platform)
    for value in values:
        _assert_equal(value, np.full((3, 2), expected, np.float32))
    _assert_equal(tangent, np.zeros((3, 2), np.float32))
    assert gradient.shape == (3, 0, 2)


def test_infinities_and_nan_stay_in_their_windows():
    inputs = np.ones((7, 1), np.float32)
    inputs[1], inputs[5] = INF, NAN
    np.testing.assert_array_equal(
        jaxpool.sum_pool(inputs, (2,))[:, 0], np.float32([INF, INF, 2, 2, NAN, NAN])
    )
    np.testing.assert_array_equal(
        jaxpool.avg_pool(inputs, (2,))[:, 0], np.float32([INF, INF, 1, 1, NAN, NAN])
    )


@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_gradients_of_infinite_cotangents_stay_with_the_selected(name):
    inputs = np.float32([1, 2, 3, 2])[:, None]
    _, pullback = jax.vjp(lambda x: getattr(jaxpool, name)(x, (2,), (2,)), inputs)
    (gradient,) = pullback(np.float32([INF, NAN])[:, None])
    expected = [0, INF, NAN, 0] if name == "max_pool" else [INF, 0, 0, NAN]
    np.testing.assert_array_equal(gradient[:, 0], np.float32(expected))


@pytest.mark.parametrize(
    ("order", "dtype"),
    [("max", np.float32), ("min", np.float32), ("max", jnp.bfloat16), ("min", np.float64)],
)
def test_nan_is_found_in_large_windows(order, dtype, request):
    """XLA's own reduction by a maximum loses it on CPU with jaxlib 0.12, beyond some size."""
    if dtype == np.float64:
        request.getfixturevalue("x64")
    inputs = np.random.RandomState(0).rand(2, 120, 110, 3).astype(dtype)
    inputs[0, 77, 31, 1] = NAN
    pool, whole = getattr(jaxpool, f"{order}_pool"), getattr(jaxpool, f"global_{order}_pool")

    @jax.jit
    def results(inputs):
        values, indices = pool(inputs, (120, 110), return_indices=True)
        pooled = [whole(inputs), pool(inputs, (120, 110))[:, 0, 0], values[:, 0, 0]]
        if order == "max":
            pooled.append(jnp.squeeze(jaxpool.adaptive_max_pool(inputs, (1, 1)), (1, 2)))
        return pooled, indices, jax.grad(lambda x: jnp.sum(whole(x)))(inputs)

    pooled, index, gradient = results(inputs)
    expected = np.zeros((2, 3), bool)
    expected[0, 1] = True
    for values in [*pooled, whole(inputs)]:
        np.testing.assert_array_equal(np.isnan(np.asarray(values, np.float32)), expected)
    assert index[0, 0, 0, 1] == 77 * 110 + 31
    gradient = np.asarray(gradient, np.float32)
    assert gradient[0, 77, 31, 1] == 1
    assert gradient.sum() == 6


@pytest.mark.parametrize("order", ["max", "min"])
def test_all_of_an_array_of_one_cell(order):
    """There the index is one number for all; it once kept the shape of that, and no gradient was found."""
    inputs = jnp.arange(6.0).reshape(2, 1, 3)
    pool = getattr(jaxpool, f"global_{order}_pool")
    value, pullback = jax.vjp(pool, inputs)
    _assert_equal(value, inputs[:, 0])
    _assert_equal(pullback(value)[0], inputs)
    if order == "max":
        value, index = jaxpool.adaptive_max_pool(inputs, (1,), return_indices=True)
        _assert_equal(value, inputs)
        _assert_equal(index, jnp.zeros((2, 1, 3), jnp.int32))
