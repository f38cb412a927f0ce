"""Large windows of streams in stages, of which each pools what the one before gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxpool._arguments import as_integers
from jaxpool._ops.max_min import as_ordered, max_pool, min_pool
from jaxpool._ops.running import as_averaged, as_summand
from jaxpool._ops.sum_avg import avg_pool, sum_pool

# From how many elements on a window is large. On a CPU, in scan, an element of a chunk of 64 in a window of
# 4096 with 64 channels takes 4 us in stages, and 117 in one; alone, where most is to move the state, 300 and
# 630. With one channel it is 0.3 and 1.2, and 2 and 4. A sum in one compiles for 20 s, in stages for 1. In a
# window of 256 with 64 channels it is 0.8 and 2.3, and 15 and 27; of 64, about the same.
_LARGE = 128
# Blocks with running maxima from both ends, in which an element meets three comparisons however large the
# window is, take 18 to 25 ns an element by lax.cummax. With 64 channels and all of a sequence at once stages
# take 1.1, 1.8 and 2.6 in windows of 128, 1000 and 10,000, and a loop over elements 1.0, 1.3 and 0.9 without
# states and derivatives.
# A stage has so many taps, if that can be.
_TAPS = 8

# The pools that have stages, and what reads their inputs; of the dtype that the results have.
READS = {max_pool: as_ordered, min_pool: as_ordered, sum_pool: as_summand, avg_pool: as_averaged}


def stages_of(function: Callable, arguments: dict[str, Any]) -> list[tuple[Callable, dict[str, Any]]]:
    """Pools, with arguments, that one behind the other have a large window; none where it has no stages.

    Each pools results of the one before, which lie as far apart as these windows are long. An element then
    meets some taps for each stage: as many as the logarithm of the window, whatever the chunks are.
    """
    if function not in READS or arguments.get("dtype") is not None:
        return []
    (size, *others) = as_integers("window_shape", arguments.get("window_shape", (1,)), minimum=1)
    taps = _taps(size, overlap=READS[function] is as_ordered)
    if others or size < _LARGE or max(taps)[0] > _LARGE // 2:
        return []
    last = dict(arguments)
    if function is avg_pool and last.get("divisor_override") is None:
        if not last.pop("count_include_pad", True):
            return []
        last["divisor_override"] = size
    inner = {"channel_axis": arguments.get("channel_axis", -1)}
    dilation = as_integers("window_dilation", arguments.get("window_dilation") or (1,), 1, 1)[0]
    pools = [(sum_pool if function is avg_pool else function, inner)] * (len(taps) - 1) + [(function, last)]
    return [
        (pool, {**own, "window_shape": (count,), "window_dilation": (apart * dilation,)})
        for (pool, own), (count, apart) in zip(pools, taps, strict=True)
    ]


def _taps(size: int, *, overlap: bool) -> list[tuple[int, int]]:
    """How many taps each stage has, and how far they are apart; windows that may overlap end in two taps."""
    taps, reach = [], 1
    while reach < size:
        rest = size // reach
        if overlap:
            count, apart = (_TAPS, reach) if rest >= _TAPS else (2, min(reach, size - reach))
            reach += (count - 1) * apart
        else:
            divisors = [n for n in range(2, rest + 1) if rest % n == 0]
            count, apart = max((n for n in divisors if n <= _TAPS), default=divisors[0]), reach
            reach *= count
        taps.append((count, apart))
    return taps or [(1, 1)]
