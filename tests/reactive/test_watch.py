"""Bad input at the gate's own door, by the numbers of the list of faults.

Every one stops the robot, slows it, or changes nothing, as the list says.
"""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from astro_jax.reactive import movers, sight, watch
from astro_jax.reactive.gate import react as react_once
from astro_jax.reactive.modes import WELL
from astro_jax.reactive.senses import Mode, initial_gate
from astro_jax.types import Reason

from .cases import (
    BEAMS,
    BEARINGS,
    CONFIG,
    PEOPLE,
    ROBOT,
    SIGHT,
    TICK,
    case_of,
    cast,
    constant_plan,
    driven,
    eye_of,
    f32,
    mask,
    path_speed,
    plan_of,
    put,
    react,
    scan_of,
    seen_before,
    tracks_of,
)

TWIST = (0.5, 0.3)
WALL = [(1.2, y) for y in np.linspace(-0.3, 0.3, 20)]


def healthy(**changes):
    """On the way at full speed, with a wall in sight that is no reason to slow."""
    return case_of(constant_plan(*TWIST), TWIST, WALL, **changes)


def assert_stops(case, reason):
    """The brakes' limit in this very tick, and the reason why."""
    state, verdict = react(case)
    assert int(verdict.reason) == reason
    assert int(verdict.mode) == int(state.mode) == Mode.STOPPED
    expected = path_speed(TWIST) - ROBOT.braking * TICK
    assert path_speed(verdict.twist) == pytest.approx(expected, abs=1e-5)
    assert float(state.well_for) == 0.0


def assert_goes(case):
    _, verdict = react(case)
    assert (int(verdict.reason), int(verdict.mode)) == (Reason.CLEAR, Mode.RUNNING)
    np.testing.assert_allclose(verdict.twist, TWIST, atol=1e-5)


def test_all_is_well_with_the_case_that_is_broken_below():
    assert_goes(healthy())


NAN = f32(np.nan)


def nan_like(x):
    return np.full_like(x, np.nan)


# ---- sensors ---------------------------------------------------------------------------


def test_01_without_data_it_never_moves():
    """Messages that never came: their ages are endless, or nobody knows them."""
    fresh = case_of(points=WALL)
    start = jax.tree.map(np.asarray, initial_gate(BEAMS))
    for path in ("scan.age", "odometry.age", "map_age", "plan_age"):
        for never in (np.inf, np.nan, 1e9):
            case = put(fresh, f"senses.{path}", f32(never))._replace(state=start)
            case, verdicts = driven(case, 30)
            assert all(path_speed(v.twist) == 0.0 for v in verdicts)
            assert int(case.state.mode) == Mode.STOPPED
    # nothing has been said at all
    nothing = jax.tree.map(lambda x: nan_like(x) if x.dtype == np.float32 else x, fresh.senses)
    _, verdicts = driven(fresh._replace(state=start, senses=nothing), 30)
    assert all(path_speed(v.twist) == 0.0 for v in verdicts)
    # and it would have moved
    case, verdicts = driven(fresh._replace(state=start), 30)
    assert path_speed(verdicts[-1].twist) > 0.2


MOST = {
    "scan.age": (watch.MAX_SCAN_AGE, Reason.BAD_SCAN),
    "odometry.age": (watch.MAX_STATE_AGE, Reason.BAD_STATE),
    "map_age": (watch.MAX_MAP_AGE, Reason.BAD_MAP),
    "plan_age": (watch.MAX_PLAN_AGE, Reason.BAD_PLAN),
}


@pytest.mark.parametrize("path", MOST)
def test_02_what_is_too_old_stops(path):
    most, reason = MOST[path]
    _, verdict = react(put(healthy(), f"senses.{path}", f32(most - 1e-3)))
    assert int(verdict.mode) <= Mode.SLOWED
    for age in (most + 1e-3, 10.0, np.inf, np.nan):
        assert_stops(put(healthy(), f"senses.{path}", f32(age)), reason)


