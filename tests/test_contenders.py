"""Those who are compared: that they compute the same, and that each pass is measured."""

import dataclasses
import functools
import importlib.util
import itertools
import math
import sys
import types
from pathlib import Path

import jax
import numpy as np
import pytest

pytest.importorskip("optax", reason="the benchmark trains with optax")
pytest.importorskip("rich", reason="the benchmark's tables and progress bar are rich's")

from benchmarks import contenders, measurements, pytorch, timing
from benchmarks.cases import PASSES, Case, Resizing
from tests.tiny import BRIEF, TINY, standard_promotion  # noqa: F401

FUNCTIONS = ("max_pool", "avg_pool", "min_pool", "sum_pool")


@pytest.mark.parametrize("function", ["max_pool", "avg_pool"])
def test_measures_every_pass(function):
    measured = measurements.measure(dataclasses.replace(TINY, function=function), BRIEF, by_pytorch=None)
    assert set(measured.seconds) == {"jaxpool", "flax"}
    assert set(measured.seconds["jaxpool"]) == {*PASSES, *["forward_for_backward"] * (function == "max_pool")}
    assert set(measured.seconds["flax"]) == set(PASSES)
    numbers = [measured.copy_seconds, measured.together()]
    for step in PASSES:
        numbers += [measured.versus("flax", step), measured.over_limit("jaxpool", step)]
        numbers += [times[step] for times in measured.seconds.values()]
        assert measured.versus("pytorch", step) is None
    assert all(math.isfinite(number) and number > 0 for number in numbers)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("shape", "channel_axis"), [((2, 3, 7, 6), 1), ((2, 7, 6, 3), -1)])
def test_flax_computes_the_same(function, shape, channel_axis):
    case = dataclasses.replace(TINY, function=function, shape=shape, channel_axis=channel_axis)
    inputs = contenders.normal(shape, case.dtype, seed=0)
    np.testing.assert_allclose(
        contenders.flax_pool(case)(inputs), contenders.jaxpool_pool(case)(inputs), atol=1e-6
    )


_RANKS = [((2, 7, 3), -1), ((2, 7, 6, 3), -1), ((2, 3, 7, 6), 1), ((2, 7, 6), None), ((2, 7, 6, 5, 3), -1)]


def _pytorch_cases():
    """What PyTorch has, in every rank and layout."""
    for shape, axis in _RANKS:
        rank = len(shape) - 1 - (axis is not None)
        settings = [{}, {"ceil_mode": True}, {"dilation": (2,) * rank}]
        for function, options in itertools.product(["max", "avg", "sum", "lp"], settings):
            pads = ((0, 0) if function == "lp" else (1, 1),) * rank
            yield Case(f"{function}_pool", shape, (3,) * rank, (2,) * rank, pads, "float32", axis, **options)
        for function in (
            "adaptive_max",
            "adaptive_avg",
            *(f"global_{n}" for n in ("max", "avg", "sum", "lp")),
        ):
            output = (2,) * rank if function.startswith("adaptive") else ()
            yield Resizing(f"{function}_pool", shape, output, channel_axis=axis)
    yield Case("max_pool", (2, 7, 6, 3), (3, 3), (2, 2), ((1, 1), (1, 1)), "bfloat16")
    yield Case("avg_pool", (2, 7, 6, 3), (3, 3), (2, 2), ((1, 1), (1, 1)), "float16")


@pytest.mark.parametrize("case", [case for case in _pytorch_cases() if pytorch.can(case)], ids=str)
def test_pytorch_computes_the_same(case):
    pytest.importorskip("torch", reason="PyTorch is compared only where it is installed")
    inputs = contenders.normal(case.shape, case.dtype, seed=0)
    cotangent = contenders.normal(contenders.output_shape(case), case.dtype, seed=1)
    value, pullback = jax.vjp(contenders.jaxpool_pool(case), inputs)
    found = contenders.pytorch_contender(case, inputs, cotangent)
    close = functools.partial(np.testing.assert_allclose, atol=1e-5 if case.dtype == "float32" else 0.05)
    close(found.result, np.asarray(value, np.float32))
    for gradient in (found.calls["backward"](), found.calls["both"]()[1]):
        gradient = (
            gradient.squeeze(1) if case.channel_axis is None else gradient.movedim(1, case.channel_axis)
        )
        close(gradient.float().numpy(), np.asarray(pullback(cotangent)[0], np.float32))
    assert not found.calls["forward"]().requires_grad


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pytorch_of_another_interpreter(dtype):
    pytest.importorskip("torch", reason="PyTorch is compared only where it is installed")
    case = dataclasses.replace(TINY, dtype=dtype)
    by_pytorch, version = contenders.find_pytorch(Path(sys.executable))
    assert version == contenders.find_pytorch()[1]
    measured = measurements.measure(case, BRIEF, by_pytorch=by_pytorch)
    by_pytorch.args[0].close()
    assert measured.seconds["pytorch"].keys() == {*PASSES}
    assert all(seconds > 0 for seconds in measured.seconds["pytorch"].values())


def test_what_another_interpreter_answers(tmp_path, monkeypatch):
    """With a PyTorch that has no more than is asked of it here."""
    (tmp_path / "torch.py").write_text("__version__ = '9.9'\nset_num_threads = print\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    elsewhere = pytorch.Elsewhere(Path(sys.executable), 2)
    assert elsewhere.version == "9.9"
    with pytest.raises(RuntimeError, match=r"AttributeError.*from_numpy"):
        elsewhere.calls(TINY, *[np.zeros(TINY.shape, np.float32)] * 2)
    elsewhere.close()
    assert timing.medians({"a": lambda: pytorch.Elapsed(3.0)}, BRIEF) == {"a": 3.0}


@pytest.mark.parametrize("wrong", [lambda y: y.at[0, 0, 0, 0].add(1e-3), lambda y: y[:1]])
@pytest.mark.parametrize("function", ["max_pool", "avg_pool"])
def test_a_contender_that_disagrees_is_found(function, wrong, monkeypatch):
    case = dataclasses.replace(TINY, function=function)
    right = contenders.flax_pool(case)
    monkeypatch.setattr(contenders, "flax_pool", lambda case: lambda x: wrong(right(x)))
    with pytest.raises(ValueError, match=r"flax and jaxpool .* for \w+_pool 3x3/2 float32 2x6x6x3"):
        contenders.contenders(case, contenders.normal(case.shape, case.dtype, 0), None)


def test_pytorch_is_left_out_with_a_reason(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert contenders.find_pytorch() == (None, "PyTorch is not installed")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    torch = types.SimpleNamespace(
        cuda=types.SimpleNamespace(is_available=lambda: False),
        set_num_threads=lambda count: None,
        __version__="3.0",
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert contenders.find_pytorch() == (contenders.pytorch_contender, "3.0")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert contenders.find_pytorch() == (None, "PyTorch does not see the device")


def test_enlarged_batches():
    case = contenders.enlarge(TINY, 10_000)  # TINY has 2 * 6 * 6 * 3 * 4 = 864 bytes
    assert case == dataclasses.replace(TINY, shape=(24, 6, 6, 3))
