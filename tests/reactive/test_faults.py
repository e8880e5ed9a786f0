"""Each limit of reactive/watch.py at the last number that is well and at the first that is not.

The numbers are written out here once more: whoever moves a limit has to say so twice.
"""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from astro_jax.reactive import watch
from astro_jax.types import Reason

from .cases import BEAMS, CONFIG, ROBOT, Case, case_of, constant_plan, eye_of, f32, mask, put
from .many import stack

fault_of_all = jax.jit(
    jax.vmap(lambda c: watch.fault(ROBOT, CONFIG, c.state.memory, c.plan, c.senses))
)
HEALTHY = case_of(constant_plan(0.5, 0.3), (0.5, 0.3), [(1.2, 0.1 * k) for k in range(-3, 4)])
HEALTHY = put(HEALTHY, "senses.odometry.cov", f32(np.diag([1e-4, 1e-4, 1e-5])))
CLEAR, SIZE = Reason.CLEAR, 48


def changed(**changes) -> Case:
    """The healthy case with other values at dotted paths, "__" for the dots."""
    case = HEALTHY
    for path, value in changes.items():
        value = value if isinstance(value, np.ndarray) else f32(value)
        case = put(case, path.replace("__", "."), value)
    return case


def assert_faults(expected: list[tuple[Case, Reason]]) -> None:
    # always as many: it is compiled once
    cases = [case for case, _ in expected] + [HEALTHY] * (SIZE - len(expected))
    found = np.asarray(fault_of_all(stack(cases)))[: len(expected)]
    assert [Reason(each) for each in found] == [reason for _, reason in expected]


def next_to(value: float | np.floating, towards: float) -> Any:
    return np.nextafter(np.float32(value), np.float32(towards))


INF = float("inf")
AGES = {
    "senses.scan.age": (0.15, Reason.BAD_SCAN),
    "senses.odometry.age": (0.3, Reason.BAD_STATE),
    "senses.map_age": (0.35, Reason.BAD_MAP),
    "senses.plan_age": (0.35, Reason.BAD_PLAN),
    "senses.delay": (INF, Reason.BAD_STATE),
}


def test_ages_count_from_a_little_in_the_future_to_the_oldest():
    expected = []
    for path, (oldest, reason) in AGES.items():
        well = [-0.05, oldest, 0.0]
        wrong = [next_to(-0.05, -1.0), np.nan, -INF] + [next_to(oldest, 9.0)] * (oldest < INF)
        expected += [(put(HEALTHY, path, f32(age)), CLEAR) for age in well]
        expected += [(put(HEALTHY, path, f32(age)), reason) for age in wrong]
    assert_faults(expected)


def test_the_clock_has_gone_on_by_more_than_nothing_and_no_more_than_a_tenth():
    well, wrong = [1e-6, 0.02, 0.1], [0.0, -1e-6, next_to(0.1, 1.0), np.nan]
    assert_faults(
        [(changed(senses__elapsed=each), CLEAR) for each in well]
        + [(changed(senses__elapsed=each), Reason.BAD_CLOCK) for each in wrong]
    )


def test_a_jump_is_a_way_and_an_angle():
    """Against the pose of the tick before, wherever in the house that was."""
    jumps = [
        ((0.3, 0.0, 0.0), True),
        ((next_to(0.3, 1.0), 0.0, 0.0), False),
        ((0.0, -0.3, 0.0), True),
        ((0.0, next_to(-0.3, -1.0), 0.0), False),
        ((0.21, 0.21, 0.0), True),
        ((0.22, -0.22, 0.0), False),
        ((0.0, 0.0, 0.5999), True),
        ((0.0, 0.0, -0.6001), False),
        ((0.0, 0.0, 2 * np.pi - 0.1), True),
    ]
    expected = []
    for jump, well in jumps:
        case = changed(senses__odometry__pose_map=jump, state__memory__pose_map=[0.0, 0.0, 0.0])
        expected.append((case, CLEAR if well else Reason.BAD_STATE))
    for jump, well in (((0.25, 0.1, 0.3), True), ((0.25, 0.25, 0.3), False)):
        there = np.array([2.0, -3.0, 1.0])
        for sign in (1.0, -1.0):
            case = changed(
                senses__odometry__pose_map=there + sign * np.array(jump),
                state__memory__pose_map=there,
            )
            expected.append((case, CLEAR if well else Reason.BAD_STATE))
    # the first pose of all is no jump; one that is half a pose is no pose
    far, nan = [5.0, 5.0, 2.0], np.nan
    for before, reason in (([nan] * 3, CLEAR), ([nan, 5.0, 2.0], Reason.BAD_STATE)):
        case = changed(senses__odometry__pose_map=far, state__memory__pose_map=before)
        expected.append((case, reason))
    assert_faults(expected)


