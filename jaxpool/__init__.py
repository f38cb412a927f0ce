"""Pooling for JAX: complete, exact and fast."""

import importlib as _importlib
import importlib.metadata as _metadata
import typing as _typing

from jaxpool import analysis as analysis
from jaxpool import convert as convert
from jaxpool import morphology as morphology
from jaxpool import sharding as sharding
from jaxpool._as_lax import as_lax as as_lax
from jaxpool._ops.adaptive import adaptive_avg_pool as adaptive_avg_pool
from jaxpool._ops.adaptive import adaptive_max_pool as adaptive_max_pool
from jaxpool._ops.attention import attention_pool as attention_pool
from jaxpool._ops.attention import lip_pool as lip_pool
from jaxpool._ops.blur import blur_pool as blur_pool
from jaxpool._ops.blur import max_blur_pool as max_blur_pool
from jaxpool._ops.coordinates import soft_argmax_pool as soft_argmax_pool
from jaxpool._ops.crop import crop_and_resize as crop_and_resize
from jaxpool._ops.detail import detail_preserving_pool as detail_preserving_pool
from jaxpool._ops.gem import gem_pool as gem_pool
from jaxpool._ops.gem import global_gem_pool as global_gem_pool
from jaxpool._ops.general import pool as pool
from jaxpool._ops.lse import global_lse_pool as global_lse_pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.moments import attentive_statistics_pool as attentive_statistics_pool
from jaxpool._ops.moments import global_std_pool as global_std_pool
from jaxpool._ops.moments import global_var_pool as global_var_pool
from jaxpool._ops.moments import statistics_pool as statistics_pool
from jaxpool._ops.multiscale import multiscale_roi_align as multiscale_roi_align
from jaxpool._ops.polyphase import polyphase_pool as polyphase_pool
from jaxpool._ops.pyramid import fast_pyramid_pool as fast_pyramid_pool
from jaxpool._ops.pyramid import pyramid_pool as pyramid_pool
from jaxpool._ops.pyramid import spatial_pyramid_pool as spatial_pyramid_pool
from jaxpool._ops.pyramid import strip_pool as strip_pool
from jaxpool._ops.quantized import global_quantized_avg_pool as global_quantized_avg_pool
from jaxpool._ops.quantized import quantized_avg_pool as quantized_avg_pool
from jaxpool._ops.random import fractional_avg_pool as fractional_avg_pool
from jaxpool._ops.random import fractional_max_pool as fractional_max_pool
from jaxpool._ops.rank import median_pool as median_pool
from jaxpool._ops.rank import quantile_pool as quantile_pool
from jaxpool._ops.reduce_window import reduce_window as reduce_window
from jaxpool._ops.roi_align import ps_roi_align as ps_roi_align
from jaxpool._ops.roi_align import roi_align as roi_align
from jaxpool._ops.roi_pool import ps_roi_pool as ps_roi_pool
from jaxpool._ops.roi_pool import roi_pool as roi_pool
from jaxpool._ops.rotary import rotary_attention_pool as rotary_attention_pool
from jaxpool._ops.second_order import bilinear_pool as bilinear_pool
from jaxpool._ops.second_order import compact_bilinear_pool as compact_bilinear_pool
from jaxpool._ops.second_order import covariance_pool as covariance_pool
from jaxpool._ops.segment_attention import segment_attention_pool as segment_attention_pool
from jaxpool._ops.segment_attention import segment_softmax as segment_softmax
from jaxpool._ops.segment_attention import segment_topk_pool as segment_topk_pool
from jaxpool._ops.segment_moments import segment_logsumexp_pool as segment_logsumexp_pool
from jaxpool._ops.segment_moments import segment_lp_pool as segment_lp_pool
from jaxpool._ops.segment_moments import segment_std_pool as segment_std_pool
from jaxpool._ops.segment_moments import segment_var_pool as segment_var_pool
from jaxpool._ops.segments import segment_avg_pool as segment_avg_pool
from jaxpool._ops.segments import segment_max_pool as segment_max_pool
from jaxpool._ops.segments import segment_min_pool as segment_min_pool
from jaxpool._ops.segments import segment_sum_pool as segment_sum_pool
from jaxpool._ops.sequence import global_first_pool as global_first_pool
from jaxpool._ops.sequence import global_last_pool as global_last_pool
from jaxpool._ops.sequence import global_topk_pool as global_topk_pool
from jaxpool._ops.sim import sim_pool as sim_pool
from jaxpool._ops.smooth import logsumexp_pool as logsumexp_pool
from jaxpool._ops.smooth import lp_pool as lp_pool
from jaxpool._ops.smooth import soft_pool as soft_pool
from jaxpool._ops.spectral import spectral_pool as spectral_pool
from jaxpool._ops.spread import std_pool as std_pool
from jaxpool._ops.spread import var_pool as var_pool
from jaxpool._ops.stochastic import stochastic_pool as stochastic_pool
from jaxpool._ops.streaming import streaming as streaming
from jaxpool._ops.sum_avg import avg_pool as avg_pool
from jaxpool._ops.sum_avg import sum_pool as sum_pool
from jaxpool._ops.trainable import gated_pool as gated_pool
from jaxpool._ops.trainable import global_mixed_pool as global_mixed_pool
from jaxpool._ops.trainable import mixed_pool as mixed_pool
from jaxpool._ops.trainable import subsample_pool as subsample_pool
from jaxpool._ops.unpool import avg_unpool as avg_unpool
from jaxpool._ops.unpool import max_unpool as max_unpool
from jaxpool._ops.vlad import netvlad_pool as netvlad_pool
from jaxpool._ops.wavelet import wavelet_pool as wavelet_pool
from jaxpool._ops.wavelet import wavelet_unpool as wavelet_unpool
from jaxpool._ops.weighted import global_rank_pool as global_rank_pool
from jaxpool._ops.weighted import global_soft_pool as global_soft_pool
from jaxpool._ops.weighted import global_sqrt_n_pool as global_sqrt_n_pool
from jaxpool._ops.weighted import global_weighted_avg_pool as global_weighted_avg_pool
from jaxpool._ops.whole import global_avg_pool as global_avg_pool
from jaxpool._ops.whole import global_logsumexp_pool as global_logsumexp_pool
from jaxpool._ops.whole import global_lp_pool as global_lp_pool
from jaxpool._ops.whole import global_max_pool as global_max_pool
from jaxpool._ops.whole import global_min_pool as global_min_pool
from jaxpool._ops.whole import global_sum_pool as global_sum_pool
from jaxpool._ops.whole_rank import global_median_pool as global_median_pool
from jaxpool._ops.whole_rank import global_quantile_pool as global_quantile_pool
from jaxpool._replace import replace_flax_pools as replace_flax_pools
from jaxpool._window import output_shape as output_shape

if _typing.TYPE_CHECKING:
    from jaxpool import equinox as equinox
    from jaxpool import linen as linen
    from jaxpool import nnx as nnx

    __version__: str
else:

    def __getattr__(name):
        """The modules, which import frameworks, and the version: each is read once it is asked for."""
        if name in ("equinox", "linen", "nnx"):
            return _importlib.import_module(f"jaxpool.{name}")
        if name == "__version__":
            try:
                return _metadata.version("jaxpool")
            except _metadata.PackageNotFoundError:  # a checkout that is not installed
                return "0+unknown"
        raise AttributeError(f"module 'jaxpool' has no attribute {name!r}")
