"""The one table of cases: geometries, functions and inputs that forward, gradient and other tests share."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import reference


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
# Half of them each, for checks that take seconds: every geometry is in some.
EVEN_CASES, ODD_CASES = DERIVATIVE_CASES[::2], DERIVATIVE_CASES[1::2]
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


def with_dtypes(everywhere: tuple[str, ...], elsewhere: tuple[str, ...]) -> list[tuple[Case, str]]:
    """All geometries in some dtypes, and those for derivatives in others too: each is a program."""
    pairs = [(case, dtype) for dtype in everywhere for case in CASES]
    return pairs + [(case, dtype) for dtype in elsewhere for case in DERIVATIVE_CASES]


def by_turns(*choices: Iterable[Any], one_in: int) -> list[Any]:
    """All combinations, of which a run of all tests takes one in so many, and of each choice as many."""
    return [
        pytest.param(*values, marks=() if sum(numbers) % one_in == 0 else pytest.mark.exhaustive)
        for numbers, values in (
            zip(*chosen, strict=True) for chosen in itertools.product(*map(enumerate, choices))
        )
    ]


def product(inputs, *arguments, **options):
    """A pool that only the general function has: differentiable, and neither a selection nor a sum."""
    return jaxpool.pool(inputs, 1.0, jnp.multiply, *arguments, **options)


@dataclasses.dataclass(frozen=True)
class Function:
    """A function of the library, and its values and derivatives by the oracle."""

    name: str
    apply: Callable
    oracle: Callable
    oracle_jvp: Callable | None = None  # (inputs, tangent, *arguments, **options)
    oracle_vjp: Callable | None = None  # (inputs, cotangent, *arguments, **options)

    def __str__(self) -> str:
        return self.name


@dataclasses.dataclass(frozen=True)
class Group:
    """Functions of inputs of one shape."""

    name: str
    shape: tuple[int, ...]
    functions: tuple[Function, ...]
    indexed: tuple[Function, ...] = ()  # the positions that selections return beside their values
    every_dtype: bool = False  # whether the forward pass is checked in every dtype
    transforms: bool = False  # also among those of the costlier checks of transformations

    def __str__(self) -> str:
        return self.name


def _selecting(name: str) -> Function:
    pool = getattr(reference, name)

    def values(inputs, *arguments, **options):
        return pool(inputs, *arguments, **options)[0]

    def jvp(inputs, tangent, *arguments, **options):
        return reference.select_jvp(tangent, pool(inputs, *arguments, **options)[1], *arguments, **options)

    def vjp(inputs, cotangent, *arguments, **options):
        indices = pool(inputs, *arguments, **options)[1]
        return reference.select_vjp(cotangent, indices, inputs.shape, *arguments, **options)

    return Function(name, getattr(jaxpool, name), values, jvp, vjp)


def _adding(name: str, **settings: Any) -> Function:
    short = name.removesuffix("_pool")

    def apply(inputs, *arguments, **options):
        return getattr(jaxpool, name)(inputs, *arguments, **settings, **options)

    def values(inputs, *arguments, **options):
        return getattr(reference, name)(inputs, *arguments, **settings, **options)

    def jvp(inputs, tangent, *arguments, **options):
        return getattr(reference, f"{short}_jvp")(tangent, *arguments, **settings, **options)

    def vjp(inputs, cotangent, *arguments, **options):
        adjoint = getattr(reference, f"{short}_vjp")
        return adjoint(cotangent, inputs.shape, *arguments, **settings, **options)

    label = " ".join([name, *(f"{k}={v}" for k, v in settings.items())])
    return Function(label, apply, values, jvp, vjp)


def _windowed(name: str, gradient: Callable, **settings: Any) -> Function:
    """A pool whose oracle has the `gradient` of one window's elements."""
    gradient = functools.partial(gradient, **settings)
    label = " ".join([name, *(f"{k}={v}" for k, v in settings.items())])

    def jvp(inputs, tangent, *arguments, **options):
        return reference.window_jvp(gradient, inputs, tangent, *arguments, **options)

    def vjp(inputs, cotangent, *arguments, **options):
        return reference.window_vjp(gradient, inputs, cotangent, *arguments, **options)

    apply = functools.partial(getattr(jaxpool, name), **settings)
    return Function(label, apply, functools.partial(getattr(reference, name), **settings), jvp, vjp)


def _expectation(inputs, *arguments, **options):
    return jaxpool.stochastic_pool(None, inputs, *arguments, deterministic=True, **options)


def _expectation_jvp(inputs, tangent, *arguments, **options):
    return reference.window_jvp(reference.stochastic_gradient, inputs, tangent, *arguments, **options)


def _expectation_vjp(inputs, cotangent, *arguments, **options):
    return reference.window_vjp(reference.stochastic_gradient, inputs, cotangent, *arguments, **options)


SIMPLE = (
    _selecting("max_pool"),
    _selecting("min_pool"),
    _adding("sum_pool"),
    _adding("avg_pool"),
    _adding("avg_pool", count_include_pad=False),
    _adding("avg_pool", divisor_override=3),
    Function(
        "pool",
        product,
        lambda inputs, *arguments, **options: reference.pool(inputs, 1.0, np.multiply, *arguments, **options),
    ),
)
# Those composed of selections and sums, of which each takes several times as long to compile.
COMPOSED = (
    _windowed("lp_pool", reference.lp_gradient),
    _windowed("lp_pool", reference.lp_gradient, p=3),
    _windowed("lp_pool", reference.lp_gradient, p=np.inf),
    _windowed("logsumexp_pool", reference.logsumexp_gradient),
    _windowed("logsumexp_pool", reference.logsumexp_gradient, temperature=0.3, mean=True),
    _windowed("soft_pool", reference.soft_gradient, temperature=0.7),
    _windowed("median_pool", functools.partial(reference.quantile_gradient, q=0.5)),
    _windowed("quantile_pool", reference.quantile_gradient, q=0.3),
    _windowed("var_pool", reference.var_gradient),
    _windowed("std_pool", reference.std_gradient, correction=1),
    Function(
        "stochastic_pool deterministic",
        _expectation,
        reference.stochastic_pool_expectation,
        _expectation_jvp,
        _expectation_vjp,
    ),
)
FUNCTIONS = SIMPLE + COMPOSED
# One of those composed for each way to compute, for the whole table of geometries.
COMPOSED_KINDS = tuple(
    f
    for f in COMPOSED
    if f.name
    not in (
        "lp_pool p=3",
        "logsumexp_pool",
        "soft_pool temperature=0.7",
        "median_pool",
        "std_pool correction=1",
    )
)
# One of each kind of derivative rule, for checks whose cost grows with the number of functions.
KINDS = tuple(f for f in SIMPLE if f.name in ("max_pool", "avg_pool count_include_pad=False", "pool"))


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
        return (numbers / 4 + 1j * numbers[..., ::-1]).astype(dtype)
    return (numbers / 4).astype(dtype)


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
