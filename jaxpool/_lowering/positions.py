"""The elements of arrays at positions along some dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def take(array: Array, positions: Mapping[int, Array]) -> Array:
    """The elements at positions along some dimensions, given as arrays that broadcast."""
    if all(index.size == index.shape[d] for d, index in positions.items()):
        return _takealong(array, {d: index.reshape(-1) for d, index in positions.items()})
    # By their places in a flat array: of a place for each dimension XLA would write a list to memory.
    return jnp.take(array.reshape(-1), flat_places(array.shape, positions), mode="clip")


def _takealong(array: Array, positions: Mapping[int, Array | np.ndarray]) -> Array:
    """The elements at positions along each dimension.

    Neighbouring dimensions but the last are taken from as one: of three, XLA:GPU reads no neighbours at once.
    """
    *outer, last = positions
    if len(outer) > 1 and outer[-1] - outer[0] == len(outer) - 1:
        places = np.zeros((1,) * len(outer), np.int32)
        for d in outer:
            places = places * array.shape[d] + positions[d].reshape([-1 if d == e else 1 for e in outer])
        shape, (start, stop) = array.shape, (outer[0], outer[-1] + 1)
        merged = array.reshape(*shape[:start], -1, *shape[stop:])
        merged = _take_from(merged, places.reshape(-1), start)
        array, outer = merged.reshape(*shape[:start], *places.shape, *shape[stop:]), []
    for d in (*outer, last):
        array = _take_from(array, positions[d], d)
    return array


def _take_from(array: Array, positions: Array | np.ndarray, dimension: int) -> Array:
    others = tuple(d for d in range(array.ndim) if d != dimension)
    numbers = lax.GatherDimensionNumbers(others, (dimension,), (dimension,))
    sizes = [1 if d == dimension else n for d, n in enumerate(array.shape)]
    return lax.gather(array, positions[:, None], numbers, sizes, mode="clip")


def flat_places(shape: Sequence[int], positions: Mapping[int, Array]) -> Array:
    """Where in a flat array of this shape the elements at positions along some dimensions are."""
    others = [1 if d in positions else n for d, n in enumerate(shape)]
    joint = jnp.broadcast_shapes(others, *(index.shape for index in positions.values()))
    places, stride = jnp.zeros((1,) * len(joint), np.int32), 1
    for d in reversed(range(len(joint))):
        if d in positions:
            places += positions[d] * stride
        elif shape[d] > 1:  # one of length 1 may have become longer by the positions along others
            places += lax.broadcasted_iota(np.int32, along(d, joint), d) * stride
        stride *= shape[d]
    return jnp.broadcast_to(places, joint)


def along(dimension: int, shape: Sequence[int]) -> list[int]:
    return [n if d == dimension else 1 for d, n in enumerate(shape)]
