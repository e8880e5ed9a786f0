"""What is new, what is in sight and what repeats, against rays that are cast one by one."""

import dataclasses

import jax
import numpy as np
import pytest

from astro_jax.reactive import sight
from astro_jax.reactive.path import Path
from astro_jax.world.sight import Glance, glance

from .cases import (
    BEAMS,
    BEARINGS,
    OPEN,
    ROBOT,
    SIGHT,
    TICK,
    Case,
    case_of,
    cast,
    eye_of,
    f32,
    put,
    ranges_to,
    scan_of,
    seen_before,
    tracks_of,
)

NOISE, POSE_NOISE = 0.01, (0.004, 0.004, 0.003)
"""Standard deviations of ranges (m) and of the eye's pose (m, m, rad) in the tests below."""


@jax.jit
def new_returns(senses, memory):
    points, returned, _ = sight.nearby(ROBOT, senses)
    _, mine = sight.claims(senses.tracks, points, returned, senses.scan.age)
    unclaimed = returned & ~jax.numpy.any(mine, axis=0)
    return sight.new_points(ROBOT, memory, points, unclaimed), returned


def look_twice(before, after, start, end, random, tracks=None):
    """(New, returned) beams of a look at ``after`` from ``end``, remembering ``before``.

    Both are (discs, walls); every look has its own noise.
    """

    def look(scene, pose):
        eye = eye_of(pose)
        ranges = cast(eye, *scene) + NOISE * random.normal(size=BEAMS)
        return ranges, eye + np.array(POSE_NOISE) * random.normal(size=3)

    memory = seen_before(*look(before, start), start)
    ranges, eye = look(after, end)
    senses = case_of(pose=end).senses
    senses = put(senses, "scan", scan_of(ranges, eye))
    senses = put(senses, "tracks", tracks or tracks_of())
    return map(np.asarray, new_returns(senses, memory))


def room(random):
    """Walls around the origin, with a corner that hides something, and some furniture."""
    x, y = random.uniform(0.6, 1.4, 2)
    walls = [(-2, y, x, y), (x, y, x, y + 1), (-2, -y, 2, -y), (1.5, -2, 1.5, 2)]
    legs = [(*random.uniform(0.4, 1.2, 2) * random.choice([-1, 1], 2), 0.02) for _ in range(3)]
    return legs, walls


def step(random):
    """A pose, and another that the robot may reach within twice the memory's time."""
    start = np.array([*random.uniform(-0.1, 0.1, 2), random.uniform(-3, 3)])
    v, omega, t = random.uniform(-0.25, 0.75), random.uniform(-1.2, 1.2), random.uniform(0.2, 0.4)
    yaw = start[2] + 0.5 * omega * t
    return start, start + t * np.array([v * np.cos(yaw), v * np.sin(yaw), omega])


def test_what_drops_in_where_it_was_free_is_new():
    random, found = np.random.default_rng(0), 0
    scenes = 150
    for _ in range(scenes):
        legs, walls = room(random)
        start, end = step(random)
        bearing, far = random.uniform(-1.5, 1.5), random.uniform(0.3, 0.5)
        eye = eye_of(end)
        thing = (
            eye[0] + far * np.cos(eye[2] + bearing),
            eye[1] + far * np.sin(eye[2] + bearing),
            0.1,
        )
        new, _ = look_twice((legs, walls), ([*legs, thing], walls), start, end, random)
        hits = cast(eye, [thing]) < cast(eye, legs, walls) - sight.NEW - 0.05
        found += bool(np.any(new & hits))
    # out of the old view, or behind a leg, it may stay unnoticed
    assert found >= 0.95 * scenes


@pytest.mark.parametrize("moves", [False, True])
def test_what_only_comes_into_view_is_hardly_ever_new(moves):
    """Walls, corners and thin legs, seen twice, with noise, from two places: false alarms."""
    random, alarms, returns = np.random.default_rng(1), 0, 0
    scenes, alarmed = 400, 0
    for _ in range(scenes):
        scene = room(random)
        start, end = step(random)
        new, returned = look_twice(scene, scene, start if moves else end, end, random)
        alarms, returns = alarms + int(np.sum(new)), returns + int(np.sum(returned))
        alarmed += bool(np.any(new))
    assert returns > 60 * scenes
    assert alarms <= (3e-4 if moves else 1e-4) * returns, (alarms, returns)
    assert alarmed <= (0.05 if moves else 0.01) * scenes, alarmed


