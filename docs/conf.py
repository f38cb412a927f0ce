"""How the site is built, by `python -m sphinx -M html docs docs/_build -W --keep-going`."""

import os
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # the gallery runs each program a few times
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "extensions")]

project = "jaxpool"
author = copyright = "The jaxpool authors"
release = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["version"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "matplotlib.sphinxext.plot_directive",
    "docstrings",
    "gallery",
    "repository",
]
exclude_patterns = ["_build"]
nitpicky = True
highlight_language = "text"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# The docstrings say which types and shapes arguments have.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
autodoc_mock_imports = ["jax2onnx"]  # nothing of it is shown
napoleon_use_rtype = False

# MathJax in one file, with its fonts, from the package that brings it: nothing comes from the network.
mathjax_path = "tex-svg.js"

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {"font.size": 10, "figure.facecolor": "white", "savefig.bbox": "tight"}
plot_apply_rcparams = True

html_theme = "furo"
html_title = "jaxpool"
html_favicon = "_static/icon.svg"
html_static_path = ["_static", str(files("mathjax") / "static/mathjax/es5" / mathjax_path)]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
