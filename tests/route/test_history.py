"""The store of sightings: what goes in comes out, bounded, and bad files are set aside."""

import math
import shutil
import sqlite3
import warnings

import numpy as np
import pytest

from astro_jax.errors import InputError, StorageError
from astro_jax.route import history as history_module
from astro_jax.route import history_file
from astro_jax.route.chain import FEATURES, HOUR, Belief, Habit, default_habit
from astro_jax.route.history import History, open_history
from astro_jax.route.history_file import MIGRATIONS, VERSION, write

NOW = 1.7e9
TIMES = NOW + 60.0 * np.arange(40.0)
STATES = np.arange(40) % 3 > 0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "doors.db"


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    monkeypatch.setattr(history_file, "PATIENCE", 0.05)


def filled(path, count=40) -> None:
    with open_history(path) as history:
        for time, opened in zip(TIMES[:count], STATES[:count], strict=True):
            history.append("kitchen", float(time), bool(opened), "test")


def holds(history: History, count=40) -> bool:
    record = history.record("kitchen")
    same = np.array_equal(record.time, TIMES[:count])
    return same and np.array_equal(record.open, STATES[:count])


def test_what_goes_in_comes_out_after_a_restart(path):
    habit = Habit(weights=np.linspace(-1.0, 1.0, FEATURES), rate=1.0 / (7.0 * HOUR))
    filled(path)
    with open_history(path) as history:
        history.append("bath", NOW, True, belief=Belief(open=0.75, time=NOW))
        history.keep_habit("bath", habit, NOW + 1.0)
    with open_history(path) as history:
        assert holds(history) and history.doors == ("kitchen", "bath")
        assert history.belief("bath") == Belief(open=0.75, time=NOW)
        known, learned = history.habit("bath") or (default_habit(), 0.0)
        np.testing.assert_array_equal(known.weights, habit.weights)
        assert known.rate == habit.rate and learned == NOW + 1.0
        assert history.habit("kitchen") is None and history.belief("kitchen") is None
        assert len(history.record("cellar").time) == 0 and not history.tally("cellar").open.any()


def test_sightings_before_the_last_one_are_noted_down_as_they_are(path):
    with open_history(path) as history:
        for time in (NOW, NOW - 1e6, NOW + 1.0):
            history.append("kitchen", time, True)
        assert history.record("kitchen").time.tolist() == [NOW, NOW - 1e6, NOW + 1.0]


def test_it_does_not_grow_without_end(path, monkeypatch):
    monkeypatch.setattr(history_module, "KEPT", 20)
    with open_history(path) as history:
        sizes = []
        for k in range(400):
            history.append("kitchen", NOW + 12.0 * HOUR * k, k % 4 > 0)
            sizes.append(len(history.record("kitchen").time))
        assert max(sizes) == 40 and sizes[-1] >= 20
        record, tally = history.record("kitchen"), history.tally("kitchen")
        # the latest are there one by one, in order, and the others in the counts
        np.testing.assert_array_equal(
            record.time, NOW + 12.0 * HOUR * np.arange(400 - sizes[-1], 400)
        )
        assert 0.7 < tally.open.sum() / (tally.open + tally.closed).sum() < 0.8
    with open_history(path) as history:
        assert len(history.record("kitchen").time) == sizes[-1]
    assert path.stat().st_size < 60_000


@pytest.mark.parametrize("time", [math.nan, math.inf, -1.0, 1e11])
def test_impossible_sightings_are_refused(path, time):
    filled(path)
    with open_history(path) as history:
        for attempt in (
            lambda: history.append("kitchen", time, True),
            lambda: history.append("kitchen", NOW, True, belief=Belief(open=0.5, time=time)),
            lambda: history.append("kitchen", NOW, True, belief=Belief(open=time, time=NOW)),
            lambda: history.keep_habit("kitchen", default_habit(), time),
            lambda: history.keep_habit(
                "kitchen", Habit(weights=np.full(FEATURES, time), rate=time), NOW
            ),
        ):
            with pytest.raises(InputError):
                attempt()
        assert holds(history)


def test_names_and_their_number_are_bounded(path, monkeypatch):
    monkeypatch.setattr(history_module, "MOST_DOORS", 3)
    with open_history(path) as history:
        for name in ("", "x" * 201, "a\0b"):
            with pytest.raises(InputError, match="characters"):
                history.append(name, NOW, True)
        for name in ("a", "b", "c"):
            history.append(name, NOW, True)
        with pytest.raises(InputError, match="at most 3 doors"):
            history.append("d", NOW, True)
        history.append("a", NOW, False)
        assert history.doors == ("a", "b", "c")


def test_an_older_file_is_brought_up_to_date(path):
    connection = sqlite3.connect(path)
    connection.executescript(MIGRATIONS[0] + "PRAGMA user_version = 1;")
    write(connection, "doors", 1, "kitchen")
    for time, opened in zip(TIMES.tolist(), STATES.tolist(), strict=True):
        write(connection, "sightings", 1, time, int(opened), "old")
    connection.commit()
    connection.close()
    with open_history(path) as history:
        assert holds(history)
        history.keep_habit("kitchen", default_habit(), NOW)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()
    with open_history(path) as history:
        assert holds(history) and history.habit("kitchen") is not None


def test_files_of_others_are_left_alone(tmp_path):
    later, other = tmp_path / "later.db", tmp_path / "other.db"
    filled(later)
    for path, statement in (
        (later, f"PRAGMA user_version = {VERSION + 1}"),
        (other, "CREATE TABLE songs (title TEXT)"),
    ):
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()
        before = path.read_bytes()
        with pytest.raises(StorageError) as caught:
            open_history(path)
        assert caught.value.field in ("version", "history") and caught.value.where == str(path)
        assert path.read_bytes() == before
    assert not list(tmp_path.glob("*damaged*"))


