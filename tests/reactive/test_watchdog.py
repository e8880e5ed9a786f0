"""P4 and P6: silence brakes in time and to rest, and only health and orders lead out of a stop."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.reactive import gate, modes, watch
from astro_jax.reactive.senses import Mode
from astro_jax.types import Reason

from .cases import (
    BEAMS,
    CONFIG,
    ROBOT,
    TICK,
    Case,
    case_of,
    constant_plan,
    driven,
    eye_of,
    f32,
    mask,
    path_speed,
    planned_at,
    put,
    react,
    running,
    seen_before,
)
from .many import QUICK, at_both_scales, for_all, stack
from .model import WELL_TICKS, Modes

AGES = {
    "scan.age": watch.MAX_SCAN_AGE,
    "odometry.age": watch.MAX_STATE_AGE,
    "map_age": watch.MAX_MAP_AGE,
    "plan_age": watch.MAX_PLAN_AGE,
}
TICKS = 64


@functools.cache
def drive():
    """Batches of cases over ticks, with some values of the senses given for each tick."""

    def run(case: Case, given: dict):
        def tick(state, now):
            senses = case.senses
            for path, value in now.items():
                senses = put(senses, path, value)
            return gate.react(ROBOT, CONFIG, state, case.plan, senses)

        return jax.lax.scan(tick, jax.tree.map(jnp.asarray, case.state), given)[1]

    compiled = jax.jit(jax.vmap(run))
    return lambda cases, given: jax.tree.map(np.asarray, compiled(cases, given))


def drives(random, size):
    """Robots on their way at some twist, with nothing near."""
    cases = []
    for _ in range(size):
        twist = random.uniform(-0.2, 0.7), random.uniform(-1.0, 1.0)
        case = case_of(constant_plan(*twist), twist)
        phase = random.uniform(0.0, CONFIG.tail_after)
        cases.append(put(case, "state.phase", f32(phase)))
    return stack(cases)


def fresh(size):
    """Given values of healthy senses: every leaf is (case, tick)."""
    given: dict[str, Any] = {path: np.full((size, TICKS), 0.04) for path in AGES}
    given |= {"elapsed": np.full((size, TICKS), TICK)}
    given |= {f"orders.{name}": np.zeros((size, TICKS), bool) for name in ("stop", "rearm")}
    given["odometry.twist"] = np.zeros((size, TICKS, 2))
    return given


def as_data(given):
    return {path: value if value.dtype == bool else f32(value) for path, value in given.items()}


@at_both_scales
def test_p4_silence_brakes_within_the_watchdogs_time_and_to_rest(examples, size):
    """From some tick on, one or more of the messages are the last ones."""

    def check(cases, random):
        given = fresh(size)
        silent_from = random.integers(2, 10, size)
        lost = random.uniform(size=(size, len(AGES))) < 0.4
        lost[np.arange(size), random.integers(len(AGES), size=size)] = True
        since = np.maximum(np.arange(TICKS) - silent_from[:, None], 0) * TICK
        due = np.full(size, np.inf)
        for k, (path, most) in enumerate(AGES.items()):
            given[path] = given[path] + since * lost[:, k : k + 1]
            ticks = silent_from + np.floor((most - 0.04) / TICK + 1e-4) + 1
            due = np.where(lost[:, k], np.minimum(due, ticks), due)
        verdicts = drive()(cases, as_data(given))
        before = path_speed(cases.state.twist)
        speeds = np.concatenate([before[:, None], path_speed(verdicts.twist)], axis=1)
        for k in range(size):
            first = int(due[k])
            # slower in that very tick, or at rest already, and never faster again
            v = speeds[k]
            assert v[first + 1] < v[first] - 1e-3 or v[first + 1] < 1e-3
            assert np.all(np.diff(v[first:]) <= 1e-5)
            # without a planner its last plan's stop is driven
            only_late = not np.any(lost[k, :2])
            b = ROBOT.wheel_acceleration if only_late else ROBOT.braking
            rest = first + int(np.ceil(before[k] / (b * TICK))) + 1
            assert np.all(v[rest + 1 :] < 1e-5)
            assert np.all(verdicts.mode[k, first:] == Mode.STOPPED)

    # 340: a stop that ends in a crawl of .1 mm/s
    for_all(check, examples // 4 if size == QUICK else examples // 10, size, drives, found=340)


@at_both_scales
def test_p6_only_health_and_orders_lead_out_of_a_stop(examples, size):
    """Random faults, presses and orders: the mode is the model's, and no stop accelerates."""

    def check(cases, random):
        given = fresh(size)
        lasting = lambda p, q: (
            np.cumsum(random.uniform(size=(size, TICKS)) < p, axis=1) % q == q - 1
        )
        trouble = lasting(0.06, 4)
        kind = random.integers(len(AGES) + 2, size=(size, 1))
        for k, (path, most) in enumerate(AGES.items()):
            given[path] = np.where(trouble & (kind == k), most + 0.02, given[path])
        given["elapsed"] = np.where(trouble & (kind == len(AGES)), 0.5, TICK)
        fast = (trouble & (kind == len(AGES) + 1))[..., None]
        given["odometry.twist"] = np.where(fast, 9.0, 0.0) * np.ones(2)
        stop, rearm = lasting(0.04, 5), lasting(0.25, 2)
        given |= {"orders.stop": stop, "orders.rearm": rearm}
        verdicts = drive()(cases, as_data(given))
        modes_told = np.where(verdicts.mode == Mode.SLOWED, Mode.RUNNING, verdicts.mode)
        model, last = Modes(cases.state.mode, WELL_TICKS), path_speed(cases.state.twist)
        for k in range(TICKS):
            model.tick(~trouble[:, k], stop[:, k], rearm[:, k], last <= modes.AT_REST)
            np.testing.assert_array_equal(modes_told[:, k], model.mode)
            now = path_speed(verdicts.twist[:, k])
            stopped = model.mode >= Mode.STOPPED
            assert np.all(now[stopped] <= last[stopped] + 1e-6)
            last = now

    for_all(check, examples // 4 if size == QUICK else examples // 10, size, drives)


# ---- one by one ------------------------------------------------------------------------

TROUBLE = {
    "stale plan": ("senses.plan_age", f32(watch.MAX_PLAN_AGE + 0.01)),
    "bad status": ("plan.status", np.int32(1)),
    "stale scan": ("senses.scan.age", f32(watch.MAX_SCAN_AGE + 0.01)),
    "blind": ("senses.scan.valid", np.zeros(BEAMS, bool)),
    "lost": ("senses.pose_map", np.full(3, np.nan, np.float32)),
    "pressed": ("senses.orders.stop", mask(True)),
}


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("twist", [(0.6, 0.3), (-0.2, 0.4), (0.0, 1.5)])
def test_p4_trouble_brings_the_robot_to_rest_in_time(trouble, twist):
    """From the very next tick, at the brakes' limit, along the curve it is driving."""
    case = put(case_of(constant_plan(*twist), twist), *TROUBLE[trouble])
    ticks = int(np.ceil(path_speed(twist) / (ROBOT.braking * TICK) - 1e-3)) + 1
    case, verdicts = driven(case, ticks)
    speeds = [path_speed(twist), *(float(path_speed(v.twist)) for v in verdicts)]
    for sent in (v.twist for v in verdicts):
        # but for the little that leads back to the path
        assert abs(sent[0] * twist[1] - sent[1] * twist[0]) < 1e-4
    assert speeds[1] < speeds[0] - 0.99 * ROBOT.braking * TICK
    assert speeds[-1] == 0.0
    # and it does not start again on its own
    _, verdicts = driven(case, 3 * WELL_TICKS)
    assert all(float(path_speed(v.twist)) == 0.0 for v in verdicts)


def test_p6_after_a_fault_it_waits_until_all_has_been_well():
    case = case_of(twist=(0.4, 0.0))
    faulty = put(case, "senses.scan.age", f32(1.0))
    case, _ = driven(faulty, 3)
    well = put(case, "senses.scan.age", f32(0.04))
    case, verdicts = driven(well, WELL_TICKS + 1, rewind=True)
    told = [int(v.mode) for v in verdicts]
    assert told == [Mode.STOPPED] * (WELL_TICKS - 1) + [Mode.RUNNING] * 2
    assert all(int(v.reason) == Reason.WAITING for v in verdicts[:-2])
    # one bad tick in between, and the time begins again
    case, _ = driven(faulty, 3)
    case, _ = driven(put(case, "senses.scan.age", f32(0.04)), WELL_TICKS - 2)
    case, _ = driven(put(case, "senses.scan.age", f32(1.0)), 1)
    _, verdicts = driven(put(case, "senses.scan.age", f32(0.04)), WELL_TICKS)
    assert [int(v.mode) for v in verdicts[:-1]] == [Mode.STOPPED] * (WELL_TICKS - 1)


def order(case, stop=False, rearm=False, ticks=1):
    case = put(case, "senses.orders.stop", mask(stop))
    return driven(put(case, "senses.orders.rearm", mask(rearm)), ticks, rewind=True)


def test_p6_an_emergency_stop_needs_its_release_and_a_new_order_at_rest():
    case, verdicts = order(case_of(twist=(0.5, 0.0)), stop=True)
    assert int(verdicts[0].mode) == Mode.E_STOPPED and int(verdicts[0].reason) == Reason.E_STOP
    # armed while pressed, or while it still rolls, or by an order that was given before
    for stop, rearm in ((True, True), (False, True), (False, False), (False, True)):
        case, verdicts = order(case, stop, rearm)
        assert path_speed(verdicts[-1].twist) > 0.1
        assert int(verdicts[-1].mode) == Mode.E_STOPPED
    case, verdicts = order(case, rearm=True, ticks=40)
    assert {int(v.mode) for v in verdicts} == {Mode.E_STOPPED}
    case, verdicts = order(case, ticks=40)
    assert {int(v.mode) for v in verdicts} == {Mode.E_STOPPED}
    assert float(path_speed(case.state.twist)) == 0.0
    # a new order
    case, verdicts = order(case, rearm=True, ticks=3)
    assert [int(v.mode) for v in verdicts] == [Mode.STOPPED, Mode.RUNNING, Mode.RUNNING]
    # pressed and armed in one tick is pressed
    case, verdicts = order(case, stop=True, rearm=True)
    assert int(verdicts[0].mode) == Mode.E_STOPPED


def test_p6_a_late_plan_does_not_start_a_robot_that_stands():
    """Its stop is driven by whoever is on the way in it, not from rest."""
    plan, memory = constant_plan(0.6, 0.0), case_of().state.memory
    for mode in (Mode.STOPPED, Mode.RUNNING):
        for twist in ((0.0, 0.0), (0.2, 0.0)):
            state = running(twist, memory, CONFIG.tail_after, mode)
            case = case_of(plan, twist, state=state, senses__plan_age=f32(9.0))
            _, verdicts = driven(case, 30)
            speeds = np.array([path_speed(twist), *(path_speed(v.twist) for v in verdicts)])
            assert np.all(np.diff(speeds) <= 1e-6)


@pytest.mark.parametrize("late", [("map_age",), ("plan_age",), ("map_age", "plan_age")])
@pytest.mark.parametrize("phase", [0.1, CONFIG.tail_after + 2 * TICK])
def test_p4_a_silent_planner_leaves_its_stop_in_hand(late, phase):
    """Who is in it drives it to its end; before it begins, the brakes do what they can."""
    plan = constant_plan(0.6, 0.3)
    twist = planned_at(plan, phase - TICK)
    ages = {f"senses__{name}": f32(9.0) for name in late}
    case = case_of(plan, twist, state__phase=f32(phase), **ages)
    case, verdicts = driven(case, 40)
    speeds = np.array([path_speed(twist), *(path_speed(v.twist) for v in verdicts)])
    assert {int(v.mode) for v in verdicts} == {Mode.STOPPED}
    stop = ROBOT.wheel_acceleration if phase >= CONFIG.tail_after else ROBOT.braking
    expected = np.maximum(speeds[0] - stop * TICK * np.arange(4), 0.0)
    np.testing.assert_allclose(speeds[:4], expected, atol=2e-3)
    assert speeds[-1] == 0.0


@pytest.mark.parametrize("driven_now", [(0.5, 0.9), (0.0, 1.5), (-0.2, 0.4)])
def test_p1_a_plan_that_turns_otherwise_is_joined_once_wheels_can_follow(driven_now):
    """At the same path speed: until then it brakes along the curve it is driving."""
    plan = constant_plan(0.5, -0.9)
    _, verdicts = driven(case_of(plan, driven_now), 60, rewind=True)
    twists = np.array([driven_now, *(v.twist for v in verdicts)], float)
    joined = [int(v.reason) for v in verdicts].index(Reason.CLEAR)
    assert {int(v.reason) for v in verdicts[:joined]} == {Reason.BAD_PLAN} and joined >= 3
    before = twists[: joined + 1]
    np.testing.assert_allclose(
        before[:, 0] * driven_now[1], before[:, 1] * driven_now[0], atol=1e-5
    )
    wheels = np.abs(np.diff(twists, axis=0)) @ [1.0, ROBOT.wheel_base / 2]
    assert np.all(wheels <= 2.0 * ROBOT.braking * TICK * 1.001)
    np.testing.assert_allclose(twists[-1], [0.5, -0.9], atol=1e-3)


def test_it_starts_gently_and_reaches_the_plans_speed():
    case, verdicts = driven(case_of(constant_plan(0.6, 0.2)), 60, rewind=True)
    speeds = np.array([path_speed(v.twist) for v in verdicts])
    assert all(int(v.reason) == Reason.CLEAR for v in verdicts)
    assert np.all(np.diff(speeds) <= ROBOT.wheel_acceleration * TICK + 1e-5)
    np.testing.assert_allclose(case.state.twist, [0.6, 0.2], atol=1e-5)
    assert float(react(case)[1].scale) == pytest.approx(1.0)
    assert speeds[5] < 0.2


def test_a_memory_of_another_place_is_no_fault():
    """A robot that is carried while it is off has only its first look back."""
    eye = eye_of((5.0, 5.0, 1.0))
    memory = seen_before(np.full(BEAMS, np.inf), eye, np.full(3, np.nan))
    case = case_of(twist=(0.5, 0.0), state__memory=memory)
    assert int(react(case)[1].mode) <= Mode.SLOWED
