"""Pools of arrays that are split along space: each device fetches a halo and pools what it has.

How an array is laid out stands in its type on a mesh of explicit axes, or is said by `layout`.
"""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxpool._window import Axis, Shard, Window

# The mesh and the spec that inputs are laid out by where their type does not say; `None` for neither.
layout = jax.make_user_context(None)

# What a stream makes of the inputs, the window and other cells of a pool that it calls; `None` outside of
# streams.
in_stream: contextvars.ContextVar[Callable[..., tuple[Any, ...]] | None] = contextvars.ContextVar(
    "in_stream", default=None
)


def on_each_device(
    pool: Callable,
    inputs: Array,
    window: Window,
    *cells: Array | None,
    values: Sequence[Array] = (),
    along: Sequence[int] = (),
    **options: Any,
) -> Any:
    """`pool(inputs, window, *cells, *values, **options)`, on each device for its own windows.

    Args:
      pool: a pool whose results have one element for each window; hashable, as the options are.
      inputs: the array that is pooled.
      window: the window, of the whole array.
      cells: other arrays with one element for each of the inputs; they may broadcast.
      values: arrays with one element for each window, or with no dimensions.
      along: dimensions along which the pool must know where it is, window or not.
      options: static arguments of the pool.
    """
    if (of_stream := in_stream.get()) is not None:
        inputs, window, *placed = of_stream(inputs, window, *cells)
        cells = tuple(placed)
    found = _layout_of(inputs, window)
    if found is None:
        return pool(inputs, window, *cells, *values, **options)
    static = (pool, window, *found, tuple(along), tuple(options.items()))
    with layout(None):
        return _on_each_device((inputs, *cells), tuple(values), *static)


def by_partitioner(
    pool: Callable, window: Window, removed: Sequence[int], inputs: Array, *operands: Array | None
) -> Any:
    """`pool(inputs, *operands)`, by XLA's own partitioner where the inputs are split along the window.

    The window is all there is, and the result lacks the removed dimensions. Each device pools what it has,
    and they join what they found: one element for each result.
    """
    if not _is_split(inputs, window):
        return pool(inputs, *operands)
    mesh, spec, names = _layout_in_type(inputs)
    left = [None if d in window.pooled else entry for d, entry in enumerate(spec) if d not in removed]
    place = NamedSharding(mesh, PartitionSpec(*left))
    return jax.sharding.auto_axes(pool, axes=tuple(names), out_sharding=place)(inputs, *operands)


def refuse_layout() -> None:
    """For pools whose windows are not regular."""
    if layout.value is not None:
        raise ValueError("function must be a windowed or global pool for spatial, got one that is neither.")


@dataclasses.dataclass(frozen=True)
class _Line:
    """The devices that a dimension is split over, one after the other."""

    names: tuple[str, ...]
    """The axes of the mesh, the outermost first."""
    numbers: tuple[int, ...]
    """What `ppermute` calls each device: it wants the axes in the order of the mesh."""
    sorted_names: tuple[str, ...]

    @staticmethod
    def of(mesh: Any, entry: str | tuple[str, ...]) -> _Line:
        names = entry if isinstance(entry, tuple) else (entry,)
        ordered = tuple(name for name in mesh.axis_names if name in names)
        grid = np.arange(math.prod(mesh.shape[name] for name in names))
        grid = grid.reshape([mesh.shape[name] for name in ordered])
        numbers = np.transpose(grid, [ordered.index(name) for name in names]).reshape(-1)
        return _Line(names, tuple(numbers.tolist()), ordered)

    @property
    def place(self) -> Array:
        """Which of them this device is."""
        return lax.axis_index(self.names)

    def receive(self, cells: Array, offset: int) -> Array:
        """The cells of the device so many places further on; zeros where there is none."""
        pairs = zip(self.numbers[max(offset, 0) :], self.numbers[max(-offset, 0) :], strict=False)
        return lax.ppermute(cells, self.sorted_names, list(pairs))


@functools.partial(jax.jit, static_argnums=(2, 3, 4, 5, 6, 7, 8), inline=True)
def _on_each_device(cells, values, pool, window, mesh, spec, names, along, options):
    inputs = cells[0]
    split = {d: _Line.of(mesh, entry) for d, entry in enumerate(spec) if entry is not None}
    window = _shard_window(inputs.shape, window, split, along)
    fetched = [
        () if array is None else [d for d in window.shards if array.shape[d] == inputs.shape[d]]
        for array in cells
    ]

    def local(cells, values):
        firsts = [split[d].place * shard.step - shard.axis.low for d, shard in window.shards.items()]
        places = tuple(jnp.reshape(first.astype(np.int32), (1,) * inputs.ndim) for first in firsts)
        blocks = [
            functools.reduce(lambda block, d: _fetch(block, d, window.shards[d], split[d]), dimensions, block)
            for block, dimensions in zip(cells, fetched, strict=True)
        ]
        return pool(blocks[0], Window(window.axes, places), *blocks[1:], *values, **dict(options))

    specs = jax.tree.map(lambda array: _spec_of(array, spec), (cells, values))
    if AxisType.Explicit in mesh.axis_types:  # types must say what the specs say
        place = functools.partial(NamedSharding, mesh)
        cells, values = jax.sharding.reshard((cells, values), jax.tree.map(place, specs))
    return jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=spec, axis_names=names)(cells, values)


