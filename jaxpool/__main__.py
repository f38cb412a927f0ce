"""What a bug report needs, in seconds: `python -m jaxpool`.

It prints versions, devices and what each platform takes, and tests a few pools on this machine's device. The
exit status is 1 if one of them is wrong.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import jaxpool
from jaxpool._lowering import PLATFORMS

_WINDOW = ((3, 3), (2, 2))
# What each window becomes, and its derivative by each element, of a window whose elements are in one row.
_DEFINITIONS: dict[str, tuple[Callable, Callable]] = {
    "max_pool": (np.max, lambda window: np.arange(window.size) == window.argmax()),
    "min_pool": (np.min, lambda window: np.arange(window.size) == window.argmin()),
    "avg_pool": (np.mean, lambda window: np.full(window.shape, 1 / window.size)),
    "lp_pool": (np.linalg.norm, lambda window: window / np.linalg.norm(window)),
    "logsumexp_pool": (
        lambda window: np.log(np.exp(window).sum()),
        lambda window: np.exp(window) / np.exp(window).sum(),
    ),
}


def main() -> int:
    """Prints it all, and returns the exit status."""
    print(_versions())
    print(f"on {platform.platform()}, with {', '.join(map(str, jax.devices()))}")
    print("\nWindows of 3x3 with strides of 2 by XLA's own operations, or by slices of the array:")
    for on in PLATFORMS:
        kinds = "; ".join(f"{name}: {_operations(name, on or 'cpu')}" for name in ("max_pool", "avg_pool"))
        print(f"  {on or 'cpu':6}{kinds}")
    print("\nValues and gradients, against NumPy:")
    mistakes = {name: _mistake(name) for name in _DEFINITIONS}
    for name, mistake in mistakes.items():
        print(f"  {name:15}{mistake or 'right'}")
    return int(any(mistakes.values()))


def _versions() -> str:
    packages = ["jax", "jaxlib", "numpy", "flax"]
    return ", ".join(
        [
            f"jaxpool {jaxpool.__version__}",
            f"Python {platform.python_version()}",
            *(f"{name} {_version(name)}" for name in packages),
        ]
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _operations(name: str, on: str) -> str:
    """What a pool is on a platform, forward and backward."""
    pool = _pool(name)
    inputs = jax.ShapeDtypeStruct((56, 56, 64), jnp.float32)
    kinds = []
    for function in (pool, jax.grad(lambda x: jnp.sum(pool(x)))):
        program = jax.jit(function).trace(inputs).lower(lowering_platforms=(on,)).as_text()
        own = (kind for kind in ("select_and_scatter", "reduce_window") if f"stablehlo.{kind}" in program)
        kinds.append(next(own, "slices"))
    return ", backward ".join(kinds)


def _pool(name: str) -> Callable:
    return lambda x: getattr(jaxpool, name)(x, *_WINDOW)


def _mistake(name: str) -> str:
    """What is wrong with the value and the gradient of a pool under `jax.jit`, or nothing."""
    random = np.random.default_rng(0)
    inputs = random.integers(-3, 4, (9, 8, 5)).astype(np.float32)  # with ties, which the first one wins
    cotangent = random.normal(size=(4, 3, 5)).astype(np.float32)
    pool = _pool(name)
    try:
        value, transpose = jax.vjp(jax.jit(pool), inputs)
        found = (value, *transpose(jnp.asarray(cotangent)))
        for what, got, expected in zip(
            ("value", "gradient"), found, _expected(name, inputs, cotangent), strict=True
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5, err_msg=f"the {what} is wrong")
    except Exception as error:  # whatever it is, it is what the report is about
        return f"WRONG, {type(error).__name__}: {error}"
    return ""


def _expected(name: str, inputs: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reduce, derivative = _DEFINITIONS[name]
    value, gradient = np.zeros_like(cotangent), np.zeros_like(inputs)
    for row, column, channel in np.ndindex(cotangent.shape):
        place = (slice(2 * row, 2 * row + 3), slice(2 * column, 2 * column + 3), channel)
        window = inputs[place].ravel()
        value[row, column, channel] = reduce(window)
        gradient[place] += cotangent[row, column, channel] * derivative(window).reshape(3, 3)
    return value, gradient


if __name__ == "__main__":
    sys.exit(main())
