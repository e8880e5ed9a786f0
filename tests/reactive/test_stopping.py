"""Stopping distances against the motion itself, in small steps."""

import dataclasses

import numpy as np
import pytest

from astro_jax.reactive import stopping

from .cases import ROBOT, TICK, f32

JERKY = dataclasses.replace(ROBOT, jerk=6.0)


def driven(speed, reaction, until):
    """Metres after each millisecond of a stop that begins after the reaction time."""
    time = np.arange(0.0, until + 5e-4, 1e-3)
    v = np.clip(speed - ROBOT.wheel_acceleration * (time - reaction), 0.0, speed)
    return time, np.concatenate([[0.0], np.cumsum(0.5 * (v[1:] + v[:-1]) * 1e-3)])


@pytest.mark.parametrize("speed", [0.05, 0.3, 0.75, 1.2])
@pytest.mark.parametrize("reaction", [0.0, 0.1, 0.35])
def test_distance_speed_and_way_are_those_of_the_motion(speed, reaction):
    time, way = driven(speed, reaction, 2.0)
    distance = float(stopping.stopping_distance(ROBOT, reaction, f32(speed)))
    assert distance == pytest.approx(way[-1], abs=2e-5)
    again = stopping.stopping_speed(ROBOT, reaction, f32([way[-1]]))
    np.testing.assert_allclose(again, [speed], atol=1e-4)
    found = stopping.travelled(ROBOT, reaction, f32(np.full_like(time, speed)), f32(time))
    np.testing.assert_allclose(found, way, atol=2e-4)


def test_stopping_speed_solves_its_equation():
    free = f32(np.linspace(0.0, 3.0, 31))
    reaction = 0.33
    speed = np.asarray(stopping.stopping_speed(ROBOT, reaction, free), float)
    way = speed * reaction + speed**2 / (2 * ROBOT.wheel_acceleration)
    np.testing.assert_allclose(way, free, atol=1e-5)
    assert np.all(np.diff(speed) > 0.0)


def test_no_room_is_no_speed_and_endless_room_any():
    speed = stopping.stopping_speed(ROBOT, 0.2, f32([-1.0, 0.0, np.inf]))
    np.testing.assert_array_equal(np.asarray(speed)[:2], [0.0, 0.0])
    assert np.isinf(speed[2])
    assert np.isnan(stopping.stopping_speed(ROBOT, 0.2, f32([np.nan]))[0])


def test_reaction_time_adds_up():
    assert float(stopping.reaction_time(ROBOT, f32(0.04), f32(0.18), TICK)) == pytest.approx(0.24)
    # a message from the future is as good as one of now
    assert float(stopping.reaction_time(ROBOT, f32(-0.03), f32(0.18), TICK)) == pytest.approx(0.20)


@pytest.mark.parametrize("speed", [0.3, 0.75])
def test_brakes_that_come_on_slowly_cost_what_the_reaction_time_says(speed):
    """First order in the ramp's length: a little on the safe side."""
    b, j = JERKY.wheel_acceleration, JERKY.jerk
    dt, v, a, way = 1e-4, speed, 0.0, 0.0
    while v > 0.0:
        a = min(a + j * dt, b)
        way += dt * v
        v -= dt * a
    reaction = float(stopping.reaction_time(JERKY, f32(0.0), f32(0.0), 0.0))
    told = float(stopping.stopping_distance(JERKY, reaction, f32(speed)))
    assert way <= told + 1e-3
    assert told <= way + b**2 / j**2 * b
