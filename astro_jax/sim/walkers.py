"""People who walk between rooms: the social force model along a given path.

Source: Helbing & Molnár, Social force model for pedestrian dynamics, 1995: relaxation
towards a desired velocity plus exponential repulsion from others and from walls.  Each
person follows a point that runs ahead along their path and turns back at its ends.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from astro_jax.sim.scene import Scene
from astro_jax.types import pytree

RELAXATION = 0.5
"""Time in which a person takes up the wanted velocity, s."""
LEASH = 0.6
"""The point waits for a person who is further behind than this, m."""
REPULSION, REACH = 4.0, 0.35
"""Strength (m/s²) and range (m) of the repulsion by others: a person who wants to walk on
at 1 m/s comes to rest about .25 m from what stands in the way."""
KEEP_RIGHT = 0.35
"""Sideways share of the repulsion: people step to their right of what they meet, or two
who meet head-on would stand there for ever."""
PATIENCE = 4.0
"""Someone who has got nowhere for so long turns back, s: people do not block a passage for
ever, as forces alone would."""
WALL_REPULSION, WALL_REACH = 3.0, 0.08
SIDE_SIGHT = 0.4
"""Weight of what is behind a person's back (1: as much as ahead)."""


@pytree
class Walkers:
    """State of the people."""

    xy_map: Float[Array, "*batch M 2"]
    velocity_map: Float[Array, "*batch M 2"]
    along: Float[Array, "*batch M"]
    """Arc position of the point that each person follows, m."""
    direction: Float[Array, "*batch M"]
    """+1 out, −1 back."""
    waited: Float[Array, "*batch M"]
    """For how long the person has not kept up with the point, s."""


def initial_walkers(scene: Scene) -> Walkers:
    """Everyone somewhere on their path, standing; recorded people where they began."""
    if scene.recorded_map is not None:
        return _replayed(scene, jnp.zeros(scene.present.shape), 0.0)
    along = scene.walk_start * (scene.path_length - 1) * scene.path_spacing
    xy = jax.vmap(_point, (None, 0, 0, 0))(scene, scene.path_map, scene.path_length, along)
    return Walkers(
        xy_map=xy,
        velocity_map=jnp.zeros_like(xy),
        along=along,
        direction=jnp.ones_like(along),
        waited=jnp.zeros_like(along),
    )


def walk(
    scene: Scene,
    people: Walkers,
    robot_xy: Float[Array, "2"],
    robot_radius: float,
    dt: float,
) -> Walkers:
    """One step of ``dt`` seconds; people see each other, the walls and the robot.

    Recorded people do what they did, whatever comes in their way, and stand at the end.
    """
    if scene.recorded_map is not None:
        return _replayed(scene, people.along, dt)
    target = jax.vmap(_point, (None, 0, 0, 0))(
        scene, scene.path_map, scene.path_length, people.along
    )
    to_target = target - people.xy_map
    behind = jnp.sqrt(jnp.sum(to_target**2, axis=-1) + 1e-9)
    wanted = scene.walk_speed[:, None] * to_target / jnp.maximum(behind, 0.3)[:, None]
    force = (wanted - people.velocity_map) / RELAXATION
    force = force + jax.vmap(_repulsion, (0, 0, None, None, None))(
        people.xy_map, people.velocity_map, people.xy_map, scene.radius, scene
    )
    robot = robot_xy[None]
    force = force + jax.vmap(_push, (0, 0, 0, None, None, None))(
        people.xy_map,
        people.velocity_map,
        scene.radius,
        robot,
        jnp.full(1, robot_radius),
        jnp.ones(1, bool),
    )
    force = force + jax.vmap(_wall_push, (None, 0, 0))(scene, people.xy_map, scene.radius)
    velocity = people.velocity_map + dt * jnp.clip(force, -4.0, 4.0)
    speed = jnp.sqrt(jnp.sum(velocity**2, axis=-1) + 1e-9)
    velocity = velocity * jnp.minimum(1.0, 1.2 * scene.walk_speed / speed)[:, None]
    velocity = jnp.where(scene.present[:, None], velocity, 0.0)

    end = (scene.path_length - 1) * scene.path_spacing
    keeps_up = behind < LEASH
    waited = jnp.where(keeps_up, 0.0, people.waited + dt)
    fed_up = waited > PATIENCE
    # the point is a leash ahead: behind the person's back it is two leashes away
    advance = jnp.where(keeps_up, scene.walk_speed * dt, jnp.where(fed_up, -2.0 * LEASH, 0.0))
    along = people.along + people.direction * advance
    turned = jnp.where(fed_up, -people.direction, people.direction)
    return Walkers(
        xy_map=people.xy_map + dt * velocity,
        velocity_map=velocity,
        along=jnp.clip(along, 0.0, end),
        direction=jnp.where(along >= end, -1.0, jnp.where(along <= 0.0, 1.0, turned)),
        waited=jnp.where(fed_up, 0.0, waited),
    )


