"""People around one who is taken out: on time, straight on beyond, bodies shared."""

import numpy as np
import pytest

from astro_jax.suites.eth_ucy import STEP, Scene
from astro_jax.suites.floor import FAR
from astro_jax.suites.passers_by import BEYOND, passers_by

BEFORE = round(BEYOND / STEP)


def recorded(*pieces, persons=None) -> Scene:
    """Pieces as (first step, places)."""
    return Scene(
        name="made up",
        file="made_up.txt",
        pieces=tuple(np.asarray(xy, float) for _, xy in pieces),
        begins=tuple(float(begin) for begin, _ in pieces),
        persons=tuple(persons or range(len(pieces))),
    )


def along(count: int, start=(0.0, 0.0), step=(0.5, 0.0)) -> np.ndarray:
    return np.array(start) + np.arange(count)[:, None] * np.array(step)


def test_others_are_where_they_were_at_that_moment():
    scene = recorded((100, along(30)), (90, along(50, (3.0, 2.0), (0.0, 0.1))))
    places, left_out = passers_by(scene, 0, 40, 3)
    assert left_out == 0 and places.shape == (3, 40, 2)
    np.testing.assert_allclose(places[0], along(50, (3.0, 2.0), (0.0, 0.1))[10:])
    assert (places[1:] == FAR).all()


def test_between_samples_they_are_in_between():
    scene = recorded((100.25, along(30)), (90, along(50, (3.0, 2.0), (0.0, 0.1))))
    places, _ = passers_by(scene, 0, 5, 1)
    np.testing.assert_allclose(places[0, :, 1], 2.0 + 0.1 * (10.25 + np.arange(5)))


def test_they_come_and_go_straight_on_and_then_are_gone():
    # turns at the end: the last three steps lead up
    path = np.concatenate([along(20, (0.0, 5.0), (0.4, 0.0)), [[7.6, 5.3], [7.6, 5.6], [7.6, 5.9]]])
    scene = recorded((0, along(200, (0.0, 50.0), (0.01, 0.0))), (60, path))
    places, _ = passers_by(scene, 0, 200, 1)
    here = np.flatnonzero(places[0, :, 0] != FAR)
    assert (here[0], here[-1]) == (60 - BEFORE, 60 + len(path) - 1 + BEFORE)
    np.testing.assert_allclose(places[0, 60 : 60 + len(path)], path)
    np.testing.assert_allclose(places[0, here[0]], [-0.4 * BEFORE, 5.0])
    np.testing.assert_allclose(places[0, here[-1]], [7.6, 5.9 + 0.3 * BEFORE])


def test_nobody_is_there_twice():
    scene = recorded(
        (0, along(30)), (35, along(30, (20.0, 0.0))), (0, along(30, (0.0, 3.0))), persons=[7, 7, 8]
    )
    places, left_out = passers_by(scene, 0, 80, 2)
    assert left_out == 0 and (places[1] == FAR).all()
    np.testing.assert_allclose(places[0, :30], along(30, (0.0, 3.0)))


def test_bodies_are_shared_and_everybody_is_on_the_floor_once():
    random = np.random.default_rng(5)
    crowd = [
        (
            int(random.integers(0, 400)),
            along(int(random.integers(3, 60)), (k + 1.0, 0.0), (0.0, 0.01)),
        )
        for k in range(60)
    ]
    scene = recorded((0, along(450, (0.0, -3.0), (0.0, 0.0))), *crowd)
    samples = 500
    whole, _ = passers_by(scene, 0, samples, 60)
    at_once = int((whole[..., 0] != FAR).sum(axis=0).max())
    assert at_once < 45
    shared, left_out = passers_by(scene, 0, samples, at_once + 3)
    assert left_out == 0
    # x tells who somebody is
    for moment in range(samples):
        there, expected = (
            np.sort(p[p[:, moment, 0] != FAR, moment], axis=0) for p in (shared, whole)
        )
        np.testing.assert_array_equal(there, expected)
    # nobody becomes somebody else without having been far away
    swap = np.abs(np.diff(shared[..., 0], axis=1))
    assert swap[swap > 0.5].min() > 0.5 * FAR


def test_who_comes_nearest_stays():
    way = along(30)
    crowd = [(0, along(30, (0.0, 1.0 + k))) for k in (4, 1, 3, 2)]
    places, left_out = passers_by(recorded((0, way), *crowd), 0, 30, 2)
    assert left_out == 2
    assert sorted(places[:, 0, 1]) == pytest.approx([2.0, 3.0])
