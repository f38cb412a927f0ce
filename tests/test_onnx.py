"""The node tests that ONNX has for its pooling operators, each translated into a call of jaxpool.

And what has none, pools of quantized numbers, in onnxruntime.
"""

import importlib
import math

import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests.frameworks import installed, run_operator

onnx = pytest.importorskip("onnx", reason="onnx is not installed, which brings these tests")


# ----------------------------------------------------------------------------- operators as calls of jaxpool


def _padding(auto_pad, pads):
    """Padding in jaxpool's form: ONNX lists all lows and then all highs."""
    named = {"VALID": "VALID", "SAME_UPPER": "SAME", "SAME_LOWER": "SAME_LOWER"}
    if auto_pad != "NOTSET":
        return named[auto_pad]
    return list(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True)) if pads else "VALID"


def _geometry(kernel_shape, strides=None, pads=None, auto_pad="NOTSET", dilations=None, ceil_mode=0):
    """The positional and the keyword arguments of a windowed pool, from ONNX's attributes."""
    options = {"window_dilation": dilations, "ceil_mode": bool(ceil_mode), "channel_axis": 1}
    return (kernel_shape, strides, _padding(auto_pad, pads)), options


def max_pool(x, storage_order=0, **attributes):
    window, options = _geometry(**attributes)
    values, indices = jaxpool.max_pool(x, *window, **options, return_indices=True)
    place = np.unravel_index(indices, x.shape[2:])
    indices = np.ravel_multi_index(place, x.shape[2:], order="F" if storage_order else "C")
    planes = np.arange(math.prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    return values, planes * math.prod(x.shape[2:]) + indices


def average_pool(x, count_include_pad=0, **attributes):
    window, options = _geometry(**attributes)
    return (jaxpool.avg_pool(x, *window, bool(count_include_pad), **options),)


def lp_pool(x, p=2, **attributes):
    window, options = _geometry(**attributes)
    return (jaxpool.lp_pool(x, *window, p=p, **options),)


def max_unpool(x, indices, output_shape=None, *, kernel_shape, strides=None, pads=None):
    n = len(kernel_shape)
    strides, pads = strides or [1] * n, pads or [0] * 2 * n
    shape = [
        (length - 1) * stride + size - low - high
        for length, stride, size, low, high in zip(
            x.shape[2:], strides, kernel_shape, pads[:n], pads[n:], strict=True
        )
    ]
    unpooled = jaxpool.max_unpool(x, indices % math.prod(shape), shape, channel_axis=1)
    # Indices are positions in that shape also where a larger one is asked for.
    wanted = unpooled.shape if output_shape is None else output_shape.tolist()
    return (jnp.pad(unpooled, [(0, to - at) for to, at in zip(wanted, unpooled.shape, strict=True)]),)


def _global(pool):
    def operator(x, **attributes):
        return (pool(x, tuple(range(2, x.ndim)), keepdims=True, **attributes),)

    return operator


def roi_align(x, boxes, images, output_height=1, output_width=1, mode="avg", **attributes):
    coordinates = attributes.get("coordinate_transformation_mode", "half_pixel")
    pooled = jaxpool.roi_align(
        x,
        boxes,
        (output_height, output_width),
        box_indices=images,
        spatial_scale=attributes.get("spatial_scale", 1.0),
        sampling_ratio=attributes.get("sampling_ratio") or None,
        aligned=coordinates == "half_pixel",
        reduction=mode,
        channel_axis=1,
    )
    return (pooled,)


OPERATORS = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "LpPool": lp_pool,
    "MaxUnpool": max_unpool,
    "GlobalMaxPool": _global(jaxpool.global_max_pool),
    "GlobalAveragePool": _global(jaxpool.global_avg_pool),
    "RoiAlign": roi_align,
}
# ONNX has no node tests of these; tests/test_migration.py compares with onnxruntime.
WITHOUT_CASES = {"GlobalLpPool", "MaxRoiPool"}


# Its maximum is of cells, each times its weight, and not of samples between them.
ANOTHER_MEANING = {"test_roialign_mode_max"}

# ------------------------------------------------------------------------------------------------- the tests


def _cases(operator):
    """The cases that ONNX makes when a file of them is imported; that takes seconds."""
    node = importlib.import_module("onnx.backend.test.case.node")
    importlib.import_module(f"{node.__name__}.{operator.lower()}")
    cases = [case for case in node._NodeTestCases if case.model.graph.node[0].op_type == operator]
    return [case for case in cases if case.name not in ANOTHER_MEANING]


@pytest.mark.parametrize("operator", OPERATORS)
def test_nodes(operator):
    cases = _cases(operator)
    assert cases
    for case in cases:
        (node,) = case.model.graph.node
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {name: v.decode() if isinstance(v, bytes) else v for name, v in attributes.items()}
        for inputs, expected in case.data_sets:
            outputs = OPERATORS[operator](*inputs, **attributes)[: len(expected)]
            for actual, value in zip(outputs, expected, strict=True):
                np.testing.assert_allclose(actual, value, rtol=case.rtol, atol=1e-6, err_msg=case.name)