def test_a_track_explains_what_is_new_and_its_age_is_reckoned_with():
    """Somebody walked in; the tracker said so half a second ago."""
    walker = (0.9, 0.0, 0.2)
    for xy, velocity, explained in (
        ((0.9, 0.0), (0.0, 0.0), True),
        ((0.9, -0.46), (0.0, 1.0), True),  # .46 s of walking before the scan
        ((0.9, -0.46), (0.0, -1.0), False),
        ((0.9, 0.8), (0.0, 0.0), False),
    ):
        tracks = tracks_of([xy], velocity, age=0.5, radius=0.2)
        random = np.random.default_rng(2)
        new, _ = look_twice(([], []), ([walker], []), np.zeros(3), np.zeros(3), random, tracks)
        assert np.any(new) == (not explained), (xy, velocity)


def test_new_is_only_what_returned_in_the_window():
    random = np.random.default_rng(3)
    for far in (0.7, 1.3):
        new, returned = look_twice(
            ([], []), ([(far, 0.0, 0.1)], []), np.zeros(3), np.zeros(3), random
        )
        assert np.any(returned) == np.any(new) == (far < sight.WINDOW)


def test_what_was_out_of_view_is_not_new():
    """Behind the sensor nothing was free; turning round shows what always stood there."""
    random = np.random.default_rng(4)
    behind = [(-0.8, 0.0, 0.15)]
    half = np.pi / 2
    new, returned = look_twice(
        (behind, []), (behind, []), np.zeros(3), np.array([0.0, 0.0, half]), random
    )
    assert np.any(returned) and not np.any(new)


# ---- how far the way is in sight -------------------------------------------------------


@jax.jit
def seen(ranges, eye, poses, lengths):
    now = Glance(free=ranges, eye_map=eye)
    return sight.seen_way(ROBOT, now, Path(poses=poses, times=lengths, lengths=lengths))


def seen_metres(scene, poses):
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(poses[:, :2], axis=0).T))])
    eye = eye_of((0.0, 0.0, 0.0))
    return float(
        seen(f32(np.minimum(cast(eye, *scene), SIGHT)), f32(eye), f32(poses), f32(lengths))
    )


def straight(heading=0.0, count=20, each=0.06):
    s = each * np.arange(count)
    return np.stack([s * np.cos(heading), s * np.sin(heading), np.full(count, 0.0)], axis=1)


def seen_twin(scene, poses):
    """By the docstring: rays to every corner of every pose."""
    corners = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)]) * [
        ROBOT.length / 2,
        ROBOT.width / 2,
    ]
    eye, free = eye_of((0, 0, 0)), np.minimum(cast(eye_of((0, 0, 0)), *scene), SIGHT)
    for k, (x, y, yaw) in enumerate(poses):
        for cx, cy in corners:
            px = x + np.cos(yaw) * cx - np.sin(yaw) * cy
            py = y + np.sin(yaw) * cx + np.cos(yaw) * cy
            over = max(abs(px) - ROBOT.length / 2, 0.0), max(abs(py) - ROBOT.width / 2, 0.0)
            if np.hypot(*over) < sight.UNSEEN_ALLOWED:
                continue
            away = np.array([px, py]) - eye[:2]
            bearing = np.arctan2(away[1], away[0])
            nearest = int(np.argmin(np.abs(BEARINGS - bearing)))
            inside = abs(bearing) <= BEARINGS[-1] + 0.5 * (BEARINGS[1] - BEARINGS[0])
            around = free[max(nearest - 1, 0) : nearest + 2]
            if not inside or np.min(around) <= np.hypot(*away) - sight.NEW:
                return float(np.sum(np.hypot(*np.diff(poses[: k + 1, :2], axis=0).T)))
    return np.inf


