"""The page that helps to choose a pool: its calls run, and its figures are those that were measured."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "choose.md").read_text(encoding="utf-8")
CALLS = dict.fromkeys(call for call in re.findall(r"`((?:jaxpool\.)?\w+\(.*?)`", PAGE) if "…" not in call)
_X = np.random.RandomState(0).rand(2, 16, 16, 4).astype(np.float32)
_NAMES = {
    "x": _X,
    "alpha": 0.5,
    "p": 3.0,
    "coefficient": np.full(4, 0.25, np.float32),
    "bias": np.zeros(4, np.float32),
    "logits": _X,
    "boxes": np.float32([[[0, 0, 9, 9]]] * 2),
    "features": [_X, _X[:, ::2, ::2]],
    "shape": (64, 64),
    "mask": _X > 0.5,
    "heatmap": _X,
    "ids": np.array([0, 1], np.int32),
    "num_segments": 2,
    "jaxpool": jaxpool,
    "jnp": jnp,
}


@pytest.mark.parametrize("call", CALLS)
def test_calls_of_the_page_run(call):
    jax.eval_shape(lambda: [eval(call, {**vars(jaxpool), **_NAMES}), None][1])


def test_figures_are_those_that_were_measured():
    """By rows with the same numbers, rounded as there is room for."""

    def rows(name):
        text = (DOCS / name).read_text(encoding="utf-8")
        lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
        return [[re.sub(r" (±.*|%|kB)", "", cell.strip()) for cell in cells] for cells in lines]

    measured = [cells for cells in rows("invariance.md") if len(cells) == 9][1:]
    shown = [cells[2:] for cells in rows("choose.md") if len(cells) == 7][1:]
    assert len(shown) > 10
    expected = [[*map(float, cells[2:6]), float(cells[7])] for cells in measured]
    for cells in shown:
        numbers = [float(cell) for cell in cells]
        assert any(
            np.allclose(numbers, row, rtol=0, atol=[0.01, 0.01, 0.01, 0.51, 0.01]) for row in expected
        ), cells


def test_the_page_names_pools_that_there_are():
    names = set(re.findall(r"`(?:jaxpool\.)?(\w+_pool|roi_align)\b", PAGE))
    assert len(names) > 30
    assert not [name for name in names if not hasattr(jaxpool, name)]


def _blocks(name):
    """The Python of a tutorial, shown or run."""
    text = (DOCS / "tutorials" / name).read_text(encoding="utf-8")
    return re.findall(r"^```(?:python|\{code-cell\} python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_network_of_the_tutorial_is_pytorch_s():
    """With its weights, by the check that the page shows."""
    pytest.importorskip("torch", reason="torch is not installed, from which the tutorial ports a network")
    *blocks, check = _blocks("porting.md")
    names = {}
    for block in blocks:
        exec(block, names)
    exec("convert({name: array.numpy() for name, array in theirs.state_dict().items()})", names)
    exec(check, names)


def test_shapes_of_the_first_page_are_right():
    (block,) = re.findall(
        r"^```python\n(.*?)^```$", (DOCS / "index.md").read_text(encoding="utf-8"), re.M | re.S
    )
    names, said = {}, []
    for line in block.splitlines():
        code, _, comment = line.partition("  # ")
        if code.endswith(".shape"):
            said.append((str(eval(code, names)), comment))
        else:
            exec(code, names)
    assert len(said) == 4
    assert all(found == comment for found, comment in said), said
