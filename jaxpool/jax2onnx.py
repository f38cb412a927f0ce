"""Export to ONNX by jax2onnx, with pools of windows as ONNX's own operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import jax2onnx  # pyright: ignore[reportMissingImports]
import numpy as np
from jax import Array, lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax2onnx.plugins.plugin_system import (  # pyright: ignore[reportMissingImports]
    PrimitiveLeafPlugin,
    register_primitive,
)

from jaxpool._as_lax import written_out
from jaxpool._lowering.divisors import divide, is_uniform, uniform_divisor
from jaxpool._lowering.order import identity
from jaxpool._precision import accumulation_dtype
from jaxpool._primitives._define import IN_LAX
from jaxpool._primitives.select import select_p, select_value_p
from jaxpool._primitives.sum import add_p
from jaxpool._window import Axis, Divisor, Window


def to_onnx(function: Callable, inputs: Sequence[Any], **options: Any) -> Any:
    """Exports a function or a module that pools, as `jax2onnx.to_onnx` exports others.

    Maxima and minima of windows become ONNX's `MaxPool`, sums and averages `AveragePool`, pools of whole axes
    `ReduceMax` and its like, and adaptive pools one of these where all bins have one size. Other pools are
    made of these and of elementwise operations, slices and gathers.

    - It exports what `jaxpool.as_lax` describes: calls are written out, and nothing may change outside.
    - Gradients are not exported: ONNX has no operator for that of a maximum.
    - What a runtime makes of NaN and infinities is its own: for onnxruntime's `MaxPool` nothing is below the
      lowest finite number, which is also the maximum of a window of padding alone.
    - Windows along four axes are no operator, and medians, regions and segments use operations that jax2onnx
      does not export.

    Args:
      function: what `jax2onnx.to_onnx` takes, and called as that calls it.
      inputs: the shape or the type of each input, as there.
      options: its other arguments, by name.

    Returns:
      What `jax2onnx.to_onnx` returns: an ONNX model, unless `return_mode` says otherwise.

    Example:
      >>> import jaxpool, jaxpool.jax2onnx
      >>> pool = lambda x: jaxpool.max_pool(x, (3, 3), (2, 2), "SAME")
      >>> model = jaxpool.jax2onnx.to_onnx(pool, [(1, 8, 8, 4)])
      >>> [node.op_type for node in model.graph.node]
      ['Transpose', 'MaxPool', 'Transpose']
    """
    return jax2onnx.to_onnx(written_out(function, _REPLACEMENTS), inputs, **options)


# ------------------------------------------------------------------------------------------- ONNX's operators


def _type(operand: Any, *, axes: Sequence[Axis]) -> Any:
    shape = (*operand.shape[:2], *(axis.windows for axis in axes))
    return ShapedArray(shape, operand.dtype)


def _operator(name: str, **attributes: Any) -> Primitive:
    """An operation of JAX that jax2onnx makes one of ONNX's: (batch, channels, *spatial) in and out."""
    primitive = Primitive(f"jaxpool.{name}")
    primitive.def_abstract_eval(_type)

    @register_primitive(jaxpr_primitive=primitive.name)
    class Plugin(PrimitiveLeafPlugin):
        def lower(self, ctx: Any, eqn: Any) -> None:
            axes = eqn.params["axes"]
            operand = ctx.get_value_for_var(eqn.invars[0])
            result = getattr(ctx.builder, name)(
                operand,
                _outputs=[ctx.fresh_name(name)],
                kernel_shape=[axis.size for axis in axes],
                strides=[axis.stride for axis in axes],
                dilations=[axis.dilation for axis in axes],
                pads=[*(axis.low for axis in axes), *(axis.high for axis in axes)],
                **attributes,
            )
            like = ctx.get_value_for_var(eqn.outvars[0])
            result.type, result.shape = operand.type, like.shape
            ctx.bind_value_for_var(eqn.outvars[0], result)

    return primitive


_max_p = _operator("MaxPool")
_mean_p = _operator("AveragePool", count_include_pad=1)


# ----------------------------------------------------------------------------------------- pools made of them


def _pooled(primitive: Primitive, operand: Array, window: Window, padding: np.ndarray) -> Array:
    """The result of an operator, which knows one axis of the batch and one of channels."""
    if not window.pooled:  # windows of one cell
        return operand
    if any(max(axis.low, axis.high) >= axis.size for axis in window.pooled.values()):  # runtimes take no more
        padded = [window.pooled.get(d, Axis(0, 1)) for d in range(operand.ndim)]
        operand = lax.pad(operand, padding, [(axis.low, axis.high, 0) for axis in padded])
        for d, axis in window.pooled.items():
            window = window.replace(d, axis.padded())
    others = [d for d in range(operand.ndim) if d not in window.pooled]
    lengths = [operand.shape[d] for d in others]
    order = [*others, *window.pooled]
    moved = operand.transpose(order)
    if len(others) != 2:
        batch_and_channels = (*lengths[:1], math.prod(lengths[1:])) if others else (1, 1)
        moved = moved.reshape(*batch_and_channels, *moved.shape[len(others) :])
    result = primitive.bind(moved, axes=tuple(window.pooled.values()))
    if len(others) != 2:
        result = result.reshape(*lengths, *result.shape[2:])
    return result.transpose(np.argsort(order).tolist())


def _is_operator(operand: Array, window: Window) -> bool:
    """Whether ONNX has an operator: for regular windows of floating-point numbers, along up to three axes."""
    regular = len(window.pooled) <= 3 and all(type(axis) is Axis for axis in window.pooled.values())
    return regular and not window.whole and jnp.issubdtype(operand.dtype, jnp.floating)


def _select_value(operand: Array, *places: Array, window: Window, order: str) -> Array:
    if not _is_operator(operand, window):
        return IN_LAX[select_value_p](operand, *places, window=window, order=order)
    lowest = identity("max", operand.dtype)
    if order == "max":
        return _pooled(_max_p, operand, window, lowest)
    return -_pooled(_max_p, -operand, window, lowest)


def _select(operand: Array, *places: Array, window: Window, order: str) -> tuple[Array, Array]:
    index = IN_LAX[select_p](operand, *places, window=window, order=order)[1]
    return _select_value(operand, *places, window=window, order=order), index


def _add(operand: Array, *places: Array, window: Window, divisor: Divisor) -> Array:
    if not _is_operator(operand, window):
        return IN_LAX[add_p](operand, *places, window=window, divisor=divisor)
    wide = operand.astype(accumulation_dtype(operand.dtype))
    result = _pooled(_mean_p, wide, window, np.zeros((), wide.dtype))
    if not is_uniform(window, divisor) or uniform_divisor(window, divisor) != window.taps:
        result = divide(result * window.taps, window, divisor)
    return result.astype(operand.dtype)


def _reduce_precision(operand: Array, *, exponent_bits: int, mantissa_bits: int) -> Array:
    """jax2onnx knows no rounding to powers of two, which `lp_pool` scales by."""
    if mantissa_bits:
        return lax.reduce_precision_p.bind(operand, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits)
    return lax.exp2(lax.floor(lax.log(operand) / math.log(2) + math.log2(4 / 3)))


_REPLACEMENTS = IN_LAX | {
    select_value_p: _select_value,
    select_p: _select,
    add_p: _add,
    lax.reduce_precision_p: _reduce_precision,
}
