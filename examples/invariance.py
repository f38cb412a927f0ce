"""What is pooling for? Trains one network with many downsamplers, and shifts, disturbs and weighs each.

    python examples/invariance.py --quick                       # some downsamplers, one seed: a first look
    python examples/invariance.py                               # all of them, three seeds
    python examples/invariance.py --pools max avg --seeds 5     # two of them, five seeds

The digits are those of train_digits.py, but none is shifted to train on: a network that bears shifts owes it
to its form. No digit is wider or higher than 20 pixels, and each is in the middle of 32x32, so that shifts of
up to 6 pixels cut nothing: though they go around the edges, what comes in is zeros. Convolutions and pools go
around the edges too: edges tell a network nothing of where a digit is, only strides can.

Each finished run is kept in a small file and not repeated. Ctrl-C keeps the finished ones and shows them.
The networks are in invariance_networks.py, the figures in invariance_report.py.
"""

# First, because it says how to install what is missing.
from train_digits import STYLE, Digits, at_least, load_digits, make_folder, note_interrupts

# isort: split

import argparse
import functools
import hashlib
import importlib.metadata
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib
import numpy as np
import optax
from invariance_networks import (
    CHANNELS,
    DOWNSAMPLERS,
    FEATURE_HEADS,
    FEATURE_POOLS,
    KERNELS,
    SIDE,
    features,
    make_network,
)
from invariance_report import draw_all, make_feature_table, make_table
from rich.console import Console
from tqdm import tqdm

from jaxpool import analysis

BATCH_SIZE = 50
LEARNING_RATE = 5e-3
SHIFTS = 6  # the largest, in pixels
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))  # down, right, and the diagonals
ONE_IN = 10  # of the digits is enough for consistency, which takes every shift
FEATURE_SHIFTS = 2  # of features that are sampled at every second pixel: all that there are
NOISE = (0.05, 0.1, 0.2, 0.3)  # standard deviations; ink is 1, paper 0


