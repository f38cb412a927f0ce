"""Trains a network on handwritten digits that are split over devices: batches by image, images by rows.

    python examples/train_sharded.py                # 2x4: batches in 2 parts, images in 4 bands of rows
    python examples/train_sharded.py --mesh 8x1     # images stay whole, so pools move nothing

`jaxpool.sharding.spatial` splits the pools, and XLA's own partitioner all else. Where a machine has too few
devices, CPU devices are simulated. One device trains alongside, and its losses must be the same to rounding.
Everything is in double precision: in single precision, rounding soon decides which of two nearly equal
elements is a window's largest, and from there the two trainings part. At the end a table shows what each step
moves between devices. The digits are those of train_digits.py. Ctrl-C ends the training early.
"""

# First, because it says how to install what is missing.
from train_digits import Digits, at_least, batches, load_digits, note_interrupts

# isort: split

import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from math import prod
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from tqdm import tqdm

import jaxpool

SIDE = 32  # of an image with a margin: two pools halve it, and 2, 4 and 8 devices divide it all the way
CHANNELS = (8, 16)  # of the maps before each pool
SPLIT = PartitionSpec("data", "space")  # images over the first axis of the mesh, rows over the second
ROUNDING = 1e-9  # after 200 steps losses were apart by 5e-15 of their value; in single precision, by 0.15

# Windows overlap, and the last one of each device needs a row of the next device.
max_pool = functools.partial(jaxpool.max_pool, window_shape=(3, 3), strides=(2, 2), padding="SAME")


class Network(nn.Module):
    """A LeNet, with a pool of one's choice."""

    pool: Callable

    @nn.compact
    def __call__(self, images):
        maps = images
        for channels in CHANNELS:
            maps = self.pool(nn.relu(nn.Conv(channels, (5, 5))(maps)))
        features = nn.relu(nn.Dense(128)(maps.reshape(len(maps), -1)))
        return nn.Dense(10)(features)


class Training:
    """Each device of a mesh has all parameters, and its part of each batch."""

    def __init__(self, mesh: Mesh, parameters: Any, batch: Digits, steps: int):
        self.everywhere = NamedSharding(mesh, PartitionSpec())
        self.layout = NamedSharding(mesh, SPLIT), NamedSharding(mesh, PartitionSpec("data"))
        self.pool = jaxpool.sharding.spatial(max_pool, mesh=mesh, spec=SPLIT) if mesh.size > 1 else max_pool
        self.apply: Callable = Network(self.pool).apply
        self.optimizer = optax.adam(optax.cosine_decay_schedule(5e-3, steps))
        self.state = jax.device_put((parameters, self.optimizer.init(parameters)), self.everywhere)
        update = jax.jit(self._update, out_shardings=self.everywhere)
        self.program = update.lower(self.state, self.place(batch)).compile()

    def place(self, digits: Digits) -> Digits:
        """The digits, each part of them on its device."""
        return Digits(*jax.device_put(tuple(digits), self.layout))

    def step(self, batch: Digits) -> float:
        """Learns from a batch; returns the loss just before."""
        self.state, loss = self.program(self.state, self.place(batch))
        return float(loss)

    def accuracy(self, digits: Digits) -> float:
        parameters, _ = self.state
        images, labels = self.place(digits)
        return float((jax.jit(self.apply)(parameters, images).argmax(-1) == labels).mean())

    def _update(self, state, batch):
        parameters, moments = state
        loss, gradient = jax.value_and_grad(self._loss)(parameters, batch)
        # Else each device would run Adam on the part of it that it has, and they exchange all three results.
        gradient = jax.lax.with_sharding_constraint(gradient, self.everywhere)
        updates, moments = self.optimizer.update(gradient, moments)
        return (optax.apply_updates(parameters, updates), moments), loss

    def _loss(self, parameters, batch):
        logits = self.apply(parameters, batch.images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels).mean()


def initial_parameters(seed: int) -> Any:
    """In double precision."""
    key = jax.random.key(seed, impl="rbg")  # compiles in 2 s, the default in 9
    parameters = jax.jit(Network(max_pool).init)(key, np.zeros((1, SIDE, SIDE, 1), np.float32))
    return jax.tree.map(lambda array: np.asarray(array, np.float64), parameters)


