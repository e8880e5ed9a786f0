"""What is to be swept: a spec file comes in, parts and settings go out.              [host]

A spec names the parts (a suite, its variant, cases and runs each), what is fixed, and what varies:

    drive:
      - {suite: crossing, variant: "300", cases: [crossing-1-00*], runs: 1}
    fixed: {config.candidates: 128}
    vary:
      kind: grid                      # or random, sobol (count, seed), list (settings)
      over:
        params.patience: [2.0, 4.0]   # random and sobol: {from: 1.0, to: 8.0, scale: log}

Every setting drives every case of every part, with the same seeds.
"""

import dataclasses
from pathlib import Path
from typing import Any

from astro_jax.config import setting
from astro_jax.errors import InputError
from astro_jax.strict_yaml import Section, build, load_yaml, refuse_unknown
from astro_jax.sweep.draws import drawn
from astro_jax.sweep.overrides import kind_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Cases of one suite."""

    suite: str
    variant: str = ""
    """The suite's own (first) one if empty."""
    cases: tuple[str, ...] = ()
    """Names or patterns; without any all of them."""
    runs: int = setting(1, 1, 1_000_000)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """A spec file, its settings drawn."""

    source: str
    parts: tuple[Part, ...]
    places: tuple[str, ...]
    """``file:line`` of each part."""
    data: str
    """Folder of the suites' cases; empty if the spec names none."""
    kind: str
    swept: tuple[str, ...]
    """Names of the settings that vary."""
    settings: tuple[Section, ...]
    """Name → value, with what is fixed; each remembers the lines of the file."""


def load_spec(path: str | Path) -> Spec:
    """Read a spec.

    Raises:
      InputError: see ``strict_yaml`` and ``drawn``; a name of a setting that does not exist.
    """
    document = load_yaml(path)
    refuse_unknown(document, ("drive", "data", "fixed", "vary"), "a section")
    fixed = _mapping(document, "fixed", Section({}, document.source))
    for name in fixed:
        kind_of(name, fixed.where(name))
    vary = _mapping(document, "vary", None)
    swept, settings = drawn(vary, fixed)
    for section in settings:
        for name in section:
            kind_of(name, section.where(name))
    listed = document.get("drive")
    if not isinstance(listed, list) or not listed:
        expected = "a list such as [{suite: crossing, runs: 2}]"
        raise InputError("drive", listed or "missing", expected, document.where("drive"))
    parts = []
    for part in listed:
        if not isinstance(part, Section):
            raise InputError("drive", part, "mappings with a suite", document.where("drive"))
        parts.append(build(Part, part))
    data = document.get("data", "")
    if not isinstance(data, str):
        raise InputError("data", data, "a folder", document.where("data"))
    return Spec(
        source=document.source,
        parts=tuple(parts),
        places=tuple(part.where("suite") for part in listed),
        data=str(Path(path).parent / data) if data else "",
        kind=vary.get("kind", "grid"),
        swept=swept,
        settings=tuple(settings),
    )


def _mapping(document: Section, key: str, default: Any) -> Section:
    value = document.get(key, default)
    if not isinstance(value, Section):
        expected = "a section (indented lines of key: value)"
        raise InputError(key, value or "missing", expected, document.where(key))
    return value