def to_the_middle(digits: Digits) -> Digits:
    """The digits with the box of their ink in the middle of larger images."""
    images = np.zeros((len(digits.images), SIDE, SIDE, 1), np.float32)
    for image, digit in zip(images, digits.images, strict=True):
        rows, columns = (np.flatnonzero(digit.any(axis)) for axis in ((1, 2), (0, 2)))
        ink = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        top, left = ((SIDE - length) // 2 for length in ink.shape[:2])
        image[top : top + len(ink), left : left + ink.shape[1]] = ink
    return digits._replace(images=images)


def evenly(digits: Digits, count: int) -> Digits:
    """So many of the digits, of each kind alike; they come sorted."""
    chosen = np.arange(count) * len(digits.labels) // count
    return Digits(digits.images[chosen], digits.labels[chosen])


def batches(digits: Digits, seed: int) -> Iterator[Digits]:
    """Every digit once an epoch in random order, without end."""
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(len(digits.labels))
        for start in range(0, len(order) - BATCH_SIZE + 1, BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            yield Digits(digits.images[chosen], digits.labels[chosen])


Progress = Callable[[Iterable], Iterator]  # lets a loop go on, and shows how far it is


def train(name: str, seed: int, steps: int, digits: Digits, progress: Progress) -> tuple[Callable, float]:
    """The trained network, and the seconds that its steps took, without compilation."""
    parameters, apply = make_network(name, seed)
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))

    def loss(parameters, batch):
        logits = apply(parameters, batch.images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()

    def update(parameters, state, batch):
        updates, state = optimizer.update(jax.grad(loss)(parameters, batch), state)
        return optax.apply_updates(parameters, updates), state

    state = optimizer.init(parameters)
    program = jax.jit(update).lower(parameters, state, next(batches(digits, seed))).compile()
    start = time.perf_counter()
    for batch in progress(islice(batches(digits, seed), steps)):
        parameters, state = jax.block_until_ready(program(parameters, state, batch))
    return functools.partial(jax.jit(apply), parameters), time.perf_counter() - start


def accuracy(predict: Callable, images: np.ndarray, labels: np.ndarray) -> float:
    return float((np.asarray(predict(images)).argmax(-1) == labels).mean())


def along_directions(grid: np.ndarray) -> list[float]:
    """What was measured for all shifts, averaged over the directions, for each distance."""
    middle = len(grid) // 2
    shifts = range(middle + 1)
    return [float(np.mean([grid[middle + d * y, middle + d * x] for y, x in DIRECTIONS])) for d in shifts]


def measure_accuracy(predict: Callable, digits: Digits, progress: Progress) -> dict[str, Any]:
    """Of shifted digits, the mean over directions for each distance, and of noisy digits."""
    grid = np.full((2 * SHIFTS + 1,) * 2, np.nan)
    shifts = sorted({(d * y, d * x) for d in range(SHIFTS + 1) for y, x in DIRECTIONS})
    for y, x in progress(shifts):
        images = np.roll(digits.images, (y, x), (1, 2))
        grid[SHIFTS + y, SHIFTS + x] = accuracy(predict, images, digits.labels)
    noise = np.random.default_rng(0).standard_normal(digits.images.shape, np.float32)
    noisy = {
        str(scale): accuracy(predict, digits.images + np.float32(scale) * noise, digits.labels)
        for scale in progress(NOISE)
    }
    return {"shift": along_directions(grid), "noise": noisy}


def measure_consistency(predict: Callable, digits: Digits, progress: Progress) -> dict[str, Any]:
    """The share of answers that stay what they were, for every shift and for noise."""
    shift = analysis.shift_consistency(predict, digits.images, SHIFTS, progress=progress)
    noise = analysis.noise_robustness(predict, digits.images, NOISE, key=jax.random.key(0), progress=progress)
    agreements = map(float, noise.agreement)
    return {
        "shift": shift.agreement.tolist(),
        "noise": {str(scale): agreement for scale, agreement in zip(NOISE, agreements, strict=True)},
    }


def measure_features(digits: Digits, progress: Progress) -> dict[str, dict[str, list[float]]]:
    """How much features change, relative to what they were, for each distance of shifts."""

    def change(name: str, head: str) -> list[float]:
        shifts = analysis.shift_consistency(
            features(name, head), digits.images, FEATURE_SHIFTS, progress=progress
        )
        return analysis.by_distance(shifts.change).tolist()

    return {name: {head: change(name, head) for head in FEATURE_HEADS} for name in FEATURE_POOLS}


class Run(NamedTuple):
    """What is trained and measured, as far as options say it."""

    pool: str
    seed: int
    steps: int
    digits: int  # held out, for accuracy

    def duration(self) -> int:
        """The steps of its progress."""
        shifts = (2 * SHIFTS + 1) ** 2 + len(DIRECTIONS) * SHIFTS + 1
        return self.steps + shifts + 2 * len(NOISE)

    def measure(self, train_on: Digits, held_out: Digits, progress: Progress) -> dict[str, Any]:
        parameters, apply = make_network(self.pool, self.seed)
        digits = evenly(held_out, self.digits)
        some = evenly(digits, max(1, self.digits // ONE_IN))
        predict, seconds = train(self.pool, self.seed, self.steps, train_on, progress)
        image = jax.ShapeDtypeStruct((1, SIDE, SIDE, 1), np.float32)
        return {
            "accuracy": measure_accuracy(predict, digits, progress),
            "consistency": measure_consistency(predict, some, progress),
            "cost": analysis.cost(apply, parameters, image)._asdict(),
            "training_seconds": seconds,
        }


class FeatureRun(NamedTuple):
    """The part without training."""

    digits: int

    def duration(self) -> int:
        return len(FEATURE_POOLS) * len(FEATURE_HEADS) * (2 * FEATURE_SHIFTS + 1) ** 2

    def measure(self, train_on: Digits, held_out: Digits, progress: Progress) -> dict[str, Any]:
        return measure_features(evenly(held_out, max(1, self.digits // ONE_IN)), progress)


def path_of(run: Run | FeatureRun, folder: Path) -> Path:
    """The file of a run, whose name depends on everything that may change its figures."""
    constants = (
        SIDE,
        CHANNELS,
        KERNELS,
        BATCH_SIZE,
        LEARNING_RATE,
        SHIFTS,
        DIRECTIONS,
        NOISE,
        ONE_IN,
        FEATURE_SHIFTS,
        FEATURE_POOLS,
    )
    versions = [importlib.metadata.version(package) for package in ("jax", "flax", "optax")]
    settings = [type(run).__name__, run, constants, versions, jax.default_backend()]
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    name = f"{run.pool}-seed{run.seed}" if isinstance(run, Run) else "features"
    return folder / f"{name}-{digest}.json"


def load(runs: Iterable[Run | FeatureRun], folder: Path) -> dict[Any, dict[str, Any]]:
    """The figures of those runs that are finished."""
    paths = {run: path_of(run, folder) for run in runs}
    return {run: json.loads(path.read_text())["figures"] for run, path in paths.items() if path.exists()}


def save(run: Run | FeatureRun, figures: dict[str, Any], folder: Path) -> None:
    """Writes the file of a run, at once as a whole."""
    path = path_of(run, folder)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"settings": run._asdict(), "figures": figures}) + "\n")
    unfinished.replace(path)


def perform(runs: Sequence[Run | FeatureRun], train_on: Digits, held_out: Digits, folder: Path) -> None:
    """Makes the runs one after the other and saves each; an interrupt ends it between two steps."""
    interrupts = note_interrupts()
    with tqdm(total=sum(run.duration() for run in runs), unit="step") as bar:

        def progress(steps: Iterable) -> Iterator:
            for step in steps:
                if interrupts:
                    raise KeyboardInterrupt
                yield step
                bar.update()

        for number, run in enumerate(runs, start=1):
            bar.set_description(f"{path_of(run, folder).stem.rpartition('-')[0]} ({number} of {len(runs)})")
            save(run, run.measure(train_on, held_out, progress), folder)


QUICK = ("max", "avg", "max-blur", "polyphase", "strided", "max-flat")


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything, unless asked for")
    parser.add_argument(
        "--pools",
        nargs="+",
        choices=DOWNSAMPLERS,
        default=[*DOWNSAMPLERS],
        metavar="POOL",
        help="any of " + ", ".join(DOWNSAMPLERS),
    )
    parser.add_argument("--seeds", type=at_least(1), default=3, metavar="N", help="networks for each pool")
    parser.add_argument("--steps", type=at_least(1), default=400, metavar="N", help="to train for")
    parser.add_argument("--digits", type=at_least(1), default=1000, metavar="N", help="to measure with")
    parser.add_argument(
        "--out", type=Path, default="results/invariance", metavar="DIR", help="for everything"
    )
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(pools=QUICK, seeds=1, steps=160, digits=200)
        options = parser.parse_args()
    if options.digits > 1000:
        parser.error(f"argument --digits: must be at most the 1,000 held out, got {options.digits}")
    return options


def main() -> None:
    options = parse_arguments()
    make_folder(options.out)
    pools = [name for name in DOWNSAMPLERS if name in options.pools]
    # Seed after seed, so that an interrupt leaves something of each downsampler.
    seeds = range(options.seeds)
    runs = [Run(name, seed, options.steps, options.digits) for seed in seeds for name in pools]
    demonstration = FeatureRun(options.digits)
    missing = [run for run in (demonstration, *runs) if not path_of(run, options.out).exists()]
    print(f"{len(runs) + 1 - len(missing)} of {len(runs) + 1} runs are finished already")
    train_on, held_out = map(to_the_middle, load_digits())
    try:
        if missing:
            perform(missing, train_on, held_out, options.out)
    except KeyboardInterrupt:
        print("Interrupted. The same command will go on from here.")

    figures = load(runs, options.out)
    results = {name: [figures[run] for run in figures if run.pool == name] for name in pools}
    results = {name: of_pool for name, of_pool in results.items() if of_pool}
    console = Console(width=180)  # a narrower terminal wraps lines, where rich would leave out columns
    for changes in load([demonstration], options.out).values():
        console.print(make_feature_table(changes))
    if results:
        console.print(make_table(results))
        with matplotlib.rc_context(STYLE):
            pictures = draw_all(results, held_out.images, FEATURE_POOLS, options.out)
        print(f"Pictures: {', '.join(map(str, pictures))}")


if __name__ == "__main__":
    main()
