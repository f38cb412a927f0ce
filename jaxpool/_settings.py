"""What is wrong with a module's settings whatever it is called with, so that it fails when it is made."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import Parameter
from typing import Any, Literal, SupportsIndex, Union, get_args, get_origin

from jaxpool import _learned
from jaxpool._arguments import as_integer, as_integers, as_sequence, is_integer
from jaxpool._ops._arrays import as_bool, as_number
from jaxpool._ops._element import as_element, is_flat
from jaxpool._ops._integers import as_dtype, as_rounding
from jaxpool._ops._smooth import as_temperature, order_of_norm
from jaxpool._ops.quantized import as_scale
from jaxpool._ops.rank import as_level
from jaxpool._ops.spread import as_correction
from jaxpool._ops.sum_avg import as_divisor
from jaxpool._window import make_window

# What the functions ask of numbers and dtypes, by the names of their arguments.
_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "p": order_of_norm,
    "q": as_level,
    "temperature": as_temperature,
    "correction": as_correction,
    "dtype": as_dtype,
    "scale": functools.partial(as_scale, "scale"),
    "output_scale": functools.partial(as_scale, "output_scale"),
}
# The integers that must be at least 1, alone or in a sequence.
_POSITIVE = (
    "filter_size",
    "head_size",
    "image_shape",
    "iterations",
    "k",
    "levels",
    "max_sampling_ratio",
    "num_clusters",
    "num_features",
    "num_heads",
    "num_positions",
    "num_queries",
    "out_features",
    "output_shape",
    "reference_shape",
    "sampling_ratio",
    "strides",
    "times",
    "window_dilation",
    "window_shape",
)
_OF_WINDOWS = tuple(inspect.signature(make_window).parameters)
_ANY_LENGTH = 2**40


@contextlib.contextmanager
def naming(module: type) -> Iterator[None]:
    """Errors of what a user wrote begin with the module's name."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):
            raise
        raise type(error)(f"{module.__name__}: {error}") from None


def check(function: Callable, parameters: Iterable[Parameter], settings: Mapping[str, Any]) -> None:
    """Raises what a call of the function would, as far as it is known before there are arrays."""
    if {"window_shape", "padding"} <= settings.keys():
        _check_window(settings)
    if "kernel" in settings and is_flat(settings["kernel"]):
        as_element(settings["kernel"], 0, None, as_bool("per_channel", settings["per_channel"]))
    if "rounding" in settings:
        result = as_dtype(settings["dtype"])
        as_rounding(settings["rounding"], result)
        as_divisor(True, settings.get("divisor_override"), result)
    for parameter in parameters:
        name, value = parameter.name, settings[parameter.name]
        _check_type(name, _read(function, parameter.annotation), value)
        if value is None:
            continue
        if name in _NUMBERS:
            _NUMBERS[name](value)
        elif name in _POSITIVE and not (name == "output_shape" and "unpool" in function.__name__):
            _check_positive(name, value)


@functools.cache
def _read(function: Callable, annotation: str) -> Any:
    """The type that an annotation names, in the file of a function or in that of what modules learn."""
    return eval(annotation, {**vars(_learned), **getattr(inspect.unwrap(function), "__globals__", {})})


def _check_window(settings: Mapping[str, Any]) -> None:
    """By the checks of every window, in an array that it fits and that has all axes it names."""
    arguments = {n: settings[n] for n in _OF_WINDOWS if n in settings}
    channel_axis = arguments.get("channel_axis")
    other = abs(as_integer("channel_axis", channel_axis)) if channel_axis is not None else 0
    ndim = len(as_integers("window_shape", arguments["window_shape"], minimum=1)) + other + 1
    make_window((_ANY_LENGTH,) * ndim, **arguments)


def _check_type(name: str, hint: Any, value: Any) -> None:
    """The value must be of a type that the functions check; what is of others is left to them."""
    kind = get_origin(hint) or hint
    if kind in (Union, types.UnionType):
        _check_union(name, get_args(hint), value)
    elif kind is Literal:
        if not isinstance(value, str) or value not in get_args(hint):
            expected = ", ".join(map(repr, get_args(hint)))
            raise ValueError(f"{name} must be one of {expected}, got {value!r}.")
    elif kind is Sequence:
        (of_entries,) = get_args(hint)
        for entry in as_sequence(name, value):
            _check_type(f"every entry of {name}", of_entries, entry)
    elif kind in (int, SupportsIndex):
        as_integer(name, value)
    elif kind is float:
        as_number(name, value)
    elif kind is bool:
        as_bool(name, value)


def _check_union(name: str, hints: Sequence[Any], value: Any) -> None:
    """One of the types must be that of the value; the last one says what is wrong."""
    if value is None and types.NoneType in hints:
        return
    *others, last = [hint for hint in hints if hint is not types.NoneType]
    if not any(_is_of(hint, value) for hint in others):
        _check_type(name, last, value)


def _is_of(hint: Any, value: Any) -> bool:
    try:
        _check_type("", hint, value)
    except (TypeError, ValueError):
        return False
    return True


def _check_positive(name: str, value: Any) -> None:
    for entry in value if isinstance(value, Sequence) else (value,):
        if isinstance(entry, Sequence):
            _check_positive(name, entry)
        elif is_integer(entry) and entry < 1:
            raise ValueError(f"{name} must be at least 1, got {value!r}.")