def with_margins(digits: Digits) -> Digits:
    """The digits amid larger images, in double precision."""
    margin = (SIDE - digits.images.shape[1]) // 2
    images = np.pad(digits.images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    return digits._replace(images=images.astype(np.float64))


def first(digits: Digits, count: int) -> Digits:
    return Digits(digits.images[:count], digits.labels[:count])


def full_batches(digits: Digits, size: int, steps: int, seed: int) -> Iterator[Digits]:
    """One for each step; the last batch of an epoch is left out where digits are too few to fill it."""
    epochs = -(-steps // (len(digits.labels) // size))
    full = (batch for batch in batches(digits, size, epochs, seed) if len(batch.labels) == size)
    return islice(full, steps)


def train(
    split: Training, alone: Training, data: Iterator[Digits], steps: int, interrupts: list
) -> np.ndarray:
    """Both learn alike until the last step or an interrupt; returns how far their losses were apart."""
    differences = []
    with tqdm(desc="training", total=steps, unit="step") as bar:
        for batch in data:
            loss, expected = split.step(batch), alone.step(batch)
            differences.append(abs(loss - expected) / expected)
            apart = f"up to {np.max(differences):.0e} from one device's"
            bar.set_postfix_str(f"loss {loss:.3f}, {apart}", refresh=False)
            bar.update()
            if interrupts:
                break
    return np.array(differences)


class Traffic(NamedTuple):
    collectives: int
    size: int  # of their results, on one device and in bytes


KINDS = ("collective-permute", "all-reduce", "all-gather", "all-to-all", "reduce-scatter")


def traffic(programs: str) -> list[Traffic]:
    """The collectives of each kind in the text of compiled programs."""
    found = []
    for kind in KINDS:
        # Asynchronous ones have a start, which is no result yet, and an end.
        types = re.findall(rf"^[^=]* = (.*?) {kind}(?:-done)?\(", programs, flags=re.MULTILINE)
        found.append(Traffic(len(types), sum(map(size_of, types))))
    return found


def size_of(types: str) -> int:
    """The bytes of all arrays in a type as XLA writes it, such as `(f32[5,5]{1,0}, s8[])`."""
    arrays = re.findall(r"\b[a-z]+(\d*)\w*\[([\d,]*)\]", types)
    return sum(int(bits or 8) * prod(map(int, re.findall(r"\d+", shape))) // 8 for bits, shape in arrays)


def pool_programs(training: Training, batch: Digits) -> str:
    """The pools compiled by themselves, forward and backward, for maps as large as in the network."""

    def forward_and_backward(maps):
        pooled, backward = jax.vjp(training.pool, maps)
        return backward(pooled)

    (layout, _), texts = training.layout, []
    for halvings, channels in enumerate(CHANNELS):
        side = SIDE >> halvings
        maps = jax.ShapeDtypeStruct((len(batch.images), side, side, channels), np.float64, sharding=layout)
        compiled = jax.jit(forward_and_backward, out_shardings=layout).lower(maps).compile()
        texts.append(compiled.as_text() or "")
    return "\n".join(texts)


def table(step: list[Traffic], pools: list[Traffic]) -> str:
    lines = [
        f"{'':20}{'in all':>20}{'by the pools':>20}",
        f"{'collective':20}{'count':>8}{'bytes':>12}{'count':>8}{'bytes':>12}",
    ]
    for kind, whole, part in zip(KINDS, step, pools, strict=True):
        lines.append(f"{kind:20}{whole.collectives:8}{whole.size:12,}{part.collectives:8}{part.size:12,}")
    return "\n".join(lines)


def mesh_shape(text: str) -> tuple[int, int]:
    """The type of --mesh."""
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be DATAxSPACE, such as 2x4, got {text}")
    data, space = int(found[1]), int(found[2])
    if (rows := SIDE >> len(CHANNELS)) % space:
        raise argparse.ArgumentTypeError(
            f"SPACE must divide the {rows} rows of the smallest maps, got {text}"
        )
    return data, space


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    split = "devices to split batches over, and devices to split each image's rows over"
    parser.add_argument("--mesh", type=mesh_shape, default="2x4", metavar="DATAxSPACE", help=split)
    parser.add_argument("--steps", type=at_least(1), default=200, metavar="N", help="to train for")
    parser.add_argument("--batch", type=at_least(1), default=32, metavar="N", help="digits to a step")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of all that is random")
    options = parser.parse_args(arguments)
    data = options.mesh[0]
    if options.batch % data or options.batch > 4000:
        wanted = f"must be a multiple of the mesh's {data} parts and at most 4000"
        parser.error(f"argument --batch: {wanted}, got {options.batch}")
    return options


def find_devices(count: int) -> list:
    """The devices that JAX prefers, if there are enough; else the CPU's, as many as it takes."""
    jax.config.update("jax_num_cpu_devices", count)  # which it reads when it first looks for devices
    devices = jax.devices()
    if len(devices) < count:
        try:
            devices = jax.devices("cpu")
        except RuntimeError:  # JAX_PLATFORMS leaves it out
            sys.exit(f"--mesh needs {count} devices, and JAX_PLATFORMS allows {len(devices)}")
    return devices[:count]


def main() -> None:
    options = parse_arguments()
    interrupts = note_interrupts()
    jax.config.update("jax_enable_x64", True)
    devices = find_devices(prod(options.mesh))
    digits, held_out = map(with_margins, load_digits())
    example = first(digits, options.batch)
    parameters = initial_parameters(options.seed)

    def training(shape: tuple[int, int]) -> Training:
        kinds = {"axis_types": (AxisType.Auto, AxisType.Auto), "devices": devices[: prod(shape)]}
        mesh = jax.make_mesh(shape, ("data", "space"), **kinds)
        return Training(mesh, parameters, example, options.steps)

    split, alone = training(options.mesh), training((1, 1))
    data = full_batches(digits, options.batch, options.steps, options.seed)
    differences = train(split, alone, data, options.steps, interrupts)

    whole = first(held_out, len(held_out.labels) // options.mesh[0] * options.mesh[0])
    accuracy = f"{split.accuracy(whole):.1%} on {len(whole.labels):,} held-out digits"
    print(f"{'Interrupted. ' if interrupts else ''}Accuracy: {accuracy} after step {len(differences):,}")
    apart = differences.max()  # NaN, if one is
    print(f"Losses: at most {apart:.1e} of their value from those of one device")
    print(f"\nWhat each step brings to each of {len(devices)} devices ({devices[0].device_kind}):\n")
    print(table(traffic(split.program.as_text() or ""), traffic(pool_programs(split, example))))
    if not apart < ROUNDING:
        sys.exit(f"\nThe losses are not those of one device: rounding comes to {ROUNDING:.0e} at most")


if __name__ == "__main__":
    main()
