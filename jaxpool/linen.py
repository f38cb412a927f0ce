"""Pools as Flax Linen modules: every function of `jaxpool`, with its arguments bound.

    import jaxpool.linen as nn_pool
    model = nn.Sequential([nn.Conv(8, (3, 3)), nn_pool.MaxPool((2, 2), (2, 2))])

The functions that `flax.linen` has are here under the same names: changing the import is all it takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import flax.linen as nn
from jax.typing import ArrayLike

from jaxpool import _modules
from jaxpool._ops import general, max_min, sum_avg
from jaxpool._ops.general import pool as pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.sum_avg import avg_pool as avg_pool

# Every Linen module has a method `init`, so an argument of this name needs another as a field.
_FIELDS = {"init": "init_value"}


class Pooling(nn.Module):
    """What all pooling modules are: a pooling function with its arguments bound."""

    _function: ClassVar[Callable]
    _arguments: ClassVar[dict[str, str]] = {}

    def __post_init__(self):
        for field in self._arguments.values():
            object.__setattr__(self, field, _modules.freeze(getattr(self, field)))
        super().__post_init__()

    def __call__(self, inputs: ArrayLike) -> Any:
        arguments = {name: getattr(self, field) for name, field in self._arguments.items()}
        return self._function(inputs, **arguments)


def _module(function: Callable[..., Any]) -> Callable[..., Pooling]:
    namespace = _modules.class_namespace(function, __name__)
    namespace |= {"_function": staticmethod(function), "_arguments": {}, "__annotations__": {}}
    for p in _modules.parameters(function):
        field = _FIELDS.get(p.name, p.name)
        default = {} if p.default is p.empty else {"default": p.default}
        namespace["_arguments"][p.name] = field
        namespace["__annotations__"][field] = p.annotation
        namespace[field] = dataclasses.field(kw_only=p.kind is p.KEYWORD_ONLY, **default)
    return type(namespace["__qualname__"], (Pooling,), namespace)


MaxPool = _module(max_min.max_pool)
MinPool = _module(max_min.min_pool)
AvgPool = _module(sum_avg.avg_pool)
SumPool = _module(sum_avg.sum_pool)
Pool = _module(general.pool)
