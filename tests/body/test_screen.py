"""The screen keeps its limits whatever it is asked, and shows where the robot will go."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_jax.body.screen import LEAD, ScreenState, initial_screen, intent, move_screen
from astro_jax.config import DEFAULT_ROBOT
from astro_jax.types import Motion

ROBOT, TICK, DT = DEFAULT_ROBOT, 0.02, 0.1
STEPS = 200
LIMIT, RATE, ACCELERATION = ROBOT.pan_limit, ROBOT.pan_rate, ROBOT.pan_acceleration

angles = st.floats(-LIMIT, LIMIT)


WEAK = dataclasses.replace(ROBOT, pan_acceleration=2.0)


@functools.partial(jax.jit, static_argnames="robot")
def follow(pan, targets, robot=ROBOT):
    """Pan angles and rates while the target moves, from rest at ``pan``."""

    def step(state, target):
        state = move_screen(robot, state, target, TICK)
        return state, (state.pan, state.rate)

    start = ScreenState(pan=pan, rate=jnp.zeros_like(pan))
    return jax.lax.scan(step, start, targets)[1]


def targets_of(seed, scale, jumps):
    random = np.random.default_rng(seed)
    held = random.choice(STEPS, jumps, replace=False)
    values = np.zeros(STEPS, np.float32)
    values[np.sort(held)] = np.diff(scale * random.normal(size=jumps), prepend=0.0)
    return np.cumsum(values).astype(np.float32)


@settings(max_examples=300)
@given(
    pan=angles,
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.05, 0.5, 2.0, 100.0]),
    jumps=st.integers(1, STEPS),
    special=st.sampled_from([None, np.inf, -np.inf, np.nan, 3e38]),
)
def test_limits_hold_for_any_target(pan, seed, scale, jumps, special):
    """Angle, rate and acceleration, the last two also as differences of the angle."""
    targets = targets_of(seed, scale, jumps)
    if special is not None:
        targets[seed % STEPS :: 7] = special
    angle, rate = (np.asarray(x, float) for x in follow(np.float32(pan), targets))
    assert np.all(np.abs(angle) <= LIMIT + 1e-6)
    assert np.all(np.abs(rate) <= RATE + 1e-5)
    true_rate = np.diff(angle, prepend=pan) / TICK
    np.testing.assert_allclose(true_rate, rate, atol=1e-4)
    change = np.diff(true_rate, prepend=0.0) / TICK
    assert np.all(np.abs(change) <= ACCELERATION + 0.02)  # float32 angles, twice differenced


@settings(max_examples=200)
@given(pan=angles, target=angles, robot=st.sampled_from([ROBOT, WEAK]))
def test_a_target_that_stays_is_reached_without_overshoot(pan, target, robot):
    angle, rate = follow(np.float32(pan), np.full(STEPS, target, np.float32), robot)
    gone = (np.asarray(angle, float) - pan) * np.sign(target - pan)
    assert np.all(gone <= abs(target - pan) + 1e-4)
    assert np.all(np.diff(gone) >= -1e-6)
    # 4 s: at most 3.2 rad at 2.5 rad/s, and the last bit at 5/s
    assert abs(angle[-1] - target) < 0.01
    assert abs(rate[-1]) < 0.05


def test_it_is_as_fast_as_its_limits_allow():
    angle, rate = follow(np.float32(-1.5), np.full(STEPS, 1.5, np.float32))
    assert np.max(rate) == pytest.approx(RATE, rel=1e-3)
    quickest = 3.0 / RATE + RATE / ACCELERATION
    assert np.argmax(np.asarray(angle) > 1.4) * TICK < 1.5 * quickest


# ---- intent --------------------------------------------------------------------------


@functools.cache
def shown_by():
    return jax.jit(
        lambda pose: intent(
            ROBOT,
            Motion(pose_map=pose, twist=jnp.zeros((31, 2)), twist_dot=jnp.zeros((31, 2))),
            DT,
        )
    )


def arc(v, omega, start=(0.0, 0.0, 0.0)):
    time = DT * np.arange(31)
    yaw = omega * time
    x = v * time * np.sinc(yaw / (2 * np.pi)) * np.cos(yaw / 2)
    y = v * time * np.sinc(yaw / (2 * np.pi)) * np.sin(yaw / 2)
    c, s = np.cos(start[2]), np.sin(start[2])
    pose = np.stack([start[0] + c * x - s * y, start[1] + s * x + c * y, start[2] + yaw], axis=1)
    return float(shown_by()(pose.astype(np.float32)))


def test_straight_ahead_and_at_rest_it_looks_ahead():
    assert arc(0.6, 0.0) == pytest.approx(0.0, abs=1e-3)
    assert arc(0.0, 0.0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("v", [0.0, 0.05, 0.3, 0.7, -0.2])
@pytest.mark.parametrize("omega", [0.2, 0.8, 1.5])
def test_it_looks_into_the_turn(v, omega):
    """To the side to which the base will turn, by no more than it will have turned."""
    for sign in (1.0, -1.0):
        shown = sign * arc(v, sign * omega)
        assert 0.3 * omega * LEAD < shown < 1.01 * omega * LEAD


def test_backing_out_it_does_not_look_over_its_shoulder():
    assert abs(arc(-0.25, 0.0)) < 0.05


@settings(max_examples=100)
@given(
    x=st.floats(-50, 50),
    yaw=st.floats(-20, 20),
    v=st.floats(-0.2, 0.7),
    omega=st.floats(-1.5, 1.5),
)
def test_intent_is_seen_from_the_base(x, yaw, v, omega):
    """The same wherever the robot is, and within the joint's limits."""
    here, there = arc(v, omega), arc(v, omega, (x, -x, yaw))
    assert there == pytest.approx(here, abs=5e-3)
    assert abs(here) <= LIMIT


def test_it_starts_looking_ahead():
    state = initial_screen()
    assert float(state.pan) == 0.0 and float(state.rate) == 0.0
