"""A stream as a Flax NNX module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxpool._ops.streaming import Stream, as_stream
from jaxpool._settings import naming


class StreamState(nnx.Variable):
    """An array of what a `Streaming` module knows of the chunks so far."""


class Streaming(nnx.Module):
    """A module that pools a sequence chunk by chunk, and keeps the stream's state.

    Its state are variables `StreamState`, which transformations of NNX carry along and filters tell from
    parameters, as `nnx.BatchStat` and `nnx.Cache` are.

    Args:
      stream: what `jaxpool.streaming` returns, whose documentation says what results mean.
      batch_shape: the shape of chunks before time and channels.
      channels: how many channels there are; `None` where the pool's `channel_axis` is.
      dtype: the dtype of chunks.
      masked: whether calls may take a mask.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: an argument has no meaning in a stream.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> from flax import nnx
      >>> import jaxpool.nnx as nnx_pool
      >>> stream = jaxpool.streaming(jaxpool.max_pool, window_shape=(3,))
      >>> model = nnx.Sequential(nnx_pool.Streaming(stream, (), 1), jnp.square)
      >>> step = nnx.jit(lambda model, chunk: model(chunk))
      >>> for chunk in (jnp.array([[5.0], [1.0]]), jnp.array([[2.0], [3.0]])):
      ...     print(step(model, chunk)[:, 0])
      [25. 25.]
      [25.  9.]
    """

    def __init__(
        self,
        stream: Stream,
        batch_shape: Sequence[SupportsIndex],
        channels: int | None,
        dtype: DTypeLike = jnp.float32,
        *,
        masked: bool = False,
    ):
        with naming(type(self)):
            self.stream = as_stream(stream)
            self.start = tuple(batch_shape), channels, jnp.dtype(dtype), masked
            leaves, self.tree = jax.tree.flatten(self._first())
            self.state = nnx.List(map(StreamState, leaves))

    def __call__(self, chunk: ArrayLike, where: ArrayLike | None = None) -> Array:
        """Pools a chunk, and goes on.

        Args:
          chunk: the next elements, laid out as the pool's inputs are.
          where: a mask of bools that broadcasts to the chunk, or `None` for all elements.

        Returns:
          The stream's results, as of its `step`.
        """
        before = self.tree.unflatten([leaf[...] for leaf in self.state])
        outputs, after = self.stream.step(before, chunk, where)
        self._set(after)
        return outputs

    def reset(self) -> None:
        """Goes back to before the first chunk."""
        self._set(self._first())

    def _set(self, state: Any) -> None:
        for leaf, value in zip(self.state, jax.tree.leaves(state), strict=True):
            leaf[...] = value

    def _first(self) -> Any:
        batch_shape, channels, dtype, masked = self.start
        return self.stream.init(batch_shape, channels, dtype, masked=masked)
