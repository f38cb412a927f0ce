"""The same pool by jaxpool, by Flax and by PyTorch, as calls that take no arguments, ready to be timed."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
import os
import types
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from benchmarks.cases import Case, Resizing
from benchmarks.timing import Call

AnyCase = Case | Resizing
Pool = Callable[[jax.Array], jax.Array]
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


def why_without_pytorch() -> str:
    """The reason to leave PyTorch out; empty if there is none."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    if jax.default_backend() == "cpu":
        return ""
    import torch  # pyright: ignore[reportMissingImports]

    return "" if torch.cuda.is_available() else "PyTorch does not see the device"


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
    return case.function.endswith(("max_pool", "min_pool"))


def normal(shape: tuple[int, ...], dtype: Any, seed: int) -> jax.Array:
    """Normal random numbers, the same in every run; in large arrays they repeat."""
    numbers = np.random.default_rng(seed).standard_normal(min(math.prod(shape), _DRAWN), np.float32)
    return jnp.resize(jnp.asarray(numbers).astype(dtype), shape)


def inputs_of(case: AnyCase) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(case.shape, jnp.dtype(case.dtype))


def compile_pools(case: AnyCase) -> dict[str, CompiledPool]:
    """Those of JAX that can do the case, in the order of their turns."""
    pools = {"jaxpool": jaxpool_pool(case)}
    if isinstance(case, Case):  # Flax has no other pools
        pools["flax"] = flax_pool(case)
    return {name: compile_pool(pool, inputs_of(case)) for name, pool in pools.items()}


def contenders(
    case: AnyCase, inputs: jax.Array, with_pytorch: bool, compiled: Mapping[str, CompiledPool] | None = None
) -> dict[str, Contender]:
    """All who can do the case, with the same inputs and cotangents, and seen to agree."""
    cotangent = normal(output_shape(case), case.dtype, seed=1)
    compiled = compiled or compile_pools(case)
    found = {name: pool.contender(inputs, cotangent) for name, pool in compiled.items()}
    # PyTorch has no minimum.
    if with_pytorch and case.function != "min_pool":
        found["pytorch"] = pytorch_contender(case, inputs, cotangent)
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
    # Flax adds bfloat16 in bfloat16: over 31x31 elements it errs by a tenth of the largest sum.
    return 0.2 if case.dtype == "bfloat16" else 1e-5


def jaxpool_pool(case: AnyCase) -> Pool:
    key = (None,) if case.function.startswith("fractional") else ()  # the samples are given
    return lambda x: getattr(jaxpool, case.function)(*key, x, *case.arguments, **case.options)


def flax_pool(case: Case) -> Pool:
    """Flax's pool. It wants channels last: those that come first are viewed as more batch, at no cost."""
    functions = {
        "max_pool": nn.max_pool,
        "min_pool": nn.pooling.min_pool,
        "avg_pool": nn.avg_pool,
        "sum_pool": lambda x, *arguments: nn.pool(x, 0.0, jax.lax.add, *arguments),
    }
    pool = functions[case.function]
    if case.channel_axis == -1:
        return lambda x: pool(x, *case.arguments)
    merged = (-1, *case.shape[2:], 1)
    return lambda x: pool(x.reshape(merged), *case.arguments).reshape(output_shape(case))


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


def pytorch_contender(case: AnyCase, inputs: jax.Array, cotangent: jax.Array) -> Contender:
    """PyTorch's pool, on JAX's device, in the layout of the case and in the form that it likes best.

    Channels that come last stay so in memory, in two and three dimensions by PyTorch's `channels_last`;
    in one dimension it has no such format.
    """
    import torch  # pyright: ignore[reportMissingImports]

    def tensor(array: jax.Array) -> torch.Tensor:
        values = torch.from_dlpack(array)
        values = values.movedim(case.channel_axis, 1) if array.ndim > 2 else values
        return values.contiguous() if values.ndim == 3 else values

    torch.set_num_threads(cores())
    pool = _pytorch_pool(case) if isinstance(case, Case) else _pytorch_resizing(case)
    x, gradient = tensor(inputs), tensor(cotangent)
    variable = x.clone().requires_grad_()
    value = pool(variable)

    def pull_back(value: torch.Tensor, **options: bool) -> torch.Tensor:
        (pulled,) = torch.autograd.grad(value, variable, gradient, **options)
        # That of a sum is a view of the cotangent: it is written out, as all the others are.
        return pulled.clone() if 0 in pulled.stride() else pulled

    def both():
        value = pool(variable)
        return value, pull_back(value)

    calls = {
        "forward": torch.no_grad()(lambda: pool(x)),
        "backward": lambda: pull_back(value, retain_graph=True),
        "both": both,
    }
    if x.is_cuda:
        calls = {step: _enqueuing(call) for step, call in calls.items()}
    result = value.detach() if value.ndim == 2 else value.detach().movedim(1, case.channel_axis)
    return Contender(jnp.from_dlpack(result.contiguous()), calls)


def _enqueuing(call: Call) -> Call:
    """A call of PyTorch on a GPU, which returns at once, with what JAX can wait for."""
    import torch  # pyright: ignore[reportMissingImports]

    work = types.SimpleNamespace(block_until_ready=torch.cuda.synchronize)

    def enqueue():
        call()
        return work

    return enqueue


def _pytorch_pool(case: Case) -> Callable[[Any], Any]:
    import torch  # pyright: ignore[reportMissingImports]

    rank = len(case.window_shape)
    kind = "max" if case.function == "max_pool" else "avg"
    options = {"divisor_override": 1} if case.function == "sum_pool" else {}
    low_padding = tuple(low for low, _ in case.padding)
    function = getattr(torch.nn.functional, f"{kind}_pool{rank}d")
    return functools.partial(
        function, kernel_size=case.window_shape, stride=case.strides, padding=low_padding, **options
    )


def _pytorch_resizing(case: Resizing) -> Callable[[Any], Any]:
    """What users of PyTorch write; for a global maximum an adaptive one, which is faster than `amax`."""
    import torch  # pyright: ignore[reportMissingImports]

    functional, axes = torch.nn.functional, tuple(range(2, len(case.shape)))
    rank = len(axes)
    adaptive_max = getattr(functional, f"adaptive_max_pool{rank}d")
    adaptive_avg = getattr(functional, f"adaptive_avg_pool{rank}d")

    def fractional(x):
        samples = torch.from_numpy(case.options["random_samples"][..., ::-1].copy()).to(x.device)
        return functional.fractional_max_pool2d(x, case.window_shape, case.output, _random_samples=samples)

    return {
        "adaptive_max_pool": lambda x: adaptive_max(x, case.output),
        "adaptive_avg_pool": lambda x: adaptive_avg(x, case.output),
        "fractional_max_pool": fractional,
        "global_max_pool": lambda x: adaptive_max(x, 1).flatten(1),
        "global_avg_pool": lambda x: x.mean(axes),
        "global_sum_pool": lambda x: x.sum(axes),
        "global_lp_pool": lambda x: torch.linalg.vector_norm(x, dim=axes),
        "global_logsumexp_pool": lambda x: torch.logsumexp(x, axes),
    }[case.function]
