"""The stop in hand: it joins the plan, ends at rest, and its clearance is the true one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.local.judge import judge_of, looks
from astro_jax.local.planner import basis_of
from astro_jax.local.tail import TOLERANCE, stopping_tail
from astro_jax.robot import drive
from astro_jax.robot.footprint import covering_discs, outline
from astro_jax.types import Status

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module")
def tail_of(lab):
    """(world, controls) → the tail of that plan, with the exact look."""
    basis, exact = basis_of(lab.config), looks(lab.robot, lab.config, lab.params)[1]

    @jax.jit
    def run(world, field, controls):
        judge = judge_of(lab.robot, lab.config, lab.params, basis, world, field, exact)
        z = drive.encode(lab.robot, basis, world.command, world.command_dot, controls[2:])
        best = jax.tree.map(lambda leaf: leaf[..., 0], judge(z[..., None])[1])
        given = lab.robot, lab.config, lab.params, basis, world, best, exact
        return stopping_tail(*given), best

    return run


def integrated(lab, pose, commands, tick):
    """Poses at every tick, in float64, from commands at the gate's rate."""
    poses = [np.asarray(pose, float)]
    for v, omega in 0.5 * (commands[1:] + commands[:-1]):
        x, y, yaw = poses[-1]
        middle = yaw + 0.5 * tick * omega
        poses.append(
            np.array(
                [x + tick * v * np.cos(middle), y + tick * v * np.sin(middle), yaw + tick * omega]
            )
        )
    return np.array(poses)


def footprint_gap(lab, poses, blocked):
    """Least distance of the footprint, sampled all around, to blocked cells' squares."""
    shape = outline(lab.robot)
    share = np.linspace(0.0, 1.0, 40, endpoint=False)[:, None, None]
    rim = (shape + share * (np.roll(shape, -1, axis=0) - shape)).reshape(-1, 2)
    row, column = np.nonzero(blocked)
    cells = -1.0 + lab.config.map_resolution * np.stack([column, row], axis=1)
    half = 0.5 * lab.config.map_resolution
    least = np.inf
    for x, y, yaw in poses:
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        at = rim @ turn.T + [x, y]
        off = np.maximum(np.abs(at[:, None] - cells[None]) - half, 0.0)
        least = min(least, np.hypot(off[..., 0], off[..., 1]).min())
    return least


def test_it_joins_the_plan_and_ends_at_rest_within_limits(lab, run_plan):
    robot, tick = lab.robot, lab.config.gate_period
    start = round(lab.config.tail_after / tick)
    for state, world, field in lab.scenarios(20, seed=11):
        _, plan, _ = run_plan(lab.params, state, world, field)
        tail, commands = np.asarray(plan.tail, float), np.asarray(plan.commands, float)
        assert tail.shape == commands.shape
        np.testing.assert_allclose(tail[0], commands[start], atol=1e-5)
        # both are cubics around the joint: third-order one-sided slopes, exact on either side
        weights = np.array([-11, 18, -9, 2]) / (6 * tick)
        np.testing.assert_allclose(
            weights @ tail[:4], weights @ commands[start : start + 4], atol=0.02
        )
        # a spline cannot brake at the limit all the time
        speed = np.abs(tail[0]) / [robot.wheel_acceleration, robot.yaw_acceleration]
        rest = round((1.5 * speed.max() + 0.5) / tick)
        np.testing.assert_allclose(tail[rest:], 0.0, atol=0.02)
        np.testing.assert_allclose(tail[-1], 0.0, atol=2e-3)
        wheels = tail @ np.array([[1, 1], [-robot.wheel_base / 2, robot.wheel_base / 2]])
        assert np.max(np.abs(wheels)) <= robot.wheel_speed + 1e-4
        steps = np.abs(np.diff(wheels, axis=0)).max()
        assert steps <= robot.wheel_acceleration * tick * (1 + 1e-3)
        assert np.max(np.abs(np.diff(tail[:, 1]))) <= robot.yaw_acceleration * tick * (1 + 1e-3)


def test_its_clearance_is_that_of_the_footprint(lab, run_plan):
    """Against squares of blocked cells and the footprint's rim, along the joined way.

    The discs reach over the rectangle, and the map's distances are those of cells.
    """
    centres, radii = covering_discs(lab.robot, lab.config.exact_discs)
    over = float(np.max(np.abs(centres[:, 1]) + radii)) - lab.robot.width / 2
    over += lab.config.map_resolution
    tick = lab.config.gate_period
    start, compared = round(lab.config.tail_after / tick), 0
    random = np.random.default_rng(3)
    for k in range(12):
        blocked = np.zeros((lab.config.map_cells,) * 2, bool)
        row, column = random.integers(0, 40, (2, 6))
        blocked[row, column] = True
        blocked[14:27, 14:27] = False
        blocked[:, 37:] = blocked[:3] = True
        world = lab.world((0.0, 0.0, random.uniform(-3, 3)), (0.5, 0.3), blocked=blocked)
        _, plan, _ = run_plan(lab.params, lab.state(k), world, lab.field((1.3, 0.4, 0.0)))
        before = integrated(
            lab, world.pose_map, np.asarray(plan.commands[: start + 1], float), tick
        )
        after = integrated(lab, before[-1], np.asarray(plan.tail, float), tick)
        gap = footprint_gap(lab, np.concatenate([before, after]), blocked)
        found = float(plan.tail_clearance)
        assert found <= gap + 0.03
        assert found >= gap - over - 0.03
        compared += gap < 0.3
    assert compared >= 4


