"""The robot's own map of what is near, so that what passed out of sight is not forgotten.

The same code as in the navigator, on a smaller grid.  The house map that it starts from shows an
empty floor: all that stands in an ambush is new.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.types import Clearance, Grid, LocalMap, Scan, Tracks
from astro_jax.world.distance import clearance_field
from astro_jax.world.grid import blank_map, occupied, update_map
from astro_jax.world.prior import prior_from_occupancy

CELLS = 48
"""Cells per side: 2.4 m at .05 m, the gate's own window and a little more."""
FLOOR = 60
"""Half the side of the floor, m: an ambush is nowhere near its edge."""


def start_map(config: PlannerConfig, start: Float[Array, "3"]) -> LocalMap:
    """Nothing seen yet."""
    return blank_map(_smaller(config), _floor(), start[:2])


def see(
    robot: RobotConfig,
    config: PlannerConfig,
    near: LocalMap,
    scan: Scan,
    tracks: Tracks,
    here: Float[Array, "2"],
) -> LocalMap:
    """With one more scan in it; people are left out."""
    smaller = _smaller(config)
    return update_map(robot, smaller, near, _floor(), jnp.zeros(3), scan, tracks, here)


def clearance_of(config: PlannerConfig, near: LocalMap) -> Clearance:
    """Distances to what the map knows."""
    return clearance_field(occupied(near), near.grid, config.clearance_cells, near.edge)


def _smaller(config: PlannerConfig) -> PlannerConfig:
    return dataclasses.replace(config, map_cells=CELLS)


def _floor() -> Grid:
    empty = np.zeros((2 * FLOOR + 1, 2 * FLOOR + 1), np.int32)
    return Grid(
        values=prior_from_occupancy(jnp.asarray(empty)),
        origin=jnp.full(2, -float(FLOOR)),
        resolution=jnp.float32(1.0),
    )
