"""The oracle: pooling written as slow NumPy loops, straight from the definitions in the contract.

It shares no code with the package. Every function visits the output positions one by one and, for each,
gathers the elements of its window as a vector, of which it takes a plain NumPy function. Arrays are viewed
as rows: a matrix, one row per batch entry and channel, one column per spatial position.

Floating and complex results are accumulated in float64 / complex128 and rounded at the end, to
`dtype` (by default that of the input); integers wrap around in their own dtype.

`*arguments` are `window_shape`, `strides` and `padding`, `**options` the keyword arguments
`window_dilation`, `ceil_mode` and `channel_axis`, all as `windows` has them.
"""

from tests.reference import morphology as morphology
from tests.reference.derivatives import avg_jvp as avg_jvp
from tests.reference.derivatives import avg_vjp as avg_vjp
from tests.reference.derivatives import pick as pick
from tests.reference.derivatives import scatter_add as scatter_add
from tests.reference.derivatives import select_jvp as select_jvp
from tests.reference.derivatives import select_vjp as select_vjp
from tests.reference.derivatives import sum_jvp as sum_jvp
from tests.reference.derivatives import sum_vjp as sum_vjp
from tests.reference.derivatives import window_jvp as window_jvp
from tests.reference.derivatives import window_vjp as window_vjp
from tests.reference.descriptors import bilinear_pool as bilinear_pool
from tests.reference.descriptors import compact_bilinear_pool as compact_bilinear_pool
from tests.reference.descriptors import covariance_pool as covariance_pool
from tests.reference.descriptors import netvlad_pool as netvlad_pool
from tests.reference.descriptors import sim_pool as sim_pool
from tests.reference.descriptors import soft_argmax_pool as soft_argmax_pool
from tests.reference.geometry import output_shape as output_shape
from tests.reference.geometry import windows as windows
from tests.reference.irregular import adaptive_avg_pool as adaptive_avg_pool
from tests.reference.irregular import adaptive_avg_vjp as adaptive_avg_vjp
from tests.reference.irregular import adaptive_max_pool as adaptive_max_pool
from tests.reference.irregular import fractional_avg_pool as fractional_avg_pool
from tests.reference.irregular import fractional_avg_vjp as fractional_avg_vjp
from tests.reference.irregular import fractional_max_pool as fractional_max_pool
from tests.reference.pyramid import fast_pyramid_pool as fast_pyramid_pool
from tests.reference.pyramid import pyramid_pool as pyramid_pool
from tests.reference.pyramid import spatial_pyramid_pool as spatial_pyramid_pool
from tests.reference.pyramid import strip_pool as strip_pool
from tests.reference.quantized import global_integer_avg_pool as global_integer_avg_pool
from tests.reference.quantized import global_quantized_avg_pool as global_quantized_avg_pool
from tests.reference.quantized import integer_avg_pool as integer_avg_pool
from tests.reference.quantized import quantized_avg_pool as quantized_avg_pool
from tests.reference.regions import crop_and_resize as crop_and_resize
from tests.reference.regions import multiscale_roi_align as multiscale_roi_align
from tests.reference.regions import ps_roi_align as ps_roi_align
from tests.reference.regions import ps_roi_pool as ps_roi_pool
from tests.reference.regions import roi_align as roi_align
from tests.reference.regions import roi_pool as roi_pool
from tests.reference.sampling import attention_pool as attention_pool
from tests.reference.sampling import blur_pool as blur_pool
from tests.reference.sampling import max_blur_pool as max_blur_pool
from tests.reference.sampling import polyphase_pool as polyphase_pool
from tests.reference.sampling import rotary_attention_pool as rotary_attention_pool
from tests.reference.segments import segment_attention_pool as segment_attention_pool
from tests.reference.segments import segment_avg_pool as segment_avg_pool
from tests.reference.segments import segment_extreme as segment_extreme
from tests.reference.segments import segment_extreme_jvp as segment_extreme_jvp
from tests.reference.segments import segment_logsumexp_pool as segment_logsumexp_pool
from tests.reference.segments import segment_lp_pool as segment_lp_pool
from tests.reference.segments import segment_softmax as segment_softmax
from tests.reference.segments import segment_std_pool as segment_std_pool
from tests.reference.segments import segment_sum_pool as segment_sum_pool
from tests.reference.segments import segment_topk_pool as segment_topk_pool
from tests.reference.segments import segment_var_pool as segment_var_pool
from tests.reference.sequence import attentive_statistics_pool as attentive_statistics_pool
from tests.reference.sequence import global_first_pool as global_first_pool
from tests.reference.sequence import global_last_pool as global_last_pool
from tests.reference.sequence import global_of_elements as global_of_elements
from tests.reference.sequence import global_of_elements_jvp as global_of_elements_jvp
from tests.reference.sequence import global_rank_pool as global_rank_pool
from tests.reference.sequence import global_sqrt_n_pool as global_sqrt_n_pool
from tests.reference.sequence import global_topk_jvp as global_topk_jvp
from tests.reference.sequence import global_topk_pool as global_topk_pool
from tests.reference.sequence import global_weighted_avg_pool as global_weighted_avg_pool
from tests.reference.sequence import statistics_pool as statistics_pool
from tests.reference.smooth import logsumexp_gradient as logsumexp_gradient
from tests.reference.smooth import logsumexp_pool as logsumexp_pool
from tests.reference.smooth import lp_gradient as lp_gradient
from tests.reference.smooth import lp_pool as lp_pool
from tests.reference.smooth import soft_gradient as soft_gradient
from tests.reference.smooth import soft_pool as soft_pool
from tests.reference.smooth import stochastic_choices as stochastic_choices
from tests.reference.smooth import stochastic_gradient as stochastic_gradient
from tests.reference.smooth import stochastic_pool_expectation as stochastic_pool_expectation
from tests.reference.spectral import spectral_pool as spectral_pool
from tests.reference.spectral import wavelet_pool as wavelet_pool
from tests.reference.spectral import wavelet_unpool as wavelet_unpool
from tests.reference.statistics import median_pool as median_pool
from tests.reference.statistics import quantile_gradient as quantile_gradient
from tests.reference.statistics import quantile_pool as quantile_pool
from tests.reference.statistics import std_gradient as std_gradient
from tests.reference.statistics import std_pool as std_pool
from tests.reference.statistics import var_gradient as var_gradient
from tests.reference.statistics import var_pool as var_pool
from tests.reference.trainable import detail_preserving_pool as detail_preserving_pool
from tests.reference.trainable import gated_pool as gated_pool
from tests.reference.trainable import gem_pool as gem_pool
from tests.reference.trainable import global_gem_pool as global_gem_pool
from tests.reference.trainable import global_lse_pool as global_lse_pool
from tests.reference.trainable import global_mixed_pool as global_mixed_pool
from tests.reference.trainable import lip_pool as lip_pool
from tests.reference.trainable import mixed_pool as mixed_pool
from tests.reference.trainable import subsample_pool as subsample_pool
from tests.reference.unpool import avg_unpool as avg_unpool
from tests.reference.unpool import avg_unpool_vjp as avg_unpool_vjp
from tests.reference.unpool import max_unpool as max_unpool
from tests.reference.unpool import max_unpool_vjp as max_unpool_vjp
from tests.reference.whole import global_avg_pool as global_avg_pool
from tests.reference.whole import global_logsumexp_pool as global_logsumexp_pool
from tests.reference.whole import global_lp_pool as global_lp_pool
from tests.reference.whole import global_max_pool as global_max_pool
from tests.reference.whole import global_min_pool as global_min_pool
from tests.reference.whole import global_sum_pool as global_sum_pool
from tests.reference.windows import avg_pool as avg_pool
from tests.reference.windows import max_pool as max_pool
from tests.reference.windows import min_pool as min_pool
from tests.reference.windows import pool as pool
from tests.reference.windows import reduce_window as reduce_window
from tests.reference.windows import sum_pool as sum_pool
