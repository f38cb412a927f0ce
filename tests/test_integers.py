"""Integers: sums that widen, results of another dtype, averages that are integers, quantized numbers."""

import functools
import inspect

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import jaxpool
from tests import reference
from tests.cases import CASES, SMALL_CASES, double_precision
from tests.programs import interpret
from tests.split import make_mesh
from tests.streams import chunk_by_chunk

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "bool")
PLATFORMS = ("cpu", "cuda", "tpu")


def extremes(shape, dtype, seed=0):
    """Numbers from all of the range of a dtype."""
    draw = np.random.RandomState(seed)
    if dtype == "bool":
        return draw.rand(*shape) > 0.5
    limits = np.iinfo(dtype)
    return draw.randint(max(limits.min, -(2**20)), min(limits.max, 2**20) + 1, shape).astype(dtype)


def mask(shape):
    return np.random.RandomState(1).rand(*shape) > 0.4


# ------------------------------------------------------------------------------------------------------ sums


def pooled(x, **options):
    """Sums of windows, of windows with a mask, and of all."""
    where = mask(x.shape)
    return (
        jaxpool.sum_pool(x, (3,), **options),
        jaxpool.sum_pool(x, (3,), where=where, **options),
        jaxpool.global_sum_pool(x, axis=0, **options),
    )


@pytest.mark.parametrize("dtype", INTEGERS)
def test_sums_of_integers_have_the_dtype_of_jax(dtype):
    x = extremes((50, 2), dtype)
    for result in interpret(pooled, x):
        assert result.dtype == jax.eval_shape(jnp.sum, x).dtype
    windows, _, whole = interpret(pooled, x)
    np.testing.assert_array_equal(whole, x.sum(0, dtype=whole.dtype))
    np.testing.assert_array_equal(windows[7], x[7:10].sum(0, dtype=whole.dtype))
    with double_precision():
        x = jnp.asarray(x)
        assert {result.dtype for result in jax.eval_shape(pooled, x)} == {jnp.sum(x).dtype}


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "float32", "bfloat16", "complex64"])
@pytest.mark.parametrize("given", ["int8", "uint8", "bool", "float32", "bfloat16"])
def test_sums_of_a_given_dtype(given, dtype):
    x = extremes((5, 2), given) if given in INTEGERS else np.arange(10).reshape(5, 2).astype(jnp.dtype(given))
    expected = jax.jit(lambda x: jnp.sum(x, 0, dtype=dtype))(x)
    for pool in (jaxpool.global_sum_pool, lambda x, axis, **o: jaxpool.sum_pool(x, (5,), **o)[0]):
        result = interpret(lambda x, pool=pool: pool(x, axis=0, dtype=jnp.dtype(dtype)), x)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, jnp.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["sum_pool", "avg_pool"])
def test_16_bits_are_rounded_once_or_not_at_all(name, dtype):
    """300 times 1.0078125 is 302.34375, which float32 holds alone; bfloat16 stalls at 256."""
    windows, whole = getattr(jaxpool, name), getattr(jaxpool, f"global_{name}")
    x = np.full((300, 1), 1.0078125, np.float32)
    expected = np.array(302.34375 if name == "sum_pool" else 1.0078125).astype(dtype)
    for where in (None, np.ones((300, 1), bool)):
        options = {"dtype": dtype, "where": where}

        def both(x, options=options):
            return windows(x, (300,), **options), whole(x, axis=0, **options)

        for result in (*interpret(both, x), *interpret(both, x.astype(jnp.bfloat16))):
            assert result.dtype == dtype
            assert result.item() == expected


def test_gradients_pass_through_another_dtype():
    x = jnp.ones((6, 1), jnp.bfloat16)
    for pool in (jaxpool.sum_pool, jaxpool.avg_pool):
        gradient = jax.grad(lambda x, pool=pool: pool(x, (2,), (2,), dtype=jnp.float32).sum())(x)
        assert gradient.dtype == jnp.bfloat16
        assert gradient[:, 0].tolist() == [1 if pool is jaxpool.sum_pool else 0.5] * 6


