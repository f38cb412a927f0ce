"""Segments of rows, summed or selected from: windows whose rows say to which of them they belong.

    y = sum(x)              x' = spread(y)          each other's transpose
    value, index = select(x)
    dy = gather(dx, index)  x' = scatter(y', index) each other's transpose

as for windows, in `sum.py` and `select.py`. A gradient is read by each row from its segment, with no scatter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxpool._lowering import segments as lowering
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives._define import (
    IN_LAX,
    alike,
    batched_in_tables,
    define_jvp,
    lowering_rule,
    no_tangent,
    table_type,
)


def segment_sum(values: Array, ids: Array, segments: int, in_order: bool) -> Array:
    """The sum of each segment, in the precision of sums.

    Args:
      values: of shape (batch, rows, channels).
      ids: int32 of shape (batch, rows): the segment of each row; others than 0 to `segments` - 1 are dropped.
      segments: how many there are.
      in_order: whether ids do not decrease.

    Returns:
      An array of shape (batch, segments, channels).
    """
    return sum_p.bind(*alike(values, ids), segments=segments, in_order=in_order)


def segment_spread(sums: Array, ids: Array, in_order: bool) -> Array:
    """What its segment has, for each row; 0 for a row of no segment."""
    return spread_p.bind(*alike(sums, ids), in_order=in_order, dtype=sums.dtype)


def segment_select(
    values: Array, mask: Array, ids: Array, segments: int, order: str, in_order: bool
) -> Array:
    """The first of each segment's elements in `order`, of those where the mask is true."""
    return select_value_p.bind(*alike(values, mask, ids), segments=segments, order=order, in_order=in_order)


def segment_select_with_index(
    values: Array, mask: Array, ids: Array, segments: int, order: str, in_order: bool
) -> tuple[Array, Array]:
    """The same, and the number of its row; -1 where there is none."""
    value, index = select_p.bind(*alike(values, mask, ids), segments=segments, order=order, in_order=in_order)
    return value, index


def _check_sharding(values: Any, ids: Any) -> None:
    """On an explicit mesh a row and its id are on one device."""
    of_values, of_ids = values.sharding.spec[1], ids.sharding.spec[1]
    if of_values != of_ids:
        raise ValueError(
            "segment_ids must be sharded over an explicit mesh as the pooled axis of inputs is: "
            f"over {of_values!r}, got {of_ids!r}. See jax.sharding.reshard."
        )


def _sum_type(values: Any, ids: Any, *, segments: int, in_order: bool) -> Any:
    _check_sharding(values, ids)
    return _of_segments(values, segments, accumulation_dtype(values.dtype))


def _spread_type(sums: Any, ids: Any, *, in_order: bool, dtype: np.dtype) -> Any:
    return _of_rows(sums, ids, dtype)


def _value_type(values: Any, mask: Any, ids: Any, *, segments: int, order: str, in_order: bool) -> Any:
    _check_sharding(values, ids)
    return _of_segments(values, segments, values.dtype)


def _value_and_index_type(values: Any, mask: Any, ids: Any, **params: Any) -> list[Any]:
    value = _value_type(values, mask, ids, **params)
    return [value, value.update(dtype=np.dtype(np.int32))]


def _gather_type(tangent: Any, index: Any, ids: Any) -> Any:
    return _of_segments(tangent, index.shape[1], tangent.dtype)


def _scatter_type(cotangent: Any, index: Any, ids: Any) -> Any:
    return _of_rows(cotangent, ids, cotangent.dtype)


def _of_segments(rows: Any, segments: int, dtype: Any) -> Any:
    batch, _, channels = rows.sharding.spec
    return table_type(rows, (rows.shape[0], segments, rows.shape[2]), dtype, batch, None, channels)


def _of_rows(table: Any, ids: Any, dtype: Any) -> Any:
    batch, _, channels = table.sharding.spec
    shape = (table.shape[0], ids.shape[1], table.shape[2])
    return table_type(table, shape, dtype, batch, ids.sharding.spec[1], channels)


def _define(name: str, abstract: Callable, function: Callable, on_cpu: Callable | None = None) -> Primitive:
    primitive = Primitive(f"segment_{name}")
    primitive.multiple_results = name == "select"
    primitive.def_abstract_eval(abstract)
    batching.primitive_batchers[primitive] = functools.partial(batched_in_tables, primitive)
    mlir.register_lowering(primitive, lowering_rule(function, primitive.multiple_results))
    IN_LAX[primitive] = function
    if on_cpu is not None:
        mlir.register_lowering(primitive, lowering_rule(on_cpu, primitive.multiple_results), "cpu")
    static = ("segments", "order", "in_order", "dtype")
    primitive.def_impl(functools.partial(jax.jit, static_argnames=static)(primitive.bind))
    return primitive


sum_p = _define("sum", _sum_type, lowering.add, on_cpu=lowering.add_in_turn)
spread_p = _define("spread", _spread_type, lowering.spread)
select_value_p = _define(
    "select_value", _value_type, lowering.select_value, on_cpu=lowering.select_value_in_turn
)
select_p = _define("select", _value_and_index_type, lowering.select, on_cpu=lowering.select_in_turn)
gather_p = _define("gather", _gather_type, lowering.gather)
scatter_p = _define("scatter", _scatter_type, lowering.scatter)


def _select_value_jvp(primals, tangents, **params):
    values, tangents = _select_jvp(primals, tangents, **params)
    return values[0], tangents[0]


def _select_jvp(primals, tangents, **params):
    (values, mask, ids), (tangent, *_) = primals, tangents
    value, index = select_p.bind(values, mask, ids, **params)
    if type(tangent) is ad.Zero or not jnp.issubdtype(values.dtype, jnp.inexact):
        return [value, index], [no_tangent(value), no_tangent(index)]
    return [value, index], [gather_p.bind(tangent, index, ids), no_tangent(index)]


def _linear_in_first(primitive: Primitive, transpose: Callable) -> None:
    """Derivative rules for a map linear in its first argument and piecewise constant in the others."""

    def transpose_rule(cotangent: Any, first: Any, *others: Any, **params: Any) -> list[Any]:
        if type(cotangent) is ad.Zero:
            return [ad.Zero(first.aval), *[None] * len(others)]
        return [transpose(cotangent, first.aval, *others, **params), *[None] * len(others)]

    define_jvp(primitive, lambda tangent, _, *others, **params: primitive.bind(tangent, *others, **params))
    ad.primitive_transposes[primitive] = transpose_rule


ad.primitive_jvps[select_value_p] = _select_value_jvp
ad.primitive_jvps[select_p] = _select_jvp
_linear_in_first(
    sum_p,
    lambda cotangent, values, ids, segments, in_order: spread_p.bind(
        cotangent, ids, in_order=in_order, dtype=values.dtype
    ),
)
_linear_in_first(
    spread_p,
    lambda cotangent, sums, ids, in_order, dtype: sum_p.bind(
        cotangent, ids, segments=sums.shape[1], in_order=in_order
    ).astype(sums.dtype),
)
_linear_in_first(gather_p, lambda cotangent, rows, index, ids: scatter_p.bind(cotangent, index, ids))
_linear_in_first(scatter_p, lambda cotangent, table, index, ids: gather_p.bind(cotangent, index, ids))