def test_03_frozen_content_with_fresh_stamps_stops():
    """The robot has moved on by more than it takes to see something else."""
    case = healthy()
    case = put(case, "state.memory.ranges", case.senses.scan.ranges)
    assert_goes(case)  # standing still, it may see the same twice
    for moved in ([0.021, 0, 0], [0, -0.021, 0], [0, 0, 0.021]):
        pose = f32(eye_of((0, 0, 0)) + moved)
        assert_stops(put(case, "senses.scan.pose_map", pose), Reason.BAD_SCAN)
    near = put(case, "senses.scan.pose_map", f32(eye_of((0.015, 0, 0))))
    assert int(react(near)[1].mode) <= Mode.SLOWED


def test_03_a_sensor_that_hangs_is_found_out_within_two_centimetres():
    case, metres = healthy(), 0.0
    _, verdict = react(case)
    for _ in range(50):
        metres += TICK * TWIST[0]
        pose = f32(eye_of((metres, 0.0, 0.0)))
        case = put(put(case, "senses.scan.pose_map", pose), "state.phase", f32(0.0))
        state, verdict = react(case)
        case = case._replace(state=jax.tree.map(np.asarray, state))
        if int(verdict.mode) == Mode.STOPPED:
            break
    assert int(verdict.reason) == Reason.BAD_SCAN
    assert metres < 0.02 + 2.1 * TICK * TWIST[0]
    # and it stays so for as long as nothing else is said
    assert int(react(case)[1].reason) == Reason.BAD_SCAN


@pytest.mark.parametrize("twist", [(0.5, 0.0), (0.0, 0.6), (-0.1, 0.2)])
@pytest.mark.parametrize("hangs", [True, False], ids=["the scan too", "the odometry alone"])
def test_03_odometry_that_hangs_while_its_wheels_roll_stops(twist, hangs):
    """A base that repeats itself with fresh stamps: nothing in it ever says that it has moved."""
    case = put(healthy(), "senses.odometry.twist", f32(twist))
    case = put(case, "senses.odometry.age", case.state.memory.odometry_age)
    rolled, goes_on = 0.0, []
    _, verdict = react(case)
    for number in range(60):
        if not hangs:
            ranges = case.senses.scan.ranges + f32(1e-4 * (-1) ** number)
            case = put(case, "senses.scan.ranges", ranges)
        case = put(case, "state.phase", f32(0.0))
        state, verdict = react(case)
        case = case._replace(state=jax.tree.map(np.asarray, state))
        goes_on.append(int(verdict.mode) <= Mode.SLOWED)
        rolled += TICK * float(np.abs(twist).sum())
        if not goes_on[-1]:
            break
    assert int(verdict.reason) == Reason.BAD_STATE
    assert 0.05 <= rolled <= 0.05 + 2.1 * TICK * float(np.abs(twist).sum())
    assert int(react(case)[1].reason) == Reason.BAD_STATE
    # a pose that moves on is one again
    moved = put(case, "senses.odometry.pose_map", case.senses.odometry.pose_map + f32(1e-5))
    assert int(react(moved)[1].reason) != Reason.BAD_STATE


def test_03_one_wrong_twist_does_not_hold_a_robot_that_stands():
    """Its pose will not change before it may move."""
    case = put(healthy(), "senses.odometry.age", healthy().state.memory.odometry_age)
    reasons = []
    _, verdict = react(case)
    for number in range(14):
        twist = (9.0, 0.0) if number == 0 else (0.0, 0.0)
        case = put(case, "senses.odometry.twist", f32(twist))
        case = put(case, "state.phase", f32(0.0))
        state, verdict = react(case)
        case = case._replace(state=jax.tree.map(np.asarray, state))
        reasons.append(int(verdict.reason))
    assert reasons[0] == Reason.BAD_STATE and Reason.BAD_STATE not in reasons[1:]
    assert int(verdict.mode) <= Mode.SLOWED


