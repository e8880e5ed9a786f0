"""Messages as bytes and back: CDR, as ROS 2 sends it.                               [host]

    00 01 00 00   little-endian, plain CDR (XCDR version 1)
    …             the fields in order; a primitive of n bytes begins at a multiple of n (from here)
    string        u32 length with its final 0, UTF-8
    sequence      u32 count, then the elements

A dictionary may leave fields out: they are zero or empty.  Sequences of numbers, and of messages of
nothing but one kind of number (points), are NumPy arrays.  What comes in is believed in nothing:
counts and lengths are held against the bytes that are there before anything is made of them.

Source: OMG, DDS-XTypes 1.3 §7.4 (formal/20-02-04).
"""

import functools
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from astro_jax.errors import MessageError
from astro_jax.wire.definitions import DEFINITIONS, PRIMITIVES, split_type

HEADER = b"\x00\x01\x00\x00"
_BIG = b"\x00\x00"
MOST_BYTES = 16 * 2**20
"""Of a message."""
DEEPEST = 256
"""Elements of a sequence of messages that are read: more is a flood, not a scene."""

Values = Mapping[str, Any]


def encoded(name: str, message: Values) -> bytes:
    """The bytes of a message.

    Raises:
      MessageError: a field is unknown or of another kind.
    """
    out = bytearray()
    try:
        _write(out, name, message)
    except (TypeError, ValueError, OverflowError, AttributeError, struct.error) as error:
        raise MessageError(name, str(error), "values of its fields' types") from None
    return HEADER + bytes(out)


def decoded(name: str, data: bytes) -> dict[str, Any]:
    """A message from bytes; its arrays are the caller's own.

    Raises:
      MessageError: the bytes are not those of such a message.
    """
    if data[:2] not in (HEADER[:2], _BIG):
        raise MessageError(name, data[:4].hex(), "plain CDR", "wire")
    if len(data) > MOST_BYTES:
        raise MessageError(name, f"{len(data)} bytes", f"at most {MOST_BYTES}", "wire")
    reader = _Reader(name, data[4:], "<" if data[1] else ">")
    found = reader.message(name)
    # senders fill up to a multiple of four
    if len(reader.data) - reader.at > 3:
        expected = f"{reader.at} bytes, as it says itself"
        raise MessageError(name, f"{len(reader.data)} bytes", expected, "wire")
    return found


def _write(out: bytearray, name: str, message: Values) -> None:
    fields = DEFINITIONS[name]
    unknown = message.keys() - fields.keys()
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    for field, kind in fields.items():
        element, count = split_type(kind)
        value = message.get(field)
        if count is None:
            _write_one(out, element, value)
            continue
        uniform = _uniform(element)
        if uniform:
            _write_array(out, uniform, value, count)
            continue
        items = [] if value is None else value
        if count == 0:
            _write_number(out, "I", len(items))
        for item in items:
            _write_one(out, element, item)


def _write_one(out: bytearray, kind: str, value: Any) -> None:
    if kind == "string":
        text = ("" if value is None else value).encode() + b"\0"
        _write_number(out, "I", len(text))
        out += text
    elif kind in PRIMITIVES:
        _write_number(out, PRIMITIVES[kind], 0 if value is None else value)
    else:
        _write(out, kind, {} if value is None else value)


def _write_number(out: bytearray, code: str, value: Any) -> None:
    packing = struct.Struct("<" + code)
    out += bytes(-len(out) % packing.size)
    out += packing.pack(value)


def _write_array(out: bytearray, uniform: tuple[str, int], value: Any, count: int) -> None:
    code, width = uniform
    array = np.zeros((count, width) if width > 1 else count) if value is None else value
    array = np.asarray(array, np.dtype(f"<{_NUMPY[code]}"))
    elements = array.size // width
    if array.size % width or (count and elements != count):
        raise ValueError(f"{array.shape} numbers, expected {count or 'n'} x {width}")
    if count == 0:
        _write_number(out, "I", elements)
    if elements:
        out += bytes(-len(out) % array.itemsize)
        out += array.tobytes()


_NUMPY = {"?": "b1", "B": "u1", "b": "i1", "i": "i4", "I": "u4", "f": "f4", "d": "f8"}


@functools.cache
def _uniform(kind: str) -> tuple[str, int] | None:
    """(Code, how many) if an element is nothing but so many numbers of one kind."""
    if kind in PRIMITIVES:
        return PRIMITIVES[kind], 1
    codes = {PRIMITIVES.get(field) for field in DEFINITIONS.get(kind, {}).values()}
    code = codes.pop() if len(codes) == 1 else None
    return (code, len(DEFINITIONS[kind])) if code else None


class _Reader:
    """Where in the bytes we are."""

    def __init__(self, name: str, data: bytes, order: str) -> None:
        self.name, self.data, self.order, self.at = name, data, order, 0

    def message(self, name: str) -> dict[str, Any]:
        return {field: self.field(kind) for field, kind in DEFINITIONS[name].items()}

    def field(self, kind: str) -> Any:
        element, count = split_type(kind)
        if count is None:
            return self.one(element)
        uniform = _uniform(element)
        count = count or self.number("I")
        if uniform:
            return self.array(*uniform, count)
        if count > DEEPEST:
            raise MessageError(self.name, f"{count} x {element}", f"at most {DEEPEST}", "wire")
        return [self.one(element) for _ in range(count)]

    def one(self, kind: str) -> Any:
        if kind == "string":
            text = self.bytes(self.number("I"), 1)
            try:
                return text.rstrip(b"\0").decode()
            except UnicodeDecodeError:
                raise MessageError(self.name, text[:40].hex(), "UTF-8", "wire") from None
        return self.number(PRIMITIVES[kind]) if kind in PRIMITIVES else self.message(kind)

    def number(self, code: str) -> Any:
        packing = struct.Struct(self.order + code)
        (value,) = packing.unpack(self.bytes(packing.size, packing.size))
        return value

    def array(self, code: str, width: int, count: int) -> np.ndarray:
        dtype = np.dtype(self.order + _NUMPY[code])
        size = count * width * dtype.itemsize
        data = self.bytes(size, dtype.itemsize if count else 1)
        # one byte may hold more than true and false
        array = np.frombuffer(data, "u1") != 0 if code == "?" else np.frombuffer(data, dtype)
        array = array.astype(dtype.newbyteorder("="))
        return array.reshape(count, width) if width > 1 else array

    def bytes(self, size: int, align: int) -> bytes:
        begin = self.at + -self.at % align
        if begin + size > len(self.data):
            expected = f"{begin + size} bytes at least"
            raise MessageError(self.name, f"{len(self.data)} bytes", expected, "wire")
        self.at = begin + size
        return self.data[begin : self.at]
