"""One tick in numbers: what goes to the wheels, why, and what is left for the next tick."""

import numpy as np
import pytest

from astro_jax.reactive.senses import Mode
from astro_jax.types import Reason

from .cases import (
    CONFIG,
    ROBOT,
    STEPS,
    TICK,
    case_of,
    constant_plan,
    f32,
    mask,
    path_speed,
    plan_of,
    put,
    react,
)

TWIST = (0.5, 0.3)
SPEED = float(path_speed(TWIST))
BRAKED = SPEED - 1.8 * TICK
"""After one tick of the brakes, m/s."""
REST = plan_of(np.zeros((STEPS, 2)))
HALF = TICK * np.array(TWIST)


def on_the_way(**changes):
    return case_of(constant_plan(*TWIST), TWIST, **changes)


def said(case):
    """((v, ω), scale, mode, reason), state."""
    state, verdict = react(case)
    assert int(state.mode) == int(verdict.mode)
    np.testing.assert_array_equal(state.twist, verdict.twist)
    answer = float(verdict.scale), Mode(int(verdict.mode)), Reason(int(verdict.reason))
    return np.asarray(verdict.twist), *answer, state


def test_all_is_well():
    twist, scale, mode, reason, state = said(on_the_way())
    np.testing.assert_allclose(twist, TWIST, atol=1e-6)
    assert (scale, mode, reason) == (pytest.approx(1.0, abs=1e-5), Mode.RUNNING, Reason.CLEAR)
    left = (state.phase, state.rate, state.ceiling, state.steer, state.well_for, state.rearm)
    np.testing.assert_allclose(left, (TICK, 0.0, 100.0, 0.0, 1.0 + TICK, 0.0), atol=1e-4)
    assert bool(react(put(on_the_way(), "senses.orders.rearm", mask(True)))[0].rearm)


@pytest.mark.parametrize(
    ("path", "value", "mode", "reason"),
    [
        ("senses.elapsed", f32(9.0), Mode.STOPPED, Reason.BAD_CLOCK),
        ("plan.status", np.int32(3), Mode.STOPPED, Reason.BAD_PLAN),
        ("senses.orders.stop", mask(True), Mode.E_STOPPED, Reason.E_STOP),
    ],
)
def test_a_stop_brakes_along_the_curvature_that_is_driven(path, value, mode, reason):
    # the plan turns a little less than the robot does
    case = put(case_of(constant_plan(0.5, 0.2), TWIST), path, value)
    twist, scale, *why, state = said(case)
    along = TWIST if path == "plan.status" else (0.5, 0.2)
    np.testing.assert_allclose(twist, BRAKED / path_speed(along) * np.array(along), atol=1e-5)
    assert why == [mode, reason]
    assert scale == pytest.approx(BRAKED / path_speed(along), abs=1e-4)
    assert float(state.rate) == pytest.approx(-1.8, abs=1e-3)
    assert float(state.phase) == pytest.approx(scale * TICK, abs=1e-5)
    assert float(state.well_for) == (0.0 if path != "senses.orders.stop" else 1.0 + f32(TICK))


def test_it_waits_until_it_has_been_well():
    case = put(on_the_way(state__mode=np.int32(Mode.STOPPED)), "state.well_for", f32(0.1))
    twist, _, mode, reason, state = said(case)
    assert (mode, reason) == (Mode.STOPPED, Reason.WAITING)
    assert path_speed(twist) == pytest.approx(BRAKED, abs=1e-5)
    assert float(state.well_for) == pytest.approx(0.12)
    pressed = put(case, "state.mode", np.int32(Mode.E_STOPPED))
    assert said(pressed)[2:4] == (Mode.E_STOPPED, Reason.E_STOP)


@pytest.mark.parametrize(
    ("path", "gently"), [("plan_age", True), ("map_age", True), ("scan.age", False)]
)
def test_a_late_plan_is_driven_to_the_end_of_its_stop(path, gently):
    """The stop slows by 1.2 m/s², the brakes by 1.8; once it has been driven there is rest."""
    for phase, told in ((CONFIG.tail_after, SPEED), (CONFIG.tail_after + TICK, SPEED - 0.024)):
        case = case_of(constant_plan(*TWIST), TWIST, state__phase=f32(phase))
        case = put(put(case, f"senses.{path}", f32(9.0)), "state.mode", np.int32(Mode.STOPPED))
        twist, _, mode, _, state = said(case)
        # never as it is, also where the stop has not begun to slow
        expected = min(told, SPEED - 0.024) if gently else BRAKED
        assert path_speed(twist) == pytest.approx(expected, abs=1e-4)
        assert mode == Mode.STOPPED
        assert float(state.phase) == pytest.approx(phase + TICK * expected / told, abs=1e-4)
    # before its time it is no stop
    early = put(put(case, "state.phase", f32(CONFIG.tail_after - 0.01)), "plan", case.plan)
    assert path_speed(said(early)[0]) == pytest.approx(BRAKED, abs=1e-4)


def test_a_robot_at_rest_lets_its_plan_pause():
    beside = {"state__steer": f32(0.3), "state__phase": f32(0.1)}
    twist, scale, mode, reason, state = said(case_of(REST, (0.0, 0.0), **beside))
    assert (scale, mode, reason) == (1.0, Mode.RUNNING, Reason.CLEAR)
    assert not np.any(twist)
    np.testing.assert_allclose((state.phase, state.steer), (0.1 + TICK, 0.0), atol=1e-6)
    # it does not while it is stopped
    stopped = case_of(REST, (0.0, 0.0), **beside, senses__elapsed=f32(9.0))
    twist, scale, mode, reason, state = said(stopped)
    assert (scale, mode, reason) == (0.0, Mode.STOPPED, Reason.BAD_CLOCK)
    np.testing.assert_allclose((state.phase, state.steer), (0.1, 0.0), atol=1e-6)


