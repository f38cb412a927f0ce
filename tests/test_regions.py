"""Pools of regions: derivatives in boxes, degenerate boxes, arguments, memory, arrays that are split."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from tests import reference
from tests.cases import assert_close
from tests.differences import assert_derivatives
from tests.programs import interpret
from tests.split import collectives, make_mesh

IMAGES = np.random.RandomState(0).randn(2, 6, 7, 4).astype(np.float32)
# No sample of theirs is on the edge of the array or the centre of a cell.
BOXES = np.array(
    [[[0.37, 0.42, 5.18, 4.29], [1.23, 0.71, 3.37, 5.93]], [[2.29, 1.31, 4.6, 4.77], [-3.1, 1.3, 2.2, 9.9]]],
    np.float32,
)
SCALE = {"image_shape": (12, 14), "canonical_scale": 4, "canonical_level": 2}


def _pyramid(inputs):
    return [inputs, inputs[:, ::2, ::2]]


def _multiscale(inputs, boxes, shape, **options):
    return jaxpool.multiscale_roi_align(_pyramid(inputs), 2 * boxes, shape, **{**SCALE, **options})


FUNCTIONS = {
    "roi_align": jaxpool.roi_align,
    "roi_align max": functools.partial(jaxpool.roi_align, reduction="max"),
    "roi_align adaptive": functools.partial(jaxpool.roi_align, sampling_ratio=None, max_sampling_ratio=3),
    "ps_roi_align": jaxpool.ps_roi_align,
    "multiscale_roi_align": _multiscale,
    "crop_and_resize": lambda inputs, boxes, shape: jaxpool.crop_and_resize(inputs, boxes / 6.3, shape),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_in_boxes(name):
    images = IMAGES.astype(np.float64)
    assert_derivatives(lambda boxes: FUNCTIONS[name](images, boxes, (2, 2)), BOXES.astype(np.float64))


def test_mixed_derivatives():
    def loss(inputs, boxes):
        return jnp.sum(jnp.sin(jaxpool.roi_align(inputs, boxes, (1, 2))))

    inputs, boxes = IMAGES[:, :3, :3, :1], BOXES[:, :1] / 2
    forward = interpret(jax.jacfwd(jax.jacrev(loss, 1), 0), inputs, boxes)
    reverse = interpret(jax.jacrev(jax.jacfwd(loss, 0), 1), inputs, boxes)
    chex.assert_trees_all_close(forward, np.moveaxis(reverse, (-3, -2, -1), (0, 1, 2)), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "in_axes"),
    [("roi_align", (0, 0)), ("roi_align", (0, None)), ("roi_align", (None, 0)), ("roi_pool", (None, 0))],
)
def test_vmap_over_images_and_boxes(name, in_axes):
    function = FUNCTIONS.get(name) or getattr(jaxpool, name)

    def loss(inputs, boxes):
        return jnp.sum(jnp.sin(function(inputs, boxes, (2, 2))))

    gradients = jax.value_and_grad(loss, (0, 1))
    stacks = [np.stack([array, array + np.float32(0.17)]) for array in (IMAGES, BOXES)]
    arrays = [stack if axis == 0 else stack[0] for stack, axis in zip(stacks, in_axes, strict=True)]
    each = []
    for i in range(2):
        of_one = [a[i] if axis == 0 else a for a, axis in zip(arrays, in_axes, strict=True)]
        each.append(interpret(gradients, *of_one))
    expected = jax.tree.map(lambda *leaves: np.stack(leaves), *each)
    chex.assert_trees_all_close(interpret(jax.vmap(gradients, in_axes), *arrays), expected, atol=1e-5)


def _degenerate_boxes():
    """Of no area, reversed, outside, huge and of no numbers, beside plain ones."""
    draw = np.random.default_rng(7)
    special = [0.0, 0.5, 1.0, 2.5, 6.0, -1.0, -0.5, 50.0, 1e9, -1e9, np.inf, -np.inf, np.nan]
    boxes = np.where(
        draw.random((300, 4)) < 0.3, draw.choice(special, (300, 4)), draw.uniform(-3, 9, (300, 4))
    )
    boxes[::5, 2:] = boxes[::5, :2]
    return boxes.astype(np.float32), draw.integers(0, 2, 300).astype(np.int32)


def test_degenerate_boxes():
    boxes, indices = _degenerate_boxes()
    near = _are_near(boxes)
    for aligned in (True, False):
        result = _jitted(jaxpool.roi_align, aligned=aligned, max_sampling_ratio=3, sampling_ratio=None)(
            boxes, indices
        )
        expected = reference.roi_align(
            IMAGES, boxes[near], (2, 2), indices[near], 1.0, None, aligned, max_sampling_ratio=3
        )
        np.testing.assert_allclose(result[near], expected, atol=1e-5)
        assert not np.isnan(result).any()
    values, places = _jitted(jaxpool.roi_pool, return_indices=True)(boxes, indices)
    expected = reference.roi_pool(IMAGES, np.clip(boxes, -(2**22), 2**22), (2, 2), indices)
    np.testing.assert_array_equal(values, expected[0].astype(np.float32))
    np.testing.assert_array_equal(places, expected[1])


@pytest.mark.parametrize(
    "options", [{}, {"aligned": False}, {"sampling_ratio": None, "max_sampling_ratio": 3}], ids=str
)
def test_gradients_of_degenerate_boxes(options):
    boxes, indices = _degenerate_boxes()
    boxes, indices = boxes[_are_near(boxes)], indices[_are_near(boxes)]
    pool = functools.partial(jaxpool.roi_align, output_shape=(2, 2), box_indices=indices, **options)
    # One image for each cell, which is 1 there, has what each result changes with.
    cells = np.eye(6 * 7, dtype=np.float32).reshape(1, 6, 7, 6 * 7)
    changes = reference.roi_align(cells, boxes, (2, 2), 0 * indices, **options)
    cotangent = np.random.RandomState(1).randn(len(boxes), 2, 2, 4).astype(np.float32)
    expected = [np.einsum("rpqk,rpqc->kc", changes[of], cotangent[of]) for of in (indices == 0, indices == 1)]
    got = jax.jit(lambda images: jax.vjp(lambda x: pool(x, boxes), images)[1](cotangent)[0])(IMAGES)
    np.testing.assert_allclose(got, np.reshape(expected, IMAGES.shape), atol=1e-5)


def _are_near(boxes):
    """Which are numbers of a size at which float32 has the places of samples, none of them on a border."""
    near = np.isfinite(boxes).all(axis=1) & (np.abs(boxes).max(axis=1) < 100)
    near[near] &= ~_rounding_decides(boxes[near])
    assert near.sum() > 100
    return near


def _rounding_decides(boxes):
    """Whether a sample is within a cell of the array, or how many samples there are."""
    low, size = boxes[:, :2], (boxes[:, 2:] - boxes[:, :2]) / 2
    decides = np.zeros(len(boxes), bool)
    for extent, offset in ((size, 0.5), (np.maximum(size, 0.5), 0.0)):
        whole = np.round(extent)
        decides |= ((np.abs(extent - whole) < 1e-4) & (extent != whole)).any(axis=1)
        for count in (1, 2, 3):
            for place in (np.arange(2 * count) + 0.5) / count:
                coordinates = low - offset + place * extent
                for border in ([-1, -1], [7, 6]):
                    decides |= (np.abs(coordinates - border) < 1e-4).any(axis=1)
    return decides


@functools.cache
def _jitted(function, **options):
    return jax.jit(lambda boxes, indices: function(IMAGES, boxes, (2, 2), box_indices=indices, **options))


@pytest.mark.parametrize("bins", [3, 7, 14])
def test_bins_end_where_float32_has_them(bins):
    # Of 1 to 60 cells: some sizes times their number are more than the cells in float32, as 7 times 13 / 7.
    stops = np.arange(60, dtype=np.float32)
    boxes = np.stack([0 * stops, stops], 1)
    values = jax.jit(lambda x: jaxpool.roi_pool(x, boxes, (bins,)))(jnp.arange(80.0)[:, None])
    size = (stops + 1) / np.float32(bins)
    expected = np.ceil(np.arange(1, bins + 1, dtype=np.float32) * size[:, None]) - 1
    assert (expected[:, -1] > stops).any() == (bins > 3)
    np.testing.assert_array_equal(values[..., 0], expected)


@pytest.mark.parametrize("name", ["roi_align", "ps_roi_align", "crop_and_resize", "roi_pool", "ps_roi_pool"])
def test_boxes_of_no_image_and_of_nan_are_nothing(name):
    boxes = np.array([[0, 0, 3, 3], [0, 0, 3, 3], [np.nan, 0, 3, 3]], np.float32)
    indices = np.array([-1, 2, 0])

    def loss(inputs, boxes):
        return jnp.sum(getattr(jaxpool, name)(inputs, boxes, (2, 2), box_indices=indices))

    value, gradients = interpret(jax.value_and_grad(loss, (0, 1)), IMAGES, boxes)
    assert value == 0
    chex.assert_trees_all_equal(gradients, jax.tree.map(np.zeros_like, (IMAGES, boxes)))


def test_what_a_region_does_not_read_may_be_nan():
    images = IMAGES.copy()
    images[:, 4:] = np.nan
    boxes = np.array([[0.5, 0.5, 3.5, 3.5]], np.float32)  # aligned with centres: the next row has no weight
    pooled = jaxpool.roi_align(images, boxes, (3, 3), box_indices=np.array([1]), sampling_ratio=1)
    assert not np.isnan(pooled).any()


def test_ties_go_to_the_first_sample_and_cell():
    images, box, index = (
        np.ones((1, 4, 4, 1), np.float32),
        np.array([[0, 0, 3, 3]], np.float32),
        np.array([0]),
    )
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jaxpool.roi_pool(x, box, (1, 2), box_indices=index))))(
        images
    )
    np.testing.assert_array_equal(np.argwhere(gradient[0, ..., 0]), [[0, 0], [0, 2]])
    sampled = functools.partial(jaxpool.roi_align, boxes=box + 0.5, output_shape=(1, 1), box_indices=index)
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(sampled(x, reduction="max", sampling_ratio=3))))(images)
    np.testing.assert_allclose(gradient[0, :2, :2, 0], [[0.25, 0.25], [0.25, 0.25]], atol=1e-6)


OPTIONS = [
    ("roi_align", {"spatial_scale": 0.5}),
    ("roi_align", {"sampling_ratio": 1}),
    ("roi_align", {"sampling_ratio": None}),
    ("roi_align", {"aligned": False}),
    ("roi_align", {"reduction": "max"}),
    ("ps_roi_align", {"spatial_scale": 0.5}),
    ("ps_roi_align", {"sampling_ratio": None}),
    ("roi_pool", {"spatial_scale": 0.5}),
    ("ps_roi_pool", {"spatial_scale": 0.5}),
    ("crop_and_resize", {"method": "nearest"}),
    ("crop_and_resize", {"extrapolation_value": 3.0}),
    ("multiscale_roi_align", {"canonical_scale": 16}),
    ("multiscale_roi_align", {"canonical_level": 0}),
    ("multiscale_roi_align", {"sampling_ratio": 1}),
    ("multiscale_roi_align", {"aligned": True}),
]


@functools.cache
def _compiled(function, **options):
    return interpret(lambda inputs, boxes: function(inputs, boxes, (2, 2), **options), IMAGES, BOXES)


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=str)
def test_options_change_the_result(name, option):
    function = _multiscale if name == "multiscale_roi_align" else getattr(jaxpool, name)
    results = [_compiled(function, **given) for given in ({}, option)]
    assert np.abs(results[0] - results[1]).max() > 1e-3


def test_most_samples_change_the_result():
    results = [
        jaxpool.roi_align(IMAGES, BOXES, (1, 1), sampling_ratio=None, max_sampling_ratio=n) for n in (2, 5)
    ]
    assert np.abs(results[0] - results[1]).max() > 1e-3


INDEX = np.zeros(2, np.int32)
MISTAKES = [
    (ValueError, "boxes must have the shape", {"boxes": BOXES[0, 0]}),
    (ValueError, "boxes must have the shape", {"boxes": BOXES[..., :3]}),
    (ValueError, r"boxes must have the batch \(2,\)", {"boxes": BOXES[0]}),
    (TypeError, "boxes must be an array", {"boxes": [[0, 0, 1, 1]]}),
    (TypeError, "box_indices must be an array of integers", {"boxes": BOXES[0], "box_indices": INDEX + 0.5}),
    (ValueError, "boxes and box_indices must have", {"boxes": BOXES[0], "box_indices": INDEX[:1]}),
    (
        ValueError,
        "inputs must have one batch axis",
        {"inputs": IMAGES[0], "boxes": BOXES[0], "box_indices": INDEX},
    ),
    (
        ValueError,
        "inputs must have 3 spatial axes",
        {"inputs": IMAGES[0], "boxes": np.zeros((2, 6), np.float32)},
    ),
    (ValueError, "inputs must have no empty spatial axis", {"inputs": IMAGES[:, :0]}),
    (ValueError, "output_shape must have 2 entries", {"output_shape": (2,)}),
    (ValueError, "output_shape must hold ints of at least 1", {"output_shape": (0, 2)}),
    (ValueError, "channel_axis must be an axis", {"channel_axis": 4}),
    (TypeError, "spatial_scale must be a number", {"spatial_scale": "1"}),
    (ValueError, "sampling_ratio must be at least 1", {"sampling_ratio": 0}),
    (ValueError, "max_sampling_ratio must be at least 1", {"max_sampling_ratio": 0}),
    (TypeError, "aligned must be a bool", {"aligned": 1}),
    (ValueError, 'reduction must be "avg" or "max"', {"reduction": "sum"}),
]


@pytest.mark.parametrize(("error", "message", "arguments"), MISTAKES, ids=str)
def test_mistakes_are_named(error, message, arguments):
    with pytest.raises(error, match=message):
        jaxpool.roi_align(**{"inputs": IMAGES, "boxes": BOXES, "output_shape": (2, 2), **arguments})


def test_other_mistakes_are_named():
    with pytest.raises(ValueError, match=r"number of channels that the 6 bins divide, got 4"):
        jaxpool.ps_roi_align(IMAGES, BOXES, (2, 3))
    with pytest.raises(ValueError, match=r'method must be "bilinear" or "nearest"'):
        jaxpool.crop_and_resize(IMAGES, BOXES, (2, 3), method="cubic")
    with pytest.raises(ValueError, match="at least one level"):
        jaxpool.multiscale_roi_align([], BOXES, (2, 3), image_shape=(12, 14))
    with pytest.raises(ValueError, match="half the cells"):
        jaxpool.multiscale_roi_align([IMAGES, IMAGES], BOXES, (2, 3), image_shape=(12, 14))
    with pytest.raises(ValueError, match="the same batch, channels and dtype"):
        jaxpool.multiscale_roi_align([IMAGES, IMAGES[:, ::2, ::2, :1]], BOXES, (2, 3), image_shape=(12, 14))


def test_levels_may_be_named():
    named = {"fine": IMAGES, "coarse": IMAGES[:, ::2, ::2]}
    result = jaxpool.multiscale_roi_align(named, 2 * BOXES, (2, 2), **SCALE)
    chex.assert_trees_all_equal(result, _multiscale(IMAGES, BOXES, (2, 2)))


@pytest.mark.parametrize("name", ["roi_align", "ps_roi_align", "crop_and_resize", "roi_pool", "ps_roi_pool"])
def test_there_may_be_no_regions_and_no_images(name):
    pool = getattr(jaxpool, name)
    channels = 1 if name.startswith("ps") else 4
    for inputs, boxes, shape in [(IMAGES, BOXES[:, :0], (2, 0)), (IMAGES[:0], BOXES[:0], (0, 2))]:

        def with_gradient(x, boxes):
            result, pullback = jax.vjp(lambda x: pool(x, boxes, (2, 2)), x)
            return result, pullback(jnp.ones_like(result))[0]

        result, gradient = jax.jit(with_gradient)(inputs, boxes)
        assert result.shape == (*shape, 2, 2, channels)
        np.testing.assert_array_equal(gradient, np.zeros_like(inputs))
    flat = jax.jit(lambda x: pool(x, BOXES[0, :0], (2, 2), box_indices=INDEX[:0]))(IMAGES)
    assert flat.shape == (0, 2, 2, channels)


def test_memory_is_that_of_the_result():
    """Neither all samples, nor all that they read, nor an array of zeros for each of them in the gradient."""
    images = jax.ShapeDtypeStruct((2, 64, 64, 64), np.float32)
    boxes, indices = jax.ShapeDtypeStruct((256, 4), np.float32), jax.ShapeDtypeStruct((256,), np.int32)

    def pool(images, boxes, indices):
        return jaxpool.roi_align(images, boxes, (7, 7), box_indices=indices)

    result = jax.eval_shape(pool, images, boxes, indices)
    forward = jax.jit(pool).lower(images, boxes, indices).compile().memory_analysis()
    assert forward.temp_size_in_bytes < 0.6 * 4 * result.size

    def gradient(images, boxes, indices, cotangent):
        return jax.vjp(lambda images: pool(images, boxes, indices), images)[1](cotangent)

    backward = jax.jit(gradient).lower(images, boxes, indices, result).compile().memory_analysis()
    assert backward.temp_size_in_bytes < 1.3 * 4 * images.size

    def gradient_of_boxes(images, boxes, indices, cotangent):
        return jax.vjp(lambda boxes: pool(images, boxes, indices), boxes)[1](cotangent)

    backward = jax.jit(gradient_of_boxes).lower(images, boxes, indices, result).compile().memory_analysis()
    assert backward.temp_size_in_bytes < 2 * 4 * result.size


@pytest.mark.parametrize("channel_axis", [1, -1])
def test_bins_of_channels_of_their_own_need_no_copy_of_the_images(channel_axis):
    images = jax.ShapeDtypeStruct((2, 64, 64, 64), np.float32)
    pool = jax.jit(lambda images: jaxpool.ps_roi_align(images, BOXES, (2, 2), channel_axis=channel_axis))
    assert pool.lower(images).compile().memory_analysis().temp_size_in_bytes < 0.1 * 4 * images.size


def test_bins_of_channels_of_their_own_in_any_layout():
    images = np.random.RandomState(1).randn(2, 2, 5, 6, 12).astype(np.float32)
    boxes = np.stack([BOXES, BOXES + 0.3])
    pool = functools.partial(jaxpool.ps_roi_align, output_shape=(2, 3))
    expected = pool(images, boxes)
    for axis, place in enumerate((0, 1, 3, 4, 5)):  # of the result, in which regions come behind the batch
        moved = pool(np.moveaxis(images, -1, axis), boxes=boxes, channel_axis=axis)
        np.testing.assert_allclose(np.moveaxis(moved, place, -1), expected, atol=1e-6)


def test_numbers_of_images_regions_and_channels_may_be_symbolic():
    batch, regions, channels = jax.export.symbolic_shape("batch, regions, channels")

    def gradients(images, boxes, indices):
        pool = functools.partial(jaxpool.roi_align, output_shape=(2, 2), box_indices=indices)
        result, pullback = jax.vjp(pool, images, boxes)
        return pullback(jnp.sin(result))

    arrays = IMAGES, BOXES[0], INDEX
    shapes = (batch, *IMAGES.shape[1:-1], channels), (regions, 4), (regions,)
    types = [jax.ShapeDtypeStruct(*pair) for pair in zip(shapes, ("f4", "f4", "i4"), strict=True)]
    exported = jax.export.export(jax.jit(gradients), platforms=("cpu", "cuda", "tpu"))(*types)
    chex.assert_trees_all_close(exported.call(*arrays), interpret(gradients, *arrays), atol=1e-5)


def test_a_split_batch_needs_no_other_device():
    split = NamedSharding(make_mesh(shape=(2, 4)), P("y"))
    images, boxes = (jax.device_put(array, split) for array in (IMAGES, BOXES))

    def loss(images, boxes):
        return jnp.sum(jnp.sin(jaxpool.roi_align(images, boxes, (2, 2))), (1, 2, 3, 4))

    def gradients(images, boxes):
        value, pullback = jax.vjp(loss, images, boxes)
        return value, pullback(jnp.ones_like(value))

    program = jax.jit(gradients).lower(images, boxes).compile()
    assert not collectives(program.as_text())
    jax.tree.map(assert_close, program(images, boxes), interpret(gradients, IMAGES, BOXES))


@pytest.mark.parametrize("pool", [jaxpool.roi_align, jaxpool.ps_roi_pool])
def test_types_say_that_a_batch_stays_split(pool):
    mesh = make_mesh(AxisType.Explicit, shape=(2, 4))
    with jax.set_mesh(mesh):
        images, boxes = (jax.sharding.reshard(array, P("y")) for array in (IMAGES, BOXES))

        def gradients(images, boxes):
            value, pullback = jax.vjp(lambda *arrays: pool(*arrays, (2, 2)), images, boxes)
            return value, pullback(value)

        types = jax.eval_shape(gradients, images, boxes)
    assert {type_.sharding.spec[0] for type_ in jax.tree.leaves(types)} == {"y"}
