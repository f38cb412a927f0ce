"""What the project promises, as a few numbers of many measurements."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Callable, Sequence

from benchmarks.cases import PASSES, Resizing
from benchmarks.contenders import selects
from benchmarks.measurements import Measurement

Quantity = Callable[[Measurement, str], float | None]


@dataclasses.dataclass(frozen=True)
class Promise:
    """A number for each pass; where it is the worst of many, also the case with the worst of all."""

    name: str
    values: dict[str, float]
    case: str = ""


def summarise(measurements: Sequence[Measurement]) -> list[Promise]:
    """All promises that these measurements say something about."""

    def versus(contender: str) -> Quantity:
        return lambda m, step: m.versus(contender, step)

    def over_limit(m: Measurement, step: str) -> float | None:
        return m.over_limit("jaxpool", step)

    def together(m: Measurement, step: str) -> float | None:
        return m.together() if step == "both" else None

    resizing = [m for m in measurements if isinstance(m.case, Resizing)]
    measurements = [m for m in measurements if not isinstance(m.case, Resizing)]
    overlapping = [m for m in measurements if m.case.overlaps]
    extremes = [m for m in overlapping if selects(m.case)]
    sums = [m for m in overlapping if not selects(m.case)]
    narrow = [m for m in measurements if max(m.case.window_shape) <= 5]
    promises = (
        _mean("Flax/ours, overlapping windows of max and min: mean", extremes, versus("flax")),
        _mean("Flax/ours, overlapping windows of avg and sum: mean", sums, versus("flax")),
        _worst("Flax/ours: smallest", measurements, versus("flax"), min),
        _mean("PyTorch/ours: mean", measurements, versus("pytorch")),
        _worst("PyTorch/ours: smallest", measurements, versus("pytorch"), min),
        _mean("ours/limit, windows up to 5: mean", narrow, over_limit),
        _mean("ours/limit: mean", measurements, over_limit),
        _worst("31x31 over 7x7: largest", measurements, _growth(measurements), max),
        _worst("both/(forward + backward): largest", measurements, together, max),
        *(
            _mean(f"PyTorch/ours, {family} pools: mean", _family(resizing, family), versus("pytorch"))
            for family in ("adaptive", "fractional", "global")
        ),
        _mean("PyTorch/ours, these three: mean", resizing, versus("pytorch")),
        _worst("PyTorch/ours, these three: smallest", resizing, versus("pytorch"), min),
    )
    return [promise for promise in promises if promise.values]


def _family(measurements: Sequence[Measurement], family: str) -> list[Measurement]:
    return [m for m in measurements if m.case.function.startswith(family)]


def _growth(measurements: Sequence[Measurement]) -> Quantity:
    """The time with a window of 31x31 over that of the same pool with one of 7x7."""
    narrow = {(m.case.function, m.case.dtype): m for m in measurements if m.case.window_shape == (7, 7)}

    def growth(m: Measurement, step: str) -> float | None:
        seven = narrow.get((m.case.function, m.case.dtype))
        if m.case.window_shape != (31, 31) or seven is None:
            return None
        return m.seconds["jaxpool"][step] / seven.seconds["jaxpool"][step]

    return growth


def _mean(name: str, measurements: Sequence[Measurement], quantity: Quantity) -> Promise:
    """The geometric mean, in which twice and half cancel out."""
    cells = _cells(measurements, quantity)
    return Promise(name, {step: statistics.geometric_mean(v for v, _ in cells[step]) for step in cells})


def _worst(name: str, measurements: Sequence[Measurement], quantity: Quantity, pick: Callable) -> Promise:
    worst = {step: pick(cells) for step, cells in _cells(measurements, quantity).items()}
    values = {step: value for step, (value, _) in worst.items()}
    return Promise(name, values, pick(worst.values())[1] if worst else "")


def _cells(measurements: Sequence[Measurement], quantity: Quantity) -> dict[str, list[tuple[float, str]]]:
    """For each pass the values that there are, with their cases; passes without any are left out."""
    cells: dict[str, list[tuple[float, str]]] = {}
    for m, step in itertools.product(measurements, PASSES):
        if (value := quantity(m, step)) is not None:
            cells.setdefault(step, []).append((value, str(m.case)))
    return cells
