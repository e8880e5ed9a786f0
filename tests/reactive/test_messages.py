"""Any order of messages, silence, orders and sleep: a state machine that hypothesis drives.

Messages come, are lost, repeated, frozen, stamped ahead or torn; the gate ticks in between.
Held against after every tick: the limits (P1), s times the plan (P2), the brakes while anything
is wrong (P4), and a small model of the modes that knows how old and how well everything is (P6).
"""

import dataclasses

import jax
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from astro_jax.reactive import modes, watch
from astro_jax.reactive.senses import Mode, initial_gate
from astro_jax.types import Reason

from .cases import (
    BEAMS,
    CONFIG,
    PEOPLE,
    ROBOT,
    TICK,
    Case,
    case_of,
    cast,
    constant_plan,
    eye_of,
    f32,
    mask,
    path_speed,
    plan_of,
    planned_at,
    put,
    react,
    scan_of,
    tracks_of,
)
from .model import Modes

SIDES = [(-50, 0.9, 50, 0.9), (-50, -0.9, 50, -0.9)]
NAMES = ("scan.age", "odometry.age", "map_age", "plan_age")
MOST = (watch.MAX_SCAN_AGE, watch.MAX_STATE_AGE, watch.MAX_MAP_AGE, watch.MAX_PLAN_AGE)


def near(pose, other, metres, radians):
    if not np.all(np.isfinite(pose)):
        return False
    turned = np.mod(pose[2] - other[2] + np.pi, 2 * np.pi) - np.pi
    return np.hypot(*(pose - other)[:2]) <= metres and abs(turned) <= radians


def wheels_jump(driven, planned, last):
    """By how much a wheel's speed changes if the plan is taken up as fast as is driven, m/s."""
    share = min(last / max(float(path_speed(planned)), 1e-4), 1.0)
    v, omega = np.abs(share * planned - driven)
    return v + ROBOT.wheel_base / 2 * omega


