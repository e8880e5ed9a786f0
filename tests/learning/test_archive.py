"""A file is what was written, or it is refused."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from astro_jax.errors import InputError
from astro_jax.learning import archive
from astro_jax.learning.archive import read_arrays, write_arrays

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, -2], np.int8), "c": np.array(0.5)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "some.npz"
    write_arrays(path, "a form", 3, ARRAYS, {"who": "me"})
    return path


def forged(path, members, hashes=None):
    """An archive of members as they are, with a manifest that agrees with them."""
    hashes = hashes or {name: archive.hashlib.sha256(data).hexdigest() for name, data in members}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members:
            file.writestr(name, data)
        manifest = {"format": "a form", "version": 3, "sha256": hashes}
        file.writestr("manifest.json", json.dumps(manifest))
    return path


def npy(shape, data, dtype="<f8"):
    """A .npy whose header says whatever it is told to."""
    buffer = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + data


def test_what_was_written_is_read(written):
    arrays, note = read_arrays(written, "a form", 3)
    assert note == {"who": "me"} and set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and np.array_equal(arrays[name], array)
    with np.load(written) as plain:  # and by anybody
        assert np.array_equal(plain["a"], ARRAYS["a"])


def test_the_same_arrays_are_the_same_bytes(written, tmp_path):
    write_arrays(tmp_path / "again.npz", "a form", 3, ARRAYS, {"who": "me"})
    assert (tmp_path / "again.npz").read_bytes() == written.read_bytes()


@given(place=st.floats(0.0, 1.0, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_is_an_error_or_changes_nothing(written, tmp_path, place, bit):
    data = bytearray(written.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path = tmp_path / "flipped.npz"
    path.write_bytes(data)
    try:
        arrays, note = read_arrays(path, "a form", 3)
    except InputError:
        return
    # a date or a flag that nobody reads
    assert note == {"who": "me"}
    assert all(np.array_equal(arrays[name], array) for name, array in ARRAYS.items())


@given(share=st.floats(0.0, 0.999))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_was_cut_off_is_an_error(written, tmp_path, share):
    data = written.read_bytes()
    path = tmp_path / "cut.npz"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError):
        read_arrays(path, "a form", 3)


@pytest.mark.parametrize(
    "member",
    [
        npy((1 << 40,), b"\0" * 8),  # asks for 8 TiB
        npy((2**62, 2**62), b"\0" * 8),
        npy((2,), b"\0" * 8),
        npy((0,), b"\0" * 8),
        npy((1,), b"\0" * 8, "|O"),
        b"not an array",
        b"",
    ],
    ids=["huge", "overflowing", "short", "long", "objects", "text", "empty"],
)
def test_forged_arrays_are_refused_before_anything_is_allocated(tmp_path, member):
    path = forged(tmp_path / "forged.npz", [("a.npy", member)])
    with pytest.raises(InputError):
        read_arrays(path, "a form", 3)


def test_too_much_is_refused(tmp_path, monkeypatch):
    path = forged(tmp_path / "bomb.npz", [("a.npy", npy((1000,), b"\0" * 8000))])
    monkeypatch.setattr(archive, "MOST_BYTES", 4000)
    with pytest.raises(InputError, match="unpacked"):
        read_arrays(path, "a form", 3)


@pytest.mark.parametrize(("form", "version"), [("another", 3), ("a form", 2)])
def test_another_format_or_version_is_refused(written, form, version):
    with pytest.raises(InputError, match=f"expected {form} {version}"):
        read_arrays(written, form, version)


def test_members_that_the_manifest_does_not_name_are_refused(tmp_path):
    member = npy((1,), b"\0" * 8)
    path = forged(tmp_path / "more.npz", [("a.npy", member), ("b.npy", member)], {"a.npy": "0"})
    with pytest.raises(InputError, match=r"b\.npy"):
        read_arrays(path, "a form", 3)


def test_a_failed_write_leaves_the_old_file(written, tmp_path, monkeypatch):
    path = tmp_path / "kept.npz"
    write_arrays(path, "a form", 3, ARRAYS)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(InputError, match="No space"):
        write_arrays(path, "a form", 3, {"a": np.zeros(9)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["kept.npz"]
