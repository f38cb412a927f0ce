"""The oracle: pooling written as slow NumPy loops, straight from the definitions in the contract.

It shares no code with the package. Every function loops over the output positions and, for each,
over the elements of its window; only batch and channels are vectorised. Arrays are viewed as
`rows`: a matrix, one row per batch entry and channel, one column per spatial position.

Floating and complex results are accumulated in float64 / complex128 and rounded at the end, to
`dtype` (by default that of the input); integers wrap around in their own dtype.

`**options` are the keyword arguments `window_dilation` and `ceil_mode` of `windows`.
"""

import numpy as np

# ----------------------------------------------------------------------------------------- geometry


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
    spatial = _spatial_shape(shape, len(window_shape), channel_axis)
    strides, dilation, pads, outputs = _geometry(
        spatial, window_shape, strides, padding, window_dilation, ceil_mode
    )
    found = []
    for output in np.ndindex(*outputs):
        elements, cells = [], 0
        for tap, offset in enumerate(np.ndindex(*window_shape)):
            place = [
                o * stride + t * step - low
                for o, stride, t, step, (low, _) in zip(output, strides, offset, dilation, pads, strict=True)
            ]
            if all(0 <= at < size for at, size in zip(place, spatial, strict=True)):
                elements.append((tap, _flat_position(place, spatial)))
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
    spatial = _spatial_shape(shape, rank, channel_axis)
    *_, outputs = _geometry(spatial, window_shape, strides, padding, window_dilation, ceil_mode)
    return _with_spatial_shape(shape, outputs, channel_axis)


def _spatial_axes(ndim, rank, channel_axis):
    """The last `rank` axes once the channel axis is set aside."""
    axes = list(range(ndim))
    if channel_axis is not None:
        del axes[channel_axis]
    if len(axes) < rank:
        raise ValueError(f"{rank} spatial axes do not fit an array with {ndim} axes")
    return axes[len(axes) - rank :]


def _spatial_shape(shape, rank, channel_axis):
    return tuple(int(shape[axis]) for axis in _spatial_axes(len(shape), rank, channel_axis))


def _with_spatial_shape(shape, spatial, channel_axis):
    """`shape` with its spatial sizes replaced."""
    result = [int(size) for size in shape]
    axes = _spatial_axes(len(shape), len(spatial), channel_axis)
    for axis, size in zip(axes, spatial, strict=True):
        result[axis] = int(size)
    return tuple(result)


def _flat_position(place, spatial):
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
    return strides, dilation, pads, outputs


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


# -------------------------------------------------------------------------------- arrays and dtypes


def _rows(array, rank, channel_axis):
    """`(batch and channels, spatial positions)`, the spatial positions in row-major order."""
    if channel_axis is not None:
        array = np.moveaxis(array, channel_axis, 0)
    split = array.ndim - rank
    return array.reshape(_product(array.shape[:split]), _product(array.shape[split:]))


def _from_rows(rows, shape, channel_axis):
    """The array of `shape` whose `_rows` these are."""
    if channel_axis is None:
        return rows.reshape(shape)
    others = list(shape)
    channels = others.pop(channel_axis)
    return np.moveaxis(rows.reshape(channels, *others), 0, channel_axis)


def _product(sizes):
    product = 1
    for size in sizes:
        product *= int(size)
    return product


def _is_integer(dtype):
    return np.dtype(dtype).kind in "iu"


def _is_bool(dtype):
    return np.dtype(dtype).kind == "b"


def _inexact_dtype(dtype):
    """complex128 for complex numbers, float64 for all others, bfloat16 included."""
    return np.dtype(np.complex128 if np.dtype(dtype).kind == "c" else np.float64)


def _wide_dtype(dtype):
    """As `_inexact_dtype`, but integers and bools stay what they are."""
    return np.dtype(dtype) if _is_integer(dtype) or _is_bool(dtype) else _inexact_dtype(dtype)


def _rounded(array, dtype):
    with np.errstate(over="ignore", invalid="ignore"):  # beyond the range of `dtype` lies infinity
        return array.astype(dtype)


def _check_shape(name, array, shape):
    if array.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {array.shape}")


# ------------------------------------------------------------------------------------------ forward


def max_pool(inputs, window_shape, strides=None, padding="VALID", *, channel_axis=-1, **options):
    """The largest element of each window, and its flat position: `(values, indices)`.

    The first of equals, the first NaN if there is one; the lowest value and -1 where there is none.
    """
    dtype = np.asarray(inputs).dtype
    lowest = -np.inf
    if _is_bool(dtype):
        lowest = False
    elif _is_integer(dtype):
        lowest = np.iinfo(dtype).min
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    return _select(inputs, np.greater, lowest, window_shape, **geometry)


def min_pool(inputs, window_shape, strides=None, padding="VALID", *, channel_axis=-1, **options):
    """The smallest element of each window, and its flat position; otherwise as `max_pool`."""
    dtype = np.asarray(inputs).dtype
    highest = np.inf
    if _is_bool(dtype):
        highest = True
    elif _is_integer(dtype):
        highest = np.iinfo(dtype).max
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    return _select(inputs, np.less, highest, window_shape, **geometry)