def test_beside_its_path_it_is_steered():
    """2 cm to the left at .6 m/s: a fifth of the law's curvature (test_tracking_law.py)."""
    straight = case_of(constant_plan(0.6, 0.0), (0.6, 0.0))
    twist, *_, state = said(put(straight, "senses.pose_map", f32([0.0, 0.02, 0.0])))
    kappa = -0.2 * 0.012 / 0.1225 * 0.6 / np.sqrt(0.37)
    np.testing.assert_allclose(state.steer, kappa, atol=1e-5)
    np.testing.assert_allclose(twist, (0.6, 0.6 * kappa), atol=1e-5)
    # and late by 2 cm its plan waits
    *_, state = said(put(straight, "senses.pose_map", f32([-0.02, 0.0, 0.0])))
    assert float(state.phase) == pytest.approx(TICK * (1.0 - 1.5 * 0.012 / 0.37), abs=1e-5)


@pytest.mark.parametrize(
    ("ceiling", "twist", "sent", "mode"),
    [
        # up by .8 m/s² of what is allowed, 1.2 of what the wheels can
        (0.3, 0.3, 0.316, Mode.SLOWED),
        (0.4, 0.3, 0.324, Mode.SLOWED),
        # a millimetre a second is not slower
        (0.482, 0.49, 0.498, Mode.SLOWED),
        (0.4835, 0.49, 0.4995, Mode.RUNNING),
        (0.5, 0.49, 0.5, Mode.RUNNING),
    ],
)
def test_it_speeds_up_slowly(ceiling, twist, sent, mode):
    case = case_of(constant_plan(0.5, 0.0), (twist, 0.0), state__ceiling=f32(ceiling))
    found, scale, *why, state = said(case)
    np.testing.assert_allclose(found, (sent, 0.0), atol=1e-5)
    assert why == [mode, Reason.SLOWED if mode == Mode.SLOWED else Reason.CLEAR]
    assert scale == pytest.approx(sent / 0.5, abs=1e-4)
    left = (state.phase, state.rate, state.ceiling)
    np.testing.assert_allclose(
        left, (TICK * scale, (sent - twist) / TICK, ceiling + 0.8 * TICK), atol=1e-3
    )


def test_what_is_no_number_stops_at_once():
    case = put(on_the_way(), "state.twist", f32([np.nan, 0.3]))
    twist, scale, _, reason, state = said(case)
    assert not np.any(twist) and scale == 0.0 and reason == Reason.BAD_STATE
    np.testing.assert_allclose((state.phase, state.steer), (0.0, 0.0))


def test_a_plan_that_does_not_go_on_from_what_is_driven_is_no_plan():
    case = case_of(constant_plan(0.5, 0.6), TWIST)
    twist, _, mode, reason, _ = said(case)
    assert reason == Reason.BAD_PLAN and mode == Mode.RUNNING
    np.testing.assert_allclose(twist, BRAKED / SPEED * np.array(TWIST), atol=1e-5)


@pytest.mark.parametrize(
    ("plan", "changes", "most", "reason"),
    [
        # no beam looks back, and it could not stop where it need not look
        ((-0.25, 0.0), {"senses__delay": f32(1.5)}, 0.12, Reason.BLIND),
        ((0.6, 0.0), {"senses__pace": f32(0.5)}, 0.505 * ROBOT.speed, Reason.PACED),
    ],
)
def test_why_it_is_slower(plan, changes, most, reason):
    case = case_of(constant_plan(*plan), plan, **changes)
    twist, _, mode, why, state = said(case)
    assert (mode, why) == (Mode.SLOWED, reason)
    assert float(state.ceiling) == pytest.approx(most, abs=1e-5)
    assert abs(twist[0]) == pytest.approx(max(most, abs(plan[0]) - 0.036), abs=1e-5)


def test_what_is_new_and_nobodys_may_run():
    """Somebody's returns are theirs, however new: they are no reason besides them."""
    post = [(0.75, y) for y in np.linspace(-0.1, 0.1, 20)]
    going = {"plan": constant_plan(0.6, 0.0), "twist": (0.6, 0.0), "points": post}

    def ceiling(**changes):
        return float(react(case_of(**going, **changes))[0].ceiling)

    assert ceiling(before=[]) < 0.58 < ceiling()
    standing = {"people": [(0.85, 0.0)]}
    assert ceiling(before=[], **standing) == ceiling(**standing)
    # nor does somebody else explain it
    going["points"] = [*post, *((0.0, y) for y in (0.70, 0.72))]
    aside = {"people": [(0.0, 0.9)]}
    assert ceiling(before=[], **aside) < 0.58 < ceiling(**aside)


def test_what_leaves_the_view_is_kept_unless_it_is_somebodys():
    aside = [[(-0.15, s * 0.5), (-0.16, s * 0.5)] for s in (1.0, -1.0)]
    for who, kept in (([], 2), ([(-0.15, 0.7)], 1), ([(-0.15, 0.7), (-0.15, -0.7)], 0)):
        case = case_of(points=[*aside[0], *aside[1]], people=who)
        state, _ = react(case)
        found = np.asarray(state.kept.xy_map)[np.asarray(state.kept.there)]
        assert len(set(np.sign(found[:, 1]))) == kept
        assert np.all(found[:, 1] < 0.0) or len(who) != 1