@pytest.mark.parametrize("value", [np.nan, INF, -INF])
def test_each_number_of_a_pose_is_needed(value):
    reasons = {
        "senses.pose_map": Reason.BAD_STATE,
        "senses.odometry.pose_map": Reason.BAD_STATE,
        "senses.scan.pose_map": Reason.BAD_SCAN,
    }
    expected = []
    for path, reason in reasons.items():
        # also when there is no pose of before to hold it against
        for before in (np.zeros(3), np.full(3, np.nan)):
            for k in range(3):
                torn = f32(np.where(np.arange(3) == k, value, 0.0))
                case = put(HEALTHY, "state.memory.pose_map", f32(before))
                expected.append((put(case, path, torn), reason))
    assert_faults(expected)


def test_a_robot_is_believed_to_be_a_little_faster_than_it_may_be():
    """A tenth and .1 m/s of v, a tenth and .3 rad/s of ω."""
    fastest, back, turning = 0.75 + 0.175, -0.25 - 0.175, 1.8 + 0.48
    at_most = [(fastest, 0.0), (back, 0.0), (0.0, turning), (0.0, -turning)]
    over = [
        (next_to(fastest, 9.0), 0.0),
        (next_to(back, -9.0), 0.0),
        (0.0, next_to(turning, 9.0)),
        (0.0, next_to(-turning, -9.0)),
        (np.nan, 0.0),
        (0.0, np.nan),
    ]
    assert_faults(
        [(changed(senses__odometry__twist=each), CLEAR) for each in at_most]
        + [(changed(senses__odometry__twist=each), Reason.BAD_STATE) for each in over]
    )


def covariance(x, y, yaw, xy=0.0, x_yaw=0.0, y_yaw=0.0) -> Any:
    return f32([[x, xy, x_yaw], [xy, y, y_yaw], [x_yaw, y_yaw, yaw]])


def test_a_doubt_is_less_than_a_jump_and_a_covariance_can_be():
    far, turned = np.float32(0.3) ** 2, np.float32(0.6) ** 2
    well = [
        covariance(far, far, turned),
        covariance(0.0, 0.0, 0.0),
        covariance(1e-2, 1e-2, 1e-2, 1.004e-2, -1.004e-2, 1.004e-2),
        # of rounding
        covariance(0.0, 0.0, 0.0, 0.9e-6, 0.9e-6, -0.9e-6),
        covariance(1e-4, 4e-2, 1e-6, xy=1.99e-3),
    ]
    wrong = [
        covariance(next_to(far, 1.0), 0.0, 0.0),
        covariance(0.0, next_to(far, 1.0), 0.0),
        covariance(0.0, 0.0, next_to(turned, 1.0)),
        covariance(-1e-9, 1e-4, 1e-4),
        covariance(1e-2, 1e-2, 1e-2, xy=1.006e-2),
        covariance(1e-2, 1e-2, 1e-2, x_yaw=-1.006e-2),
        covariance(1e-2, 1e-2, 1e-2, y_yaw=1.006e-2),
        covariance(0.0, 0.0, 0.0, xy=1.1e-6),
        covariance(1e-4, 4e-2, 1e-6, xy=2.02e-3),
        covariance(np.nan, 1e-4, 1e-4),
        covariance(1e-4, 1e-4, 1e-4, xy=np.nan),
    ]
    assert_faults(
        [(changed(senses__odometry__cov=each), CLEAR) for each in well]
        + [(changed(senses__odometry__cov=each), Reason.BAD_STATE) for each in wrong]
    )


def test_without_a_covariance_the_pose_counts_as_exact():
    case = put(HEALTHY, "senses.odometry.cov", None)
    assert int(fault_of_all(stack([case]))[0]) == CLEAR


