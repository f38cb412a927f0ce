"""What a call of a function costs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import Jaxpr, Literal


class Cost(NamedTuple):
    """What one call of a function costs."""

    flops: int
    """Operations of the compiled program on numbers of any type."""
    bytes_moved: int
    """What the operations of the compiled program read and write."""
    temporary_bytes: int
    """The most memory that the compiled program has at once beside its arguments and results."""
    activation_bytes: int
    """What the derivative needs from the forward pass, beside the arguments."""
    parameters: int
    """The elements of the first argument, where others follow."""


def cost(function: Callable[..., Any], *example: Any) -> Cost:
    r"""What one call of a function costs, as the compiler counts it for the default device.

    - `flops` and `bytes_moved` are XLA's own figures for the compiled program. As a rule it counts the body
      of a loop once, and custom calls, which it cannot look into, not at all. To count a training step, pass
      its gradient: `cost(jax.grad(loss), parameters, inputs)`.
    - `activation_bytes` are the sizes of all arrays that reverse mode, with respect to all floating-point
      arguments, hands from the forward pass to the backward one. An array that is needed twice counts once.
      Arguments and arrays that the function closes over, which are there anyway, do not count, nor does what
      depends on neither, such as zeros. It is what JAX keeps when it traces the function, before a
      compiler leaves out what its platform does not read.
    - Nothing is run: an example may have shapes and dtypes in place of arrays.

    Args:
      function: takes trees of arrays and returns one; JAX must be able to differentiate it.
      *example: its arguments, the parameters first; or the inputs alone, as one argument, where there are no
        parameters. Arrays or `jax.ShapeDtypeStruct`, or trees of them.

    Returns:
      `Cost`, in plain integers.

    Raises:
      ValueError: there are no arguments.
      NotImplementedError: the device's compiler does not tell what a program costs.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> from jaxpool import analysis
      >>> weights, x = jnp.ones((64, 10)), jax.ShapeDtypeStruct((32, 64), jnp.float32)
      >>> dense = analysis.cost(lambda weights, x: x @ weights, weights, x)
      >>> dense.flops, dense.activation_bytes, dense.parameters
      (40960, 0, 640)
      >>> images = jax.ShapeDtypeStruct((8, 32, 32, 16), jnp.float32)
      >>> analysis.cost(lambda x: jaxpool.max_pool(x, (2, 2), (2, 2)), images).activation_bytes
      32768

    References:
      `jax.stages.Compiled.cost_analysis` and `memory_analysis`.
    """
    if not example:
        raise ValueError("example must hold at least one argument of function, got none.")
    compiled = jax.jit(function).lower(*example).compile()
    counts, memory = compiled.cost_analysis(), compiled.memory_analysis()
    if counts is None or memory is None:
        raise NotImplementedError("the device's compiler does not tell what a program costs.")
    return Cost(
        # XLA leaves out what is 0.
        flops=int(counts.get("flops", 0)),
        bytes_moved=int(counts.get("bytes accessed", 0)),
        temporary_bytes=memory.temp_size_in_bytes,
        activation_bytes=_activation_bytes(function, example),
        parameters=sum(map(np.size, jax.tree.leaves(example[0]))) if len(example) > 1 else 0,
    )


def _activation_bytes(function: Callable[..., Any], example: tuple[Any, ...]) -> int:
    traced = jax.make_jaxpr(lambda *arguments: jax.tree.leaves(jax.vjp(function, *arguments)[1]))(*example)
    given = {*traced.jaxpr.invars, *traced.jaxpr.constvars}
    varies = _varies(traced.jaxpr, [True] * len(traced.jaxpr.invars))
    kept = set(itertools.compress(traced.jaxpr.outvars, varies)) - given
    arrays: list[Any] = [variable.aval for variable in kept]
    return sum(math.prod(array.shape) * array.dtype.itemsize for array in arrays)


def _varies(program: Jaxpr, arguments: Sequence[bool]) -> list[bool]:
    """Which results of a program depend on an array, where some of its arguments do."""
    varying = {*itertools.compress(program.invars, arguments), *program.constvars}

    def depends(atoms: Sequence[Any]) -> list[bool]:
        return [not isinstance(atom, Literal) and atom in varying for atom in atoms]

    for equation in program.eqns:
        reads = depends(equation.invars)
        called = equation.params.get("jaxpr") if equation.primitive.name in ("jit", "pjit") else None
        writes = _varies(called.jaxpr, reads) if called else [any(reads)] * len(equation.outvars)
        varying.update(itertools.compress(equation.outvars, writes))
    return depends(program.outvars)
