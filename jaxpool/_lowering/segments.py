"""Segments of rows, each row with the number of its segment: summed, selected from, and the way back.

Arrays are a batch of tables: `values` of shape (batch, rows, channels); `ids` (batch, rows), of which those
that number no segment are dropped; `mask` (batch, rows, channels or 1), the elements that take part in a
selection. Results have the shape (batch, segments, channels).

A CPU visits one row after the other. An accelerator folds rows in blocks, blocks in larger blocks, and each
segment from the few that end in it: nothing is added twice to one place, so that every run adds in the same
order. Rows in another order are sorted by their segments first. Where XLA's partitioner splits rows over
devices, it knows scatters: each device fills a table of its own, and one collective joins them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.native import partitioned
from jaxpool._lowering.order import identity, is_first, precedes, reduce_first
from jaxpool._precision import accumulation_dtype

# So many rows, or blocks, are one block of the next size.
_BLOCK = 8

# Rows, or what stands for several of them: one or more arrays of shape (rows, channels).
Rows = tuple[Array, ...]
# Of the second of three dimensions, where a mask of the first two is true.
Reduce = Callable[[Rows, Array], Rows]


# ----------------------------------------------------------------------------------------------------- sums


def add(values: Array, ids: Array, *, segments: int, in_order: bool) -> Array:
    """The sum of each segment, in the precision of sums."""
    if partitioned.get() or not values.shape[1]:
        return jax.vmap(functools.partial(_add_scattered, segments))(values, ids)

    def of_table(values: Array, ids: Array) -> Array:
        def reduce(rows: Rows, valid: Array) -> Rows:
            return (jnp.sum(jnp.where(valid[..., None], rows[0].astype(dtype), 0), 1, dtype),)

        dtype = accumulation_dtype(values.dtype)
        values, ids = _ordered(in_order, values, ids)
        return _fold((values,), ids, segments, reduce)[0]

    return jax.vmap(of_table)(values, ids)


def add_in_turn(values: Array, ids: Array, *, segments: int, in_order: bool) -> Array:
    if partitioned.get():
        return add(values, ids, segments=segments, in_order=in_order)

    def of_table(values: Array, ids: Array) -> Array:
        def visit(total: Array, row: Array, _: Array) -> Array:
            return total + row.astype(total.dtype)

        nothing = jnp.zeros((segments, values.shape[1]), accumulation_dtype(values.dtype))
        return _in_turn(visit, nothing, values, ids)

    return _by_table(of_table, values, ids)


def spread(sums: Array, ids: Array, *, in_order: bool, dtype: np.dtype) -> Array:
    """What its segment has, for each row; 0 for a row of no segment. Its transpose asks for the order."""

    def of_table(sums: Array, ids: Array) -> Array:
        return _of_rows(sums, ids, 0)

    return jax.vmap(of_table)(sums, ids).astype(dtype)


# ----------------------------------------------------------------------------------------------- selections


def select_value(
    values: Array, mask: Array, ids: Array, *, segments: int, order: str, in_order: bool
) -> Array:
    """The first of each segment in `order`, or what all precede where there is none."""
    if partitioned.get() or not values.shape[1]:
        hidden = _hidden(values, mask, order)
        return jax.vmap(functools.partial(_select_scattered, segments, order))(hidden, ids)
    return select(values, mask, ids, segments=segments, order=order, in_order=in_order)[0]


def select_value_in_turn(
    values: Array, mask: Array, ids: Array, *, segments: int, order: str, in_order: bool
) -> Array:
    if partitioned.get():
        return select_value(values, mask, ids, segments=segments, order=order, in_order=in_order)

    def of_table(values: Array, mask: Array, ids: Array) -> Array:
        def visit(best: Array, row: tuple[Array, Array], _: Array) -> Array:
            element, valid = row
            return jnp.where(valid & precedes(order, element, best), element, best)

        nothing = jnp.full((segments, values.shape[1]), identity(order, values.dtype))
        return _in_turn(visit, nothing, (values, mask), ids)

    return _by_table(of_table, values, mask, ids)


def select(
    values: Array, mask: Array, ids: Array, *, segments: int, order: str, in_order: bool
) -> list[Array]:
    """The first of each segment in `order` and the number of its row; -1 where there is none."""
    if partitioned.get() or not values.shape[1]:
        value = select_value(values, mask, ids, segments=segments, order=order, in_order=in_order)
        return [value, jax.vmap(functools.partial(_find_scattered, segments))(values, mask, ids, value)]

    none = values.shape[1]

    def reduce(rows: Rows, valid: Array) -> Rows:
        elements, numbers = rows
        numbers = jnp.where(valid[..., None], numbers, none)
        return reduce_first(order, jnp.where(numbers == none, lowest, elements), numbers, [1])

    lowest = identity(order, values.dtype)

    def of_table(values: Array, mask: Array, ids: Array) -> Rows:
        numbers = lax.iota(np.int32, none)
        values, mask, numbers, ids = _ordered(in_order, values, mask, numbers, ids)
        # A number behind all rows is that of nothing, which ties with the lowest elements.
        numbers = jnp.broadcast_to(jnp.where(mask, numbers[:, None], none), values.shape)
        value, number = _fold((values, numbers), ids, segments, reduce)
        return value, jnp.where(number >= none, -1, number)

    return list(jax.vmap(of_table)(values, mask, ids))


def select_in_turn(
    values: Array, mask: Array, ids: Array, *, segments: int, order: str, in_order: bool
) -> list[Array]:
    if partitioned.get():
        return select(values, mask, ids, segments=segments, order=order, in_order=in_order)
    value = select_value_in_turn(values, mask, ids, segments=segments, order=order, in_order=in_order)

    # Value and number at once would be two tables in one loop, which XLA:CPU copies in every step.
    def of_table(values: Array, mask: Array, ids: Array, best: Array) -> Array:
        def visit(found: Array, row: tuple[Array, Array, Array], number: Array) -> Array:
            element, valid, first = row
            return jnp.where((found < 0) & valid & is_first(element, first), number, found)

        rows = values, mask, functools.partial(_row, best)
        return _in_turn(visit, jnp.full(best.shape, -1, np.int32), rows, ids)

    return [value, _by_table(of_table, values, mask, ids, value)]


def gather(tangent: Array, index: Array, ids: Array) -> Array:
    """The element at each index, of as many rows; 0 for -1."""

    def of_table(rows: Array, index: Array) -> Array:
        found = jnp.take_along_axis(rows, jnp.maximum(index, 0), 0, mode="promise_in_bounds")
        return jnp.where(index < 0, 0, found)

    if tangent.shape[1] == 0:
        return jnp.zeros(index.shape, tangent.dtype)
    return jax.vmap(of_table)(tangent, index)


def scatter(cotangent: Array, index: Array, ids: Array) -> Array:
    """What each index receives; as each is in its own segment, the row asks whether it is the one."""

    def of_table(cotangent: Array, index: Array, ids: Array) -> Array:
        numbers = jnp.arange(ids.shape[0], dtype=index.dtype)[:, None]
        return jnp.where(_of_rows(index, ids, -1) == numbers, _of_rows(cotangent, ids, 0), 0)

    return jax.vmap(of_table)(cotangent, index, ids)


def _of_rows(table: Array, ids: Array, otherwise: Any) -> Array:
    """The row of a table of segments for each id; something else where it is that of no segment."""
    if table.shape[0] == 0:
        return jnp.full((ids.shape[0], table.shape[1]), otherwise, table.dtype)
    inside = (ids >= 0) & (ids < table.shape[0])
    rows = table.at[jnp.where(inside, ids, 0)].get(mode="promise_in_bounds")
    return jnp.where(inside[:, None], rows, otherwise)


# ------------------------------------------------------------------------------------------------ by blocks


def _fold(leaves: Rows, ids: Array, segments: int, reduce: Reduce) -> Rows:
    """Reduces the rows of each segment, whose ids do not decrease.

    What stands for a block is made of its rows from the last start of a segment on. A segment is then made
    of rows back to a multiple of the block from its end, of blocks back to a multiple of larger blocks, and
    so on to its start.
    """
    start, stop = _bounds(ids, segments)
    parts = []
    size, end = 1, stop  # of a block in rows, and in blocks of this size
    while True:
        first = end // _BLOCK * _BLOCK
        block = first[:, None] + np.arange(_BLOCK - 1, dtype=np.int32)[None]
        valid = (block < end[:, None]) & ((block + 1) * size > start[:, None])
        at = jnp.where(valid, block, 0)
        parts.append(reduce(tuple(leaf.at[at].get(mode="promise_in_bounds") for leaf in leaves), valid))
        blocks = leaves[0].shape[0] // _BLOCK
        if not blocks:
            break
        end = jnp.where(first * size > start, first // _BLOCK, 0)
        leaves, ids = _joined(leaves, ids, blocks, reduce)
        size *= _BLOCK
    stacked = tuple(jnp.stack(part, 1) for part in zip(*parts, strict=True))
    return reduce(stacked, jnp.ones(stacked[0].shape[:2], np.bool_))


def _joined(leaves: Rows, ids: Array, blocks: int, reduce: Reduce) -> tuple[Rows, Array]:
    """Blocks of the next size, each with the segment of its last row and only the rows of that."""
    members = ids[: blocks * _BLOCK].reshape(blocks, _BLOCK)
    rows = tuple(leaf[: blocks * _BLOCK].reshape(blocks, _BLOCK, leaf.shape[1]) for leaf in leaves)
    return reduce(rows, members == members[:, -1:]), members[:, -1]


def _bounds(ids: Array, segments: int) -> tuple[Array, Array]:
    """The first row of each segment and the one behind its last; the same where it has none."""
    changes = ids[1:] != ids[:-1]
    edge = jnp.ones(1, np.bool_)

    def noted(at: Array, rows: Array) -> Array:
        place = _or_outside(jnp.where(at, ids, segments), segments)
        table = jnp.zeros(segments, np.int32)
        return table.at[place].set(rows, mode="drop", unique_indices=True)

    rows = lax.iota(np.int32, ids.shape[0])
    return noted(jnp.concatenate([edge, changes]), rows), noted(jnp.concatenate([changes, edge]), rows + 1)


def _ordered(in_order: bool, *arrays: Array) -> Rows:
    """Arrays of rows, the last of which are ids, in the order of these; equal ones stay as they are."""
    if in_order:
        return arrays
    order = jnp.argsort(arrays[-1])
    return tuple(array[order] for array in arrays)


# -------------------------------------------------------------------------------------------------- in turn


def _by_table(function: Callable[..., Array], *arrays: Array) -> Array:
    """The function of each table; of the only one there mostly is without a loop."""
    if arrays[0].shape[0] == 1:
        return function(*(array[0] for array in arrays))[None]
    return lax.map(lambda table: function(*table), arrays)


def _in_turn(visit: Callable[..., Array], table: Array, rows: Any, ids: Array) -> Array:
    """Changes a table of segments by one row after the other: its segment's, the row, its number."""

    def step(number: Array, table: Array) -> Array:
        segment = ids[number]

        def read(array: Any) -> Any:
            return array(segment) if callable(array) else _row(array, number)

        before = _row(table, segment)
        after: Array = visit(before, jax.tree.map(read, rows, is_leaf=callable), number)
        # An id of no segment would be that of another one here.
        inside = (segment >= 0) & (segment < table.shape[0])
        return lax.dynamic_update_slice_in_dim(table, jnp.where(inside, after, before), segment, 0)

    if 0 in (*table.shape, *ids.shape):
        return table
    return lax.fori_loop(0, ids.shape[0], step, table)