def _layout_of(inputs: Array, window: Window) -> tuple[Any, PartitionSpec, frozenset[str]] | None:
    """The mesh, the spec and the axes of the mesh that it is about, where they concern the window."""
    if layout.value is not None:
        mesh, spec = layout.value
        if len(spec) > inputs.ndim:
            raise ValueError(
                f"spec must have at most one entry for each dimension of inputs of shape {inputs.shape}, got "
                f"{spec}."
            )
        spec = PartitionSpec(*spec, *[None] * (inputs.ndim - len(spec)))
        return mesh, spec, frozenset(mesh.axis_names)
    return _layout_in_type(inputs) if _is_split(inputs, window) else None


def _layout_in_type(inputs: Array) -> tuple[Any, PartitionSpec, frozenset[str]]:
    sharding = jax.typeof(inputs).sharding
    # What an array that is no tracer is laid out by has the devices of the mesh too.
    concrete = None if isinstance(inputs, Tracer) else inputs.sharding
    mesh = concrete.mesh if isinstance(concrete, NamedSharding) else sharding.mesh
    kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
    return mesh, sharding.spec, frozenset(name for name, kind in kinds if kind == AxisType.Explicit)


def _is_split(inputs: Array, window: Window) -> bool:
    """Whether the inputs' type says that they are split along dimensions of the window."""
    spec = jax.typeof(inputs).sharding.spec
    return any(spec[d] is not None for d in window.pooled)


def _spec_of(array: Array, spec: PartitionSpec) -> PartitionSpec:
    """The part of the spec that concerns an array that broadcasts to the inputs, or to the windows."""
    return PartitionSpec(
        *(None if length == 1 else entry for length, entry in zip(array.shape, spec, strict=False))
    )


def _shard_window(
    shape: Sequence[int], window: Window, split: dict[int, _Line], along: Sequence[int]
) -> Window:
    """The window of one device."""
    for d, line in split.items():
        devices = len(line.numbers)
        if d in window.pooled or d in along:
            axis = window.pooled.get(d, Axis(shape[d], 1))
            _check_division(d, axis, devices)
            if devices > 1:
                window = window.replace(d, Shard(axis, devices))
        elif shape[d] % devices:
            raise ValueError(
                f"inputs must have a length along axis {d} that {devices} devices divide, got shape {shape}."
            )
    return window


def _check_division(dimension: int, axis: Axis, devices: int) -> None:
    if axis.length % devices or axis.windows % devices:
        raise ValueError(
            f"inputs must have a length along axis {dimension} that {devices} devices divide, with windows "
            f"that they divide too, got length {axis.length} with {axis.windows} windows; "
            f"{_lengths_that_fit(axis, devices)} would do."
        )


def _lengths_that_fit(axis: Axis, devices: int) -> str:
    """The nearest lengths below and above that split evenly."""
    if (axis.length - axis.windows * axis.stride) % devices == 0:
        # One more stride of cells is one more window, whatever the padding.
        nearest = [axis.windows // devices * devices, (axis.windows // devices + 1) * devices]
        lengths = [axis.length + (windows - axis.windows) * axis.stride for windows in nearest if windows]
        return " or ".join(map(str, lengths))
    quotient = axis.length // (devices * axis.stride)
    lengths = [n * devices * axis.stride for n in (quotient, quotient + 1) if n]
    return f"with 'SAME' padding {' or '.join(map(str, lengths))}"


def _fetch(block: Array, dimension: int, shard: Shard, line: _Line) -> Array:
    """This device's block with what its windows need of its neighbours', and zeros outside the array."""
    length, step, devices = shard.axis.length // shard.devices, shard.step, shard.devices
    starts = [device * step - shard.axis.low for device in range(devices)]
    missing = [
        (i * length - start, start + shard.length - (i + 1) * length) for i, start in enumerate(starts)
    ]
    low, high = (max(0, *ends) for ends in zip(*missing, strict=True))
    # Of these, some lie outside the array on every device that misses them.
    there = [
        (min(ends[0], i * length), min(ends[1], (devices - 1 - i) * length)) for i, ends in enumerate(missing)
    ]
    from_low, from_high = (max(0, *ends) for ends in zip(*there, strict=True))
    below = [
        line.receive(lax.slice_in_dim(block, length - width, length, axis=dimension), -hop)
        for hop, width in _hops(from_low, length)
    ]
    above = [
        line.receive(lax.slice_in_dim(block, 0, width, axis=dimension), hop)
        for hop, width in _hops(from_high, length)
    ]
    parts = [*reversed(below), block, *above]
    whole = lax.concatenate(parts, dimension) if len(parts) > 1 else block
    if low > from_low or high > from_high:
        pads = [
            (low - from_low, high - from_high, 0) if d == dimension else (0, 0, 0) for d in range(block.ndim)
        ]
        whole = lax.pad(whole, np.zeros((), block.dtype), pads)
    first = low - shard.axis.low
    if step == length:
        return lax.slice_in_dim(whole, first, first + shard.length, axis=dimension)
    return lax.dynamic_slice_in_dim(whole, line.place * (step - length) + first, shard.length, dimension)


def _hops(width: int, length: int) -> list[tuple[int, int]]:
    """How much of a halo comes from the next neighbour, the one after, and so on."""
    return [(n + 1, min(length, width - n * length)) for n in range(-(-width // length))]
