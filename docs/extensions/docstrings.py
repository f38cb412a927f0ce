"""Docstrings are Markdown, and autodoc reads reStructuredText: this translates what they use of it."""

import re
import textwrap

import jaxpool

_MARKDOWN = re.compile(
    r"(?P<indent> *)\$\$(?P<block>.+?)\$\$|\$(?P<inline>.+?)\$|`(?P<code>[^`]+)`", re.DOTALL
)
# Where the documentation of others has a name.
_ELSEWHERE = {
    "flax.linen": "https://flax-linen.readthedocs.io/en/latest/api_reference/flax.linen/layers.html#flax.linen.{}",
    "jnp": "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.{}.html",
    "torch.nn": "https://docs.pytorch.org/docs/stable/generated/torch.nn.{}.html",
}
_INDENTED = re.compile(r"(?<=\n\n)(?:    .*\n)+")


def setup(app):
    app.connect("autodoc-process-docstring", _translate, priority=400)  # before napoleon, which has 500
    app.connect("autodoc-process-signature", _shorten)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _translate(app, what, name, obj, options, lines):
    docstring = "\n".join(lines)
    if what == "module":  # elsewhere a section such as Args may be indented as much
        docstring = _INDENTED.sub(lambda code: f".. code-block:: python\n\n{code[0]}", docstring)
    lines[:] = translated(docstring).split("\n")


def _shorten(app, what, name, obj, options, signature, returns):
    """Leaves out the fields that Linen adds to every module."""
    return re.sub(r"(, )?parent=<.*?>, name=None", "", signature or "") or None, returns


def _skip(app, what, name, obj, skip, options):
    """Leaves out the fields of named tuples that have no documentation of their own."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def translated(docstring):
    """The docstring with its formulas, code and names of jaxpool in reStructuredText."""
    return _MARKDOWN.sub(_element, docstring)


def _element(match):
    if match["block"]:
        formula = " ".join(match["block"].split())
        return textwrap.indent(f"\n.. math::\n\n   {formula}\n", match["indent"])
    if match["inline"]:
        role = ":math:`" + match["inline"].replace("\n", " ") + "`"
    elif _is_documented(match["code"]):
        role = f":py:obj:`{match['code']}`"
    elif url := _elsewhere(match["code"]):
        role = f"`{match['code']} <{url}>`__"
    else:
        role = "``" + re.sub(r"\s+", " ", match["code"]) + "``"
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    # A role must not touch a letter, unless by an escaped space, which is no space.
    return ("\\ " if before.isalnum() else "") + role + ("\\ " if after.isalnum() else "")


def _is_documented(code):
    prefix, _, name = code.rpartition(".")
    return prefix == "jaxpool" and hasattr(jaxpool, name)


def _elsewhere(code):
    """The address of a name that others document; nothing for what is no such name."""
    home, _, name = code.rpartition(".")
    return _ELSEWHERE[home].format(name) if home in _ELSEWHERE and name.isidentifier() else ""
