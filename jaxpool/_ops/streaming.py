"""Pools of sequences that arrive chunk by chunk."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from jax import Array
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_array
from jaxpool._ops._stages import StagedStream, staged
from jaxpool._ops._window_stream import WindowStream
from jaxpool._ops.running import RUNNING, RunningStream
from jaxpool._window import spatial_axes


@public
def streaming(function: Callable[..., Array], **arguments: Any) -> Stream:
    r"""A pool of a sequence that arrives chunk by chunk, in memory that does not grow.

    The result is a pair of functions, `init` and `step`, and it does not matter how a sequence is cut:

    $$ \operatorname{step}(\operatorname{step}(s, a), b) = \operatorname{step}(s, ab), \qquad
       \text{outputs side by side.} $$

    A *windowed* pool, such as `jaxpool.max_pool`, gives what it gives for the whole sequence with
    `padding="CAUSAL"`: with window $k$, dilation $d$ and stride $s$, the windows end at elements
    $0, s, 2s, \dots$, and before the first element there are $(k - 1) d$ cells of padding. The state is the
    last $(k - 1) d$ elements. A *global* pool, such as `jaxpool.global_avg_pool`, gives the pool of all that
    has arrived so far. Its state is a few statistics, which `merge` joins: of parts of a stream that several
    devices have read, say.

    - What comes before the first element is padding as everywhere: never selected, counted by
      `count_include_pad` alone, and without gradient. All windows of `count_include_pad=True` have $k$ cells.
    - Selections have the same bits as of the whole sequence, with ties, NaN and infinities in the same
      places; sums agree to rounding, for their order may depend on where an array begins.
    - Derivatives go through states: those of chunks are those of the whole sequence, in both modes.
    - On a mesh of explicit axes lay a state out as chunks are, by `jax.device_put`; time is not split.
    - `step` compiles once for chunks of one length. It works in `scan`, whose carry is the state, and under
      `vmap`. States are trees of arrays.
    - Running sums and counts of global pools are kept in two numbers each, so that they do not stall; states
      of float16 and bfloat16 are float32, and results are rounded once.

    Args:
      function: a windowed pool with one spatial axis, which takes `inputs` and `padding`; or a global pool:
        `global_max_pool`, `global_min_pool`, `global_sum_pool`, `global_avg_pool`, `global_lp_pool`,
        `global_logsumexp_pool`, `global_soft_pool`, `global_var_pool`, `global_std_pool` or
        `statistics_pool`, of sequences `(*batch, time, channels)`.
      arguments: all arguments of the pool but `inputs`, `padding` and `where`; for a global pool all but
        `inputs`, `axis`, `where`, `keepdims`, `dtype` and `rounding`.

    Returns:
      A stream:

      - `init(batch_shape, channels, dtype=float32)`: a state before the first element. `channels` is `None`
        where `channel_axis` is. A windowed pool's that will take masks is made with `masked=True`, and has
        room for them.
      - `step(state, chunk, where=None)`: `(outputs, state)`. Chunks are laid out as the pool's inputs are,
        and as long as they like to be; of a windowed pool, a multiple of the stride. `where` is a mask of
        bools that broadcasts to the chunk, and means what it means to the pool.
      - `result(state)` and `merge(earlier, later)`, of a global pool: what the last step returned, and the
        state of both parts.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: `function` has no causal windows along one axis, or an argument has no meaning in a stream;
        a chunk has the wrong shape or dtype.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> stream = jaxpool.streaming(jaxpool.max_pool, window_shape=(3,))
      >>> state = stream.init((), 1)
      >>> step = jax.jit(stream.step)
      >>> for chunk in (jnp.array([[5.0], [1.0]]), jnp.array([[2.0], [3.0]])):
      ...     outputs, state = step(state, chunk)
      ...     print(outputs[:, 0])
      [5. 5.]
      [5. 3.]
      >>> mean = jaxpool.streaming(jaxpool.global_avg_pool)
      >>> halves = [mean.step(mean.init((), 1), chunk)[1] for chunk in (jnp.ones((3, 1)), jnp.zeros((1, 1)))]
      >>> mean.result(mean.merge(*halves))
      Array([0.75], dtype=float32)

    References:
      Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
      1979, for variances; Knuth, "The Art of Computer Programming", volume 2, for sums in two numbers.
    """
    if not callable(function):
        raise TypeError(f"function must be a pool, got {function!r}.")
    if function in RUNNING:
        known = inspect.signature(RUNNING[function]).parameters
        for name in arguments:
            if name not in known:
                raise TypeError(f"arguments of a running pool must be among {[*known]}, got {name!r}.")
        return RunningStream(RUNNING[function](**arguments))
    if not {"inputs", "padding"} <= {*inspect.signature(function).parameters}:
        names = ", ".join(pool.__name__ for pool in RUNNING)
        raise ValueError(f"function must be a windowed pool or one of {names}, got {function!r}.")
    arguments = _of_stream(arguments)
    return staged(function, arguments) or WindowStream(function, arguments)


# What arguments must be in a stream, where they are given; masks go to steps.
_ONLY = {"padding": "CAUSAL", "ceil_mode": False, "return_indices": False, "key": None, "where": None}


def _of_stream(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments but the padding, checked."""
    for name, only in _ONLY.items():
        value = arguments.get(name, only)
        if not (isinstance(value, type(only)) and value == only):
            raise ValueError(f"{name} must be {only!r} in a stream, got {value!r}.")
    return {name: value for name, value in arguments.items() if name != "padding"}


# What `streaming` makes.
Stream: TypeAlias = WindowStream | StagedStream | RunningStream


def as_stream(stream: Any) -> Stream:
    if not isinstance(stream, WindowStream | StagedStream | RunningStream):
        raise TypeError(f"stream must be what jaxpool.streaming returns, got {stream!r}.")
    return stream


def init_for(stream: Stream, chunk: ArrayLike, masked: bool) -> Any:
    """The state before a first chunk."""
    array = as_array("chunk", chunk)
    shape, position = list(array.shape), stream.channel_axis
    spatial_axes(len(shape), 1, position)
    channels = None if position is None else shape.pop(position)
    return stream.init(shape[:-1], channels, array.dtype, masked=masked)
