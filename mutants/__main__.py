"""Changes one thing in the package at a time, and tells which changes no test notices.

    python -m mutants                    # 400 mutants: hours on two cores; what is done is not done again
    python -m mutants --only 1b1d8b25    # one of them, with what its tests say

A first run of all tests records which lines each of them runs. Then each mutant meets the tests that run its
line, fastest first, until one fails. Those that none can kill are explained in `mutants/equivalent.toml`.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from mutants import results, trial
from mutants.covering import TracedTest, covering, record
from mutants.files import CACHE, keys, mutated
from mutants.mutate import Mutant, draw, mutants
from mutants.report import Fate, mistakes, show, write

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
SAMPLE = 30  # tests that have to pass without mutation before anything else


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    description = (__doc__ or "").split("\n")[0]
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser("mutants", description=description, formatter_class=style)
    parser.add_argument("--number", type=int, default=400, metavar="N", help="how many mutants are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument(
        "--files", nargs="+", default=[""], metavar="PATH", help="mutate what starts so alone"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--limit", type=float, default=300, metavar="S", help="seconds for a mutant's tests")
    parser.add_argument("--only", metavar="ID", help="run one mutant, drawn or not, and show its tests")
    parser.add_argument("--list", action="store_true", help="print the drawn mutants and run nothing")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report as JSON as well")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    sources = mutated()
    every = {mutant.id: mutant for file, source in sources.items() for mutant in mutants(file, source)}
    try:
        reasons = results.explained(EQUIVALENT, every.values())
    except ValueError as error:
        sys.exit(str(error))
    chosen = {file: source for file, source in sources.items() if file.startswith(tuple(options.files))}
    drawn = draw(chosen, options.number, options.seed)
    if options.only and options.only not in every:
        sys.exit(f"--only: there is no mutant {options.only}.")
    if options.list:
        for mutant in drawn:
            console.print(str(mutant))
        return
    CACHE.mkdir(exist_ok=True)
    trial.prepare()
    tests = record(options.jobs)
    if options.only:
        run_one(every[options.only], covering(tests, every[options.only]), options.limit)
        return
    able = {mutant.id: covering(tests, mutant) for mutant in drawn}
    run(drawn, able, options, console)
    found = results.load()
    fates = [
        Fate(m, found.get(m.id) if able[m.id] else None, len(able[m.id]), reasons.get(m.id, ""))
        for m in drawn
    ]
    killers = {fate.killed_by for fate in fates}
    check([test for test in tests if test.name in killers], options.jobs)
    show(fates, console)
    if options.out:
        write(fates, options.out, number=options.number, seed=options.seed, limit=options.limit)
    if wrong := list(mistakes(fates)):
        sys.exit("\n" + "\n".join(wrong))


def run(
    drawn: list[Mutant], able: dict[str, list[TracedTest]], options: argparse.Namespace, console: Console
) -> None:
    """Runs what has not been run."""
    current, earlier = keys(), results.load()
    waiting = [(m, results.missing(earlier.get(m.id), able[m.id], current, options.limit)) for m in drawn]
    waiting = [(mutant, tests) for mutant, tests in waiting if tests]
    if not waiting:
        return
    some = list({test.name: test for _, tests in waiting for test in tests[:1]}.values())
    check(some[:SAMPLE], options.jobs)
    counts = {"killed": 0, "survived": 0}
    with Progress(console=console) as progress:
        bar = progress.add_task("Mutants", total=len(waiting))
        for ended in trial.run(waiting, options.limit, options.jobs):
            results.save(results.conclude(ended, earlier.get(ended.id), current, options.limit))
            counts["killed" if ended.killed_by else "survived"] += 1
            description = ", ".join(f"{count} {name}" for name, count in counts.items())
            progress.update(bar, advance=1, description=description)


def check(tests: list[TracedTest], jobs: int) -> None:
    """Without mutation tests have to pass, run as they are with it."""
    parts = [(None, part) for part in (tests[i::jobs] for i in range(jobs)) if part]
    for ended in trial.run(parts, math.inf, jobs):
        if ended.killed_by or len(ended.ran) < len(ended.tests):
            sys.exit(f"Without any mutation a test fails: {ended.killed_by or 'not all are found'}.")


def run_one(mutant: Mutant, tests: list[TracedTest], limit: float) -> None:
    print(f"{mutant}\nmeets {len(tests)} tests.", flush=True)
    alone = trial.Trial.start(mutant, tests, limit, quiet=False)
    while alone.goes_on():
        pass
    print(f"killed by {alone.killed_by}" if alone.killed_by else f"survived {len(alone.ran)} tests")


if __name__ == "__main__":
    main()