def test_03_at_rest_or_told_once_more_the_same_odometry_is_no_fault():
    for twist, older in (((0.0, 0.0), 0.0), ((0.02, -0.09), 0.0), ((0.5, 0.0), 0.012)):
        case = put(healthy(), "senses.odometry.twist", f32(twist))
        age = float(case.state.memory.odometry_age)
        for number in range(1, 22):
            case = put(case, "senses.odometry.age", f32(age + older * number))
            case = put(case, "state.phase", f32(0.0))
            state, verdict = react(case)
            case = case._replace(state=jax.tree.map(np.asarray, state))
            assert int(verdict.reason) != Reason.BAD_STATE


def test_04_a_scan_of_no_numbers_stops():
    case = healthy()
    assert_stops(
        put(case, "senses.scan.ranges", nan_like(case.senses.scan.ranges)), Reason.BAD_SCAN
    )
    silent = put(case, "senses.scan.valid", np.zeros(BEAMS, bool))
    assert_stops(silent, Reason.BAD_SCAN)
    assert_stops(put(silent, "senses.scan.ranges", f32(np.full(BEAMS, np.inf))), Reason.BAD_SCAN)
    assert_stops(put(case, "senses.scan.pose_map", f32([0, np.nan, 0])), Reason.BAD_SCAN)


def test_05_less_than_half_of_the_beams_stops():
    for share, goes in ((0.55, True), (0.45, False)):
        lost = np.floor(np.arange(BEAMS) * (1 - share)) != np.floor(
            (np.arange(BEAMS) + 1) * (1 - share)
        )
        case = put(healthy(), "senses.scan.valid", ~lost)
        if goes:
            assert int(react(case)[1].mode) <= Mode.SLOWED
        else:
            assert_stops(case, Reason.BAD_SCAN)


def test_06_blind_where_it_goes():
    ahead = np.abs(BEARINGS) < sight.AHEAD
    assert_stops(put(healthy(), "senses.scan.valid", ~ahead), Reason.BAD_SCAN)
    # some of the beams to the side, where this curve leads
    case = case_of(constant_plan(0.3, 1.5), (0.3, 1.5))
    assert int(react(case)[1].reason) == Reason.CLEAR
    blinded = put(case, "senses.scan.valid", (BEARINGS < 0.45) | (BEARINGS > 1.5))
    case, verdicts = driven(blinded, 60, rewind=True)
    assert int(verdicts[-1].reason) == Reason.BLIND
    assert path_speed(verdicts[-1].twist) < 0.8 * path_speed((0.3, 1.5))
    other_way = put(blinded, "plan", constant_plan(0.3, -1.5))
    assert int(react(put(other_way, "state.twist", f32((0.3, -1.5))))[1].reason) == Reason.CLEAR


def speeds_with_noise(ghosts, lost, ticks=200):
    """Path speeds along a wall that is seen with ghosts and lost beams."""
    random, sides = np.random.default_rng(1), [(-3, 0.8, 9, 0.8), (-3, -0.8, 9, -0.8)]
    x, speeds, start = 0.0, [], eye_of((0, 0, 0))
    memory = seen_before(cast(start, (), sides), start, (0, 0, 0))
    case = case_of(constant_plan(0.5, 0.0), (0.5, 0.0), state__memory=memory)
    for _ in range(ticks):
        eye = eye_of((x, 0, 0))
        true = cast(eye, (), sides) + 0.01 * random.normal(size=BEAMS)
        ghost = random.uniform(size=BEAMS) < ghosts
        ranges = np.where(ghost, random.uniform(0.15, SIGHT, BEAMS), true)
        scan = scan_of(ranges, eye)
        scan = dataclasses.replace(scan, valid=random.uniform(size=BEAMS) >= lost)
        case = put(put(case, "senses.scan", scan), "state.phase", f32(0.0))
        for path in ("senses.pose_map", "senses.odometry.pose_map"):
            case = put(case, path, f32([x, 0, 0]))
        state, verdict = react(case)
        case = case._replace(state=jax.tree.map(np.asarray, state))
        speeds.append(path_speed(verdict.twist))
        x += TICK * speeds[-1]
    return np.array(speeds)


