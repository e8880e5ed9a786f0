"""Arrays in a file that is whole or not there: an npz with a hash of everything in it.   [host]

A plain npz archive (a zip of ``NAME.npy``), and in it ``manifest.json``:

    {"format": "astro_jax drive", "version": 1, "sha256": {"time.npy": "…", …}}

with the hash of each member's bytes.  Whatever does not agree with it is refused; nothing is
allocated before the sizes have been looked at, and nothing is ever unpickled.
"""

import hashlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.errors import InputError

MOST_BYTES = 512 << 20
"""Of a file, unpacked."""
MOST_MEMBERS = 1000
MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 1 << 20
_BROKEN = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What zip files and arrays that were cut off or changed raise."""


def write_arrays(
    path: Path, form: str, version: int, arrays: Mapping[str, np.ndarray], note: Any = None
) -> None:
    """Write whole or not at all; ``note`` is anything that JSON can say.

    Raises:
      InputError: the place cannot be written.
    """
    members = {f"{name}.npy": _npy(np.asarray(array)) for name, array in arrays.items()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    manifest = {"format": form, "version": version, "sha256": hashes, "note": note}
    members[MANIFEST] = json.dumps(manifest, allow_nan=False).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            # a fixed date: the same arrays are the same file
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    write_whole(path, packed.getvalue())


def write_whole(path: Path, data: bytes, field: str = "file") -> None:
    """Write and flush beside, then rename: a crash leaves the old file or the new one.

    Raises:
      InputError: the place cannot be written.
    """
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            beside = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
        beside = None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(field, str(path), f"a file that can be written ({reason})") from error
    finally:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)


def read_arrays(path: Path, form: str, version: int) -> tuple[dict[str, np.ndarray], Any]:
    """(Arrays by name, note) of a file that ``write_arrays`` could have written.

    Raises:
      InputError: no such file, no archive, of another format or version, too large, an array
        that is cut off, changed, of objects, or missing.
    """
    where = str(path)
    if not path.is_file():
        raise InputError("file", where, "an existing file")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            whole = sum(info.file_size for info in members.values())
            if whole > MOST_BYTES or len(archive.infolist()) > MOST_MEMBERS:
                most = f"at most {MOST_BYTES >> 20} MiB in {MOST_MEMBERS} arrays"
                raise InputError("file", f"{whole} bytes unpacked", most, where)
            if len(members) < len(archive.infolist()) or MANIFEST not in members:
                raise InputError("file", "without a manifest", f"a file of format {form}", where)
            if members[MANIFEST].file_size > MOST_MANIFEST_BYTES:
                raise InputError(MANIFEST, "too large", f"{MOST_MANIFEST_BYTES} bytes", where)
            hashes, note = _manifest(archive.read(MANIFEST), form, version, where)
            if set(hashes) != set(members) - {MANIFEST}:
                found = sorted(set(hashes) ^ (set(members) - {MANIFEST}))[:3]
                raise InputError("file", ", ".join(found), "just what the manifest names", where)
            arrays = {}
            for name, expected in hashes.items():
                data = archive.read(name)
                if hashlib.sha256(data).hexdigest() != expected:
                    raise InputError(name, "changed", "bytes that agree with their hash", where)
                arrays[name.removesuffix(".npy")] = _array(data, name, where)
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError("file", where, f"an archive of arrays ({error})") from error
    return arrays, note


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _array(data: bytes, name: str, where: str) -> np.ndarray:
    """The array of a member, once its header is seen to describe the bytes that are there."""
    buffer = io.BytesIO(data)
    kind = np.lib.format.read_magic(buffer)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if kind not in read:
        raise InputError(name, kind, "an array of version 1 or 2", where)
    shape, _, dtype = read[kind](buffer)
    size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
    if dtype.hasobject or size != len(data) - buffer.tell():
        raise InputError(name, f"{dtype} {shape}", "plain numbers, as many as it says", where)
    buffer.seek(0)
    return np.lib.format.read_array(buffer, allow_pickle=False)


def _manifest(data: bytes, form: str, version: int, where: str) -> tuple[dict[str, str], Any]:
    try:
        held = json.loads(data)
        hashes = {str(name): str(value) for name, value in held["sha256"].items()}
        found, number = held["format"], held["version"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(MANIFEST, "malformed", "format, version and sha256", where) from error
    if found != form or number != version:
        raise InputError("format", f"{found} {number}", f"{form} {version}", where)
    return hashes, held.get("note")
