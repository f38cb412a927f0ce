"""Learns to read handwritten digits as sets of points, each pooled to one vector, and draws what counts.

    python examples/point_clouds.py                     # max pooling, as in PointNet
    python examples/point_clouds.py --pool attention    # another pool of sets

A digit is the set of its pixels with ink: no grid, no order, and as many points as it has. The sets of a
batch lie one after the other in one array, each with the number of its set, and a pool of segments makes
each set one vector. The digits are those of train_digits.py. Ctrl-C ends the training early.
"""

# First, because it says how to install what is missing.
from train_digits import (
    BLUE,
    ORANGE,
    STYLE,
    at_least,
    draw_learning_curves,
    load_digits,
    make_folder,
    note_interrupts,
    train,
)

# isort: split

import argparse
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from flax import nnx
from jax import Array
from matplotlib.figure import Figure

import jaxpool
import jaxpool.nnx as nnx_pool

INK = 0.3  # from which on a pixel is a point
POINTS = 180  # of a digit, on average in a batch; those of one may be more
FEATURES = 128
WAVES = (1, 2, 4)  # to a half of the image, by which the network is told where a point is
KEPT = 8  # points of each set, by the pool that keeps the foremost
POOLS = ("max", "min", "sum", "avg", "lp", "logsumexp", "var", "std", "attention", "topk")


def to_sets(images: Array) -> tuple[Array, Array]:
    """The points of images, (points, 3): where they are, from -1 to 1, and their ink; and each one's image.

    Arrays are as large for all batches: what is left behind the last point is of no image.
    """
    batch, height, width, _ = images.shape
    place = jnp.nonzero(images.reshape(images.size) > INK, size=batch * POINTS, fill_value=images.size)[0]
    image, y, x = place // (height * width), place // width % height, place % width
    ink = images.reshape(images.size)[jnp.minimum(place, images.size - 1)]
    points = jnp.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1, ink], 1)
    return jnp.where((image < batch)[:, None], points, 0), jnp.where(image < batch, image, -1)


class PointNet(nnx.Module):
    """Each point alone through some layers, one vector for each set, and that through some more."""

    def __init__(self, pool: str, rngs: nnx.Rngs):
        self.point1 = nnx.Linear(3 + 4 * len(WAVES), 64, rngs=rngs)
        self.point2 = nnx.Linear(64, 64, rngs=rngs)
        self.point3 = nnx.Linear(64, FEATURES, rngs=rngs)
        self.importance = nnx.Linear(FEATURES, 1, rngs=rngs) if pool == "attention" else None
        self.set1 = nnx.Linear(FEATURES * (KEPT if pool == "topk" else 1), 128, rngs=rngs)
        self.set2 = nnx.Linear(128, 10, rngs=rngs)
        self.pool = pool

    def of_points(self, points: Array) -> Array:
        angles = np.pi * jnp.concatenate([wave * points[:, :2] for wave in WAVES], 1)
        inputs = jnp.concatenate([points, jnp.sin(angles), jnp.cos(angles)], 1)
        hidden = jax.nn.relu(self.point2(jax.nn.relu(self.point1(inputs))))
        return self.point3(hidden)

    def of_sets(self, features: Array, ids: Array, number: int) -> Array:
        if self.importance is not None:
            pool = nnx_pool.SegmentAttentionPool(number)
            return pool(features, self.importance(features), ids)
        if self.pool == "topk":
            pool = nnx_pool.SegmentTopkPool(number, k=KEPT)
            return pool(features, ids).reshape(number, KEPT * FEATURES)
        Pool = getattr(nnx_pool, f"Segment{self.pool.capitalize()}Pool")
        return Pool(number)(features, ids)

    def __call__(self, images: Array) -> tuple[Array, dict[str, Array]]:
        points, ids = to_sets(images)
        sets = self.of_sets(self.of_points(points), ids, len(images))
        return self.set2(jax.nn.relu(self.set1(sets))), {}


def draw_points(network: PointNet, images: np.ndarray, title: str) -> Figure:
    """Digits as their points, and on top those that are the largest in a channel, or in none."""
    points, ids = to_sets(jnp.asarray(images))
    _, index = jaxpool.segment_max_pool(network.of_points(points), ids, len(images), return_indices=True)
    counts = np.bincount(np.asarray(index).ravel(), minlength=len(points))
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    figure.suptitle(title)
    figure.supxlabel(
        f"Blue: the points of a digit. Orange: those with the largest value in some of {FEATURES} channels, "
        "the larger the more",
        size=10,
    )
    for i, axes in enumerate(figure.subplots(2, 5).flat):
        x, y, _ = np.asarray(points)[np.asarray(ids) == i].T
        count = counts[np.asarray(ids) == i]
        axes.scatter(x, -y, s=14, color=BLUE, alpha=0.35, linewidths=0)
        axes.scatter(x, -y, s=8 * count, color=ORANGE, linewidths=0)
        axes.set(aspect="equal", xlim=(-1, 1), ylim=(-1, 1))
        axes.set_title(f"{(count > 0).sum()} of {len(count)} points", size=10)
        axes.axis("off")
    return figure


def parse_arguments() -> argparse.Namespace:
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], formatter_class=style)
    parser.add_argument("--pool", choices=POOLS, default="max", help="of the points of a set")
    parser.add_argument("--epochs", type=at_least(1), default=20, metavar="N", help="to train for")
    parser.add_argument("--steps", type=at_least(1), default=math.inf, metavar="N", help="to stop after")
    parser.add_argument("--batch-size", type=at_least(1), default=50, metavar="N", help="digits to a step")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of all that is random")
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help="for the pictures")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    make_folder(options.out)
    interrupts = note_interrupts()
    digits, held_out = load_digits()
    graph, parameters = nnx.split(PointNet(options.pool, nnx.Rngs(options.seed)))

    def apply(parameters: Any, images: Any) -> tuple[Array, dict[str, Array]]:
        return nnx.merge(graph, parameters)(jnp.asarray(images))

    parameters, history = train(parameters, apply, digits, held_out, options, interrupts)
    steps, loss, accuracy = history.held_out[-1]
    reached = f"{accuracy:.1%} on {len(held_out.labels):,} held-out digits after step {steps:,}"
    print(f"{'Interrupted. ' if interrupts else ''}Accuracy: {reached} (loss {loss:.4f})")

    title = f"Sets of points, {options.pool} pooling: {reached}"
    curves, points = options.out / "sets_learning_curves.png", options.out / "sets_points.png"
    with matplotlib.rc_context(STYLE):
        draw_learning_curves(history, title).savefig(curves)
        draw_points(nnx.merge(graph, parameters), held_out.images[8::100][:10], title).savefig(points)
    print(f"Pictures: {curves} and {points}")


if __name__ == "__main__":
    main()
