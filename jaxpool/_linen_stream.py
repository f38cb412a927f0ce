"""A stream as a Flax Linen module."""

from __future__ import annotations

import flax.linen as nn
from jax import Array
from jax.typing import ArrayLike

from jaxpool._ops.streaming import Stream, as_stream, init_for
from jaxpool._settings import naming


class Streaming(nn.Module):
    """A module that pools a sequence chunk by chunk, and keeps the stream's state.

    Its state is the variable `state` of the collection `stream`, which a call changes where it is mutable, as
    `nn.BatchNorm` changes `batch_stats`. What `init` returns has seen nothing.

    Args:
      stream: what `jaxpool.streaming` returns, whose documentation says what results mean.

    Raises:
      TypeError: an argument has the wrong type.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> import flax.linen as nn
      >>> import jaxpool.linen as linen_pool
      >>> stream = jaxpool.streaming(jaxpool.max_pool, window_shape=(3,))
      >>> model = nn.Sequential([linen_pool.Streaming(stream), jnp.square])
      >>> chunks = (jnp.array([[5.0], [1.0]]), jnp.array([[2.0], [3.0]]))
      >>> variables = model.init(jax.random.key(0), chunks[0])
      >>> for chunk in chunks:
      ...     outputs, variables = model.apply(variables, chunk, mutable=["stream"])
      ...     print(outputs[:, 0])
      [25. 25.]
      [25.  9.]
    """

    stream: Stream

    def __post_init__(self):
        with naming(type(self)):
            as_stream(self.stream)
        super().__post_init__()

    @nn.compact
    def __call__(self, chunk: ArrayLike, where: ArrayLike | None = None) -> Array:
        """Pools a chunk, and goes on.

        Args:
          chunk: the next elements, laid out as the pool's inputs are.
          where: a mask of bools that broadcasts to the chunk, or `None` for all elements. The state has room
            for masks where the first call, that of `init`, has one.

        Returns:
          The stream's results, as of its `step`.
        """
        state = self.variable("stream", "state", init_for, self.stream, chunk, where is not None)
        outputs, after = self.stream.step(state.value, chunk, where)
        if not self.is_initializing():
            state.value = after
        return outputs
