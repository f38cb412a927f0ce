"""Global pools of all that has arrived so far: statistics of chunks, which merge.

A long sum in float32 stalls: 2**24 ones are as many as there will ever be. So sums are kept in two numbers,
of which the second is what the first has no room for.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jaxpool._arguments import as_integer, as_integers
from jaxpool._lowering.order import precedes
from jaxpool._ops._arrays import as_array, as_bool, as_mask, as_real, masked, mean_dtype
from jaxpool._ops._integers import sum_dtype
from jaxpool._ops._smooth import (
    as_reference,
    as_scale,
    as_temperature,
    exponential,
    logarithm,
    or_one,
    order_of_norm,
    power,
)
from jaxpool._ops.max_min import as_ordered
from jaxpool._ops.moments import global_std_pool, global_var_pool, statistics_pool
from jaxpool._ops.spread import as_correction, deviation
from jaxpool._ops.weighted import global_soft_pool
from jaxpool._ops.whole import (
    global_avg_pool,
    global_logsumexp_pool,
    global_lp_pool,
    global_max_pool,
    global_min_pool,
    global_sum_pool,
)
from jaxpool._precision import accumulation_dtype

_TIME = -2

# Statistics of one part of a stream: arrays without time, by name.
_Statistics = Any
# A sum, and what it has no room for.
_Sum = tuple[Array, Array]


class Running(NamedTuple):
    """A pool by its statistics."""

    check: Callable[[str, ArrayLike], Array]
    """Reads an array that can be pooled."""
    of: Callable[[Array, Array | None], _Statistics]
    """The statistics of a chunk, of what takes part."""
    merge: Callable[[_Statistics, _Statistics], _Statistics]
    """Those of two parts, of which the first came before."""
    result: Callable[[_Statistics], Array]
    """The pool, before it is rounded."""


@functools.partial(jax.tree_util.register_dataclass, data_fields=["statistics"], meta_fields=["dtype"])
@dataclasses.dataclass(frozen=True)
class RunningState:
    """What is known of all that has arrived."""

    statistics: _Statistics
    dtype: np.dtype
    """Of the chunks."""


@dataclasses.dataclass(frozen=True, eq=False)
class RunningStream:
    """A global pool of a sequence that arrives chunk by chunk. See `jaxpool.streaming`."""

    pool: Running

    channel_axis: ClassVar[int] = -1

    def init(
        self,
        batch_shape: Sequence[SupportsIndex],
        channels: int | None,
        dtype: DTypeLike = jnp.float32,
        *,
        masked: bool = False,
    ) -> RunningState:
        """The state before the first element; masks need no room in it."""
        as_bool("masked", masked)
        batch = as_integers("batch_shape", batch_shape, minimum=0)
        nothing = jnp.zeros((*batch, 1, as_integer("channels", channels)), dtype)
        return self._of(nothing, jnp.zeros((1, 1), np.bool_))

    def step(
        self, state: RunningState, chunk: ArrayLike, where: ArrayLike | None = None
    ) -> tuple[Array, RunningState]:
        """The pool of all that has arrived, and the state after a chunk."""
        array = as_array("chunk", chunk)
        if array.dtype != _checked(state).dtype:
            raise TypeError(f"chunk must be of the state's dtype {state.dtype}, got {array.dtype}.")
        if array.ndim < 2:
            raise ValueError(f"chunk must have the shape (*batch, time, channels), got {array.shape}.")
        new = self._of(array, as_mask(where, array.shape))
        shapes = [jax.tree.map(jnp.shape, part.statistics) for part in (state, new)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"chunk must have the batch and channels of the state, got shape {array.shape}.")
        state = self.merge(state, new)
        return self.result(state), state

    def merge(self, earlier: RunningState, later: RunningState) -> RunningState:
        """The state of two parts of a stream, one after the other."""
        statistics = self.pool.merge(_checked(earlier).statistics, _checked(later).statistics)
        return RunningState(statistics, earlier.dtype)

    def result(self, state: RunningState) -> Array:
        """The pool of all that has arrived."""
        return self.pool.result(_checked(state).statistics).astype(_result_dtype(self.pool, state.dtype))

    def _of(self, chunk: Array, mask: Array | None) -> RunningState:
        return RunningState(self.pool.of(self.pool.check("chunk", chunk), mask), chunk.dtype)


def _checked(state: Any) -> RunningState:
    if not isinstance(state, RunningState):
        raise TypeError(f"state must be one of this stream, got {state!r}.")
    return state


def _result_dtype(pool: Running, dtype: np.dtype) -> np.dtype:
    return jax.eval_shape(functools.partial(pool.check, "chunk"), jax.ShapeDtypeStruct((), dtype)).dtype


# ---------------------------------------------------------------------------------------------- sums in two


def _exact(total: Array) -> _Sum:
    return total, lax.full_like(total, 0)


def _add(first: _Sum, second: _Sum) -> _Sum:
    """The sum of two, by Knuth's exact sum of what is large in them."""
    (a, rest), (b, other) = first, second
    total = a + b
    if not jnp.issubdtype(total.dtype, jnp.inexact):
        return total, rest
    taken = total - a
    left = (a - (total - taken)) + (b - taken) + rest + other
    larger = total + left
    finite = jnp.isfinite(larger)
    left = jnp.where(finite, left - (larger - total), lax.full_like(left, 0))
    return jnp.where(finite, larger, total), left


