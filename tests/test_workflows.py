"""What GitHub runs, and what a release says of itself: agreement with pyproject.toml and .ci/run."""

import re

import pytest
import yaml

from tests.test_readme import PROJECT, PYPROJECT, ROOT, _pythons

WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
JOBS = {
    f"{workflow}: {name}": job
    for workflow, content in WORKFLOWS.items()
    for name, job in content["jobs"].items()
}
RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def _matrix(workflow, job, axis):
    return WORKFLOWS[workflow]["jobs"][job]["strategy"]["matrix"][axis]


def test_there_are_workflows():
    assert WORKFLOWS.keys() == {"ci", "docs", "nightly", "release"}


def test_ci_runs_every_stage_but_those_that_are_its_tests_by_python():
    every = set(re.search(r'^every_stage="(.*)"$', RUN, re.MULTILINE)[1].split())
    assert {*_matrix("ci", "stages", "stage"), "newest", "smoke"} == every


def test_nightly_runs_the_other_stages():
    every = set(re.search(r'^every_stage="(.*)"$', RUN, re.MULTILINE)[1].split())
    assert (
        set(_matrix("nightly", "stages", "stage"))
        == set(re.findall(r"^stage_(\w+)\(", RUN, re.MULTILINE)) - every
    )


def test_ci_tests_every_python():
    assert _matrix("ci", "tests", "python") == _pythons()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_nothing_unless_a_job_says_so(name):
    assert WORKFLOWS[name]["permissions"] == {}
    assert "concurrency" in WORKFLOWS[name]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_ends_and_says_what_it_may_do(name):
    job = JOBS[name]
    assert "permissions" in job
    assert "timeout-minutes" in job or job["uses"].startswith("./")


def _actions(text):
    """What follows each `uses:`, but for workflows of this repository."""
    return [line for line in re.findall(r"uses: (.*)$", text, re.MULTILINE) if not line.startswith("./")]


def _is_pinned(action):
    return re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) is not None


def test_actions_are_pinned_to_one_commit_each():
    found = {
        action
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for action in _actions(path.read_text(encoding="utf-8"))
    }
    assert len(found) >= 5
    assert all(map(_is_pinned, found)), found
    assert len({action.partition("@")[0] for action in found}) == len(found)


@pytest.mark.parametrize("action", ["actions/checkout@v7", "actions/checkout@" + "0" * 40])
def test_an_action_that_is_not_pinned_is_noticed(action):
    assert not _is_pinned(*_actions(f"      - uses: {action}\n"))


# ---------------------------------------------------------------------------------------- what a release is


RECIPE = (ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8")


def _rendered(recipe):
    """As rattler-build would build it: what it builds from need not be there."""
    builder = pytest.importorskip(
        "rattler_build", reason="py-rattler-build, of the extra dev, is not installed"
    )
    (variant,) = builder.Stage0Recipe.from_yaml(recipe).render()
    return variant.recipe


def test_the_recipe_for_conda_renders():
    recipe = _rendered(RECIPE)
    assert (recipe.package.name, recipe.package.version) == (PROJECT["name"], PROJECT["version"])
    assert recipe.build.noarch == "python"


@pytest.mark.parametrize(
    "mistake",
    [("pip_check:", "pip_chek:"), ("noarch: python", "noarch: pythn"), ("{ version }", "{ versio }")],
)
def test_a_mistake_in_the_recipe_is_noticed(mistake):
    assert RECIPE.count(mistake[0]) == 1
    with pytest.raises(Exception, match=mistake[1].strip("{} ").removesuffix(":").split()[-1]):
        _rendered(RECIPE.replace(*mistake))


def test_the_recipe_for_conda_agrees_with_pyproject():
    recipe = yaml.safe_load(RECIPE)
    context, requirements = recipe["context"], recipe["requirements"]
    assert context["version"] == PROJECT["version"]
    assert f">={context['python_min']}" in PROJECT["requires-python"]
    python = requirements["run"][0].replace("${{ python_min }}", context["python_min"])
    assert python == f"python {PROJECT['requires-python']}"
    assert {package.replace(" ", "") for package in requirements["run"][1:]} == set(PROJECT["dependencies"])
    build = {package.replace(" ", "") for package in requirements["host"][1:]} - {"pip"}
    assert build == set(PYPROJECT["build-system"]["requires"])
    assert recipe["about"]["homepage"] == PROJECT["urls"]["Repository"]
    assert recipe["about"]["summary"] == PROJECT["description"]


def test_the_citation_agrees_with_pyproject():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert citation["authors"] == PROJECT["authors"]


def test_issues_ask_for_what_the_package_prints():
    for name in ("bug", "wrong_result"):
        form = yaml.safe_load(
            (ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8")
        )
        assert any("`python -m jaxpool`" in field["attributes"].get("label", "") for field in form["body"])
