"""The way ahead against a fine integration of what the wheels will be told."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.reactive import path
from astro_jax.reactive.senses import Mode

from .cases import (
    CONFIG,
    OPEN,
    REACH,
    ROBOT,
    STEPS,
    TICK,
    case_of,
    constant_plan,
    driven,
    f32,
    path_speed,
    plan_of,
    planned_at,
    running,
    stop_from,
)
from .many import random_plan

STEP = path.SPACING


def ahead(plan, phase, pose):
    way = _ahead(plan, f32(phase), f32(pose), f32(0.0))
    return path.Path(**way)


_ahead = jax.jit(
    lambda plan, phase, pose, steer: vars(path.path_ahead(ROBOT, CONFIG, plan, phase, pose, steer))
)


def integrated(plan, phase, pose):
    """(Poses, metres of path speed) at the times of the path, in steps of 2 ms.

    Each tick the wheels get what the plan, or the stop that is in force, says then.
    """
    late = phase >= np.float32(CONFIG.tail_after)
    rows = np.asarray(plan.tail if late else plan.commands, float)
    start, dt = phase - late * CONFIG.tail_after, 0.002
    pose, length = np.array(pose, float), 0.0
    poses, lengths = [], []
    for k in range(round(path.CHECKS * STEP / dt)):
        if k % round(STEP / dt) == 0:
            poses.append(pose)
            lengths.append(length)
        told = start + TICK * (k // round(TICK / dt))
        v, omega = (np.interp(told, TICK * np.arange(STEPS), c) for c in rows.T)
        yaw = pose[2] + 0.5 * dt * omega
        pose = pose + dt * np.array([v * np.cos(yaw), v * np.sin(yaw), omega])
        length += dt * path_speed((v, omega))
    return np.array(poses), np.array(lengths)


def turning_in(v=0.6, omega=1.5):
    """From rest into a curve as fast as the wheels can."""
    ramp = np.minimum(1.0, TICK * np.arange(STEPS) / 0.45)[:, None] * np.array([v, omega])
    return plan_of(ramp, stop_from(ramp[15]))


def test_path_ahead_is_where_the_plan_leads():
    random = np.random.default_rng(1)
    drives = [(turning_in(), 0.0), (turning_in(-0.2, 1.0), 0.1)]
    drives += [(random_plan(random), random.uniform(0.0, 0.45)) for _ in range(12)]
    for plan, phase in drives:
        pose = random.uniform(-2, 2, 3)
        way = ahead(plan, phase, pose)
        poses, lengths = integrated(plan, float(f32(phase)), pose)
        np.testing.assert_allclose(way.poses[:, :2], poses[:, :2], atol=1.5e-3)
        np.testing.assert_allclose(way.poses[:, 2], poses[:, 2], atol=3e-3)
        np.testing.assert_allclose(way.lengths, lengths, atol=1.5e-3)
        np.testing.assert_allclose(way.times, STEP * np.arange(path.CHECKS), rtol=1e-6)


@pytest.mark.parametrize("v", [0.7, 0.4, -0.25])
@pytest.mark.parametrize("steer", [0.6, -0.3])
def test_the_way_back_turns_and_turns_back(v, steer):
    """∫ κ·(1 − s/ℓ)·exp(−s/ℓ) ds = κ·s·exp(−s/ℓ), ℓ = .35 m; the same way, but more of it."""
    plan = constant_plan(v, 0.2)
    way = path.Path(**_ahead(plan, f32(0.05), f32([0.3, -0.1, 1.0]), f32(steer)))
    driven_way = np.abs(v) * np.asarray(way.times, float)
    turned = np.sign(v) * steer * driven_way * np.exp(-driven_way / 0.35)
    np.testing.assert_allclose(way.poses[:, 2], 1.0 + 0.2 * way.times + turned, atol=2e-3)
    fine = np.linspace(0.0, np.max(way.times), 4001)
    along = np.abs(v) * fine / 0.35
    omega = 0.2 + v * steer * (1.0 - along) * np.exp(-along)
    # as finely as the path is checked
    speed = np.abs(v) + REACH * np.abs(omega)
    length = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(fine))])
    np.testing.assert_allclose(way.lengths, np.interp(way.times, fine, length), atol=2e-3)
    middle = 0.5 * (fine[1:] + fine[:-1])
    yaw = 1.0 + 0.2 * middle
    yaw += np.sign(v) * steer * np.abs(v) * middle * np.exp(-np.abs(v) * middle / 0.35)
    steps = v * np.diff(fine)[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    places = np.array([0.3, -0.1]) + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    expected = np.stack([np.interp(way.times, fine, p) for p in places.T], axis=1)
    np.testing.assert_allclose(way.poses[:, :2], expected, atol=1e-3)


def test_the_path_is_looked_at_for_1_6_seconds():
    """Longer than the robot needs to rest from full speed, at most 6 cm between two looks."""
    way = ahead(constant_plan(0.75, 0.0), 0.0, (0.0, 0.0, 0.0))
    np.testing.assert_allclose(way.times, 0.08 * np.arange(20), rtol=1e-6)
    np.testing.assert_allclose(way.lengths, 0.06 * np.arange(20), rtol=1e-5)


def test_beyond_its_last_command_a_plan_goes_on():
    """It never gets there: a newer plan or the stop comes first."""
    last = TICK * (STEPS - 1)
    for phase in (last, last + 1.0):
        # only the tail is read so late
        plan = plan_of(np.zeros((STEPS, 2)), np.tile([0.3, 0.2], (STEPS, 1)))
        np.testing.assert_allclose(path.planned_twist(CONFIG, plan, f32(phase)), [0.3, 0.2])
    rising = plan_of(np.zeros((STEPS, 2)), np.arange(STEPS)[:, None] * np.array([1e-3, 2e-3]))
    at_last = path.planned_twist(CONFIG, rising, f32(CONFIG.tail_after + last))
    np.testing.assert_allclose(at_last, [0.15, 0.3], rtol=1e-4)


def test_the_stop_takes_over_at_its_time_and_not_before():
    plan = plan_of(np.tile([0.5, 0.1], (STEPS, 1)), np.tile([0.2, 0.0], (STEPS, 1)))
    twist = jax.jit(lambda phase: path.planned_twist(CONFIG, plan, phase))
    np.testing.assert_allclose(twist(f32(CONFIG.tail_after - 1e-4)), [0.5, 0.1], rtol=1e-6)
    np.testing.assert_allclose(twist(f32(CONFIG.tail_after)), [0.2, 0.0], rtol=1e-6)
    random = np.random.default_rng(2)
    for _ in range(30):
        plan, phase = random_plan(random), f32(random.uniform(-0.1, 3.5))
        np.testing.assert_allclose(
            path.planned_twist(CONFIG, plan, phase), planned_at(plan, float(phase)), atol=1e-5
        )


def test_no_point_of_the_footprint_is_faster_than_the_path_speed():
    random = np.random.default_rng(3)
    twists = random.uniform(-1, 1, (200, 2)) * [0.75, 1.8]
    bound = np.asarray(path.path_speed(ROBOT, f32(twists)))
    np.testing.assert_allclose(bound, path_speed(twists), rtol=1e-5)
    x, y = ROBOT.length / 2, ROBOT.width / 2
    fastest = np.max(
        [
            np.hypot(twists[:, 0] - twists[:, 1] * cy, twists[:, 1] * cx)
            for cx in (-x, x)
            for cy in (-y, y)
        ],
        axis=0,
    )
    assert np.all(fastest <= bound + 1e-6)
    # and no more than turning and driving at once can hide
    assert np.all(bound <= np.sqrt(2) * fastest + 1e-6)
    assert pytest.approx(np.hypot(x, y)) == REACH


def test_along_goes_through_the_poses_and_ends_at_the_last():
    way = ahead(turning_in(), 0.0, (0.3, -0.2, 3.0))
    np.testing.assert_allclose(path.along(way, way.lengths[1:]), way.poses[1:], atol=1e-5)
    beyond = path.along(way, way.lengths[-1:] + 1.0)
    np.testing.assert_allclose(beyond[0], way.poses[-1], atol=1e-5)
    middle = path.along(way, 0.5 * (way.lengths[4:5] + way.lengths[5:6]))
    np.testing.assert_allclose(middle[0], 0.5 * (way.poses[4] + way.poses[5]), atol=1e-5)
    before = path.along(way, -way.lengths[1:2])
    np.testing.assert_allclose(before[0], way.poses[0], atol=1e-5)


def test_where_the_path_rests_along_is_at_its_last_pose():
    lengths = jnp.array([0.0, 0.0, 0.1, 0.1, 0.2, 0.2])
    poses = jnp.outer(jnp.minimum(jnp.arange(6.0), 4.0), jnp.array([0.01, 0.02, 0.03]))
    way = path.Path(poses=poses, times=lengths, lengths=lengths)
    found = path.along(way, jnp.array([0.0, 0.05, 0.1, 0.2]))
    between = 0.5 * (poses[1] + poses[2])
    np.testing.assert_allclose(found, jnp.stack([poses[1], between, *poses[3:5]]), atol=1e-6)


def test_upcoming_twists_are_those_it_will_send():
    """The plan that is being computed starts from where this one will have got to."""
    random = np.random.default_rng(3)
    upcoming = jax.jit(lambda state, plan: path.upcoming_twists(ROBOT, CONFIG, state, plan))
    for _ in range(10):
        plan, phase = random_plan(random), f32(random.uniform(0.0, 0.19))
        # undisturbed: what it sends is already what is planned
        case = case_of(plan, planned_at(plan, float(phase)), senses__clearance=OPEN)
        # nothing behind is out of sight for a robot that goes forward
        case = case._replace(state=dataclasses.replace(case.state, phase=phase))
        expected = upcoming(case.state, plan)
        assert expected.shape == (round(CONFIG.period / TICK) + 1, 2)
        for row in expected:
            case, (verdict,) = driven(case, 1)
            if int(verdict.mode) == Mode.RUNNING:
                np.testing.assert_allclose(verdict.twist, row, atol=0.01)


def test_upcoming_twists_of_a_slowed_robot_are_slowed_as_much():
    plan = constant_plan(0.6, 0.2)
    case = case_of(plan, (0.3, 0.1))
    slowed = path.upcoming_twists(ROBOT, CONFIG, case.state, plan)
    np.testing.assert_allclose(slowed, np.tile([[0.3, 0.1]], (6, 1)), atol=1e-5)
    # curvature that is added is no slowness; who is faster than planned will not be
    for twist, steer, scale in (((0.3, 0.22), 0.4, 0.5), ((0.7, 0.3), 0.0, 1.0)):
        state = dataclasses.replace(running(twist, case.state.memory), steer=f32(steer))
        found = path.upcoming_twists(ROBOT, CONFIG, state, plan)
        np.testing.assert_allclose(found, np.tile([[0.6 * scale, 0.2 * scale]], (6, 1)), atol=1e-5)
    # a plan that pauses says nothing about how much
    pausing = plan_of(np.zeros((STEPS, 2)))
    state = running((0.3, 0.1), case.state.memory)
    np.testing.assert_allclose(
        path.upcoming_twists(ROBOT, CONFIG, state, pausing), np.zeros((6, 2)), atol=1e-6
    )
    # up to a millimetre a second is a pause
    creeping, still = constant_plan(1e-3, 0.0), running((0.0, 0.0), case.state.memory)
    found = path.upcoming_twists(ROBOT, CONFIG, still, creeping)
    np.testing.assert_allclose(found, np.tile([[1e-3, 0.0]], (6, 1)), atol=1e-6)
