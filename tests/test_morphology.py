"""Morphology: against SciPy and scikit-image, at the borders too; its laws, elements and mistakes."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool
from jaxpool import morphology
from tests.cases import distinct
from tests.differences import assert_derivatives
from tests.programs import interpret
from tests.reference import morphology as reference

CROSS = ndimage.generate_binary_structure(2, 1)
DISK = np.hypot(*np.ogrid[-2:3, -2:3]) < 2.5
CORNER = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], bool)
# That leave out their own centre, and are of even sizes.
AWAY, EVEN = np.array([[True, False, False]]), np.array([[1, 1], [0, 1], [1, 0], [1, 1]], bool)
MASKS = {
    "cross": CROSS,
    "disk": DISK,
    "corner": CORNER,
    "away": AWAY,
    "even": EVEN,
    "line": np.array([True, False, True, True]),
    "3d": ndimage.generate_binary_structure(3, 1)[:, :2],
}


def _image(kernel, seed=0):
    return distinct((9, 8, 6)[: np.ndim(kernel)], np.float32, seed)


def _ours(name, inputs, kernel, **options):
    pool = functools.partial(getattr(morphology, name), channel_axis=None, **options)
    if np.asarray(kernel).dtype == np.float32:
        return interpret(pool, inputs, kernel)
    return interpret(lambda x: pool(x, kernel), inputs)


# ------------------------------------------------------------------------------------------- other libraries


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("flat", [True, False], ids=["flat", "offsets"])
def test_scipy_to_the_borders(mask, flat):
    kernel = mask if flat else distinct(mask.shape, np.float32, 1)
    x, theirs = _image(kernel), {"footprint" if flat else "structure": kernel, "mode": "constant"}
    for name, function, outside in (
        ("dilate", ndimage.grey_dilation, -np.inf),
        ("erode", ndimage.grey_erosion, np.inf),
    ):
        expected = function(x, cval=outside, **theirs)
        np.testing.assert_allclose(_ours(name, x, kernel), expected, rtol=1e-6)


@pytest.mark.parametrize("mask", [DISK, EVEN], ids=["disk", "even"])
def test_scipy_inside(mask):
    """Where no border matters, whatever is composed."""
    x = distinct((18, 16), np.float32)
    for name, function in (
        ("open", ndimage.grey_opening),
        ("close", ndimage.grey_closing),
        ("gradient", ndimage.morphological_gradient),
        ("top_hat", ndimage.white_tophat),
        ("black_hat", ndimage.black_tophat),
    ):
        expected = function(x, footprint=mask)[4:-4, 4:-4]
        np.testing.assert_allclose(_ours(name, x, mask)[4:-4, 4:-4], expected, rtol=1e-6, atol=1e-6)


def test_scipy_of_bools():
    x = distinct((9, 8)) > 0
    expected = ndimage.white_tophat(x, footprint=CROSS)
    np.testing.assert_array_equal(_ours("top_hat", x, CROSS), expected)


@pytest.mark.parametrize("mask", [CROSS, DISK, CORNER], ids=["cross", "disk", "corner"])
def test_scikit_image(mask):
    theirs = pytest.importorskip("skimage.morphology", reason="scikit-image, which this compares with")
    x, symmetric = _image(mask), (mask == mask[::-1, ::-1]).all()
    for mode in ("ignore", "reflect") if symmetric else ("ignore",):
        for name, other, own in (
            ("erode", "erosion", mask),
            ("open", "opening", mask),
            ("top_hat", "white_tophat", mask),
            ("dilate", "dilation", mask[::-1, ::-1]),  # which it does not reflect
            ("close", "closing", mask[::-1, ::-1]),
            ("black_hat", "black_tophat", mask[::-1, ::-1]),
        ):
            expected = getattr(theirs, other)(x, mask, mode=mode)
            np.testing.assert_allclose(_ours(name, x, own), expected, rtol=1e-6, atol=1e-6)


# ------------------------------------------------------------------------------------------------------ laws


@st.composite
def _images_and_elements(draw):
    """Two images of whole numbers, which add up exactly, and an element with its dilation."""
    rank = draw(st.integers(1, 2))
    sizes = st.tuples(*[st.integers(1, 4)] * rank)
    shape, seed = draw(st.tuples(*[st.integers(1, 6)] * rank)), draw(st.integers(0, 2**16))
    random = np.random.RandomState(seed)
    x, y = random.randint(-4, 5, (2, *shape)).astype(np.float32)
    kernel = random.rand(*draw(sizes)) < 0.6
    kernel.flat[random.randint(kernel.size)] = True
    if draw(st.booleans()):
        kernel = random.randint(-3, 4, kernel.shape).astype(np.float32)
    return x, y, kernel, draw(st.tuples(*[st.integers(1, 2)] * rank))


@settings(max_examples=25, deadline=None)
@given(_images_and_elements(), st.sampled_from([0, 1]))
def test_laws(drawn, lowered):
    x, y, kernel, dilation = drawn
    options = {"channel_axis": None, "window_dilation": dilation}
    y = np.maximum(y, reference.dilate(x, kernel, **options)[0]).astype(np.float32)
    y.flat[y.size // 2] -= lowered  # below what is dilated, perhaps

    def results(x, y):
        opened = morphology.open(x, kernel, **options)
        closed = morphology.close(x, kernel, **options)
        adjoint = morphology.dilate(x, kernel, **options), morphology.erode(y, kernel, **options)
        again = morphology.open(opened, kernel, **options), morphology.close(closed, kernel, **options)
        return adjoint, (opened, closed), again

    (dilated, eroded), (opened, closed), again = interpret(results, x, y)
    assert (dilated <= y).all() == (x <= eroded).all()
    assert (opened <= x).all()
    assert (x <= closed).all()
    chex.assert_trees_all_equal(again, (opened, closed))
    np.testing.assert_array_equal(opened, reference.opening(x, kernel, **options))
    np.testing.assert_array_equal(closed, reference.closing(x, kernel, **options))


# ----------------------------------------------------------------------------------------------- derivatives


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("name", "shape"), [("dilate", (2, 2)), ("erode", (2,)), ("open", (3,))])
def test_derivatives_in_inputs_and_element(name, shape):
    x, kernel = distinct((5, 2)), distinct(shape, seed=1) / 50  # far from a tie
    pool = functools.partial(getattr(morphology, name), per_channel=len(shape) > 1)
    assert_derivatives(lambda x, kernel: jnp.sin(pool(x, kernel)), x, kernel)


def _gradients(name, x, kernel, **options):
    def total(x, kernel):
        return getattr(morphology, name)(x[:, None], kernel, **options).astype(jnp.float32).sum()

    return interpret(jax.grad(total, (0, 1)), np.asarray(x), np.asarray(kernel))


def test_ties_nan_and_infinities():
    zeros = np.zeros(3, np.float32)
    of_inputs, of_kernel = _gradients("dilate", np.float32([1, 1, 1, 1]), zeros)
    np.testing.assert_array_equal(of_inputs, [2, 1, 1, 0])
    np.testing.assert_array_equal(of_kernel, [0, 1, 3])  # reflected
    nan = np.float32([0, np.nan, 5, np.nan])
    of_inputs, _ = _gradients("erode", nan, zeros)
    np.testing.assert_array_equal(of_inputs, [0, 3, 0, 1])
    assert np.isnan(_ours("erode", nan, zeros)).all()
    # Padding is never selected, even where the element adds infinity there, nor before what is -inf.
    x = np.full(2, -np.inf, np.float32)
    of_inputs, of_kernel = _gradients("dilate", x, np.float32([0, 0, 0]))
    np.testing.assert_array_equal(of_inputs, [2, 0])
    np.testing.assert_array_equal(
        _ours("dilate", np.zeros(1, np.float32), np.float32([np.inf, 1, np.nan])), [1]
    )


def test_windows_without_elements():
    mask = np.array([True, False, False])
    for name, value in (("erode", np.inf), ("dilate", -np.inf)):
        result = _ours(name, np.float32([1, 2]), mask)
        np.testing.assert_array_equal(result, [value, 1] if name == "erode" else [2, value])
    np.testing.assert_array_equal(_ours("erode", np.array([1, 2], np.uint8), mask), [255, 1])
    (gradient, *_) = _gradients("dilate", np.float32([1, 2]), np.float32([0]), padding=[(2, 0)])
    np.testing.assert_array_equal(gradient, [1, 1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_rounds_once(dtype):
    x = np.zeros(6000, dtype)
    _, of_kernel = _gradients("dilate", x, np.zeros(1, np.float32))
    assert of_kernel == 6000
    # 1 + 2**-10 - 1 in float32, where 16 bits would lose it on the way.
    kernel, x = np.float32([2.0**-12]), np.ones(2, dtype)
    np.testing.assert_array_equal(_ours("top_hat", x, kernel), np.zeros(2, dtype))
    assert _ours("gradient", x, kernel).astype(np.float32).tolist() == [2.0**-11] * 2


def test_integers_and_elements_that_are_not_flat():
    x = np.array([3, 1, 2], np.uint8)
    assert _ours("dilate", x, np.array([True, True])).dtype == np.uint8
    result = _ours("top_hat", x, np.float32([0.5]))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [0, 0, 0])


def test_elements_are_mapped():
    x, kernels = distinct((5, 4, 2), np.float32), distinct((3, 2, 2), np.float32)
    mapped = interpret(jax.vmap(morphology.dilate, in_axes=(None, 0)), x, kernels)
    for one, kernel in zip(mapped, kernels, strict=True):
        np.testing.assert_array_equal(one, interpret(morphology.dilate, x, kernel))


def test_a_derivative_keeps_no_mask_for_each_cell():
    x, kernel = np.zeros((64, 64, 1), np.float32), np.zeros((5, 5), np.float32)
    _, pullback = jax.vjp(morphology.dilate, x, kernel)
    kept = sum(leaf.nbytes for leaf in jax.tree.leaves(pullback) if hasattr(leaf, "nbytes"))
    assert kept < 4 * x.nbytes


# ---------------------------------------------------------------------------------- arguments and mistakes

_X = np.random.RandomState(0).rand(2, 8, 9, 3).astype(np.float32)
_KERNEL = np.random.RandomState(1).rand(2, 3).astype(np.float32)
_CHANGES = {
    "inputs": _X[::-1],
    "kernel": np.random.RandomState(2).rand(2, 3).astype(np.float32),
    "window_dilation": (2, 2),
    "channel_axis": 1,
    "per_channel": {"per_channel": True, "kernel": np.stack([_KERNEL, _KERNEL, 2 * _KERNEL], -1)},
    "strides": (2, 1),
    "padding": "VALID",
    "ceil_mode": True,
}


@pytest.mark.parametrize("name", ["dilate", "erode", "open", "close", "gradient", "top_hat", "black_hat"])
def test_every_argument_changes_the_result(name):
    function = getattr(morphology, name)
    base = {"inputs": _X, "kernel": _KERNEL}
    if name in ("dilate", "erode"):
        base |= {"strides": (3, 2), "padding": [(1, 1), (0, 1)]}
    before = interpret(lambda: function(**base))
    for argument in function.__annotations__.keys() - {"return"}:
        change = _CHANGES[argument] if argument == "per_channel" else {argument: _CHANGES[argument]}
        after = interpret(lambda change=change: function(**base | change))
        assert after.shape != before.shape or not np.array_equal(after, before), argument


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "kernel must be a sequence of ints, such as", {"kernel": 3}),
        (TypeError, "every entry of kernel must be an int, got 1.5", {"kernel": (1.5, 2)}),
        (ValueError, "kernel must hold ints of at least 1", {"kernel": (0, 2)}),
        (
            TypeError,
            "kernel must be a window shape, .* got an array of uint8",
            {"kernel": np.ones(3, np.uint8)},
        ),
        (ValueError, "kernel must be True somewhere, got", {"kernel": [[False, False]]}),
        (
            ValueError,
            "kernel must be a mask with rows of one length, got",
            {"kernel": [[True], [True, True]]},
        ),
        (ValueError, "the shape of kernel must hold ints of at least 1", {"kernel": np.zeros((0, 2))}),
        (ValueError, "per_channel must be False where kernel is flat", {"kernel": (2,), "per_channel": True}),
        (TypeError, "per_channel must be a bool, got 1", {"per_channel": 1}),
        (ValueError, r"\(\*window, channels\) where .*there are 3 channels", {"per_channel": True}),
        (
            ValueError,
            r"\(\*window, channels\) where .*channel_axis is None",
            {"per_channel": True, "channel_axis": None},
        ),
        (TypeError, "inputs must be real", {"inputs": _X.astype(np.complex64)}),
        (ValueError, "inputs must have at least 6 dimensions", {"kernel": (2,) * 5}),
        (ValueError, "inputs must have at least 6 dimensions", {"kernel": np.zeros((2,) * 5)}),
    ],
)
@pytest.mark.parametrize("name", ["dilate", "gradient"])
def test_mistakes_are_named(name, error, message, arguments):
    with pytest.raises(error, match=message):
        getattr(morphology, name)(**{"inputs": _X, "kernel": np.zeros((2, 2), np.float32)} | arguments)


def test_masks_are_known_before_the_program_runs():
    with pytest.raises(TypeError, match="kernel must be known before the program runs where it is a mask"):
        jax.jit(morphology.dilate)(_X, np.ones((2, 2), bool))


# ---------------------------------------------------------------------------------------------- the modules


def test_masks_in_modules_are_hashable():
    modules = nnx_pool.Open(EVEN), linen_pool.Open(EVEN)
    assert [module.kernel for module in modules] == [tuple(map(tuple, EVEN.tolist()))] * 2
    assert isinstance(hash(modules[1]), int)
    chex.assert_trees_all_equal(interpret(modules[0], _X), interpret(lambda x: morphology.open(x, EVEN), _X))


def test_modules_learn_an_element_for_each_channel():
    module = nnx_pool.Dilate(3, (2, 3), per_channel=True)
    assert module.kernel.shape == (2, 3, 3)
    chex.assert_trees_all_equal(interpret(module, _X), interpret(lambda x: morphology.dilate(x, (2, 3)), _X))
    variables = jax.eval_shape(linen_pool.Erode((2, 3), per_channel=True).init, jax.random.key(0), _X)
    assert variables["params"]["kernel"].shape == (2, 3, 3)
