"""The documentation site builds without a warning, is whole, and asks nobody for anything."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from astro_jax.strict_yaml import load_robot
from astro_jax.sweep.spec import load_spec

ROOT = Path(__file__).parent.parent


class Reader(HTMLParser):
    """Where a page links to, what it loads, and what can be linked to in it."""

    def __init__(self):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.add(given.get("id") or given.get("name"))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link":
            self.loads.append(given["href"])
        elif given.get("src"):
            self.loads.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """All pages of the site that is built as ``make docs`` builds it, by their path."""
    for module in ("material", "mkdocstrings_handlers.python"):
        pytest.importorskip(module, reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = {}
    for path in folder.rglob("*.html"):
        pages[path] = Reader()
        pages[path].feed(path.read_text(encoding="utf-8"))
    assert len(pages) > 50
    return folder, pages


def test_nothing_is_loaded_from_elsewhere(site):
    folder, pages = site
    for path, page in pages.items():
        assert page.loads
        for load in page.loads:
            parts = urlsplit(load)
            assert not parts.netloc and parts.scheme in ("", "data"), (path, load)
    styles = list(folder.rglob("*.css"))
    assert styles
    for style in styles:
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text("utf-8")), (
            style
        )


def test_every_link_within_the_site_leads_somewhere(site):
    folder, pages = site
    for path, page in pages.items():
        if path.name == "404.html":  # may be shown under any address
            continue
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert to.is_file() and to.is_relative_to(folder), (path, link)
            if parts.fragment and to in pages:
                assert unquote(parts.fragment) in pages[to].anchors | {"__nav"}, (path, link)


def test_every_experiment_has_its_page(site):
    folder, _ = site
    listed = (folder / "results.html").read_text(encoding="utf-8")
    for readme in ROOT.glob("experiments/*/README.md"):
        assert f'href="experiments/{readme.parent.name}/index.html"' in listed


def yaml_of(page, folder):
    """The first block of YAML on a page, as a file."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", text, re.S)
    assert block
    path = folder / "shown.yaml"
    path.write_text(block[1], encoding="utf-8")
    return path


def test_files_that_are_shown_can_be_read(tmp_path):
    assert load_robot(yaml_of("howto/robot.md", tmp_path)).name == "my_robot"
    spec = load_spec(yaml_of("howto/sweep.md", tmp_path))
    assert set(spec.swept) == {"params.patience", "params.turning"}


def test_files_that_are_named_exist():
    """In running text a path starts at the root of the repository."""
    for page in ROOT.glob("docs/**/*.md"):
        text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for name in re.findall(r"`((?:astro_jax|configs|experiments|tests)/[\w/.-]+)`", text):
            assert (ROOT / name).exists(), (page, name)
