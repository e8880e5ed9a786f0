"""Records of a log file, in the MCAP format (mcap.dev/spec), and what guards them.    [host]

Only what a black box needs is written: no chunks and no index, so that whatever has been written
can be read, wherever the file ends.  Every message ends in the CRC-32 of the whole file before it:

    crcₖ = CRC-32(all bytes of the file before crcₖ)

so that a flipped bit anywhere is found by the next message.  A file that was cut off ends in part
of a record, which was never acknowledged and is left out.
"""

import dataclasses
import struct
import zlib
from collections.abc import Iterator, Mapping

from astro_jax.errors import InputError

MAGIC = b"\x89MCAP0\r\n"
ENCODING = "x-astro-arrays"
"""Of messages and schemas: see ``deploy/call_record.py``."""
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, METADATA, DATA_END = 1, 2, 3, 4, 5, 12, 15
_FRAME = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CRC = struct.Struct("<I")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Message:
    """One of a log."""

    topic: str
    number: int
    """From 0, within the file."""
    time: int
    """ns since 1970."""
    body: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Log:
    """A file that has been read."""

    schemas: Mapping[str, bytes]
    """By topic."""
    notes: Mapping[str, str]
    messages: tuple[Message, ...]
    cut: int
    """Bytes at the end that are no whole record."""
    where: str


def beginning(schemas: Mapping[str, bytes], notes: Mapping[str, str]) -> bytes:
    """Of a file: a topic for every schema, and notes about all of it."""
    parts = [MAGIC, _record(HEADER, _text("") + _text("astro_jax"))]
    for number, (topic, schema) in enumerate(schemas.items(), 1):
        named = struct.pack("<H", number) + _text(topic) + _text(ENCODING)
        parts.append(_record(SCHEMA, named + _sized(schema)))
        channel = struct.pack("<HH", number, number) + _text(topic) + _text(ENCODING)
        parts.append(_record(CHANNEL, channel + _sized(b"")))
    listed = b"".join(_text(name) + _text(value) for name, value in notes.items())
    parts.append(_record(METADATA, _text("manifest") + _sized(listed)))
    return b"".join(parts)


def message(channel: int, number: int, time: int, body: bytes, crc: int) -> bytes:
    """A record; ``crc`` is that of the file so far, channels count from 1."""
    head = _FRAME.pack(MESSAGE, _MESSAGE.size + len(body) + _CRC.size)
    record = head + _MESSAGE.pack(channel, number, time, time) + body
    return record + _CRC.pack(zlib.crc32(record, crc))


def ending(crc: int) -> bytes:
    """Of a file whose CRC so far is ``crc``; the footer has its own, as the format wants it."""
    footer = _FRAME.pack(FOOTER, 20) + bytes(16)
    return _record(DATA_END, _CRC.pack(crc)) + footer + _CRC.pack(zlib.crc32(footer)) + MAGIC


def read_log(data: bytes, where: str) -> Log:
    """What a file of these functions says, every byte of it checked.

    Raises:
      InputError: it is of another kind, or damaged.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise InputError("log", "of another kind", "a file of a black box (MCAP)", where)
    finished = data[-len(MAGIC) :] == MAGIC and len(data) > len(MAGIC)
    end = len(data) - len(MAGIC) if finished else len(data)
    schemas, notes, messages, topics = {}, {}, [], {}
    crc, done, last = zlib.crc32(MAGIC), len(MAGIC), None
    try:
        for code, begin, stop in _records(data, end):
            content = memoryview(data)[begin:stop]
            if code == MESSAGE:
                guarded = data[done : stop - _CRC.size]
                _check(zlib.crc32(guarded, crc), content[-_CRC.size :], where, done)
                messages.append(_message(content, topics, len(messages)))
            elif code in (HEADER, SCHEMA, CHANNEL, METADATA) and messages:
                raise ValueError(f"a record of kind {code} after the first message")
            elif code == SCHEMA:
                topic, schema = _schema(bytes(content))
                topics[len(topics) + 1] = topic
                schemas[topic] = schema
            elif code == METADATA:
                notes.update(_notes(bytes(content)))
            elif code == DATA_END:
                _check(crc, content, where, done)
            elif code == FOOTER:
                _check(zlib.crc32(data[done : stop - _CRC.size]), content[16:], where, done)
            elif code not in (HEADER, CHANNEL):
                raise ValueError(f"a record of kind {code}")
            crc, done, last = zlib.crc32(data[done:stop], crc), stop, code
    except (ValueError, KeyError, struct.error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("log", f"damaged ({error})", "sound", f"{where}, byte {done}") from None
    rest = data[done:]
    ended = rest == MAGIC if finished else MAGIC.startswith(rest)
    if ((finished or last == FOOTER) and not (last == FOOTER and ended)) or _goes_on(
        rest, len(messages)
    ):
        raise InputError("log", "damaged", "whole records", f"{where}, byte {done}")
    if not messages:
        raise InputError("log", "without a whole record", "at least one", where)
    return Log(schemas=schemas, notes=notes, messages=tuple(messages), cut=end - done, where=where)


def _records(data: bytes, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind, begin and end of the content of every whole record."""
    at = len(MAGIC)
    while at + _FRAME.size <= end:
        code, size = _FRAME.unpack_from(data, at)
        begin = at + _FRAME.size
        if begin + size > end:
            return
        at = begin + size
        yield code, begin, at


def _goes_on(rest: bytes, number: int) -> bool:
    """Whether a later message than the cut off one follows in it: then it was no cut."""
    needle, at = struct.pack("<I", number + 1), _FRAME.size + 3
    while (at := rest.find(needle, at)) >= 0:
        code, size = _FRAME.unpack_from(rest, at - _FRAME.size - 2)
        if code == MESSAGE and _MESSAGE.size <= size <= len(rest):
            return True
        at += 1
    return False


def _check(crc: int, found: memoryview, where: str, at: int) -> None:
    if _CRC.pack(crc) != bytes(found):
        expected = f"CRC-32 {crc:08x} of what is there: it is damaged"
        raise InputError("log", bytes(found).hex(), expected, f"{where}, byte {at}")


def _message(content: memoryview, topics: Mapping[int, str], expected: int) -> Message:
    channel, number, time, _ = _MESSAGE.unpack_from(content)
    if number != expected:
        raise ValueError(f"message {number} where {expected} has to be")
    body = bytes(content[_MESSAGE.size : -_CRC.size])
    return Message(topic=topics[channel], number=number, time=time, body=body)


def _schema(content: bytes) -> tuple[str, bytes]:
    topic, rest = _read(content[2:])
    _, rest = _read(rest)
    return topic.decode(), _read(rest)[0]


def _notes(content: bytes) -> dict[str, str]:
    rest = _read(_read(content)[1])[0]
    notes = {}
    while rest:
        name, rest = _read(rest)
        value, rest = _read(rest)
        notes[name.decode()] = value.decode()
    return notes


def _read(data: bytes) -> tuple[bytes, bytes]:
    """What ``_sized`` made, and the rest."""
    (size,) = struct.unpack_from("<I", data)
    if 4 + size > len(data):
        raise ValueError("a text beyond its record")
    return data[4 : 4 + size], data[4 + size :]


def _record(code: int, content: bytes) -> bytes:
    return _FRAME.pack(code, len(content)) + content


def _text(value: str) -> bytes:
    return _sized(value.encode())


def _sized(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value
