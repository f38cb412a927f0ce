"""What the Flax modules have in common: each is a function with all its arguments but the inputs bound."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def parameters(function: Callable) -> list[inspect.Parameter]:
    """The parameters of a pool's module: those of the pool, without the array it is applied to."""
    return [p for p in inspect.signature(function).parameters.values() if p.name != "inputs"]


def class_namespace(function: Callable, module: str) -> dict[str, Any]:
    """The name, home and documentation of a pool's module."""
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    name = "".join(word.capitalize() for word in function.__name__.split("_"))
    doc = (
        f"{summary}\n\n"
        f"A module that applies `jaxpool.{function.__name__}`; the arguments are the function's, in the same "
        "order, without `inputs`. It has no parameters.\n\n"
        "Call it with:\n"
        "  inputs: the array to pool.\n\n"
        "Returns:\n"
        f"  What `jaxpool.{function.__name__}` returns."
    )
    return {"__module__": module, "__qualname__": name, "__doc__": doc}


def freeze(value: Any) -> Any:
    """Lists become tuples, at any depth, for modules must be hashable."""
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
