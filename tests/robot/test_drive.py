"""Every z is a motion that the wheels can execute: measured at 1 ms, in float64."""

import dataclasses
import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import BSpline

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, RobotConfig
from astro_jax.robot import drive
from astro_jax.robot.splines import DEGREE, spline_basis

PLANNER = DEFAULT_PLANNER
BASIS = spline_basis(PLANNER.intervals, PLANNER.dt, PLANNER.gate_period, PLANNER.period)
COUNT = BASIS.value.shape[1]
FIRST = float(BASIS.steps[0])
ROBOTS = {
    "home": DEFAULT_ROBOT,
    # the wheels' own limits bind, not only the body's
    "weak wheels": dataclasses.replace(
        DEFAULT_ROBOT, wheel_speed=0.8, wheel_base=0.4, yaw_acceleration=2.0, reverse_speed=0.7
    ),
    "no reverse": dataclasses.replace(DEFAULT_ROBOT, reverse_speed=0.0, yaw_acceleration=1.0),
}
BATCH = 4000
SATURATION = 0.003
"""Share of a reachable interval within which ``encode`` treats everything as its edge."""


def random_starts(robot: RobotConfig, count, seed):
    """(v, ω) within every speed limit and (v̇, ω̇) within every acceleration limit."""
    rng = np.random.default_rng(seed)
    v = rng.uniform(-robot.reverse_speed, robot.speed, count)
    # a third of the starts at rest, at full speed, or at the edge of the wheels' box
    v = np.where(rng.random(count) < 0.15, rng.choice([0.0, robot.speed], count), v)
    limit = np.minimum(robot.yaw_rate, 2 / robot.wheel_base * (robot.wheel_speed - np.abs(v)))
    omega = limit * np.clip(rng.uniform(-1.2, 1.2, count), -1, 1)
    omega = np.where(rng.random(count) < 0.1, 0.0, omega)
    v_dot = rng.uniform(-1, 1, count) * robot.wheel_acceleration
    rest = np.minimum(
        robot.yaw_acceleration, 2 / robot.wheel_base * (robot.wheel_acceleration - np.abs(v_dot))
    )
    omega_dot = rest * rng.uniform(-1, 1, count)
    return np.stack([v, omega], 1), np.stack([v_dot, omega_dot], 1)


def within_speeds(robot: RobotConfig, twist):
    v, omega = twist[:, 0], twist[:, 1]
    return (
        (v <= robot.speed)
        & (v >= -robot.reverse_speed)
        & (np.abs(omega) <= robot.yaw_rate)
        & (np.abs(v) + robot.wheel_base / 2 * np.abs(omega) <= robot.wheel_speed)
    )


def continuable(robot: RobotConfig, twist, twist_dot):
    """Starts that a motion within the limits can continue without a corner."""
    return within_speeds(robot, twist + FIRST * twist_dot)


@functools.cache
def jitted(robot: RobotConfig):
    functions = (drive.decode, drive.encode)
    return [jax.jit(jax.vmap(functools.partial(f, robot, BASIS))) for f in functions]


def decode(robot: RobotConfig, twist, twist_dot, z):
    return in_batches(jitted(robot)[0], twist, twist_dot, z)


def encode(robot: RobotConfig, twist, twist_dot, wanted):
    return in_batches(jitted(robot)[1], twist, twist_dot, wanted)


def in_batches(function, *arrays):
    """One size of batch for all: one compilation."""
    count = len(arrays[0])
    padded = [
        np.concatenate([a, np.zeros((-count % BATCH, *np.shape(a)[1:]))]).astype(np.float32)
        for a in arrays
    ]
    parts = [
        np.asarray(function(*(a[k : k + BATCH] for a in padded)))
        for k in range(0, len(padded[0]), BATCH)
    ]
    return np.concatenate(parts)[:count]


def motions(robot: RobotConfig, count, seed):
    twist, twist_dot = random_starts(robot, count, seed)
    rng = np.random.default_rng(seed + 1)
    z = rng.normal(size=(count, COUNT - 2, 2)) * rng.uniform(0, 5, (count, 1, 1))
    twist, twist_dot, z = (a.astype(np.float32) for a in (twist, twist_dot, z))
    return twist, twist_dot, z, decode(robot, twist, twist_dot, z)


