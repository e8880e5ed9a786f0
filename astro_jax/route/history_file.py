"""The file behind the history of doors: its tables, and what to do with a bad one.   [host]

A path comes in; whether its directory can be used, what is wrong with the file (or nothing),
and a connection with the tables of this version come out.
"""

import contextlib
import functools
import json
import os
import sqlite3
import time as clocks
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from astro_jax.errors import StorageError
from astro_jax.route.chain import BINS, LATEST, Habit, check_habit

APPLICATION = 0x61646F72
"""Tells a file of ours from any other database ("ador")."""
KEPT = 1024
"""Latest sightings of a door that are kept one by one; up to twice as many before the rest
is counted together."""
MOST_DOORS, LONGEST_NAME = 256, 200
MOST_PAGES = 16_384
"""Of 4096 bytes each: beyond 64 MiB the file takes nothing more."""
PATIENCE = 2.0
"""How long to wait for another process that holds the file, s."""

MIGRATIONS = (
    f"""
    PRAGMA application_id = {APPLICATION};
    CREATE TABLE doors (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, crc INTEGER NOT NULL
    );
    CREATE TABLE sightings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        door INTEGER NOT NULL REFERENCES doors (id),
        time REAL NOT NULL CHECK (time BETWEEN 0 AND {LATEST}),
        open INTEGER NOT NULL CHECK (open IN (0, 1)),
        source TEXT NOT NULL,
        crc INTEGER NOT NULL
    );
    CREATE INDEX sightings_of_door ON sightings (door, id);
    CREATE TABLE beliefs (
        door INTEGER PRIMARY KEY REFERENCES doors (id),
        time REAL NOT NULL,
        open REAL NOT NULL CHECK (open BETWEEN 0 AND 1),
        crc INTEGER NOT NULL
    );
    """,
    # 2: what is too old to be kept one by one, and what was learned.
    """
    CREATE TABLE tallies (
        door INTEGER PRIMARY KEY REFERENCES doors (id),
        time REAL NOT NULL,
        open TEXT NOT NULL,
        closed TEXT NOT NULL,
        crc INTEGER NOT NULL
    );
    CREATE TABLE habits (
        door INTEGER PRIMARY KEY REFERENCES doors (id),
        learned REAL NOT NULL,
        rate REAL NOT NULL,
        weights TEXT NOT NULL,
        crc INTEGER NOT NULL
    );
    """,
)
"""Statements that lead from each version of the tables to the next."""
VERSION = len(MIGRATIONS)
COLUMNS = {
    "doors": ("id, name", 1),
    "sightings": ("door, time, open, source", 1),
    "beliefs": ("door, time, open", 1),
    "tallies": ("door, time, open, closed", 2),
    "habits": ("door, learned, rate, weights", 2),
}
"""What the checksum of a row is over, and since which version there is such a table."""


def connected(path: Path) -> sqlite3.Connection:
    """A connection that holds the file alone, with the tables of this version.

    Raises:
      StorageError: another process holds it, or the disk fails.
    """
    with typed(path, "open"):
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    # Held from the first write on until the process ends, however it ends.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA max_page_count = {MOST_PAGES}")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for statements in MIGRATIONS[version:]:
        for statement in statements.split(";"):
            connection.execute(statement)
    if version < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def check_directory(path: Path) -> None:
    """Refuse a place in which no history can be kept, before anything is noted down.

    Raises:
      StorageError: the directory is missing, or it or the file cannot be written to.
    """
    folder = path.parent
    if not folder.is_dir():
        raise StorageError("history", str(folder), "an existing directory", str(path))
    if path.exists() and not path.is_file():
        raise StorageError("history", str(path), "a file", str(path))
    # Asking for permission is not enough: root has it even on a disk mounted read-only.  The
    # file itself is not tried: closing it would drop SQLite's locks on it in this process.
    probe = folder / f".{path.name}.{os.getpid()}.probe"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        found = f"{folder} ({error.strerror})"
        raise StorageError(
            "history", found, "a directory that can be written to", str(path)
        ) from error


