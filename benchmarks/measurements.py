"""One case measured: the times of all contenders, and how far they are from what the memory allows."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from benchmarks import contenders
from benchmarks.cases import PASSES, AnyCase
from benchmarks.timing import Effort, medians

# After its work PyTorch's OpenMP keeps spinning for some milliseconds (300,000 turns by libgomp's default)
# and would take the cores from whoever comes next. So PyTorch comes last in each round, and the next waits.
PAUSE_AFTER_PYTORCH = 0.02


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The median seconds of each contender's passes, and of `x + 1` on the same array."""

    case: AnyCase
    seconds: dict[str, dict[str, float]]
    copy_seconds: float

    def versus(self, contender: str, step: str) -> float | None:
        """How many times jaxpool is as fast; nothing where the contender cannot do the case."""
        theirs = self.seconds.get(contender)
        return theirs[step] / self.seconds["jaxpool"][step] if theirs else None

    def limit(self, step: str) -> float:
        """The seconds that it takes to move what has to be moved, at the speed of `x + 1`."""
        copied = 2 * math.prod(self.case.shape) * jnp.dtype(self.case.dtype).itemsize
        return self.copy_seconds * moved_bytes(self.case, step) / copied

    def over_limit(self, contender: str, step: str) -> float | None:
        times = self.seconds.get(contender)
        return times[step] / self.limit(step) if times else None

    def together(self) -> float:
        """The time of forward and backward in one program, over the two alone."""
        times = self.seconds["jaxpool"]
        return times["both"] / (times["forward"] + times["backward"])


def moved_bytes(case: AnyCase, step: str) -> int:
    """The bytes that have to be read and written, whatever the method.

    A maximum's backward pass reads where each was found, in a byte per output, which it writes before if
    it makes both passes; that of a sum of what is no multiple of the inputs reads these.
    """
    n, m = math.prod(case.shape), math.prod(contenders.output_shape(case))
    index = m if contenders.selects(case) else 0
    again = n if contenders.is_curved(case) else 0
    elements, indices = {
        "forward": (n + m, 0),
        "backward": (m + n + again, index),
        "both": (2 * n + 2 * m, 2 * index),
    }[step]
    return elements * jnp.dtype(case.dtype).itemsize + indices


def measure(
    case: AnyCase,
    effort: Effort,
    *,
    by_pytorch: contenders.PyTorch | None,
    queued: bool = False,
    compiled: Mapping[str, contenders.CompiledPool] | None = None,
) -> Measurement:
    """Times all contenders of a case, who take turns with each other and with `x + 1`."""
    inputs = contenders.normal(case.shape, case.dtype, seed=0)
    calls = {("x + 1", "copy"): functools.partial(jax.jit(lambda x: x + 1), inputs)}
    for name, contender in contenders.contenders(case, inputs, by_pytorch, compiled).items():
        calls |= {(name, step): contender.calls[step] for step in PASSES}
        if name == "jaxpool" and contenders.selects(case):  # the only ones with more to do
            calls[name, "forward_for_backward"] = contender.calls["forward_for_backward"]
    times = medians(calls, effort, pause=PAUSE_AFTER_PYTORCH if by_pytorch else 0, queued=queued)
    copy_seconds = times.pop(("x + 1", "copy"))
    seconds: dict[str, dict[str, float]] = {}
    for (name, step), time in times.items():
        seconds.setdefault(name, {})[step] = time
    return Measurement(case, seconds, copy_seconds)
