"""Puts what the repository says elsewhere into the site, so that it is written once.

* ``<!-- include FILE: Heading -->`` on a page stands for that section of a file, ``<!-- include
  FILE -->`` for all of it.  A heading that is gone stops the build.
* ``<!-- experiments -->`` stands for a list of all experiments by their titles.
* The folders of ``experiments`` become pages where they are, with their pictures.
* Links are followed as in the file that they stand in; what is not on the site loses its link and
  keeps its text.  An experiment that is named without a link gets one.
"""

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
DOCS = "docs/"
INCLUDE = re.compile(r"^<!-- include ([\w./-]+)(?:: (.+?))? -->$", re.M)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
NAMED = re.compile(r"(?<!\[)`(experiments/\w+)`")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the experiments: their READMEs as pages and their pictures, under the same paths."""
    for path in sorted((ROOT / "experiments").glob("*/*")):
        if path.name == "README.md" or path.suffix == ".png":
            name = path.relative_to(ROOT).as_posix()
            # linked from the list of results, not from the navigation
            level = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, name, abs_src_path=str(path), inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Include what the page asks for, and follow links from where they stand."""
    here = page.file.src_uri
    home = here if here.startswith("experiments/") else DOCS + here

    def included(match: re.Match[str]) -> str:
        name, heading = match.groups()
        text = (ROOT / name).read_text(encoding="utf-8")
        return moved(section(text, heading, name) if heading else text, name, here, files)

    markdown = markdown.replace("<!-- experiments -->", questions())
    return INCLUDE.sub(included, moved(markdown, home, here, files))


def questions() -> str:
    """A list of the experiments: what each of them asks, by its title."""
    asked = []
    for path in sorted((ROOT / "experiments").glob("*/README.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        asked.append(f"- [{title}](../{path.relative_to(ROOT).as_posix()})")
    return "\n".join(asked)


def section(text: str, heading: str, name: str) -> str:
    """What stands under a heading, up to the next one of whatever level."""
    lines = text.splitlines()
    marks = [*headings(lines), len(lines)]
    for first, last in pairwise(marks):
        if lines[first].lstrip("#").strip() == heading:
            return "\n".join(lines[first + 1 : last]).strip()
    raise PluginError(f"{name} has no heading {heading!r}, which a page of docs/ includes")


def headings(lines: list[str]) -> Iterator[int]:
    """Where headings are; a # in a block of code is none."""
    code = False
    for at, line in enumerate(lines):
        code ^= line.startswith("```")
        if not code and re.match(r"#+ ", line):
            yield at


def moved(text: str, source: str, page: str, files: Files) -> str:
    """The text of ``source``, a path in the repository, with links as ``page`` needs them."""

    def link(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        path = path.removeprefix(DOCS)
        for name in (path, f"{path}/README.md"):
            if files.get_file_from_path(name):
                to = posixpath.relpath(name, posixpath.dirname(page) or ".")
                return f"{picture}[{words}]({to}{'#' * bool(anchor)}{anchor})"
        if source.startswith(DOCS):
            return match[0]  # let mkdocs complain
        return words

    def named(match: re.Match[str]) -> str:
        name = f"{match[1]}/README.md"
        if name == page or not files.get_file_from_path(name):
            return match[0]
        return f"[{match[0]}]({posixpath.relpath(name, posixpath.dirname(page) or '.')})"

    def prose(part: str) -> str:
        return NAMED.sub(named, LINK.sub(link, part))

    pieces, at = [], 0
    for block in FENCE.finditer(text):
        pieces += [prose(text[at : block.start()]), block[0]]
        at = block.end()
    return "".join([*pieces, prose(text[at:])])