def _value(total: _Sum) -> Array:
    return total[0] + total[1]


def _scale(total: _Sum, factor: Array) -> _Sum:
    return total[0] * factor, total[1] * factor


def _sum(elements: Array, mask: Array | None) -> _Sum:
    """Of a chunk, in the precision of sums."""
    wide = elements.astype(accumulation_dtype(elements.dtype))
    return _exact(global_sum_pool(wide, _TIME, where=mask))


def _count(chunk: Array, mask: Array | None) -> _Sum:
    """How many elements take part."""
    dtype = accumulation_dtype(mean_dtype(chunk))
    if mask is not None:
        return _sum(jnp.broadcast_to(mask, chunk.shape).astype(dtype), None)
    return _exact(jnp.full((*chunk.shape[:_TIME], chunk.shape[-1]), chunk.shape[_TIME], dtype))


# ---------------------------------------------------------------------------------------------------- pools


def _extreme(order: str, pool: Callable) -> Running:
    def of(chunk: Array, mask: Array | None) -> Array:
        return pool(chunk, _TIME, where=mask)

    def merge(earlier: Array, later: Array) -> Array:
        return lax.select(precedes(order, later, earlier), later, earlier)

    return Running(as_ordered, of, merge, lambda value: value)


def as_summand(name: str, value: ArrayLike) -> Array:
    """The argument as an array of what a sum adds."""
    array = as_array(name, value)
    return array.astype(sum_dtype(array.dtype))


def as_averaged(name: str, value: ArrayLike) -> Array:
    """The argument as an array of what an average adds."""
    array = as_array(name, value)
    return array.astype(mean_dtype(array))


def _total() -> Running:
    return Running(as_summand, _sum, _add, _value)


def _average() -> Running:
    def of(chunk: Array, mask: Array | None) -> tuple[_Sum, _Sum]:
        return _sum(chunk, mask), _count(chunk, mask)

    def merge(earlier: Any, later: Any) -> tuple[_Sum, _Sum]:
        return _add(earlier[0], later[0]), _add(earlier[1], later[1])

    return Running(as_averaged, of, merge, lambda both: _mean(*both))


def _norm(p: float = 2.0) -> Running:
    p = order_of_norm(p)
    if p == math.inf:
        maxima = functools.partial(global_lp_pool, p=p)
        return _extreme("max", maxima)._replace(check=as_real)

    def result(largest: Array, count: Array, total: Array) -> Array:
        root = as_scale(largest) * jnp.power(or_one(total), 1 / p)
        return jnp.where(total == 0, lax.full_like(total, 0), root)

    return _scaled(
        lambda chunk, mask: jnp.maximum(global_max_pool(jnp.abs(chunk), _TIME, where=mask), 0),
        as_scale,
        lambda magnitude, reference: jnp.power(magnitude / reference, p),
        [power(p)],
        result,
    )


def _smooth_maximum(temperature: float = 1.0, mean: bool = False) -> Running:
    def result(largest: Array, count: Array, total: Array) -> Array:
        return logarithm(total / or_one(count) if mean else total, as_reference(largest), temperature)

    temperature, mean = as_temperature(temperature), as_bool("mean", mean)
    weight = exponential(temperature)
    return _scaled(_largest, as_reference, weight, [weight], result)


