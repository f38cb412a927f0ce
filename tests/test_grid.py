"""Everything against the oracle: what `grid.check` compares, in rows that have every pair of two choices."""

import itertools

import numpy as np
import pytest

from tests import grid
from tests.cases import CASES
from tests.covering import pairs, pairs_beside
from tests.functions import COMPOSED, FUNCTIONS
from tests.grid import DTYPES, KINDS_OF_NUMBERS, PLATFORMS, TRANSFORMATIONS, check, reproduction
from tests.groups import GROUPS

WINDOWED, BOUND = grid.windowed_rows(), grid.bound_rows()


@pytest.mark.parametrize("row", WINDOWED + BOUND, ids="-".join)
def test_matches_oracle(row):
    try:
        check(*row)
    except BaseException as error:
        error.add_note(reproduction(*row))
        raise


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("function", "place"),
    [(f.name, case.name) for f, case in itertools.product(FUNCTIONS, CASES)]
    + [(f.name, group.name) for group in GROUPS for f in group.functions],
)
def test_all_match_oracle(function, place):
    """Every dtype on every platform, with other numbers and transformations each time."""
    for number, (dtype, platform) in enumerate(itertools.product(DTYPES, PLATFORMS)):
        kind = KINDS_OF_NUMBERS[number % len(KINDS_OF_NUMBERS)]
        transformation = list(TRANSFORMATIONS)[number % len(TRANSFORMATIONS)]
        check(function, place, dtype, kind, transformation, "both", platform)


@pytest.mark.parametrize("platform", PLATFORMS[1:])
@pytest.mark.parametrize(
    "function",
    [
        "soft_pool temperature=0.7",
        "logsumexp_pool temperature=0.3 mean=True",
        "lp_pool",
        "median_pool",
        "var_pool",
    ],
)
def test_windows_of_many_elements_match_oracle(function, platform):
    """What is gathered and reduced where a window has more than 64 elements, and in no row of the grid."""
    place = "72 taps" if platform == "cuda" else "72 taps, dilation"
    check(function, place, "float32", "distinct", "none", "both", platform)


@pytest.mark.parametrize("function", [f.name for f in COMPOSED] + ["gem_pool"])
def test_windows_of_one_cell_match_oracle(function):
    """Along no axis there is more: a norm was the element itself, even below 0, and exponentials failed."""
    check(function, "one cell", "float32", "distinct", "none", "both", "cpu")


# ------------------------------------------------------------------------------------------- the grid itself


def test_every_pair_is_in_some_row():
    choices = [range(7), "abc", range(4), [True, False], range(5)]
    rows = pairs(*choices)
    assert len(rows) < 7 * 5 + 5
    for (i, first), (j, second) in itertools.combinations(enumerate(choices), 2):
        assert {(row[i], row[j]) for row in rows} == set(itertools.product(first, second))
    assert pairs(*choices) == rows


def test_rows_that_are_given_meet_every_choice():
    given = [("a", 1), ("a", 2), ("b", 2), ("c", 3)]
    rows = pairs_beside(given, range(3), [True, False])
    assert {row[:2] for row in rows} == set(given)
    for i, j in ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3)):
        assert {(row[i], row[j]) for row in rows} == set(
            itertools.product({row[i] for row in rows}, {row[j] for row in rows})
        )
    assert len(rows) < 3 * 3 * 2
    assert pairs_beside(given, range(3), [True, False]) == rows


