"""A file of results on disks that take a part of what they are given, or fail at any byte."""

import errno
import os
from types import SimpleNamespace

import pytest

from astro_jax.bench import results_file
from astro_jax.bench.results_file import ResultsFile
from astro_jax.errors import InputError
from astro_jax.sweep import disk

ROWS = [{"suite": "made-up", "case": f"né {k}", "run": 0, "time": k / 3} for k in range(3)]
LONGEST = 90
"""Bytes; no line has more."""


class Disk:
    """Takes so many bytes a call; after so many in all, or at a call of that name, it fails."""

    def __init__(self, a_call=LONGEST, in_all=None, fails="", error=errno.EIO):
        self.a_call, self.left, self.fails, self.error = a_call, in_all, fails, error

    def os(self):
        changed = {"write": self.write}
        if self.fails:
            changed[self.fails] = self.fail
        return SimpleNamespace(**{**vars(os), **changed})

    def fail(self, *given, **named):
        raise OSError(self.error, os.strerror(self.error))

    def write(self, handle, data):
        taken = min(self.a_call, len(data))
        if self.left is not None:
            if self.left == 0:
                self.fail()
            taken = min(taken, self.left)
            self.left -= taken
        return os.write(handle, data[:taken])


@pytest.fixture
def on(monkeypatch):
    """Put this disk where the files are."""

    def put(found):
        monkeypatch.setattr(results_file, "os", found.os())
        monkeypatch.setattr(disk, "os", found.os())

    return put


def rows_in(path):
    return list(ResultsFile(path=path).done({"suite": "made-up"}).values())


def test_a_line_is_whole_however_few_bytes_are_taken_at_once(on, tmp_path):
    for taken in range(1, LONGEST):
        on(Disk(a_call=taken))
        path = tmp_path / f"{taken}.jsonl"
        for k, row in enumerate(ROWS):
            ResultsFile(path=path).add(row)
            assert rows_in(path) == ROWS[: k + 1]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_after_any_byte_takes_nothing_away(error, on, tmp_path):
    """What was acknowledged stays, the next run goes on."""
    bytes_taken = 0
    for bytes_taken in range(LONGEST):
        path = tmp_path / f"{bytes_taken}.jsonl"
        file = ResultsFile(path=path)
        on(Disk())
        file.add(ROWS[0])
        # half of what is asked for is taken and the rest refused, as when a disk becomes full
        on(Disk(a_call=LONGEST // 2, in_all=bytes_taken, error=error))
        try:
            file.add(ROWS[1])
        except InputError as refused:
            assert os.strerror(error) in str(refused) and refused.field == "results"
            assert rows_in(path) == ROWS[:1]
            whole = False
        else:
            assert rows_in(path) == ROWS[:2]
            whole = True
        on(Disk())
        for row in ROWS[2 if whole else 1 :]:
            file.add(row)
        assert rows_in(path) == ROWS
        if whole:
            break
    assert 50 < bytes_taken < LONGEST - 1


@pytest.mark.parametrize("call", ["open", "fstat", "pread", "ftruncate", "fsync"])
def test_whichever_call_fails_the_line_is_absent_or_whole(call, on, tmp_path):
    path = tmp_path / "rows.jsonl"
    file = ResultsFile(path=path)
    file.add(ROWS[0])
    with path.open("a") as cut_off:
        cut_off.write('{"suite": "made')
    on(Disk(fails=call))
    with pytest.raises(InputError, match=os.strerror(errno.EIO)):
        file.add(ROWS[1])
    there = rows_in(path)
    assert there == ROWS[: 2 if call == "fsync" else 1]
    on(Disk())
    for row in ROWS[len(there) :]:
        file.add(row)
    assert rows_in(path) == ROWS
