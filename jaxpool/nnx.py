"""Pools as Flax NNX modules: every function of `jaxpool`, with its arguments bound.

    import jaxpool.nnx as nnx_pool
    model = nnx.Sequential(nnx.Conv(1, 8, (3, 3), rngs=rngs), nnx_pool.MaxPool((2, 2), (2, 2)))

The functions that `flax.nnx` has are here under the same names: changing the import is all it takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec

from flax import nnx
from jax.typing import ArrayLike

from jaxpool import _modules
from jaxpool._ops import general, max_min, sum_avg
from jaxpool._ops.general import pool as pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.sum_avg import avg_pool as avg_pool

_Arguments = ParamSpec("_Arguments")


class Pooling(nnx.Module):
    """What all pooling modules are: a pooling function with its arguments bound."""

    _function: ClassVar[Callable]
    __signature__: ClassVar[inspect.Signature]

    def __init__(self, *args: Any, **kwargs: Any):
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            setattr(self, name, _modules.freeze(value))

    def __call__(self, inputs: ArrayLike) -> Any:
        names = self.__signature__.parameters
        return self._function(inputs, **{name: getattr(self, name) for name in names})


def _module(
    function: Callable[Concatenate[ArrayLike, _Arguments], Any],
) -> Callable[_Arguments, Pooling]:
    namespace = _modules.class_namespace(function, __name__)
    signature = inspect.Signature(_modules.parameters(function))
    members = {"_function": staticmethod(function), "__signature__": signature}
    return type(namespace["__qualname__"], (Pooling,), namespace | members)


MaxPool = _module(max_min.max_pool)
MinPool = _module(max_min.min_pool)
AvgPool = _module(sum_avg.avg_pool)
SumPool = _module(sum_avg.sum_pool)
Pool = _module(general.pool)
