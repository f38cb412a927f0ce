"""Training steps of models that others published, with Flax's pools and, without an edit, with jaxpool's.

    python -m benchmarks.published

needs the extra `frameworks`, which brings the models. It prints a table and writes `published.json`.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import jaxpool
from benchmarks.contenders import normal
from benchmarks.timing import FULL, QUICK, Effort, keep_freed_memory, medians

RESULTS = Path(__file__).parent / "results"


class Published(NamedTuple):
    """A model of a package: how it is made and called, what its pools are, and the shape of a batch."""

    name: str
    options: dict[str, Any]
    call: dict[str, Any]
    pools: str
    shape: tuple[int, ...]


_FLAXMODELS = {"output": "logits", "pretrained": None}
_NOT_TRAINED = {
    "train": False
}  # the statistics of its norms stay, which is all that this changes but for dropout
MODELS = (
    Published(
        "flaxmodels.VGG16",
        {**_FLAXMODELS, "include_head": False},
        _NOT_TRAINED,
        "five max 2x2/2",
        (4, 128, 128, 3),
    ),
    Published(
        "flaxmodels.ResNet18", {**_FLAXMODELS, "num_classes": 10}, _NOT_TRAINED, "max 3x3/2", (8, 128, 128, 3)
    ),
    Published("jax_resnet.ResNetD18", {"n_classes": 10}, {}, "max 3x3/2, three avg 2x2/2", (8, 128, 128, 3)),
)


def step_of(published: Published) -> tuple[Callable, tuple[Any, ...]]:
    """The gradient of a loss in all parameters, and what it is called with."""
    package, _, name = published.name.partition(".")
    model = getattr(importlib.import_module(package), name)(**published.options)
    inputs = jnp.abs(normal(published.shape, "float32", seed=0))
    variables = jax.jit(functools.partial(model.init, **published.call))(jax.random.key(0), inputs)

    def loss(params: Any, inputs: jax.Array) -> jax.Array:
        outputs, _ = model.apply({**variables, "params": params}, inputs, **published.call, mutable=True)
        return jnp.sum(jnp.cos(jax.tree.leaves(outputs)[-1]))

    return jax.grad(loss), (variables["params"], inputs)


def measure(published: Published, effort: Effort) -> dict[str, float]:
    """The median seconds of a step with either's pools, who take turns."""
    step, arguments = step_of(published)
    flax = jax.jit(step).lower(*arguments).compile()
    with jaxpool.replace_flax_pools():
        ours = jax.jit(step).lower(*arguments).compile()
    calls = {
        name: functools.partial(program, *arguments) for name, program in (("flax", flax), ("jaxpool", ours))
    }
    return medians(calls, effort)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.published", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="folder for published.json")
    parser.add_argument("--quick", action="store_true", help="few samples of one small batch")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    found = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        for model in MODELS:
            if options.quick:
                model = model._replace(shape=(1, 32, 32, 3))
            seconds = measure(model, QUICK if options.quick else FULL)
            found[model.name] = {"pools": model.pools, "shape": model.shape, "seconds": seconds}
            flax, ours = seconds["flax"], seconds["jaxpool"]
            times = f"{1000 * flax:.0f} ms with Flax's pools, {1000 * ours:.0f} ms with jaxpool's"
            print(f"{model.name}, {model.pools}, {model.shape}: {times}, {flax / ours:.2f} times as fast")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / ("published-quick.json" if options.quick else "published.json")
    path.write_text(json.dumps({"jax": jax.__version__, "models": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
