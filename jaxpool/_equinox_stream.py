"""A stream as an Equinox module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxpool._ops.streaming import Stream, as_stream
from jaxpool._settings import naming


class Streaming(eqx.nn.StatefulLayer):
    """A module that pools a sequence chunk by chunk; `eqx.nn.State` keeps the stream's state.

    It is made by `eqx.nn.make_with_state` and called with a state, as `eqx.nn.BatchNorm` is.

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
      >>> import equinox as eqx
      >>> import jax.numpy as jnp, jaxpool
      >>> import jaxpool.equinox as eqx_pool
      >>> stream = jaxpool.streaming(jaxpool.max_pool, window_shape=(3,))
      >>> model, state = eqx.nn.make_with_state(eqx_pool.Streaming)(stream, (), 1)
      >>> for chunk in (jnp.array([[5.0], [1.0]]), jnp.array([[2.0], [3.0]])):
      ...     outputs, state = eqx.filter_jit(model)(chunk, state)
      ...     print(outputs[:, 0])
      [5. 5.]
      [5. 3.]
    """

    stream: Stream = eqx.field(static=True)
    index: eqx.nn.StateIndex

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
            self.index = eqx.nn.StateIndex(stream.init(batch_shape, channels, dtype, masked=masked))

    def __call__(
        self, chunk: ArrayLike, state: eqx.nn.State, where: ArrayLike | None = None, *, key: Any = None
    ) -> tuple[Array, eqx.nn.State]:
        """Pools a chunk, and goes on.

        Args:
          chunk: the next elements, laid out as the pool's inputs are.
          state: the state of the model.
          where: a mask of bools that broadcasts to the chunk, or `None` for all elements.
          key: ignored; it is there for `eqx.nn.Sequential`, which gives every module one.

        Returns:
          The stream's results, as of its `step`, and the state after the chunk.
        """
        outputs, after = self.stream.step(state.get(self.index), chunk, where)
        return outputs, state.set(self.index, after)
