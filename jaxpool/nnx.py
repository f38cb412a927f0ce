"""Pools as Flax NNX modules: every function of `jaxpool`, with its arguments bound.

    import jaxpool.nnx as nnx_pool
    model = nnx.Sequential(nnx.Conv(1, 8, (3, 3), rngs=rngs), nnx_pool.MaxPool((2, 2), (2, 2)))

The functions that `flax.nnx` has are here under the same names: changing the import is all it takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec, cast

from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jaxpool import _learned, _modules
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

_Arguments = ParamSpec("_Arguments")
_NUM_FEATURES = inspect.Parameter("num_features", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=int)
_RNGS = inspect.Parameter("rngs", inspect.Parameter.KEYWORD_ONLY)


class Pooling(nnx.Module):
    """What all pooling modules are: a pooling function with its arguments bound."""

    _function: ClassVar[Callable]
    _call_signature: ClassVar[inspect.Signature]
    __signature__: ClassVar[inspect.Signature]
    rngs: Any

    def __init__(self, *args: Any, **kwargs: Any):
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        rngs, settings = bound.arguments.pop("rngs", None), bound.arguments
        for name, value in settings.items():
            setattr(self, name, _modules.freeze(value))
        if _modules.is_random(self._function):
            self.rngs = _stream(rngs)
        for name, start in self._starts().items():
            setattr(self, name, nnx.Param(start.make(rngs.params() if rngs else None)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        arrays = self._call_signature.bind(*args, **kwargs).arguments
        weights = {name: getattr(self, name)[...] for name in self._starts()}
        return _modules.call(self._function, self._settings(), weights, arrays, self._make_key)

    def _settings(self) -> dict[str, Any]:
        other = ("rngs", "num_features")
        return {name: getattr(self, name) for name in self.__signature__.parameters if name not in other}

    def _starts(self) -> dict[str, _learned.Start]:
        return _learned.learned(self._function).start(self._settings(), getattr(self, "num_features", 1))

    def _make_key(self) -> Array:
        if self.rngs is None:
            raise ValueError(
                f"rngs must be given to {type(self).__name__} to draw samples, or deterministic be True."
            )
        return self.rngs()


def _stream(rngs: nnx.Rngs | None) -> Any:
    """A stream of the module's own, so that modules do not share one that each of them counts on."""
    return None if rngs is None else rngs[_modules.STREAM].fork()


def _module(
    function: Callable[Concatenate[ArrayLike, _Arguments], Any],
) -> Callable[_Arguments, Pooling]:
    namespace = _modules.class_namespace(function, __name__)
    parameters = _modules.parameters(function)
    if _learned.learned(function).sized:
        parameters.insert(0, _NUM_FEATURES)
    if _learned.learned(function).sampled:
        parameters.append(_RNGS)
    elif _modules.is_random(function):
        parameters.append(_RNGS.replace(default=None))
    members = {
        "_function": staticmethod(function),
        "_call_signature": _modules.call_signature(function),
        "__signature__": inspect.Signature(parameters),
    }
    return type(namespace["__qualname__"], (Pooling,), namespace | members)


def _module_of_two(
    function: Callable[Concatenate[Any, ArrayLike, _Arguments], Any],
) -> Callable[_Arguments, Pooling]:
    """The same of a pool of two arrays, neither of which the module is made with."""
    return cast(Any, _module)(function)


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
MaxUnpool = _module_of_two(unpool.max_unpool)
AvgUnpool = _module(unpool.avg_unpool)
AdaptiveAvgPool = _module(adaptive.adaptive_avg_pool)
AdaptiveMaxPool = _module(adaptive.adaptive_max_pool)
SpatialPyramidPool = _module(pyramid.spatial_pyramid_pool)
PyramidPool = _module(pyramid.pyramid_pool)
StripPool = _module(pyramid.strip_pool)
FastPyramidPool = _module(pyramid.fast_pyramid_pool)
GlobalAvgPool = _module(whole.global_avg_pool)
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
GlobalWeightedAvgPool = _module_of_two(weighted.global_weighted_avg_pool)
GlobalSqrtNPool = _module(weighted.global_sqrt_n_pool)
GlobalRankPool = _module(weighted.global_rank_pool)
GlobalFirstPool = _module(sequence.global_first_pool)
GlobalLastPool = _module(sequence.global_last_pool)
GlobalTopkPool = _module(sequence.global_topk_pool)
StatisticsPool = _module(moments.statistics_pool)
AttentiveStatisticsPool = _module_of_two(moments.attentive_statistics_pool)
SegmentMaxPool = _module(segments.segment_max_pool)
SegmentMinPool = _module(segments.segment_min_pool)
SegmentSumPool = _module(segments.segment_sum_pool)
SegmentAvgPool = _module(segments.segment_avg_pool)
SegmentLpPool = _module(segment_moments.segment_lp_pool)
SegmentLogsumexpPool = _module(segment_moments.segment_logsumexp_pool)
SegmentVarPool = _module(segment_moments.segment_var_pool)
SegmentStdPool = _module(segment_moments.segment_std_pool)
SegmentSoftmax = _module(segment_attention.segment_softmax)
SegmentAttentionPool = _module_of_two(segment_attention.segment_attention_pool)
SegmentTopkPool = _module(segment_attention.segment_topk_pool)
SoftArgmaxPool = _module(coordinates.soft_argmax_pool)
CovariancePool = _module(second_order.covariance_pool)
BilinearPool = _module_of_two(second_order.bilinear_pool)
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
LipPool = _module_of_two(attention.lip_pool)
AttentionPool = _module(attention.attention_pool)
RoiAlign = _module_of_two(roi_align.roi_align)
RoiPool = _module_of_two(roi_pool.roi_pool)
PsRoiAlign = _module_of_two(roi_align.ps_roi_align)
PsRoiPool = _module_of_two(roi_pool.ps_roi_pool)
MultiscaleRoiAlign = _module_of_two(multiscale.multiscale_roi_align)
CropAndResize = _module_of_two(crop.crop_and_resize)
Dilate = _module(morphology.dilate)
Erode = _module(morphology.erode)
Open = _module(morphology.open)
Close = _module(morphology.close)
Gradient = _module(residues.gradient)
TopHat = _module(residues.top_hat)
BlackHat = _module(residues.black_hat)
