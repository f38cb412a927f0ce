"""What a compiled program costs, counted in its text: kernels, and the bytes that pass between them.

A kernel is one instruction of the compiled program that computes or copies, a fusion as a rule. It reads each
of its operands once and writes each of its results once, so the bytes of a program are the sizes of all
operands and results of all its kernels. That is the traffic that the structure of a program asks for, and
says nothing of how well a kernel does it:

- A kernel that reads an element for each of nine windows counts it once, as if the other eight came from a
  cache; one that reads a part of an operand counts all of it; a scatter reads and writes all of its target.
- A TPU brings arrays to memory on the chip in advance. These asynchronous copies are no kernels, and what
  they bring counts once, with the kernel that reads it. An array that stays on the chip counts like any
  other: whether it may stay depends on what else there is. The padding of a TPU's tiles does not count.
- Constants that are arrays in memory count; scalars, and constants inside a kernel, do not.

Temporaries are XLA's own figure: the most that is allocated at once beside arguments and results. On a TPU it
leaves out what stays on the chip.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import re

import jax

_DTYPE_BYTES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2}
_DTYPE_BYTES |= {"s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
_ARRAY = re.compile(rf"\b({'|'.join(_DTYPE_BYTES)})\[([0-9,]+)\]")
_MAIN = re.compile(r"^ENTRY .*?^}", re.MULTILINE | re.DOTALL)
# name = type opcode(operands), attributes
_INSTRUCTION = re.compile(r"^ *(?:ROOT )?%([\w.\-]+) = (.*?) ([\w\-]+)\((.*?)\)(?:,(.*))?$", re.MULTILINE)
_OPERAND = re.compile(r"%([\w.\-]+)")

# These name or describe arrays, or bring them to the chip; the kernels that use them are what counts.
_NO_KERNELS = {"parameter", "constant", "get-tuple-element", "tuple", "bitcast"}
_NO_KERNELS |= {"copy-start", "copy-done", "slice-start", "slice-done"}
_NO_KERNEL_TARGET = 'custom_call_target="ConcatBitcast"'
_LIBRARY_SORT = re.compile(r'custom_call_target="[^"]*[Ss]ort[^"]*"')
# These run other computations, any number of times.
_CONTROL_FLOW = {"while", "conditional", "call", "async-start"}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one call of a compiled program costs."""

    kernels: int
    bytes: int  # read and written by all kernels
    temporary_bytes: int
    scatters: int  # also inside kernels
    sorts: int

    def exceeds(self, other: Cost) -> bool:
        """Whether it is more than the other in kernels, bytes or temporaries."""
        return (
            self.kernels > other.kernels
            or self.bytes > other.bytes
            or self.temporary_bytes > other.temporary_bytes
        )

    def scatters_or_sorts(self) -> bool:
        """Whether it has operations that are slow on a GPU, or that differ from run to run."""
        return self.scatters + self.sorts > 0


def cost(compiled: jax.stages.Compiled) -> Cost:
    text, memory = compiled.as_text() or "", compiled.memory_analysis()
    main = _MAIN.search(text)
    if main is None or memory is None:
        raise ValueError("The compiler tells nothing of this program.")
    kernels, moved = _count(main[0])
    opcodes = collections.Counter(opcode for _, _, opcode, _, _ in _INSTRUCTION.findall(text))
    return Cost(
        kernels=kernels,
        bytes=moved,
        temporary_bytes=memory.temp_size_in_bytes,
        scatters=opcodes["scatter"],
        sorts=opcodes["sort"] + len(_LIBRARY_SORT.findall(text)),
    )


def _count(main: str) -> tuple[int, int]:
    """Kernels, and the bytes that they read and write."""
    sizes: dict[str, int] = {}
    kernels = moved = 0
    for name, type_, opcode, operands, attributes in _INSTRUCTION.findall(main):
        sizes[name] = _bytes(type_)
        if opcode in _CONTROL_FLOW:
            raise ValueError(f"Kernels inside {opcode} cannot be counted: they run any number of times.")
        if opcode in _NO_KERNELS or _NO_KERNEL_TARGET in attributes:
            continue
        kernels += 1
        moved += sizes[name] + sum(sizes[operand] for operand in set(_OPERAND.findall(operands)))
    return kernels, moved


def _bytes(type_: str) -> int:
    """The size of all arrays in a type as XLA writes it; scalars, such as `f32[]`, are none."""
    return sum(
        _DTYPE_BYTES[dtype] * math.prod(int(n) for n in shape.split(","))
        for dtype, shape in _ARRAY.findall(type_)
    )
