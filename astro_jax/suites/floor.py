"""Open floors with recorded people: what several suites are made of.                [host]"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from astro_jax.route.house import HouseMap
from astro_jax.sim.scene import Scene, make_scene

FAR = 1e3
"""Where bodies are that are not there, m."""


def floor_of(
    low: tuple[float, float],
    high: tuple[float, float],
    cell: float,
    name: str,
    things: Bool[np.ndarray, "H W"] | None = None,
) -> HouseMap:
    """A floor between two corners (m) with a wall around it, and whatever else is blocked."""
    columns, rows = (round((h - l) / cell) for l, h in zip(low, high, strict=True))
    blocked = np.zeros((rows, columns), bool) if things is None else things.copy()
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    return HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=cell,
        origin=np.asarray(low, np.float64) + 0.5 * cell,
        name=name,
    )


def recorded_scene(
    house: HouseMap,
    start: Float[np.ndarray, "3"],
    goal: Float[np.ndarray, "3"],
    walks: Float[np.ndarray, "n S 2"],
    spacing: float,
    radius: float,
    capacity: int,
) -> Scene:
    """People who walk as recorded, a place every ``spacing`` s, and see nobody."""
    count, samples = walks.shape[:2]
    scene = make_scene(
        house.occupancy,
        house.blocked,
        house.origin,
        house.resolution,
        start,
        goal,
        np.zeros((0, 2, 2)),
        np.zeros(0, np.int32),
        0.1,
        capacity,
        0,
    )
    recorded = np.full((capacity, samples, 2), FAR, np.float32)
    recorded[:count] = walks
    return dataclasses.replace(
        scene,
        present=jnp.arange(capacity) < count,
        recorded_map=jnp.asarray(recorded),
        recorded_spacing=jnp.float32(spacing),
        radius=jnp.full(capacity, radius, jnp.float32),
        cell=house.resolution,
    )
