"""The fastest of ten stops, in numbers."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from astro_jax.reactive import movers

from .cases import f32, mask


def stops_of(gap, leaving: Any = -1.0, spared: Any = -1.0, speeds: Any = None):
    """Of one person, the same at every moment; gap by gap of ten speeds."""
    rows = lambda row: f32(np.broadcast_to(np.reshape(row, (-1, 1, 1)), (10, 8, 1)))
    speeds = f32(np.arange(1, 11) / 10 if speeds is None else speeds)
    return movers.Stops(speeds=speeds, gap=rows(gap), leaving=rows(leaving), spared=rows(spared))


fastest = jax.jit(movers.fastest)
ALL = mask([True])


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (np.full(10, 0.01), np.inf),
        (np.full(10, 0.0), np.inf),
        (np.full(10, -0.01), 0.0),
        # between a speed that is and one that is not, by how far they are from it
        ([0.5, 0.4, 0.3, -0.1, -0.3, -0.5, -0.7, -0.9, -1.1, -1.3], 0.3 + 0.1 * 0.75),
        ([0.0, -0.1, *[-0.2] * 8], 0.1),
        ([0.2] * 9 + [-0.2], 0.95),
        # the fastest one of all that are
        ([0.2, -0.1, 0.1, -0.3, *[-0.5] * 6], 0.3 + 0.1 * 0.25),
        # and if the wanted one is, nothing slower matters
        ([0.2, *[-0.1] * 8, 0.1], np.inf),
        (np.full(10, np.nan), 0.0),
        ([0.2, np.nan, *[-0.5] * 8], 0.1),
        (np.full(10, np.inf), np.inf),
    ],
)
def test_the_fastest_of_ten_stops(gap, expected):
    assert float(fastest(stops_of(gap), ALL)) == pytest.approx(expected, abs=2e-5)
    assert np.isinf(fastest(stops_of(gap), mask([False])))


def test_what_is_granted_to_a_speed_is_not_granted_above_it():
    gap, some = np.full(10, -0.3), np.where(np.arange(10) < 4, 0.1, -1.0)
    # who is left counts as clear, at the last such speed and between it and the next
    assert float(fastest(stops_of(gap, some, some), ALL)) == pytest.approx(0.4 + 0.1 / 4, abs=1e-5)
    none = np.where(np.arange(10) < 4, 0.0, -1.0)
    assert float(fastest(stops_of(gap, none, some), ALL)) == pytest.approx(0.4 + 0.1 / 4, abs=1e-5)
    assert np.isinf(fastest(stops_of(gap, 0.0, 0.0), ALL))
    # who is passed slowly does only at it
    assert float(fastest(stops_of(gap, -1.0, some), ALL)) == pytest.approx(0.4, abs=1e-5)
    # or at .25, where that is more
    slow = stops_of(gap, -1.0, some, speeds=0.06 * np.arange(1, 11))
    assert float(fastest(slow, ALL)) == pytest.approx(0.25, abs=1e-5)
    # one moment is enough to be touched
    touched = stops_of(np.full(10, 0.1))
    once = np.array(touched.gap)
    once[:, 3] = -0.1
    assert float(fastest(dataclasses.replace(touched, gap=once), ALL)) == 0.0
