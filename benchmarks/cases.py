"""The cases that are measured: pools, geometries, layouts and dtypes of networks, at a network's size."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

PASSES = ("forward", "backward", "both")


@dataclasses.dataclass(frozen=True)
class Case:
    """One call of a windowed pool, `getattr(jaxpool, function)(inputs, *arguments, **options)`."""

    function: str
    shape: tuple[int, ...]
    window_shape: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dtype: str = "float32"
    channel_axis: int | None = -1
    dilation: tuple[int, ...] = ()  # none: of ones
    ceil_mode: bool = False
    quick: bool = False  # also measured by `--quick`

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.window_shape, self.strides, self.padding)

    @property
    def options(self) -> dict[str, Any]:
        others = {"window_dilation": self.dilation, "ceil_mode": self.ceil_mode}
        return {"channel_axis": self.channel_axis} | {name: value for name, value in others.items() if value}

    @property
    def overlaps(self) -> bool:
        return any(size > stride for size, stride in zip(self.window_shape, self.strides, strict=True))

    def __str__(self) -> str:
        window = "x".join(map(str, self.window_shape))
        stride = "x".join(map(str, dict.fromkeys(self.strides)))
        layout = {-1: "", 1: " channels first", None: " without channels"}[self.channel_axis]
        return f"{self.function} {window}/{stride} {self.dtype} {'x'.join(map(str, self.shape))}{layout}"


@dataclasses.dataclass(frozen=True)
class Resizing:
    """One call of a pool whose windows follow from the size of its output: adaptive, fractional or global."""

    function: str
    shape: tuple[int, ...]
    output: tuple[int, ...] = ()  # none for global pools
    window_shape: tuple[int, ...] = ()  # of fractional pools
    dtype: str = "float32"
    channel_axis: int | None = -1
    quick: bool = False
    overlaps = False

    @property
    def arguments(self) -> tuple[Any, ...]:
        return tuple(argument for argument in (self.window_shape, self.output) if argument)

    @property
    def options(self) -> dict[str, Any]:
        if self.function.startswith("global"):
            return {"axis": spatial_axes(self)}
        if not self.function.startswith("fractional"):
            return {"channel_axis": self.channel_axis}
        samples = np.random.default_rng(0).random((self.shape[0], self.shape[-1], len(self.output)))
        return {"random_samples": samples.astype(np.float32)}

    def __str__(self) -> str:
        window = "x".join(map(str, self.window_shape)) + " " * bool(self.window_shape)
        shapes = ("x".join(map(str, shape)) for shape in (self.shape, self.output) if shape)
        return f"{self.function} {window}{self.dtype} {' to '.join(shapes)}"


AnyCase = Case | Resizing


def spatial_axes(case: AnyCase) -> tuple[int, ...]:
    """All but the first one, of the batch, and that of channels."""
    channels = None if case.channel_axis is None else case.channel_axis % len(case.shape)
    return tuple(d for d in range(1, len(case.shape)) if d != channels)


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

_ADAPTIVE = (((16, 56, 56, 64), (7, 7)), ((16, 57, 57, 64), (7, 7)), ((16, 56, 56, 64), (20, 20)))
_ADAPTIVE += (((16, 30, 30, 64), (28, 28)), ((16, 7, 7, 512), (14, 14)), ((16, 13, 13, 512), (6, 6)))

RESIZING = (
    *(Resizing(f"adaptive_{name}_pool", *sizes) for sizes in _ADAPTIVE for name in ("max", "avg")),
    *(
        Resizing("fractional_max_pool", _PLANE, (size, size), (window, window))
        for size, window in ((39, 2), (28, 3))
    ),
    *(
        Resizing(f"global_{name}_pool", shape)
        for shape in (_PLANE, (16, 7, 7, 512), (16, 3136, 64))
        for name in ("max", "avg", "sum", "lp", "logsumexp")
    ),
)
