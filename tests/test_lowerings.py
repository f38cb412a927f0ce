"""What carries the pools out, by each technique and on each platform, all run on the CPU: to the bit."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.core import ShapedArray
from jax.interpreters import ad

import jaxpool
from jaxpool._lowering import PLATFORMS, TECHNIQUES, blocks, cpu, forced, native, tpu
from jaxpool._primitives import select
from jaxpool._primitives.sum import add_p, spread_p
from jaxpool._window import make_window
from tests.cases import CASES, DERIVATIVE_CASES
from tests.programs import interpret

OPERATIONS = {"select_value", "select", "gather", "scatter", "add", "spread"}


def _window(case):
    return make_window(case.shape, *case.arguments, **case.options)


def _inputs(case, dtype=np.float32):
    """Small integers, infinities, NaN and both zeros: many ties, and sums that no order of adding changes."""
    values = np.float32([-np.inf, -1, -1, 0, -0.0, 1, 2, 2, np.inf, np.nan])
    return np.random.RandomState(0).choice(values, case.shape).astype(dtype)


def _equal(actual, expected):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jnp.floating):  # NumPy takes NaN of other types for unequal
            a, b = np.float64(a), np.float64(b)
        np.testing.assert_array_equal(a, b)


def _whole(shape, seed):
    return np.random.RandomState(seed).randint(-4, 5, shape).astype(np.float32)


def _run(choices, case, order, dtype=np.float32):
    """All that a platform or technique can do for one case, in one program."""
    window, inputs = _window(case), _inputs(case, dtype)
    counts = {d: axis.element_counts() for d, axis in window.pooled.items()}

    def run(inputs, tangent, cotangent):
        results = {"select_value": choices.select_value(inputs, window, order)}
        index = None
        if choices is not native:
            value, index = choices.select(inputs, window, order)
            results["gather"] = choices.gather(tangent, index, inputs, window, order)
            for d, count in counts.items():  # a window of padding may have any index
                index *= lax.broadcast_in_dim((count > 0).astype(index.dtype), index.shape, (d,))
            results["select"] = (value, index)
        if choices in (native, tpu) and not _is_comparable(window, case.shape):
            pass
        else:
            results["scatter"] = choices.scatter(cotangent, index, inputs, window, order)
        results["add"] = choices.add(tangent, window, None)
        results["spread"] = choices.spread(cotangent, window, None)
        return results

    tangent = _whole(case.shape, 1).astype(dtype)
    cotangent = _whole(window.output_shape(case.shape), 2).astype(dtype)
    return interpret(run, inputs, tangent, cotangent)


def _is_comparable(window, shape):
    """XLA's select-and-scatter on the CPU takes no empty arrays, and padded windows column by column."""
    padded = any(axis.low or axis.high for axis in window.pooled.values())
    return 0 not in shape and not padded and native.can_scatter(window)


@functools.cache
def _expected(name, order, dtype=np.float32):
    return _run(cpu, next(case for case in CASES if case.name == name), order, dtype)


@pytest.mark.parametrize(
    ("case", "technique"),
    [
        (case, technique)
        for case in CASES
        for number, technique in enumerate(sorted(TECHNIQUES))
        if technique == "runs in stages"
        or (case.derivatives and (technique == "native" or (number + DERIVATIVE_CASES.index(case)) % 2 == 0))
    ],
    ids=str,
)
def test_techniques_agree(case, technique):
    """In stages, as platforms have only large windows, everywhere; in one pass, where windows differ.

    Of these each meets half of the techniques besides XLA's own.
    """
    order = ("max", "min")[CASES.index(case) % 2]
    actual = _run(TECHNIQUES[technique], case, order)
    _equal(actual, {name: _expected(case.name, order)[name] for name in actual})


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(case, "bfloat16") for case in DERIVATIVE_CASES] + [(case, "float16") for case in DERIVATIVE_CASES[::3]],
    ids=str,
)
def test_keys_order_as_numbers_do(case, dtype):
    """On the CPU 16-bit numbers are compared as integers, by a technique of padding as they are."""
    order = {"bfloat16": "max", "float16": "min"}[dtype]
    expected = _run(TECHNIQUES["padded"], case, order, dtype)
    _equal(_run(cpu, case, order, dtype), expected)


