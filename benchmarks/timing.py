"""Medians of calls that take turns: a slow moment of the machine is then a slow moment for all of them."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import jax

from benchmarks.pytorch import Elapsed

Key = TypeVar("Key", bound=Hashable)
Call = Callable[[], Any]


# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_AT_ONCE = 3 * 2**29  # bytes; less than the most that can be kept


@dataclasses.dataclass(frozen=True)
class Effort:
    """A call is sampled until it has so many samples or seconds in total, but at least so often."""

    samples: int
    seconds: float
    at_least: int


FULL = Effort(samples=25, seconds=0.5, at_least=2)
QUICK = Effort(samples=5, seconds=0.2, at_least=2)


def keep_freed_memory() -> None:
    """Has glibc keep what is freed, where it would give large arrays back to the system after each call.

    The pages of an array that comes from the system are cleared at their first use, which takes several times
    as long as to pool it. A program that runs for long, such as training, gets its memory once.
    """
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_ARENA_MAX, 1)  # another thread's own would give heaps of 64 MiB back
        libc.malloc.restype = ctypes.c_void_p
        memory = libc.malloc(ctypes.c_size_t(_AT_ONCE))
        if memory:
            ctypes.memset(memory, 1, _AT_ONCE)
            libc.free(ctypes.c_void_p(memory))


def medians(
    calls: Mapping[Key, Call], effort: Effort, *, pause: float = 0.0, queued: bool = False
) -> dict[Key, float]:
    """The median seconds of each call, once it is compiled and warm.

    Args:
      calls: what to measure, in the order of the turns; each call returns what has to be waited for.
      effort: how long to sample.
      pause: seconds of rest between two rounds.
      queued: whether to enqueue short calls many at a time and to wait once. An accelerator then always
        has the next call at hand, and only its own time counts, not the time to launch and to return.

    Returns:
      A dictionary with the keys of `calls`.
    """
    for call in calls.values():
        _seconds(call, 1)  # compiles
    lengths = {key: _queue_length(call) if queued else 1 for key, call in calls.items()}
    times: dict[Key, list[float]] = {key: [] for key in calls}
    while unfinished := [key for key in calls if not _finished(times[key], lengths[key], effort)]:
        time.sleep(pause)
        _seconds(calls[unfinished[0]], 1)  # wakes the threads that slept, at nobody's cost
        for key in unfinished:
            times[key].append(_seconds(calls[key], lengths[key]))
    return {key: statistics.median(samples) for key, samples in times.items()}


def _seconds(call: Call, times: int) -> float:
    """The mean time of a call that is made so many times before it is waited for."""
    start = time.perf_counter()
    result = None
    for _ in range(times):
        result = call()
    if isinstance(result, Elapsed):
        return result.seconds
    jax.block_until_ready(result)
    return (time.perf_counter() - start) / times


def _queue_length(call: Call) -> int:
    """So many calls that they take 20 ms, against which the time to launch the first is nothing."""
    return min(100, max(1, round(0.02 / _seconds(call, 1))))


def _finished(samples: list[float], length: int, effort: Effort) -> bool:
    enough = len(samples) >= effort.samples or sum(samples) * length >= effort.seconds
    return enough and len(samples) >= effort.at_least
