"""Large windows of streams in stages, of which each pools what the one before gives."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxpool._arguments import as_integers
from jaxpool._ops._arrays import as_bool
from jaxpool._ops._window_stream import WindowState, WindowStream, check_masked, mask_of
from jaxpool._ops.max_min import as_ordered, max_pool, min_pool
from jaxpool._ops.running import as_averaged, as_summand
from jaxpool._ops.sum_avg import avg_pool, sum_pool
from jaxpool._precision import accumulation_dtype

# From how many elements on a window is large. On a CPU, in scan, an element of a chunk of 64 in a window of
# 4096 with 64 channels takes 4 us in stages, and 117 in one; alone, where most is to move the state, 300 and
# 630. With one channel it is 0.3 and 1.2, and 2 and 4. A sum in one compiles for 20 s, in stages for 1. In a
# window of 256 with 64 channels it is 0.8 and 2.3, and 15 and 27; of 64, about the same. With masks a maximum
# of 4096 takes 4.4 us in stages where without it takes 1.3, an average 2.5; in one they took 192 and 21.
_LARGE = 128
# Blocks with running maxima from both ends, in which an element meets three comparisons however large the
# window is, take 18 to 25 ns an element by lax.cummax. With 64 channels and all of a sequence at once stages
# take 1.1, 1.8 and 2.6 in windows of 128, 1000 and 10,000, and a loop over elements 1.0, 1.3 and 0.9 without
# states and derivatives.
# A stage has so many taps, if that can be.
_TAPS = 8

# The pools that have stages, and what reads their inputs; of the dtype that the results have.
_READS = {max_pool: as_ordered, min_pool: as_ordered, sum_pool: as_summand, avg_pool: as_averaged}


def staged(function: Callable, arguments: dict[str, Any]) -> StagedStream | None:
    """The stream in stages of a pool of large windows; none where it has no stages.

    Each pools results of the one before, which lie as far apart as these windows are long. An element then
    meets some taps for each stage: as many as the logarithm of the window, whatever the chunks are.
    """
    if function not in _READS or arguments.get("dtype") is not None:
        return None
    read = _READS[function]
    (size, *others) = as_integers("window_shape", arguments.get("window_shape", (1,)), minimum=1)
    taps = _taps(size, overlap=read is as_ordered)
    if others or size < _LARGE or max(taps)[0] > _LARGE // 2:
        return None
    before, own, divisor = sum_pool if function is avg_pool else function, dict(arguments), None
    if function is avg_pool and own.get("divisor_override") is None:
        if not own.pop("count_include_pad", True):
            return None
        own.pop("divisor_override", None)
        function, divisor = sum_pool, size
    first = {"channel_axis": arguments.get("channel_axis", -1)}
    dilation = as_integers("window_dilation", arguments.get("window_dilation") or (1,), 1, 1)[0]
    windows = [{"window_shape": (count,), "window_dilation": (apart * dilation,)} for count, apart in taps]
    *settings, last = [*(first | window for window in windows[:-1]), own | windows[-1]]
    stages = [*(WindowStream(before, each) for each in settings), WindowStream(function, last)]
    if read is as_ordered:
        return StagedStream(stages, [WindowStream(max_pool, each) for each in settings], read, divisor)
    of_masks = [] if divisor is None else stages
    return StagedStream(stages, of_masks, read, divisor)


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


@functools.partial(jax.tree_util.register_dataclass, data_fields=["stages", "of_masks"], meta_fields=[])
@dataclasses.dataclass(frozen=True)
class StagedState:
    """Where a staged stream is: the states of its streams; `None` for those of masks where all take part."""

    stages: tuple[WindowState, ...]
    of_masks: tuple[WindowState, ...] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class StagedStream:
    """A large windowed pool, one stream behind the other. See `jaxpool.streaming`."""

    stages: Sequence[WindowStream]
    of_masks: Sequence[WindowStream]
    """What pools beside them the masks of selections, or how many elements are left out of averages."""
    read: Callable[[str, Any], Array]
    """Reads an array that can be pooled; of the dtype that the results have."""
    divisor: int | None
    """What the results are divided by, less what is left out."""

    @property
    def channel_axis(self) -> int | None:
        return self.stages[0].channel_axis

    def init(
        self,
        batch_shape: Sequence[SupportsIndex],
        channels: int | None,
        dtype: DTypeLike = jnp.float32,
        *,
        masked: bool = False,
    ) -> StagedState:
        """The state before the first element; `masked` where steps may take a mask."""
        masked = as_bool("masked", masked)
        dtype = jax.eval_shape(self._wide, jax.ShapeDtypeStruct((), dtype)).dtype
        stages = [
            stage.init(batch_shape, channels, dtype, masked=masked and self._selects) for stage in self.stages
        ]
        beside = np.bool_ if self._selects else np.int32
        of_masks = tuple(stage.init(batch_shape, channels, beside) for stage in self.of_masks)
        return StagedState(tuple(stages), of_masks if masked else None)

    def step(
        self, state: StagedState, chunk: ArrayLike, where: ArrayLike | None = None
    ) -> tuple[Array, StagedState]:
        """The results of the windows that end in a chunk, and the state after it."""
        if not isinstance(state, StagedState) or len(state.stages) != len(self.stages):
            raise TypeError(f"state must be one of this stream, got {state!r}.")
        check_masked(state.of_masks, where)
        values, divisor, masks, of_masks = self._wide(chunk), self.divisor, None, None
        if state.of_masks is not None:
            mask = mask_of(values, where)
            if self._selects:
                masks, of_masks = _levels(self.of_masks, state.of_masks, mask)
            else:
                values = jnp.where(mask, values, 0)
                left_out, of_masks = _levels(self.of_masks, state.of_masks, (~mask).astype(np.int32))
                divisor = divisor and jnp.maximum(divisor - left_out[-1], 1).astype(values.dtype)
        levels, stages = _levels(self.stages, state.stages, values, masks)
        outputs = levels[-1] if divisor is None else levels[-1] / divisor
        return outputs.astype(self.read("chunk", chunk).dtype), StagedState(stages, of_masks)

    @property
    def _selects(self) -> bool:
        return self.read is as_ordered

    def _wide(self, chunk: ArrayLike) -> Array:
        """A chunk in which stages lose nothing."""
        array = self.read("chunk", chunk)
        return array if self._selects else array.astype(accumulation_dtype(array.dtype))


def _levels(
    streams: Sequence[WindowStream],
    states: Sequence[WindowState],
    chunk: Array,
    masks: Sequence[Array] | None = None,
) -> tuple[list[Array], tuple[WindowState, ...]]:
    """A chunk and what each stream gives of what the one before it gave, with masks; and the states after."""
    levels, later = [chunk], []
    for i, (stream, state) in enumerate(zip(streams, states, strict=True)):
        outputs, after = stream.step(state, levels[-1], None if masks is None else masks[i])
        levels.append(outputs)
        later.append(after)
    return levels, tuple(later)
