"""`jax.lax.reduce_window` with derivatives."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer

from jaxpool._arguments import as_integers, static_length
from jaxpool._elsewhere import public
from jaxpool._lowering.order import identity
from jaxpool._ops._arrays import as_array
from jaxpool._ops.general import as_scalar, reduce
from jaxpool._ops.max_min import extreme
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives.sum import window_sum
from jaxpool._shards import on_each_device
from jaxpool._window import Axis, Padding, Window, as_pads

_ORDERS = {lax.max: "max", jnp.maximum: "max", lax.min: "min", jnp.minimum: "min"}
_SUMS = (lax.add, jnp.add)


@public
def reduce_window(
    operand: Any,
    init_value: Any,
    computation: Callable[[Any, Any], Any],
    window_dimensions: Sequence[SupportsIndex],
    window_strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    base_dilation: Sequence[SupportsIndex] | None = None,
    window_dilation: Sequence[SupportsIndex] | None = None,
) -> Any:
    r"""Reduces windows as `jax.lax.reduce_window` does, differentiably whatever the reduction is.

    With the elements $x_1, \dots, x_n$ of a window in row-major order and $\circ$ the computation,

    $$ y = \mathit{init} \circ x_1 \circ x_2 \circ \dots \circ x_n. $$

    Every dimension of the operand has an entry in the sequences, batches and channels too; where there is
    nothing to pool it is 1. In models that call `jax.lax.reduce_window` this takes its place as it is.

    - Differentiable in forward and reverse mode, to any order, with respect to `operand` and `init_value`,
      with any dilation, whenever `computation` is.
    - `lax.max`, `lax.min` and `lax.add`, and `jnp.maximum`, `jnp.minimum` and `jnp.add`, are as fast as
      `jaxpool.max_pool`, `jaxpool.min_pool` and `jaxpool.sum_pool`, with the same ties, NaN and gradients.
    - Other computations must be associative: windows are reduced one axis after the other.
    - Padding and the cells that `base_dilation` puts between elements are no elements: a window of nothing
      else gives `init_value`. It takes part once in every window, which XLA leaves open.
    - float16 and bfloat16 are reduced in float32 and rounded once; integers wrap around.
    - A window that fits nowhere is an error, where `jax.lax.reduce_window` returns an array without elements.

    Args:
      operand: an array, or a tree of arrays of one shape that are reduced together.
      init_value: a scalar, or a tree of them like that of `operand`; the identity of `computation` as a rule.
      computation: an associative function of two scalars, or of two trees of scalars like that of `operand`,
        that returns a third. Outside `jit`, the same function object compiles once.
      window_dimensions: the window's size along each dimension.
      window_strides: the step between windows along each dimension; `None` is 1.
      padding: `"VALID"`, `"SAME"`, `"SAME_LOWER"`, or a sequence of `(low, high)` pairs. Negative ones cut
        cells off.
      base_dilation: the step between the elements of the operand along each dimension; `None` is 1. Named
        padding does not count the cells between them, as in `jax.lax.reduce_window`.
      window_dilation: the step between the elements of a window along each dimension; `None` is 1.

    Returns:
      The reduced windows, a tree of arrays like that of `operand`, with their dtypes.

    Raises:
      TypeError: an argument has the wrong type, or `computation` returns another structure, shape or dtype.
      ValueError: an argument has the wrong length or sign, `operand` holds arrays of several shapes,
        `init_value` is no tree of scalars like it, or a window fits nowhere.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 2.0, 3.0, 4.0])
      >>> def product(x):
      ...     return jaxpool.reduce_window(x, 1.0, jax.lax.mul, (2,), (2,))
      >>> product(x), jax.grad(lambda x: product(x).sum())(x)
      (Array([ 2., 12.], dtype=float32), Array([2., 1., 4., 3.], dtype=float32))
      >>> def later(a, b):  # of (value, position) pairs
      ...     return jax.tree.map(lambda p, q: jnp.where(b[0] > a[0], q, p), a, b)
      >>> jaxpool.reduce_window((x, jnp.arange(4)), (-jnp.inf, -1), later, (3,))[1]
      Array([2, 3], dtype=int32)

    References:
      Arguments as `jax.lax.reduce_window`; derivatives of others than sums, maxima and minima, and of
      `base_dilation`, are https://github.com/jax-ml/jax/issues/7815.
    """
    leaves, tree = jax.tree.flatten(operand)
    if not leaves:
        raise ValueError(f"operand must hold at least one array, got {operand!r}.")
    arrays = [as_array("operand", leaf) for leaf in leaves]
    if any(array.shape != arrays[0].shape for array in arrays):
        raise ValueError(f"operand must hold arrays of one shape, got {[array.shape for array in arrays]}.")
    init_leaves, init_tree = jax.tree.flatten(init_value)
    if init_tree != tree:
        raise ValueError(f"init_value must be a tree like that of operand, {tree}, got {init_tree}.")
    axes = _axes(arrays[0].shape, window_dimensions, window_strides, padding, base_dilation, window_dilation)
    if not callable(computation):
        raise TypeError(f"computation must be a function of two scalars, got {computation!r}.")
    if tree == jax.tree.structure(0) and _is_primitive(computation, arrays[0].dtype):
        return _by_primitive(arrays[0], init_leaves[0], computation, axes)
    inits = [
        as_scalar("init_value", init, "an operand", array.dtype)
        for init, array in zip(init_leaves, arrays, strict=True)
    ]
    _check_computation(computation, tree, arrays)

    def pool(cells: Sequence[Array], window: Window) -> tuple[Array, ...]:
        first, *others = cells
        options = {"reduce_fn": _OfArrays(computation), "tree": tree}
        return on_each_device(reduce, first, window, *others, values=inits, **options)

    return tree.unflatten(_over_phases(pool, arrays, axes))


# ------------------------------------------------------------------------------------------- what is reduced


@dataclasses.dataclass(frozen=True)
class _OfArrays:
    """A function of scalars, or of trees of them, as one of arrays."""

    function: Callable

    def __call__(self, *trees: Any) -> Any:
        ndim = jax.tree.leaves(trees)[0].ndim
        return functools.reduce(lambda function, _: jax.vmap(function), range(ndim), self.function)(*trees)


def _check_computation(computation: Callable, tree: Any, arrays: Sequence[Array]) -> None:
    """The computation is called in the precision that windows are reduced in."""
    scalars = [jax.ShapeDtypeStruct((), accumulation_dtype(array.dtype)) for array in arrays]
    expected = tree.unflatten(scalars)
    found = jax.eval_shape(computation, expected, expected)
    leaves, structure = jax.tree.flatten(found)
    types = [(leaf.shape, leaf.dtype) for leaf in leaves]
    if structure != tree or types != [(scalar.shape, scalar.dtype) for scalar in scalars]:
        raise TypeError(f"computation must return {expected} for two such, got {found}.")


def _is_primitive(computation: Callable, dtype: np.dtype) -> bool:
    """Whether windows are selected from or summed."""
    if computation in _SUMS:
        return dtype != np.bool_
    return computation in _ORDERS and not jnp.issubdtype(dtype, jnp.complexfloating)


def _by_primitive(
    array: Array, init_value: Any, computation: Callable, axes: Sequence[_Dilated | None]
) -> Array:
    """A maximum, a minimum or a sum; with what it is reduced from, unless that changes nothing."""

    def pool(cells: Sequence[Array], window: Window) -> tuple[Array]:
        (inputs,) = cells
        if computation in _ORDERS:
            return (on_each_device(extreme, inputs, window, None, order=_ORDERS[computation]),)
        return (on_each_device(_add, inputs, window),)

    if _is_identity(computation, init_value, array.dtype):
        return _over_phases(pool, [array], axes)[0]
    init = as_scalar("init_value", init_value, "an operand", array.dtype)
    wide = array.astype(accumulation_dtype(array.dtype))
    (value,) = _over_phases(pool, [wide], axes)
    first = lax.full_like(value, 0) + init.astype(value.dtype)
    return computation(first, value).astype(array.dtype)


def _is_identity(computation: Callable, init_value: Any, dtype: np.dtype) -> bool:
    """Whether a number is known, and a reduction from it is one from nothing."""
    if isinstance(init_value, Tracer) or np.shape(init_value) != ():
        return False
    init = np.asarray(init_value)
    if computation in _SUMS:
        return bool(init == 0)
    # Of integers too -inf is what every number is at least, as in `jax.lax.reduce_window`.
    kinds = dtype, jnp.result_type(init_value)
    return any(bool(init == identity(_ORDERS[computation], kind)) for kind in kinds)


@functools.partial(jax.jit, inline=True)
def _add(inputs: Array, window: Window) -> Array:
    return window_sum(inputs, window)


# --------------------------------------------------------------------------------------------- base dilation
# Between the elements of an operand that is dilated lie cells that are none. A window starts on each of some
# places relative to the elements in turn: windows that start alike, a *phase*, are those of a regular window
# over the elements alone. So a pool of a dilated operand is as many pools of the operand, interleaved.


@dataclasses.dataclass(frozen=True)
class _Phase:
    """The cells of the operand that the windows of a phase reach, and these windows."""

    start: int
    stop: int
    axis: Axis | None


@dataclasses.dataclass(frozen=True)
class _Dilated:
    """How a window slides along a dimension of which the elements may be apart."""

    windows: int
    phases: tuple[_Phase, ...]


def _axes(
    shape: Sequence[Any],
    window_dimensions: Any,
    window_strides: Any,
    padding: Any,
    base_dilation: Any,
    window_dilation: Any,
) -> list[_Dilated | None]:
    """How a window slides along each dimension; `None` where it does not."""
    ndim = len(shape)
    sizes = as_integers("window_dimensions", window_dimensions, 1, ndim)
    others = {
        "window_strides": window_strides,
        "window_dilation": window_dilation,
        "base_dilation": base_dilation,
    }
    steps, taps, cells = (
        (1,) * ndim if value is None else as_integers(name, value, 1, ndim) for name, value in others.items()
    )
    moves = [entries != (1, 1, 1) for entries in zip(sizes, steps, cells, strict=True)]
    lengths = [static_length(n) if moved else 1 for n, moved in zip(shape, moves, strict=True)]
    pads = as_pads(padding, lengths, sizes, steps, taps, minimum=None)
    return [
        _dilated(static_length(n), *entry) if moved or entry[-1] != (0, 0) else None
        for n, moved, *entry in zip(shape, moves, sizes, steps, taps, cells, pads, strict=True)
    ]


def _dilated(length: int, size: int, stride: int, tap: int, cell: int, pads: tuple[int, int]) -> _Dilated:
    low, high = pads
    extent = (size - 1) * tap + 1
    dilated = (length - 1) * cell + 1 if length else 0
    windows = (dilated + low + high - extent) // stride + 1
    if windows < 1:
        raise ValueError(
            f"window_dimensions must fit the padded operand: a window of {size} with dilation {tap} spans "
            f"{extent} cells, but the dimension has {dilated} and padding {pads}."
        )
    count = cell // math.gcd(stride, cell)
    phases = [
        _phase(length, size, stride * count, tap, cell, low - number * stride, -(-windows // count))
        for number in range(count)
    ]
    return _Dilated(windows, tuple(phases))


def _phase(length: int, size: int, stride: int, tap: int, cell: int, low: int, windows: int) -> _Phase:
    """Windows whose stride is whole elements, so that the same taps are on elements in all of them."""
    found = [i for i in range(size) if (i * tap - low) % cell == 0]
    if not found:
        return _Phase(0, 0, Axis(0, 1, high=windows))
    taps, step = len(found), (found[-1] - found[0]) // max(len(found) - 1, 1) * tap // cell
    first, stride, dilation = (found[0] * tap - low) // cell, stride // cell, max(step, 1)
    reach = (windows - 1) * stride + (taps - 1) * dilation + 1
    start, stop = min(max(first, 0), length), length
    if first + reach + stride <= length:  # one more window would fit
        stop = max(first + reach, start)
    low = min(max(-first, 0), reach)
    axis = Axis(stop - start, taps, stride, dilation, low, max(reach - low - (stop - start), 0))
    return _Phase(start, stop, None if axis == Axis(axis.length, 1) else axis)


def _over_phases(
    pool: Callable[[Sequence[Array], Window], tuple[Array, ...]],
    arrays: Sequence[Array],
    axes: Sequence[_Dilated | None],
) -> tuple[Array, ...]:
    """The pools of all phases, interleaved."""
    split = jax.typeof(arrays[0]).sharding.spec

    def build(cells: list[Array], chosen: tuple[Axis | None, ...]) -> tuple[Array, ...]:
        d = len(chosen)
        if d == len(axes):
            return pool(cells, Window(chosen))
        dilated = axes[d]
        if dilated is None:
            return build(cells, (*chosen, None))
        length, cuts = cells[0].shape[d], [(phase.start, phase.stop) for phase in dilated.phases]
        if split[d] is not None and cuts != [(0, length)]:
            raise ValueError(
                f"operand must not be split among devices along axis {d}, for base_dilation or negative "
                f"padding cuts it otherwise, got {jax.typeof(arrays[0])}."
            )
        parts = []
        for phase, cut in zip(dilated.phases, cuts, strict=True):
            part = cells if cut == (0, length) else [lax.slice_in_dim(c, *cut, axis=d) for c in cells]
            parts.append(build(part, (*chosen, phase.axis)))
        if len(parts) == 1:
            return parts[0]
        return tuple(_interleaved(results, d, dilated.windows) for results in zip(*parts, strict=True))

    return build(list(arrays), ())


def _interleaved(parts: Sequence[Array], dimension: int, length: int) -> Array:
    """Of each part the first, then of each the second, and so on."""
    stacked = lax.concatenate([lax.expand_dims(part, [dimension + 1]) for part in parts], dimension + 1)
    merged = lax.collapse(stacked, dimension, dimension + 2)
    return lax.slice_in_dim(merged, 0, length, axis=dimension)
