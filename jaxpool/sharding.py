"""Pools of arrays that are split over devices along space."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from jax.sharding import AbstractMesh, Mesh, PartitionSpec

from jaxpool._shards import layout

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def spatial(
    function: Callable[_Arguments, _Result], *, mesh: Mesh | AbstractMesh, spec: PartitionSpec
) -> Callable[_Arguments, _Result]:
    r"""A windowed pool for arrays that are laid out by `spec` on `mesh`, split along space or not.

    Each device fetches from its neighbours the cells that its windows need and it does not have, its *halo*,
    and pools what it then has. With $n$ devices along an axis of length $L$, window extent $k$, stride $s$
    and low padding $l$, a device that holds $L / n$ cells, a multiple of $s$, fetches

    $$ l \text{ cells from below}, \qquad k - s - l \text{ cells from above}, $$

    in one `ppermute` for each side where that is above 0, and backward sends as much. Windows that divide
    the shards, and axes of batches and channels, cost nothing. On a mesh of explicit axes the pools do this
    by themselves, since the types of arrays say how they are laid out; inside `jax.shard_map` they pool what
    each device has.

    - Results are those of the whole array: padding is at its ends alone, indices are positions in it, and
      ties, NaN and windows without elements are as they are without a mesh.
    - A halo wider than a shard comes from as many neighbours as it takes, in one `ppermute` each.
    - Global pools go to XLA's partitioner: each device pools what it has, and they exchange the results.
    - The derivatives of float16 and bfloat16 that two devices add to one cell are rounded once on each.

    Args:
      function: a windowed pool, such as `jaxpool.max_pool`, or a module or function that calls such pools,
        all of them with arrays that are laid out alike, and global ones.
      mesh: the devices, in a mesh with named axes.
      spec: the axes of the mesh that each dimension of the inputs is split over, or `None`, as in
        `PartitionSpec("data", "rows", "columns")`; dimensions at the end may be left out. A mask that
        broadcasts is split where it has the inputs' length.

    Returns:
      A function with the signature of `function`; its results are laid out by `spec` too.

    Raises:
      TypeError: `mesh` is no mesh or `spec` is no `PartitionSpec`.
      ValueError: `spec` names an axis that the mesh does not have; or, when the function is called, has more
        entries than the inputs have dimensions; or devices divide the length or the windows of an axis
        unevenly, in which case the message says which lengths would do; or `function` is `pool` with padding
        along a split axis, or a pool that is neither windowed nor global.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> from jax.sharding import PartitionSpec
      >>> mesh = jax.make_mesh((jax.device_count(),), ("rows",))
      >>> pool = jaxpool.sharding.spatial(jaxpool.max_pool, mesh=mesh, spec=PartitionSpec(None, "rows"))
      >>> image = jnp.arange(256.0).reshape(1, 16, 16, 1)
      >>> jax.jit(lambda image: pool(image, (3, 3), (2, 2), "SAME"))(image).shape
      (1, 8, 8, 1)
    """
    if not isinstance(mesh, Mesh | AbstractMesh):
        raise TypeError(f"mesh must be a jax.sharding.Mesh, got {mesh!r}.")
    if not isinstance(spec, PartitionSpec):
        raise TypeError(f"spec must be a jax.sharding.PartitionSpec, got {spec!r}.")
    named = [name for entry in spec if entry is not None for name in _as_tuple(entry)]
    if missing := [name for name in named if name not in mesh.axis_names]:
        raise ValueError(f"spec must name axes of the mesh, which are {mesh.axis_names}, got {missing[0]!r}.")

    @functools.wraps(function)
    def pooled(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with layout((mesh, spec)):
            return function(*args, **kwargs)

    return pooled


def _as_tuple(entry):
    return entry if isinstance(entry, tuple) else (entry,)
