"""Pools of sequences that arrive chunk by chunk: a chunk is a shard in time, and a state holds its halo."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jaxpool._arguments import as_integer, as_integers
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array, as_bool, as_mask
from jaxpool._ops._stages import READS, stages_of
from jaxpool._ops.max_min import as_ordered
from jaxpool._ops.running import RUNNING, RunningStream
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import in_stream
from jaxpool._window import Axis, Shard, Window, spatial_axes


@public
def streaming(function: Callable[..., Array], **arguments: Any) -> Stream:
    r"""A pool of a sequence that arrives chunk by chunk, in memory that does not grow.

    The result is a pair of functions, `init` and `step`, and it does not matter how a sequence is cut:

    $$ \operatorname{step}(\operatorname{step}(s, a), b) = \operatorname{step}(s, ab), \qquad
       \text{outputs side by side.} $$

    A *windowed* pool, such as `jaxpool.max_pool`, gives what it gives for the whole sequence with
    `padding="CAUSAL"`: with window $k$, dilation $d$ and stride $s$, the windows end at elements
    $0, s, 2s, \dots$, and before the first element there are $(k - 1) d$ cells of padding. The state is the
    last $(k - 1) d$ elements. A *global* pool, such as `jaxpool.global_avg_pool`, gives the pool of all that
    has arrived so far. Its state is a few statistics, which `merge` joins: of parts of a stream that several
    devices have read, say.

    - What comes before the first element is padding as everywhere: never selected, counted by
      `count_include_pad` alone, and without gradient. All windows of `count_include_pad=True` have $k$ cells.
    - Selections have the same bits as of the whole sequence, with ties, NaN and infinities in the same
      places; sums agree to rounding, for their order may depend on where an array begins.
    - Derivatives go through states: those of chunks are those of the whole sequence, in both modes.
    - On a mesh of explicit axes lay a state out as chunks are, by `jax.device_put`; time is not split.
    - `step` compiles once for chunks of one length. It works in `scan`, whose carry is the state, and under
      `vmap`. States are trees of arrays.
    - Running sums and counts of global pools are kept in two numbers each, so that they do not stall; states
      of float16 and bfloat16 are float32, and results are rounded once.

    Args:
      function: a windowed pool with one spatial axis, which takes `inputs` and `padding`; or a global pool:
        `global_max_pool`, `global_min_pool`, `global_sum_pool`, `global_avg_pool`, `global_lp_pool`,
        `global_logsumexp_pool`, `global_soft_pool`, `global_var_pool`, `global_std_pool` or
        `statistics_pool`, of sequences `(*batch, time, channels)`.
      arguments: all arguments of the pool but `inputs`, `padding` and `where`; for a global pool all but
        `inputs`, `axis`, `where`, `keepdims`, `dtype` and `rounding`.

    Returns:
      A stream:

      - `init(batch_shape, channels, dtype=float32)`: a state before the first element. `channels` is `None`
        where `channel_axis` is. A windowed pool's that will take masks is made with `masked=True`, and has
        room for them.
      - `step(state, chunk, where=None)`: `(outputs, state)`. Chunks are laid out as the pool's inputs are,
        and as long as they like to be; of a windowed pool, a multiple of the stride. `where` is a mask of
        bools that broadcasts to the chunk, and means what it means to the pool.
      - `result(state)` and `merge(earlier, later)`, of a global pool: what the last step returned, and the
        state of both parts.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: `function` has no causal windows along one axis, or an argument has no meaning in a stream;
        a chunk has the wrong shape or dtype.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> stream = jaxpool.streaming(jaxpool.max_pool, window_shape=(3,))
      >>> state = stream.init((), 1)
      >>> step = jax.jit(stream.step)
      >>> for chunk in (jnp.array([[5.0], [1.0]]), jnp.array([[2.0], [3.0]])):
      ...     outputs, state = step(state, chunk)
      ...     print(outputs[:, 0])
      [5. 5.]
      [5. 3.]
      >>> mean = jaxpool.streaming(jaxpool.global_avg_pool)
      >>> halves = [mean.step(mean.init((), 1), chunk)[1] for chunk in (jnp.ones((3, 1)), jnp.zeros((1, 1)))]
      >>> mean.result(mean.merge(*halves))
      Array([0.75], dtype=float32)

    References:
      Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
      1979, for variances; Knuth, "The Art of Computer Programming", volume 2, for sums in two numbers.
    """
    if not callable(function):
        raise TypeError(f"function must be a pool, got {function!r}.")
    if function in RUNNING:
        known = inspect.signature(RUNNING[function]).parameters
        for name in arguments:
            if name not in known:
                raise TypeError(f"arguments of a running pool must be among {[*known]}, got {name!r}.")
        return RunningStream(RUNNING[function](**arguments))
    if not {"inputs", "padding"} <= {*inspect.signature(function).parameters}:
        names = ", ".join(pool.__name__ for pool in RUNNING)
        raise ValueError(f"function must be a windowed pool or one of {names}, got {function!r}.")
    arguments = _of_stream(arguments)
    stages = [WindowStream(*stage) for stage in stages_of(function, arguments)]
    whole = WindowStream(function, arguments)
    return StagedStream(stages, READS[function], whole) if stages else whole


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
        time, windows = self._time(len(inputs.shape)), []

        def note(array: Array, window: Window, *others: Array | None) -> tuple[Any, ...]:
            windows.append(window)
            return array, window, *others

        with _inside(note):
            outputs = jax.eval_shape(
                lambda inputs: self.function(inputs=inputs, padding="CAUSAL", **self.arguments), inputs
            )
        if (
            not isinstance(outputs, jax.ShapeDtypeStruct)
            or len(windows) != 1
            or {*windows[0].pooled} - {time}
        ):
            raise ValueError(
                f"function must be one windowed pool with one spatial axis, and one array its result, got "
                f"{self.function!r} with {dict(self.arguments)!r}."
            )
        return windows[0].pooled.get(time, Axis(1, 1))


@dataclasses.dataclass(frozen=True, eq=False)
class StagedStream:
    """A large windowed pool, one stream behind the other. See `jaxpool.streaming`."""

    stages: Sequence[WindowStream]
    read: Callable[[str, Any], Array]
    """Reads an array that can be pooled; of the dtype that the results have."""
    whole: WindowStream
    """The pool in one, for chunks with masks."""

    @property
    def channel_axis(self) -> int | None:
        return self.whole.channel_axis

    def init(
        self,
        batch_shape: Sequence[SupportsIndex],
        channels: int | None,
        dtype: DTypeLike = jnp.float32,
        *,
        masked: bool = False,
    ) -> WindowState | tuple[WindowState, ...]:
        """The state before the first element; `masked` where steps may take a mask."""
        if as_bool("masked", masked):
            return self.whole.init(batch_shape, channels, dtype, masked=True)
        chunk = jax.eval_shape(self._wide, jax.ShapeDtypeStruct((), dtype))
        return tuple(stage.init(batch_shape, channels, chunk.dtype) for stage in self.stages)

    def step(
        self,
        state: WindowState | tuple[WindowState, ...],
        chunk: ArrayLike,
        where: ArrayLike | None = None,
    ) -> tuple[Array, WindowState | tuple[WindowState, ...]]:
        """The results of the windows that end in a chunk, and the state after it."""
        if isinstance(state, WindowState):
            return self.whole.step(state, chunk, where)
        if not isinstance(state, tuple) or len(state) != len(self.stages):
            raise TypeError(f"state must be one of this stream, got {state!r}.")
        _check_masked(None, where)
        outputs, later = self._wide(chunk), []
        for stage, earlier in zip(self.stages, state, strict=True):
            outputs, new = stage.step(earlier, outputs)
            later.append(new)
        return outputs.astype(self.read("chunk", chunk).dtype), tuple(later)

    def _wide(self, chunk: ArrayLike) -> Array:
        """A chunk in which stages lose nothing."""
        array = self.read("chunk", chunk)
        return array if self.read is as_ordered else array.astype(accumulation_dtype(array.dtype))


# What arguments must be in a stream, where they are given; masks go to steps.
_ONLY = {"padding": "CAUSAL", "ceil_mode": False, "return_indices": False, "key": None, "where": None}


def _of_stream(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments but the padding, checked."""
    for name, only in _ONLY.items():
        value = arguments.get(name, only)
        if not (isinstance(value, type(only)) and value == only):
            raise ValueError(f"{name} must be {only!r} in a stream, got {value!r}.")
    return {name: value for name, value in arguments.items() if name != "padding"}


