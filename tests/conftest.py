"""Strict settings for every test: eight CPU devices, no silent promotion of dtypes or ranks.

The suite compiles thousands of small programs, and how fast they run does not matter: LLVM need not optimise
them, which takes a quarter of the time. What XLA makes of a program before LLVM sees it stays the same.
"""

import gc
import importlib
import itertools
import os
import zlib

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=8",
        "--xla_backend_optimization_level=0",
    ]
)

import jax
import pytest

from tests.cases import double_precision

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

_tests_run = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--one-in", type=int, default=1, metavar="N", help="run one test in N, always the same")


def pytest_configure(config):
    """Keeps compiled programs beside pytest's own notes: a quarter of the time of every run but the first."""
    if jax.config.jax_compilation_cache_dir is None and config.pluginmanager.hasplugin("cacheprovider"):
        jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pytest_collection_modifyitems(config, items):
    """Chooses by the names of tests, so that others stay chosen when one is added."""
    chosen = [zlib.crc32(item.nodeid.encode()) % config.getoption("--one-in") == 0 for item in items]
    config.hook.pytest_deselected(items=[item for item, keep in zip(items, chosen, strict=True) if not keep])
    items[:] = [item for item, keep in zip(items, chosen, strict=True) if keep]


def pytest_collection_finish():
    """Looks for cycles seldom: programs are made of very many objects, few of which are in cycles."""
    gc.set_threshold(50_000, 20, 100)
    gc.freeze()


@pytest.fixture(autouse=True)
def bounded_caches():
    """Forgets compiled programs now and then: with thousands of them a test takes seven times as long."""
    yield
    if next(_tests_run) % 400 == 0:
        jax.clear_caches()


@pytest.fixture
def x64():
    """Double precision for one test."""
    with double_precision():
        yield


@pytest.fixture(params=["linen", "nnx", "equinox"])
def package(request):
    """The modules of each framework; Equinox need not be there."""
    if request.param == "equinox":
        pytest.importorskip("equinox", reason="the extra equinox is missing")
    return importlib.import_module(f"jaxpool.{request.param}")
