"""The cases that are measured: pools, geometries, layouts and dtypes of networks, at a network's size."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """One call of a pool: `getattr(jaxpool, function)(inputs, window_shape, strides, padding, **options)`."""

    function: str
    shape: tuple[int, ...]
    window_shape: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dtype: str = "float32"
    channel_axis: int = -1
    quick: bool = False  # also measured by `--quick`

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.window_shape, self.strides, self.padding)

    @property
    def options(self) -> dict[str, Any]:
        return {"channel_axis": self.channel_axis}

    @property
    def overlaps(self) -> bool:
        return any(size > stride for size, stride in zip(self.window_shape, self.strides, strict=True))

    def __str__(self) -> str:
        window = "x".join(map(str, self.window_shape))
        stride = "x".join(map(str, dict.fromkeys(self.strides)))
        layout = " channels first" if self.channel_axis != -1 else ""
        return f"{self.function} {window}/{stride} {self.dtype} {'x'.join(map(str, self.shape))}{layout}"


def _cases(functions: str, size: int, stride: int, shape: tuple[int, ...], **settings: Any) -> list[Case]:
    """The same square window for several functions; padding keeps the size where the stride is 1."""
    n = len(shape) - 2
    pads = ((size - 1) // 2, (size - 1) // 2)
    return [
        Case(f"{name}_pool", shape, (size,) * n, (stride,) * n, (pads,) * n, **settings)
        for name in functions.split()
    ]


_ALL = "max avg min sum"
_PLANE, _SMALL = (16, 56, 56, 64), (4, 56, 56, 64)

CASES = (
    # windows of every size, in both precisions
    *_cases("max avg", 2, 2, _PLANE, quick=True),
    *_cases("min sum", 2, 2, _PLANE),
    *_cases("max avg", 3, 2, _PLANE, quick=True),
    *_cases("min sum", 3, 2, _PLANE),
    *_cases(_ALL, 3, 1, _PLANE),
    *_cases(_ALL, 5, 1, _PLANE),
    *_cases("max avg", 7, 1, _SMALL),
    *_cases("max avg", 13, 1, _SMALL),
    *_cases("max avg", 31, 1, _SMALL),
    *_cases("max avg", 2, 2, _PLANE, dtype="bfloat16"),
    *_cases("max avg", 3, 2, _PLANE, dtype="bfloat16"),
    *_cases("max avg", 3, 1, _PLANE, dtype="bfloat16"),
    *_cases("max avg", 5, 1, _PLANE, dtype="bfloat16"),
    *_cases("max avg", 7, 1, _SMALL, dtype="bfloat16"),
    *_cases("max avg", 13, 1, _SMALL, dtype="bfloat16"),
    *_cases("max avg", 31, 1, _SMALL, dtype="bfloat16"),
    # one and three dimensions
    *_cases("max avg", 2, 2, (16, 3136, 64)),
    *_cases("max avg", 3, 2, (16, 3136, 64)),
    *_cases("max avg", 2, 2, (2, 16, 56, 56, 32)),
    *_cases("max avg", 3, 2, (2, 16, 56, 56, 32)),
    # few and many channels
    *_cases("max avg", 2, 2, (16, 224, 224, 3)),
    *_cases("max avg", 3, 2, (16, 224, 224, 3)),
    *_cases("max avg", 2, 2, (16, 28, 28, 512)),
    *_cases("max avg", 3, 2, (16, 28, 28, 512)),
    # channels first
    *_cases("max avg", 2, 2, (16, 64, 56, 56), channel_axis=1),
    *_cases("max avg", 3, 2, (16, 64, 56, 56), channel_axis=1),
    *_cases("max avg", 3, 1, (16, 64, 56, 56), channel_axis=1),
)
