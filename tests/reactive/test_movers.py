"""Speeds in spite of people, against exact geometry at many moments of many stops."""

import jax
import numpy as np

from astro_jax.reactive import movers, path

from .cases import (
    CONFIG,
    DELAY,
    ROBOT,
    constant_plan,
    f32,
    mask,
    path_speed,
    planned_at,
    put,
    tracks_of,
)
from .many import random_case

OPTIMISM = 0.02
"""So much room may be missing at the speed that is found: it is looked at at ten speeds, at
eight moments of each stop, m."""


@jax.jit
def allowed(plan, phase, pose, tracks, reaction, wanted):
    way = path.path_ahead(ROBOT, CONFIG, plan, phase, pose, jax.numpy.float32(0.0))
    people = movers.tracked(tracks, DELAY)
    speed = movers.allowed_by_movers(ROBOT, reaction, way, people, tracks.valid, wanted)
    return speed, vars(way)


def rectangle_gap(poses, centres):
    """Signed distance of points to the footprint at poses, float64."""
    dx, dy = (centres - poses[..., :2]).T
    c, s = np.cos(poses[..., 2]), np.sin(poses[..., 2])
    outside = np.stack(
        [np.abs(c * dx + s * dy) - ROBOT.length / 2, np.abs(c * dy - s * dx) - ROBOT.width / 2]
    )
    return np.hypot(*np.maximum(outside, 0.0)) + np.minimum(np.max(outside, axis=0), 0.0)


def room(way, tracks, speed, reaction):
    """Least room (m) at 300 moments of the stop from ``speed``, to its very end."""
    b = ROBOT.wheel_acceleration
    t = np.linspace(0.0, reaction + speed / b, 300)
    braking = np.clip(t - reaction, 0.0, speed / b)
    metres = speed * np.minimum(t, reaction) + speed * braking - 0.5 * b * braking**2
    poses = np.stack([np.interp(metres, way["lengths"], p) for p in way["poses"].T], axis=1)
    least = np.inf
    for k in np.flatnonzero(tracks.valid):
        ahead = t + float(tracks.age) + DELAY
        centres = tracks.xy_map[k] + ahead[:, None] * tracks.velocity_map[k]
        reach = tracks.radius[k] + movers.MOVER_MARGIN + 0.5 * movers.TURN * ahead**2
        gap = rectangle_gap(poses, centres) - reach
        stays = rectangle_gap(np.broadcast_to(poses[0], poses.shape), centres) - reach
        leaving = gap - stays - movers.LEAVING * metres
        # just about leaving counts: at the moments that the gate looks at, it may be leaving
        leaves = leaving >= -OPTIMISM
        least = min(least, np.min(np.where(leaves, np.maximum(gap, leaving), gap)))
    return least


def meetings(count):
    """(Case, reaction time, wanted speed, allowed speed, path) of random meetings."""
    random = np.random.default_rng(3)
    for _ in range(count):
        case = random_case(random)
        wanted = path_speed(planned_at(case.plan, float(case.state.phase)))
        reaction = f32(random.uniform(0.05, 0.2))
        speed, way = allowed(
            case.plan,
            case.state.phase,
            case.senses.pose_map,
            case.senses.tracks,
            reaction,
            f32(wanted),
        )
        way = {name: np.asarray(value, float) for name, value in way.items()}
        yield case.senses.tracks, float(reaction), wanted, float(speed), way


def test_no_allowed_speed_lets_anybody_into_the_stop():
    held = 0
    for tracks, reaction, wanted, speed, way in meetings(700):
        held += np.isfinite(speed)
        if min(speed, wanted) > 1e-3:
            assert room(way, tracks, min(speed, wanted), reaction) > -OPTIMISM
    assert held > 40


def test_an_allowed_speed_is_about_the_highest_that_can_be():
    """No speed well above it is clear, up to the planned one: a dense search finds none."""
    for tracks, reaction, wanted, speed, way in meetings(300):
        if np.isfinite(speed):
            above = np.linspace(speed + 1.1 * wanted / movers.SPEEDS, wanted, 30)
            rooms = [room(way, tracks, v, reaction) for v in above if v <= wanted]
            assert all(r < OPTIMISM for r in rooms)


