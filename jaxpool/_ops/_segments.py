"""What pools of segments have in common: reading ids, and sums and first elements of segments."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer
from jaxpool._ops._arrays import as_array, as_bool, as_mask
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives import segments as primitives


class SegmentOptions(TypedDict, total=False):
    """What all pools of segments take by keyword."""

    row_splits: ArrayLike | None
    where: ArrayLike | None
    axis: int
    indices_are_sorted: bool


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["ids", "where"],
    meta_fields=["number", "axis", "shape", "in_order"],
)
@dataclasses.dataclass(frozen=True)
class Segments:
    """To which segment each element along an axis belongs, and which elements take part.

    Attributes:
      ids: int32 of shape (batch, rows), the batch being what comes before the axis.
      where: bools of shape (batch, rows, channels or 1), or none: which elements of segments take part.
      number: how many segments there are.
      axis: the dimension.
      shape: of the inputs.
      in_order: whether ids do not decrease.
    """

    ids: Array
    where: Array | None
    number: int
    axis: int
    shape: tuple[int, ...]
    in_order: bool

    def rows(self, array: Array) -> Array:
        """An array of the shape of the inputs as (batch, rows, channels)."""
        return array.reshape(*_around(self.shape, self.axis))

    def placed(self, result: Array) -> Array:
        """(batch, anything, channels) with the dimensions of the inputs."""
        return result.reshape(*self.shape[: self.axis], result.shape[1], *self.shape[self.axis + 1 :])

    @property
    def valid(self) -> Array:
        """Which elements take part, and are of a segment."""
        inside = ((self.ids >= 0) & (self.ids < self.number))[..., None]
        return inside if self.where is None else inside & self.where

    def masked(self, rows: Array, value: float) -> Array:
        """Rows with a value in place of the elements that take no part."""
        return jnp.where(self.valid, rows, lax.full_like(rows, value))

    def sum(self, rows: Array) -> Array:
        """The sums of segments, in the precision of sums."""
        if self.where is not None:
            rows = jnp.where(self.where, rows, lax.full_like(rows, 0))
        return primitives.segment_sum(rows, self.ids, self.number, self.in_order)

    def counts(self, dtype: Any) -> Array:
        """How many elements take part, for each channel or for all of them."""
        return self.sum(self.mask.astype(np.int32)).astype(dtype)

    @property
    def mask(self) -> Array:
        if self.where is not None:
            return self.where
        return lax.full_like(self.ids, True, np.bool_)[..., None]  # and split as they are

    def average(self, rows: Array) -> Array:
        """The averages of segments, in the precision of sums; 0 where there is no element."""
        total = self.sum(rows)
        return total / jnp.maximum(self.counts(total.dtype), 1)

    def spread(self, result: Array) -> Array:
        """What its segment has, for each row; 0 for a row of no segment."""
        return primitives.segment_spread(result, self.ids, self.in_order)

    def first(self, rows: Array, order: str) -> Array:
        return primitives.segment_select(rows, self.mask, self.ids, self.number, order, self.in_order)

    def first_and_index(self, rows: Array, order: str) -> tuple[Array, Array]:
        return primitives.segment_select_with_index(
            rows, self.mask, self.ids, self.number, order, self.in_order
        )


def read_segments(
    array: Array,
    segment_ids: ArrayLike | None,
    num_segments: Any,
    *,
    row_splits: ArrayLike | None = None,
    where: ArrayLike | None = None,
    axis: Any = 0,
    indices_are_sorted: bool = False,
) -> Segments:
    """The segments of an array, checked."""
    dimension = as_integer("axis", axis)
    if not -array.ndim <= dimension < array.ndim:
        raise ValueError(f"axis must be an axis of inputs of shape {array.shape}, got {dimension}.")
    dimension %= array.ndim
    length = array.shape[dimension]
    in_order = as_bool("indices_are_sorted", indices_are_sorted)
    if row_splits is None:
        ids, number = _read_ids(segment_ids, num_segments, length)
    else:
        if segment_ids is not None or num_segments is not None:
            raise ValueError("segment_ids and num_segments must be None where row_splits are given.")
        ids, number = _read_splits(row_splits, length)
        in_order = True
    batch = math.prod(array.shape[:dimension])
    ids = jnp.broadcast_to(ids, (batch, length))
    return Segments(ids, _read_mask(where, array.shape, dimension), number, dimension, array.shape, in_order)


def _read_mask(where: Any, shape: tuple[int, ...], axis: int) -> Array | None:
    """The mask of (batch, rows, channels), or of one channel where it is the same for all."""
    mask = as_mask(where, shape)
    if mask is None:
        return None
    batch, rows, channels = _around(shape, axis)
    if math.prod(mask.shape[axis + 1 :]) > 1:
        return jnp.broadcast_to(mask, shape).reshape(batch, rows, channels)
    mask = mask.reshape(mask.shape[: axis + 1])
    return jnp.broadcast_to(mask, shape[: axis + 1]).reshape(batch, rows, 1)


def _around(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _read_ids(segment_ids: Any, num_segments: Any, length: int) -> tuple[Array, int]:
    if segment_ids is None or num_segments is None:
        raise ValueError("segment_ids and num_segments must be given where row_splits are not.")
    ids = _as_integers("segment_ids", segment_ids)
    if ids.shape != (length,):
        raise ValueError(
            f"segment_ids must have the shape ({length},) of the inputs' pooled axis, got {ids.shape}."
        )
    number = as_integer("num_segments", num_segments)
    if number < 0:
        raise ValueError(f"num_segments must not be negative, got {number}.")
    return ids, number


def _read_splits(row_splits: Any, length: int) -> tuple[Array, int]:
    splits = _as_integers("row_splits", row_splits)
    if splits.ndim != 1 or not splits.shape[0]:
        raise ValueError(f"row_splits must have the shape (segments + 1,), got {splits.shape}.")
    rows = jnp.arange(length, dtype=splits.dtype)
    ids = jnp.searchsorted(splits, rows, side="right", method="scan_unrolled").astype(np.int32) - 1
    return ids, splits.shape[0] - 1


def _as_integers(name: str, value: Any) -> Array:
    array = as_array(name, value)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"{name} must be an array of integers, got {array.dtype}.")
    return array.astype(np.int32)


def wide(array: Array) -> Array:
    return array.astype(accumulation_dtype(array.dtype))
