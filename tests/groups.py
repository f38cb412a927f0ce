"""The table of groups: functions of inputs of one shape, with all other arguments bound.

Pools whose windows have no strides (adaptive, fractional, global), unpools, blurred and polyphase
sampling, spectra and wavelets.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

import jaxpool
from tests import reference
from tests.descriptor_groups import DESCRIPTORS
from tests.functions import Function, Group, linear, mask_of, mean_of, selecting
from tests.image_groups import PYRAMIDS, REGIONS, SPECTRAL
from tests.mask_groups import MASKED
from tests.segment_groups import SEGMENTS
from tests.sequence_groups import SEQUENCES

# ------------------------------------------------------------------------------------ adaptive and fractional


def _maximum(name: str, apply: Callable, oracle: Callable, rank: int, channel_axis: Any) -> Function:
    def jvp(inputs, tangent):
        return reference.pick(tangent, oracle(inputs)[1], rank, channel_axis=channel_axis)

    def vjp(inputs, cotangent):
        indices = oracle(inputs)[1]
        return reference.scatter_add(cotangent, indices, inputs.shape, rank, channel_axis=channel_axis)

    return selecting(name, apply, oracle, jvp, vjp)


def _adaptive(name: str, shape: Any, output_shape: Any, channel_axis: Any = -1, where: Any = None) -> Group:
    arguments = {"output_shape": output_shape, "channel_axis": channel_axis, "where": where}
    average = linear(
        "adaptive_avg_pool",
        functools.partial(jaxpool.adaptive_avg_pool, **arguments),
        functools.partial(reference.adaptive_avg_pool, **arguments),
        vjp=lambda x, cotangent: reference.adaptive_avg_vjp(cotangent, x.shape, **arguments),
    )
    largest = _maximum(
        "adaptive_max_pool",
        functools.partial(jaxpool.adaptive_max_pool, **arguments),
        functools.partial(reference.adaptive_max_pool, **arguments),
        len(output_shape),
        channel_axis,
    )
    return Group(f"adaptive {name}", shape, (average, largest))


ADAPTIVE = (
    _adaptive("1d", (2, 7, 3), (3,)),
    _adaptive("divides", (1, 6, 4, 2), (3, 2)),
    _adaptive("divides one axis", (1, 6, 5, 2), (3, 2)),
    _adaptive("more bins than cells", (1, 3, 4, 2), (5, 7)),
    _adaptive("one bin", (2, 5, 4, 2), (1, 1)),
    _adaptive("keeps an axis", (1, 5, 4, 2), (None, 3)),
    _adaptive("as many bins", (1, 5, 4, 2), (5, 4)),
    _adaptive("channels first", (2, 3, 7, 5), (4, 2), 1),
    _adaptive("no channels", (2, 5, 7), (3, 4), None),
    _adaptive("3d", (1, 4, 3, 5, 1), (3, 2, 3)),
    _adaptive("large bins", (1, 19, 17, 2), (2, 2)),
    _adaptive("large bins of one axis", (1, 24, 17, 1), (3, 2)),
    _adaptive("masked", (2, 7, 5, 2), (3, 4), where=np.random.RandomState(0).rand(2, 7, 5, 2) > 0.4),
)


def _fractional(
    name: str,
    shape: Any,
    window_shape: Any,
    output_shape: Any,
    channel_axis: Any = -1,
    own_samples: Any = None,
    seed: int = 0,
    **variant: Any,
) -> Group:
    rank = len(output_shape)
    samples = np.random.RandomState(seed).rand(*(own_samples or ()), rank).astype(np.float32)
    arguments = (window_shape, output_shape)
    options = {"random_samples": samples, "channel_axis": channel_axis, **variant}

    def bound(name):
        pool = getattr(jaxpool, name)
        return lambda inputs, **more: pool(None, inputs, *arguments, **options, **more)

    average = linear(
        "fractional_avg_pool",
        bound("fractional_avg_pool"),
        lambda inputs: reference.fractional_avg_pool(inputs, *arguments, **options),
        vjp=lambda x, cotangent: reference.fractional_avg_vjp(cotangent, x.shape, *arguments, **options),
    )
    largest = _maximum(
        "fractional_max_pool",
        bound("fractional_max_pool"),
        lambda inputs: reference.fractional_max_pool(inputs, *arguments, **options),
        rank,
        channel_axis,
    )
    return Group(f"fractional {name}", shape, (average, largest))


_COLUMN = np.random.RandomState(9).rand(7, 8, 1) > 0.7
_OVERLAPPING = {"pseudo_random": True, "overlapping": True}

FRACTIONAL = (
    _fractional("1d", (2, 9, 2), (2,), (5,)),
    _fractional("one window", (1, 6, 5, 2), (3, 2), (1, 3), seed=1),
    _fractional("own samples", (2, 7, 8, 2), (2, 3), (4, 5), own_samples=(2, 2)),
    _fractional(
        "masked", (2, 7, 8, 2), (2, 3), (4, 5), where=np.random.RandomState(9).rand(2, 7, 8, 2) > 0.6
    ),
    _fractional("pseudo-random masked", (1, 7, 8, 2), None, (4, 3), where=_COLUMN, pseudo_random=True),
    _fractional("channels first", (2, 3, 7, 6), (2, 2), (5, 4), 1, (2, 3), 2),
    _fractional("no channels", (2, 7, 6), (3, 1), (4, 3), None, (2,)),
    _fractional("3d", (1, 5, 4, 6, 1), (2, 2, 2), (3, 3, 4), seed=3),
    _fractional("gaps", (1, 11, 10, 1), (1, 2), (3, 3), seed=4),
    _fractional("pseudo-random 1d", (2, 9, 2), None, (5,), pseudo_random=True),
    _fractional("pseudo-random", (1, 7, 8, 2), None, (4, 3), seed=5, pseudo_random=True),
    _fractional("pseudo-random one window", (1, 6, 5, 1), None, (1, 2), pseudo_random=True),
    _fractional("pseudo-random channels first", (2, 2, 7, 5), None, (5, 2), 1, (2, 2), pseudo_random=True),
    _fractional("pseudo-random 3d", (1, 5, 4, 6, 1), None, (3, 2, 4), seed=6, pseudo_random=True),
    _fractional("pseudo-random all cells", (1, 5, 4, 1), None, (5, 4), seed=7, pseudo_random=True),
    _fractional("overlapping", (1, 7, 8, 2), None, (4, 3), seed=8, **_OVERLAPPING),
    _fractional("overlapping own samples", (2, 7, 5, 2), None, (5, 2), own_samples=(2, 2), **_OVERLAPPING),
)

# --------------------------------------------------------------------------------------------- whole arrays

_SETTINGS = {"global_lp_pool": {"p": 3}, "global_logsumexp_pool": {"temperature": 0.5, "mean": True}}


def _whole(name: str, shape: Any, masked: Any = None, **options: Any) -> tuple[Group, Group]:
    if masked:
        options["where"] = np.random.RandomState(0).rand(*masked) > 0.4

    def function(pool, make=Function, **marks):
        ours, oracle = (
            functools.partial(getattr(package, pool), **_SETTINGS.get(pool, {}), **options)
            for package in (jaxpool, reference)
        )
        return make(pool, ours, oracle, **marks)

    simple = (
        function("global_max_pool", result="same", special=True),
        function("global_min_pool", result="same", special=True),
        function("global_sum_pool", linear, result="sum"),
        function("global_avg_pool", linear),
    )
    smooth = function("global_lp_pool"), function("global_logsumexp_pool")
    return Group(f"global {name}", shape, simple), Group(f"global smooth {name}", shape, smooth)


GLOBAL = (
    *_whole(
        "1d",
        (2, 5, 3),
    ),
    *_whole("2d", (2, 3, 4, 2)),
    *_whole("one axis", (3, 4, 2), axis=0),
    *_whole("all axes", (3, 4), axis=(0, 1)),
    *_whole("negative axes", (2, 3, 2, 2), axis=(-1, -3), keepdims=True),
    *_whole("masked", (2, 3, 4, 2), (2, 3, 4, 2)),
    *_whole("broadcast mask", (3, 4, 2), (4, 1), keepdims=True),
)

# --------------------------------------------------------------------------------------------------- unpools


def _max_unpool(name: str, indices: Any, output_shape: Any, channel_axis: Any = -1) -> Group:
    indices = np.asarray(indices, np.int32)
    options = {"output_shape": output_shape, "channel_axis": channel_axis}
    function = linear(
        "max_unpool",
        lambda values: jaxpool.max_unpool(values, indices, **options),
        lambda values: reference.max_unpool(values, indices, **options),
        vjp=lambda values, cotangent: reference.max_unpool_vjp(cotangent, indices, **options),
        result="same",
    )
    return Group(f"max_unpool {name}", indices.shape, (function,))


def _avg_unpool(name: str, shape: Any, *arguments: Any, **options: Any) -> Group:
    function = linear(
        "avg_unpool",
        lambda values: jaxpool.avg_unpool(values, *arguments, **options),
        lambda values: reference.avg_unpool(values, *arguments, **options),
        vjp=lambda values, cotangent: reference.avg_unpool_vjp(cotangent, *arguments[1:], **options),
    )
    return Group(
        f"avg_unpool {name}",
        shape,
        (function,),
    )


def _positions(shape: Any, low: int, high: int) -> np.ndarray:
    """Positions with many duplicates, as far as they are many."""
    return np.random.RandomState(0).randint(low, high, shape)


def _pooled(shape: Any, *arguments: Any, **options: Any) -> np.ndarray:
    return reference.max_pool(np.random.RandomState(0).randn(*shape), *arguments, **options)[1]


UNPOOLS = (
    _max_unpool("1d", _positions((2, 4, 2), 0, 6), (6,)),
    _max_unpool("tiles", _pooled((1, 6, 4, 2), (2, 2), (2, 2)), (6, 4)),
    _max_unpool("overlap", _pooled((2, 5, 5, 2), (3, 3)), (5, 5)),
    _max_unpool("outside", _positions((1, 3, 4, 2), -3, 15), (3, 4)),
    _max_unpool("channels first", _positions((2, 3, 2, 3), -1, 12), (4, 3), 1),
    _max_unpool("no channels", _positions((2, 3), 0, 4), (4,), None),
    _max_unpool("3d", _positions((1, 2, 2, 2, 1), -1, 24), (2, 3, 4)),
    _avg_unpool("1d", (2, 3, 2), (6,), (2,), (2,)),
    _avg_unpool("tiles with rest", (1, 2, 2, 2), (5, 4), (2, 2), (2, 2)),
    _avg_unpool("overlap", (2, 4, 3, 2), (6, 5), (3, 3)),
    _avg_unpool("padding", (1, 3, 3, 2), (5, 6), (3, 2), (2, 2), "SAME"),
    _avg_unpool("windows of padding", (1, 5, 2), (2,), (2,), (1,), [(2, 2)]),
    _avg_unpool("ceil", (1, 3, 2), (6,), (3,), (2,), ceil_mode=True),
    _avg_unpool("dilation", (1, 5, 2, 1), (9, 4), (3, 2), (1, 2), window_dilation=(2, 1)),
    _avg_unpool("channels first", (2, 3, 4, 3), (5, 6), (2, 2), (1, 2), channel_axis=1),
    _avg_unpool("3d", (1, 2, 2, 3, 1), (3, 4, 5), (2, 2, 3), (1, 2, 1)),
)

# ------------------------------------------------------------------------------------------------- sampling


def _blurs(name, *arguments, **options):
    def bound(package):
        return lambda inputs, **more: package.blur_pool(inputs, *arguments, **options, **more)

    return linear(f"blur_pool {name}", bound(jaxpool), bound(reference), special=False)


def _max_blurs(name="max_blur_pool", **options):
    arguments = ((2, 3), (2, 1), "SAME")
    return Function(
        name,
        lambda inputs: jaxpool.max_blur_pool(inputs, *arguments, **options),
        lambda inputs: reference.max_blur_pool(inputs, *arguments, **options),
    )


def _polyphases(*arguments, **options):
    return Function(
        " ".join(["polyphase_pool", *map(str, options.values())]),
        lambda inputs: jaxpool.polyphase_pool(inputs, *arguments, **options),
        lambda inputs: reference.polyphase_pool(inputs, *arguments, **options),
    )


SAMPLING = (
    Group("blur sizes", (2, 9, 2), tuple(_blurs(str(size), size, (2,)) for size in range(2, 5))),
    Group("blur larger sizes", (2, 9, 2), tuple(_blurs(str(size), size, (2,)) for size in range(5, 8))),
    Group(
        "blur 1d",
        (2, 9, 2),
        tuple(
            _blurs(f"{size} {padding}", size, (2,), padding)
            for size, padding in [(1, "REFLECT"), (3, "EDGE"), (4, "ZERO"), (5, "WRAP")]
        ),
    ),
    Group(
        "blur 2d",
        (2, 5, 6, 3),
        (
            _blurs("2d"),
            _blurs("2d EDGE", 4, (1, 3), "EDGE"),
            _max_blurs(),
            _max_blurs("max_blur_pool dilated", filter_size=2, blur_padding="ZERO", window_dilation=(2, 1)),
        ),
    ),
    Group(
        "blur channels first",
        (2, 3, 7, 4),
        (_blurs("first", 3, (2, 1), "REFLECT", channel_axis=1),),
    ),
    Group("blur no channels", (5, 4), (_blurs("none", 3, (2, 1), "WRAP", channel_axis=None),)),
    Group(
        "polyphase",
        (2, 4, 6, 2),
        (_polyphases((2, 2)), _polyphases((2, 3), p=np.inf), _polyphases((1, 3), p=1.0)),
    ),
    Group("polyphase channels first", (2, 3, 6), (_polyphases((3,), channel_axis=1),)),
    Group("polyphase no channels", (3, 6), (_polyphases((2,), channel_axis=None),)),
)


def _global_gem(name, shape, masked=False, **options):
    if masked:
        options["where"] = np.random.RandomState(0).rand(*shape) > 0.4

    def with_parameter(pool, first):
        return Function(
            pool,
            lambda inputs: getattr(jaxpool, pool)(inputs, first + mean_of(inputs, jnp), **options),
            lambda inputs: getattr(reference, pool)(inputs, first + mean_of(inputs, np), **options),
        )

    parameters = {"global_gem_pool": 3, "global_mixed_pool": 0.2, "global_lse_pool": 1.5}
    return Group(f"gem {name}", shape, tuple(with_parameter(*each) for each in parameters.items()))


GEM = (
    _global_gem("2d", (2, 3, 4, 2)),
    _global_gem("masked", (2, 3, 4, 2), masked=True, keepdims=True),
    _global_gem("one axis", (3, 4), axis=0),
)


def _morphological(name: str, kernel: Any, result: str, **options: Any) -> Function:
    oracle = {"open": "opening", "close": "closing"}.get(name, name)
    oracle_kernel = np.ones(kernel, bool) if isinstance(kernel, tuple) else kernel
    return Function(
        name,
        lambda x: getattr(jaxpool.morphology, name)(x, kernel, **options),
        lambda x: getattr(reference.morphology, oracle)(x, oracle_kernel, **options),
        result=result,
    )


_RESIDUES = ("open", "close", "gradient", "top_hat", "black_hat")
_OFFSETS = np.random.RandomState(0).randn(2, 3, 2).astype(np.float32)
MORPHOLOGY = tuple(
    Group(f"morphology {name}", shape, tuple(_morphological(f, kernel, **options) for f in _RESIDUES))
    for name, shape, kernel, options in (
        ("1d", (2, 7, 2), (4,), {"result": "same"}),
        ("offsets", (1, 5, 4, 2), _OFFSETS, {"result": "mean", "per_channel": True}),
        (
            "mask",
            (1, 2, 6, 5),
            mask_of((2, 3)),
            {"result": "same", "channel_axis": 1, "window_dilation": (2, 1)},
        ),
    )
)
GROUPS = (
    ADAPTIVE
    + FRACTIONAL
    + MASKED
    + GLOBAL
    + UNPOOLS
    + SAMPLING
    + GEM
    + MORPHOLOGY
    + SPECTRAL
    + PYRAMIDS
    + REGIONS
    + SEQUENCES
    + SEGMENTS
    + DESCRIPTORS
)
