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
from jaxpool._linen_stream import Streaming as Streaming
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
        "__doc__": _documentation.of_class(
            function, {fields[n]: texts[n] for n in fields}, _documentation.BY_STREAM
        ),
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


globals().update({made.__name__: made for made in map(_module, _modules.POOLS)})
