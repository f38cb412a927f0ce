"""What modules have in common: each is a function with all arguments bound but its arrays."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, get_overloads

import jax.numpy as jnp
import numpy as np

from jaxpool import _documentation
from jaxpool._documentation import STREAM as STREAM
from jaxpool._elsewhere import check_names
from jaxpool._learned import learned
from jaxpool._ops import (
    adaptive,
    attention,
    blur,
    coordinates,
    crop,
    detail,
    gem,
    general,
    lse,
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
    rotary,
    second_order,
    segment_attention,
    segment_moments,
    segments,
    sequence,
    sim,
    smooth,
    spectral,
    spread,
    stochastic,
    sum_avg,
    trainable,
    unpool,
    vlad,
    wavelet,
    weighted,
    whole,
    whole_rank,
)
from jaxpool._settings import naming

# The pools that are modules, in the order of the documentation.
POOLS: tuple[Callable[..., Any], ...] = (
    max_min.max_pool,
    max_min.min_pool,
    sum_avg.avg_pool,
    sum_avg.sum_pool,
    general.pool,
    smooth.lp_pool,
    smooth.logsumexp_pool,
    smooth.soft_pool,
    rank.median_pool,
    rank.quantile_pool,
    spread.var_pool,
    spread.std_pool,
    unpool.max_unpool,
    unpool.avg_unpool,
    quantized.quantized_avg_pool,
    adaptive.adaptive_avg_pool,
    adaptive.adaptive_max_pool,
    pyramid.spatial_pyramid_pool,
    pyramid.pyramid_pool,
    pyramid.strip_pool,
    pyramid.fast_pyramid_pool,
    whole.global_avg_pool,
    quantized.global_quantized_avg_pool,
    whole.global_max_pool,
    whole.global_min_pool,
    whole.global_sum_pool,
    whole.global_lp_pool,
    whole.global_logsumexp_pool,
    weighted.global_soft_pool,
    whole_rank.global_median_pool,
    whole_rank.global_quantile_pool,
    moments.global_var_pool,
    moments.global_std_pool,
    weighted.global_weighted_avg_pool,
    weighted.global_sqrt_n_pool,
    weighted.global_rank_pool,
    sequence.global_first_pool,
    sequence.global_last_pool,
    sequence.global_topk_pool,
    moments.statistics_pool,
    moments.attentive_statistics_pool,
    segments.segment_max_pool,
    segments.segment_min_pool,
    segments.segment_sum_pool,
    segments.segment_avg_pool,
    segment_moments.segment_lp_pool,
    segment_moments.segment_logsumexp_pool,
    segment_moments.segment_var_pool,
    segment_moments.segment_std_pool,
    segment_attention.segment_softmax,
    segment_attention.segment_attention_pool,
    segment_attention.segment_topk_pool,
    coordinates.soft_argmax_pool,
    second_order.covariance_pool,
    second_order.bilinear_pool,
    second_order.compact_bilinear_pool,
    vlad.netvlad_pool,
    random.fractional_max_pool,
    random.fractional_avg_pool,
    stochastic.stochastic_pool,
    blur.blur_pool,
    blur.max_blur_pool,
    polyphase.polyphase_pool,
    spectral.spectral_pool,
    wavelet.wavelet_pool,
    wavelet.wavelet_unpool,
    trainable.subsample_pool,
    trainable.mixed_pool,
    trainable.global_mixed_pool,
    trainable.gated_pool,
    gem.gem_pool,
    gem.global_gem_pool,
    lse.global_lse_pool,
    detail.detail_preserving_pool,
    attention.lip_pool,
    attention.attention_pool,
    rotary.rotary_attention_pool,
    sim.sim_pool,
    roi_align.roi_align,
    roi_pool.roi_pool,
    roi_align.ps_roi_align,
    roi_pool.ps_roi_pool,
    multiscale.multiscale_roi_align,
    crop.crop_and_resize,
    morphology.dilate,
    morphology.erode,
    morphology.open,
    morphology.close,
    residues.gradient,
    residues.top_hat,
    residues.black_hat,
)
# What modules are told that make what they learn before they are called.
NUM_FEATURES = {
    Parameter("num_features", Parameter.POSITIONAL_OR_KEYWORD, annotation="int"): "the number of channels."
}
# The arguments that differ from call to call. All others are a module's own.
_ARRAYS = (
    "inputs",
    "others",
    "features",
    "boxes",
    "box_indices",
    "segment_ids",
    "row_splits",
    "keys",
    "logits",
    "weights",
    "values",
    "indices",
    "where",
    "random_samples",
)


def class_name(function: Callable) -> str:
    """The name of a pool's module."""
    return "".join(word.capitalize() for word in function.__name__.split("_"))


