"""Products of an array with weights, of which those that are 0 leave out what is not finite too."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxpool._lowering.native import partitioned


def product(values: Array, *weights: Array, subscripts: str) -> Array:
    """`einsum(subscripts, *weights, values)` of finite values by one product; of others by three.

    Which of them is for each device to see: between devices the answer would have to be sent.
    """
    if partitioned.get():
        return product_of_any(values, *weights, subscripts=subscripts)
    are_finite = jnp.isfinite(jnp.sum(values))  # unless that overflows
    return _add_products(jnp.where(are_finite, 1, 3), values, weights, subscripts)


def product_of_any(values: Array, *weights: Array, subscripts: str) -> Array:
    """The same by three products without asking first."""
    return _add_products(3, values, weights, subscripts)


def _add_products(count: Array | int, values: Array, weights: tuple[Array, ...], subscripts: str) -> Array:
    """The product of what is finite, then infinity where a weight meets it or NaN, then the negative one.

    Weights are not negative, so a sum of those of some cells is positive where one of them is. In a loop,
    with the memory of one product: branches of a condition would have memory of their own.
    """

    def product(operand: Array) -> Array:
        return jnp.einsum(subscripts, *weights, operand, precision=lax.Precision.HIGHEST)

    def add(number: Array, total: Array) -> Array:
        infinity = jnp.where(number == 1, np.inf, -np.inf).astype(values.dtype)
        met = (jnp.isnan(values) | (values == infinity)).astype(values.dtype)
        result = product(jnp.where(number == 0, jnp.where(jnp.isfinite(values), values, 0), met))
        return total + jnp.where(number == 0, result, jnp.where(result > 0, infinity, 0))

    shape = jax.eval_shape(product, values)
    return lax.fori_loop(0, count, add, jnp.zeros(shape.shape, shape.dtype))
