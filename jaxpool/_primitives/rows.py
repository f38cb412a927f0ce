"""Weighted rows of an array, at places that data decide: what regions of an image are sampled with.

    v_r = sum_k w_kr x[i_kr]        x'_j = sum of w_kr v_r over i_kr = j        w'_kr = x[i_kr] . v_r

are the three derivatives of one trilinear form, so that each is a derivative or transpose of another, in any
order of either mode, and nothing is kept for each tap but its weight and place. A window has its taps where
its geometry says, known to the program; these are read from memory. JAX would differentiate a gather for each
tap to a scatter into zeros of its own, as large as the inputs: 870 ms where `put` took 105.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxpool._lowering import rows as lowering
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives._define import (
    IN_LAX,
    alike,
    batched_in_tables,
    define_jvp,
    lowering_rule,
    table_type,
)


def take_rows(rows: Array, weights: Array, places: Array) -> Array:
    """The sum of each result's rows, weighted, in the precision of sums.

    Args:
      rows: of shape (batch, cells, channels).
      weights: of shape (batch, taps, results), in the precision of sums.
      places: int32 of that shape: which cell each tap of a result is, all of them inside.

    Returns:
      An array of shape (batch, results, channels).
    """
    return take_p.bind(*alike(rows, weights, places))


def _take_type(rows: Any, weights: Any, places: Any) -> Any:
    shape = (rows.shape[0], places.shape[2], rows.shape[2])
    return table_type(
        rows, shape, accumulation_dtype(rows.dtype), _split(rows, 0), _split(places, 2), _split(rows, 2)
    )


def _put_type(values: Any, weights: Any, places: Any, *, cells: int, dtype: np.dtype) -> Any:
    shape = (values.shape[0], cells, values.shape[2])
    return table_type(values, shape, dtype, _split(values, 0), None, _split(values, 2))


def _dot_type(rows: Any, values: Any, places: Any) -> Any:
    return table_type(rows, places.shape, values.dtype, *places.sharding.spec)


def _split(array: Any, dimension: int) -> Any:
    return array.sharding.spec[dimension]


def _define(name: str, abstract: Callable, function: Callable, on_cpu: Callable | None = None) -> Primitive:
    primitive = Primitive(f"{name}_rows")
    primitive.def_abstract_eval(abstract)
    batching.primitive_batchers[primitive] = functools.partial(_batched, primitive)
    mlir.register_lowering(primitive, lowering_rule(function, False))
    IN_LAX[primitive] = function
    if on_cpu is not None:
        mlir.register_lowering(primitive, lowering_rule(on_cpu, False), "cpu")
    primitive.def_impl(functools.partial(jax.jit, static_argnames=("cells", "dtype"))(primitive.bind))
    return primitive


def _batched(primitive: Primitive, arrays: Sequence[Any], dimensions: Sequence[Any], **params: Any) -> Any:
    """One more dimension of the batch, or, where all read the same rows, more results."""
    if dimensions[0] is not None or primitive is put_p:
        return batched_in_tables(primitive, arrays, dimensions, **params)
    size = next(a.shape[d] for a, d in zip(arrays, dimensions, strict=True) if d is not None)
    rows, *others = (
        array if d is None else jnp.moveaxis(array, d, 0) for array, d in zip(arrays, dimensions, strict=True)
    )
    others = [
        jnp.broadcast_to(array, (size, *array.shape)) if d is None else array
        for array, d in zip(others, dimensions[1:], strict=True)
    ]
    return _with_more_results(primitive, size, rows, *others)


def _with_more_results(primitive: Primitive, size: int, rows: Array, *others: Array) -> tuple[Array, int]:
    def merged(array: Array, dimension: int) -> Array:
        array = jnp.moveaxis(array, 0, dimension)
        return array.reshape(*array.shape[:dimension], size * count, *array.shape[dimension + 2 :])

    other, places = others
    count = places.shape[-1]
    if primitive is take_p:
        result = primitive.bind(rows, merged(other, 2), merged(places, 2))
        return result.reshape(result.shape[0], size, count, result.shape[2]), 1
    result = primitive.bind(rows, merged(other, 1), merged(places, 2))
    return result.reshape(*result.shape[:2], size, count), 2


take_p = _define("take", _take_type, lowering.take_laid_out, on_cpu=lowering.take_settled)
put_p = _define("put", _put_type, lowering.put, on_cpu=lowering.put_in_turn)
dot_p = _define("dot", _dot_type, lowering.dot, on_cpu=lowering.dot_in_blocks)


def _put(values: Array, weights: Array, places: Array, like: Any) -> Array:
    return put_p.bind(values, weights, places, cells=like.shape[1], dtype=like.dtype)


def _transpose_rule(to_first: Callable, to_second: Callable) -> Callable:
    """Of a map that is linear in either of two operands."""

    def transpose(cotangent: Any, first: Any, second: Any, places: Array, **params: Any) -> tuple[Any, ...]:
        if ad.is_undefined_primal(first):
            return to_first(cotangent, second, places, first.aval), None, None
        return None, to_second(cotangent, first, places, second.aval), None

    return transpose


def _linear_in_two(primitive: Primitive) -> None:
    define_jvp(
        primitive,
        lambda tangent, first, second, places, **params: primitive.bind(tangent, second, places, **params),
        lambda tangent, first, second, places, **params: primitive.bind(first, tangent, places, **params),
    )


for _primitive in (take_p, put_p, dot_p):
    _linear_in_two(_primitive)

ad.primitive_transposes[take_p] = _transpose_rule(
    lambda cotangent, weights, places, like: _put(cotangent, weights, places, like),
    lambda cotangent, rows, places, like: dot_p.bind(rows, cotangent, places),
)
ad.primitive_transposes[put_p] = _transpose_rule(
    lambda cotangent, weights, places, like: take_p.bind(cotangent, weights, places).astype(like.dtype),
    lambda cotangent, values, places, like: dot_p.bind(cotangent, values, places),
)
ad.primitive_transposes[dot_p] = _transpose_rule(
    lambda cotangent, values, places, like: _put(values, cotangent, places, like),
    lambda cotangent, rows, places, like: take_p.bind(rows, cotangent, places),
)
