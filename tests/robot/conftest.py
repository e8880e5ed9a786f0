"""Robots of every drive, and what their motions really do: SciPy's splines at 1 ms, float64."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import pytest
from scipy.interpolate import BSpline

from astro_jax.config import DEFAULT_PLANNER, RobotConfig
from astro_jax.robot import drive
from astro_jax.robot.splines import DEGREE, SplineBasis, spline_basis

PLANNER = DEFAULT_PLANNER
BASIS = spline_basis(PLANNER.intervals, PLANNER.dt, PLANNER.gate_period, PLANNER.period)
COUNT = BASIS.value.shape[1]
BATCH = 2000
ROBOTS = {
    "differential": RobotConfig(),
    # the wheels' own limits bind, not only the body's
    "weak wheels": RobotConfig(
        wheel_speed=0.8, wheel_base=0.4, yaw_acceleration=2.0, reverse_speed=0.7
    ),
    "mecanum": RobotConfig(
        drive="omni", wheel_base=0.5, speed=0.8, reverse_speed=0.4, lateral_speed=0.5
    ),
    "disc": RobotConfig(
        drive="omni",
        mecanum=False,
        speed=1.0,
        wheel_speed=1.0,
        wheel_acceleration=1.5,
        reverse_speed=1.0,
        lateral_speed=1.0,
        lateral_acceleration=1.2,
        braking=2.0,
    ),
    "ackermann": RobotConfig(
        drive="ackermann", speed=1.0, curvature=2.0, lateral_acceleration=1.5, yaw_rate=1.6
    ),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "forward": {"reverse_speed": 0.0},
    "jerk": {"jerk": 6.0, "yaw_jerk": 25.0, "curvature_acceleration": 12.0},
    "tight": {"lateral_acceleration": 0.6},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lab:
    """Random motions of a robot, and the measure of what they do."""

    planner = PLANNER
    basis: SplineBasis = BASIS
    count: int = COUNT

    def robot(self, name: str, variant: str = "plain") -> RobotConfig:
        """One of the robots above."""
        return dataclasses.replace(ROBOTS[name], **VARIANTS[variant])

    def curve(self, controls) -> BSpline:
        """The spline of control points (N, …)."""
        breaks = np.concatenate([[0.0], np.cumsum(PLANNER.intervals)])
        knots = np.concatenate([np.repeat(0.0, DEGREE), breaks, np.repeat(breaks[-1], DEGREE)])
        return BSpline(knots, np.asarray(controls, np.float64), DEGREE)

    def dense(self, derivative: int = 0):
        """(3001, N): a curve, or its derivative, at every millisecond."""
        return _dense(derivative)

    def starts(self, robot: RobotConfig, count: int, seed: int):
        """Commands within all limits, many of them at one, and rates within theirs."""
        rng = np.random.default_rng(seed)
        low, high = (x.astype(float) for x in drive.command_limits(robot))
        command = rng.uniform(1.2 * low, 1.2 * high, (count, len(low)))
        command *= rng.random(command.shape) > 0.15
        command = np.asarray(_admissible(robot)(command.astype(np.float32)))
        rate = rng.normal(size=command.shape) * rng.choice([0.3, 3.0], (count, 1))
        rate /= np.maximum(rate_ratio(robot, rate), 1.0)[:, None] * (1 + 1e-6)
        return command, rate.astype(np.float32)

    def z(self, robot: RobotConfig, count: int, seed: int):
        """Normal z of several widths, and saturated ones."""
        rng = np.random.default_rng(seed)
        shape = (count, *drive.free_shape(robot, BASIS))
        z = rng.normal(size=shape) * rng.choice([0.5, 2.0, 10.0], (count, 1, 1))
        bang = 40.0 * rng.choice([-1.0, 1.0], shape)
        return np.where(rng.random((count, 1, 1)) < 0.2, bang, z).astype(np.float32)

    def motions(self, robot: RobotConfig, count: int, seed: int):
        """(command, command_dot, z, control points) of random motions."""
        command, rate = self.starts(robot, count, seed)
        z = self.z(robot, count, seed + 1)
        return command, rate, z, self.decode(robot, command, rate, z)

    def decode(self, robot: RobotConfig, command, rate, z):
        """``drive.decode`` for a batch of any size."""
        return _in_batches(_compiled(robot)[0], command, rate, z)

    def encode(self, robot: RobotConfig, command, rate, wanted):
        """``drive.encode`` for a batch of any size."""
        return _in_batches(_compiled(robot)[1], command, rate, wanted)

    def excess(self, robot: RobotConfig, controls) -> dict[str, float]:
        """Worst excess over each limit at 1 ms, as a share of the limit; negative is inside."""
        worst: dict[str, float] = {}
        for start in range(0, len(controls), 16):  # what fits the caches
            part = np.asarray(controls[start : start + 16], np.float64)
            signals = [[_dense(d) @ part[..., k].T for k in range(part.shape[2])] for d in range(3)]
            for name, (value, limit) in measures(robot, *signals).items():
                excess = (float(np.max(value)) - limit) / (limit or 1.0)
                worst[name] = max(worst.get(name, -np.inf), excess)
        return worst


def measures(robot: RobotConfig, command, rate, jerk) -> dict[str, tuple[Any, float]]:
    """What must stay below what, straight from the definition of each limit."""
    half = robot.wheel_base / 2
    first = command[0]
    out = {"speed": (first, robot.speed), "reverse": (-first, robot.reverse_speed)}
    jerk_limits = [robot.jerk] * (len(command) - 1) + [robot.yaw_jerk]
    if robot.drive == "differential":
        v, omega, v_dot, omega_dot = *command, *rate
        left, right = v - half * omega, v + half * omega
        left_dot, right_dot = v_dot - half * omega_dot, v_dot + half * omega_dot
        out |= {
            "yaw rate": (abs(omega), robot.yaw_rate),
            "yaw acceleration": (abs(omega_dot), robot.yaw_acceleration),
            "wheel speed": (np.maximum(abs(left), abs(right)), robot.wheel_speed),
            "wheel acceleration": (
                np.maximum(abs(left_dot), abs(right_dot)),
                robot.wheel_acceleration,
            ),
            "lateral acceleration": (abs(v * omega), robot.lateral_acceleration),
        }
    elif robot.drive == "omni":
        x, y, omega = command
        x_dot, y_dot, omega_dot = rate
        out |= {
            "speed": (np.hypot(x, y), robot.speed),
            "sideways": (abs(y), robot.lateral_speed),
            "yaw rate": (abs(omega), robot.yaw_rate),
            "yaw acceleration": (abs(omega_dot), robot.yaw_acceleration),
            "lateral acceleration": (np.hypot(x, y) * abs(omega), robot.lateral_acceleration),
        }
        if robot.mecanum:  # four wheels
            signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
            wheels = [abs(x + a * y + b * half * omega) for a, b in signs]
            forces = [abs(x_dot + a * y_dot + b * half * omega_dot) for a, b in signs]
            out["wheel speed"] = np.max(wheels, axis=0), robot.wheel_speed
            out["wheel acceleration"] = np.max(forces, axis=0), robot.wheel_acceleration
        else:
            out["acceleration"] = np.hypot(x_dot, y_dot), robot.wheel_acceleration
    else:
        v, kappa, v_dot, kappa_dot = *command, *rate
        jerk_limits = [robot.jerk, robot.curvature_acceleration]
        out |= {
            "curvature": (abs(kappa), robot.curvature),
            "curvature rate": (abs(kappa_dot), robot.curvature_rate),
            "acceleration": (abs(v_dot), robot.wheel_acceleration),
            "lateral acceleration": (v**2 * abs(kappa), robot.lateral_acceleration),
            "yaw rate": (abs(v * kappa), robot.yaw_rate),
        }
    for k, (value, limit) in enumerate(zip(jerk, jerk_limits, strict=True)):
        if limit:
            out[f"jerk {k}"] = abs(value), limit
    return out


def rate_ratio(robot: RobotConfig, rate):
    """Largest ratio of a rate (n, D) to the limits on it."""
    nothing = [np.zeros(len(rate))] * rate.shape[1]
    both = measures(robot, nothing, rate.T, nothing)
    limited = [n for n in both if "rate" in n or "acceleration" in n]
    return np.max([both[n][0] / both[n][1] for n in limited], axis=0)


@functools.cache
def _dense(derivative):
    times = np.linspace(0.0, PLANNER.horizon, round(PLANNER.horizon / 0.001) + 1)
    return Lab().curve(np.eye(COUNT))(times, derivative)


@functools.cache
def _compiled(robot: RobotConfig):
    functions = (drive.decode, drive.encode)
    return [jax.jit(jax.vmap(functools.partial(f, robot, BASIS))) for f in functions]


@functools.cache
def _admissible(robot: RobotConfig):
    return jax.jit(jax.vmap(functools.partial(drive.admissible, robot)))


def _in_batches(function, *arrays):
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


@pytest.fixture(scope="session")
def lab() -> Lab:
    """See the top of this file."""
    return Lab()
