"""What is in the way where there is none: the door or the place to name to a person.   [host]"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.descent import guide_path
from astro_jax.route.field import disc_field
from astro_jax.route.house import Door, HouseMap, Numbers
from astro_jax.route.speed import CRUISE, passing_radius, traversal_speed

SHUT, WALL = 0.1, 0.001
"""Speeds at which the robot passes in thought, as shares of the cruising speed, what is blocked
though the map shows it free, and what the map itself closes: doors before walls."""
AT_DOOR = 0.4
"""A place nearer than this to the line between a door's jambs is in that door, m."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blocker:
    """Where the way would be the shortest if walls could be passed, and is shut."""

    place: tuple[float, float]
    """In the house, m."""
    door: str | None = None
    """The door in which it lies."""


def blocker(
    house_map: HouseMap,
    robot: RobotConfig,
    start: Numbers,
    goal: Numbers,
    blocked: Bool[np.ndarray, "H W"],
    doors: Sequence[Door] = (),
) -> Blocker | None:
    """What to open or clear first to get from ``start`` to ``goal``; None if nothing is in the way.

    Raises:
      InputError: start or goal is no place on the map.
    """
    radius = passing_radius(robot)
    now, by_map = (
        traversal_speed(cells, house_map.resolution, radius)
        for cells in (blocked, house_map.blocked)
    )
    pass_at = np.where(now > 0.0, np.maximum(now, SHUT), np.where(by_map > 0.0, SHUT, WALL))
    nothing = np.zeros_like(blocked)
    field = disc_field(
        house_map,
        nothing,
        goal,
        radius=0.0,
        approach=0.0,
        speed=CRUISE * robot.speed,
        slowest=1.0,
        factor=pass_at,
    )
    try:
        way = guide_path(field, start)
    except UnreachableError as error:
        raise InputError("start", error.value, "a place on the map", house_map.name) from error
    row, column, inside = house_map.cell_of(way)
    shut = ~inside | blocked[row, column]
    # a place that is merely too narrow has a wall beside the way, not on it
    shut = shut if shut.any() else ~inside | (now[row, column] <= 0.0)
    if not shut.any():
        return None
    x, y = (float(v) for v in way[int(np.argmax(shut))])
    near = [door for door in doors if _from_line((x, y), door.jambs) < AT_DOOR]
    near.sort(key=lambda door: _from_line((x, y), door.jambs))
    return Blocker(place=(x, y), door=near[0].name if near else None)


def _from_line(point: tuple[float, float], ends: np.ndarray) -> float:
    along = ends[1] - ends[0]
    share = np.dot(np.asarray(point) - ends[0], along) / max(float(np.dot(along, along)), 1e-12)
    return float(np.linalg.norm(ends[0] + np.clip(share, 0.0, 1.0) * along - point))