def test_09_lost_beams_slow_nothing_down_and_ghosts_without_oscillation():
    clean, lost = speeds_with_noise(0.0, 0.0), speeds_with_noise(0.0, 0.05)
    np.testing.assert_allclose(clean, 0.5, atol=1e-5)
    assert np.mean(lost) > 0.9 * 0.5 and np.min(lost) > 0.6 * 0.5
    # a ghost where it goes is a thing for as long as it is there, but no runner
    few = speeds_with_noise(0.005, 0.05)
    assert np.mean(few) > 0.5 * 0.5
    for speeds in (lost, few, speeds_with_noise(0.05, 0.05)):
        assert np.max(np.diff(speeds)) <= 0.8 * TICK + 1e-5


def test_10_half_the_rate_is_no_faster_and_no_jerkier():
    """Every scan comes twice, the second time as old as it then is."""
    case, speeds = healthy(), []
    for k in range(60):
        fresh = k % 2 == 0
        if fresh:
            noise = 0.001 * np.random.default_rng(k).normal(size=BEAMS)
            case = put(case, "senses.scan.ranges", case.senses.scan.ranges + f32(noise))
        case = put(case, "senses.scan.age", f32(0.04 if fresh else 0.06))
        state, verdict = react(put(case, "state.phase", f32(0.0)))
        case = case._replace(state=jax.tree.map(np.asarray, state))
        speeds.append(path_speed(verdict.twist))
        assert int(verdict.mode) <= Mode.SLOWED
    assert np.ptp(speeds) < 1e-4
    _, verdicts = driven(put(healthy(), "senses.pace", f32(0.3)), 30, rewind=True)
    assert int(verdicts[-1].reason) == Reason.PACED
    assert verdicts[-1].twist[0] == pytest.approx(1.01 * 0.3 * ROBOT.speed, abs=1e-4)


# ---- time ------------------------------------------------------------------------------


@pytest.mark.parametrize("elapsed", [-0.02, -1e9])
def test_12_a_clock_that_jumps_back_stops(elapsed):
    assert_stops(put(healthy(), "senses.elapsed", f32(elapsed)), Reason.BAD_CLOCK)


@pytest.mark.parametrize("path", MOST)
def test_13_a_message_from_the_future_stops(path):
    soon = f32(-watch.AHEAD_OF_TIME + 1e-3)
    assert int(react(put(healthy(), f"senses.{path}", soon))[1].mode) <= Mode.SLOWED
    late = f32(-watch.AHEAD_OF_TIME - 1e-3)
    assert_stops(put(healthy(), f"senses.{path}", late), MOST[path][1])


def test_14_a_message_that_comes_twice_is_no_fault_until_it_is_too_old():
    case = healthy()
    for k in range(12):
        case = put(case, "senses.scan.age", f32(0.04 + TICK * k))
        case = put(case, "senses.pose_map", f32([TICK * k * TWIST[0], 0, 0]))
        state, verdict = react(case)
        case = case._replace(state=jax.tree.map(np.asarray, state))
        late = 0.04 + TICK * k > watch.MAX_SCAN_AGE
        assert (int(verdict.reason) == Reason.BAD_SCAN) == late


def test_14_an_older_scan_after_a_newer_one_makes_it_no_faster():
    """Out of order: it is judged by its own age and place."""
    near = case_of(constant_plan(0.7, 0.0), (0.7, 0.0), [(0.55, 0.0)])
    fresh = react(near)[1]
    older = put(near, "senses.scan.age", f32(0.12))
    assert float(fresh.scale) < 1.0
    assert float(react(older)[1].scale) <= float(fresh.scale)


@pytest.mark.parametrize("elapsed", [0.0, -0.0, 1e-45, 0.1001, 1.5, 1e30, np.inf, np.nan])
def test_16_18_no_time_or_too_much_since_the_last_tick(elapsed):
    """Nothing is divided by it; whoever slept knows nothing."""
    case = put(healthy(), "senses.elapsed", f32(elapsed))
    if elapsed == 1e-45:
        # the least number that is more than nothing: flushed to nothing or not, it is finite
        assert np.all(np.isfinite(react(case)[1].twist))
    else:
        assert_stops(case, Reason.BAD_CLOCK)


