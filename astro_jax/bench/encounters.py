"""Encounters for ``bench risk``: a robot's motion and somebody's Gaussian forecast.  [host]

All parameters are drawn log-uniformly where they have a scale.  Everything is float64 NumPy;
nothing of the planner is used.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.types import Forecast, Motion

HORIZON = 3.0
"""s"""
KINDS = ("crossing", "oncoming", "standing", "overtaking", "turning", "spinning", "braking")
FORECASTS = ("anisotropic", "mixture")
FOOTPRINTS = (
    ((0.3, -0.1), (0.38, 0.0), (0.3, 0.1), (-0.2, 0.24), (-0.26, 0.0), (-0.2, -0.24)),
    ((0.45, -0.22), (0.45, 0.22), (-0.35, 0.22), (-0.35, -0.22)),
)
"""Besides the robot's own: a hexagon that tapers to the front, a long box off its axle."""
_FINE = 0.002
_BEND = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encounter:
    """v(t) = clip(speed + acceleration·t, ≥ 0), ω constant; the body's components (C, …)."""

    kind: str
    outline: Float[np.ndarray, "E 2"]
    speed: float
    acceleration: float
    yaw_rate: float
    radius: float
    weight: Float[np.ndarray, "C"]
    xy: Float[np.ndarray, "C 2"]
    velocity: Float[np.ndarray, "C 2"]
    angle: Float[np.ndarray, "C"]
    """Of the axis along which (and across which) the variances are."""
    xy_var: Float[np.ndarray, "C 2"]
    xy_velocity_cov: Float[np.ndarray, "C 2"]
    velocity_var: Float[np.ndarray, "C 2"]
    diffusion: Float[np.ndarray, "C 2"]
    """Intensity of the white-noise acceleration, m²/s³."""

    def speeds(self, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
        """Forward speed, m/s."""
        return np.maximum(self.speed + self.acceleration * times, 0.0)

    def poses(self, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T 3"]:
        """From the origin, by the midpoint rule in steps of 2 ms."""
        middle = np.arange(_FINE / 2, HORIZON + 1.0, _FINE)
        yaw = self.yaw_rate * middle
        way = self.speeds(middle) * _FINE
        fine = np.append(middle - _FINE / 2, middle[-1] + _FINE / 2)
        run = lambda f: np.interp(times, fine, np.append(0.0, np.cumsum(way * f(yaw))))
        return np.stack([run(np.cos), run(np.sin), self.yaw_rate * times], axis=1)

    def motion(self, times: Float[np.ndarray, "T"]) -> Motion:
        """As the planner describes it."""
        speed, zero = self.speeds(times), np.zeros_like(times)
        rate = np.where(speed > 0.0, self.acceleration, 0.0)
        return Motion(
            pose_map=_f32(self.poses(times)),
            twist=_f32(np.stack([speed, zero, zero + self.yaw_rate], axis=1)),
            twist_dot=_f32(np.stack([rate, zero, zero], axis=1)),
        )

    def forecast(self, times: Float[np.ndarray, "T"]) -> Forecast:
        """The process's marginals: a + 2bt + ct² + qt³/3, b + ct + qt²/2, c + qt."""
        t = times[:, None, None]
        a, b, c, q = self.xy_var, self.xy_velocity_cov, self.velocity_var, self.diffusion
        one_body = lambda value: _f32(np.broadcast_to(value, (len(times), *a.shape))[:, None])
        return Forecast(
            xy_map=one_body(self.xy + t * self.velocity),
            velocity_map=one_body(self.velocity),
            axis_map=one_body(np.stack([np.cos(self.angle), np.sin(self.angle)], axis=1)),
            xy_var=one_body(a + 2 * b * t + c * t**2 + q * t**3 / 3),
            xy_velocity_cov=one_body(b + c * t + q * t**2 / 2),
            velocity_var=one_body(c + q * t),
            weight=_f32(self.weight[None]),
            radius=_f32([self.radius]),
            kind=jnp.zeros(1, jnp.int32),
            valid=jnp.ones(1, bool),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WallPass:
    """Along a wall, nearest at ``when``: clearance = least + slope·speed·(√((t−when)²+β²)−β)."""

    kind: str
    speed: float
    least: float
    slope: float
    when: float

    def clearance(self, times: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
        """Distance to the wall on the map, m."""
        bend = np.hypot(times - self.when, _BEND) - _BEND
        return self.least + self.slope * self.speed * bend

    def motion(self, times: Float[np.ndarray, "T"]) -> Motion:
        """As the planner describes it, the wall lying along the x axis."""
        zero = np.zeros_like(times)
        return Motion(
            pose_map=_f32(np.stack([self.speed * times, self.clearance(times), zero], axis=1)),
            twist=_f32(np.stack([zero + self.speed, zero, zero], axis=1)),
            twist_dot=_f32(np.zeros((len(times), 3))),
        )


def draw(random: np.random.Generator, robot_outline: np.ndarray, count: int) -> list[Encounter]:
    """``count`` encounters, every kind equally often."""
    kinds = (*KINDS, *FORECASTS)
    outlines = [robot_outline, *(np.array(points) for points in FOOTPRINTS)]
    return [
        _encounter(random, kinds[k % len(kinds)], outlines[random.integers(len(outlines))])
        for k in range(count)
    ]


def draw_walls(random: np.random.Generator, count: int) -> list[WallPass]:
    """Along walls at constant and at varying clearance, every second one."""
    return [
        WallPass(
            kind=("wall", "wall nearing")[k % 2],
            speed=_log(random, 0.1, 0.75),
            least=_log(random, 0.01, 0.25),
            slope=0.0 if k % 2 == 0 else _log(random, 0.05, 0.8),
            when=random.uniform(0.3, HORIZON),
        )
        for k in range(count)
    ]


def _encounter(random: np.random.Generator, kind: str, outline: np.ndarray) -> Encounter:
    course = kind if kind in KINDS else KINDS[random.integers(len(KINDS))]
    speed, yaw_rate, acceleration = random.uniform(0.1, 0.75), 0.0, 0.0
    if random.random() < 0.3:
        yaw_rate = random.uniform(-0.5, 0.5)
    going, turned = _log(random, 0.3, 1.6), random.uniform(-0.45, 0.45)
    if course == "crossing":
        turned += random.choice([-1.0, 1.0]) * np.pi / 2
    elif course == "oncoming":
        turned += np.pi
    elif course == "standing":
        going = _log(random, 0.005, 0.1)
    elif course == "overtaking":
        going = _log(random, 0.05, 1.2)
    elif course == "turning":
        yaw_rate = random.choice([-1.0, 1.0]) * _log(random, 0.5, 1.8)
        turned, going = random.uniform(-np.pi, np.pi), _log(random, 0.05, 1.2)
    elif course == "spinning":
        speed = random.uniform(0.0, 0.05)
        yaw_rate = random.choice([-1.0, 1.0]) * _log(random, 0.6, 1.8)
        turned, going = random.uniform(-np.pi, np.pi), _log(random, 0.01, 0.5)
    elif course == "braking":
        acceleration = -_log(random, 0.2, 1.5)
        turned = random.uniform(-np.pi, np.pi)

    count = 2
    weight = np.array([1.0, 0.0])
    xy_sd, velocity_sd = _log(random, 0.03, 0.15), _log(random, 0.03, 0.6)
    xy_var = np.full((count, 2), xy_sd**2)
    velocity_var = np.full((count, 2), velocity_sd**2)
    diffusion = np.full((count, 2), _log(random, 0.001, 0.1))
    cov = np.full((count, 2), random.uniform(0.0, 0.7) * xy_sd * velocity_sd)
    heading = np.array([turned, turned])
    pace = np.array([going, going])
    angle = random.uniform(-np.pi, np.pi)
    if kind == "anisotropic":
        slim = _log(random, 1.2, 4.0)
        for value, power in ((xy_var, 2), (velocity_var, 2), (cov, 2), (diffusion, 2)):
            value[:, 1] /= slim**power
    if kind == "mixture":
        weight = np.array([1.0, 0.0]) + random.uniform(0.15, 0.5) * np.array([-1.0, 1.0])
        if random.random() < 0.5:  # two scales
            diffusion[1] *= _log(random, 3.0, 20.0)
        else:  # two intentions
            heading[1] += random.choice([-1.0, 1.0]) * _log(random, 0.2, 1.5)
            pace[1] *= random.choice([1.0, 0.3])

    bare = Encounter(
        kind=kind, outline=outline, speed=speed, acceleration=acceleration, yaw_rate=yaw_rate,
        radius=random.uniform(0.15, 0.35), weight=weight, xy=np.zeros((count, 2)),
        velocity=np.zeros((count, 2)), angle=np.full(count, angle), xy_var=xy_var,
        xy_velocity_cov=cov, velocity_var=velocity_var, diffusion=diffusion,
    )  # fmt: skip
    # they pass each other at this time, this far apart
    when = random.uniform(0.4, HORIZON)
    x, y, yaw = bare.poses(np.array([when]))[0]
    miss, side = _log(random, 0.05, 2.5), random.uniform(-np.pi, np.pi)
    way = pace[:, None] * np.stack([np.cos(yaw + heading), np.sin(yaw + heading)], axis=1)
    at = np.array([x + miss * np.cos(side), y + miss * np.sin(side)])
    start = np.broadcast_to(at - when * way[0], (count, 2))
    return dataclasses.replace(bare, xy=start.copy(), velocity=way)


def _log(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _f32(value):
    return jnp.asarray(value, jnp.float32)
