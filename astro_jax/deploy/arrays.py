"""Flat dictionaries of arrays as plain bytes, and nouns of arrays as flat dictionaries. [host]

A name is a dotted path (``state.plan.commands``).  The bytes are the arrays' own, little-endian,
one after the other in the order of a ``Form``, which says how many there have to be before any of
them is looked at.  No object is ever made of what a file says.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.errors import InputError, ShapeError

TYPES = {"f32": "<f4", "i32": "<i4", "u32": "<u4", "bool": "|b1"}
"""What an array can be made of."""
_NAMES = {np.dtype(numpy): name for name, numpy in TYPES.items()}
MOST_BYTES = 64 * 2**20
"""Of all arrays of a form together."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Of one array."""

    type: str
    """One of ``TYPES``."""
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of the array, exactly: Python's integers do not overflow."""
        return math.prod(self.shape) * np.dtype(TYPES[self.type]).itemsize

    @property
    def dtype(self) -> np.dtype:
        """NumPy's."""
        return np.dtype(TYPES[self.type])


Form = Mapping[str, Kind]
"""What a function takes or gives, by name, in the order of the names."""
Flat = Mapping[str, Any]
"""Arrays by name."""


def form_of(arrays: Flat) -> dict[str, Kind]:
    """Names, types and shapes; of arrays, tracers or ``jax.ShapeDtypeStruct``."""
    return {
        name: Kind(type=_NAMES[np.dtype(arrays[name].dtype)], shape=tuple(arrays[name].shape))
        for name in sorted(arrays)
    }


def to_bytes(form: Form, arrays: Flat) -> bytes:
    """The arrays of a form, one after the other."""
    return b"".join(np.asarray(arrays[name], kind.dtype).tobytes() for name, kind in form.items())


def from_bytes(form: Form, data: bytes, where: str) -> dict[str, np.ndarray]:
    """What ``to_bytes`` was given; read-only.

    Raises:
      InputError: there are more or fewer bytes than the form has.
    """
    size = sum(kind.bytes for kind in form.values())
    if size != len(data):
        raise InputError("arrays", f"{len(data)} bytes", f"{size} as the manifest says", where)
    arrays, begin = {}, 0
    for name, kind in form.items():
        part = memoryview(data)[begin : begin + kind.bytes]
        arrays[name] = np.frombuffer(part, kind.dtype).reshape(kind.shape)
        begin += kind.bytes
    return arrays


def checked(form: Form, arrays: Flat) -> dict[str, Any]:
    """The arrays that a form names, in its order.

    Raises:
      ShapeError: one is missing, or of another type or shape.
    """
    found = {}
    for name, kind in form.items():
        array = arrays.get(name)
        if array is None:
            raise ShapeError(name, "missing", f"{kind.type}{list(kind.shape)}")
        shape, dtype = getattr(array, "shape", ()), getattr(array, "dtype", None)
        if tuple(shape) != kind.shape or dtype != kind.dtype:
            raise ShapeError(name, f"{dtype}{list(shape)}", f"{kind.type}{list(kind.shape)}")
        found[name] = array
    return found


def flat(noun: Any, prefix: str = "") -> dict[str, Any]:
    """The arrays of nested dataclasses and tuples, by dotted path; keys as their bits."""
    if noun is None:
        return {}
    if dataclasses.is_dataclass(noun):
        parts = ((f.name, getattr(noun, f.name)) for f in dataclasses.fields(noun))
    elif isinstance(noun, tuple):
        parts = ((str(index), value) for index, value in enumerate(noun))
    else:
        return {prefix: jax.random.key_data(noun) if _is_key(noun) else noun}
    found = {}
    for name, value in parts:
        found.update(flat(value, _joined(prefix, name)))
    return found


def nested(like: Any, arrays: Flat, prefix: str = "") -> Any:
    """The noun of ``flat``: ``like`` with other arrays in it."""
    if like is None:
        return None
    if dataclasses.is_dataclass(like) and not isinstance(like, type):
        values = {
            field.name: nested(getattr(like, field.name), arrays, _joined(prefix, field.name))
            for field in dataclasses.fields(like)
        }
        return dataclasses.replace(like, **values)
    if isinstance(like, tuple):
        items = (nested(item, arrays, _joined(prefix, str(k))) for k, item in enumerate(like))
        return type(like)(items)
    return jax.random.wrap_key_data(arrays[prefix]) if _is_key(like) else arrays[prefix]


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _is_key(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
