"""Reading the integers and sequences that a user writes; what is wrong with them is said here."""

from __future__ import annotations

import operator
import reprlib
from typing import Any

import numpy as np
from jax.core import Tracer

_repr = reprlib.Repr()
_repr.maxlist = _repr.maxtuple = 8
_repr.maxstring = _repr.maxother = 200


def shown(value: Any) -> str:
    """What came, in an error; of what is long, the beginning."""
    static = ", which is traced: it must be static, as by static_argnames of jax.jit"
    return _repr.repr(value) + static * isinstance(value, Tracer)


def static_length(length: Any) -> int:
    try:
        return operator.index(length)
    except Exception as error:  # a symbolic dimension of jax.export says so with an error of its own
        raise ValueError(
            f"inputs must have spatial axes of known length, got the symbolic length {length}; batch and "
            "channel axes may be symbolic."
        ) from error


def is_integer(value: Any) -> bool:
    known = hasattr(value, "__index__") and not isinstance(value, bool | Tracer)
    return known and not np.ndim(value)


def as_integer(name: str, value: Any) -> int:
    if not is_integer(value):
        raise TypeError(f"{name} must be an int, got {shown(value)}.")
    return operator.index(value)


def as_sequence(name: str, value: Any, length: int | None = None) -> tuple[Any, ...]:
    if is_integer(value):
        example = (int(value),) * (length or 2)
        raise TypeError(f"{name} must be a sequence of ints, such as {example}, got the int {shown(value)}.")
    other = isinstance(value, str | Tracer)
    if other or not hasattr(value, "__iter__") or not hasattr(value, "__len__"):
        raise TypeError(f"{name} must be a sequence of ints, got {shown(value)}.")
    if length is not None and len(value) != length:
        raise ValueError(f"{name} must have {length} entries, got {shown(value)} with {len(value)}.")
    return tuple(value)


def as_integers(name: str, value: Any, minimum: int | None, length: int | None = None) -> tuple[int, ...]:
    entries = tuple(as_integer(f"every entry of {name}", v) for v in as_sequence(name, value, length))
    if minimum is None:
        return entries
    if any(entry < minimum for entry in entries):
        raise ValueError(f"{name} must hold ints of at least {minimum}, got {shown(value)}.")
    return entries


def as_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions that `axis` names, in ascending order; `None` is all but the first and the last."""
    if axis is None:
        if ndim < 3:
            raise ValueError(f"inputs must have at least 3 dimensions where axis is None, got {ndim}.")
        return tuple(range(1, ndim - 1))
    entries = (axis,) if is_integer(axis) else as_sequence("axis", axis)
    positions = [as_integer("every entry of axis", entry) for entry in entries]
    if not all(-ndim <= position < ndim for position in positions):
        raise ValueError(
            f"axis must hold ints from {-ndim} to {ndim - 1} for inputs of {ndim} dimensions, got "
            f"{shown(axis)}."
        )
    dimensions = sorted({position % ndim for position in positions})
    if len(dimensions) < len(positions):
        raise ValueError(f"axis must name no dimension twice, got {shown(axis)}.")
    return tuple(dimensions)
