"""The benchmark on tiny arrays: what it measures, compares, computes and writes."""

# ruff: noqa: E402 - what may be missing is asked for first

import dataclasses
import itertools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

image = pytest.importorskip("matplotlib.image", reason="the benchmark draws with matplotlib")
pytest.importorskip("optax", reason="the benchmark trains with optax")
pytest.importorskip("rich", reason="the benchmark's tables and progress bar are rich's")

from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import contenders, measurements, networks, programs, report, summary, timing
from benchmarks.cases import CASES, PASSES, Case
from tests.tiny import BRIEF, TINY, TINY_NETWORK, standard_promotion  # noqa: F401


def _measurement(case, ours=1.0, flax=2.0, copy=1.0, **others):
    seconds = {"jaxpool": ours, "flax": flax, **others}
    times = {name: dict.fromkeys(PASSES, time) for name, time in seconds.items()}
    return measurements.Measurement(case, times, copy)


# ---- the table of cases


def test_cases_are_distinct():
    assert len(set(map(str, CASES))) == len(CASES)


@pytest.mark.parametrize("function", ["max_pool", "avg_pool"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_table_has_every_window(function, dtype):
    found = {
        (case.window_shape, case.strides)
        for case in CASES
        if case.function == function and case.dtype == dtype and len(case.window_shape) == 2
    }
    sizes = ((2, 2), (3, 2), (3, 1), (5, 1), (13, 1), (31, 1))
    assert found >= {((size, size), (stride, stride)) for size, stride in sizes}


def test_table_has_every_layout():
    for function, size in itertools.product(("max_pool", "avg_pool"), (2, 3)):
        found = [case for case in CASES if case.function == function and case.window_shape[0] == size]
        assert {len(case.window_shape) for case in found} >= {1, 2, 3}
        assert {case.shape[case.channel_axis] for case in found} >= {3, 64, 512}
        assert {case.channel_axis for case in found} >= {-1, 1}
    assert {case.function for case in CASES if case.overlaps} == set(contenders._FLAX)
    assert {case.function for case in CASES if not case.overlaps} == set(contenders._FLAX)


# ---- timing


def test_calls_take_turns_until_each_has_enough():
    made = []
    calls = {name: (lambda name=name: made.append(name)) for name in "ab"}
    times = timing.medians(calls, timing.Effort(samples=3, seconds=1.0, at_least=1))
    # To compile, and then three rounds, each after one call that is not timed.
    assert made == [*"ab", *"aab" * 3]
    assert set(times) == {"a", "b"}


@pytest.mark.parametrize(
    ("samples", "finished"),
    [([0.1] * 4, False), ([0.1] * 5, True), ([2.0], False), ([2.0] * 2, True), ([0.6] * 2, True)],
)
def test_samples_that_are_enough(samples, finished):
    assert timing._finished(samples, 1, timing.Effort(samples=5, seconds=1.0, at_least=2)) is finished


def test_median_of_the_samples_without_the_first_call(monkeypatch):
    clock = iter([0, 100, *(0, 7, 0, 3) * 3])  # the first call compiles; then not timed and timed in turn
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    assert timing.medians({"call": lambda: None}, timing.Effort(3, 100, 1)) == {"call": 3}


def test_short_calls_are_queued(monkeypatch):
    made = []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: 0.002 * len(made))
    times = timing.medians({"call": lambda: made.append(1)}, timing.Effort(1, 100, 1), queued=True)
    assert len(made) == 1 + 1 + 1 + 10  # compiles, shows its length, wakes the threads, fills 20 ms
    np.testing.assert_allclose(times["call"], 0.002)


# ---- limits


@pytest.mark.parametrize(
    ("function", "dtype", "expected"),
    [
        # 32 inputs and 8 outputs; a maximum's index is 8 bytes, written in one pass and read in another
        ("max_pool", "float32", {"forward": 160, "backward": 168, "both": 336}),
        ("min_pool", "bfloat16", {"forward": 80, "backward": 88, "both": 176}),
        ("avg_pool", "float32", {"forward": 160, "backward": 160, "both": 320}),
        ("sum_pool", "bfloat16", {"forward": 80, "backward": 80, "both": 160}),
        # which reads its inputs in each
        ("lp_pool", "float32", {"forward": 160, "backward": 288, "both": 320}),
    ],
)
def test_bytes_that_have_to_move(function, dtype, expected):
    case = Case(function, (1, 4, 4, 2), (2, 2), (2, 2), ((0, 0), (0, 0)), dtype)
    assert {step: measurements.moved_bytes(case, step) for step in PASSES} == expected


def test_limit_is_the_time_of_a_copy_of_as_many_bytes():
    case = Case("max_pool", (1, 4, 4, 2), (2, 2), (2, 2), ((0, 0), (0, 0)))
    measured = _measurement(case, ours=3.0, flax=6.0, copy=2.0)  # the copy reads and writes 256 bytes
    assert measured.limit("forward") == 2.0 * 160 / 256
    assert measured.over_limit("jaxpool", "forward") == 3.0 / (2.0 * 160 / 256)
    assert measured.over_limit("flax", "forward") == 6.0 / (2.0 * 160 / 256)
    assert measured.versus("flax", "forward") == 2.0
    assert measured.together() == 0.5


# ---- programs


def test_programs_are_compiled_and_weighed():
    found = programs.examine(dataclasses.replace(TINY, function="avg_pool"), compilations=1)
    assert set(found) == {"jaxpool", "flax"}
    for program in found.values():
        assert program.compile_seconds > 0
        assert program.temporary_bytes >= 0
        assert program.kept_bytes_per_output < 1


def test_kept_bytes():
    x = jax.ShapeDtypeStruct(TINY.shape, jnp.float32)
    assert programs._kept_bytes(contenders.flax_pool(TINY), x) == 0  # beside the operand
    assert programs._kept_bytes(contenders.jaxpool_pool(TINY), x) == 2 * 3 * 3 * 3  # a byte per output
    assert programs._kept_bytes(jnp.sin, x) == 4 * 2 * 6 * 6 * 3  # the cosine


def test_examined_cases():
    examined = [case for case in CASES if programs.is_examined(case)]
    windows = {case.window_shape for case in examined}
    assert windows == {(size, size) for size in (2, 3, 5, 7, 13, 31)}
    assert {case.dtype for case in examined} == {"float32"}


# ---- networks


def test_networks_that_disagree_are_found(monkeypatch):
    monkeypatch.setitem(networks.POOLS, "flax", networks.nn.avg_pool)
    with pytest.raises(ValueError, match="the losses of tiny, max 2x2/2, 2x6x6x1 differ"):
        networks.measure(TINY_NETWORK, BRIEF)


@pytest.mark.parametrize("network", networks.NETWORKS, ids=str)
def test_networks_have_the_same_shapes_with_every_pool(network):
    found = []
    for pool in networks.POOLS.values():
        model = networks.nn.Sequential(network.layers(pool))
        images = jax.ShapeDtypeStruct(network.shape, jnp.float32)
        logits, parameters = jax.eval_shape(model.init_with_output, jax.random.key(0), images)
        found.append((logits.shape, jax.tree.map(jnp.shape, parameters)))
    assert found[0] == found[1] == found[2]
    assert found[0][0][0] == network.shape[0]


# ---- summary


def _case(function, size, stride):
    return Case(function, (2, 8, 8, 1), (size, size), (stride, stride), ((size // 2, size // 2),) * 2)


def test_summary():
    measured = [
        _measurement(_case("max_pool", 2, 2), flax=0.5),
        _measurement(_case("max_pool", 3, 2), flax=4.0, pytorch=9.0),
        _measurement(_case("min_pool", 7, 1), ours=2.0, flax=18.0),
        _measurement(_case("min_pool", 31, 1), ours=3.0, flax=3.0 * 6),
        _measurement(_case("avg_pool", 3, 2), ours=2.0, flax=6.0, pytorch=8.0),
    ]
    found = {promise.name: promise for promise in summary.summarise(measured)}

    def values(name):
        return list(found[name].values.values())

    np.testing.assert_allclose(values("Flax/ours, overlapping windows of max and min: mean"), [6.0] * 3)
    np.testing.assert_allclose(values("Flax/ours, overlapping windows of avg and sum: mean"), [3.0] * 3)
    assert values("Flax/ours: smallest") == [0.5] * 3
    assert found["Flax/ours: smallest"].case == str(measured[0].case)
    np.testing.assert_allclose(values("PyTorch/ours: mean"), [6.0] * 3)
    assert values("PyTorch/ours: smallest") == [4.0] * 3
    assert values("31x31 over 7x7: largest") == [1.5] * 3
    assert values("both/(forward + backward): largest") == [0.5]
    narrow = [measured[i].over_limit("jaxpool", "forward") for i in (0, 1, 4)]
    np.testing.assert_allclose(values("ours/limit, windows up to 5: mean")[0], math.prod(narrow) ** (1 / 3))


def test_summary_of_few_cases_leaves_out_what_they_do_not_show():
    found = [promise.name for promise in summary.summarise([_measurement(TINY)])]
    assert "Flax/ours: smallest" in found
    assert not [name for name in found if "PyTorch" in name or "31x31" in name or "avg" in name]


# ---- the command


def test_command_writes_its_results(tmp_path, monkeypatch, capsys):
    case = dataclasses.replace(TINY, function="avg_pool")
    monkeypatch.setattr(command, "CASES", (case, dataclasses.replace(TINY, quick=False)))
    monkeypatch.setattr(networks, "NETWORKS", (TINY_NETWORK,))
    monkeypatch.setattr(programs, "is_examined", lambda case: True)
    monkeypatch.setattr(contenders, "find_pytorch", lambda python: (None, "PyTorch is away"))
    folder = tmp_path / "a" / "b"
    command.main(["--quick", "--out", str(folder)])

    output = capsys.readouterr()
    assert "PyTorch is away: its columns are left out." in output.out
    assert str(case) in output.out
    assert "PyTorch/ours" not in output.out

    results = json.loads((folder / "cpu-quick.json").read_text())
    assert results["environment"]["command"] == "python -m benchmarks --quick"
    assert results["environment"]["platform"] == "cpu"
    assert results["environment"]["versions"]["jax"] == jax.__version__
    assert [found["name"] for found in results["cases"]] == [str(case)]
    assert set(results["cases"][0]["seconds"]["jaxpool"]) == set(PASSES)
    for name, found in (
        ("training_step_seconds", {str(TINY_NETWORK): {"jaxpool", "flax", "no pooling"}}),
        ("programs", {str(case): {"jaxpool", "flax"}}),
    ):
        assert {key: set(values) for key, values in results[name].items()} == found
    assert results["summary"]

    pixels = image.imread(folder / "cpu-quick.png")
    assert min(pixels.shape[:2]) > 200
    assert np.ptp(pixels[..., :3]) > 0.5


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SystemExit, match="--out"):
        command.main(["--out", str(file)])


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_columns(platform, capsys):
    results = report.Results({"platform": platform}, [_measurement(TINY, ours=4.0, pytorch=9.0)], {}, {})
    report.print_tables(results, Console(width=150))
    output = capsys.readouterr().out
    assert "PyTorch/ours" in output
    assert ("of copy bandwidth" in output) is (platform == "gpu")
    share = 1 / results.measurements[0].over_limit("jaxpool", "forward")
    assert (f"{share:.0%}" in output) is (platform == "gpu")
