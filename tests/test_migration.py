"""docs/migration.md: each row of its tables is run as the page has it, in the framework and in jaxpool.

The page has the calls; `ROWS` has the inputs, for each row by the first call in it. A framework that is not
installed is skipped, but for the test that page and `ROWS` have the same rows.
"""

import contextlib
import io
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import migration_rows, migration_sets
from tests.cases import distinct
from tests.frameworks import BLOCKS, FRAMEWORKS, SECTIONS, by_jax, helpers, installed

ROWS = migration_rows.ROWS | migration_sets.ROWS


@pytest.fixture(autouse=True)
def standard_promotion():
    """The other frameworks on JAX promote dtypes and ranks silently."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


# --------------------------------------------------------------------------------------------- the tests


def _tables():
    """For each section with a table of calls: its rows, of the framework's calls and jaxpool's."""
    tables = {}
    for name in ROWS:
        rows = re.findall(r"^\| (`.*) \| `(.*)` \|$", SECTIONS[name], re.MULTILINE)
        tables[name] = [(re.findall(r"`([\w.]+\(.*?)`", theirs), ours) for theirs, ours in rows]
    return tables


def test_page_and_rows_agree():
    assert {name: [theirs[0] for theirs, _ in rows] for name, rows in _tables().items()} == {
        name: list(rows) for name, rows in ROWS.items()
    }
    other = "".join(text for name, text in SECTIONS.items() if name not in ROWS)
    assert "jaxpool |\n|---|---|\n| `" not in other, "a table of calls in another section"


CALLS = [(name, *row) for name, rows in _tables().items() for row in rows]


@pytest.mark.parametrize(("name", "theirs", "ours"), CALLS, ids=[f"{c[0]}: {c[1][0]}" for c in CALLS])
def test_same_results(name, theirs, ours):
    framework, row = FRAMEWORKS[name], ROWS[name][theirs[0]]
    modules = framework.names()
    for names in row.bindings(framework.layout):
        x, gradient = names.pop("x"), names.pop("gradient", framework.gradients)
        actual = _results(by_jax, ours, x, helpers() | names | {"jaxpool": jaxpool}, gradient)
        for call in theirs:
            call = call.replace("Nd", f"{names['N']}d").replace("ND", f"{names['N']}D")
            _assert_same(actual, _results(framework.run, call, x, modules | names | {"jnp": jnp}, gradient))


def _results(run, call, x, names, gradient):
    """The outputs of a call, and the gradient of the first."""
    outputs, pullback = run(call, x, names)
    cotangent = np.random.RandomState(2).randn(*outputs[0].shape).astype(np.float32)
    return [*outputs, pullback(cotangent)] if gradient else outputs


def _assert_same(actual, expected):
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == np.shape(e)
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("Flax", 'nn.avg_pool(x, (3, 3), (2, 2), "SAME", False)'),
        ("Haiku", 'hk.max_pool(x, 3, 2, "SAME")'),
        ("Keras 3", "layers.AveragePooling2D(3, 2)(x)"),
        ("Equinox", "jax.vmap(eqx.nn.MaxPool2d(3, 2, 1))(x)"),
    ],
)
def test_layers_of_others_run_on_reduce_window(name, call, monkeypatch):
    framework, x = FRAMEWORKS[name], distinct((2, 9, 8, 3), np.float32)
    names = framework.names() | {"jax": jax}
    expected, calls = _results(framework.run, call, x, names, True), []

    def noted(*arguments, **options):
        calls.append(arguments)
        return jaxpool.reduce_window(*arguments, **options)

    monkeypatch.setattr(jax.lax, "reduce_window", noted)
    _assert_same(_results(framework.run, call, x, names, True), expected)
    assert calls


def test_a_wrong_result_is_noticed():
    x = distinct((5, 1), np.float32)
    results = [_results(by_jax, call, x, {}, True) for call in ("x + 1", "x + 1.001", "2 * x + 1 - x")]
    _assert_same(results[0], results[2])
    with pytest.raises(AssertionError):
        _assert_same(results[0], results[1])


# ------------------------------------------------------------------------------ what the page says besides


def _public(module, pattern):
    """The names in a module that have to do with pools."""
    return {n for n in dir(module) if re.search(pattern, n, re.IGNORECASE) and not n.startswith("_")}


@pytest.mark.parametrize("name", [name for name, framework in FRAMEWORKS.items() if framework.pools])
def test_page_names_all_pools(name):
    modules = FRAMEWORKS[name].names()
    if name == "ONNX":
        pools = {s.name for s in modules["onnx"].defs.get_all_schemas() if "pool" in s.name.lower()}
    else:
        homes = [m.nn if n in ("tf", "eqx") else m for n, m in modules.items() if n != "torch"]
        pools = set().union(*(_public(home, FRAMEWORKS[name].pools) for home in homes))
        pools -= {"pooling"}  # flax.linen's file
    text = "".join(f"{SECTIONS[name]} ".replace("Nd", f"{N}d").replace("ND", f"{N}D") for N in (1, 2, 3))
    assert len(pools) >= 4
    assert not {pool for pool in pools if not re.search(rf"\b{pool}\b", text)}


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_code_of_the_page_runs_as_shown(block):
    for module in re.findall(r"^import (\w+)", block, re.MULTILINE):
        installed(module)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block, {})
    assert printed.getvalue().splitlines() == re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