def test_every_function_and_geometry_meets_every_choice():
    names = {f.name.split()[0] for f in FUNCTIONS}
    assert names == {*itertools.chain(*grid.FAMILIES.values())}
    for column, values in {2: DTYPES, 3: KINDS_OF_NUMBERS, 4: TRANSFORMATIONS, 6: PLATFORMS}.items():
        assert {(row[0].split()[0], row[column]) for row in WINDOWED} == {
            (n, v) for n in names for v in values
        }
        assert {(row[1], row[column]) for row in WINDOWED} == {
            (case.name, v) for case in CASES for v in values
        }
        some = {2: DTYPES[:4], 4: grid._OF_BOUND, 6: PLATFORMS[1:]}.get(column, values)
        assert {(row[1], row[column]) for row in BOUND} >= {(g.name, v) for g in GROUPS for v in some}
        bound = {f.name.split()[0] for group in GROUPS for f in group.functions}
        assert {(row[0].split()[0], row[column]) for row in BOUND} >= {(n, v) for n in bound for v in some}
    assert {(row[1], row[2]) for row in BOUND} >= {(g.name, v) for g in grid._ONE_DIMENSIONAL for v in DTYPES}
    assert {row[0] for row in WINDOWED} == {f.name for f in FUNCTIONS}
    assert {row[:2] for row in BOUND} >= {(f.name, group.name) for group in GROUPS for f in group.functions}


def test_both_modes_of_each_function_and_in_each_place_are_compared():
    """With something: rows of integers, or of ties where only finite differences would tell, do not count."""
    for rows in (WINDOWED, BOUND):
        compared = [row for row in rows if grid._is_compared(*row[:4])]
        for mode in grid.MODES:
            found = [row for row in compared if row[5] in (mode, "both")]
            assert {row[0].split()[0] for row in found} == {row[0].split()[0] for row in rows}
            assert {row[1] for row in found} == {row[1] for row in rows}


def test_every_family_meets_every_geometry():
    for family, names in grid.FAMILIES.items():
        cases = {row[1] for row in WINDOWED if row[0].split()[0] in names}
        assert {case.name for case in CASES} - cases == (
            set()
            if family in {name.split()[0] for name in grid.PRIMITIVE}
            else {case.name for case in CASES if case.taps > grid._MOST_TAPS}
        )


ROW = ("max_pool", "overlap", "float32", "ties", "vmap", "both", "tpu")


@pytest.mark.parametrize("result", ["value", "same", "index", "primal", "dual", "pushed", "pulled"])
def test_a_wrong_result_is_found(result, monkeypatch):
    original = grid._results

    def wrong(*arguments):
        results = original(*arguments)
        return {**results, result: results[result].at[(0,) * results[result].ndim].add(1)}

    monkeypatch.setattr(grid, "_results", wrong)
    with pytest.raises(AssertionError, match="equal"):
        check(*ROW)


def test_slopes_that_differ_are_found():
    entry = grid._Expected((None, np.float32([1, 2]), np.float32([3])), None, {}, slope=15)
    entry.compare({"pushed": np.float32([5]), "pulled": np.float32([5, 5])})
    for wrong in ({"pushed": np.float32([6])}, {"pulled": np.float32([5, 6])}):
        with pytest.raises(AssertionError):
            entry.compare(wrong)


def test_a_cotangent_that_is_no_transpose_is_found(monkeypatch):
    """Of functions whose tangent alone the oracle has."""
    row = ("blur_pool 3", "blur sizes", "float32", "ties", "vmap", "reverse", "cpu")
    check(*row)
    original = grid._results

    def wrong(*arguments):
        results = original(*arguments)
        return {**results, "pulled": 1.01 * results["pulled"]}

    monkeypatch.setattr(grid, "_results", wrong)
    with pytest.raises(AssertionError, match="pulled"):
        check(*row)


def test_the_numbers_that_were_used_are_shown():
    row = ("lp_pool", "1d", "float32", "special", "none", "both", "cpu")
    assert "numbers('distinct'" in reproduction(*row)
    assert "numbers('special'" in reproduction("max_pool", *row[1:])


@pytest.mark.parametrize("row", [ROW, next(row for row in BOUND if row[0] == "max_unpool")], ids="-".join)
def test_a_failure_says_how_to_see_it_again(row, monkeypatch):
    lines = reproduction(*row)
    assert len(lines.splitlines()) == 3
    exec(lines, {})
    monkeypatch.setattr(grid, "assert_close", lambda *arrays: pytest.fail("different"))
    with pytest.raises(pytest.fail.Exception):
        exec(lines, {})
    with pytest.raises(pytest.fail.Exception) as raised:
        test_matches_oracle(row)
    assert raised.value.__notes__ == [lines]
