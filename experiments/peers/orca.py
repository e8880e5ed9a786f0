"""Optimal reciprocal collision avoidance (``velocity_obstacles.py``) for two driven wheels.

Snape, van den Berg, Guy, Manocha, "Smooth and collision-free navigation for multiple robots under
differential-drive constraints", 2010: a point ahead of the axle can be given any velocity,
(v, ω·lever) in the robot's axes, so ORCA moves that point, with a disc around it that holds all
of the robot.  With the disc's centre nearer than that, it is smaller, and followed less exactly.

The wanted velocity leads down the route layer's field.  Walls are points that stand, found from
the distance field around the robot.  Places are those of now, people and robot having gone on as
when they were seen.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import RobotConfig
from astro_jax.geometry import heading, sample
from astro_jax.robot.footprint import outline
from astro_jax.sim.steered import Choose, Known
from experiments.peers.dwa import guide_point
from experiments.peers.velocity_obstacles import Bodies, half_planes, nearest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The best of nine sets on ten training cases of ``crowd`` and twelve of ``crossing``.

    A smaller disc that is followed less exactly, and made up for with ``space``, did better than
    Snape's (``ahead`` = ``lever`` = .2: 8 to 9 and 9 to 10 of them, in a longer time).
    """

    top_speed: float = 2.0
    ahead: float = 0.0
    """Of the axle is the disc's centre, m."""
    lever: float = 0.5
    """ω is the velocity to the side over this, m; ``ahead`` if the point is to move exactly so."""
    look: float = 0.6
    """To the point on the way that is driven to, m."""
    seconds: float = 3.0
    """τ of people."""
    wall_seconds: float = 1.0
    share: float = 1.0
    """Of the change that is ours: all, as people do not see us (½ among others like us)."""
    space: float = 0.2
    """Around everybody, m."""
    ring: int = 8
    """Points around the robot from which the nearest of a wall is looked up …"""
    reach: float = 0.8
    """… at this distance, m."""


def orca(robot: RobotConfig, period: float, settings: Settings = Settings()) -> Choose:
    """The planner."""
    s = settings
    own_radius = jnp.max(jnp.hypot(*(outline(robot).T - jnp.array([[s.ahead], [0.0]]))))
    around = 2.0 * np.pi * np.arange(s.ring) / s.ring
    spokes = np.stack([np.cos(around), np.sin(around)], axis=-1)
    places = np.concatenate([np.zeros((1, 2)), s.reach * spokes])

    def choose(known: Known) -> Float[Array, "2"]:
        tracks, (v, w) = known.tracks, known.twist
        yaw = known.pose_map[2] + w * tracks.age
        middle = known.pose_map[2] + 0.5 * w * tracks.age
        xy = known.pose_map[:2] + v * tracks.age * heading(middle)
        forward = heading(yaw)
        left = jnp.stack([-forward[1], forward[0]])
        centre = xy + s.ahead * forward
        own = v * forward + w * s.ahead * left
        people = Bodies(
            away=tracks.xy_map + tracks.age * tracks.velocity_map - centre,
            velocity=tracks.velocity_map,
            radius=tracks.radius + own_radius + s.space,
            seconds=jnp.full_like(tracks.radius, s.seconds),
            share=jnp.full_like(tracks.radius, s.share),
            counts=tracks.valid,
        )
        planes = half_planes(own, _joined(people, _walls(known, centre)), period)
        to_guide = guide_point(known, s.look) - centre
        top = jnp.minimum(s.top_speed, robot.speed)
        wanted = to_guide * top / jnp.maximum(jnp.hypot(to_guide[0], to_guide[1]), 1e-3)
        gives_way = jnp.arange(len(planes.offset)) < len(tracks.radius)
        chosen = nearest(wanted, top, planes, gives_way)
        least = -jnp.minimum(robot.reverse_speed, top)
        v = jnp.clip(chosen @ forward, least, top)
        return jnp.stack([v, jnp.clip(chosen @ left / s.lever, -robot.yaw_rate, robot.yaw_rate)])

    def _walls(known: Known, centre: Float[Array, "2"]) -> Bodies:
        at = centre + places
        table = known.clearance
        distance, step = sample(table, at), 0.02
        slope = jnp.stack(
            [
                sample(table, at + jnp.array(unit)) - sample(table, at - jnp.array(unit))
                for unit in ((step, 0.0), (0.0, step))
            ],
            axis=-1,
        )
        steep = jnp.hypot(*slope.T) / (2.0 * step)
        slope = slope / (2.0 * step * jnp.maximum(steep, 1e-3)[:, None])
        count = len(places)
        return Bodies(
            away=at - distance[:, None] * slope - centre,
            velocity=jnp.zeros((count, 2)),
            radius=jnp.full(count, own_radius),
            seconds=jnp.full(count, s.wall_seconds),
            share=jnp.ones(count),
            counts=steep > 0.5,  # far from everything the field is flat
        )

    return choose


def _joined(one: Bodies, two: Bodies) -> Bodies:
    return Bodies(
        **{
            field.name: jnp.concatenate([getattr(one, field.name), getattr(two, field.name)])
            for field in dataclasses.fields(Bodies)
        }
    )
