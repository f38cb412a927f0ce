"""The tables of what has been killed, and the survivors."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mutants.mutate import Mutant
from mutants.results import Result

LEAST_KILLED = 0.97


@dataclasses.dataclass(frozen=True)
class Fate:
    """A drawn mutant with all that is known about it."""

    mutant: Mutant
    result: Result | None  # where tests ran
    tests: int  # how many can kill it
    reason: str  # why it is equivalent, if it is said to be

    @property
    def killed_by(self) -> str:
        return self.result.killed_by if self.result else ""

    @property
    def name(self) -> str:
        return "killed" if self.killed_by else "equivalent" if self.reason else "survived"

    @property
    def ran(self) -> str:
        if not self.tests:
            return "no test runs it"
        return f"{self.tests - (self.result.left if self.result else 0)} of {self.tests} tests ran"


def share_killed(fates: Sequence[Fate]) -> float:
    """Of those that can be killed, which the equivalent ones cannot."""
    able = [fate.name for fate in fates if fate.name != "equivalent"]
    return able.count("killed") / max(len(able), 1)


def mistakes(fates: Sequence[Fate]) -> Iterator[str]:
    """What of all this has to change."""
    for fate in fates:
        if fate.reason and fate.killed_by:
            yield f"{fate.mutant.id} is said to be equivalent, but killed by {fate.killed_by}."
    if survived := sum(fate.name == "survived" for fate in fates):
        yield f"{survived} mutants survived and are not said to be equivalent."
    if share_killed(fates) < LEAST_KILLED:
        yield f"{share_killed(fates):.1%} of those that can be killed are, not {LEAST_KILLED:.0%}."


def show(fates: Sequence[Fate], console: Console) -> None:
    console.print(_table("file", fates, lambda mutant: mutant.file))
    console.print(_table("change", fates, lambda mutant: mutant.kind))
    for fate in fates:
        if fate.name == "survived":
            console.print(f"\n{fate.mutant}\n  {fate.ran}")


def _table(heading: str, fates: Sequence[Fate], group: Callable[[Mutant], str]) -> Table:
    names = ("killed", "equivalent", "survived")
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for fate in fates:
        for row in (group(fate.mutant), "all"):
            counts[row].update(["mutants", fate.name])
    table = Table(heading)
    for name in ("mutants", *names):
        table.add_column(name, justify="right")
    for row in sorted(counts, key=lambda row: (row == "all", row)):
        table.add_row(row, *(str(counts[row][name]) for name in ("mutants", *names)))
    return table


def write(fates: Sequence[Fate], path: Path, **options: float) -> None:
    """Writes the counts, where mutants died and which did not, as JSON."""
    counts = collections.Counter(fate.name for fate in fates)
    killed_in = collections.Counter(fate.killed_by.partition("::")[0] for fate in fates if fate.killed_by)
    alive = [
        {"mutant": str(fate.mutant), "ran": fate.ran, "reason": fate.reason}
        for fate in fates
        if not fate.killed_by
    ]
    text = {**options, "mutants": len(fates), **counts, "killed_in": killed_in, "alive": alive}
    path.write_text(json.dumps(text, indent=1) + "\n")
