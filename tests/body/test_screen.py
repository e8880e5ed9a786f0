"""What the screen does with what it is told: where it faces, and what it says of that."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.body.aims import LEADS, MARGIN, SWEEP
from astro_jax.body.gaze import Gaze, ahead, at_body, at_point, rest, search
from astro_jax.body.screen import plan_screen
from astro_jax.body.servo import JointState, initial_screen
from astro_jax.body.target import Looking
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams
from astro_jax.local.planner import basis_of
from astro_jax.types import Grid, Motion, Tracks, WorldAtEffect
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast
from astro_jax.world.people import no_tracks

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ROBOT, CONFIG = DEFAULT_ROBOT, PlannerConfig(map_cells=160, people=3)
DELAY = 0.18
TIMES = CONFIG.dt * np.arange(CONFIG.times)
HALF = ROBOT.camera.field_of_view / 2
TALL = dataclasses.replace(ROBOT, tilt_limit=0.8)


@functools.cache
def planner(robot=ROBOT):
    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(params, screen, gaze, world, motion):
        basis = basis_of(CONFIG)
        return plan_screen(
            robot, CONFIG, params, basis, screen, gaze, world, motion, jnp.float32(DELAY)
        )

    return run


def planned(gaze, world=None, motion=None, pan=0.0, information=0.0, robot=ROBOT, sweep=0.0):
    params = jax.tree.map(jnp.float32, PlannerParams(information=information))
    screen = initial_screen()
    screen = dataclasses.replace(
        screen,
        pan=JointState(angle=jnp.float32(pan), rate=jnp.float32(0.0)),
        sweep=jnp.float32(sweep),
    )
    world = world or world_of()
    plan = planner(robot)(params, screen, gaze, world, motion or driving(0.0, 0.0))
    return jax.device_get(plan)


@functools.cache
def clearances(wall=False):
    blocked = np.zeros((CONFIG.map_cells,) * 2, bool)
    if wall:  # from (1, -1) to (1, 1)
        blocked[60:101, 100] = True
    grid = Grid(
        values=jnp.zeros(blocked.shape),
        origin=jnp.array([-4.0, -4.0]),
        resolution=jnp.float32(CONFIG.map_resolution),
    )
    return clearance_field(jnp.asarray(blocked), grid, CONFIG.clearance_cells)


def world_of(people=(), wall=False, var=0.003):
    """People (x, y, vx, vy) around a robot at the origin that heads along x."""
    tracks = tracks_of(people, var)
    times = CONFIG.dt * jnp.arange(0, CONFIG.times, CONFIG.people_stride, dtype=jnp.float32)
    params = jax.tree.map(jnp.float32, PlannerParams())
    return WorldAtEffect(
        pose_map=jnp.zeros(3),
        command=jnp.zeros(2),
        command_dot=jnp.zeros(2),
        clearance=clearances(wall),
        forecast=forecast(tracks, params, jnp.float32(0.0), times),
    )


def tracks_of(people, var) -> Tracks:
    states = np.zeros((CONFIG.people, 4), np.float32)
    states[: len(people)] = np.reshape(np.asarray(people, np.float32), (-1, 4))
    return dataclasses.replace(
        no_tracks(CONFIG.people),
        xy_map=jnp.asarray(states[:, :2]),
        velocity_map=jnp.asarray(states[:, 2:]),
        xy_var=jnp.full(CONFIG.people, var, jnp.float32),
        velocity_var=jnp.full(CONFIG.people, 0.15**2, jnp.float32),
        valid=jnp.arange(CONFIG.people) < len(people),
    )


def driving(v, omega, begins=0.0):
    """A constant twist from ``begins`` s on."""
    time = np.maximum(TIMES - begins, 0.0)
    yaw = omega * time
    chord = v * time * np.sinc(yaw / (2 * np.pi))
    pose = np.stack([chord * np.cos(yaw / 2), chord * np.sin(yaw / 2), yaw], axis=1)
    still = jnp.zeros((CONFIG.times, 3))
    return Motion(pose_map=jnp.asarray(pose, jnp.float32), twist=still, twist_dot=still)


def pan_at(plan, time):
    return float(
        np.interp(time, CONFIG.gate_period * np.arange(len(plan.angles.pan)), plan.angles.pan)
    )


def heading_at(motion, time):
    """Of the base at the screen's time: the wheels are late."""
    return float(np.interp(time - DELAY, TIMES, np.asarray(motion.pose_map)[:, 2]))


# ---- where the robot goes ------------------------------------------------------------