def test_sums_of_segments_keep_their_dtype():
    result = jaxpool.segment_sum_pool(np.full(300, 1, np.int8), np.zeros(300, np.int32), 1)
    assert result.dtype == np.int8
    assert result[0] == 300 - 256


# -------------------------------------------------------------------------------------------------- averages


DIVISORS = ({}, {"count_include_pad": False}, {"divisor_override": 4}, {"where": None})


@pytest.mark.parametrize("rounding", ["truncate", "nearest"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_averages_that_are_integers(case, dtype, rounding):
    x, platforms = extremes(case.shape, dtype), iter(PLATFORMS * 2)
    for options in DIVISORS:
        options = options | ({"where": mask(case.shape)} if "where" in options else {})
        options = {"dtype": dtype, "rounding": rounding, **options, **case.options}
        result = interpret(
            lambda x, o=options: jaxpool.avg_pool(x, *case.arguments, **o), x, platform=next(platforms)
        )
        expected = reference.integer_avg_pool(x, *case.arguments, **options)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("rounding", ["truncate", "nearest"])
@pytest.mark.parametrize("dtype", INTEGERS[:-1])
def test_averages_of_all_that_are_integers(dtype, rounding):
    x = extremes((3, 4, 5, 2), dtype)
    for where in (None, mask(x.shape), np.zeros((2,), bool)):
        options = {"dtype": np.dtype(dtype), "rounding": rounding, "where": where}
        result = interpret(functools.partial(jaxpool.global_avg_pool, **options), x)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, reference.global_integer_avg_pool(x, **options))


def test_averages_as_numpy_and_as_tensorflow_lite_round():
    x = np.int8([[127, 127], [1, 2], [-1, -2], [-128, -127], [0, 1], [0, -1]])
    truncated, nearest = interpret(
        lambda x: [jaxpool.global_avg_pool(x, 1, dtype=np.int8, rounding=r) for r in ("truncate", "nearest")],
        x,
    )
    assert truncated.tolist() == [127, 1, -1, -127, 0, 0]
    assert nearest.tolist() == [127, 2, -2, -128, 1, -1]
    wide = x.astype(np.int32)  # in which jnp.mean does not wrap around
    np.testing.assert_array_equal(truncated, jnp.mean(wide, 1, dtype=np.int32))


def test_averages_of_large_sums_are_exact():
    """Where float32, of 24 bits, is not; and a remainder of which twice does not fit int32."""
    x = np.int32([2**24 + 1, 2**24 + 2])
    assert interpret(lambda x: jaxpool.global_avg_pool(x, 0, dtype=np.int32), x) == 2**24 + 1
    large = 2**31 - 1

    def divided(x):
        return jaxpool.avg_pool(x, (1,), divisor_override=large, dtype=np.int32, rounding="nearest")

    assert interpret(divided, np.int32([[2**30], [2**30 - 1], [-(2**30)]]))[:, 0].tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (TypeError, "dtype must be None or a dtype of numbers, got 'int9'", {"dtype": "int9"}),
        (TypeError, "dtype must be None or a dtype of numbers, got <class 'bool'>", {"dtype": bool}),
        (TypeError, "dtype must be None or a dtype of numbers, got key", {"dtype": jax.random.key(0).dtype}),
        (ValueError, "rounding must be 'truncate' or 'nearest', got 'up'", {"rounding": "up"}),
        (ValueError, "rounding must be 'truncate' where dtype is not one of int", {"rounding": "nearest"}),
        (ValueError, "divisor_override must be from 1 to 2147483647 .*, got -2", {"divisor_override": -2}),
        (ValueError, "divisor_override must be from 1 to 2147483647 .*, got 21", {"divisor_override": 2**31}),
    ],
)
def test_what_is_wrong_is_named(error, message, options):
    options = ({"dtype": np.int8} if "divisor_override" in options else {}) | options
    with pytest.raises(error, match=message):
        jaxpool.avg_pool(np.ones((4, 1), np.int8), (2,), **options)
    if "divisor_override" not in options:
        with pytest.raises(error, match=message):
            jaxpool.global_avg_pool(np.ones((4, 1), np.int8), 0, **options)


