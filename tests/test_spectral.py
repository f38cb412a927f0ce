"""What spectral and wavelet pools mean, what they refuse, and what SciPy and PyWavelets make of the same."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool._ops.spectral import _resampling
from tests.frameworks import installed
from tests.programs import interpret

WAVELETS = ("haar", "db2", "db3", "db4")
RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randn(2, 6, 5, 3).astype(np.float32)


# ------------------------------------------------------------------------------------------------ spectral


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
def test_resamples_as_scipy(is_complex):
    """From every length to every other, and along two axes of an array."""
    resample = installed("scipy.signal").resample
    for length in range(1, 10):
        x = RANDOM.randn(length) + 1j * RANDOM.randn(length) * is_complex
        x = x if is_complex else x.real
        for new in range(1, 12):
            np.testing.assert_allclose(_resampling(length, new) @ x, resample(x, new), atol=1e-13)
    x = (IMAGES + 1j * RANDOM.randn(*IMAGES.shape) * is_complex).astype(np.complex64)
    x = x if is_complex else x.real
    pooled = interpret(functools.partial(jaxpool.spectral_pool, output_shape=(4, 7)), x)
    np.testing.assert_allclose(pooled, resample(resample(x, 4, axis=1), 7, axis=2), atol=2e-6)


@pytest.mark.parametrize(("longer", "shorter"), [(6, 4), (7, 4), (6, 3), (9, 5), (5, 1), (513, 256)])
def test_spectral_pool_projects(longer, shorter):
    """On the nearest signal of low frequencies, whose mean is the same; and what it keeps, it gives back."""
    down, up = _resampling(longer, shorter), _resampling(shorter, longer)
    np.testing.assert_allclose(down.sum(1), 1, rtol=1e-13)
    if longer < 100:  # else it takes long
        projection = up @ down
        np.testing.assert_allclose(projection @ projection, projection, atol=1e-14)
        np.testing.assert_allclose(projection, projection.T, atol=1e-14)
        np.testing.assert_allclose(down @ up, np.eye(shorter), atol=1e-14)
        np.testing.assert_allclose(np.ones(shorter) @ down / shorter, np.ones(longer) / longer, atol=1e-15)


def test_spectral_pool_keeps_low_frequencies():
    time = np.arange(12)[:, None] / 12
    slow, fast = np.cos(2 * np.pi * time + 0.3), np.cos(2 * np.pi * 5 * time + 0.7)
    pooled, kept = interpret(
        lambda x: (jaxpool.spectral_pool(x, (7,)), jaxpool.spectral_pool(x, (None,))),
        np.float32(3 + slow + fast),
    )
    expected = 3 + np.cos(2 * np.pi * np.arange(7)[:, None] / 7 + 0.3)
    np.testing.assert_allclose(pooled, expected, atol=2e-6)
    np.testing.assert_array_equal(kept, np.float32(3 + slow + fast))


def test_spectral_pool_takes_any_path_on_the_cpu():
    """Copies of the matrix where there is much behind an axis, or one product; compiled, and batched."""
    for shape, output in (((2, 6, 5, 9), (4, 3)), ((2, 6, 5, 1), (4, 3)), ((0, 6, 5, 2), (4, 3))):
        x = RANDOM.randn(*shape).astype(np.float32)
        pool = functools.partial(jaxpool.spectral_pool, output_shape=output)
        expected = np.einsum("oh,pw,bhwc->bopc", _resampling(6, 4), _resampling(5, 3), x)
        np.testing.assert_allclose(jax.jit(pool)(x), expected, atol=1e-6)
        np.testing.assert_allclose(jax.vmap(pool)(x), expected, atol=1e-6)


# ------------------------------------------------------------------------------------------------- wavelets


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_transforms_as_pywavelets(wavelet):
    pywt = installed("pywt")
    for shape in ((6, 5), (1, 3)):
        x = RANDOM.randn(2, *shape, 3).astype(np.float32)
        bands = pywt.dwtn(x, wavelet, mode="periodization", axes=(1, 2))
        expected = np.concatenate([bands[name] for name in ("aa", "ad", "da", "dd")], -1)
        actual = interpret(functools.partial(jaxpool.wavelet_pool, wavelet=wavelet, bands="all"), x)
        np.testing.assert_allclose(actual, expected, atol=2e-6)


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_wavelets_are_orthonormal_and_vanish(wavelet):
    """There and back is the input; energy stays; as many moments vanish as the name says."""
    pool, unpool = (
        functools.partial(f, wavelet=wavelet) for f in (jaxpool.wavelet_pool, jaxpool.wavelet_unpool)
    )
    ramp = np.arange(16, dtype=np.float32)[:, None] / 16
    moments = WAVELETS.index(wavelet) + 1
    results = interpret(
        lambda x: {
            "energy": [jnp.sum(jnp.square(y)) for y in (x[:, :, :4], pool(x[:, :, :4], bands="all"))],
            "back": unpool(pool(x, bands="all"), (2, 2), (6, 5)),
            "low": [pool(x), jnp.split(pool(x, bands="all"), 4, -1)[0]],
            "nearest": unpool(jnp.pad(pool(x), [(0, 0)] * 3 + [(0, 9)]), output_shape=(6, 5)),
            "high": [pool(ramp**k, (2,), bands="all")[:, 1] for k in range(moments + 1)],
        },
        IMAGES,
    )
    np.testing.assert_allclose(*results["energy"], rtol=1e-6)
    np.testing.assert_allclose(results["back"], IMAGES, atol=2e-6)
    np.testing.assert_allclose(*results["low"], atol=1e-6)
    assert not np.allclose(results["nearest"], IMAGES, atol=0.1)
    inside = slice(2, -2)
    for power, high in enumerate(results["high"]):
        assert np.allclose(high[inside], 0, atol=1e-6) == (power < moments)


def test_wavelets_of_no_images():
    bands = jaxpool.wavelet_pool(IMAGES[:0], bands="all")
    assert bands.shape == (0, 3, 3, 12)
    assert jaxpool.wavelet_unpool(bands, output_shape=(6, 5)).shape == (0, 6, 5, 3)


@pytest.mark.parametrize("axis", [0, 3], ids=["batch", "channels"])
def test_split_between_devices(axis):
    """Inside `shard_map`, and by types on a mesh of explicit axes where it is the batch that is split."""
    x = np.resize(IMAGES, (2, 6, 4, 4))

    def there_and_back(x):
        bands = jaxpool.wavelet_pool(x, wavelet="db2", bands="all")
        back = jaxpool.wavelet_unpool(bands, wavelet="db2")
        return jaxpool.spectral_pool(jaxpool.spectral_pool(back, (7, 5)), (6, 4))

    mesh = jax.make_mesh((2,), ("x",), axis_types=(AxisType.Explicit,))
    spec = P(*["x" if d == axis else None for d in range(4)])
    mapped = jax.shard_map(there_and_back, mesh=mesh, in_specs=spec, out_specs=spec)
    split = jax.device_put(x, NamedSharding(mesh, spec))
    with jax.set_mesh(mesh):
        results = [jax.jit(mapped)(split)] + ([jax.jit(there_and_back)(split)] if axis == 0 else [])
    for result in results:
        np.testing.assert_allclose(result, x, atol=5e-6)


def test_haar_is_average_pooling():
    low, average, line, expected = interpret(
        lambda x: (
            jaxpool.wavelet_pool(x),
            2 * jaxpool.avg_pool(x, (2, 2), (2, 2)),
            jaxpool.wavelet_pool(x, (1, 2), bands="all"),
            jnp.concatenate([x[:, :, ::2] + x[:, :, 1::2], x[:, :, ::2] - x[:, :, 1::2]], -1) / np.sqrt(2),
        ),
        IMAGES[:, :, :4],
    )
    np.testing.assert_allclose(low, average, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(line, expected, rtol=1e-6, atol=1e-7)


# ----------------------------------------------------------------------------------- special values, dtypes


def test_nan_stays_in_its_windows():
    x = np.where(np.arange(8) == 5, np.nan, np.ones(8)).astype(np.float32)[:, None]
    results = interpret(
        lambda x: (
            [jaxpool.wavelet_pool(x, (2,), wavelet=w) for w in ("haar", "db2")]
            + [jaxpool.spectral_pool(x, (4,))]
        ),
        x,
    )
    assert [np.isnan(result[:, 0]).tolist() for result in results] == [
        [False, False, True, False],
        [False, False, True, True],
        [True] * 4,
    ]


def test_low_precision_accumulates_in_float32():
    ones = jnp.ones((512, 1), jnp.bfloat16)
    mean, low, back = interpret(
        lambda x: (
            jaxpool.spectral_pool(x, (1,)),
            jaxpool.wavelet_pool(x[:4, :1], (2,), wavelet="db4"),
            jaxpool.wavelet_unpool(jaxpool.wavelet_pool(x[:4], (2,), bands="all"), (2,)),
        ),
        ones,
    )
    assert mean.dtype == low.dtype == back.dtype == jnp.bfloat16
    assert mean[0, 0] == 1
    np.testing.assert_array_equal(low.astype(np.float32), np.asarray(np.sqrt(2), jnp.bfloat16))


# ------------------------------------------------------------------------------------------------ arguments

_X = np.zeros((2, 6, 5, 4), np.float32)


@pytest.mark.parametrize(
    ("error", "message", "name", "arguments"),
    [
        (TypeError, "output_shape must be a sequence of ints", "spectral_pool", {"output_shape": 3}),
        (TypeError, "every entry of output_shape must be an int", "spectral_pool", {"output_shape": (3.0,)}),
        (ValueError, "output_shape must hold ints of at least 1", "spectral_pool", {"output_shape": (0, 3)}),
        (ValueError, "output_shape must have at least one entry", "spectral_pool", {"output_shape": ()}),
        (
            ValueError,
            "inputs must not be empty along a pooled axis",
            "spectral_pool",
            {"inputs": _X[:, :0], "output_shape": (3, 3)},
        ),
        (ValueError, "strides must have one entry of 1 or 2 .* got", "wavelet_pool", {"strides": (2, 3)}),
        (ValueError, "strides must have one entry of 1 or 2 .* got", "wavelet_unpool", {"strides": ()}),
        (
            ValueError,
            "wavelet must be one of haar, db2, db3, db4, got 'db5'",
            "wavelet_pool",
            {"wavelet": "db5"},
        ),
        (ValueError, "wavelet must be one of", "wavelet_unpool", {"wavelet": 2}),
        (ValueError, "bands must be 'low' or 'all', got 'high'", "wavelet_pool", {"bands": "high"}),
        (ValueError, "inputs must not be empty", "wavelet_pool", {"inputs": _X[:, :0]}),
        (
            ValueError,
            r"values must have a multiple of 4 channels for strides \(2, 2\), got shape \(2, 6, 5, 3\)",
            "wavelet_unpool",
            {"values": _X[..., :3]},
        ),
        (
            ValueError,
            r"output_shape must be \(12, 10\), or one less where axes are halved, got \(12, 8\)",
            "wavelet_unpool",
            {"output_shape": (12, 8)},
        ),
        (ValueError, "output_shape must have 2 entries", "wavelet_unpool", {"output_shape": (12,)}),
    ],
)
def test_mistakes_are_named(error, message, name, arguments):
    array = "values" if name == "wavelet_unpool" else "inputs"
    with pytest.raises(error, match=message):
        getattr(jaxpool, name)(**({array: _X} | arguments))


_WAVELET = {"strides": (2, 1), "wavelet": "db2", "channel_axis": 1}
_BASES = {
    "spectral_pool": {"inputs": IMAGES, "output_shape": (3, 4)},
    "wavelet_pool": {"inputs": IMAGES},
    "wavelet_unpool": {"values": np.repeat(IMAGES, 4, -1)},
}
_CHANGES = {
    "spectral_pool": {"inputs": IMAGES + 1, "output_shape": (4, 3), "channel_axis": 1},
    "wavelet_pool": {"inputs": IMAGES + 1, "bands": "all", **_WAVELET},
    "wavelet_unpool": {"values": np.repeat(IMAGES, 4, -1) + 1, "output_shape": (11, 9), **_WAVELET},
}
_CHANGES["wavelet_unpool"]["channel_axis"] = {"channel_axis": 1, "values": np.repeat(IMAGES, 4, 1)}


@pytest.mark.parametrize("name", _BASES)
def test_every_argument_changes_the_result(name):
    pool, base = getattr(jaxpool, name), _BASES[name]
    changes = {a: value if isinstance(value, dict) else {a: value} for a, value in _CHANGES[name].items()}
    before, changed = interpret(
        lambda: (pool(**base), {argument: pool(**(base | change)) for argument, change in changes.items()})
    )
    for argument, after in changed.items():
        assert after.shape != before.shape or not np.array_equal(after, before), argument
    assert set(_CHANGES[name]) == set(inspect.signature(pool).parameters)
