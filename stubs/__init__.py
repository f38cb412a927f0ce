"""Stubs of the modules: what type checkers and editors read of classes that are made from functions."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from inspect import Parameter
from pathlib import Path
from typing import Any

from jaxpool import _learned

COMMAND = "python -m stubs"
_DATACLASS = "from dataclasses import KW_ONLY\n\n"
_HEADS = {
    "jaxpool.linen": f"{_DATACLASS}import flax.linen as nn",
    "jaxpool.nnx": "from flax import nnx",
    "jaxpool.equinox": f"{_DATACLASS}import equinox as eqx",
}
_BASES = {"jaxpool.linen": "nn.Module", "jaxpool.nnx": "nnx.Module", "jaxpool.equinox": "eqx.Module"}
# Linen adds these to every module.
_OF_LINEN = {
    "parent": Parameter("parent", Parameter.KEYWORD_ONLY, default=None, annotation="nn.Module | None"),
    "name": Parameter("name", Parameter.KEYWORD_ONLY, default=None, annotation="str | None"),
}


def files() -> list[types.ModuleType]:
    """The files of modules, which import the frameworks that these are of."""
    return [importlib.import_module(name) for name in _BASES]


def path_of(file: types.ModuleType) -> Path:
    """Where the stub of a file of modules is."""
    return Path(str(file.__file__)).with_suffix(".pyi")


def stub_of(file: types.ModuleType) -> str:
    """The stub of a file of modules."""
    pooling: Any = vars(file)["Pooling"]
    modules: list[Any] = [
        v for v in vars(file).values() if inspect.isclass(v) and issubclass(v, pooling) and v is not pooling
    ]
    # What has a file of its own, which type checkers read.
    others = {
        name: value
        for name, value in vars(file).items()
        if (inspect.isfunction(value) or (inspect.isclass(value) and value.__module__.endswith("_stream")))
        and not name.startswith("_")
    }
    classes = ["\n".join(_class(cls, file)) for cls in modules]
    imports = {("jax", "Array"), *((v.__module__, f"{name} as {name}") for name, v in others.items())}
    imports |= {("typing", name) for name in ("Any", "Generic", "overload")}
    homes: dict[str, tuple[str, Any]] = {}
    for cls, text in zip(modules, classes, strict=True):
        for name in _names(text):
            home, value = _home(name, cls._function)
            known, first = homes.setdefault(name, (home, value))
            if value != first:
                raise ValueError(
                    f"{name} must mean one thing in annotations, not that of {known} and of {home}."
                )
    imports |= {(home, name) for name, (home, _) in homes.items()}
    return "\n".join(
        [
            f"# Written by `{COMMAND}` from the functions: run it again where this is out of date.",
            *_documentation(file, 0),
            "",
            _HEADS[file.__name__],
            *(f"from {home} import {name}" for home, name in sorted(imports)),
            "from typing_extensions import TypeVar",
            "",
            '_Result = TypeVar("_Result", default=Array)',
            "",
            f"class Pooling({_BASES[file.__name__]}):",
            *_documentation(pooling, 1),
            "    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...",
            "",
            "\n\n".join(classes),
            "",
        ]
    )


def _class(cls: Any, file: types.ModuleType) -> Iterator[str]:
    function, overloads = cls._function, typing.get_overloads(cls._function)
    result = "_Result" if overloads else inspect.signature(function).return_annotation
    yield f"class {cls.__name__}(Pooling{', Generic[_Result]' if overloads else ''}):"
    yield from _documentation(cls, 1)
    parameters = dict(inspect.signature(cls).parameters)
    match file.__name__:
        case "jaxpool.linen":
            parameters = {n: p for n, p in parameters.items() if n not in _OF_LINEN}
            yield from _fields(parameters)
            parameters |= _OF_LINEN
        case "jaxpool.nnx":
            yield from (f"    {p.name}: {p.annotation}" for p in cls._parameters)
            yield from _learned_as("nnx.Param[Array]", cls._function)
            yield from ["    rngs: nnx.RngStream | None"] * hasattr(cls, "set_view")
        case "jaxpool.equinox":
            yield from _fields({p.name: p for p in cls._parameters})
            yield from (f"{line} = eqx.field(init=False)" for line in _learned_as("Array", cls._function))
    for overload in overloads:
        signature = inspect.signature(overload)
        chosen = {n: signature.parameters.get(n, p) for n, p in parameters.items()}
        yield "    @overload"
        yield from _method("__init__", chosen, "None", f"{cls.__name__}[{signature.return_annotation}]")
    if not overloads:
        yield from _method("__init__", parameters, "None")
    _, *arrays = inspect.signature(cls.__call__).parameters.values()
    yield from _method("__call__", {p.name: p for p in arrays}, result, of=cls.__call__)
    if hasattr(cls, "set_view"):
        _, *options = inspect.signature(cls.set_view).parameters.values()
        yield from _method("set_view", {p.name: p for p in options}, "None", of=cls.set_view)


def _fields(parameters: dict[str, Parameter]) -> Iterator[str]:
    """The fields of a module, for the `__init__` of classes that are made from it."""
    for line in _listed(parameters, "_: KW_ONLY"):
        yield f"    {line}"


def _listed(parameters: dict[str, Parameter], marker: str) -> Iterator[str]:
    """The parameters, with a marker before the first that goes by keyword alone."""
    by_keyword = False
    for p in parameters.values():
        if p.kind is p.KEYWORD_ONLY and not by_keyword:
            by_keyword = True
            yield marker
        yield _written(p)


def _learned_as(kind: str, function: Callable) -> Iterator[str]:
    """What a module learns, as attributes of a kind."""
    for name, start in _learned.learned(function).starts.items():
        optional = " | None" if "None" in str(inspect.signature(start).return_annotation) else ""
        yield f"    {name}: {kind}{optional}"


def _method(
    name: str, parameters: dict[str, Parameter], result: str, this: str = "", of: Callable | None = None
) -> Iterator[str]:
    yield f"    def {name}("
    yield f"        self: {this}," if this else "        self,"
    for line in _listed(parameters, "*"):
        yield f"        {line},"
    if of is None:
        yield f"    ) -> {result}: ..."
    else:
        yield f"    ) -> {result}:"
        yield from _documentation(of, 2)


def _written(p: Parameter) -> str:
    return f"{p.name}: {p.annotation}" + ("" if p.default is p.empty else f" = {p.default!r}")


def _documentation(of: Any, depth: int) -> list[str]:
    """The documentation in quotes, indented."""
    text = (inspect.getdoc(of) or "").rstrip()
    prefix = "r" if "\\" in text else ""
    quoted = f'{prefix}"""{text}\n"""' if "\n" in text else f'{prefix}"""{text}"""'
    return textwrap.indent(quoted, "    " * depth).splitlines()


def _names(text: str) -> set[str]:
    """The names in the text of a class that are defined elsewhere."""
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    given = {"nn", "nnx", "eqx", "Pooling", "Generic", "overload", "_Result", "KW_ONLY", "_", "Array"}
    annotated = {
        node.target.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    own = {node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    return names - given - annotated - own - vars(builtins).keys()


def _home(name: str, function: Callable) -> tuple[str, Any]:
    """Where a name is from that the file of a function has, or that of what modules learn; and its value."""
    for file in (inspect.getmodule(function), _learned):
        assert file is not None
        if hasattr(file, name):
            imports = [
                node for node in ast.parse(inspect.getsource(file)).body if isinstance(node, ast.ImportFrom)
            ]
            homes = [node.module for node in imports if name in [alias.name for alias in node.names]]
            return homes[0] if homes and homes[0] else file.__name__, getattr(file, name)
    raise NameError(f"neither {function.__module__} nor jaxpool._learned has the name {name}")