class Messages(RuleBasedStateMachine):
    """A robot in a corridor, and everything that may happen to what it is told."""

    @initialize(seed=st.integers(0, 1000))
    def start(self, seed):
        self.random = np.random.default_rng(seed)
        # as far as anybody has told it anything, all is an age ago
        self.case: Case = case_of()._replace(state=jax.tree.map(np.asarray, initial_gate(BEAMS)))
        self.ages = dict.fromkeys(NAMES, 99.0)
        self.pose = np.zeros(3)
        self.torn: set[str] = set()
        self.elapsed, self.stop, self.rearm = TICK, False, False
        self.model = Modes([Mode.STOPPED])
        self.known: np.ndarray | None = None
        self.first_seen = np.zeros(3)
        self.last_scan_age = np.inf
        self.verdict = None

    # ---- messages ----------------------------------------------------------------------

    @rule(age=st.floats(0.0, 0.12), post=st.booleans())
    def a_scan_comes(self, age, post):
        eye = eye_of(self.pose)
        legs = [(self.pose[0] + 0.9, 0.35, 0.04)] if post else []
        ranges = cast(eye, legs, SIDES) + 0.005 * self.random.normal(size=BEAMS)
        self.case = put(self.case, "senses.scan", scan_of(ranges, eye))
        self.ages["scan.age"] = age
        self.torn.discard("scan")

    @rule()
    def the_same_ranges_come_with_fresh_stamps(self):
        pose = f32(eye_of(self.pose))
        self.case = put(self.case, "senses.scan.pose_map", pose)
        self.ages["scan.age"] = 0.04

    @rule(value=st.sampled_from([np.nan, np.inf]))
    def a_scan_of_no_numbers_comes(self, value):
        scan = self.case.senses.scan
        pose = np.array(scan.pose_map)
        pose[self.random.integers(3)] = value
        self.case = put(self.case, "senses.scan", dataclasses.replace(scan, pose_map=pose))
        self.torn.add("scan")

    @rule(share=st.floats(0.0, 0.4))
    def most_beams_are_lost(self, share):
        valid = self.random.permutation(BEAMS) < share * BEAMS
        self.case = put(self.case, "senses.scan.valid", valid)
        self.torn.add("scan")

    @rule(v=st.floats(-0.2, 0.7), omega=st.floats(-1.0, 1.0))
    def a_plan_comes(self, v, omega):
        self.case = put(self.case, "plan", constant_plan(v, omega))
        self.case = put(self.case, "state.phase", f32(0.0))
        self.ages["plan_age"] = 0.0
        self.torn.discard("plan")

    @rule(value=st.sampled_from([np.nan, np.inf, 9.0, -9.0]))
    def a_torn_plan_comes(self, value):
        rows = np.array(self.case.plan.commands)
        rows[self.random.integers(rows.shape[0]), self.random.integers(2)] = value
        self.case = put(self.case, "plan", plan_of(rows, self.case.plan.tail))
        self.ages["plan_age"] = 0.0
        self.torn.add("plan")

    @rule()
    def a_plan_that_is_not_released_comes(self):
        self.case = put(self.case, "plan.status", np.int32(3))
        self.torn.add("plan")

    @rule()
    def odometry_and_map_come(self):
        self.case = put(self.case, "senses.odometry.pose_map", f32(self.pose))
        self.case = put(self.case, "senses.odometry.twist", f32(self.case.state.twist))
        self.ages |= {"odometry.age": 0.04, "map_age": 0.02}
        self.torn.discard("odometry")

    @rule(where=st.integers(0, 4), value=st.sampled_from([np.nan, np.inf, 1e9]))
    def torn_odometry_comes(self, where, value):
        odometry = self.case.senses.odometry
        twist, pose = np.array(odometry.twist), np.array(odometry.pose_map)
        (twist if where < 2 else pose)[where % 2 if where < 2 else where - 2] = value
        if where >= 2:
            # a finite jump is remembered by the gate: it is no fault for ever
            pose[where - 2] = np.nan
        odometry = dataclasses.replace(odometry, twist=twist, pose_map=pose)
        self.case = put(self.case, "senses.odometry", odometry)
        self.torn.add("odometry")

    @rule(x=st.floats(-1, 3), y=st.floats(-1, 1), speed=st.floats(-2, 2), torn=st.booleans())
    def tracks_come(self, x, y, speed, torn):
        people = [(self.pose[0] + x, np.nan if torn else y)] * PEOPLE
        self.case = put(self.case, "senses.tracks", tracks_of(people, (speed, 0.0)))

    @rule(name=st.sampled_from(NAMES), ahead=st.floats(0.06, 1e6))
    def a_message_is_stamped_ahead(self, name, ahead):
        self.ages[name] = -ahead

    @rule(name=st.sampled_from(NAMES))
    def a_messages_age_is_lost(self, name):
        self.ages[name] = np.nan

    # ---- orders ------------------------------------------------------------------------

    @rule()
    def press(self):
        self.stop = True

    @rule()
    def release(self):
        self.stop = False

    @rule(on=st.booleans())
    def order_to_arm(self, on):
        self.rearm = on

    @rule(seconds=st.sampled_from([0.0, -0.02, 0.11, 1.5, np.nan]))
    def sleep(self, seconds):
        self.elapsed = seconds
        self.tick()
        self.elapsed = TICK

    # ---- time --------------------------------------------------------------------------

    @rule(ticks=st.integers(1, 25))
    def time_passes_in_silence(self, ticks):
        for _ in range(ticks):
            self.tick()

    @rule(ticks=st.integers(12, 30))
    def all_is_well_for_a_while(self, ticks):
        self.a_plan_comes(0.5, 0.1)
        for _ in range(ticks):
            self.a_scan_comes(0.04, False)
            self.odometry_and_map_come()
            self.ages["plan_age"] = 0.05
            self.tick()

    def tick(self):
        case = self.case
        for name, age in self.ages.items():
            case = put(case, f"senses.{name}", f32(age))
        case = put(case, "senses.elapsed", f32(self.elapsed))
        case = put(case, "senses.orders.stop", mask(self.stop))
        case = put(case, "senses.orders.rearm", mask(self.rearm))
        before = case.state
        well = self.is_well(case)
        state, verdict = jax.tree.map(np.asarray, react(case))
        self.model.tick(
            np.array([well]),
            np.array([self.stop]),
            np.array([self.rearm]),
            path_speed(before.twist) <= modes.AT_REST,
        )
        self.check(case, before, state, verdict, well)
        self.verdict = verdict
        self.case = case._replace(state=state)
        v, omega = np.asarray(verdict.twist, float)
        yaw = self.pose[2] + 0.5 * TICK * omega
        # the corridor is straight: it is the twist that counts here, not the way
        self.pose = self.pose + TICK * np.array([v * np.cos(yaw), 0.0, omega])
        self.case = put(self.case, "senses.pose_map", f32(self.pose))
        self.ages = {name: age + TICK for name, age in self.ages.items()}

    def is_well(self, case):
        """The model's own word on the messages: ages, torn parts, frozen content, sleep."""
        ages = [float(f32(self.ages[name])) for name in NAMES]
        timely = all(-watch.AHEAD_OF_TIME <= a <= m for a, m in zip(ages, MOST, strict=True))
        ranges, eye = case.senses.scan.ranges, np.asarray(case.senses.scan.pose_map, float)
        said = case.senses.scan.valid & np.isfinite(ranges)
        same = self.known is not None and bool(
            np.any(said) and np.all(ranges[said] == self.known[said])
        )
        apart = not near(eye, self.first_seen, watch.STILL, watch.STILL_YAW)
        # a scan whose age went back has been stamped anew
        restamped = ages[0] < self.last_scan_age + 1e-3
        frozen = same and apart and restamped
        if not same and np.all(np.isfinite(eye)):
            self.first_seen = eye
        self.known, self.last_scan_age = ranges, ages[0]
        awake = 0.0 < self.elapsed <= watch.LONGEST_GAP
        return timely and awake and not self.torn and not frozen and self.odometry_near(case)

    def odometry_near(self, case):
        pose = np.asarray(case.senses.odometry.pose_map, float)
        last = np.asarray(case.state.memory.pose_map, float)
        if not np.all(np.isfinite(pose)) or np.all(np.isnan(last)):
            return True
        return near(pose, last, watch.JUMP, watch.JUMP_YAW)

    def check(self, case, before, state, verdict, well):
        v, omega = np.asarray(verdict.twist, float)
        speed, last = float(path_speed(verdict.twist)), float(path_speed(before.twist))
        # P1
        assert np.isfinite(v) and np.isfinite(omega)
        assert -1.011 * ROBOT.reverse_speed <= v <= 1.011 * ROBOT.speed
        assert abs(omega) <= 1.011 * ROBOT.yaw_rate
        assert last - ROBOT.braking * TICK - 1e-5 <= speed
        assert speed <= last + ROBOT.wheel_acceleration * TICK + 1e-5
        # P2
        assert 0.0 <= float(verdict.scale) <= 1.0
        if "plan" not in self.torn and int(verdict.mode) <= Mode.SLOWED:
            planned = planned_at(case.plan, float(before.phase))
            braked = ROBOT.braking * TICK
            jump = wheels_jump(np.asarray(before.twist, float), planned, last)
            joins = path_speed(planned) >= last - braked and jump <= braked - 1e-4
            if joins and path_speed(planned) > 1e-3:
                steered = float(verdict.scale) * planned[0] * float(state.steer)
                np.testing.assert_allclose(
                    [v, omega - steered], float(verdict.scale) * planned, atol=3e-5
                )
            elif path_speed(planned) > 1e-3 and jump > braked + 1e-3:
                # wheels cannot follow it: along the way that is being driven, and slower
                along = speed / max(last, 1e-9) * np.asarray(before.twist, float)
                np.testing.assert_allclose([v, omega], along, atol=3e-5)
                assert speed <= max(last - braked, 0.0) + 1e-5
        # P4
        if not well or self.stop:
            late = int(verdict.reason) in (Reason.BAD_PLAN, Reason.BAD_MAP)
            late = late and before.phase >= CONFIG.tail_after
            assert speed <= last + 1e-6
            if not late or self.stop or "plan" in self.torn:
                assert speed <= max(last - ROBOT.braking * TICK, 0.0) + 1e-5
        # P6
        mode = min(int(verdict.mode), Mode.RUNNING) if verdict.mode < Mode.STOPPED else verdict.mode
        assert int(mode) == int(self.model.mode[0])

    @invariant()
    def a_reason_is_given_for_whatever_is_held_back(self):
        if self.verdict is not None and int(self.verdict.mode) >= Mode.STOPPED:
            assert int(self.verdict.reason) not in (Reason.CLEAR, Reason.SLOWED, Reason.PACED)


Messages.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestMessages = Messages.TestCase
