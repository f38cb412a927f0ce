"""What is mutated, how it is run, and what the results depend on."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".mutants"  # what is recorded and found, and the programs that JAX has compiled
_MUTATED = ("_window.py", "_bins.py", "_arguments.py", "_shards.py", "_primitives/*.py", "_lowering/*.py")


def mutated() -> dict[str, bytes]:
    """The sources that are mutated, by their paths from the root."""
    paths = [path for pattern in _MUTATED for path in sorted((ROOT / "jaxpool").glob(pattern))]
    return {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}


def load_as(sources: Mapping[str, bytes]) -> list[CodeType]:
    """Has files, by their paths from the root, run these sources once they are imported; none is written."""
    paths = {str(ROOT / file): source for file, source in sources.items()}
    codes = {path: compile(source, path, "exec", dont_inherit=True) for path, source in paths.items()}
    load = SourceFileLoader.get_code
    SourceFileLoader.get_code = lambda self, fullname: codes.get(self.path) or load(self, fullname)
    return list(codes.values())


def environment(*, keep: bool) -> dict[str, str]:
    """How JAX runs: to compile takes half of the time of tests, and a mutant changes few of the programs.

    Only those of the package as it is are worth to `keep`.
    """
    return {
        "JAX_PLATFORMS": "cpu",  # as in tests/conftest.py, which comes too late where JAX is imported before
        "JAX_COMPILATION_CACHE_DIR": str(CACHE / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0" if keep else "1e9",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def keys() -> dict[str, str]:
    """For each file of tests a hash of what it depends on: itself, what tests share, and the package."""
    package, tests = ROOT / "jaxpool", ROOT / "tests"
    shared = [path for path in tests.rglob("*.py") if not path.name.startswith("test_")]
    base = hashlib.sha256(importlib.metadata.version("jax").encode())
    for path in sorted([*package.rglob("*.py"), *shared, ROOT / "pyproject.toml"]):
        base.update(path.read_bytes())
    found = {}
    for path in sorted(tests.glob("test_*.py")):
        own = base.copy()
        own.update(path.read_bytes())
        found[path.relative_to(ROOT).as_posix()] = own.hexdigest()[:16]
    return found
