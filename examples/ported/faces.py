"""Finds faces with MTCNN, on jaxpool's pools and with the weights of others, and draws how it does.

    pip install --no-deps facenet-pytorch==2.6.0     # for its weights; it is not imported
    python examples/ported/faces.py

Three networks, each better and slower than the one before, and each with less to look at. P-Net sees every
square of a photograph at ten scales, R-Net and O-Net what is left, and O-Net finds eyes, nose and mouth too.
Whatever they see is scaled by adaptive average pooling. The photograph, of the astronaut Eileen Collins, is
NASA's and comes with scikit-image; nothing is downloaded.
"""

# First, because it says how to install what is missing, and where the other examples are.
from weights import installed, load

# isort: split

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from flax import nnx
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scenes import iou
from skimage.data import astronaut
from tqdm import tqdm
from train_digits import STYLE, make_folder

import jaxpool
import jaxpool.nnx as nnx_pool

SMALLEST = 20  # side of a face, in pixels
SHRINK = 0.709  # from one scale to the next: about half the area
CHANCES = (0.6, 0.7, 0.7)  # of a face, that a square has to have in the eyes of each network
BATCH = 64  # squares that R-Net and O-Net look at together


# ------------------------------------------------------------------------------------------------ networks


def convolution(inputs: int, outputs: int, side: int, rngs: nnx.Rngs) -> nnx.Conv:
    return nnx.Conv(inputs, outputs, (side, side), padding="VALID", rngs=rngs)


def halving(side: int) -> nnx_pool.MaxPool:
    """Caffe's pools, with which MTCNN was trained: the last window may overhang the end."""
    return nnx_pool.MaxPool((side, side), (2, 2), ceil_mode=True)


def flat(x: Array) -> Array:
    """Columns before rows: MTCNN was trained in MATLAB."""
    return x.transpose(0, 2, 1, 3).reshape(len(x), -1)


