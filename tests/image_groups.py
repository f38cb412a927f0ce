"""The groups of pools of images: pyramids, regions, spectra and wavelets."""

import functools

import numpy as np

import jaxpool
from tests import reference
from tests.functions import Function, Group, linear

# ------------------------------------------------------------------------------------------------ pyramids


def _pyramid(pool, *arguments, part=None, result="mean", masked=None, **options):
    """A pool whose results are of one array, or a part of them; with a mask of a shape."""
    more = {} if masked is None else {"where": np.random.RandomState(0).rand(*masked) > 0.4}

    def bound(package):
        def apply(inputs):
            results = getattr(package, pool)(inputs, *arguments, **options, **more)
            return results if part is None else results[part]

        return apply

    name = " ".join([pool, *map(str, options.values()), *more, *([] if part is None else [f"[{part}]"])])
    if "avg" in options.values():
        return linear(name, bound(jaxpool), bound(reference))
    return Function(name, bound(jaxpool), bound(reference), result=result, special=True)


_spatial_pyramid, _pyramid_of, _strip, _fast_pyramid = (
    functools.partial(_pyramid, f"{name}_pool")
    for name in ("spatial_pyramid", "pyramid", "strip", "fast_pyramid")
)
_MAX, _AVG = {"reduction": "max", "result": "same"}, {"reduction": "avg"}

PYRAMIDS = (
    Group(
        "pyramid 1d",
        (2, 5, 2),
        (
            _spatial_pyramid((3, 1), **_MAX),
            _spatial_pyramid((1, 2), **_AVG),
            _pyramid_of((1, 2, 7), **_AVG),
            _fast_pyramid((3,), times=2, result="same"),
        ),
    ),
    Group(
        "pyramid 2d",
        (2, 3, 4, 2),
        (
            _spatial_pyramid((2, (1, 3)), **_AVG),
            _pyramid_of((1, (2, 3), 4), **_AVG),
            _pyramid_of((2, 3), reduction="max"),
            _strip(**_AVG, part=0),
        ),
    ),
    Group(
        "pyramid channels first",
        (2, 3, 4, 3),
        (
            _spatial_pyramid((2, 1), **_MAX, channel_axis=1),
            _pyramid_of((1, 2), **_AVG, channel_axis=1),
            _strip(**_MAX, channel_axis=1, part=1),
            _fast_pyramid((2, 3), times=2, channel_axis=1, result="same"),
        ),
    ),
    Group(
        "pyramid of no batch",
        (4, 5, 2),
        (
            _spatial_pyramid(((1, 2), 2), **_MAX),
            _pyramid_of((2, (3, 2)), **_AVG),
            _pyramid_of(((1, 2), (3, 1)), resize=False, **_AVG, part=1),
        ),
    ),
    Group(
        "pyramid masked",
        (2, 4, 3, 2),
        (
            _spatial_pyramid((2, 1), **_MAX, masked=(2, 4, 3, 1)),
            _spatial_pyramid((3, (1, 2)), **_AVG, masked=(4, 3, 2)),
            _pyramid_of((2, 3), **_AVG, masked=(2, 4, 3, 2)),
            _strip(**_MAX, part=0, masked=(2, 4, 3, 2)),
            _strip(**_AVG, part=1, masked=(4, 1, 2)),
        ),
    ),
)

# -------------------------------------------------------------------------------------------------- regions

# No sample is on the edge of the array or the centre of a cell, where boxes have no derivative. One of the
# last two reaches beyond the array, the other is in no image.
_BOXES = np.array(
    [[0.37, 0.42, 3.18, 4.29], [1.23, -0.71, 2.37, 3.93], [-2.3, 1.31, 9.6, 4.77], [1.0, 1.0, 3.0, 3.0]],
    np.float32,
)
_BOX_INDICES = np.array([1, 0, 1, -1], np.int32)


def _region(name, output_shape, boxes=_BOXES, box_indices=_BOX_INDICES, **options):
    options = {"box_indices": box_indices, **options}
    return linear(
        " ".join([name, *(f"{k}={v}" for k, v in options.items() if k != "box_indices")]),
        lambda inputs: getattr(jaxpool, name)(inputs, boxes, output_shape, **options),
        lambda inputs: getattr(reference, name)(inputs, boxes, output_shape, **options).astype(inputs.dtype),
        takes_complex=False,
        special=False,
    )


def _channels_first(inputs):
    return jaxpool.roi_align(inputs, _BOXES, (2, 1), box_indices=_BOX_INDICES, channel_axis=1)


def _region_maximum(boxes, box_indices):
    options = {"box_indices": box_indices, "spatial_scale": 0.9}
    return Function(
        "roi_pool",
        lambda inputs: jaxpool.roi_pool(inputs, boxes, (2, 2), **options),
        lambda inputs: reference.roi_pool(inputs, boxes, (2, 2), **options)[0],
    )


