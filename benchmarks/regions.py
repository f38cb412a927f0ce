"""Pools of regions by jaxpool and by torchvision, as calls that take no arguments, ready to be timed."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from benchmarks import contenders, pytorch
from benchmarks.contenders import CompiledPool
from benchmarks.timing import Call


@dataclasses.dataclass(frozen=True)
class Regions:
    """A pool of boxes of images, as a detector's second stage has them."""

    function: str
    shape: tuple[int, ...] = (2, 200, 304, 256)
    output: tuple[int, int] = (7, 7)
    boxes: int = 512
    channel_axis: int = -1
    dtype: str = "float32"

    @property
    def input_shape(self) -> tuple[int, ...]:
        batch, height, width, channels = self.shape
        return self.shape if self.channel_axis == -1 else (batch, channels, height, width)

    def __str__(self) -> str:
        layout = "channels last" if self.channel_axis == -1 else "channels first"
        sizes = "x".join(map(str, self.output)), "x".join(map(str, self.shape))
        return f"{self.function} {self.boxes} of {sizes[0]} {self.dtype} {sizes[1]} {layout}"


# A position-sensitive pool has a group of channels for each bin.
_SENSITIVE = (2, 200, 304, 7 * 7 * 8)
CASES = (
    Regions("roi_align"),
    Regions("roi_align", channel_axis=1),
    Regions("roi_align", dtype="float16"),
    Regions("roi_align", output=(14, 14), boxes=128),
    Regions("roi_align", shape=(2, 50, 76, 256)),
    Regions("roi_pool"),
    Regions("roi_pool", channel_axis=1),
    Regions("ps_roi_align", shape=_SENSITIVE),
    Regions("ps_roi_pool", shape=_SENSITIVE),
)


def boxes_of(case: Regions) -> tuple[jax.Array, jax.Array]:
    """Boxes of 16 to 160 cells, and the image of each."""
    random = np.random.default_rng(2)
    height, width = case.shape[1:3]
    size = np.exp(random.uniform(np.log(16), np.log(160), (case.boxes, 2))) * height / 200
    centre = random.uniform(0, (width, height), (case.boxes, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1).astype(np.float32)
    return jnp.asarray(boxes), jnp.asarray(random.integers(0, case.shape[0], case.boxes, np.int32))


def compile_pools(case: Regions) -> dict[str, CompiledPool]:
    inputs = jax.ShapeDtypeStruct(case.input_shape, jnp.dtype(case.dtype))
    return {"jaxpool": contenders.compile_pool(_pool(case), inputs)}


def compare(
    case: Regions, compiled: dict[str, CompiledPool]
) -> tuple[dict[str, dict[str, Call]], dict[str, float]]:
    """Passes by jaxpool, and by torchvision where it is there, and how far values and gradients are apart."""
    inputs = contenders.normal(case.input_shape, case.dtype, seed=0)
    cotangent = contenders.normal(jax.eval_shape(_pool(case), inputs).shape, case.dtype, seed=1)
    pool = compiled["jaxpool"]
    calls = {"jaxpool": pool.contender(inputs, cotangent).calls}
    if importlib.util.find_spec("torchvision") is None:
        return calls, {}
    theirs, calls["torchvision"] = _by_torchvision(case, inputs, cotangent)
    value, (gradient,) = pool.both(inputs, cotangent)
    ours = {"value": value, "gradient": gradient}
    return calls, {name: float(contenders.difference(ours[name], theirs[name])) for name in ours}


def _pool(case: Regions) -> Callable[[jax.Array], jax.Array]:
    boxes, indices = boxes_of(case)
    pool = getattr(jaxpool, case.function)
    return lambda x: pool(x, boxes, case.output, box_indices=indices, channel_axis=case.channel_axis)


def _by_torchvision(
    case: Regions, inputs: jax.Array, cotangent: jax.Array
) -> tuple[dict[str, jax.Array], dict[str, Call]]:
    """torchvision's value and gradient, and its passes, of channels that come first, its only layout."""
    import torch  # pyright: ignore[reportMissingImports]
    from torchvision import ops  # pyright: ignore[reportMissingImports]

    def moved(tensor: torch.Tensor, source: int, destination: int) -> torch.Tensor:
        return tensor.movedim(source, destination).contiguous()

    x, pulled = (moved(torch.from_dlpack(each), case.channel_axis, 1) for each in (inputs, cotangent))
    boxes, indices = map(torch.from_dlpack, boxes_of(case))
    options: dict[str, Any] = {"boxes": torch.cat([indices[:, None], boxes], 1).to(x.dtype)}
    if case.function.endswith("align"):
        options["sampling_ratio"] = 2
    if case.function == "roi_align":
        options["aligned"] = True
    pool = functools.partial(getattr(ops, case.function), output_size=case.output, **options)
    variable = x.clone().requires_grad_()
    value = pool(variable)

    def both():
        value = pool(variable)
        return value, torch.autograd.grad(value, variable, pulled)[0]

    calls = {
        "forward": torch.no_grad()(lambda: pool(x)),
        "backward": lambda: torch.autograd.grad(value, variable, pulled, retain_graph=True),
        "both": both,
    }
    found = zip(("value", "gradient"), both(), strict=True)
    arrays = {name: jnp.from_dlpack(moved(each.detach(), 1, case.channel_axis)) for name, each in found}
    return arrays, pytorch.enqueuing(calls, x)
