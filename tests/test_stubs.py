"""What a type checker, an editor and `inspect` see of the modules."""

import importlib.metadata
import importlib.util
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import jaxpool
import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool
from jaxpool._modules import freeze
from stubs import COMMAND, path_of, stub_of
from tests.module_tables import DRAWN, POOLS, RANDOM, RENAMED, SETTINGS, SIZED

ROOT = Path(__file__).parents[1]


def test_stubs_are_what_the_functions_say(package):
    written = path_of(package).read_text(encoding="utf-8")
    assert written == stub_of(package), f"{path_of(package)} is out of date: run `{COMMAND}`."


@pytest.mark.parametrize("name", POOLS)
def test_every_argument_is_described(name, package):
    cls = getattr(package, name)
    for described in (cls, cls.__call__):
        arguments = [
            n for n in inspect.signature(described).parameters if n not in ("self", "parent", "name")
        ]
        _, _, listed = inspect.getdoc(described).partition("\nArgs:\n")
        texts = re.findall(r"^  (\w+): \S+", listed.partition("\n\n")[0], re.MULTILINE)
        assert texts == [*dict.fromkeys(arguments)], described
    assert "\nReturns:\n  " in inspect.getdoc(cls.__call__)
    assert max(map(len, inspect.getdoc(cls).splitlines())) <= 110


def test_subclasses_have_their_own_signature():
    class Wide(nnx_pool.MaxPool):
        def __init__(self, times: int):
            super().__init__((times, times))

    class Named(linen_pool.MaxPool):
        label: str = "wide"

    assert [*inspect.signature(Wide).parameters] == ["times"]
    assert Wide(3).window_shape == (3, 3)
    assert Named((2, 2), label="small").label == "small"
    assert nnx_pool.MaxPool[int].__origin__ is nnx_pool.MaxPool
    with pytest.raises(TypeError, match="Wide: every entry of window_shape"):
        Wide("3")


def test_the_package_has_its_modules_and_its_version(monkeypatch):
    assert jaxpool.__getattr__("linen") is linen_pool
    assert jaxpool.__getattr__("nnx") is nnx_pool
    monkeypatch.setitem(sys.modules, "equinox", None)
    monkeypatch.delitem(sys.modules, "jaxpool.equinox", raising=False)
    with pytest.raises(
        ImportError, match=r"needs Equinox, which is not installed: pip install 'jaxpool\[equinox"
    ):
        jaxpool.__getattr__("equinox")
    with pytest.raises(AttributeError, match="module 'jaxpool' has no attribute 'nxn'"):
        jaxpool.nxn  # noqa: B018
    assert jaxpool.__version__ == importlib.metadata.version("jaxpool")

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert jaxpool.__version__ == "0+unknown"


# ------------------------------------------------------------------------------------------- by pyright


def _settings(name, package):
    settings = {"window_shape": (2, 2)} if "window_shape" in inspect.signature(POOLS[name]).parameters else {}
    settings |= {n: freeze(value) for n, value in SETTINGS.get(name, {"window_shape": (2, 2)}).items()}
    names = RENAMED.get(f"jaxpool.{package}", {})
    written = {names.get(n, n): getattr(v, "__name__", None) or repr(v) for n, v in settings.items()}
    sized = {"num_features": "3"} if name in SIZED and package != "linen" else {}
    drawn = {"nnx": {"rngs": "rngs"}, "equinox": {"key": "x"}}.get(package, {}) if name in DRAWN else {}
    return sized | written | drawn | ({"rngs": "rngs"} if name in RANDOM and package == "nnx" else {})


def _made(name, package, **settings):
    arguments = ", ".join(f"{n}={value}" for n, value in settings.items())
    return f"{package}_pool.{name}({arguments})"


def _array(p):
    return "[x]" if "Sequence" in p.annotation else "x"


def _uses(name, package, cls):
    """Lines that are right, and lines of which each is wrong, of a module."""
    function, settings = POOLS[name], _settings(name, package)
    _, *parameters = inspect.signature(cls.__call__).parameters.values()
    call = ", ".join(_array(p) for p in parameters if p.default is p.empty)
    results = [(inspect.signature(function).return_annotation, settings)]
    if overloads := [inspect.signature(overload) for overload in typing.get_overloads(function)]:
        results = [(one.return_annotation, settings | _chosen(one)) for one in overloads]
    for result, chosen in results:
        yield f"assert_type({_made(name, package, **chosen)}({call}), {result})"
    yield f"module: {package}_pool.{name} = {_made(name, package, **settings)}"
    yield from (f"assert_type(module.{n}, {p.annotation})" for n, p in _readable(cls, package).items())
    yield f"assert isinstance(module, {package}_pool.Pooling)"
    yield f"class Mine({package}_pool.{name}): ..."
    switch = RENAMED.get(f"jaxpool.{package}", {}).get("deterministic", "deterministic")
    yield f"module({call}, {switch}=True)" + ("" if name in RANDOM else "  # pyright: ignore")
    yield f"{_made(name, package, **settings, unknown=1)}  # pyright: ignore"
    yield f"module({call}, unknown=1)  # pyright: ignore"
    if package != "linen":  # Linen's modules have a method `__getattr__`, behind which every attribute may be
        yield "module.unknown  # pyright: ignore"
    for n, p in inspect.signature(cls).parameters.items():
        if n in settings and p.default is p.empty:
            others = {other: value for other, value in settings.items() if other != n}
            yield f"{_made(name, package, **others)}  # pyright: ignore"
        if n not in ("parent", "name"):
            yield f"{_made(name, package, **settings | {n: 'Nothing()'})}  # pyright: ignore"


def _chosen(overload):
    """The settings that an overload is for."""
    parameters = overload.parameters.values()
    return {p.name: p.annotation[8:-1] for p in parameters if p.annotation.startswith("Literal[")}


def _readable(cls, package):
    """The settings with types that have no names of the package's."""
    known = ("int", "bool", "float", "int | None")
    return {n: p for n, p in inspect.signature(cls).parameters.items() if p.annotation in known}


def test_every_module_by_pyright(tmp_path):
    for needed, extra in (("pyright", "dev"), ("equinox", "equinox")):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"the extra {extra} is missing: {needed}")
    lines = ["# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedExpression=false"]
    lines += ["# pyright: reportUnusedClass=false, reportUnnecessaryIsInstance=false"]
    lines += ["from typing import assert_type", "from flax import nnx", "from jax import Array"]
    lines += ["from jax.lax import mul", "class Nothing: ..."]
    for package in ("linen", "nnx", "equinox"):
        lines.append(f"import jaxpool.{package} as {package}_pool")
        for name in POOLS:
            cls = getattr(getattr(jaxpool, package), name)
            lines.append(f"def {package}_{name}(x: Array, rngs: nnx.Rngs):")
            lines += [f"    {line}" for line in _uses(name, package, cls)]
    (tmp_path / "every_use.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    hand_written = ROOT / "tests" / "typed_uses.py"
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(hand_written)]
    command += [str(tmp_path / "every_use.py")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
