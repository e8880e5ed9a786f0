"""How messages to a page are laid out in bytes.                                        [host]

    byte 0      version of this layout
    byte 1      what it is, a ``Kind``
    bytes 2, 3  zero
    bytes 4–7   length n of the header, a multiple of 4
    n bytes     header: JSON, padded with spaces; its ``arrays`` say where which array lies:
                {name: [type, shape, offset]}
    the rest    arrays, C order, each at a multiple of 4 bytes after the header

Types are ``f4``, ``i2`` and ``u1``; all numbers are little-endian.  A page reads the arrays in
place, without copying or parsing them.
"""

import enum
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from astro_jax.errors import InputError

VERSION = 1
TYPES = {"f4": "<f4", "i2": "<i2", "u1": "|u1"}
_NAMES = {np.dtype(numpy): name for name, numpy in TYPES.items()}
_FIRST = struct.Struct("<BBHI")


class Kind(enum.IntEnum):
    """What a message tells; of each kind only the newest counts."""

    HOUSE = 1
    """What stands where, doors, robot, sliders, colours."""
    ROUTE = 2
    """Guidance arrows."""
    FRAME = 3
    """One planning cycle."""
    NEWS = 4
    """Settings as they are, what is being prepared, what the robot was told."""
    ANSWER = 5
    """To one page alone: what came of its command.  None of these is left out."""


def pack(kind: Kind, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A message; numbers in ``head`` must be finite."""
    places, parts, offset = {}, [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array)
        places[name] = [_NAMES[data.dtype], list(data.shape), offset]
        padding = -data.nbytes % 4
        parts.append(data.tobytes() + bytes(padding))
        offset += data.nbytes + padding
    text = json.dumps({**head, "arrays": places}, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    return _FIRST.pack(VERSION, kind, 0, len(text)) + text + b"".join(parts)


def unpack(data: bytes) -> tuple[Kind, dict[str, Any], dict[str, np.ndarray]]:
    """(Kind, header, arrays) of ``pack``.

    Raises:
      InputError: it is no such message.
    """
    try:
        version, kind, _, size = _FIRST.unpack_from(data)
        if version != VERSION:
            raise InputError("version", version, str(VERSION))
        head = json.loads(data[_FIRST.size : _FIRST.size + size])
        begin, arrays = _FIRST.size + size, {}
        for name, (type_, shape, offset) in head.pop("arrays").items():
            count = math.prod(shape)
            flat = np.frombuffer(data, TYPES[type_], count, begin + offset)
            arrays[name] = flat.reshape(shape)
        return Kind(kind), head, arrays
    except InputError:
        raise
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("message", str(error), "a message of this layout") from error