@pytest.mark.parametrize("speed", [0.3, 0.5, 0.7])
def test_a_wall_within_the_stopping_distance_is_seen(lab, tail_of, speed):
    """Straight ahead: unsafe exactly if the nose ends in the wall."""
    controls = jnp.broadcast_to(jnp.array([speed, 0.0]), (11, 2))
    tick = lab.config.gate_period
    nose = lab.robot.length / 2
    centres, radii = covering_discs(lab.robot, lab.config.exact_discs)
    over = float(np.max(centres[:, 0] + radii)) - nose
    verdicts = []
    for gap in np.arange(0.02, 0.9, 0.02):
        world = dataclasses.replace(
            lab.world(command=(speed, 0.0)), clearance=lab.wall(nose + gap, -1.0, 0.0)
        )
        tail, best = tail_of(world, lab.field(), controls)
        driven = speed * lab.config.tail_after
        stop = integrated(lab, (driven, 0.0, 0.0), np.asarray(tail.commands, float), tick)[-1, 0]
        assert float(tail.clearance) == pytest.approx(gap - stop - over, abs=2e-3)
        assert bool(tail.safe) == (float(tail.clearance) >= -TOLERANCE)
        verdicts.append(bool(tail.safe))
        assert np.asarray(best.motion.twist[0, 0]) == pytest.approx(speed, abs=1e-5)
    # from unsafe to safe once, at about v·t + v²/2a
    change = np.flatnonzero(np.diff(verdicts))
    assert len(change) == 1 and verdicts[-1]
    least = speed * lab.config.tail_after + 0.5 * speed**2 / lab.robot.wheel_acceleration
    assert least < 0.02 + 0.02 * change[0] + 0.03
    assert 0.02 + 0.02 * change[0] < least + 0.15 * speed + 0.05


def test_a_plan_that_cannot_stop_says_so(lab, run_plan):
    """A wall just ahead at speed: no plan of this robot can avoid it, and the gate must know."""
    blocked = np.zeros((lab.config.map_cells,) * 2, bool)
    blocked[:, 27:] = True  # from .325 m on: the nose is at .21 m
    for seed in range(3):
        world = lab.world(command=(0.7, 0.0), blocked=blocked)
        _, plan, _ = run_plan(lab.params, lab.state(seed), world, lab.field())
        assert int(plan.status) == Status.NO_SAFE_TAIL
        assert float(plan.tail_clearance) < 0.0
        slow = lab.world(command=(0.05, 0.0), blocked=blocked)
        _, plan, _ = run_plan(lab.params, lab.state(seed), slow, lab.field())
        assert int(plan.status) == Status.OK
        assert float(plan.tail_clearance) > -TOLERANCE


def test_the_status_is_unsafe_only_if_the_clearance_is(lab, run_plan):
    """In random scenes, also crowded ones; starting clear means ending clear."""
    statuses = []
    for state, world, field in lab.scenarios(30, seed=12):
        _, plan, _ = run_plan(lab.params, state, world, field)
        statuses.append(int(plan.status))
        if float(plan.tail_clearance) >= 0.0:
            assert statuses[-1] == Status.OK
        if statuses[-1] == Status.NO_SAFE_TAIL:
            assert float(plan.tail_clearance) < -TOLERANCE
    assert np.mean(np.array(statuses) == Status.OK) > 0.8


@pytest.mark.parametrize("depth", [0.01, 0.04])
def test_whoever_starts_in_contact_may_leave_but_not_go_deeper(lab, tail_of, depth):
    """The wall is ahead; backing out is safe, going on is not."""
    nose = lab.robot.length / 2
    centres, radii = covering_discs(lab.robot, lab.config.exact_discs)
    reach = float(np.max(centres[:, 0] + radii))
    assert reach >= nose
    clearance = lab.wall(reach - depth, -1.0, 0.0)
    for speed, safe in ((-0.2, True), (0.0, True), (0.2, False)):
        world = dataclasses.replace(lab.world(command=(speed, 0.0)), clearance=clearance)
        controls = jnp.broadcast_to(jnp.array([speed, 0.0]), (11, 2))
        tail, _ = tail_of(world, lab.field(), controls)
        assert bool(tail.safe) == safe
        assert float(tail.clearance) <= -depth + 1e-4


def test_no_clearance_is_no_safe_stop(lab, tail_of):
    table = jnp.full_like(lab.wall(1.0, 0.0, 0.0).table, jnp.nan)
    world = lab.world(command=(0.2, 0.0))
    world = dataclasses.replace(
        world, clearance=dataclasses.replace(lab.wall(1.0, 0.0, 0.0), table=table)
    )
    tail, _ = tail_of(world, lab.field(), jnp.zeros((11, 2)))
    assert not bool(tail.safe)
    assert np.all(np.isfinite(tail.commands))
