"""Programs of JAX's own operations alone, for what reads programs and knows no others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import JaxprEqn, Literal, Primitive

from jaxpool._primitives._define import IN_LAX

# Operations that call a function, under their names in JAX 0.8 and later.
_CALLS = {"jit", "pjit", "closed_call", "checkpoint", "remat2", "custom_jvp_call", "custom_vjp_call"}


def as_lax(function: Callable) -> Callable:
    """The same function as a program of `jax.lax`, for exporters and interpreters.

    Pools are operations of their own to JAX, so that derivatives are exact and each platform has its own
    program. What reads `jax.make_jaxpr` knows only JAX's: in what this returns, a pool is
    `lax.reduce_window`, `select_and_scatter`, a reduction, or slices and gathers where JAX has no operation
    for it. Results are the same: those of the program for TPUs, so that sums may differ in the last bit.

    - Functions that `jax.jit`, `jax.checkpoint`, `jax.custom_jvp` and `jax.custom_vjp` call are written out
      where they are called, a choice by platform is that for platforms of no name, and barriers to
      optimisation, which change no value, are left out. Gathers never ask for what is outside. Loops and
      conditions stay, and what is in them is translated too.
    - Derivatives that are taken inside, as in `as_lax(jax.grad(loss))`, are exact. Taken outside, as in
      `jax.grad(as_lax(loss))`, they are those that JAX has for its operations: a maximum's goes to the first
      element as well, but with NaN it may go elsewhere, and with dilation there is none in reverse mode.
    - `jax.export` and `jax.jit` need none of this: there pools are StableHLO's operations as it is.

    Args:
      function: any function of trees of arrays that JAX can trace. It changes nothing outside, so that
        modules which count or draw random numbers are set to evaluate.

    Returns:
      A function of the same arguments and results, which works under all transformations.

    Raises:
      NotImplementedError: when it is called, if it uses `jax.shard_map`.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> pool = jaxpool.as_lax(lambda x: jaxpool.max_pool(x, (2, 2), (2, 2)))
      >>> [equation.primitive.name for equation in jax.make_jaxpr(pool)(jnp.ones((4, 4, 1))).eqns]
      ['reduce_window_max']
    """
    return written_out(function, IN_LAX)


def written_out(function: Callable, replacements: Mapping[Primitive, Callable]) -> Callable:
    """The function without calls, and with a function of the same operands in place of some operations."""

    @functools.wraps(function)
    def program(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        trees = []

        def flat(*leaves: Any) -> list[Any]:
            args, kwargs = jax.tree.unflatten(tree, leaves)
            results, results_tree = jax.tree.flatten(function(*args, **kwargs))
            trees.append(results_tree)
            return results

        results = _run(flat, leaves, replacements)
        return jax.tree.unflatten(trees[0], results)

    return program


def _run(
    function: Callable, operands: Sequence[Any], replacements: Mapping[Primitive, Callable]
) -> list[Any]:
    return _evaluate(jax.make_jaxpr(function)(*operands), operands, replacements)


def _evaluate(program: Any, operands: Sequence[Any], replacements: Mapping[Primitive, Callable]) -> list[Any]:
    """Carries out a program's equations; one that is not closed has no constants."""
    constants, program = getattr(program, "consts", ()), getattr(program, "jaxpr", program)
    values = dict(zip([*program.constvars, *program.invars], [*constants, *operands], strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in program.eqns:
        results = _carry_out(equation, [read(variable) for variable in equation.invars], replacements)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(variable) for variable in program.outvars]


def _carry_out(
    equation: JaxprEqn, operands: Sequence[Any], replacements: Mapping[Primitive, Callable]
) -> list[Any]:
    primitive, params = equation.primitive, equation.params
    if primitive in replacements:
        function = functools.partial(replacements[primitive], **params)
        return _run(lambda *operands: jax.tree.leaves(function(*operands)), operands, replacements)
    if primitive.name in _CALLS:
        return _evaluate(params.get("jaxpr", params.get("call_jaxpr")), operands, replacements)
    if primitive.name == "platform_index":
        return [np.int32(params["platforms"].index(None))]
    if primitive.name == "cond" and isinstance(operands[0], np.integer):  # which platform_index gave
        return _evaluate(params["branches"][operands[0]], operands[1:], replacements)
    if primitive.name == "optimization_barrier":
        return list(operands)
    if primitive.name == "gather" and params["mode"] == lax.GatherScatterMode.CLIP:
        array, starts = operands
        operands = [array, _inside(array, starts, params["dimension_numbers"], params["slice_sizes"])]
    if primitive.name == "shard_map":
        raise NotImplementedError("as_lax cannot translate what is inside of jax.shard_map.")
    translated = {key: _translated(value, replacements) for key, value in params.items()}
    results = primitive.bind(*operands, **translated)
    return results if primitive.multiple_results else [results]


def _inside(array: Array, starts: Array, numbers: lax.GatherDimensionNumbers, sizes: Sequence[int]) -> Array:
    """Where slices of an array start, brought inside of it, as only XLA's gather does by itself."""
    lasts = jnp.array([array.shape[axis] - sizes[axis] for axis in numbers.start_index_map], starts.dtype)
    lasts = lax.broadcast_in_dim(lasts, starts.shape, [starts.ndim - 1])
    return lax.clamp(starts.dtype.type(0), starts, lasts)


def _translated(parameter: Any, replacements: Mapping[Primitive, Callable]) -> Any:
    """A parameter of an operation; if it is a program, such as a loop's body, without what is replaced."""
    if hasattr(parameter, "jaxpr"):  # which has its constants; JAX before 0.11 has programs without, too
        return jax.make_jaxpr(lambda *operands: _evaluate(parameter, operands, replacements))(
            *parameter.in_avals
        )
    if type(parameter) is tuple:
        return tuple(_translated(part, replacements) for part in parameter)
    return parameter
