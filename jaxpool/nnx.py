"""Pools as Flax NNX modules: every function of `jaxpool`, with its arguments bound.

    import jaxpool.nnx as nnx_pool
    model = nnx.Sequential(nnx.Conv(1, 8, (3, 3), rngs=rngs), nnx_pool.MaxPool((2, 2), (2, 2)))

The functions that `flax.nnx` has are here under the same names: changing the import is all it takes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, ClassVar

from flax import nnx
from jax import Array

from jaxpool import _documentation, _learned, _modules, _settings
from jaxpool._ops import (
    adaptive,
    attention,
    blur,
    coordinates,
    crop,
    detail,
    gem,
    general,
    max_min,
    moments,
    morphology,
    multiscale,
    polyphase,
    pyramid,
    quantized,
    random,
    rank,
    residues,
    roi_align,
    roi_pool,
    second_order,
    segment_attention,
    segment_moments,
    segments,
    sequence,
    smooth,
    spectral,
    spread,
    sum_avg,
    trainable,
    unpool,
    vlad,
    wavelet,
    weighted,
    whole,
    whole_rank,
)
from jaxpool._ops.general import pool as pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.sum_avg import avg_pool as avg_pool

_NUM_FEATURES = {
    Parameter("num_features", Parameter.POSITIONAL_OR_KEYWORD, annotation="int"): "the number of channels."
}
_SAMPLED = {
    Parameter("rngs", Parameter.KEYWORD_ONLY, annotation="nnx.Rngs"): "where what it learns is drawn from at "
    "the start, by the stream `params`."
}
_RANDOM = {
    _modules.option("rngs", "nnx.Rngs | nnx.RngStream | None"): "where calls draw from; `None` where each is "
    "given that, or draws nothing."
}
_DRAWS = _modules.draws(Parameter.KEYWORD_ONLY) | {
    _modules.option(
        "rngs", "nnx.Rngs | nnx.RngStream | Array | None"
    ): "where this call draws from, or a key; `None` for what the module was made with."
}


class Pooling(nnx.Module):
    """What all pooling modules are: a pooling function with its arguments bound."""

    _function: ClassVar[Callable]
    _parameters: ClassVar[tuple[Parameter, ...]]
    rngs: nnx.RngStream | None

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        # Flax's metaclass has a method `__call__`, behind which `inspect` does not see that of `__init__`.
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(parameters)


def _initialize(module: Pooling, arguments: dict[str, Any]) -> None:
    function, parameters = module._function, module._parameters
    given = {p.name: _modules.freeze(arguments.get(p.name, p.default)) for p in parameters}
    rngs = arguments.get("rngs")
    with _settings.naming(type(module)):
        _settings.check(function, parameters, given)
        if _modules.is_random(function):
            module.rngs = _stream(rngs)
    for name, value in given.items():
        setattr(module, name, value)
    starts = _learned.learned(function).start(given, given.get("num_features", 1))
    for name in _learned.learned(function).starts:
        start = starts.get(name)
        setattr(module, name, start and nnx.Param(start.make(rngs.params() if rngs else None)))


def _call(module: Pooling, arrays: dict[str, Any]) -> Any:
    function = module._function
    settings = {p.name: getattr(module, p.name) for p in _modules.parameters(function)}
    learned = {name: getattr(module, name) for name in _learned.learned(function).starts}
    weights = {name: weight[...] for name, weight in learned.items() if weight is not None}
    make_key = functools.partial(_make_key, module, arrays.pop("rngs", None))
    return _modules.call(function, settings, weights, arrays, make_key)


def _stream(rngs: Any) -> Any:
    """A stream of the module's own, so that modules do not share one that each of them counts on."""
    if rngs is None:
        return nnx.data(None)
    if not isinstance(rngs, nnx.Rngs | nnx.RngStream):
        raise TypeError(f"rngs must be of nnx.Rngs or nnx.RngStream, got {rngs!r}.")
    return (rngs[_modules.STREAM] if isinstance(rngs, nnx.Rngs) else rngs).fork()


def _make_key(module: Pooling, rngs: Any) -> Array:
    rngs = module.rngs if rngs is None else rngs
    if rngs is None:
        raise ValueError(
            f"rngs must be given to {type(module).__name__} to draw samples, or deterministic be True."
        )
    if isinstance(rngs, nnx.Rngs):
        return rngs[_modules.STREAM]()
    return rngs() if isinstance(rngs, nnx.RngStream) else rngs


def _set_view(self: Any, deterministic: bool | None = None) -> None:
    """Sets what `nnx.view` changes.

    Args:
      deterministic: whether calls draw nothing.
    """
    if deterministic is not None:
        self.deterministic = deterministic


def _module(function: Callable[..., Any]) -> type[Pooling]:
    learned, random = _learned.learned(function), _modules.is_random(function)
    first = _NUM_FEATURES if learned.sized else {}
    last = _SAMPLED if learned.sampled else _RANDOM if random else {}
    parameters = (*first, *_modules.parameters(function))
    texts = _documentation.texts(function, first | last)
    signature = inspect.Signature((*parameters, *last))
    members = {
        "__module__": __name__,
        "__doc__": _documentation.of_class(function, {name: texts[name] for name in signature.parameters}),
        "__init__": _modules.method("__init__", _initialize, signature),
        "__call__": _modules.call_method(_call, function, _DRAWS if random else {}),
        "_function": staticmethod(function),
        "_parameters": parameters,
    }
    view = {"set_view": _set_view} if random else {}
    return type(_modules.class_name(function), (Pooling,), members | view | _modules.generic(function))


