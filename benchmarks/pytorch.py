"""PyTorch's pools, ready to be timed: here, or in another interpreter, which needs no JAX.

python -m benchmarks.pytorch    # what `Elsewhere` starts and asks, through pipes
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pickle
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import PASSES, AnyCase, Case

Call = Callable[[], Any]


def can(case: AnyCase) -> bool:
    """Whether PyTorch has the pool: no minimum, padding of both ends alike and of half a window at most.

    Norms of windows that overhang are wrong there: sums of fewer elements are taken for averages of all.
    """
    if not isinstance(case, Case):
        return case.function in _RESIZING and not (case.channel_axis is None and "global" in case.function)
    rank, padded = len(case.window_shape), any(map(any, case.padding))
    alike = all(
        low == high <= size // 2 for (low, high), size in zip(case.padding, case.window_shape, strict=True)
    )
    return alike and {
        "max_pool": True,
        "avg_pool": not case.dilation,
        "sum_pool": not case.dilation and rank > 1,
        "lp_pool": not (case.dilation or case.ceil_mode or padded),
    }.get(case.function, False)


def calls(case: AnyCase, inputs: Any, cotangent: Any) -> tuple[Any, dict[str, Call]]:
    """The result, and the passes, of tensors as JAX lays them out, in the form that PyTorch likes best.

    Channels that come last stay so in memory, in two and three dimensions by PyTorch's `channels_last`;
    in one dimension it has no such format.
    """
    import torch  # pyright: ignore[reportMissingImports]

    def tensor(values: torch.Tensor) -> torch.Tensor:
        if case.channel_axis is None:
            return values.unsqueeze(1)
        values = values.movedim(case.channel_axis, 1) if values.ndim > 2 else values
        return values.contiguous() if values.ndim == 3 else values

    pool = _windowed(case) if isinstance(case, Case) else _resizing(case)
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

    found = {
        "forward": torch.no_grad()(lambda: pool(x)),
        "backward": lambda: pull_back(value, retain_graph=True),
        "both": both,
    }
    found = enqueuing(found, x)
    result = value.detach()
    if case.channel_axis is None:
        result = result.squeeze(1)
    elif result.ndim > 2:
        result = result.movedim(1, case.channel_axis)
    return result.contiguous(), found


def enqueuing(calls: dict[str, Call], x: Any) -> dict[str, Call]:
    """Calls of PyTorch on a tensor: if that is on a GPU they return at once, with what JAX can wait for."""
    import torch  # pyright: ignore[reportMissingImports]

    if not x.is_cuda:
        return calls
    work = types.SimpleNamespace(block_until_ready=torch.cuda.synchronize)

    def enqueue(call: Call) -> Any:
        call()
        return work

    return {step: functools.partial(enqueue, call) for step, call in calls.items()}


def _windowed(case: Case) -> Callable[[Any], Any]:
    import torch  # pyright: ignore[reportMissingImports]

    kind = "avg" if case.function == "sum_pool" else case.function.removesuffix("_pool")
    function = getattr(torch.nn.functional, f"{kind}_pool{len(case.window_shape)}d")
    options: dict[str, Any] = {"stride": case.strides, "ceil_mode": case.ceil_mode}
    if kind == "lp":
        rank_one = len(case.window_shape) == 1  # which takes no sequences
        window = case.window_shape[0] if rank_one else case.window_shape
        options["stride"] = case.strides[0] if rank_one else case.strides
        return lambda x: function(x, 2.0, window, **options)
    options["padding"] = tuple(low for low, _ in case.padding)
    if kind == "max":
        options["dilation"] = case.dilation or 1
    if case.function == "sum_pool":
        options["divisor_override"] = 1
    return functools.partial(function, kernel_size=case.window_shape, **options)


def _resizing(case: Any) -> Callable[[Any], Any]:
    return functools.partial(_RESIZING[case.function], case=case)


def _adaptive(kind: str, x: Any, case: Any) -> Any:
    import torch  # pyright: ignore[reportMissingImports]

    return getattr(torch.nn.functional, f"adaptive_{kind}_pool{x.ndim - 2}d")(x, case.output or 1)


def _fractional(x: Any, case: Any) -> Any:
    import torch  # pyright: ignore[reportMissingImports]

    samples = torch.from_numpy(case.options["random_samples"][..., ::-1].copy()).to(x.device)
    return torch.nn.functional.fractional_max_pool2d(
        x, case.window_shape, case.output, _random_samples=samples
    )


def _norm(x: Any, case: Any) -> Any:
    import torch  # pyright: ignore[reportMissingImports]

    return torch.linalg.vector_norm(x, dim=_spatial(x))


def _spatial(x: Any) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


# What users of PyTorch write; for a global maximum an adaptive one, which is faster than `amax`.
_RESIZING: dict[str, Callable[..., Any]] = {
    "adaptive_max_pool": functools.partial(_adaptive, "max"),
    "adaptive_avg_pool": functools.partial(_adaptive, "avg"),
    "fractional_max_pool": _fractional,
    "global_max_pool": lambda x, case: _adaptive("max", x, case).flatten(1),
    "global_avg_pool": lambda x, case: x.mean(_spatial(x)),
    "global_sum_pool": lambda x, case: x.sum(_spatial(x)),
    "global_lp_pool": _norm,
    "global_logsumexp_pool": lambda x, case: x.logsumexp(_spatial(x)),
}


# ------------------------------------------------------------------------------------ in another interpreter


@dataclasses.dataclass(frozen=True)
class Elapsed:
    """What a call returns that was made, and timed, in another process."""

    seconds: float


class Elsewhere:
    """The PyTorch of another interpreter, in a process that waits for its turn.

    Attributes:
      version: PyTorch's there.
    """

    def __init__(self, python: Path, threads: int) -> None:
        root = Path(__file__).parents[1]
        command = [python, "-m", "benchmarks.pytorch"]
        self._process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version: str = self._ask("begin", threads)

    def calls(
        self, case: AnyCase, inputs: np.ndarray, cotangent: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Call]]:
        """The result's bits, and calls that say how long they took there."""
        result = self._ask("prepare", case, _bits(inputs), _bits(cotangent))
        return result, {step: lambda step=step: Elapsed(self._ask("call", step)) for step in PASSES}

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, *question: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        pickle.dump(question, self._process.stdin)
        self._process.stdin.flush()
        answer = pickle.load(self._process.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _bits(array: np.ndarray) -> np.ndarray:
    """As integers: NumPy has no bfloat16 of its own."""
    return array.view(f"int{8 * array.itemsize}")


def _answer() -> None:
    """Answers questions until there are no more."""
    import torch  # pyright: ignore[reportMissingImports]

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what PyTorch prints is no answer
    prepared: dict[str, Call] = {}

    def begin(threads: int) -> str:
        torch.set_num_threads(threads)
        return str(torch.__version__)

    def prepare(case: AnyCase, *arrays: np.ndarray) -> np.ndarray:
        prepared.clear()
        tensors = [torch.from_numpy(array.copy()).view(getattr(torch, case.dtype)) for array in arrays]
        result, found = calls(case, *tensors)
        prepared.update(found)
        return result.view(getattr(torch, f"int{8 * result.itemsize}")).numpy()

    def call(step: str) -> float:
        start = time.perf_counter()
        prepared[step]()
        return time.perf_counter() - start

    known = {"begin": begin, "prepare": prepare, "call": call}
    while True:
        try:
            name, *arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = known[name](*arguments)
        except Exception as error:
            answer = RuntimeError(f"{type(error).__name__}: {error}")
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    _answer()
