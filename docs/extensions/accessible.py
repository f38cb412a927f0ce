"""What Sphinx and its theme leave out that a keyboard or a screen reader needs."""

import re
from pathlib import Path

# In the text of pages: what stands there, and what has to.
_CHANGES = {
    r'role="heading">': 'role="heading" aria-level="2">',
    r'<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Site">',
    r'<aside class="toc-drawer': '<aside aria-label="Contents" class="toc-drawer',
    r'<div class="content-icon-container">': '<div class="content-icon-container" role="navigation" '
    'aria-label="Source of this page">',
    # What scrolls must take the keyboard's focus.
    r'<div class="highlight"><pre>': '<div class="highlight"><pre tabindex="0">',
    r'<th class="head[^"]*"><p></p></th>': "<td></td>",
    r'(?<!</h1>)<div id="search-results"></div>': '<h1>Search</h1><div id="search-results"></div>',
    # A signature over several lines is a list of descriptions that describe nothing.
    r"<dl>\s*((?:<dd>.*?</dd>\s*)+)</dl>": lambda match: (
        f'<div class="lines">{match[1].replace("<dd>", "<div>").replace("</dd>", "</div>")}</div>'
    ),
}


def setup(app):
    app.connect("build-finished", _on_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _on_finished(app, exception):
    if exception is None and app.builder.format == "html":
        for path in Path(app.outdir).rglob("*.html"):
            path.write_text(accessible(path.read_text(encoding="utf-8")), encoding="utf-8")


def accessible(page):
    """The page with what it lacks; one that has it stays as it is."""
    for pattern, text in _CHANGES.items():
        page = re.sub(pattern, text, page, flags=re.DOTALL)
    return page
