"""The one table of functions: each pool of windows, with its values and derivatives by the oracle."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from tests import reference


@dataclasses.dataclass(frozen=True)
class Function:
    """A function of the library, and its values and derivatives by the oracle.

    Of inputs and the arguments of a window; of inputs alone where all else is bound. Where the oracle has a
    tangent alone, the cotangent must be its transpose; where it has neither, both meet finite differences.
    """

    name: str
    apply: Callable
    oracle: Callable
    oracle_jvp: Callable | None = None  # (inputs, tangent, *arguments, **options)
    oracle_vjp: Callable | None = None  # (inputs, cotangent, *arguments, **options)
    result: str = "mean"  # its dtype: that of the inputs (same), their sum, segment sum or mean
    takes_complex: bool = False
    special: bool = False  # whether the oracle knows what infinities and NaN give, and what derivatives
    indexed: tuple[Callable, Callable] | None = None  # of a selection: with positions, here and by the oracle

    def __str__(self) -> str:
        return self.name

    def result_dtype(self, dtype: Any) -> np.dtype:
        if self.result in ("mean", "sum") and not jnp.issubdtype(dtype, jnp.inexact):
            return jax.eval_shape(getattr(jnp, self.result), jax.ShapeDtypeStruct((), dtype)).dtype
        return np.dtype(np.int32) if self.result == "segment sum" and dtype == np.bool_ else np.dtype(dtype)

    def expected(self, inputs: Any, *arguments: Any, **options: Any) -> np.ndarray:
        """The oracle's values, in the dtype of the result."""
        if self.result != "same":
            inputs = inputs.astype(self.result_dtype(inputs.dtype))
        return np.asarray(self.oracle(inputs, *arguments, **options), self.result_dtype(inputs.dtype))


@dataclasses.dataclass(frozen=True)
class Group:
    """Functions of inputs of one shape."""

    name: str
    shape: tuple[int, ...]
    functions: tuple[Function, ...]

    arguments: ClassVar[tuple[Any, ...]] = ()  # which a row of the other table has
    options: ClassVar[dict[str, Any]] = {}

    def __str__(self) -> str:
        return self.name


def _label(name: str, settings: dict[str, Any]) -> str:
    return " ".join([name, *(f"{k}={v}" for k, v in settings.items())])


def _first(function: Callable) -> Callable:
    return lambda *args, **kwargs: function(*args, **kwargs)[0]


def selecting(name: str, apply: Callable, oracle: Callable, jvp: Callable | None, vjp: Callable) -> Function:
    """A selection, by `apply(inputs, ..., return_indices=...)`, beside which positions are compared too."""
    indexed = functools.partial(apply, return_indices=True)
    return Function(name, apply, _first(oracle), jvp, vjp, "same", special=True, indexed=(indexed, oracle))


def linear(
    name: str, apply: Callable, oracle: Callable, vjp: Callable | None = None, **marks: Any
) -> Function:
    """A function that is its own tangent."""
    marks = {"takes_complex": True, "special": True, **marks}
    return Function(name, apply, oracle, lambda inputs, tangent: oracle(tangent), vjp, **marks)


def _extreme(name: str) -> Function:
    oracle = getattr(reference, name)

    def jvp(inputs, tangent, *arguments, **options):
        return reference.select_jvp(tangent, oracle(inputs, *arguments, **options)[1], *arguments, **options)

    def vjp(inputs, cotangent, *arguments, **options):
        indices = oracle(inputs, *arguments, **options)[1]
        return reference.select_vjp(cotangent, indices, inputs.shape, *arguments, **options)

    return selecting(name, getattr(jaxpool, name), oracle, jvp, vjp)


def _adding(name: str, **settings: Any) -> Function:
    short = name.removesuffix("_pool")

    def jvp(inputs, tangent, *arguments, **options):
        return getattr(reference, f"{short}_jvp")(tangent, *arguments, **settings, **options)

    def vjp(inputs, cotangent, *arguments, **options):
        adjoint = getattr(reference, f"{short}_vjp")
        return adjoint(cotangent, inputs.shape, *arguments, **settings, **options)

    return Function(
        _label(name, settings),
        lambda inputs, *a, **options: getattr(jaxpool, name)(inputs, *a, **settings, **options),
        lambda inputs, *a, **options: getattr(reference, name)(inputs, *a, **settings, **options),
        jvp,
        vjp,
        "sum" if short == "sum" else "mean",
        takes_complex=True,
        special=True,
    )


