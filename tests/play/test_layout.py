"""Messages: what is packed comes out again, and nothing else does."""

import struct

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from astro_jax.errors import InputError
from astro_jax.play.layout import Kind, pack, unpack

ARRAYS = arrays.arrays(
    some.sampled_from([np.dtype("f4"), np.dtype("i2"), np.dtype("u1")]),
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
)
HEADS = some.dictionaries(
    some.text(max_size=8).filter(lambda name: name != "arrays"),
    some.integers() | some.text(max_size=20) | some.floats(allow_nan=False, allow_infinity=False),
    max_size=4,
)


@settings(max_examples=40)
@given(some.sampled_from(Kind), HEADS, some.dictionaries(some.text(max_size=6), ARRAYS, max_size=4))
def test_round_trip(kind, head, parts):
    found, said, held = unpack(pack(kind, head, parts))
    assert (found, said) == (kind, head)
    assert held.keys() == parts.keys()
    for name, array in parts.items():
        assert held[name].dtype == array.dtype
        np.testing.assert_array_equal(held[name], array)


def test_layout_is_what_the_page_reads():
    """Byte by byte, as its documentation says; a DataView reads the same in the browser."""
    cells, places = np.array([7], np.uint8), np.array([[1.5, -2.0]], np.float32)
    data = pack(Kind.FRAME, {"cycle": 3}, {"cells": cells, "xy": places})
    version, kind, zero, size = struct.unpack("<BBHI", data[:8])
    assert (version, kind, zero, size % 4) == (1, 3, 0, 0)
    assert b'"xy":["f4",[1,2],4]' in data[8 : 8 + size]
    assert struct.unpack("<2f", data[8 + size + 4 :]) == (1.5, -2.0)


@given(some.binary(max_size=64))
def test_other_bytes_are_refused(data):
    with pytest.raises(InputError):
        unpack(data)


def test_numbers_that_json_does_not_know_are_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        pack(Kind.NEWS, {"x": float("nan")}, {})
