"""The documentation of modules, from that of their functions."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Mapping
from inspect import Parameter

from jaxpool import morphology
from jaxpool._learned import learned

# The stream of random numbers that Flax's modules take keys from.
STREAM = "pooling"
BY_STREAM = (
    f"A call takes a key from the stream {STREAM!r}, or else the default one, unless it is `deterministic` "
    "or given what to draw with."
)
_ARGUMENT = re.compile(r"^(\w+): ", re.MULTILINE)


def texts(function: Callable, options: Mapping[Parameter, str]) -> Mapping[str, str]:
    """What each argument of a pool or of its modules means, and each option; nothing under `python -OO`."""
    _, *entries = _ARGUMENT.split(_section(function, "Args"))
    of_function = dict(zip(entries[::2], map(str.rstrip, entries[1::2]), strict=True))
    of_modules = {
        p.name: _filled(text, "  ") for p, text in {**learned(function).settings, **options}.items()
    }
    return defaultdict(str, of_function | of_modules)


def of_class(function: Callable, described: Mapping[str, str], drawing: str) -> str:
    """The documentation of a pool's module, with its arguments, and how it draws what is random."""
    place = f"morphology.{function.__name__}" if function in vars(morphology).values() else function.__name__
    weights = ", ".join(f"`{array}`" for array in learned(function).starts)
    about = f"A module that applies `jaxpool.{place}`, whose documentation says what results mean. "
    about += (
        f"It learns {weights}, in float32. {learned(function).about}" if weights else "It has no parameters."
    )
    if "key" in inspect.signature(function).parameters:
        about += f" {drawing}"
    return f"{_summary(function)}\n\n{_filled(about)}\n{_listed(described)}"


def of_call(function: Callable, described: Mapping[str, str]) -> str:
    """The documentation of a call of a pool's module."""
    returned = textwrap.indent(_section(function, "Returns"), "  ")
    return f"{_summary(function)}\n{_listed(described)}\nReturns:\n{returned}\n"


def _summary(function: Callable) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _section(function: Callable, name: str) -> str:
    """What stands in a section of a function's documentation."""
    _, _, rest = (inspect.getdoc(function) or "").partition(f"\n{name}:\n")
    return textwrap.dedent(re.split(r"\n\n?(?=\S)", rest, maxsplit=1)[0])


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 85, subsequent_indent=indent, break_on_hyphens=False).strip()


def _listed(described: Mapping[str, str]) -> str:
    """A section of arguments; none where there are none."""
    entries = "".join(f"{name}: {text}\n" for name, text in described.items())
    return "\nArgs:\n" + textwrap.indent(entries, "  ") if entries else ""