def _row(array: Array, number: Array) -> Array:
    return lax.dynamic_slice_in_dim(array, number, 1)


# ----------------------------------------------------------------------------------------------- by scatter


def _add_scattered(segments: int, values: Array, ids: Array) -> Array:
    total = jnp.zeros((segments, values.shape[1]), accumulation_dtype(values.dtype))
    return total.at[_or_outside(ids, segments)].add(values.astype(total.dtype), mode="drop")


def _select_scattered(segments: int, order: str, values: Array, ids: Array) -> Array:
    table = jnp.full((segments, values.shape[1]), identity(order, values.dtype))
    update = table.at[_or_outside(ids, segments)]
    return (update.max if order == "max" else update.min)(values, mode="drop")


def _find_scattered(segments: int, values: Array, mask: Array, ids: Array, best: Array) -> Array:
    rows = values.shape[0]
    found = mask & is_first(values, _of_rows(best, ids, 0))
    numbers = jnp.where(found, jnp.arange(rows, dtype=np.int32)[:, None], rows)
    table = jnp.full((segments, values.shape[1]), rows, np.int32)
    first = table.at[_or_outside(ids, segments)].min(numbers, mode="drop")
    return jnp.where(first == rows, -1, first)


def _or_outside(ids: Array, segments: int) -> Array:
    """Ids of no segment behind the last one: a negative one would count from the end."""
    return jnp.where(ids < 0, segments, ids)


def _hidden(values: Array, mask: Array, order: str) -> Array:
    return jnp.where(mask, values, identity(order, values.dtype))