# What `streaming` makes.
Stream: TypeAlias = WindowStream | StagedStream | RunningStream


def as_stream(stream: Any) -> Stream:
    if not isinstance(stream, WindowStream | StagedStream | RunningStream):
        raise TypeError(f"stream must be what jaxpool.streaming returns, got {stream!r}.")
    return stream


def init_for(stream: Stream, chunk: ArrayLike, masked: bool) -> Any:
    """The state before a first chunk."""
    array = as_array("chunk", chunk)
    shape, position = list(array.shape), stream.channel_axis
    spatial_axes(len(shape), 1, position)
    channels = None if position is None else shape.pop(position)
    return stream.init(shape[:-1], channels, array.dtype, masked=masked)


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


def _check_masked(mask: Array | None, where: ArrayLike | None) -> None:
    if mask is None and where is not None:
        raise ValueError("where must be None for a state that init made without masked=True, got a mask.")


def _joined_masks(state: WindowState, chunk: Array, where: ArrayLike | None, time: int) -> Array | None:
    """What takes part of the cells of a state and those of a chunk; `None` where all do."""
    _check_masked(state.mask, where)
    if state.mask is None:
        return None
    mask, everything = as_mask(where, chunk.shape, "chunk"), lax.full_like(chunk, True, np.bool_)
    return lax.concatenate([state.mask, everything if mask is None else everything & mask], time)


def _check_chunk(cells: Array, chunk: Array, time: int) -> None:
    expected = tuple("length" if d == time else n for d, n in enumerate(cells.shape))
    shape = tuple("length" if d == time else n for d, n in enumerate(chunk.shape))
    if shape != expected or not chunk.shape[time]:
        raise ValueError(f"chunk must have the shape {expected} for this state, got {chunk.shape}.")
    if chunk.dtype != cells.dtype:
        raise TypeError(f"chunk must be of the state's dtype {cells.dtype}, got {chunk.dtype}.")