def test_straight_ahead_and_at_rest_it_looks_ahead():
    for motion in (driving(0.0, 0.0), driving(0.6, 0.0), driving(-0.2, 0.0)):
        plan = planned(ahead(), motion=motion)
        np.testing.assert_allclose(plan.angles.pan, 0.0, atol=1e-4)
        assert int(plan.looking) == Looking.AT_NOTHING and not bool(plan.by_time)


@pytest.mark.parametrize("v", [0.0, 0.5, -0.2])
@pytest.mark.parametrize("omega", [0.8, 1.5, -1.5])
def test_it_shows_a_turn_before_it_comes(v, omega):
    """What the base turns to half a second later, the screen faces now, or further."""
    motion = driving(v, omega, begins=0.8)
    plan, side = planned(ahead(), motion=motion), np.sign(omega)
    for time in np.arange(0.3, 2.0, 0.1):
        facing = side * (heading_at(motion, time) + pan_at(plan, time))
        to_come = side * heading_at(motion, time + 0.5)
        assert facing >= to_come - 0.03
        assert facing <= side * heading_at(motion, time + LEADS[-1]) + 0.03


# ---- bodies and places ---------------------------------------------------------------


def test_a_body_is_kept_in_the_middle_where_it_will_be():
    """Somebody crosses at 1.5 m while the base turns the other way."""
    world, motion = world_of([(1.5, -1.2, 0.0, 0.8)]), driving(0.0, -0.6)
    plan = planned(at_body(0), world, motion)
    assert bool(plan.by_time) and int(plan.looking) == Looking.SEEN
    for time in np.arange(0.8, 2.0, 0.2):  # once it has turned there
        place = np.array([1.5, -1.2 + 0.8 * (time - DELAY)])
        heading = heading_at(motion, time)
        eye = ROBOT.screen.mount_x * np.array([np.cos(heading), np.sin(heading)])
        bearing = np.arctan2(*(place - eye)[::-1]) - heading
        assert pan_at(plan, time) == pytest.approx(bearing, abs=0.08)
    assert plan.seen[0] > 0.7  # of a second that begins with turning there


def test_it_shows_turns_as_far_as_the_body_stays_in_view():
    world, motion = world_of([(2.0, 0.0, 0.0, 0.0)]), driving(0.0, 1.0, begins=0.5)
    panned = {
        share: pan_at(planned(at_body(0, share), world, motion), 0.6) for share in (1.0, 0.5, 0.0)
    }
    alone = pan_at(planned(ahead(), world, motion), 0.6)
    assert abs(panned[1.0]) < 0.05
    assert 0.15 < panned[0.5] < HALF - MARGIN
    assert panned[0.0] == pytest.approx(alone, abs=1e-3)
    assert alone > panned[0.5]


@pytest.mark.parametrize(
    ("xy", "wall", "looking"),
    [
        ((2.0, 1.0), False, Looking.SEEN),
        ((2.0, 0.0), True, Looking.HIDDEN),
        ((0.5, 0.1), True, Looking.SEEN),
        ((-2.0, -0.3), False, Looking.OUT_OF_REACH),
        ((3.8, 3.8), False, Looking.OUT_OF_REACH),  # farther than the camera knows anybody
        ((np.nan, 0.0), False, Looking.LOST),
        ((np.inf, 0.0), False, Looking.LOST),
    ],
)
def test_a_place_is_faced_as_nearly_as_can_be(xy, wall, looking):
    plan = planned(at_point(jnp.asarray(xy, jnp.float32)), world_of(wall=wall))
    assert int(plan.looking) == looking
    bearing = np.arctan2(xy[1], xy[0] - ROBOT.screen.mount_x) if np.all(np.isfinite(xy)) else 0.0
    expected = np.clip(bearing, -ROBOT.pan_limit, ROBOT.pan_limit)
    assert pan_at(plan, 3.0) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("slot", [-1, 1, 3, 1000])
def test_who_is_not_tracked_is_lost_and_the_screen_goes_to_rest(slot):
    plan = planned(at_body(slot), world_of([(1.0, 1.0, 0.0, 0.0)]), pan=0.9)
    assert int(plan.looking) == Looking.LOST
    assert plan.angles.pan[0] == pytest.approx(0.9) and abs(plan.angles.pan[-1]) < 0.01
    assert np.all(np.diff(plan.angles.pan) <= 1e-6)


