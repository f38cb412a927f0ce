"""Flax's pools, carried out by those of jaxpool, in models that are not to be edited."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxpool._ops.max_min import max_pool, min_pool
from jaxpool._ops.sum_avg import sum_pool

_POOLS: dict[tuple[Callable, float], Callable] = {
    (lax.max, -np.inf): max_pool,
    (lax.min, np.inf): min_pool,
    (lax.add, 0.0): sum_pool,
}
# What is traced inside is not what is traced outside: JAX keeps the two apart.
_is_inside = jax.make_user_context(False)
_lock = threading.Lock()
# Flax's own function while at least one `with` is open, and how many are.
_original: list[Callable] = []
_open = 0


@contextlib.contextmanager
def replace_flax_pools() -> Iterator[None]:
    """Has Flax's pools carried out by jaxpool's inside a `with`, for models that somebody else wrote.

    `flax.linen.max_pool` and `avg_pool`, those of `flax.nnx`, and `min_pool` call one function of Flax,
    `pool`, with a reduction. Inside, this is `jaxpool.max_pool`, `min_pool` or `sum_pool` where the reduction
    is `lax.max`, `lax.min` or `lax.add` of floating-point numbers, and what it was elsewhere. Results are the
    same, and so are gradients where no elements tie: then all goes to the first one.

    - It counts for what the thread that opened it runs inside, also of functions that `jax.jit` has traced
      outside, which it traces again. Other threads see Flax's own, and when the last `with` ends Flax is as
      it was.
    - It does not reach a program that was compiled before, or code that calls `lax.reduce_window` itself, or
      that holds `flax.linen.pool`.

    Example:
      >>> import flax.linen as nn, jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
      >>> with jaxpool.replace_flax_pools():
      ...     program = str(jax.make_jaxpr(lambda x: nn.max_pool(x, (2, 2), (2, 2)))(x))
      >>> "reduce_window" in program, "window_select" in program
      (False, True)
    """
    global _open
    from flax.linen import pooling

    with _lock:
        if not _open:
            _original.append(pooling.pool)
            pooling.pool = _pool
        _open += 1
    try:
        with _is_inside(True):
            yield
    finally:
        with _lock:
            _open -= 1
            if not _open:
                pooling.pool = _original.pop()


def _pool(
    inputs: Any, init: Any, reduce_fn: Any, window_shape: Any, strides: Any = None, padding: Any = "VALID"
) -> Any:
    """In place of `flax.linen.pooling.pool`, for all threads."""
    ours = _ours(inputs, init, reduce_fn) if _is_inside.value else None
    if ours is None:
        return _flax_pool(inputs, init, reduce_fn, window_shape, strides, padding)
    return ours(inputs, window_shape, strides or None, padding)


def _flax_pool(*arguments: Any) -> Any:
    from flax.linen import pooling

    # Another thread may have closed the last `with` since this function was found.
    return (_original[-1] if _original else pooling.pool)(*arguments)


def _ours(inputs: Any, init: Any, reduce_fn: Any) -> Callable | None:
    if not jnp.issubdtype(jnp.result_type(inputs), jnp.floating) or np.ndim(init):
        return None
    return next((ours for (fn, first), ours in _POOLS.items() if fn is reduce_fn and first == init), None)