def test_seen_way_is_its_twin():
    random, found = np.random.default_rng(5), []
    for _ in range(80):
        scene, heading = room(random), random.uniform(-3, 3)
        poses = straight(heading)
        poses[:, 2] = random.uniform(-0.1, 0.1) * np.arange(20)
        found.append(seen_metres(scene, poses))
        assert found[-1] == pytest.approx(seen_twin(scene, poses), abs=1e-4)
    assert len(set(np.round(found, 3))) > 5


def test_a_corner_hides_the_way_around_it():
    """A wall on the left up to x = .6, and a way that turns left behind it."""
    walls = [(-1.0, 0.3, 0.6, 0.3), (0.6, 0.3, 0.6, 1.5)]
    s = 0.08 * np.arange(20)
    turn = np.clip((s - 0.7) / 0.35, 0.0, np.pi / 2)
    x = np.minimum(s, 0.7) + 0.35 * np.sin(turn)
    y = 0.35 * (1 - np.cos(turn)) + np.maximum(s - 0.7 - 0.35 * np.pi / 2, 0.0)
    around = np.stack([x, y, turn], axis=1)
    assert 0.4 < seen_metres(([], walls), around) < 1.3
    assert seen_metres(([], []), straight(count=12)) == np.inf


def test_behind_the_sensor_nothing_is_in_sight():
    backwards = seen_metres(([], []), straight(np.pi, each=0.03))
    assert 0.0 < backwards <= sight.UNSEEN_ALLOWED + 0.03
    turning = np.zeros((20, 3))
    turning[:, 2] = np.linspace(0.0, 0.7, 20)
    assert seen_metres(([], []), turning) == np.inf
    # of 1.6 m of sight the front of the robot is already .31 m
    ahead = seen_metres(([], []), straight(each=0.1))
    assert ahead == pytest.approx(SIGHT - ROBOT.length / 2 + ROBOT.sensor.mount_x, abs=0.22)


def test_one_beam_that_says_nothing_hides_nothing():
    """Between two that do; two of them are a gap."""
    eye, poses = f32(eye_of((0.0, 0.0, 0.0))), f32(straight())
    # 8° to the left the front left corner comes by
    first = int(np.argmin(np.abs(BEARINGS - np.radians(8.0))))
    for silent, hidden in ((0, False), (1, False), (2, True)):
        free = np.full(BEAMS, 3.0)
        free[first : first + silent] = 0.0
        assert np.isfinite(seen(f32(free), eye, poses, poses[:, 0])) == hidden


# ---- what is remembered ----------------------------------------------------------------


def test_sighted_is_the_smaller_share():
    scan = scan_of(np.full(BEAMS, 1.0), (0, 0, 0))
    assert float(sight.sighted(ROBOT, scan)) == 1.0
    ahead = np.abs(BEARINGS) <= sight.AHEAD
    for lost, share in (
        (ahead, 0.0),
        (~ahead, np.mean(ahead)),
        (np.arange(BEAMS) % 2 == 0, 0.5),
    ):
        invalid = dataclasses.replace(scan, valid=~lost)
        assert float(sight.sighted(ROBOT, invalid)) == pytest.approx(share, abs=0.02)
        not_a_number = dataclasses.replace(scan, ranges=f32(np.where(lost, np.nan, 1.0)))
        assert float(sight.sighted(ROBOT, not_a_number)) == pytest.approx(share, abs=0.02)


def test_a_glance_is_free_up_to_what_is_known():
    ranges = np.full(BEAMS, np.inf)
    ranges[:4] = [1.0, np.nan, 0.5, 1.2]
    scan = scan_of(np.where(np.isnan(ranges), 1.0, ranges), (0, 0, 0))
    scan = dataclasses.replace(scan, ranges=f32(ranges), valid=np.arange(BEAMS) != 3)
    free = np.asarray(glance(ROBOT, scan).free)
    np.testing.assert_allclose(free[:5], [1.0, 0.0, 0.5, 0.0, SIGHT])
    bare = dataclasses.replace(scan, free=None)
    free = np.asarray(glance(ROBOT, bare).free)
    np.testing.assert_allclose(free[:5], [1.0, 0.0, 0.5, 0.0, ROBOT.sensor.range_max])