def test_what_passes_behind_is_watched_round_one_side():
    """Who walks round the robot's back is not chased from one end stop to the other at once."""
    world = world_of([(-1.5, 0.5, 0.0, -0.5)])
    plan = planned(at_body(0), world, pan=ROBOT.pan_limit)
    before = pan_at(plan, 1.0)  # straight behind
    assert before == pytest.approx(ROBOT.pan_limit, abs=0.02)
    assert int(plan.looking) == Looking.OUT_OF_REACH


def test_a_screen_that_tilts_looks_up_to_a_face():
    world = world_of([(1.5, 0.0, 0.0, 0.0)])
    up = planned(at_body(0), world, robot=TALL).angles.tilt[-1]
    assert up == pytest.approx(np.arctan2(1.5 - ROBOT.camera.height, 1.5), abs=0.05)
    np.testing.assert_allclose(planned(rest(), world, robot=TALL).angles.tilt, 0.0, atol=1e-6)
    np.testing.assert_array_equal(planned(at_body(0), world).angles.tilt, 0.0)


def test_a_search_sweeps_about_its_bearing():
    facing = []
    for since in np.arange(1e-6, 12.0, 1.0):
        plan = planned(search(0.4), sweep=since, pan=facing[-1] if facing else 0.0)
        facing += [pan_at(plan, 0.5), pan_at(plan, 1.0)]
    assert max(facing) == pytest.approx(min(0.4 + SWEEP, ROBOT.pan_limit), abs=0.1)
    assert min(facing) == pytest.approx(0.4 - SWEEP, abs=0.1)


def test_at_rest_it_faces_straight_ahead_whatever_the_base_does():
    plan = planned(rest(), motion=driving(0.5, 1.0), pan=0.5)
    assert abs(plan.angles.pan[-1]) < 0.01
    assert int(plan.looking) == Looking.AT_NOTHING


# ---- what there is to know -----------------------------------------------------------


def test_with_a_weight_it_looks_at_who_is_about_to_cross_and_without_it_does_not():
    """Somebody whose place is not well known comes from the side into the robot's way."""
    world = world_of([(1.4, -1.4, -0.3, 0.7), (-1.0, 3.2, 0.0, 0.4)], var=0.09)
    motion = driving(0.5, 0.0)
    without, informed = (
        planned(ahead(), world, motion, information=weight) for weight in (0.0, 20.0)
    )
    np.testing.assert_allclose(without.angles.pan, 0.0, atol=1e-4)
    assert informed.angles.pan[20] < -0.2
    assert informed.seen[0] > without.seen[0] + 0.3


def test_it_does_not_look_at_who_does_not_matter():
    """Far away and going away; nothing is learned behind a wall either."""
    motion = driving(0.5, 0.0)
    away = world_of([(-1.0, 3.2, 0.0, 0.4)], var=0.09)
    hidden = world_of([(1.4, -0.9, 0.0, 0.0)], wall=True, var=0.09)
    for world in (away, hidden):
        plan = planned(ahead(), world, motion, information=20.0)
        assert np.max(np.abs(plan.angles.pan)) < 0.05


# ---- bad input -----------------------------------------------------------------------


@settings(max_examples=60)
@given(
    intent=st.integers(-3, 9),
    body=st.integers(-5, 10),
    numbers=st.lists(
        st.sampled_from([0.0, 1.0, -7.0, np.nan, np.inf, -np.inf, 3e38]), min_size=4, max_size=4
    ),
    pan=st.floats(-1.6, 1.6),
    seed=st.integers(0, 1000),
)
def test_any_gaze_is_planned_within_the_limits(intent, body, numbers, pan, seed):
    x, y, share, centre = numbers
    gaze = Gaze(
        intent=jnp.int32(intent),
        body=jnp.int32(body),
        point_map=jnp.array([x, y]),
        share=jnp.float32(share),
        centre=jnp.float32(centre),
    )
    random = np.random.default_rng(seed)
    people = random.choice([0.0, 1.0, -2.0, np.nan, 1e6], (2, 4))
    plan = planned(gaze, world_of(people), driving(0.4, 1.5), pan=pan, information=5.0)
    rows = np.asarray(plan.angles.pan, float)
    assert np.all(np.isfinite(plan.controls)) and np.all(np.isfinite(plan.seen))
    assert np.all(np.abs(rows) <= ROBOT.pan_limit + 1e-5)
    rate = np.diff(rows) / CONFIG.gate_period
    assert np.all(np.abs(rate) <= ROBOT.pan_rate + 1e-3)
    assert np.all(np.abs(np.diff(rate)) / CONFIG.gate_period <= ROBOT.pan_acceleration + 0.02)
    assert 0 <= int(plan.looking) < len(Looking)
