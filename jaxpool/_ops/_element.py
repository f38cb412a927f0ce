"""Structuring elements: which cells of a window there are, and what is added to what is in them."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer

from jaxpool._arguments import as_integers
from jaxpool._lowering.order import first, identity, precedes
from jaxpool._lowering.shards import filled
from jaxpool._lowering.sweep import window_taps
from jaxpool._ops._arrays import as_bool, as_parameter, as_real, channels_of
from jaxpool._ops.max_min import as_ordered, extreme
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.select import gather
from jaxpool._shards import on_each_device
from jaxpool._window import Window, make_window


class Element(NamedTuple):
    """A structuring element: the shape of its window, its cells by number, and what is added in each."""

    shape: tuple[int, ...]
    cells: tuple[int, ...]
    offsets: tuple[Array, ...] = ()
    """Of all cells, or none where the element is flat."""

    @property
    def is_box(self) -> bool:
        return not self.offsets and len(self.cells) == math.prod(self.shape)

    def reflected(self) -> Element:
        last = math.prod(self.shape) - 1
        return Element(self.shape, tuple(last - cell for cell in self.cells[::-1]), self.offsets[::-1])

    def negated(self) -> Element:
        return self._replace(offsets=tuple(-offset for offset in self.offsets))


def select_over(
    order: str, inputs: Any, kernel: Any, per_channel: Any, *arguments: Any, **options: Any
) -> Array:
    """The first of each window's elements in `order`: a dilation or an erosion."""
    array = as_ordered("inputs", inputs)
    channels = channels_of(array, options["channel_axis"])
    element = as_element(kernel, array.ndim, channels, as_bool("per_channel", per_channel))
    element = element.reflected() if order == "max" else element.negated()
    window = make_window(array.shape, element.shape, *arguments, **options)
    if element.is_box:
        return on_each_device(extreme, array, window, None, order=order)
    if element.offsets:
        array = as_real("inputs", array)
    return on_each_device(_first, array, window, values=element.offsets, order=order, cells=element.cells)


def is_flat(kernel: Any) -> bool:
    return not (hasattr(kernel, "dtype") and jnp.issubdtype(kernel.dtype, jnp.floating))


def as_element(kernel: Any, ndim: int, channels: tuple[int, Any] | None, per_channel: bool) -> Element:
    """The structuring element, checked; a flat one fits arrays of any number of dimensions."""
    if not is_flat(kernel):
        return _with_offsets(as_real("kernel", kernel), ndim, channels, per_channel)
    if per_channel:
        raise ValueError("per_channel must be False where kernel is flat, got True.")
    if not hasattr(kernel, "dtype") and not _begins_with_bool(kernel):
        shape = as_integers("kernel", kernel, minimum=1)
        return Element(shape, tuple(range(math.prod(shape))))
    mask = _as_flat(kernel)
    return Element(mask.shape, tuple(np.flatnonzero(mask).tolist()))


def _with_offsets(kernel: Array, ndim: int, channels: tuple[int, Any] | None, per_channel: bool) -> Element:
    shape = kernel.shape
    if per_channel:
        if channels is None or not shape or shape[-1] != channels[1]:
            length = "channel_axis is None" if channels is None else f"there are {channels[1]} channels"
            raise ValueError(
                "kernel must have the shape (*window, channels) where per_channel is True, got "
                f"{shape} where {length}."
            )
        shape = shape[:-1]
    as_integers("the shape of kernel", shape, minimum=1)
    offsets = tuple(as_parameter("kernel", kernel[cell], ndim, channels) for cell in np.ndindex(*shape))
    return Element(shape, tuple(range(len(offsets))), offsets)


def _as_flat(kernel: Any) -> np.ndarray:
    if isinstance(kernel, Tracer):
        raise TypeError(f"kernel must be known before the program runs where it is a mask, got {kernel}.")
    try:
        mask = np.asarray(kernel)
    except ValueError as error:
        raise ValueError(f"kernel must be a mask with rows of one length, got {kernel!r}.") from error
    if mask.dtype != np.bool_:
        raise TypeError(
            "kernel must be a window shape, a mask of bools or an array of floating-point numbers, got an "
            f"array of {mask.dtype}."
        )
    if not mask.any():
        raise ValueError(f"kernel must be True somewhere, got a mask of shape {mask.shape} that is not.")
    return mask


