"""Strict settings for every test: eight CPU devices, no silent promotion of dtypes or ranks.

The suite compiles thousands of small programs, and how fast they run does not matter: LLVM need not optimise
them, which takes a quarter of the time. What XLA makes of a program before LLVM sees it stays the same.
"""

import itertools
import os

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

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

_tests_run = itertools.count(1)


@pytest.fixture(autouse=True)
def bounded_caches():
    """Forgets compiled programs now and then: with thousands of them a test takes seven times as long."""
    yield
    if next(_tests_run) % 50 == 0:
        jax.clear_caches()


@pytest.fixture
def x64():
    """Double precision for one test."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