MaxPool = _module(max_min.max_pool)
MinPool = _module(max_min.min_pool)
AvgPool = _module(sum_avg.avg_pool)
SumPool = _module(sum_avg.sum_pool)
Pool = _module(general.pool)
LpPool = _module(smooth.lp_pool)
LogsumexpPool = _module(smooth.logsumexp_pool)
SoftPool = _module(smooth.soft_pool)
MedianPool = _module(rank.median_pool)
QuantilePool = _module(rank.quantile_pool)
VarPool = _module(spread.var_pool)
StdPool = _module(spread.std_pool)
MaxUnpool = _module(unpool.max_unpool)
AvgUnpool = _module(unpool.avg_unpool)
QuantizedAvgPool = _module(quantized.quantized_avg_pool)
AdaptiveAvgPool = _module(adaptive.adaptive_avg_pool)
AdaptiveMaxPool = _module(adaptive.adaptive_max_pool)
SpatialPyramidPool = _module(pyramid.spatial_pyramid_pool)
PyramidPool = _module(pyramid.pyramid_pool)
StripPool = _module(pyramid.strip_pool)
FastPyramidPool = _module(pyramid.fast_pyramid_pool)
GlobalAvgPool = _module(whole.global_avg_pool)
GlobalQuantizedAvgPool = _module(quantized.global_quantized_avg_pool)
GlobalMaxPool = _module(whole.global_max_pool)
GlobalMinPool = _module(whole.global_min_pool)
GlobalSumPool = _module(whole.global_sum_pool)
GlobalLpPool = _module(whole.global_lp_pool)
GlobalLogsumexpPool = _module(whole.global_logsumexp_pool)
GlobalSoftPool = _module(weighted.global_soft_pool)
GlobalMedianPool = _module(whole_rank.global_median_pool)
GlobalQuantilePool = _module(whole_rank.global_quantile_pool)
GlobalVarPool = _module(moments.global_var_pool)
GlobalStdPool = _module(moments.global_std_pool)
GlobalWeightedAvgPool = _module(weighted.global_weighted_avg_pool)
GlobalSqrtNPool = _module(weighted.global_sqrt_n_pool)
GlobalRankPool = _module(weighted.global_rank_pool)
GlobalFirstPool = _module(sequence.global_first_pool)
GlobalLastPool = _module(sequence.global_last_pool)
GlobalTopkPool = _module(sequence.global_topk_pool)
StatisticsPool = _module(moments.statistics_pool)
AttentiveStatisticsPool = _module(moments.attentive_statistics_pool)
SegmentMaxPool = _module(segments.segment_max_pool)
SegmentMinPool = _module(segments.segment_min_pool)
SegmentSumPool = _module(segments.segment_sum_pool)
SegmentAvgPool = _module(segments.segment_avg_pool)
SegmentLpPool = _module(segment_moments.segment_lp_pool)
SegmentLogsumexpPool = _module(segment_moments.segment_logsumexp_pool)
SegmentVarPool = _module(segment_moments.segment_var_pool)
SegmentStdPool = _module(segment_moments.segment_std_pool)
SegmentSoftmax = _module(segment_attention.segment_softmax)
SegmentAttentionPool = _module(segment_attention.segment_attention_pool)
SegmentTopkPool = _module(segment_attention.segment_topk_pool)
SoftArgmaxPool = _module(coordinates.soft_argmax_pool)
CovariancePool = _module(second_order.covariance_pool)
BilinearPool = _module(second_order.bilinear_pool)
CompactBilinearPool = _module(second_order.compact_bilinear_pool)
NetvladPool = _module(vlad.netvlad_pool)
FractionalMaxPool = _module(random.fractional_max_pool)
FractionalAvgPool = _module(random.fractional_avg_pool)
StochasticPool = _module(random.stochastic_pool)
BlurPool = _module(blur.blur_pool)
MaxBlurPool = _module(blur.max_blur_pool)
PolyphasePool = _module(polyphase.polyphase_pool)
SpectralPool = _module(spectral.spectral_pool)
WaveletPool = _module(wavelet.wavelet_pool)
WaveletUnpool = _module(wavelet.wavelet_unpool)
SubsamplePool = _module(trainable.subsample_pool)
MixedPool = _module(trainable.mixed_pool)
GlobalMixedPool = _module(trainable.global_mixed_pool)
GatedPool = _module(trainable.gated_pool)
GemPool = _module(gem.gem_pool)
GlobalGemPool = _module(gem.global_gem_pool)
DetailPreservingPool = _module(detail.detail_preserving_pool)
LipPool = _module(attention.lip_pool)
AttentionPool = _module(attention.attention_pool)
RoiAlign = _module(roi_align.roi_align)
RoiPool = _module(roi_pool.roi_pool)
PsRoiAlign = _module(roi_align.ps_roi_align)
PsRoiPool = _module(roi_pool.ps_roi_pool)
MultiscaleRoiAlign = _module(multiscale.multiscale_roi_align)
CropAndResize = _module(crop.crop_and_resize)
Dilate = _module(morphology.dilate)
Erode = _module(morphology.erode)
Open = _module(morphology.open)
Close = _module(morphology.close)
Gradient = _module(residues.gradient)
TopHat = _module(residues.top_hat)
BlackHat = _module(residues.black_hat)
