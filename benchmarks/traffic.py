"""What a compiled program sends between devices, counted in its text: collectives, and bytes.

The bytes are what the busiest device receives: of a permutation what it brings this device, of an all-gather
the other devices' parts, of any other collective its result.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re

_KINDS = ("collective-permute", "all-gather", "all-to-all", "all-reduce", "reduce-scatter")
# name = type opcode(operands), attributes
_INSTRUCTION = re.compile(r"^ *(?:ROOT )?%([\w.\-]+) = (.*?) ([\w\-]+)\((.*?)\)(.*)$", re.MULTILINE)
_ARRAY = re.compile(r"\b[a-z]+(\d*)\w*\[([0-9,]+)\]")  # such as pred[2], f32[2,3], f8e4m3fn[4]
# A TPU's asynchronous collective stands in its start, in its end and in the kernels that it overlaps.
_CHAIN = re.compile(r'channel_id=(\d+),.*chain_id="(\d+)"')
_PAIRS = re.compile(r"source_target_pairs=\{(.*?)\}\}")


@dataclasses.dataclass(frozen=True)
class Traffic:
    """What the collectives of a program do."""

    collectives: dict[str, int]  # how many of each kind
    received_bytes: int  # by the busiest device


def traffic(text: str) -> Traffic:
    """The collectives in the text of a compiled program, and what they bring to the busiest device."""
    counts: collections.Counter[str] = collections.Counter()
    permuted: collections.Counter[str] = collections.Counter()
    sizes: dict[str, int] = {}
    chains: set[tuple[str, str]] = set()
    by_all = 0
    for name, type_, opcode, operands, attributes in _INSTRUCTION.findall(text):
        sizes[name] = _size(type_)
        kind = opcode.removesuffix("-start")
        chain = set(_CHAIN.findall(attributes))
        if kind not in _KINDS or chain & chains:
            continue
        chains |= chain
        counts[kind] += 1
        sent = sum(sizes[operand] for operand in re.findall(r"%([\w.\-]+)", operands))
        if kind == "collective-permute":
            targets = re.findall(r",(\d+)\}", "".join(_PAIRS.findall(attributes)) + "}")
            permuted.update(dict.fromkeys(targets, sent))
        elif kind == "all-gather":
            # Where it is asynchronous, the operand is among the results of its start.
            by_all += sizes[name] - (2 * sent if opcode != kind else sent)
        else:
            by_all += sizes[name]
    return Traffic(dict(counts), by_all + max(permuted.values(), default=0))


def _size(type_: str) -> int:
    """The bytes of all arrays in a type as XLA writes it; scalars are none."""
    return sum(
        int(bits or 8) * math.prod(map(int, shape.split(","))) // 8 for bits, shape in _ARRAY.findall(type_)
    )
