"""A joint's spline keeps its limits for anything that is wanted of it, and goes after it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.local.planner import basis_of
from astro_jax.robot.joint import Joint, follow, pan_joint, tilt_joint

CONFIG = PlannerConfig()
BASIS = basis_of(CONFIG)
TIME = np.linspace(0.0, CONFIG.horizon, 1501)
JOINTS = {
    "pan": pan_joint(RobotConfig()),
    "weak": Joint(limit=1.6, rate=2.5, acceleration=0.02),
    "narrow": Joint(limit=0.05, rate=2.5, acceleration=8.0),
    "slow": Joint(limit=3.1, rate=0.1, acceleration=100.0),
}


@functools.cache
def run(name):
    joint = JOINTS[name]
    return jax.jit(lambda angle, rate, wanted: follow(joint, BASIS, angle, rate, wanted))


@functools.cache
def matrices():
    """Value, rate and acceleration of a spline at ``TIME``, from SciPy."""
    breaks = np.concatenate([[0.0], np.cumsum(CONFIG.intervals)])
    knots = np.concatenate([[0.0] * 3, breaks, [breaks[-1]] * 3])
    curve = BSpline(knots, np.eye(len(knots) - 4), 3)
    return [curve(TIME), curve.derivative()(TIME), curve.derivative(2)(TIME)]


def course(name, angle, rate, wanted):
    controls = run(name)(jnp.float32(angle), jnp.float32(rate), jnp.asarray(wanted, jnp.float32))
    assert np.all(np.isfinite(controls))
    return [matrix @ np.asarray(controls, float) for matrix in matrices()]


def wanted_of(seed, scale, kind):
    random = np.random.default_rng(seed)
    values = scale * random.normal(size=CONFIG.times)
    values = np.cumsum(values) if kind == "walk" else values
    values = np.full_like(values, values[0]) if kind == "step" else values
    return values


@settings(max_examples=300)
@given(
    name=st.sampled_from(list(JOINTS)),
    place=st.floats(-1.0, 1.0),
    pushed=st.floats(-1.0, 1.0),
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.02, 0.3, 3.0, 1e4]),
    kind=st.sampled_from(["walk", "step", "noise"]),
    special=st.sampled_from([None, np.nan, np.inf, -np.inf, 3e38]),
)
def test_limits_hold_at_all_times_for_any_target(name, place, pushed, seed, scale, kind, special):
    """From anywhere in the range at any rate: one that cannot be stopped in time gives way."""
    joint, wanted = JOINTS[name], wanted_of(seed, scale, kind)
    if special is not None:
        wanted[seed % 5 :: 5] = special
    value, rate, acceleration = course(name, place * joint.limit, pushed * joint.rate, wanted)
    assert np.all(np.abs(value) <= joint.limit * (1 + 1e-5))
    assert np.all(np.abs(rate) <= joint.rate * (1 + 1e-5))
    assert np.all(np.abs(acceleration) <= joint.acceleration * (1 + 1e-3))
    assert value[0] == pytest.approx(place * joint.limit, abs=1e-6)


@settings(max_examples=100)
@given(place=st.floats(-0.9, 0.9), seed=st.integers(0, 10_000), later=st.integers(1, 5))
def test_a_plan_goes_on_where_the_last_one_is_taken_over(place, seed, later):
    """C1: a period into a plan the next one begins with the same angle and the same rate."""
    joint, index = JOINTS["pan"], round(later * CONFIG.gate_period / (TIME[1] - TIME[0]))
    first = course("pan", place * joint.limit, 0.0, wanted_of(seed, 0.5, "walk"))
    angle, rate = first[0][index], first[1][index]
    value, slope, _ = course("pan", angle, rate, wanted_of(seed + 1, 0.5, "noise"))
    assert value[0] == pytest.approx(angle, abs=1e-6)
    assert slope[0] == pytest.approx(rate, abs=5e-3)


@settings(max_examples=100)
@given(start=st.floats(-1.6, 1.6), target=st.floats(-1.6, 1.6))
@example(start=0.0, target=0.015625)
def test_a_place_is_reached_without_overshoot(start, target):
    joint = JOINTS["pan"]
    value, _, _ = course("pan", start, 0.0, np.full(CONFIG.times, target))
    gone, way = (value - start) * np.sign(target - start), abs(target - start)
    assert np.all(gone <= way + 1e-4)
    assert abs(value[-1] - target) < 0.01
    # no slower than a bang-bang motion and half a second; the smallest take .61 s, as the knots do
    quickest = 2.0 * np.sqrt(way / joint.acceleration)
    if way > joint.rate**2 / joint.acceleration:
        quickest = way / joint.rate + joint.rate / joint.acceleration
    assert TIME[np.argmax(gone > 0.9 * way)] < max(quickest + 0.5, 0.62)


def test_a_course_that_the_joint_can_take_is_taken():
    time = CONFIG.dt * np.arange(CONFIG.times)
    wanted = 0.8 * np.sin(1.2 * time)
    value, _, _ = course("pan", 0.0, 0.96, wanted)
    np.testing.assert_allclose(np.interp(time, TIME, value), wanted, atol=0.05)


def test_a_joint_that_is_none_stays_where_it_is():
    none = tilt_joint(RobotConfig())
    assert not none.moves
    controls = follow(none, BASIS, jnp.float32(0.0), jnp.float32(0.0), jnp.ones(CONFIG.times))
    np.testing.assert_array_equal(controls, 0.0)