# ---- state estimate ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["pose_map", "odometry.pose_map", "odometry.twist", "delay"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_19_a_state_that_is_no_number_stops(path, value):
    case = healthy()
    leaf: Any = case.senses
    for name in path.split("."):
        leaf = getattr(leaf, name)
    for where in np.ndindex(np.shape(leaf)):
        torn = np.array(leaf)
        torn[where] = value
        if path == "delay" and value == np.inf:
            # endless delay: nothing is ever in time
            _, verdict = react(put(case, "senses.delay", f32(torn)))
            assert path_speed(verdict.twist) < path_speed(TWIST)
        else:
            assert_stops(put(case, f"senses.{path}", f32(torn)), Reason.BAD_STATE)


@pytest.mark.parametrize("jump", [(0.31, 0, 0), (0, -0.31, 0), (0, 0, 0.61), (0, 0, -2.0)])
def test_20_a_jump_stops_until_it_has_been_well_again(jump):
    case = put(healthy(), "senses.odometry.pose_map", f32(jump))
    assert_stops(case, Reason.BAD_STATE)
    # at the new place it goes on as after any fault
    case, verdicts = driven(case, 1 + round(WELL / TICK))
    assert [int(v.reason) for v in verdicts[1:-1]] == [Reason.WAITING] * (len(verdicts) - 2)
    assert int(verdicts[-1].mode) <= Mode.SLOWED
    small = f32([0.9 * x if abs(x) < 1 else 0.0 for x in jump])
    assert int(react(put(healthy(), "senses.odometry.pose_map", small))[1].mode) <= Mode.SLOWED
    # a full turn is no jump
    turned = put(healthy(), "senses.odometry.pose_map", f32([0, 0, 2 * np.pi]))
    assert int(react(turned)[1].mode) <= Mode.SLOWED


GOOD = np.diag([0.01, 0.01, 0.003]) ** 2
DOUBTS = {
    "exact": (0.0 * GOOD, True),
    "good": (GOOD, True),
    "not a number": (np.full((3, 3), np.nan), False),
    "endless": (np.diag([np.inf, 0.0, 0.0]), False),
    "negative": (np.diag([1e-4, -1e-4, 1e-6]), False),
    "no covariance": (np.array([[1e-4, 2e-4, 0], [2e-4, 1e-4, 0], [0, 0, 1e-6]]), False),
    "lost": (np.diag([0.35, 0.01, 0.01]) ** 2, False),
    "turned about": (np.diag([0.01, 0.01, 0.7]) ** 2, False),
}


def test_21_a_doubt_that_is_too_great_or_none_at_all_stops():
    # an odometry that tells its doubt is another shape: compiled apart
    told = jax.jit(lambda c: react_once(ROBOT, CONFIG, c.state, c.plan, c.senses))
    for what, (cov, goes) in DOUBTS.items():
        _, verdict = told(put(healthy(), "senses.odometry.cov", f32(cov)))
        expected = Reason.CLEAR if goes else Reason.BAD_STATE
        assert int(verdict.reason) == expected, what


def test_24_in_collision_only_leaving_is_possible():
    behind = [(-ROBOT.length / 2 - 0.004, y) for y in (-0.1, 0.0, 0.1)]
    ahead = [(ROBOT.length / 2 + 0.004, y) for y in (-0.1, 0.0, 0.1)]
    for v, points, free in ((0.4, ahead, False), (-0.2, ahead, True), (0.4, behind, True)):
        case, _ = driven(case_of(constant_plan(v, 0.0), points=points), 30, rewind=True)
        expected = v if free else 0.0
        assert float(case.state.twist[0]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "measured", [(2.0, 0.0), (-0.9, 0.0), (0.2, 5.0), (np.nan, 0.0), (0.0, np.nan)]
)
def test_25_a_robot_that_is_faster_than_it_may_be_brakes(measured):
    assert_stops(put(healthy(), "senses.odometry.twist", f32(measured)), Reason.BAD_STATE)


