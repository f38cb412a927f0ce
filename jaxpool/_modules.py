"""What the Flax modules have in common: each is a function with all arguments bound but its arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

# The arguments that differ from call to call. All others are a module's own.
_ARRAYS = ("inputs", "values", "indices", "where", "random_samples")
# The stream of random numbers that modules take keys from.
STREAM = "pooling"


def parameters(function: Callable) -> list[inspect.Parameter]:
    """The parameters of a pool's module: those of the pool, without the arrays it is applied to."""
    return [p for p in inspect.signature(function).parameters.values() if p.name not in ("key", *_ARRAYS)]


def call_signature(function: Callable) -> inspect.Signature:
    """How a pool's module is called: with the pool's arrays, in their order."""
    arrays = [p for p in inspect.signature(function).parameters.values() if p.name in _ARRAYS]
    return inspect.Signature(arrays)


def is_random(function: Callable) -> bool:
    """Whether the pool takes a key."""
    return "key" in inspect.signature(function).parameters


def call(
    function: Callable,
    signature: inspect.Signature,
    bound: dict[str, Any],
    make_key: Callable[[], Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Calls the pool with a module's arguments and the arrays; with a new key where it draws samples."""
    arrays = signature.bind(*args, **kwargs).arguments
    if is_random(function):
        draws = not bound["deterministic"] and arrays.get("random_samples") is None
        bound = {"key": make_key() if draws else None, **bound}
    return function(**bound, **arrays)


def class_namespace(function: Callable, module: str) -> dict[str, Any]:
    """The name, home and documentation of a pool's module."""
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    name = "".join(word.capitalize() for word in function.__name__.split("_"))
    arrays = ", ".join(f"`{array}`" for array in call_signature(function).parameters)
    doc = (
        f"{summary}\n\n"
        f"A module that applies `jaxpool.{function.__name__}`; its arguments are the function's, in the same "
        f"order, without its arrays. It has no parameters.\n\n"
        f"Call it with the arrays of the function: {arrays}.\n\n"
        "Returns:\n"
        f"  What `jaxpool.{function.__name__}` returns."
    )
    if is_random(function):
        doc += (
            f"\n\nA call takes a key from the stream {STREAM!r}, or else the default one, unless it is "
            "`deterministic` or given the samples."
        )
    return {"__module__": module, "__qualname__": name, "__doc__": doc}


def freeze(value: Any) -> Any:
    """Lists become tuples, at any depth, for modules must be hashable."""
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
