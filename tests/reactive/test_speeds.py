"""The gate's small sums with speeds, in numbers."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.reactive import gate

from .cases import REACH, ROBOT, TICK, f32

JERKY = dataclasses.replace(ROBOT, jerk=6.0)
INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("last", "allowed", "expected"),
    [
        # down at once, up by .8 m/s²
        (0.5, 0.2, 0.2),
        (0.5, 0.51, 0.51),
        (0.5, 0.6, 0.516),
        (0.5, INF, 0.516),
        (0.0, 0.3, 0.016),
        (100.0, INF, 100.0),
        (100.0, 0.4, 0.4),
        (0.5, 0.0, 0.0),
        # nothing that could be a speed
        (0.5, -0.1, 0.0),
        (0.5, NAN, 0.0),
        (NAN, 0.5, 0.0),
    ],
)
def test_what_is_allowed_is_obeyed_down_at_once_and_up_slowly(last, allowed, expected):
    found = gate._released(jnp.float32(last), jnp.float32(allowed), TICK)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("robot", "ceiling", "last", "rate", "gently", "expected"),
    [
        # wheels 1.2 m/s², brakes 1.8
        (ROBOT, 0.6, 0.5, 0.0, True, 0.524),
        (ROBOT, 0.51, 0.5, 0.0, True, 0.51),
        (ROBOT, 0.48, 0.5, 0.0, True, 0.48),
        (ROBOT, 0.1, 0.5, 0.0, True, 0.464),
        (ROBOT, 0.1, 0.5, 0.0, False, 0.464),
        (ROBOT, 0.0, 0.02, 0.0, False, 0.0),
        (ROBOT, 0.0, 0.0, 0.0, False, 0.0),
        # 6 m/s³: the brakes come on by .12 m/s² in a tick, if there is no hurry
        (JERKY, 0.45, 0.5, 0.0, True, 0.4976),
        (JERKY, 0.45, 0.5, -0.6, True, 0.4856),
        (JERKY, 0.45, 0.5, -1.75, True, 0.464),
        (JERKY, 0.45, 0.5, -3.0, True, 0.464),
        (JERKY, 0.499, 0.5, 0.0, True, 0.499),
        (JERKY, 0.45, 0.5, 0.0, False, 0.464),
        (JERKY, 0.401, 0.5, 0.0, True, 0.4976),
        (JERKY, 0.399, 0.5, 0.0, True, 0.464),
        (JERKY, 0.6, 0.5, 0.0, True, 0.524),
    ],
)
def test_the_next_speed(robot, ceiling, last, rate, gently, expected):
    ceiling, last, rate = jnp.float32(ceiling), jnp.float32(last), jnp.float32(rate)
    found = gate._towards(robot, ceiling, last, rate, jnp.asarray(gently), TICK)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("planned", "curvature", "expected"),
    [
        ((0.5, 0.3), 0.4, 0.5),
        ((-0.2, 0.3), 0.5, 0.2),
        ((0.5, -0.3), -0.4, -0.5),
        # the robot's yaw rate, and that of its wheels at this v: .1 m/s for .11 m
        ((0.5, 1.7), 0.6, 1.8),
        ((0.5, -1.7), -0.6, -1.8),
        ((0.9, 0.8), 0.6, 0.1 / 0.11),
        ((-0.9, -0.8), 0.6, -0.1 / 0.11),
        # what was planned is let through
        ((0.9, 1.0), 0.6, 1.0),
        ((0.9, -1.0), -0.6, -1.0),
        ((0.9, 1.0), -0.1, 0.91),
        ((0.0, 1.0), 0.6, 1.0),
    ],
)
def test_what_is_added_stays_within_the_limits(planned, curvature, expected):
    found = gate._steered(ROBOT, jnp.asarray(f32(planned)), jnp.float32(curvature))
    np.testing.assert_allclose(found, [planned[0], expected], atol=1e-6)


@pytest.mark.parametrize(
    ("pace", "twist", "expected"),
    [
        (1.0, (0.75, 0.0), INF),
        (1.0, (0.757, 0.0), INF),
        (1.0, (0.0, 1.8), INF),
        (1.0, (0.0, 0.0), INF),
        (0.5, (0.3, 0.9), INF),
        # 1 % of rounding granted, forwards and backwards, of v or of ω
        (0.5, (0.75, 0.0), 0.75 * 0.505),
        (0.5, (-0.75, 0.0), 0.75 * 0.505),
        (0.5, (0.0, -1.8), REACH * 1.8 * 0.505),
        (0.5, (0.3, 1.8), (0.3 + REACH * 1.8) * 0.505),
        (0.5, (0.75, 0.9), (0.75 + REACH * 0.9) * 0.505),
        # no pace: at rest, whatever is planned
        (0.0, (0.3, 0.0), 0.0),
        (-1.0, (0.3, 0.0), 0.0),
        (NAN, (0.3, 0.0), 0.0),
        (1.0, (NAN, 0.0), 0.0),
    ],
)
def test_a_pace_is_a_share_of_the_speeds(pace, twist, expected):
    found = gate._paced(ROBOT, jnp.float32(pace), jnp.asarray(f32(twist)))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("driven", "planned", "joins"),
    [
        ((0.5, 0.2), (0.5, 0.2), True),
        # slower by no more than 1.8 m/s² · .02 s, faster by anything: that is waited for
        ((0.5, 0.0), (0.4641, 0.0), True),
        ((0.5, 0.0), (0.463998, 0.0), True),  # a ten-thousandth of rounding
        ((0.5, 0.0), (0.4639, 0.0), False),
        # slower and turned: it is not driven faster than it says
        ((0.5, 0.0), (0.47, 0.1), False),
        ((0.5, 0.0), (0.75, 0.0), True),
        ((-0.2, 0.0), (-0.25, 0.0), True),
        ((0.03, 0.0), (0.0, 0.0), True),
        ((0.04, 0.0), (0.0, 0.0), False),
        ((0.0, 0.0), (0.5, 1.0), True),
        ((0.0, 0.0), (0.0, 0.0), True),
        # a wheel's speed by no more than that: Δv .0246 and .11 m · .101 rad/s
        ((0.5, 0.0), (0.5, 0.106), True),
        ((0.5, 0.0), (0.5, 0.109), False),
        ((0.5, 0.0), (0.5, -0.106), True),
        ((0.5, 0.0), (0.5, -0.109), False),
        ((0.0, 1.0), (0.0, 1.5), True),
        # the other way, and what is no number
        ((0.2, 0.0), (-0.2, 0.0), False),
        ((0.0, 1.0), (0.0, -1.0), False),
        ((NAN, 0.0), (0.5, 0.0), False),
        ((0.5, 0.0), (NAN, 0.0), False),
        ((0.5, 0.0), (0.5, NAN), False),
    ],
)
def test_a_plan_joins_what_wheels_and_brakes_can_follow(driven, planned, joins):
    given = jnp.asarray(f32(driven)), jnp.asarray(f32(planned))
    assert bool(gate._joins(ROBOT, *given, TICK)) == joins