def curve_of(coefficients):
    breaks = np.concatenate([[0.0], np.cumsum(PLANNER.intervals)])
    knots = np.concatenate([np.repeat(0.0, DEGREE), breaks, np.repeat(breaks[-1], DEGREE)])
    return BSpline(knots, np.asarray(coefficients, np.float64), DEGREE)


@functools.cache
def dense(derivative=0):
    """What a curve, or its derivative, is at every millisecond, as a matrix."""
    times = np.linspace(0.0, PLANNER.horizon, round(PLANNER.horizon / 0.001) + 1)
    return curve_of(np.eye(COUNT))(times, derivative).astype(np.float32)


def extremes(controls, derivative):
    """Least and largest v, ω, left and right wheel of each motion at 1 ms: (4, 2, count)."""

    def of_robot(half):
        v, omega = controls[..., 0].T, controls[..., 1].T
        out = np.empty((4, 2, len(controls)))
        for start in range(0, len(controls), 500):
            part = slice(start, start + 500)
            v_t, omega_t = dense(derivative) @ v[:, part], dense(derivative) @ omega[:, part]
            for k, x in enumerate((v_t, omega_t, v_t - half * omega_t, v_t + half * omega_t)):
                out[k, :, part] = x.min(0), x.max(0)
        return out

    return of_robot


def worst_violations(robot: RobotConfig, controls):
    """Largest excess over each limit, at 1 ms."""
    half = robot.wheel_base / 2
    v, omega, left, right = extremes(controls, 0)(half)
    _, turn, left_dot, right_dot = extremes(controls, 1)(half)
    largest = lambda *x: max(float(np.abs(part).max()) for part in x)
    return {
        "speed": float(v.max()) - robot.speed,
        "reverse": -float(v.min()) - robot.reverse_speed,
        "yaw rate": largest(omega) - robot.yaw_rate,
        "wheel speed": largest(left, right) - robot.wheel_speed,
        "wheel acceleration": largest(left_dot, right_dot) - robot.wheel_acceleration,
        "yaw acceleration": largest(turn) - robot.yaw_acceleration,
    }


@pytest.mark.parametrize(
    ("name", "count", "slack"),
    [
        ("home", 12000, {"wheel speed"}),
        ("weak wheels", 4000, set()),
        ("no reverse", 4000, {"wheel speed"}),
    ],
)
def test_no_z_breaks_a_limit(name, count, slack):
    robot = ROBOTS[name]
    *_, controls = motions(robot, count, 10)
    assert np.all(np.isfinite(controls))
    worst = worst_violations(robot, controls)
    assert max(worst.values()) < 1e-4, worst
    # The limits are used, not only kept, but for the one that others rule out.
    assert {limit for limit, excess in worst.items() if excess < -0.01} == slack, worst


def test_the_measure_of_violations_sees_one():
    *_, controls = motions(DEFAULT_ROBOT, 50, 20)
    controls[7, 5, 0] += 2.0
    worst = worst_violations(DEFAULT_ROBOT, controls)
    assert worst["wheel acceleration"] > 0.5


@pytest.mark.parametrize("name", ROBOTS)
def test_motions_join_the_past_with_value_and_slope(name):
    robot = ROBOTS[name]
    twist, twist_dot, _, controls = motions(robot, 2000, 30)
    smooth = continuable(robot, twist, twist_dot)
    assert smooth.mean() > 0.5
    np.testing.assert_allclose(controls[:, 0], twist, atol=1e-6)
    slope = (dense(1)[0] @ controls)[smooth]
    np.testing.assert_allclose(slope, twist_dot[smooth], atol=1e-4)


def test_a_start_beyond_the_limits_is_brought_back_at_once():
    twist = np.array([[2.0, 0.0], [0.7, 5.0], [-1.0, -9.0]])
    z = np.zeros((3, COUNT - 2, 2))
    controls = decode(DEFAULT_ROBOT, twist, np.zeros_like(twist), z)
    assert max(worst_violations(DEFAULT_ROBOT, controls).values()) < 1e-4


