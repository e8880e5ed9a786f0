"""The joints keep their limits whatever the plan says, and follow one that they can."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.body.servo import Angles, JointState, initial_screen, move_joint, move_screen
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig
from astro_jax.local.planner import basis_of
from astro_jax.robot.joint import Joint, follow, pan_joint

ROBOT, CONFIG = DEFAULT_ROBOT, PlannerConfig()
PAN, TICK, STEPS = pan_joint(ROBOT), CONFIG.gate_period, 200
WEAK = dataclasses.replace(PAN, acceleration=2.0)
TINY = dataclasses.replace(PAN, acceleration=0.02)
angles = st.floats(-PAN.limit, PAN.limit)


@functools.partial(jax.jit, static_argnames="joint")
def chase(angle, targets, joint=PAN):
    """Angles and rates while the target moves, from rest."""

    def step(state, target):
        state = move_joint(joint, state, target[0], target[1], TICK)
        return state, (state.angle, state.rate)

    start = JointState(angle=angle, rate=jnp.zeros_like(angle))
    pairs = jnp.stack([jnp.concatenate([targets[:1], targets[:-1]]), targets], axis=-1)
    return jax.lax.scan(step, start, pairs)[1]


@settings(max_examples=200)
@given(
    start=angles,
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.05, 0.5, 2.0, 100.0]),
    jumps=st.integers(1, STEPS),
    special=st.sampled_from([None, np.inf, -np.inf, 3e38]),
    joint=st.sampled_from([PAN, WEAK, TINY]),
)
def test_limits_hold_for_any_target(start, seed, scale, jumps, special, joint):
    """Angle, rate and acceleration, the last two also as differences of the angle."""
    random = np.random.default_rng(seed)
    targets = np.repeat(scale * random.normal(size=jumps), -(-STEPS // jumps))[:STEPS]
    if special is not None:
        targets[seed % 7 :: 7] = special
    angle, rate = chase(np.float32(start), targets.astype(np.float32), joint)
    assert_within(joint, start, np.asarray(angle, float), np.asarray(rate, float))


def assert_within(joint: Joint, start, angle, rate):
    assert np.all(np.abs(angle) <= joint.limit + 1e-6)
    assert np.all(np.abs(rate) <= joint.rate + 1e-5)
    true_rate = np.diff(angle, prepend=start) / TICK
    np.testing.assert_allclose(true_rate, rate, atol=1e-4)
    change = np.diff(true_rate, prepend=0.0) / TICK
    assert np.all(np.abs(change) <= joint.acceleration + 0.02)  # float32 angles, twice differenced


@settings(max_examples=100)
@given(start=angles, target=angles, joint=st.sampled_from([PAN, WEAK]))
def test_a_target_that_stays_is_reached_without_overshoot(start, target, joint):
    angle, rate = chase(np.float32(start), np.full(STEPS, target, np.float32), joint)
    gone = (np.asarray(angle, float) - start) * np.sign(target - start)
    assert np.all(gone <= abs(target - start) + 1e-4)
    assert np.all(np.diff(gone) >= -1e-6)
    # 4 s: at most 3.2 rad at 2.5 rad/s, and the last bit at 5/s
    assert abs(angle[-1] - target) < 0.01
    assert abs(rate[-1]) < 0.05


def test_it_is_as_fast_as_its_limits_allow():
    angle, rate = chase(np.float32(-1.5), np.full(STEPS, 1.5, np.float32))
    assert np.max(rate) == pytest.approx(PAN.rate, rel=1e-3)
    quickest = 3.0 / PAN.rate + PAN.rate / PAN.acceleration
    assert np.argmax(np.asarray(angle) > 1.4) * TICK < 1.5 * quickest


# ---- the plan's clock ----------------------------------------------------------------


@functools.cache
def a_plan():
    """Half a turn to the left and back, as the planner would make it."""
    time = CONFIG.dt * np.arange(CONFIG.times)
    wanted = jnp.asarray(0.7 * np.sin(1.5 * time), jnp.float32)
    basis, rest = basis_of(CONFIG), jnp.float32(0.0)
    pan = jax.jit(lambda: follow(PAN, basis, rest, rest, wanted))()
    rows = jnp.asarray(basis.tick_value) @ pan
    return Angles(pan=rows, tilt=jnp.zeros_like(rows))


@jax.jit
def play(rows, flows, voids):
    """Pan angle, rate and clock per tick of a plan whose time passes so."""

    def step(state, given):
        state = move_screen(ROBOT, state, rows, given[0], given[1], TICK)
        return state, (state.pan.angle, state.pan.rate, state.clock)

    return jax.lax.scan(step, initial_screen(), (flows, voids))[1]


def played(flow, void=None, rows=None):
    flow = np.broadcast_to(np.asarray(flow, np.float32), STEPS)
    void = np.zeros(STEPS, bool) if void is None else void
    return [np.asarray(x, float) for x in play(rows or a_plan(), flow, void)]


def test_a_plan_that_the_joint_can_follow_is_followed_exactly():
    angle, _, _ = played(1.0)
    rows = np.asarray(a_plan().pan, float)
    np.testing.assert_allclose(angle[: len(rows) - 2], rows[1:-1], atol=2e-3)


def test_while_the_base_is_held_the_screen_holds():
    """The gate stops the base for a second: the screen stops with it, and goes on with it."""
    flow = np.where((np.arange(STEPS) >= 20) & (np.arange(STEPS) < 70), 0.0, 1.0)
    angle, rate, clock = played(flow)
    assert_within(PAN, 0.0, angle, rate)
    np.testing.assert_allclose(np.ptp(angle[40:70]), 0.0, atol=5e-3)
    assert clock[69] < clock[19] + 0.2
    rows = np.asarray(a_plan().pan, float)
    later = np.interp(clock, TICK * np.arange(len(rows)), rows)
    np.testing.assert_allclose(angle[110:], later[110:], atol=5e-3)


@settings(max_examples=60)
@given(seed=st.integers(0, 1000), nan=st.booleans())
def test_limits_hold_however_the_clock_runs_and_whatever_becomes_of_the_plan(seed, nan):
    random = np.random.default_rng(seed)
    flow = np.repeat(random.choice([0.0, 0.3, 1.0, 1.15, np.nan, -2.0], 20), STEPS // 20)
    void = np.repeat(random.random(10) < 0.3, STEPS // 10)
    rows = np.array(a_plan().pan)
    if nan:
        rows[seed % 11 :: 11] = np.nan
    rows = dataclasses.replace(a_plan(), pan=jnp.asarray(rows))
    angle, rate, clock = played(flow, void, rows)
    assert_within(PAN, 0.0, angle, rate)
    assert np.all(np.diff(clock) >= 0.0) and np.all(np.isfinite(clock))


def test_a_plan_that_becomes_void_leads_back_to_straight_ahead():
    void = np.arange(STEPS) >= 60
    angle, rate, _ = played(1.0, void)
    assert angle[59] > 0.3
    assert_within(PAN, 0.0, angle, rate)
    assert np.all(np.diff(np.abs(angle[66:])) <= 1e-5)
    assert abs(angle[-1]) < 0.01 and abs(rate[-1]) < 0.05


def test_it_starts_looking_ahead():
    state = initial_screen()
    assert float(state.pan.angle) == 0.0 and float(state.pan.rate) == 0.0
