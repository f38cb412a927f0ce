"""The pools that the site shows: families in the order of its pages, and the gallery's call of each pool.

Calls see what `gallery_inputs.py` defines. Gradients are by `photo`, or by `values` where a call has them.
"""

FAMILIES = {
    "Select": {
        "max_pool": "jaxpool.max_pool(photo, (6, 6), (6, 6))",
        "min_pool": "jaxpool.min_pool(photo, (6, 6), (6, 6))",
        "median_pool": "jaxpool.median_pool(photo, (6, 6), (6, 6))",
        "quantile_pool": "jaxpool.quantile_pool(photo, (6, 6), (6, 6), q=0.25)",
    },
    "Sum": {
        "avg_pool": "jaxpool.avg_pool(photo, (6, 6), (6, 6))",
        "sum_pool": "jaxpool.sum_pool(photo, (6, 6), (3, 3))",
    },
    "Quantized": {
        "quantized_avg_pool": (
            "jaxpool.quantized_avg_pool(jnp.uint8(255 * photo), 1 / 255, 0, (6, 6), (6, 6)) / 255"
        ),
        "global_quantized_avg_pool": (
            "jaxpool.global_quantized_avg_pool(jnp.uint8(255 * photo), 1 / 255, 0, (0, 1)) / 255"
        ),
    },
    "Smooth": {
        "lp_pool": "jaxpool.lp_pool(photo, (6, 6), (6, 6), p=4.0)",
        "logsumexp_pool": "jaxpool.logsumexp_pool(photo, (6, 6), (6, 6), temperature=0.1, mean=True)",
        "soft_pool": "jaxpool.soft_pool(photo, (6, 6), (6, 6), temperature=0.1)",
    },
    "Spread": {
        "var_pool": "jaxpool.var_pool(photo, (6, 6), (6, 6))",
        "std_pool": "jaxpool.std_pool(photo, (6, 6), (6, 6))",
    },
    "General": {
        "pool": "jaxpool.pool(photo, 0.0, jnp.hypot, (6, 6), (6, 6))",
    },
    "Anti-aliased": {
        "blur_pool": "jaxpool.blur_pool(photo, 5, (4, 4))",
        "max_blur_pool": "jaxpool.max_blur_pool(photo, (3, 3), (4, 4), filter_size=5)",
        "polyphase_pool": "jaxpool.polyphase_pool(photo, (4, 4))",
    },
    "Spectral": {
        "spectral_pool": "jaxpool.spectral_pool(photo, (25, 25))",
        "wavelet_pool": 'jaxpool.wavelet_pool(photo, wavelet="db2")',
        "wavelet_unpool": 'jaxpool.wavelet_unpool(jnp.pad(values, [(0, 0), (0, 0), (0, 9)]), wavelet="db2")',
    },
    "Learned": {
        "subsample_pool": "jaxpool.subsample_pool(photo, 4 / 36, -1.5, (6, 6), (6, 6), activation=True)",
        "mixed_pool": "jaxpool.mixed_pool(photo, jnp.array(0.5), (6, 6), (6, 6))",
        "gated_pool": "jaxpool.gated_pool(photo, gate, (6, 6), (6, 6))",
        "gem_pool": "jaxpool.gem_pool(photo, jnp.array(8.0), (6, 6), (6, 6))",
        "global_gem_pool": "jaxpool.global_gem_pool(photo, jnp.array(8.0), (0, 1))",
        "global_lse_pool": "jaxpool.global_lse_pool(photo, jnp.array(10.0), (0, 1))",
        "global_mixed_pool": "jaxpool.global_mixed_pool(photo, jnp.array(0.5), (0, 1))",
        "detail_preserving_pool": "jaxpool.detail_preserving_pool(photo, 0.0, 3.0, (6, 6), (6, 6))",
        "lip_pool": "jaxpool.lip_pool(photo, logits, (6, 6), (6, 6))",
        "attention_pool": "jaxpool.attention_pool(photo, query, eye, eye, eye, out, axis=(0, 1))",
        "rotary_attention_pool": (
            "jaxpool.rotary_attention_pool(photo, query, *turned, out4, axis=(0, 1), reference_shape=(7, 7))"
        ),
        "sim_pool": "jaxpool.sim_pool(photo, jnp.full(3, 0.2), jnp.full(3, 0.5), eye, eye, axis=(0, 1))",
    },
    "Morphology": {
        "morphology.dilate": "jaxpool.morphology.dilate(photo, disk)",
        "morphology.erode": "jaxpool.morphology.erode(photo, disk)",
        "morphology.open": "jaxpool.morphology.open(photo, disk)",
        "morphology.close": "jaxpool.morphology.close(photo, disk)",
        "morphology.gradient": "jaxpool.morphology.gradient(photo, (3, 3))",
        "morphology.top_hat": "jaxpool.morphology.top_hat(photo, disk)",
        "morphology.black_hat": "jaxpool.morphology.black_hat(photo, disk)",
    },
    "Adaptive": {
        "adaptive_avg_pool": "jaxpool.adaptive_avg_pool(photo, (25, 25))",
        "adaptive_max_pool": "jaxpool.adaptive_max_pool(photo, (25, 25))",
    },
    "Pyramid": {
        "spatial_pyramid_pool": "jaxpool.spatial_pyramid_pool(photo, ((4, 4), (2, 2))).reshape(1, 20, 3)",
        "pyramid_pool": "jaxpool.pyramid_pool(photo, ((6, 6),))[..., 3:]",
        "strip_pool": "jaxpool.strip_pool(photo[None])[0][0]",
        "fast_pyramid_pool": "jaxpool.fast_pyramid_pool(photo)[..., 9:]",
    },
    "Regions": {
        "roi_align": "jaxpool.roi_align(photo, boxes, (24, 24))[0]",
        "multiscale_roi_align": "jaxpool.multiscale_roi_align([photo], boxes, (6, 6), image_shape=size)[0]",
        "roi_pool": "jaxpool.roi_pool(photo, boxes, (24, 24))[0]",
        "ps_roi_align": "jaxpool.ps_roi_align(jnp.tile(photo, 4), boxes, (2, 2))[0]",
        "ps_roi_pool": "jaxpool.ps_roi_pool(jnp.tile(photo, 4), boxes, (2, 2))[0]",
        "crop_and_resize": "jaxpool.crop_and_resize(photo, boxes / 119, (24, 24))[0]",
    },
    "Global": {
        "global_avg_pool": "jaxpool.global_avg_pool(photo, (0, 1))",
        "global_max_pool": "jaxpool.global_max_pool(photo, (0, 1))",
        "global_min_pool": "jaxpool.global_min_pool(photo, (0, 1))",
        "global_sum_pool": "jaxpool.global_sum_pool(photo, (0, 1))",
        "global_lp_pool": "jaxpool.global_lp_pool(photo, (0, 1), p=4.0)",
        "global_logsumexp_pool": "jaxpool.global_logsumexp_pool(photo, (0, 1), temperature=0.1, mean=True)",
        "global_soft_pool": "jaxpool.global_soft_pool(photo, (0, 1), temperature=0.1)",
        "global_median_pool": "jaxpool.global_median_pool(photo, (0, 1))",
        "global_quantile_pool": "jaxpool.global_quantile_pool(photo, 0.25, (0, 1))",
        "global_var_pool": "jaxpool.global_var_pool(photo, (0, 1))",
        "global_std_pool": "jaxpool.global_std_pool(photo, (0, 1), where=bright)",
    },
    "Sequence": {
        "global_first_pool": "jaxpool.global_first_pool(photo, where=bright, keepdims=True)",
        "global_last_pool": "jaxpool.global_last_pool(photo, where=bright, keepdims=True)",
        "global_topk_pool": "jaxpool.global_topk_pool(photo, 40)",
        "global_weighted_avg_pool": "jaxpool.global_weighted_avg_pool(photo, jnp.exp(logits), (0, 1))",
        "global_sqrt_n_pool": "jaxpool.global_sqrt_n_pool(photo, (0, 1))",
        "global_rank_pool": "jaxpool.global_rank_pool(photo, keepdims=True)",
        "statistics_pool": "jaxpool.statistics_pool(photo, (0, 1)).reshape(1, 2, 3)",
        "attentive_statistics_pool": (
            "jaxpool.attentive_statistics_pool(photo, logits, (0, 1)).reshape(1, 2, 3)"
        ),
    },
    "Segments": {
        "segment_max_pool": "jaxpool.segment_max_pool(photo, stripes, 12, axis=1)",
        "segment_min_pool": "jaxpool.segment_min_pool(photo, stripes, 12, axis=1)",
        "segment_sum_pool": "jaxpool.segment_sum_pool(photo / 10, stripes, 12, axis=1)",
        "segment_avg_pool": "jaxpool.segment_avg_pool(photo, stripes, 12, axis=1)",
        "segment_lp_pool": "jaxpool.segment_lp_pool(photo / 3, stripes, 12, axis=1)",
        "segment_logsumexp_pool": (
            "jaxpool.segment_logsumexp_pool(photo, stripes, 12, axis=1, temperature=0.1, mean=True)"
        ),
        "segment_var_pool": "jaxpool.segment_var_pool(photo, stripes, 12, axis=1)",
        "segment_std_pool": "jaxpool.segment_std_pool(photo, stripes, 12, axis=1)",
        "segment_softmax": "10 * jaxpool.segment_softmax(photo, stripes, 12, axis=1, temperature=0.1)",
        "segment_attention_pool": "jaxpool.segment_attention_pool(photo, logits, stripes, 12, axis=1)",
        "segment_topk_pool": (
            "jaxpool.segment_topk_pool(photo, stripes, 12, axis=1, k=3, keys=light).reshape(120, 36, 3)"
        ),
    },
    "Descriptors": {
        "soft_argmax_pool": "jaxpool.soft_argmax_pool(-photo, (0, 1), temperature=0.05).T",
        "covariance_pool": "jaxpool.covariance_pool(photo, (0, 1))",
        "bilinear_pool": "jaxpool.bilinear_pool(photo, None, (0, 1))",
        "compact_bilinear_pool": "jaxpool.compact_bilinear_pool(photo, 12, None, (0, 1)).reshape(1, 4, 3)",
        "netvlad_pool": "jaxpool.netvlad_pool(photo, colors, 40 * colors.T, nearest, (0, 1))",
    },
    "Random": {
        "fractional_max_pool": "jaxpool.fractional_max_pool(key, photo, (6, 6), (25, 25))",
        "fractional_avg_pool": "jaxpool.fractional_avg_pool(key, photo, (6, 6), (25, 25))",
        "stochastic_pool": "jaxpool.stochastic_pool(key, photo, (6, 6), (6, 6))",
    },
    "Back": {
        "max_unpool": "jaxpool.max_unpool(values, indices, (120, 120))",
        "avg_unpool": "jaxpool.avg_unpool(values, (120, 120), (6, 6), (6, 6))",
    },
}