@functools.cache
def parameters(function: Callable) -> tuple[Parameter, ...]:
    """The parameters of a pool's module: those of the pool, without the arrays it is applied to or learns."""
    other = ("key", *_ARRAYS, *learned(function).starts)
    own = [p for p in inspect.signature(function).parameters.values() if p.name not in other]
    return tuple(sorted([*learned(function).settings, *own], key=lambda p: p.kind))


def call_method(does: Callable, function: Callable, options: Mapping[Parameter, str]) -> Callable:
    """The method `__call__` of a pool's module: it takes the pool's arrays, in their order, and options."""
    signature = inspect.signature(function)
    arrays = [p for p in signature.parameters.values() if p.name in _ARRAYS]
    ordered = sorted([*arrays, *options], key=lambda p: p.kind)
    texts = _documentation.texts(function, options)
    doc = _documentation.of_call(function, {p.name: texts[p.name] for p in ordered})
    return method("__call__", does, signature.replace(parameters=ordered), doc)


def method(name: str, does: Callable, signature: inspect.Signature, doc: str | None = None) -> Callable:
    """A method that says what it takes, of what it does with that."""

    def own(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        with naming(type(self)):
            check_names(kwargs, signature.parameters)
            arguments = signature.bind(*args, **kwargs).arguments
        return does(self, arguments)

    own.__name__, own.__doc__ = name, doc
    this = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    vars(own)["__signature__"] = signature.replace(parameters=[this, *signature.parameters.values()])
    return own


def option(name: str, annotation: str, kind: Any = Parameter.KEYWORD_ONLY, default: Any = None) -> Parameter:
    """A parameter of modules that their functions have not."""
    return Parameter(name, kind, annotation=annotation, default=default)


def draws(kind: Any, name: str = "deterministic") -> dict[Parameter, str]:
    """The option of calls to draw, or not to."""
    text = "whether this call draws nothing; `None` for what the module was made with."
    return {option(name, "bool | None", kind): text}


def is_random(function: Callable) -> bool:
    """Whether the pool takes a key."""
    return "key" in inspect.signature(function).parameters


def channel_count(settings: dict[str, Any], arrays: dict[str, Any]) -> int:
    """The length of the inputs' axis of channels; 1 where there is none."""
    axis = settings.get("channel_axis", -1)
    return 1 if axis is None or "inputs" not in arrays else np.shape(arrays["inputs"])[axis]


def call(
    function: Callable,
    settings: dict[str, Any],
    weights: dict[str, Any],
    arrays: dict[str, Any],
    make_key: Callable[[], Any],
) -> Any:
    """Calls the pool with a module's settings, its weights and the arrays; with a new key to draw samples.

    `deterministic` is that of the call, where it has one.
    """
    extra = [p.name for p in learned(function).settings]
    if learned(function).logarithms:
        weights = {name: jnp.exp(weight) for name, weight in weights.items()}
    bound = {name: value for name, value in settings.items() if name not in extra}
    bound |= {name: weights.get(name) for name in learned(function).starts}
    if arrays.get("deterministic") is not None:
        bound["deterministic"] = arrays["deterministic"]
    arrays = {name: array for name, array in arrays.items() if name != "deterministic"}
    if is_random(function):
        draws = not bound["deterministic"] and arrays.get("random_samples") is None
        bound = {"key": make_key() if draws else None, **bound}
    return function(**bound, **arrays)


def generic(function: Callable) -> dict[str, Any]:
    """What a class needs to be written with the type of its results, where that depends on a setting."""
    return {"__class_getitem__": classmethod(types.GenericAlias)} if get_overloads(function) else {}


def freeze(value: Any) -> Any:
    """Lists, masks and arrays of integers as tuples, and other numbers as Python's: what can be hashed."""
    if isinstance(value, np.ndarray) and value.ndim and value.dtype.kind in "biu":
        value = value.tolist()
    return _frozen(value)


def _frozen(value: Any) -> Any:
    """The same, but that arrays of integers in a sequence are what functions take them for."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.dtype == np.bool_):
        value = value.tolist()
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value