@pytest.mark.parametrize("name", ROBOTS)
def test_encode_finds_the_z_of_a_decoded_motion(name):
    robot = ROBOTS[name]
    twist, twist_dot, z, _ = motions(robot, 2000, 40)
    z = np.clip(z, -5, 5)
    controls = decode(robot, twist, twist_dot, z)
    again = decode(robot, twist, twist_dot, encode(robot, twist, twist_dot, controls[:, 2:]))
    np.testing.assert_allclose(again, controls, atol=2e-5)
    # Where an interval is not almost closed, z itself comes back.
    gentle = np.clip(z, -2, 2)
    found = np.asarray(
        encode(robot, twist, twist_dot, decode(robot, twist, twist_dot, gentle)[:, 2:])
    )
    assert np.quantile(np.abs(found - gentle), 0.95) < 1e-2


def test_encode_at_the_edge_is_off_by_no_more_than_the_saturation():
    twist, twist_dot, z, _ = motions(DEFAULT_ROBOT, 2000, 41)
    controls = decode(DEFAULT_ROBOT, twist, twist_dot, 4 * z)
    again = np.asarray(
        decode(
            DEFAULT_ROBOT,
            twist,
            twist_dot,
            encode(DEFAULT_ROBOT, twist, twist_dot, controls[:, 2:]),
        )
    )
    widest = 2 * BASIS.steps.max() * np.array([1.2, DEFAULT_ROBOT.yaw_acceleration])
    assert np.all(np.abs(again - controls) < COUNT * SATURATION * widest)


def test_encode_projects_what_the_wheels_cannot_do():
    rng = np.random.default_rng(42)
    twist, twist_dot, _, _ = motions(DEFAULT_ROBOT, 500, 42)
    wanted = rng.normal(size=(500, COUNT - 2, 2)) * [3.0, 6.0]
    z = encode(DEFAULT_ROBOT, twist, twist_dot, wanted)
    assert np.all(np.isfinite(z)) and np.abs(z).max() <= drive.EDGE + 1e-2
    controls = np.asarray(decode(DEFAULT_ROBOT, twist, twist_dot, z))
    assert max(worst_violations(DEFAULT_ROBOT, controls).values()) < 1e-4


def test_poses_agree_with_a_fine_integration():
    *_, controls = motions(DEFAULT_ROBOT, 300, 50)
    starts = np.random.default_rng(51).uniform([-5, -5, -4], [5, 5, 4], (300, 3))
    follow = jax.jit(jax.vmap(lambda pose, c: drive.motion(BASIS, PLANNER.dt, pose, c)))
    moved = follow(starts.astype(np.float32), controls)
    times = np.linspace(0, PLANNER.horizon, PLANNER.times)

    # Simpson's rule at 1 ms with yaw as its antiderivative, in float64.
    fine = np.linspace(0, PLANNER.horizon, round(PLANNER.horizon / 0.001) + 1)
    for k in range(300):
        curve = curve_of(controls[k])
        area = curve.antiderivative()
        yaw = lambda t: starts[k, 2] + (area(t) - area(0.0))[:, 1]  # noqa: B023
        middle = (fine[:-1] + fine[1:]) / 2
        part = {}
        for name, unit in (("x", np.cos), ("y", np.sin)):
            speed = lambda t: curve(t)[:, 0] * unit(yaw(t))  # noqa: B023
            at = speed(fine)
            steps = 0.001 / 6 * (at[:-1] + 4 * speed(middle) + at[1:])
            part[name] = np.concatenate([[0.0], np.cumsum(steps)])[::100]
        got = np.asarray(moved.pose_map[k])
        assert np.abs(got[:, 0] - starts[k, 0] - part["x"]).max() < 1e-3
        assert np.abs(got[:, 1] - starts[k, 1] - part["y"]).max() < 1e-3
        assert np.abs(got[:, 2] - yaw(times)).max() < np.radians(0.1)
        np.testing.assert_allclose(moved.twist[k], curve(times), atol=1e-5)
        np.testing.assert_allclose(moved.twist_dot[k], curve(times, 1), atol=2e-4)


