"""The structure of compiled programs: what is kept, dispatched and compiled, and what it is made of."""

import logging
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from jaxpool._lowering.repeat import repeat
from jaxpool._primitives import select
from jaxpool._window import make_window
from tests.cases import CASES, DERIVATIVE_CASES, SMALL_CASES
from tests.functions import COMPOSED, SIMPLE

SELECTING = ("max_pool", "min_pool")


def _types(name, case):
    """The types of a pool's value and of all that its backward pass keeps."""
    inputs = jax.ShapeDtypeStruct(case.shape, np.float32)
    pool = getattr(jaxpool, name)
    return jax.eval_shape(lambda x: jax.vjp(lambda x: pool(x, *case.arguments, **case.options), x), inputs)


@pytest.mark.parametrize("name", SELECTING)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_selection_keeps_one_byte_for_each_window(case, name):
    value, pullback = _types(name, case)
    kept = sorted((leaf.dtype.name, leaf.shape) for leaf in jax.tree.leaves(pullback))
    index = "uint8" if np.prod(case.window_shape) <= 256 else "uint16"
    assert kept == [("float32", case.shape), (index, value.shape)]


@pytest.mark.parametrize("name", ["sum_pool", "avg_pool"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_sum_keeps_nothing(case, name):
    _, pullback = _types(name, case)
    # The divisors of an average are a constant of at most one number for each window position.
    positions = np.prod(jaxpool.output_shape(case.shape, *case.arguments, **case.options), dtype=int)
    assert all(leaf.size <= max(positions, 1) for leaf in jax.tree.leaves(pullback))
    assert not any(leaf.shape == case.shape for leaf in jax.tree.leaves(pullback))


@pytest.mark.parametrize("function", [f for f in COMPOSED if not f.name.startswith("stoch")], ids=str)
@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_a_composed_pool_keeps_nothing_for_each_tap(case, function):
    """A few arrays of the size of inputs or outputs; an order statistic one byte for each window."""

    def pullback(x):
        return jax.vjp(lambda x: function.apply(x, *case.arguments, **case.options), x)[1]

    kept = jax.tree.leaves(jax.eval_shape(pullback, jax.ShapeDtypeStruct(case.shape, np.float32)))
    outputs = jaxpool.output_shape(case.shape, *case.arguments, **case.options)
    assert all(leaf.size <= max(np.prod(case.shape), np.prod(outputs)) for leaf in kept)
    assert len(kept) <= 16
    if function.name.startswith(("median", "quantile")):
        indices = [leaf for leaf in kept if leaf.shape == outputs and leaf.dtype == np.uint8]
        assert len(indices) == 2


@pytest.mark.parametrize("name", ["adaptive_avg_pool", "adaptive_max_pool"])
def test_the_program_of_an_adaptive_pool_does_not_grow_with_its_bins(name):
    def length(bins):
        def gradient(x):
            return jax.grad(lambda x: jnp.sum(getattr(jaxpool, name)(x, (bins,))))(x)

        return len(_stablehlo(gradient, "cuda", ((2, 97, 3), np.float32)).splitlines())

    assert length(50) <= 1.2 * length(20)


def test_unpooling_scatters_no_values():
    """Integers alone, so that no order of adding changes a result, and none in the backward pass."""
    values = (2, 4, 3)

    def unpool(v, i):
        return jaxpool.max_unpool(v, i, (9,))

    def backward(v, i, cotangent):
        return jax.vjp(lambda v: unpool(v, i), v)[1](cotangent)

    types = (values, np.float32), (values, np.int32)
    scatter = re.compile(r'"stablehlo\.scatter".*?\) : \((.*?)\) ->', re.DOTALL)
    for function, shapes in ((unpool, types), (backward, (*types, ((2, 9, 3), np.float32)))):
        found = scatter.findall(_stablehlo(function, "cuda", *shapes))
        assert found
        assert not any("f32" in operands for operands in found)


def _stablehlo(function, platform, *shapes):
    specs = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]
    return jax.export.export(jax.jit(function), platforms=[platform])(*specs).mlir_module()


@pytest.mark.parametrize(("platform", "unused"), [("cpu", 2), ("cuda", 2), ("rocm", 2), ("tpu", 1)])
def test_each_platform_reads_index_or_operand(platform, unused):
    """So that XLA drops the other one inside a program."""
    window = make_window((2, 8, 8, 4), (3, 3), (2, 2), "SAME")
    shape = window.output_shape((2, 8, 8, 4))

    def scatter(cotangent, index, operand):
        return select.scatter_p.bind(cotangent, index, operand, window=window, order="max")

    text = _stablehlo(scatter, platform, (shape, np.float32), (shape, np.uint8), ((2, 8, 8, 4), np.float32))
    uses = [len(re.findall(rf"%arg{i}\b", text)) for i in range(3)]
    assert [count == 1 for count in uses] == [i == unused for i in range(3)]


@pytest.mark.parametrize("case", DERIVATIVE_CASES, ids=str)
def test_backward_has_no_scatter_and_no_sort(case):
    def total(x, pool):
        return jnp.sum(pool(x, *case.arguments, **case.options))

    def gradient(inputs):
        return [jax.grad(total)(inputs, getattr(jaxpool, name)) for name in SELECTING]

    sorts = re.compile(r"\b(sort|select-and-scatter|select_and_scatter|custom-call)\b")
    unwanted = re.compile(rf"{sorts.pattern}|\b(scatter|while)\b")
    compiled = jax.jit(gradient).lower(np.zeros(case.shape, np.float32)).compile().as_text()
    assert not sorts.findall(re.sub(r"metadata=\{.*?\}", "", compiled))  # a scatter is one of its techniques
    assert not unwanted.findall(_stablehlo(gradient, "cuda", (case.shape, np.float32)))
    assert unwanted.findall("x = f32[2] scatter(y)")


@pytest.mark.parametrize(
    ("name", "pattern"), [("avg", "xor"), ("sum", "xor"), ("max", r"f32\[2,6,5,3\]\S* select")]
)
def test_backward_of_a_global_pool_is_no_loop_over_bfloat16(name, pattern):
    """XLA:CPU would repeat or select it one by one: integers and float32 take a fifth of the time."""
    inputs = jax.ShapeDtypeStruct((2, 6, 5, 3), jnp.bfloat16)

    def backward(x, cotangent):
        return jax.vjp(getattr(jaxpool, f"global_{name}_pool"), x)[1](cotangent)[0]

    compiled = jax.jit(backward).lower(inputs, jax.ShapeDtypeStruct((2, 3), jnp.bfloat16)).compile().as_text()
    loops = re.findall(r"-> bf16\[2,6,5,3\] \{.*?\n\}", compiled, re.DOTALL)
    assert re.search(rf"{pattern}\(", loops[0])


@pytest.mark.parametrize(
    ("dtype", "window", "added"),
    [
        (jnp.bfloat16, ((4, 4), (4, 4)), "ui16"),
        (jnp.bfloat16, ((8, 8), (8, 8)), "ui16"),
        (np.float16, ((4, 4), (4, 4)), "ui16"),
        (np.float16, ((5, 4), (5, 4)), "f16"),
        (jnp.bfloat16, ((3, 2), (2, 2)), "f32"),
        (np.float16, ((3, 2), (2, 2)), "f16"),
        (np.float16, ((3, 3), (2, 2)), "f32"),
    ],
)
def test_what_a_cpu_writes_16_bits_as(dtype, window, added):
    """Integers where no two windows overlap, and float32 where rounding or bfloat16 ask for it."""

    def gradient(inputs):
        return jax.grad(lambda x: jnp.sum(jaxpool.max_pool(x, *window, channel_axis=None)))(inputs)

    text = _stablehlo(gradient, "cpu", ((2, 16, 16), dtype))
    (result,) = re.findall(r'"stablehlo\.scatter".*?\}\) : .*?-> tensor<512x(\w+)>', text, re.DOTALL)
    assert result == added


def test_what_is_repeated_keeps_its_bits():
    bits = np.arange(2**16, dtype=np.uint16)
    repeated = jax.jit(lambda x: repeat(x, (2, 2**16), (1,)))(bits.view(jnp.bfloat16))
    np.testing.assert_array_equal(np.asarray(repeated).view(np.uint16), np.stack([bits, bits]))


@pytest.mark.parametrize("name", SELECTING)
@pytest.mark.parametrize("case", DERIVATIVE_CASES, ids=str)
def test_backward_on_tpu_is_native(case, name):
    def gradient(inputs):
        return jax.grad(lambda x: jnp.sum(getattr(jaxpool, name)(x, *case.arguments, **case.options)))(inputs)

    text = _stablehlo(gradient, "tpu", (case.shape, np.float32))
    native = "select_and_scatter" in text
    assert native == (case.name != "windows of padding" and "window_dilation" not in case.options)


@pytest.fixture
def compilations(caplog):
    """Calls a function and counts the programs that are compiled for it."""

    def count(function):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            jax.block_until_ready(function())
        return sum(record.getMessage().startswith("Compiling ") for record in caplog.records)

    return count


@pytest.mark.parametrize("function", [f for f in SIMPLE + COMPOSED if f.name != "pool"], ids=str)
def test_an_eager_call_is_one_program_compiled_once(function, compilations):
    # A shape that no other test has: every program it takes is compiled now.
    inputs = jnp.zeros((1, 13, 11, 3)).block_until_ready()

    def call(window_shape, strides, padding, **options):
        return compilations(lambda: function.apply(inputs, window_shape, strides, padding, **options))

    assert call((2, 2), (2, 1), "SAME") == 1
    assert call([2, 2], [2, 1], "SAME") == 0
    assert call((2, np.int64(2)), (2, 1), "same", window_dilation=(1, 1)) == 0
    assert call((2, 2), (2, 1), [(0, 1), [0, 1]]) == 0
    assert call((2, 2), (2, 2), "SAME") == 1


def test_indices_and_general_pools_are_one_program_too(compilations):
    inputs = jnp.zeros((1, 12, 13, 3)).block_until_ready()

    def indices():
        return jaxpool.max_pool(inputs, (2, 2), padding="SAME", return_indices=True)

    def general():
        return jaxpool.pool(inputs, init, jnp.multiply, (2, 2), padding="SAME")

    init = jnp.float32(1)
    assert [compilations(indices), compilations(indices)] == [1, 0]
    assert [compilations(general), compilations(general)] == [1, 0]


@pytest.mark.parametrize("name", ["avg", "max", "min", "sum", "lp", "logsumexp"])
def test_global_pools_are_one_program_too(name, compilations):
    inputs = jnp.zeros((1, 12, 13, 5)).block_until_ready()

    def call(**options):
        return compilations(lambda: getattr(jaxpool, f"global_{name}_pool")(inputs, **options))

    assert [call(), call(), call(keepdims=True), call(axis=[1, -2])] == [1, 0, 1, 0]
