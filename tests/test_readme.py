"""What the documents show and say: README's code, commands and versions, and every example of a docstring."""

import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import jax
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import jaxpool

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
MODULES = ["jaxpool", *(module.name for module in pkgutil.walk_packages(jaxpool.__path__, "jaxpool."))]
FUNCTIONS = [name for name, value in vars(jaxpool).items() if callable(value) and not name.startswith("_")]


def _blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# ------------------------------------------------------------------------------------------- README: code


def _of_the_package():
    return [name for name in sys.modules if name.partition(".")[0] == "jaxpool"]


@contextlib.contextmanager
def _as_in_a_new_process():
    """Nothing of the package is imported, and JAX has the settings that it has for a reader."""
    with (
        pytest.MonkeyPatch.context() as patch,
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        for name in _of_the_package():
            patch.delitem(sys.modules, name)
        try:
            yield
        finally:
            for name in _of_the_package():
                del sys.modules[name]


def _run_as_shown(code):
    """Runs a block by itself, as a reader would, and compares what `print(…)  # this` says it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as output, _as_in_a_new_process():
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert output.getvalue().splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)


def test_readme_has_code():
    assert len(_blocks("python")) >= 3


@pytest.mark.parametrize("code", _blocks("python"), ids=range(len(_blocks("python"))))
def test_readme_code_runs_as_shown(code):
    _run_as_shown(code)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("print(1 + 1)  # 3", AssertionError),
        ("print(1)  # 1\nprint(2)", AssertionError),
        ("1 / 0", ZeroDivisionError),
        ("import jaxpool; jaxpool._modules", AttributeError),  # as long as nobody imports it
        ("jax", NameError),
    ],
)
def test_wrong_code_is_noticed(code, error):
    before = {name: sys.modules[name] for name in _of_the_package()}
    with pytest.raises(error):
        _run_as_shown(code)
    assert {name: sys.modules[name] for name in _of_the_package()} == before


# --------------------------------------------------------------------------------------- README: commands


def test_readme_has_the_two_commands():
    example, tests = _blocks("bash")
    assert example.split(" &&\n") == [
        "python3 -m venv .venv",
        '.venv/bin/python -m pip install -e ".[examples,test]"',
        ".venv/bin/python examples/train_digits.py\n",
    ]
    assert tests == ".venv/bin/python -m pytest\n"


def test_ci_runs_the_commands_of_the_readme():
    script = ROOT / ".ci" / "run"
    shown = subprocess.run(["bash", str(script), "commands"], capture_output=True, text=True, check=True)
    assert shown.stdout == "".join(_blocks("bash"))


# ------------------------------------------------------------------------------------------ README: on PyPI


def _on_pypi(text):
    """As the wheel says it: what it names is on GitHub, for PyPI has the text alone."""
    hook = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for substitution in hook["substitutions"]:
        text = re.sub(substitution["pattern"], substitution["replacement"], text)
    return text.replace("$HFPR_VERSION", PROJECT["version"])


def test_what_pypi_shows_names_nothing_beside_it():
    home = PROJECT["urls"]["Repository"]
    files = re.escape(f"{home}/blob/v{PROJECT['version']}/")
    pictures = re.escape(f"{home}/v{PROJECT['version']}/".replace("github.com", "raw.githubusercontent.com"))
    shown = _on_pypi(README)
    assert re.findall(rf"!\[[^\]]*\]\({pictures}(.*?)\)", shown) == ["docs/figures/pools.png"]
    named = re.findall(rf"\]\((?:{files}|{pictures})(.*?)\)", shown)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert relative_links(shown) == []
    assert relative_links(README) == named
    assert _blocks("python", shown) == _blocks("python")


def relative_links(text):
    """What links and pictures of Markdown or HTML name that is no address."""
    return re.findall(r"""(?:\]\(|^\[.*\]: |(?:src|href)=["'])(?!https:)([^)"'\s]*)""", text, re.MULTILINE)


@pytest.mark.parametrize("link", ["[a](b.md)", "![a](b.png)", "[a]: b.md", '<img src="b.png">', "[a](#b)"])
def test_a_relative_link_is_noticed(link):
    assert len(relative_links(f"text\n{link}")) == 1


# --------------------------------------------------------------------------------------- README: versions


def _lower_bounds():
    """The oldest version of Python and of each dependency that pyproject.toml allows."""
    needed = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["equinox"]
    specifiers = {r.name: r.specifier for r in map(Requirement, needed)}
    specifiers["python"] = SpecifierSet(PROJECT["requires-python"])
    return {
        name: next(bound.version for bound in specifier if bound.operator == ">=")
        for name, specifier in specifiers.items()
    }


def _pythons():
    """The versions of Python that pyproject.toml classifies the package as made for."""
    prefix = "Programming Language :: Python :: "
    return [c.removeprefix(prefix) for c in PROJECT["classifiers"] if c.startswith(prefix)]


PYTHONS = f"Python {_pythons()[0]} to {_pythons()[-1]}"


def _stated_versions(text):
    """Every "Python 3.1" and "JAX 0.1" in the text, as pairs of a lower-case name and a version."""
    found = re.findall(r"\b(Python|JAX|Flax|NumPy|Equinox) (\d+\.\d+)", text)
    return {(name.lower(), version) for name, version in found}


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_versions_agree_with_pyproject(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert _stated_versions(text) <= set(_lower_bounds().items())
    for span in re.findall(r"Python \d+\.\d+ to \d+\.\d+", text):
        assert span == PYTHONS


def test_readme_states_all_versions():
    assert _stated_versions(README) == set(_lower_bounds().items())
    assert PYTHONS in README


def test_classifiers_agree_with_requires_python():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert _pythons() == [f"3.{minor}" for minor in range(50) if f"3.{minor}" in allowed]


def test_ci_pins_the_oldest_versions():
    lines = (ROOT / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pins.pop("jaxlib") == pins["jax"]
    oldest = {name: version.rpartition(".")[0] for name, version in pins.items()}
    assert {"python": _pythons()[0], **oldest} == _lower_bounds()


def test_changelog_has_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(PROJECT['version'])}\]", changelog, re.MULTILINE)


# ------------------------------------------------------------------------------------ docstrings' examples


class _Finder(doctest.DocTestFinder):
    """Finds those of functions that are wrapped, too, which doctest takes for another module's."""

    def _from_module(self, module, object):
        return super()._from_module(module, inspect.unwrap(object))


def _with_examples(module):
    """The examples of everything in the module, by its full name."""
    return {test.name: test for test in _Finder().find(module) if test.examples}


def _failures(module):
    runner = doctest.DocTestRunner()
    for test in _with_examples(module).values():
        runner.run(test)
    return runner.summarize(verbose=False).failed


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name):
    if name == "jaxpool.equinox":
        pytest.importorskip("equinox", reason="the extra equinox is missing")
    if name == "jaxpool.jax2onnx":
        pytest.importorskip("jax2onnx", reason="jax2onnx is not installed, by which this exports")
    assert _failures(importlib.import_module(name)) == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_function_has_an_example(name):
    function = getattr(jaxpool, name)
    assert f"{function.__module__}.{name}" in _with_examples(sys.modules[function.__module__])


def test_there_are_public_functions():
    assert {"max_pool", "output_shape"} <= set(FUNCTIONS)
    assert {"jaxpool._ops.max_min", "jaxpool.nnx", "jaxpool._lowering.cpu"} <= set(MODULES)


def test_missing_and_wrong_examples_are_noticed():
    module = types.ModuleType("sample")
    exec('def bare():\n    "Nothing."\ndef wrong():\n    """\n    >>> 1 + 1\n    3\n    """', vars(module))
    assert _with_examples(module).keys() == {"sample.wrong"}
    assert _failures(module) == 1


# ------------------------------------------------------------------------------------ CONTRIBUTING: rules


def test_the_core_imports_neither_flax_nor_optax_nor_a_progress_bar():
    """But the modules do, so that they are refused where Flax is not installed."""
    code = """
import sys, jaxpool, jaxpool.analysis
found = {'flax', 'optax', 'tqdm', 'rich'} & set(sys.modules)
assert not found, found
sys.modules['flax'] = None
try:
    import jaxpool.nnx
except ModuleNotFoundError:
    sys.exit()
sys.exit('imported')
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
