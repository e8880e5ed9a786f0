"""One planning cycle from outside: what it promises whatever it is given."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.local.judge import looks
from astro_jax.local.objective import evaluate, run_into_at_rest, total
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive
from astro_jax.types import Status

pytestmark = pytest.mark.usefixtures("compiled_quickly")

BAD = [np.nan, np.inf, -np.inf]


def leaves_finite(tree):
    return all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(tree))


def wheel_speeds(lab, twists):
    half = lab.robot.wheel_base / 2
    v, omega = np.moveaxis(np.asarray(twists, float), -1, 0)
    return np.stack([v - half * omega, v + half * omega], axis=-1)


def assert_drivable(lab, plan):
    """Speeds and accelerations of the commands, of the body and of each wheel."""
    robot, tick, slack = lab.robot, lab.config.gate_period, 1e-4
    commands = np.asarray(plan.commands, float)
    v, omega = commands.T
    wheels = wheel_speeds(lab, commands)
    assert np.all((v >= -robot.reverse_speed - slack) & (v <= robot.speed + slack))
    assert np.all(np.abs(omega) <= robot.yaw_rate + slack)
    assert np.all(np.abs(wheels) <= robot.wheel_speed + slack)
    # a difference of float32 numbers over .02 s
    loose = 1.0 + 1e-3
    assert np.all(np.abs(np.diff(omega)) <= robot.yaw_acceleration * tick * loose)
    assert np.all(np.abs(np.diff(wheels, axis=0)) <= robot.wheel_acceleration * tick * loose)


def poisoned(world, field, where, value, every=1):
    """A world in which every ``every``-th entry of one leaf is ``value``."""

    def bad(x):
        flat = np.array(x, np.float32).reshape(-1)
        flat[::every] = value
        return jnp.asarray(flat.reshape(np.shape(x)))

    outer, _, inner = where.partition(".")
    if outer == "field":
        table = dataclasses.replace(field.cost_to_go, table=bad(field.cost_to_go.table))
        return world, dataclasses.replace(field, cost_to_go=table)
    if outer == "goal_map":
        return world, dataclasses.replace(field, goal_map=bad(field.goal_map))
    leaf = getattr(world, outer)
    leaf = dataclasses.replace(leaf, **{inner: bad(getattr(leaf, inner))}) if inner else bad(leaf)
    return dataclasses.replace(world, **{outer: leaf}), field


@pytest.fixture(scope="module")
def exact_cost(lab):
    """(world, field, controls) → exact cost of that motion and of the full stop."""
    basis, exact = basis_of(lab.config), looks(lab.robot, lab.config, lab.params)[1]

    @jax.jit
    def cost(world, field, controls):
        stop = jnp.zeros_like(controls[2:])
        start = world.command, world.command_dot
        stop = drive.decode(lab.robot, basis, *start, drive.encode(lab.robot, basis, *start, stop))
        both = jnp.stack([controls, stop], axis=-1)
        motion = drive.motion(lab.robot, basis, world.pose_map, both)
        anyway = run_into_at_rest(lab.config, world, exact)
        terms, _ = evaluate(lab.robot, lab.config, lab.params, world, field, exact, anyway, motion)
        return total(lab.params, terms)

    return cost


@pytest.fixture(scope="module")
def near_wall(lab):
    blocked = np.zeros((lab.config.map_cells,) * 2, bool)
    blocked[:, 34:] = True
    return lab.world(command=(0.4, 0.2), blocked=blocked, xy=[(1.5, 0.6)], velocity=[(-0.5, 0.0)])


def test_it_drives_towards_the_goal(lab, run_plan):
    _, plan, _ = run_plan(lab.params, lab.state(), lab.world(), lab.field((1.5, 0.0, 0.0)))
    assert int(plan.status) == Status.OK
    assert plan.motion.pose_map[-1, 0] > 0.6
    assert np.max(np.abs(plan.motion.pose_map[:, 1])) < 0.15
    assert plan.survival[-1] > 0.99


@pytest.mark.parametrize("bearing", [2.2, 3.1, -2.6])
def test_it_turns_round_rather_than_backs_through_the_house(lab, run_plan, bearing):
    goal = 3.0 * np.cos(bearing), 3.0 * np.sin(bearing), 0.0
    _, plan, _ = run_plan(lab.params, lab.state(), lab.world(), lab.field(goal))
    x, y, yaw = np.asarray(plan.motion.pose_map[-1])
    assert np.cos(yaw - np.arctan2(goal[1] - y, goal[0] - x)) > 0.8
    speed = np.asarray(plan.motion.twist[:, 0])
    # a little, to and fro, helps with turning
    assert lab.config.dt * np.sum(np.maximum(-speed, 0.0)) < 0.1 and speed[-1] > 0.2


def test_plans_are_drivable_and_start_with_what_is_committed(lab, run_plan):
    tick = lab.config.gate_period
    for state, world, field in lab.scenarios(30, seed=1):
        new_state, plan, diagnostics = run_plan(lab.params, state, world, field)
        assert int(plan.status) == Status.OK
        assert leaves_finite((plan, new_state.controls, diagnostics))
        assert_drivable(lab, plan)
        np.testing.assert_allclose(plan.commands[0], world.command, atol=1e-5)
        np.testing.assert_allclose(plan.motion.pose_map[0], world.pose_map, atol=1e-5)
        start = plan.motion.twist_dot[0]
        np.testing.assert_allclose(
            start, [world.command_dot[0], 0.0, world.command_dot[1]], atol=1e-3
        )
        np.testing.assert_array_equal(plan.motion.twist[:, 1], 0.0)  # never sideways
        # exact for a cubic, and before the first knot the commands are one
        slope = np.array([-11, 18, -9, 2]) @ np.asarray(plan.commands[:4], float) / (6 * tick)
        np.testing.assert_allclose(slope, world.command_dot, atol=2e-3)
        np.testing.assert_array_equal(plan.controls, new_state.controls)
        survival = np.asarray(plan.survival)
        assert survival[0] == pytest.approx(1.0, abs=1e-3)
        assert np.all(np.diff(survival) <= 1e-6) and np.all(survival >= 0.0)


def test_commands_and_motion_are_one_curve(lab, run_plan):
    """Commands integrated in float64 arrive where the motion says."""
    state, world, field = next(lab.scenarios(1, seed=2))
    _, plan, _ = run_plan(lab.params, state, world, field)
    tick = lab.config.gate_period
    commands = np.asarray(plan.commands, float)
    v, omega = 0.5 * (commands[1:] + commands[:-1]).T
    yaw = float(world.pose_map[2]) + np.concatenate([[0], tick * np.cumsum(omega)])
    middle = 0.5 * (yaw[1:] + yaw[:-1])
    x, y = tick * np.cumsum(v * np.cos(middle)), tick * np.cumsum(v * np.sin(middle))
    end = np.asarray(plan.motion.pose_map[-1])
    np.testing.assert_allclose([x[-1], y[-1], yaw[-1]], end, atol=2e-3)


def test_the_best_is_not_worse_than_any_finalist_or_the_full_stop(lab, run_plan, exact_cost):
    gains = []
    for state, world, field in lab.scenarios(20, seed=3):
        _, plan, diagnostics = run_plan(lab.params, state, world, field)
        cost = np.asarray(diagnostics.cost)  # of all: recorded_stride is 1
        assert cost.shape == (lab.config.candidates * lab.config.stages,)
        assert float(diagnostics.best_cost) <= float(diagnostics.sampled_cost)
        assert int(diagnostics.finite_candidates) == np.sum(np.isfinite(cost))
        # the cost that is reported is the exact one, of the motion that is released
        released, stop = exact_cost(world, field, plan.controls)
        assert float(diagnostics.best_cost) == pytest.approx(float(released), rel=1e-3, abs=1e-3)
        assert float(diagnostics.best_cost) <= float(stop) + 1e-4
        first, later = np.split(cost, [lab.config.candidates])
        gains.append(np.min(first) - np.min(later))
    # samples around the first stage's best earn their place
    assert np.mean(np.array(gains) > 1e-3) > 0.5


ROBOT_STATE = ["pose_map", "command", "command_dot"]
SURROUNDINGS = ["clearance.table", "clearance.origin", "forecast.xy_map", "forecast.velocity_map"]
SURROUNDINGS += ["forecast.xy_var", "forecast.xy_velocity_cov", "forecast.velocity_var"]
SURROUNDINGS += ["forecast.axis_map", "forecast.weight", "forecast.radius", "field", "goal_map"]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("where", ROBOT_STATE)
def test_a_bad_state_of_the_robot_stops_it(lab, run_plan, near_wall, where, value):
    world, field = poisoned(near_wall, lab.field(), where, value, every=2)
    state, plan, _ = run_plan(lab.params, lab.state(), world, field)
    assert int(plan.status) == Status.BAD_STATE
    assert leaves_finite((plan, state.controls))
    assert_drivable(lab, plan)
    np.testing.assert_allclose(plan.commands, 0.0, atol=0.01)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("where", SURROUNDINGS)
def test_a_bad_world_stops_the_robot(lab, run_plan, near_wall, where, value):
    """Nothing finite to choose from: brake, and say so."""
    world, field = poisoned(near_wall, lab.field(), where, value)
    state, plan, diagnostics = run_plan(lab.params, lab.state(), world, field)
    assert leaves_finite((plan, state.controls))
    assert_drivable(lab, plan)
    if np.isinf(value) and int(diagnostics.finite_candidates):
        # somebody infinitely far, fast or uncertain touches nobody
        assert where.startswith("forecast")
        return
    assert int(plan.status) == Status.NO_FINITE_CANDIDATE
    v = np.asarray(plan.commands)[:, 0]
    assert np.all(np.diff(v) < 0.02)
    assert abs(v[-1]) < 0.01
    time = np.arange(len(v)) * lab.config.gate_period
    assert np.all(np.abs(v[time > v[0] / lab.robot.wheel_acceleration + 0.6]) < 0.05)


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("where", ["clearance.table", "field"])
def test_a_few_bad_cells_never_win(lab, run_plan, where, value):
    """A cost that is not a number is the worst, not the best."""
    outcomes = []
    for state, world, field in lab.scenarios(4, seed=5):
        world, field = poisoned(world, field, where, value, every=97)
        _, plan, diagnostics = run_plan(lab.params, state, world, field)
        assert leaves_finite(plan)
        assert_drivable(lab, plan)
        sound = bool(np.isfinite(diagnostics.best_cost))
        # a plan may be sound and its stop lead past the bad cells
        assert (int(plan.status) != Status.NO_FINITE_CANDIDATE) == sound
        assert np.isfinite(leaf_sum(diagnostics.terms)) or not sound
        outcomes.append((sound, int(diagnostics.finite_candidates)))
    assert all(count > 0 for sound, count in outcomes if sound)
    assert where == "field" or any(sound for sound, _ in outcomes)


def leaf_sum(tree):
    return sum(float(leaf) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("huge", [1e8, 1e20, 3e38])
@pytest.mark.parametrize("where", [*ROBOT_STATE, *SURROUNDINGS])
def test_huge_numbers_leave_the_plan_drivable(lab, run_plan, near_wall, where, huge):
    for sign in (1.0, -1.0):
        world, field = poisoned(near_wall, lab.field(), where, sign * huge)
        state, plan, _ = run_plan(lab.params, lab.state(), world, field)
        assert leaves_finite((plan.commands, plan.controls, plan.survival, state.controls))
        if where != "command":
            assert_drivable(lab, plan)
            continue
        # such a speed is believed and braked; the gate does not follow commands beyond limits
        v = sign * np.asarray(plan.commands)[:, 0].astype(float)
        assert np.all(v <= huge * (1 + 1e-6))
        assert np.all(v >= huge * (1 - 1e-6) - lab.robot.wheel_acceleration * lab.config.horizon)


def test_a_bad_memory_is_forgotten(lab, run_plan, near_wall):
    """Last cycle's control points may be anything: the others still compete."""
    for value in BAD:
        state = dataclasses.replace(
            lab.state(), controls=jnp.full_like(lab.state().controls, value)
        )
        new, plan, _ = run_plan(lab.params, state, near_wall, lab.field())
        assert int(plan.status) == Status.OK
        assert leaves_finite((plan, new.controls))


