"""What the system lets a process have, and has back."""

import ctypes

import numpy as np
import pytest

from astro_jax.process.rights import give_back, resident

BLOCKS, SIZE = 4000, 50_000
"""Bytes: too small for the C library to give one back by itself."""


@pytest.mark.skipif(
    getattr(ctypes.CDLL(None), "malloc_trim", None) is None, reason="not the GNU C library"
)
def test_what_lies_between_blocks_in_use_is_given_back():
    blocks = [np.ones(SIZE, np.uint8) for _ in range(BLOCKS)]
    kept = blocks[::50]
    blocks.clear()
    before = resident()
    assert give_back()
    assert before - resident() > 0.5 * BLOCKS * SIZE / 2**20
    assert all(block.all() for block in kept)
