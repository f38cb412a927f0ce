"""How the site is built, by `python -m sphinx -M html docs docs/_build -W --keep-going`."""

import os
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
# The gallery runs each program a few times, and a tutorial splits arrays over eight devices.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_force_host_platform_device_count=8"
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "extensions")]

project = "jaxpool"
author = copyright = "The jaxpool authors"
metadata = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
release, urls = metadata["version"], metadata["urls"]
extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinxext.opengraph",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "matplotlib.sphinxext.plot_directive",
    "accessible",
    "docstrings",
    "gallery",
    "repository",
]
exclude_patterns = ["_build"]
nitpicky = True
# What has no page here: types of Python, NumPy, JAX and Flax, and what has no public name.
nitpick_ignore_regex = [("py:.*", r"(?!jaxpool\.).*|.*\._.*")]
highlight_language = "text"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
python_maximum_signature_line_length = 80
autodoc_member_order = "bysource"
autosummary_generate = False
autodoc_mock_imports = ["jax2onnx"]  # nothing of it is shown
napoleon_use_rtype = False

# The tutorials run anew whenever the site is built, and what fails in them fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300

# MathJax in one file, with its fonts, from the package that brings it: nothing comes from the network.
mathjax_path = "tex-svg.js"

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {"font.size": 10, "figure.facecolor": "white", "savefig.bbox": "tight"}
plot_apply_rcparams = True

html_theme = "furo"
html_title = f"jaxpool {release}"
html_logo = "_static/icon.svg"
html_favicon = "_static/icon.svg"
html_theme_options = {
    "source_repository": urls["Repository"],
    "source_branch": "main",
    "source_directory": "docs/",
}
mathjax = files("mathjax") / "static/mathjax/es5" / mathjax_path
html_static_path = ["_static", "figures/pools.png", str(mathjax)]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"

# What messengers show of a link: the page's title and beginning, and a picture.
ogp_site_url = urls["Documentation"]
ogp_site_name = "jaxpool"
ogp_image = "_static/pools.png"
ogp_social_cards = {"enable": False}  # they are drawn in a font that they do not bring
