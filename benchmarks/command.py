"""What the commands that compare with PyTorch have in common: two arguments, and how they begin."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import contenders
from benchmarks.timing import keep_freed_memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default="benchmarks/results", metavar="DIR", help="for all files")
    parser.add_argument(
        "--torch-python",
        type=Path,
        metavar="PATH",
        help="an interpreter that has PyTorch, if this one has not",
    )


def begin(options: argparse.Namespace) -> tuple[contenders.PyTorch | None, str]:
    """Makes the folder, readies the process, and finds PyTorch, as `contenders.find_pytorch` returns it."""
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"--out: {error}")
    by_pytorch, said = contenders.find_pytorch(options.torch_python)
    if not by_pytorch:
        print(f"{said}: its columns are left out.")
    keep_freed_memory()
    return by_pytorch, said
