"""What the names in docs/migration.md's calls stand for, row by row."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from tests.cases import distinct
from tests.frameworks import helpers, installed

GEOMETRIES = {
    1: {"spatial": (11,), "k": (3,), "s": (2,), "p": (1,), "d": (2,), "o": (4,)},
    2: {"spatial": (9, 8), "k": (3, 2), "s": (2, 1), "p": (1, 1), "d": (2, 3), "o": (4, 3)},
    3: {"spatial": (7, 5, 8), "k": (2, 3, 2), "s": (2, 1, 2), "p": (1, 1, 0), "d": (2, 1, 3), "o": (3, 2, 2)},
}
# Where ceil mode has a window hang over the end, and where it drops one.
CEIL = [{"c": True}, {"c": True, "spatial": (12, 9, 8)}, {"c": True, "k": (2, 2, 2), "s": (3, 3, 3)}]


@dataclasses.dataclass(frozen=True)
class Row:
    """Inputs for a row of the page: for every rank and each of the variations, what its names stand for."""

    ranks: tuple[int, ...] = (1, 2, 3)
    variations: Any = ({},)
    derived: Callable[[dict], dict] = lambda names: {}  # names that follow from the others

    def bindings(self, layout):
        for N, variation in self._turns():
            names = GEOMETRIES[N] | {"N": N}
            for name, value in variation.items():
                per_axis = isinstance(value, tuple) and name in GEOMETRIES[N]
                names[name] = value[:N] if per_axis else value
            first = 1 if "last" in layout else 2
            names["axes"] = tuple(range(first, first + N))
            shapes = {"channels first": (2, 3, *names["spatial"]), "channels last": (2, *names["spatial"], 3)}
            shapes["no channels"] = names["spatial"]
            x = distinct(shapes.get(layout, (3, *names["spatial"])), np.float32)
            names["x"] = np.abs(x) if names.get("nonnegative") else x
            yield names | self.derived(names)

    def _turns(self):
        """Each rank and each variation, though not all pairs: every one is a program to compile."""
        for turn in range(max(len(self.ranks), len(self.variations))):
            yield self.ranks[turn % len(self.ranks)], self.variations[turn % len(self.variations)]


def vary(**values):
    """All combinations of the values of some names."""
    return tuple(dict(zip(values, v, strict=True)) for v in itertools.product(*values.values()))


def _pool_first(names):
    """Values and indices of a pool with strides of the window, to unpool; ONNX counts on over all planes."""
    x, k = jnp.asarray(names["x"]), names["k"]
    values, indices = jaxpool.max_pool(x, k, k, channel_axis=1, return_indices=True)
    o = tuple(n * size for n, size in zip(values.shape[2:], k, strict=True))
    where = np.unravel_index(np.asarray(indices), names["spatial"])
    indices = np.ravel_multi_index(where, o).astype(np.int64)
    return {"x": np.array(values), "indices": indices, "s": k, "p": (0,) * len(k), "o": o}


def _pool_first_for_onnx(names):
    names = _pool_first(names)
    return names | {"indices": np.asarray(helpers()["onnx_index"](names["indices"], names["o"]), np.int64)}


def _samples(names):
    shape = (*names["x"].shape[:2], names["N"])
    return {"u": np.random.RandomState(1).uniform(0, 0.99, shape).astype(np.float32)}


def _keys(names):
    """The names of bands, in order, and channels for all of them."""
    keys = ["".join(letters) for letters in itertools.product("ad", repeat=names["N"])]
    return {"keys": keys, "x": np.concatenate([names["x"] + i for i in range(len(keys))], -1)}


def _pairs(names):
    """Padding as ONNX has it, with other lows than highs, and as jaxpool."""
    N = names["N"]
    pads = [1] * N + [0] + [1] * (N - 1)
    return {"pads": pads, "pairs": list(zip(pads[:N], pads[N:], strict=True))}


def _quantized(names):
    x = np.random.RandomState(0).randint(-128, 128, names["x"].shape).astype(np.int8)
    scales = {"x_scale": np.float32(0.1), "x_zero": np.int8(3), "y_scale": np.float32(0.0731)}
    return _pairs(names) | scales | {"x": x, "y_zero": np.int8(-20)}


def _rest(names):
    return {"rest": [(0, -n % size) for n, size in zip(names["spatial"], names["k"], strict=True)]}


def _coarse(names):
    return {"w": {f"dim_{d}": size for d, size in enumerate(names["k"])}}


def _coarse_with_nan(names):
    x = names["x"].copy()
    x.flat[::7] = np.nan
    return _coarse(names) | {"x": x}


def _tensorflow_samples(names):
    """Samples for the sequences that TensorFlow draws with a seed; the page's call is given that seed."""
    tf = installed("tensorflow")
    fractional = tf.nn.fractional_max_pool
    r, o = (
        names["r"],
        tuple(int(n / ratio) for n, ratio in zip(names["spatial"], names["r"][1:-1], strict=True)),
    )
    _, *sequences = fractional(names["x"], r, True, names["b"], seed=names["seed"])
    u = [
        _sample_of(sequence.numpy(), n, m)
        for sequence, n, m in zip(sequences, names["spatial"], o, strict=True)
    ]
    return {"o": o, "u": np.array(u, np.float32)}


