"""Moving elements along one dimension to places of their own, and back: the linear map of `max_unpool`.

    y = move(x, source, target)           y[j] = x[source[j]], 0 where source[j] is -1
    x' = move(y', target, source)         x'[i] = y'[target[i]], 0 where target[i] is -1

`source` and `target` undo each other: `target[i] = j` wherever `source[j] = i`, and -1 elsewhere. So the
transpose is a gather as well, which JAX cannot know of its own gather, whose transpose is a scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxpool._primitives._define import IN_LAX, alike, define_jvp


def move(values: Array, source: Array, target: Array, dimension: int) -> Array:
    """The values in the places that `source`, with positions along a dimension, gives them."""
    return move_p.bind(*alike(values, source, target), dimension=dimension)


def _type(values: Any, source: Any, target: Any, *, dimension: int) -> Any:
    return values.update(shape=source.shape, weak_type=False)


def _carry_out(values: Array, source: Array, target: Array, *, dimension: int) -> Array:
    if not values.shape[dimension]:
        return lax.full(source.shape, 0, values.dtype)
    moved = jnp.take_along_axis(values, lax.max(source, lax.full_like(source, 0)), dimension, mode="clip")
    return jnp.where(source >= 0, moved, np.zeros((), values.dtype))


def _tangent_rule(tangent, values, source, target, *, dimension):
    return move_p.bind(tangent, source, target, dimension=dimension)


def _transpose_rule(cotangent, values, source, target, *, dimension):
    if type(cotangent) is ad.Zero:
        return [ad.Zero(values.aval), None, None]
    return [move_p.bind(cotangent, target, source, dimension=dimension), None, None]


def _batching_rule(arrays: Sequence[Any], dimensions: Sequence[int | None], *, dimension: int):
    size = next(a.shape[d] for a, d in zip(arrays, dimensions, strict=True) if d is not None)
    aligned = [
        jnp.broadcast_to(a, (size, *a.shape)) if d is None else jnp.moveaxis(a, d, 0)
        for a, d in zip(arrays, dimensions, strict=True)
    ]
    return move_p.bind(*aligned, dimension=dimension + 1), 0


move_p = Primitive("move")
move_p.def_abstract_eval(_type)
move_p.def_impl(_carry_out)
IN_LAX[move_p] = _carry_out
mlir.register_lowering(move_p, mlir.lower_fun(_carry_out, multiple_results=False))
batching.primitive_batchers[move_p] = _batching_rule
define_jvp(move_p, _tangent_rule)
ad.primitive_transposes[move_p] = _transpose_rule