def test_a_wall_across_the_way_is_not_driven_into(lab, run_plan, near_wall):
    """It stands .7 m ahead; the goal is behind it."""
    for seed in range(5):
        _, plan, _ = run_plan(lab.params, lab.state(seed), near_wall, lab.field((1.8, 0.0, 0.0)))
        front = plan.motion.pose_map[:, 0] + 0.5 * lab.robot.length * np.cos(
            plan.motion.pose_map[:, 2]
        )
        assert np.max(front) < 0.7
        assert plan.survival[-1] > 0.5


def test_somebody_who_stands_in_the_way_is_not_driven_into(lab, run_plan):
    world = lab.world(command=(0.5, 0.0), xy=[(1.0, 0.0)], velocity=[(0.0, 0.0)])
    for seed in range(5):
        _, plan, _ = run_plan(lab.params, lab.state(seed), world, lab.field((2.0, 0.0, 0.0)))
        apart = np.linalg.norm(np.asarray(plan.motion.pose_map[:, :2]) - [1.0, 0.0], axis=1)
        assert np.min(apart) > 0.22 + 0.5 * lab.robot.width


def test_the_same_inputs_give_the_same_bits(lab, run_plan, near_wall):
    first = run_plan(lab.params, lab.state(3), near_wall, lab.field())
    again = run_plan(lab.params, lab.state(3), near_wall, lab.field())
    other = run_plan(lab.params, lab.state(4), near_wall, lab.field())
    key_free = lambda answer: (answer[0].controls, *answer[1:])
    pairs = [jax.tree.leaves(key_free(answer)) for answer in (first, again, other)]
    for a, b in zip(pairs[0], pairs[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != b) for a, b in zip(pairs[0], pairs[2], strict=True))
    assert not jnp.array_equal(
        jax.random.key_data(first[0].key), jax.random.key_data(lab.state(3).key)
    )


