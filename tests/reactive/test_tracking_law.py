"""The law of tracking in numbers, written out: whoever moves one of them has to say so twice."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.geometry import compose
from astro_jax.reactive.tracking import curvature_back, lateness, steer

from .test_tracking import CONFIG, ROBOT, constant, f32, steered


@pytest.mark.parametrize(
    ("speed", "aside", "turned", "expected"),
    [
        # 8 mm and 6 mrad are noise, .35 m is the way back, .1 m/s next to rest
        (0.6, 0.007, 0.005, 0.0),
        (0.6, -0.007, -0.005, 0.0),
        (0.6, 0.02, 0.0, -0.012 / 0.1225 * 0.6 / np.sqrt(0.37)),
        (0.6, -0.02, 0.0, 0.012 / 0.1225 * 0.6 / np.sqrt(0.37)),
        (0.6, 0.0, 0.05, -2 * (np.sin(0.05) - 0.006) / 0.35 * 0.6 / np.sqrt(0.37)),
        (-0.2, 0.0, 0.05, 2 * (np.sin(0.05) - 0.006) / 0.35 * 0.2 / np.sqrt(0.05)),
        (-0.2, 0.02, 0.0, -0.012 / 0.1225 * 0.2 / np.sqrt(0.05)),
        # of 13 cm and of 1 m counts 12 cm: turned towards the way by as much, nothing is added
        (0.6, 0.128, -0.15, None),
        (0.6, 1.0, -0.15, None),
        # no more than .6
        (0.6, 0.5, 0.5, -0.6),
        (0.6, -0.5, -0.5, 0.6),
        (0.0, 0.5, 0.5, 0.0),
    ],
)
def test_the_curvature_back_in_numbers(speed, aside, turned, expected):
    if expected is None:
        back = 0.12 / 0.1225 + 2 * (np.sin(turned) + 0.006) / 0.35
        expected = -back * speed / np.hypot(speed, 0.1)
    # seen from a place that is not the origin
    place = np.array([1.0, -2.0, 0.7])
    pose = np.asarray(compose(jnp.asarray(f32(place)), jnp.asarray(f32([0.03, aside, turned]))))
    found = curvature_back(jnp.float32(speed), jnp.asarray(f32(place)), jnp.asarray(pose))
    assert float(found) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("phase", "pose", "last", "kappa", "flow"),
    [
        # on the way: what was added fades with .1 s, by no more than 2 in a second
        (0.1, (0.06, 0.0, 0.0), 0.0, 0.0, 1.0),
        (0.1, (0.06, 0.0, 0.0), 0.1, 0.08, 1.0),
        (0.1, (0.06, 0.0, 0.0), -0.5, -0.46, 1.0),
        # late by 2 cm, early by 2 cm: 1.5/s for each second
        (0.1, (0.04, 0.0, 0.0), 0.0, 0.0, 1.0 - 1.5 * 0.012 / 0.37),
        (0.1, (0.08, 0.0, 0.0), 0.0, 0.0, 1.0 + 1.5 * 0.012 / 0.37),
        # bounds
        (0.1, (-0.2, 0.0, 0.0), 0.0, 0.0, 0.87),
        (0.1, (0.4, 0.0, 0.0), 0.0, 0.0, 1.15),
        (0.276, (0.4, 0.0, 0.0), 0.0, 0.0, 1.15),
        (0.277, (0.4, 0.0, 0.0), 0.0, 0.0, 1.0),
        (0.278, (0.4, 0.0, 0.0), 0.0, 0.0, 1.0),
        (0.278, (-0.4, 0.0, 0.0), 0.0, 0.0, 0.87),
        # beside: a fifth of the way in each tick, no more than .04
        (0.1, (0.06, 0.02, 0.0), 0.0, -0.2 * 0.012 / 0.1225 * 0.6 / np.sqrt(0.37), 1.0),
        (0.1, (0.06, 0.3, 0.0), 0.0, -0.04, 1.0),
        (0.1, (0.06, -0.3, 0.0), 0.1, 0.14, 1.0),
        (0.1, (0.06, -0.3, 0.0), 0.59, 0.592, 1.0),
        (0.1, (0.06, 0.3, 0.0), -0.7, -0.6, 1.0),
        (0.1, (0.06, -0.3, 0.0), 0.7, 0.6, 1.0),
        # no pose
        (0.1, (np.nan, 0.0, 0.0), 0.1, 0.08, 1.0),
        (0.1, (0.06, 0.0, np.inf), 0.1, 0.08, 1.0),
        (0.1, (0.06, np.inf, 0.0), 0.1, 0.08, 1.0),
    ],
)
def test_the_law_in_numbers(phase, pose, last, kappa, flow):
    found = steered(constant(0.6, 0.0), f32(phase), f32(pose), f32(last))
    np.testing.assert_allclose(found, (kappa, flow), atol=2e-5)


@pytest.mark.parametrize(
    ("phase", "pose", "share", "flow"),
    [
        (0.2, (-0.3, 0.03, 0.0), 0.0, 0.87),
        (0.25, (-0.3, 0.03, 0.0), 0.5, 0.87),
        (0.05, (0.4, 0.08, 0.22), 2.5, 1.15),
    ],
)
def test_who_is_very_late_or_early_is_held_against_a_fifth_of_a_second_away(
    phase, pose, share, flow
):
    """On a curve the place that the plan had then is another, and so is its direction."""
    plan = constant(0.5, 1.0)
    # poses are .1 s apart: .2 s after its start it is held against the start
    before = plan.motion.pose_map[int(share)]
    place = before + share % 1.0 * (plan.motion.pose_map[int(share) + 1] - before)
    back = curvature_back(jnp.float32(0.5), jnp.asarray(f32(place)), jnp.asarray(f32(pose)))
    found = steered(plan, f32(phase), f32(pose), f32(0.0))
    assert 0.005 < abs(0.2 * float(back)) < 0.04
    np.testing.assert_allclose(found, (0.2 * float(back), flow), atol=2e-5)


def test_lateness_counts_turns_as_way():
    """(v·x + r²·ω·θ)/(v² + (r·ω)² + .1²), r = .244 m."""
    reach = np.hypot(0.42, 0.25) / 2
    pose = jnp.asarray(f32([0.03, 0.01, -0.05]))
    found = lateness(ROBOT, jnp.asarray(f32([0.3, 1.0])), jnp.zeros(3), pose)
    expected = -(0.3 * 0.03 - reach**2 * 0.05) / (0.09 + reach**2 + 0.01)
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_time_runs_ahead_by_no_more_than_the_brakes_can_follow():
    weak = dataclasses.replace(ROBOT, braking=1.05 * ROBOT.wheel_acceleration)
    law = jax.jit(lambda plan, *given: steer(weak, CONFIG, plan, *given))
    _, flow = law(constant(0.6, 0.0), f32(0.1), f32([0.4, 0.0, 0.0]), f32(0.0))
    assert float(flow) == pytest.approx(1.05)


def test_a_slow_gate_takes_a_correction_back_in_one_tick_and_no_more():
    slow = dataclasses.replace(CONFIG, gate_period=0.2, dt=0.2)
    law = jax.jit(lambda plan, *given: steer(ROBOT, slow, plan, *given))
    kappa, _ = law(constant(0.6, 0.0), f32(0.0), f32([0.0, 0.0, 0.0]), f32(0.1))
    assert float(kappa) == pytest.approx(0.0, abs=1e-6)
