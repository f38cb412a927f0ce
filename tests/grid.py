"""The grid that most of the suite is: any function x geometry x dtype x numbers x transformation x platform.

`check` compares one cell of it with the oracle: values, dtypes, and derivatives in both modes.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import CASES, assert_close, double_precision, numbers
from tests.covering import pairs_beside
from tests.functions import FUNCTIONS, SIMPLE, Function
from tests.groups import GROUPS
from tests.programs import interpret

PLACES = {place.name: place for place in (*CASES, *GROUPS)}
DTYPES = ("float32", "bfloat16", "int32", "float64", "float16", "uint8", "bool", "complex64")
KINDS_OF_NUMBERS = ("ties", "distinct", "special")
MODES = ("forward", "reverse")
# Compiled and run; or as the programs for a platform say.
PLATFORMS = ("compiled", "cpu", "cuda", "tpu")


def check(
    function: str,
    place: str,
    dtype: str = "float32",
    kind: str = "ties",
    transformation: str = "none",
    modes: str = "both",
    platform: str = "compiled",
) -> None:
    """Compares values and both derivatives of a function with the oracle's.

    Args:
      function: the name of one of `FUNCTIONS`, or of those of a group.
      place: the name of one of `CASES` or `GROUPS`.
      dtype: that of the inputs.
      kind: which numbers they are, as for `numbers`.
      transformation: one of `TRANSFORMATIONS`.
      modes: which derivatives, `"forward"`, `"reverse"` or `"both"`.
      platform: one of `PLATFORMS`.
    """
    with double_precision() if dtype == "float64" else contextlib.nullcontext():
        where, what = PLACES[place], function_at(place, function)
        kind = kind_for(what, kind, dtype)

        def bound(apply):
            return lambda inputs: apply(inputs, *where.arguments, **where.options)

        pool = bound(what.apply)
        if dtype == "complex64" and not what.takes_complex:
            with pytest.raises(TypeError, match="real"):
                jax.eval_shape(pool, numbers(kind, where.shape, dtype))
            return
        seeds = [(0, 0)] if transformation in _OF_ONE else [(0, 0), (1, 1)]
        if transformation == "vmap over directions" and jnp.issubdtype(dtype, jnp.inexact):
            seeds = [(0, 0), (0, 1)]
        expected = [_expected(function, place, dtype, kind, *seed) for seed in seeds]
        stacks = [np.stack(arrays) for arrays in zip(*[entry.arrays for entry in expected], strict=True)]
        program = TRANSFORMATIONS[transformation](
            functools.partial(_results, modes, pool, bound(what.indexed[0]) if what.indexed else None)
        )
        if platform == "compiled":
            results = jax.jit(program)(*stacks)
        else:
            results = interpret(program, *stacks, platform=platform)
        for i, entry in enumerate(expected):
            entry.compare({name: np.asarray(stack)[i] for name, stack in results.items()})


def function_at(place: str, name: str) -> Function:
    functions = getattr(PLACES[place], "functions", FUNCTIONS)
    return next(function for function in functions if function.name == name)


def kind_for(function: Function, kind: str, dtype: str) -> str:
    """Special numbers only where there is one answer: not of complex infinities, nor rounded extremes."""
    rounded = dtype in ("int32", "uint8") and function.result == "mean"
    known = function.special and dtype != "complex64" and not rounded
    return kind if known or kind != "special" else "distinct"


# ---------------------------------------------------------------------------------------------------- rows


def windowed_rows() -> list[tuple[str, ...]]:
    """Arguments of `check` for pools of windows.

    Every geometry meets every family of `FAMILIES`, each dtype, kind of numbers, transformation and platform;
    of selections and sums, of which all others are composed, each function is a family. The others share the
    geometries with those that are carried out alike, but each of them, too, meets every dtype, kind of
    numbers, transformation and platform. Of a function with several settings each row has one.
    """
    rows = []
    for family, names in FAMILIES.items():
        cases = [case for case in CASES if family in PRIMITIVE or case.taps <= _MOST_TAPS]
        turns = itertools.cycle(names)
        rows += [(case.name, name, family) for case, name in zip(cases, turns, strict=False)]
    choices = (DTYPES, KINDS_OF_NUMBERS, tuple(TRANSFORMATIONS), PLATFORMS)
    rows = [
        (name, place, *others, _carried_out(name, PLACES[place].taps, platform))
        for place, name, _, *others, platform in pairs_beside(rows, *choices)
    ]
    compiled = {row[0] for row in rows if row[-1] == "compiled"}
    for name in itertools.chain(*FAMILIES.values()):
        if name not in compiled:
            others = [i for i, row in enumerate(rows) if row[0] == name and row[-1] == "cpu"]
            i = min(others, key=lambda i: PLACES[rows[i][1]].taps)
            rows[i] = (*rows[i][:-1], "compiled")
    met = {(row[1], row[-1]) for row in rows}
    rows += [
        ("max_pool", case.name, "float32", "ties", "none", platform)
        for case in CASES
        for platform in PLATFORMS
        if (case.name, platform) not in met  # for another platform took its place
    ]
    settings = {name: itertools.cycle([f.name for f in FUNCTIONS if _short(f) == name]) for name, *_ in rows}
    return list(_compiled_once(_with_modes([(next(settings[name]), *others) for name, *others in rows])))


def _carried_out(name: str, taps: int, platform: str) -> str:
    slow = name not in PRIMITIVE and taps > _MOST_COMPILED
    return "cpu" if platform == "compiled" and slow else platform


def _with_modes(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows with the mode that function and place have met least often; with both where they met but one.

    Counted are those where a derivative is compared with something. Selections and sums have always both.
    """
    met = collections.Counter()
    modes = []
    for row in rows:
        counted = [(key, mode) for mode in MODES for key in _keys(row)] if _is_compared(*row[:4]) else []
        mode = min(MODES, key=lambda mode: sum(met[pair] for pair in counted if pair[1] == mode))
        modes.append("both" if row[0] in PRIMITIVE else mode)
        met.update(pair for pair in counted if pair[1] == mode or row[0] in PRIMITIVE)
    for i, row in enumerate(rows):
        if _is_compared(*row[:4]) and not all(met[key, mode] for key in _keys(row) for mode in MODES):
            modes[i] = "both"
            met.update((key, mode) for key in _keys(row) for mode in MODES)
    return [(*row[:-1], mode, row[-1]) for row, mode in zip(rows, modes, strict=True)]


