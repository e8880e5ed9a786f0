"""No z breaks any limit at any time: SciPy's splines at 1 ms, in float64."""

import json

import numpy as np
import pytest

from astro_jax.robot import drive

pytestmark = pytest.mark.usefixtures("compiled_quickly")

NAMES = ["differential", "weak wheels", "mecanum", "disc", "ackermann"]
VARIANTS = ["plain", "forward", "jerk", "tight"]
ROUNDING = 1e-7
"""Share of a limit by which float32 may round a start that lies right at it."""
UNUSED = {
    # the body's caps keep these robots below what their wheels, or their tyres, can do
    "differential": {"wheel speed", "lateral acceleration"},
    "weak wheels": {"lateral acceleration"},
    "mecanum": {"lateral acceleration"},
    "disc": set(),
    "ackermann": set(),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_no_z_breaks_a_limit(lab, name, variant):
    robot = lab.robot(name, variant)
    *_, controls = lab.motions(robot, 2000, 10)
    assert np.all(np.isfinite(controls))
    excess = lab.excess(robot, controls)
    assert max(excess.values()) <= ROUNDING, excess
    # The limits are used, not only kept.
    if variant != "tight":
        slack = {limit for limit, share in excess.items() if share < -0.01}
        assert slack == UNUSED[name], excess
    else:
        assert -0.02 < excess["lateral acceleration"]


@pytest.mark.soak
@pytest.mark.parametrize("name", NAMES)
def test_no_z_of_a_million_breaks_a_limit(lab, name, capsys):
    for seed, variant in enumerate(VARIANTS):
        robot = lab.robot(name, variant)
        worst: dict[str, float] = {}
        for part in range(25):
            *_, controls = lab.motions(robot, 10000, 1000 * seed + 2 * part)
            for limit, excess in lab.excess(robot, controls).items():
                worst[limit] = max(worst.get(limit, -np.inf), excess)
        with capsys.disabled():
            print(f"\n{name}, {variant}: worst excess", json.dumps(worst))
        assert max(worst.values()) <= ROUNDING, worst


@pytest.mark.parametrize("name", NAMES)
def test_the_measure_of_violations_sees_one(lab, name):
    robot = lab.robot(name, "jerk")
    *_, controls = lab.motions(robot, 50, 20)
    assert max(lab.excess(robot, controls).values()) <= ROUNDING
    for k in range(controls.shape[2]):
        broken = controls.copy()
        broken[7, 5, k] += 3.0 * robot.yaw_rate
        excess = lab.excess(robot, broken)
        assert excess[f"jerk {k}"] > 0.1, excess
        assert sum(share > 0.1 for share in excess.values()) >= 3, excess


def too_fast(lab, robot, count, seed):
    """Commands beyond the limits, up to two and a half times, and what is allowed of them."""
    rng = np.random.default_rng(seed)
    low, high = drive.command_limits(robot)
    command = rng.uniform(2.5 * low, 2.5 * high, (count, len(low))).astype(np.float32)
    allowed = np.array([drive.admissible(robot, c) for c in command])
    beyond = np.abs(command - allowed).max(axis=1) > 1e-3
    return command[beyond], allowed[beyond]


@pytest.mark.parametrize("variant", ["plain", "jerk"])
@pytest.mark.parametrize("name", NAMES)
def test_who_is_too_fast_brakes_as_hard_as_allowed(lab, name, variant):
    robot = lab.robot(name, variant)
    command, allowed = too_fast(lab, robot, 100, 30)
    z = lab.z(robot, len(command), 31)
    controls = lab.decode(robot, command, 0 * command, z)
    # nothing is made up about the start
    np.testing.assert_array_equal(controls[:, 0], command)
    # the accelerations are within their limits at all times, speeds once braked
    excess = lab.excess(robot, controls)
    speeds = (
        "speed",
        "wheel speed",
        "reverse",
        "sideways",
        "yaw rate",
        "curvature",
        "lateral",
        "jerk",
    )
    rates = {k: v for k, v in excess.items() if not k.startswith(speeds) or k == "curvature rate"}
    assert len(rates) == 2 and max(rates.values()) <= ROUNDING, rates
    # full effort on the straight way to what is allowed, until it is reached: z has no say
    effort = np.array([drive.limit_acceleration(robot, c) for c in 1e3 * (allowed - command)])
    needed = np.linalg.norm(command - allowed, axis=1) / np.linalg.norm(effort, axis=1)
    spent = np.concatenate([[0.0], np.cumsum(lab.basis.steps)])
    left = np.maximum(1 - spent[None] / needed[:, None], 0.0)[..., None]
    straight = allowed[:, None] + left * (command - allowed)[:, None]
    braking = np.broadcast_to(left > 0, controls.shape)
    np.testing.assert_allclose(controls[braking], straight[braking], atol=1e-5)
    assert 0.05 < braking[:, 1:].mean() < 0.9
    # and from then on every limit holds (with jerk limits: for what the command eases off to)
    for motion, begin in zip(controls, braking[:, :, 0].sum(axis=1), strict=True):
        settled = motion[begin if variant == "plain" else max(begin, 6) :]
        inside = np.array([drive.admissible(robot, c) for c in settled])
        np.testing.assert_allclose(inside.reshape(settled.shape), settled, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_start_with_too_much_acceleration_is_cut_to_the_limits(lab, name):
    for variant in ("plain", "jerk"):
        robot = lab.robot(name, variant)
        command, rate = lab.starts(robot, 1000, 40)
        controls = lab.decode(robot, command, 5.0 * rate, lab.z(robot, 1000, 41))
        assert max(lab.excess(robot, controls).values()) <= ROUNDING