class PNet(nnx.Module):
    """Of each square of 12 x 12 pixels, two apart: the chance of a face, and how its box differs."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv1, self.prelu1, self.pool1 = convolution(3, 10, 3, rngs), nnx.PReLU(), halving(2)
        self.conv2, self.prelu2 = convolution(10, 16, 3, rngs), nnx.PReLU()
        self.conv3, self.prelu3 = convolution(16, 32, 3, rngs), nnx.PReLU()
        self.conv4_1, self.conv4_2 = convolution(32, 2, 1, rngs), convolution(32, 4, 1, rngs)

    def __call__(self, images: Array) -> tuple[Array, Array]:
        x = self.pool1(self.prelu1(self.conv1(images)))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))
        return jax.nn.softmax(self.conv4_1(x))[..., 1], self.conv4_2(x)


class RNet(nnx.Module):
    """The same of images of 24 x 24 pixels."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv1, self.prelu1, self.pool1 = convolution(3, 28, 3, rngs), nnx.PReLU(), halving(3)
        self.conv2, self.prelu2, self.pool2 = convolution(28, 48, 3, rngs), nnx.PReLU(), halving(3)
        self.conv3, self.prelu3 = convolution(48, 64, 2, rngs), nnx.PReLU()
        self.dense4, self.prelu4 = nnx.Linear(3 * 3 * 64, 128, rngs=rngs), nnx.PReLU()
        self.dense5_1, self.dense5_2 = nnx.Linear(128, 2, rngs=rngs), nnx.Linear(128, 4, rngs=rngs)

    def __call__(self, images: Array) -> tuple[Array, Array]:
        x = self.pool1(self.prelu1(self.conv1(images)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(flat(x)))
        return jax.nn.softmax(self.dense5_1(x))[:, 1], self.dense5_2(x)


class ONet(nnx.Module):
    """The same of images of 48 x 48 pixels, and five landmarks: their x and then their y."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv1, self.prelu1, self.pool1 = convolution(3, 32, 3, rngs), nnx.PReLU(), halving(3)
        self.conv2, self.prelu2, self.pool2 = convolution(32, 64, 3, rngs), nnx.PReLU(), halving(3)
        self.conv3, self.prelu3, self.pool3 = convolution(64, 64, 3, rngs), nnx.PReLU(), halving(2)
        self.conv4, self.prelu4 = convolution(64, 128, 2, rngs), nnx.PReLU()
        self.dense5, self.prelu5 = nnx.Linear(3 * 3 * 128, 256, rngs=rngs), nnx.PReLU()
        self.dense6_1, self.dense6_2 = nnx.Linear(256, 2, rngs=rngs), nnx.Linear(256, 4, rngs=rngs)
        self.dense6_3 = nnx.Linear(256, 10, rngs=rngs)

    def __call__(self, images: Array) -> tuple[Array, Array, Array]:
        x = self.pool1(self.prelu1(self.conv1(images)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(flat(x)))
        return jax.nn.softmax(self.dense6_1(x))[:, 1], self.dense6_2(x), self.dense6_3(x)


def load_networks() -> tuple[PNet, RNet, ONet]:
    folder, rngs = installed("facenet_pytorch", "facenet-pytorch==2.6.0") / "data", nnx.Rngs(0)
    networks = PNet(rngs), RNet(rngs), ONet(rngs)
    for network in networks:
        load(network, folder / f"{type(network).__name__.lower()}.pt")
    return networks


# --------------------------------------------------------------------------------------------------- boxes
# (x1, y1, x2, y2) in pixels from the upper left corner; in NumPy, as photographs differ in how many there are


def suppress(covers: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Non-maximum suppression: those that cover none that is better and kept, the best first."""
    kept: list[int] = []
    for number in np.argsort(-chances, kind="stable"):
        if not covers[number, kept].any():
            kept.append(int(number))
    return np.array(kept, int)


def share_of_smaller(boxes: np.ndarray) -> np.ndarray:
    """The area that each box has in common with each, over that of the smaller one; of whole pixels."""
    low, high = boxes[:, :2], boxes[:, 2:] + 1
    areas = (high - low).prod(1)
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    return common.clip(0).prod(2) / np.minimum(areas[:, None], areas)


def move(boxes: np.ndarray, changes: np.ndarray, pixel: int) -> np.ndarray:
    """Each side by a part of the box's size, which the later networks count from pixel to pixel."""
    sizes = boxes[:, 2:] - boxes[:, :2] + np.float32(pixel)
    return boxes + changes * np.tile(sizes, 2)


def square(boxes: np.ndarray) -> np.ndarray:
    sizes = boxes[:, 2:] - boxes[:, :2]
    side = sizes.max(1, keepdims=True)
    low = boxes[:, :2] + sizes * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([low, low + side], 1)


# -------------------------------------------------------------------------------------------------- stages


def scales(shape: tuple[int, ...]) -> Iterator[float]:
    """At which a face is as large as what P-Net sees, from the smallest face to the largest that fits."""
    scale = 12 / SMALLEST
    while min(shape[:2]) * scale >= 12:
        yield scale
        scale *= SHRINK


@functools.partial(nnx.jit, static_argnums=2)
def see_all(network: PNet, image: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    chances, changes = network(jaxpool.adaptive_avg_pool(image, shape)[None])
    return chances[0], changes[0]


def propose(network: PNet, image: Array, scale: float) -> tuple[np.ndarray, ...]:
    """The squares at one scale that may be faces: their boxes, chances and changes."""
    height, width = (int(length * scale + 1) for length in image.shape[:2])
    chances, changes = map(np.asarray, see_all(network, image, (height, width)))
    rows, columns = np.nonzero(chances >= CHANCES[0])
    corners = 2 * np.stack([columns, rows], 1).astype(np.float32)
    boxes = np.floor(np.concatenate([corners + 1, corners + 12], 1) / np.float32(scale))
    chances, changes = chances[rows, columns], changes[rows, columns]
    kept = suppress(iou(boxes, boxes, np) > 0.5, chances)
    return boxes[kept], chances[kept], changes[kept]


def bins(low: Array, high: Array, count: int, length: int) -> Array:
    """What each of `count` bins of each interval takes of each pixel along an axis.

    The bins are those of `adaptive_avg_pool`, which knows the intervals only if they are no arrays.
    """
    edges = jnp.arange(count + 1) * (high - low)[:, None]
    first, end = edges[:, :-1] // count, -(-edges[:, 1:] // count)
    pixels = jnp.arange(length) - low[:, None, None]
    inside = (first[..., None] <= pixels) & (pixels < end[..., None])
    return inside / jnp.maximum(inside.sum(-1, keepdims=True), 1)


@functools.partial(nnx.jit, static_argnums=3)
def see_boxes(network: Any, image: Array, boxes: Any, side: int) -> tuple[Array, ...]:
    """What a network says of what is in each of the boxes, of whole pixels."""
    height, width, _ = image.shape
    rows, columns = bins(boxes[:, 1], boxes[:, 3], side, height), bins(boxes[:, 0], boxes[:, 2], side, width)
    return network(jnp.einsum("byh, hwc, bxw -> byxc", rows, image, columns))


def look_again(network: RNet | ONet, image: Array, boxes: np.ndarray, side: int) -> list[np.ndarray]:
    """The same of any number of boxes, whose pixels are counted from 1, `BATCH` of them at a time."""
    height, width, _ = image.shape
    whole = np.trunc(boxes).astype(int)
    whole = np.concatenate([np.maximum(whole[:, :2], 1) - 1, np.minimum(whole[:, 2:], (width, height))], 1)
    results = []
    for start in tqdm(range(0, max(len(boxes), 1), BATCH), desc=type(network).__name__):
        batch = np.resize(whole[start : start + BATCH], (BATCH, 4))  # the last one is filled up
        results.append(see_boxes(network, image, batch, side))
    return [np.concatenate(arrays)[: len(boxes)] for arrays in zip(*results, strict=True)]


class Found(NamedTuple):
    proposed: np.ndarray  # P-Net's squares, (count, 4)
    refined: np.ndarray  # R-Net's, of those
    refined_of: np.ndarray  # their numbers in `proposed`
    faces: np.ndarray  # O-Net's boxes, of those, (faces, 4)
    faces_of: np.ndarray  # their numbers in `refined`
    chances: np.ndarray  # (faces,)
    landmarks: np.ndarray  # both eyes, the nose and both corners of the mouth, (faces, 5, 2), as (x, y)


def detect(networks: tuple[PNet, RNet, ONet], photograph: np.ndarray) -> Found:
    """The faces in a photograph, the most likely first, and what the networks before left."""
    pnet, rnet, onet = networks
    image = (jnp.asarray(photograph, jnp.float32) - 127.5) / 128
    proposals = [propose(pnet, image, scale) for scale in tqdm(list(scales(image.shape)), desc="PNet")]
    boxes, chances, changes = map(np.concatenate, zip(*proposals, strict=True))
    kept = suppress(iou(boxes, boxes, np) > 0.7, chances)
    proposed = square(move(boxes[kept], changes[kept], 0))

    chances, changes = look_again(rnet, image, proposed, 24)
    likely = np.flatnonzero(chances > CHANCES[1])
    refined_of = likely[suppress(iou(proposed[likely], proposed[likely], np) > 0.7, chances[likely])]
    refined = square(move(proposed[refined_of], changes[refined_of], 1))

    chances, changes, points = look_again(onet, image, refined, 48)
    likely = np.flatnonzero(chances > CHANCES[2])
    boxes = move(refined[likely], changes[likely], 1)
    kept = suppress(share_of_smaller(boxes) > 0.7, chances[likely])
    faces_of = likely[kept]
    low, sizes = refined[faces_of, None, :2], (refined[:, 2:] - refined[:, :2] + 1)[faces_of, None]
    landmarks = low + sizes * points[faces_of].reshape(-1, 2, 5).transpose(0, 2, 1) - 1
    return Found(proposed, refined, refined_of, boxes[kept], faces_of, chances[faces_of], landmarks)


# ------------------------------------------------------------------------------------------------- picture


DROPPED, KEPT = "white", "#39ff14"  # to be seen on all of the photograph
CLOSE = 256  # pixels, of the closer look at a face


def draw_boxes(axes: Axes, boxes: np.ndarray, **style: Any) -> None:
    for left, top, right, bottom in boxes:
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, **style))


