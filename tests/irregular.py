"""The table of geometries for pools whose windows have no strides: adaptive, fractional, global, unpools.

From `trainable.py`, also of pools that take parameters, and of blurred and polyphase sampling.

Each row is a group of functions of inputs of one shape with all other arguments bound, so that a check of all
of them is one program to compile. `GROUPS` has the composed pools of windows in the same form.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxpool
from tests import reference
from tests.cases import COMPOSED, SMALL_CASES, Function, Group
from tests.trainable import TRAINABLE


def _first(function: Callable) -> Callable:
    return lambda *args, **kwargs: function(*args, **kwargs)[0]


def _second(function: Callable) -> Callable:
    return lambda *args, **kwargs: function(*args, **kwargs)[1]


# ------------------------------------------------------------------------------------ adaptive and fractional


def _maximum(name: str, apply: Callable, oracle: Callable, rank: int, channel_axis: Any) -> list[Function]:
    """A selection by `apply(inputs, return_indices=...)` and its positions."""

    def vjp(inputs, cotangent):
        indices = oracle(inputs)[1]
        return reference.scatter_add(cotangent, indices, inputs.shape, rank, channel_axis=channel_axis)

    return [
        Function(name, apply, _first(oracle), oracle_vjp=vjp),
        Function(name, _second(functools.partial(apply, return_indices=True)), _second(oracle)),
    ]


def _adaptive(name: str, shape: Any, output_shape: Any, channel_axis: Any = -1, **marks: Any) -> Group:
    arguments = {"output_shape": output_shape, "channel_axis": channel_axis}
    average = Function(
        "adaptive_avg_pool",
        functools.partial(jaxpool.adaptive_avg_pool, **arguments),
        functools.partial(reference.adaptive_avg_pool, **arguments),
        oracle_vjp=lambda x, cotangent: reference.adaptive_avg_vjp(cotangent, x.shape, **arguments),
    )
    largest, positions = _maximum(
        "adaptive_max_pool",
        functools.partial(jaxpool.adaptive_max_pool, **arguments),
        functools.partial(reference.adaptive_max_pool, **arguments),
        len(output_shape),
        channel_axis,
    )
    return Group(f"adaptive {name}", shape, (average, largest), (positions,), **marks)


ADAPTIVE = (
    _adaptive("1d", (2, 7, 3), (3,), every_dtype=True, transforms=True),
    _adaptive("divides", (1, 6, 4, 2), (3, 2)),
    _adaptive("divides one axis", (1, 6, 5, 2), (3, 2)),
    _adaptive("more bins than cells", (1, 3, 4, 2), (5, 7)),
    _adaptive("one bin", (2, 5, 4, 2), (1, 1)),
    _adaptive("keeps an axis", (1, 5, 4, 2), (None, 3)),
    _adaptive("as many bins", (1, 5, 4, 2), (5, 4)),
    _adaptive("channels first", (2, 3, 7, 5), (4, 2), 1, transforms=True),
    _adaptive("no channels", (2, 5, 7), (3, 4), None),
    _adaptive("3d", (1, 4, 3, 5, 1), (3, 2, 3)),
    _adaptive("large bins", (1, 19, 17, 2), (2, 2)),
)


def _fractional(
    name: str,
    shape: Any,
    window_shape: Any,
    output_shape: Any,
    channel_axis: Any = -1,
    own_samples: Any = None,
    seed: int = 0,
    marks: Any = None,
    **variant: Any,
) -> Group:
    rank = len(output_shape)
    samples = np.random.RandomState(seed).rand(*(own_samples or ()), rank).astype(np.float32)
    arguments = (window_shape, output_shape)
    options = {"random_samples": samples, "channel_axis": channel_axis, **variant}

    def bound(name):
        pool = getattr(jaxpool, name)
        return lambda inputs, **more: pool(None, inputs, *arguments, **options, **more)

    average = Function(
        "fractional_avg_pool",
        bound("fractional_avg_pool"),
        lambda inputs: reference.fractional_avg_pool(inputs, *arguments, **options),
        oracle_vjp=lambda x, cotangent: reference.fractional_avg_vjp(
            cotangent, x.shape, *arguments, **options
        ),
    )
    largest, positions = _maximum(
        "fractional_max_pool",
        bound("fractional_max_pool"),
        lambda inputs: reference.fractional_max_pool(inputs, *arguments, **options),
        rank,
        channel_axis,
    )
    return Group(f"fractional {name}", shape, (average, largest), (positions,), **(marks or {}))


_EVERY = {"every_dtype": True, "transforms": True}
_TRANSFORMS = {"transforms": True}
_OVERLAPPING = {"pseudo_random": True, "overlapping": True}

FRACTIONAL = (
    _fractional("1d", (2, 9, 2), (2,), (5,), marks=_EVERY),
    _fractional("one window", (1, 6, 5, 2), (3, 2), (1, 3), seed=1),
    _fractional("own samples", (2, 7, 8, 2), (2, 3), (4, 5), own_samples=(2, 2)),
    _fractional("channels first", (2, 3, 7, 6), (2, 2), (5, 4), 1, (2, 3), 2, _TRANSFORMS),
    _fractional("no channels", (2, 7, 6), (3, 1), (4, 3), None, (2,)),
    _fractional("3d", (1, 5, 4, 6, 1), (2, 2, 2), (3, 3, 4), seed=3),
    _fractional("gaps", (1, 11, 10, 1), (1, 2), (3, 3), seed=4),
    _fractional("pseudo-random 1d", (2, 9, 2), None, (5,), pseudo_random=True),
    _fractional("pseudo-random", (1, 7, 8, 2), None, (4, 3), seed=5, pseudo_random=True),
    _fractional("pseudo-random one window", (1, 6, 5, 1), None, (1, 2), pseudo_random=True),
    _fractional("pseudo-random channels first", (2, 2, 7, 5), None, (5, 2), 1, (2, 2), pseudo_random=True),
    _fractional("pseudo-random 3d", (1, 5, 4, 6, 1), None, (3, 2, 4), seed=6, pseudo_random=True),
    _fractional("pseudo-random all cells", (1, 5, 4, 1), None, (5, 4), seed=7, pseudo_random=True),
    _fractional("overlapping", (1, 7, 8, 2), None, (4, 3), seed=8, marks=_TRANSFORMS, **_OVERLAPPING),
    _fractional("overlapping own samples", (2, 7, 5, 2), None, (5, 2), own_samples=(2, 2), **_OVERLAPPING),
)

# --------------------------------------------------------------------------------------------- whole arrays

_GLOBAL = {
    "global_avg_pool": {},
    "global_max_pool": {},
    "global_min_pool": {},
    "global_sum_pool": {},
    "global_lp_pool": {"p": 3},
    "global_logsumexp_pool": {"temperature": 0.5, "mean": True},
}


def _whole(name: str, shape: Any, masked: Any = None, marks: Any = None, **options: Any) -> Group:
    if masked:
        options["where"] = np.random.RandomState(0).rand(*masked) > 0.4
    functions = tuple(
        Function(
            pool,
            functools.partial(getattr(jaxpool, pool), **settings, **options),
            functools.partial(getattr(reference, pool), **settings, **options),
        )
        for pool, settings in _GLOBAL.items()
    )
    return Group(f"global {name}", shape, functions, **(marks or {}))


GLOBAL = (
    _whole("1d", (2, 5, 3), marks={"every_dtype": True}),
    _whole("2d", (2, 3, 4, 2), marks=_TRANSFORMS),
    _whole("one axis", (3, 4, 2), axis=0),
    _whole("all axes", (3, 4), axis=(0, 1)),
    _whole("negative axes", (2, 3, 2, 2), axis=(-1, -3), keepdims=True),
    _whole("masked", (2, 3, 4, 2), (2, 3, 4, 2), _TRANSFORMS),
    _whole("broadcast mask", (3, 4, 2), (4, 1), keepdims=True),
)

# --------------------------------------------------------------------------------------------------- unpools


def _max_unpool(name: str, indices: Any, output_shape: Any, channel_axis: Any = -1, **marks: Any) -> Group:
    indices = np.asarray(indices, np.int32)
    options = {"output_shape": output_shape, "channel_axis": channel_axis}
    function = Function(
        "max_unpool",
        lambda values: jaxpool.max_unpool(values, indices, **options),
        lambda values: reference.max_unpool(values, indices, **options),
        oracle_vjp=lambda values, cotangent: reference.max_unpool_vjp(cotangent, indices, **options),
    )
    return Group(f"max_unpool {name}", indices.shape, (function,), **marks)


def _avg_unpool(name: str, shape: Any, *arguments: Any, marks: Any = None, **options: Any) -> Group:
    function = Function(
        "avg_unpool",
        lambda values: jaxpool.avg_unpool(values, *arguments, **options),
        lambda values: reference.avg_unpool(values, *arguments, **options),
        oracle_vjp=lambda values, cotangent: reference.avg_unpool_vjp(cotangent, *arguments[1:], **options),
    )
    return Group(f"avg_unpool {name}", shape, (function,), **(marks or {}))


def _positions(shape: Any, low: int, high: int) -> np.ndarray:
    """Positions with many duplicates, as far as they are many."""
    return np.random.RandomState(0).randint(low, high, shape)


def _pooled(shape: Any, *arguments: Any, **options: Any) -> np.ndarray:
    return reference.max_pool(np.random.RandomState(0).randn(*shape), *arguments, **options)[1]


UNPOOLS = (
    _max_unpool("1d", _positions((2, 4, 2), 0, 6), (6,), every_dtype=True, transforms=True),
    _max_unpool("tiles", _pooled((1, 6, 4, 2), (2, 2), (2, 2)), (6, 4)),
    _max_unpool("overlap", _pooled((2, 5, 5, 2), (3, 3)), (5, 5)),
    _max_unpool("outside", _positions((1, 3, 4, 2), -3, 15), (3, 4)),
    _max_unpool("channels first", _positions((2, 3, 2, 3), -1, 12), (4, 3), 1, transforms=True),
    _max_unpool("no channels", _positions((2, 3), 0, 4), (4,), None),
    _max_unpool("3d", _positions((1, 2, 2, 2, 1), -1, 24), (2, 3, 4)),
    _avg_unpool("1d", (2, 3, 2), (6,), (2,), (2,), marks=_EVERY),
    _avg_unpool("tiles with rest", (1, 2, 2, 2), (5, 4), (2, 2), (2, 2)),
    _avg_unpool("overlap", (2, 4, 3, 2), (6, 5), (3, 3)),
    _avg_unpool("padding", (1, 3, 3, 2), (5, 6), (3, 2), (2, 2), "SAME"),
    _avg_unpool("windows of padding", (1, 5, 2), (2,), (2,), (1,), [(2, 2)]),
    _avg_unpool("ceil", (1, 3, 2), (6,), (3,), (2,), ceil_mode=True),
    _avg_unpool("dilation", (1, 5, 2, 1), (9, 4), (3, 2), (1, 2), window_dilation=(2, 1)),
    _avg_unpool("channels first", (2, 3, 4, 3), (5, 6), (2, 2), (1, 2), channel_axis=1, marks=_TRANSFORMS),
    _avg_unpool("3d", (1, 2, 2, 3, 1), (3, 4, 5), (2, 2, 3), (1, 2, 1)),
)

IRREGULAR = ADAPTIVE + FRACTIONAL + GLOBAL + UNPOOLS + TRAINABLE


def _bound(function: Function, case: Any) -> Function:
    def bind(f):
        return lambda inputs, *tangents: f(inputs, *tangents, *case.arguments, **case.options)

    rules = (function.oracle, function.oracle_jvp, function.oracle_vjp)
    return Function(function.name, *map(bind, (function.apply, *rules)))


COMPOSED_GROUPS = tuple(
    Group(
        case.name,
        case.shape,
        tuple(_bound(function, case) for function in COMPOSED),
        transforms=case.name in ("1d", "channels first 1d"),
    )
    for case in SMALL_CASES
)
GROUPS = COMPOSED_GROUPS + IRREGULAR
