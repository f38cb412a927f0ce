"""How far the units of a stack of windows see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, SupportsIndex

from jaxpool._arguments import as_integers, as_sequence
from jaxpool._window import Axis, Padding, make_window

# A length that every window fits.
_UNBOUNDED = 2**62


class Layer(NamedTuple):
    """A convolution or a pool, with arguments as those of `jaxpool.max_pool`."""

    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = "VALID"
    window_dilation: Sequence[SupportsIndex] | None = None


class ReceptiveField(NamedTuple):
    """The cells of the input that a unit sees, along each spatial axis.

    Unit `i` sees `size` cells, of which the first is `i * stride - padding`; their center is at
    `i * stride - padding + (size - 1) / 2`.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]


def receptive_field(
    layers: Sequence[Layer], *, spatial_shape: Sequence[SupportsIndex] | None = None
) -> list[ReceptiveField]:
    r"""The cells of the input that a unit of each layer of a stack sees.

    Along each spatial axis, with window $k_l$, stride $s_l$, dilation $d_l$ and low padding $p_l$ of layer
    $l$, from $r_0 = j_0 = 1$ and $P_0 = 0$ on, size, stride and padding after layer $l$ are

    $$ r_l = r_{l-1} + d_l (k_l - 1)\, j_{l-1}, \qquad
       j_l = j_{l-1} s_l, \qquad
       P_l = P_{l-1} + p_l j_{l-1}. $$

    - Unit $i$ sees the cells from $i j_l - P_l$ to $i j_l - P_l + r_l - 1$; those outside the input are
      padding.
    - Layers with strides and dilations may leave cells between these out.
    - What has no window, such as an activation or a normalization by constants, is no layer.

    Args:
      layers: the convolutions and pools, from the input on.
      spatial_shape: the spatial lengths of the input; `None` where nothing depends on them. What does is
        `"SAME"` with strides above 1.

    Returns:
      A `ReceptiveField` after each layer; the last is that of the whole stack.

    Raises:
      TypeError: a layer is no `Layer`, or an argument has the wrong type.
      ValueError: there are no layers, they differ in the number of spatial axes, an argument has the wrong
        length or sign, a window does not fit, or a padding depends on an `spatial_shape` that is not given.

    Example:
      >>> from jaxpool.analysis import Layer, receptive_field
      >>> for field in receptive_field([Layer((7, 7), (2, 2), 3), Layer((3, 3), (2, 2), 1)]):
      ...     print(field)
      ReceptiveField(size=(7, 7), stride=(2, 2), padding=(3, 3))
      ReceptiveField(size=(11, 11), stride=(4, 4), padding=(5, 5))

    References:
      Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.
    """
    entries = as_sequence("layers", layers)
    if not entries:
        raise ValueError("layers must have at least one entry, got none.")
    for layer in entries:
        if not isinstance(layer, Layer):
            raise TypeError(f"every entry of layers must be a Layer, got {layer!r}.")
    rank = len(as_sequence("window_shape", entries[0].window_shape))
    lengths = None if spatial_shape is None else as_integers("spatial_shape", spatial_shape, 1, rank)
    field = ReceptiveField((1,) * rank, (1,) * rank, (0,) * rank)
    fields = []
    for layer in entries:
        axes = _axes(layer, rank, lengths)
        lengths = lengths and tuple(axis.windows for axis in axes)
        field = ReceptiveField(
            tuple(
                r + (axis.extent - 1) * j for axis, r, j in zip(axes, field.size, field.stride, strict=True)
            ),
            tuple(j * axis.stride for axis, j in zip(axes, field.stride, strict=True)),
            tuple(p + axis.low * j for axis, p, j in zip(axes, field.padding, field.stride, strict=True)),
        )
        fields.append(field)
    return fields


def _axes(layer: Layer, rank: int, lengths: tuple[int, ...] | None) -> list[Axis]:
    """How a layer's window slides along each spatial axis, of these lengths if they are known."""
    as_sequence("window_shape", layer.window_shape, rank)
    shape = lengths or (_UNBOUNDED,) * rank
    window = make_window(shape, *layer[:3], window_dilation=layer.window_dilation, channel_axis=None)
    # What takes every cell by itself has no axis.
    axes = [
        axis if isinstance(axis, Axis) else Axis(n, 1) for axis, n in zip(window.axes, shape, strict=True)
    ]
    same = isinstance(layer.padding, str) and layer.padding.upper().startswith("SAME")
    if lengths is None and same and any(axis.stride > 1 for axis in axes):
        raise ValueError(
            f"spatial_shape must be given where padding is {layer.padding!r} and strides are above 1, got "
            f"None for {layer}."
        )
    return axes
