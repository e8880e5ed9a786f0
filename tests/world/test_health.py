"""Which messages are fit to drive on."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency
from astro_jax.types import Detections, Grid, LocalMap, Odometry, Scan, Snapshot
from astro_jax.world.health import (
    AHEAD_OF_TIME,
    DOUBTED,
    EASE,
    LATE,
    SETTLING,
    UNWATCHED,
    examine,
    pace_within,
    unknown_health,
)

BEAMS = 40
AGE = 0.2
LATENCY = jax.tree.map(jnp.float32, Latency(sensor=AGE))
SETTINGS = DEFAULT_ROBOT, DEFAULT_PLANNER, LATENCY
START = jnp.array([1.0, 2.0, 0.3])
NOBODY = Detections(
    xy_map=jnp.zeros((1, 2)),
    xy_cov=jnp.zeros((1, 2, 2)),
    radius=jnp.zeros(1),
    kind=jnp.zeros(1, jnp.int32),
    identity=jnp.zeros(1, jnp.int32),
    seen=jnp.zeros(1, bool),
    age=jnp.float32(AGE),
)


def map_with(*places, value=3.0, edge=False):
    """6 m x 6 m around the start, free but for cells at these places (m from the sensor's eye)."""
    values, size = np.full((60, 60), -2.0, np.float32), 0.1
    edges = np.zeros(values.shape, bool)
    origin = np.asarray(START[:2]) - 3.0
    c, s = np.cos(START[2]), np.sin(START[2])
    for ahead, left in places:
        spot = np.asarray(START[:2]) + np.array([c * ahead - s * left, s * ahead + c * left])
        column, row = np.round((spot - origin) / size).astype(int)
        values[row, column] = value
        edges[row, column] = edge
    grid = Grid(
        values=jnp.asarray(values), origin=jnp.asarray(origin), resolution=jnp.float32(size)
    )
    return LocalMap(grid=grid, evidence=grid.values, edge=jnp.asarray(edges))


OPEN = map_with()


@pytest.fixture(scope="module")
def check():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(last, snapshot, local_map):
        return examine(*SETTINGS, last, local_map, snapshot)

    return lambda last, snapshot, local_map=OPEN: run(last, snapshot, local_map)


def message(
    seed=0,
    pose=(1.0, 2.0, 0.3),
    age=AGE,
    odometry_age=AGE,
    ranges=None,
    valid=None,
    cov=None,
    people_age=AGE,
    twist=(0.0, 0.0),
    house=(0.0, 0.0, 0.0),
):
    drawn = np.random.default_rng(seed).uniform(0.5, 5.0, BEAMS)
    pose = jnp.asarray(pose, jnp.float32)
    return Snapshot(
        scan=Scan(
            ranges=jnp.asarray(drawn if ranges is None else ranges, jnp.float32),
            valid=jnp.ones(BEAMS, bool) if valid is None else jnp.asarray(valid),
            pose_map=pose,
            age=jnp.float32(age),
        ),
        odometry=Odometry(
            pose_map=pose,
            twist=jnp.asarray(twist, jnp.float32),
            age=jnp.float32(odometry_age),
            cov=jnp.asarray(np.zeros((3, 3)) if cov is None else cov, jnp.float32),
        ),
        detections=dataclasses.replace(NOBODY, age=jnp.float32(people_age)),
        house_from_map=jnp.asarray(house, jnp.float32),
    )


def begun(check):
    """After one good message."""
    health, _ = check(unknown_health(DEFAULT_PLANNER, BEAMS, START), message())
    assert bool(health.fit)
    return health


def test_before_the_first_message_nothing_is_fit():
    assert not bool(unknown_health(DEFAULT_PLANNER, BEAMS, START).fit)


def test_a_good_message_passes_untouched(check):
    sent = message(1, pose=(1.06, 2.0, 0.32))
    health, snapshot = check(begun(check), sent)
    assert bool(health.fit) and not bool(health.jumped)
    jax.tree.map(np.testing.assert_array_equal, snapshot, sent)


@pytest.mark.parametrize(
    "age", [AGE + LATE + 0.01, 3.0, -AHEAD_OF_TIME - 0.01, -5.0, np.nan, np.inf, -np.inf]
)
def test_stale_and_future_messages_are_not_fit_and_prove_nothing(check, age):
    health, snapshot = check(begun(check), message(1, age=age))
    assert not bool(health.fit) and not np.any(snapshot.scan.valid)
    health, snapshot = check(begun(check), message(1, odometry_age=age))
    assert not bool(health.fit)
    # and it is fit again with the next good one
    health, snapshot = check(health, message(2))
    assert bool(health.fit) and np.all(snapshot.scan.valid)


def test_clocks_may_disagree_a_little(check):
    health, _ = check(begun(check), message(1, age=-0.5 * AHEAD_OF_TIME))
    assert bool(health.fit)


def test_frozen_content_with_fresh_stamps_is_found_as_soon_as_the_robot_moves(check):
    health, snapshot = check(begun(check), message(0))
    assert bool(health.fit)  # at rest, and without noise, the same ranges are possible
    for moved in ((1.05, 2.0, 0.3), (1.0, 2.0, 0.35)):
        health, snapshot = check(begun(check), message(0, pose=moved))
        assert not bool(health.fit) and not np.any(snapshot.scan.valid)
        # and for as long as it goes on, although the robot has stopped
        again, _ = check(health, message(0, pose=moved))
        assert not bool(again.fit)
        again, _ = check(again, message(3, pose=moved))
        assert bool(again.fit)
    # a beam that meets nothing says nothing about freezing
    open_floor = np.full(BEAMS, np.inf)
    health, _ = check(begun(check), message(ranges=open_floor))
    health, _ = check(health, message(ranges=open_floor, pose=(1.05, 2.0, 0.3)))
    assert bool(health.fit)


def test_the_same_message_again_is_no_second_witness(check):
    """Its stamp has not moved on: it has only grown older."""
    health, snapshot = check(begun(check), message(0, age=AGE + DEFAULT_PLANNER.period))
    assert bool(health.fit) and not np.any(snapshot.scan.valid)


@pytest.mark.parametrize("pose", [(1.4, 2.0, 0.3), (1.0, 2.0, 1.2), (1.0, -9.0, 0.3)])
def test_a_jump_of_dead_reckoning_stops_until_the_pose_has_settled(check, pose):
    health, _ = check(begun(check), message(1, pose=pose))
    assert bool(health.jumped) and not bool(health.fit)
    for k in range(SETTLING):
        health, _ = check(health, message(2 + k, pose=pose))
        assert not bool(health.jumped) and bool(health.fit) == (k == SETTLING - 1)


def test_04_a_scan_that_meets_nothing_is_none_where_the_map_has_something_in_view(check):
    """A sensor that is covered, or broken, says the same as an open hall."""
    nothing = message(ranges=np.full(BEAMS, np.inf))
    half = DEFAULT_ROBOT.sensor.field_of_view / 2
    for blocked in (
        map_with((2.3, 0.0)),
        map_with((0.5, 0.2)),
        map_with((2.0 * np.cos(half - 0.2), 2.0 * np.sin(half - 0.2))),
    ):
        health, snapshot = check(begun(check), nothing, blocked)
        assert not bool(health.fit) and not np.any(snapshot.scan.valid)
        # any return at all, and it is a scan
        some = message(ranges=np.where(np.arange(BEAMS) == 7, 4.0, np.inf))
        assert bool(check(begun(check), some, blocked)[0].fit)
        # it is well again as soon as the sensor is
        assert bool(check(health, message(3), blocked)[0].fit)
    for harmless in (
        OPEN,
        map_with((2.7, 0.0)),  # it might just miss a thin thing so far away
        map_with((2.3, 0.0), value=0.7),  # nobody knows what is there
        map_with((1.0, 0.0), edge=True),  # beams go over it
        map_with((2.0 * np.cos(half + 0.1), 2.0 * np.sin(half + 0.1))),  # it does not look there
    ):
        health, snapshot = check(begun(check), nothing, harmless)
        assert bool(health.fit) and np.all(snapshot.scan.valid)


@pytest.mark.parametrize("house", [(0.31, 0.0, 0.0), (0.0, -5.0, 0.0), (0.0, 0.0, 0.7)])
def test_20_31_put_somewhere_else_by_localisation_it_stops_and_settles(check, house):
    health, _ = check(begun(check), message(1, house=house))
    assert not bool(health.fit)
    # what was seen is still where it was seen
    assert not bool(health.jumped)
    for number in range(SETTLING):
        assert not bool(health.fit)
        health, _ = check(health, message(2 + number, house=house))
    assert bool(health.fit)


def test_20_corrections_are_no_jumps_however_far_the_origin_is(check):
    """2° move a frame's origin by more than a step where the robot is 20 m away from it."""
    turn, there = np.deg2rad(2.0), np.array([20.0, 5.0])
    c, s = np.cos(turn), np.sin(turn)
    offset = there - np.array([c * there[0] - s * there[1], s * there[0] + c * there[1]])
    assert np.hypot(*offset) > 0.5
    far = (*there, 0.3)
    health, _ = check(begun(check), message(1, pose=far))
    for number in range(SETTLING + 1):
        health, _ = check(health, message(2 + number, pose=far))
    assert bool(health.fit)
    corrected = message(40, pose=far, house=(offset[0] + 0.05, offset[1], turn))
    assert bool(check(health, corrected)[0].fit)


def test_35_a_detector_of_which_nothing_can_be_true_is_a_silent_one(check):
    """It would otherwise have looked, and seen nobody."""

    def frame(*xy):
        count = len(xy)
        return Detections(
            xy_map=jnp.asarray(xy, jnp.float32),
            xy_cov=jnp.tile(0.01 * jnp.eye(2), (count, 1, 1)),
            radius=jnp.full(count, 0.25),
            kind=jnp.zeros(count, jnp.int32),
            identity=jnp.full(count, -1),
            seen=jnp.ones(count, bool),
            age=jnp.float32(AGE),
        )

    def verdict(detections):
        told = dataclasses.replace(message(1), detections=detections)
        health, snapshot = jax.jit(
            lambda last, seen: examine(DEFAULT_ROBOT, DEFAULT_PLANNER, LATENCY, last, OPEN, seen)
        )(begun(check), told)
        return float(health.pace[1]), float(snapshot.detections.age)

    lost = frame((np.nan, 0.0), (3.0, np.inf))
    assert verdict(lost) == (pytest.approx(1.0 - EASE), np.inf)
    assert verdict(frame((np.nan, 0.0), (3.0, 1.0))) == (1.0, pytest.approx(AGE))
    blank = dataclasses.replace(lost, seen=jnp.zeros(2, bool))
    assert verdict(blank) == (1.0, pytest.approx(AGE))


@pytest.mark.parametrize("yaw", [np.pi - 0.02, -np.pi + 0.02])
def test_a_full_turn_is_no_jump(check, yaw):
    health, _ = check(
        unknown_health(DEFAULT_PLANNER, BEAMS, jnp.array([0.0, 0.0, np.pi])), message()
    )
    for seed in range(1, 2 + SETTLING):
        health, _ = check(health, message(seed, pose=(1.0, 2.0, np.pi)))
    health, _ = check(health, message(99, pose=(1.0, 2.0, yaw)))
    assert bool(health.fit)


@settings(max_examples=150, deadline=None)
@given(
    pose=arrays(np.float32, 3, elements=st.floats(width=32)),
    age=st.floats(width=32),
    ranges=arrays(np.float32, BEAMS, elements=st.floats(width=32)),
    valid=arrays(bool, BEAMS),
)
def test_whatever_comes_the_verdict_is_plain_and_the_memory_sound(check, pose, age, ranges, valid):
    sent = message(pose=pose, age=age, odometry_age=age, ranges=ranges, valid=valid)
    health, snapshot = check(begun(check), sent)
    if bool(health.fit):
        assert np.all(np.isfinite(pose)) and -AHEAD_OF_TIME <= age <= AGE + LATE + 1e-6
        assert valid.any()
    assert not np.any(np.asarray(snapshot.scan.valid) & ~valid)
    assert np.all(np.isfinite(health.pose_map)) and np.all(np.isfinite(health.eye_map))
    # good messages after it count again
    for seed in range(5, 7 + SETTLING):
        health, snapshot = check(health, message(seed))
    assert bool(health.fit) and np.all(snapshot.scan.valid)


def test_a_lost_pose_leaves_the_last_one_in_memory(check):
    before = begun(check)
    health, _ = check(before, message(1, pose=(np.nan, 2.0, 0.3)))
    np.testing.assert_array_equal(health.pose_map, before.pose_map)
    assert not bool(health.fit)


@pytest.mark.parametrize("bad", [{"twist": (np.nan, 0.0)}, {"house": (0.0, np.inf, 0.0)}])
def test_a_twist_or_place_that_is_no_number_is_not_fit(check, bad):
    health, _ = check(begun(check), message(1, **bad))
    assert not bool(health.fit)
    health, _ = check(health, message(2))
    assert bool(health.fit)


# ---- what slows ----------------------------------------------------------------------


def run_on(check, messages, health=None):
    """Paces after each message."""
    health, paces = health or begun(check), []
    for each in messages:
        health, _ = check(health, each)
        paces.append(float(health.pace[1]))
    return health, np.array(paces)


def test_10_half_the_scans_are_half_the_pace_and_come_back(check):
    def halved(count):
        # the same one again, a period older
        return [
            message(100 + k // 2, age=AGE + (k % 2) * DEFAULT_PLANNER.period) for k in range(count)
        ]

    health, paces = run_on(check, halved(100))
    assert bool(health.fit)
    assert 0.5 <= paces[-1] <= 0.56  # a tenth is granted
    assert np.all(np.diff(paces) <= 1e-6)
    third, paces = run_on(
        check,
        [message(100 + k // 3, age=AGE + (k % 3) * DEFAULT_PLANNER.period) for k in range(150)],
    )
    assert bool(third.fit) and paces[-1] < 0.38
    health, paces = run_on(check, [message(500 + k) for k in range(60)], health)
    assert paces[-1] == 1.0 and np.all(np.diff(paces) >= -1e-6)


def test_a_lost_scan_and_jitter_are_no_reason_to_slow(check):
    lost = [message(k, age=AGE) for k in range(9)] + [message(8, age=AGE + 0.1)]
    _, paces = run_on(check, lost + [message(20 + k) for k in range(10)])
    assert np.all(paces == 1.0)
    random = np.random.default_rng(0)
    late = [message(k, age=AGE + random.uniform(0.0, 0.04)) for k in range(100)]
    _, paces = run_on(check, late)
    assert np.all(paces == 1.0)


@pytest.mark.parametrize("age", [AGE + LATE + 0.01, 100.0, np.inf, np.nan, -1.0])
def test_40_a_silent_detector_slows_and_does_not_stop(check, age):
    health, paces = run_on(check, [message(k, people_age=age) for k in range(30)])
    assert bool(health.fit) and paces[-1] == pytest.approx(UNWATCHED)
    assert np.min(np.diff(paces)) >= -EASE - 1e-6
    _, paces = run_on(check, [message(50 + k) for k in range(30)], health)
    assert paces[-1] == 1.0 and np.max(np.diff(paces)) <= EASE + 1e-6


def test_the_pace_has_no_step_between_cycles_either(check):
    health, _ = run_on(check, [message(1, people_age=9.0)])
    first, _ = check(health, message(2, people_age=9.0))
    second, _ = check(first, message(3, people_age=9.0))
    assert float(pace_within(first.pace, 1.0)) == float(pace_within(second.pace, 0.0))
    assert float(pace_within(first.pace, 0.0)) - float(
        pace_within(first.pace, 1.0)
    ) == pytest.approx(EASE)
    assert float(pace_within(first.pace, 7.0)) == float(first.pace[1])


@pytest.mark.parametrize(
    "cov", [np.full((3, 3), np.nan), np.diag([1e-4, -1.0, 1e-4]), np.diag([4.0, 4.0, 1e-4])]
)
def test_21_a_bad_covariance_is_bounded_and_stops_if_it_stays(check, cov):
    health = begun(check)
    for k in range(3 * DOUBTED):
        health, snapshot = check(health, message(1 + k, cov=cov))
        assert np.all(np.isfinite(snapshot.odometry.cov))
        assert bool(health.fit) == (k < DOUBTED)
    health, _ = check(health, message(99))
    assert bool(health.fit)
