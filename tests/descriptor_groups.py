"""The groups of pools of tokens and of places."""

import numpy as np

from tests.functions import Function, Group
from tests.sequence_groups import beside, bound

# A row of all, one with a hole, one of nothing.
_HOLES = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0] * 4], bool)[..., None]
_OF_IMAGES = np.random.RandomState(0).rand(2, 3, 1, 1) > 0.3
_OF_ELEMENTS = np.random.RandomState(1).rand(3, 4, 3) > 0.4
_CENTERS, _KERNEL, _BIAS = (
    np.random.RandomState(2).randn(*shape).astype(np.float32) for shape in ((2, 3), (3, 2), (2,))
)
_SCALE, _SHIFT, _KEYS = (
    np.random.RandomState(3).randn(*shape).astype(np.float32) for shape in ((3,), (3,), (3, 3, 1))
)
_TURNED = np.random.RandomState(4).randn(3, 3, 2, 4).astype(np.float32)
_OUT = np.random.RandomState(5).randn(2, 4, 2).astype(np.float32)


def _bound(name, *arguments, **options):
    return Function(name, *bound(name, *arguments, **options))


def _others(wide, xp):
    return xp.sin(wide[..., 1:])


DESCRIPTORS = (
    Group(
        "descriptor 1d",
        (3, 4, 3),
        (
            _bound("soft_argmax_pool", temperature=0.6, where=_OF_ELEMENTS),
            _bound("covariance_pool", where=_HOLES),
            beside("bilinear_pool", _others, where=_HOLES),
            _bound("compact_bilinear_pool", 4, where=_HOLES),
            _bound("netvlad_pool", _CENTERS, _KERNEL, _BIAS, where=_HOLES),
            _bound("sim_pool", _SCALE, _SHIFT, _KEYS, 2 * _KEYS, _KEYS[0], where=_HOLES),
            _bound(
                "rotary_attention_pool", _SCALE, *_TURNED, _OUT, *_TURNED[:, 0], _SHIFT[:2], temperature=9.0
            ),
        ),
    ),
    Group(
        "descriptor 2d",
        (2, 3, 2, 3),
        (
            _bound("soft_argmax_pool", normalized=False),
            _bound("covariance_pool", (2,), iterations=2),
            _bound("bilinear_pool", None, (0, -2), where=_OF_IMAGES),
            _bound("compact_bilinear_pool", 5, None, (-3, 2), sketches=3),
            _bound("netvlad_pool", _CENTERS, _KERNEL, axis=1),
            _bound("sim_pool", _SCALE, _SHIFT, _KEYS, _KEYS, axis=(-2,), gamma=1.25),
            _bound("rotary_attention_pool", None, *_TURNED, _OUT, where=_OF_IMAGES, reference_shape=(2, 5)),
        ),
    ),
    Group(
        "descriptor covariance",
        (3, 5, 2),
        (
            _bound("covariance_pool", 0, power=None, where=np.array([1, 0, 1], bool)[:, None, None]),
            _bound("soft_argmax_pool", (2, 0, 1)),
        ),
    ),
)