def _replayed(scene: Scene, clock: Float[Array, "M"], dt: float) -> Walkers:
    """``along`` is the time since the start, s."""
    assert scene.recorded_map is not None
    clock = clock + dt
    last = scene.recorded_map.shape[1] - 1
    position = jnp.clip(clock / scene.recorded_spacing, 0.0, last - 1e-3)
    index = jnp.floor(position).astype(jnp.int32)
    who = jnp.arange(clock.shape[0])
    before, after = scene.recorded_map[who, index], scene.recorded_map[who, index + 1]
    walking = clock / scene.recorded_spacing < last
    return Walkers(
        xy_map=before + (position - jnp.floor(position))[:, None] * (after - before),
        velocity_map=jnp.where(walking[:, None], after - before, 0.0) / scene.recorded_spacing,
        along=clock,
        direction=jnp.ones_like(clock),
        waited=jnp.zeros_like(clock),
    )


def _point(scene: Scene, path: Float[Array, "P 2"], length, along) -> Float[Array, "2"]:
    position = jnp.clip(along / scene.path_spacing, 0.0, length - 1.001)
    index = jnp.floor(position).astype(jnp.int32)
    share = position - index
    return (1.0 - share) * path[index] + share * path[index + 1]


def _repulsion(xy, velocity, others_xy, radii, scene: Scene) -> Float[Array, "2"]:
    return _push(xy, velocity, scene.radius[0], others_xy, radii, scene.present)


def _push(xy, velocity, radius, others_xy, radii, present) -> Float[Array, "2"]:
    away = xy[None] - others_xy
    distance = jnp.sqrt(jnp.sum(away**2, axis=-1) + 1e-9)
    oneself = distance < 1e-3
    speed = jnp.sqrt(jnp.sum(velocity**2) + 1e-6)
    ahead = -(away @ velocity) / (distance * speed)
    sight = SIDE_SIGHT + (1.0 - SIDE_SIGHT) * (1.0 + ahead) / 2.0
    strength = REPULSION * sight * jnp.exp((radius + radii - distance) / REACH)
    strength = jnp.where(oneself | ~present, 0.0, jnp.minimum(strength, 8.0))
    # seen from the person, "away" turned clockwise is to the left of the other: keep right
    aside = jnp.stack([-away[:, 1], away[:, 0]], axis=-1)
    push = away + KEEP_RIGHT * jnp.maximum(ahead, 0.0)[:, None] * aside
    return jnp.sum((strength / distance)[:, None] * push, axis=0)


def _wall_push(scene: Scene, xy, radius) -> Float[Array, "2"]:
    """Away from the nearest wall, from central differences of the distance grid."""
    rows, columns = scene.distance.shape
    cell = jnp.round((xy - scene.origin) / scene.resolution).astype(jnp.int32)
    column, row = jnp.clip(cell[0], 1, columns - 2), jnp.clip(cell[1], 1, rows - 2)
    d = scene.distance
    slope = jnp.stack(
        [d[row, column + 1] - d[row, column - 1], d[row + 1, column] - d[row - 1, column]]
    )
    slope = slope / (2.0 * scene.resolution)
    return WALL_REPULSION * jnp.exp((radius - d[row, column]) / WALL_REACH) * slope
