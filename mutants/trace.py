"""A plugin for pytest that records which lines of the mutated files each test runs, and how long it takes.

JAX keeps what it has traced, so that a line of a lowering runs for the first of several tests alone: all
caches are forgotten before each test. What a fixture of a module runs counts for the first of its tests.

Tests whose record still holds are left out; those of the others are added as they come.
"""

from __future__ import annotations

import collections
import json
import sys
from types import CodeType

import jax
import pytest

from mutants.covering import RECORD, known
from mutants.files import ROOT, keys, load_as, mutated

if sys.version_info < (3, 12):
    sys.exit("Mutants need Python 3.12, the first that watches single lines of a program at no cost.")

monitoring = sys.monitoring
_TOOL = monitoring.COVERAGE_ID
_lines: dict[str, set[int]] = collections.defaultdict(set)


def _on_line(code: CodeType, line: int) -> object:
    _lines[code.co_filename].add(line)
    return monitoring.DISABLE  # until the next test


def _watch(code: CodeType) -> None:
    monitoring.set_local_events(_TOOL, code, monitoring.events.LINE)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _watch(constant)


monitoring.use_tool_id(_TOOL, "mutants")
monitoring.register_callback(_TOOL, monitoring.events.LINE, _on_line)
for module in load_as(mutated()):  # pytest imports plugins first, and so before the package
    _watch(module)


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    recorded = {test.name for test in known()}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in recorded])
    items[:] = [item for item in items if item.nodeid not in recorded]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    _forget()
    _lines.clear()
    monitoring.restart_events()
    return (yield)


def _forget() -> None:
    jax.clear_caches()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("jaxpool", "tests"):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if (
        call.when == "teardown"
    ):  # a report takes its properties along, from a process of xdist to the first one
        found = {file.removeprefix(f"{ROOT}/"): sorted(lines) for file, lines in _lines.items()}
        item.user_properties.append(("lines", found))
    return (yield)


class _Recorder:
    """In the process that hears of all tests."""

    def __init__(self) -> None:
        self.keys = keys()
        self.seconds: dict[str, float] = collections.defaultdict(float)
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)
        if report.when == "teardown" and report.nodeid not in self.failed:
            entry = {
                "test": report.nodeid,
                "key": self.keys[report.nodeid.partition("::")[0]],
                "seconds": round(self.seconds[report.nodeid], 3),
                "lines": dict(report.user_properties)["lines"],
            }
            with RECORD.open("a") as file:
                file.write(json.dumps(entry, separators=(",", ":")) + "\n")
