"""Where XLA:CPU must not compute arrays again for each place that reads them, nor join what reads them."""

from typing import TypeVar

from jax import lax

_Arrays = TypeVar("_Arrays")


def settle(arrays: _Arrays) -> _Arrays:
    """One or several arrays, computed once before they are read.

    XLA:CPU fuses slices of a padded array with the padding, and its transpose with all that reads it: for the
    gradient of a blur by 3x3/2 of (16,56,56,64) that is 72 ms without and 10 ms with. GPU and TPU fuse well.
    """
    return lax.platform_dependent(arrays, cpu=lax.optimization_barrier, default=lambda arrays: arrays)
