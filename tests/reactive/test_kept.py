"""What passed out of the scan's view is not driven into: how it is kept, and the gate's heed."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.geometry import from_frame, to_frame
from astro_jax.reactive.gaps import rectangle_gap
from astro_jax.reactive.kept import LASTS, REACH, keep, stayed
from astro_jax.reactive.senses import SECTORS, Kept
from astro_jax.types import Reason
from astro_jax.world.grid import scan_points
from astro_jax.world.sight import glance
from tests.reactive.cases import (
    BEAMS,
    BEARINGS,
    NOTHING_KEPT,
    ROBOT,
    TICK,
    Case,
    case_of,
    cast,
    constant_plan,
    eye_of,
    kept_at,
    mask,
    put,
    react,
    scan_of,
)

AGE = 0.04
HERE = (0.0, 0.0, 0.0)


@functools.partial(jax.jit, static_argnums=0)
def kept_after(robot, kept: Kept, pose, scan, nobodys):
    points, returned = scan_points(robot, scan)
    now = glance(robot, scan)
    return keep(robot, kept, now, pose, points, returned & nobodys, scan.age, TICK)


def look(kept, pose, ranges, nobodys=None, robot=ROBOT):
    scan = scan_of(ranges, eye_of(pose), AGE)
    nobodys = mask(np.ones(BEAMS)) if nobodys is None else nobodys
    return jax.tree.map(np.asarray, kept_after(robot, kept, np.float32(pose), scan, nobodys))


def turned_past(discs, turns, kept=NOTHING_KEPT):
    """What is kept after turning on the spot, a look every degree."""
    for turn in turns:
        pose = (0.0, 0.0, math.radians(turn))
        kept = look(kept, pose, cast(eye_of(pose), discs))
    return kept


def places(kept):
    return kept.xy_map[kept.there]


def test_a_thing_that_turning_takes_out_of_view_is_kept_where_its_near_side_is():
    disc = (-0.25, 0.35, 0.06)
    kept = turned_past([disc], range(0, -61, -1))
    pose = (0.0, 0.0, math.radians(-60.0))
    # by now no beam reaches it
    assert np.all(np.isinf(cast(eye_of(pose), [disc])))
    away = np.hypot(*(np.asarray(places(kept)) - np.array(disc[:2])).T) - disc[2]
    assert len(away) >= 2 and np.all(np.abs(away) < 0.005)
    # its nearest point to the footprint is known to a centimetre
    angle = np.linspace(0, 2 * np.pi, 720)
    rim = np.stack([disc[0] + disc[2] * np.cos(angle), disc[1] + disc[2] * np.sin(angle)], axis=1)
    gap = lambda xy: np.min(rectangle_gap(ROBOT, to_frame(jnp.asarray(pose), jnp.asarray(xy))))
    assert gap(places(kept)) == pytest.approx(float(gap(rim)), abs=0.01)


def test_what_stays_in_view_is_left_to_the_scan():
    kept = turned_past([(0.6, 0.1, 0.06)], range(0, 30))
    assert not kept.there.any()


def test_what_has_gone_is_forgotten_once_its_place_is_seen_through():
    disc = (-0.25, 0.35, 0.06)
    kept = turned_past([disc], range(0, -61, -1))
    still_there = turned_past([disc], range(-60, 1), kept)
    assert still_there.there.any()
    assert not turned_past([], range(-60, 1), kept).there.any()


@pytest.mark.parametrize(
    ("place", "age", "stays"),
    [
        ((-0.4, 0.0), 1.0, True),
        ((-0.4, 0.0), LASTS, False),
        ((-0.5 * ROBOT.length - REACH - 0.02, 0.0), 1.0, False),
        ((np.nan, 0.0), 1.0, False),
        ((-np.inf, 0.0), 1.0, False),
    ],
)
def test_the_old_the_far_and_what_is_no_place_are_dropped(place, age, stays):
    kept = dataclasses.replace(kept_at(place), age=np.full(SECTORS, age, np.float32))
    after = look(kept, (0.0, 0.0, 0.0), np.full(BEAMS, np.inf))
    assert after.there.sum() == stays
    assert np.all(np.isfinite(after.xy_map)) and np.all(np.isfinite(after.age))
    if stays:
        np.testing.assert_allclose(places(after), [place], atol=1e-6)
        assert after.age[after.there] == pytest.approx(age + TICK)


def test_one_beam_alone_and_people_are_not_kept():
    rim = np.full(BEAMS, np.inf)
    rim[1] = 0.4
    assert not look(NOTHING_KEPT, (0.0, 0.0, 0.0), rim).there.any()
    rim[2] = 0.4
    assert look(NOTHING_KEPT, (0.0, 0.0, 0.0), rim).there.any()
    assert not look(NOTHING_KEPT, (0.0, 0.0, 0.0), rim, mask(np.arange(BEAMS) > 2)).there.any()


def test_of_one_sector_the_nearest_is_kept():
    here = (0.0, 0.0, 0.0)
    far, near = (-0.55, 0.001), (-0.35, 0.001)
    for order in ((far, near), (near, far)):
        after = look(kept_at(*order), here, np.full(BEAMS, np.inf))
        np.testing.assert_allclose(places(after), [near], atol=1e-6)


def test_a_pose_that_is_no_number_leaves_nothing_but_numbers():
    after = look(kept_at((-0.4, 0.0)), (np.nan, 0.0, 0.0), np.full(BEAMS, 0.4))
    assert not after.there.any() and np.all(np.isfinite(after.xy_map))


@pytest.mark.parametrize(("view", "keeps"), [(2 * math.pi, False), (5.9, True)])
def test_who_looks_everywhere_keeps_nothing(view, keeps):
    sensor = dataclasses.replace(ROBOT.sensor, field_of_view=view)
    around = dataclasses.replace(ROBOT, sensor=sensor)
    after = look(NOTHING_KEPT, HERE, np.full(BEAMS, 0.4), robot=around)
    assert np.any(after.there) == keeps
    # what is not there leaves no trace
    assert not np.any(after.xy_map[~after.there]) and not np.any(after.age[~after.there])


# ---- its limits, in numbers ------------------------------------------------------------

NONE = np.full(BEAMS, np.inf)


def two_beams(first, near, far):
    """The ranges of a beam and the next one, nothing else."""
    ranges = NONE.copy()
    ranges[[first, first + 1]] = near, far
    return ranges


@pytest.mark.parametrize(
    ("first", "count"), [(0, 2), (18, 2), (19, 1), (20, 0), (248, 0), (249, 1), (250, 2), (268, 2)]
)
def test_twenty_degrees_of_each_edge_are_kept(first, count):
    """270 beams, 1.0037° apart: up to the 20th.  They are of sectors of their own."""
    after = look(NOTHING_KEPT, HERE, two_beams(first, 0.5, 0.5 + 0.02 * (first in (0, 268))))
    beams = [b for b in (first, first + 1) if b < 20 or b >= BEAMS - 20]
    assert len(beams) == count
    points = np.asarray(scan_points(ROBOT, scan_of(np.full(BEAMS, 0.5), eye_of(HERE)))[0])
    found = places(after)
    assert (len(found) > 0) == (count > 0)
    for place in found:
        assert np.min(np.linalg.norm(points[beams] - place, axis=1)) < 0.021
    np.testing.assert_allclose(after.age[after.there], AGE + TICK, rtol=1e-5)


@pytest.mark.parametrize("first", [0, 5, BEAMS - 2, BEAMS - 8])
@pytest.mark.parametrize("nearer", [0, 1])
def test_two_returns_are_one_thing_up_to_ten_centimetres_apart(first, nearer):
    angle = BEARINGS[1] - BEARINGS[0]
    for apart, together in ((0.099, True), (0.101, False)):
        far = 0.4 * math.cos(angle) + math.sqrt(apart**2 - (0.4 * math.sin(angle)) ** 2)
        ranges = two_beams(first, *((far, 0.4) if nearer else (0.4, far)))
        assert look(NOTHING_KEPT, HERE, ranges).there.any() == together


@pytest.mark.parametrize(
    ("place", "age", "free", "stays"),
    [
        # ten seconds
        ((-0.4, 0.0), 9.97, np.inf, True),
        ((-0.4, 0.0), 9.99, np.inf, False),
        # sixty centimetres, of .42 m by .25 m of footprint
        ((-0.809, 0.0), 1.0, np.inf, True),
        ((-0.811, 0.0), 1.0, np.inf, False),
        ((0.0, 0.724), 1.0, 0.1, True),
        ((0.0, 0.726), 1.0, 0.1, False),
        # seen through: free for five centimetres beyond it, from the eye at (.1, 0)
        ((0.6, 0.0), 1.0, 0.449, True),
        ((0.6, 0.0), 1.0, 0.51, True),
        ((0.6, 0.0), 1.0, 0.549, True),
        ((0.6, 0.0), 1.0, 0.551, False),
    ],
)
def test_what_is_kept_until_when_in_numbers(place, age, free, stays):
    kept = dataclasses.replace(kept_at(place), age=np.full(SECTORS, age, np.float32))
    after = look(kept, HERE, np.full(BEAMS, free), mask(np.zeros(BEAMS)))
    np.testing.assert_allclose(places(after), np.reshape([place][:stays], (-1, 2)), atol=1e-6)


def test_a_sector_is_four_degrees_and_keeps_one():
    def kept(bearings):
        circle = 0.5 * np.stack([np.cos(bearings), np.sin(bearings)], axis=1)
        return look(kept_at(*circle), HERE, np.full(BEAMS, 0.1), mask(np.zeros(BEAMS))).there.sum()

    middles = np.radians(4.0 * np.arange(SECTORS) + 2.0)
    assert kept(middles) == SECTORS
    # one degree to either side of a middle, or of an edge
    either = np.radians([-1.0, 1.0])
    assert [kept(middles[k] + either) for k in (0, 30, 89)] == [1, 1, 1]
    assert [kept(middles[k] + math.radians(2.0) + either) for k in (0, 30, 89)] == [2, 2, 2]


# ---- the gate ------------------------------------------------------------------------


def backing(*kept, speed=0.1) -> Case:
    """In the middle of backing straight, neither scan nor map showing anything."""
    return case_of(
        plan=constant_plan(-speed, 0.0),
        twist=(-speed, 0.0),
        state__kept=kept_at(*kept),
        state__ceiling=np.float32(speed),
    )


def test_the_gate_does_not_back_into_what_it_keeps():
    rear = -0.5 * ROBOT.length
    _, free = react(backing())
    assert float(free.scale) > 0.99
    _, stops = react(backing((rear - 0.015, 0.05)))
    assert float(stops.scale) < 0.9
    # what is beside the way, or far behind, does not count
    for place in ((rear - 0.015, 0.5 * ROBOT.width + 0.12), (rear - 0.5, 0.0)):
        assert float(react(backing(place))[1].scale) > 0.99


@pytest.mark.parametrize(
    ("now", "goes_along"),
    [
        ((2.0, -1.0, 2.0), True),
        ((0.0, 0.0, 0.7), True),
        ((0.02, 0.0, 0.05), False),
        ((np.nan, 0.0, 0.0), False),
    ],
)
def test_what_is_kept_stays_beside_a_robot_whose_pose_jumps(now, goes_along):
    """The frame of dead reckoning has moved, not the robot: after the jump as before it."""
    thing = jnp.array([-0.4, 0.1])
    after = stayed(kept_at(tuple(thing)), jnp.zeros(3), jnp.array(now))
    expected = from_frame(jnp.array(now), thing) if goes_along else thing
    np.testing.assert_allclose(places(after), expected[None], atol=1e-6)


def test_the_gate_takes_what_it_keeps_along_with_a_jump():
    pose = jnp.array([3.0, 1.0, 1.5])
    case = put(backing((-0.45, 0.1)), "senses.odometry.pose_map", pose)
    state, verdict = react(put(case, "senses.pose_map", pose))
    assert int(verdict.reason) == Reason.BAD_STATE
    there = to_frame(pose, jnp.asarray(places(state.kept)))
    np.testing.assert_allclose(there, [(-0.45, 0.1)], atol=1e-5)


def test_more_that_is_kept_never_makes_it_faster():
    random = np.random.default_rng(0)
    differs = 0
    for _ in range(60):
        some = random.uniform([-0.5, -0.35], [-0.2, 0.35], (random.integers(0, 4), 2))
        more = random.uniform([-0.5, -0.35], [-0.2, 0.35], (3, 2))
        speed = random.uniform(0.05, 0.25)
        before = float(react(backing(*some, speed=speed))[1].scale)
        after = float(react(backing(*some, *more, speed=speed))[1].scale)
        assert after <= before + 1e-6
        differs += after < before - 0.01
    assert differs > 10


def test_it_backs_until_just_before_what_it_turned_away_from():
    """A thing at its side passes out of view as it turns; then it backs straight at it."""
    disc, turn = (-0.28, 0.42, 0.05), 65.0
    kept = turned_past([disc], np.arange(0.0, -turn - 0.5, -1.0))
    yaw = math.radians(-turn)
    way = np.array([math.cos(yaw), math.sin(yaw)])
    angle = np.linspace(0, 2 * np.pi, 720)
    rim = np.stack([disc[0] + disc[2] * np.cos(angle), disc[1] + disc[2] * np.sin(angle)], axis=1)
    x, y, speed = 0.0, 0.0, 0.1
    state, gaps = None, []
    for _ in range(200):
        case = case_of(
            plan=constant_plan(-speed, 0.0), twist=(-speed, 0.0), pose=(x, y, yaw), state__kept=kept
        )
        if state is not None:
            case = case._replace(state=dataclasses.replace(state, phase=np.float32(0.0)))
        state, verdict = react(case)
        state = jax.tree.map(np.asarray, state)
        x, y = np.array([x, y]) + TICK * float(verdict.twist[0]) * way
        base = to_frame(jnp.array([x, y, yaw], jnp.float32), jnp.asarray(rim, jnp.float32))
        gaps.append(float(np.min(rectangle_gap(ROBOT, base))))
    assert gaps[0] > 0.1  # there was a way to go, and it went
    assert 0.0 < gaps[-1] < 0.06
    assert abs(gaps[-1] - gaps[-20]) < 1e-4
