"""The identified delay and gain against a simulated base of known delay and gain."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from astro_jax.config import DEFAULT_ROBOT, Latency
from astro_jax.types import Odometry
from astro_jax.world.actuation import GAIN_HIGH, GAIN_LOW, configured, hypotheses, identify, obeys

TICK, TICKS, MEMORY = 0.02, 5, 64
LATENCY = jax.tree.map(jnp.float32, Latency(command=0.10, command_doubt=0.08))
BELIEVED = 0.10 + DEFAULT_ROBOT.actuator_lag


@pytest.fixture(scope="module")
def learn():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(latency, known, sent, odometry):
        return identify(DEFAULT_ROBOT, latency, known, sent, odometry, TICK)

    return run


class Base:
    """First-order wheels behind a dead time, at 1 ms; float64, on its own clock."""

    def __init__(self, delay, lag=DEFAULT_ROBOT.actuator_lag, gain=(1.0, 1.0)):
        self.delay, self.lag, self.gain = delay, lag, np.array(gain)
        self.sent, self.twist, self.past = [np.zeros(2)] * 200, np.zeros(2), []

    def tick(self, command):
        self.sent.append(np.asarray(command, float))
        for k in range(20):
            back = int(np.floor((k * 1e-3 - self.delay) / TICK + 1e-9))
            target = self.gain * self.sent[len(self.sent) - 1 + back]
            if self.lag > 0:
                self.twist = self.twist + (1 - np.exp(-1e-3 / self.lag)) * (target - self.twist)
            else:
                self.twist = target
        self.past.append(self.twist)


def driving(rng, seconds):
    """Commands of a robot among people: speeds up, slows down, turns."""
    count = round(seconds / TICK)
    change = rng.normal(size=(count // 20 + 1, 2)) * [0.35, 0.8] + [0.45, 0.0]
    steps = np.clip(np.repeat(change, 20, axis=0)[:count], [0, -1.5], [0.75, 1.5])
    out, now = [], np.zeros(2)
    for target in steps:
        now = now + np.clip(target - now, [-0.024, -0.08], [0.024, 0.08])
        out.append(now)
    return np.array(out)


def after(learn, base, commands, age=0.2, latency=LATENCY, noise=(0.01, 0.02), seed=0, known=None):
    """What is known after those commands, and what was known after every cycle."""
    rng, history = np.random.default_rng(seed), []
    known = configured(DEFAULT_ROBOT, latency) if known is None else known
    for k, command in enumerate(commands):
        base.tick(command)
        if (k + 1) % TICKS or k < 100:
            continue
        measured = base.past[-1 - round(age / TICK)] + rng.normal(size=2) * noise
        odometry = Odometry(
            pose_map=jnp.zeros(3),
            twist=jnp.asarray(measured, jnp.float32),
            age=jnp.float32(age),
        )
        sent = jnp.asarray(np.array(base.sent[-MEMORY:]), jnp.float32)
        known = learn(latency, known, sent, odometry)
        history.append(known)
    return known, history


@pytest.mark.parametrize("delay", [0.03, 0.06, 0.10, 0.14, 0.17])
@pytest.mark.parametrize("age", [0.0, 0.2])
def test_a_dead_time_other_than_configured_is_found(learn, delay, age):
    base = Base(delay)
    commands = driving(np.random.default_rng(1), 22.0)
    known, history = after(learn, base, commands, age=age)
    truth = delay + DEFAULT_ROBOT.actuator_lag
    assert float(known.delay) == pytest.approx(truth, abs=0.012)
    # half of the error is gone within five seconds of driving
    early = history[50]
    assert abs(float(early.delay) - truth) <= 0.5 * abs(BELIEVED - truth) + 0.012


@pytest.mark.parametrize("gain", [(0.9, 0.95), (1.08, 1.0), (1.0, 0.9)])
def test_worn_wheels_are_found(learn, gain):
    known, _ = after(learn, Base(0.1, gain=gain), driving(np.random.default_rng(2), 22.0))
    np.testing.assert_allclose(known.gain, gain, atol=0.025)
    assert obeys(known)


def test_outside_of_the_bounds_the_nearest_bound_is_taken(learn):
    for delay, bound in ((0.3, BELIEVED + 0.08), (0.0, BELIEVED - 0.08)):
        lag = DEFAULT_ROBOT.actuator_lag if delay > 0 else 0.0
        known, history = after(learn, Base(delay, lag), driving(np.random.default_rng(3), 22.0))
        assert float(known.delay) == pytest.approx(bound, abs=0.012)
        assert all(abs(float(k.delay) - BELIEVED) <= 0.08 + 1e-6 for k in history)


def test_without_doubt_nothing_is_identified(learn):
    sure = dataclasses.replace(LATENCY, command_doubt=jnp.float32(0.0))
    known, _ = after(learn, Base(0.17), driving(np.random.default_rng(4), 12.0), latency=sure)
    assert float(known.delay) == pytest.approx(BELIEVED, abs=1e-6)


def test_steady_driving_and_rest_teach_nothing_about_the_delay(learn):
    for v in (0.0, 0.5):
        base = Base(0.16)
        base.sent, base.twist = [np.array([v, 0.0])] * 200, np.array([v, 0.0])
        known, _ = after(learn, base, np.broadcast_to([v, 0.0], (600, 2)))
        assert float(known.delay) == pytest.approx(BELIEVED, abs=2e-3)


def test_a_base_that_is_stuck_or_carried_is_noticed_soon_and_forgiven_later(learn):
    commands = driving(np.random.default_rng(5), 8.0)
    base = Base(0.1)
    known, history = after(learn, base, commands)
    assert all(bool(obeys(k)) for k in history)
    delay, gain = float(known.delay), np.asarray(known.gain)
    base.gain, base.lag = np.zeros(2), 0.01  # the wheels are blocked
    known, history = after(learn, base, np.broadcast_to([0.5, 0.0], (200, 2)), known=known)
    noticed = [bool(obeys(k)) for k in history]
    assert noticed.index(False) <= 6 and not any(noticed[6:])
    # meanwhile nothing wrong was learned
    assert float(known.delay) == pytest.approx(delay, abs=0.02)
    np.testing.assert_allclose(known.gain, gain, atol=0.03)
    known, history = after(learn, base, np.zeros((250, 2)), known=known)
    assert obeys(known)


@settings(max_examples=200, deadline=None)
@given(
    twist=arrays(np.float32, 2, elements=st.floats(width=32)),
    age=st.floats(width=32),
    sent=arrays(np.float32, (MEMORY, 2), elements=st.floats(-3, 3, width=32)),
)
def test_nonsense_leaves_everything_finite_and_in_bounds(learn, twist, age, sent):
    known = configured(DEFAULT_ROBOT, LATENCY)
    for _ in range(2):
        known = learn(
            LATENCY,
            known,
            jnp.asarray(sent),
            Odometry(pose_map=jnp.zeros(3), twist=jnp.asarray(twist), age=jnp.float32(age)),
        )
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(known))
    delays = np.asarray(hypotheses(DEFAULT_ROBOT, LATENCY))
    assert delays.min() - 1e-6 <= float(known.delay) <= delays.max() + 1e-6
    assert np.all((np.asarray(known.gain) >= GAIN_LOW) & (np.asarray(known.gain) <= GAIN_HIGH))
    if not np.all(np.isfinite(twist)):
        np.testing.assert_array_equal(known.told, 0.0)
        assert float(known.mismatch) == 0.0
