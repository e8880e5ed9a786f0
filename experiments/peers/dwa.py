"""The dynamic window approach: the best circular arc among those that the wheels can take up.

Fox, Burgard & Thrun, "The dynamic window approach to collision avoidance", 1997, eq. 11 to 16:
velocities within reach in one period, of these the admissible ones, from which the robot can
stop before it touches anything on its arc, v ≤ √(2 dist·a) and |ω| ≤ √(2 dist·α); of these the
best one.  Two ways to say which that is: the paper's α·heading + β·dist + γ·velocity, the heading
being that to a point ahead on the way of the route layer; or, as in ROS's dwa_local_planner, how
far the arc's end is from the goal by the navigation function, here the route layer's seconds.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import heading, sample, wrap_angle
from astro_jax.sim.steered import Choose, Known


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The best of seven sets on BARN worlds 1, 5, 10, 15, 20, 25, 29, 40, 70 and 100 at .5 m/s.

    Without ``progress`` (the paper's objective: .8, .2 and .1) it did 5 of 7 of them, and 2 of 20
    others.
    """

    top_speed: float = 0.5
    speeds: int = 12
    turns: int = 31
    seconds: float = 2.0
    """That arcs are looked at."""
    steps: int = 20
    ahead: float = 0.5
    """Of the point on the way that is driven to, m."""
    progress: float = 1.0
    """Per second of cost-to-go gained."""
    heading: float = 0.1
    clear: float = 0.2
    fast: float = 0.1
    margin: float = 0.08
    """Around the footprint, m."""
    far: float = 1.0
    """Arcs that are free up to here are as good as any, m."""


def guide_point(known: Known, ahead: float) -> Float[Array, "2"]:
    """Down the cost-to-go by ``ahead`` metres."""
    xy, h = known.pose_map[:2], 0.05
    sides = h * jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    for _ in range(8):
        east, west, north, south = sample(known.way.cost_to_go, xy[None] + sides)
        down = jnp.stack([west - east, south - north])
        xy = xy + ahead / 8 * down / jnp.maximum(jnp.hypot(down[0], down[1]), 1e-6)
    return xy


def free_along(
    robot: RobotConfig, known: Known, v, w, seconds: float, steps: int, margin: float
) -> tuple[Float[Array, "n"], Float[Array, "n 2"]]:
    """Metres that each arc is free, of those driven in ``seconds``, and where that ends."""
    t = seconds * jnp.arange(1, steps + 1) / steps
    yaw = known.pose_map[2] + w[:, None] * t[None]
    middle = known.pose_map[2] + 0.5 * w[:, None] * t[None]
    # a chord of the arc: sinc(ω t/2) of its length
    chord = v[:, None] * t[None] * jnp.sinc(0.5 * w[:, None] * t[None] / jnp.pi)
    xy = known.pose_map[None, None, :2] + chord[..., None] * heading(middle)
    forward = heading(yaw)
    half, radius = robot.length / 2 - robot.width / 2, robot.width / 2 + margin
    gap = jnp.full(xy.shape[:2], jnp.inf)
    for offset in (-half, 0.0, half):
        gap = jnp.minimum(gap, sample(known.clearance, xy + offset * forward) - radius)
    bodies = known.tracks.xy_map[None, None] - xy[:, :, None]
    away = jnp.sqrt(jnp.sum(bodies**2, axis=-1)) - known.tracks.radius[None, None] - radius
    away = jnp.where(known.tracks.valid[None, None], away, jnp.inf)
    gap = jnp.minimum(gap, jnp.min(away, axis=-1))
    free = jnp.cumprod(gap > 0.0, axis=1)
    # a turn on the spot covers ground with the corner of the footprint
    speed = jnp.maximum(jnp.abs(v), robot.length / 2 * jnp.abs(w))
    steps_free = jnp.sum(free, axis=1).astype(jnp.int32)
    last = jnp.take_along_axis(xy, jnp.maximum(steps_free - 1, 0)[:, None, None], axis=1)[:, 0]
    return steps_free * (seconds / steps) * speed, last


def dwa(robot: RobotConfig, period: float, settings: Settings = Settings()) -> Choose:
    """The planner."""
    s = settings
    brakes = jnp.array([robot.wheel_acceleration, robot.yaw_acceleration])

    def choose(known: Known) -> Float[Array, "2"]:
        v0, w0 = known.twist
        reach = period * brakes
        top = jnp.minimum(s.top_speed, robot.speed)
        low, high = jnp.clip(v0 - reach[0], 0.0, top), jnp.clip(v0 + reach[0], 0.0, top)
        left, right = (
            jnp.clip(w0 + k * reach[1], -robot.yaw_rate, robot.yaw_rate) for k in (-1, 1)
        )
        v = low + (high - low) * jnp.linspace(0.0, 1.0, s.speeds)
        w = left + (right - left) * jnp.linspace(0.0, 1.0, s.turns)
        v, w = jnp.repeat(v, s.turns), jnp.tile(w, s.speeds)
        metres, end = free_along(robot, known, v, w, s.seconds, s.steps, s.margin)
        admissible = (v <= jnp.sqrt(2.0 * metres * brakes[0]) + 1e-3) & (
            jnp.abs(w) <= jnp.sqrt(2.0 * metres * brakes[1]) + 1e-3
        )
        x, y = guide_point(known, s.ahead) - known.pose_map[:2]
        # where it would head if it stopped turning now: eq. 12
        after = known.pose_map[2] + w * (period + 0.5 * jnp.abs(w) / brakes[1])
        off = jnp.abs(wrap_angle(jnp.arctan2(y, x) - after))
        score = s.heading * (1.0 - off / jnp.pi)
        score = score - s.progress * sample(known.way.cost_to_go, end)
        score = score + s.clear * jnp.minimum(metres, s.far) / s.far + s.fast * v / top
        score = jnp.where(admissible, score, -jnp.inf)
        best = jnp.argmax(score)
        chosen = jnp.stack([v[best], w[best]])
        # nothing is admissible: stop, and turn towards the way (move_base's recovery)
        turn = wrap_angle(jnp.arctan2(y, x) - known.pose_map[2])
        recovery = jnp.stack([jnp.float32(0.0), jnp.clip(turn, -0.5, 0.5)])
        return jnp.where(jnp.isfinite(score[best]), chosen, recovery)

    return choose
