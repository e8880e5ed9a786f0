"""The prediction to t_effect against a fine integration of wheels with dead time."""

import dataclasses
import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency
from astro_jax.world.actuation import configured
from astro_jax.world.latency import SUBSTEPS, allowance, fast_forward, planning_time

TICK = 0.02
WHEELS = configured(DEFAULT_ROBOT, Latency())
PAST, UPCOMING = 64, 4


def commands(seed):
    """A smooth series of twists, PAST + UPCOMING ticks long, at the robot's accelerations."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(-1, 1, (PAST + UPCOMING, 2)) * [1.2, 4.0] * TICK
    rate = np.repeat(rate[::8], 8, axis=0)[: len(rate)]
    return np.clip(rng.uniform(-0.2, 0.7) + np.cumsum(rate, axis=0), [-0.25, -1.8], [0.75, 1.8])


def slow_pose(pose, series, since, until, delay):
    """Where the wheels get to from ``since`` to ``until``; now is 0, float64 at 20 µs.

    Command k of the series is sent at (k − PAST)·TICK and held; it acts ``delay`` later.
    """
    steps = max(1, round((until - since) / 2e-5))
    dt = (until - since) / steps
    middle = since + (np.arange(steps) + 0.5) * dt
    index = np.floor((middle - delay) / TICK + 1e-9).astype(int) + PAST
    v, omega = series[np.clip(index, 0, len(series) - 1)].T
    yaw = pose[2] + np.cumsum(omega * dt) - 0.5 * omega * dt
    x = pose[0] + np.sum(v * np.cos(yaw)) * dt
    y = pose[1] + np.sum(v * np.sin(yaw)) * dt
    return np.array([x, y, pose[2] + np.sum(omega) * dt])


@functools.cache
def predictor(upcoming=UPCOMING):
    @jax.jit
    @jax.vmap
    def predict(pose, series, age, delay):
        sent, ahead = series[:PAST], series[PAST : PAST + upcoming]
        wheels = dataclasses.replace(WHEELS, delay=delay)
        return fast_forward(pose, sent, ahead, age, wheels, upcoming * TICK, TICK)[0]

    return predict


def cases(count, seed):
    rng = np.random.default_rng(seed)
    poses = rng.uniform([-5, -5, -4], [5, 5, 4], (count, 3))
    series = np.array([commands(seed * 1000 + k) for k in range(count)])
    return poses, series, rng.uniform(0, 0.5, count), rng.uniform(0, 0.3, count)


def as_float32(*arrays):
    return (np.asarray(a, np.float32) for a in arrays)


def test_prediction_is_the_integral_of_what_was_sent():
    poses, series, age, delay = cases(60, 0)
    got = np.asarray(predictor()(*as_float32(poses, series, age, delay)))
    # from the moment of the pose until the first later command reaches the wheels
    slow = np.array(
        [
            slow_pose(p, s, -a, UPCOMING * TICK + d, d)
            for p, s, a, d in zip(poses, series, age, delay, strict=True)
        ]
    )
    np.testing.assert_allclose(got[:, :2], slow[:, :2], atol=3e-3)
    # Each change of command is met within half a substep.
    step = (age + delay + UPCOMING * TICK) / SUBSTEPS
    changes = np.sum(np.abs(np.diff(series[..., 1], axis=1)[:, -60:]), axis=1)
    assert np.all(np.abs(got[:, 2] - slow[:, 2]) <= 0.5 * step * changes + 1e-5)
    assert np.abs(got[:, 2] - slow[:, 2]).max() < 8e-3
    moved = np.hypot(*(slow - poses)[:, :2].T)
    assert np.median(moved) > 0.05


def test_nothing_to_integrate_changes_nothing():
    poses, series, *_ = cases(20, 1)
    zero = np.zeros(20)
    got = predictor(0)(*as_float32(poses, series, zero, zero))
    np.testing.assert_array_equal(got, poses.astype(np.float32))


def test_resting_robots_rest():
    poses, series, age, delay = cases(20, 2)
    got = predictor()(*as_float32(poses, 0 * series, age, delay))
    np.testing.assert_allclose(got, poses, atol=1e-6)


def test_constant_twist_is_an_arc_of_a_circle():
    v, omega, age, delay = 0.6, 1.5, 0.2, 0.18
    span = age + delay + UPCOMING * TICK
    series = np.broadcast_to([v, omega], (1, PAST + UPCOMING, 2))
    pose = np.array([[1.0, -2.0, 0.7]])
    (got,) = predictor()(*as_float32(pose, series, [age], [delay]))
    turn = omega * span
    x = 1.0 + v / omega * (np.sin(0.7 + turn) - np.sin(0.7))
    y = -2.0 - v / omega * (np.cos(0.7 + turn) - np.cos(0.7))
    np.testing.assert_allclose(got, [x, y, 0.7 + turn], atol=1e-5)


def test_the_same_truth_seen_at_any_age_gives_the_same_prediction():
    _, series, _, delay = cases(30, 3)
    first = np.zeros(3)
    ages = np.array([0.0, 0.05, 0.13, 0.3, 0.6])
    predictions = []
    for age in ages:
        seen = np.array(
            [slow_pose(first, s, -0.7, -age, d) for s, d in zip(series, delay, strict=True)]
        )
        predictions.append(predictor()(*as_float32(seen, series, np.full(30, age), delay)))
    for other in predictions[1:]:
        np.testing.assert_allclose(other, predictions[0], atol=5e-3)


def test_only_commands_that_act_in_time_matter():
    poses, series, *_ = cases(10, 4)
    age, delay = np.full(10, 0.1), np.full(10, 0.06)
    got = predictor()(*as_float32(poses, series, age, delay))
    other = series.copy()
    other[:, : PAST - 10] = 9.0  # acted before the pose was taken
    np.testing.assert_array_equal(got, predictor()(*as_float32(poses, other, age, delay)))
    other[:, PAST - 6] += 0.1
    assert np.all(np.any(got != predictor()(*as_float32(poses, other, age, delay)), axis=1))


def test_a_lag_of_the_wheels_counts_as_dead_time():
    """First-order wheels: treated as so much more delay, the error is a·τ² of way."""
    lag, delay, age, acceleration = 0.08, 0.1, 0.2, 1.2
    at = (np.arange(PAST + UPCOMING) - PAST) * TICK
    v = np.clip(0.75 + acceleration * np.minimum(at + 0.3, 0.0), 0.0, None)
    series = np.stack([v, 0 * v], axis=1)
    dt = 1e-4
    times = np.arange(-1.0, UPCOMING * TICK + delay + lag, dt)
    speed, x, passed = 0.0, 0.0, {}
    for t in times:
        command = series[np.clip(int(np.floor((t - delay) / TICK + 1e-9)) + PAST, 0, len(v) - 1), 0]
        speed += dt / lag * (command - speed)
        x += dt * speed
        passed[round(t, 4)] = x
    start, end = passed[round(-age, 4)], x
    place = [[start, 0, 0]]
    (got,) = predictor()(*as_float32(place, [series], [age], [delay + lag]))
    assert float(got[0]) == pytest.approx(end, abs=acceleration * lag**2)
    # Wheels taken to follow at once would be elsewhere.
    (ignored,) = predictor()(*as_float32(place, [series], [age], [delay]))
    assert abs(float(ignored[0]) - end) > 5 * acceleration * lag**2


def test_ages_beyond_the_memory_hold_the_oldest_command():
    series = np.zeros((1, PAST + UPCOMING, 2))
    series[0, 0] = [0.5, 0.0]
    (got,) = predictor()(*as_float32([[0, 0, 0]], series, [PAST * TICK + 1.0], [0.0]))
    assert float(got[0]) == pytest.approx(0.5 * (1.0 + TICK), abs=0.5 * 0.06)


def test_fast_forward_compiles_once_for_all_ages():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def predict(pose, series, age):
        return fast_forward(pose, series[:PAST], series[PAST:], age, WHEELS, 0.08, TICK)

    chex.clear_trace_counter()
    poses, series, age, _ = cases(3, 5)
    for p, s, a in zip(*as_float32(poses, series, age), strict=True):
        predict(p, s, a)


def test_the_way_is_as_long_as_the_wheels_turn():
    _, series, *_ = cases(1, 6)
    pose, way = fast_forward(
        jnp.zeros(3),
        jnp.asarray(series[0, :PAST], jnp.float32),
        jnp.asarray(series[0, PAST:], jnp.float32),
        0.2,
        WHEELS,
        0.08,
        TICK,
    )
    assert float(way) >= np.hypot(*np.asarray(pose)[:2]) - 1e-5
    straight = jnp.broadcast_to(jnp.array([-0.2, 0.0]), (PAST, 2))
    pose, way = fast_forward(jnp.zeros(3), straight, straight[:4], 0.2, WHEELS, 0.08, TICK)
    span = 0.2 + 0.08 + float(WHEELS.delay)
    assert float(way) == pytest.approx(0.2 * span, rel=1e-4)
    assert float(pose[0]) == pytest.approx(-0.2 * span, rel=1e-4)


def test_worn_wheels_get_less_far():
    straight = jnp.broadcast_to(jnp.array([0.5, 1.0]), (PAST, 2))
    worn = dataclasses.replace(WHEELS, gain=jnp.array([0.9, 0.95]))
    pose, way = fast_forward(jnp.zeros(3), straight, straight[:4], 0.2, worn, 0.08, TICK)
    span = 0.2 + 0.08 + float(WHEELS.delay)
    assert float(way) == pytest.approx(0.45 * span, rel=1e-4)
    assert float(pose[2]) == pytest.approx(0.95 * span, rel=1e-4)


def test_a_later_take_over_waits_for_more_of_the_old_plan():
    """Ahead is data: 1 … 4 ticks with one compilation, each as if no more had been given."""
    _, series, *_ = cases(1, 7)
    for ticks in range(1, UPCOMING + 1):
        given = predictor(ticks)(*as_float32(np.zeros((1, 3)), series, [0.113], [0.1907]))[0]
        wheels = dataclasses.replace(WHEELS, delay=jnp.float32(0.1907))
        sent, ahead = map(jnp.asarray, as_float32(series[0, :PAST], series[0, PAST:]))
        got, _ = fast_forward(jnp.zeros(3), sent, ahead, 0.113, wheels, ticks * TICK, TICK)
        np.testing.assert_allclose(got, given, atol=1e-5)


def test_the_time_granted_to_planning_follows_what_it_took():
    estimate = 0.02
    for measured in (0.031, 0.029, 0.055, 0.02):
        estimate = planning_time(estimate, measured)
        assert estimate >= measured
    assert estimate == pytest.approx(0.055 * 0.98)
    for _ in range(400):
        estimate = planning_time(estimate, 0.02)
    assert estimate == 0.02
    for nonsense in (math.nan, math.inf, -1.0):
        assert planning_time(0.03, nonsense) == 0.03


@pytest.mark.parametrize(
    ("seconds", "ticks"),
    [(0.0, 1), (0.02, 1), (0.021, 2), (0.04, 2), (0.07, 4), (9.0, 4), (math.nan, 4)],
)
def test_a_plan_takes_over_within_its_own_cycle(seconds, ticks):
    assert int(allowance(Latency(planning=seconds), DEFAULT_PLANNER)) == ticks
