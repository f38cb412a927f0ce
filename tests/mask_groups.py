"""Pools of windows with a mask: what it leaves is all that there is."""

import dataclasses
from typing import Any

import numpy as np

import jaxpool
from tests import reference
from tests.functions import COMPOSED, TRAINABLE, Function, Group, linear


def _mask(shape: Any) -> np.ndarray:
    return np.random.RandomState(0).rand(*shape) > 0.4


def _bound(function: Function, where: np.ndarray, *arguments: Any, **options: Any) -> Function:
    """A pool of windows, of which all but the inputs is given."""

    def bind(call, count):
        return call and (lambda *arrays: call(*arrays[:count], *arguments, **options, where=where))

    return dataclasses.replace(
        function,
        apply=bind(function.apply, 1),
        oracle=bind(function.oracle, 1),
        oracle_jvp=bind(function.oracle_jvp, 2),
        oracle_vjp=bind(function.oracle_vjp, 2),
    )


def _windows(name: str, shape: Any, mask: Any, *arguments: Any, **options: Any) -> tuple[Group, ...]:
    return tuple(
        Group(
            f"masked {kind} {name}", shape, tuple(_bound(f, _mask(mask), *arguments, **options) for f in each)
        )
        for kind, each in (("composed", COMPOSED), ("trainable", TRAINABLE))
    )


def _linear(name: str, *arguments: Any, **options: Any) -> Function:
    def bound(package):
        return lambda inputs, **more: getattr(package, name)(inputs, *arguments, **options, **more)

    return linear(name, bound(jaxpool), bound(reference), special=False)


def _unpool(indices: Any, output_shape: Any, where: np.ndarray) -> Function:
    left = np.where(where, indices, -1)
    return linear(
        "max_unpool",
        lambda values: jaxpool.max_unpool(values, indices, output_shape, where=where),
        lambda values: reference.max_unpool(values, left, output_shape),
        vjp=lambda values, cotangent: reference.max_unpool_vjp(cotangent, left, output_shape),
        result="same",
    )


_SAMPLED, _UNPOOLED = (2, 5, 4, 2), (2, 4, 3, 2)
MASKED = (
    *_windows("2d", (2, 5, 4, 2), (2, 5, 4, 2), (3, 2), (2, 1), ((1, 1), (1, 0)), window_dilation=(1, 2)),
    *_windows("1d", (3, 6, 2), (6, 1), (3,), (3,)),
    Group(
        "masked sampling",
        _SAMPLED,
        (
            _linear("blur_pool", 3, (2, 1), where=_mask(_SAMPLED)),
            dataclasses.replace(
                _linear("blur_pool", 4, (1, 2), "ZERO", where=_mask(_SAMPLED[1:])), name="blur_pool ZERO"
            ),
            Function(
                "max_blur_pool",
                lambda x: jaxpool.max_blur_pool(x, (2, 1), (2, 2), where=_mask(_SAMPLED)),
                lambda x: reference.max_blur_pool(x, (2, 1), (2, 2), "VALID", where=_mask(_SAMPLED)),
            ),
        ),
    ),
    Group(
        "masked unpools",
        _UNPOOLED,
        (
            _linear("avg_unpool", (6, 5), (3, 3), where=_mask(_UNPOOLED)),
            _unpool(np.random.RandomState(0).randint(0, 9, _UNPOOLED), (3, 3), _mask(_UNPOOLED)),
        ),
    ),
)
