"""Faults 53 to 57: whatever a file holds, it is one clear error, and nothing large is allocated."""

import io
import pickle
import resource
import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.deploy import archive
from astro_jax.deploy.archive import packed, read_file, unpacked, write_file
from astro_jax.errors import InputError

PARTS = {"manifest.json": b"{}\n", "cpu/think.stablehlo": bytes(range(256)), "empty": b""}


def sealed(entries, comment=b""):
    """An archive of (ZipInfo or name, bytes), sealed as if export had made it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, data in entries:
            file.writestr(entry, data)
        file.comment = b"sha256:" + b"0" * 64
    body = buffer.getvalue()[:-71]
    return body + archive._seal(body)


@given(
    st.dictionaries(st.from_regex(archive.PART, fullmatch=True), st.binary(max_size=99), max_size=5)
)
def test_what_goes_in_comes_out_and_always_as_the_same_bytes(parts):
    parts = {name: data for name, data in parts.items() if ".." not in name}
    data = packed(parts)
    assert unpacked(data, "it") == parts
    assert packed(parts) == data
    with zipfile.ZipFile(io.BytesIO(data)) as file:  # and any other program reads it
        assert file.testzip() is None and file.namelist() == list(parts)


def test_a_flipped_bit_at_every_byte_is_found():
    data = packed(PARTS)
    for k in range(len(data)):
        damaged = bytearray(data)
        damaged[k] ^= 1 << (k % 8)
        with pytest.raises(InputError, match=r"artifact is .*(damaged|sha256)"):
            unpacked(bytes(damaged), "it")


def test_every_truncation_is_found():
    data = packed(PARTS)
    for end in range(len(data)):
        with pytest.raises(InputError, match="artifact is"):
            unpacked(data[:end], "it")
    with pytest.raises(InputError, match="artifact is"):
        unpacked(data + b"more", "it")


@given(st.data())
def test_whatever_is_sealed_is_unpacked_or_refused(data):
    """Whoever can write the file can write the hash."""
    body = bytearray(packed(PARTS)[:-71])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        parts = unpacked(bytes(body) + archive._seal(bytes(body)), "it")
    except InputError:
        return
    assert all(archive.PART.fullmatch(name) for name in parts)
    assert sum(map(len, parts.values())) <= archive.MOST_UNPACKED


class Bad:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("kind", ["pickle", "npy", "npz"])
def test_pickles_and_object_arrays_are_no_artifacts(kind, tmp_path):
    path = tmp_path / "a.astro"
    with path.open("wb") as file:
        if kind == "pickle":
            pickle.dump(Bad(), file)
        elif kind == "npy":
            np.save(file, np.array([Bad()]), allow_pickle=True)
        else:
            np.savez(file, a=np.array([Bad()]))
    with pytest.raises(InputError, match="expected a file from export"):
        unpacked(read_file(path), str(path))


def with_kind(name, kind):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "needle"),
    [
        ("../../etc/cron.d/x", "plain name"),
        ("/etc/passwd", "plain name"),
        ("cpu/../../x", "plain name"),
        ("cpu\\..\\x", "plain name"),
        ("c:x", "plain name"),
        ("a/b/c/d/e", "plain name"),
        ("cpu/", "plain name"),
        (" ", "plain name"),
        (with_kind("link", stat.S_IFLNK), "plain file"),
        (with_kind("fifo", stat.S_IFIFO), "plain file"),
        (with_kind("folder", stat.S_IFDIR), "plain file"),
    ],
)
def test_names_that_lead_elsewhere_and_links_are_refused(entry, needle):
    with pytest.raises(InputError, match=needle):
        unpacked(sealed([("manifest.json", b"{}"), (entry, b"x")]), "it")


def test_a_part_comes_once():
    with pytest.warns(UserWarning, match="Duplicate"):
        data = sealed([("manifest.json", b"{}"), ("manifest.json", b"[]")])
    with pytest.raises(InputError, match="twice"):
        unpacked(data, "it")


def test_too_many_parts():
    with pytest.raises(InputError, match="parts is 65"):
        unpacked(sealed([(f"part{k}", b"") for k in range(65)]), "it")


def test_a_bomb_is_refused_before_it_goes_off():
    """A gigabyte of zeros in a megabyte."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("zeros", "w") as part:
            for _ in range(128):
                part.write(bytes(2**20))
        file.comment = b"sha256:" + b"0" * 64
    body = buffer.getvalue()[:-71]
    assert len(body) < archive.MOST_BYTES
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="unpacked"):
        unpacked(body + archive._seal(body), "it")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**14  # KiB


def test_a_bomb_that_says_it_is_small_is_cut_off_where_it_says():
    data = bytearray(sealed([("zeros", bytes(2**20))])[:-71])
    size = (2**20).to_bytes(4, "little")
    assert data.count(size) == 2  # in the entry and in the directory
    lying = bytes(data).replace(size, (10).to_bytes(4, "little"))
    with pytest.raises(InputError, match="unreadable"):
        unpacked(lying + archive._seal(lying), "it")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.astro"
    with path.open("wb") as file:
        file.truncate(2**40)  # sparse
    with pytest.raises(InputError, match="too large"):
        read_file(path)
    with pytest.raises(InputError, match="existing file"):
        read_file(tmp_path)


def test_what_cannot_be_written_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.astro"
    write_file(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    for broken in ("fsync", "replace", "fchmod"):
        with monkeypatch.context() as patch:
            patch.setattr(archive.os, broken, full)
            with pytest.raises(InputError, match="No space left"):
                write_file(path, b"new")
        assert path.read_bytes() == b"old"
        assert [p.name for p in tmp_path.iterdir()] == ["a.astro"]
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
