"""The one table of geometries, and the numbers that tests take for inputs."""

import contextlib
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    """One geometry: the shape of the inputs and the arguments of the pool."""

    name: str
    shape: tuple[int, ...]
    window_shape: tuple[int, ...]
    strides: Any = None
    padding: Any = "VALID"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    derivatives: bool = False  # also among the geometries of the costlier derivative checks
    flax: str = ""  # why Flax gives no or another result; empty where it gives the same

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.window_shape, self.strides, self.padding)

    @property
    def taps(self) -> int:
        return math.prod(self.window_shape)

    def __str__(self) -> str:
        return self.name


def _dilated(*dilation: int) -> dict[str, Any]:
    return {"window_dilation": dilation}


_CEIL = {"ceil_mode": True}
_OPTION = "Flax has no such option"

CASES = (
    # one dimension
    Case("1d", (2, 7, 3), (2,), derivatives=True),
    Case("1d stride", (2, 9, 2), (3,), (2,)),
    Case("1d same", (2, 8, 2), (3,), (2,), "SAME"),
    Case("1d causal", (2, 7, 2), (3,), None, "CAUSAL", flax="Flax pools know no CAUSAL"),
    Case("1d causal stride", (9, 2), (3,), (2,), "CAUSAL", _dilated(2), True, flax=_OPTION),
    Case("1d gaps", (2, 11, 2), (2,), (4,)),
    Case("1d whole axis", (2, 5, 2), (5,)),
    Case("1d whole axis, padding", (2, 5, 2), (5,), None, [(0, 2)]),
    Case("1d tiles, padding", (2, 6, 2), (2,), (2,), [(0, 2)]),
    Case("1d wide padding", (1, 3, 2), (2,), None, [(3, 4)]),
    # two dimensions, tiling
    Case("tiles", (2, 6, 4, 3), (2, 2), (2, 2), derivatives=True),
    Case("tiles with rest", (2, 7, 5, 3), (2, 2), (2, 2)),
    Case("tiles 3x2", (1, 6, 6, 2), (3, 2), (3, 2)),
    # two dimensions, overlap
    Case("overlap", (2, 6, 5, 2), (3, 3), derivatives=True),
    Case("overlap stride", (2, 9, 7, 2), (3, 3), (2, 2), "VALID", derivatives=True),
    Case("overlap mixed", (1, 8, 9, 2), (3, 4), (2, 3), [(1, 1), (2, 1)], derivatives=True),
    Case("same", (2, 6, 5, 2), (3, 3), None, "SAME"),
    Case("same stride", (2, 7, 6, 2), (3, 3), (2, 2), "SAME", derivatives=True),
    Case("same even", (1, 6, 5, 2), (2, 4), (1, 2), "SAME"),
    Case("same lower", (1, 6, 5, 2), (2, 4), (1, 2), "SAME_LOWER", derivatives=True),
    Case("padding int", (1, 5, 6, 2), (3, 3), (2, 2), 1, flax="Flax takes no int"),
    Case("padding ints", (1, 5, 6, 2), (3, 2), (2, 2), (1, 0), flax="Flax takes no flat sequence"),
    Case("padding pairs", (1, 5, 6, 2), (3, 2), (2, 2), [(0, 2), (1, 0)]),
    Case("padding only low", (1, 5, 4, 2), (2, 2), None, [(2, 0), (3, 0)]),
    Case("windows of padding", (1, 2, 3, 2), (2, 2), (2, 1), [(4, 3), (2, 5)], derivatives=True),
    Case("stride gaps", (1, 9, 8, 2), (2, 2), (3, 4), derivatives=True),
    Case("one cell, stride", (1, 6, 7, 2), (1, 1), (2, 3)),
    Case("one cell", (1, 4, 5, 2), (1, 1)),
    Case("row", (1, 5, 6, 2), (1, 3), (1, 2)),
    Case("column", (1, 5, 6, 2), (3, 1), (2, 1), "SAME"),
    Case("whole image", (2, 5, 4, 2), (5, 4)),
    Case("large window", (1, 7, 9, 1), (17, 16), None, "SAME"),
    Case("72 taps", (1, 9, 10, 1), (8, 9), (1, 2), [(1, 0), (2, 1)]),
    Case("72 taps, dilation", (1, 10, 11, 1), (8, 9), None, [(5, 1), (2, 5)], _dilated(2, 2), flax=_OPTION),
    Case("256 taps, stride", (1, 3, 257, 1), (1, 256), (2, 1)),
    Case("list strides", (1, 6, 6, 2), (2, 2), [2, 1], flax="Flax crashes"),
    # dilation and ceil mode
    Case("dilation", (1, 9, 8, 2), (3, 2), None, "VALID", _dilated(2, 3), True, flax=_OPTION),
    Case(
        "dilation stride", (1, 11, 9, 2), (3, 3), (2, 3), [(2, 1), (1, 2)], _dilated(3, 2), True, flax=_OPTION
    ),
    Case("dilation same", (1, 7, 8, 2), (3, 2), (2, 2), "SAME", _dilated(2, 2), flax=_OPTION),
    Case("dilation and stride alike", (1, 9, 9, 1), (3, 2), (2, 4), "VALID", _dilated(2, 2), flax=_OPTION),
    Case("ceil", (1, 6, 7, 2), (3, 3), (2, 2), "VALID", _CEIL, True, flax=_OPTION),
    Case("ceil padding", (1, 6, 5, 2), (3, 2), (2, 2), 1, _CEIL, flax=_OPTION),
    Case("ceil drops a window", (1, 5, 4, 2), (2, 2), (3, 3), 1, _CEIL, flax=_OPTION),
    Case("ceil dilation", (1, 8, 9, 2), (2, 3), (3, 2), (1, 2), _CEIL | _dilated(2, 2), flax=_OPTION),
    # layouts and batch axes
    Case("channels first", (2, 3, 6, 5), (3, 2), (2, 1), "SAME", {"channel_axis": -3}, True, flax=_OPTION),
    Case("channels first 1d", (2, 3, 7), (3,), (2,), 1, {"channel_axis": 1}, flax=_OPTION),
    Case("channels leading", (3, 2, 6, 5), (2, 2), None, "VALID", {"channel_axis": 0}, flax=_OPTION),
    Case("channels between", (2, 5, 3, 6), (2, 3), (1, 2), "VALID", {"channel_axis": 2}, flax=_OPTION),
    Case("no channels", (2, 6, 5), (2, 3), (2, 1), "SAME", {"channel_axis": None}, True, flax=_OPTION),
    Case("no batch", (6, 5, 2), (3, 2), (2, 2), "SAME"),
    Case("no batch, no channels", (6, 5), (2, 2), None, "VALID", {"channel_axis": None}, flax=_OPTION),
    Case("two batch axes", (2, 3, 5, 4, 2), (2, 2), (2, 1), "SAME"),
    Case("two batch axes, pairs", (2, 2, 5, 4, 2), (3, 2), (2, 1), [(1, 1), (0, 1)], flax="Flax crashes"),
    Case("empty batch", (0, 6, 5, 2), (2, 2), (2, 2)),
    Case("no channel at all", (2, 6, 5, 0), (3, 3), None, "SAME"),
    # three dimensions and more
    Case("3d tiles", (1, 4, 4, 6, 2), (2, 2, 2), (2, 2, 2)),
    Case("3d overlap", (1, 4, 3, 5, 1), (2, 1, 3), (1, 2, 2), [(1, 0), (0, 1), (2, 0)], derivatives=True),
    Case("3d same", (1, 4, 5, 3, 2), (3, 2, 3), (1, 2, 1), "SAME"),
    Case("4d", (1, 3, 4, 3, 4, 1), (2, 2, 2, 2), (1, 2, 1, 2)),
)
DERIVATIVE_CASES = tuple(case for case in CASES if case.derivatives)
# Few and of few taps, with padding, strides, dilation, overhang and each layout: for what compiles slowly.
SMALL_CASES = tuple(
    case
    for case in CASES
    if case.name
    in (
        "1d",
        "1d causal stride",
        "windows of padding",
        "ceil drops a window",
        "channels first 1d",
        "no batch, no channels",
    )
)


