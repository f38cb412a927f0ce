"""What the primitives have in common: shapes, batching and one lowering per platform."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AbstractMesh, use_abstract_mesh

from jaxpool._lowering import PLATFORMS, carry_out
from jaxpool._lowering.native import partitioned
from jaxpool._window import Window

# What a program of JAX's own operations alone has in place of each primitive.
IN_LAX: dict[Primitive, Callable] = {}


def define(name: str, abstract: Callable, *, multiple_results: bool = False) -> Primitive:
    """A primitive over arrays that share their dimensions, carried out by `_lowering`'s functions `name`."""
    primitive = Primitive(f"window_{name}")
    primitive.multiple_results = multiple_results
    primitive.def_abstract_eval(abstract)
    batching.primitive_batchers[primitive] = _batching_rule(primitive)
    for platform in PLATFORMS:
        function = functools.partial(carry_out, platform, name)
        mlir.register_lowering(primitive, lowering_rule(function, multiple_results), platform)
    primitive.def_impl(functools.partial(carry_out, None, name))
    # A TPU's choices are XLA's own operations on windows wherever there are any.
    IN_LAX[primitive] = functools.partial(carry_out, "tpu", name)
    return primitive


def define_jvp(primitive: Primitive, *rules: Callable) -> None:
    """Derivative rules, each linear in one of the leading operands; the other operands have no tangent."""

    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
        value = primitive.bind(*primals, **params)
        terms = [
            rule(tangent, *primals, **params)
            for rule, tangent in zip(rules, tangents[: len(rules)], strict=True)
            if type(tangent) is not ad.Zero
        ]
        return value, functools.reduce(lax.add, terms) if terms else no_tangent(value)

    ad.primitive_jvps[primitive] = jvp


def alike(*arrays: Array) -> list[Array]:
    """The arrays, of which inside `jax.shard_map` all count as different on each device if one does.

    JAX does so for its own operations. Only then it adds up over devices what is the gradient of the others.
    """
    varying = [_varying(array) for array in arrays]
    every = frozenset().union(*varying)
    return [
        array if own == every else _cast(array, tuple(every - own))
        for array, own in zip(arrays, varying, strict=True)
    ]


def _varying(array: Array) -> frozenset[Any]:
    """The axes of a mesh along which it differs between devices; JAX 0.8 says it elsewhere."""
    type_ = jax.typeof(array)
    return type_.mat.varying if hasattr(type_, "mat") else type_.vma


def _cast(array: Array, axes: tuple[Any, ...]) -> Array:
    if hasattr(lax, "pcast"):
        return lax.pcast(array, axes, to="varying")
    return lax.pvary(array, axes)  # pyright: ignore[reportAttributeAccessIssue]  # JAX 0.8's


def no_tangent(primal: Array) -> ad.Zero:
    """The tangent of what is piecewise constant."""
    return ad.Zero(jax.typeof(primal).to_tangent_aval())


def check_sharding(operand: Any, window: Window) -> None:
    """A window must not cross devices; what may, has fetched the cells that it needs and got here without."""
    for dimension in window.pooled:
        if (axis := operand.sharding.spec[dimension]) is not None:
            raise ValueError(
                f"inputs must not be sharded along a pooled axis of an explicit mesh: axis {dimension} of "
                f"{operand.str_short(short_dtypes=True)} is sharded over {axis!r}. Replicate it with "
                "jax.sharding.reshard, or pool inside jax.shard_map."
            )


def lowering_rule(function: Callable, multiple_results: bool) -> Callable:
    """How a primitive is lowered that a function of arrays carries out."""
    # How an array is laid out over an explicit mesh has been settled by the types. Below them, XLA carries
    # the layout along by itself, and constants and masks need not repeat it.
    no_mesh = AbstractMesh((), ())

    def without_mesh(*operands: Array, **params: Any) -> Any:
        with use_abstract_mesh(no_mesh):
            return function(*operands, **params)

    lower = mlir.lower_fun(without_mesh, multiple_results)

    def rule(ctx: Any, *operands: Any, **params: Any) -> Any:
        with use_abstract_mesh(no_mesh):
            plain = [ShapedArray(aval.shape, aval.dtype) for aval in ctx.avals_in]
        before = partitioned.set(_is_partitioned(ctx.module_context.axis_context))
        try:
            return lower(ctx.replace(avals_in=plain), *operands, **params)
        finally:
            partitioned.reset(before)

    return rule


def _is_partitioned(context: Any) -> bool:
    """Whether XLA splits arrays over devices; inside `jax.shard_map` the program has done so."""
    if hasattr(context, "manual_axes"):
        return frozenset(context.mesh.axis_names) != context.manual_axes
    return (getattr(context, "num_devices", None) or 1) > 1


def _batching_rule(primitive: Primitive) -> Callable:
    def rule(arrays: Sequence[Any], dimensions: Sequence[int | None], *, window: Window, **params):
        size = next(a.shape[d] for a, d in zip(arrays, dimensions, strict=True) if d is not None)
        position = next(d for d in dimensions if d is not None)
        places = len(arrays) - window.place_count  # which broadcast
        aligned = [
            _aligned(array, dimension, position, size if i < places else 1)
            for i, (array, dimension) in enumerate(zip(arrays, dimensions, strict=True))
        ]
        results = primitive.bind(*aligned, window=window.insert(position), **params)
        return results, (position,) * len(results) if primitive.multiple_results else position

    return rule


def _aligned(array: Any, dimension: int | None, position: int, size: int) -> Any:
    """The array with its batch dimension in a position; with one of this size where it has none."""
    if dimension is not None:
        return jnp.moveaxis(array, dimension, position)
    shape = (*array.shape[:position], size, *array.shape[position:])
    return jnp.broadcast_to(jnp.expand_dims(array, position), shape)


def table_type(like: Any, shape: tuple[int, ...], dtype: Any, *spec: Any) -> Any:
    """The type of a table of rows of another shape, and how it is split over an explicit mesh."""
    sharding = like.sharding.update(spec=jax.sharding.PartitionSpec(*spec))
    return like.update(shape=shape, dtype=np.dtype(dtype), sharding=sharding, weak_type=False)


def batched_in_tables(
    primitive: Primitive, arrays: Sequence[Any], dimensions: Sequence[int | None], **params: Any
) -> tuple[Any, Any]:
    """Batching of a primitive whose arrays have the batch first: one more dimension of it."""
    size = next(a.shape[d] for a, d in zip(arrays, dimensions, strict=True) if d is not None)
    aligned = [_aligned(array, d, 0, size) for array, d in zip(arrays, dimensions, strict=True)]
    batch = aligned[0].shape[1]
    merged = [array.reshape(size * batch, *array.shape[2:]) for array in aligned]
    results = primitive.bind(*merged, **params)
    split = jax.tree.map(lambda result: result.reshape(size, batch, *result.shape[1:]), results)
    return (split, [0] * len(split)) if primitive.multiple_results else (split, 0)
