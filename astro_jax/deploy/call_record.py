"""One call of an artifact's function as bytes, and back.                              [host]

    u32      calls that were lost before this one, since the black box was opened
    u8 …     for every input, then every output, in the order of the schema: how it is told
    bytes …  of these in the same order, little-endian

An input is told in full or not at all: it is then what the last record that had this name, as an
input or an output, says.  An output is told in full, or not at all if it is what was handed in
under its name, or by its BLAKE2b-128 if it is large (maps, which follow from the inputs).
A file's first record tells every input, so that each file can be run on its own.
"""

import dataclasses
import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from astro_jax.deploy.arrays import Form, Kind
from astro_jax.deploy.manifest import Signature
from astro_jax.errors import InputError

SAME, FULL, HASHED = 0, 1, 2
LARGE = 4096
"""Bytes of an output that are hashed if there are more."""
_HASH = 16
_LOST = struct.Struct("<I")

Told = Mapping[str, tuple[Any, bytes]]
"""By name: the array that was handed over last, and its bytes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CallRecord:
    """What a record says."""

    lost: int
    inputs: Mapping[str, tuple[int, bytes]]
    """How it is told, and the bytes."""
    outputs: Mapping[str, tuple[int, bytes]]


def schema_of(signature: Signature) -> bytes:
    """JSON: names, types and shapes in the order of the bytes."""

    def listed(form: Form) -> list[list[Any]]:
        return [[name, kind.type, list(kind.shape)] for name, kind in form.items()]

    told = {"same": SAME, "full": FULL, "blake2b-128": HASHED}
    document = {
        "layout": "u32 lost, u8 told per array, bytes per array, u32 crc-32 of the file so far",
        "told": told,
        "inputs": listed(signature.inputs),
        "outputs": listed(signature.outputs),
    }
    return json.dumps(document).encode()


def encoded(
    signature: Signature,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    told: Told,
    lost: int,
) -> tuple[bytes, Told]:
    """A record, and what is known after it: ``told`` is what was known before."""
    before, codes, parts = dict(told), bytearray(), []
    for name, kind in signature.inputs.items():
        last, data = before.get(name, (None, None))
        if data is None or last is not inputs[name]:
            data = _bytes(inputs[name], kind)
        same = name in before and data == before[name][1]
        codes.append(SAME if same else FULL)
        parts.append(b"" if same else data)
        before[name] = (inputs[name], data)
    after = before.copy()
    for name, kind in signature.outputs.items():
        data = _bytes(outputs[name], kind)
        after[name] = (outputs[name], data)
        if name in signature.inputs and data == before[name][1]:
            codes.append(SAME)
        else:
            large = kind.bytes > LARGE
            codes.append(HASHED if large else FULL)
            parts.append(digest(data) if large else data)
    return b"".join([_LOST.pack(lost & 0xFFFFFFFF), bytes(codes), *parts]), after


def decoded(signature: Signature, body: bytes, where: str) -> CallRecord:
    """What ``encoded`` wrote.

    Raises:
      InputError: it is something else.
    """
    kinds = [*signature.inputs.values(), *signature.outputs.values()]
    names = [*signature.inputs, *signature.outputs]
    at = _LOST.size + len(kinds)
    codes, told = body[_LOST.size : at], []
    for number, (code, kind) in enumerate(zip(codes, kinds, strict=False)):
        size = {SAME: 0, FULL: kind.bytes, HASHED: _HASH}.get(code, len(body) + 1)
        output = number >= len(signature.inputs)
        if (code == HASHED and not output) or (
            code == SAME and output and names[number] not in signature.inputs
        ):
            raise InputError(names[number], f"told by {code}", "another way", where)
        told.append((code, body[at : at + size]))
        at += size
    if at != len(body) or len(codes) != len(kinds):
        raise InputError("record", f"{len(body)} bytes", f"{at}, as it says itself", where)
    pairs, count = list(zip(names, told, strict=True)), len(signature.inputs)
    (lost,) = _LOST.unpack_from(body)
    return CallRecord(lost=lost, inputs=dict(pairs[:count]), outputs=dict(pairs[count:]))


def digest(data: bytes) -> bytes:
    """BLAKE2b-128."""
    return hashlib.blake2b(data, digest_size=_HASH).digest()


def _bytes(array: Any, kind: Kind) -> bytes:
    # what IREE keeps on its device does not turn into NumPy's by itself
    array = array.to_host() if hasattr(array, "to_host") else array
    return np.asarray(array, kind.dtype).tobytes()