@pytest.mark.parametrize("size", [*range(3, 10), 13, 31])
def test_windows_of_every_size_in_stages(size):
    """Along one axis: how a window is cut in two depends on its size."""
    shape, order = (33, 2), "max" if size % 2 else "min"
    inputs = np.random.RandomState(size).randint(0, 4, shape).astype(np.float32)
    for padding, stride, dilation in (("VALID", 1, 1), ("SAME", 2, 1), ([(size, size)], 1, 2)):
        window = make_window(shape, (size,), (stride,), padding, window_dilation=(dilation,))

        def run(inputs, cotangent, window=window):
            results = []
            for technique in ("runs", "runs in stages", "padded in stages"):
                choices = TECHNIQUES[technique]
                value, index = choices.select(inputs, window, order)
                results.append((value, index, choices.scatter(cotangent, index, inputs, window, order)))
            return results

        first, *others = interpret(run, inputs, _whole(window.output_shape(shape), 1))
        for other in others:
            _equal(other, first)


def test_platforms_have_the_same_operations():
    for choices in {*PLATFORMS.values()}:
        assert all(callable(getattr(choices, name)) for name in OPERATIONS)


# --------------------------------------------------------------------------------------- forcing a technique


def _text(function, *arguments):
    return jax.jit(function).lower(*arguments).as_text()


def test_a_technique_can_be_forced():
    inputs = jnp.arange(12.0).reshape(6, 2)

    def pool(x):
        return jaxpool.max_pool(x, (3,), padding="SAME")

    usual = _text(pool, inputs)
    with forced("native"):
        native_text, expected = _text(pool, inputs), jax.jit(pool)(inputs)
    with forced("padded"):
        padded = _text(pool, inputs)
    with forced("runs in stages"), forced("padded"):
        assert _text(pool, inputs) == padded
        _equal(jax.jit(pool)(inputs), expected)
    assert "reduce_window" in native_text
    assert "reduce_window" not in usual + padded
    assert usual != padded
    assert _text(pool, inputs) == usual


def test_a_forced_technique_that_does_not_apply_raises():
    inputs = jnp.arange(12.0).reshape(6, 2)
    window = make_window(inputs.shape, (3,), window_dilation=(2,))
    index = jnp.zeros(window.output_shape(inputs.shape), window.index_dtype)

    def scatter(x):
        return select.scatter_p.bind(jnp.ones(index.shape), index, x, window=window, order="max")

    with forced("native"), pytest.raises(NotImplementedError, match="has no select"):
        jax.jit(lambda x: select.select_with_index(x, window, "max"))(inputs)
    with forced("native"), pytest.raises(NotImplementedError, match="no dilation"):
        jax.jit(scatter)(inputs)
    with pytest.raises(KeyError, match="unknown"), forced("unknown"):
        pass


# -------------------------------------------------------------------------------------------- low precision


@pytest.mark.parametrize(("dtype", "large"), [("bfloat16", 256), ("float16", 2048)])
@pytest.mark.parametrize("name", [*PLATFORMS, *sorted(TECHNIQUES)])
def test_low_precision_adds_up_in_float32(name, dtype, large):
    """A large number swallows the ones that are added to it in low precision, from whichever end."""
    choices = PLATFORMS[name] if name in PLATFORMS else TECHNIQUES[name]
    window = make_window((17, 1), (9,))
    peak = jnp.zeros((17, 1), dtype).at[8].set(1)  # which all windows hold
    index = cpu.select(peak, window, "max")[1]
    numbers = jnp.ones((9, 1), dtype).at[4].set(large)

    def sums(index, numbers):
        return (
            choices.scatter(numbers, index, peak, window, "max")[8, 0],
            choices.spread(numbers, window, None)[8, 0],
            choices.add(jnp.pad(numbers, ((0, 8), (0, 0))), window, 2)[0, 0],
        )

    results = interpret(sums, index, numbers)
    assert all(result.dtype == jnp.dtype(dtype) for result in results)
    assert [float(result) for result in results] == [large + 8, large + 8, large / 2 + 4]


