"""A world for a single call of the planner: everything known, nothing late.        [host]"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from astro_jax.body.announce import anything
from astro_jax.config import PlannerConfig, PlannerParams
from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap
from astro_jax.types import Grid, Tracks, WorldAtEffect
from astro_jax.world.distance import clearance_field
from astro_jax.world.forecast import forecast
from astro_jax.world.grid import blank_map, occupied
from astro_jax.world.people import DETECTION_VAR, no_tracks
from astro_jax.world.prior import prior_from_occupancy

VELOCITY_VAR = 0.15**2
"""What a tracker that has settled knows of a walker's velocity, per axis, m²/s²."""


def known_world(
    config: PlannerConfig,
    params: PlannerParams,
    house_map: HouseMap,
    pose_map: npt.ArrayLike,
    command: npt.ArrayLike = (0.0, 0.0),
    people: Sequence[tuple[float, float, float, float]] = (),
) -> WorldAtEffect:
    """The robot at ``pose_map`` on a map it trusts, among people (x, y, vx, vy) in m, m/s.

    Raises:
      InputError: a number is not finite, or there are more people than ``config.people``.
    """
    pose, motion = np.asarray(pose_map, np.float32), np.asarray(command, np.float32)
    states = np.asarray(people, np.float32).reshape(-1, 4)
    for field, value in (("pose_map", pose), ("command", motion), ("people", states)):
        if not np.all(np.isfinite(value)):
            raise InputError(field, value.tolist(), "finite numbers")
    if len(states) > config.people:
        raise InputError("people", len(states), f"at most {config.people}")
    return _maker(config)(
        params,
        np.asarray(house_map.occupancy),
        np.asarray(house_map.origin, np.float32),
        np.float32(house_map.resolution),
        pose,
        motion,
        _tracks(states, config.people),
    )


@functools.lru_cache(maxsize=8)
def _maker(config: PlannerConfig) -> Callable[..., WorldAtEffect]:
    """Compiled once: who drives step by step asks for a world in every one."""

    def make(params, occupancy, origin, resolution, pose, command, tracks) -> WorldAtEffect:
        prior = prior_from_occupancy(occupancy)
        house = Grid(values=prior, origin=origin, resolution=resolution)
        local = blank_map(config, house, pose[:2])
        times = config.dt * jnp.arange(0, config.times, config.people_stride, dtype=jnp.float32)
        return WorldAtEffect(
            pose_map=pose,
            command=command,
            command_dot=jnp.zeros_like(command),
            clearance=clearance_field(occupied(local), local.grid, config.clearance_cells),
            forecast=forecast(tracks, params, jnp.float32(0.0), times),
            announced=anything(config),
        )

    return jax.jit(make)


def _tracks(states: np.ndarray, capacity: int) -> Tracks:
    padded = np.zeros((capacity, 4), np.float32)
    padded[: len(states)] = states
    return dataclasses.replace(
        no_tracks(capacity),
        xy_map=jnp.asarray(padded[:, :2]),
        velocity_map=jnp.asarray(padded[:, 2:]),
        xy_var=jnp.full(capacity, DETECTION_VAR, jnp.float32),
        velocity_var=jnp.full(capacity, VELOCITY_VAR, jnp.float32),
        valid=jnp.arange(capacity) < len(states),
    )
