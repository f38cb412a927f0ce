"""The general pool: any associative function of two elements."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._lowering.sweep import over_windows
from jaxpool._lowering.taps import Block, Source
from jaxpool._ops._arrays import as_array
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import on_each_device
from jaxpool._window import Padding, Window, make_window


@public
def pool(
    inputs: ArrayLike,
    init: ArrayLike,
    reduce_fn: Callable[[Array, Array], Array],
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
) -> Array:
    r"""Pools with any associative function of two elements.

    With the elements $x_1, \dots, x_n$ of a window in row-major order and $\circ$ the function,

    $$ y = \mathit{init} \circ x_1 \circ x_2 \circ \dots \circ x_n. $$

    Differentiable in forward and reverse mode, to any order, with respect to `inputs` and `init`, whenever
    `reduce_fn` is: the derivative is that of `reduce_fn`, also at ties.

    - Padding is no element: a window of padding only gives `init`.
    - float16 and bfloat16 are reduced in float32 and rounded once.
    - The windows are reduced one axis after the other, which is what `reduce_fn` must be associative for.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any dtype.
      init: a scalar, the identity of `reduce_fn` as a rule; it takes part once in every window.
      reduce_fn: an associative function that takes two arrays of one shape and dtype, element by element,
        and returns a third. Outside `jit`, the same function object compiles once.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.

    Returns:
      The reduced windows, of the inputs' dtype and of shape `(*batch, *pooled, channels)`.

    Raises:
      TypeError: an argument has the wrong type, or `reduce_fn` returns another shape or dtype.
      ValueError: an argument has the wrong length or sign, `init` is no scalar, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 3.0, 4.0])[:, None]
      >>> def product(x):
      ...     return jaxpool.pool(x, 1.0, jnp.multiply, (2,), (2,))
      >>> product(x)[:, 0]
      Array([ 2., 12.], dtype=float32)
      >>> jax.grad(lambda x: product(x).sum())(x)[:, 0]
      Array([2., 1., 4., 3.], dtype=float32)

    References:
      Arguments as `flax.linen.pool`.
    """
    array = as_array("inputs", inputs)
    if not callable(reduce_fn):
        raise TypeError(f"reduce_fn must be a function of two arrays, got {reduce_fn!r}.")
    first = as_scalar("init", init, "inputs", array.dtype)
    window = make_window(
        array.shape,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )
    (value,) = on_each_device(reduce, array, window, values=(first,), reduce_fn=reduce_fn, tree=_ONE_ARRAY)
    return value


_ONE_ARRAY = jax.tree.structure(0)


def as_scalar(name: str, value: Any, of: str, dtype: np.dtype) -> Array:
    """What windows are reduced from, of the dtype of the elements."""
    if np.shape(value) != ():
        raise ValueError(f"{name} must be a scalar, got an array of shape {np.shape(value)}.")
    if _kind(jnp.result_type(value)) > _kind(dtype):
        raise TypeError(f"{name} must be a scalar that fits {of} of {dtype}, got {value!r}.")
    return jnp.asarray(value, dtype)


def _kind(dtype: np.dtype) -> int:
    """Where a dtype stands among bools, integers, real and complex numbers."""
    kinds = (np.bool_, jnp.integer, jnp.floating, jnp.complexfloating)
    return next(i for i, kind in enumerate(kinds) if jnp.issubdtype(dtype, kind))


@functools.partial(jax.jit, static_argnames=("reduce_fn", "tree"), inline=True)
def reduce(
    operand: Array, window: Window, *others: Array, reduce_fn: Callable, tree: Any
) -> tuple[Array, ...]:
    """The windows of one or more operands, reduced by a function of two trees of them.

    The others are the rest of the operands, and what each is reduced from.
    """
    if not all(shard.inside for shard in window.shards.values()):
        raise ValueError(
            "padding must be 0 along axes that are split among devices: a function of elements "
            "cannot tell what is none."
        )
    operands, inits = (operand, *others[: tree.num_leaves - 1]), others[tree.num_leaves - 1 :]
    values = tuple(array.astype(accumulation_dtype(array.dtype)) for array in operands)
    inits = tuple(init.astype(value.dtype) for init, value in zip(inits, values, strict=True))
    window, combine = window.local, functools.partial(_combine, reduce_fn, tree)
    for d in reversed(window.pooled):
        fold = functools.partial(_fold, combine, inits)
        values = over_windows(fold, window.only(d), *[Source(v, None) for v in values], reading="runs")
    inits = tuple(lax.full_like(value, 0) + init for value, init in zip(values, inits, strict=True))
    values = combine(inits, values)
    for d, axis in window.pooled.items():
        some = axis.element_counts() > 0
        if not some.all():
            mask = np.expand_dims(some, tuple(e for e in range(operand.ndim) if e != d))
            values = tuple(jnp.where(mask, *pair) for pair in zip(values, inits, strict=True))
    return tuple(value.astype(array.dtype) for value, array in zip(values, operands, strict=True))


def _fold(combine: Callable, inits: tuple[Array, ...], block: Block, *sources: Source) -> tuple[Array, ...]:
    elements = [tuple(tap.read(source) for source in sources) for tap in block.taps()]
    if not elements:
        return tuple(
            _only_init(source.array, init, block) for source, init in zip(sources, inits, strict=True)
        )
    return functools.reduce(combine, elements)


def _only_init(array: Array, init: Array, block: Block) -> Array:
    """A block of windows without elements, laid out over a mesh as the array is."""
    for d, run in block.runs.items():
        if not array.shape[d]:
            return lax.broadcast(init, [run.length if e == d else n for e, n in enumerate(array.shape)])
        array = lax.concatenate([lax.slice_in_dim(array, 0, 1, axis=d)] * run.length, d)
    return lax.full_like(array, 0) + init


def _combine(
    reduce_fn: Callable,
    tree: Any,
    first: tuple[Array, ...],
    second: tuple[Array, ...],
) -> tuple[Array, ...]:
    result = reduce_fn(tree.unflatten(first), tree.unflatten(second))
    leaves, structure = jax.tree.flatten(result)
    types = [(array.shape, array.dtype) for array in first]
    if structure != tree or [(jnp.shape(leaf), leaf.dtype) for leaf in leaves] != types:
        raise TypeError(
            f"reduce_fn must return an array of shape {first[0].shape} and dtype {first[0].dtype} for two "
            f"such arrays, got {result!r}."
        )
    return tuple(leaves)
