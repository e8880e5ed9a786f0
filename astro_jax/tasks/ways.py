"""Routes that end at somebody: how far along the way, and how fast the end walks off.  [host]"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.errors import UnreachableError
from astro_jax.route.field import guide_path
from astro_jax.route.planner import Route
from astro_jax.route.speed import CRUISE
from astro_jax.types import Leash, RouteField

TIGHT = -10.0
"""Length of a leash that does not count: the goal is the place itself, s."""
LOOK = 2.0
"""Over so much time the goal's own walk is looked at, s."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Way:
    """From the robot to a goal."""

    points: Float[np.ndarray, "N 2"]
    """From the robot on, house, m."""
    to_end: Float[np.ndarray, "N"]
    """Way left at each, m."""
    seconds: Float[np.ndarray, "N"]
    """Cost-to-go at each, s."""

    def cost_at(self, distance: float, speed: float) -> float:
        """Cost-to-go ``distance`` metres of way before the end, s."""
        if self.to_end[0] < 0.05:
            return distance / (CRUISE * speed)
        if distance > self.to_end[0]:
            return float(self.seconds[0]) * distance / float(self.to_end[0])
        return float(np.interp(distance, self.to_end[::-1], self.seconds[::-1]))

    def point_at(self, seconds: float) -> Float[np.ndarray, "2"]:
        """The place on the way from where it takes so long (or its beginning)."""
        return np.array([np.interp(seconds, self.seconds[::-1], c[::-1]) for c in self.points.T])


def way_of(route: Route, pose: Float[np.ndarray, "3"]) -> Way:
    """The way that the route's field shows from a pose."""
    try:
        points = np.asarray(guide_path(route.field, pose), np.float64)
    except UnreachableError:  # the pose lies between walls
        points = np.asarray(pose, np.float64)[None, :2]
    steps = np.hypot(*np.diff(points, axis=0).T) if len(points) > 1 else np.empty(0)
    to_end = np.concatenate([np.cumsum(steps[::-1])[::-1], [0.0]])
    seconds = np.minimum.accumulate(costs_to_go(route.field, points))
    return Way(points=points, to_end=to_end, seconds=seconds)


def costs_to_go(field: RouteField, xy: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N"]:
    """By the tangent plane of the nearest cell, s."""
    grid = field.cost_to_go
    table, origin = np.asarray(grid.table), np.asarray(grid.origin, np.float64)
    resolution = float(grid.resolution)
    cell = np.rint((xy - origin) / resolution)
    cell = np.clip(cell, 0, np.array(table.shape[1::-1]) - 1)
    off = xy - (origin + cell * resolution)
    column, row = cell.astype(int).T
    value, slope_x, slope_y = table[row, column].T
    return np.maximum(value + slope_x * off[:, 0] + slope_y * off[:, 1], 0.0)


def steeper(field: RouteField, factor: float) -> RouteField:
    """The same way, every second of which counts ``factor`` times."""
    grid = field.cost_to_go
    table = factor * np.asarray(grid.table)
    return dataclasses.replace(
        field, cost_to_go=dataclasses.replace(grid, table=jnp.asarray(table, jnp.float32))
    )


def leashed(
    field: RouteField,
    goal: Float[np.ndarray, "3"] | None = None,
    length: float = TIGHT,
    receding: float = 0.0,
) -> RouteField:
    """The field with a leash, and with the pose that is driven to at the moment."""
    leash = Leash(length=jnp.float32(length), receding=jnp.float32(receding))
    pose = field.goal_map if goal is None else jnp.asarray(goal, jnp.float32)
    return dataclasses.replace(field, goal_map=pose, leash=leash)
