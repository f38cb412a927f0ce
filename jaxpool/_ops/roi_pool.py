"""Regions of an image pooled in bins of whole cells: RoIPool and its kin."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer, as_integers
from jaxpool._elsewhere import public
from jaxpool._lowering.order import precedes
from jaxpool._ops._arrays import as_bool, as_number
from jaxpool._ops._regions import as_arrays, own_channels, placed, read_regions, steps_of
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives._define import alike
from jaxpool._primitives.product import weighted_product


@overload
def roi_pool(
    inputs: ArrayLike,
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    box_indices: ArrayLike | None = None,
    spatial_scale: float = 1.0,
    return_indices: Literal[False] = False,
    channel_axis: int | None = -1,
) -> Array: ...
@overload
def roi_pool(
    inputs: ArrayLike,
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    box_indices: ArrayLike | None = None,
    spatial_scale: float = 1.0,
    return_indices: Literal[True],
    channel_axis: int | None = -1,
) -> tuple[Array, Array]: ...
@public
def roi_pool(
    inputs: ArrayLike,
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    box_indices: ArrayLike | None = None,
    spatial_scale: float = 1.0,
    return_indices: bool = False,
    channel_axis: int | None = -1,
) -> Array | tuple[Array, Array]:
    r"""Pools regions: divides each box into bins of whole cells and takes the maximum of each bin.

    Along one axis, a box from $l$ to $h$, scaled by `spatial_scale` and rounded to whole cells, halves away
    from 0, has $w = \max(h - l + 1, 1)$ cells. With $o$ bins of size $s = w / o$, bin $i$ has the cells

    $$ l + \lfloor i s \rfloor, \dots, l + \lceil (i + 1) s \rceil - 1 $$

    that are in the array. As in torchvision and ONNX, $s$ and its multiples are rounded to the dtype of the
    boxes: of 13 cells in 7 bins of float32, the last bin ends one cell behind the box.

    - Ties go to the first element in row-major order, in value, index, tangent and cotangent alike. A NaN
      makes its bin NaN.
    - A bin without cells is 0 with the index -1, and has no gradient, as in torchvision. So is a box with a
      NaN, and one whose index is out of range, so that a fixed number of boxes can be padded with -1.
    - Boxes have no gradient: the result is piecewise constant in them.
    - The number of steps follows from the largest bin, so that small boxes are pooled faster.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype.
      boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
        `box_indices`, such as `(x1, y1, x2, y2)`; see `roi_align`. The highs are cells of the box.
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      box_indices: integers of shape `(regions,)`: which image of a single batch axis each box is in; `None`
        where boxes have the batch of the inputs.
      spatial_scale: how many cells of the inputs one unit of a box is, such as 1/16.
      return_indices: whether to return also where each maximum was found.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.

    Returns:
      The maxima, of shape `(*batch, regions, *output_shape, channels)`, or `(regions, *output_shape,
      channels)` with `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`. With
      `return_indices`, a pair with int32 positions of the same shape, row-major in the spatial block.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
      >>> jaxpool.roi_pool(x, jnp.array([[[0.0, 0.0, 3.0, 1.0]]]), (1, 2))[0, 0, ..., 0]
      Array([[5., 7.]], dtype=float32)

    References:
      Girshick, "Fast R-CNN", 2015. `torchvision.ops.roi_pool`; ONNX `MaxRoiPool`.
    """
    values, places = _roi_pool(
        *as_arrays(inputs, boxes, box_indices),
        bins=as_integers("output_shape", output_shape, minimum=1),
        scale=as_number("spatial_scale", spatial_scale),
        channel_axis=channel_axis,
    )
    return (values, places) if as_bool("return_indices", return_indices) else values


@functools.partial(jax.jit, static_argnames=("bins", "scale", "channel_axis"))
def _roi_pool(
    inputs: Array,
    boxes: Array,
    indices: Array | None,
    *,
    bins: tuple[int, ...],
    scale: float,
    channel_axis: Any,
) -> tuple[Array, Array]:
    regions, layout = read_regions(inputs, boxes, indices, bins, channel_axis)
    images = layout.channels_last(inputs)
    lengths = images.shape[-regions.rank - 1 : -1]
    exists, (low, high) = _rounded(regions.boxes * scale)
    starts, stops = _bounds(low, jnp.maximum(high - low + 1, 1), bins, lengths, regions.boxes.dtype)
    tables = layout.tables(images, joined=regions.indexed)
    index = _first_maximum(lax.stop_gradient(tables), regions.image, exists, starts, stops, lengths)
    values = _read_each(tables, regions.image * math.prod(lengths), jnp.maximum(index, 0))
    values = placed(jnp.where(index >= 0, values, 0), regions, layout, inputs.dtype)
    return values, placed(index, regions, layout, np.int32)


@public
def ps_roi_pool(
    inputs: ArrayLike,
    boxes: ArrayLike,
    output_shape: Sequence[SupportsIndex],
    *,
    box_indices: ArrayLike | None = None,
    spatial_scale: float = 1.0,
    channel_axis: int = -1,
) -> Array:
    r"""Pools regions by averaging bins of whole cells, each from channels of its own.

    With $B$ bins in all, result channel $c$ of bin $b$, in row-major order, averages input channel $c B + b$.
    Along one axis of $I$ cells, a box from $l$ to $h$, scaled by `spatial_scale` and rounded, has
    $w = \max(h - l, 1)$ cells, and of $o$ bins of size $s = w / o$, bin $i$ has the cells

    $$ l + \lfloor i s \rfloor, \dots, l + \lceil (i + 1) s \rceil - 1 $$

    from 0 to $I - 2$, rounded as in `roi_pool`: torchvision never pools the last one.

    - A bin without cells is 0 and has no gradient. So is a box with a NaN, and one whose index is out of
      range.
    - A NaN or an infinity reaches the bins that it is in and no others, and that of a cotangent their cells.
    - Boxes have no gradient. Inputs and their gradients are added as matrix products, in the same order in
      every run: one, and three where there is a NaN or an infinity.
    - float16 and bfloat16 are added in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype; the number of
        channels is a multiple of that of bins.
      boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
        `box_indices`, such as `(x1, y1, x2, y2)`; see `roi_align`.
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      box_indices: integers of shape `(regions,)`: which image each box is in; `None` where boxes have the
        batch of the inputs.
      spatial_scale: how many cells of the inputs one unit of a box is.
      channel_axis: the axis of channels.

    Returns:
      The averages, of shape `(*batch, regions, *output_shape, channels / bins)`, or without the batch with
      `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong shape or sign, or channels are no multiple of the bins.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.broadcast_to(jnp.arange(4.0), (1, 6, 6, 4))
      >>> jaxpool.ps_roi_pool(x, jnp.array([[[0.0, 0.0, 4.0, 4.0]]]), (2, 2))[0, 0, ..., 0]
      Array([[0., 1.],
             [2., 3.]], dtype=float32)

    References:
      Dai et al., "R-FCN: Object Detection via Region-based Fully Convolutional Networks", 2016.
      `torchvision.ops.ps_roi_pool`, whose values this has; its gradient pools the last cells too.
    """
    return _ps_roi_pool(
        *as_arrays(inputs, boxes, box_indices),
        bins=as_integers("output_shape", output_shape, minimum=1),
        scale=as_number("spatial_scale", spatial_scale),
        channel_axis=as_integer("channel_axis", channel_axis),
    )


@functools.partial(jax.jit, static_argnames=("bins", "scale", "channel_axis"))
def _ps_roi_pool(
    inputs: Array,
    boxes: Array,
    indices: Array | None,
    *,
    bins: tuple[int, ...],
    scale: float,
    channel_axis: int,
) -> Array:
    regions, layout = read_regions(inputs, boxes, indices, bins, channel_axis)
    rank = regions.rank
    images = layout.channels_last(inputs)
    channels = own_channels(images.shape[-1], math.prod(bins))
    lengths = images.shape[-rank - 1 : -1]
    exists, (low, high) = _rounded(regions.boxes * scale)
    ends = [n - 1 for n in lengths]
    starts, stops = _bounds(low, jnp.maximum(high - low, 1), bins, ends, regions.boxes.dtype)
    dtype = accumulation_dtype(inputs.dtype)
    batch = math.prod(layout.batch)
    tables = images.reshape(batch, *lengths, channels, *bins).astype(dtype)
    # Axes of space, bins and channels; t and r are tables and regions.
    space, bin_axes = "hijk"[:rank], "pqsu"[:rank]
    terms, operands = [], []
    for d, length in enumerate(lengths):
        cells = np.arange(length, dtype=np.int32).reshape(1, 1, 1, -1)
        within = (cells >= starts[d][..., None]) & (cells < stops[d][..., None]) & _behind(exists, 2)
        terms.append(f"tr{bin_axes[d]}{space[d]}")
        operands.append(within.astype(dtype) / jnp.maximum(stops[d] - starts[d], 1)[..., None].astype(dtype))
    image = "t"
    if regions.indexed:  # one table, in which each region has an image
        image = "b"
        terms.append("trb")
        operands.append(jax.nn.one_hot(regions.image, tables.shape[0], dtype=dtype))
    subscripts = f"{','.join(terms)},{image}{space}c{bin_axes}->tr{bin_axes}c"
    result = weighted_product(subscripts, *(operand.astype(dtype) for operand in operands), tables)
    return placed(result, regions, layout, inputs.dtype)


def _rounded(boxes: Array) -> tuple[Array, Array]:
    """Which boxes are numbers, and their lows and highs as integers: (2, tables, regions, axes)."""
    exists = ~jnp.isnan(boxes).any((-2, -1))
    far = 2**22  # then a box times the number of a bin does not overflow
    whole = jnp.sign(boxes) * jnp.floor(jnp.abs(boxes) + 0.5)
    whole = jnp.clip(jnp.where(exists[..., None, None], whole, 0), -far, far)
    return exists, jnp.moveaxis(whole.astype(np.int32), -2, 0)


def _bounds(
    low: Array, extent: Array, bins: Sequence[int], ends: Sequence[int], dtype: np.dtype
) -> tuple[list[Array], list[Array]]:
    """The first cell of each bin along each axis, and the one behind its last: (tables, regions, bins)."""
    starts, stops = [], []
    for d, (count, end) in enumerate(zip(bins, ends, strict=True)):
        number, first = np.arange(count, dtype=dtype).reshape(1, 1, -1), low[..., d : d + 1]
        size = _quotient(extent[..., d : d + 1].astype(dtype), count)
        starts.append(jnp.clip(first + jnp.floor(number * size).astype(np.int32), 0, end))
        stops.append(jnp.clip(first + jnp.ceil((number + 1) * size).astype(np.int32), 0, end))
    return starts, stops


def _quotient(dividend: Array, divisor: int) -> Array:
    """Whole numbers divided, and rounded as IEEE has it: XLA multiplies by the reciprocal, or less exactly.

    Bins end at products of it that are rounded up: seven times 13 / 7 in float32 is more than 13.
    """
    info = jnp.finfo(dividend.dtype)
    quotient = dividend / divisor
    high = lax.reduce_precision(quotient, info.nexp, info.nmant // 2)
    rest = dividend - high * divisor - (quotient - high) * divisor  # of exact products and differences
    return quotient + rest / divisor


def _first_maximum(
    tables: Array, image: Array, exists: Array, starts: Sequence[Array], stops: Sequence[Array], lengths: Any
) -> Array:
    """Where each bin's first maximum is in its image; -1 where the bin has no cell."""
    stops = [jnp.where(exists[..., None], stop, start) for start, stop in zip(starts, stops, strict=True)]
    visit = functools.partial(_visit_cells, steps=tuple(steps_of(lengths)))

    # For a CPU, each region has what its own largest bin needs; else all have what the largest of all needs.
    def one_by_one(rows: Array, *regions: Array) -> Array:
        return lax.map(lambda region: visit(rows, *region, at_once=1), regions)

    def of_table(*arrays: Array) -> Array:
        return lax.platform_dependent(*arrays, cpu=one_by_one, default=functools.partial(visit, at_once=16))

    return jax.vmap(of_table)(tables, image * math.prod(lengths), *starts, *stops)


def _visit_cells(rows: Array, first: Array, *bounds: Array, steps: tuple[int, ...], at_once: int) -> Array:
    """The first maximum of each bin, (..., *bins, channels), by visiting cells in row-major order.

    Args:
      rows: of shape (cells, channels).
      first: the row of the first cell of each region's image, (...).
      bounds: the first cell of each bin along each axis, then the one behind its last; each (..., bins).
      steps: how many rows lie from a cell to the next one along each axis.
      at_once: so many cells along the last axis are one step.
    """
    rank = len(steps)
    starts, stops = bounds[:rank], bounds[rank:]
    *counts, width = (jnp.max(stop - start, initial=0) for start, stop in zip(starts, stops, strict=True))
    counts.append((width + at_once - 1) // at_once)

    def spread(array: Array, axis: int) -> Array:
        return jnp.expand_dims(array, [first.ndim + d for d in range(rank) if d != axis])

    def visit(number: Array, found: tuple[Array, Array]) -> tuple[Array, Array]:
        offsets = []
        for count in reversed(counts):
            offsets.insert(0, number % jnp.maximum(count, 1))
            number = number // jnp.maximum(count, 1)
        offsets[-1] *= at_once
        best, index = found
        for cell in range(at_once):
            cells = [start + offset for start, offset in zip(starts, offsets, strict=True)]
            cells[-1] += cell
            inside = [spread(at < stop, d) for d, (at, stop) in enumerate(zip(cells, stops, strict=True))]
            holds = functools.reduce(operator.and_, inside)
            places = [spread(at * step, d) for d, (at, step) in enumerate(zip(cells, steps, strict=True))]
            place = functools.reduce(operator.add, places)
            row = jnp.where(holds, place + _behind(first, rank), 0)
            value = rows.at[row].get(mode="promise_in_bounds")
            replaces = holds[..., None] & ((index < 0) | precedes("max", value, best))
            best, index = jnp.where(replaces, value, best), jnp.where(replaces, place[..., None], index)
        return best, index

    shape = (*first.shape, *(start.shape[-1] for start in starts), rows.shape[-1])
    best, index, *_ = alike(jnp.zeros(shape, rows.dtype), jnp.full(shape, -1, np.int32), rows, first, *bounds)
    return lax.fori_loop(0, functools.reduce(operator.mul, counts), visit, (best, index))[1]


def _behind(array: Array, count: int) -> Array:
    """The array with so many more dimensions of length 1."""
    return array.reshape(*array.shape, *[1] * count)


def _read_each(tables: Array, first: Array, index: Array) -> Array:
    """The element of each channel at its own place; what is read twice receives both gradients in float32."""
    channels = tables.shape[-1]
    rows = _behind(first, index.ndim - 2) + index
    places = rows * channels + lax.broadcasted_iota(np.int32, rows.shape, rows.ndim - 1)
    elements = tables.astype(accumulation_dtype(tables.dtype)).reshape(
        tables.shape[0], tables.shape[1] * channels
    )
    return jax.vmap(lambda flat, at: flat.at[at].get(mode="promise_in_bounds"))(elements, places)