@contextlib.contextmanager
def double_precision():
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


def curved(pool):
    """A smooth, curved function of the pool, for the second derivatives of a pool itself are mostly zero.

    Windows of padding have infinite values, of which a sine makes NaN; they count as zero.
    """

    def function(inputs):
        value = pool(inputs)
        return jnp.sin(jnp.where(jnp.isfinite(value), value, 0.0))

    return function


def distinct(shape, dtype=np.float64, seed=0):
    """Numbers between -2 and 2, far enough apart that a small step never changes which is the largest.

    Nor which is in magnitude, nor what is positive: no two differ only in their sign, and none is 0.
    """
    size = int(np.prod(shape))
    numbers = np.linspace(-2, 2, size) + 1 / max(size - 1, 1)  # by a quarter of what lies between them
    return np.random.RandomState(seed).permutation(numbers).reshape(shape).astype(dtype)


def random(shape, dtype=np.float32, seed=0):
    """Numbers with many ties, in any dtype."""
    numbers = np.random.RandomState(seed).randint(-6, 7, shape)
    if dtype == np.bool_:
        return numbers > 0
    if jnp.issubdtype(dtype, jnp.unsignedinteger):
        return (numbers + 6).astype(dtype)
    if jnp.issubdtype(dtype, jnp.integer):
        return numbers.astype(dtype)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return (numbers / 4 + 1j * np.flip(numbers)).astype(dtype)
    return (numbers / 4).astype(dtype)


_SPECIAL = [-np.inf, -1, -1, 0, -0.0, 1, 2, 2, np.inf, np.nan]


def numbers(kind: str, shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Inputs of a kind: many `ties`, `distinct` ones, or `special` ones: infinities, NaN and the extremes."""
    dtype = jnp.dtype(dtype)
    if kind == "ties":
        return random(shape, dtype, seed)
    if kind == "special":
        choices = _SPECIAL
        if jnp.issubdtype(dtype, jnp.integer):
            choices = [jnp.iinfo(dtype).min, 0, 1, jnp.iinfo(dtype).max]
        return np.random.RandomState(seed).choice(np.array(choices).astype(dtype), shape)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return random(shape, dtype, seed) * np.array(0.75, dtype)
    apart = distinct(shape, seed=seed)
    if dtype == np.bool_:
        return apart > 0
    return (apart * 3 + 6 if jnp.issubdtype(dtype, jnp.integer) else apart).astype(dtype)


def assert_close(actual, expected, dtype=None):
    """Equal shape and dtype, and values to the rounding of the dtype."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert actual.dtype == (expected.dtype if dtype is None else dtype)
    if not jnp.issubdtype(actual.dtype, jnp.inexact):
        np.testing.assert_array_equal(actual, expected)
        return
    tolerance = {2: 1e-2, 4: 2e-5, 8: 1e-12}[jnp.finfo(actual.dtype).dtype.itemsize]
    wide = np.complex128 if np.iscomplexobj(actual) else np.float64
    np.testing.assert_allclose(actual.astype(wide), expected.astype(wide), rtol=tolerance, atol=tolerance)


def column(*values, dtype=np.float32):
    """An array of one channel."""
    return np.array(values, dtype)[:, None]
