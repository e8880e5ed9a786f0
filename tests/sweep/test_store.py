"""A store under failing disks, damaged files, changed code and a second writer."""

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from astro_jax.errors import InputError, StorageError
from astro_jax.sweep import disk
from astro_jax.sweep.run import run_sweep
from astro_jax.sweep.store import open_store, read_rows
from tests.sweep.cheap import at_once, manifest, snapshot, tasks, told, work

TASKS = tasks(range(30))
MANIFEST = manifest(TASKS)
ROOT = Path(__file__).parents[2]


def swept(folder: Path, given=TASKS, of=MANIFEST) -> list[str]:
    run_sweep(work, given, of, folder, at_once)
    return told(read_rows(folder)[1])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[str]:
    """The rows of a run that nothing happened to."""
    return swept(tmp_path_factory.mktemp("whole"))


def test_what_is_read_is_what_was_done(tmp_path):
    swept(tmp_path)
    _, rows = read_rows(tmp_path)
    assert [row["id"] for row in rows] == [task.id for task in TASKS]
    for row, task in zip(rows, TASKS, strict=True):
        done = work(task.job)
        assert told([{name: row[name] for name in done}]) == told([done])
        assert (row["case"], row["failed"], row["tries"]) == (str(task.job), False, 1)


@pytest.mark.parametrize(
    ("error", "ever_after"), [(errno.ENOSPC, True), (errno.EIO, False)], ids=["full", "flaky"]
)
def test_every_call_that_fails_is_a_typed_error_and_harms_nothing(
    error, ever_after, tmp_path, monkeypatch, whole
):
    """At, and from, the Nth call that writes, every N."""
    monkeypatch.setattr("astro_jax.sweep.run.BATCH", 20)
    count, fail_at, folder = 0, 0, tmp_path

    def failing(call):
        def called(*given, **named):
            nonlocal count
            count += 1
            if fail_at and (count == fail_at or (ever_after and count > fail_at)):
                raise OSError(error, os.strerror(error))
            return call(*given, **named)

        return called

    calls = {name: failing(getattr(os, name)) for name in ("open", "fsync", "replace")}
    # a disk may take a part of what it is given
    calls["write"] = failing(lambda to, data: os.write(to, data[:5000]))
    monkeypatch.setattr(disk, "os", SimpleNamespace(**{**vars(os), **calls}))
    for fail_at in range(1, 1000):
        folder = tmp_path / f"{fail_at}"
        before: dict[str, bytes] = {}
        count = 0
        try:
            for part in (TASKS[:15], TASKS):  # what is there before is part of what is looked at
                before = snapshot(folder) if folder.exists() else {}
                run_sweep(work, part, MANIFEST, folder, at_once)
        except StorageError as refused:
            assert os.strerror(error) in str(refused)
        reached, fail_at = count >= fail_at, 0
        after = snapshot(folder) if folder.exists() else {}
        assert before.items() <= after.items()
        assert swept(folder) == whole
        if not reached:
            break
    assert 20 < int(folder.name) < 1000


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("stored")
    swept(folder)
    return snapshot(folder)


def test_damage_anywhere_is_found(stored, tmp_path):
    for name, data in stored.items():
        damaged = [data[:k] for k in range(0, len(data), len(data) // 40)]
        for k in range(0, len(data), len(data) // 150):
            damaged.append(data[:k] + bytes([data[k] ^ 1 << k % 8]) + data[k + 1 :])
        for content in damaged:
            for other, intact in stored.items():
                (tmp_path / other).write_bytes(content if other == name else intact)
            try:
                rows = told(read_rows(tmp_path)[1])
            except StorageError as error:
                assert name in str(error)
            else:  # blanks of the manifest may be others
                assert name == "manifest.json" and len(rows) == len(TASKS)


def test_a_task_that_is_there_twice_or_foreign_is_found(stored, tmp_path):
    (part,) = [name for name in stored if name.startswith("part-000000")]
    for name, data in stored.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / part.replace("000000", "000007")).write_bytes(stored[part])
    with pytest.raises(StorageError, match="each task once"):
        read_rows(tmp_path)
    with pytest.raises(StorageError, match="each task once"), open_store(tmp_path, MANIFEST):
        pass
    other = tmp_path / "other"
    with open_store(other, manifest(TASKS[:5])):
        pass
    (other / part.replace("000000", "000007")).write_bytes(stored[part])
    with pytest.raises(StorageError, match="only tasks of its manifest"):
        read_rows(other)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code": "another"}, "code"),
        ({"versions": {"python": "4"}}, "libraries"),
        ({"data": "other"}, "data"),
        ({"tasks": [*MANIFEST.tasks[1:], "t9999"]}, "1 of its tasks are new, 1 are gone"),
        ({"tasks": MANIFEST.tasks[:-1]}, "1 are gone"),
        ({"settings": []}, "spec"),
        ({"tasks": [*MANIFEST.tasks, "t0003"]}, "each task once"),
    ],
)
def test_a_store_of_something_else_is_refused_and_left_alone(stored, changed, said, tmp_path):
    for name, data in stored.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=said):
        run_sweep(work, TASKS, dataclasses.replace(MANIFEST, **changed), tmp_path, at_once)
    assert snapshot(tmp_path) == stored


def test_the_commit_is_for_people(tmp_path, whole):
    swept(tmp_path)
    assert swept(tmp_path, of=dataclasses.replace(MANIFEST, commit="abd")) == whole


def test_two_writers_are_one_too_many(tmp_path):
    with open_store(tmp_path, MANIFEST) as store:
        with pytest.raises(StorageError, match="no other sweep is writing"):
            swept(tmp_path)
        assert not store.done
    assert len(swept(tmp_path)) == len(TASKS)


READ_ONLY = """
import os, sys
from pathlib import Path
from astro_jax.errors import StorageError
from astro_jax.sweep.run import run_sweep
from astro_jax.sweep.store import read_rows
from tests.sweep.cheap import at_once, manifest, tasks

def work(job):
    print("worked")

folder, given = Path(sys.argv[1]), tasks(range(30))
assert len(read_rows(folder)[1]) == 15
os.chmod(folder, 0o555), os.chmod(folder / "lock", 0o444)
if os.getuid() == 0:
    os.chmod(folder.parent, 0o755), os.setuid(65534)
for place in (folder, folder / "below"):
    try:
        run_sweep(work, given, manifest(given), place, at_once)
    except StorageError as error:
        print(error)
"""


def test_a_read_only_folder_is_an_error_before_anything_is_done(tmp_path):
    run_sweep(work, TASKS[:15], MANIFEST, tmp_path / "store", at_once)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", READ_ONLY, str(tmp_path / "store")]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("a place that can be written to (Permission denied)") == 2
    assert "worked" not in told.stdout
