"""The referee against slow geometry in float64, and against encounters with a known verdict."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from astro_jax.sim import contact, gaps

LENGTH, WIDTH = 0.42, 0.25
RESOLUTION = 0.05
ORIGIN = np.array([-0.6, 0.4])
REACH = 11.5 * RESOLUTION - 0.5 * np.hypot(LENGTH, WIDTH)  # of 24 cells
DT = 0.005


# ---- slow twins ----------------------------------------------------------------------


def rectangle(pose):
    c, s = np.cos(pose[2]), np.sin(pose[2])
    local = 0.5 * np.array([[LENGTH, WIDTH], [-LENGTH, WIDTH], [-LENGTH, -WIDTH], [LENGTH, -WIDTH]])
    return local @ np.array([[c, s], [-s, c]]) + pose[:2]


def to_segments(points, polygon):
    """Distance of each point (..., 2) to the outline of a polygon (4, 2)."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    edge = b - a
    t = np.clip(np.sum((points[..., None, :] - a) * edge, -1) / np.sum(edge * edge, -1), 0, 1)
    return np.linalg.norm(points[..., None, :] - a - t[..., None] * edge, axis=-1).min(-1)


def contains(polygon, points):
    """Whether points lie in a counter-clockwise convex polygon."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    e, d = b - a, points[..., None, :] - a
    return np.all(e[:, 0] * d[..., 1] - e[:, 1] * d[..., 0] >= 0, axis=-1)


def edges_cross(p, q):
    """Whether any edge of one polygon properly crosses an edge of the other."""
    cross = lambda u, v: u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    a, b = p[:, None], np.roll(p, -1, 0)[:, None]
    c, d = q[None], np.roll(q, -1, 0)[None]
    apart_cd = cross(b - a, c - a) * cross(b - a, d - a) < 0
    apart_ab = cross(d - c, a - c) * cross(d - c, b - c) < 0
    return bool(np.any(apart_cd & apart_ab))


def polygon_gap(p, q):
    if contains(p, q).any() or contains(q, p).any() or edges_cross(p, q):
        return 0.0
    return min(to_segments(p, q).min(), to_segments(q, p).min())


def slow_wall_gap(pose, blocked):
    ring = 4  # of cells around the map, all blocked
    cells = np.argwhere(np.pad(blocked, ring, constant_values=True)) - ring
    centres = ORIGIN + cells[:, ::-1] * RESOLUTION
    centres = centres[np.abs(centres - pose[:2]).max(-1) < 0.7]
    square = 0.5 * RESOLUTION * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    robot = rectangle(pose)
    gap = min((polygon_gap(robot, centre + square) for centre in centres), default=np.inf)
    return min(gap, REACH)


# ---- gaps ----------------------------------------------------------------------------


@functools.cache
def wall_cases():
    rng = np.random.default_rng(0)
    poses, grids = [], []
    for density in (0.0, 0.002, 0.01, 0.05):
        for _ in range(60):
            grids.append(rng.random((40, 64)) < density)
            xy = ORIGIN + RESOLUTION * rng.uniform([-3, -3], [67, 43])
            poses.append([*xy, rng.choice([rng.uniform(-7, 7), 0.5 * np.pi * rng.integers(4)])])
    return np.array(poses, np.float32), np.array(grids)


def wall_functions(window=24):
    def both(pose, blocked):
        where = (pose, LENGTH, WIDTH, blocked, jnp.asarray(ORIGIN, jnp.float32), RESOLUTION)
        return gaps.wall_gap(*where, window), gaps.touches_wall(*where, min(window, 12))

    return jax.jit(jax.vmap(both))


def test_wall_gap_is_the_distance_of_polygons():
    poses, grids = wall_cases()
    gap, touches = wall_functions()(poses, grids)
    slow = np.array([slow_wall_gap(p.astype(float), g) for p, g in zip(poses, grids, strict=True)])
    np.testing.assert_allclose(gap, slow, atol=3e-6)
    clear_cut = (slow == 0.0) | (slow > 1e-5)
    np.testing.assert_array_equal(np.asarray(touches)[clear_cut], (slow == 0.0)[clear_cut])
    assert 30 < np.sum(slow == 0.0) < 210  # both verdicts are well represented
    assert np.sum((slow > 0.0) & (slow < REACH - 1e-6)) > 50


def test_more_walls_never_raise_the_gap():
    poses, grids = wall_cases()
    both = wall_functions()
    fewer = grids & (np.random.default_rng(1).random(grids.shape) < 0.5)
    assert np.all(np.asarray(both(poses, grids)[0]) <= np.asarray(both(poses, fewer)[0]))


def test_a_needle_through_the_robot_is_seen_without_any_corner_inside():
    # A column of cells narrower than the robot is long, and longer than it is wide.
    grid = np.zeros((40, 64), bool)
    grid[10:30, 30] = True
    pose = np.array([*(ORIGIN + RESOLUTION * np.array([30, 20])), 0.0], np.float32)
    gap, touches = wall_functions()(pose[None], grid[None])
    assert gap[0] == 0.0 and touches[0]


def test_a_window_too_small_for_the_robot_reads_as_contact():
    pose, grid = np.array([[1.0, 1.4, 0.3]], np.float32), np.zeros((1, 40, 64), bool)
    assert wall_functions(24)(pose, grid)[0][0] == pytest.approx(REACH, abs=1e-6)
    assert wall_functions(8)(pose, grid)[0][0] == 0.0


def test_window_for_gives_the_reach_asked_for():
    for reach in (0.0, 0.3, 0.5):
        cells = gaps.window_for(LENGTH, WIDTH, RESOLUTION, reach)
        got = 0.5 * (cells - 1) * RESOLUTION - 0.5 * np.hypot(LENGTH, WIDTH)
        assert reach <= got < reach + 0.5 * RESOLUTION


def test_a_pose_that_is_not_a_number_has_no_gap():
    pose, grid = np.array([[np.nan, 1.4, 0.3]], np.float32), np.zeros((1, 40, 64), bool)
    gap, touches = wall_functions()(pose, grid)
    assert touches[0] and not gap[0] > 0.0


@functools.cache
def people_cases():
    rng = np.random.default_rng(2)
    n, m = 40, 8
    poses = np.concatenate([rng.uniform(-9, 9, (n, 2)), rng.uniform(-7, 7, (n, 1))], 1)
    xy = poses[:, None, :2] + rng.normal(size=(n, m, 2)) * rng.choice([0.1, 0.4, 2.0], (n, m, 1))
    velocity = rng.normal(size=(n, m, 2)) + 0.7 * (poses[:, None, :2] - xy)
    velocity[:, 0] = 0.0
    radius, valid = rng.uniform(0.05, 0.4, (n, m)), rng.random((n, m)) < 0.9
    cases = [a.astype(np.float32) for a in (poses, xy, velocity, radius)]
    return (*cases, valid)


def slow_person_gap(pose, xy, radius):
    robot = rectangle(pose)
    outline = to_segments(xy, robot)
    return np.where(contains(robot, xy), -outline, outline) - radius


@jax.jit
@jax.vmap
def person_gap(pose, xy, radius, valid):
    return gaps.person_gap(pose, LENGTH, WIDTH, xy, radius, valid)


def test_person_gap_is_the_distance_of_polygon_and_disc():
    poses, xy, _, radius, valid = people_cases()
    found = np.asarray(person_gap(poses, xy, radius, valid))
    for i, pose in enumerate(poses.astype(float)):
        slow = slow_person_gap(pose, xy[i].astype(float), radius[i].astype(float))
        np.testing.assert_allclose(found[i][valid[i]], slow[valid[i]], atol=5e-6)
    assert np.all(np.isposinf(found[~valid]))
    assert np.sum(found < 0) > 30


@settings(max_examples=40, deadline=None)
@given(
    turn=st.floats(-7.0, 7.0),
    shift=st.tuples(st.floats(-50.0, 50.0), st.floats(-50.0, 50.0)),
)
def test_gaps_and_times_do_not_depend_on_where_the_map_begins(turn, shift):
    poses, xy, velocity, radius, valid = (a[0] for a in people_cases())
    c, s = np.cos(turn), np.sin(turn)
    rotation, shift = np.array([[c, -s], [s, c]]), np.array(shift)
    moved = np.append(rotation @ poses[:2] + shift, poses[2] + turn).astype(np.float32)
    moved_xy = (xy @ rotation.T + shift).astype(np.float32)
    moved_velocity = (velocity @ rotation.T).astype(np.float32)
    here = person_gap(poses[None], xy[None], radius[None], valid[None])
    there = person_gap(moved[None], moved_xy[None], radius[None], valid[None])
    np.testing.assert_allclose(there, here, atol=5e-5)
    before = ttc(poses[None], xy[None], velocity[None], radius[None], valid[None])
    after = ttc(moved[None], moved_xy[None], moved_velocity[None], radius[None], valid[None])
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)


@jax.jit
@jax.vmap
def ttc(pose, xy, velocity, radius, valid):
    return gaps.time_to_collision(pose, LENGTH, WIDTH, xy, velocity, radius, valid)


def test_time_to_collision_is_the_first_touch_along_the_way():
    poses, xy, velocity, radius, valid = people_cases()
    times = np.asarray(ttc(poses, xy, velocity, radius, valid)).astype(float)
    assert np.all(np.isposinf(times[~valid]))
    grid = np.linspace(0.0, 20.0, 2001)
    checked = {"now": 0, "later": 0, "never": 0}
    for i, m in zip(*np.nonzero(valid), strict=True):
        pose = poses[i].astype(float)
        gap = lambda t: slow_person_gap(pose, xy[i, m] + np.outer(t, velocity[i, m]), radius[i, m])  # noqa: B023
        t = times[i, m]
        if t == 0.0:
            assert gap([0.0])[0] <= 1e-5
        elif np.isinf(t):
            assert np.all(gap(grid) > -1e-5)
        else:
            assert abs(gap([t])[0]) < 1e-4
            assert np.all(gap(t * grid / 20.0) > -1e-4)
        checked["now" if t == 0.0 else "never" if np.isinf(t) else "later"] += 1
    assert min(checked.values()) > 20


def test_footprint_speed_is_that_of_the_fastest_point():
    rng = np.random.default_rng(3)
    u, w = np.meshgrid(np.linspace(-0.5, 0.5, 21) * LENGTH, np.linspace(-0.5, 0.5, 21) * WIDTH)
    for v, yaw_rate in rng.normal(size=(20, 2)).astype(np.float32):
        slow = np.hypot(v - yaw_rate * w, yaw_rate * u).max()
        fast = gaps.footprint_speed(jnp.array([v, yaw_rate]), LENGTH, WIDTH)
        assert float(fast) == pytest.approx(slow, rel=1e-5)


def test_contact_point_closes_in_as_fast_as_the_gap_shrinks():
    poses, xy, velocity, radius, _ = people_cases()
    twists = np.random.default_rng(4).normal(size=(len(poses), 2)).astype(np.float32)
    closing, relative = jax.vmap(
        lambda pose, twist, xy, velocity: gaps.at_contact_point(
            pose, twist, LENGTH, WIDTH, xy, velocity
        )
    )(poses, twists, xy, velocity)
    h = 1e-6
    yaw = poses[:, 2].astype(float)
    drive = twists[:, :1] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    rate = np.column_stack([drive, twists[:, 1]])

    def gap_at(t):  # the person stands, the robot drives
        at = poses.astype(float) + t * rate
        return np.array(
            [slow_person_gap(*c) for c in zip(at, xy.astype(float), radius, strict=True)]
        )

    np.testing.assert_allclose(closing, (gap_at(-h) - gap_at(h)) / (2 * h), atol=1e-3)
    # The speeds differ by what lies along the edge and by the person's own.
    own = relative + np.linalg.norm(velocity, axis=-1)
    assert np.all(np.abs(closing) <= own + 1e-4)


# ---- encounters ----------------------------------------------------------------------

STEPS = 1000  # 5 s
TIME = np.arange(STEPS) * DT
FAR = 50.0


@jax.jit
def judge(pose, twist, xy, velocity, valid, wall, excused):
    def step(state, now):
        time, pose, twist, xy, velocity, valid, wall = now
        state = contact.update_contacts(
            state,
            time,
            pose,
            twist,
            length=LENGTH,
            width=WIDTH,
            xy=xy,
            velocity=velocity,
            radius=jnp.full(2, 0.25),
            valid=valid,
            wall=wall,
            excused=excused,
        )
        return state, state.contacts

    steps = (jnp.asarray(TIME, jnp.float32), pose, twist, xy, velocity, valid, wall)
    return jax.lax.scan(step, contact.no_contacts(2), steps)


def encounter(
    *,
    speed: ArrayLike = 0.0,
    yaw_rate: ArrayLike = 0.0,
    start=(0.0, 0.0, 0.0),
    person=None,
    walk: ArrayLike = (0.0, 0.0),
    **more: Any,
):
    """Robot and person move with given speeds (constants or series) from where they start."""
    v, w = np.broadcast_to(speed, STEPS), np.broadcast_to(yaw_rate, STEPS)
    yaw = start[2] + DT * np.cumsum(w) - DT * w
    drive = DT * np.cumsum(np.stack([v * np.cos(yaw), v * np.sin(yaw)], 1), axis=0)
    pose = np.column_stack([np.array(start[:2]) + drive - drive[:1], yaw])
    velocity = np.zeros((STEPS, 2, 2))
    velocity[:, 0] = walk
    xy = np.full((STEPS, 2, 2), FAR)
    if person is not None:
        steps = DT * np.cumsum(velocity[:, 0], axis=0)
        xy[:, 0] = np.array(person) + steps - steps[:1]
    valid = np.broadcast_to(more.pop("valid", person is not None), (STEPS,))
    state, contacts = judge(
        *(a.astype(np.float32) for a in (pose, np.column_stack([v, w]), xy, velocity)),
        np.column_stack([valid, np.zeros(STEPS, bool)]),
        np.broadcast_to(more.pop("wall", np.inf), (STEPS,)).astype(np.float32),
        np.array([more.pop("excused", False), False]),
    )
    assert not more
    return state, np.asarray(contacts)


def verdict(**scene):
    state, _ = encounter(**scene)
    return int(state.contacts), int(state.at_fault), int(state.passive_violations)


def until(end, value):
    """A series that is ``value`` before ``end`` seconds and zero after."""
    return np.where(TIME < end, value, 0.0)


def walking_from(start, velocity):
    return np.where(TIME[:, None] >= start, np.array(velocity), 0.0)


def test_nothing_happens_far_from_everything():
    state, _ = encounter(speed=0.5, wall=0.2, person=(0.0, 3.0))
    assert state.contacts == state.at_fault == state.passive_violations == 0
    assert not state.void and np.isposinf(state.first_contact_at) and state.contact_speed == 0.0
    assert state.min_gap_walls == pytest.approx(0.2)
    assert state.min_gap_people == pytest.approx(3.0 - 0.5 * WIDTH - 0.25, abs=1e-5)
    assert np.isposinf(state.min_ttc)


def test_least_time_to_collision_takes_both_motions_into_account():
    # Stops after .5 m of the 2 m − .46 m; the least is that of the last moving step.
    state, _ = encounter(speed=until(1.0, 0.5), person=(2.0, 0.0))
    assert state.min_ttc == pytest.approx((1.54 - 0.5 * 0.995) / 0.5, abs=0.01)
    state, _ = encounter(
        speed=until(1.0, 0.5), person=(3.0, 0.0), walk=until(1.0, 0.5)[:, None] * [[-1, 0]]
    )
    assert state.min_ttc == pytest.approx((2.54 - 0.995) / 1.0, abs=0.01)
    assert state.contacts == 0


def test_k1_walls():
    hit = np.where(TIME < 1.0, 0.1, 0.0)
    assert verdict(speed=0.3, wall=hit) == (1, 1, 1)
    assert verdict(speed=0.04, wall=hit) == (1, 0, 0)
    assert verdict(speed=0.0, yaw_rate=0.15, wall=hit) == (1, 0, 0)
    assert verdict(speed=0.0, yaw_rate=0.5, wall=hit) == (1, 1, 1)
    state, _ = encounter(speed=0.3, wall=hit)
    assert state.wall_contacts == 1 and state.first_contact_at == pytest.approx(1.0)
    assert state.contact_speed == pytest.approx(0.3)


def test_k1_someone_who_stands():
    assert verdict(speed=0.5, person=(1.5, 0.0)) == (1, 1, 1)
    assert verdict(speed=0.04, person=(0.6, 0.0)) == (1, 0, 0)
    # Swinging the tail into someone who stands: at fault, whatever the closing speed.
    assert verdict(yaw_rate=0.5, person=(0.05, 0.39)) == (1, 1, 1)


def test_k1_knows_no_excuse_for_hitting_someone_who_has_stood_for_a_second():
    for stood, faults in ((0.5, 0), (1.5, 1)):
        touch = (1.5 - 0.5 * LENGTH - 0.25) / 0.5
        walk = until(touch - stood, 0.2)[:, None] * np.array([0.0, 1.0])
        start = (1.5, -0.2 * (touch - stood))
        assert verdict(speed=0.5, person=start, walk=walk, excused=True) == (1, faults, 1)


def test_k2_head_on():
    scene = {"speed": 0.5, "person": (3.0, 0.0), "walk": (-1.0, 0.0)}
    assert verdict(**scene) == (1, 1, 1)
    assert verdict(excused=True, **scene) == (1, 0, 1)
    state, contacts = encounter(**scene)
    assert state.contact_speed == pytest.approx(1.5, rel=1e-4)
    touch = (3.0 - 0.5 * LENGTH - 0.25) / 1.5
    assert state.first_contact_at == pytest.approx(touch, abs=1.5 * DT)
    assert TIME[np.argmax(contacts > 0)] == pytest.approx(float(state.first_contact_at), abs=1e-5)
    assert state.min_ttc == 0.0


def test_k2_struck_from_behind_is_excused():
    assert verdict(speed=0.5, person=(-2.0, 0.0), walk=(1.5, 0.0)) == (1, 0, 1)
    # The same while reversing: now the contact point closes in.
    assert verdict(speed=-0.2, person=(-2.0, 0.0), walk=(0.5, 0.0)) == (1, 1, 1)


def test_k2_struck_in_the_flank_depends_on_the_cut_in():
    # Robot drives towards +y through the path of a person who comes along the x axis.
    flank = {"start": (0.0, -0.6, 0.5 * np.pi), "walk": (1.0, 0.0)}
    # On the path with .6 s to go: cut in.
    assert verdict(speed=0.9, person=(-0.9, 0.0), **flank) == (1, 1, 1)
    # On the path with more than 1 s to go, still on it when struck: not a cut-in.
    assert verdict(speed=0.2, person=(-2.5, 0.0), **flank) == (1, 0, 1)


def test_k2_someone_who_turns_into_the_robot_makes_no_cut_in():
    # Side by side, the person a little behind, then a sudden turn into the flank.
    turn = np.where(TIME[:, None] < 1.0, np.array([0.5, 0.0]), np.array([0.5, -1.2]))
    assert verdict(speed=0.5, person=(0.0, 0.8), walk=turn) == (1, 0, 1)


def test_k3_at_rest():
    assert verdict(person=(2.0, 0.0), walk=(-1.0, 0.0)) == (1, 0, 0)
    assert verdict(speed=0.03, person=(2.0, 0.0), walk=(-1.0, 0.0)) == (1, 0, 0)
    # Head-on with a stop in time is passive too: the path was entered long before.
    assert verdict(speed=until(1.0, 0.5), person=(3.5, 0.0), walk=(-1.0, 0.0)) == (1, 0, 0)


def test_k3_at_rest_after_a_cut_in():
    # Enters the path from the side with .9 s to go, stops, and is hit .4 s later.
    side = {"start": (0.0, -0.6, 0.5 * np.pi), "person": (-1.25, 0.0), "walk": (1.0, 0.0)}
    assert verdict(speed=until(0.5, 0.7), **side) == (1, 1, 0)
    # Once judged, pressing on makes it a violation as well, but not a second fault.
    stays = {**side, "walk": until(0.9, 1.0)[:, None] * np.array([1.0, 0.0])}
    assert verdict(speed=until(0.5, 0.7) + np.where(TIME > 1.5, 0.2, 0.0), **stays) == (1, 1, 1)
    # Drifting into the path at .04 m/s is resting.
    drift = {**side, "start": (0.0, -0.462, 0.5 * np.pi), "person": (-1.0, 0.0)}
    assert verdict(speed=0.04, **drift) == (1, 0, 0)
    assert verdict(speed=until(0.3, 0.06), **drift) == (1, 1, 0)
    # With more time left, the same stop is no cut-in.
    later = {**side, "person": (-3.0, 0.0)}
    assert verdict(speed=until(0.5, 0.7), **later) == (1, 0, 0)


def test_a_cut_in_is_forgotten_after_two_seconds():
    side = {"start": (0.0, -0.6, 0.5 * np.pi), "person": (-1.25, 0.0)}
    # The person halts in time (after .5 s, .4 m short) and comes on after a wait.
    for wait, faults in ((1.0, 1), (2.5, 0)):
        go_on = (TIME < 0.5) | (TIME > 0.5 + wait)
        walk = np.where(go_on[:, None], np.array([1.0, 0.0]), 0.0)
        assert verdict(speed=until(0.5, 0.7), walk=walk, **side) == (1, faults, 0)


def test_just_stopped_is_not_yet_at_rest():
    touch = (2.0 - 0.5 * LENGTH - 0.25) / 1.0  # of a robot that stands
    scene = {"person": (2.0, 0.0), "walk": (-1.0, 0.0)}

    def nudge(stop, creep):
        """Briefly at .1 m/s until ``stop``, then creeping."""
        return np.where(np.abs(TIME - stop + 0.05) < 0.05, 0.1, creep)

    # Creeping counts as closing until it has lasted .2 s.
    assert verdict(speed=nudge(touch - 0.10, 0.02), **scene) == (1, 1, 0)
    assert verdict(speed=nudge(touch - 0.35, 0.02), **scene) == (1, 0, 0)
    # Standing does not close, whatever came before.
    assert verdict(speed=nudge(touch - 0.10, 0.0), **scene) == (1, 0, 0)
    # Someone who stands may be touched that slowly.
    reached = 0.5 * LENGTH + 0.25 + 0.02 * touch + 0.1 * 0.08 - 0.001
    assert verdict(speed=nudge(touch - 0.10, 0.02), person=(reached, 0.0)) == (1, 0, 0)


def test_a_new_event_needs_a_separation():
    for pause, contacts in ((0.2, 1), (0.5, 2)):
        wall = np.where((TIME < 1.0) | ((TIME > 1.2) & (TIME < 1.2 + pause)), 0.1, 0.0)
        assert verdict(speed=0.3, wall=wall)[0] == contacts


def test_pressing_on_after_a_passive_contact_is_a_fault():
    comes = {"person": (1.0, 0.0), "walk": until(0.56, 1.0)[:, None] * np.array([-1.0, 0.0])}
    later = np.where(TIME > 2.0, 0.2, 0.0)
    assert verdict(**comes) == (1, 0, 0)
    assert verdict(speed=later, **comes) == (1, 1, 1)
    assert verdict(speed=-later, **comes) == (1, 0, 0)


def test_someone_who_walks_through_the_robot_is_one_event():
    # Recorded people do not evade: struck from behind, then passed through, then left in front.
    assert verdict(speed=0.3, person=(-1.5, 0.0), walk=(1.0, 0.0)) == (1, 0, 1)


def test_spawn_overlap_is_void_and_not_counted():
    state, _ = encounter(speed=0.3, person=(0.2, 0.0))
    assert state.void and state.contacts == 0 and state.at_fault == 0
    state, _ = encounter(speed=0.3, wall=0.0)
    assert state.void and state.contacts == 0 and state.passive_violations == 0
    # Also for somebody who appears later.
    state, _ = encounter(person=(0.2, 0.0), valid=TIME > 2.0)
    assert state.void and state.contacts == 0
    # A slot that is free has no person in it.
    state, _ = encounter(person=(0.2, 0.0), valid=False)
    assert not state.void and state.contacts == 0 and np.isposinf(state.min_gap_people)


def test_a_gap_that_is_not_a_number_counts_as_contact():
    assert verdict(wall=np.where(TIME < 1.0, 0.1, np.nan))[0] == 1


def test_referee_works_without_people_and_in_batches():
    poses = jnp.zeros((3, 3))
    states = jax.tree.map(lambda x: jnp.stack([x] * 3), contact.no_contacts(0))

    def step(state, pose, wall):
        return contact.update_contacts(
            state,
            jnp.float32(0.0),
            pose,
            jnp.zeros(2),
            length=LENGTH,
            width=WIDTH,
            xy=jnp.zeros((0, 2)),
            velocity=jnp.zeros((0, 2)),
            radius=jnp.zeros(0),
            valid=jnp.zeros(0, bool),
            wall=wall,
        )

    after = jax.jit(jax.vmap(step))(states, poses, jnp.array([0.0, 0.1, jnp.inf]))
    np.testing.assert_array_equal(after.void, [True, False, False])
    np.testing.assert_array_equal(after.contacts, [0, 0, 0])


def test_a_gap_is_exact_wherever_the_window_begins():
    """Also half-way between two cells, where its first one is a matter of rounding."""
    blocked = np.zeros((80, 120), bool)
    blocked[38:42, 97:] = True
    x = np.arange(0.6, 1.6, 0.025, dtype=np.float32)
    poses = np.stack([x, 0 * x, 0 * x], axis=-1)
    found = jax.jit(
        jax.vmap(
            lambda pose: gaps.wall_gap(
                pose, 0.42, 0.25, jnp.asarray(blocked), jnp.array([-2.975, -1.975]), 0.05, 60
            )
        )
    )(poses)
    wall = -2.975 + 96.5 * 0.05
    np.testing.assert_allclose(found, wall - 0.21 - x, atol=1e-5)
