"""Questions of the way that have no answer, told apart before a field is spent on them. [host]

Poses come in; cells, or an ``InputError`` that says what is wrong with them, go out.
"""

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.house import HouseMap, Numbers
from astro_jax.route.speed import (
    circumscribed_radius,
    components,
    passing_radius,
    traversal_speed,
)


def check_query(
    house_map: HouseMap,
    robot: RobotConfig,
    start: Numbers,
    goal: Numbers,
    blocked: Bool[np.ndarray, "H W"] | None = None,
) -> None:
    """Refuse a question that has no answer, before a field is spent on it.

    Both poses must be finite, on the map, and with the whole footprint off the walls; they
    may be so close to a wall that the robot could not turn there.

    Args:
      house_map: the floor plan.
      robot: its footprint at either end, its passing radius between them.
      start: (x, y, yaw), m and rad.
      goal: (x, y, yaw), m and rad.
      blocked: instead of ``house_map.blocked``, for example with doors closed.

    Raises:
      InputError: ``start`` or ``goal`` is unusable.
      UnreachableError: both are fine, but there is no way between them.
    """
    blocked = house_map.blocked if blocked is None else blocked
    start_cell = standing(house_map, robot, "start", start, blocked)
    goal_cell = standing(house_map, robot, "goal", goal, blocked)
    open_cells = traversal_speed(blocked, house_map.resolution, passing_radius(robot)) > 0.0
    reach = circumscribed_radius(robot) / house_map.resolution
    for cell in (start_cell, goal_cell):
        around, disc = beside(blocked, *cell, reach)
        open_cells[around] |= disc
    labels = components(open_cells)
    if labels[start_cell] != labels[goal_cell]:
        raise unreachable(house_map, start, goal)


def unreachable(house_map: HouseMap, start: Numbers, goal: Numbers) -> UnreachableError:
    """What to raise where both ends are fine but there is no way between them."""
    expected = f"a place that can be reached from {shown(start)}"
    return UnreachableError("goal", shown(goal), expected, house_map.name)


def standing(
    house_map: HouseMap,
    robot: RobotConfig,
    field: str,
    pose: Numbers,
    blocked: Bool[np.ndarray, "H W"],
) -> tuple[int, int]:
    """The cell of a pose in which the robot can stand.

    Raises:
      InputError: not three finite numbers, off the map, or with the footprint in a wall.
    """
    place = pose_of(field, pose)
    cell = free_cell(house_map, blocked, field, place)
    if hits_wall(house_map, blocked, robot, place):
        expected = f"a free place for a footprint of {robot.length} x {robot.width} m"
        raise InputError(field, shown(place), expected, house_map.name)
    return cell


def reachable(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    start: Numbers,
    radius: float,
) -> Bool[np.ndarray, "H W"]:
    """Where the centre of a disc of ``radius`` metres can get to from ``start``.

    Nowhere if the disc does not fit at ``start`` itself.

    Raises:
      InputError: ``start`` is not finite, off the map or in a wall.
    """
    cell = free_cell(house_map, blocked, "start", pose_of("start", start))
    labels = components(traversal_speed(blocked, house_map.resolution, radius) > 0.0)
    return (labels == labels[cell]) & (labels > 0)


def pose_of(field: str, pose: Numbers) -> Float[np.ndarray, "3"]:
    """Three finite numbers.

    Raises:
      InputError: they are not.
    """
    try:
        values = np.asarray(pose, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(field, pose, "three numbers: x, y, yaw") from error
    if values.shape != (3,):
        raise InputError(field, pose, "three numbers: x, y, yaw")
    if not np.all(np.isfinite(values)):
        raise InputError(field, shown(values), "a free place on the map, in finite numbers")
    return values


def free_cell(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    field: str,
    pose: Float[np.ndarray, "3"],
) -> tuple[int, int]:
    """Row and column of a pose.

    Raises:
      InputError: it is off the map or in a wall.
    """
    row, column, inside = house_map.cell_of(pose[:2])
    if not inside:
        far = house_map.origin + house_map.resolution * np.subtract(blocked.shape[::-1], 1)
        expected = f"a free place on the map, {shown(house_map.origin)} to {shown(far)}"
        raise InputError(field, shown(pose), expected, house_map.name)
    if blocked[row, column]:
        if blocked.all():
            found = "all unknown" if np.all(house_map.occupancy < 0) else "blocked everywhere"
            raise InputError("map", found, "some free place", house_map.name)
        raise InputError(field, shown(pose), "a free place, not in a wall", house_map.name)
    return int(row), int(column)


def shown(values: Numbers) -> tuple[float, ...]:
    """A pose as messages show it."""
    return tuple(round(float(v), 3) for v in np.asarray(values))


def beside(
    blocked: Bool[np.ndarray, "H W"], row: int, column: int, radius: float
) -> tuple[tuple[slice, slice], Bool[np.ndarray, "h w"]]:
    """Free cells up to ``radius`` cells from a free one, joined to it within that disc.

    As a window of the map and a mask of that window.
    """
    window = around(blocked.shape, row, column, radius)
    rows, columns = np.ogrid[window]
    near = ~blocked[window] & (np.hypot(rows - row, columns - column) <= radius)
    labels = components(near)
    own = labels[row - window[0].start, column - window[1].start]
    return window, near & (labels == own)


def around(shape: tuple[int, ...], row: int, column: int, radius: float) -> tuple[slice, slice]:
    """The part of a grid that holds all cells within ``radius`` cells."""
    reach = int(radius) + 1
    return (
        slice(max(row - reach, 0), min(row + reach + 1, shape[0])),
        slice(max(column - reach, 0), min(column + reach + 1, shape[1])),
    )


def hits_wall(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    robot: RobotConfig,
    pose: Float[np.ndarray, "3"],
) -> bool:
    """Whether a blocked cell's centre lies in the footprint, by more than the map resolves."""
    row, column, _ = house_map.cell_of(pose[:2])
    reach = circumscribed_radius(robot) / house_map.resolution + 1.0
    window = around(blocked.shape, int(row), int(column), reach)
    rows, columns = np.nonzero(blocked[window])
    cells = (rows + window[0].start, columns + window[1].start)
    x, y = (house_map.xy_of(cells) - pose[:2]).T
    along = np.abs(np.cos(pose[2]) * x + np.sin(pose[2]) * y)
    across = np.abs(np.cos(pose[2]) * y - np.sin(pose[2]) * x)
    length, width = robot.length - house_map.resolution, robot.width - house_map.resolution
    return bool(np.any((along < 0.5 * length) & (across < 0.5 * width)))