def _sample_of(sequence, n, o):
    """A number between 0 and 1 for which the pseudo-random sequence is this one, by trying."""
    alpha, size = n / o, n // o
    largest = min((size + 2) / alpha - 1, (n + 1 - size) / alpha - (o - 1))
    u = np.linspace(0.0005, 0.9995, 1000)
    inner = np.ceil(alpha * (np.arange(1, o) + u[:, None] * largest)) - 1
    return np.mean(u[np.all(inner == sequence[1:-1], axis=1)])


def _boxes(names):
    """Boxes, some of which reach beyond their images, and these; and both in five columns."""
    rng = np.random.RandomState(5)
    low = rng.uniform(-2, 12, (7, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.5, 14, (7, 2))], 1).astype(np.float32)
    i = rng.randint(0, 2, 7)
    return {"boxes": boxes, "i": i, "five": np.column_stack([i, boxes]).astype(np.float32)}


def _element(names):
    """Filters of TensorFlow, a mask, and offsets, for windows of two axes with three channels, or none."""
    rng, k = np.random.RandomState(3), names["k"]
    made = {"f": rng.randn(*k, *[3] * names.get("per_channel", False)).astype(np.float32)}
    return made | {"mask": np.arange(math.prod(k)).reshape(k) % 4 < 2, "inf": np.inf}


NAMED = vary(p=("valid", "same"))
UPPER = vary(p=("VALID", "SAME"))
# TensorFlow 2.21 raises in the gradient of tf.nn.max_pool and avg_pool in three dimensions, the third turn.
UPPER_3D = [{"p": "VALID"}, {"p": "SAME"}, {"p": "SAME", "gradient": False}]
BOTH = vary(c=(False,)) + tuple(CEIL)
INTS = vary(n=(3,), m=(1, 2), p=("VALID", "SAME"))
FRACTIONAL = Row((2,), vary(spatial=((17, 10),), r=((1.0, 1.5, 1.3, 1.0),), b=(False, True), seed=(3, 4, 5)))
FRACTIONAL = dataclasses.replace(FRACTIONAL, derived=_tensorflow_samples)
DIVIDES = Row(variations=vary(spatial=((12, 9, 8),), o=((4, 3, 2), (1, 1, 1), (12, 9, 8))))
ADAPTIVE = Row(variations=vary(o=((4, 3, 5), (1, 1, 1), (7, 8, 5))))
# TensorFlow and Keras have no other sizes here: Keras makes NaN of some by rounding.
KERAS_ADAPTIVE = Row(variations=vary(spatial=((11, 9, 8),), o=((4, 3, 2), (5, 4, 3), (2, 1, 8))))
DILATION = Row((2,), vary(p=("VALID", "SAME"), per_channel=(True,)), _element)
ELEMENT = Row(derived=_element)
REGIONS = Row((2,), derived=_boxes)
SAMPLED = Row((2,), vary(n=(1, 2, 3)), _boxes)
BOX = Row(variations=[{}, {"k": (4, 4, 2)}])
ODD = Row((2,), [{"k": (3, 5)}], _element)
FLAT = Row((2,), derived=_element)
# JAX has no gradient of a product, nor of a maximum of windows that are dilated.
REDUCTIONS = [
    {"init": -np.inf, "f": jax.lax.max},
    {"init": 0.0, "f": jax.lax.add},
    {"init": np.float32(1), "f": jax.lax.mul, "gradient": False},
]
POOL = Row(variations=vary(p=("VALID", "SAME"), init=(0.0,), f=(jax.lax.add,)))
DAUBECHIES = vary(w=("haar", "db2", "db4"))
# Equinox allows no window less than its padding and stride together where it hangs over.
OVERHANG = vary(c=(False, True), k=((3, 2, 3),), s=((2, 1, 2),))

