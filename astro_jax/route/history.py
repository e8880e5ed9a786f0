"""Sightings of doors on disk, kept over restarts, crashes and full disks.           [host]

Sightings come in one by one; when ``append`` returns, the sighting is on the disk
(``synchronous=FULL``), and a crash at any other moment loses nothing but what was not
acknowledged.  Records, tallies and the last beliefs go out.  One process at a time: a second
one waits for ``PATIENCE`` seconds and is then refused.

A file that is damaged, or holds what cannot be, is set aside under a new name, with its
write-ahead log, and never deleted; a new one is begun.  Growth is bounded: of every door the
latest sightings are kept one by one, older ones as counts by time of day.
"""

import contextlib
import json
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from astro_jax.errors import InputError
from astro_jax.route.chain import (
    Belief,
    Habit,
    check_belief,
    check_habit,
    check_time,
    default_habit,
)
from astro_jax.route.habit import Record, Tally, added, empty_tally
from astro_jax.route.history_file import (
    KEPT,
    LONGEST_NAME,
    MOST_DOORS,
    check_directory,
    connected,
    damage_of,
    set_aside,
    typed,
    write,
)


class History:
    """An open store; use it as a context manager, or ``close`` it."""

    def __init__(self, path: Path, connection: sqlite3.Connection):
        self.path = path
        self._connection = connection
        with typed(path, "read"):
            self._doors = dict(
                connection.execute("SELECT name, id FROM doors ORDER BY id").fetchall()
            )
            counts = "SELECT door, count(*) FROM sightings GROUP BY door"
            self._counts = dict(connection.execute(counts).fetchall())

    def __enter__(self) -> "History":
        """The store itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, whatever happened."""
        self.close()

    def close(self) -> None:
        """Let go of the file; closing twice is closing once."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @property
    def doors(self) -> tuple[str, ...]:
        """Names of the doors of which something is known."""
        return tuple(self._doors)

    def append(
        self,
        door: str,
        time: float,
        seen_open: bool,
        source: str = "",
        belief: Belief | None = None,
    ) -> None:
        """Note one sighting down, and what is believed after it; on disk when this returns.

        A time before the last one (a clock that was put back) is noted down as it is.

        Raises:
          InputError: the name, the time or the belief is impossible; too many doors.
          StorageError: it could not be written; nothing of it was, all the rest is intact.
        """
        check_time(time)
        if belief is not None:
            check_belief(belief)
        _check_text("source", source, least=0)
        with self._transaction() as connection:
            key = self._key(connection, door)
            write(connection, "sightings", key, float(time), int(seen_open), source)
            if belief is not None:
                write(connection, "beliefs", key, belief.time, belief.open)
            count = self._counts.get(key, 0) + 1
            if count > 2 * KEPT:
                count -= self._compact(connection, door, key, count - KEPT)
        self._doors[door], self._counts[key] = key, count

    def keep_habit(self, door: str, habit: Habit, learned: float) -> None:
        """Keep what was learned at the civil time ``learned``.

        Raises:
          InputError: the habit, the name or the time is impossible; too many doors.
          StorageError: it could not be written.
        """
        check_habit(habit)
        check_time(learned)
        with self._transaction() as connection:
            key = self._key(connection, door)
            weights = json.dumps(habit.weights.tolist())
            write(connection, "habits", key, float(learned), habit.rate, weights)
        self._doors[door] = key

    def record(self, door: str) -> Record:
        """The sightings of a door that are kept one by one, in the order of noting down."""
        rows = self._rows("SELECT time, open FROM sightings WHERE door = ? ORDER BY id", door)
        return Record(
            time=np.array([row[0] for row in rows], np.float64),
            open=np.array([row[1] for row in rows], bool),
        )

    def tally(self, door: str) -> Tally:
        """The older ones, counted."""
        rows = self._rows("SELECT time, open, closed FROM tallies WHERE door = ?", door)
        if not rows:
            return empty_tally()
        time, opened, closed = rows[0]
        return Tally(
            open=np.array(json.loads(opened)), closed=np.array(json.loads(closed)), time=time
        )

    def belief(self, door: str) -> Belief | None:
        """What was believed after the last sighting, if there is one."""
        rows = self._rows("SELECT time, open FROM beliefs WHERE door = ?", door)
        return Belief(open=rows[0][1], time=rows[0][0]) if rows else None

    def habit(self, door: str) -> tuple[Habit, float] | None:
        """What was learned last, and when."""
        rows = self._rows("SELECT rate, weights, learned FROM habits WHERE door = ?", door)
        if not rows:
            return None
        rate, weights, learned = rows[0]
        return Habit(weights=np.array(json.loads(weights)), rate=rate), learned

    def _rows(self, query: str, door: str) -> list[tuple]:
        key = self._doors.get(door)
        with typed(self.path, "read"):
            return self._connection.execute(query, (key,)).fetchall()

    def _key(self, connection: sqlite3.Connection, door: str) -> int:
        key = self._doors.get(door)
        if key is not None:
            return key
        _check_text("door", door, least=1)
        if len(self._doors) >= MOST_DOORS:
            raise InputError("door", door, f"one of at most {MOST_DOORS} doors", str(self.path))
        key = len(self._doors) + 1
        write(connection, "doors", key, door)
        return key

    def _compact(self, connection: sqlite3.Connection, door: str, key: int, surplus: int) -> int:
        """Count the oldest sightings together; they are then no longer kept one by one."""
        query = "SELECT id, time, open FROM sightings WHERE door = ? ORDER BY id LIMIT ?"
        rows = connection.execute(query, (key, surplus)).fetchall()
        old = Record(time=np.array([r[1] for r in rows]), open=np.array([r[2] for r in rows], bool))
        known = self.habit(door)
        tally = added(self.tally(door), old, default_habit() if known is None else known[0])
        opened, closed = (json.dumps(c.tolist()) for c in (tally.open, tally.closed))
        write(connection, "tallies", key, tally.time, opened, closed)
        connection.execute("DELETE FROM sightings WHERE door = ? AND id <= ?", (key, rows[-1][0]))
        return len(rows)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it on disk in the end, or nothing of it."""
        with typed(self.path, "write"):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise


def open_history(path: str | Path) -> History:
    """Open the store at ``path``, or begin one.

    A damaged file is set aside with a ``RuntimeWarning`` that names it and its new place.

    Raises:
      StorageError: the directory is missing or cannot be written to; another process holds
        the file; it belongs to another program or to a later version of this one.
    """
    path = Path(path)
    check_directory(path)
    if path.exists():
        problem = damage_of(path)
        if problem:
            moved = set_aside(path)
            warnings.warn(
                f"the history of doors in {path} is damaged ({problem}); it was set aside as "
                f"{moved}, and a new one is begun",
                RuntimeWarning,
                stacklevel=2,
            )
    return History(path, connected(path))


def _check_text(field: str, text: str, least: int) -> None:
    if not least <= len(text) <= LONGEST_NAME or "\0" in text:
        raise InputError(field, text, f"{least} to {LONGEST_NAME} characters")
