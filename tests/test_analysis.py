"""How functions bear shifts and noise, measured, against slow loops."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from jaxpool import analysis
from tests.cases import random

KEY = jax.random.key(0)
WEIGHTS = np.random.RandomState(0).randn(200, 3).astype(np.float32)


def _classifier(x):
    """Logits of three classes for images of any size, through a pool that aliases."""
    pooled = jaxpool.max_pool(x, (2,) * (x.ndim - 2), (2,) * (x.ndim - 2))
    flat = pooled.reshape(len(x), -1)
    return flat @ WEIGHTS[: flat.shape[1]]


def _flat(x):
    return x.reshape(len(x), -1)


# ------------------------------------------------------------------------------------------------ oracle


def _classify(image):
    """What `_classifier` says of one image, in loops."""
    pooled = []
    for start in np.ndindex(*(n // 2 for n in image.shape[:-1]), image.shape[-1]):
        *corner, channel = start
        window = tuple(slice(2 * i, 2 * i + 2) for i in corner)
        pooled.append(image[(*window, channel)].max())
    return np.array(pooled, np.float64) @ WEIGHTS[: len(pooled)]


def _shift(image, shift, mode, limit):
    margin = limit if mode == "cropped" else 0
    lengths = [n - 2 * margin for n in image.shape[:-1]]
    shifted = np.zeros((*lengths, image.shape[-1]))
    for cell in np.ndindex(*lengths):
        source = [(i + margin - d) for i, d in zip(cell, shift, strict=True)]
        shifted[cell] = image[tuple(i % n for i, n in zip(source, image.shape, strict=False))]
    return shifted


def _compare(outputs, references):
    """Agreement and change of some outputs, example by example."""
    pairs = list(zip(outputs, references, strict=True))
    agreement = [float(np.argmax(y) == np.argmax(z)) for y, z in pairs]
    change = [math.sqrt(np.sum((y - z) ** 2)) / math.sqrt(np.sum(z**2)) for y, z in pairs]
    return sum(agreement) / len(pairs), sum(change) / len(pairs)


# ------------------------------------------------------------------------------------------------ shifts


@pytest.mark.parametrize("mode", ["circular", "cropped"])
@pytest.mark.parametrize(
    ("shape", "limit"), [((5, 9, 2), 3), ((6, 7, 6, 2), 2), ((6, 4, 5, 4, 2), 1), ((2, 3, 3, 1), 0)], ids=str
)
def test_shifts_match_oracle(shape, limit, mode):
    inputs = random(shape)
    measured = analysis.shift_consistency(_classifier, inputs, limit, mode=mode)
    centered = [_classify(_shift(image, (0,) * (len(shape) - 2), mode, limit)) for image in inputs]
    grid = (2 * limit + 1,) * (len(shape) - 2)
    assert measured.agreement.shape == measured.change.shape == grid
    for place in np.ndindex(grid):
        shift = np.array(place) - limit
        agreement, change = _compare([_classify(_shift(x, shift, mode, limit)) for x in inputs], centered)
        assert measured.agreement[place] == pytest.approx(agreement)
        assert measured.change[place] == pytest.approx(change, rel=1e-4, abs=1e-6)
    if limit:  # shifts that all did the same would hide a wrong sign or axis
        assert np.unique(measured.change.round(5)).size > limit
    if limit > 1:
        assert 0 < measured.agreement.min() < 1


def test_classifier_matches_its_loops():
    inputs = random((3, 7, 6, 2))
    np.testing.assert_allclose(_classifier(inputs), [_classify(x) for x in inputs], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", [jaxpool.global_max_pool, jaxpool.global_avg_pool])
def test_global_pools_are_invariant_to_circular_shifts(pool):
    integers = np.random.RandomState(0).randint(-50, 50, (4, 6, 5, 3)).astype(np.float32)
    circular = analysis.shift_consistency(pool, integers, 3)
    np.testing.assert_array_equal(circular.change, np.zeros((7, 7)))
    np.testing.assert_array_equal(circular.agreement, np.ones((7, 7)))
    cropped = analysis.shift_consistency(pool, integers, 1, mode="cropped")
    assert cropped.change[1, 1] == 0
    assert (cropped.change.ravel() > 0).sum() == 8


def test_no_shift_changes_nothing():
    for mode in ("circular", "cropped"):
        measured = analysis.shift_consistency(_classifier, random((4, 8, 8, 2)), 2, mode=mode)
        assert (measured.change[2, 2], measured.agreement[2, 2]) == (0, 1)


def test_change_of_the_identity_is_that_of_the_inputs():
    inputs = random((3, 5, 4, 2))
    measured = analysis.shift_consistency(_flat, inputs, 1)
    for dy, dx in itertools.product((-1, 0, 1), repeat=2):
        moved = np.roll(inputs, (dy, dx), (1, 2))
        changes = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(moved, inputs, strict=True)]
        assert measured.change[dy + 1, dx + 1] == pytest.approx(np.mean(changes), rel=1e-5)


def test_a_change_of_one_direction_is_seen_on_its_axis_only():
    stripes = np.tile(np.eye(4, dtype=np.float32)[:, None, :, None], (1, 6, 1, 1))
    change = analysis.shift_consistency(_flat, stripes, 1).change
    np.testing.assert_allclose(change, np.sqrt([[2, 0, 2]] * 3), rtol=1e-6)


def test_outputs_of_zeros():
    inputs = np.zeros((2, 3, 3, 1), np.float32)
    inputs[0, 0, 0] = 1  # the first example has an output of 0 unless it is shifted by (1, 1)
    change = analysis.shift_consistency(lambda x: x[:, 1, 1], inputs, 1).change
    expected = np.zeros((3, 3))
    expected[2, 2] = np.inf
    np.testing.assert_array_equal(change, expected)


def test_each_position_of_a_dense_output_decides():
    inputs = np.stack([np.eye(4), 0.5 * np.ones((4, 4))], -1)[None].astype(np.float32)
    agreement = analysis.shift_consistency(lambda x: x, inputs, 1).agreement
    # Shifts along the diagonal change nothing, others move it off four positions onto four.
    np.testing.assert_array_equal(agreement, [[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]])


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.int32, np.uint8, bool])
def test_outputs_of_any_real_dtype_are_compared_in_float32(dtype):
    inputs = (100 * random((3, 40, 40, 1)) ** 2).astype(dtype)
    measured = analysis.shift_consistency(_flat, inputs, 1)
    expected = analysis.shift_consistency(_flat, inputs.astype(np.float32), 1)
    np.testing.assert_array_equal(measured.change, expected.change)
    np.testing.assert_array_equal(measured.agreement, expected.agreement)
    assert np.isfinite(measured.change).all()
    assert measured.change.max() > 0


# ----------------------------------------------------------------------------------------- by distance


def test_by_distance_matches_loops():
    grid = random((5, 5, 5)).astype(np.float64)
    rings = [[], [], []]
    for place in np.ndindex(grid.shape):
        rings[max(abs(i - 2) for i in place)].append(grid[place])
    assert [len(ring) for ring in rings] == [1, 26, 98]
    np.testing.assert_allclose(analysis.by_distance(grid), [np.mean(ring) for ring in rings])


@pytest.mark.parametrize("shape", [(), (4, 4), (3, 5), (0,)])
def test_by_distance_needs_a_grid(shape):
    with pytest.raises(ValueError, match=r"grid must have axes of one odd length, got shape"):
        analysis.by_distance(np.zeros(shape))


# ------------------------------------------------------------------------------------------------ noise


@pytest.mark.parametrize("key", [KEY, jax.random.PRNGKey(0)], ids=["typed", "raw"])
def test_noise_matches_oracle(key):
    inputs, scales, draws = random((4, 5, 6, 2)), [0.0, 0.3, 1.0], 3
    measured = analysis.noise_robustness(_classifier, inputs, scales, key=key, draws=draws)
    clean = [_classify(image) for image in inputs]
    own = jax.random.split(key, len(inputs))
    for place, scale in enumerate(scales):
        compared = []
        for draw in range(draws):
            noise = [jax.random.normal(jax.random.fold_in(k, draw), inputs.shape[1:]) for k in own]
            noisy = [_classify(x + scale * np.asarray(n)) for x, n in zip(inputs, noise, strict=True)]
            compared.append(_compare(noisy, clean))
        agreement, change = np.mean(compared, axis=0)
        assert measured.agreement[place] == pytest.approx(agreement)
        assert measured.change[place] == pytest.approx(change, rel=1e-4, abs=1e-6)
    assert (measured.agreement[0], measured.change[0]) == (1, 0)
    assert measured.agreement[2] < 1


def test_noise_has_the_deviation_asked_for():
    inputs = np.ones((2, 64, 64, 4), np.float32)
    change = analysis.noise_robustness(_flat, inputs, [0.1, 0.5, 2], key=KEY, draws=4).change
    np.testing.assert_allclose(change, [0.1, 0.5, 2], rtol=0.01)
    # All deviations have the same draws.
    np.testing.assert_allclose(change / change[0], [1, 5, 20], rtol=1e-5)


def test_examples_and_draws_have_noise_of_their_own():
    inputs = np.ones((2, 3, 3, 1), np.float32)
    one, two = (
        analysis.noise_robustness(_flat, inputs, [1], key=KEY, draws=draws).change for draws in (1, 2)
    )
    assert one != two
    seen = []

    def keep(x):
        jax.debug.callback(lambda x: seen.append(np.asarray(x)), x)
        return _flat(x)

    analysis.noise_robustness(keep, inputs, [1], key=KEY, draws=2)
    jax.effects_barrier()
    noises = [image for batch in seen for image in batch if not (image == 1).all()]
    assert len(np.unique(noises, axis=0)) == len(noises) == 4


def test_keys_differ():
    inputs = random((2, 6, 6, 1))
    changes = {
        float(analysis.noise_robustness(_flat, inputs, [1.0], key=jax.random.key(seed)).change[0])
        for seed in range(2)
    }
    assert len(changes) == 2


@pytest.mark.parametrize(("dtype", "seen"), [(np.uint8, np.float32), (jnp.bfloat16, jnp.bfloat16)])
def test_noise_has_the_dtype_of_a_mean(dtype, seen):
    def check(x):
        assert x.dtype == seen
        return _flat(x)

    change = analysis.noise_robustness(check, np.full((2, 30, 30, 1), 10, dtype), [1.0], key=KEY).change
    assert change[0] == pytest.approx(0.1, rel=0.1)


# -------------------------------------------------------------------------------- batches, traces, progress


def _measures(function, **options):
    inputs = random((7, 6, 6, 2))
    yield analysis.shift_consistency(function, inputs, 2, **options)
    yield analysis.shift_consistency(function, inputs, 1, mode="cropped", **options)
    yield analysis.noise_robustness(function, inputs, [0.1, 1.0, 3.0], key=KEY, draws=2, **options)


def test_batches_change_nothing():
    whole = list(_measures(_classifier))
    for batch_size in (1, 3, 100):
        for measured, expected in zip(_measures(_classifier, batch_size=batch_size), whole, strict=True):
            np.testing.assert_array_equal(measured.agreement, expected.agreement)
            np.testing.assert_allclose(measured.change, expected.change, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("batch_size", "sizes"), [(None, [7]), (3, [3, 1])])
def test_a_function_is_traced_once_for_each_size_of_batch(batch_size, sizes):
    traced = []

    def function(x):
        traced.append(len(x))
        return _flat(x)

    for number, _ in enumerate(_measures(function, batch_size=batch_size), 1):
        assert traced == sizes * number


def test_numpy_arrays_go_to_the_device_by_batches(monkeypatch):
    sizes = []
    device_put = jax.device_put
    monkeypatch.setattr(jax, "device_put", lambda x: (sizes.append(len(x)), device_put(x))[1])
    analysis.shift_consistency(_flat, random((5, 4, 4, 1)), 1, batch_size=2)
    assert sizes == [2, 2, 1]


def test_progress_sees_every_step():
    lengths, steps = [], []

    def bar(sequence):
        lengths.append(len(sequence))
        for step in sequence:
            yield step
            steps.append(step)

    for measured, expected in zip(
        _measures(_flat, batch_size=3, progress=bar), _measures(_flat), strict=True
    ):
        np.testing.assert_allclose(measured, expected, rtol=1e-6)
    # Three batches, each with 25 shifts, 9 shifts, 3 deviations in 2 draws.
    assert lengths == [3 * 25, 3 * 9, 3 * 6]
    assert len(steps) == sum(lengths)


# --------------------------------------------------------------------------------------- wrong arguments

IMAGES = np.ones((2, 6, 6, 1), np.float32)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"inputs": [[1.0]]}, TypeError, r"inputs must be an array, got \[\[1.0\]\]"),
        (
            {"inputs": IMAGES[0, 0]},
            ValueError,
            r"inputs must have the shape \(n, \*spatial, channels\), .*\(6, 1\)",
        ),
        ({"inputs": IMAGES[:0]}, ValueError, r"at least one example, got \(0, 6, 6, 1\)"),
        ({"max_shift": -1}, ValueError, "max_shift must be at least 0, got -1"),
        ({"max_shift": 1.0}, TypeError, "max_shift must be an int, got 1.0"),
        ({"mode": "zero"}, ValueError, "mode must be 'circular' or 'cropped', got 'zero'"),
        ({"max_shift": 3, "mode": "cropped"}, ValueError, "max_shift must be less than half .* got 3 for"),
        ({"max_shift": 6}, ValueError, "max_shift must be less than each spatial axis, got 6 for"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": True}, TypeError, "batch_size must be an int, got True"),
        ({"function": lambda x: [x]}, TypeError, "the output of function must be an array, got"),
        ({"function": lambda x: x.astype(np.complex64)}, TypeError, "the output of function must be real"),
        (
            {"function": lambda x: x.mean((1, 2, 3))},
            ValueError,
            r"output .* \(2, ..., classes\).* got \(2,\)",
        ),
        ({"function": lambda x: x[:1]}, ValueError, r"for 2 examples, got \(1, 6, 6, 1\)"),
        ({"function": lambda x: x[..., :0]}, ValueError, r"got \(2, 6, 6, 0\)"),
    ],
)
def test_wrong_arguments_of_shifts(changes, error, message):
    arguments = {"function": _flat, "inputs": IMAGES, "max_shift": 1, **changes}
    with pytest.raises(error, match=message):
        analysis.shift_consistency(**arguments)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"key": None}, TypeError, "key must be an array, got None"),
        ({"inputs": 3}, TypeError, "inputs must be an array, got 3"),
        ({"inputs": IMAGES * 1j}, TypeError, "inputs must be real"),
        ({"scales": 1.0}, TypeError, "scales must be a sequence"),
        ({"scales": ["a"]}, TypeError, "every entry of scales must be a number, got 'a'"),
        ({"scales": [1.0, -1.0]}, ValueError, r"scales must hold numbers of at least 0, got \[1.0, -1.0\]"),
        ({"draws": 0}, ValueError, "draws must be at least 1, got 0"),
        ({"draws": 0.5}, TypeError, "draws must be an int, got 0.5"),
        ({"batch_size": -2}, ValueError, "batch_size must be at least 1, got -2"),
        ({"function": lambda x: x[0]}, ValueError, r"the output of function must have the shape \(2, ..."),
    ],
)
def test_wrong_arguments_of_noise(changes, error, message):
    arguments = {"key": KEY, "function": _flat, "inputs": IMAGES, "scales": [1.0], **changes}
    with pytest.raises(error, match=message):
        analysis.noise_robustness(**arguments)


# ------------------------------------------------------------------------------------------------ package