# ------------------------------------------------------------------------------------------------- quantized

SCALES = (
    {"scale": 0.5, "zero_point": 0},
    {"scale": 0.02, "zero_point": 7},
    {"scale": 0.02, "zero_point": 127, "output_zero_point": 3},
    {"scale": 0.02, "zero_point": 7, "output_scale": 0.0137, "output_zero_point": 100},
    {"scale": 3.0, "zero_point": 0, "output_scale": 0.01},
)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("case", [case for case in CASES if case.taps <= 16], ids=str)
def test_quantized_averages(case, dtype):
    x, platforms = extremes(case.shape, dtype), iter(PLATFORMS * 2)
    for i, scales in enumerate(SCALES):
        options = {**scales, **case.options, "count_include_pad": i % 2 == 0}
        options |= {"where": mask(case.shape)} if i % 3 == 2 else {}

        def pool(x, options=options):
            window, strides, padding = case.arguments
            return jaxpool.quantized_avg_pool(
                x, window_shape=window, strides=strides, padding=padding, **options
            )

        result = interpret(pool, x, platform=next(platforms))
        scale, zero_point = options.pop("scale"), options.pop("zero_point")
        expected = reference.quantized_avg_pool(x, scale, zero_point, *case.arguments, **options)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("scales", SCALES, ids=str)
def test_quantized_averages_of_all(scales, dtype):
    x = extremes((3, 4, 6, 2), dtype)
    for where in (None, mask(x.shape), np.zeros((2,), bool)):
        options = {**scales, "where": where, "keepdims": where is None}
        result = interpret(lambda x, o=options: jaxpool.global_quantized_avg_pool(x, **o), x)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, reference.global_quantized_avg_pool(x, **options))


def test_halves_of_quantized_averages():
    """To the even one of the integers that result, of windows; of the integers less zero point, of all."""
    x = np.uint8([[10, 11], [11, 12], [9, 10]])
    for zero_point in (10, 11):
        windows, whole = interpret(
            lambda x, z=zero_point: (
                jaxpool.quantized_avg_pool(x, 1, z, (2,), channel_axis=None)[:, 0],
                jaxpool.global_quantized_avg_pool(x, 1, z, 1),
            ),
            x,
        )
        assert windows.tolist() == [10, 12, 10]
        assert whole.tolist() == ([10, 12, 10] if zero_point == 10 else [11, 11, 9])


def test_quantized_averages_are_those_of_what_integers_stand_for():
    x, scale, zero_point = extremes((2, 8, 8, 3), np.int8), 0.1, 5
    numbers = scale * (x.astype(np.float32) - zero_point)
    ours = jaxpool.quantized_avg_pool(x, scale, zero_point, (3, 3), (2, 2), "SAME")
    theirs = jaxpool.avg_pool(numbers, (3, 3), (2, 2), "SAME")
    np.testing.assert_allclose(scale * (ours.astype(np.float32) - zero_point), theirs, atol=scale / 2 + 1e-5)


@pytest.mark.parametrize("name", ["max_pool", "min_pool", "median_pool"])
def test_selections_need_no_scale(name):
    """Of an odd number of elements the median is one of them, too."""
    x, scale, zero_point = extremes((2, 8, 8, 3), np.uint8), 0.1, 5
    pool = functools.partial(getattr(jaxpool, name), window_shape=(3, 3), strides=(2, 2))
    numbers = scale * (x.astype(np.float32) - zero_point)
    np.testing.assert_allclose(pool(numbers), scale * (pool(x).astype(np.float32) - zero_point), rtol=1e-6)


