"""Where windows lie: the geometry of strided, padded, dilated windows, in plain integers."""

import functools

import numpy as np


def windows(
    shape,
    window_shape,
    strides=None,
    padding="VALID",
    *,
    window_dilation=None,
    ceil_mode=False,
    channel_axis=-1,
):
    """The windows of an input of `shape`, one `(elements, cells)` per output position, row-major.

    `elements` lists `(tap, position)` for every cell of the window that lies in the input: its
    number among the cells of the window, and its flat position in the spatial block; both ascend.
    `cells` counts the cells that lie in the input or its declared padding, so without any overhang
    that `ceil_mode` makes.
    """
    spatial = spatial_shape(shape, len(window_shape), channel_axis)
    geometry = _geometry(spatial, window_shape, strides, padding, window_dilation, ceil_mode)
    return _windows(spatial, tuple(window_shape), *geometry)


@functools.lru_cache(maxsize=64)  # all functions of one test ask for the same windows, one after the other
def _windows(spatial, window_shape, strides, dilation, pads, outputs):
    found = []
    for output in np.ndindex(*outputs):
        elements, cells = [], 0
        for tap, offset in enumerate(np.ndindex(*window_shape)):
            place = [
                o * stride + t * step - low
                for o, stride, t, step, (low, _) in zip(output, strides, offset, dilation, pads, strict=True)
            ]
            if all(0 <= at < size for at, size in zip(place, spatial, strict=True)):
                elements.append((tap, flat_position(place, spatial)))
            if all(
                -low <= at < size + high for at, size, (low, high) in zip(place, spatial, pads, strict=True)
            ):
                cells += 1
        found.append((elements, cells))
    return found


def output_shape(
    shape,
    window_shape,
    strides=None,
    padding="VALID",
    *,
    window_dilation=None,
    ceil_mode=False,
    channel_axis=-1,
):
    """The shape of the result, batch and channel axes included."""
    rank = len(window_shape)
    spatial = spatial_shape(shape, rank, channel_axis)
    *_, outputs = _geometry(spatial, window_shape, strides, padding, window_dilation, ceil_mode)
    return with_spatial_shape(shape, outputs, channel_axis)


def _spatial_axes(ndim, rank, channel_axis):
    """The last `rank` axes once the channel axis is set aside."""
    axes = list(range(ndim))
    if channel_axis is not None:
        del axes[channel_axis]
    if len(axes) < rank:
        raise ValueError(f"{rank} spatial axes do not fit an array with {ndim} axes")
    return axes[len(axes) - rank :]


def spatial_shape(shape, rank, channel_axis):
    return tuple(int(shape[axis]) for axis in _spatial_axes(len(shape), rank, channel_axis))


def with_spatial_shape(shape, spatial, channel_axis):
    """`shape` with its spatial sizes replaced."""
    result = [int(size) for size in shape]
    axes = _spatial_axes(len(shape), len(spatial), channel_axis)
    for axis, size in zip(axes, spatial, strict=True):
        result[axis] = int(size)
    return tuple(result)


def flat_position(place, spatial):
    flat = 0
    for at, size in zip(place, spatial, strict=True):
        flat = flat * size + at
    return flat


def _geometry(spatial, window_shape, strides, padding, window_dilation, ceil_mode):
    """Strides, dilation, (low, high) padding and output size, each for every spatial axis."""
    rank = len(window_shape)
    strides = (1,) * rank if strides is None else tuple(strides)
    dilation = (1,) * rank if window_dilation is None else tuple(window_dilation)
    pads, outputs = [], []
    for axis in range(rank):
        size, stride = spatial[axis], strides[axis]
        # From the first cell of a dilated window to its last, both included.
        extent = dilation[axis] * (window_shape[axis] - 1) + 1
        low, high = _axis_padding(padding, axis, size, extent, stride)
        count = _axis_outputs(size, low, high, extent, stride, ceil_mode)
        if count < 1:
            room = f"{low} + {size} + {high}"
            raise ValueError(f"axis {axis}: no window of extent {extent} fits into {room}")
        pads.append((low, high))
        outputs.append(count)
    return strides, dilation, tuple(pads), tuple(outputs)


def _axis_padding(padding, axis, size, extent, stride):
    """How many cells of padding one axis has at its start and at its end."""
    if padding == "VALID":
        return 0, 0
    if padding == "CAUSAL":
        return extent - 1, 0
    if padding in ("SAME", "SAME_LOWER"):
        starts = -(-size // stride)  # one window for every `stride` cells, rounded up
        total = max((starts - 1) * stride + extent - size, 0)
        smaller, larger = total // 2, total - total // 2
        return (smaller, larger) if padding == "SAME" else (larger, smaller)
    if isinstance(padding, str):
        raise ValueError(f"unknown padding {padding!r}")
    if np.ndim(padding) == 0:  # one int for all axes
        return int(padding), int(padding)
    if np.ndim(padding[axis]) == 0:  # one int for each axis
        return int(padding[axis]), int(padding[axis])
    low, high = padding[axis]
    return int(low), int(high)


def _axis_outputs(size, low, high, extent, stride, ceil_mode):
    """How many windows one axis has."""
    room = low + size + high - extent  # how far the first window can move
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    if (count - 1) * stride >= low + size:  # the last window would start beyond the input
        count -= 1
    return count
