"""The store under kill −9, failing disks and read-only directories, in processes of its own."""

import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PREAMBLE = """
import ctypes, errno, os, random, shutil, signal, sys, tempfile, time
from pathlib import Path

from astro_jax.errors import StorageError
from astro_jax.route import history, history_file

history_file.PATIENCE = 0.2
history.KEPT = 12  # so that counting the oldest together is among what is interrupted

def append(store, number):
    store.append("kitchen", float(number), number % 3 > 0, "test")

def noted(store):
    record, tally = store.record("kitchen"), store.tally("kitchen")
    times = record.time.tolist()
    assert times == [float(n) for n in range(int(times[0]), int(times[0]) + len(times))], times
    assert record.open.tolist() == [int(t) % 3 > 0 for t in times]
    assert times[0] == 0.0 or tally.open.sum() > 0.0
    return int(times[-1]) + 1
"""


def run(script: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    finished = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path):
    """A writer is killed 25 times, each time after some sightings and some microseconds."""
    script = """
    path, chance, there = Path(sys.argv[1]) / "doors.db", random.Random(0), 0
    for trial in range(25):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            store = history.open_history(path)
            for number in range(there, there + 10_000):
                append(store, number)
                os.write(writing, b".")
        os.close(writing)
        acknowledged = len(os.read(reading, 1))
        wanted = chance.randrange(1, 12)
        while acknowledged < wanted:
            acknowledged += len(os.read(reading, 1))
        time.sleep(chance.uniform(0.0, 0.006))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(reading, 4096):
            acknowledged += len(more)
        os.close(reading)
        with history.open_history(path) as store:
            found = noted(store)
        assert there + acknowledged <= found <= there + acknowledged + 1, (found, acknowledged)
        there = found
    print(there)
    """
    assert int(run(script, str(tmp_path))) > 100
    assert {p.name for p in tmp_path.iterdir()} <= {"doors.db", "doors.db-wal", "doors.db-shm"}


FAILING_DISK = """
    # The calls by which SQLite writes, made to fail from, or at, the Nth one.
    library, pointer = ctypes.CDLL(sys.argv[2]), ctypes.c_void_p

    class Vfs(ctypes.Structure):
        _fields_ = [
            ("version", ctypes.c_int), ("size", ctypes.c_int), ("longest", ctypes.c_int),
            ("next", ctypes.c_void_p), ("name", ctypes.c_char_p), ("data", ctypes.c_void_p),
            ("until_time", ctypes.c_void_p * 13),  # xOpen … xCurrentTimeInt64
            ("set_call", ctypes.CFUNCTYPE(ctypes.c_int, pointer, ctypes.c_char_p, pointer)),
            ("get_call", ctypes.CFUNCTYPE(pointer, pointer, ctypes.c_char_p)),
        ]

    library.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
    vfs = library.sqlite3_vfs_find(None)
    state = {"count": 0, "fail_at": 0, "ever_after": False, "error": 0}

    def fails():
        state["count"] += 1
        late = state["count"] - state["fail_at"]
        if state["fail_at"] and (late == 0 or (late > 0 and state["ever_after"])):
            ctypes.set_errno(state["error"])
            return True
        return False

    WRITE = (ctypes.c_ssize_t, ctypes.c_int, pointer, ctypes.c_size_t)
    SIGNATURES = {
        b"write": WRITE,
        b"pwrite": (*WRITE, ctypes.c_int64),
        b"pwrite64": (*WRITE, ctypes.c_int64),
        b"ftruncate": (ctypes.c_int, ctypes.c_int, ctypes.c_int64),
    }
    kept = []
    for name, signature in SIGNATURES.items():
        address = vfs.contents.get_call(vfs, name)
        if not address:
            continue
        kind = ctypes.CFUNCTYPE(*signature, use_errno=True)
        original = kind(address)
        replacement = kind(lambda *given, original=original: -1 if fails() else original(*given))
        assert vfs.contents.set_call(vfs, name, ctypes.cast(replacement, ctypes.c_void_p)) == 0
        kept += [original, replacement]

    folder = Path(sys.argv[1])
    base = folder / "base.db"
    with history.open_history(base) as store:
        for number in range(22):
            append(store, number)
    failures = {}
    for error, ever_after in ((errno.ENOSPC, True), (errno.EIO, False)):
        for fail_at in range(1, 10_000):
            path = folder / "doors.db"
            shutil.copy(base, path)
            path.with_name("doors.db-wal").unlink(missing_ok=True)
            path.with_name("doors.db-shm").unlink(missing_ok=True)
            state.update(count=0, fail_at=fail_at, ever_after=ever_after, error=error)
            there, refused = 22, 0
            try:
                store = history.open_history(path)
            except StorageError:
                refused += 1
            else:
                for number in range(4):
                    try:
                        append(store, there)
                    except StorageError:
                        refused += 1
                    else:
                        there += 1
                store.close()
            reached = state["count"] >= fail_at
            state.update(fail_at=0)
            with history.open_history(path) as store:
                assert noted(store) == there, (error, ever_after, fail_at, there, noted(store))
            if not reached:
                break
            failures[fail_at] = failures.get(fail_at, 0) + refused
    print(len(failures), sum(n > 0 for n in failures.values()))
    assert not list(folder.glob("*damaged*"))
"""


def sqlite_library() -> str:
    """The shared library of SQLite that this Python uses; empty where it is built in."""
    maps = Path("/proc/self/maps")
    if not maps.exists() or not sqlite3.sqlite_version:
        return ""
    found = {line.split()[-1] for line in maps.read_text().splitlines() if "libsqlite3" in line}
    return min(found, default="")


@pytest.mark.skipif(not sqlite_library(), reason="SQLite is built into this Python")
def test_every_write_that_fails_is_a_typed_error_and_harms_nothing(tmp_path):
    """ENOSPC and EIO at, and from, the Nth write of opening and four sightings, every N."""
    places, refused = run(FAILING_DISK, str(tmp_path), sqlite_library()).split()
    assert int(places) > 20 and int(refused) > 15


def test_a_file_that_must_not_grow_is_a_typed_error_and_harms_nothing(tmp_path):
    """The same by the system's own limit, with writes that are cut short."""
    script = """
    import resource
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit in range(8_000, 250_000, 20_001):
        path, there = folder / f"doors{limit}.db", 0
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                store = history.open_history(path)
                while there < 200:
                    append(store, there)
                    there += 1
            except StorageError:
                pass
            os._exit(there)
        there = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert 0 <= there < 200
        with history.open_history(path) as store:
            assert (noted(store) if there else 0) == there
        print(there)
    """
    counts = [int(word) for word in run(script, str(tmp_path)).split()]
    assert counts[0] < counts[-1] and counts[-1] > 5


def test_a_read_only_directory_is_an_error_at_the_start():
    script = """
    folder = Path(tempfile.mkdtemp())
    path = folder / "doors.db"
    with history.open_history(path) as store:
        append(store, 0)
    folder.chmod(0o555)
    if os.getuid() == 0:
        os.setuid(65534)
    for name in ("doors.db", "new.db"):
        try:
            history.open_history(folder / name)
        except StorageError as error:
            print(error)
        else:
            raise AssertionError(name)
    """
    assert run(script).count("a directory that can be written to") == 2
