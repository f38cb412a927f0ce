"""The site: it builds without a warning, shows every public name, and its pages hold up in a browser."""

import http.server
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import jaxpool
import jaxpool.analysis
import jaxpool.morphology

ROOT = Path(__file__).parents[1]
NEEDED = (
    "sphinx",
    "furo",
    "myst_nb",
    "sphinx_copybutton",
    "sphinxext",
    "mathjax",
    "matplotlib",
    "skimage",
    "equinox",
)
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_sphinx = pytest.mark.skipif(bool(MISSING), reason=f"the extra docs is missing: {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built pages. A warning fails the build, and everything that uses it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-M", "html", "docs", str(folder), "-W", "--keep-going", "-q"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    # The kernels that run the tutorials warn that others on this machine could listen.
    warned = [line for line in result.stderr.splitlines() if "WARNING" in line and "IPKernelApp" not in line]
    assert not warned, result.stderr
    return folder / "html"


class Page(HTMLParser):
    """What a page has: names of places, links, pictures, and its text outside of code and signatures."""

    def __init__(self, path):
        super().__init__()
        self.places, self.links, self.pictures, self.text, self._hidden = set(), [], [], "", []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places |= {attributes[key] for key in ("id", "name") if key in attributes}
        self.links += [attributes[key] for key in ("href", "src") if attributes.get(key)]
        if tag == "img":
            self.pictures.append(attributes["src"])
        formula = "math" in (attributes.get("class") or "").split()
        if (
            tag in ("pre", "code", "dt", "script", "style")
            or formula
            or (self._hidden and tag == self._hidden[0])
        ):
            self._hidden.append(tag)

    def handle_endtag(self, tag):
        if self._hidden and tag == self._hidden[-1]:
            self._hidden.pop()

    def handle_data(self, data):
        if not self._hidden:
            self.text += data


def pages_of(site):
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def broken_links(site):
    """Every link of a page to a file or to a place in a page that is not there."""
    pages, broken = pages_of(site), []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            place, other = unquote(parts.fragment), pages.get(os.path.relpath(target, site))
            if not target.is_file() or (place and other and place not in other.places):
                broken.append((name, link))
    return broken


# --------------------------------------------------------------------------------------- what is on the pages


def _public(module):
    """The public functions and classes that a module of jaxpool defines or takes from jaxpool."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith("jaxpool")
    }


FUNCTIONS = [
    *sorted(_public(jaxpool)),
    *(f"morphology.{name}" for name in sorted(_public(jaxpool.morphology))),
]
NAMES = {
    *(f"jaxpool.{name}" for name in FUNCTIONS),
    *(f"jaxpool.analysis.{name}" for name in _public(jaxpool.analysis)),
    *(f"jaxpool.sharding.{name}" for name in _public(jaxpool.sharding)),
}


@needs_sphinx
def test_every_public_name_is_in_the_reference(site):
    places = set().union(*(page.places for page in pages_of(site / "api").values()))
    assert not NAMES - places


@needs_sphinx
def test_every_module_is_in_the_reference(site, package):
    page = pages_of(site / "api")[f"{package.__name__.removeprefix('jaxpool.')}.html"]
    classes = [
        name
        for name, value in vars(package).items()
        if isinstance(value, type) and issubclass(value, package.Pooling)
    ]
    assert len(classes) > 30
    assert not {f"{package.__name__}.{name}" for name in classes} - page.places


@needs_sphinx
def test_every_pool_is_in_the_gallery(site):
    others = ("output_shape", "streaming", "replace_flax_pools", "reduce_window", "as_lax")
    pools = [name for name in FUNCTIONS if name not in others]
    assert len(pools) > 30
    gallery = Page(site / "gallery.html")
    shown = {Path(picture).name for picture in gallery.pictures if "_static" not in picture}  # the logo
    expected = {f"{name}-{kind}.png" for name in pools for kind in ("input", "output", "gradient")}
    assert shown == expected


@needs_sphinx
def test_docstrings_leave_no_markup(site):
    pages = pages_of(site / "api")
    assert "Pools by taking the maximum of each window." in pages["select.html"].text
    found = {name: re.findall(r".{0,30}(?:[$`]|\*\*).{0,30}", page.text) for name, page in pages.items()}
    assert not any(found.values()), found


@needs_sphinx
def test_links_and_pictures_are_there(site):
    assert not broken_links(site)


def test_a_broken_link_is_noticed(tmp_path):
    links = ["b.html", "b.html#here", "#top", "b.html#there", "c.html", "https://example.org"]
    page = '<h1 id="top">' + "".join(f'<a href="{link}">' for link in links) + '<img src="gone.png">'
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    (tmp_path / "b.html").write_text('<h1 id="here">', encoding="utf-8")
    assert broken_links(tmp_path) == [("a.html", link) for link in ("b.html#there", "c.html", "gone.png")]


# ------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def server(site):
    """The site's address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra docs is missing: playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as running:
        # Its own sandbox needs rights that a container or root does not have; the pages are ours.
        yield running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def complaints(page, address, home):
    """What is wrong with a page as the browser shows it."""
    found = []
    page.on("console", lambda m: found.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("requestfailed", lambda request: found.append(f"failed: {request.url}"))
    page.on("request", lambda r: found.append(f"fetched: {r.url}") if not r.url.startswith(home) else None)
    page.on("response", lambda r: found.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
    page.goto(address)
    page.evaluate("window.MathJax?.startup?.promise")
    found += [f"MathJax: {error}" for error in page.locator("[data-mjx-error]").all_text_contents()]
    width, fits = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    if width > fits:
        found.append(f"{width} pixels wide, not {fits}")
    broken = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"
    return found + [f"broken: {source}" for source in page.evaluate(broken)]


@needs_sphinx
@pytest.mark.parametrize("width", [1400, 390])
def test_pages_in_a_browser(site, server, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    found = {}
    for path in sorted(site.rglob("*.html")):
        page, name = context.new_page(), path.relative_to(site).as_posix()
        found[name] = complaints(page, server + name, server)
        page.close()
    context.close()
    assert len(found) > 20
    assert not any(found.values()), {name: what for name, what in found.items() if what}


def violations(page):
    """What axe-core finds that keeps people with a keyboard or a screen reader from reading a page."""
    results = importlib.import_module("axe_playwright_python.sync_playwright").Axe().run(page)
    return [(v["id"], [node["target"] for node in v["nodes"][:3]]) for v in results.response["violations"]]


@needs_sphinx
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_everybody(site, server, browser, scheme):
    pages = [
        "index",
        "choose",
        "gallery",
        "performance",
        "migration",
        "tutorials/antialiasing",
        "api/select",
        "search",
    ]
    context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
    found = {}
    for name in pages:
        page = context.new_page()
        page.goto(f"{server}{name}.html")
        page.evaluate("window.MathJax?.startup?.promise")
        found[name] = violations(page)
        page.close()
    context.close()
    assert not any(found.values()), {name: what for name, what in found.items() if what}


def test_a_picture_without_words_is_noticed(tmp_path, browser):
    (tmp_path / "a.html").write_text(
        '<html lang="en"><title>a</title><main><h1>a</h1><img src="a.png"></main>'
    )
    page = browser.new_page()
    page.goto(f"{tmp_path.as_uri()}/a.html")
    assert [name for name, _ in violations(page)] == ["image-alt"]


@needs_sphinx
def test_pages_are_small(site):
    large = {
        path.name: path.stat().st_size for path in site.rglob("*.html") if path.stat().st_size > 1_000_000
    }
    assert not large


def test_a_page_that_is_wrong_is_noticed(tmp_path, browser):
    page = '<p style="width: 500px">wide</p><img src="gone.png"><script>throw new Error("no")</script>'
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 900})
    home = tmp_path.as_uri()
    found = " ".join(complaints(context.new_page(), f"{home}/a.html", home))
    context.close()
    for expected in ("508 pixels wide, not 390", "failed: ", "broken: ", "no"):
        assert expected in found


# ------------------------------------------------------------------------------ what the extensions translate


@pytest.fixture
def extension(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "extensions")
    return importlib.import_module


def test_docstrings_are_translated(extension):
    translated = extension("docstrings").translated
    assert translated("Of $x_i$ and `a|b`.") == "Of :math:`x_i` and ``a|b``."
    assert translated("The $k$th of `n`s") == "The :math:`k`\\ th of ``n``\\ s"
    assert translated("`jaxpool.max_pool`") == ":py:obj:`jaxpool.max_pool`"
    address = "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.mean.html"
    assert translated("As `jnp.mean`.") == f"As `jnp.mean <{address}>`__."
    assert translated("a\n\n  $$ x,\n     y. $$\n\nb") == "a\n\n\n  .. math::\n\n     x, y.\n\n\nb"


@pytest.mark.parametrize(
    ("link", "on_the_site"),
    [
        ("docs/migration.md#traps", "migration.md#traps"),
        ("CHANGELOG.md", "changelog.md"),
        ("LICENSE", "../LICENSE"),
        ("https://example.org", "https://example.org"),
        ("#traps", "#traps"),
        ("no-file", "no-file"),
    ],
)
def test_links_of_included_files_lead_to_the_same(extension, link, on_the_site):
    relinked = extension("repository").relinked
    assert relinked(f"[a]({link}) b", ROOT, ROOT / "docs") == f"[a]({on_the_site}) b"