def _select(inputs, beats, identity, window_shape, *, channel_axis, **geometry):
    inputs = np.asarray(inputs)
    geometry = dict(geometry, channel_axis=channel_axis)
    rows = _rows(inputs.astype(_wide_dtype(inputs.dtype)), len(window_shape), channel_axis)
    all_windows = windows(inputs.shape, window_shape, **geometry)
    values = np.full((len(rows), len(all_windows)), identity, rows.dtype)
    indices = np.full((len(rows), len(all_windows)), -1, np.int32)
    for column, (elements, _) in enumerate(all_windows):
        for number, (_, position) in enumerate(elements):
            candidate, best = rows[:, position], values[:, column]
            candidate_is_nan, best_is_nan = candidate != candidate, best != best
            wins = beats(candidate, best) | (candidate_is_nan & ~best_is_nan)
            if number == 0:  # the first element needs to beat nothing: -inf is an element too
                wins = np.ones(len(rows), bool)
            values[:, column] = np.where(wins, candidate, best)
            indices[:, column] = np.where(wins, position, indices[:, column])
    shape = output_shape(inputs.shape, window_shape, **geometry)
    values = _rounded(values, inputs.dtype)
    return _from_rows(values, shape, channel_axis), _from_rows(indices, shape, channel_axis)


def sum_pool(inputs, window_shape, strides=None, padding="VALID", *, channel_axis=-1, dtype=None, **options):
    """The sum of each window, 0 where it has no element; bools are summed as int32."""
    inputs = np.asarray(inputs)
    if _is_bool(inputs.dtype):
        inputs = inputs.astype(np.int32)
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    return pool(inputs, 0, np.add, window_shape, dtype=dtype, **geometry)


def avg_pool(
    inputs,
    window_shape,
    strides=None,
    padding="VALID",
    count_include_pad=True,
    *,
    divisor_override=None,
    channel_axis=-1,
    dtype=None,
    **options,
):
    """The sum of each window divided by its number of cells, elements, or `divisor_override`.

    0 where a window has no element. For integers and bools the caller says which `dtype` results.
    """
    inputs = np.asarray(inputs)
    if dtype is None:
        if _is_integer(inputs.dtype) or _is_bool(inputs.dtype):
            raise TypeError(f"the average of {inputs.dtype} needs an explicit dtype")
        dtype = inputs.dtype
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    sums = sum_pool(inputs.astype(_inexact_dtype(inputs.dtype)), window_shape, **geometry)
    rows = _rows(sums, len(window_shape), channel_axis)
    averages = np.empty_like(rows)
    with np.errstate(over="ignore", invalid="ignore"):
        for column, window in enumerate(windows(inputs.shape, window_shape, **geometry)):
            divisor = _divisor(window, count_include_pad, divisor_override)
            averages[:, column] = rows[:, column] / divisor
    return _from_rows(_rounded(averages, dtype), sums.shape, channel_axis)


def _divisor(window, count_include_pad, divisor_override):
    elements, cells = window
    if divisor_override is not None:
        return divisor_override
    if count_include_pad:
        return cells
    return max(len(elements), 1)  # an empty sum divided by 1 is the 0 that the contract wants


