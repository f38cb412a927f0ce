"""What the primitives have in common: shapes, batching and one lowering per platform."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir
from jax.sharding import AbstractMesh, use_abstract_mesh

from jaxpool._lowering import PLATFORMS, implementation
from jaxpool._window import Window


def define(name: str, abstract: Callable, *, multiple_results: bool = False) -> Primitive:
    """A primitive over arrays that share their dimensions, carried out by `_lowering`'s functions `name`."""
    primitive = Primitive(f"window_{name}")
    primitive.multiple_results = multiple_results
    primitive.def_abstract_eval(abstract)
    batching.primitive_batchers[primitive] = _batching_rule(primitive)
    for platform in PLATFORMS:
        mlir.register_lowering(primitive, _lowering_rule(platform, name, multiple_results), platform)
    primitive.def_impl(lambda *operands, **params: implementation(None, name)(*operands, **params))
    return primitive


def check_sharding(operand: Any, window: Window) -> None:
    """On an explicit mesh the type says how an array is laid out; a window must not cross devices."""
    for dimension in window.pooled:
        if (axis := operand.sharding.spec[dimension]) is not None:
            raise ValueError(
                f"inputs must not be sharded along a pooled axis of an explicit mesh: axis {dimension} of "
                f"{operand.str_short(short_dtypes=True)} is sharded over {axis!r}. Replicate it with "
                "jax.sharding.reshard, or pool inside jax.shard_map."
            )


def _lowering_rule(platform: str | None, name: str, multiple_results: bool) -> Callable:
    # How an array is laid out over an explicit mesh has been settled by the types. Below them, XLA carries
    # the layout along by itself, and constants and masks need not repeat it.
    no_mesh = AbstractMesh((), ())

    def without_mesh(*operands: Array, **params: Any) -> Any:
        with use_abstract_mesh(no_mesh):
            return implementation(platform, name)(*operands, **params)

    lower = mlir.lower_fun(without_mesh, multiple_results)

    def rule(ctx: Any, *operands: Any, **params: Any) -> Any:
        with use_abstract_mesh(no_mesh):
            plain = [ShapedArray(aval.shape, aval.dtype) for aval in ctx.avals_in]
        return lower(ctx.replace(avals_in=plain), *operands, **params)

    return rule


def _batching_rule(primitive: Primitive) -> Callable:
    def rule(arrays: Sequence[Any], dimensions: Sequence[int | None], *, window: Window, **params):
        size = next(a.shape[d] for a, d in zip(arrays, dimensions, strict=True) if d is not None)
        position = next(d for d in dimensions if d is not None)
        aligned = [
            jnp.broadcast_to(jnp.expand_dims(a, position), (*a.shape[:position], size, *a.shape[position:]))
            if d is None
            else jnp.moveaxis(a, d, position)
            for a, d in zip(arrays, dimensions, strict=True)
        ]
        results = primitive.bind(*aligned, window=window.insert(position), **params)
        return results, (position,) * len(results) if primitive.multiple_results else position

    return rule
