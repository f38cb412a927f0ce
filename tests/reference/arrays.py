"""Arrays as matrices of rows, and dtypes."""

import numpy as np


def as_rows(array, rank, channel_axis):
    """`(batch and channels, spatial positions)`, the spatial positions in row-major order."""
    if channel_axis is not None:
        array = np.moveaxis(array, channel_axis, 0)
    split = array.ndim - rank
    return array.reshape(product(array.shape[:split]), product(array.shape[split:]))


def from_rows(rows, shape, channel_axis):
    """The array of `shape` whose `rows` these are."""
    if channel_axis is None:
        return rows.reshape(shape)
    others = list(shape)
    channels = others.pop(channel_axis)
    return np.moveaxis(rows.reshape(channels, *others), 0, channel_axis)


def product(sizes):
    product = 1
    for size in sizes:
        product *= int(size)
    return product


def is_integer(dtype):
    return np.dtype(dtype).kind in "iu"


def is_bool(dtype):
    return np.dtype(dtype).kind == "b"


def inexact_dtype(dtype):
    """complex128 for complex numbers, float64 for all others, bfloat16 included."""
    return np.dtype(np.complex128 if np.dtype(dtype).kind == "c" else np.float64)


def wide_dtype(dtype):
    """As `inexact_dtype`, but integers and bools stay what they are."""
    return np.dtype(dtype) if is_integer(dtype) or is_bool(dtype) else inexact_dtype(dtype)


def rounded(array, dtype):
    with np.errstate(over="ignore", invalid="ignore"):  # beyond the range of `dtype` lies infinity
        return array.astype(dtype)


def check_shape(name, array, shape):
    if array.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {array.shape}")


def summed(inputs):
    """`inputs` in the dtype of their sum: integers and bools of less than 32 bits take as many."""
    inputs = np.asarray(inputs)
    wide = {"b": np.int32, "i": np.int32, "u": np.uint32}.get(inputs.dtype.kind)
    return inputs.astype(wide) if wide and inputs.dtype.itemsize < 4 else inputs


def averaged(inputs, dtype):
    """`inputs` in float64 or complex128, and the dtype that their averages are rounded to.

    For integers and bools the caller says which.
    """
    inputs = np.asarray(inputs)
    if dtype is None:
        if is_integer(inputs.dtype) or is_bool(inputs.dtype):
            raise TypeError(f"the average of {inputs.dtype} needs an explicit dtype")
        dtype = inputs.dtype
    return inputs.astype(inexact_dtype(inputs.dtype)), dtype
