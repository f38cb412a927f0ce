"""`python -m jaxpool`: what it says of the machine, and that it notices pools that are wrong."""

import importlib.metadata
import platform
import subprocess
import sys

import jax
import pytest

import jaxpool
from jaxpool import avg_pool, max_pool, sum_pool
from jaxpool.__main__ import _DEFINITIONS, main


def _verdicts(output):
    """What the test at the end says of each pool."""
    lines = (line.split(maxsplit=1) for line in output.splitlines())
    return {words[0]: words[1] for words in lines if words and words[0] in _DEFINITIONS}


def test_it_says_all_that_a_report_needs(capsys):
    assert main() == 0
    output = capsys.readouterr().out
    for name in ("jax", "jaxlib", "numpy", "flax"):
        assert f"{name} {importlib.metadata.version(name)}" in output
    assert f"Python {platform.python_version()}" in output
    assert str(jax.devices()[0]) in output
    assert _verdicts(output) == dict.fromkeys(_DEFINITIONS, "right")


def test_it_says_what_each_platform_takes(capsys):
    main()
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if "max_pool:" in line]
    taken = dict(lines)
    assert taken.keys() == {"cpu", "cuda", "rocm", "tpu"}
    assert taken["cpu"] == "max_pool: slices, backward slices; avg_pool: slices, backward slices"
    assert taken["tpu"].startswith("max_pool: reduce_window, backward select_and_scatter;")


def test_it_works_without_flax(capsys, monkeypatch):
    version = importlib.metadata.version

    def without_flax(name):
        if name == "flax":
            raise importlib.metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_flax)
    assert main() == 0
    assert "flax (not installed)" in capsys.readouterr().out


def _with_the_gradient_of_averages(*arguments):
    value = avg_pool(*arguments)
    return value + jax.lax.stop_gradient(max_pool(*arguments) - value)


def _failing(*arguments):
    raise NotImplementedError("nothing does this")


@pytest.mark.parametrize(
    ("name", "wrong", "reason"),
    [
        ("avg_pool", sum_pool, "the value is wrong"),
        ("max_pool", _with_the_gradient_of_averages, "the gradient is wrong"),
    ],
)
def test_a_wrong_pool_is_noticed(name, wrong, reason, capsys, monkeypatch):
    monkeypatch.setattr(jaxpool, name, wrong)
    assert main() == 1
    output = capsys.readouterr().out
    assert reason in output
    assert [pool for pool, verdict in _verdicts(output).items() if verdict != "right"] == [name]


def test_a_pool_that_raises_is_noticed(capsys, monkeypatch):
    """And the others are tested all the same."""
    monkeypatch.setattr(jaxpool, "lp_pool", _failing)
    assert main() == 1
    assert _verdicts(capsys.readouterr().out)["lp_pool"] == "WRONG, NotImplementedError: nothing does this"


@pytest.mark.parametrize(("change", "status"), [("", 0), ("jaxpool.min_pool = jaxpool.max_pool", 1)])
def test_exit_status(change, status):
    code = f"import jaxpool, runpy\n{change}\nrunpy.run_module('jaxpool', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (status, "")
