"""How pools are compared with PyTorch's, and grids of arguments for it.

Every combination of arguments is a program to compile, so arrays are tiny, a test runs a batch of them, and
most windows have one axis. Where PyTorch does something else on purpose or by mistake, the code says so.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from tests.cases import assert_close

torch = pytest.importorskip("torch", reason="PyTorch is not installed, which these tests compare with")

BATCHES = 8
LEAST = 1000  # combinations for each family


# ------------------------------------------------------------------------------------- the comparison


@functools.lru_cache(maxsize=8)
def compiled(pool: Callable, *arguments: Any, **settings: Any) -> Callable:
    """The values, the gradient for a cotangent, and the indices or None, of `pool(inputs, *arrays, ...)`."""

    def run(inputs, cotangent, *arrays):
        def pair(inputs):
            result = pool(inputs, *arrays, *arguments, **settings)
            return result if isinstance(result, tuple) else (result, None)

        values, pullback, indices = jax.vjp(pair, inputs, has_aux=True)
        return values, *pullback(cotangent), indices

    # With XLA's older emitter and in one piece, a norm takes 100 ms to compile instead of 340.
    options = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
    return jax.jit(run, compiler_options=options)


def channels_last(array):
    return np.moveaxis(array, 1, -1)


def compare(inputs, program, theirs, *arrays, layout=channels_last):
    """Asserts that a program gives what PyTorch's function of a tensor does, for a random cotangent.

    Inputs are laid out as PyTorch has them; `layout` brings them, results and gradients to ours.
    """
    tensor = torch.tensor(inputs, requires_grad=True)
    result = theirs(tensor)
    expected, *expected_indices = result if isinstance(result, tuple) else (result,)
    cotangent = np.asarray(np.random.RandomState(1).randn(*expected.shape), inputs.dtype)
    (expected_gradient,) = torch.autograd.grad(expected, tensor, torch.tensor(cotangent))
    values, actual_gradient, indices = program(layout(inputs), layout(cotangent), *arrays)
    assert_close(values, layout(expected.detach().numpy()))
    assert_close(actual_gradient, layout(expected_gradient.numpy()))
    assert (indices is None) == (not expected_indices)
    for theirs_at in expected_indices:
        np.testing.assert_array_equal(indices, layout(theirs_at.numpy()))


def torch_function(name: str, spatial: tuple[int, ...]) -> Callable:
    """A function of `torch.nn.functional` for so many spatial axes, such as `max_pool2d`."""
    return getattr(torch.nn.functional, f"{name}{len(spatial)}d")


def distinct_numbers(shape, dtype, seed=0):
    """Numbers of distinct magnitude and either sign, none of them zero."""
    numbers = np.linspace(-2, math.sqrt(3), math.prod(shape))
    return np.random.RandomState(seed).permutation(numbers).reshape(shape).astype(dtype)


def with_and_without_ties(spatial, dtype):
    """A batch of one entry without ties and one with many, and two channels."""
    ties = np.random.RandomState(2).choice([-2.0, -1.0, 0.5, 1.0], (1, 2, *spatial))
    return np.concatenate([distinct_numbers((1, 2, *spatial), dtype), ties.astype(dtype)])


# --------------------------------------------------------------------------------------------- grids


@dataclasses.dataclass(frozen=True)
class Family:
    """Combinations of arguments, and the check of one of them: `check(dtype, **combination)`."""

    check: Callable
    combinations: list[dict[str, Any]]

    def __str__(self) -> str:
        return self.check.__name__.removeprefix("check_")

    def batch(self, number: int) -> list[dict[str, Any]]:
        first, end = (len(self.combinations) * n // BATCHES for n in (number, number + 1))
        return self.combinations[first:end]


FAMILIES: list[Family] = []


def family(*grids: list[dict[str, Any]]) -> Callable:
    """Makes a check and the grids that it is for a family."""

    def register(check):
        FAMILIES.append(Family(check, list(itertools.chain(*grids))))
        return check

    return register


def grid(**values: Any) -> list[dict[str, Any]]:
    """Every combination of one of the values for each argument, as far as it is valid as a window."""
    combinations = (dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values()))
    return [arguments for arguments in combinations if _is_valid(**arguments)]


def _is_valid(spatial=(), window=(), padding=None, dilation=None, **_) -> bool:
    """Whether windows fit, with padding of at most half, as PyTorch has it; one cell is never dilated."""
    padding, dilation = padding or (0,) * len(window), dilation or (1,) * len(window)
    return all(
        2 * pad <= size and (size - 1) * step + 1 <= length + 2 * pad and (size > 1 or step == 1)
        for length, size, pad, step in zip(spatial, window, padding, dilation, strict=False)
    )


EITHER = (False, True)
LINES = {
    "spatial": [(4,), (7,), (9,), (10,)],
    "window": [(1,), (2,), (3,), (4,)],
    "strides": [(1,), (2,), (3,)],
}
PLANES = {
    "spatial": [(6, 5)],
    "window": [(2, 2), (3, 2), (2, 3)],
    "strides": [(1, 2), (2, 1), (2, 3)],
}
BLOCKS = {
    "spatial": [(4, 3, 5)],
    "window": [(2, 2, 2), (2, 1, 3)],
    "strides": [(1, 2, 2), (2, 1, 1)],
}
LINE_PADDING = [(0,), (1,), (2,)]
PLANE_PADDING = [(0, 0), (1, 1), (1, 0), (0, 1)]
BLOCK_PADDING = [(0, 0, 0), (1, 0, 1)]