@pytest.mark.parametrize(("dtype", "large"), [("bfloat16", 256), ("float16", 2048)])
def test_what_three_windows_write_adds_up_in_float32(dtype, large):
    """Dilation as wide as the stride has a cell in more windows than the stride alone would."""
    window = make_window((9,), (3,), (2,), window_dilation=(2,), channel_axis=None)
    peak = jnp.zeros(9, dtype).at[4].set(1)  # which all three windows hold
    index = cpu.select(peak, window, "max")[1]
    written = cpu.scatter(jnp.asarray([1, large, 1], dtype), index, peak, window, "max")
    assert written.tolist() == [0, 0, 0, 0, large + 2, 0, 0, 0, 0]


def test_sums_are_linear_maps_and_each_others_transpose():
    window = make_window((9, 2), (4,), (2,), "SAME")
    x, y = _whole((9, 2), 1), _whole(window.output_shape((9, 2)), 2)
    for divisor in (None, 3, "cells", "elements"):
        forward = add_p.bind(x, window=window, divisor=divisor)
        backward = spread_p.bind(y, window=window, divisor=divisor)
        np.testing.assert_allclose(np.sum(forward * y), np.sum(x * backward), rtol=1e-5)


@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_select_and_scatter_of_split_arrays_finds_the_same(name):
    """Ties, infinities and NaN, by the comparison that XLA's partitioner knows."""
    values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1.0, 2.0]
    inputs = np.random.RandomState(0).choice(values, (4, 9, 9, 8)).astype(np.float32)

    expected = jax.jit(jax.grad(lambda x: jnp.sum(getattr(jaxpool, name)(x, (2, 2), (2, 2)))))(inputs)
    window = make_window(inputs.shape, (2, 2), (2, 2))
    ones = jnp.ones(window.output_shape(inputs.shape), jnp.float32)
    for split in (False, True):
        before = native.partitioned.set(split)
        try:
            actual = native.scatter(ones, jnp.zeros(()), jnp.asarray(inputs), window, name[:3])
        finally:
            native.partitioned.reset(before)
        np.testing.assert_array_equal(actual, expected)


def test_where_windows_are_is_not_repeated_for_each_batch_entry():
    program = jax.make_jaxpr(jax.vmap(lambda x: jaxpool.adaptive_max_pool(x, (3,))))(np.zeros((5, 2, 7, 3)))
    (pool,) = _equations(program.jaxpr, "window_select_value")
    assert [variable.aval.shape[0] for variable in pool.invars] == [5, 1, 1]


def _equations(program, name):
    """All with this primitive, in programs within programs too."""
    for equation in program.eqns:
        if equation.primitive.name == name:
            yield equation
        for inner in (value for value in equation.params.values() if hasattr(value, "jaxpr")):
            yield from _equations(inner.jaxpr, name)


@pytest.mark.parametrize("name", ["add", "spread", "gather", "scatter"])
def test_what_nothing_depends_on_receives_no_cotangent(name):
    """JAX drops most such equations before it transposes; those that are left get a symbolic zero."""
    cells, windows = (jax.ShapeDtypeStruct((1, n, 1), np.float32) for n in (6, 3))
    window = make_window((1, 6, 1), (2,), (2,))
    primitive = {"add": add_p, "spread": spread_p}.get(name) or getattr(select, f"{name}_p")
    first, result = (cells, windows) if name in ("add", "gather") else (windows, cells)
    others = () if name in ("add", "spread") else (np.zeros(windows.shape, np.uint8), np.zeros(cells.shape))
    params = {"divisor": None} if name in ("add", "spread") else {"order": "max"}
    cotangent = ad.Zero(ShapedArray(result.shape, result.dtype))
    undefined = ad.UndefinedPrimal(ShapedArray(first.shape, first.dtype))
    received, *rest = ad.primitive_transposes[primitive](
        cotangent, undefined, *others, window=window, **params
    )
    assert isinstance(received, ad.Zero)
    assert received.aval.shape == first.shape
    assert rest == [None] * len(others)


