"""Few rows in which every pair of choices appears: a covering array of strength two."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np


def pairs(*choices: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows of one element of each of the sequences, the same in every run.

    For any two of the sequences, any element of the one is in some row with any element of the other. Nearly
    all mistakes need no more than two things to meet; all combinations would be hundreds of times as many.

    The rows are the product of the two longest sequences, to which the others are added one after the other:
    each row takes what makes the most new pairs with what it has and, of these, what it has met least often.
    Packages that draw such arrays give most rows the same elements once every pair is in some.
    """
    order = sorted(range(len(choices)), key=lambda i: -len(choices[i]))
    lengths = [len(choices[i]) for i in order]
    rows = _drawn(tuple(itertools.product(*map(range, lengths[:2]))), tuple(lengths[2:]))
    return [tuple(choices[i][row[order.index(i)]] for i in range(len(choices))) for row in rows]


def pairs_beside(rows: Sequence[tuple[Any, ...]], *choices: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Some rows, each with an element of each of the sequences beside it, so that every pair is in some.

    As `pairs` where the first elements are given, as not all of them go together: of these no new pair is
    made. Rows that are needed for pairs of the others repeat a given one.
    """
    columns = [list(dict.fromkeys(column)) for column in zip(*rows, strict=True)]
    found = [tuple(column.index(e) for column, e in zip(columns, row, strict=True)) for row in rows]
    columns += map(list, choices)
    return [
        tuple(column[i] for column, i in zip(columns, row, strict=True))
        for row in _drawn(tuple(found), tuple(map(len, choices)))
    ]


@functools.cache
def _drawn(given: tuple[tuple[int, ...], ...], lengths: tuple[int, ...]) -> list[list[int]]:
    random = np.random.RandomState(0)
    rows = [list(row) for row in given]
    random.shuffle(rows)
    for length in lengths:
        met = [np.zeros((max(column) + 1, length), int) for column in zip(*rows, strict=True)]
        for row in rows:
            counts = np.array([count[i] for count, i in zip(met, row, strict=True)])
            new, often = np.sum(counts == 0, 0), np.sum(counts, 0)
            chosen = np.lexsort((random.rand(length), often, -new))[0]
            for count, i in zip(met, row, strict=True):
                count[i, chosen] += 1
            row.append(int(chosen))
        rows += _missing(rows, met, random)
    return rows


def _missing(rows: list[list[int]], met: list[np.ndarray], random: np.random.RandomState) -> list[list[int]]:
    """A row for each pair with the last element that no row has, elsewhere like one of the rows."""
    added = []
    for position, count in enumerate(met):
        for i, last in zip(*np.nonzero(count == 0), strict=True):
            if count[i, last]:  # by a row that was added for another pair
                continue
            alike = [row for row in rows if row[position] == i]
            added.append([*alike[random.randint(len(alike))][:-1], int(last)])
            for other, element in zip(met, added[-1][:-1], strict=True):
                other[element, last] += 1
    return added
