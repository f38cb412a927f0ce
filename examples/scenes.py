"""Scenes for detect.py: digits of many sizes before a mottled background, among pieces of other digits.

Boxes are `(x1, y1, x2, y2)`, in pixels from the upper left corner, as `jaxpool.roi_align` takes them.
"""

# First, because it says how to install what is missing.
from train_digits import Digits

# isort: split

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

SIDE = 96  # of a scene, in pixels
FEWEST, MOST = 2, 5  # digits in a scene
SCALES = (0.8, 2)  # of a digit, whose ink is some 20 pixels high
PIECES, PIECE = 6, 10  # how many pieces of digits there are, and their side before they are scaled
PLACES = 20  # tried for each digit and piece, of which it takes the one where it covers the others least
INK = 0.3  # what belongs to a digit; paper is 0


class Scenes(NamedTuple):
    """Scenes with as many digits each, of which some are not there."""

    images: Any  # (scenes, SIDE, SIDE, 1), from 0 to 1
    boxes: Any  # (scenes, MOST, 4), of the ink
    labels: Any  # (scenes, MOST), -1 where there is no digit


def iou(boxes: Any, others: Any, xp: Any = jnp) -> Any:
    """Intersection over union of every box of one array with every one of another."""

    def area(low: Any, high: Any) -> Any:
        return xp.maximum(high - low, 0).prod(-1)

    (low, high), (other_low, other_high) = (
        (array[..., :2], array[..., 2:]) for array in (boxes[..., :, None, :], others[..., None, :, :])
    )
    both = area(xp.maximum(low, other_low), xp.minimum(high, other_high))
    return both / xp.maximum(area(low, high) + area(other_low, other_high) - both, 1e-9)


def ink_box(image: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero((image[..., 0] > INK).any(axis)) for axis in (1, 0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def place(generator: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
    """Boxes of these sizes, one after the other, each where it covers those before it least."""
    boxes = np.zeros((len(sizes), 4), np.float32)
    for number, size in enumerate(sizes):
        low = generator.uniform(0, SIDE - size, (PLACES, 2))
        places = np.concatenate([low, low + size], 1)
        boxes[number] = places[iou(places, boxes, np).max(1).argmin()]
    return boxes


def interpolation(low: float, scale: float, length: int) -> np.ndarray:
    """The matrix that scales a line of pixels, between which it interpolates, and puts it at `low`."""
    positions = (np.arange(SIDE) + 0.5 - low) / scale - 0.5
    return np.maximum(1 - np.abs(positions[:, None] - np.arange(length)), 0)


def paint(image: np.ndarray, scale: float, corner: np.ndarray) -> np.ndarray:
    """The image on a sheet of the scene's size, scaled and with its corner at `(x, y)`."""
    down, right = (interpolation(low, scale, len(image)) for low in corner[::-1])
    return down @ image[..., 0] @ right.T


def cut(generator: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """A piece of an image, from about its middle, where there is ink."""
    middle = (len(image) - PIECE) // 2
    top, left = generator.integers(middle - 4, middle + 5, 2)
    return image[top : top + PIECE, left : left + PIECE]


def make_scene(generator: np.random.Generator, digits: Digits) -> Scenes:
    """One scene, without the first axis."""
    chosen, others = np.split(generator.integers(len(digits.labels), size=MOST + PIECES), [MOST])
    scales = generator.uniform(*SCALES, MOST + PIECES)
    images = [digits.images[number] for number in chosen]
    inks = np.stack([ink_box(image) for image in images]) * scales[:MOST, None]
    images += [cut(generator, digits.images[number]) for number in others]
    sizes = np.concatenate([inks[:, 2:] - inks[:, :2], scales[MOST:, None].repeat(2, 1) * PIECE])
    boxes = place(generator, sizes)
    corners = boxes[:, :2] - np.pad(inks[:, :2], ((0, PIECES), (0, 0)))

    count = generator.integers(FEWEST, MOST + 1)
    scene = paint(generator.uniform(0, 0.4, (6, 6, 1)), SIDE / 5, np.full(2, -SIDE / 10))  # the background
    for number in (*range(count), *range(MOST, MOST + PIECES)):
        thing = paint(images[number], scales[number], corners[number])
        scene = np.maximum(scene, generator.uniform(0.5, 1) * thing)
    scene = (scene + 0.05 * generator.standard_normal(scene.shape)).clip(0, 1)
    labels = np.where(np.arange(MOST) < count, digits.labels[chosen], -1)
    return Scenes(scene[..., None].astype(np.float32), boxes[:MOST], labels)


def make_scenes(generator: np.random.Generator, digits: Digits, count: int) -> Scenes:
    scenes = zip(*(make_scene(generator, digits) for _ in range(count)), strict=True)
    return Scenes(*map(np.stack, scenes))
