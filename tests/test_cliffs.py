"""Pools drawn at random: that all kinds are drawn, and a run that goes on where it ended."""

import dataclasses
import itertools
import json
import re

import numpy as np
import pytest

from tests import scripts

pytest.importorskip("matplotlib.image", reason="the benchmark draws with matplotlib")
pytest.importorskip("optax", reason="the benchmark trains with optax")
pytest.importorskip("rich", reason="the benchmark's tables and progress bar are rich's")

from benchmarks import cliffs, contenders
from benchmarks.cases import PASSES, Case
from benchmarks.draws import draw
from tests.tiny import BRIEF, TINY, standard_promotion  # noqa: F401

DRAWN = [draw(0, number) for number in range(300)]


def test_all_kinds_are_drawn():
    windowed = [case for case in DRAWN if isinstance(case, Case)]
    assert len({case.function for case in DRAWN}) == 7 + 2 + 5
    for quantity, values in {
        "channel_axis": {-1, 1, None},
        "dtype": {"float32", "bfloat16", "float16"},
        "ceil_mode": {True, False},
    }.items():
        assert {getattr(case, quantity) for case in windowed} == values
    assert {len(case.window_shape) for case in windowed} == {1, 2, 3}
    assert any(case.dilation for case in windowed)
    channels = [case.shape[case.channel_axis] for case in DRAWN if case.channel_axis is not None]
    assert min(channels) == 1
    assert max(channels) > 500
    assert {count % 2 for count in channels} == {0, 1}
    sizes = [np.prod(case.shape) * (4 if case.dtype == "float32" else 2) / 2**20 for case in DRAWN]
    assert 0.8 < min(sizes) < 1.5
    assert 40 < max(sizes) < 80


def test_what_is_drawn_can_be_called():
    for case in DRAWN[::6]:
        assert np.prod(contenders.output_shape(case))


def test_a_draw_depends_on_seed_and_number_alone():
    assert draw(0, 7) == DRAWN[7]
    assert len({*map(repr, DRAWN), repr(draw(1, 7))}) > 295


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command with tiny arrays, and returns what it printed."""
    monkeypatch.setattr(cliffs, "FIRST", BRIEF)
    monkeypatch.setattr(cliffs, "AGAIN", BRIEF)
    monkeypatch.setattr(
        cliffs, "draw", lambda seed, number, sizes: dataclasses.replace(TINY, shape=(1, 6, 6, 1 + number))
    )

    monkeypatch.setattr(contenders, "pools_of", lambda case: {"jaxpool": contenders.jaxpool_pool(case)})

    def command(*arguments):
        cliffs.main(["--out", str(tmp_path), *arguments])
        return capsys.readouterr().out

    return command


def test_a_run_goes_on_where_it_ended(run, tmp_path):
    path = tmp_path / "cliffs-0.jsonl"
    run("--number", "1")
    first = path.read_text()
    output = run("--number", "2")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert path.read_text().startswith(first)
    # Each was measured, and again by itself, once.
    assert [record["number"] for record in records] == [0, 0, 1, 1]
    assert [record.get("again", False) for record in records] == [False, True] * 2
    for record, step in itertools.product(records, PASSES):
        assert record["ours_over_limit"][step] > 0
        assert record["call"].partition("#")[0].strip() in re.sub(r"\s*│[ │]*", "", output)
    scripts.assert_is_picture(path.with_suffix(".png"))


def test_nothing_is_measured_when_the_time_is_over(run, tmp_path):
    run("--number", "2", "--minutes", "0")
    assert not (tmp_path / "cliffs-0.jsonl").exists()


def test_an_error_is_told_and_does_not_end_the_run(run, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("too large")

    monkeypatch.setattr(contenders, "compile_pool", fail)
    output = run("--number", "2")
    assert output.count("MemoryError: too large") == 2
    records = [json.loads(line) for line in (tmp_path / "cliffs-0.jsonl").read_text().splitlines()]
    assert [record["error"] for record in records] == ["MemoryError: too large"] * 2


def test_the_worst_are_the_slowest_and_the_least_ahead():
    records = [
        {
            "number": number,
            "call": f"call {number}",
            "ours_over_limit": dict.fromkeys(PASSES, 1 + number),
            "flax_over_ours": dict.fromkeys(PASSES, 1 + number),
        }
        for number in range(100)
    ]
    assert [*cliffs._doubtful(records)] == records[:-6:-1] + records[:5]
    slowest, least, none = cliffs._worst(records)
    assert [*slowest.columns[0].cells] == [str(99 - number) for number in range(20)]
    assert [*least.columns[0].cells] == [str(number) for number in range(20)]
    assert not none.rows
    rows = [*zip(*(column.cells for column in cliffs._distribution(records).columns), strict=True)]
    assert [row[1] for row in rows] == [*PASSES] * 2
    assert rows[0][4:] == ("50.50", "90.10", "95.05", "99.01", "100.00")
    assert rows[3][4:] == ("50.50", "10.90", "5.95", "1.99", "1.00")