@pytest.mark.parametrize("apart", [20.0, 40.0, 100.0])  # 28 is as far as one maximum serves both parts
@pytest.mark.parametrize(
    "pool",
    [
        jaxpool.soft_pool,
        jaxpool.logsumexp_pool,
        lambda x, *window: jnp.log(jaxpool.lp_pool(jnp.exp(x / 2), *window)),
        lambda x, *window: jnp.log(jaxpool.lp_pool(jnp.exp(x / 3), *window, p=3.0)),
        lambda x, *window: jnp.log(jaxpool.stochastic_pool(None, jnp.exp(x), *window, deterministic=True)),
    ],
    ids=["soft", "logsumexp", "norm", "cubic norm", "expectation"],
)
def test_windows_that_are_far_apart(pool, apart):
    inputs = jnp.asarray(np.random.RandomState(0).standard_normal((2, 8, 6, 3)) - 40, np.float32)
    cotangent = jnp.asarray(np.random.RandomState(1).standard_normal((2, 4, 3, 3)), np.float32)

    @jax.jit
    def results(inputs, cotangent):
        value, pull = jax.vjp(lambda x: pool(x, (2, 2), (2, 2)), inputs)
        return value, *pull(cotangent)

    far = inputs.at[:, 4:].add(apart)
    together = results(far, cotangent)
    halves = [
        results(part, sent)
        for part, sent in zip(jnp.split(far, 2, 1), jnp.split(cotangent, 2, 1), strict=True)
    ]
    alone = jax.tree.map(lambda *parts: jnp.concatenate(parts, 1), *halves)
    chex.assert_trees_all_close(together, alone, rtol=3e-5, atol=1e-5)


def _pools_of_large_windows(shape):
    """All that a maximum and an average do along an axis of large windows, regular and adaptive."""
    values = np.float32([-np.inf, -1, 0, 1, 2, 2, np.inf, np.nan])
    inputs = np.random.RandomState(0).choice(values, shape, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
    inputs = inputs.astype(np.float32)
    finite = jnp.nan_to_num(inputs, posinf=3.0, neginf=-3.0)

    def weigh(results):
        return jnp.sum(results * np.random.RandomState(1).randint(-3, 4, results.shape).astype(np.float32))

    def run(name, *arguments, **options):
        largest = functools.partial(getattr(jaxpool, name.format("max")), **options)
        average = functools.partial(getattr(jaxpool, name.format("avg")), **options)

        def results(inputs, finite):
            yield largest(inputs, *arguments)
            yield largest(inputs, *arguments, return_indices=True)
            yield average(finite, *arguments)
            yield jax.jvp(lambda x: largest(x, *arguments), (finite,), (2 * finite,))
            for pool in (largest, average):
                yield jax.grad(lambda x, pool=pool: weigh(pool(x, *arguments)))(finite)

        return jax.jit(lambda *arrays: list(results(*arrays)))(inputs, finite)

    sizes = [
        (7, 7, 1, 0),
        (5, 8, 1, 3),
        (9, 6, 1, 4),
        (3, 9, 3, 5),
        (6, 4, 1, 2),
    ]  # stride, dilation, padding
    for size, stride, dilation, pad in sizes:
        windows = (size, 2), (stride, 1), ((pad, pad), (0, 1))
        yield run("{}_pool", *windows, window_dilation=(dilation, 1))
    for outputs in (2, 3, 5):
        yield run("adaptive_{}_pool", (outputs, 2))


def test_large_windows_that_are_laid_out(monkeypatch):
    shape = (2, 31, 5, 2)
    expected = list(_pools_of_large_windows(shape))
    jax.clear_caches()
    monkeypatch.setattr(blocks, "MOST_AT_ONCE", 2)
    found = list(_pools_of_large_windows(shape))
    jax.clear_caches()
    chex.assert_trees_all_close(found, expected, rtol=1e-6, atol=1e-5)
    _equal([results[:2] for results in found], [results[:2] for results in expected])
