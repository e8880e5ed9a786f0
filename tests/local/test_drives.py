"""The same planner for robots that drive differently: each within its own limits."""

import dataclasses
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.local.planner import basis_of, plan
from astro_jax.robot import drive
from astro_jax.strict_yaml import load_robot
from astro_jax.types import Status

pytestmark = pytest.mark.usefixtures("compiled_quickly")

ROBOTS = Path(__file__).parents[2] / "configs" / "robots"
# a start that each drive may have
STARTS = {"astro": (0.3, 0.2), "mecanum": (0.2, 0.15, 0.2), "ackermann": (0.3, 0.5)}


@pytest.fixture(scope="module", params=STARTS)
def own(lab, request):
    """A lab with this robot, and its compiled planner."""
    robot = load_robot(ROBOTS / f"{request.param}.yaml")
    its = dataclasses.replace(lab, robot=robot)
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(params, state, world, field):
        return plan(robot, its.config, params, state, world, field)

    return its, run, np.array(STARTS[request.param])


def rates(robot, commands, tick):
    """Wheel speeds and accelerations as shares of their limits, from the drive's own geometry."""
    change = np.diff(commands, axis=0) / tick
    if robot.drive == "ackermann":
        v, curvature = commands.T
        speed = np.abs(v) / robot.wheel_speed
        turning = np.abs(v * curvature) / robot.yaw_rate
        lateral = v**2 * np.abs(curvature) / robot.lateral_acceleration
        steering = np.abs(curvature) / robot.curvature
        acceleration = np.abs(change) / [robot.wheel_acceleration, robot.curvature_rate]
        return np.concatenate([speed, turning, lateral, steering, acceleration.ravel()])
    if robot.drive == "omni":
        (vx, vy, omega), arm = commands.T, robot.wheel_base / 2
        wheels = np.abs(vx) + np.abs(vy) + arm * np.abs(omega)
        across = np.hypot(vx, vy)
        pull = np.abs(change[:, 0]) + np.abs(change[:, 1]) + arm * np.abs(change[:, 2])
        sideways = np.abs(vy) / robot.lateral_speed
    else:
        (vx, omega), arm = commands.T, robot.wheel_base / 2
        wheels = np.abs(vx) + arm * np.abs(omega)
        across = np.abs(vx)
        pull = np.abs(change[:, 0]) + arm * np.abs(change[:, 1])
        sideways = 0.0 * vx
    return np.concatenate(
        [
            wheels / robot.wheel_speed,
            across / robot.speed,
            np.maximum(-vx, 0.0) / robot.reverse_speed,
            np.abs(omega) / robot.yaw_rate,
            sideways,
            across * np.abs(omega) / robot.lateral_acceleration,
            pull / robot.wheel_acceleration,
            np.abs(change[:, -1]) / robot.yaw_acceleration,
        ]
    )


@pytest.mark.parametrize("goal", [(2.5, 0.0, 0.0), (1.2, 1.2, 1.57), (1.2, -1.2, 0.0)])
def test_it_makes_progress_within_its_limits(own, goal):
    lab, run, start = own
    field = lab.field(goal)
    gains = []
    for seed in range(4):
        world = lab.world(command=start, command_dot=0.1 * start)
        state, found, diagnostics = run(lab.params, lab.state(seed), world, field)
        assert int(found.status) == Status.OK
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((found, state.controls)))
        commands = np.asarray(found.commands, float)
        np.testing.assert_allclose(commands[0], start, atol=1e-5)
        for course in (commands, np.asarray(found.tail, float)):
            shares = rates(lab.robot, course, lab.config.gate_period)
            assert np.max(shares) <= 1.0 + 2e-3
        weights = np.array([-11, 18, -9, 2]) / (6 * lab.config.gate_period)
        np.testing.assert_allclose(weights @ commands[:4], 0.1 * start, atol=5e-3)
        assert int(diagnostics.finite_candidates) == lab.config.candidates * lab.config.stages
        end = np.asarray(found.motion.pose_map[-1, :2])
        gains.append(np.hypot(*goal[:2]) - np.hypot(*(end - goal[:2])))
    assert np.mean(gains) > 0.7
    assert np.min(gains) > 0.4


def test_the_motion_is_that_of_the_commands(own):
    """Integrated in float64 from the drive's own meaning of a command."""
    lab, run, start = own
    _, found, _ = run(
        lab.params, lab.state(), lab.world((0.1, -0.2, 0.4), start), lab.field((1.5, 0.8, 1.0))
    )
    tick, commands = lab.config.gate_period, np.asarray(found.commands, float)
    # sixteen substeps: the curvature times the speed is no cubic
    fine = np.arange(16 * (len(commands) - 1) + 1) / 16
    courses = [np.interp(fine, np.arange(len(commands)), column) for column in commands.T]
    if lab.robot.drive == "ackermann":
        vx, vy, omega = courses[0], 0.0 * courses[0], courses[0] * courses[1]
    elif lab.robot.drive == "omni":
        vx, vy, omega = courses
    else:
        vx, vy, omega = courses[0], 0.0 * courses[0], courses[1]
    x, y, yaw = (float(value) for value in found.motion.pose_map[0])
    for k in range(len(fine) - 1):
        step, middle = tick / 16, [0.5 * (u[k] + u[k + 1]) for u in (vx, vy, omega)]
        half = yaw + 0.5 * step * middle[2]
        x += step * (middle[0] * np.cos(half) - middle[1] * np.sin(half))
        y += step * (middle[0] * np.sin(half) + middle[1] * np.cos(half))
        yaw += step * middle[2]
    np.testing.assert_allclose([x, y, yaw], found.motion.pose_map[-1], atol=3e-3)
    twist = np.asarray(drive.body_twist(lab.robot, found.commands))
    every = round(lab.config.dt / tick)
    np.testing.assert_allclose(found.motion.twist, twist[::every], atol=1e-4)


def test_its_tail_ends_at_rest(own):
    """No speed is left; steering may stay where it is."""
    lab, run, start = own
    _, found, _ = run(lab.params, lab.state(), lab.world(command=start), lab.field())
    begins = round(lab.config.tail_after / lab.config.gate_period)
    np.testing.assert_allclose(found.tail[0], found.commands[begins], atol=1e-5)
    end = np.asarray(drive.body_twist(lab.robot, found.tail))[-5:]
    np.testing.assert_allclose(end, 0.0, atol=5e-3)


def test_a_mecanum_robot_goes_sideways_and_the_others_do_not(own):
    """To a goal beside it with the same heading."""
    lab, run, start = own
    still = np.zeros_like(start)
    _, found, _ = run(lab.params, lab.state(), lab.world(command=still), lab.field((0.2, 1.0, 0.0)))
    sideways = np.abs(np.asarray(found.motion.twist[:, 1]))
    assert (np.max(sideways) > 0.1) == (lab.robot.drive == "omni")
    if lab.robot.drive != "omni":
        np.testing.assert_array_equal(sideways, 0.0)


def test_a_bad_command_stops_every_drive(own):
    lab, run, start = own
    world = lab.world(command=start)
    world = dataclasses.replace(world, command=world.command.at[-1].set(jnp.nan))
    state, found, _ = run(lab.params, lab.state(), world, lab.field())
    assert int(found.status) == Status.BAD_STATE
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves((found, state.controls)))
    np.testing.assert_allclose(
        np.asarray(drive.body_twist(lab.robot, found.commands)), 0.0, atol=0.01
    )
    assert basis_of(lab.config).tick_value.shape[0] == len(found.commands)
