"""The same pool by jaxpool, by Flax and by PyTorch, as calls that take no arguments, ready to be timed."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from benchmarks import pytorch
from benchmarks.cases import AnyCase, Case
from benchmarks.timing import Call

Pool = Callable[[jax.Array], jax.Array]
PyTorch = Callable[[AnyCase, jax.Array, jax.Array], "Contender"]
LARGE = 256 * 2**20  # bytes: an accelerator's caches hold little of it, and to launch takes no time beside
_DRAWN = 2**22 - 3  # a prime, so that what repeats in an array lies elsewhere in each image


@dataclasses.dataclass(frozen=True)
class Contender:
    """One library's way to pool: its result, and its `forward`, `backward` and `both`."""

    result: jax.Array
    calls: dict[str, Call]


@dataclasses.dataclass(frozen=True)
class CompiledPool:
    """The passes of a pool of JAX. The backward pass alone starts from what the forward pass kept for it."""

    forward: jax.stages.Compiled
    forward_for_backward: jax.stages.Compiled
    backward: jax.stages.Compiled
    both: jax.stages.Compiled

    def contender(self, inputs: jax.Array, cotangent: jax.Array) -> Contender:
        kept = self.forward_for_backward(inputs)[1]
        calls = {
            "forward": functools.partial(self.forward, inputs),
            "backward": functools.partial(self.backward, kept, inputs, cotangent),
            "both": functools.partial(self.both, inputs, cotangent),
            "forward_for_backward": functools.partial(self.forward_for_backward, inputs),
        }
        return Contender(self.forward(inputs), calls)


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def enlarge(case: AnyCase, size: int) -> Any:
    """The case with its batch repeated until the input has at least `size` bytes."""
    factor = math.ceil(size / (math.prod(case.shape) * jnp.dtype(case.dtype).itemsize))
    return dataclasses.replace(case, shape=(factor * case.shape[0], *case.shape[1:]))


def output_shape(case: AnyCase) -> tuple[int, ...]:
    return jax.eval_shape(jaxpool_pool(case), inputs_of(case)).shape


def selects(case: AnyCase) -> bool:
    """Whether the pool takes one element of each window; the others add them all."""
    return case.function.endswith(("max_pool", "min_pool", "median_pool"))


def is_curved(case: AnyCase) -> bool:
    """Whether the pool is a sum of what is no multiple of the inputs."""
    return case.function.endswith(("lp_pool", "soft_pool", "logsumexp_pool"))


def normal(shape: tuple[int, ...], dtype: Any, seed: int) -> jax.Array:
    """Normal random numbers, the same in every run; in large arrays they repeat."""
    numbers = np.random.default_rng(seed).standard_normal(min(math.prod(shape), _DRAWN), np.float32)
    return jnp.resize(jnp.asarray(numbers).astype(dtype), shape)


def inputs_of(case: AnyCase) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(case.shape, jnp.dtype(case.dtype))


def compile_pools(case: AnyCase) -> dict[str, CompiledPool]:
    """Those of JAX that can do the case, in the order of their turns."""
    return {name: compile_pool(pool, inputs_of(case)) for name, pool in pools_of(case).items()}


def pools_of(case: AnyCase) -> dict[str, Pool]:
    """jaxpool's, and Flax's where it has one."""
    pools = {"jaxpool": jaxpool_pool(case)}
    if isinstance(case, Case) and case.function in _FLAX and not (case.dilation or case.ceil_mode):
        pools["flax"] = flax_pool(case)
    return pools


def contenders(
    case: AnyCase,
    inputs: jax.Array,
    by_pytorch: PyTorch | None,
    compiled: Mapping[str, CompiledPool] | None = None,
) -> dict[str, Contender]:
    """All who can do the case, with the same inputs and cotangents, and seen to agree."""
    cotangent = normal(output_shape(case), case.dtype, seed=1)
    compiled = compiled or compile_pools(case)
    found = {name: pool.contender(inputs, cotangent) for name, pool in compiled.items()}
    if by_pytorch and pytorch.can(case):
        found["pytorch"] = by_pytorch(case, inputs, cotangent)
    check_agreement(case, found)
    return found


def check_agreement(case: AnyCase, found: dict[str, Contender]) -> None:
    """Raises where a contender computes something else than jaxpool, for then its time means nothing."""
    expected = found["jaxpool"].result
    for name, contender in found.items():
        same_shape = contender.result.shape == expected.shape
        if not (same_shape and difference(contender.result, expected) <= tolerance(case)):
            raise ValueError(f"{name} and jaxpool compute different results for {case}")