def test_a_missing_directory_or_a_directory_is_an_error_at_the_start(tmp_path):
    with pytest.raises(StorageError, match="existing directory"):
        open_history(tmp_path / "nowhere" / "doors.db")
    with pytest.raises(StorageError, match="expected a file"):
        open_history(tmp_path)


def test_a_second_one_waits_and_is_refused(path):
    with open_history(path) as first:
        first.append("kitchen", NOW, True)
        with pytest.raises(StorageError, match="no other process"):
            open_history(path)
        first.append("kitchen", NOW, True)  # and does not harm the first
    with open_history(path) as second:
        assert len(second.record("kitchen").time) == 2


@pytest.mark.parametrize("content", [b"", b"no database at all\n" * 400, b"\0" * 5000, b"SQLite"])
def test_what_is_no_database_is_set_aside(path, content):
    path.write_bytes(content)
    if content == b"":
        filled(path)  # a file that was begun, no more
    else:
        with pytest.warns(RuntimeWarning, match="set aside") as caught:
            filled(path)
        (aside,) = path.parent.glob("doors.db.damaged-*")
        assert aside.read_bytes() == content
        assert str(path) in str(caught[0].message) and str(aside) in str(caught[0].message)
    with open_history(path) as history:
        assert holds(history)


def reopened(path) -> tuple[bool, list[str]]:
    """Whether the file was set aside; the doors that are known then."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with open_history(path) as history:
            assert not history.doors or holds(history)
            return bool(caught), list(history.doors)


def test_changed_bytes_are_found_or_do_not_matter(path, tmp_path):
    """One byte at a time, in every page, the header among them."""
    filled(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    used = np.flatnonzero(np.frombuffer(whole, np.uint8))
    places = [*range(0, 100, 9), *rng.choice(used, 50, replace=False).tolist()]
    places += [whole.rindex(b"kitchen"), whole.rindex(b"test")]
    aside = 0
    for k, place in enumerate(places):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        copy = tmp_path / f"copy{k}.db"
        copy.write_bytes(changed)
        try:
            moved, doors = reopened(copy)
        except StorageError as error:  # it says that it is another program's, or a later one's
            assert error.field in ("history", "version") and copy.read_bytes() == bytes(changed)
            continue
        aside += moved
        assert moved == (doors == [])
        if moved:
            (old,) = tmp_path.glob(f"{copy.name}.damaged-*")
            assert old.read_bytes() == bytes(changed)
    assert aside > 40


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("beliefs", (1, -5.0, 0.5)),
        ("beliefs", (1, 9e99, 0.5)),
        ("habits", (1, NOW, 1e9, "[0.0]")),
        ("habits", (1, NOW, 1e-4, f"[{', '.join(['NaN'] * FEATURES)}]")),
        ("habits", (1, NOW, 1e-4, "[[")),
        ("tallies", (1, NOW, "[1.0]", "[2.0]")),
        ("tallies", (1, NOW, f"[{'-1.0, ' * 95}0.0]", f"[{'0.0, ' * 95}0.0]")),
        ("sightings", (77, NOW, 1, "a door that is not there")),
    ],
)
def test_impossible_content_is_set_aside(path, table, row):
    filled(path)
    connection = sqlite3.connect(path)
    write(connection, table, *row)
    connection.commit()
    connection.close()
    moved, doors = reopened(path)
    assert moved and doors == []
    (old,) = path.parent.glob("doors.db.damaged-*")
    with sqlite3.connect(old) as connection:
        assert connection.execute("SELECT count(*) FROM sightings").fetchone()[0] >= 40
    connection.close()


def test_setting_aside_takes_the_log_along(path):
    """A crash leaves a log; what it holds is part of what is kept, byte by byte."""
    filled(path)
    running = open_history(path)
    running.append("kitchen", NOW, True)
    copy = path.with_name("copy.db")
    log = path.with_name("doors.db-wal").read_bytes()
    shutil.copy(path, copy)
    path.with_name("copy.db-wal").write_bytes(log)
    running.close()
    content = bytearray(copy.read_bytes())
    content[:64] = b"x" * 64
    copy.write_bytes(content)
    moved, doors = reopened(copy)
    assert moved and doors == []
    assert [p.read_bytes() for p in path.parent.glob("copy.db.damaged-*-wal")] == [log]
    assert [p.read_bytes() for p in path.parent.glob("copy.db.damaged-*Z")] == [bytes(content)]


def test_a_torn_log_loses_only_what_was_not_acknowledged(path, tmp_path):
    """The log cut off after every few hundred bytes."""
    log, acknowledged = path.with_name("doors.db-wal"), []
    with open_history(path) as history:
        for time, opened in zip(TIMES[:8], STATES[:8], strict=True):
            history.append("kitchen", float(time), bool(opened), "test")
            acknowledged.append(log.stat().st_size)
        whole = log.read_bytes()
        main = path.read_bytes()
    ends = sorted({*range(0, len(whole), 1409), *acknowledged, *(a - 1 for a in acknowledged)})
    for end in ends:
        copy = tmp_path / "torn.db"
        copy.write_bytes(main)
        copy.with_name("torn.db-wal").write_bytes(whole[:end])
        copy.with_name("torn.db-shm").unlink(missing_ok=True)
        with open_history(copy) as history:
            count = len(history.record("kitchen").time)
            assert holds(history, count)
            assert count == sum(size <= end for size in acknowledged)
