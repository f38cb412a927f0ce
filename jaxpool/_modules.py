"""What the Flax modules have in common: each is a function with all arguments bound but its arrays."""

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
from jaxpool._settings import naming

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


def draws(kind: Any) -> dict[Parameter, str]:
    """The option of calls to draw, or not to."""
    text = "whether this call draws nothing; `None` for what the module was made with."
    return {option("deterministic", "bool | None", kind): text}


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
    """Lists and masks become tuples, at any depth, for modules must be hashable."""
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        value = value.tolist()
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
