"""What has been found about mutants, kept from run to run, and which of them no test can kill."""

from __future__ import annotations

import dataclasses
import json
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mutants.covering import TracedTest
from mutants.files import CACHE
from mutants.mutate import Mutant
from mutants.trial import Trial

_KEPT = CACHE / "results.jsonl"


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a mutant.

    Attributes:
      id: the mutant's.
      killed_by: the test that failed; empty for a survivor.
      signal: what ended the process, if not a failure.
      left: how many tests had no time to begin.
      limit: the seconds that the tests had.
      seconds: how long they took.
      keys: the files of the tests that this depends on, and the hash that they had.
    """

    id: str
    killed_by: str
    signal: str
    left: int
    limit: float
    seconds: float
    keys: dict[str, str]


def load() -> dict[str, Result]:
    lines = _KEPT.read_text().splitlines() if _KEPT.exists() else []
    return {result.id: result for result in (Result(**json.loads(line)) for line in lines)}


def save(result: Result) -> None:
    with _KEPT.open("a") as file:
        file.write(json.dumps(dataclasses.asdict(result)) + "\n")


def missing(
    earlier: Result | None, tests: Sequence[TracedTest], keys: Mapping[str, str], limit: float
) -> Sequence[TracedTest]:
    """The tests that a mutant has yet to run.

    A kill holds as long as the file of the test that killed is the same; a survivor meets what is new.
    """
    if earlier is None or (earlier.left and earlier.limit < limit):
        return tests
    if earlier.killed_by:
        return [] if all(keys.get(file) == key for file, key in earlier.keys.items()) else tests
    return [test for test in tests if earlier.keys.get(test.file) != keys[test.file]]


def conclude(trial: Trial, earlier: Result | None, keys: Mapping[str, str], limit: float) -> Result:
    """The result of a trial that has ended; the mutant may have survived other tests earlier."""
    left, files = len(trial.tests) - len(trial.ran), {test.file for test in trial.tests}
    if trial.killed_by:
        left, files = 0, {trial.killed_by.partition("::")[0]}
    elif earlier is not None and not earlier.killed_by and earlier.limit >= limit:
        left += earlier.left
        files |= {file for file, key in earlier.keys.items() if keys.get(file) == key}
    seconds = round(time.monotonic() - trial.began, 1)
    depends_on = {file: keys[file] for file in sorted(files)}
    return Result(trial.id, trial.killed_by, trial.signal, left, limit, seconds, depends_on)


def explained(path: Path, mutants: Iterable[Mutant]) -> dict[str, str]:
    """The reasons why mutants are equivalent, by their ids; an entry for none of them is an error."""
    known = {mutant.text: mutant.id for mutant in mutants}
    reasons = {}
    for entry in tomllib.loads(path.read_text()).get("mutant", []):
        text = (
            *(entry.get(name, "") for name in ("file", "function", "before", "after")),
            entry.get("rank", 0),
        )
        if text not in known or not entry.get("reason"):
            raise ValueError(f"{path.name} must give reasons for mutants that there are, got {entry}.")
        reasons[known[text]] = entry["reason"]
    return reasons
