"""A folder of finished tasks that loses nothing: Parquet partitions and a manifest.  [host]

    manifest.json                   what the store is of (manifest.py)
    part-000003-1f2e….parquet       finished tasks, a row each; the name holds a digest of the file
    lock                            whoever writes holds it

Partitions are added whole (disk.py) and never changed.  A kill loses the rows that were not
added yet, and nothing else.
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from astro_jax.errors import StorageError
from astro_jax.sweep.disk import UNFINISHED, locked, read_whole, write_whole
from astro_jax.sweep.manifest import Manifest, keep, read_manifest

Row = Mapping[str, Any]
_PART = re.compile(r"part-(\d{6,})-([0-9a-f]{16})\.parquet")


@dataclasses.dataclass(kw_only=True)
class Store:
    """A store that is open for writing."""

    folder: Path
    done: set[str]
    """Ids of the tasks that are in it."""
    parts: int
    """Number of the next partition."""

    def add(self, rows: Sequence[Row]) -> None:
        """Add finished tasks: on the disk when this returns.

        Raises:
          StorageError: they could not be written; everything that was added before is intact.
        """
        if not rows:
            return
        sink = pa.BufferOutputStream()
        pq.write_table(_table(rows), sink)
        data = sink.getvalue().to_pybytes()
        mark = hashlib.sha256(data).hexdigest()[:16]
        write_whole(self.folder / f"part-{self.parts:06d}-{mark}.parquet", data)
        self.parts += 1
        self.done |= {row["id"] for row in rows}


@contextmanager
def open_store(folder: Path, manifest: Manifest) -> Iterator[Store]:
    """Open the store of these tasks, or begin it.

    Raises:
      InputError: see ``manifest.keep``.
      StorageError: another process writes it, it cannot be written, or something in it is
        damaged, foreign or there twice.
    """
    with locked(folder):
        keep(folder, manifest)
        for path in folder.glob(f"*{UNFINISHED}"):
            with suppress(OSError):
                path.unlink()
        parts = _parts(folder)
        done = set(_checked(folder, manifest, parts)["id"].to_pylist()) if parts else set()
        number = max((int(path.name.split("-")[1]) for path in parts), default=-1) + 1
        yield Store(folder=folder, done=done, parts=number)


def read_rows(folder: Path) -> tuple[Manifest, list[dict[str, Any]]]:
    """What a store is of, and its rows in the order of the manifest's tasks; writes nothing.

    Raises:
      StorageError: there is no store, or something in it is damaged, foreign or there twice.
    """
    manifest = read_manifest(folder)
    parts = _parts(folder)
    rows = _checked(folder, manifest, parts).to_pylist() if parts else []
    place = {task: k for k, task in enumerate(manifest.tasks)}
    return manifest, sorted(rows, key=lambda row: place[row["id"]])


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _PART.fullmatch(path.name))


def _checked(folder: Path, manifest: Manifest, parts: Sequence[Path]) -> pa.Table:
    """All rows, each of them once and of a task in the manifest."""
    table = pa.concat_tables([_part(path) for path in parts], promote_options="permissive")
    ids = table["id"].to_pylist()
    if len(set(ids)) != len(ids):
        twice = next(task for task in ids if ids.count(task) > 1)
        raise StorageError("store", str(folder), f"each task once (not so: {twice})")
    foreign = set(ids) - set(manifest.tasks)
    if foreign:
        expected = f"only tasks of its manifest (not so: {min(foreign)})"
        raise StorageError("store", str(folder), expected)
    return table


def _part(path: Path) -> pa.Table:
    data = read_whole(path)
    found = _PART.fullmatch(path.name)
    if found is None or hashlib.sha256(data).hexdigest()[:16] != found[2]:
        raise StorageError("partition", str(path), "a file as it was written (it is damaged)")
    # without threads: processes that are forked from this one must not inherit half of a pool
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def _table(rows: Sequence[Row]) -> pa.Table:
    """Columns by name; a row that lacks one has null there."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [_plain(row.get(name)) for row in rows] for name in names})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