def test_every_pooling_operator_of_onnx_is_here():
    pools = {schema.name for schema in onnx.defs.get_all_schemas() if "pool" in schema.name.lower()}
    assert pools == (OPERATORS.keys() | WITHOUT_CASES) - {"RoiAlign"}


# ----------------------------------------------------------------------------------------- quantized numbers


def _quantized(draw, same_scale):
    """Inputs, channels first, and scale and zero point before and after."""
    dtype = draw.choice([np.int8, np.uint8])
    limits = np.iinfo(dtype).min, np.iinfo(dtype).max + 1
    before, after = ([np.float32(0.02 + 0.1 * draw.rand()), dtype(draw.randint(*limits))] for _ in range(2))
    return draw.randint(*limits, (2, 3, 9, 8)).astype(dtype), [*before, *(before if same_scale else after)]


def _window(draw):
    kernel, counted = draw.randint(1, 6, 2).tolist(), int(draw.randint(2))
    return {
        "kernel_shape": kernel,
        "strides": draw.randint(1, 4, 2).tolist(),
        "pads": [int(draw.randint(size)) for size in kernel * 2],
        "count_include_pad": counted,
        "ceil_mode": 0 if counted else int(draw.randint(2)),  # with both it counts cells beyond the padding
    }


def _in_onnxruntime(operator, x, scales, **attributes):
    return run_operator(operator, onnx, installed("onnxruntime"), x, *scales, **attributes)


def _differing(ours, theirs, averages):
    """The share of results that are another integer, which they may be where averages lie between two."""
    assert ours.dtype == theirs.dtype
    distance = np.abs(np.subtract(ours, theirs, dtype=int))
    assert distance.max() <= 1
    halves = np.abs(np.asarray(averages) % 1 - 0.5) < 1e-4
    assert not np.any(distance[~halves])
    return distance.mean()


# Where scales differ none lie halfway.
@pytest.mark.parametrize(("same_scale", "limit"), [(True, 0.01), (False, 0)])
@pytest.mark.parametrize("channel_axis", [1, -1])
def test_quantized_averages_of_windows(channel_axis, same_scale, limit):
    shares = []
    for seed in range(24):
        draw = np.random.RandomState(seed)
        x, scales = _quantized(draw, same_scale)
        attributes, x = _window(draw), np.moveaxis(x, 1, channel_axis)
        last = {"channels_last": int(channel_axis == -1)}
        theirs = _in_onnxruntime("QLinearAveragePool", x, scales, **attributes, **last)
        counted = bool(attributes.pop("count_include_pad"))
        window, options = _geometry(**attributes)
        options["channel_axis"] = channel_axis
        scale, zero_point, *outputs = scales
        outputs = dict(zip(("output_scale", "output_zero_point"), outputs, strict=True))
        ours = jaxpool.quantized_avg_pool(x, scale, zero_point, *window, counted, **outputs, **options)
        numbers = x.astype(np.float32) - np.float32(zero_point)
        averages = jaxpool.avg_pool(numbers, *window, counted, **options)
        shares.append(_differing(ours, theirs, averages))
    assert np.mean(shares) <= limit


@pytest.mark.parametrize(("same_scale", "limit"), [(True, 0.01), (False, 0)])
@pytest.mark.parametrize("channel_axis", [1, -1])
def test_quantized_averages_of_all(channel_axis, same_scale, limit):
    shares = []
    for seed in range(24):
        draw = np.random.RandomState(seed)
        x, scales = _quantized(draw, same_scale)
        x = np.moveaxis(np.tile(x, (4, 5, 1, 1))[..., : draw.randint(1, 9)], 1, channel_axis)
        last, axes = (0, (2, 3)) if channel_axis == 1 else (1, (1, 2))
        theirs = _in_onnxruntime("QLinearGlobalAveragePool", x, scales, channels_last=last)
        scale, zero_point, *outputs = scales
        outputs = dict(zip(("output_scale", "output_zero_point"), outputs, strict=True))
        ours = jaxpool.global_quantized_avg_pool(x, scale, zero_point, axes, **outputs, keepdims=True)
        shares.append(_differing(ours, theirs, x.mean(axes, keepdims=True)))
    assert np.mean(shares) <= limit


def test_what_onnxruntime_does_otherwise():
    """A window that is all of the image is rounded as a global pool; and cells beyond the padding count."""
    scales = [np.float32(1), np.int8(1)] * 2
    x = np.int8([[[[1, 2]]]])
    theirs = _in_onnxruntime("QLinearAveragePool", x, scales, kernel_shape=[1, 2])
    assert theirs.item() == jaxpool.global_quantized_avg_pool(x, 1, 1, (2, 3)).item() == 1
    assert jaxpool.quantized_avg_pool(x, 1, 1, (1, 2), channel_axis=1).item() == 2
    x, scales = np.full((1, 1, 3, 3), 100, np.int8), [np.float32(1), np.int8(0)] * 2
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1}
    theirs = _in_onnxruntime("QLinearAveragePool", x, scales, **attributes)
    assert theirs[0, 0].tolist() == [[100, 50], [50, 25]]
    ours = jaxpool.quantized_avg_pool(x, 1, 0, (2, 2), (2, 2), ceil_mode=True, channel_axis=1)
    assert ours[0, 0].tolist() == [[100, 100], [100, 100]]