def _keys(row: tuple[str, ...]) -> tuple[str, str]:
    return row[0].split()[0], row[1]


def _is_compared(name: str, place: str, dtype: str, kind: str) -> bool:
    """Whether the oracle or finite differences say what the derivatives are."""
    function = function_at(place, name)
    differentiable = jnp.issubdtype(dtype, jnp.inexact) and (dtype != "complex64" or function.takes_complex)
    known = function.oracle_jvp is not None or kind_for(function, kind, dtype) == "distinct"
    return differentiable and known


def _compiled_once(rows: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Compiles only where a choice has not been compiled; elsewhere what would be compiled is interpreted.

    Of functions with settings one is a choice, and of groups, each of which has its functions, none.
    """
    met = set()
    for function, place, *others, platform in rows:
        choices = {function.split()[0], *([] if place in _GROUPED else [place]), *others}
        if platform == "compiled" and choices <= met:
            platform = "cpu"
        elif platform == "compiled":
            met |= choices
        yield function, place, *others, platform


def bound_rows() -> list[tuple[str, ...]]:
    """Arguments of `check` for groups: each group, and each function in some, meets every choice.

    Those of one dimension meet the rarer dtypes too. Of a function in a group with several settings each
    row has one.
    """
    rows = []
    for groups, dtypes, width in ((GROUPS, DTYPES[:4], 2), (_ONE_DIMENSIONAL, DTYPES[4:], 1)):
        given, turns = [], {}
        for group in groups:
            for function in itertools.islice(itertools.cycle(group.functions), max(4, len(group.functions))):
                given.append((group.name, _short(function))[:width])
                turns.setdefault(given[-1], []).append(function.name)
        turns = {pair: itertools.cycle(names) for pair, names in turns.items()}
        choices = (dtypes, KINDS_OF_NUMBERS, _OF_BOUND, PLATFORMS)
        for row in pairs_beside(given, *choices):
            rows.append((next(turns[row[:width]]), row[0], *row[width:]))
    return list(_compiled_once(_with_modes(rows)))


def _short(function: Function) -> str:
    """The name without settings."""
    return function.name.split()[0]


_OF_BOUND = ("linearize", "vmap", "vmap over directions", "scan")  # all compute the same without
_GROUPED = {group.name for group in GROUPS}
_ONE_DIMENSIONAL = [group for group in GROUPS if group.name.endswith("1d")]
PRIMITIVE = [f.name for f in SIMPLE if f.name != "pool"]
# By how they are carried out: a selection, a sum, or what an order, weights or parameters make of them.
FAMILIES = {
    **{name: (name,) for name in ("max_pool", "min_pool", "sum_pool", "avg_pool", "pool")},
    "sums": ("lp_pool", "var_pool", "std_pool", "logsumexp_pool", "soft_pool", "stochastic_pool"),
    "orders": ("median_pool", "quantile_pool", "dilate", "erode"),
    "learned": (
        "gated_pool",
        "mixed_pool",
        "subsample_pool",
        "gem_pool",
        "detail_preserving_pool",
        "lip_pool",
    ),
}
# With dozens of taps, what is composed compiles for seconds; with hundreds it is long.
_MOST_COMPILED, _MOST_TAPS = 3, 50


# ----------------------------------------------------------------------------------------- transformations


def _results(modes: str, pool: Callable, indexed: Callable | None, inputs: Any, *directions: Any) -> Any:
    """The value, and positions; and tangent and cotangent, where directions are given for them."""
    results = {"value": pool(inputs)}
    if indexed:
        results["same"], results["index"] = indexed(inputs)
    if directions and modes != "reverse":
        results["primal"], results["pushed"] = jax.jvp(pool, (inputs,), directions[:1])
    if directions and modes != "forward":
        results["dual"], pullback = jax.vjp(pool, inputs)
        results["pulled"] = pullback(directions[1])[0]
    return results


def _linearized(function: Callable) -> Callable:
    """The same by way of a linear map and its transpose."""

    def results(inputs, *directions):
        modes, pool, _ = function.args
        if not directions:
            return function(inputs)
        tangent, cotangent = directions
        value, linear = jax.linearize(pool, inputs)
        results = {"value": value}
        if modes != "reverse":
            results["pushed"] = linear(tangent)
        if modes != "forward":
            results["pulled"] = jax.linear_transpose(linear, tangent)(cotangent)[0]
        return results

    return _once(results)


def _rematerialized(function: Callable) -> Callable:
    modes, pool, indexed = function.args
    return _once(functools.partial(_results, modes, jax.checkpoint(pool), indexed))


def _once(function: Callable) -> Callable:
    return lambda *stacks: jax.tree.map(lambda leaf: leaf[None], function(*[stack[0] for stack in stacks]))


def _mapped_at_the_end(function: Callable) -> Callable:
    def mapped(*stacks):
        stacks = [jnp.moveaxis(stack, 0, -1) for stack in stacks]
        results = jax.vmap(function, in_axes=-1, out_axes=-1)(*stacks)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), results)

    return mapped


def _mapped_over_directions(function: Callable) -> Callable:
    def mapped(inputs, *directions):
        if not directions:
            return jax.vmap(function)(inputs)
        return jax.vmap(function, in_axes=(None, 0, 0))(inputs[0], *directions)

    return mapped


def _scanned(function: Callable) -> Callable:
    return lambda *stacks: jax.lax.scan(lambda carry, entry: (carry, function(*entry)), 0, stacks)[1]


# Of `_results` of a pool: a program from stacks of inputs and directions to stacks of results.
TRANSFORMATIONS = {
    "none": _once,
    "remat": _rematerialized,
    "linearize": _linearized,
    "vmap": jax.vmap,
    "vmap at the end": _mapped_at_the_end,
    "vmap over directions": _mapped_over_directions,
    "scan": _scanned,
}
_OF_ONE = ("none", "remat", "linearize")

# ----------------------------------------------------------------------------------------- what is compared


@dataclasses.dataclass(frozen=True)
class _Expected:
    """What the oracle says of a function of some inputs and, where it is differentiable, directions."""

    arrays: tuple[np.ndarray, ...]
    value: np.ndarray
    others: dict[str, np.ndarray]
    slope: complex | None = None  # where the oracle lacks a derivative

    def compare(self, results: dict[str, np.ndarray]) -> None:
        for name, result in results.items():
            if name in ("value", "same", "primal", "dual"):
                assert_close(result, self.value)
            elif name in self.others:
                assert_close(result, self.others[name])
        self._compare_slopes(results)

    def _compare_slopes(self, results: dict[str, np.ndarray]) -> None:
        """What the results say of how far the inner product with the cotangent changes along the tangent."""
        if self.slope is None:
            return
        _, tangent, cotangent = self.arrays
        wide = np.complex128 if tangent.dtype.kind == "c" else np.float64
        for name, direction in (("pushed", cotangent), ("pulled", tangent)):
            if name in results:
                terms = results[name].astype(wide) * direction.astype(wide)
                tolerance = 8 * jnp.finfo(results[name].dtype).eps * np.sum(abs(terms)) + 1e-6
                assert abs(np.sum(terms) - self.slope) <= tolerance, name


@functools.lru_cache(maxsize=256)
def _expected(name: str, at: str, dtype: str, kind: str, seed: int, direction: int) -> _Expected:
    function, place = function_at(at, name), PLACES[at]
    inputs = numbers(kind, place.shape, dtype, seed)

    def given(oracle, *arrays):
        return oracle(*arrays, *place.arguments, **place.options)

    value, others = given(function.expected, inputs), {}
    if function.indexed:
        others["index"] = given(function.indexed[1], inputs)[1].astype(np.int32)
    if not jnp.issubdtype(inputs.dtype, jnp.inexact):
        return _Expected((inputs,), value, others)
    tangent, cotangent = (
        numbers("ties", shape, dtype, seed=10 * direction + i)
        for i, shape in ((1, inputs.shape), (2, value.shape))
    )
    if function.oracle_jvp:
        others["pushed"] = given(function.oracle_jvp, inputs, tangent)
    if function.oracle_vjp:
        others["pulled"] = given(function.oracle_vjp, inputs, cotangent)
        return _Expected((inputs, tangent, cotangent), value, others)
    slope, wide = None, np.complex128 if inputs.dtype.kind == "c" else np.float64
    if function.oracle_jvp:
        slope = np.sum(others["pushed"].astype(wide) * cotangent.astype(wide))
    elif kind == "distinct":  # where ties end, finite differences have no limit
        step = 1e-6 * tangent.astype(wide)
        above, below = (given(function.oracle, inputs.astype(wide) + sign * step) for sign in (1, -1))
        finite = np.isfinite(above)  # of windows without elements it may not be
        change = np.subtract(above, below, out=np.zeros_like(above), where=finite)
        slope = np.sum(change * cotangent.astype(wide)) / 2e-6
    return _Expected((inputs, tangent, cotangent), value, others, slope)


# -------------------------------------------------------------------------------------------- saying it again


def reproduction(function: str, place: str, dtype: str, kind: str, *others: str) -> str:
    """Lines for a Python prompt: what was called, of which numbers, and the check that failed."""
    where, used = PLACES[place], kind_for(function_at(place, function), kind, dtype)
    arguments = [f"numbers({used!r}, {where.shape}, {dtype!r}, seed=0)", *map(repr, where.arguments)]
    arguments += [f"{name}={value!r}" for name, value in where.options.items()]
    return "\n".join(
        [
            "from tests.grid import check, function_at, numbers",
            f"function_at({place!r}, {function!r}).apply({', '.join(arguments)})",
            f"check{(function, place, dtype, kind, *others)!r}",
        ]
    )
