"""Segments of rows, each row with the number of its segment: summed, selected from, and the way back.

Arrays are a batch of tables: `values` of shape (batch, rows, channels); `ids` (batch, rows), of which those
that number no segment are dropped; `mask` (batch, rows, channels or 1), the elements that take part in a
selection. Results have the shape (batch, segments, channels).

A CPU visits one row after the other. An accelerator joins rows in blocks, blocks in larger blocks, and each
segment from the few that end in it: nothing is added twice to one place, so that every run adds in the same
order. Rows in another order are sorted by their segments first. Where XLA's partitioner splits rows over
devices, it knows scatters: each device fills a table of its own, and one collective joins them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering import order as ordering
from jaxpool._lowering.native import partitioned
from jaxpool._lowering.order import identity, is_first, precedes
from jaxpool._precision import accumulation_dtype

# So many rows, or blocks, are one block of the next size. On an H200, 4 and 16 take up to 1.3 times as long.
_BLOCK = 8
# Of a loop over so many channels with little to compare LLVM makes no vectors, for it unrolls it first: with
# three comparisons for two, 32 channels take 5 ns a row and not 15, and with their numbers 10 and not 31.
_UNROLLED = range(25, 33)


class Monoid(NamedTuple):
    """How two rows are joined, and what changes no row that it is joined with."""

    join: Callable[[Array, Array], Array]
    nothing: Any

    def reduce(self, rows: Array, valid: Array) -> Array:
        """Joins the second of three dimensions, where a mask of the first two is true."""
        nothing = np.array(self.nothing, rows.dtype)
        return lax.reduce(jnp.where(valid[..., None], rows, nothing), nothing, self.join, [1])


# ----------------------------------------------------------------------------------------------------- sums


def add(values: Array, ids: Array, *, segments: int, in_order: bool) -> Array:
    """The sum of each segment, in the precision of sums."""
    if partitioned.get() or not values.shape[1]:
        return jax.vmap(functools.partial(_add_scattered, segments))(values, ids)

    def of_table(values: Array, ids: Array) -> Array:
        values, ids = _ordered(in_order, values, ids)
        return _fold(values.astype(accumulation_dtype(values.dtype)), ids, segments, Monoid(lax.add, 0))

    return jax.vmap(of_table)(values, ids)


def add_in_turn(values: Array, ids: Array, *, segments: int, in_order: bool) -> Array:
    if partitioned.get():
        return add(values, ids, segments=segments, in_order=in_order)

    def of_table(values: Array, ids: Array) -> Array:
        def visit(_: Array, total: Array, row: Array) -> Array:
            return total + row.astype(total.dtype)

        nothing = jnp.zeros((segments, values.shape[1]), accumulation_dtype(values.dtype))
        return _in_turn([visit], [nothing], values, ids)[0]

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
    hidden = _hidden(values, mask, order)
    if partitioned.get() or not values.shape[1]:
        return jax.vmap(functools.partial(_select_scattered, segments, order))(hidden, ids)

    def of_table(values: Array, ids: Array) -> Array:
        values, ids = _ordered(in_order, values, ids)
        return _fold(values, ids, segments, _first_of(order, values.dtype))

    return jax.vmap(of_table)(hidden, ids)


def select_value_in_turn(
    values: Array, mask: Array, ids: Array, *, segments: int, order: str, in_order: bool
) -> Array:
    if partitioned.get():
        return select_value(values, mask, ids, segments=segments, order=order, in_order=in_order)

    def of_table(values: Array, mask: Array, ids: Array) -> Array:
        def visit(_: Array, best: Array, row: tuple[Array, Array]) -> Array:
            element, valid = row
            return jnp.where(valid & _precedes(order, element, best), element, best)

        nothing = jnp.full((segments, values.shape[1]), identity(order, values.dtype))
        return _in_turn([visit], [nothing], (values, mask), ids)[0]

    return _by_table(of_table, values, mask, ids)


def select(
    values: Array, mask: Array, ids: Array, *, segments: int, order: str, in_order: bool
) -> list[Array]:
    """The first of each segment in `order` and the number of its row; -1 where there is none.

    Value by value and then number by number: pairs, reduced at once, take a GPU four times as long.
    """
    if partitioned.get() or not values.shape[1]:
        value = select_value(values, mask, ids, segments=segments, order=order, in_order=in_order)
        return [value, jax.vmap(functools.partial(_find_scattered, segments))(values, mask, ids, value)]

    none = values.shape[1]

    def of_table(values: Array, mask: Array, ids: Array) -> tuple[Array, Array]:
        values, mask, numbers, ids = _ordered(in_order, values, mask, lax.iota(np.int32, none), ids)
        value = _fold(_hidden(values, mask, order), ids, segments, _first_of(order, values.dtype))
        found = mask & is_first(values, _of_rows(value, ids, 0))
        number = _fold(jnp.where(found, numbers[:, None], none), ids, segments, Monoid(lax.min, none))
        return value, jnp.where(number == none, -1, number)

    return list(jax.vmap(of_table)(values, mask, ids))


def select_in_turn(
    values: Array, mask: Array, ids: Array, *, segments: int, order: str, in_order: bool
) -> list[Array]:
    if partitioned.get():
        return select(values, mask, ids, segments=segments, order=order, in_order=in_order)

    def of_table(values: Array, mask: Array, ids: Array) -> tuple[Array, Array]:
        def find(number: Array, found: Array, best: Array, row: tuple[Array, Array]) -> Array:
            element, valid = row
            return jnp.where(valid & (_precedes(order, element, best) | (found < 0)), number, found)

        def take(number: Array, found: Array, best: Array, row: tuple[Array, Array]) -> Array:
            element, taken = row[0], found == number
            if best.shape[1] in _UNROLLED:
                taken &= precedes(order, element, best) | is_first(element, best)  # as what was found does
            return jnp.where(taken, element, best)

        shape = (segments, values.shape[1])
        tables = [jnp.full(shape, -1, np.int32), jnp.full(shape, identity(order, values.dtype))]
        number, value = _in_turn([find, take], tables, (values, mask), ids)
        return value, number

    return list(_by_table(of_table, values, mask, ids))


def gather(tangent: Array, index: Array, ids: Array) -> Array:
    """The element at each index, of as many rows; 0 for -1."""

    def of_table(rows: Array, index: Array) -> Array:
        found = jnp.take_along_axis(rows, jnp.maximum(index, 0), 0, mode="promise_in_bounds")
        return jnp.where(index < 0, 0, found)

    return jax.vmap(of_table)(tangent, index)


def scatter(cotangent: Array, index: Array, ids: Array) -> Array:
    """What each index receives; as each is in its own segment, the row asks whether it is the one."""

    def of_table(cotangent: Array, index: Array, ids: Array) -> Array:
        numbers = jnp.arange(ids.shape[0], dtype=index.dtype)[:, None]
        return jnp.where(_of_rows(index, ids, -1) == numbers, _of_inside(cotangent, ids)[0], 0)

    return jax.vmap(of_table)(cotangent, index, ids)


def _of_rows(table: Array, ids: Array, otherwise: Any) -> Array:
    """The row of a table of segments for each id; something else where it is that of no segment."""
    rows, inside = _of_inside(table, ids)
    return jnp.where(inside[:, None], rows, jnp.asarray(otherwise, table.dtype))


def _of_inside(table: Array, ids: Array) -> tuple[Array, Array]:
    """The row of a table for each id, any where it is that of no segment; and where it is of one."""
    inside = (ids >= 0) & (ids < table.shape[0])
    if table.shape[0] == 0:
        return jnp.zeros((ids.shape[0], table.shape[1]), table.dtype), inside
    return table.at[jnp.where(inside, ids, 0)].get(mode="promise_in_bounds"), inside


# ------------------------------------------------------------------------------------------------ by blocks


def _fold(rows: Array, ids: Array, segments: int, monoid: Monoid) -> Array:
    """The rows of each segment joined to one, where ids do not decrease."""
    last = _last_rows(ids, segments)
    folded = _fold_until(rows, ids, jnp.maximum(last, 0), monoid)
    return jnp.where((last < 0)[:, None], jnp.asarray(monoid.nothing, rows.dtype), folded)


def _fold_until(rows: Array, ids: Array, at: Array, monoid: Monoid) -> Array:
    """Each of the rows `at` joined with those before it in its segment.

    These are rows back to a multiple of the block, and blocks of rows, each of its last segment alone, back
    to the segment's start: which is the same question, asked of an eighth as many.
    """
    own, block = ids[at], at // _BLOCK
    members = block[:, None] * _BLOCK + np.arange(_BLOCK, dtype=np.int32)[None]
    rows_at = jnp.minimum(members, at[:, None])
    valid = (members == rows_at) & (ids[rows_at] == own[:, None])
    found = monoid.reduce(rows.at[rows_at].get(mode="promise_in_bounds"), valid)
    blocks = rows.shape[0] // _BLOCK
    if blocks == 0:
        return found
    in_blocks = ids[: blocks * _BLOCK].reshape(blocks, _BLOCK)
    joined = rows[: blocks * _BLOCK].reshape(blocks, _BLOCK, rows.shape[1])
    joined = monoid.reduce(joined, in_blocks == in_blocks[:, -1:])
    until = _fold_until(joined, in_blocks[:, -1], lax.iota(np.int32, blocks), monoid)
    before = jnp.maximum(block - 1, 0)
    goes_on = (block > 0) & (in_blocks[before, -1] == own)
    return jnp.where(goes_on[:, None], monoid.join(until[before], found), found)


def _last_rows(ids: Array, segments: int) -> Array:
    """The last row of each segment; -1 where it has none."""
    is_last = jnp.concatenate([ids[1:] != ids[:-1], jnp.ones(1, np.bool_)])
    place = _or_outside(jnp.where(is_last, ids, segments), segments)
    rows = lax.iota(np.int32, ids.shape[0])
    return jnp.zeros(segments, np.int32).at[place].add(rows + 1, mode="drop", unique_indices=True) - 1


def _ordered(in_order: bool, *arrays: Array) -> tuple[Array, ...]:
    """Arrays of rows, the last of which are ids, in the order of these; equal ones stay as they are."""
    if in_order:
        return arrays
    order = jnp.argsort(arrays[-1])
    return tuple(array[order] for array in arrays)


# -------------------------------------------------------------------------------------------------- in turn


def _by_table(function: Callable[..., Any], *arrays: Array) -> Any:
    """The function of each table; of the only one there mostly is without a loop."""
    if arrays[0].shape[0] == 1:
        return jax.tree.map(lambda array: array[None], function(*(array[0] for array in arrays)))
    return lax.map(lambda table: function(*table), arrays)


def _in_turn(
    visits: Sequence[Callable[..., Array]], tables: list[Array], rows: Any, ids: Array
) -> list[Array]:
    """Changes tables of segments by one row after the other.

    Of each table a visit changes the segment's row: by the row's number, what the segment has in all tables,
    and the row. It sees what the visits of the tables before it have made.
    """

    def step(number: Array, tables: list[Array]) -> list[Array]:
        segment, row = ids[number], jax.tree.map(lambda array: _row(array, number), rows)
        # An id of no segment would be that of another one here.
        inside = (segment >= 0) & (segment < tables[0].shape[0])
        for i, visit in enumerate(visits):
            if i:
                # XLA:CPU copies tables in every step where it does not know what is read before a change.
                # One more barrier, at the end of a step, costs it twice the time where tables are large.
                tables = lax.optimization_barrier(tables)
            own = [_row(table, segment) for table in tables]
            after = jnp.where(inside, visit(number, *own, row), own[i])
            tables = [*tables]
            tables[i] = lax.dynamic_update_slice_in_dim(tables[i], after, segment, 0)
        return tables

    if 0 in (*tables[0].shape, *ids.shape):
        return tables
    return lax.fori_loop(0, ids.shape[0], step, tables)


def _precedes(order: str, element: Array, best: Array) -> Array:
    """As `precedes`, by two comparisons for three: of 1,000,000 segments in no order, 57 ms for 85."""
    if not jnp.issubdtype(element.dtype, jnp.floating) or element.shape[1] in _UNROLLED:
        return precedes(order, element, best)
    is_no_better = {"max": lax.le, "min": lax.ge}[order](element, best)  # as no NaN is
    return ~is_no_better & (best == best)


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


def _first_of(order: str, dtype: np.dtype) -> Monoid:
    return Monoid(functools.partial(ordering.first, order), identity(order, dtype))


def _hidden(values: Array, mask: Array, order: str) -> Array:
    return jnp.where(mask, values, identity(order, values.dtype))