def _smooth(name: str, gradient: Callable, **settings: Any) -> Function:
    """A pool whose oracle has the `gradient` of one window's elements."""
    return _with_gradient(
        _label(name, settings),
        functools.partial(getattr(jaxpool, name), **settings),
        functools.partial(getattr(reference, name), **settings),
        functools.partial(gradient, **settings),
    )


def _with_gradient(
    name: str, apply: Callable, oracle: Callable, gradient: Callable, **marks: Any
) -> Function:
    jvp, vjp = (functools.partial(f, gradient) for f in (reference.window_jvp, reference.window_vjp))
    return Function(name, apply, oracle, jvp, vjp, **marks)


def product(inputs, *arguments, **options):
    """A pool that only the general function has: differentiable, and neither a selection nor a sum."""
    return jaxpool.pool(inputs, np.ones((), inputs.dtype), jnp.multiply, *arguments, **options)


def _oracle_product(inputs, *arguments, **options):
    return reference.pool(inputs, 1, np.multiply, *arguments, **options)


def _product_gradient(elements):
    return np.array([np.prod(np.delete(elements, i)) for i in range(len(elements))])


SIMPLE = (
    _extreme("max_pool"),
    _extreme("min_pool"),
    _adding("sum_pool"),
    _adding("avg_pool"),
    _adding("avg_pool", count_include_pad=False),
    _adding("avg_pool", divisor_override=3),
    _with_gradient("pool", product, _oracle_product, _product_gradient, result="same", takes_complex=True),
)
# Those composed of selections and sums.
COMPOSED = (
    _smooth("lp_pool", reference.lp_gradient),
    _smooth("lp_pool", reference.lp_gradient, p=3),
    _smooth("lp_pool", reference.lp_gradient, p=np.inf),
    _smooth("logsumexp_pool", reference.logsumexp_gradient),
    _smooth("logsumexp_pool", reference.logsumexp_gradient, temperature=0.3, mean=True),
    _smooth("soft_pool", reference.soft_gradient, temperature=0.7),
    _smooth("median_pool", functools.partial(reference.quantile_gradient, q=0.5)),
    _smooth("quantile_pool", reference.quantile_gradient, q=0.3),
    _smooth("var_pool", reference.var_gradient),
    _smooth("std_pool", reference.std_gradient, correction=1),
    _with_gradient(
        "stochastic_pool deterministic",
        lambda x, *a, **options: jaxpool.stochastic_pool(None, x, *a, deterministic=True, **options),
        reference.stochastic_pool_expectation,
        reference.stochastic_gradient,
    ),
)

# ------------------------------------------------------------------------------------------------- parameters
# Worked out from the inputs, so that derivatives are checked in them too.


def _wide(inputs):
    """In which both frameworks work out parameters."""
    if isinstance(inputs, jax.Array):
        return inputs.astype(max(inputs.dtype, np.dtype(np.float32), key=lambda dtype: dtype.itemsize))
    return np.asarray(inputs, np.float64)