def _soft(temperature: float = 1.0) -> Running:
    def weighted(element: Array, reference: Array) -> Array:
        # An element of -inf has no weight, but -inf times nothing would be NaN.
        return jnp.where(element == -np.inf, lax.full_like(element, 0), element) * weight(element, reference)

    def result(largest: Array, count: Array, total: Array, of_weighted: Array) -> Array:
        return jnp.where((count > 0) & jnp.isinf(largest), largest, of_weighted / or_one(total))

    weight = exponential(as_temperature(temperature))
    return _scaled(_largest, as_reference, weight, [weight, weighted], result)


def _largest(chunk: Array, mask: Array | None) -> Array:
    return global_max_pool(chunk, _TIME, where=mask)


def _scaled(
    largest_of: Callable[[Array, Array | None], Array],
    reference_of: Callable[[Array], Array],
    factor: Callable[[Array, Array], Array],
    terms: Sequence[Callable[[Array, Array], Array]],
    result: Callable[..., Array],
) -> Running:
    """Sums of terms that are relative to a reference: the largest element so far, so that none overflows."""

    def of(chunk: Array, mask: Array | None) -> Any:
        wide = masked(chunk.astype(accumulation_dtype(chunk.dtype)), mask, 0)
        largest = lax.stop_gradient(largest_of(wide, mask))
        reference = jnp.broadcast_to(jnp.expand_dims(reference_of(largest), _TIME), wide.shape)
        return largest, _count(chunk, mask), [_sum(term(wide, reference), mask) for term in terms]

    def merge(earlier: Any, later: Any) -> Any:
        largest = jnp.maximum(earlier[0], later[0])
        reference = reference_of(largest)
        rescaled = []
        for own, _, totals in (earlier, later):
            empty = totals[0][0] == 0  # where the factor may be infinite
            change = factor(jnp.where(empty, reference, reference_of(own)), reference)
            rescaled.append([_scale(total, change) for total in totals])
        totals = [_add(first, second) for first, second in zip(*rescaled, strict=True)]
        return largest, _add(earlier[1], later[1]), totals

    return Running(
        as_real, of, merge, lambda known: result(known[0], _value(known[1]), *map(_value, known[2]))
    )


def _moments(result: Callable[[Array, Array, Array], Array]) -> Running:
    """Counts, sums, and sums of squared deviations from the mean, which merge without cancellation."""

    def of(chunk: Array, mask: Array | None) -> tuple[_Sum, _Sum, _Sum]:
        wide, count = chunk.astype(accumulation_dtype(chunk.dtype)), _count(chunk, mask)
        squares = global_var_pool(wide, _TIME, where=mask) * count[0]
        return count, _sum(wide, mask), _exact(squares)

    def merge(earlier: Any, later: Any) -> tuple[_Sum, _Sum, _Sum]:
        count, total, squares = (_add(first, second) for first, second in zip(earlier, later, strict=True))
        (n, mean), (m, other) = ((_value(part[0]), _mean(part[1], part[0])) for part in (earlier, later))
        between = lax.square(mean - other) * n * (m / or_one(_value(count)))
        return count, total, _add(squares, _exact(between))

    return Running(
        as_real,
        of,
        merge,
        lambda known: result(_value(known[0]), _mean(known[1], known[0]), _value(known[2])),
    )


def _mean(total: _Sum, count: _Sum) -> Array:
    return _value(total) / or_one(_value(count))


def _variance(correction: int = 0) -> Running:
    correction = as_correction(correction)

    def result(count: Array, mean: Array, squares: Array) -> Array:
        return squares / jnp.where(count == 0, lax.full_like(count, 1), count - correction)

    return _moments(result)


def _deviation(correction: int = 0) -> Running:
    variance = _variance(correction)
    return variance._replace(result=lambda known: deviation(variance.result(known)))


def _statistics() -> Running:
    return _moments(
        lambda count, mean, squares: jnp.concatenate([mean, deviation(squares / or_one(count))], -1)
    )


# The running form of each global pool, with the arguments that it has.
RUNNING: dict[Any, Callable[..., Running]] = {
    global_max_pool: lambda: _extreme("max", global_max_pool),
    global_min_pool: lambda: _extreme("min", global_min_pool),
    global_sum_pool: _total,
    global_avg_pool: _average,
    global_lp_pool: _norm,
    global_logsumexp_pool: _smooth_maximum,
    global_soft_pool: _soft,
    global_var_pool: _variance,
    global_std_pool: _deviation,
    statistics_pool: _statistics,
}