@jax.jit
def remember(case: Case):
    now = glance(ROBOT, case.senses.scan)
    return sight.remember(case.state.memory, case.senses, now, TICK)


def test_the_older_look_is_from_one_to_two_glances_ago():
    random, times, memory = np.random.default_rng(6), [], case_of().state.memory
    for k in range(100):
        ranges = 1.0 + 0.01 * random.uniform(size=BEAMS)
        ranges[0] = 1e-3 * k
        case = case_of(senses__scan=scan_of(ranges, (0, 0, 0)), state__memory=memory)
        memory = jax.tree.map(np.asarray, remember(case))
        if k > 30:
            times.append(k - round(float(memory.old.free[0]) / 1e-3))
    ticks = round(sight.GLANCE / TICK)
    assert min(times) == ticks and max(times) == 2 * ticks - 1


def test_same_content_is_the_same_to_the_last_bit_and_not_nothing():
    ranges = ranges_to([(1.0, 0.1), (0.5, -0.3)], eye_of((0, 0, 0)))
    scan = scan_of(ranges, (0, 0, 0))
    memory = dataclasses.replace(case_of().state.memory, ranges=f32(ranges))
    same = jax.jit(sight.same_content)
    assert bool(same(memory, scan))
    index = int(np.flatnonzero(np.isfinite(ranges))[0])
    other = scan.ranges.copy()
    other[index] = np.nextafter(other[index], np.float32(9.0))
    assert not bool(same(memory, dataclasses.replace(scan, ranges=other)))
    # beams that say nothing do not differ, but alone they are no content
    valid = np.arange(BEAMS) != index
    assert bool(same(memory, dataclasses.replace(scan, ranges=other, valid=valid)))
    nothing = dataclasses.replace(scan, valid=np.zeros(BEAMS, bool))
    assert not bool(same(memory, nothing))
    assert not bool(same(memory, dataclasses.replace(scan, ranges=f32(np.full(BEAMS, np.inf)))))


def test_a_frozen_scan_stays_with_the_place_it_was_first_seen_from():
    case = case_of(points=[(0.8, 0.1)])
    memory = dataclasses.replace(case.state.memory, ranges=case.senses.scan.ranges)
    case = put(case, "state.memory", memory)
    for moved in (0.01, 0.5):
        pose = f32([0.1 + moved, 0.0, 0.0])
        frozen = put(case, "senses.scan.pose_map", pose)
        np.testing.assert_allclose(remember(frozen).eye_map, [0.1, 0, 0], atol=1e-6)
        fresh = put(frozen, "senses.scan.ranges", f32(case.senses.scan.ranges + 0.001))
        np.testing.assert_allclose(remember(fresh).eye_map, pose)
    lost = put(case, "senses.scan.pose_map", f32([np.nan, 0, 0]))
    np.testing.assert_allclose(remember(lost).eye_map, [0.1, 0, 0], atol=1e-6)
    lost = put(case, "senses.odometry.pose_map", f32([np.nan, 0, 0]))
    np.testing.assert_array_equal(remember(lost).pose_map, case.state.memory.pose_map)
    assert OPEN is case.senses.clearance


def test_plans_back_at_a_crawl_where_the_sensor_does_not_look():
    nearly, around = (
        dataclasses.replace(ROBOT, sensor=dataclasses.replace(ROBOT.sensor, field_of_view=view))
        for view in (5.9, 2 * np.pi)
    )
    for robot in (ROBOT, nearly):
        assert sight.backing(robot) == dataclasses.replace(robot, reverse_speed=sight.BLIND_SPEED)
    assert sight.backing(around) == around
    for slower in (0.0, 0.05):
        slow = dataclasses.replace(ROBOT, reverse_speed=slower)
        assert sight.backing(slow) == slow