def test_the_reference_integration_itself_agrees_with_an_ode_solver():
    *_, controls = motions(DEFAULT_ROBOT, 3, 52)
    for c in controls:
        curve = curve_of(c)
        rate = lambda t, p: [*(curve(t)[0] * np.array([np.cos(p[2]), np.sin(p[2])])), curve(t)[1]]  # noqa: B023
        end = solve_ivp(rate, (0, PLANNER.horizon), [1.0, -2.0, 0.4], rtol=1e-9, atol=1e-10).y[
            :, -1
        ]
        got = drive.motion(BASIS, PLANNER.dt, jnp.array([1.0, -2.0, 0.4]), jnp.asarray(c))
        np.testing.assert_allclose(got.pose_map[-1], end, atol=5e-4)


def follow_wanted(twist, wanted):
    """Controls of the motion from ``twist`` that gets to ``wanted`` as fast as it can."""
    twist, still = np.array([twist]), np.zeros((1, 2))
    goal = np.broadcast_to(wanted, (1, COUNT - 2, 2))
    return decode(DEFAULT_ROBOT, twist, still, encode(DEFAULT_ROBOT, twist, still, goal))[0]


def test_a_full_stop_is_in_the_space_and_nearly_as_short_as_can_be():
    for speed in (DEFAULT_ROBOT.speed, 0.4):
        controls = follow_wanted((speed, 0.0), (0.0, 0.0))
        v = dense() @ controls[:, 0]
        distance = float(np.sum(v) * 0.001)
        shortest = speed**2 / (2 * DEFAULT_ROBOT.wheel_acceleration)
        # Two control points hold value and slope of the start: that is the reaction time.
        assert shortest <= distance
        if speed == DEFAULT_ROBOT.speed:
            assert distance <= 1.21 * shortest
        np.testing.assert_allclose(controls[-1], 0.0, atol=5e-3)
        assert v.min() > -0.01


def test_a_stop_out_of_a_curve_is_in_the_space():
    controls = follow_wanted((0.5, 1.5), (0.0, 0.0))
    np.testing.assert_allclose(controls[-3:], 0.0, atol=5e-3)


def test_a_hard_turn_is_in_the_space():
    controls = follow_wanted((0.0, 0.0), (0.0, DEFAULT_ROBOT.yaw_rate))
    omega = dense() @ controls[:, 1]
    fastest = DEFAULT_ROBOT.yaw_rate / DEFAULT_ROBOT.yaw_acceleration
    at_rate = np.argmax(omega > 0.97 * DEFAULT_ROBOT.yaw_rate) * 0.001
    assert 0.9 * fastest < at_rate < 2.0 * fastest
    assert np.abs(controls[:, 0]).max() < 5e-3


def scalar(robot, z, twist, twist_dot, weight):
    controls = drive.decode(robot, BASIS, twist, twist_dot, z)
    moved = drive.motion(BASIS, PLANNER.dt, jnp.zeros(3, controls.dtype), controls)
    everything = jnp.concatenate([moved.pose_map, moved.twist, moved.twist_dot], axis=-1)
    return jnp.sum(everything * weight)


def test_gradients_are_finite_everywhere():
    robot = DEFAULT_ROBOT
    twist, twist_dot, z, _ = motions(robot, 1000, 60)
    rest = np.zeros((9, 2), np.float32)
    corners = list(itertools.product((-0.25, 0.0, 0.75), (-1.8, 0.0, 1.8)))
    twist = np.concatenate([twist, rest, np.array(corners, np.float32)])
    twist_dot = np.concatenate([twist_dot, rest, rest])
    z = np.concatenate([z, 0 * z[:9], 100 * z[:9]])
    weight = np.random.default_rng(61).normal(size=(PLANNER.times, 7)).astype(np.float32)
    slopes = jax.jit(
        jax.vmap(jax.grad(functools.partial(scalar, robot), (0, 1, 2)), (0, 0, 0, None))
    )(z, twist, twist_dot, weight)
    for slope in slopes:
        assert np.all(np.isfinite(slope))
    assert np.all(np.abs(np.asarray(slopes[0])[:1000]).max(axis=(1, 2)) > 0)


