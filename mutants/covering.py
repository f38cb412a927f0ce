"""Which tests can kill a mutant: those that run a line that shows it, as a run of all tests has recorded."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping

from mutants.files import CACHE, ROOT, environment, keys
from mutants.mutate import Mutant

RECORD = CACHE / "trace.jsonl"


@dataclasses.dataclass(frozen=True)
class TracedTest:
    """A test, how long it took, and which lines of which files it ran."""

    name: str
    seconds: float
    lines: Mapping[str, frozenset[int]]

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]

    @property
    def function(self) -> str:
        return self.name.partition("[")[0]


def known() -> list[TracedTest]:
    """The tests whose record still holds: neither they nor the package have changed."""
    current = keys()
    lines = RECORD.read_text().splitlines() if RECORD.exists() else []
    found = {record["test"]: record for record in map(json.loads, lines)}
    tests = [
        TracedTest(
            name, record["seconds"], {file: frozenset(lines) for file, lines in record["lines"].items()}
        )
        for name, record in found.items()
    ]
    return [test for test in tests if found[test.name]["key"] == current.get(test.file)]


def record(jobs: int) -> list[TracedTest]:
    """Runs README's command for the tests that are not known, and then knows them."""
    done, state = CACHE / "traced", json.dumps(keys())
    if not done.exists() or done.read_text() != state:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "mutants.trace", f"--numprocesses={jobs}"]
        status = subprocess.run(command, cwd=ROOT, env=os.environ | environment(keep=True)).returncode
        if status not in (0, 5):  # 5: no tests were left to run
            sys.exit(f"pytest ended with status {status}: tests that fail anyway can tell no mutants.")
        done.write_text(state)
    return known()


def covering(tests: Iterable[TracedTest], mutant: Mutant) -> list[TracedTest]:
    """The tests that can kill a mutant, fastest first.

    Of several with the same function, the second counts as if it took twice as long, the third three times:
    where one does not kill a mutant, another function rather does.
    """
    first, last = mutant.shown_by
    shows = frozenset(range(first, last + 1))
    able = [test for test in tests if not shows.isdisjoint(test.lines.get(mutant.file, ()))]
    ranks: collections.Counter[str] = collections.Counter()
    weights = {}
    for test in sorted(able, key=lambda test: (test.seconds, test.name)):
        ranks[test.function] += 1
        weights[test.name] = test.seconds * ranks[test.function]
    return sorted(able, key=lambda test: (weights[test.name], test.name))
