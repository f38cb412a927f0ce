"""Every function against the oracle: every geometry and dtype that makes sense; values, dtypes, indices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import reference
from tests.cases import CASES, FUNCTIONS, assert_close, random, with_dtypes

DTYPES = ("float32", "bfloat16", "int32", "float16", "float64", "uint8", "bool", "complex64")


def _result_dtype(name, dtype):
    if name.startswith("avg") and not jnp.issubdtype(dtype, jnp.inexact):
        return jnp.mean(jnp.ones((), dtype)).dtype
    if name.startswith("sum") and dtype == np.bool_:
        return np.dtype(np.int32)
    return dtype


def _makes_sense(function, dtype):
    if function.name in ("max_pool", "min_pool"):
        return dtype != np.complex64
    return function.name != "pool" or jnp.issubdtype(dtype, jnp.inexact)


@pytest.mark.parametrize(("case", "dtype"), with_dtypes(DTYPES[:3], DTYPES[3:]), ids=str)
def test_matches_oracle(case, dtype, request):
    dtype = jnp.dtype(dtype)
    if dtype == np.float64:
        request.getfixturevalue("x64")
    inputs = random(case.shape, dtype)
    functions = [function for function in FUNCTIONS if _makes_sense(function, dtype)]
    # One program for all functions, to compile once.
    results = jax.jit(lambda x: [f.apply(x, *case.arguments, **case.options) for f in functions])(inputs)
    for function, actual in zip(functions, results, strict=True):
        expected_dtype = _result_dtype(function.name, dtype)
        adds = function.name.startswith(("avg", "sum"))
        oracle_inputs = inputs.astype(expected_dtype) if adds else inputs
        expected = function.oracle(oracle_inputs, *case.arguments, **case.options)
        assert_close(actual, expected, expected_dtype)


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
