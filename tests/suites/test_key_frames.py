"""Animations between key frames: the spline against another form of it, loops and jumps."""

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.suites.floor import FAR
from astro_jax.suites.key_frames import check_frames, places_at, replayed

TIMES = np.array([0.0, 0.5, 3.0, 3.1, 7.0])
OPEN = np.array([[-10.0, 2.0], [-8.0, 3.0], [0.0, 0.0], [0.3, -0.2], [4.0, -10.0]])
CLOSED = np.concatenate([OPEN[:-1], OPEN[:1]])
BASIS = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
"""Of Catmull and Rom, for four points in a row and powers of the share."""


@pytest.mark.parametrize("frames", [OPEN, CLOSED])
def test_places_between_frames_are_catmull_and_roms(frames):
    for i in (1, 2):
        for s in (0.0, 0.1, 0.5, 0.99):
            now = TIMES[i] + s * (TIMES[i + 1] - TIMES[i])
            expected = s ** np.arange(4) @ BASIS @ frames[i - 1 : i + 3]
            found = places_at(TIMES, frames, 7.0, np.array([now, now + 7.0]))
            np.testing.assert_allclose(found, np.broadcast_to(expected, (2, 2)), atol=1e-9)


def speeds(frames: np.ndarray, now: float, share: float) -> np.ndarray:
    """Per unit of the segment's share, to the right of ``now``."""
    near = places_at(TIMES, frames, 7.0, np.array([now, now + 1e-6]))
    return (near[1] - near[0]) / (1e-6 / share)


def test_an_open_curve_sets_out_with_half_its_first_chord():
    np.testing.assert_allclose(speeds(OPEN, 0.0, 0.5), 0.5 * (OPEN[1] - OPEN[0]), atol=1e-4)


def test_a_closed_curve_goes_through_its_beginning_smoothly():
    tangent = 0.5 * (CLOSED[1] - CLOSED[-2])
    np.testing.assert_allclose(speeds(CLOSED, 0.0, 0.5), tangent, atol=1e-4)
    np.testing.assert_allclose(speeds(CLOSED, 7.0 - 1e-6, 3.9), tangent, atol=1e-4)


def test_a_jump_is_one_place_far_away_and_nothing_sweeps_the_floor():
    times = 0.05 * np.arange(400)
    places = replayed(TIMES, OPEN, 7.0, 2.03, times)
    away = np.all(places == FAR, axis=1)
    # at 4.97, 11.97 and 18.97 s
    np.testing.assert_array_equal(np.flatnonzero(away), [99, 239, 379])
    there = places_at(TIMES, OPEN, 7.0, times + 2.03)
    np.testing.assert_array_equal(places[~away], there[~away])
    # joined up, nothing on the floor but the course itself is passed
    close = np.hypot(*np.diff(places, axis=0).T) < 1.0
    np.testing.assert_array_equal(np.flatnonzero(~close), [98, 99, 238, 239, 378, 379])


def test_closed_loops_never_leave():
    places = replayed(TIMES, CLOSED, 7.0, 3.3, 0.05 * np.arange(400))
    assert np.abs(places).max() < 12.0


@pytest.mark.parametrize(
    ("times", "places", "duration", "expected"),
    [
        ([0.0], [[0.0, 0.0]], 0.0, "at least two"),
        ([0.1, 1.0], [[0.0, 0.0]] * 2, 1.0, "rise from 0"),
        ([0.0, 2.0, 1.0], [[0.0, 0.0]] * 3, 1.0, "rise from 0"),
        ([0.0, 1.0], [[0.0, 0.0]] * 2, 2.0, "duration"),
        ([0.0, 1.0], [[0.0, 0.0], [0.0, 900.0]], 1.0, "within 100 m"),
    ],
)
def test_frames_that_cannot_be_played_are_named(times, places, duration, expected):
    with pytest.raises(InputError, match=expected) as caught:
        check_frames("key_t of disc 3", np.array(times), np.array(places), duration, "a.npz")
    assert caught.value.field == "key_t of disc 3" and caught.value.where == "a.npz"
