"""People who lie in wait for a robot: they see to it that they meet it, and look at nothing else.

They are discs with a bounded acceleration.  Walls do not stop them: who comes out of a wall
came through a door.  Who touches the robot goes around it.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from astro_jax.geometry import from_frame, heading
from astro_jax.sim.ambush.cast import Roles
from astro_jax.types import pytree

GONE, STAYS = 4.5, 2.0
"""Whoever is farther from the robot than this (m), so long after they set out (s), leaves."""
SHY_DISTANCE, SHY_GAIN = 3.2, 1.5
"""Nearer than this (m) a shy person walks away, by so much more per metre, 1/s."""
SHY_LIMIT = 1.4
"""m/s"""
COMES_WALKING = 1e3
"""m/s²: from nothing to any speed at once."""


@pytree
class People:
    """Where they are and what they have in mind."""

    xy: Float[Array, "*batch M 2"]
    velocity: Float[Array, "*batch M 2"]
    there: Bool[Array, "*batch M"]
    came_at: Float[Array, "*batch M"]
    """inf: not yet, s."""
    left: Bool[Array, "*batch M"]
    """For good."""
    set_out_at: Float[Array, "*batch M"]
    course: Float[Array, "*batch M"]
    """Direction of the walk, rad."""


def nobody_yet(count: int) -> People:
    """Before anybody has come."""
    never = jnp.full(count, jnp.inf)
    return People(
        xy=jnp.zeros((count, 2)),
        velocity=jnp.zeros((count, 2)),
        there=jnp.zeros(count, bool),
        came_at=never,
        left=jnp.zeros(count, bool),
        set_out_at=never,
        course=jnp.zeros(count),
    )


def lurk(
    roles: Roles,
    people: People,
    time: Float[Array, ""],
    pose: Float[Array, "3"],
    twist: Float[Array, "2"],
    gap: Float[Array, "M"],
    dt: float,
) -> People:
    """One step of ``dt``; ``gap`` is how far each is from the robot (m), as ``person_gap``."""
    comes = (time >= roles.at) & jnp.isinf(people.came_at)
    place = jnp.where(roles.relative[:, None], from_frame(pose, roles.place), roles.place)
    xy = jnp.where(comes[:, None], place, people.xy)
    came_at = jnp.where(comes, time, people.came_at)

    offset = xy - pose[None, :2]
    distance = jnp.sqrt(jnp.sum(offset**2, axis=-1) + 1e-9)
    here = ~jnp.isinf(came_at) & ~people.left
    due = here & (time - came_at >= roles.wait) & (distance <= roles.near)
    sets_out = due & jnp.isinf(people.set_out_at)
    set_out_at = jnp.where(sets_out, time, people.set_out_at)
    # towards where the robot will be if it goes on as it does
    yaw = pose[2] + 0.5 * twist[1] * roles.meet
    aim = pose[None, :2] + (twist[0] * roles.meet)[:, None] * heading(yaw) - xy
    course = jnp.where(sets_out, jnp.arctan2(aim[:, 1], aim[:, 0]) + roles.aside, people.course)

    walks = here & (time >= set_out_at)
    changed = time - set_out_at >= roles.change
    speed = jnp.where(walks, roles.speed * jnp.where(changed, roles.pace, 1.0), 0.0)
    wanted = speed[:, None] * heading(course + jnp.where(changed, roles.turn, 0.0))
    outward = offset / distance[:, None]
    away = SHY_GAIN * jnp.maximum(SHY_DISTANCE - distance, 0.0)
    fled = wanted + jnp.where(roles.shy, away, 0.0)[:, None] * outward
    size = jnp.sqrt(jnp.sum(fled**2, axis=-1) + 1e-9)
    fled = fled * jnp.minimum(1.0, SHY_LIMIT / size)[:, None]
    wanted = jnp.where(roles.shy[:, None], fled, wanted)

    change = wanted - people.velocity
    size = jnp.sqrt(jnp.sum(change**2, axis=-1) + 1e-9)
    at_once = jnp.where(comes | sets_out, roles.acceleration, jnp.minimum(roles.acceleration, 8.0))
    most = jnp.minimum(jnp.where(jnp.isinf(at_once), COMES_WALKING, at_once), COMES_WALKING) * dt
    velocity = people.velocity + change * jnp.minimum(1.0, most / size)[:, None]
    # who touches the robot goes along it
    pushes = jnp.minimum(jnp.sum(velocity * outward, axis=-1), 0.0)
    slid = velocity - pushes[:, None] * outward
    velocity = jnp.where((gap <= 0.0)[:, None] & people.there[:, None], slid, velocity)
    velocity = jnp.where(here[:, None], velocity, 0.0)

    leaves = here & (time - set_out_at > STAYS) & (distance > GONE) & ~roles.shy
    return dataclasses.replace(
        people,
        xy=xy + dt * velocity,
        velocity=velocity,
        there=here & ~leaves,
        came_at=came_at,
        left=people.left | leaves,
        set_out_at=set_out_at,
        course=course,
    )
