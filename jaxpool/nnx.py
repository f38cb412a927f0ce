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
from jaxpool._nnx_stream import Streaming as Streaming
from jaxpool._nnx_stream import StreamState as StreamState
from jaxpool._ops.general import pool as pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.sum_avg import avg_pool as avg_pool

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
    first = _modules.NUM_FEATURES if learned.sized else {}
    last = _SAMPLED if learned.sampled else _RANDOM if random else {}
    parameters = (*first, *_modules.parameters(function))
    texts = _documentation.texts(function, first | last)
    signature = inspect.Signature((*parameters, *last))
    members = {
        "__module__": __name__,
        "__doc__": _documentation.of_class(
            function, {name: texts[name] for name in signature.parameters}, _documentation.BY_STREAM
        ),
        "__init__": _modules.method("__init__", _initialize, signature),
        "__call__": _modules.call_method(_call, function, _DRAWS if random else {}),
        "_function": staticmethod(function),
        "_parameters": parameters,
    }
    view = {"set_view": _set_view} if random else {}
    return type(_modules.class_name(function), (Pooling,), members | view | _modules.generic(function))


globals().update({made.__name__: made for made in map(_module, _modules.POOLS)})