def _pyramid(inputs):
    return [inputs, inputs[:, ::2, ::2]]


_SCALES = {"image_shape": (10, 12), "canonical_scale": 3.0, "canonical_level": 2, "box_indices": _BOX_INDICES}
REGIONS = (
    Group(
        "regions",
        (2, 5, 6, 4),
        (
            _region("roi_align", (2, 3)),
            _region("roi_align", (1, 2), sampling_ratio=None, aligned=False, spatial_scale=0.75),
            _region("ps_roi_align", (1, 2), spatial_scale=0.9),
            _region("ps_roi_pool", (2, 1), spatial_scale=0.9),
            _region("crop_and_resize", (2, 3), _BOXES / 5),
            _region("crop_and_resize", (3, 1), _BOXES / 5, method="nearest"),
            linear(
                "multiscale_roi_align",
                lambda inputs: jaxpool.multiscale_roi_align(_pyramid(inputs), 2 * _BOXES, (2, 1), **_SCALES),
                lambda inputs: reference.multiscale_roi_align(
                    _pyramid(inputs), 2 * _BOXES, (2, 1), **_SCALES
                ).astype(inputs.dtype),
                takes_complex=False,
                special=False,
            ),
            _region_maximum(_BOXES, _BOX_INDICES),
        ),
    ),
    Group(
        "regions of each image",
        (2, 5, 6, 2),
        (
            _region("roi_align", (2, 1), np.stack([_BOXES, _BOXES + 0.2]), None),
            _region_maximum(np.stack([_BOXES, _BOXES + 0.7]), None),
        ),
    ),
    Group(
        "regions 1d and no batch",
        (7, 2),
        (_region("roi_align", (3,), np.array([[0.37, 5.2], [1.2, 1.9]], np.float32), None),),
    ),
    Group(
        "regions 3d",
        (1, 3, 4, 3, 1),
        (
            _region(
                "roi_align",
                (1, 2, 1),
                np.array([[0.3, 0.2, 0.4, 2.1, 3.3, 2.2]], np.float32),
                np.array([0], np.int32),
            ),
        ),
    ),
    Group(
        "regions channels first",
        (2, 3, 5, 4),
        (
            linear(
                "roi_align first",
                _channels_first,
                lambda x: np.moveaxis(
                    reference.roi_align(np.moveaxis(x, 1, -1), _BOXES, (2, 1), _BOX_INDICES), -1, 1
                ).astype(x.dtype),
                takes_complex=False,
                special=False,
            ),
        ),
    ),
)

# ------------------------------------------------------------------------------------- spectral and wavelet


def _bound(name, *arguments, **options):
    def bound(package):
        return lambda inputs: getattr(package, name)(inputs, *arguments, **options)

    label = " ".join([name, *map(str, (*arguments, *options.values()))])
    return linear(label, bound(jaxpool), bound(reference), special=False)


_spectral, _wavelet, _wavelet_back = (
    functools.partial(_bound, name) for name in ("spectral_pool", "wavelet_pool", "wavelet_unpool")
)
_LINE = (2,)
SPECTRAL = (
    Group("spectral 1d", (2, 7, 3), tuple(_spectral((length,)) for length in (3, 4, 10))),
    Group("spectral 2d", (1, 6, 5, 2), (_spectral((4, None)), _spectral((3, 2)), _spectral((9, 4)))),
    Group("spectral channels first", (2, 3, 4, 6), (_spectral((3, 3), channel_axis=1),)),
    Group("spectral no channels", (5, 4), (_spectral((2, 3), channel_axis=None),)),
    Group(
        "wavelets 1d",
        (2, 8, 2),
        (_wavelet(_LINE), _wavelet(_LINE, wavelet="db3"), _wavelet(_LINE, wavelet="db2", bands="all")),
    ),
    Group("wavelets 2d", (1, 5, 6, 2), (_wavelet(wavelet="db2"), _wavelet(wavelet="haar", bands="all"))),
    Group("wavelets of few cells", (1, 2, 3, 1), (_wavelet(wavelet="db4", bands="all"),)),
    Group(
        "wavelets channels first",
        (2, 3, 3, 4),
        (_wavelet((1, 2), wavelet="db2", bands="all", channel_axis=1),),
    ),
    Group("wavelets no channels", (3, 4), (_wavelet(bands="all", channel_axis=None),)),
    Group("wavelets back 1d", (2, 4, 4), (_wavelet_back(_LINE), _wavelet_back(_LINE, (7,), wavelet="db2"))),
    Group("wavelets back 2d", (1, 2, 3, 8), (_wavelet_back(wavelet="db4"), _wavelet_back((2, 2), (4, 5)))),
    Group("wavelets back no channels", (3, 2, 4), (_wavelet_back(wavelet="db3", channel_axis=None),)),
)