@pytest.mark.parametrize(
    ("error", "message", "change"),
    [
        (TypeError, "inputs must be an array of int8 or uint8, got int32", {"inputs": np.ones((4, 1), int)}),
        (TypeError, "scale must be a number, got '1'", {"scale": "1"}),
        (ValueError, "scale must be above 0 and finite, got 0", {"scale": 0}),
        (ValueError, "output_scale must be above 0 and finite, got inf", {"output_scale": np.inf}),
        (TypeError, "zero_point must be an int, got 0.5", {"zero_point": 0.5}),
        (ValueError, "zero_point must be from -128 to 127 for inputs of int8, got 128", {"zero_point": 128}),
        (ValueError, "output_zero_point must be from -128 to 127 .*, got -129", {"output_zero_point": -129}),
    ],
)
def test_what_is_wrong_with_quantized_numbers_is_named(error, message, change):
    arguments = {"inputs": np.ones((4, 1), np.int8), "scale": 1, "zero_point": 0} | change
    with pytest.raises(error, match=message):
        jaxpool.quantized_avg_pool(**arguments, window_shape=(2,))
    with pytest.raises(error, match=message):
        jaxpool.global_quantized_avg_pool(**arguments, axis=0)


def test_quantized_pools_have_the_arguments_of_averages():
    for name, without in (("avg_pool", {"divisor_override"}), ("global_avg_pool", set())):
        ours = [*inspect.signature(getattr(jaxpool, name.replace("avg", "quantized_avg"))).parameters]
        theirs = [*inspect.signature(getattr(jaxpool, name)).parameters]
        scales = ["scale", "zero_point", "output_scale", "output_zero_point"]
        assert [n for n in ours if n not in scales] == [
            n for n in theirs if n not in {"dtype", "rounding", *without}
        ]


# -------------------------------------------------------------------------------- split, streamed and batched

POOLS = {
    "sum": functools.partial(jaxpool.sum_pool, dtype=np.int8),
    "truncated": functools.partial(jaxpool.avg_pool, dtype=np.int8),
    "nearest": functools.partial(
        jaxpool.avg_pool, dtype=np.int8, rounding="nearest", count_include_pad=False
    ),
    "quantized": functools.partial(
        jaxpool.quantized_avg_pool, scale=0.1, zero_point=3, output_scale=0.13, count_include_pad=False
    ),
}


def test_arrays_that_are_split():
    inputs, spec = extremes((2, 16, 8, 2), "int8"), PartitionSpec(None, "x")
    pools = {n: functools.partial(p, window_shape=(3, 3), padding="SAME") for n, p in POOLS.items()}
    split = {n: jaxpool.sharding.spatial(p, mesh=make_mesh(), spec=spec) for n, p in pools.items()}
    actual, expected = (
        jax.jit(lambda x, of=of: {n: p(x) for n, p in of.items()})(inputs) for of in (split, pools)
    )
    chex.assert_trees_all_equal(actual, expected)


@pytest.mark.parametrize("size", [3, 256])
@pytest.mark.parametrize("name", POOLS)
def test_streams(name, size):
    """Also of windows so large that without a dtype they would be streams behind streams."""
    x, (function, options) = extremes((400, 2), "int8"), (POOLS[name].func, POOLS[name].keywords)
    options = {"window_shape": (size,), **options}
    stream = jaxpool.streaming(function, **options)
    cut = interpret(functools.partial(chunk_by_chunk, stream, (120, 280)), x)
    whole = interpret(lambda x: function(x, padding="CAUSAL", **options), x)
    assert cut.dtype == np.int8
    np.testing.assert_array_equal(cut, whole)


def test_running_sums_take_no_dtype():
    with pytest.raises(TypeError, match=r"arguments of a running pool must be among .*, got 'dtype'"):
        jaxpool.streaming(jaxpool.global_sum_pool, dtype=np.int8)


@pytest.mark.parametrize("name", POOLS)
def test_batches(name):
    x = extremes((3, 9, 2), "int8")
    pool = functools.partial(POOLS[name], window_shape=(4,), strides=(2,), padding="SAME")
    together, apart = interpret(lambda x: (jax.vmap(pool)(x), pool(x)), x)
    np.testing.assert_array_equal(together, apart)
