"""What pools with parameters, blurred, polyphase and attention pools mean."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool.sharding import spatial
from tests import reference
from tests.cases import assert_close, by_turns, distinct, random
from tests.split import assert_same, collectives

NAN, INF = np.nan, np.inf
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randn(2, 8, 6, 3).astype(np.float32)


# ----------------------------------------------------------------------------- what they are special cases of


def test_special_cases():
    x, window = np.abs(IMAGES), ((3, 2), (2, 1), "SAME")
    average = jaxpool.avg_pool(x, *window, count_include_pad=False)
    maximum = jaxpool.max_pool(x, *window)
    close = functools.partial(chex.assert_trees_all_close, rtol=1e-5, atol=1e-6)
    close(jaxpool.mixed_pool(x, 1.0, *window), maximum)
    close(jaxpool.mixed_pool(x, 0.0, *window), average)
    close(jaxpool.gated_pool(x, np.full((3, 2), 50.0, np.float32), *window), maximum)
    close(jaxpool.gated_pool(x, np.full((3, 2), -50.0, np.float32), *window), average)
    close(jaxpool.gem_pool(x, 1.0, *window, eps=1e-30), average)
    close(jaxpool.gem_pool(x, 500.0, *window), maximum, rtol=1e-2)
    close(jaxpool.lip_pool(x, np.zeros_like(x), *window), average)
    close(jaxpool.lip_pool(x, x / 0.7, *window), jaxpool.soft_pool(x, *window, temperature=0.7))
    close(jaxpool.subsample_pool(x, 1.0, 0.0, *window), jaxpool.sum_pool(x, *window))
    close(jaxpool.blur_pool(x, 2), jaxpool.avg_pool(x, (2, 2), (2, 2)))
    close(jaxpool.blur_pool(x, 1, (2, 3)), x[:, ::2, ::3])
    close(jaxpool.max_blur_pool(x, (2, 2), (2, 2), filter_size=1), jaxpool.max_pool(x, (2, 2))[:, ::2, ::2])


def test_binomial_filters_are_zhang_s():
    """Of a single bright cell the blur shows the filter."""
    filters = {2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1], 6: [1, 5, 10, 10, 5, 1]}
    filters[7] = [1, 6, 15, 20, 15, 6, 1]
    for size, coefficients in filters.items():
        cell = np.zeros((15, 1), np.float32)
        cell[7] = sum(coefficients)
        blurred = np.asarray(jaxpool.blur_pool(cell, size, (1,)))[:, 0]
        np.testing.assert_array_equal(blurred[blurred > 0], coefficients)


def test_lenet_s_activation():
    total = jaxpool.subsample_pool(np.float32([[0.5], [1.0]]), 2.0, 0.1, (2,), activation=True)
    np.testing.assert_allclose(total, 1.7159 * np.tanh(2 / 3 * 3.1), rtol=1e-6)


# ------------------------------------------------------------------------------------------------- shifts


def _shifts(function, x):
    """The results for every circular shift of the images."""
    return [function(jnp.roll(x, s, (1, 2))) for s in itertools.product(range(4), range(4))]


def _global(pool):
    """Squares, for the sum of a blur is that of its input, which shifts do not change."""
    return lambda x: jaxpool.global_sum_pool(jnp.square(pool(x)))


def test_polyphase_sampling_is_exactly_invariant():
    """Of whole numbers, whose sums are exact; also after a blur that wraps around, and twice."""
    x = RANDOM.randint(-8, 9, (2, 8, 12, 3)).astype(np.float32)
    pool = functools.partial(jaxpool.polyphase_pool, strides=(2, 2))
    blurred = functools.partial(jaxpool.blur_pool, filter_size=3, strides=(1, 1), padding="WRAP")
    for function in (pool, lambda x: pool(blurred(x)), lambda x: pool(pool(x))):
        results = _shifts(jax.jit(_global(function)), x)
        for result in results[1:]:
            np.testing.assert_array_equal(result, results[0])
        assert not np.array_equal(pool(x), pool(jnp.roll(x, 1, 1)))  # only after the global pool


def test_max_pool_is_not_and_max_blur_pool_lies_between():
    x = np.asarray(RANDOM.rand(4, 8, 12, 3), np.float32)

    def change(pool):
        first, *others = _shifts(jax.jit(_global(pool)), x)
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
        options |= {**BIASES, "positions": RANDOM.randn(48 + (query is None), 3).astype(np.float32)}
    actual = jax.jit(functools.partial(jaxpool.attention_pool, query=query, where=where, **options))(IMAGES)
    expected = reference.attention_pool(IMAGES, query, where=where, **options)
    chex.assert_trees_all_close(actual, expected.astype(np.float32), rtol=2e-5, atol=2e-5)
    hidden = np.where(WHERE, IMAGES, np.float32(NAN))
    if where is not None:
        chex.assert_trees_all_close(
            jaxpool.attention_pool(hidden, query=query, where=where, **options), actual, rtol=1e-5, atol=1e-5
        )


def test_attention_along_other_axes_and_in_low_precision():
    attend = functools.partial(jaxpool.attention_pool, query=None, **KERNELS)
    expected = jnp.stack([attend(IMAGES[:, i : i + 1]) for i in range(8)], 1)
    chex.assert_trees_all_close(attend(IMAGES, axis=-2), expected, rtol=1e-5, atol=1e-5)
    assert attend(IMAGES, axis=(1, 2), keepdims=True).shape == (2, 1, 1, 5)
    low = attend(IMAGES.astype(jnp.bfloat16))
    assert low.dtype == jnp.bfloat16
    chex.assert_trees_all_close(low.astype(np.float32), attend(IMAGES), rtol=0.05, atol=0.1)
    nothing = jaxpool.attention_pool(IMAGES, QUERY, **KERNELS, **BIASES, where=np.zeros((1, 1, 1), bool))
    bias = np.einsum("hd,hdo->o", BIASES["value_bias"], KERNELS["out_kernel"]) + BIASES["out_bias"]
    chex.assert_trees_all_close(nothing, np.stack([bias, bias]), rtol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("query", [None, QUERY], ids=["mean", "learned"])
def test_derivatives_of_attention(query):
    """In the inputs and every parameter, both modes, to second order."""
    arrays = {"inputs": IMAGES[:, :2, :2], **KERNELS, **BIASES}
    arrays["positions"] = RANDOM.randn(4 + (query is None), 3)
    if query is not None:
        arrays["query"] = query
    arrays = {name: np.asarray(array, np.float64) / 2 for name, array in arrays.items()}

    def attend(arrays):
        return jnp.sin(jaxpool.attention_pool(**({"query": None} | arrays)))

    flat, unravel = ravel_pytree(arrays)
    chex.assert_numerical_grads(
        jax.jit(lambda flat: attend(unravel(flat))), (flat,), order=2, atol=1e-4, rtol=1e-4
    )
    gradient = jax.grad(lambda arrays: jnp.sum(attend(arrays)))(arrays)
    assert all(np.any(leaf) for leaf in gradient.values())


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
    window = ((2,), (2,))
    results = {
        "mixed": jaxpool.mixed_pool(x, 0.5, *window),
        "gated": jaxpool.gated_pool(x, np.float32([0.1, 0.2]), *window),
        "gem": jaxpool.gem_pool(x, 3.0, *window),
        "subsample": jaxpool.subsample_pool(x, 1.0, 0.0, *window),
        "lip": jaxpool.lip_pool(x, np.zeros_like(x), *window),
        "blur": jaxpool.blur_pool(x, 2, (2,)),
    }
    for name, result in results.items():
        assert np.isnan(result[0, 0]), name
        assert np.isfinite(result[1, 0]), name
    assert results["subsample"][2] == results["blur"][2] == -INF
    np.testing.assert_allclose(results["gem"][2], (64 / 2) ** (1 / 3), rtol=1e-5)
    assert np.isnan(jaxpool.gem_pool(x, 0.0, *window)[1, 0])
    logits = np.float32([[0.0], [-INF], [-INF], [-INF], [0.0], [NAN]])
    np.testing.assert_array_equal(jaxpool.lip_pool(np.ones_like(x), logits, *window)[1:, 0], [0, NAN])
    kept = jaxpool.lip_pool(np.float32([[1.0], [7.0]]), logits[:2], (2,))
    assert kept[0, 0] == 1


def test_nothing_overflows():
    x = np.float32([[1e20], [2e20], [0.0], [1e-20]])
    np.testing.assert_allclose(
        jaxpool.gem_pool(x, 10.0, (2,), (2,))[0, 0], 2e20 * ((1 + 2.0**-10) / 2) ** 0.1, rtol=1e-4
    )
    np.testing.assert_array_equal(jaxpool.polyphase_pool(x, (2,), p=8.0)[:, 0], x[1::2, 0])
    np.testing.assert_array_equal(jaxpool.lip_pool(x, x, (2,), (2,))[0, 0], x[1, 0])


def test_polyphase_ties_and_nan():
    x = np.float32([[1.0], [-1.0], [2.0], [2.0]])
    np.testing.assert_array_equal(jaxpool.polyphase_pool(x, (2,))[:, 0], [1, 2])
    gradient = jax.grad(lambda x: jnp.sum(jaxpool.polyphase_pool(x, (2,))))(x)
    np.testing.assert_array_equal(gradient[:, 0], [1, 0, 1, 0])
    x[3] = NAN
    np.testing.assert_array_equal(jaxpool.polyphase_pool(x, (2,))[:, 0], [-1, NAN])
    assert jaxpool.polyphase_pool(np.zeros((0, 4, 2), np.float32), (2,)).shape == (0, 2, 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "bool"])
def test_other_dtypes(dtype):
    x = random((2, 6, 4, 3), jnp.dtype(dtype))
    result = jnp.mean(jnp.ones((), x.dtype)).dtype
    wide = np.asarray(x, np.float64)
    for name, arguments in {
        "mixed_pool": (0.3, (2, 2), (2, 2)),
        "gem_pool": (2.0, (2, 2), (2, 2)),
        "subsample_pool": (0.2, 0.1, (2, 2), (2, 2)),
        "gated_pool": (np.float32([[0.1, 0.2], [0.3, -0.4]]), (2, 2), (2, 2)),
        "blur_pool": (3, (2, 2)),
        "global_gem_pool": (2.0,),
    }.items():
        expected = getattr(reference, name)(wide, *arguments).astype(result)
        assert_close(getattr(jaxpool, name)(x, *arguments), expected, result)
    assert_close(
        jaxpool.lip_pool(x, x, (2, 2)), reference.lip_pool(wide, wide, (2, 2)).astype(result), result
    )


def test_low_precision_accumulates_in_float32():
    ones = jnp.ones((64, 64, 1), jnp.bfloat16)
    for pool in (
        lambda x: jaxpool.mixed_pool(x, 0.5, (64, 64)),
        lambda x: jaxpool.gem_pool(x, 3.0, (64, 64)),
        lambda x: jaxpool.lip_pool(x, jnp.zeros_like(x), (64, 64)),
        lambda x: jaxpool.subsample_pool(x, 1 / 4096, 0.0, (64, 64)),
    ):
        assert pool(ones)[0, 0, 0] == 1


# ------------------------------------------------------------------------------- split over devices, exported

_PARAMETERS = {
    "subsample": functools.partial(jaxpool.subsample_pool, coefficient=np.float32([0.1, 0.2, 0.3]), bias=0.4),
    "mixed": functools.partial(jaxpool.mixed_pool, alpha=np.float32([0.1, 0.2, 0.3])),
    "gated": functools.partial(
        jaxpool.gated_pool, gate=np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3)
    ),
    "gem": functools.partial(jaxpool.gem_pool, p=np.float32([2, 3, 4])),
    "max blur": functools.partial(jaxpool.max_blur_pool),
}
_WINDOW = {"window_shape": (3, 3), "strides": (2, 2), "padding": "SAME"}
SPATIAL = {name: functools.partial(pool, **_WINDOW) for name, pool in _PARAMETERS.items()}
SPATIAL["lip"] = lambda x: jaxpool.lip_pool(x, jnp.cos(x), **_WINDOW)
SPATIAL["lip of one channel"] = lambda x: jaxpool.lip_pool(x, x[..., :1], **_WINDOW)
SPATIAL |= {
    f"blur {size} {padding}": functools.partial(jaxpool.blur_pool, filter_size=size, padding=padding)
    for size, padding in ((2, "REFLECT"), (3, "REFLECT"), (5, "EDGE"), (4, "ZERO"), (7, "REFLECT"))
}


@pytest.mark.parametrize("name", by_turns(SPATIAL, one_in=2))
def test_split_along_space(name):
    text = assert_same(SPATIAL[name], P(None, "y", "x"), distinct((1, 16, 16, 3), np.float32))
    counts = collectives(text)
    assert counts["all-gather"] == counts["all-to-all"] == counts["reduce-scatter"] == 0
    assert (counts["collective-permute"] > 0) == (name != "blur 2 REFLECT")


def test_parameters_of_split_pools_get_the_whole_gradient():
    mesh = jax.make_mesh((2, 4), ("y", "x"))
    inputs = distinct((2, 16, 8, 3), np.float32)

    def loss(pool, alpha, inputs):
        return jnp.sum(jnp.sin(pool(inputs, alpha, **_WINDOW)))

    split = spatial(jaxpool.mixed_pool, mesh=mesh, spec=P("y", "x"))
    alpha = np.float32([0.1, 0.2, 0.3])
    gradients = [
        jax.jit(jax.grad(functools.partial(loss, pool)))(alpha, inputs)
        for pool in (jaxpool.mixed_pool, split)
    ]
    chex.assert_trees_all_close(*gradients, rtol=1e-5)


@pytest.mark.parametrize("name", ["mixed", "gated", "blur 3 REFLECT", "lip"])
def test_on_explicit_meshes(name):
    pool, inputs = SPATIAL[name], distinct((2, 16, 8, 3), np.float32)
    mesh = jax.make_mesh((2, 4), ("y", "x"), axis_types=(AxisType.Explicit,) * 2)
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, P("y", "x")))
        chex.assert_trees_all_close(jax.jit(pool)(placed), pool(inputs), rtol=1e-5, atol=1e-6)


def test_whole_pools_of_batches_and_channels_on_explicit_meshes():
    mesh = jax.make_mesh((2, 4), ("y", "x"), axis_types=(AxisType.Explicit,) * 2)
    inputs = distinct((2, 8, 6, 4), np.float32)
    with jax.set_mesh(mesh):
        for spec in (P("y"), P("y", None, None, "x")):
            placed = jax.device_put(inputs, NamedSharding(mesh, spec))
            pool = jax.jit(lambda x: jaxpool.global_gem_pool(x, 3.0))
            chex.assert_trees_all_close(pool(placed), pool(inputs), rtol=1e-5)
        placed = jax.device_put(inputs, NamedSharding(mesh, P("y")))
        pool = jax.jit(functools.partial(jaxpool.polyphase_pool, strides=(2, 2)))
        chex.assert_trees_all_close(pool(placed), pool(inputs), rtol=1e-5)


@pytest.mark.parametrize("name", ["gated", "gem", "blur 3 REFLECT", "polyphase", "attention"])
def test_export(name):
    """To every platform, with a symbolic batch, and back."""
    more = {
        "polyphase": functools.partial(jaxpool.polyphase_pool, strides=(2, 2)),
        "attention": functools.partial(jaxpool.attention_pool, query=None, **KERNELS),
    }
    pool, inputs = (SPATIAL | more)[name], distinct((2, 8, 8, 3), np.float32)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.sin(pool(x)))))
    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, 8, 8, 3), np.float32)
    exported = jax.export.export(gradient, platforms=("cpu", "cuda", "tpu"))(spec)
    loaded = jax.export.deserialize(exported.serialize())
    chex.assert_trees_all_close(loaded.call(inputs), gradient(inputs), rtol=1e-4, atol=1e-5)
