"""Pools of segments by jaxpool, `jax.ops` and PyTorch, as calls that take no arguments, ready to be timed."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from benchmarks import contenders, pytorch
from benchmarks.timing import Call


@dataclasses.dataclass(frozen=True)
class Segmented:
    """A pool of rows in segments of random lengths; with a giant, half of the rows are in one of them."""

    function: str
    in_order: bool = True
    rows: int = 2**20
    channels: int = 64
    segments: int = 50_000
    giant: bool = False
    dtype: str = "float32"

    def __str__(self) -> str:
        order = "sorted" if self.in_order else "unsorted"
        giant = ", one of half" if self.giant else ""
        size = f"{self.rows}x{self.channels}"
        return f"segment_{self.function} {self.dtype} {size} {order} to {self.segments}{giant}"


CASES = (
    *(Segmented(name, order) for name in ("sum", "max") for order in (True, False)),
    Segmented("avg"),
    Segmented("logsumexp"),
    *(Segmented(name, segments=2**19) for name in ("sum", "max")),
    *(Segmented(name, segments=1000) for name in ("sum", "max")),
    *(Segmented(name, giant=True) for name in ("sum", "max")),
    *(Segmented(name, order, dtype="bfloat16") for name in ("sum", "max") for order in (True, False)),
    *(Segmented(name, rows=2**22, channels=3, segments=2**18) for name in ("sum", "max")),
    *(Segmented(name, rows=2**24, channels=1, segments=2**16) for name in ("sum", "max")),
)


def ids_of(case: Segmented) -> jax.Array:
    random = np.random.default_rng(2)
    ids = random.integers(0, case.segments, case.rows, np.int32)
    if case.giant:
        ids[: case.rows // 2] = case.segments // 2
    return jnp.asarray(np.sort(ids) if case.in_order else random.permutation(ids))


def compile_pools(case: Segmented) -> dict[str, dict[str, jax.stages.Compiled]]:
    """Forward, and forward and backward, by all of JAX who can do the case; ids are no constants."""
    inputs = jax.ShapeDtypeStruct((case.rows, case.channels), jnp.dtype(case.dtype))
    ids = jax.ShapeDtypeStruct((case.rows,), jnp.dtype(np.int32))

    def compiled(pool: Callable[..., jax.Array]) -> dict[str, jax.stages.Compiled]:
        def both(x: jax.Array, ids: jax.Array, cotangent: jax.Array) -> Any:
            return contenders.both_passes(lambda x: pool(x, ids))(x, cotangent)

        value = jax.eval_shape(pool, inputs, ids)
        programs = {"forward": (pool, inputs, ids), "both": (both, inputs, ids, value)}
        return {step: jax.jit(f).lower(*arguments).compile() for step, (f, *arguments) in programs.items()}

    return {name: compiled(pool) for name, pool in _pools(case).items()}


def compare(
    case: Segmented, compiled: dict[str, dict[str, jax.stages.Compiled]]
) -> tuple[dict[str, dict[str, Call]], dict[str, float]]:
    """The passes of all who can do the case, and how far from ours their values are."""
    inputs = contenders.normal((case.rows, case.channels), case.dtype, seed=0)
    cotangent = contenders.normal((case.segments, case.channels), case.dtype, seed=1)
    ids = ids_of(case)
    arguments = {"forward": (inputs, ids), "both": (inputs, ids, cotangent)}
    calls: dict[str, dict[str, Call]] = {
        name: {step: functools.partial(program, *arguments[step]) for step, program in programs.items()}
        for name, programs in compiled.items()
    }
    values = {name: steps["forward"]() for name, steps in calls.items()}
    if importlib.util.find_spec("torch") is not None and case.function in ("sum", "max"):
        values["pytorch"], calls["pytorch"] = _by_pytorch(case, inputs, ids, cotangent)
    ours = values.pop("jaxpool")
    return calls, {name: float(contenders.difference(value, ours)) for name, value in values.items()}


def _pools(case: Segmented) -> dict[str, Callable[..., jax.Array]]:
    options = {"indices_are_sorted": case.in_order}
    ours = getattr(jaxpool, f"segment_{case.function}_pool")
    pools = {"jaxpool": lambda x, ids: ours(x, ids, case.segments, **options)}
    if case.function in ("sum", "max"):
        theirs = getattr(jax.ops, f"segment_{case.function}")
        pools["jax.ops"] = lambda x, ids: theirs(x, ids, case.segments, **options)
    return pools


def _by_pytorch(case: Segmented, *arrays: jax.Array) -> tuple[jax.Array, dict[str, Call]]:
    """PyTorch's `index_add` and `scatter_reduce`."""
    import torch  # pyright: ignore[reportMissingImports]

    x, ids, pulled = (torch.from_dlpack(array) for array in arrays)
    ids = ids.to(torch.int64)
    start = torch.zeros(case.segments, case.channels, dtype=x.dtype, device=x.device)

    def pool(x: Any) -> Any:
        if case.function == "sum":
            return start.index_add(0, ids, x)
        return start.scatter_reduce(0, ids[:, None].expand(x.shape), x, "amax", include_self=False)

    variable = x.clone().requires_grad_()
    calls = {
        "forward": torch.no_grad()(lambda: pool(x)),
        "both": lambda: torch.autograd.grad(pool(variable), variable, pulled),
    }
    return jnp.from_dlpack(pool(x)), pytorch.enqueuing(calls, x)
