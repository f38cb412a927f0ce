"""Pools as Equinox modules: every function of `jaxpool`, with its arguments bound.

    import jaxpool.equinox as eqx_pool
    pool = eqx_pool.MaxPool((2, 2), (2, 2), channel_axis=0)
    model = eqx.nn.Sequential([eqx.nn.Conv2d(1, 8, 3, key=key), pool])

Equinox's layers take one example, channels first, whose `channel_axis` is 0 or, with $N$ spatial axes,
$-N - 1$, which is right for batches too. Left out it is the last axis, as everywhere in jaxpool.

The leaves of a module are what it learns, settings that may be arrays, and `inference`, which
`eqx.nn.inference_mode` switches; other settings are static. Every call takes a `key`, for `eqx.nn.Sequential`
gives one to each of its layers. Equinox comes with the extra `equinox`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, ClassVar

import jax
from jax import Array

from jaxpool import _documentation, _learned, _modules, _settings

try:
    import equinox as eqx
except ModuleNotFoundError as error:
    raise ImportError(
        "jaxpool.equinox needs Equinox, which is not installed: pip install 'jaxpool[equinox]'."
    ) from error

from jaxpool._equinox_stream import Streaming as Streaming

# As Equinox calls it, whose `nn.inference_mode` sets it.
_FIELDS = {"deterministic": "inference"}
_SAMPLED = {
    Parameter("key", Parameter.KEYWORD_ONLY, annotation="Array"): "what it learns is drawn with this at the "
    "start."
}
_KEY = _modules.option("key", "Array | None")
_IGNORED = {_KEY: "ignored; it is there for `eqx.nn.Sequential`, which gives every module one."}
_DRAWS = {_KEY: "what this call draws with; `None` where it draws nothing."}
_DRAWS |= _modules.draws(Parameter.KEYWORD_ONLY, "inference")
_BY_KEY = (
    "A call draws with the `key` that it is given, unless `inference` is set or it has what to draw with."
)


class Pooling(eqx.Module):
    """What all pooling modules are: a pooling function with its arguments bound."""

    _function: ClassVar[Callable]
    _parameters: ClassVar[tuple[Parameter, ...]]


def _initialize(module: Pooling, arguments: dict[str, Any]) -> None:
    function, parameters = module._function, module._parameters
    settings = {p.name: _modules.freeze(arguments.get(p.name, p.default)) for p in parameters}
    with _settings.naming(type(module)):
        _settings.check(function, parameters, settings)
    for name, value in settings.items():
        setattr(module, name, value)
    learned = _learned.learned(function)
    starts = learned.start(settings, settings.get("num_features", 1))
    keys = jax.random.split(arguments["key"], len(starts)) if learned.sampled else [None] * len(starts)
    weights = {name: start.make(key) for (name, start), key in zip(starts.items(), keys, strict=True)}
    for name in learned.starts:
        setattr(module, name, weights.get(name))


def _call(module: Pooling, arrays: dict[str, Any]) -> Any:
    function = module._function
    settings = {p.name: getattr(module, _field(p)) for p in _modules.parameters(function)}
    learned = {name: getattr(module, name) for name in _learned.learned(function).starts}
    weights = {name: weight for name, weight in learned.items() if weight is not None}
    make_key = functools.partial(_given, module, arrays.pop("key", None))
    arrays["deterministic"] = arrays.pop("inference", None)
    return _modules.call(function, settings, weights, arrays, make_key)


def _given(module: Pooling, key: Any) -> Array:
    if key is None:
        raise ValueError(
            f"key must be given to {type(module).__name__} to draw samples, or inference be True; got None."
        )
    return key


def _field(parameter: Parameter) -> str:
    return _FIELDS.get(parameter.name, parameter.name)


def _is_static(parameter: Parameter) -> bool:
    """Whether a setting cannot be an array, nor be switched."""
    return parameter.name not in _FIELDS.values() and "ArrayLike" not in parameter.annotation


def _module(function: Callable[..., Any]) -> type[Pooling]:
    learned, random = _learned.learned(function), _modules.is_random(function)
    first, last = _modules.NUM_FEATURES if learned.sized else {}, _SAMPLED if learned.sampled else {}
    parameters = (*first, *(p.replace(name=_field(p)) for p in _modules.parameters(function)))
    texts = _documentation.texts(function, first | last)
    described = {_field(p): texts[p.name] for p in (*first, *_modules.parameters(function), *last)}
    members = {
        "__module__": __name__,
        "__doc__": _documentation.of_class(function, described, _BY_KEY),
        "__annotations__": {p.name: p.annotation for p in parameters}
        | dict.fromkeys(learned.starts, "Array"),
        "__init__": _modules.method("__init__", _initialize, inspect.Signature((*parameters, *last))),
        "__call__": _modules.call_method(_call, function, _DRAWS if random else _IGNORED),
        "_function": staticmethod(function),
        "_parameters": parameters,
    }
    fields = {p.name: eqx.field(static=_is_static(p)) for p in parameters}
    metaclass: Any = type(Pooling)
    return metaclass(_modules.class_name(function), (Pooling,), members | fields | _modules.generic(function))


globals().update({made.__name__: made for made in map(_module, _modules.POOLS)})