def mean_of(inputs, xp, channel_axis=None):
    """One number, or one for each channel, between -1 and 1 and never 0."""
    kept = () if channel_axis is None else (channel_axis % inputs.ndim,)
    mean = _wide(inputs).sum(tuple(d for d in range(inputs.ndim) if d not in kept))
    return xp.tanh(mean / max(inputs.size // max(mean.size, 1), 1) + 0.3)


def _affine(inputs, xp, window_shape, channel_axis):
    return mean_of(inputs, xp, channel_axis), 2 * mean_of(inputs, xp)


def _share(inputs, xp, window_shape, channel_axis):
    return (mean_of(inputs, xp, channel_axis),)


def _exponent(inputs, xp, window_shape, channel_axis):
    return (3 + mean_of(inputs, xp, channel_axis),)


def _reward(inputs, xp, window_shape, channel_axis):
    return 1.2 + mean_of(inputs, xp, channel_axis), 1.5 + mean_of(inputs, xp)


def _gate(inputs, xp, window_shape, channel_axis):
    channels = mean_of(inputs, xp, channel_axis)
    taps = np.linspace(-1, 2, int(np.prod(window_shape))).reshape(window_shape)
    if channel_axis is None:
        return (xp.asarray(taps, channels.dtype) * channels,)
    return (xp.asarray(taps, channels.dtype)[..., None] * xp.expand_dims(channels, tuple(range(taps.ndim))),)


def _one_gate(inputs, xp, window_shape, channel_axis):
    taps = np.linspace(2, -1, int(np.prod(window_shape))).reshape(window_shape)
    mean = mean_of(inputs, xp)
    return (xp.asarray(taps, mean.dtype) * mean,)


def _logits(inputs, xp, window_shape, channel_axis):
    return (xp.cos(2 * _wide(inputs)),)


def _one_channel(inputs, xp, window_shape, channel_axis):
    wide = _wide(inputs)
    return (xp.sin(wide if channel_axis is None else wide.sum(channel_axis, keepdims=True)),)


def _trainable(name: str, parameters: Callable, form: str = "", **settings: Any) -> Function:
    """A pool of `(inputs, *parameters, window_shape, strides, padding)`."""

    def bound(package, xp):
        def apply(inputs, window_shape, *arguments, **options):
            made = parameters(inputs, xp, window_shape, options.get("channel_axis", -1))
            return getattr(package, name)(inputs, *made, window_shape, *arguments, **settings, **options)

        return apply

    return Function(_label(name, settings) + form, bound(jaxpool, jnp), bound(reference, np))


TRAINABLE = (
    _trainable("subsample_pool", _affine),
    _trainable("subsample_pool", _affine, activation=True),
    _trainable("mixed_pool", _share),
    _trainable("gated_pool", _gate),
    _trainable("gated_pool", _one_gate, " shared"),
    _trainable("gem_pool", _exponent),
    _trainable("detail_preserving_pool", _reward),
    _trainable("detail_preserving_pool", _reward, symmetric=True),
    _trainable("lip_pool", _logits),
    _trainable("lip_pool", _one_channel, " of one channel"),
)

# ------------------------------------------------------------------------------------------------- morphology


def mask_of(window_shape):
    """A mask that its reflection differs from, and that is all of a window of two cells only."""
    mask = np.arange(int(np.prod(window_shape))) % 4 < 2
    return mask.reshape(window_shape)


def _flat(name: str) -> Function:
    oracle = getattr(reference.morphology, name)

    def jvp(inputs, tangent, k, *arguments, **options):
        indices = oracle(inputs, mask_of(k), *arguments, **options)[1]
        return reference.pick(tangent, indices, len(k), channel_axis=options.get("channel_axis", -1))

    def vjp(inputs, cotangent, k, *arguments, **options):
        indices = oracle(inputs, mask_of(k), *arguments, **options)[1]
        axis = options.get("channel_axis", -1)
        return reference.scatter_add(cotangent, indices, inputs.shape, len(k), channel_axis=axis)

    return Function(
        f"{name} mask",
        lambda x, k, *a, **options: getattr(jaxpool.morphology, name)(x, mask_of(k), *a, **options),
        lambda x, k, *a, **options: oracle(x, mask_of(k), *a, **options)[0],
        jvp,
        vjp,
        "same",
        special=True,
    )


def _structured(name: str, kernel: Callable, form: str = "") -> Function:
    def bound(package, xp):
        def apply(inputs, window_shape, *arguments, **options):
            (made,) = kernel(inputs, xp, window_shape, options.get("channel_axis", -1))
            own = made.ndim > len(window_shape)
            return getattr(package, name)(inputs, made, *arguments, per_channel=own, **options)

        return apply

    return Function(name + form, bound(jaxpool.morphology, jnp), _first(bound(reference.morphology, np)))


MORPHOLOGY = (
    _structured("dilate", _gate),
    _flat("dilate"),
    _structured("erode", _gate),
    _structured("erode", _one_gate, " shared"),
    _flat("erode"),
)
FUNCTIONS = SIMPLE + COMPOSED + TRAINABLE + MORPHOLOGY
# One of each kind of derivative rule, for checks whose cost grows with the number of functions.
KINDS = tuple(f for f in SIMPLE if f.name in ("max_pool", "avg_pool count_include_pad=False", "pool"))
