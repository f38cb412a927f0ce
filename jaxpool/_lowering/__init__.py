"""How windowed operations are carried out: one module of choices per platform, and the techniques.

`cpu`, `gpu` and `tpu` hold the same functions for regular windows, each of one of two kinds: `native`, XLA's
own operations, or `Passes`, elementwise loops over slices. Beside them, `irregular` has them for windows that
start anywhere, and `whole` for a window that is all there is; `shards` leads the windows of one device of
many back to these. In `Passes`, `sweep` makes one pass over `taps`, `stages` cuts a large window in several,
`blocks` lays out those that share few cells, or `unfold` reduces what it gathers; `folds` says what is
folded, `tables` which cells a window has, `order` what comes first, `weights` what elements count and
`divisors` what an average divides by. `lines` and `flat` make one axis of several, for loops that are vectors
on a CPU.
Nothing here is differentiated: the rules live with the primitives.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
from jax import Array

from jaxpool._lowering import cpu, gpu, native, shards, tpu
from jaxpool._lowering.folds import GATHERED, PADDED, RUNS
from jaxpool._lowering.passes import Passes
from jaxpool._lowering.stages import up_to
from jaxpool._lowering.sweep import PlacedBins
from jaxpool._window import Window

# The module for each platform that JAX knows; `None` serves every other one, and eager evaluation.
PLATFORMS = {None: cpu, "cuda": gpu, "rocm": gpu, "tpu": tpu}

TECHNIQUES = {
    "native": native,
    "runs": Passes(RUNS, most_taps=sys.maxsize, in_one=None),
    "runs in stages": Passes(RUNS, most_taps=1, in_one=up_to(2)),
    "padded": Passes(PADDED, most_taps=sys.maxsize, in_one=None),
    "padded in stages": Passes(PADDED, most_taps=1, in_one=up_to(2)),
    "gathered": Passes(GATHERED, most_taps=sys.maxsize, in_one=None),
    "gathered in stages": Passes(GATHERED, most_taps=1, in_one=up_to(2)),
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


def carry_out(platform: str | None, name: str, *operands: Array, window: Window, **params: Any) -> Any:
    """Carries out an operation on a platform; the arrays that place the window come last."""
    count = len(operands) - window.place_count
    operands, places = operands[:count], operands[count:]
    if window.shards:
        local = functools.partial(carry_out, platform, name)
        return shards.carry_out(local, name, *operands, window=Window(window.axes, places), **params)
    technique = _technique(platform, window)
    try:
        function = getattr(technique, name)
    except AttributeError:
        raise NotImplementedError(f"the technique {_forced[-1]!r} has no {name}.") from None
    return function(*operands, window=_placed(window, places), **params)


def _technique(platform: str | None, window: Window) -> Any:
    if _forced:
        return TECHNIQUES[_forced[-1]]
    choices = PLATFORMS[platform]
    if window.whole:
        return choices.whole
    return choices.irregular if window.bins else choices


def _placed(window: Window, places: Sequence[Array]) -> Window:
    """The window with irregular axes that know where they are."""
    for d, starts, stops in zip(window.bins, places[::2], places[1::2], strict=True):
        bins = window.pooled[d]
        window = window.replace(d, PlacedBins(**dataclasses.asdict(bins), starts=starts, stops=stops))
    return window