def damage_of(path: Path) -> str:
    """What is wrong with a file, or nothing.

    Read through a connection that may not write: an ordinary one would put the write-ahead
    log into a damaged file, and delete it, when it is closed.
    """
    with typed(path, "open"):
        place = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(place, uri=True, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                return _wrong_content(path, connection)
            except UnicodeDecodeError:
                return "what should be text is none"
            except sqlite3.DatabaseError as error:
                if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    return str(error)
                raise


def _wrong_content(path: Path, connection: sqlite3.Connection) -> str:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application == 0 and version == 0 and tables == 0:
        return ""  # begun, and killed before the first table was there
    if application != APPLICATION:
        expected = "a history of doors, not another database"
        raise StorageError("history", str(path), expected, str(path))
    if version > VERSION:
        raise StorageError(
            "version", version, f"at most {VERSION}: made by a later version", str(path)
        )
    if version < 1 or _schema(connection) != _schema_of(version):
        return f"its tables are not those of version {version}"
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        return str(found)
    try:
        return _impossible(connection, version)
    except sqlite3.OperationalError as error:  # a table or a column is not there
        if _code(error) == sqlite3.SQLITE_ERROR:
            return str(error)
        raise


def _schema(connection: sqlite3.Connection) -> list[tuple]:
    query = "SELECT CAST(name AS BLOB), CAST(sql AS BLOB) FROM sqlite_master ORDER BY rowid"
    return connection.execute(query).fetchall()


@functools.cache
def _schema_of(version: int) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        for statements in MIGRATIONS[:version]:
            fresh.executescript(statements)
        return _schema(fresh)


def _impossible(connection: sqlite3.Connection, version: int) -> str:
    """A row that is not as it was written, or that nobody should have written."""
    for table, (columns, since) in COLUMNS.items():
        if version < since:
            continue
        for *row, crc in connection.execute(f"SELECT {columns}, crc FROM {table}"):
            if crc != checksum(*row) or not _POSSIBLE[table](*row):
                return f"{table} of door {row[0]!r:.60}: {row[1]!r:.60} is impossible"
    bounds = (
        f"SELECT 1 FROM (SELECT count(*) AS n FROM doors) WHERE n > {MOST_DOORS}",
        f"SELECT 1 FROM sightings GROUP BY door HAVING count(*) > {2 * KEPT}",
        "SELECT 1 FROM sightings WHERE door NOT IN (SELECT id FROM doors)",
    )
    for query in bounds:
        if connection.execute(query).fetchone():
            return "more doors or sightings than there can be"
    return ""


def checksum(*values: object) -> int:
    """Of one row: SQLite itself does not notice when bytes change on the disk."""
    return zlib.crc32(repr(values).encode())


def _is_door(key: object, name: object) -> bool:
    return isinstance(key, int) and isinstance(name, str) and 0 < len(name) <= LONGEST_NAME


def _is_sighting(door: object, time: object, seen_open: object, source: object) -> bool:
    return _is_time(time) and seen_open in (0, 1) and isinstance(source, str)


def _is_belief(door: object, time: object, share: object) -> bool:
    return _is_time(time) and isinstance(share, float) and 0.0 <= share <= 1.0


def _is_time(time: object) -> bool:
    return isinstance(time, float) and 0.0 <= time <= LATEST


def _is_tally(door: object, time: object, opened: str, closed: str) -> bool:
    try:
        counts = np.array([json.loads(opened), json.loads(closed)], np.float64)
    except (TypeError, ValueError):
        return False
    good = counts.shape == (2, 2 * BINS) and bool(np.all((counts >= 0.0) & (counts < 1e9)))
    return good and _is_time(time)


def _is_habit(door: object, learned: object, rate: object, weights: str) -> bool:
    if not isinstance(rate, float):
        return False
    try:
        check_habit(Habit(weights=np.array(json.loads(weights), np.float64), rate=rate))
    except (TypeError, ValueError):
        return False
    return _is_time(learned)


_POSSIBLE: dict[str, Callable[..., bool]] = {
    "doors": _is_door,
    "sightings": _is_sighting,
    "beliefs": _is_belief,
    "tallies": _is_tally,
    "habits": _is_habit,
}


def set_aside(path: Path) -> Path:
    """Rename a file and its write-ahead log; where it lies now.

    Raises:
      StorageError: the directory does not allow it.
    """
    stamp = clocks.strftime("%Y%m%dT%H%M%SZ", clocks.gmtime())
    moved = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while any(moved.with_name(moved.name + end).exists() for end in ("", "-wal")):
        number += 1
        moved = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    with typed(path, "set aside"):
        # The log goes first: beside a new file it would be taken for that one's.
        for end in ("-wal", ""):
            old = path.with_name(path.name + end)
            if old.exists() and old.stat().st_size > 0:
                old.rename(moved.with_name(moved.name + end))
        # an index of the log, which SQLite makes anew from it
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return moved


@contextlib.contextmanager
def typed(path: Path, verb: str) -> Iterator[None]:
    """Whatever the disk or the database says, as our own error.

    Raises:
      StorageError: in place of ``sqlite3.Error`` and ``OSError``.
    """
    try:
        yield
    except sqlite3.Error as error:
        held = _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        expected = "a file that no other process holds" if held else f"a file to {verb}"
        raise StorageError("history", str(error), expected, str(path)) from error
    except OSError as error:
        raise StorageError("history", str(error), f"a file to {verb}", str(path)) from error


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code; errors of the Python layer have none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def write(connection: sqlite3.Connection, table: str, *values: object) -> int:
    """Put one row into a table, with its checksum; in place of the one with the same key."""
    columns, _ = COLUMNS[table]
    marks = ", ".join("?" * (len(values) + 1))
    query = f"REPLACE INTO {table} ({columns}, crc) VALUES ({marks})"
    return connection.execute(query, (*values, checksum(*values))).lastrowid or 0
