"""The map from z to motions and back, for every drive: joints, inverse, poses, gradients."""

import dataclasses
import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from astro_jax.config import RobotConfig
from astro_jax.robot import drive

pytestmark = pytest.mark.usefixtures("compiled_quickly")
NAMES = ["differential", "weak wheels", "mecanum", "disc", "ackermann"]
VARIANTS = ["plain", "forward", "jerk", "tight"]
DIFFERENTIATED = [
    ("differential", "tight"),
    ("differential", "jerk"),
    ("mecanum", "jerk"),
    ("disc", "plain"),
    ("ackermann", "jerk"),
]
SATURATION = 4e-4
"""Share of a reachable interval within which ``encode`` treats everything as its edge."""


# ---- from plan to plan ---------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_consecutive_plans_join_with_command_and_rate(lab, name, variant):
    """One period into a plan the next begins: never does its first rate have to give way."""
    robot = lab.robot(name, variant)
    *_, controls = lab.motions(robot, 500, 30)
    at = round(lab.planner.period * 1000)
    for generation in range(3):
        command = np.einsum("n,bnd->bd", lab.dense()[at], controls).astype(np.float32)
        rate = np.einsum("n,bnd->bd", lab.dense(1)[at], controls).astype(np.float32)
        controls = lab.decode(robot, command, rate, lab.z(robot, 500, 40 + generation))
        np.testing.assert_array_equal(controls[:, 0], command)
        begun = np.einsum("n,bnd->bd", lab.dense(1)[0], controls)
        np.testing.assert_allclose(begun, rate, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_only_a_rate_that_cannot_go_on_gives_way(lab, name):
    robot = lab.robot(name)
    command, rate = lab.starts(robot, 300, 31)
    rate = 0.96 * rate  # the disc's polygon allows a little less than the disc
    second = command + rate * lab.basis.steps[0]
    inside = np.array([drive.admissible(robot, c) for c in second])
    fits = np.abs(inside - second).max(axis=1) < 1e-7
    assert 0.1 < fits.mean() < 0.98
    controls = lab.decode(robot, command, rate, lab.z(robot, 300, 32))
    np.testing.assert_allclose(controls[fits, 1], second[fits], atol=1e-6)
    assert np.abs(controls[~fits, 1] - second[~fits]).max(axis=1).min() > 0.0


# ---- z and back ----------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["plain", "jerk"])
@pytest.mark.parametrize("name", NAMES)
def test_encode_finds_the_z_of_a_decoded_motion(lab, name, variant):
    robot = lab.robot(name, variant)
    command, rate = lab.starts(robot, 1000, 50)
    z = np.random.default_rng(51).normal(size=(1000, *drive.free_shape(robot, lab.basis)))
    z = np.clip(2 * z, -6, 6).astype(np.float32)
    controls = lab.decode(robot, command, rate, z)
    found = lab.encode(robot, command, rate, controls[:, 2:])
    again = lab.decode(robot, command, rate, found)
    np.testing.assert_allclose(again, controls, atol=1e-4)
    # z itself comes back, too, where its interval is not almost closed
    gentle = np.abs(z) < 3
    assert np.quantile(np.abs(found - z)[gentle], 0.95) < 1e-2
    # and so do saturated ones, up to the saturation
    bang = 40.0 * np.sign(z)
    controls = lab.decode(robot, command, rate, bang)
    again = lab.decode(robot, command, rate, lab.encode(robot, command, rate, controls[:, 2:]))
    low, high = drive.command_limits(robot)
    assert np.all(np.abs(again - controls) < lab.count * SATURATION * (high - low))


@pytest.mark.parametrize("name", NAMES)
def test_encode_projects_what_the_drive_cannot_do(lab, name):
    robot = lab.robot(name)
    rng = np.random.default_rng(52)
    command, rate = lab.starts(robot, 300, 53)
    wanted = 5 * rng.normal(size=(300, *drive.free_shape(robot, lab.basis)))
    z = lab.encode(robot, command, rate, wanted)
    assert np.all(np.isfinite(z)) and np.abs(z).max() < 10
    followed = lab.decode(robot, command, rate, z)[:, 2:]
    # the first coordinate comes first: no other motion gets it nearer at the first knot
    first = followed[:, 0, 0]
    reached = np.stack(
        [lab.decode(robot, command, rate, np.full_like(z, s))[:, 2, 0] for s in (-40, 40)]
    )
    nearest = np.clip(wanted[:, 0, 0], *reached)
    np.testing.assert_allclose(first, nearest, atol=SATURATION * np.ptp(reached, axis=0).max())


# ---- stops and turns -----------------------------------------------------------------


def follow(lab, robot, command, wanted):
    """The motion from ``command`` that gets to ``wanted`` as fast as it can."""
    command = np.array([command], float)
    goal = np.asarray(drive.held(lab.basis, jnp.asarray([wanted], jnp.float32)))
    still = np.zeros_like(command)
    return lab.decode(robot, command, still, lab.encode(robot, command, still, goal))[0]


def unit(robot: RobotConfig, k, value):
    low, _ = drive.command_limits(robot)
    return value * np.eye(len(low))[k]


@pytest.mark.parametrize("name", NAMES)
def test_a_full_stop_is_in_the_space_and_nearly_as_short_as_can_be(lab, name):
    robot = lab.robot(name)
    controls = follow(lab, robot, unit(robot, 0, robot.speed), unit(robot, 0, 0.0))
    v = lab.dense() @ controls[:, 0]
    shortest = robot.speed**2 / (2 * robot.wheel_acceleration)
    # two control points hold value and rate of the start: that is the reaction time
    assert shortest < float(np.sum(v) * 0.001) < 1.21 * shortest
    np.testing.assert_allclose(controls[-1], 0.0, atol=1e-3)
    assert v.min() > -0.01


@pytest.mark.parametrize("name", NAMES)
def test_a_full_stop_with_limited_jerk(lab, name):
    robot = lab.robot(name, "jerk")
    controls = follow(lab, robot, unit(robot, 0, robot.speed), unit(robot, 0, 0.0))
    v, a, j = robot.speed, robot.wheel_acceleration, robot.jerk
    shortest = v**2 / (2 * a) + v * a / (2 * j)
    assert shortest < float(np.sum(lab.dense() @ controls[:, 0]) * 0.001) < 1.2 * shortest


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_out_of_a_curve_is_in_the_space(lab, name):
    robot = lab.robot(name)
    _, high = drive.command_limits(robot)
    moving = np.asarray(drive.admissible(robot, jnp.asarray(0.7 * high)))
    controls = follow(lab, robot, moving, 0 * high)
    np.testing.assert_allclose(controls[-2:], 0.0, atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_hard_turn_is_in_the_space(lab, name):
    robot = lab.robot(name)
    _, high = drive.command_limits(robot)
    turning = unit(robot, -1, high[-1])
    controls = follow(lab, robot, 0 * turning, turning)
    rate = lab.dense() @ controls[:, -1]
    # the fastest change that the limits allow, in coordinates of the command
    change = np.asarray(drive.limit_acceleration(robot, jnp.asarray(1e3 * turning, jnp.float32)))
    fastest = high[-1] / change[-1]
    at_rate = np.argmax(rate > 0.97 * high[-1]) * 0.001
    assert 0.9 * fastest < at_rate < 1.65 * fastest
    assert np.abs(controls[:, :-1]).max() < 1e-3


# ---- poses ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_poses_agree_with_integration_at_a_millisecond(lab, name):
    robot = lab.robot(name)
    *_, controls = lab.motions(robot, 200, 60)
    starts = np.random.default_rng(61).normal(size=(200, 3)).astype(np.float32)
    move = jax.jit(jax.vmap(functools.partial(drive.motion, robot, lab.basis)))
    moved = move(jnp.asarray(starts), jnp.asarray(controls))
    assert moved.twist.shape == moved.twist_dot.shape == moved.pose_map.shape
    every = round(lab.planner.dt * 1000)
    for k in range(200):
        pose, twist = integrated(lab, robot, controls[k], starts[k])
        off = np.asarray(moved.pose_map[k]) - pose[::every]
        assert np.abs(off[:, :2]).max() < 1e-3
        assert np.abs(off[:, 2]).max() < np.radians(0.1)
        np.testing.assert_allclose(moved.twist[k], twist[::every], atol=1e-5)
        slope = np.gradient(twist, 0.001, axis=0)[::every]
        np.testing.assert_allclose(moved.twist_dot[k][1:-1], slope[1:-1], atol=5e-3)


def slow_twist(robot: RobotConfig, command):
    """(vx, vy, ω) of commands (…, D), in float64."""
    if robot.drive == "omni":
        return command
    v, turn = command[..., 0], command[..., 1]
    return np.stack([v, 0 * v, v * turn if robot.drive == "ackermann" else turn], axis=-1)


def integrated(lab, robot: RobotConfig, controls, start):
    """Poses and twists at every millisecond, by the classical Runge–Kutta rule."""
    curve, h = lab.curve(controls), 0.001
    times = np.linspace(0, lab.planner.horizon, round(lab.planner.horizon / h) + 1)
    at, between = (slow_twist(robot, curve(t)) for t in (times, times[:-1] + h / 2))
    steps = h / 6 * (at[:-1, 2] + 4 * between[:, 2] + at[1:, 2])
    yaw = start[2] + np.concatenate([[0.0], np.cumsum(steps)])
    # yaw at the middles by the same cubic that Simpson's rule integrates
    half = h / 24 * (5 * at[:-1, 2] + 8 * between[:, 2] - at[1:, 2])
    turned = lambda twist, yaw: np.stack(
        [
            twist[:, 0] * np.cos(yaw) - twist[:, 1] * np.sin(yaw),
            twist[:, 0] * np.sin(yaw) + twist[:, 1] * np.cos(yaw),
        ],
        axis=-1,
    )
    ends, middles = turned(at, yaw), turned(between, yaw[:-1] + half)
    way = np.cumsum(h / 6 * (ends[:-1] + 4 * middles + ends[1:]), axis=0)
    xy = start[:2] + np.concatenate([np.zeros((1, 2)), way])
    return np.column_stack([xy, yaw]), at


@pytest.mark.parametrize("name", ["differential", "mecanum", "ackermann"])
def test_the_reference_integration_itself_agrees_with_an_ode_solver(lab, name):
    robot = lab.robot(name)
    *_, controls = lab.motions(robot, 2, 62)
    for c in controls:
        curve = lab.curve(c)

        def rate(t, pose, curve=curve):
            vx, vy, omega = slow_twist(robot, curve(t))
            cos, sin = np.cos(pose[2]), np.sin(pose[2])
            return [vx * cos - vy * sin, vx * sin + vy * cos, omega]

        pose, _ = integrated(lab, robot, c, np.array([1.0, -2.0, 0.4]))
        solved = solve_ivp(rate, (0, lab.planner.horizon), pose[0], rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(solved.y[:, -1], pose[-1], atol=1e-6)


# ---- gradients -----------------------------------------------------------------------


def scalar(robot, basis, z, command, command_dot, weight):
    controls = drive.decode(robot, basis, command, command_dot, z)
    moved = drive.motion(robot, basis, jnp.zeros(3, controls.dtype), controls)
    everything = jnp.concatenate([moved.pose_map, moved.twist, moved.twist_dot], axis=-1)
    return jnp.sum(everything * weight)


@pytest.mark.parametrize(("name", "variant"), DIFFERENTIATED)
def test_gradients_are_finite_everywhere(lab, name, variant):
    robot = lab.robot(name, variant)
    command, rate, z, _ = lab.motions(robot, 300, 70)
    low, high = drive.command_limits(robot)
    corners = np.array(list(itertools.product(*zip(low, 0 * low, high, strict=True))))
    corners = np.concatenate([corners, 2 * corners]).astype(np.float32)
    command = np.concatenate([command, corners])
    rate = np.concatenate([rate, 0 * corners])
    z = np.concatenate([z, np.resize([0.0, 100.0, -100.0], (len(corners), *z.shape[1:]))])
    weight = np.random.default_rng(71).normal(size=(lab.planner.times, 9)).astype(np.float32)
    one = functools.partial(scalar, robot, lab.basis)
    slopes = jax.jit(jax.vmap(jax.grad(one, (0, 1, 2)), (0, 0, 0, None)))(z, command, rate, weight)
    for slope in slopes:
        assert np.all(np.isfinite(slope))
    shallow = np.abs(z[:300]).max(axis=(1, 2)) < 10
    assert np.all(np.abs(np.asarray(slopes[0])[:300][shallow]).max(axis=(1, 2)) > 0)


@pytest.mark.parametrize(("name", "variant"), DIFFERENTIATED)
def test_gradients_agree_with_finite_differences(lab, name, variant):
    robot = lab.robot(name, variant)
    rng = np.random.default_rng(72)
    count, h = 40, 1e-6
    command, rate = (0.9 * x.astype(float) for x in lab.starts(robot, count, 73))
    command[:8], rate[:8] = 0.0, 0.0
    z = rng.normal(size=(count, *drive.free_shape(robot, lab.basis)))
    z[8:12] = np.clip(100 * z[8:12], -12, 12)  # saturated
    along = rng.normal(size=z.shape)
    with jax.enable_x64():
        weight = jnp.asarray(rng.normal(size=(lab.planner.times, 9)))
        one = functools.partial(scalar, robot, lab.basis)
        value = jax.jit(jax.vmap(one, (0, 0, 0, None)))
        starts = (jnp.asarray(command), jnp.asarray(rate), weight)
        slow = (value(z + h * along, *starts) - value(z - h * along, *starts)) / (2 * h)
        slope = jax.jit(jax.vmap(jax.grad(one), (0, 0, 0, None)))(jnp.asarray(z), *starts)
        exact = np.sum(np.asarray(slope) * along, axis=(1, 2))
    # A kink of the intervals between the two points is rare, not excluded.
    agrees = np.isclose(exact, slow, rtol=1e-5, atol=1e-5)
    assert agrees.sum() >= count - 1, np.column_stack([exact, slow])[~agrees]


# ---- single commands -----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_limit_acceleration_scales_into_the_limits(lab, name):
    robot = lab.robot(name)
    rng = np.random.default_rng(80)
    low, _ = drive.command_limits(robot)
    wanted = (rng.normal(size=(3000, len(low))) * rng.choice([0.5, 5.0], (3000, 1))).astype("f")
    limited = np.asarray(
        jax.vmap(functools.partial(drive.limit_acceleration, robot))(jnp.asarray(wanted))
    )
    worst = {}
    for k in range(0, 3000, 500):
        line = limited[k : k + 500, None] * np.cumsum([0.0, *lab.basis.steps])[:, None]
        for limit, excess in lab.excess(robot, line).items():
            if ("rate" in limit and "yaw" not in limit) or "acceleration" in limit:
                worst[limit] = max(worst.get(limit, -1.0), excess)
    worst.pop("lateral acceleration")
    assert -2e-3 < max(worst.values()) < 1e-6
    scale = np.linalg.norm(limited, axis=1) / np.linalg.norm(wanted, axis=1)
    np.testing.assert_allclose(limited, scale[:, None] * wanted, atol=1e-5)
    assert scale.max() < 1 + 1e-5
    assert 0.1 < (scale < 1 - 1e-5).mean() < 0.95
    still = jnp.zeros(len(low))
    np.testing.assert_array_equal(drive.limit_acceleration(robot, still), still)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_admissible_is_inside_and_leaves_the_inside_alone(lab, name, variant):
    robot = lab.robot(name, variant)
    low, high = drive.command_limits(robot)
    rng = np.random.default_rng(81)
    wild = (rng.uniform(-2, 2, (2000, len(low))) * high).astype(np.float32)
    clip = jax.vmap(functools.partial(drive.admissible, robot))
    tamed = np.asarray(clip(jnp.asarray(wild)))
    held = np.broadcast_to(tamed[:, None], (2000, lab.count, len(low)))
    assert max(lab.excess(robot, held).values()) < 1e-7
    np.testing.assert_allclose(clip(jnp.asarray(tamed)), tamed, atol=1e-6)
    # what is inside stays
    np.testing.assert_allclose(clip(jnp.asarray(0.9 * tamed)), 0.9 * tamed, atol=1e-7)


@pytest.mark.parametrize("variant", ["plain", "forward", "tight"])
@pytest.mark.parametrize("name", NAMES)
def test_within_limits_is_what_admissible_leaves_alone(lab, name, variant):
    robot = lab.robot(name, variant)
    low, high = drive.command_limits(robot)
    wild = np.random.default_rng(83).uniform(-1.3, 1.3, (2000, len(low))) * high
    clip = jax.vmap(functools.partial(drive.admissible, robot))
    command = jnp.asarray(wild, jnp.float32)
    moved = np.abs(clip(command) - command).max(axis=1)
    for tolerance, slack in ((0.0, 1e-6), (0.01, 0.02)):
        inside = np.asarray(drive.within_limits(robot, command, tolerance))
        assert np.all(inside[moved < 1e-9]) and 0.01 < inside.mean() < 0.9
        held = np.broadcast_to(wild[inside][:, None], (inside.sum(), lab.count, len(low)))
        excess = lab.excess(robot, held)
        # of a hyperbola the share counts twice or three times; a backward limit may be 0
        reverse = excess.pop("reverse") * (robot.reverse_speed or 1.0)
        assert max(excess.values()) < 2 * slack and reverse < slack
    for bad in (np.nan, np.inf, -np.inf):
        for k in range(len(low)):
            assert not drive.within_limits(robot, jnp.zeros(len(low)).at[k].set(bad))


@pytest.mark.parametrize("name", NAMES)
def test_slowed_commands_drive_the_same_path(lab, name):
    robot = lab.robot(name)
    command, _ = lab.starts(robot, 200, 84)
    scale = np.random.default_rng(85).random(200).astype(np.float32)
    slow = drive.slowed(robot, jnp.asarray(command), jnp.asarray(scale))
    np.testing.assert_allclose(
        slow_twist(robot, np.asarray(slow)), scale[:, None] * slow_twist(robot, command), atol=1e-6
    )
    assert np.all(drive.within_limits(robot, slow, 1e-4))


@pytest.mark.parametrize("name", NAMES)
def test_body_twists_and_back(lab, name):
    robot = lab.robot(name)
    command, _ = lab.starts(robot, 500, 82)
    twist = np.asarray(drive.body_twist(robot, jnp.asarray(command)))
    np.testing.assert_allclose(twist, slow_twist(robot, command), atol=1e-6)
    again = np.asarray(drive.command_of(robot, jnp.asarray(twist)))
    if robot.drive == "ackermann":  # at rest a twist does not tell how the wheels are turned
        fast = np.abs(command[:, 0]) > 0.5
        np.testing.assert_allclose(again[fast], command[fast], rtol=0.011)
        assert np.all(np.isfinite(again)) and np.all(np.abs(again[:, 1]) <= robot.curvature)
        again = np.where(fast[:, None], again, command)
        np.testing.assert_array_equal(drive.command_of(robot, jnp.zeros(3)), np.zeros(2))
    np.testing.assert_allclose(again, command, rtol=0.011)


@pytest.mark.parametrize("name", NAMES)
def test_steady_commands_begin_with_rest_and_cover_the_range(lab, name):
    for robot in (lab.robot(name), lab.robot(name, "forward")):
        commands = drive.steady_commands(robot)
        np.testing.assert_array_equal(commands[0], 0.0)
        assert len(np.unique(commands, axis=0)) == len(commands) > 30
        _, high = drive.command_limits(robot)
        np.testing.assert_allclose(commands.max(axis=0), high, rtol=1e-5)
        assert commands[:, 0].min() == pytest.approx(-robot.reverse_speed)
        held = np.asarray(drive.held(lab.basis, jnp.asarray(commands)))
        assert held.shape == (len(commands), *drive.free_shape(robot, lab.basis))
        np.testing.assert_array_equal(held[:, -1], commands)


def test_decode_and_motion_compile_once(lab):
    robot = dataclasses.replace(lab.robot("differential"), name="once")

    @jax.jit
    @chex.assert_max_traces(n=1)
    def both(command, rate, z):
        controls = drive.decode(robot, lab.basis, command, rate, z)
        return drive.motion(robot, lab.basis, jnp.zeros(3), controls)

    chex.clear_trace_counter()
    for seed in range(3):
        command, rate, z, _ = lab.motions(robot, 2, seed)
        both(*(jnp.asarray(a[0]) for a in (command, rate, z)))
