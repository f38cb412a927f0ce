"""What the Flax modules have in common: each is a function with all arguments bound but its arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxpool import morphology
from jaxpool._learned import learned

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
# The stream of random numbers that modules take keys from.
STREAM = "pooling"


def parameters(function: Callable) -> list[inspect.Parameter]:
    """The parameters of a pool's module: those of the pool, without the arrays it is applied to or learns."""
    other = ("key", *_ARRAYS, *learned(function).starts)
    own = [p for p in inspect.signature(function).parameters.values() if p.name not in other]
    return sorted([*learned(function).settings, *own], key=lambda p: p.kind)


def call_signature(function: Callable) -> inspect.Signature:
    """How a pool's module is called: with the pool's arrays, in their order."""
    arrays = [p for p in inspect.signature(function).parameters.values() if p.name in _ARRAYS]
    return inspect.Signature(arrays)


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
    """Calls the pool with a module's settings, its weights and the arrays; with a new key to draw samples."""
    extra = [p.name for p in learned(function).settings]
    if learned(function).logarithms:
        weights = {name: jnp.exp(weight) for name, weight in weights.items()}
    bound = {name: value for name, value in settings.items() if name not in extra}
    bound |= {name: weights.get(name) for name in learned(function).starts}
    if is_random(function):
        draws = not bound["deterministic"] and arrays.get("random_samples") is None
        bound = {"key": make_key() if draws else None, **bound}
    return function(**bound, **arrays)


def class_namespace(function: Callable, module: str) -> dict[str, Any]:
    """The name, home and documentation of a pool's module."""
    place = f"morphology.{function.__name__}" if function in vars(morphology).values() else function.__name__
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    name = "".join(word.capitalize() for word in function.__name__.split("_"))
    arrays = ", ".join(f"`{array}`" for array in call_signature(function).parameters)
    weights = ", ".join(f"`{array}`" for array in learned(function).starts)
    doc = (
        f"{summary}\n\n"
        f"A module that applies `jaxpool.{place}`; its arguments are the function's, in the same "
        f"order, without its arrays. "
        + (
            f"It learns {weights}, in float32. {learned(function).about}"
            if weights
            else "It has no parameters."
        )
        + "\n\n"
        f"Call it with the arrays of the function: {arrays}.\n\n"
        "Returns:\n"
        f"  What `jaxpool.{place}` returns."
    )
    if is_random(function):
        doc += (
            f"\n\nA call takes a key from the stream {STREAM!r}, or else the default one, unless it is "
            "`deterministic` or given the samples."
        )
    return {"__module__": module, "__qualname__": name, "__doc__": doc}


def freeze(value: Any) -> Any:
    """Lists and masks become tuples, at any depth, for modules must be hashable."""
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        value = value.tolist()
    return tuple(map(freeze, value)) if isinstance(value, list | tuple) else value
