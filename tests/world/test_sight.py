"""What a scan saw free: against rays through true rooms, and what it means for tracks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.types import Detections, Scan
from astro_jax.world.grid import beam_bearings
from astro_jax.world.people import CREDIT, PERSISTENCE, follow, no_tracks
from astro_jax.world.sight import CLOSE, HIDDEN, free_towards, glance, looked_at

ROBOT = DEFAULT_ROBOT
BEARINGS = beam_bearings(ROBOT.sensor).astype(float)
STEP = BEARINGS[1] - BEARINGS[0]


def scan_of(ranges, pose=(0.0, 0.0, 0.0), valid=None, free=None):
    return Scan(
        ranges=jnp.asarray(ranges, jnp.float32),
        valid=jnp.asarray(np.ones(len(ranges), bool) if valid is None else valid),
        pose_map=jnp.asarray(pose, jnp.float32),
        age=jnp.float32(0.1),
        free=None if free is None else jnp.asarray(free, jnp.float32),
    )


@jax.jit
def towards(scan, points):
    return free_towards(ROBOT, glance(ROBOT, scan), points)


def test_free_towards_is_the_least_of_the_beams_around():
    random = np.random.default_rng(0)
    for _ in range(20):
        ranges = random.uniform(0.3, 6.0, len(BEARINGS))
        pose = [*random.uniform(-3, 3, 2), random.uniform(-7, 7)]
        bearing = random.uniform(-np.pi, np.pi, 50)
        far = random.uniform(0.2, 5.0, 50)
        points = pose[:2] + far[:, None] * np.stack(
            [np.cos(bearing + pose[2]), np.sin(bearing + pose[2])], axis=1
        )
        distance, free = towards(scan_of(ranges, pose), jnp.asarray(points, jnp.float32))
        np.testing.assert_allclose(distance, far, atol=1e-4)
        for k in range(50):
            nearest = np.argmin(np.abs(BEARINGS - bearing[k]))
            if abs(BEARINGS[nearest] - bearing[k]) > 0.51 * STEP:
                assert free[k] == 0.0
            elif abs(abs(BEARINGS[nearest] - bearing[k]) - 0.5 * STEP) > 1e-4:
                beside = ranges[max(nearest - 1, 0) : nearest + 2]
                assert float(free[k]) == pytest.approx(beside.min(), rel=1e-5)


def test_nothing_is_free_where_a_beam_says_nothing():
    ranges = np.full(len(BEARINGS), np.inf)
    ahead = jnp.array([[2.0, 0.0]])
    middle = len(BEARINGS) // 2
    assert float(towards(scan_of(ranges), ahead)[1][0]) == ROBOT.sensor.range_max
    ranges[middle] = np.nan
    assert float(towards(scan_of(ranges), ahead)[1][0]) == 0.0
    ranges[middle] = np.inf
    valid = np.arange(len(BEARINGS)) != middle
    assert float(towards(scan_of(ranges, valid=valid), ahead)[1][0]) == 0.0
    free = np.full(len(BEARINGS), 1.5)
    assert float(towards(scan_of(ranges, free=free), ahead)[1][0]) == 1.5
    lost = scan_of(ranges, pose=(np.nan, 0.0, 0.0))
    assert float(towards(lost, ahead)[1][0]) == 0.0


def tracks_at(places):
    blank = no_tracks(len(places))
    return dataclasses.replace(
        blank,
        xy_map=jnp.asarray(places, jnp.float32),
        xy_var=jnp.full(len(places), 0.01),
        velocity_var=jnp.full(len(places), 0.02),
        valid=jnp.ones(len(places), bool),
        credit=jnp.full(len(places), PERSISTENCE),
    )


def test_who_is_behind_the_robot_or_a_wall_is_not_looked_at():
    wall = np.where(np.abs(BEARINGS) < 0.3, 1.5, 8.0)
    places = [(1.0, 0.0), (1.4, 0.0), (2.5, 0.0), (0.0, 3.0), (-1.5, 0.0)]
    seen = looked_at(ROBOT, scan_of(wall), tracks_at(places))
    assert seen.tolist() == [True, True, False, True, False]
    edge = 1.5 + float(tracks_at(places).radius[0]) + HIDDEN
    for beyond in (-0.05, 0.05):
        one = tracks_at([(edge + beyond, 0.0)])
        assert looked_at(ROBOT, scan_of(wall), one).tolist() == [beyond < 0.0]


def test_close_by_only_a_place_that_is_seen_through_is_looked_at():
    for ahead in (0.9 * CLOSE, 1.1 * CLOSE):
        body = tracks_at([(ahead, 0.0)])
        on_it = np.where(np.abs(BEARINGS) < 0.3, ahead - 0.2, 8.0)
        assert looked_at(ROBOT, scan_of(on_it), body).tolist() == [ahead > CLOSE]
        assert looked_at(ROBOT, scan_of(np.full(len(BEARINGS), 8.0)), body).tolist() == [True]


def unseen(age):
    """A frame with nobody in it."""
    return Detections(
        xy_map=jnp.zeros((2, 2)),
        xy_cov=jnp.broadcast_to(0.0025 * jnp.eye(2), (2, 2, 2)),
        radius=jnp.full(2, 0.22),
        kind=jnp.zeros(2, jnp.int32),
        identity=jnp.full(2, -1, jnp.int32),
        seen=jnp.zeros(2, bool),
        age=jnp.float32(age),
    )


def lifetime(looked, credit=PERSISTENCE):
    """Seconds for which somebody lives on who stood still and is not seen again."""
    cycle = jax.jit(lambda tracks: follow(tracks, unseen(0.1), jnp.zeros(2), 0.1, looked))
    tracks = dataclasses.replace(tracks_at([(-1.0, 0.0)]), credit=jnp.full(1, credit))
    tracks = dataclasses.replace(tracks, age=jnp.float32(0.1))
    for k in range(100):
        if not bool(tracks.valid[0]):
            return 0.1 * k
        tracks = cycle(tracks)
    return np.inf


def test_who_is_not_looked_at_is_forgotten_only_when_they_may_be_anywhere():
    looked = lifetime(jnp.array([True]))
    away = lifetime(jnp.array([False]))
    assert looked == pytest.approx(PERSISTENCE, abs=0.11)
    assert looked + 0.8 < away < 5.0
    assert lifetime(jnp.array([False]), credit=CREDIT) > looked
