"""Compiles for an NVIDIA H200 and a TPU v5e on a machine that has neither.

XLA compiles for a described device as it does for a present one. What it needs beside JAX comes with the
extra `platforms`: libtpu, JAX's CUDA plugin, NVIDIA's assembler `ptxas`. `h200.txtpb` describes the H200.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, SingleDeviceSharding

INSTALL = 'python -m pip install -e ".[platforms]"'

# Read when libtpu is loaded. Without the first, only one process at a time may load it, as if there were a
# TPU to guard; without the others, it asks Google's cloud which TPU it runs on, and complains.
_TPU_ENVIRONMENT = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}


@dataclasses.dataclass(frozen=True)
class Platform:
    """A device to compile for: how XLA knows it, and which packages bring the compiler."""

    name: str
    topology: dict[str, str]
    packages: tuple[str, ...]

    def missing(self) -> str:
        """What this machine lacks to compile for the device, and what installs it; empty if nothing."""
        absent = [package for package in self.packages if not _HAS[package]()]
        if not absent:
            return ""
        return f"{self.name}: {', '.join(absent)} missing. With Python 3.12 or newer on Linux: {INSTALL}"

    @functools.cached_property
    def devices(self) -> Sequence[Any]:
        """As many of them as the topology has."""
        jax.config.update("jax_platforms", "cpu")  # else JAX looks for devices, and complains
        for name, value in _TPU_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        return topologies.get_topology_desc(**self.topology).devices

    @functools.cached_property
    def sharding(self) -> SingleDeviceSharding:
        """All on one such device."""
        return SingleDeviceSharding(self.devices[0])

    def mesh(self, shape: Sequence[int], names: Sequence[str]) -> Mesh:
        """The devices in a mesh."""
        return Mesh(np.reshape(self.devices, shape), names)

    def compile(self, function: Callable[..., Any], *arguments: Any) -> jax.stages.Compiled:
        """Compiles a function of trees of arrays, of which only shapes and dtypes matter."""

        def described(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self.sharding)

        return jax.jit(function).lower(*jax.tree.map(described, arguments)).compile()


def _has_ptxas() -> bool:
    """Whether XLA will find the assembler: on PATH, or where the wheel puts it."""
    wheel = importlib.util.find_spec("nvidia.cu13") if importlib.util.find_spec("nvidia") else None
    folders = wheel.submodule_search_locations if wheel else None
    inside = any(pathlib.Path(folder, "bin", "ptxas").is_file() for folder in folders or ())
    return inside or shutil.which("ptxas") is not None


def _has_module(name: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(name) is not None


_HAS: dict[str, Callable[[], bool]] = {
    "jax>=0.12": lambda: jax.__version_info__ >= (0, 12),
    "jax-cuda13-plugin": _has_module("jax_cuda13_plugin"),
    "nvidia-cuda-nvcc": _has_ptxas,
    "libtpu": _has_module("libtpu"),
}

H200 = Platform(
    "H200",
    {
        "platform": "cuda",
        "topology": "1x1x1",
        "target_config": pathlib.Path(__file__).with_name("h200.txtpb").read_text(),
    },
    ("jax>=0.12", "jax-cuda13-plugin", "nvidia-cuda-nvcc"),
)
TPU = Platform("TPU v5e", {"platform": "tpu", "topology_name": "v5e:2x2"}, ("jax>=0.12", "libtpu"))
PLATFORMS = (H200, TPU)
