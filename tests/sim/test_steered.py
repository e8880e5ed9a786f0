"""Peers say velocities: what the base makes of them, and what they are told."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT, Latency
from astro_jax.sim.episode import start_episode
from astro_jax.sim.odometry import EXACT
from astro_jax.sim.state import honest
from astro_jax.sim.steered import run_steered
from tests.sim.test_episode import CONFIG, room

pytestmark = pytest.mark.usefixtures("compiled_quickly")
ROBOT = dataclasses.replace(DEFAULT_ROBOT, actuator_lag=0.0)
LATE = Latency(sensor=0.1, reactive_sensor=0.0, command=0.06, planning=0.0)
FULL = 0.6
"""The speed that is wanted, m/s."""


def until_near(known):
    """Straight on, and to rest when the map shows something within half a metre."""
    x, y = known.pose_map[:2]
    cell = jnp.stack([y - known.clearance.origin[1], x - known.clearance.origin[0]])
    row, column = jnp.round(cell / known.clearance.resolution).astype(jnp.int32)
    free = known.clearance.table[row, column, 0]
    return jnp.stack([jnp.where(free > 0.5, FULL, 0.0), jnp.float32(0.0)])


@pytest.fixture(scope="module")
def driven():
    """Five seconds towards the wall of a room."""
    scene, field = room(people=[((1.0, 3.6), (3.5, 3.6))])
    world = jax.tree.map(jnp.float32, honest(LATE, EXACT))
    state = start_episode(ROBOT, CONFIG, LATE, scene, jax.random.key(0))
    state = dataclasses.replace(state, wheel_gain=jnp.ones(2))
    run = jax.jit(functools.partial(run_steered, ROBOT, CONFIG, until_near), static_argnums=4)
    end, ticks = run(world, scene, field, state, 60)
    return end, jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), ticks)


def test_the_base_takes_a_velocity_up_at_its_own_acceleration(driven):
    _, ticks = driven
    steps = np.diff(ticks.command[:, 0], prepend=0.0)
    most = ROBOT.wheel_acceleration * CONFIG.gate_period
    assert steps.max() == pytest.approx(most, rel=1e-3)
    assert steps.min() == pytest.approx(-most, rel=1e-3)
    assert ticks.command[:, 0].max() == pytest.approx(FULL)


def test_commands_are_as_late_as_the_world_says(driven):
    _, ticks = driven
    late = round(LATE.command / CONFIG.gate_period)
    np.testing.assert_allclose(ticks.twist[late:, 0], ticks.command[:-late, 0], atol=0.02)
    assert ticks.twist[: late - 1, 0].max() < 1e-3


def test_it_is_told_what_the_scan_shows_and_stops_before_it(driven):
    end, ticks = driven
    assert abs(ticks.twist[-1, 0]) < 1e-3
    # half a metre before the wall's cells at 4.45 m, less what it drives until it rests
    slack = FULL * (LATE.sensor + LATE.command + CONFIG.period) + FULL**2 / 2 / 1.2
    assert 3.9 - 0.1 < ticks.pose_map[-1, 0] < 3.95 + slack
    assert int(end.contacts.contacts) == 0


def test_people_walk_meanwhile(driven):
    _, ticks = driven
    assert np.ptp(ticks.people_xy[:, 0, 0]) > 1.0
