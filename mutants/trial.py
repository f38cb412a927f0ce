"""A mutant and the tests that can kill it, in a process of its own; no file is changed for it.

The processes are forked from one that has imported what tests import, but not the package, and has not
started JAX's backend, whose threads a fork would lack.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import itertools
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import pytest

from mutants.covering import TracedTest
from mutants.files import ROOT, environment, load_as
from mutants.mutate import Mutant

_FORKS = multiprocessing.get_context("forkserver")
_OPTIONS = ["-o", "addopts=", "--strict-markers", "--strict-config", "-m", "not exhaustive", "-x"]
_OPTIONS += ["-p", "no:xdist", "-p", "no:cacheprovider"]
_OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of plugins that were imported before
_ROUNDS = (5, 100)  # Most mutants die in the first tests, before the files of the others are imported.
_MEMORY = 16 * 2**30  # bytes: a mutant may ask for any number


def prepare() -> None:
    """Has all trials fork from a process that has imported much."""
    os.environ |= environment(keep=False)
    _FORKS.set_forkserver_preload(["mutants.trial", "pytest", *sorted(_imported_by_tests())])


def _imported_by_tests() -> set[str]:
    """Without what is in the checkout, which imports the package."""
    found = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.parse(path.read_bytes()).body:
            match node:
                case ast.Import(names=names):
                    found |= {alias.name for alias in names}
                case ast.ImportFrom(module=str(name)):
                    found.add(name)
    here = {path.stem for path in ROOT.iterdir()}
    return {name for name in found if name.partition(".")[0] not in here}


@dataclasses.dataclass
class Trial:
    """A mutant while its tests run.

    Attributes:
      id: the mutant's; empty for the package as it is.
      tests: those that are to run.
      ran: the names of those that have begun.
    """

    id: str
    tests: Sequence[TracedTest]
    process: BaseProcess
    connection: Connection
    ran: list[str] = dataclasses.field(default_factory=list)
    began: float = dataclasses.field(default_factory=time.monotonic)

    @classmethod
    def start(
        cls, mutant: Mutant | None, tests: Sequence[TracedTest], limit: float, *, quiet: bool = True
    ) -> Trial:
        """Starts the tests; once the process has computed for `limit` seconds, no other one begins."""
        receiver, sender = _FORKS.Pipe(duplex=False)
        sources = {mutant.file: mutant.source} if mutant else {}
        process = _FORKS.Process(
            target=_run, args=(sources, {t.name: t.seconds for t in tests}, limit, sender, quiet)
        )
        process.start()
        sender.close()
        return cls(mutant.id if mutant else "", tests, process, receiver)

    def goes_on(self) -> bool:
        """Waits until a test begins, or all have ended."""
        try:
            self.ran.append(self.connection.recv())
        except EOFError:
            self.process.join()
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """Ends the process with all that its tests have started."""
        assert self.process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    @property
    def killed_by(self) -> str:
        """The test that failed or, where none began, the first one; empty where all passed."""
        return "" if self.process.exitcode == 0 else (self.ran or [self.tests[0].name])[-1]

    @property
    def signal(self) -> str:
        """What ended the process, if not a failure: `SIGPROF` a test that computed without end."""
        code = self.process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else ""


def run(
    work: Iterable[tuple[Mutant | None, Sequence[TracedTest]]], limit: float, jobs: int
) -> Iterator[Trial]:
    """Runs trials, some side by side, and gives them as they end."""
    work, running = iter(work), {}
    try:
        while True:
            for mutant, tests in itertools.islice(work, jobs - len(running)):
                trial = Trial.start(mutant, tests, limit)
                running[trial.connection] = trial
            if not running:
                return
            for connection in multiprocessing.connection.wait(list(running)):
                if not running[connection].goes_on():
                    yield running.pop(connection)
    finally:
        for trial in running.values():
            trial.kill()


def _run(
    sources: Mapping[str, bytes], tests: dict[str, float], limit: float, connection: Connection, quiet: bool
) -> None:
    os.setsid()
    os.chdir(ROOT)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    options = [*_OPTIONS, "-v"]
    if quiet:
        options[-1] = "--tb=no"
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    load_as(sources)
    status = _run_in_rounds(options, tests, _Chosen(connection, limit))
    sys.stdout.flush()
    os._exit(status)  # whatever threads there are


def _run_in_rounds(options: list[str], tests: dict[str, float], plugin: _Chosen) -> int:
    names = list(tests)
    for start, stop in itertools.pairwise((0, *_ROUNDS, len(names))):
        plugin.tests = {name: tests[name] for name in names[start:stop]}
        files = dict.fromkeys(name.partition("::")[0] for name in plugin.tests)
        _end_after(300)  # to import them
        if files and (status := pytest.main([*options, *files], plugins=[plugin])):
            return status
    return 0


class _Chosen:
    """A plugin for pytest that runs some tests in their order, says which, and ends with one without end."""

    def __init__(self, connection: Connection, limit: float) -> None:
        self.connection, self.limit = connection, limit
        self.tests: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items):
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self.tests if name in found]

    def pytest_runtest_protocol(self, item):
        if time.process_time() > self.limit:
            return True  # as if it had run
        self.connection.send(item.nodeid)
        _end_after(60 + 10 * self.tests[item.nodeid])
        return None


def _end_after(seconds: float) -> None:
    """Has a signal end the process once it has computed for so long, or waited for half an hour."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(1800)
