"""Mutants: modules with one small change, drawn from all that there could be.

Left alone are docstrings, annotations, imports, decorators, which here say how results are cached, and what
is raised, of which tests read the part that matters. `strict=True` of `zip` only finds mistakes, and calls of
`optimization_barrier`, which change no result, are not taken away.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping
from types import CodeType

from mutants.changes import Change, Changes

_LEFT_ALONE = (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr)
_LEFT_ALONE_IN_OTHERS = ("annotation", "returns", "decorator_list")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A change of one file, known by its text, so that it stays the same where lines move.

    Attributes:
      file: the path from the root of the checkout.
      function: the qualified name of the function or class that it is in; empty outside of them.
      before: the changed lines as they are.
      after: the changed lines as the mutant has them.
      rank: which it is of those in the function with the same text.
      kind: what is changed.
      line: where.
      shown_by: the first and the last line of those whose execution can show the change.
      source: all of the file.
    """

    file: str
    function: str
    before: str
    after: str
    rank: int
    kind: str
    line: int
    shown_by: tuple[int, int]
    source: bytes

    @property
    def text(self) -> tuple[str, str, str, str, int]:
        return self.file, self.function, self.before, self.after, self.rank

    @property
    def id(self) -> str:
        return hashlib.sha256(repr(self.text).encode()).hexdigest()[:8]

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" + f" in {self.function}" * bool(self.function)
        return f"{self.id} {where}\n  - {self.before}\n  + {self.after}"


def draw(sources: Mapping[str, bytes], number: int, seed: int) -> list[Mutant]:
    """So many mutants, or a few more, of all files by how many each has.

    The seed orders them, each by itself, so that after a change of one function most are the same.
    """
    found = {file: mutants(file, source) for file, source in sources.items()}
    share = number / max(sum(map(len, found.values())), 1)
    drawn = []
    for file, candidates in found.items():
        plain = _code(sources[file])
        ordered = sorted(candidates, key=lambda m: hashlib.sha256(f"{seed} {m.id}".encode()).digest())
        differing = (mutant for mutant in ordered if _code(mutant.source) != plain)
        drawn += itertools.islice(differing, math.ceil(share * len(candidates)))
    return sorted(drawn, key=lambda mutant: (mutant.file, mutant.line, mutant.id))


def _code(source: bytes) -> CodeType:
    """The compiled source without what is known of columns."""

    def bare(code: CodeType) -> CodeType:
        constants = tuple(bare(c) if isinstance(c, CodeType) else c for c in code.co_consts)
        return code.replace(co_consts=constants, co_linetable=b"")

    return bare(compile(source, "", "exec", dont_inherit=True))


def mutants(file: str, source: bytes) -> list[Mutant]:
    """All mutants of a file."""
    changes, seen, found = Changes(source), {}, []
    whole = (1, len(changes.line_starts))
    for function, shown_by, node in _nodes(ast.parse(source), "", whole, inside=False):
        for change in changes.of(node):
            line, before, after, changed = _changed(source, change)
            rank = seen[function, before, after] = seen.get((function, before, after), -1) + 1
            found.append(Mutant(file, function, before, after, rank, change[0], line, shown_by, changed))
    return found


def _changed(source: bytes, change: Change) -> tuple[int, str, str, bytes]:
    """In which line a change is, its lines before and after, and all of the changed source."""
    _, start, stop, text = change
    changed = source[:start] + text.encode() + source[stop:]
    first, last = source.rfind(b"\n", 0, start) + 1, source.find(b"\n", stop)
    parts = source[first:last], changed[first : last + len(changed) - len(source)]
    before, after = (" ".join(part.decode().split()) for part in parts)
    return source.count(b"\n", 0, start) + 1, before, after, changed


def _nodes(
    node: ast.AST, function: str, lines: tuple[int, int], *, inside: bool
) -> Iterator[tuple[str, tuple[int, int], ast.AST]]:
    """All nodes, with the function that they are in and the lines whose execution shows a change of them.

    Outside of functions Python comes by once, for all tests: any line of the file shows a change there, and
    any of a function what its arguments default to.
    """
    if _is_left_alone(node):
        return
    if isinstance(node, ast.stmt) and (inside or isinstance(node, ast.FunctionDef)):
        lines = (node.lineno, _last_line(node) if inside else node.end_lineno or node.lineno)
    yield function, lines, node
    for field, value in ast.iter_fields(node):
        within, deeper = function, inside
        if field == "body" and isinstance(node, ast.FunctionDef | ast.ClassDef):
            within, deeper = f"{function}.{node.name}".strip("."), inside or isinstance(node, ast.FunctionDef)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in _LEFT_ALONE_IN_OTHERS:
                yield from _nodes(child, within, lines, inside=deeper)


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.keyword(arg="strict", value=ast.Constant(value=True)):
            return True
    return isinstance(node, _LEFT_ALONE)


def _last_line(statement: ast.stmt) -> int:
    """The last line of a statement without the statements in it."""
    inner = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not inner:
        return statement.end_lineno or statement.lineno
    first = inner[0].pattern if isinstance(inner[0], ast.match_case) else inner[0]
    return max(statement.lineno, first.lineno - 1)
