"""Directives that show every pool: what it does to a photograph, its reference, and its modules."""

import bisect
import importlib
import operator
import os
from pathlib import Path

import gallery_inputs
import jax
import jax.numpy as jnp
import numpy as np
from docutils.parsers.rst import directives
from families import FAMILIES
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.image import imsave
from sphinx.util.docutils import SphinxDirective

import jaxpool

SIDE = 360  # of a picture, in pixels
FAR = np.float32([1000, -1000])  # values that no pool of colors overlooks
MARK = (0.85, 0.0, 0.5)
SIGNED = LinearSegmentedColormap.from_list("signed", ["#2166ac", "white", "#d95f0e"])


def setup(app):
    app.add_directive("gallery", Gallery)
    app.add_directive("gallery-contents", Contents)
    app.add_directive("pools", Pools)
    app.add_directive("modules", Modules)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


class Pools(SphinxDirective):
    """The reference of a family, after a list of its functions; with `summary`, the list alone."""

    required_arguments = 1
    option_spec = {"summary": directives.flag}  # noqa: RUF012

    def run(self):
        names = [f"jaxpool.{name}" for name in FAMILIES[self.arguments[0]]]
        text = ".. autosummary::\n   :nosignatures:\n\n" + "".join(f"   ~{name}\n" for name in names)
        if "summary" not in self.options:
            text += "".join(f"\n.. autofunction:: {name}\n" for name in names)
        return self.parse_text_to_nodes(f"```{{eval-rst}}\n{text}```\n")


class Modules(SphinxDirective):
    """The reference of all modules of a framework, in the order in which they are made."""

    required_arguments = 1

    def run(self):
        home = importlib.import_module(self.arguments[0])
        classes = [v for v in vars(home).values() if isinstance(v, type) and issubclass(v, home.Pooling)]
        text = "".join(
            f".. autoclass:: {home.__name__}.{cls.__name__}\n   :members:\n   :special-members: __call__\n\n"
            for cls in classes
        )
        return self.parse_text_to_nodes(f"```{{eval-rst}}\n{text}```\n")


class Contents(SphinxDirective):
    """Links to the pools of the gallery, by family."""

    def run(self):
        text = "".join(
            f"- [{family}](#gallery-{i}): "
            + " · ".join(f"[`{name}`](#gallery-{name})" for name in calls)
            + "\n"
            for i, (family, calls) in enumerate(FAMILIES.items())
        )
        return self.parse_text_to_nodes(text)


class Gallery(SphinxDirective):
    """A section for each family, with three pictures of each of its pools."""

    def run(self):
        folder = Path(self.env.app.doctreedir) / "gallery"
        folder.mkdir(exist_ok=True)
        text = ""
        for i, (family, calls) in enumerate(FAMILIES.items()):
            text += f"\n(gallery-{i})=\n\n## {family}\n\n"
            for name, call in calls.items():
                text += _entry(name, call, folder, self.env.app.srcdir)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _entry(name, call, folder, source):
    """The section of one pool, in MyST."""
    summary = operator.attrgetter(name)(jaxpool).__doc__.partition("\n")[0]
    text = f"(gallery-{name})=\n\n### {name}\n\n{summary} [Reference](#jaxpool.{name})\n\n"
    text += f"```python\n{call}\n```\n\n"
    text += "::::{container} pictures\n"
    for kind, (picture, caption) in _pictures(call).items():
        path = folder / f"{name}-{kind}.png"
        imsave(path, picture)
        text += f":::{{figure}} /{Path(os.path.relpath(path, source)).as_posix()}\n"
        text += f":alt: {kind} of {name}\n\n{caption}\n:::\n"
    return text + "::::\n\n"


def _pictures(call):
    """Input, output and gradient of a call, and what to write below them."""
    variable = "values" if "values" in call else "photo"
    inputs = getattr(gallery_inputs, variable)

    def function(x):
        outputs = eval(call, {**vars(gallery_inputs), variable: x})
        return outputs.reshape((1,) * (3 - outputs.ndim) + outputs.shape)

    @jax.jit
    def run(x):
        outputs, pull = jax.vjp(function, x)
        return outputs, pull(jnp.ones_like(outputs))[0].sum(-1)

    outputs, gradient = (np.asarray(array) for array in run(inputs))
    cell = _cell(outputs)
    seen = _seen(lambda x: run(x)[0][*cell, 0], inputs)
    cells = tuple(slice(i, i + 1) for i in cell)
    shown, scaled = _displayable(outputs)
    signed = SIGNED(gradient / (2 * np.abs(gradient).max() or 1) + 0.5)[..., :3]
    sizes = [f"{height} by {width}" for height, width, _ in (inputs.shape, outputs.shape)]
    return {
        "input": (_marked(inputs, seen), f"Input, {sizes[0]}"),
        "output": (_marked(shown, cells), f"Output, {sizes[1]}{', scaled' if scaled else ''}"),
        "gradient": (_marked(signed, seen), "Gradient"),
    }


def _cell(outputs):
    """An element of the output on an eye; where there is nothing, the nearest that is something."""
    rows, columns = np.nonzero(outputs[..., 0])
    target = 0.42 * outputs.shape[0], 0.22 * outputs.shape[1]
    nearest = np.argmin(np.hypot(rows + 0.5 - target[0], columns + 0.5 - target[1]))
    return int(rows[nearest]), int(columns[nearest])


def _seen(function, inputs):
    """The rows and columns of the input that reach a number: those between which all that changes it lies."""
    number = float(function(inputs))

    def changes(axis, start, stop):
        cells = np.expand_dims((np.arange(length) >= start) & (np.arange(length) < stop), (1 - axis, 2))
        others = (float(function(np.where(cells, value, inputs))) for value in FAR)
        return any(abs(other - number) > 1e-5 * max(abs(number), 1) for other in others)

    seen = []
    for axis, length in enumerate(inputs.shape[:2]):
        first = bisect.bisect_left(range(length), True, key=lambda i: changes(axis, 0, i + 1))
        last = bisect.bisect_left(range(length), True, key=lambda i: not changes(axis, i + 1, length))
        seen.append(slice(first, last + 1))
    return tuple(seen)


def _displayable(outputs):
    """Colors between 0 and 1, and whether they had to be scaled, as faint pictures are too."""
    faint = outputs.shape[0] > 1 and outputs.max() < 0.5
    scaled = faint or outputs.min() < 0 or outputs.max() > 1
    low = min(outputs.min(), 0)
    return ((outputs - low) / (outputs.max() - low) if scaled else outputs), scaled


def _marked(picture, cells):
    """The picture, enlarged, with a frame around some cells."""
    lengths = np.array(picture.shape[:2])
    places = [np.arange(SIDE) * n // SIDE for n in lengths]
    large = np.array(np.asarray(picture)[np.ix_(*places)], np.float32)
    ends = [(s.start * SIDE // n, s.stop * SIDE // n) for s, n in zip(cells, lengths, strict=True)]
    (top, bottom), (left, right) = ((max(low - 3, 0), min(high + 3, SIDE)) for low, high in ends)
    frame = np.zeros((SIDE, SIDE), bool)
    frame[top:bottom, left:right] = True
    frame[top + 3 : bottom - 3, left + 3 : right - 3] = False
    large[frame] = MARK
    return large.clip(0, 1)
