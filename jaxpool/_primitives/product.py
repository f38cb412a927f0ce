"""Products with weights of which most are 0: what regions of whole cells are averaged with.

    y = W x                 x' = W^T y

are the same operation with other subscripts, each the other's transpose. To XLA a weight of 0 times NaN is
NaN, in the product and in its transpose, so that a cell would reach regions that it is not in, and a region's
gradient cells that are not in it. Here 0 means: leave out. Regions that read a known number of cells take
rows (`rows.py`); of these a bin may have any number of cells, up to all.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec

from jaxpool._lowering import product as lowering
from jaxpool._primitives._define import IN_LAX, alike, define_jvp, lowering_rule


def weighted_product(subscripts: str, *operands: Array) -> Array:
    """`jnp.einsum(subscripts, *weights, values)`, where a weight of 0 leaves out whatever it meets.

    Args:
      subscripts: of the weights, the values and the result, such as `"rh,hc->rc"`.
      operands: weights, which are not negative and have no derivative, and values, all of one floating dtype.
    """
    *weights, values = operands
    return product_p.bind(*alike(values, *weights), subscripts=subscripts)


def _parts(subscripts: str) -> tuple[list[str], str, str]:
    """The subscripts of the weights, of the values and of the result."""
    operands, result = subscripts.split("->")
    *weights, values = operands.split(",")
    return weights, values, result


def _joined(weights: Sequence[str], values: str, result: str) -> str:
    return f"{','.join([*weights, values])}->{result}"


def _type(values: Any, *weights: Any, subscripts: str) -> Any:
    of_weights, of_values, result = _parts(subscripts)
    sizes, split = {}, {}
    for names, array in zip([*of_weights, of_values], [*weights, values], strict=True):
        sizes.update(zip(names, array.shape, strict=True))
        split.update(zip(names, array.sharding.spec, strict=True))
    sharding = values.sharding.update(spec=PartitionSpec(*(split[name] for name in result)))
    return values.update(shape=tuple(sizes[name] for name in result), sharding=sharding, weak_type=False)


def _batched(
    arrays: Sequence[Any], dimensions: Sequence[int | None], *, subscripts: str
) -> tuple[Array, int]:
    """One more subscript, of what has the dimension."""
    new = next(letter for letter in string.ascii_letters if letter not in subscripts)
    of_weights, of_values, result = _parts(subscripts)
    names = [
        name if d is None else new + name
        for name, d in zip([of_values, *of_weights], dimensions, strict=True)
    ]
    moved = [
        array if d is None else jnp.moveaxis(array, d, 0) for array, d in zip(arrays, dimensions, strict=True)
    ]
    return product_p.bind(*moved, subscripts=_joined(names[1:], names[0], new + result)), 0


def _transpose(cotangent: Any, values: Any, *weights: Array, subscripts: str) -> tuple[Any, ...]:
    of_weights, of_values, result = _parts(subscripts)
    back = product_p.bind(cotangent, *weights, subscripts=_joined(of_weights, result, of_values))
    return back, *(None for _ in weights)


product_p = Primitive("weighted_product")
product_p.def_abstract_eval(_type)
product_p.def_impl(functools.partial(jax.jit, static_argnames="subscripts")(product_p.bind))
batching.primitive_batchers[product_p] = _batched
mlir.register_lowering(product_p, lowering_rule(lowering.product, False))
IN_LAX[product_p] = lowering.product_of_any
define_jvp(product_p, lambda tangent, _, *weights, **params: product_p.bind(tangent, *weights, **params))
ad.primitive_transposes[product_p] = _transpose
