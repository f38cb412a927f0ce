"""Every function against the oracle: every geometry and dtype that makes sense; values, dtypes, indices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import reference
from tests.cases import (
    CASES,
    COMPOSED,
    COMPOSED_KINDS,
    SIMPLE,
    SMALL_CASES,
    assert_close,
    random,
    with_dtypes,
)
from tests.irregular import IRREGULAR

DTYPES = ("float32", "bfloat16", "int32", "float16", "float64", "uint8", "bool", "complex64")


def _result_dtype(name, dtype):
    if name == "pool" or any(word in name for word in ("max_", "min_")):
        return dtype
    if "sum_" in name:
        return np.dtype(np.int32) if dtype == np.bool_ else dtype
    return dtype if jnp.issubdtype(dtype, jnp.inexact) else jnp.mean(jnp.ones((), dtype)).dtype


def _makes_sense(function, dtype):
    if dtype == np.complex64:
        return function.name == "pool" or any(word in function.name for word in ("sum_", "avg_"))
    return function.name != "pool" or jnp.issubdtype(dtype, jnp.inexact)


def _assert_match(functions, inputs, *arguments, **options):
    """Compares values and their dtypes with the oracle's, in one program, to compile once."""
    functions = [function for function in functions if _makes_sense(function, inputs.dtype)]
    results = jax.jit(lambda x: [f.apply(x, *arguments, **options) for f in functions])(inputs)
    for function, actual in zip(functions, results, strict=True):
        dtype = _result_dtype(function.name, inputs.dtype)
        assert_close(actual, function.oracle(inputs.astype(dtype), *arguments, **options), dtype)


@pytest.mark.parametrize(("case", "dtype"), with_dtypes(DTYPES[:3], DTYPES[3:]), ids=str)
def test_matches_oracle(case, dtype, request):
    if dtype == "float64":
        request.getfixturevalue("x64")
    _assert_match(SIMPLE, random(case.shape, jnp.dtype(dtype)), *case.arguments, **case.options)


@pytest.mark.parametrize("case", [case for case in CASES if case.derivatives or case in SMALL_CASES], ids=str)
def test_composed_match_oracle(case):
    functions = COMPOSED if case in SMALL_CASES else COMPOSED_KINDS
    _assert_match(functions, random(case.shape), *case.arguments, **case.options)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if not (case.derivatives or case in SMALL_CASES) and np.prod(case.window_shape) <= 9
    ],
    ids=str,
)
def test_some_composed_match_oracle_everywhere(case):
    """A norm and a variance: all are composed of the same selections and sums, which have own tests."""
    functions = [f for f in COMPOSED if f.name in ("lp_pool", "var_pool")]
    _assert_match(functions, random(case.shape), *case.arguments, **case.options)


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype not in ("float32", "complex64")])
@pytest.mark.parametrize("case", SMALL_CASES[:2], ids=str)
def test_composed_match_oracle_in_other_dtypes(case, dtype, request):
    if dtype == "float64":
        request.getfixturevalue("x64")
    _assert_match(COMPOSED, random(case.shape, jnp.dtype(dtype)), *case.arguments, **case.options)


@pytest.mark.parametrize(
    ("group", "dtype"),
    [
        (group, dtype)
        for group in IRREGULAR
        for dtype in (DTYPES if group.every_dtype else ("float32", "bfloat16"))
    ],
    ids=str,
)
def test_irregular_match_oracle(group, dtype, request):
    if dtype == "float64":
        request.getfixturevalue("x64")
    inputs = random(group.shape, jnp.dtype(dtype))
    _assert_match(group.functions, inputs)
    if group.indexed and dtype in ("float32", "uint8"):
        (indexed,) = group.indexed
        assert_close(jax.jit(indexed.apply)(inputs), indexed.oracle(inputs), np.int32)


@pytest.mark.parametrize(("case", "dtype"), with_dtypes(("float32", "bfloat16"), ("uint8", "bool")), ids=str)
def test_indices_match_oracle(case, dtype):
    inputs = random(case.shape, jnp.dtype(dtype))
    for name in ("max_pool", "min_pool"):
        actual = getattr(jaxpool, name)(inputs, *case.arguments, **case.options, return_indices=True)
        expected = getattr(reference, name)(inputs, *case.arguments, **case.options)
        assert_close(actual[0], expected[0])
        assert_close(actual[1], expected[1], np.int32)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_integer_products_match_oracle(case):
    inputs = random(case.shape, np.int32)
    actual = jaxpool.pool(inputs, 1, jnp.multiply, *case.arguments, **case.options)
    assert_close(actual, reference.pool(inputs, 1, np.multiply, *case.arguments, **case.options))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_output_shape_matches_oracle(case):
    actual = jaxpool.output_shape(case.shape, *case.arguments, **case.options)
    assert actual == reference.output_shape(case.shape, *case.arguments, **case.options)
    assert all(type(n) is int for n in actual)
