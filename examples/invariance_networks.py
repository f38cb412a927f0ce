"""What invariance.py compares: a network with any of many downsamplers, and pools on random features."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx
from jax import Array

import jaxpool
import jaxpool.nnx as nnx_pool
from jaxpool import analysis
from jaxpool.analysis import Layer

SIDE = 32  # of an image; no digit is larger than 20, and 32 can be halved twice
CHANNELS = (8, 16, 32)  # of the maps after each convolution
KERNELS = (5, 3, 3)  # with two pools of 2x2/2, units before the head see 20 pixels: a whole digit


class Downsampler(NamedTuple):
    label: str
    make: Callable[[int, nnx.Rngs], Callable]  # the layer, for a number of channels
    windows: tuple[Layer, ...]  # what the layer sees
    head: str = "max"  # what follows the last convolution


def around(maps: Array) -> Array:
    """The maps with the first row and column once more at the end, for windows that overlap."""
    return jnp.pad(maps, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="wrap")


class LocalImportance(nnx.Module):
    """LIP: a convolution says how much each position counts in its window."""

    def __init__(self, channels: int, rngs: nnx.Rngs):
        self.logits = nnx.Conv(channels, channels, (1, 1), rngs=rngs)
        self.pool = nnx_pool.LipPool((2, 2), (2, 2))

    def __call__(self, maps: Array) -> Array:
        return self.pool(maps, self.logits(maps))


TWO: Any = ((2, 2), (2, 2))  # windows of 2x2 with stride 2
THREE: Any = ((3, 3), (2, 2))
DISJOINT, OVERLAPPING, DENSE = (Layer(*TWO),), (Layer(*THREE),), Layer((2, 2))


def disjoint_max(channels: int, rngs: nnx.Rngs) -> Callable:
    return nnx_pool.MaxPool(*TWO)


def learned_convolution(channels: int, rngs: nnx.Rngs) -> Callable:
    return nnx.Conv(channels, channels, *TWO, padding="VALID", rngs=rngs)


def nothing(channels: int, rngs: nnx.Rngs) -> Callable:
    return lambda maps: maps


DOWNSAMPLERS = {
    "max": Downsampler("max 2x2/2", disjoint_max, DISJOINT),
    "max-overlap": Downsampler(
        "max 3x3/2", lambda channels, rngs: nnx.Sequential(around, nnx_pool.MaxPool(*THREE)), OVERLAPPING
    ),
    "avg": Downsampler("average 2x2/2", lambda channels, rngs: nnx_pool.AvgPool(*TWO), DISJOINT),
    "avg-overlap": Downsampler(
        "average 3x3/2", lambda channels, rngs: nnx.Sequential(around, nnx_pool.AvgPool(*THREE)), OVERLAPPING
    ),
    "max-blur": Downsampler(
        "blurred max",
        lambda channels, rngs: nnx.Sequential(around, nnx_pool.MaxBlurPool(*TWO, blur_padding="WRAP")),
        (DENSE, *OVERLAPPING),
    ),
    "polyphase": Downsampler(
        "polyphase max",
        lambda channels, rngs: nnx.Sequential(
            around, nnx_pool.MaxPool((2, 2)), nnx_pool.PolyphasePool((2, 2))
        ),
        (DENSE, Layer((1, 1), (2, 2))),
    ),
    "lenet": Downsampler(
        "LeNet's, with tanh",
        lambda channels, rngs: nnx_pool.SubsamplePool(channels, *TWO, activation=True),
        DISJOINT,
    ),
    "mixed": Downsampler("mixed", lambda channels, rngs: nnx_pool.MixedPool(*TWO), DISJOINT),
    "gem": Downsampler("GeM", lambda channels, rngs: nnx_pool.GemPool(*TWO), DISJOINT),
    "lip": Downsampler("LIP", LocalImportance, DISJOINT),
    "strided": Downsampler("convolution 2x2/2", learned_convolution, DISJOINT),
    "attention": Downsampler("max, attention head", disjoint_max, DISJOINT, head="attention"),
    "max-flat": Downsampler("max, no global pool", disjoint_max, DISJOINT, head="flat"),
    "global": Downsampler("global pool only", nothing, ()),
    "none": Downsampler("no pool at all", nothing, (), head="flat"),
}


class Network(nnx.Module):
    """Three convolutions with downsamplers between them, and a head that ends in ten logits."""

    def __init__(self, name: str, rngs: nnx.Rngs):
        downsampler = DOWNSAMPLERS[name]
        # In this order, so that a seed starts these the same with every downsampler.
        sizes = zip((1, *CHANNELS), CHANNELS, KERNELS, strict=False)
        self.conv1, self.conv2, self.conv3 = (
            nnx.Conv(inputs, outputs, (size, size), padding="CIRCULAR", rngs=rngs)
            for inputs, outputs, size in sizes
        )
        self.pool1 = downsampler.make(CHANNELS[0], rngs)
        self.pool2 = downsampler.make(CHANNELS[1], rngs)
        last = CHANNELS[-1]
        if downsampler.head == "max":
            self.head: Callable = nnx_pool.GlobalMaxPool()
        elif downsampler.head == "attention":
            self.head = nnx_pool.AttentionPool(last, 4, rngs=rngs)
        else:
            self.head = lambda maps: maps.reshape(len(maps), -1)
            last *= (SIDE // (4 if downsampler.windows else 1)) ** 2
        self.classify = nnx.Linear(last, 10, rngs=rngs)

    def __call__(self, images: Array) -> Array:
        maps = self.pool1(nnx.relu(self.conv1(images)))
        maps = self.pool2(nnx.relu(self.conv2(maps)))
        return self.classify(self.head(nnx.relu(self.conv3(maps))))


def sight(name: str) -> int:
    """How many pixels along each axis a unit before the head sees."""
    first, second, third = (Layer((size, size)) for size in KERNELS)
    pool = DOWNSAMPLERS[name].windows
    return analysis.receptive_field([first, *pool, second, *pool, third])[-1].size[0]


def make_network(name: str, seed: int) -> tuple[Any, Callable]:
    """The initial parameters, and the network as a function of parameters and images."""
    graph, parameters = nnx.split(Network(name, nnx.Rngs(seed)))
    return parameters, lambda parameters, images: nnx.merge(graph, parameters)(images)


FEATURE_POOLS = ("global", "max", "avg", "max-blur", "polyphase")  # those that learn nothing
FEATURE_HEADS = ("in place", "global max", "global average", "convolution and global average")


def features(name: str, head: str) -> Callable[[Array], Array]:
    """A pool on a convolution with random weights, always the same, with something after it."""
    rngs = nnx.Rngs(0)
    first = nnx.Conv(1, CHANNELS[0], (5, 5), padding="CIRCULAR", rngs=rngs)
    second = nnx.Conv(CHANNELS[0], CHANNELS[1], (3, 3), padding="CIRCULAR", rngs=rngs)
    pool = DOWNSAMPLERS[name].make(CHANNELS[0], rngs)
    after: dict[str, Callable] = {
        "in place": lambda maps: maps,
        "global max": jaxpool.global_max_pool,
        "global average": jaxpool.global_avg_pool,
        "convolution and global average": lambda maps: jaxpool.global_avg_pool(nnx.relu(second(maps))),
    }
    return lambda images: after[head](pool(nnx.relu(first(images))))