# ---- people ------------------------------------------------------------------------------

STRAIGHT = {"plan": constant_plan(0.6, 0.0), "twist": (0.6, 0.0)}


@pytest.mark.parametrize("path", ["xy_map", "velocity_map", "radius", "age"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_35_a_track_that_is_no_number_is_anywhere(path, value):
    far = case_of(**STRAIGHT, people=[(20.0, 0.0)])
    assert float(react(far)[1].scale) == pytest.approx(1.0)
    leaf = np.array(getattr(far.senses.tracks, path))
    leaf[(0,) * leaf.ndim] = value
    _, verdict = react(put(far, f"senses.tracks.{path}", f32(leaf)))
    if path == "xy_map" and value == np.inf:
        # endlessly far away is a place
        assert np.all(np.isfinite(verdict.twist))
        return
    assert path_speed(verdict.twist) == pytest.approx(0.6 - ROBOT.braking * TICK, abs=1e-5)
    # a slot that is empty says nothing
    empty = put(far, f"senses.tracks.{path}", f32(leaf))
    if path != "age":
        empty = put(empty, "senses.tracks.valid", np.zeros(PEOPLE, bool))
        assert float(react(empty)[1].scale) == pytest.approx(1.0)


def test_36_whoever_is_too_fast_is_capped_and_inflated():
    """From the side: at the capped speed it would pass behind, but it may be anywhere between."""
    scales = []
    for speed in (movers.FASTEST, 2 * movers.FASTEST, 1e6):
        case = case_of(**STRAIGHT, people=[(0.5, -2.0)], velocity=(0.0, speed))
        scales.append(float(react(case)[1].scale))
    assert scales[1] <= scales[0] + 1e-6
    assert scales[2] < 1.0 and np.isfinite(scales[2])


@pytest.mark.parametrize("slot", range(PEOPLE))
def test_37_every_slot_counts(slot):
    people = np.full((PEOPLE, 2), 20.0)
    people[slot] = (0.6, 0.0)
    assert float(react(case_of(**STRAIGHT, people=people))[1].scale) < 1.0


def test_38_a_track_that_vanishes_leaves_what_the_scan_sees():
    """Somebody who had walked in is as good a reason to slow without their track."""
    person = [(0.55, y) for y in np.linspace(-0.1, 0.1, 9)]
    case = case_of(**STRAIGHT, points=person, before=[], people=[(0.65, 0.0)])
    lost = put(case, "senses.tracks.valid", np.zeros(PEOPLE, bool))
    for each in (case, lost):
        assert float(react(each)[1].scale) < 1.0
        assert int(react(each)[1].reason) == Reason.SLOWED


def test_39_swapped_and_doubled_tracks_change_nothing():
    people, velocity = [(0.7, -0.3), (1.0, 0.4), (3.0, 0.0)], [(0.2, 0.5), (-0.4, 0.0), (0, 0)]
    tracks = tracks_of(people, velocity)
    case = put(case_of(**STRAIGHT), "senses.tracks", tracks)
    scale = float(react(case)[1].scale)
    assert scale < 1.0
    for order in ([1, 0, 2], [2, 1, 0], [1, 2, 0]):
        swapped = jax.tree.map(lambda x, o=order: x[o] if x.ndim else x, tracks)
        assert float(react(put(case, "senses.tracks", swapped))[1].scale) == scale
    doubled = jax.tree.map(lambda x: x[[0, 1, 1]] if x.ndim else x, tracks)
    assert float(react(put(case, "senses.tracks", doubled))[1].scale) == scale


def test_40_with_the_tracker_dead_people_may_be_ever_farther():
    scales = [
        float(
            react(put(case_of(**STRAIGHT, people=[(1.3, 0.4)]), "senses.tracks.age", f32(age)))[
                1
            ].scale
        )
        for age in (0.05, 0.3, 0.6, 0.9)
    ]
    assert np.all(np.diff(scales) <= 1e-6)
    assert scales[0] == pytest.approx(1.0) and scales[-1] < 1.0


# ---- plans -------------------------------------------------------------------------------


def test_61_a_late_plan_ends_in_its_own_stop():
    """One cycle late, two, and for good: the tail that was checked, and then rest."""
    case, speeds, age = healthy(), [], 0.0
    _, verdict = react(case)
    for _ in range(60):
        case, (verdict,) = driven(put(case, "senses.plan_age", f32(age)), 1)
        speeds.append(path_speed(verdict.twist))
        age += TICK
    speeds = np.array(speeds)
    late = round(CONFIG.tail_after / TICK)
    np.testing.assert_allclose(speeds[:late], path_speed(TWIST), atol=1e-3)
    # comfortably, from before the watchdog's time on
    slower = -np.diff(speeds[late:])
    assert np.max(slower) <= ROBOT.wheel_acceleration * TICK * 1.01
    assert int(verdict.reason) == Reason.BAD_PLAN
    rest = late + int(np.ceil(path_speed(TWIST) / (ROBOT.wheel_acceleration * TICK))) + 1
    assert np.all(speeds[rest:] < 1e-6)


@pytest.mark.parametrize("which", ["commands", "tail"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0, -2.0])
def test_86_a_plan_with_anything_wrong_anywhere_is_not_followed(which, value):
    random = np.random.default_rng(0)
    for _ in range(10):
        case = healthy()
        rows = np.array(getattr(case.plan, which))
        rows[random.integers(rows.shape[0]), random.integers(2)] = value
        assert_stops(put(case, f"plan.{which}", rows), Reason.BAD_PLAN)


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, -1, 99])
def test_87_a_plan_that_is_not_released_is_not_followed(status):
    assert_stops(put(healthy(), "plan.status", np.int32(status)), Reason.BAD_PLAN)


