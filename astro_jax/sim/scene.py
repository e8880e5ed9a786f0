"""What is true in a simulated home, and what the robot is told about it."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy import ndimage

from astro_jax.types import Grid, Kind, pytree
from astro_jax.world.prior import prior_from_occupancy

REACHED = (0.20, 0.30, 0.05)
"""Where an errand ends, unless a scene has another rule: m, rad, m/s."""
ELBOW_ROOM = 1.5
"""Metres between the robot and people at the start."""


@pytree
class Scene:
    """One home with its people. Sizes are shared by all scenes of a batch."""

    blocked: Bool[Array, "*batch H W"]
    """The truth, closed doors included."""
    distance: Float[Array, "*batch H W"]
    """Metres from each cell's centre to the nearest blocked cell's centre."""
    origin: Float[Array, "*batch 2"]
    resolution: Float[Array, "*batch"]
    house: Grid
    """Log-odds of the map that the robot was given."""
    start_map: Float[Array, "*batch 3"]
    goal_map: Float[Array, "*batch 3"]
    path_map: Float[Array, "*batch M P 2"]
    """Where each person walks to and fro, a point every ``path_spacing``."""
    path_length: Int[Array, "*batch M"]
    path_spacing: Float[Array, "*batch"]
    walk_start: Float[Array, "*batch M"]
    """Share of the path walked at the start, 0 … 1."""
    walk_speed: Float[Array, "*batch M"]
    present: Bool[Array, "*batch M"]
    radius: Float[Array, "*batch M"]
    kind: Int[Array, "*batch M"]
    """A ``Kind`` per body."""
    miss_rate: Float[Array, "*batch"]
    """Share of the people in sight whom the detector overlooks, frame by frame."""
    ghost_rate: Float[Array, "*batch"]
    """Share of the detector's frames in which it also reports somebody who is not there."""
    recorded_map: Float[Array, "*batch M S 2"] | None = None
    """Positions of people who see nobody, every ``recorded_spacing`` seconds, instead of walks."""
    recorded_spacing: float | Float[Array, "*batch"] = 0.25
    reached: tuple[float, float, float] | Float[Array, "*batch 3"] = REACHED
    """How near to the goal counts as there: m, rad, m/s."""
    localised: bool | Bool[Array, "*batch"] = True
    """Whether anything but its odometry tells the robot where in the house it is."""
    detector_noise: float | Float[Array, "*batch"] = 1.0
    """Of the places of people, over the usual one; 0: they are known exactly."""
    cell: float = dataclasses.field(default=0.05, metadata={"static": True})
    """What ``resolution`` is, for the sizes of windows; no cell of a batch is smaller, m."""


def make_scene(
    occupancy: Int[np.ndarray, "H W"],
    blocked: Bool[np.ndarray, "H W"],
    origin: Float[np.ndarray, "2"],
    resolution: float,
    start: Float[np.ndarray, "3"],
    goal: Float[np.ndarray, "3"],
    paths: Float[np.ndarray, "n P 2"],
    lengths: Int[np.ndarray, "n"],
    spacing: float,
    capacity: int,
    seed: int,
) -> Scene:
    """Assemble a scene with ``n`` ≤ ``capacity`` people at random speeds and phases. [host]

    ``occupancy`` is what the robot is told, ``blocked`` what is true.  Nobody starts within
    ``ELBOW_ROOM`` of the robot, if their walk allows it.
    """
    count, capacity_points = paths.shape[:2]
    random = np.random.default_rng(seed)
    path = np.zeros((capacity, capacity_points, 2), np.float32)
    path[:count] = paths
    length = np.full(capacity, 2, np.int32)
    length[:count] = lengths
    phases = np.zeros(capacity)
    for k in range(count):
        draws = random.uniform(0.0, 1.0, 32)
        points = paths[k, np.round(draws * (lengths[k] - 1)).astype(int)]
        room = np.hypot(*(points - np.asarray(start)[None, :2]).T)
        phases[k] = draws[np.argmax(room > min(ELBOW_ROOM, room.max() - 1e-6))]
    walled = np.pad(blocked, 1, constant_values=True)
    distance = np.asarray(ndimage.distance_transform_edt(~walled))
    return Scene(
        blocked=jnp.asarray(blocked),
        distance=jnp.asarray(distance[1:-1, 1:-1] * resolution, jnp.float32),
        origin=jnp.asarray(origin, jnp.float32),
        resolution=jnp.float32(resolution),
        house=Grid(
            values=prior_from_occupancy(jnp.asarray(occupancy)),
            origin=jnp.asarray(origin, jnp.float32),
            resolution=jnp.float32(resolution),
        ),
        start_map=jnp.asarray(start, jnp.float32),
        goal_map=jnp.asarray(goal, jnp.float32),
        path_map=jnp.asarray(path),
        path_length=jnp.asarray(length),
        path_spacing=jnp.float32(spacing),
        walk_start=jnp.asarray(phases, jnp.float32),
        walk_speed=jnp.asarray(random.uniform(0.5, 1.1, capacity), jnp.float32),
        present=jnp.arange(capacity) < count,
        radius=jnp.full(capacity, 0.22, jnp.float32),
        kind=jnp.full(capacity, int(Kind.PERSON), jnp.int32),
        miss_rate=jnp.float32(0.0),
        ghost_rate=jnp.float32(0.0),
    )
