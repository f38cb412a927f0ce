"""The mutation tester: what it changes, and that it tells what tests notice from what they do not."""

import json
import subprocess
import sys

import pytest

from jaxpool._arguments import as_integers

if sys.version_info < (3, 12):
    pytest.skip("mutants need Python 3.12", allow_module_level=True)

from mutants import results, trial
from mutants.covering import TracedTest, covering
from mutants.files import ROOT, mutated
from mutants.mutate import draw, mutants

FILE = "jaxpool/_arguments.py"
KILLS, SURVIVES = (
    "if any(entry > minimum for entry in entries):",
    "if any(entry <= minimum for entry in entries):",
)


def _mutant(after):
    return next(mutant for mutant in mutants(FILE, mutated()[FILE]) if mutant.after == after)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a + b * -c", {"a - b * -c", "a + b // -c", "a + b * c"}),
        ("a - (  # not *\n b)", {"a + ( # not *"}),
        ("a += b & c", {"a -= b & c", "a += b | c"}),
        ("a < b == c", {"a <= b == c", "a > b == c", "a < b != c"}),
        ("a is  not b", {"a is b"}),
        ("a or b not in c", {"a and b not in c", "a or b in c"}),
        ("f(not a, b=True)", {"f( a, b=True)", "f(not a, b=False)"}),
        ("a[3]", {"a[2]", "a[4]"}),
        ("max(x.low, 'min', y)", {"min(x.low, 'min', y)", "max(x.high, 'min', y)", 'max(x.low, "max", y)'}),
        ("a if b else c", {"a if True else c", "a if False else c"}),
        ("[a for b in c if d]", {"[a for b in c if True]", "[a for b in c if False]"}),
        ("if (a and\n    b): c", {"if (a or", "if ((True )): c", "if ((False )): c"}),
        ("while True: a", {"while False: a"}),
        ("zip(a, strict=True)", set()),
        ('"""One, or 1."""\nimport a', set()),
        ("raise ValueError(f'{1 + 1}', 2)", set()),
        ("a: TypeAlias = b | c", set()),
        ("@f(1)\ndef g(a: b | c = 2) -> d[3]: ...", {f"def g(a: b | c = {n}) -> d[3]: ..." for n in (1, 3)}),
    ],
)  # fmt: skip
def test_changes(source, expected):
    found = mutants("file.py", f"{source}\n".encode())
    assert {mutant.after for mutant in found} == expected
    for mutant in found:
        assert mutant.source.count(b"\n") == source.count("\n") + 1
        compile(mutant.source, "file.py", "exec")


def test_a_mutant_stays_the_same_where_lines_move():
    source = b"def f(a):\n    return a + 1\n"
    moved = b"# more\n" + source
    assert [m.id for m in mutants("file.py", source)] == [m.id for m in mutants("file.py", moved)]


def test_equal_lines_have_mutants_of_their_own():
    source = b"def f(a):\n    a = a + b\n    a = a + b\n"
    assert len({mutant.id for mutant in mutants("file.py", source)}) == 2


def test_every_file_has_its_share():
    drawn = draw(mutated(), 100, 0)
    assert drawn != draw(mutated(), 100, 1)
    assert 100 <= len(drawn) < 130
    assert len({mutant.file for mutant in drawn}) == sum(bool(mutants(*item)) for item in mutated().items())


def test_tests_that_run_the_line_come_fastest_first():
    """The second with the same function counts as if it took twice as long."""
    mutant = _mutant(KILLS)
    seconds = {"t.py::a[1]": 3, "t.py::a[2]": 2, "t.py::b": 5, "t.py::c": 1}
    tests = [TracedTest(name, s, {FILE: frozenset([mutant.line])}) for name, s in seconds.items()]
    tests[-1] = TracedTest("t.py::c", 1, {FILE: frozenset([mutant.line + 1])})
    assert [test.name for test in covering(tests, mutant)] == ["t.py::a[2]", "t.py::b", "t.py::a[1]"]


def test_reads_integers():
    """For mutants of the next test."""
    assert as_integers("strides", (2, 3), 1) == (2, 3)


def test_kills_are_told_from_survivors(monkeypatch):
    """In processes of their own, in which one module is changed, and no file."""
    for name, value in trial.environment(keep=False).items():
        monkeypatch.setenv(name, value)
    trial.prepare()
    test = TracedTest("tests/test_mutants.py::test_reads_integers", 0, {})
    work = [(_mutant(KILLS), [test]), (_mutant(SURVIVES), [test]), (None, [test])]
    ended = {running.id: running for running in trial.run(work, 60, 2)}
    assert {id: running.killed_by for id, running in ended.items()} == {
        _mutant(KILLS).id: test.name,
        _mutant(SURVIVES).id: "",
        "": "",
    }
    assert all(running.ran == [test.name] for running in ended.values())


def test_survivors_meet_new_tests_alone():
    old, new = (TracedTest(f"tests/test_{name}.py::test", 1, {}) for name in ("old", "new"))
    survivor = results.Result("id", "", "", 0, 300, 1, {old.file: "1"})
    killed = results.Result("id", old.name, "", 0, 300, 1, {old.file: "1"})
    keys = {old.file: "1", new.file: "1"}
    assert results.missing(None, [old, new], keys, 300) == [old, new]
    assert results.missing(survivor, [old, new], keys, 300) == [new]
    assert results.missing(killed, [old, new], keys, 300) == []
    assert results.missing(killed, [old, new], {**keys, old.file: "2"}, 300) == [old, new]


@pytest.mark.parametrize("mistake", [{}, {"after": "as it never was"}, {"reason": ""}])
def test_the_list_of_equivalents_cannot_rot(tmp_path, mistake):
    mutant = _mutant(SURVIVES)
    entry = {name: getattr(mutant, name) for name in ("file", "function", "before", "after")}
    entry |= {"reason": "for this test", **mistake}
    path = tmp_path / "equivalent.toml"
    path.write_text(
        "[[mutant]]\n" + "".join(f"{name} = {json.dumps(text)}\n" for name, text in entry.items())
    )
    if mistake:
        with pytest.raises(ValueError, match="must give reasons for mutants that there are"):
            results.explained(path, [mutant])
    else:
        assert results.explained(path, [mutant]) == {mutant.id: "for this test"}


def test_the_command_knows_its_list():
    """Those in the list are mutants of the package as it is, or nothing would be listed."""
    command = [sys.executable, "-m", "mutants", "--list", "--number", "1", "--files", FILE]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert listed.count(FILE) == 1
