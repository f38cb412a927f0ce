"""Whole training steps of networks, with jaxpool's pools, with Flax's, and with hardly any pooling."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxpool.linen
from benchmarks.contenders import normal
from benchmarks.timing import Call, Effort, medians


def every_second(x: jax.Array, *arguments: Any) -> jax.Array:
    """Shrinks as a pool of stride two does and does nothing else: what is left is the rest of a network."""
    _, height, width, _ = jaxpool.output_shape(x.shape, *arguments)
    return x[:, ::2, ::2][:, :height, :width]


POOLS = {"jaxpool": jaxpool.linen.max_pool, "flax": nn.max_pool, "no pooling": every_second}


@dataclasses.dataclass(frozen=True)
class Network:
    """Layers in a row, made with the pool that they are to use, and the shape of a batch."""

    name: str
    shape: tuple[int, ...]
    layers: Callable[[Callable], list[Callable]]
    quick: bool = False  # also measured by `--quick`

    def __str__(self) -> str:
        return f"{self.name}, {'x'.join(map(str, self.shape))}"


def small(pool: Callable) -> list[Callable]:
    convolutions = [nn.Conv(32, (3, 3)), nn.relu, pool, nn.Conv(64, (3, 3)), nn.relu, pool]
    return [*convolutions, lambda x: x.reshape(len(x), -1), nn.Dense(256), nn.relu, nn.Dense(10)]


def alexnet(pool: Callable) -> list[Callable]:
    """The convolutions and the three pools of AlexNet, without its large dense layers."""
    first = nn.Conv(96, (11, 11), strides=4, padding="VALID")
    middle = [layer for n in (384, 384, 256) for layer in (nn.Conv(n, (3, 3)), nn.relu)]
    return [first, nn.relu, pool, nn.Conv(256, (5, 5)), nn.relu, pool, *middle, pool, mean, nn.Dense(1000)]


def resnet_stem(pool: Callable) -> list[Callable]:
    return [nn.Conv(64, (7, 7), strides=2, padding=3), nn.relu, pool, mean, nn.Dense(1000)]


def mean(x: jax.Array) -> jax.Array:
    return x.mean((1, 2))


def _with(layers: Callable, *arguments: Any) -> Callable[[Callable], list[Callable]]:
    """The layers, with the arguments of their pools filled in."""
    return lambda pool: layers(lambda x: pool(x, *arguments))


NETWORKS = (
    Network("small, max 2x2/2", (128, 28, 28, 1), _with(small, (2, 2), (2, 2), "SAME"), quick=True),
    Network("small, max 3x3/2", (128, 28, 28, 1), _with(small, (3, 3), (2, 2), "SAME")),
    Network("AlexNet, max 3x3/2", (8, 227, 227, 3), _with(alexnet, (3, 3), (2, 2), "VALID")),
    Network("ResNet stem, max 3x3/2", (8, 224, 224, 3), _with(resnet_stem, (3, 3), (2, 2), ((1, 1), (1, 1)))),
)


def training_step(network: Network, pool: Callable) -> Call:
    """One step of gradient descent with momentum, always from the same parameters; returns the loss too."""
    model, optimizer = nn.Sequential(network.layers(pool)), optax.sgd(0.01, momentum=0.9)
    images = normal(network.shape, jnp.float32, seed=0)
    labels = np.arange(len(images), dtype=np.int32) % 10
    # Numbers of a usual size: Flax's own initialisation takes 7 s to compile.
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    parameters = jax.tree.map(lambda leaf: 0.05 * normal(leaf.shape, leaf.dtype, seed=1), shapes)
    state = optimizer.init(parameters)

    @jax.jit
    def step(parameters, state, images, labels):
        def loss(parameters):
            logits: Any = model.apply(parameters, images)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(parameters, updates), state, value

    return lambda: step(parameters, state, images, labels)


def measure(network: Network, effort: Effort, *, queued: bool = False) -> dict[str, float]:
    """The median seconds of a step with each of `POOLS`, who take turns."""
    steps = {name: training_step(network, pool) for name, pool in POOLS.items()}
    losses = {name: float(steps[name]()[-1]) for name in ("jaxpool", "flax")}
    if not np.isclose(losses["jaxpool"], losses["flax"], rtol=1e-4):
        raise ValueError(f"the losses of {network} differ: {losses}")
    return medians(steps, effort, queued=queued)