def test_gradients_agree_with_finite_differences():
    robot = DEFAULT_ROBOT
    rng = np.random.default_rng(62)
    count, h = 40, 1e-6
    twist, twist_dot = random_starts(robot, count, 63)
    twist[:8], twist_dot[:8] = 0.0, 0.0
    twist *= 0.9
    twist_dot *= 0.9
    z = rng.normal(size=(count, COUNT - 2, 2))
    along = rng.normal(size=(count, COUNT - 2, 2))
    with jax.enable_x64():
        weight = jnp.asarray(rng.normal(size=(PLANNER.times, 7)))
        one = functools.partial(scalar, robot)
        value = jax.jit(jax.vmap(one, (0, 0, 0, None)))
        starts = (jnp.asarray(twist), jnp.asarray(twist_dot), weight)
        slow = (value(z + h * along, *starts) - value(z - h * along, *starts)) / (2 * h)
        slope = jax.jit(jax.vmap(jax.grad(one), (0, 0, 0, None)))(jnp.asarray(z), *starts)
        exact = np.sum(np.asarray(slope) * along, axis=(1, 2))
    # A kink of the intervals between the two points is rare, not excluded.
    agrees = np.isclose(exact, slow, rtol=1e-5, atol=1e-5)
    assert agrees.sum() >= count - 1, np.column_stack([exact, slow])[~agrees]


def test_limit_acceleration_scales_into_the_limits():
    rng = np.random.default_rng(70)
    wanted = (rng.normal(size=(5000, 2)) * [2.0, 8.0]).astype(np.float32)
    limited = np.asarray(
        jax.vmap(functools.partial(drive.limit_acceleration, DEFAULT_ROBOT))(jnp.asarray(wanted))
    )
    half = DEFAULT_ROBOT.wheel_base / 2
    wheels = limited @ np.array([[1, 1], [-half, half]])
    excess = np.maximum(
        np.abs(wheels).max(1) / DEFAULT_ROBOT.wheel_acceleration,
        np.abs(limited[:, 1]) / DEFAULT_ROBOT.yaw_acceleration,
    )
    assert excess.max() < 1 + 1e-5
    scale = np.linalg.norm(limited, axis=1) / np.linalg.norm(wanted, axis=1)
    np.testing.assert_allclose(limited, scale[:, None] * wanted, atol=1e-5)
    # Never more than needed: either untouched, or at a limit.
    assert scale.max() < 1 + 1e-5
    touched = scale < 1 - 1e-5
    assert 0.1 < touched.mean() < 0.9
    np.testing.assert_allclose(excess[touched], 1.0, atol=1e-5)
    np.testing.assert_array_equal(
        drive.limit_acceleration(DEFAULT_ROBOT, jnp.zeros(2)), np.zeros(2)
    )


@pytest.mark.parametrize("name", ROBOTS)
def test_admissible_is_inside_and_leaves_the_inside_alone(name):
    robot = ROBOTS[name]
    clip = jax.vmap(functools.partial(drive.admissible, robot))
    wild = (np.random.default_rng(71).normal(size=(3000, 2)) * [1.0, 4.0]).astype(np.float32)
    tamed = np.asarray(clip(jnp.asarray(wild))).astype(float)
    assert np.all(within_speeds(robot, tamed * (1 - 1e-6)))
    inside = within_speeds(robot, wild.astype(float))
    assert 0.02 < inside.mean() < 0.9
    np.testing.assert_array_equal(tamed[inside], wild[inside])


def test_discs_cover_the_footprint():
    for count, robot in itertools.product((1, 2, 3, 5), ROBOTS.values()):
        centres, radius = drive.footprint_discs(robot, count)
        x = np.linspace(-robot.length / 2, robot.length / 2, 201)
        far = np.abs(x[:, None] - centres).min(axis=1)
        reach = np.hypot(far, robot.width / 2)
        assert reach.max() <= radius + 1e-6
        assert reach.max() >= radius - 1e-4  # and no larger than needed


def test_decode_and_motion_compile_once():
    @jax.jit
    @chex.assert_max_traces(n=1)
    def both(twist, twist_dot, z):
        controls = drive.decode(DEFAULT_ROBOT, BASIS, twist, twist_dot, z)
        return drive.motion(BASIS, PLANNER.dt, jnp.zeros(3), controls)

    chex.clear_trace_counter()
    for seed in range(3):
        twist, twist_dot, z, _ = motions(DEFAULT_ROBOT, 2, seed)
        both(*(jnp.asarray(a[0]) for a in (twist, twist_dot, z)))
