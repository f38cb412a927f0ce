"""What pools with parameters, blurred, polyphase and attention pools mean."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import jaxpool
from tests import reference
from tests.cases import assert_close, random
from tests.programs import Program, interpret

NAN, INF = np.nan, np.inf
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randn(2, 8, 6, 3).astype(np.float32)


# ----------------------------------------------------------------------------- what they are special cases of


def test_special_cases():
    window = ((3, 2), (2, 1), "SAME")
    high, low = np.full((3, 2), 50.0, np.float32), np.full((3, 2), -50.0, np.float32)

    def same(x):
        average = jaxpool.avg_pool(x, *window, count_include_pad=False)
        maximum = jaxpool.max_pool(x, *window)
        yield jaxpool.mixed_pool(x, 1.0, *window), maximum
        yield jaxpool.mixed_pool(x, 0.0, *window), average
        yield jaxpool.gated_pool(x, high, *window), maximum
        yield jaxpool.gated_pool(x, low, *window), average
        yield jaxpool.gem_pool(x, 1.0, *window, eps=1e-30), average
        yield jaxpool.detail_preserving_pool(x, 1e7, 2.0, *window), average
        yield jaxpool.detail_preserving_pool(x, 0.5, 0.0, *window, symmetric=True), average
        yield jaxpool.lip_pool(x, jnp.zeros_like(x), *window), average
        yield jaxpool.lip_pool(x, x / 0.7, *window), jaxpool.soft_pool(x, *window, temperature=0.7)
        yield jaxpool.subsample_pool(x, 1.0, 0.0, *window), jaxpool.sum_pool(x, *window)
        yield jaxpool.blur_pool(x, 2), jaxpool.avg_pool(x, (2, 2), (2, 2))
        yield jaxpool.blur_pool(x, 1, (2, 3)), x[:, ::2, ::3]
        blurred = jaxpool.max_blur_pool(x, (2, 2), (2, 2), filter_size=1)
        yield blurred, jaxpool.max_pool(x, (2, 2))[:, ::2, ::2]
        yield jaxpool.gem_pool(x, 500.0, *window), maximum  # nearly

    *exact, nearly = interpret(lambda x: list(same(x)), np.abs(IMAGES))
    for actual, expected in exact:
        chex.assert_trees_all_close(actual, expected, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(*nearly, rtol=1e-2, atol=1e-6)


def test_binomial_filters_are_zhang_s():
    """Of a single bright cell the blur shows the filter."""
    filters = {2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1], 6: [1, 5, 10, 10, 5, 1]}
    filters[7] = [1, 6, 15, 20, 15, 6, 1]
    cells = {size: np.zeros((15, 1), np.float32) for size in filters}
    for size, coefficients in filters.items():
        cells[size][7] = sum(coefficients)
    blurred = interpret(
        lambda cells: {size: jaxpool.blur_pool(cell, size, (1,)) for size, cell in cells.items()}, cells
    )
    for size, coefficients in filters.items():
        np.testing.assert_array_equal(blurred[size][blurred[size] > 0], coefficients)


def test_details_are_what_is_above_the_mean_or_on_both_sides():
    """Where the exponent is large one element counts; equal ones have the gradient of the average."""
    x = np.float32([[0.0], [5.0], [5.0], [8.0]])

    def pool(x, symmetric):
        return jaxpool.detail_preserving_pool(x, 0.0, 20.0, (4,), symmetric=symmetric)[0, 0]

    above, both, equal, gradient, curvature = interpret(
        lambda x: (
            pool(x, False),
            pool(x, True),
            pool(jnp.ones_like(x), False),
            jax.grad(pool)(jnp.ones_like(x), False),
            jax.hessian(lambda x: jaxpool.detail_preserving_pool(x, 1.0, 1.5, (4,), symmetric=True)[0, 0])(x),
        ),
        x,
    )
    np.testing.assert_allclose([above, both, equal], [8, 0, 1], atol=0.1)
    np.testing.assert_allclose(gradient, np.full((4, 1), 0.25), rtol=1e-6)
    assert np.all(np.isfinite(curvature))


def test_lenet_s_activation():
    total = jaxpool.subsample_pool(np.float32([[0.5], [1.0]]), 2.0, 0.1, (2,), activation=True)
    np.testing.assert_allclose(total, 1.7159 * np.tanh(2 / 3 * 3.1), rtol=1e-6)


# ------------------------------------------------------------------------------------------------- shifts


def _global_shifts(pool):
    """Global sums of squares, for every circular shift: the sum of a blur is that of its input."""

    def sums(x):
        shifts = itertools.product(range(4), range(4))
        shifted = jnp.stack([jnp.roll(x, shift, (1, 2)) for shift in shifts])
        return jax.lax.map(lambda x: jaxpool.global_sum_pool(jnp.square(pool(x))), shifted)

    return sums


def test_polyphase_sampling_is_exactly_invariant():
    """Of whole numbers, whose sums are exact; also after a blur that wraps around, and twice."""
    x = np.random.RandomState(1).randint(-8, 9, (2, 8, 12, 3)).astype(np.float32)
    pool = functools.partial(jaxpool.polyphase_pool, strides=(2, 2))
    blurred = functools.partial(jaxpool.blur_pool, filter_size=3, strides=(1, 1), padding="WRAP")
    for function in (pool, lambda x: pool(blurred(x)), lambda x: pool(pool(x))):
        first, *others = interpret(_global_shifts(function), x)
        for other in others:
            np.testing.assert_array_equal(other, first)
    before, after = interpret(lambda x: (pool(x), pool(jnp.roll(x, 1, 1))), x)
    assert not np.array_equal(before, after)  # only after the global pool


def test_max_pool_is_not_and_max_blur_pool_lies_between():
    x = np.asarray(np.random.RandomState(1).rand(4, 8, 12, 3), np.float32)

    def change(pool):
        first, *others = interpret(_global_shifts(pool), x)
        return np.mean([np.abs(other / first - 1) for other in others])

    wrapped = functools.partial(jnp.pad, pad_width=((0, 0), (0, 1), (0, 1), (0, 0)), mode="wrap")
    blurred = change(
        lambda x: jaxpool.max_blur_pool(wrapped(x), (2, 2), (2, 2), filter_size=3, blur_padding="WRAP")
    )
    assert change(functools.partial(jaxpool.polyphase_pool, strides=(2, 2))) < 1e-5
    assert 1e-5 < blurred < 0.5 * change(lambda x: jaxpool.max_pool(x, (2, 2), (2, 2)))


# ------------------------------------------------------------------------------------------------ attention

KERNELS = {
    name: RANDOM.randn(*shape).astype(np.float32)
    for name, shape in {
        "query_kernel": (3, 2, 4),
        "key_kernel": (3, 2, 4),
        "value_kernel": (3, 2, 4),
        "out_kernel": (2, 4, 5),
    }.items()
}
BIASES = {
    name: RANDOM.randn(*shape).astype(np.float32)
    for name, shape in {"query_bias": (2, 4), "value_bias": (2, 4), "out_bias": (5,)}.items()
}
QUERY = RANDOM.randn(3).astype(np.float32)
WHERE = RANDOM.rand(2, 8, 6, 1) > 0.3


@pytest.mark.parametrize("where", [None, WHERE], ids=["all", "masked"])
@pytest.mark.parametrize("query", [None, QUERY], ids=["mean", "learned"])
@pytest.mark.parametrize("extra", [False, True], ids=["bare", "biases and positions"])
def test_attention_matches_oracle(query, where, extra):
    options = dict(KERNELS)
    if extra:
        options |= {
            **BIASES,
            "positions": np.random.RandomState(1).randn(48 + (query is None), 3).astype(np.float32),
        }
    attend = functools.partial(jaxpool.attention_pool, query=query, where=where, **options)
    hidden = IMAGES if where is None else np.where(WHERE, IMAGES, np.float32(NAN))
    actual, again = interpret(lambda x, hidden: (attend(x), attend(hidden)), IMAGES, hidden)
    expected = reference.attention_pool(IMAGES, query, where=where, **options)
    chex.assert_trees_all_close(actual, expected.astype(np.float32), rtol=2e-5, atol=2e-5)
    chex.assert_trees_all_close(again, actual, rtol=1e-5, atol=1e-5)


def test_attention_along_other_axes_and_in_low_precision():
    def attend(x):
        return jaxpool.attention_pool(x, None, **KERNELS)

    def along(x):
        return jaxpool.attention_pool(x, None, **KERNELS, axis=-2)

    rows, expected, whole, low, kept, nothing = interpret(
        lambda x: (
            along(x),
            jnp.stack([attend(x[:, i : i + 1]) for i in range(8)], 1),
            attend(x),
            attend(x.astype(jnp.bfloat16)),
            jaxpool.attention_pool(x, None, **KERNELS, axis=(1, 2), keepdims=True),
            jaxpool.attention_pool(x, QUERY, **KERNELS, **BIASES, where=np.zeros((1, 1, 1), bool)),
        ),
        IMAGES,
    )
    chex.assert_trees_all_close(rows, expected, rtol=1e-5, atol=1e-5)
    assert kept.shape == (2, 1, 1, 5)
    assert low.dtype == jnp.bfloat16
    chex.assert_trees_all_close(low.astype(np.float32), whole, rtol=0.05, atol=0.1)
    bias = np.einsum("hd,hdo->o", BIASES["value_bias"], KERNELS["out_kernel"]) + BIASES["out_bias"]
    chex.assert_trees_all_close(nothing, np.stack([bias, bias]), rtol=1e-5)


def test_several_queries_have_a_result_each():
    queries = np.stack([QUERY, -2 * QUERY])

    def attend(x, query, **options):
        return jaxpool.attention_pool(x, query, **KERNELS, where=WHERE, **options)

    together, apart, kept = interpret(
        lambda x: (
            attend(x, queries),
            jnp.stack([attend(x, query) for query in queries], 1),
            attend(x, queries, keepdims=True),
        ),
        IMAGES,
    )
    assert together.shape == (2, 2, 5)
    chex.assert_trees_all_close(together, apart, rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(kept, together[:, None, None], rtol=0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("query", [None, QUERY], ids=["mean", "learned"])
def test_derivatives_of_attention(query):
    """In the inputs and every parameter, both modes, to second order, against finite differences."""
    arrays = {"inputs": IMAGES[:, :2, :2], **KERNELS, **BIASES}
    arrays["positions"] = np.random.RandomState(1).randn(4 + (query is None), 3)
    if query is not None:
        arrays["query"] = query
    arrays = {name: np.asarray(array, np.float64) / 2 for name, array in arrays.items()}
    flat, unravel = ravel_pytree(arrays)

    def attend(flat):
        return jnp.sin(jaxpool.attention_pool(**({"query": None} | unravel(flat))))

    def derivatives(x, direction, cotangent):
        """Values and both modes; the tangents of these; and what the transposes of tangents pull back."""

        def first(x):
            value, pushed = jax.jvp(attend, (x,), (direction,))
            return value, pushed, jax.vjp(attend, x)[1](cotangent)[0]

        results, tangents = jax.jvp(first, (x,), (direction,))
        _, pullback = jax.vjp(first, x)
        zeros = jax.tree.map(jnp.zeros_like, results)
        return results, tangents, pullback((zeros[0], cotangent, direction))[0]

    direction, cotangent = (np.random.RandomState(2).randn(*shape) for shape in (flat.shape, (2, 5)))
    evaluate = Program(derivatives, flat, direction, cotangent)
    (_, pushed, pulled), tangents, pulled_again = evaluate(flat, direction, cotangent)
    above, below = (evaluate(flat + step * direction, direction, cotangent)[0] for step in (1e-5, -1e-5))
    for high, low, tangent in zip(above, below, tangents, strict=True):
        np.testing.assert_allclose((high - low) / 2e-5, tangent, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(tangents[0], pushed, rtol=1e-12)
    np.testing.assert_allclose(np.vdot(cotangent, pushed), np.vdot(pulled, direction), rtol=1e-10)
    second = np.vdot(cotangent, tangents[1]) + np.vdot(direction, tangents[2])
    np.testing.assert_allclose(np.vdot(pulled_again, direction), second, rtol=1e-10)
    assert all(np.any(leaf) for leaf in unravel(pulled).values())


def test_attention_works_for_many_tokens_without_keys():
    """Nothing has tokens times heads times the size of a head, forward or backward."""
    shapes = [(1, 64, 64, 32), (32, 4, 64), (32, 4, 64), (32, 4, 64), (4, 64, 8)]
    types = [jax.ShapeDtypeStruct(shape, np.float32) for shape in shapes]

    def gradients(x, *kernels):
        return jax.grad(lambda *a: jnp.sum(jaxpool.attention_pool(a[0], None, *a[1:])), range(5))(x, *kernels)

    text = str(jax.make_jaxpr(gradients)(*types))
    assert "4097,4]" in text
    assert not any(f"{a},{b}" in text for a, b in ((4097, 256), ("4097,4", 64), (4096, 256), ("4096,4", 64)))


# ------------------------------------------------------------------------------------- special values, dtypes


def test_special_values():
    x = np.float32([[1.0], [NAN], [2.0], [3.0], [-INF], [4.0]])
    logits = np.float32([[0.0], [-INF], [-INF], [-INF], [0.0], [NAN]])
    window = ((2,), (2,))
    results, root, weighted, kept = interpret(
        lambda x, logits: (
            {
                "mixed": jaxpool.mixed_pool(x, 0.5, *window),
                "gated": jaxpool.gated_pool(x, np.float32([0.1, 0.2]), *window),
                "gem": jaxpool.gem_pool(x, 3.0, *window),
                "details": jaxpool.detail_preserving_pool(x, 1.0, 1.5, *window),
                "subsample": jaxpool.subsample_pool(x, 1.0, 0.0, *window),
                "lip": jaxpool.lip_pool(x, jnp.zeros_like(x), *window),
                "blur": jaxpool.blur_pool(x, 2, (2,)),
            },
            jaxpool.gem_pool(x, 0.0, *window),
            jaxpool.lip_pool(jnp.ones_like(x), logits, *window),
            jaxpool.lip_pool(np.float32([[1.0], [7.0]]), logits[:2], (2,)),
        ),
        x,
        logits,
    )
    for name, result in results.items():
        assert np.isnan(result[0, 0]), name
        assert np.isfinite(result[1, 0]), name
    assert results["subsample"][2] == results["blur"][2] == -INF
    np.testing.assert_allclose(results["gem"][2], (64 / 2) ** (1 / 3), rtol=1e-5)
    assert np.isnan(root[1, 0])
    np.testing.assert_array_equal(weighted[1:, 0], [0, NAN])
    assert kept[0, 0] == 1


def test_nothing_overflows():
    x = np.float32([[1e20], [2e20], [0.0], [1e-20]])
    powers, phase, weighted = interpret(
        lambda x: (
            jaxpool.gem_pool(x, 10.0, (2,), (2,)),
            jaxpool.polyphase_pool(x, (2,), p=8.0),
            jaxpool.lip_pool(x, x, (2,), (2,)),
        ),
        x,
    )
    np.testing.assert_allclose(powers[0, 0], 2e20 * ((1 + 2.0**-10) / 2) ** 0.1, rtol=1e-4)
    np.testing.assert_array_equal(phase[:, 0], x[1::2, 0])
    np.testing.assert_array_equal(weighted[0, 0], x[1, 0])


def test_polyphase_ties_and_nan():
    x = np.float32([[1.0], [-1.0], [2.0], [2.0]])
    with_nan = np.float32([[1.0], [-1.0], [2.0], [NAN]])

    def pool(x):
        return jaxpool.polyphase_pool(x, (2,))

    tied, gradient, selected = interpret(
        lambda x, y: (pool(x), jax.grad(lambda x: jnp.sum(pool(x)))(x), pool(y)), x, with_nan
    )
    np.testing.assert_array_equal(tied[:, 0], [1, 2])
    np.testing.assert_array_equal(gradient[:, 0], [1, 0, 1, 0])
    np.testing.assert_array_equal(selected[:, 0], [-1, NAN])
    assert pool(np.zeros((0, 4, 2), np.float32)).shape == (0, 2, 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "bool"])
def test_other_dtypes(dtype):
    x = random((2, 6, 4, 3), jnp.dtype(dtype))
    result = jnp.mean(jnp.ones((), x.dtype)).dtype
    wide = np.asarray(x, np.float64)
    pools = {
        "mixed_pool": (0.3, (2, 2), (2, 2)),
        "gem_pool": (2.0, (2, 2), (2, 2)),
        "detail_preserving_pool": (1.0, 1.5, (2, 2), (2, 2)),
        "subsample_pool": (0.2, 0.1, (2, 2), (2, 2)),
        "gated_pool": (np.float32([[0.1, 0.2], [0.3, -0.4]]), (2, 2), (2, 2)),
        "blur_pool": (3, (2, 2)),
        "global_gem_pool": (2.0,),
        "global_lse_pool": (2.0,),
    }
    found, weighted = interpret(
        lambda x: (
            {name: getattr(jaxpool, name)(x, *arguments) for name, arguments in pools.items()},
            jaxpool.lip_pool(x, x, (2, 2)),
        ),
        x,
    )
    for name, arguments in pools.items():
        expected = getattr(reference, name)(wide, *arguments).astype(result)
        assert_close(found[name], expected, result)
    assert_close(weighted, reference.lip_pool(wide, wide, (2, 2)).astype(result), result)


def test_low_precision_accumulates_in_float32():
    ones = jnp.ones((64, 64, 1), jnp.bfloat16)
    for pool in (
        lambda x: jaxpool.mixed_pool(x, 0.5, (64, 64)),
        lambda x: jaxpool.gem_pool(x, 3.0, (64, 64)),
        lambda x: jaxpool.detail_preserving_pool(x, 1.0, 1.5, (64, 64)),
        lambda x: jaxpool.lip_pool(x, jnp.zeros_like(x), (64, 64)),
        lambda x: jaxpool.subsample_pool(x, 1 / 4096, 0.0, (64, 64)),
    ):
        assert interpret(pool, ones)[0, 0, 0] == 1
