"""One file of results that outlives processes: a line per episode, only ever added to.   [host]

Each line is a JSON object that names what was driven (suite, variant, planner, case, run), with
what (commit, device, digest of all settings) and how it went.  A run that was interrupted goes on
from there; a line that was cut off in the middle counts as never written.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from astro_jax.bench.report import plain
from astro_jax.errors import InputError
from astro_jax.sweep.disk import write_all

IDENTITY = ("suite", "variant", "planner", "case", "run", "settings", "commit")
"""What makes two lines the same episode."""


def digest(settings: Any) -> str:
    """Twelve digits that differ when any setting does."""
    text = json.dumps(plain(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResultsFile:
    """Where the lines are; ``None`` keeps nothing."""

    path: Path | None

    def done(self, like: Mapping[str, Any]) -> dict[tuple[str, int], Mapping[str, Any]]:
        """Lines that agree with ``like`` in their identity, by (case, run).

        Raises:
          InputError: the file cannot be read, or holds something else.
        """
        if self.path is None or not self.path.exists():
            return {}
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("results", str(self.path), f"a readable file ({error})") from error
        found = {}
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                break  # cut off while it was written
            try:
                row = json.loads(line)
                known = all(row[name] == like[name] for name in IDENTITY if name in like)
                key = (str(row["case"]), int(row["run"]))
            except (ValueError, TypeError, KeyError) as error:
                where = f"{self.path}:{number}"
                raise InputError("results", line[:60], "a line of results", where) from error
            if known:
                found[key] = row
        return found

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one line, whole, and onto the disk.

        Raises:
          InputError: the place cannot be written; what was written before is intact, and a part
            of this line counts as never written.
        """
        if self.path is None:
            return
        line = json.dumps(plain(row), allow_nan=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                _end_line(handle)
                write_all(handle, line.encode())
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            expected = f"a file that can be written ({error.strerror})"
            raise InputError("results", str(self.path), expected) from error


def _end_line(handle: int) -> None:
    """Cut off what an interrupted write left behind the last whole line."""
    size = os.fstat(handle).st_size
    kept = size
    while kept > 0 and os.pread(handle, 1, kept - 1) != b"\n":
        kept -= 1
    if kept != size:
        os.ftruncate(handle, kept)


def missing(
    cases: Iterable[str], runs: int, done: Mapping[tuple[str, int], Any]
) -> list[tuple[str, int]]:
    """(Case, run) pairs that have no line yet, all cases' first runs first."""
    cases = list(cases)
    return [(name, run) for run in range(runs) for name in cases if (name, run) not in done]