def draw(photograph: np.ndarray, found: Found) -> Figure:
    """What each network leaves, on the photograph, and a closer look at the most likely face."""
    figure = Figure(figsize=(13, 5.4), layout="constrained")
    figure.suptitle("MTCNN's three networks on jaxpool's pools")
    figure.supxlabel("Green: what the next network keeps, before it moves it. White: what it drops", size=10)
    panels = figure.subplots(1, 3)
    stages = ((found.proposed, found.refined_of), (found.refined, found.faces_of))
    for axes, name, (boxes, kept) in zip(panels, ("P-Net", "R-Net"), stages, strict=False):
        axes.set_title(f"{name} leaves {len(boxes)} squares")
        draw_boxes(axes, np.delete(boxes, kept, 0), ec=DROPPED, lw=0.8)
        draw_boxes(axes, boxes[kept], ec=KEPT, lw=1.6)
    panels[2].set_title(f"O-Net leaves {len(found.faces)}, with eyes, nose and mouth")
    draw_boxes(panels[2], found.faces, ec=KEPT, lw=2.5)
    for axes in panels:
        axes.imshow(photograph)
        axes.axis("off")
    for landmarks, box, chance in zip(found.landmarks, found.faces, found.chances, strict=True):
        panels[2].scatter(*landmarks.T, s=70, color=KEPT, ec="black", lw=1)
        label = {"size": 11, "va": "bottom", "bbox": {"fc": KEPT, "lw": 0, "pad": 2}}
        panels[2].text(*box[:2], f"{chance:.4%}", **label)
    for box in found.faces[:1]:
        most = np.array(photograph.shape[1::-1]) - CLOSE
        left, top = np.clip((box[:2] + box[2:] - CLOSE) / 2, 0, most)
        panels[2].set(xlim=(left, left + CLOSE), ylim=(top + CLOSE, top))
    return figure


def parse_arguments() -> argparse.Namespace:
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], formatter_class=style)
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help="for the picture")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    make_folder(options.out)
    photograph = astronaut()
    found = detect(load_networks(), photograph)
    print(f"Faces: {len(found.faces)} of {len(found.proposed)} squares")
    for box, chance in zip(found.faces, found.chances, strict=True):
        left, top, right, bottom = box
        print(f"  from ({left:.1f}, {top:.1f}) to ({right:.1f}, {bottom:.1f}), with a chance of {chance:.4%}")
    picture = options.out / "faces.png"
    with matplotlib.rc_context(STYLE):
        draw(photograph, found).savefig(picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    main()
