"""Settings of a robot that contradict each other are refused, each by name."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import PlannerConfig, RobotConfig, ScreenConfig
from astro_jax.errors import InputError
from astro_jax.robot import drive
from astro_jax.strict_yaml import load_planner, load_robot

CONFIGS = Path(__file__).parents[2] / "configs"
PRESETS = sorted((CONFIGS / "robots").glob("*.yaml"))
OMNI = {"drive": "omni", "wheel_base": 0.4}
CASES = [
    # field that is named, settings, what repairs them
    ("drive", {"drive": "tricycle"}, {"drive": "differential"}),
    ("speed", {"speed": 1.1}, {"speed": 0.9}),
    ("reverse_speed", {"reverse_speed": 1.1}, {"reverse_speed": 1.0}),
    ("braking", {"braking": 1.0}, {"braking": 1.3}),
    ("yaw_rate", {"yaw_rate": 10.0, "lateral_acceleration": 3.0}, {"yaw_rate": 9.0}),
    ("lateral_acceleration", {"lateral_acceleration": 0.3}, {"lateral_acceleration": 0.35}),
    ("lateral_acceleration", {**OMNI, "lateral_acceleration": 0.3}, {"yaw_rate": 1.5}),
    ("lateral_speed", {**OMNI, "lateral_speed": 0.8}, {"lateral_speed": 0.7}),
    ("reverse_speed", {**OMNI, "reverse_speed": 0.8}, {"reverse_speed": 0.7}),
    ("yaw_rate", {**OMNI, "yaw_rate": 5.5}, {"mecanum": False}),
    (
        "lateral_acceleration",
        {"drive": "ackermann", "curvature": 3.0, "lateral_acceleration": 0.2},
        {"curvature": 2.0},
    ),
    ("yaw_rate", {"drive": "ackermann", "curvature": 3.0, "yaw_rate": 0.5}, {"yaw_rate": 0.6}),
    ("jerk", {"jerk": 1.5}, {"jerk": 2.0}),
    ("jerk", {"jerk": 1.5}, {"jerk": 0.0}),
    ("yaw_jerk", {"yaw_jerk": 8.0}, {"yaw_jerk": 9.0}),
    (
        "curvature_acceleration",
        {"drive": "ackermann", "curvature_acceleration": 2.0},
        {"curvature_acceleration": 3.0},
    ),
]


@pytest.mark.parametrize(("field", "settings", "repair"), CASES)
def test_a_contradiction_is_named_and_can_be_repaired(field, settings, repair):
    robot = RobotConfig(**settings)
    problems = robot.problems()
    assert [name for name, *_ in problems] == [field]
    _, value, expected = problems[0]
    assert value == getattr(robot, field)
    assert expected.startswith(("at most", "at least", "one of"))
    assert dataclasses.replace(robot, **repair).problems() == []


def swept_out(robot: RobotConfig) -> float:
    """How far the screen's corners come out of the rectangle while it pans, m, by sampling."""
    screen, out = robot.screen, -np.inf
    for pan in np.linspace(-robot.pan_limit, robot.pan_limit, 2001):
        for side in (-0.5, 0.5):
            x, y = screen.reach, side * screen.width
            x, y = x * np.cos(pan) - y * np.sin(pan), x * np.sin(pan) + y * np.cos(pan)
            beyond_x = abs(x + screen.mount_x) - robot.length / 2
            beyond_y = abs(y + screen.mount_y) - robot.width / 2
            out = max(out, beyond_x, beyond_y)
    return out


def test_the_footprint_has_to_cover_the_screen_wherever_it_is_panned():
    random = np.random.default_rng(0)
    counted = {True: 0, False: 0}
    for _ in range(150):
        robot = RobotConfig(
            pan_limit=float(random.choice([0.0, 0.3, 1.6, 3.1])),
            screen=ScreenConfig(
                mount_x=float(random.uniform(-0.15, 0.15)),
                mount_y=float(random.uniform(-0.05, 0.05)),
                reach=float(random.uniform(0.0, 0.12)),
                width=float(random.uniform(0.0, 0.2)),
            ),
        )
        out = swept_out(robot)
        if abs(out) < 1e-4:
            continue
        found = robot.problems()
        assert (found == []) == (out < 0.0), (robot.screen, out)
        if found:
            ((field, _, expected),) = found
            told = float(expected.split("it comes out ")[1].split(" m")[0])
            assert field == "screen" and told == pytest.approx(out, abs=1e-3)
        counted[out < 0.0] += 1
    assert min(counted.values()) > 20
    shaped = RobotConfig(
        footprint=((0.21, -0.125), (0.21, 0.125), (-0.21, 0.125), (-0.21, -0.125)),
        screen=ScreenConfig(width=0.26),
    )
    assert [field for field, *_ in shaped.problems()] == ["screen"]


@pytest.mark.parametrize("settings", [{}, OMNI, {**OMNI, "mecanum": False}, {"drive": "ackermann"}])
def test_the_defaults_are_consistent_for_every_drive(settings):
    assert RobotConfig(**settings).problems() == []


@pytest.mark.parametrize("drive_name", ["differential", "omni", "ackermann"])
def test_what_is_accepted_can_drive_at_full_speed(drive_name):
    """The bounds on lateral acceleration are just those at which top speed leaves no turn."""
    robot = RobotConfig(drive=drive_name, speed=1.0, wheel_speed=1.5, curvature=2.0)
    bound = {"differential": 0.45, "omni": 0.45, "ackermann": 8 / 27}[drive_name]
    for share, accepted in ((0.99, False), (1.01, True)):
        near = dataclasses.replace(robot, lateral_acceleration=share * bound)
        assert (near.problems() == []) == accepted
        _, high = drive.command_limits(near)
        fastest = np.asarray(drive.admissible(near, jnp.asarray(high)))
        assert (fastest[0] > 0.9999) == accepted
        assert (fastest[-1] > 1e-3) == accepted


def test_the_horizon_must_cover_a_stop_with_limited_jerk():
    short = PlannerConfig(intervals=(0.1, 0.2, 0.4), people_stride=1)
    assert short.problems(RobotConfig()) == []
    problems = short.problems(RobotConfig(jerk=6.0))
    assert [name for name, *_ in problems] == ["intervals"]
    assert "0.82 s" in problems[0][2]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_load_and_can_be_planned_for(path):
    robot = load_robot(path)
    assert robot.problems() == []
    assert robot.name == path.stem
    load_planner(CONFIGS / "planner" / "default.yaml", robot)
    # everything about the drive is spelled out
    text = path.read_text()
    own = {"differential": "wheel_base", "omni": "lateral_speed", "ackermann": "curvature_rate"}
    for key in ("drive", "speed", "lateral_acceleration", "jerk", own[robot.drive]):
        assert f"\n{key}:" in text


def test_a_contradiction_in_a_file_is_refused_with_its_line(tmp_path):
    text = (CONFIGS / "robots" / "astro.yaml").read_text()
    file = tmp_path / "robot.yaml"
    file.write_text(text.replace("drive: differential", "drive: hover"))
    with pytest.raises(InputError, match=r"robot\.yaml:\d+.*drive.*differential, omni, ackermann"):
        load_robot(file)