def test_the_same_ranges_from_elsewhere_with_a_new_stamp_are_a_lie():
    eye, ranges = f32([0.1, 0.0, 0.0]), HEALTHY.senses.scan.ranges
    np.testing.assert_allclose(eye, eye_of((0.0, 0.0, 0.0)))
    stamp = np.float32(0.04) + np.float32(1e-3)
    table = [
        # moved, age, frozen
        ((0.02, 0.0, 0.0), 0.04, False),
        ((0.0, -0.02, 0.0), 0.04, False),
        ((next_to(0.02, 1.0), 0.0, 0.0), 0.04, True),
        ((0.0, next_to(-0.02, -1.0), 0.0), 0.04, True),
        ((0.013, 0.013, 0.0), 0.04, False),
        ((0.015, -0.015, 0.0), 0.04, True),
        ((0.0, 0.0, 0.0199), 0.04, False),
        ((0.0, 0.0, -0.0201), 0.04, True),
        ((0.0, 0.0, 2 * np.pi), 0.04, False),
        # as much older as it should be
        ((0.5, 0.0, 0.0), stamp, False),
        ((0.5, 0.0, 0.0), next_to(stamp, 0.0), True),
        ((0.5, 0.0, 0.0), 0.02, True),
    ]
    expected = []
    for moved, age, frozen in table:
        # moved by exactly so much: the place of before is the origin
        case = changed(
            state__memory__ranges=ranges,
            state__memory__eye_map=np.zeros(3),
            state__memory__scan_age=0.04,
            senses__scan__pose_map=moved,
            senses__scan__age=age,
        )
        expected.append((case, Reason.BAD_SCAN if frozen else CLEAR))
        # other ranges are no lie wherever they are from
        other = put(case, "state.memory.ranges", f32(ranges + np.float32(1e-3)))
        expected.append((other, CLEAR))
    # both places far from the origin
    for step, frozen in ((0.01, False), (0.03, True)):
        case = changed(
            state__memory__ranges=ranges,
            state__memory__eye_map=[3.0, -2.0, 1.0],
            senses__scan__pose_map=[3.0 + step, -2.0, 1.0],
        )
        expected.append((case, Reason.BAD_SCAN if frozen else CLEAR))
    assert_faults(expected)


def test_half_of_the_beams_are_needed():
    expected = []
    for lost, reason in ((BEAMS // 2, CLEAR), (BEAMS // 2 + 1, Reason.BAD_SCAN)):
        # from both sides: those ahead are lost last
        order = np.argsort(-np.abs(np.arange(BEAMS) - (BEAMS - 1) / 2), kind="stable")
        valid = np.ones(BEAMS, bool)
        valid[order[:lost]] = False
        expected.append((changed(senses__scan__valid=mask(valid)), reason))
    assert_faults(expected)


def test_a_plan_is_usable_if_all_of_it_is():
    usable = jax.jit(lambda plan: watch.usable(ROBOT, plan))
    plan = HEALTHY.plan
    assert bool(usable(plan))
    for status in (-1, 1, 2, 3, 4, 5):
        assert not bool(usable(dataclasses.replace(plan, status=np.int32(status))))
    for which in ("commands", "tail"):
        for row in (0, 77, -1):
            rows = np.array(getattr(plan, which))
            rows[row, 0] = 0.76
            assert not bool(usable(dataclasses.replace(plan, **{which: rows})))


def test_limits_of_the_wheels_and_of_the_robot_with_their_rounding():
    # wheels that do not let it drive and turn at its limits at once
    slow = dataclasses.replace(ROBOT, speed=1.0, wheel_speed=0.9, reverse_speed=0.25)
    within = jax.jit(lambda twists: watch.within_limits(ROBOT, twists))
    at_wheels = jax.jit(lambda twists: watch.within_limits(slow, twists))
    v, back, turn, wheel = 1.01 * 0.75, -1.01 * 0.25 - 1e-4, 1.01 * 1.8, 1.01 * 0.9
    last = f32([(v, 0.0), (back, 0.0), (0.0, turn), (0.0, -turn)])
    over = f32(
        [
            (next_to(v, 9.0), 0.0),
            (next_to(back, -9.0), 0.0),
            (0.0, next_to(turn, 9.0)),
            (0.0, next_to(-turn, -9.0)),
            (np.nan, 0.0),
            (0.0, np.nan),
        ]
    )
    assert np.all(within(last)) and not np.any(within(over))
    # half of the .22 m between the wheels: 1 rad/s is .11 m/s
    good = f32([(wheel, 0.0), (0.798, 1.0), (0.798, -1.0), (-0.25, 1.8)])
    bad = f32([(next_to(wheel, 9.0), 0.0), (0.8, 1.0), (0.8, -1.0)])
    assert np.all(at_wheels(good)) and not np.any(at_wheels(bad))
    # backwards the wheels count as much
    reverse = dataclasses.replace(ROBOT, reverse_speed=1.0, wheel_speed=0.9)
    found = watch.within_limits(reverse, f32([(-0.798, 1.0), (-0.8, 1.0), (-0.8, -1.0)]))
    np.testing.assert_array_equal(found, [True, False, False])
