"""A reader sees whole letters, newest first, whatever the writer is at."""

import threading

import numpy as np
import pytest

from astro_jax.deploy.arrays import Kind
from astro_jax.errors import InputError, ShapeError
from astro_jax.process.mailbox import Layout, Mailbox

LAYOUT = Layout(numbers=("k",), form={"x": Kind(type="i32", shape=(20_000,))})


def letter(k):
    return {"k": k}, {"x": np.full(20_000, k, np.int32)}


def test_every_letter_that_is_read_is_whole(tmp_path):
    writer = Mailbox(tmp_path / "a.box", LAYOUT, writes=True)
    reader, enough, seen = Mailbox(tmp_path / "a.box", LAYOUT), threading.Event(), []
    assert reader.read() is None

    def write():
        while not enough.is_set():
            writer.write(*letter(writer.count + 1))

    thread = threading.Thread(target=write)
    thread.start()
    while len(seen) < 50:
        found = reader.read(seen[-1].count if seen else 0)
        if found is not None:
            seen.append(found)
    enough.set()
    thread.join()
    for found in seen:
        assert found.numbers["k"] == found.count and np.all(found.arrays["x"] == found.count)
    counts = [found.count for found in seen]
    assert counts == sorted(set(counts))
    last = reader.read()
    assert last is not None and last.count == writer.count and reader.read(last.count) is None


def test_a_letter_that_was_written_over_is_no_letter(tmp_path):
    path = tmp_path / "a.box"
    writer, reader = Mailbox(path, LAYOUT, writes=True), Mailbox(path, LAYOUT)
    writer.write(*letter(7))
    body = path.read_bytes()
    at = body.index(np.full(100, 7, np.int32).tobytes()) + 1000
    with path.open("r+b") as file:  # as a writer that died half-way would leave it
        file.seek(at)
        file.write(b"\1")
    assert reader.read() is None and reader.torn == 3
    writer.write(*letter(8))
    last = reader.read()
    assert last is not None and last.numbers == {"k": 8}


def test_others_layouts_and_arrays_are_refused(tmp_path):
    writer = Mailbox(tmp_path / "a.box", LAYOUT, writes=True)
    with pytest.raises(ShapeError, match="x is missing"):
        writer.write({"k": 1}, {})
    assert writer.count == 0
    other = Layout(numbers=("k",), form={"x": Kind(type="i32", shape=(20_001,))})
    with pytest.raises(InputError, match="mailbox"):
        Mailbox(tmp_path / "a.box", other)
    (tmp_path / "b.box").write_bytes(b"")
    with pytest.raises(InputError, match="0 bytes"):
        Mailbox(tmp_path / "b.box", LAYOUT)
