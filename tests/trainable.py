"""Rows of the table of geometries for pools that take parameters, and for blurred and polyphase sampling.

Parameters and logits are worked out from the inputs, so that derivatives are checked in them too.
"""

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from tests import reference
from tests.cases import Case, Function, Group


def _wide(inputs):
    """In which both frameworks work out parameters."""
    if isinstance(inputs, jax.Array):
        return inputs.astype(max(inputs.dtype, np.dtype(np.float32), key=lambda dtype: dtype.itemsize))
    return np.asarray(inputs, np.float64)


def _mean(inputs, xp, channel_axis=None):
    """One number, or one for each channel, between -1 and 1 and never 0."""
    kept = () if channel_axis is None else (channel_axis % inputs.ndim,)
    mean = _wide(inputs).mean(tuple(d for d in range(inputs.ndim) if d not in kept))
    return xp.tanh(mean + 0.3)


def _windowed(name, parameters, case, **options):
    """A pool of `(inputs, *parameters, window_shape, strides, padding)`."""
    options = {**case.options, **options}

    def apply(inputs):
        made = parameters(inputs, jnp, case)
        return getattr(jaxpool, name)(inputs, *made, *case.arguments, **options)

    def oracle(inputs, **more):
        made = parameters(inputs, np, case)
        return getattr(reference, name)(inputs, *made, *case.arguments, **options, **more)

    return Function(name, apply, oracle)


def _channel_axis(case):
    return case.options.get("channel_axis", -1)


def _affine(inputs, xp, case):
    return _mean(inputs, xp, _channel_axis(case)), 2 * _mean(inputs, xp)


def _share(inputs, xp, case):
    return (_mean(inputs, xp, _channel_axis(case)),)


def _exponent(inputs, xp, case):
    return (3 + _mean(inputs, xp, _channel_axis(case)),)


def _gate(inputs, xp, case):
    channels = _mean(inputs, xp, _channel_axis(case))
    taps = np.linspace(-1, 2, int(np.prod(case.window_shape))).reshape(case.window_shape)
    if _channel_axis(case) is None:
        return (xp.asarray(taps, channels.dtype) * channels,)
    return (xp.asarray(taps, channels.dtype)[..., None] * xp.expand_dims(channels, tuple(range(taps.ndim))),)


def _one_gate(inputs, xp, case):
    taps = np.linspace(2, -1, int(np.prod(case.window_shape))).reshape(case.window_shape)
    mean = _mean(inputs, xp)
    return (xp.asarray(taps, mean.dtype) * mean,)


def _logits(inputs, xp, case):
    return (xp.cos(2 * _wide(inputs)),)


def _one_channel(inputs, xp, case):
    axis = _channel_axis(case)
    return (xp.sin(_wide(inputs) if axis is None else _wide(inputs).mean(axis, keepdims=True)),)


def _functions(case, number):
    """One of each; of what has two forms, the first with even numbers."""
    odd = bool(number % 2)
    return (
        _windowed("subsample_pool", _affine, case, activation=odd),
        _windowed("mixed_pool", _share, case),
        _windowed("gated_pool", _one_gate if odd else _gate, case),
        _windowed("gem_pool", _exponent, case),
        _windowed("lip_pool", _one_channel if odd else _logits, case),
    )


TRAINABLE_CASES = (
    Case("1d", (2, 7, 3), (2,), (1,)),
    Case("overlap", (2, 6, 5, 2), (3, 2), (2, 1), "SAME"),
    Case("windows of padding", (1, 2, 3, 2), (2, 2), (2, 1), [(4, 3), (2, 5)]),
    Case("channels first", (2, 3, 7), (3,), (2,), 1, {"channel_axis": 1}),
    Case("no channels", (6, 5), (2, 2), (1, 1), "VALID", {"channel_axis": None, "window_dilation": (2, 1)}),
)


def _blurs(name, *arguments, **options):
    def bound(package):
        return lambda inputs, **more: package.blur_pool(inputs, *arguments, **options, **more)

    return Function(f"blur_pool {name}", bound(jaxpool), bound(reference))


def _max_blurs(**options):
    arguments = ((2, 3), (2, 1), "SAME")
    return Function(
        "max_blur_pool",
        lambda inputs: jaxpool.max_blur_pool(inputs, *arguments, **options),
        lambda inputs: reference.max_blur_pool(inputs, *arguments, **options),
    )


def _polyphases(*arguments, **options):
    return Function(
        "polyphase_pool",
        lambda inputs: jaxpool.polyphase_pool(inputs, *arguments, **options),
        lambda inputs: reference.polyphase_pool(inputs, *arguments, **options),
    )


SAMPLING = (
    Group(
        "blur 1d",
        (2, 9, 2),
        tuple(
            _blurs(f"{size} {padding}", size, (2,), padding)
            for size, padding in [
                *((size, "REFLECT") for size in range(1, 8)),
                (3, "EDGE"),
                (4, "ZERO"),
                (5, "WRAP"),
            ]
        ),
        transforms=True,
    ),
    Group(
        "blur 2d",
        (2, 5, 6, 3),
        (
            _blurs("2d"),
            _blurs("2d", 4, (1, 3), "EDGE"),
            _max_blurs(),
            _max_blurs(filter_size=2, blur_padding="ZERO", window_dilation=(2, 1)),
        ),
    ),
    Group(
        "blur channels first",
        (2, 3, 7, 4),
        (_blurs("first", 3, (2, 1), "REFLECT", channel_axis=1),),
        transforms=True,
    ),
    Group("blur no channels", (5, 4), (_blurs("none", 3, (2, 1), "WRAP", channel_axis=None),)),
    Group(
        "polyphase",
        (2, 4, 6, 2),
        (_polyphases((2, 2)), _polyphases((2, 3), p=np.inf), _polyphases((1, 3), p=1.0)),
        transforms=True,
    ),
    Group("polyphase channels first", (2, 3, 6), (_polyphases((3,), channel_axis=1),)),
    Group("polyphase no channels", (3, 6), (_polyphases((2,), channel_axis=None),)),
)


def _global_gem(name, shape, masked=False, **options):
    if masked:
        options["where"] = np.random.RandomState(0).rand(*shape) > 0.4
    function = Function(
        "global_gem_pool",
        lambda inputs: jaxpool.global_gem_pool(inputs, 3 + _mean(inputs, jnp), **options),
        lambda inputs, **more: reference.global_gem_pool(inputs, 3 + _mean(inputs, np), **options, **more),
    )
    return Group(f"gem {name}", shape, (function,), transforms=not masked)


TRAINABLE = (
    *(
        Group(f"trainable {case}", case.shape, _functions(case, number), transforms=number % 3 == 0)
        for number, case in enumerate(TRAINABLE_CASES)
    ),
    *SAMPLING,
    _global_gem("2d", (2, 3, 4, 2)),
    _global_gem("masked", (2, 3, 4, 2), masked=True, keepdims=True),
    _global_gem("one axis", (3, 4), axis=0),
)
