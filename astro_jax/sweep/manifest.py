"""What a store is of: code, versions, data, settings, and every task by its id.      [host]

A store that was begun with other code, other libraries, other data or another spec would mix
episodes that are not comparable; such a manifest is refused.
"""

import dataclasses
import hashlib
import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from astro_jax.errors import InputError, StorageError
from astro_jax.sweep.disk import read_whole, write_whole

NAME, FORMAT = "manifest.json", 1
LIBRARIES = ("jax", "jaxlib", "numpy", "scipy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """All that decides how the episodes of a store come out."""

    code: str
    """Digest of the package's sources."""
    commit: str
    """For people: the code decides."""
    versions: Mapping[str, str]
    data: str
    """Digest of the suites' files."""
    kind: str
    """Of the sweep: grid, random, sobol or list."""
    swept: Sequence[str]
    """Names of the settings that vary."""
    settings: Sequence[Mapping[str, Any]]
    """What each setting says, by its number."""
    tasks: Sequence[str]
    """Ids."""


def digest(value: Any) -> str:
    """Sixteen digits that differ when anything in it does.

    Raises:
      ValueError: there is something in it that is no number.
    """
    text = json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def code_digest() -> str:
    """Of every file of the package, as it is on this machine."""
    return files_digest(Path(__file__).parents[1])


def files_digest(folder: Path) -> str:
    """Of names and contents of the files in a folder and below, but for Python's caches.

    Raises:
      StorageError: one of them cannot be read.
    """
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            inner = hashlib.sha256(read_whole(path)).hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()}\0{inner}\n".encode())
    return total.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Of what the figures depend on beside the package."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def refuse_twice(tasks: Iterable[str]) -> None:
    """An InputError for an id that stands for two tasks: one would be counted for both."""
    twice = [task for task, count in Counter(tasks).items() if count > 1]
    if twice:
        raise InputError("tasks", twice[0], f"each task once ({len(twice)} are there twice)")


def keep(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a new store, or check that it is the one of the store that is there.

    Raises:
      InputError: code, versions, data or tasks have changed, or a task is there twice.
      StorageError: the manifest cannot be read or written, or is damaged.
    """
    refuse_twice(manifest.tasks)
    path = folder / NAME
    if not path.exists():
        content = _content(manifest)
        write_whole(path, json.dumps({**content, "digest": digest(content)}, indent=1).encode())
        return
    before = read_manifest(folder)
    for field, what in (("code", "code"), ("versions", "libraries"), ("data", "data")):
        was, now = getattr(before, field), getattr(manifest, field)
        if was != now:
            expected = f"the {what} that this store was begun with ({was}), or a new store"
            raise InputError(field, now, expected, str(path))
    if list(before.tasks) != list(manifest.tasks) or before.settings != manifest.settings:
        gone = len(set(before.tasks) - set(manifest.tasks))
        new = len(set(manifest.tasks) - set(before.tasks))
        found = f"another one ({new} of its tasks are new, {gone} are gone)"
        raise InputError("spec", found, "the spec that this store was begun with", str(path))


def read_manifest(folder: Path) -> Manifest:
    """Of a store.

    Raises:
      StorageError: there is none, or it is damaged.
    """
    path = folder / NAME
    data = read_whole(path)
    expected = "the manifest of a sweep, as it was written"
    try:
        content = json.loads(data)
        mark = content.pop("digest")
        if content.pop("format") != FORMAT or mark != digest({**content, "format": FORMAT}):
            raise ValueError("digest")
        return Manifest(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError("manifest", str(path), expected) from error


def _content(manifest: Manifest) -> dict[str, Any]:
    # through JSON, so that what is compared later is what will be read
    fields = {f.name: getattr(manifest, f.name) for f in dataclasses.fields(manifest)}
    return json.loads(json.dumps({**fields, "format": FORMAT}, allow_nan=False))
