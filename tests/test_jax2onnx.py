"""Pools exported by jax2onnx, and run by ONNX's runtime."""

import doctest
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxpool
import jaxpool.linen
import jaxpool.nnx
from tests.cases import CASES, random
from tests.frameworks import installed

installed("jax2onnx")
onnxruntime = installed("onnxruntime")
exporter = importlib.import_module("jaxpool.jax2onnx")

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the exporter
INPUTS = np.asarray(random((2, 9, 8, 3)))


@pytest.fixture(autouse=True)
def standard_promotion():
    """Flax promotes dtypes and ranks silently."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _session(function, *shapes):
    """The exported function as one of arrays, and the names of its operators."""
    model = exporter.to_onnx(function, list(shapes))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [inputs.name for inputs in session.get_inputs()]
    operators = {node.op_type for node in model.graph.node}
    return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True))), operators


def _assert_exports(function, inputs, *operators, rtol=1e-5):
    """The runtime computes the same, and these are among the operators."""
    expected = jax.tree.leaves(
        function(inputs)
    )  # first: while it exports, the exporter replaces parts of JAX
    run, found = _session(function, inputs.shape)
    for got, wanted in zip(run(inputs), expected, strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=1e-5)
    assert set(operators) <= found
    return found


# To the runtime the least number is finite, also in a window of padding, and windows have three axes at most.
WINDOWS = [
    case
    for case in CASES
    if all(case.shape)
    and len(case.window_shape) < 4
    and np.isfinite(jaxpool.max_pool(random(case.shape), *case.arguments, **case.options)).all()
]


@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_windows(case):
    """In one model, which takes less time."""

    def pools(x):
        functions = (jaxpool.max_pool, jaxpool.min_pool, jaxpool.sum_pool, jaxpool.avg_pool)
        elements = jaxpool.avg_pool(x, *case.arguments, count_include_pad=False, **case.options)
        return elements, *(function(x, *case.arguments, **case.options) for function in functions)

    _assert_exports(pools, np.asarray(random(case.shape)))


OPERATORS = {
    "max": (lambda x: jaxpool.max_pool(x, (3, 3), (2, 2), "SAME"), {"Transpose", "MaxPool"}),
    "max, channels first": (lambda x: jaxpool.max_pool(x, (3, 3), channel_axis=1), {"MaxPool"}),
    "min": (lambda x: jaxpool.min_pool(x, (2, 2)), {"Transpose", "Neg", "MaxPool"}),
    "avg": (lambda x: jaxpool.avg_pool(x, (3, 3), (2, 2), "SAME"), {"Transpose", "AveragePool"}),
    "sum": (lambda x: jaxpool.sum_pool(x, (3, 3)), {"Transpose", "AveragePool", "Mul"}),
    "adaptive avg": (lambda x: jaxpool.adaptive_avg_pool(x, (3, 4)), {"Transpose", "AveragePool"}),
    "adaptive max": (lambda x: jaxpool.adaptive_max_pool(x, (3, 4)), {"Transpose", "MaxPool"}),
}


@pytest.mark.parametrize(("pool", "operators"), OPERATORS.values(), ids=OPERATORS)
def test_they_are_operators_of_onnx_and_nothing_else(pool, operators):
    assert _assert_exports(pool, INPUTS) == operators


MASK = np.arange(9 * 8 * 3).reshape(1, 9, 8, 3) % 5 > 0
POOLS = {
    "positions": (lambda x: jaxpool.max_pool(x, (3, 3), (2, 2), return_indices=True), {"MaxPool"}),
    "lp": (lambda x: jaxpool.lp_pool(x, (3, 3), (2, 2)), {"MaxPool", "Sqrt"}),
    "lp of another power": (lambda x: jaxpool.lp_pool(x, (2, 2), p=3.0), {"MaxPool", "Pow"}),
    "logsumexp": (lambda x: jaxpool.logsumexp_pool(x, (3, 3)), {"MaxPool", "Exp", "Log"}),
    "soft": (lambda x: jaxpool.soft_pool(x, (2, 2), (2, 2)), {"MaxPool", "Exp"}),
    "var": (lambda x: jaxpool.var_pool(x, (3, 3), (2, 2)), {"AveragePool"}),
    "masked": (lambda x: jaxpool.avg_pool(x, (3, 3), where=MASK), {"AveragePool", "Div"}),
    "uneven bins, avg": (lambda x: jaxpool.adaptive_avg_pool(x, (4, 3)), set()),
    "uneven bins, max": (lambda x: jaxpool.adaptive_max_pool(x, (4, 3)), set()),
    "global avg": (jaxpool.global_avg_pool, {"ReduceSum"}),
    "global max": (jaxpool.global_max_pool, {"ReduceMax"}),
    "global min": (jaxpool.global_min_pool, {"ReduceMin"}),
    "global sum": (jaxpool.global_sum_pool, {"ReduceSum"}),
    "global lp": (jaxpool.global_lp_pool, {"ReduceMax", "ReduceSum"}),
    "global logsumexp": (jaxpool.global_logsumexp_pool, {"ReduceMax", "Exp"}),
    "gem": (lambda x: jaxpool.gem_pool(x, jnp.float32(3), (2, 2)), {"MaxPool", "Exp", "Log"}),
    "max and blur": (lambda x: jaxpool.max_blur_pool(x, (2, 2), (2, 2), "SAME"), {"MaxPool"}),
    "integers": (lambda x: jaxpool.sum_pool(jnp.round(x).astype(jnp.int32), (2, 2)), set()),
    "scan": (lambda x: jax.lax.map(lambda row: jaxpool.max_pool(row, (3, 3)), x), {"Loop"}),
    "cond": (
        lambda x: jax.lax.cond(
            x.sum() > 0, lambda x: jaxpool.max_pool(x, (2, 2)), lambda x: jaxpool.avg_pool(x, (2, 2)), x
        ),
        {"If"},
    ),
}


@pytest.mark.parametrize(("pool", "operators"), POOLS.values(), ids=POOLS)
def test_other_pools(pool, operators):
    _assert_exports(pool, INPUTS, *operators)


def test_norms_of_what_is_large_do_not_overflow():
    inputs = np.asarray(random((1, 6, 6, 2))) * np.float32(1e30)
    _assert_exports(lambda x: jaxpool.lp_pool(x, (2, 2)) / 1e30, inputs)


def test_any_batch():
    run, operators = _session(lambda x: jaxpool.max_pool(x, (3, 3), (2, 2)), ("B", 9, 8, 3))
    assert operators == {"Transpose", "MaxPool"}
    for batch in (1, 5):
        inputs = np.asarray(random((batch, 9, 8, 3)))
        np.testing.assert_array_equal(run(inputs)[0], jaxpool.max_pool(inputs, (3, 3), (2, 2)))


def test_nnx_network():
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(
        nnx.Conv(3, 4, (3, 3), rngs=rngs),
        nnx.relu,
        jaxpool.nnx.MaxPool((2, 2), (2, 2)),
        jaxpool.nnx.AvgPool((2, 2), padding="SAME", count_include_pad=False),
        jaxpool.nnx.GlobalAvgPool(),
        nnx.Linear(4, 2, rngs=rngs),
    )
    _assert_exports(model, INPUTS, "Conv", "MaxPool", "AveragePool", rtol=1e-4)


def test_linen_network():
    model = linen.Sequential([linen.Conv(4, (3, 3)), linen.relu, jaxpool.linen.MaxPool((2, 2), (2, 2))])
    variables = model.init(jax.random.key(0), INPUTS)
    _assert_exports(lambda x: model.apply(variables, x), INPUTS, "MaxPool", rtol=1e-4)


def test_example():
    assert doctest.testmod(exporter) == doctest.TestResults(failed=0, attempted=4)


def test_a_model_that_computes_something_else_is_noticed():
    with pytest.raises(AssertionError):
        _assert_exports(jaxpool.global_max_pool, INPUTS, "ReduceMin")