def test_88_coincident_points_are_no_numbers_of_nothing():
    """Somebody, a return and the eye at one point; a plan of no motion at all."""
    at_eye = tuple(eye_of((0, 0, 0))[:2])
    for plan in (constant_plan(0.0, 0.0), constant_plan(0.5, 0.0), plan_of(np.zeros((151, 2)))):
        case = case_of(plan, (0.2, 0.0), points=[at_eye], people=[at_eye, (0, 0), at_eye])
        for each in (case, put(case, "senses.scan.ranges", f32(np.zeros(BEAMS)))):
            _, verdict = react(each)
            assert np.all(np.isfinite(verdict.twist)) and 0.0 <= float(verdict.scale) <= 1.0


def test_the_gravest_reason_is_told():
    case = healthy()
    for path, value, reason in (
        ("plan_age", 9.0, Reason.BAD_PLAN),
        ("map_age", 9.0, Reason.BAD_MAP),
        ("scan.age", 9.0, Reason.BAD_SCAN),
        ("odometry.age", 9.0, Reason.BAD_STATE),
        ("elapsed", 9.0, Reason.BAD_CLOCK),
    ):
        case = put(case, f"senses.{path}", f32(value))
        assert_stops(case, reason)
    pressed = put(case, "senses.orders.stop", mask(True))
    assert int(react(pressed)[1].mode) == Mode.E_STOPPED


def test_limits_grant_one_percent_of_rounding():
    within = jax.jit(lambda t: watch.within_limits(ROBOT, t))
    v, w = ROBOT.speed, ROBOT.yaw_rate
    good = [(v, 0), (1.009 * v, 0), (-ROBOT.reverse_speed, 0), (0, w), (0, -1.009 * w)]
    bad = [(1.02 * v, 0), (-1.02 * ROBOT.reverse_speed - 1e-3, 0), (0, 1.02 * w), (0, -1.02 * w)]
    wheel = (v, w)
    assert np.all(within(f32([*good, wheel])))
    over = dataclasses.replace(ROBOT, wheel_speed=0.8)
    assert not np.any(within(f32([*bad, (np.nan, 0), (0, np.nan)])))
    assert not bool(watch.within_limits(over, f32([wheel]))[0])