@jax.jit
def difference(result: jax.Array, expected: jax.Array) -> jax.Array:
    """The largest error, where the largest number that is expected is one."""
    result, expected = result.astype(np.float32), expected.astype(np.float32)
    error = jnp.abs(result - expected).max()
    return jnp.where(error == 0, 0.0, error / jnp.abs(expected).max())


def tolerance(case: AnyCase) -> float:
    """The largest error, where the largest result is one."""
    if selects(case):
        return 0.0
    # Flax adds in low precision: bfloat16 over 31x31 elements errs by a tenth of the largest sum.
    return {"bfloat16": 0.2, "float16": 0.05}.get(case.dtype, 1e-5)


def jaxpool_pool(case: AnyCase) -> Pool:
    key = (None,) if case.function.startswith("fractional") else ()  # the samples are given
    return lambda x: getattr(jaxpool, case.function)(*key, x, *case.arguments, **case.options)


def flax_pool(case: Case) -> Pool:
    """Flax's pool. It wants channels last: those that come first are viewed as more batch, at no cost."""
    pool = _FLAX[case.function]
    if case.channel_axis == -1:
        return lambda x: pool(x, *case.arguments)
    merged = (-1, *case.shape[-len(case.window_shape) :], 1)
    return lambda x: pool(x.reshape(merged), *case.arguments).reshape(output_shape(case))


_FLAX: dict[str, Callable[..., jax.Array]] = {
    "max_pool": nn.max_pool,
    "min_pool": nn.pooling.min_pool,
    "avg_pool": nn.avg_pool,
    "sum_pool": lambda x, *arguments: nn.pool(x, 0.0, jax.lax.add, *arguments),
}


def both_passes(pool: Pool) -> Callable[[jax.Array, jax.Array], Any]:
    """The value of a pool and the gradient, as one function."""

    def both(x, cotangent):
        value, pullback = jax.vjp(pool, x)
        return value, pullback(cotangent)

    return both


def compile_pool(pool: Pool, x: jax.ShapeDtypeStruct) -> CompiledPool:
    """The programs of a pool of JAX, for inputs of one shape."""

    def forward_for_backward(x):
        value, pullback = jax.vjp(pool, x)
        # As leaves, because to take the pullback apart at each call costs 10 to 20 microseconds of Python;
        # without the operand, which a program would copy.
        return value, [None if leaf is x else leaf for leaf in jax.tree.leaves(pullback)]

    structure = jax.tree.structure(jax.eval_shape(lambda x: jax.vjp(pool, x)[1], x))
    value, kept = jax.eval_shape(forward_for_backward, x)

    def backward(kept, operand, cotangent):
        leaves = [operand if leaf is None else leaf for leaf in kept]
        return jax.tree.unflatten(structure, leaves)(cotangent)

    def compiled(function, *arguments):
        return jax.jit(function).lower(*arguments).compile()

    return CompiledPool(
        compiled(pool, x),
        compiled(forward_for_backward, x),
        compiled(backward, kept, x, value),
        compiled(both_passes(pool), x, value),
    )


def find_pytorch(python: Path | None = None) -> tuple[PyTorch | None, str]:
    """PyTorch, of this interpreter or of another one, or the reason why it is left out; else its version."""
    if python:
        elsewhere = pytorch.Elsewhere(python, cores())
        return functools.partial(_elsewhere, elsewhere), elsewhere.version
    if importlib.util.find_spec("torch") is None:
        return None, "PyTorch is not installed"
    import torch  # pyright: ignore[reportMissingImports]

    if jax.default_backend() != "cpu" and not torch.cuda.is_available():
        return None, "PyTorch does not see the device"
    torch.set_num_threads(cores())
    return pytorch_contender, torch.__version__


def pytorch_contender(case: AnyCase, inputs: jax.Array, cotangent: jax.Array) -> Contender:
    """PyTorch's pool, on JAX's device."""
    import torch  # pyright: ignore[reportMissingImports]

    result, calls = pytorch.calls(case, torch.from_dlpack(inputs), torch.from_dlpack(cotangent))
    return Contender(jnp.from_dlpack(result), calls)


def _elsewhere(elsewhere: pytorch.Elsewhere, case: AnyCase, *arrays: jax.Array) -> Contender:
    result, calls = elsewhere.calls(case, *map(np.asarray, arrays))
    return Contender(jnp.asarray(result.view(jnp.dtype(case.dtype))), calls)
