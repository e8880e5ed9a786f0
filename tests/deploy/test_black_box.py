"""Faults 74 to 77: what the box has taken is there; what it cannot take does not stop the robot."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.records import Channel
from mcap.records import Message as Found
from mcap.stream_reader import StreamReader

from astro_jax.deploy.black_box import BlackBox, Limits
from astro_jax.deploy.log_files import LogFiles
from astro_jax.deploy.log_format import beginning, ending, message, read_log
from astro_jax.deploy.replay import read_log_file, replay
from astro_jax.errors import InputError, StorageError
from tests.deploy.made_up_calls import ENGINE, HOUSE, artifact_at, drive, drive_into, files_of

ROOMY = Limits(waiting=1000, rest_s=0.0)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    return artifact_at(tmp_path_factory.mktemp("artifact") / "a.astro")


def read_back(folder, artifact):
    """Calls in files of which every one replays bit by bit, on its own."""
    count = 0
    for path in files_of(folder):
        log = read_log_file(path)
        assert replay(log, artifact, ENGINE).difference is None
        count += len(log.messages)
    return count


# ---- what is written -----------------------------------------------------------------


def test_another_reader_finds_every_call(artifact, tmp_path):
    """MCAP's own reader, and arrays taken apart by what the schema says."""
    drive_into(tmp_path, artifact, 2, ROOMY)
    (path,) = files_of(tmp_path)
    with path.open("rb") as file:
        records: list[Any] = list(StreamReader(file, validate_crcs=True).records)
    kinds = [type(record).__name__ for record in records]
    assert kinds == [
        *["Header", "Schema", "Channel", "Schema", "Channel", "Metadata"],
        *["Message"] * 6,
        *["DataEnd", "Footer"],
    ]
    notes = records[5].metadata
    assert notes["engine"] == "NumPy" and len(notes["artifact"]) == 64
    assert json.loads(notes["settings"])["robot"]["sensor"]["beams"] > 0
    topics = {record.id: record.topic for record in records if isinstance(record, Channel)}
    messages = [record for record in records if isinstance(record, Found)]
    assert [topics[one.channel_id] for one in messages] == ["think", "act", "act"] * 2
    assert [one.sequence for one in messages] == list(range(6))
    times = [one.log_time for one in messages]
    assert times == sorted(times) and times[0] > 0

    # the last tick: scan, count, map, x | count, map, x, twist
    schema = json.loads(records[1].data)
    body = messages[-1].data
    arrays, at = [], 4 + len(schema["inputs"]) + len(schema["outputs"])
    for code, (name, kind, shape) in zip(
        body[4:at], schema["inputs"] + schema["outputs"], strict=True
    ):
        assert kind in ("f32", "i32")
        size = [0, 4 * math.prod(shape), 16][code]
        arrays.append((name, code, np.frombuffer(body[at : at + size // 4 * 4], "<f4")))
        at += size
    assert at + 4 == len(body)
    assert [(name, code) for name, code, _ in arrays] == [
        *[("scan", 1), ("state.count", 0), ("state.map", 0), ("state.x", 0)],
        *[("state.count", 0), ("state.map", 0), ("state.x", 1), ("verdict.twist", 1)],
    ]
    np.testing.assert_array_equal(arrays[0][2], np.array([1.0, 1.0, np.sin(1.3)], np.float32))
    assert arrays[-1][2] == pytest.approx([1.0 + 1.1, np.sin(1.3)])
    assert int.from_bytes(body[-4:], "little") == zlib.crc32(path.read_bytes().split(body[-4:])[0])


def test_files_take_turns_and_stay_within_their_bounds(artifact, tmp_path):
    limits = Limits(file_bytes=20_000, most_bytes=60_000, waiting=1000)
    sizes = []
    for _ in range(3):  # processes after one another go on counting
        box = drive_into(tmp_path, artifact, 40, limits)
        assert (box.written, box.lost) == (120, 0)
        sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
        read_back(tmp_path, artifact)
    numbers = [int(path.name[4:12]) for path in files_of(tmp_path)]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)) and numbers[0] > 1
    assert 30_000 < sizes[-1] and max(sizes) <= 60_000
    assert {path.stat().st_mode & 0o77 for path in files_of(tmp_path)} == {0}


# ---- what cannot be written ----------------------------------------------------------


def test_a_writer_that_does_not_keep_up_costs_records_and_no_time(artifact, tmp_path, monkeypatch):
    stuck, append = threading.Event(), LogFiles.append

    def waits(self, *arguments):
        stuck.wait()
        append(self, *arguments)

    monkeypatch.setattr(LogFiles, "append", waits)
    with BlackBox(tmp_path, artifact, "NumPy", Limits(waiting=7)) as box:
        drive(box, 10)  # returns although nothing can be written
        # one may be in the writer's hands
        assert 30 - 8 <= box.lost <= 30 - 7 and box.written == 0
        stuck.set()
        while box.written < 30 - box.lost:
            time.sleep(0.001)
        lost = box.lost
        drive(box, 2)
    assert box.written + box.lost == 36
    (path,) = files_of(tmp_path)
    replayed = replay(read_log_file(path), artifact, ENGINE)
    assert replayed.difference is None and replayed.lost == lost == box.lost > 0
    assert sum(replayed.calls.values()) == box.written


class Disk:
    """``os.write``, half of which is done when it fails: in its Nth call, or from then on."""

    def __init__(self, monkeypatch, nth, for_good=False):
        self.calls, self.nth, self.for_good, self.write = 0, nth, for_good, os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, handle, data):
        self.calls += 1
        if self.calls == self.nth or (self.for_good and self.calls > self.nth):
            self.write(handle, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return self.write(handle, data)


@pytest.mark.parametrize("for_good", [False, True])
def test_a_disk_that_fails_at_any_write_loses_what_it_failed_to_take(
    for_good, artifact, tmp_path, monkeypatch
):
    limits = Limits(file_bytes=10_000, waiting=1000, rest_s=0.0)
    with monkeypatch.context() as patch:
        disk = Disk(patch, 0)
        drive_into(tmp_path / "0", artifact, 4, limits)
        writes = disk.calls
    assert len(files_of(tmp_path / "0")) > 1
    for nth in range(1, writes + 1):
        folder = tmp_path / str(nth)
        with monkeypatch.context() as patch:
            Disk(patch, nth, for_good)
            box = drive_into(folder, artifact, 4, limits)
        assert box.written + box.lost == 12
        # the last write is the end of a file, which takes nothing with it
        assert box.lost >= 1 if nth < writes else box.lost == 0
        assert for_good or box.lost <= 1
        assert "No space" in box.error or not box.lost
        assert read_back(folder, artifact) == box.written
        assert all(read_log_file(path).cut == 0 for path in files_of(folder))
        assert sum(path.stat().st_size for path in folder.iterdir()) < 2**20


KILLED = """
import os, sys
from pathlib import Path
from astro_jax.deploy.artifact import read_artifact
from astro_jax.deploy.black_box import BlackBox
from tests.deploy.made_up_calls import drive
box = BlackBox(Path(sys.argv[2]), read_artifact(Path(sys.argv[1])), "NumPy")
drive(box, 30)
while box.written < 50:
    pass
print(box.written, flush=True)
drive(box, 1000000)
"""


def test_a_killed_process_leaves_all_that_was_written(artifact, tmp_path):
    command = [sys.executable, "-c", KILLED, artifact.where, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        written = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert read_back(tmp_path, artifact) >= written >= 50
    drive_into(tmp_path, artifact, 1, ROOMY)  # nothing is in the next one's way
    assert len(files_of(tmp_path)) >= 2


def test_places_that_cannot_be_written_are_refused_at_the_start(artifact, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        BlackBox(tmp_path / "file", artifact, "NumPy")
    with (
        BlackBox(tmp_path / "log", artifact, "NumPy"),
        pytest.raises(StorageError, match="no other process"),
    ):
        BlackBox(tmp_path / "log", artifact, "NumPy")
    drive_into(tmp_path / "log", artifact, 1, ROOMY)
    with pytest.raises(InputError, match="file_bytes"):
        Limits(file_bytes=2, most_bytes=1)


# ---- what is damaged -----------------------------------------------------------------


def small_log(finished):
    """Three short messages."""
    data, crcs = beginning({"a": b"{}", "b": b"[]"}, {"one": "1"}), []
    for number in range(3):
        crcs.append(len(data))
        data += message(1 + number % 2, number, 10 + number, bytes(5 * [number]), zlib.crc32(data))
    return (data + ending(zlib.crc32(data)) if finished else data), [*crcs, len(data)]


def test_a_file_is_read_up_to_where_it_was_cut_off():
    data, ends = small_log(finished=True)
    whole = read_log(data, "it")
    assert [(one.topic, one.body[0]) for one in whole.messages] == [("a", 0), ("b", 1), ("a", 2)]
    assert whole.schemas == {"a": b"{}", "b": b"[]"} and whole.notes == {"one": "1"}
    for size in range(len(data)):
        there = sum(end <= size for end in ends[1:])
        if there == 0:
            with pytest.raises(InputError, match="log"):
                read_log(data[:size], "it")
            continue
        log = read_log(data[:size], "it")
        assert log.messages == whole.messages[:there]


@pytest.mark.parametrize("finished", [True, False])
def test_every_flipped_bit_is_found(finished):
    data, ends = small_log(finished)
    whole = read_log(data, "it")
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            log = read_log(bytes(flipped), "it")
        except InputError:
            continue
        # no more can be told from a file that was cut off: its last record seems longer
        assert not finished and ends[2] < bit // 8 < ends[2] + 9
        assert log.cut > 0 and log.messages == whole.messages[:2]


def test_the_house_is_told_once_in_a_file(artifact, tmp_path):
    drive_into(tmp_path, artifact, 3, ROOMY)
    (path,) = files_of(tmp_path)
    assert path.read_bytes().count(HOUSE.tobytes()) == 1
