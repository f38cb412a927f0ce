"""Trains a detector of two stages to find handwritten digits in scenes, and draws what it finds.

    python examples/detect.py --quick     # a first look
    python examples/detect.py             # until it is good

Scenes are made as they are needed, by scenes.py, of the digits of train_digits.py; those to measure with are
made of digits that are held out. The first stage proposes boxes: convolutions give features at two scales,
and at each cell of each a score and how its anchor, a square, is to be moved and resized. The cells whose
score is the largest around, and of those the best, are the proposals: as many in every image, so that all
shapes are static. The second stage pools the features inside each proposal with `multiscale_roi_align` and
says which digit it is, or none, and where precisely. Ctrl-C ends the training early.
"""

# First, because it says how to install what is missing.
from train_digits import BLUE, ORANGE, STYLE, Digits, at_least, load_digits, make_folder, note_interrupts

# isort: split

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from flax import nnx
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scenes import SIDE, Scenes, iou, make_scenes
from tqdm import tqdm

import jaxpool
import jaxpool.nnx as nnx_pool

CLASSES = 10  # and class 10 is the background
STRIDES = (4, 8)  # pixels to a cell of the features of each scale
COARSE = 3  # the logarithm of the coarser stride
ANCHORS = (20, 40)  # sides of the squares at each scale
LIMIT = 26  # digits whose box has a larger square root of its area are found at the coarser scale
PROPOSALS = 24
SCENES = 16  # to a step
LEARNING_RATE = 2e-3


# --------------------------------------------------------------------------------------------------- boxes


