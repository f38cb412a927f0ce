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
    rows = _drawn(tuple(len(choices[i]) for i in order))
    return [tuple(choices[i][row[order.index(i)]] for i in range(len(choices))) for row in rows]


@functools.cache
def _drawn(lengths: tuple[int, ...]) -> list[list[int]]:
    random = np.random.RandomState(0)
    rows = [list(row) for row in itertools.product(*map(range, lengths[:2]))]
    random.shuffle(rows)
    for length in lengths[2:]:
        met = [np.zeros((other, length), int) for other in lengths[: len(rows[0])]]
        for row in rows:
            counts = np.array([count[i] for count, i in zip(met, row, strict=True)])
            new, often = np.sum(counts == 0, 0), np.sum(counts, 0)
            chosen = np.lexsort((random.rand(length), often, -new))[0]
            for count, i in zip(met, row, strict=True):
                count[i, chosen] += 1
            row.append(int(chosen))
        rows += _missing(met, random)
    return rows


def _missing(met: list[np.ndarray], random: np.random.RandomState) -> list[list[int]]:
    """A row for each pair with the last element that no row has."""
    rows = []
    for position, count in enumerate(met):
        for i, last in zip(*np.nonzero(count == 0), strict=True):
            row = [random.randint(len(other)) for other in met]
            row[position] = int(i)
            rows.append([*row, int(last)])
    return rows