def _begins_with_bool(kernel: Any) -> bool:
    while isinstance(kernel, list | tuple) and kernel:
        kernel = kernel[0]
    return isinstance(kernel, bool | np.bool_)


@functools.partial(jax.jit, static_argnames=("order", "cells"), inline=True)
def _first(inputs: Array, window: Window, *offsets: Array, order: str, cells: tuple[int, ...]) -> Array:
    wide = inputs.astype(accumulation_dtype(inputs.dtype))
    offsets = tuple(offset.astype(wide.dtype) for offset in offsets)
    return _value(wide, offsets, window, order, cells).astype(inputs.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _value(
    inputs: Array, offsets: tuple[Array, ...], window: Window, order: str, cells: tuple[int, ...]
) -> Array:
    """The first of each window's elements, after what is added in their cells."""
    none = identity(order, inputs.dtype)
    candidates = _candidates(inputs, offsets, window, order, cells)
    there = [jnp.where(there, candidate, none) for candidate, there in candidates]
    return functools.reduce(functools.partial(first, order), there)


@_value.defjvp
def _value_jvp(order: str, cells: tuple[int, ...], primals: Any, tangents: Any) -> tuple[Array, Array]:
    """The derivative of a selection is the same selection, and that of what is added in the selected cell."""
    inputs, offsets, window = primals
    candidates = _candidates(inputs, offsets, window, order, cells)
    value = lax.full_like(candidates[0][0], identity(order, inputs.dtype))
    index, some = lax.full_like(value, 0, window.index_dtype), jnp.zeros((1,) * value.ndim, np.bool_)
    for cell, (candidate, there) in zip(cells, candidates, strict=True):
        replaces = there & (precedes(order, candidate, value) | ~some)
        value = jnp.where(replaces, candidate, value)
        index = jnp.where(replaces, np.array(cell, index.dtype), index)
        some |= there
    value, index = lax.optimization_barrier((value, index))
    tangent = gather(tangents[0], index, inputs, window)
    if tangents[1]:
        tangent += _chosen(index, tangents[1])
    return value, jnp.where(some, tangent, np.zeros((), tangent.dtype))


def _candidates(
    inputs: Array, offsets: tuple[Array, ...], window: Window, order: str, cells: tuple[int, ...]
) -> list[tuple[Array, Any]]:
    """What is in each cell of all windows, and whether it is an element."""
    none = identity(order, inputs.dtype)
    taps = window_taps(filled(inputs, window, none), none, window.local)
    there = _elements(inputs, window)
    return [(taps[cell] + offsets[i] if offsets else taps[cell], there[cell]) for i, cell in enumerate(cells)]


def _elements(inputs: Array, window: Window) -> Sequence[Any]:
    """For each tap, in which windows it is an element; broadcasts to them."""
    if all(axis.inside for axis in window.pooled.values()):
        return [np.ones((1,) * inputs.ndim, np.bool_)] * window.taps
    shape = [n if d in window.pooled else 1 for d, n in enumerate(inputs.shape)]
    return window_taps(filled(jnp.ones(shape, np.bool_), window, False), False, window.local)


@jax.checkpoint  # else a derivative would keep a mask for each cell
def _chosen(index: Array, offsets: tuple[Array, ...]) -> Array:
    """What is added in the cell that was selected in each window.

    For XLA:CPU in one look at a table, of which the transpose adds to it: for the 25 offsets of 64 channels
    that takes the time of 8 passes over the windows, and by a sum for each cell of 150. Elsewhere it is sums,
    which are the same bits in every run.
    """
    return lax.platform_dependent(index, offsets, cpu=_looked_up, default=_added)


def _looked_up(index: Array, offsets: tuple[Array, ...]) -> Array:
    along = [d for d, n in enumerate(offsets[0].shape) if n > 1]
    table = jnp.stack(offsets).reshape(len(offsets), *[offsets[0].shape[d] for d in along])
    places = [lax.broadcasted_iota(np.int32, index.shape, d) for d in along]
    return table.at[(index, *places)].get(mode="promise_in_bounds")


def _added(index: Array, offsets: tuple[Array, ...]) -> Array:
    zero = jnp.zeros((), offsets[0].dtype)
    terms = [jnp.where(index == np.array(i, index.dtype), o, zero) for i, o in enumerate(offsets)]
    return functools.reduce(lax.add, terms)
