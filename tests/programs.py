"""What a program for any platform computes, found out by StableHLO's own reference interpreter.

Where JAX compiles and runs a program, this reads the program that it would compile: that of a GPU or a TPU
too. It takes milliseconds where compilation takes a good part of a second, and the code of the test's own
machine has no part in it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.mlir import ir, passmanager
from jax.extend.mlir.dialects import stablehlo

stablehlo.register_stablehlo_passes()
# The interpreter knows no operation of the dialect that is above StableHLO, such as a square.
_LEGALIZE = "builtin.module(func.func(chlo-legalize-to-stablehlo))"


class Program:
    """A function of trees of arrays that are like some examples, as a platform would have it carried out."""

    def __init__(self, function: Callable, *examples: Any, platform: str = "cpu"):
        leaves, tree = jax.tree.flatten(examples)
        leaves = [np.asarray(leaf) for leaf in leaves]

        def program(*encoded):
            rest = iter(encoded)
            # MLIR has no constants without elements.
            inputs = [
                _decode(next(rest), leaf.dtype) if leaf.size else jnp.zeros(leaf.shape, leaf.dtype)
                for leaf in leaves
            ]
            outputs, self._tree = jax.tree.flatten(function(*jax.tree.unflatten(tree, inputs)))
            self._types = [(output.shape, output.dtype) for output in outputs]
            return [_encode(output) for output in outputs if output.size]

        traced = jax.jit(program, keep_unused=True).trace(*_encoded(examples))
        self._module = traced.lower(lowering_platforms=(platform,)).compiler_ir("stablehlo")
        with self._module.context, ir.Location.unknown():
            passmanager.PassManager.parse(_LEGALIZE).run(self._module.operation)

    def __call__(self, *arrays: Any) -> Any:
        with self._module.context, ir.Location.unknown():
            constants = [ir.DenseElementsAttr.get(array, shape=array.shape) for array in _encoded(arrays)]
            found = iter([np.array(result) for result in stablehlo.eval_module(self._module, constants)])
        leaves = [
            _decode(next(found), dtype).reshape(shape) if 0 not in shape else np.zeros(shape, dtype)
            for shape, dtype in self._types
        ]
        return jax.tree.unflatten(self._tree, leaves)


def interpret(function: Callable, *arrays: Any, platform: str = "cpu") -> Any:
    """`function(*arrays)` as a platform would have it carried out."""
    return Program(function, *arrays, platform=platform)(*arrays)


def _encoded(arrays: Any) -> list[np.ndarray]:
    leaves = map(np.asarray, jax.tree.leaves(arrays))
    return [np.require(_encode(leaf), requirements="C") for leaf in leaves if leaf.size]


def _encode(array: Any) -> Any:
    """The same bits as numbers that NumPy and MLIR both know: no bools, no unsigned ones, few of 16 bits."""
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        return np.stack([array.real, array.imag]) if isinstance(array, np.ndarray) else _parts(array)
    if array.dtype == np.bool_:
        return array.astype(np.int8)
    carrier = _carrier(array.dtype)
    return array.view(carrier) if isinstance(array, np.ndarray) else lax.bitcast_convert_type(array, carrier)


def _decode(array: Any, dtype: np.dtype) -> Any:
    if jnp.issubdtype(dtype, jnp.complexfloating):
        real, imaginary = array
        return real + 1j * imaginary if isinstance(array, np.ndarray) else lax.complex(real, imaginary)
    if dtype == np.bool_:
        return array.astype(np.bool_)
    return array.view(dtype) if isinstance(array, np.ndarray) else lax.bitcast_convert_type(array, dtype)


def _parts(array: jax.Array) -> jax.Array:
    return jnp.stack([lax.real(array), lax.imag(array)])


def _carrier(dtype: np.dtype) -> np.dtype:
    if jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize > 2:
        return dtype
    return np.dtype(f"int{8 * dtype.itemsize}")


def value_and_gradient(pool, inputs):
    """The values, and the gradient of their sum."""

    def both(inputs):
        value, pullback = jax.vjp(pool, inputs)
        return value, pullback(jnp.ones_like(value))[0]

    return interpret(both, inputs)
