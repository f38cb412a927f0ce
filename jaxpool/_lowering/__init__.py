"""How windowed operations are carried out: one module of choices per platform, and the techniques.

`cpu`, `gpu` and `tpu` hold the same six functions. Each is of one of two kinds: `native`, XLA's own
operations, or `Passes`, elementwise loops over slices. There `sweep` makes one pass, `stages` cuts a large
window in several, `folds` says what is folded, `order` what comes first and `divisors` what an average
divides by. Nothing here is differentiated: the rules live with the primitives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxpool._lowering import cpu, gpu, native, tpu
from jaxpool._lowering.folds import PADDED, RUNS
from jaxpool._lowering.passes import Passes

# The module for each platform that JAX knows; `None` serves every other one, and eager evaluation.
PLATFORMS = {None: cpu, "cuda": gpu, "rocm": gpu, "tpu": tpu}

TECHNIQUES = {
    "native": native,
    "runs": Passes(RUNS, most_taps=1 << 30, most_in_line=1 << 30),
    "runs in stages": Passes(RUNS, most_taps=1, most_in_line=2),
    "padded": Passes(PADDED, most_taps=1 << 30, most_in_line=1 << 30),
    "padded in stages": Passes(PADDED, most_taps=1, most_in_line=2),
}
_forced: list[str] = []


@contextlib.contextmanager
def forced(technique: str) -> Iterator[None]:
    """Carries out everything that is lowered inside by one of `TECHNIQUES`, on every platform; for tests.

    Compiled programs do not know of it, so JAX's caches are cleared before and after.

    Raises:
      KeyError: there is no such technique.
      NotImplementedError: when something is lowered that the technique cannot do.
    """
    TECHNIQUES[technique]
    jax.clear_caches()
    _forced.append(technique)
    try:
        yield
    finally:
        _forced.pop()
        jax.clear_caches()


def implementation(platform: str | None, name: str) -> Callable[..., Any]:
    """The function that carries out an operation on a platform."""
    if not _forced:
        return getattr(PLATFORMS[platform], name)
    try:
        return getattr(TECHNIQUES[_forced[-1]], name)
    except AttributeError:
        raise NotImplementedError(f"the technique {_forced[-1]!r} has no {name}.") from None