def make_anchors() -> tuple[Any, Any]:
    """For every cell of both scales the square around its centre, and its stride."""
    boxes, strides = [], []
    for stride, side in zip(STRIDES, ANCHORS, strict=True):
        middles = (np.arange(SIDE // stride) + 0.5) * stride
        y, x = np.meshgrid(middles, middles, indexing="ij")
        boxes.append(np.stack([x - side / 2, y - side / 2, x + side / 2, y + side / 2], -1).reshape(-1, 4))
        strides.append(np.full(x.size, stride))
    return np.concatenate(boxes).astype(np.float32), np.concatenate(strides)


ANCHOR_BOXES, ANCHOR_STRIDES = make_anchors()


def middle_and_size(boxes: Array) -> tuple[Array, Array]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, jnp.maximum(boxes[..., 2:] - boxes[..., :2], 1)


def encode(boxes: Array, references: Array) -> Array:
    """What makes the boxes of references: moves in units of their sizes, and logarithms of scales."""
    (middles, sizes), (from_middles, from_sizes) = middle_and_size(boxes), middle_and_size(references)
    return jnp.concatenate([(middles - from_middles) / from_sizes, jnp.log(sizes / from_sizes)], -1)


def decode(changes: Array, references: Array) -> Array:
    """The boxes that changes make of references."""
    middles, sizes = middle_and_size(references)
    middles = middles + changes[..., :2] * sizes
    sizes = sizes * jnp.exp(changes[..., 2:].clip(-3, 3))
    return jnp.concatenate([middles - sizes / 2, middles + sizes / 2], -1)


# ------------------------------------------------------------------------------------------------- network


def block(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Sequential:
    return nnx.Sequential(
        nnx.Conv(inputs, outputs, (3, 3), use_bias=False, rngs=rngs),
        nnx.GroupNorm(outputs, num_groups=4, rngs=rngs),
        jax.nn.relu,
    )


class Proposals(NamedTuple):
    boxes: Array  # (scenes, proposals, 4)
    scores: Array  # (scenes, proposals); 0 where there were too few


class Detector(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        halve = nnx_pool.MaxPool((2, 2), strides=(2, 2))
        first = nnx.Conv(1, 8, (3, 3), rngs=rngs)  # sees every pixel, so it is small and not normalized
        to_stride_4 = (first, jax.nn.relu, halve, block(8, 32, rngs), halve)
        self.fine = nnx.Sequential(*to_stride_4, block(32, 64, rngs), block(64, 64, rngs))
        self.coarse = nnx.Sequential(halve, block(64, 64, rngs), block(64, 64, rngs))
        self.lateral = nnx.Conv(64, 64, (1, 1), rngs=rngs)
        self.propose = nnx.Sequential(block(64, 64, rngs), nnx.Conv(64, 5, (1, 1), rngs=rngs))
        self.recognize = nnx.Sequential(
            nnx.Linear(7 * 7 * 64, 128, rngs=rngs), jax.nn.relu, nnx.Linear(128, CLASSES + 1 + 4, rngs=rngs)
        )

    def pyramid(self, images: Array) -> list[Array]:
        """The features of both scales; the finer know what the coarser see."""
        fine = self.fine(images)
        coarse = self.coarse(fine)
        repeated = jaxpool.avg_unpool(coarse, fine.shape[1:3], (2, 2), strides=(2, 2))
        return [jax.nn.relu(self.lateral(fine) + repeated), coarse]

    def first_stage(self, features: list[Array]) -> tuple[list[Array], Array]:
        """The logits of scores as a map for each scale, and the changes of all anchors."""
        maps = [self.propose(level) for level in features]
        changes = [level[..., 1:].reshape(len(level), -1, 4) for level in maps]
        return [level[..., 0] for level in maps], jnp.concatenate(changes, 1)

    def second_stage(self, features: list[Array], boxes: Array) -> tuple[Array, Array]:
        """The logits of classes and the changes of boxes."""
        scales = {"image_shape": (SIDE, SIDE), "canonical_scale": LIMIT, "canonical_level": COARSE}
        regions = jaxpool.multiscale_roi_align(features, boxes, (7, 7), **scales, aligned=True)
        results = self.recognize(regions.reshape(*boxes.shape[:2], -1))
        return results[..., : CLASSES + 1], results[..., CLASSES + 1 :]


def flat(maps: list[Array]) -> Array:
    return jnp.concatenate([level.reshape(len(level), -1) for level in maps], 1)


def choose_proposals(logits: list[Array], changes: Array) -> Proposals:
    """The best of the cells that are the largest of 3x3: max pooling suppresses all others."""
    peaks = []
    for scores in map(jax.nn.sigmoid, logits):
        around = jaxpool.max_pool(scores, (3, 3), padding="SAME", channel_axis=None)
        peaks.append(jnp.where(scores == around, scores, 0))
    scores, cells = jax.lax.top_k(flat(peaks), PROPOSALS)
    return Proposals(jnp.take_along_axis(decode(changes, ANCHOR_BOXES), cells[..., None], 1), scores)


# ------------------------------------------------------------------------------------------------ training


def anchor_targets(boxes: Array, labels: Array) -> tuple[Array, Array]:
    """Of one scene: which cells are in the middle of a digit of their scale, and its box."""
    middles, sizes = middle_and_size(boxes)
    distances = jnp.abs(middle_and_size(ANCHOR_BOXES)[0][:, None] - middles)
    near = (distances < ANCHOR_STRIDES[:, None, None]).all(-1)
    digit_strides = jnp.where(jnp.sqrt(sizes.prod(-1)) < LIMIT, *STRIDES)
    hits = near & (ANCHOR_STRIDES[:, None] == digit_strides) & (labels >= 0)
    return hits.any(-1), boxes[hits.argmax(-1)]


def proposal_targets(proposals: Array, boxes: Array, labels: Array) -> tuple[Array, Array]:
    """Of one scene: the class of each proposal, and the box of the digit that it covers best."""
    overlaps = jnp.where(labels >= 0, iou(proposals, boxes), 0)
    best = overlaps.argmax(-1)
    return jnp.where(overlaps.max(-1) >= 0.5, labels[best], CLASSES), boxes[best]


def box_loss(changes: Array, targets: Array, counts: Array) -> Array:
    """Smooth L1, averaged over the boxes that count."""
    losses = optax.huber_loss(changes, targets, delta=0.1).sum(-1) / 0.1
    return (losses * counts).sum() / jnp.maximum(counts.sum(), 1)


def loss(detector: Detector, scenes: Scenes) -> Array:
    features = detector.pyramid(scenes.images)
    logits, changes = detector.first_stage(features)
    hits, boxes = jax.vmap(anchor_targets)(scenes.boxes, scenes.labels)
    scores = optax.sigmoid_focal_loss(flat(logits), hits.astype(np.float32), alpha=0.5)
    first = 2 * scores.sum() / jnp.maximum(hits.sum(), 1)
    first += box_loss(changes, encode(boxes, ANCHOR_BOXES), hits)

    # The second stage learns from the digits' own boxes too, as at first no proposal is near one.
    proposals = jax.lax.stop_gradient(choose_proposals(logits, changes).boxes)
    proposals = jnp.concatenate([proposals, scenes.boxes], 1)
    classes, boxes = jax.vmap(proposal_targets)(proposals, scenes.boxes, scenes.labels)
    logits, changes = detector.second_stage(features, proposals)
    second = optax.softmax_cross_entropy_with_integer_labels(logits, classes).mean()
    second += box_loss(changes, encode(boxes, proposals), classes < CLASSES)
    return first + second


def train(
    detector: Detector, digits: Digits, steps: int, seed: int, interrupts: list
) -> tuple[Detector, int]:
    """Learns until the last step or an interrupt; returns the detector and the steps made."""
    graph, parameters = nnx.split(detector)
    schedule = optax.warmup_cosine_decay_schedule(0, LEARNING_RATE, min(100, steps // 10), steps)
    optimizer = optax.chain(optax.clip_by_global_norm(5), optax.adam(schedule))
    state = optimizer.init(parameters)

    @jax.jit
    def update(parameters, state, scenes):
        value, gradient = jax.value_and_grad(lambda p: loss(nnx.merge(graph, p), scenes))(parameters)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(parameters, updates), state, value

    generator, losses = np.random.default_rng(seed), []
    scenes = make_scenes(generator, digits, SCENES)
    with tqdm(desc="training", total=steps, unit="step") as bar:
        while len(losses) < steps and not interrupts:
            parameters, state, value = update(parameters, state, scenes)
            scenes = make_scenes(generator, digits, SCENES)  # while the device is at work
            losses.append(float(value))
            bar.set_postfix_str(f"loss {np.mean(losses[-40:]):.3f}", refresh=False)
            bar.update()
    return nnx.merge(graph, parameters), len(losses)


# ----------------------------------------------------------------------------------------------- detection


class Detections(NamedTuple):
    boxes: Any  # (scenes, proposals, 4)
    labels: Any  # (scenes, proposals)
    scores: Any  # (scenes, proposals); 0 where there is nothing


def suppress(boxes: Array, scores: Array, limit: float = 0.5) -> Array:
    """The scores, with 0 for each box that covers a better one: non-maximum suppression, of static shape."""
    order = jnp.argsort(-scores)
    overlaps = iou(boxes[order], boxes[order]) > limit

    def step(number: Array, kept: Array) -> Array:
        covers = (overlaps[number] & kept & (jnp.arange(len(kept)) < number)).any()
        return kept.at[number].set(~covers)

    kept = jax.lax.fori_loop(0, len(scores), step, jnp.ones(len(scores), bool))
    return jnp.zeros_like(scores).at[order].set(jnp.where(kept, scores[order], 0))


@nnx.jit
def detect(detector: Detector, images: Any) -> Detections:
    features = detector.pyramid(images)
    proposals = choose_proposals(*detector.first_stage(features))
    logits, changes = detector.second_stage(features, proposals.boxes)
    boxes = decode(changes, proposals.boxes).clip(0, SIDE)
    chances = jax.nn.softmax(logits)[..., :CLASSES]
    scores = jnp.where(proposals.scores > 0, chances.max(-1), 0)
    return Detections(boxes, chances.argmax(-1), jax.vmap(suppress)(boxes, scores))


def detect_all(detector: Detector, images: np.ndarray) -> Detections:
    """As many scenes at a time as in training; the last ones are filled up."""
    parts = [images[start : start + SCENES] for start in range(0, len(images), SCENES)]
    parts[-1] = np.resize(parts[-1], (SCENES, *images.shape[1:]))
    found = [detect(detector, part) for part in tqdm(parts, desc="measuring")]
    return Detections(*(np.concatenate(arrays)[: len(images)] for arrays in zip(*found, strict=True)))


def average_precision(hits: np.ndarray, scores: np.ndarray, digits: int) -> float:
    """The area under precision, the best at that recall or a higher one, against recall."""
    found = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    precision = found / np.arange(1, len(found) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * np.diff(found, prepend=0)).sum() / digits)


def match(found: Detections, scenes: Scenes, limit: float = 0.5) -> np.ndarray:
    """Which digit each detection finds, -1 for none: the best first, and each digit is found but once."""
    overlaps = iou(np.asarray(found.boxes), np.asarray(scenes.boxes), np)
    scores, labels, truth = map(np.asarray, (found.scores, found.labels, scenes.labels))
    matches = np.full(scores.shape, -1)
    for scene, free in enumerate(truth >= 0):
        for number in np.argsort(-scores[scene], kind="stable"):
            same = free & (truth[scene] == labels[scene, number])
            overlap = np.where(same, overlaps[scene, number], 0)
            if scores[scene, number] > 0 and overlap.max() >= limit:
                matches[scene, number] = best = overlap.argmax()
                free[best] = False
    return matches


def mean_average_precision(found: Detections, scenes: Scenes, limit: float = 0.5) -> float:
    """The mean of the average precisions of those classes that scenes have."""
    hits = match(found, scenes, limit) >= 0
    scores, labels, truth = map(np.asarray, (found.scores, found.labels, scenes.labels))

    def of_class(digit: int) -> float:
        chosen = (labels == digit) & (scores > 0)
        return average_precision(hits[chosen], scores[chosen], (truth == digit).sum())

    return float(np.mean([of_class(digit) for digit in range(CLASSES) if (truth == digit).any()]))


# ------------------------------------------------------------------------------------------------- picture


def draw_box(axes: Axes, box: np.ndarray, colour: str, line: str = "solid") -> None:
    left, top, right, bottom = box
    style = {"fill": False, "ec": colour, "lw": 2, "ls": line}
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, **style))


def draw(scenes: Scenes, found: Detections, title: str) -> Figure:
    """The first eight scenes, with the detections that are more likely than not."""
    figure = Figure(figsize=(12, 6.8), layout="constrained")
    figure.suptitle(title)
    legend = "Blue: right. Orange: wrong. Dotted: missed. At each box the digit and its probability"
    figure.supxlabel(legend, size=10)
    scenes, found = jax.tree.map(np.asarray, (scenes, found))
    matches = match(found, scenes)
    for number, axes in enumerate(figure.subplots(2, 4).flat):
        image, digits, truth = (array[number] for array in scenes)
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1, extent=(0, SIDE, SIDE, 0))
        axes.axis("off")
        shown = found.scores[number] > 0.5
        for box, label, score, digit in zip(
            *(array[number][shown] for array in (*found, matches)), strict=True
        ):
            colour = ORANGE if digit < 0 else BLUE
            draw_box(axes, box, colour)
            text = {"color": "white", "size": 8, "va": "bottom", "bbox": {"fc": colour, "lw": 0, "pad": 1}}
            axes.text(*box[:2], f"{label} {score:.0%}", **text)
        for digit in np.flatnonzero(truth >= 0):
            if digit not in matches[number][shown]:
                draw_box(axes, digits[digit], ORANGE, "dotted")
    return figure


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything, unless asked for")
    parser.add_argument("--steps", type=at_least(1), default=1500, metavar="N", help="to train for")
    parser.add_argument("--scenes", type=at_least(8), default=1000, metavar="N", help="to measure with")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of all that is random")
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help="for the picture")
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(steps=400, scenes=200)
        options = parser.parse_args()
    return options


def main() -> None:
    options = parse_arguments()
    make_folder(options.out)
    interrupts = note_interrupts()
    digits, held_out = load_digits()
    detector = Detector(nnx.Rngs(options.seed))
    detector, steps = train(detector, digits, options.steps, options.seed, interrupts)

    scenes = make_scenes(np.random.default_rng(0), held_out, options.scenes)  # the same in every run
    found = detect_all(detector, scenes.images)
    precision = mean_average_precision(found, scenes)
    reached = f"{precision:.3f} on {options.scenes:,} scenes of held-out digits after step {steps:,}"
    print(f"{'Interrupted. ' if interrupts else ''}mAP at IoU 0.5: {reached}")
    picture = options.out / "detections.png"
    with matplotlib.rc_context(STYLE):
        draw(scenes, found, f"Two stages, mAP {reached}").savefig(picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    main()