ROWS = {
    "PyTorch": {
        "nn.MaxPoolNd(k)(x)": Row(),
        "nn.MaxPoolNd(k, s, p, d, ceil_mode=c)(x)": Row(variations=BOTH),
        "nn.MaxPoolNd(k, s, p, return_indices=True)(x)": Row(),
        "nn.AvgPoolNd(k)(x)": Row(),
        "nn.AvgPoolNd(k, s, p, ceil_mode=c, count_include_pad=i)(x)": Row(
            variations=[names | {"i": i} for names in BOTH for i in (False, True)]
        ),
        "nn.AvgPoolNd(k, s, divisor_override=n)(x)": Row((2, 3), vary(n=(1, 7))),
        "nn.LPPoolNd(n, k, s)(x)": Row(
            variations=[{"n": 2}, {"n": 4}, {"n": math.inf}, {"n": 3, "nonnegative": True}]
        ),
        "nn.AdaptiveAvgPoolNd(o)(x)": ADAPTIVE,
        "nn.AdaptiveMaxPoolNd(o)(x)": ADAPTIVE,
        "nn.AdaptiveMaxPoolNd(o, return_indices=True)(x)": ADAPTIVE,
        "nn.AdaptiveAvgPoolNd(1)(x)": Row(),
        "nn.AdaptiveMaxPoolNd(1)(x)": Row(),
        "nn.FractionalMaxPool2d(k, o, _random_samples=u)(x)": Row((2,), derived=_samples),
        "nn.FractionalMaxPool3d(k, o, _random_samples=u)(x)": Row((3,), derived=_samples),
        "nn.FractionalMaxPool2d(k, o, return_indices=True, _random_samples=u)(x)": Row(
            (2,), derived=_samples
        ),
        "nn.FractionalMaxPool3d(k, o, return_indices=True, _random_samples=u)(x)": Row(
            (3,), derived=_samples
        ),
        "nn.MaxUnpoolNd(k, s, p)(x, indices, o)": Row(derived=_pool_first),
        "torch.cat([F.adaptive_max_poolNd(x, n).flatten(1) for n in (4, 2, 1)], 1)": Row(),
        "torch.cat([x] + [F.interpolate(F.adaptive_avg_pool2d(x, n), x.shape[2:], "
        'mode="bilinear") for n in (1, 2, 3, 6)], 1)': Row((2,)),
        "torch.cat([x] + [F.max_pool2d(x, n, 1, n // 2) for n in (5, 9, 13)], 1)": Row((2,)),
        "torch.lerp(x.mean((2, 3)), x.amax((2, 3)), 0.5)": Row((2,)),
        "nn.AdaptiveAvgPool2d((None, 1))(x)": Row((2,)),
        "nn.AdaptiveAvgPool2d((1, None))(x)": Row((2,)),
    },
    "torchvision": {
        "ops.roi_align(x, five, o, 0.5, n, True)": SAMPLED,
        "ops.roi_align(x, five, o, 0.5)": REGIONS,
        "ops.roi_pool(x, five, o, 0.5)": REGIONS,
        "ops.ps_roi_align(torch.cat([x] * 4, 1), five, (2, 2), 0.5, n)": SAMPLED,
        # Its gradient also reaches the last cells, which its value is not made of.
        "ops.ps_roi_pool(torch.cat([x] * 4, 1), five, (2, 2), 0.5)": Row(
            (2,), vary(gradient=(False,)), _boxes
        ),
    },
    "Keras 3": {
        "layers.MaxPoolingND(k)(x)": Row(),
        "layers.MaxPoolingND(k, s, p)(x)": Row(variations=NAMED),
        "layers.AveragePoolingND(k)(x)": Row(),
        "layers.AveragePoolingND(k, s, p)(x)": Row(variations=NAMED),
        "layers.GlobalMaxPoolingND(keepdims=b)(x)": Row(variations=vary(b=(False, True))),
        "layers.GlobalAveragePoolingND(keepdims=b)(x)": Row(variations=vary(b=(False, True))),
        "layers.GlobalAveragePooling1D()(x, mask=m)": Row(
            (1,), [{"m": np.array([[True] * 7 + [False] * 4, [False] + [True] * 10])}]
        ),
        "layers.AdaptiveMaxPoolingND(o)(x)": KERAS_ADAPTIVE,
        "layers.AdaptiveAveragePoolingND(o)(x)": KERAS_ADAPTIVE,
    },
    "TensorFlow": {
        "tf.nn.max_poolNd(x, k, s, p)": Row(variations=UPPER_3D),
        "tf.nn.max_poolNd(x, k, s, [[0, 0], *pads, [0, 0]])": Row(
            (1, 2), derived=lambda names: {"pads": [[1, 0], [0, 1]][: names["N"]]}
        ),
        'tf.nn.pool(x, k, "MAX", dilations=d)': Row(),
        "tf.nn.max_pool_with_argmax(x, k, s, p)[0]": Row((2,), UPPER),
        "tf.nn.max_pool_with_argmax(x, k, s, p, include_batch_in_index=b)[1]": Row(
            (2,), vary(p=("VALID", "SAME"), b=(False, True), gradient=(False,))
        ),
        "tf.nn.avg_poolNd(x, k, s, p)": Row(variations=UPPER_3D),
        'tf.nn.pool(x, k, "AVG", dilations=d)': Row(),
        "tf.nn.fractional_max_pool(x, r, True, b, seed)[0]": FRACTIONAL,
        "tf.nn.fractional_avg_pool(x, r, True, b, seed)[0]": FRACTIONAL,
        "tf.image.crop_and_resize(x, boxes / 9, i, o)": REGIONS,
        'tf.image.crop_and_resize(x, boxes / 9, i, o, "nearest", 3.0)': REGIONS,
        'tf.nn.dilation2d(x, f, (1, *s, 1), p, "NHWC", (1, 1, 1, 1))': DILATION,
        'tf.nn.dilation2d(x, f, (1, 1, 1, 1), p, "NHWC", (1, *d, 1))': DILATION,
        'tf.nn.erosion2d(x, f, (1, *s, 1), p, "NHWC", (1, 1, 1, 1))': DILATION,
    },
    "Flax": {
        "nn.max_pool(x, k, s, p)": Row(variations=UPPER),
        "nnx.min_pool(x, k, s, p)": Row(variations=UPPER),
        "nn.avg_pool(x, k, s, p, i)": Row(variations=vary(p=("VALID", "SAME"), i=(False, True))),
        "nn.pool(x, init, f, k, s, p)": POOL,
    },
    "Haiku": {
        "hk.max_pool(x, (*k, 1), (*s, 1), p)": Row(variations=UPPER),
        "hk.max_pool(x, n, m, p)": Row(variations=INTS),
        "hk.max_pool(x, n, m, p, channel_axis=1)": Row(variations=INTS),
        "hk.avg_pool(x, (*k, 1), (*s, 1), p)": Row(variations=UPPER),
        "hk.avg_pool(x, n, m, p)": Row(variations=INTS),
        "hk.avg_pool(x, n, m, p, channel_axis=1)": Row(variations=INTS),
    },
    "Equinox": {
        "eqx.nn.MaxPoolNd(k, s, p, use_ceil=c)(x)": Row(variations=OVERHANG),
        "eqx.nn.AvgPoolNd(k, s, p)(x)": Row(),
        "eqx.nn.AvgPoolNd(k, s, p, use_ceil=c)(x)": Row(variations=OVERHANG),
        "eqx.nn.Pool(init, f, N, k, s, p, use_ceil=c)(x)": Row(
            variations=[names | {"init": 0.0, "f": jax.lax.add} for names in OVERHANG]
        ),
        "eqx.nn.AdaptiveAvgPoolNd(o)(x)": DIVIDES,
        "eqx.nn.AdaptiveMaxPoolNd(o)(x)": DIVIDES,
    },
    "jax.lax": {
        "lax.reduce_window(x, init, f, (1, *k, 1), (1, *s, 1), p)": Row(
            variations=[reduction | padding for reduction in REDUCTIONS for padding in UPPER]
        ),
        "lax.reduce_window(x, -jnp.inf, f, (1, *k, 1), (1, *s, 1), [(0, 0), *pairs, (0, 0)])": Row(
            variations=vary(f=(jax.lax.max,)), derived=_pairs
        ),
        "lax.reduce_window(x, 0.0, f, (1, *k, 1), (1, *s, 1), p)": Row(
            variations=vary(f=(jax.lax.add,), p=("VALID", "SAME"))
        ),
        "lax.reduce_window(x, init, f, (1, *k, 1), padding=[(0, 0), *pairs, (0, 0)], "
        "base_dilation=(1, *d, 1))": Row(variations=REDUCTIONS, derived=_pairs),
        "lax.reduce_window(x, init, f, (1, *k, 1), window_dilation=(1, *d, 1))": Row(
            variations=[reduction | {"gradient": False} for reduction in REDUCTIONS]
        ),
    },
    "ONNX": {
        "MaxPool(x, kernel_shape=k, strides=s, pads=pads, dilations=d, ceil_mode=c)[0]": Row(
            variations=BOTH, derived=_pairs
        ),
        'MaxPool(x, kernel_shape=k, strides=s, auto_pad="SAME_UPPER")[0]': Row(),
        'MaxPool(x, kernel_shape=k, strides=s, auto_pad="SAME_LOWER")[0]': Row(),
        "MaxPool(x, kernel_shape=k, strides=s, pads=pads, storage_order=b)[1]": Row(
            variations=vary(b=(0, 1)), derived=_pairs
        ),
        "AveragePool(x, kernel_shape=k, strides=s, pads=pads, dilations=d, ceil_mode=c, "
        "count_include_pad=i)": Row(
            variations=[names | {"i": i} for names in BOTH for i in (False, True)], derived=_pairs
        ),
        "AveragePool(x, kernel_shape=k, strides=s, pads=pads)": Row(derived=_pairs),
        "LpPool(x, p=n, kernel_shape=k, strides=s, pads=pads, dilations=d, ceil_mode=c)": Row(
            variations=vary(n=(1, 2, 3), c=(False, True)), derived=_pairs
        ),
        "GlobalMaxPool(x)": Row(),
        "GlobalAveragePool(x)": Row(),
        "GlobalLpPool(x, p=n)": Row(variations=vary(n=(1, 2, 3))),
        "QLinearAveragePool(x, x_scale, x_zero, y_scale, y_zero, kernel_shape=k, strides=s, pads=pads, "
        "ceil_mode=c)": Row(variations=vary(c=(False, True)), derived=_quantized),
        "QLinearGlobalAveragePool(x, x_scale, x_zero, y_scale, y_zero)": Row(derived=_quantized),
        "MaxUnpool(x, indices, kernel_shape=k, strides=s)": Row(derived=_pool_first_for_onnx),
        "RoiAlign(x, boxes, i, output_height=o[0], output_width=o[1], sampling_ratio=n, "
        "spatial_scale=0.5)": SAMPLED,
        "RoiAlign(x, boxes, i, output_height=o[0], output_width=o[1], "
        'coordinate_transformation_mode="output_half_pixel")': REGIONS,
        "MaxRoiPool(x, five, pooled_shape=o, spatial_scale=0.5)": REGIONS,
    },
    "SciPy": {
        "ndimage.grey_dilation(x, k)": BOX,
        "ndimage.grey_erosion(x, k)": BOX,
        'ndimage.grey_dilation(x, footprint=mask, mode="constant", cval=-inf)': ELEMENT,
        'ndimage.grey_erosion(x, footprint=mask, mode="constant", cval=inf)': ELEMENT,
        'ndimage.grey_dilation(x, structure=f, mode="constant", cval=-inf)': ELEMENT,
        'ndimage.grey_erosion(x, structure=f, mode="constant", cval=inf)': ELEMENT,
        "ndimage.grey_opening(x, k)": BOX,
        "ndimage.grey_closing(x, k)": BOX,
        "ndimage.morphological_gradient(x, k)": BOX,
        "ndimage.white_tophat(x, k)": BOX,
        "ndimage.black_tophat(x, k)": BOX,
    },
    "scikit-image": {
        f'ski.{name}(x, mask, mode="ignore")': ODD
        for name in ("dilation", "erosion", "opening", "closing", "white_tophat", "black_tophat")
    },
    "Kornia": {
        "km.dilation(x, mask.float())": FLAT,
        "km.erosion(x, mask.float())": FLAT,
        "km.dilation(x, torch.ones(k), f)": FLAT,
        "km.erosion(x, torch.ones(k), f)": FLAT,
        "km.opening(x, mask.float())": FLAT,
        "km.closing(x, mask.float())": FLAT,
        "km.gradient(x, mask.float())": FLAT,
        "km.top_hat(x, mask.float())": FLAT,
        "km.bottom_hat(x, mask.float())": FLAT,
        "subpix.spatial_soft_argmax2d(x, t, b)": Row((2,), vary(t=(0.7,), b=(True, False))),
    },
    "scikit-image and xarray": {
        "measure.block_reduce(x, k)": Row(),
        "measure.block_reduce(x, k, np.mean)": Row(),
        "measure.block_reduce(x, k, np.max, -np.inf)": Row(),
        "measure.block_reduce(x, k, np.min, np.inf)": Row(),
        "measure.block_reduce(x, k, np.median, v)": Row(variations=vary(v=(0.0, 1.5)), derived=_rest),
        'xr.DataArray(x).coarsen(w, "exact").std()': Row(
            variations=vary(spatial=((9, 8, 6),), k=((3, 2, 2),)), derived=_coarse
        ),
        'xr.DataArray(x).coarsen(w, "trim").mean()': Row(derived=_coarse_with_nan),
        'xr.DataArray(x).coarsen(w, "pad").mean()': Row(derived=_coarse_with_nan),
        'xr.DataArray(x).coarsen(w, "pad").max()': Row(derived=_coarse_with_nan),
        'xr.DataArray(x).coarsen(w, "pad").median()': Row(derived=_coarse),
    },
    "SciPy signals": {
        "signal.resample(x, n, axis=1)": Row((1,), vary(n=(4, 5, 16))),
        "signal.resample(signal.resample(x, n, axis=1), m, axis=2)": Row((2,), vary(n=(4, 5), m=(3,))),
    },
    "PyWavelets": {
        'pywt.dwtn(x, w, "periodization", axes)[keys[0]]': Row(variations=DAUBECHIES, derived=_keys),
        'pywt.dwt2(x, w, "periodization", axes)[0]': Row((2,), DAUBECHIES),
        'np.concatenate([pywt.dwtn(x, w, "periodization", axes)[key] for key in keys], -1)': Row(
            variations=DAUBECHIES, derived=_keys
        ),
        'pywt.idwtn(dict(zip(keys, np.split(x, len(keys), -1))), w, "periodization", axes)': Row(
            variations=DAUBECHIES, derived=_keys
        ),
    },
}
