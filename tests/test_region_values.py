"""NaN and infinities in regions: they reach the bins that they are in and no others, forward and backward."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool._primitives.product import weighted_product
from tests.split import collectives, make_mesh
from tests.test_regions import BOXES, IMAGES

# Whether a pool adds what is in a bin; else it takes the largest.
POOLS = {
    "roi_align": (jaxpool.roi_align, True),
    "roi_align max": (functools.partial(jaxpool.roi_align, reduction="max"), False),
    "ps_roi_align": (jaxpool.ps_roi_align, True),
    "crop_and_resize": (lambda x, boxes, shape: jaxpool.crop_and_resize(x, boxes / 6.3, shape), True),
    "roi_pool": (jaxpool.roi_pool, False),
    "ps_roi_pool": (jaxpool.ps_roi_pool, True),
}
SPECIAL = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}


def _pool(name):
    return jax.jit(lambda x: POOLS[name][0](x, BOXES, (2, 2)))


def _with(array, place, value):
    array = np.array(array)
    array[place] = value
    return array


@functools.cache
def _derivatives(name):
    """What each result changes with each cell: (*results, *inputs)."""
    return np.asarray(jax.jacrev(_pool(name))(IMAGES))


def _cell(name):
    """The first cell that any result changes with."""
    derivatives = _derivatives(name)
    changes = (derivatives != 0).any(tuple(range(derivatives.ndim - IMAGES.ndim)))
    return tuple(np.argwhere(changes)[0])


@pytest.mark.parametrize("special", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("name", POOLS)
def test_a_cell_is_seen_where_it_belongs(name, special):
    pool, adds, cell = _pool(name), POOLS[name][1], _cell(name)
    large = np.float32(-1e9 if special == -np.inf else 1e9)
    plain, extreme = (np.asarray(pool(_with(IMAGES, cell, value))) for value in (0, large))
    seen = (np.abs(extreme) > 1e3) if adds else (np.abs(extreme - plain) > 1e3)
    got = np.asarray(pool(_with(IMAGES, cell, special)))
    if adds or special != -np.inf:
        assert seen.any()
        assert not seen.all()
        assert (got[seen] == special).all() or np.isnan(got[seen]).all() == np.isnan(special)
    np.testing.assert_allclose(got[~seen], extreme[~seen], rtol=1e-5, atol=1e-5)


def test_infinities_of_both_signs_and_nan_in_one_bin():
    cells = np.ones((1, 5, 5, 1), np.float32)
    box = np.array([[[0, 0, 4, 4]]], np.float32)
    for values, expected in {
        (np.inf, 2): np.inf,
        (np.inf, np.inf): np.inf,
        (-np.inf, 2): -np.inf,
        (np.inf, -np.inf): np.nan,
        (np.nan, np.inf): np.nan,
        (np.nan, -np.inf): np.nan,
        (3e38, 3e38): 6e38 / 16,  # whose sum is no float32
    }.items():
        inputs = _with(_with(cells, (0, 0, 0, 0), values[0]), (0, 1, 1, 0), values[1])
        got = jaxpool.ps_roi_pool(inputs, box, (1, 1))
        np.testing.assert_allclose(got, np.full(got.shape, expected), rtol=1e-6)


@pytest.mark.parametrize("special", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("name", [name for name, (_, adds) in POOLS.items() if adds])
def test_gradients_do_not_depend_on_what_is_added(name, special):
    @jax.jit
    def gradient(x):
        result, pullback = jax.vjp(_pool(name), x)
        return pullback(jnp.sin(jnp.arange(result.size, dtype=result.dtype)).reshape(result.shape))[0]

    np.testing.assert_array_equal(gradient(_with(IMAGES, _cell(name), special)), gradient(IMAGES))


@pytest.mark.parametrize("special", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("name", POOLS)
def test_a_cotangent_reaches_the_cells_of_its_bin(name, special):
    derivatives = _derivatives(name)
    place = (0, 0, 1, 0, 0)
    cotangent = _with(np.ones(derivatives.shape[: len(place)], np.float32), place, special)
    got = np.asarray(jax.jit(lambda x: jax.vjp(_pool(name), x)[1](cotangent)[0])(IMAGES))
    reached = derivatives[place] != 0
    assert 0 < reached.sum() < reached.size / 4
    assert not np.isfinite(got[reached]).any()
    np.testing.assert_allclose(got[~reached], derivatives.sum(tuple(range(len(place))))[~reached], atol=1e-5)


@pytest.mark.parametrize("special", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("name", POOLS)
def test_a_tangent_reaches_the_bins_of_its_cell(name, special):
    derivatives = _derivatives(name)
    cell = _cell(name)
    tangent = _with(np.ones_like(IMAGES), cell, special)
    got = np.asarray(jax.jit(lambda x: jax.jvp(_pool(name), (x,), (tangent,))[1])(IMAGES))
    reached = derivatives[(..., *cell)] != 0
    assert 0 < reached.sum() < reached.size / 4
    assert not np.isfinite(got[reached]).any()
    expected = derivatives.sum(tuple(range(derivatives.ndim - IMAGES.ndim, derivatives.ndim)))
    np.testing.assert_allclose(got[~reached], expected[~reached], rtol=1e-5, atol=1e-5)


# ----------------------------------------------------------------- products whose weights of 0 leave out

WEIGHTS = (np.random.RandomState(1).rand(3, 4, 5) * (np.random.RandomState(2).rand(3, 4, 5) < 0.5)).astype(
    "f4"
)
VALUES = _with(np.random.RandomState(3).randn(3, 5, 2).astype("f4"), (0, 1, 0), np.nan)
VALUES = _with(VALUES, (2, 3, 1), -np.inf)


def _product(weights, values):
    return weighted_product("rh,hc->rc", weights, values)


def _by_hand(weights, values):
    with np.errstate(invalid="ignore"):
        terms = weights[..., None] * values[..., None, :, :]
    return np.where(weights[..., None] == 0, 0, terms).sum(-2)


def test_products():
    got = jax.jit(jax.vmap(_product))(WEIGHTS, VALUES)
    np.testing.assert_allclose(got, _by_hand(WEIGHTS, VALUES), rtol=1e-5, atol=1e-6)
    assert np.isfinite(got).any()
    assert not np.isfinite(got).all()


@pytest.mark.parametrize("in_axes", [(0, None), (None, 0), (0, 0), (2, 1)], ids=str)
@pytest.mark.parametrize("transform", ["value", "transpose"])
def test_batches_of_products(in_axes, transform):
    def transposed(weights, values):
        return jax.vjp(lambda values: _product(weights, values), values)[1](_product(weights, values))[0]

    function = {"value": _product, "transpose": transposed}[transform]
    weights, values = (
        array[0] if axis is None else np.moveaxis(array, 0, axis)
        for array, axis in zip((WEIGHTS, VALUES), in_axes, strict=True)
    )
    got = jax.vmap(function, in_axes)(weights, values)
    for i in range(3):
        expected = function(
            *(array[0 if axis is None else i] for array, axis in zip((WEIGHTS, VALUES), in_axes, strict=True))
        )
        np.testing.assert_allclose(got[i], expected, rtol=1e-5, atol=1e-6)


def test_batches_of_boxes_alone():
    got = jax.vmap(lambda boxes: jaxpool.ps_roi_pool(IMAGES, boxes, (2, 2)))(np.stack([BOXES, BOXES + 1]))
    for i in range(2):
        np.testing.assert_allclose(
            got[i], jaxpool.ps_roi_pool(IMAGES, BOXES + i, (2, 2)), rtol=1e-5, atol=1e-6
        )


def test_a_split_batch_needs_no_other_device():
    split = NamedSharding(make_mesh(shape=(2, 4)), P("y"))
    images = _with(IMAGES, (0, 2, 3, 1), np.nan)

    def gradients(images, boxes):
        result, pullback = jax.vjp(lambda images: jaxpool.ps_roi_pool(images, boxes, (2, 2)), images)
        return result, pullback(result)

    arrays = [jax.device_put(array, split) for array in (images, BOXES)]
    program = jax.jit(gradients).lower(*arrays).compile()
    assert not collectives(program.as_text())
    for got, expected in zip(program(*arrays), gradients(images, BOXES), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_memory_is_that_of_one_product():
    """What is not finite is looked for in the memory of the product."""
    inputs = jax.ShapeDtypeStruct((2, 40, 40, 98), np.float32)
    boxes = jax.ShapeDtypeStruct((2, 32, 4), np.float32)

    def pool(inputs, boxes):
        return jaxpool.ps_roi_pool(inputs, boxes, (7, 7))

    result = jax.eval_shape(pool, inputs, boxes)
    memory = jax.jit(pool).lower(inputs, boxes).compile().memory_analysis()
    one_axis = 4 * 2 * 32 * 40 * 98  # of which one axis of space has been added up
    assert memory.temp_size_in_bytes < one_axis + 3 * 4 * (inputs.size + result.size)