def pool(
    inputs,
    init,
    reduce_fn,
    window_shape,
    strides=None,
    padding="VALID",
    *,
    channel_axis=-1,
    dtype=None,
    **options,
):
    """`reduce_fn(... reduce_fn(reduce_fn(init, first), second) ..., last)` over each window.

    `reduce_fn` is a NumPy function of two vectors: the result so far and the next element.
    """
    inputs = np.asarray(inputs)
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    rows = _rows(inputs.astype(_wide_dtype(inputs.dtype)), len(window_shape), channel_axis)
    all_windows = windows(inputs.shape, window_shape, **geometry)
    results = np.empty((len(rows), len(all_windows)), rows.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN are values like others
        for column, (elements, _) in enumerate(all_windows):
            gathered = np.full(len(rows), init, rows.dtype)
            for _, position in elements:
                gathered = reduce_fn(gathered, rows[:, position])
            results[:, column] = gathered
    results = _rounded(results, inputs.dtype if dtype is None else dtype)
    shape = output_shape(inputs.shape, window_shape, **geometry)
    return _from_rows(results, shape, channel_axis)


# -------------------------------------------------------------------------------------- derivatives
# `dtype` is by default that of the tangent or cotangent; float64 asks for the unrounded result.


def pick(array, indices, spatial_rank, *, channel_axis=-1, dtype=None):
    """The entries of `array` at flat spatial positions `indices`; 0 where the index is -1."""
    array, indices = np.asarray(array), np.asarray(indices)
    rows = _rows(array.astype(_inexact_dtype(array.dtype)), spatial_rank, channel_axis)
    index_rows = _rows(indices, spatial_rank, channel_axis)
    picked = np.zeros(index_rows.shape, rows.dtype)
    for row, column in np.ndindex(*index_rows.shape):
        position = index_rows[row, column]
        if position != -1:
            picked[row, column] = rows[row, position]
    picked = _rounded(picked, array.dtype if dtype is None else dtype)
    return _from_rows(picked, indices.shape, channel_axis)


def scatter_add(array, indices, input_shape, spatial_rank, *, channel_axis=-1, dtype=None):
    """Zeros of `input_shape`, each entry of `array` added at its flat position; -1 adds nothing."""
    array, indices = np.asarray(array), np.asarray(indices)
    rows = _rows(array.astype(_inexact_dtype(array.dtype)), spatial_rank, channel_axis)
    index_rows = _rows(indices, spatial_rank, channel_axis)
    _check_shape("array", array, indices.shape)
    spatial = _spatial_shape(input_shape, spatial_rank, channel_axis)
    scattered = np.zeros((len(rows), _product(spatial)), rows.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for row, column in np.ndindex(*index_rows.shape):
            position = index_rows[row, column]
            if position != -1:
                scattered[row, position] += rows[row, column]
    scattered = _rounded(scattered, array.dtype if dtype is None else dtype)
    return _from_rows(scattered, tuple(input_shape), channel_axis)


def select_jvp(
    tangent,
    indices,
    window_shape,
    strides=None,
    padding="VALID",
    *,
    channel_axis=-1,
    dtype=None,
    **options,
):
    """Tangent of `max_pool` and `min_pool`: that of the selected element, 0 where there is none."""
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    _check_indices(indices, np.shape(tangent), window_shape, **geometry)
    return pick(tangent, indices, len(window_shape), channel_axis=channel_axis, dtype=dtype)


def select_vjp(
    cotangent,
    indices,
    input_shape,
    window_shape,
    strides=None,
    padding="VALID",
    *,
    channel_axis=-1,
    dtype=None,
    **options,
):
    """Cotangent of `max_pool` and `min_pool`: each goes to the selected element of its window."""
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    _check_indices(indices, input_shape, window_shape, **geometry)
    rank = len(window_shape)
    return scatter_add(cotangent, indices, input_shape, rank, channel_axis=channel_axis, dtype=dtype)


def _check_indices(indices, input_shape, window_shape, *, channel_axis, **geometry):
    """Each index names an element of its own window, and is -1 only where the window has none."""
    indices = np.asarray(indices)
    geometry = dict(geometry, channel_axis=channel_axis)
    _check_shape("indices", indices, output_shape(input_shape, window_shape, **geometry))
    rows = _rows(indices, len(window_shape), channel_axis)
    for column, (elements, _) in enumerate(windows(input_shape, window_shape, **geometry)):
        allowed = [position for _, position in elements] or [-1]
        if not np.isin(rows[:, column], allowed).all():
            raise ValueError(f"window {column}: expected one of {allowed}, got {rows[:, column]}")


def sum_jvp(tangent, window_shape, strides=None, padding="VALID", *, channel_axis=-1, dtype=None, **options):
    """The sum is linear: its tangent is the sum of the tangents."""
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    return sum_pool(tangent, window_shape, dtype=dtype, **geometry)


def sum_vjp(
    cotangent,
    input_shape,
    window_shape,
    strides=None,
    padding="VALID",
    *,
    channel_axis=-1,
    dtype=None,
    **options,
):
    """Every input cell receives the sum of the cotangents of the windows that contain it."""
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    return avg_vjp(cotangent, input_shape, window_shape, divisor_override=1, dtype=dtype, **geometry)


def avg_jvp(
    tangent,
    window_shape,
    strides=None,
    padding="VALID",
    count_include_pad=True,
    *,
    divisor_override=None,
    channel_axis=-1,
    dtype=None,
    **options,
):
    """The average is linear: its tangent is the average of the tangents."""
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    divisor = {"count_include_pad": count_include_pad, "divisor_override": divisor_override}
    return avg_pool(tangent, window_shape, dtype=dtype, **divisor, **geometry)


def avg_vjp(
    cotangent,
    input_shape,
    window_shape,
    strides=None,
    padding="VALID",
    count_include_pad=True,
    *,
    divisor_override=None,
    channel_axis=-1,
    dtype=None,
    **options,
):
    """As `sum_vjp`, each window's cotangent divided by what the window's sum was divided by."""
    cotangent = np.asarray(cotangent)
    geometry = dict(options, strides=strides, padding=padding, channel_axis=channel_axis)
    _check_shape("cotangent", cotangent, output_shape(input_shape, window_shape, **geometry))
    rank = len(window_shape)
    rows = _rows(cotangent.astype(_inexact_dtype(cotangent.dtype)), rank, channel_axis)
    spatial = _spatial_shape(input_shape, rank, channel_axis)
    received = np.zeros((len(rows), _product(spatial)), rows.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for column, window in enumerate(windows(input_shape, window_shape, **geometry)):
            elements, _ = window
            share = rows[:, column] / _divisor(window, count_include_pad, divisor_override)
            for _, position in elements:
                received[:, position] += share
    received = _rounded(received, cotangent.dtype if dtype is None else dtype)
    return _from_rows(received, tuple(input_shape), channel_axis)
