"""Adaptive polyphase sampling: of the grids that a stride can keep, the one that has the most."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integers, static_length
from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_real
from jaxpool._ops._smooth import lp_norm, order_of_norm
from jaxpool._shards import refuse_layout
from jaxpool._window import Axis, Window, spatial_axes


@public
def polyphase_pool(
    inputs: ArrayLike,
    strides: Sequence[SupportsIndex],
    *,
    p: float = 2.0,
    channel_axis: int | None = -1,
) -> Array:
    r"""Pools by keeping the grid with the largest norm, of those that the strides can keep.

    With strides $s$, an image has $\prod s$ polyphase components $x^{(r)}_o = x_{o s + r}$, with
    $0 \le r < s$ along each spatial axis, and

    $$ y = x^{(r^*)}, \qquad r^* = \operatorname{argmax}_r \lVert x^{(r)} \rVert_p, $$

    with norms over space and channels, for each image of a batch. A circular shift of an image only shifts
    its components or swaps them, so that a shifted image gives the same result, shifted: followed by a global
    pool, a network of circular convolutions and such pools does not see shifts at all.

    - Ties go to the first component in row-major order of $r$. The gradient goes to the one that is kept.
    - Norms are worked out as `lp_pool` does, so that nothing overflows.
    - A component with a NaN is kept before others; infinite elements count as the largest.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      strides: the step of the grids along each spatial axis, which must divide its length. There are as many
        spatial axes as strides.
      p: the order of the norm, above 0; `jnp.inf` for the largest magnitude.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.

    Returns:
      The components that were kept, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers
      and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or `inputs` is complex.
      ValueError: an argument has the wrong length or sign, or `strides` do not divide the spatial axes.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([0.0, 3.0, 1.0, 4.0])[:, None]
      >>> for shift in range(3):
      ...     print(jaxpool.polyphase_pool(jnp.roll(x, shift, 0), (2,))[:, 0])
      [3. 4.]
      [4. 3.]
      [4. 3.]

    References:
      Chaman and Dokmanić, "Truly Shift-Invariant Convolutional Neural Networks", 2021.
    """
    refuse_layout()
    array = as_real("inputs", inputs)
    steps = as_integers("strides", strides, minimum=1)
    if not steps:
        raise ValueError("strides must have at least one entry, got an empty sequence.")
    spatial = spatial_axes(array.ndim, len(steps), channel_axis)
    lengths = tuple(static_length(array.shape[d]) for d in spatial)
    if any(length % step for length, step in zip(lengths, steps, strict=True)):
        raise ValueError(f"strides must divide the spatial axes, which are {lengths}, got {steps}.")
    image = spatial if channel_axis is None else (*spatial, channel_axis % array.ndim)
    step_of = dict(zip(spatial, steps, strict=True))
    return _keep(array, tuple(step_of.get(d, 1) for d in range(array.ndim)), image, order_of_norm(p))


@functools.partial(jax.jit, static_argnums=(1, 2, 3), inline=True)
def _keep(array: Array, steps: tuple[int, ...], image: tuple[int, ...], p: float) -> Array:
    starts = [phase for phase in np.ndindex(*steps) if _fits(phase, array)]
    phases = [lax.slice(array, phase, array.shape, steps) for phase in starts]
    norms = [_norm(lax.stop_gradient(phase), image, p) for phase in phases]
    kept, most = phases[0], norms[0]
    for phase, norm in zip(phases[1:], norms[1:], strict=True):
        better = (norm > most) | (jnp.isnan(norm) & ~jnp.isnan(most))
        kept, most = jnp.where(better, phase, kept), jnp.where(better, norm, most)
    return kept


def _fits(phase: tuple[int, ...], array: Array) -> bool:
    return all(first < max(length, 1) for first, length in zip(phase, array.shape, strict=True))


def _norm(component: Array, image: tuple[int, ...], p: float) -> Array:
    lengths = {d: component.shape[d] for d in image}
    window = Window(tuple(Axis(n, n) if (n := lengths.get(d)) else None for d in range(component.ndim)))
    return lp_norm(component, window, p)
