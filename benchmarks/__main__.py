"""Measures how fast jaxpool is, beside Flax, PyTorch and the memory.

    python -m benchmarks            # all cases: about twelve minutes on two cores
    python -m benchmarks --quick    # a few of them, in less than a minute

The results are printed and written as `<platform>.json` and `<platform>.png`, or `<platform>-quick` of
both. Of what JAX runs on, its first device is measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import jax

try:
    from rich.console import Console
    from rich.progress import Progress

    from benchmarks import command, contenders, measurements, networks, picture, programs, report
    from benchmarks.cases import CASES, RESIZING, Case
    from benchmarks.timing import FULL, QUICK
except ModuleNotFoundError as error:
    install = 'pip install -e ".[benchmarks]"'
    sys.exit(f"{error}. All that the benchmark needs is installed, in a checkout, by\n  {install}")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    description = (__doc__ or "").split("\n")[0]
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser("benchmarks", description=description, formatter_class=style)
    parser.add_argument("--quick", action="store_true", help="fewer cases and samples: under a minute")
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def run(
    options: argparse.Namespace, by_pytorch: contenders.PyTorch | None, progress: Progress
) -> report.Results:
    """Measures everything, one after the other; on an accelerator with larger batches, to keep it busy."""
    on_accelerator = jax.default_backend() != "cpu"
    quick = options.quick
    effort, compilations = (QUICK, 1) if quick else (FULL, 3)
    cases = [case for case in (*CASES, *RESIZING) if case.quick or not quick]
    if on_accelerator:
        cases = [contenders.enlarge(case, contenders.LARGE) for case in cases]
    chosen_networks = [network for network in networks.NETWORKS if network.quick or not quick]
    chosen_programs = [case for case in cases if isinstance(case, Case) and programs.is_examined(case)]
    bar = progress.add_task("", total=len(cases) + len(chosen_networks) + len(chosen_programs))

    def follow(items, name):
        for item in items:
            progress.update(bar, description=f"{name}: {item}", refresh=True)
            yield item
            progress.advance(bar)

    return report.Results(
        report.describe_environment("python -m benchmarks" + " --quick" * quick),
        [
            measurements.measure(case, effort, by_pytorch=by_pytorch, queued=on_accelerator)
            for case in follow(cases, "pool")
        ],
        {
            str(network): networks.measure(network, effort, queued=on_accelerator)
            for network in follow(chosen_networks, "training")
        },
        {str(case): programs.examine(case, compilations) for case in follow(chosen_programs, "program")},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    by_pytorch, version = command.begin(options)
    # Drawn between measurements, not by a thread during them.
    with Progress(console=Console(stderr=True), auto_refresh=False) as progress:
        results = run(options, by_pytorch, progress)
    # A table in a file or a pipe has no width to fit.
    report.print_tables(results, Console(width=None if sys.stdout.isatty() else 150))

    environment = results.environment
    environment["versions"]["torch"] = version if by_pytorch else None
    path = options.out / (environment["platform"] + "-quick" * options.quick)
    report.write_json(results, path.with_suffix(".json"))
    picture.draw(results.measurements, f"Pools on {environment['device']}", path.with_suffix(".png"))
    print(f"Written: {path}.json and {path}.png")


if __name__ == "__main__":
    main()
