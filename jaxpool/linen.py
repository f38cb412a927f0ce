"""Pools as Flax Linen modules: every function of `jaxpool`, with its arguments bound.

    import jaxpool.linen as nn_pool
    model = nn.Sequential([nn.Conv(8, (3, 3)), nn_pool.MaxPool((2, 2), (2, 2))])

The functions that `flax.linen` has are here under the same names: changing the import is all it takes.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from inspect import Parameter
from typing import Any, ClassVar

import flax.linen as nn

from jaxpool import _documentation, _elsewhere, _learned, _modules, _settings
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

# Every Linen module has a method `init`, so an argument of this name needs another as a field.
_FIELDS = {"init": "init_value"}


class Pooling(nn.Module):
    """What all pooling modules are: a pooling function with its arguments bound."""

    _function: ClassVar[Callable]
    _fields: ClassVar[dict[str, str]] = {}

    def __post_init__(self):
        for field in self._fields.values():
            object.__setattr__(self, field, _modules.freeze(getattr(self, field)))
        if self._fields:
            with _settings.naming(type(self)):
                _settings.check(self._function, _modules.parameters(self._function), _settings_of(self))
        super().__post_init__()


def _settings_of(module: Pooling) -> dict[str, Any]:
    return {name: getattr(module, field) for name, field in module._fields.items()}


def _call(module: Pooling, arrays: dict[str, Any]) -> Any:
    settings = _settings_of(module)
    starts = _learned.learned(module._function).start(settings, _modules.channel_count(settings, arrays))
    weights = {name: module.param(name, start.make) for name, start in starts.items()}
    make_key = functools.partial(module.make_rng, _modules.STREAM)
    return _modules.call(module._function, settings, weights, arrays, make_key)


def _module(function: Callable[..., Any]) -> type[Pooling]:
    parameters = _modules.parameters(function)
    fields = {p.name: _FIELDS.get(p.name, p.name) for p in parameters}
    texts = _documentation.texts(function, {})
    # `deterministic` by position too, as Linen's Dropout has it.
    draws = _modules.draws(Parameter.POSITIONAL_OR_KEYWORD) if _modules.is_random(function) else {}
    members = {
        "__module__": __name__,
        "__doc__": _documentation.of_class(function, {fields[n]: texts[n] for n in fields}),
        "__annotations__": {fields[p.name]: p.annotation for p in parameters},
        "__call__": nn.compact(_modules.call_method(_call, function, draws)),
        "_function": staticmethod(function),
        "_fields": fields,
    }
    for p in parameters:
        default = {} if p.default is p.empty else {"default": p.default}
        members[fields[p.name]] = dataclasses.field(kw_only=p.kind is p.KEYWORD_ONLY, **default)
    cls = type(_modules.class_name(function), (Pooling,), members | _modules.generic(function))
    cls.__init__ = _elsewhere.public(cls.__init__)
    return cls


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