def test_a_cycle_moves_no_data_between_host_and_device(lab, run_plan, near_wall):
    inputs = jax.device_put((lab.params, lab.state(), near_wall, lab.field()))
    jax.block_until_ready(run_plan(*inputs)[1].commands)
    with jax.transfer_guard("disallow"):
        state, plan, _ = run_plan(*inputs)
        again = run_plan(inputs[0], state, *inputs[2:])
        jax.block_until_ready((plan.commands, again[1].commands))


def test_moving_everything_moves_the_plan(lab, run_plan):
    """Robot, map, field and people shifted and turned by a quarter: the same commands."""
    cells = lab.config.map_cells
    blocked = np.zeros((cells + 1, cells + 1), bool)  # turned about its middle cell
    blocked[6:10, 25:] = blocked[32:, 10:30] = True
    blocked = blocked[:cells, :cells]
    shift = np.array([0.35, -0.2], np.float32)

    def quarter(table, times):
        turned = np.rot90(table, times, axes=(1, 0))  # rows are y: counter-clockwise
        turn = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), times)
        slopes = turned[..., 1:3] @ turn
        return jnp.asarray(np.concatenate([turned[..., :1], slopes, turned[..., 3:]], axis=-1))

    def moved_grid(grid, times):
        table = np.asarray(grid.table)
        half = 0.5 * float(grid.resolution) * (table.shape[0] - 1)
        middle = np.asarray(grid.origin) + half
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), times)
        origin = turn @ middle - half + shift
        return dataclasses.replace(
            grid, table=quarter(table, times), origin=jnp.asarray(origin, jnp.float32)
        )

    xy, velocity = np.array([(0.9, 0.4)]), np.array([(-0.3, -0.5)])
    world = lab.world((0.0, 0.0, 0.3), (0.4, 0.1), blocked=blocked, xy=xy, velocity=velocity)
    field = lab.field((1.2, 0.7, 1.0))
    _, plan, diagnostics = run_plan(lab.params, lab.state(), world, field)
    for times in (1, 2):
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), times)
        angle = 0.5 * np.pi * times
        there = lab.world(
            (*shift, 0.3 + angle), (0.4, 0.1), xy=xy @ turn.T + shift, velocity=velocity @ turn.T
        )
        there = dataclasses.replace(there, clearance=moved_grid(world.clearance, times))
        goal = jnp.asarray([*(turn @ [1.2, 0.7] + shift), 1.0 + angle], jnp.float32)
        moved = dataclasses.replace(
            field, cost_to_go=moved_grid(field.cost_to_go, times), goal_map=goal
        )
        _, same, its = run_plan(lab.params, lab.state(), there, moved)
        assert float(its.best_cost) == pytest.approx(float(diagnostics.best_cost), abs=5e-3)
        # the same candidates at the same costs
        close = np.isclose(its.cost, diagnostics.cost, rtol=2e-3, atol=2e-3)
        assert np.mean(close[: lab.config.candidates]) > 0.97
        np.testing.assert_allclose(same.commands, plan.commands, atol=0.05)


def test_it_stays_where_everything_is_blocked(lab, run_plan):
    """No way leads out of contact, so none is taken, however much progress it promises."""
    blocked = np.ones((lab.config.map_cells,) * 2, bool)
    world, field = lab.world(blocked=blocked), lab.field((1.5, 0.0, 0.0))
    _, plan, _ = run_plan(lab.params, lab.state(), world, field)
    way = np.diff(np.asarray(plan.motion.pose_map)[:, :2], axis=0)
    assert np.hypot(*way.T).sum() < 0.05
