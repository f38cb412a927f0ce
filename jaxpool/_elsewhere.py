"""What arguments are called in other frameworks, and what to write here."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Container, Iterable
from typing import Any, TypeVar, cast

# Names elsewhere, the argument here, what to write, and what that is; docs/migration.md has the same table.
ARGUMENTS = (
    (
        ("kernel_size", "pool_size", "ksize", "kernel_shape", "window_dimensions"),
        "window_shape",
        "window_shape=(2, 2)",
        "an entry for each spatial axis",
    ),
    (("stride", "window_strides"), "strides", "strides=(2, 2)", "which are 1 where they are left out"),
    (
        ("dilation", "dilations", "dilation_rate", "rates"),
        "window_dilation",
        "window_dilation=(2, 2)",
        "an entry for each spatial axis",
    ),
    (
        ("pad", "pads", "auto_pad"),
        "padding",
        "padding=((1, 1), (1, 1))",
        "the cells below and above each spatial axis, or a name such as 'SAME'",
    ),
    (
        ("data_format",),
        "channel_axis",
        "channel_axis=1",
        "for 'NCHW' or 'channels_first'; channels are last where it is left out",
    ),
    (("output_size",), "output_shape", "output_shape=(7, 7)", "an entry for each spatial axis"),
    (("return_mask",), "return_indices", "return_indices=True", "for a pair of values and indices"),
    (("norm_type",), "p", "p=2.0", "the order of the norm"),
    (("dim", "axes"), "axis", "axis=(1, 2)", "the axes that are pooled"),
    (("keepdim",), "keepdims", "keepdims=True", "for axes of length 1 in place of those that are pooled"),
    (("mask",), "where", "where=mask", "which is True where an element takes part"),
    (("input", "x", "operand"), "inputs", "inputs=x", "or the array first, without a name"),
)
_HERE = {name: (here, f"{call}, {about}") for names, here, call, about in ARGUMENTS for name in names}

_Function = TypeVar("_Function", bound=Callable[..., Any])


def public(function: _Function) -> _Function:
    """A function that says what to write for an argument that goes by another name elsewhere."""
    known = frozenset(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= known:
            check_names(kwargs, known, f"{function.__qualname__}() ")
        return function(*args, **kwargs)

    return cast(_Function, call)


def check_names(given: Iterable[str], known: Container[str], caller: str = "") -> None:
    """Raises where one is the name elsewhere of an argument that is known; other mistakes are Python's."""
    for name in given:
        here, text = _HERE.get(name, ("", ""))
        if name not in known and here in known:
            raise TypeError(f"{caller}got an unexpected keyword argument {name!r}: write {text}.")
