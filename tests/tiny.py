"""What the benchmarks' tests measure, and how briefly."""

import jax
import pytest

from benchmarks import networks, timing
from benchmarks.cases import Case

TINY = Case("max_pool", (2, 6, 6, 3), (3, 3), (2, 2), ((1, 1), (1, 1)), quick=True)
BRIEF = timing.Effort(samples=2, seconds=0.0, at_least=1)


@pytest.fixture(autouse=True)
def standard_promotion():
    """Flax's pools promote dtypes silently; in every thread."""
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    yield
    jax.config.update("jax_numpy_dtype_promotion", "strict")


def _two_layers(pool):
    return [networks.nn.Dense(2), lambda x: pool(x, (2, 2), (2, 2), "SAME"), networks.mean]


TINY_NETWORK = networks.Network("tiny, max 2x2/2", (2, 6, 6, 1), _two_layers, quick=True)
