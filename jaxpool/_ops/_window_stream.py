"""Windowed pools of sequences in chunks: a chunk is a shard in time, and a state holds its halo."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jaxpool._arguments import as_integer, as_integers
from jaxpool._ops._arrays import as_array, as_bool, as_mask
from jaxpool._shards import in_stream
from jaxpool._window import Axis, Shard, Window, spatial_axes


@functools.partial(jax.tree_util.register_dataclass, data_fields=["cells", "seen", "mask"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class WindowState:
    """Where a windowed stream is."""

    cells: Array
    """The last elements, as many as the next window may need."""
    seen: Array
    """How many of them there are: at the start, what is before the first element is none."""
    mask: Array | None = None
    """Which of the cells take part; `None` where all do, whatever comes."""


@dataclasses.dataclass(frozen=True, eq=False)
class WindowStream:
    """A windowed pool of a sequence that arrives chunk by chunk. See `jaxpool.streaming`."""

    function: Callable[..., Array]
    arguments: Mapping[str, Any]

    @property
    def channel_axis(self) -> int | None:
        return self.arguments.get("channel_axis", -1)

    def init(
        self,
        batch_shape: Sequence[SupportsIndex],
        channels: int | None,
        dtype: DTypeLike = jnp.float32,
        *,
        masked: bool = False,
    ) -> WindowState:
        """The state before the first element; `masked` where steps may take a mask."""
        if as_bool("masked", masked) and "where" not in inspect.signature(self.function).parameters:
            raise ValueError(f"masked must be False, for {self.function!r} takes no where, got True.")
        shape = self._shape(as_integers("batch_shape", batch_shape, minimum=0), channels, 1)
        halo = self._axis(jax.ShapeDtypeStruct(shape, dtype)).extent - 1
        cells = jnp.zeros([halo if d == self._time(len(shape)) else n for d, n in enumerate(shape)], dtype)
        mask = jnp.zeros(cells.shape, np.bool_) if masked else None
        return WindowState(cells, jnp.zeros((), np.int32), mask)

    def step(
        self, state: WindowState, chunk: ArrayLike, where: ArrayLike | None = None
    ) -> tuple[Array, WindowState]:
        """The results of the windows that end in a chunk, and the state after it."""
        if not isinstance(state, WindowState):
            raise TypeError(f"state must be one of this stream, got {state!r}.")
        array = as_array("chunk", chunk)
        time = self._time(state.cells.ndim)
        _check_chunk(state.cells, array, time)
        halo = state.cells.shape[time]
        cells = lax.concatenate([state.cells, array], time)
        mask = _joined_masks(state, array, where, time)

        def place(inputs: Array, window: Window, *others: Array | None) -> tuple[Any, ...]:
            axis = window.pooled.get(time, Axis(inputs.shape[time], 1))
            length = inputs.shape[time] - halo
            if length % axis.stride:
                raise ValueError(
                    f"chunk must have a length along axis {time} that the stride {axis.stride} divides, got "
                    f"{length}."
                )
            if not halo:
                return inputs, window, *others
            needed = length + axis.extent - axis.stride
            inputs, *cells = jax.tree.map(
                lambda a: lax.slice_in_dim(a, 0, needed, axis=time), [inputs, *others]
            )
            return inputs, _of_chunk(window, time, axis, length, state.seen), *cells

        masked = {} if mask is None else {"where": mask}
        with _inside(place):
            outputs = self.function(inputs=cells, padding="VALID", **self.arguments, **masked)
        length = array.shape[time]
        cells, mask = jax.tree.map(lambda a: lax.slice_in_dim(a, length, None, axis=time), (cells, mask))
        return outputs, WindowState(cells, jnp.minimum(state.seen + min(length, halo), halo), mask)

    def _time(self, ndim: int) -> int:
        return spatial_axes(ndim, 1, self.channel_axis)[0]

    def _shape(self, batch: tuple[int, ...], channels: int | None, length: int) -> tuple[int, ...]:
        """The shape of a chunk."""
        position = self.channel_axis
        if (channels is None) != (position is None):
            raise ValueError(
                f"channels must be {'None' if position is None else 'an int'} where channel_axis is "
                f"{position!r}, got {channels!r}."
            )
        shape = [*batch, length]
        if channels is not None and position is not None:
            spatial_axes(len(shape) + 1, 1, position)
            shape.insert(position % (len(shape) + 1), as_integer("channels", channels))
        return tuple(shape)

    def _axis(self, inputs: jax.ShapeDtypeStruct) -> Axis:
        """How the window slides, which is what the pool asks for."""
        time, windows, beside = self._time(len(inputs.shape)), [], []

        def note(array: Array, window: Window, *others: Array | None) -> tuple[Any, ...]:
            windows.append(window)
            beside.extend(other for other in others if other is not None)
            return array, window, *others

        with _inside(note):
            outputs = jax.eval_shape(
                lambda inputs: self.function(inputs=inputs, padding="CAUSAL", **self.arguments), inputs
            )
        if (
            not isinstance(outputs, jax.ShapeDtypeStruct)
            or len(windows) != 1
            or beside
            or {*windows[0].pooled} - {time}
        ):
            raise ValueError(
                "function must be one windowed pool with one spatial axis, one array of elements and one its "
                f"result, got {self.function!r} with {dict(self.arguments)!r}."
            )
        return windows[0].pooled.get(time, Axis(1, 1))


@contextlib.contextmanager
def _inside(of_stream: Callable[..., tuple[Any, ...]]) -> Iterator[None]:
    before = in_stream.set(of_stream)
    try:
        yield
    finally:
        in_stream.reset(before)


def _of_chunk(window: Window, time: int, axis: Axis, length: int, seen: Array) -> Window:
    """The windows that end in a chunk, behind whose first element so many have been seen.

    They are one device's of a sequence so long that some windows have all their elements; behind these there
    is nothing that depends on the position, which need not be counted any further.
    """
    halo = axis.extent - 1
    chunks = 1 + -(-halo // length)
    whole = dataclasses.replace(axis, length=chunks * length, low=halo, high=0)
    place = jnp.reshape(seen - halo, (1,) * len(window.axes))
    return Window(window.replace(time, Shard(whole, chunks)).axes, (place,))


def check_masked(mask: Any, where: ArrayLike | None) -> None:
    if mask is None and where is not None:
        raise ValueError("where must be None for a state that init made without masked=True, got a mask.")


def _joined_masks(state: WindowState, chunk: Array, where: ArrayLike | None, time: int) -> Array | None:
    """What takes part of the cells of a state and those of a chunk; `None` where all do."""
    check_masked(state.mask, where)
    return None if state.mask is None else lax.concatenate([state.mask, mask_of(chunk, where)], time)


def mask_of(chunk: Array, where: ArrayLike | None) -> Array:
    """Which elements of a chunk take part, laid out as these are."""
    mask, everything = as_mask(where, chunk.shape, "chunk"), lax.full_like(chunk, True, np.bool_)
    return everything if mask is None else everything & mask


def _check_chunk(cells: Array, chunk: Array, time: int) -> None:
    expected = tuple("length" if d == time else n for d, n in enumerate(cells.shape))
    shape = tuple("length" if d == time else n for d, n in enumerate(chunk.shape))
    if shape != expected or not chunk.shape[time]:
        raise ValueError(f"chunk must have the shape {expected} for this state, got {chunk.shape}.")
    if chunk.dtype != cells.dtype:
        raise TypeError(f"chunk must be of the state's dtype {cells.dtype}, got {chunk.dtype}.")
