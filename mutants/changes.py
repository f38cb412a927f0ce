"""The small changes that a piece of a program can suffer, such as `<=` for `<`."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator

OPERATORS = {
    "+": ["-"], "-": ["+"], "*": ["//"], "//": ["*"], "/": ["*"], "%": ["//"], "**": ["*"],
    "&": ["|"], "|": ["&"], "^": ["&"], "<<": [">>"], ">>": ["<<"], "and": ["or"], "or": ["and"],
    "<": ["<=", ">"], "<=": ["<", ">="], ">": [">=", "<"], ">=": [">", "<="], "==": ["!="], "!=": ["=="],
    "in": ["not in"], "not in": ["in"], "is": ["is not"], "is not": ["is"],
}  # fmt: skip
_PAIRS = [("min", "max"), ("any", "all"), ("elements", "cells")]
_PAIRS_OF_ATTRIBUTES = [("gt", "lt"), ("ge", "le"), ("floor", "ceil"), ("low", "high")]
NAMES = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
ATTRIBUTES = NAMES | {a: b for pair in _PAIRS_OF_ATTRIBUTES for a, b in (pair, pair[::-1])}

_COMMENT = re.compile(rb"#[^\n]*")
_OPERATOR = re.compile(rb"is\s+not\b|not\s+in\b|[^\s()\\]+")
Change = tuple[str, int, int, str]  # its kind, where it starts and stops, and what comes there


class Changes:
    """Of a source, from the nodes of its tree."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.line_starts = [0, *itertools.accumulate(map(len, source.splitlines(keepends=True)))]

    def of(self, node: ast.AST) -> Iterator[Change]:
        """All changes of a node itself; those of its children are not among them."""
        match node:
            case ast.BinOp(left=left, right=right) | ast.AugAssign(target=left, value=right):
                yield from self._operator("arithmetic", left, right)
            case ast.BoolOp(values=values):
                for pair in itertools.pairwise(values):
                    yield from self._operator("and, or, not", *pair)
            case ast.Compare(left=left, comparators=others):
                for pair in itertools.pairwise([left, *others]):
                    yield from self._operator("comparison", *pair)
            case ast.UnaryOp(op=ast.Not()):
                yield "and, or, not", self._start(node), self._start(node) + len("not"), ""
            case ast.UnaryOp(op=ast.USub() | ast.Invert()):
                yield "arithmetic", self._start(node), self._start(node) + 1, ""
            case ast.Constant(value=bool(value)):
                yield "True, False", self._start(node), self._stop(node), str(not value)
            case ast.Constant(value=int(value)):
                yield "integer", self._start(node), self._stop(node), str(value + 1)
                yield "integer", self._start(node), self._stop(node), str(value - 1)
            case ast.Constant(value=str(value)) if value in NAMES:
                yield "name", self._start(node), self._stop(node), f'"{NAMES[value]}"'
            case ast.Name(id=value, ctx=ast.Load()) if value in NAMES:
                yield "name", self._start(node), self._stop(node), NAMES[value]
            case ast.Attribute(attr=value, ctx=ast.Load()) if value in ATTRIBUTES:
                yield "name", self._stop(node) - len(value), self._stop(node), ATTRIBUTES[value]
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield from self._condition(test)
            case ast.comprehension(ifs=conditions):
                for condition in conditions:
                    yield from self._condition(condition)

    def _operator(self, kind: str, left: ast.expr, right: ast.expr) -> Iterator[Change]:
        """Of what is between the operands besides parentheses and comments."""
        between = self.source[self._stop(left) : self._start(right)]
        found = _OPERATOR.search(_COMMENT.sub(lambda comment: b" " * len(comment[0]), between))
        if found is None:
            raise ValueError(f"source must have an operator, got {between!r} in line {left.end_lineno}.")
        start, words = self._stop(left) + found.start(), " ".join(found[0].decode().split())
        operator = words if words in OPERATORS else words.removesuffix("=")  # that of `+=` is `+`
        for other in OPERATORS.get(operator, ()):
            yield kind, start, start + len(found[0]), words.replace(operator, other)

    def _condition(self, test: ast.expr) -> Iterator[Change]:
        """A condition that always or never holds, on as many lines."""
        if not isinstance(test, ast.Constant):
            start, stop = self._start(test), self._stop(test)
            lines = "\n" * self.source.count(b"\n", start, stop)
            for value in ("True", "False"):
                yield "condition", start, stop, f"({value}{lines})" if lines else value

    def _start(self, node: ast.expr) -> int:
        return self.line_starts[node.lineno - 1] + node.col_offset

    def _stop(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.line_starts[node.end_lineno - 1] + node.end_col_offset
