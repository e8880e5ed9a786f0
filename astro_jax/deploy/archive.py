"""A file of named parts, of which every byte is accounted for.                      [host]

It is a zip archive, always the same bytes for the same parts.  Its comment, the last bytes of the
file, is the SHA-256 of everything before them: a flipped bit or a missing end is found before
anything is unpacked.  The hash guards against damage, not against malice: whoever can write the
file can write the hash.  What is unpacked is therefore bounded as well, before it is allocated.
"""

import hashlib
import io
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from astro_jax.errors import InputError

MOST_BYTES = 16 * 2**20
"""Of a file."""
MOST_UNPACKED = 64 * 2**20
"""Of all of its parts together."""
MOST_PARTS = 64
PART = re.compile(r"[a-z0-9][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*){0,3}")
"""Names of parts; none of them leads out of a folder."""
UNREADABLE = (zlib.error, struct.error, ValueError, EOFError, OSError, NotImplementedError)
"""What ``zipfile`` lets through of an archive that was made to be odd."""
SEAL = re.compile(rb"sha256:[0-9a-f]{64}")
_SEAL_BYTES = 71


def packed(parts: Mapping[str, bytes]) -> bytes:
    """The archive of these parts, in their order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, compresslevel=9)
        archive.comment = b"sha256:" + b"0" * 64
    body = buffer.getvalue()[:-_SEAL_BYTES]
    return body + _seal(body)


def unpacked(data: bytes, where: str) -> dict[str, bytes]:
    """The parts of an archive, in its order.

    Raises:
      InputError: it is damaged or cut off; a part has a name that leads elsewhere, comes twice or
        is a link or a folder; or the parts are more or larger than an artifact's can be.
    """
    body, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    if not SEAL.fullmatch(seal):
        raise InputError("artifact", "damaged, cut off or none", "a file from export", where)
    if seal != _seal(body):
        expected = f"{_seal(body).decode()} of what is there: it is damaged"
        raise InputError("artifact", seal.decode(), expected, where)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries, where)
            return {entry.filename: archive.read(entry) for entry in entries}
    except InputError:
        raise
    except (zipfile.BadZipFile, *UNREADABLE) as error:
        raise InputError("artifact", f"unreadable ({error})", "a file from export", where) from None


def _seal(body: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(body).hexdigest().encode()


def _check_entries(entries: list[zipfile.ZipInfo], where: str) -> None:
    """Nothing, if unpacking them is safe: sizes are those that unpacking stops at."""
    if len(entries) > MOST_PARTS:
        raise InputError("parts", len(entries), f"at most {MOST_PARTS}", where)
    seen = set()
    for entry in entries:
        # orig_filename: as it is written, before zipfile cuts it at a zero
        name = entry.orig_filename
        if not PART.fullmatch(name) or ".." in name:
            raise InputError("part", repr(name), "a plain name within the artifact", where)
        if name in seen:
            raise InputError("part", f"{name}, twice", "every part once", where)
        seen.add(name)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise InputError(f"part {name}", "a link or something else", "a plain file", where)
        if entry.flag_bits & 0x1 or entry.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise InputError(f"part {name}", "encrypted or packed", "stored or deflated", where)
    total = sum(entry.file_size for entry in entries)
    if total > MOST_UNPACKED:
        raise InputError("parts", f"{total} bytes", f"at most {MOST_UNPACKED} unpacked", where)


def read_file(path: Path) -> bytes:
    """The bytes of a plain file.

    Raises:
      InputError: there is none, it cannot be read, or it is too large for an artifact.
    """
    try:
        if not path.is_file():
            raise InputError("artifact", str(path), "an existing file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        expected = f"a readable file ({error.strerror})"
        raise InputError("artifact", str(path), expected) from None
    if len(data) > MOST_BYTES:
        raise InputError("size", "too large", f"at most {MOST_BYTES} bytes", str(path))
    return data


def write_file(path: Path, data: bytes) -> None:
    """Whole or not at all: a temporary file beside it, on the disk, then a rename.

    Raises:
      InputError: the place cannot be written; what was there is as it was.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        expected = f"a file that can be written ({error.strerror})"
        raise InputError("out", str(path), expected) from None
