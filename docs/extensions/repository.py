"""Links between files of the repository, which work on a git host, made to work on the site."""

import os
import re
from pathlib import Path

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent

# The pages that include files from outside of this folder.
PAGES = {"README.md": "overview.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}

_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#:\s]+)(?=[)#])")


def setup(app):
    app.connect("source-read", _on_read)
    app.connect("include-read", _on_include)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _on_read(app, docname, source):
    source[0] = relinked(source[0], (DOCS / docname).parent, (DOCS / docname).parent)


def _on_include(app, path, docname, source):
    source[0] = relinked(source[0], (DOCS / path).resolve().parent, DOCS)


def relinked(text, read_from, shown_in):
    """The text of a file of one folder with links that lead to the same files from another folder."""

    def relink(match):
        target = Path(os.path.normpath(read_from / match["path"]))
        if not target.exists():
            return match["path"]
        if target.parent == ROOT and target.name in PAGES:
            target = DOCS / PAGES[target.name]
        return Path(os.path.relpath(target, shown_in)).as_posix()

    return _LINK.sub(relink, text)