def test_a_track_that_is_too_fast_may_be_anywhere_in_between():
    tracks = tracks_of([(1.0, 0.0)] * 3, [(5.0, 0.0), (0.0, 2.9), (0.0, 0.0)], age=0.1)
    people = movers.tracked(tracks, DELAY)
    np.testing.assert_allclose(people.velocity_map, [[3, 0], [0, 2.9], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(people.rush, [2.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(people.since, 0.28, rtol=1e-6)
    centres, radii = people.at(f32(0.22))
    np.testing.assert_allclose(centres, [[2.5, 0], [1, 1.45], [1, 0]], atol=1e-5)
    walking = 0.22 + movers.MOVER_MARGIN + 0.5 * movers.TURN * 0.25
    np.testing.assert_allclose(radii, [walking + 1.0, walking, walking], atol=1e-5)


def test_a_velocity_that_is_not_a_number_is_everywhere():
    tracks = tracks_of([(1.5, 0.0)], (np.nan, 0.0))
    speed = allowed(*ahead(), tracks, f32(0.1), f32(0.5))[0]
    assert float(speed) == 0.0


def ahead():
    """Straight on at .6 m/s."""
    return constant_plan(0.6, 0.0), f32(0.0), f32(np.zeros(3))


def appeared_twin(points, new):
    """Index of the nearest new point in each sector, None without any."""
    width = 2 * np.pi / movers.SECTORS
    found: list[int | None] = [None] * movers.SECTORS
    for k in np.flatnonzero(new):
        sector = int((np.arctan2(points[k, 1], points[k, 0]) + np.pi) // width)
        best = found[sector]
        if best is None or np.hypot(*points[k]) < np.hypot(*points[best]):
            found[sector] = int(k)
    return found


def test_appeared_is_the_nearest_new_return_of_each_sector():
    random = np.random.default_rng(4)
    appeared = jax.jit(lambda p, new: vars(movers.appeared(p + 10.0, p, new, 0.04, DELAY)))
    for _ in range(40):
        points = f32(random.normal(size=(60, 2)))
        new = random.uniform(size=60) < random.choice([0.0, 0.1, 0.8])
        found = appeared(points, mask(new))
        twin = appeared_twin(np.asarray(points, float), new)
        np.testing.assert_array_equal(found["there"], [k is not None for k in twin])
        for sector, k in enumerate(twin):
            if k is not None:
                np.testing.assert_allclose(found["xy_map"][sector], points[k] + 10.0, rtol=1e-6)
        np.testing.assert_allclose(found["rush"], movers.RUSH)
        np.testing.assert_allclose(found["since"], 0.04 + DELAY, rtol=1e-6)


def test_a_new_return_that_is_not_a_number_stops():
    points = jax.numpy.full((4, 2), 3.0).at[2].set(jax.numpy.nan)

    @jax.jit
    def speed(new):
        way = path.path_ahead(ROBOT, CONFIG, *ahead(), jax.numpy.float32(0.0))
        strangers = movers.appeared(points, points, new, 0.04, DELAY)
        return movers.allowed_by_movers(
            ROBOT, 0.1, way, strangers, strangers.there, jax.numpy.float32(0.5)
        )

    assert np.isinf(speed(mask([True, True, False, True])))
    assert float(speed(mask([False, False, True, False]))) == 0.0


# ---- whom slowing would not help -----------------------------------------------------


def passed_twin(tracks, speed, way):
    """By the docstring, for everybody: not touched by going on, and nearer by braking."""
    t, found = way["times"], []
    b = ROBOT.wheel_acceleration
    stop = np.minimum(t, speed / b)
    metres = speed * stop - 0.5 * b * stop**2
    slowed = np.stack([np.interp(metres, way["lengths"], p) for p in way["poses"].T], axis=1)
    for k in range(len(tracks.radius)):
        ahead = t + float(tracks.age) + DELAY
        centres = tracks.xy_map[k] + ahead[:, None] * tracks.velocity_map[k]
        reach = tracks.radius[k] + movers.MOVER_MARGIN + 0.5 * movers.PASSING * ahead**2
        going, braking = (
            np.min(rectangle_gap(poses, centres) - reach) for poses in (way["poses"], slowed)
        )
        found.append(going >= 0.0 and going >= braking)
    return found


@jax.jit
def passed(plan, phase, pose, tracks, speed):
    way = path.path_ahead(ROBOT, CONFIG, plan, phase, pose, jax.numpy.float32(0.0))
    people = movers.tracked(tracks, DELAY)
    return movers.passed_in_time(ROBOT, way, people, speed), vars(way)


def test_passed_in_time_is_its_twin():
    random = np.random.default_rng(6)
    yes = differ = count = 0
    for _ in range(300):
        case = random_case(random)
        tracks, speed = case.senses.tracks, random.uniform(0.0, 0.8)
        # mostly far and slow: nobody that may turn by so much is passed close by
        tracks = put(tracks, "xy_map", f32(2.5 * tracks.xy_map))
        found, way = passed(case.plan, case.state.phase, case.senses.pose_map, tracks, f32(speed))
        way = {name: np.asarray(value, float) for name, value in way.items()}
        twin = passed_twin(tracks, speed, way)
        count, yes = count + len(twin), yes + sum(twin)
        # on the edge, single precision may decide otherwise
        differ += int(np.sum(np.asarray(found) != twin))
    assert differ <= 0.01 * count
    assert 0.1 * count < yes < 0.98 * count


def test_who_is_endlessly_large_is_not_passed():
    tracks = tracks_of([(2.0, 2.0)])
    for radius, expected in ((0.2, True), (np.inf, False), (np.nan, False)):
        wide = put(tracks, "radius", f32([radius] * 3))
        found = passed(*ahead(), put(wide, "velocity_map", f32([(0, 2.0)] * 3)), f32(0.3))[0]
        assert bool(found[0]) <= expected


def test_who_does_not_count_is_not_there():
    @jax.jit
    def speed(counted):
        way = path.path_ahead(ROBOT, CONFIG, *ahead(), jax.numpy.float32(0.0))
        people = movers.tracked(tracks_of([(0.75, 0.0)] * 3), DELAY)
        return movers.allowed_by_movers(ROBOT, 0.1, way, people, counted, jax.numpy.float32(0.6))

    assert np.isfinite(speed(mask([False, True, False])))
    assert np.isinf(speed(mask([False, False, False])))
