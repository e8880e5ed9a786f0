"""The way to the goal from everywhere: a cost-to-go in seconds over the whole map. [host]

A floor plan and a goal come in; a ``RouteField`` goes out, finite everywhere so that the
local planner may sample it (with slopes) wherever a candidate strays: inside walls and in
places that cannot be reached it rises steeply away from the nearest reachable place.

V solves the eikonal equation |∇V| = 1/f by fast marching, so routes are any-angle smooth.
The speed f prefers the middle of corridors and doors.  Source: J. A. Sethian, A fast
marching level set method for monotonically advancing fronts (1996), as in scikit-fmm.
"""

import itertools
import math
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import skfmm
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.maps import HouseMap, Numbers
from astro_jax.types import RouteField, SmoothGrid

CRUISE = 0.9
"""Fraction of the top speed at which routes are timed: nobody drives flat out at home."""
PASSING_MARGIN = 0.04
"""Room beside the hull on either side, m."""
SLOWEST = 0.2
"""Fraction of the cruising speed right beside a wall."""
COMFORT = 0.4
"""Gap between hull and wall from which a wall no longer slows, m."""
WALL_STEEPNESS = 4.0
"""Slope of V inside walls, in units of the slope at cruising speed."""
EXACT_DISC = 4.0
"""Largest radius of the disc around the goal where V is set rather than marched, cells."""


def traversal_speed(
    blocked: Bool[np.ndarray, "H W"],
    resolution: float,
    inscribed_radius: float,
    nominal: float = 1.0,
    slowest: float = SLOWEST,
    comfort: float = COMFORT,
    factor: Float[np.ndarray, "H W"] | None = None,
) -> Float[np.ndarray, "H W"]:
    """Speed of a body's centre over the map, m/s; 0 where the body cannot be.

    A cell is shut where the wall's surface (half a cell before the centre of the nearest
    blocked cell) is nearer than ``inscribed_radius``; what lies off the map is a wall.
    Beyond, the speed grows smoothly from ``slowest``·``nominal`` to ``nominal`` at a gap of
    ``comfort`` metres; ``factor`` (of slow zones) multiplies it cell by cell.
    """
    clearance = wall_distance(blocked, resolution)
    gap = clearance - inscribed_radius
    closeness = np.clip(gap / comfort, 0.0, 1.0)
    preference = slowest + (1.0 - slowest) * closeness**2 * (3.0 - 2.0 * closeness)
    if factor is not None:
        preference = preference * factor
    # The tolerance keeps a gap of exactly zero open whatever the rounding.
    return np.where(gap > -1e-6, nominal * preference, 0.0)


def wall_distance(blocked: Bool[np.ndarray, "H W"], resolution: float) -> Float[np.ndarray, "H W"]:
    """Distance from each cell's centre to the nearest wall's surface, m (negative inside)."""
    walled = np.pad(blocked, 1, constant_values=True)
    cells = np.asarray(ndimage.distance_transform_edt(~walled))[1:-1, 1:-1]
    return (cells - 0.5) * resolution


def components(passable: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, "H W"]:
    """Number the parts that hang together edge to edge from 1 up; 0 is impassable."""
    labels = np.zeros(passable.shape, np.int32)
    ndimage.label(passable, output=labels)
    return labels


def passing_radius(robot: RobotConfig) -> float:
    """Half the width of the narrowest gap that the robot is sent through, m.

    The largest disc within the footprint, and room on either side for the errors of map
    and pose: a gap of the hull's own width is a way on paper only.
    """
    return 0.5 * min(robot.length, robot.width) + PASSING_MARGIN


def circumscribed_radius(robot: RobotConfig) -> float:
    """Radius of the smallest disc around the footprint, m."""
    return 0.5 * math.hypot(robot.length, robot.width)


def solve_field(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    goal_map: Numbers,
    robot: RobotConfig,
    slowest: float = SLOWEST,
    factor: Float[np.ndarray, "H W"] | None = None,
) -> RouteField:
    """Cost-to-go of this robot to the pose ``goal_map``, s.

    Args:
      house_map: where the cells lie.
      blocked: the cells to avoid, usually ``house_map.blocked`` plus closed doors.
      goal_map: (x, y, yaw), m and rad.
      robot: its passing radius inflates the walls, its speed gives the seconds.
      slowest: fraction of the speed beside walls; 1 gives shortest paths, not routes.
      factor: of the speed in each cell, as ``zones.speed_factor`` gives it.

    Raises:
      InputError: the goal is not finite, off the map or in a wall.
    """
    return disc_field(
        house_map,
        blocked,
        goal_map,
        radius=passing_radius(robot),
        approach=circumscribed_radius(robot),
        speed=CRUISE * robot.speed,
        slowest=slowest,
        factor=factor,
    )


def disc_field(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    goal_map: Numbers,
    *,
    radius: float,
    approach: float,
    speed: float,
    slowest: float = SLOWEST,
    factor: Float[np.ndarray, "H W"] | None = None,
) -> RouteField:
    """Cost-to-go of a disc of ``radius`` metres that cruises at ``speed`` m/s.

    Within ``approach`` metres of the goal the inflation does not count, so that a goal near
    a wall keeps its field: whether a footprint fits there is for ``check_query`` to say.

    Raises:
      InputError: the goal is not finite, off the map or in a wall.
    """
    goal = _pose("goal", goal_map)
    row, column = _free_cell(house_map, blocked, "goal", goal)
    resolution = house_map.resolution
    f = traversal_speed(blocked, resolution, radius, speed, slowest, factor=factor)
    f[_beside(blocked, row, column, approach / resolution) & (f == 0.0)] = slowest * speed

    V, reached = _march(f, resolution, (goal[:2] - house_map.origin) / resolution, row, column)
    V = _continue_into_walls(V, reached, resolution, WALL_STEEPNESS / speed)
    slope_y, slope_x = np.gradient(V, resolution)
    # Where two sides of a wall meet V jumps; its slope there must not dwarf all others.
    size = np.hypot(slope_x, slope_y)
    limit = np.minimum(1.0, WALL_STEEPNESS / speed / np.maximum(size, 1e-9))
    table = np.stack([V, slope_x * limit, slope_y * limit], axis=-1)
    return RouteField(
        cost_to_go=SmoothGrid(
            table=jnp.asarray(table, jnp.float32),
            origin=jnp.asarray(house_map.origin, jnp.float32),
            resolution=jnp.asarray(resolution, jnp.float32),
        ),
        goal_map=jnp.asarray(goal, jnp.float32),
    )


def _march(
    f: Float[np.ndarray, "H W"],
    resolution: float,
    goal_cells: Float[np.ndarray, "2"],
    row: int,
    column: int,
) -> tuple[Float[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """Travel time to the goal, s, and where it is known."""
    labels = components(f > 0.0)
    reached = labels == labels[row, column]
    # The front of a point source is too curved for differences, so V is exact in a disc
    # that stays clear of the walls (but always covers the goal's own cell).
    room = np.asarray(ndimage.distance_transform_edt(np.pad(reached, 1)))[row + 1, column + 1]
    disc = resolution * float(np.clip(room - 0.75, 1.0, EXACT_DISC))
    rows, columns = np.ogrid[: f.shape[0], : f.shape[1]]
    r = resolution * np.hypot(columns - goal_cells[0], rows - goal_cells[1])
    front = np.ma.MaskedArray(r - disc, ~reached)
    times = skfmm.travel_time(front, np.where(reached, f, 1.0), dx=resolution, order=2)
    times = np.ma.filled(times, np.inf)
    V = np.where(r < disc, r, times * f[row, column] + disc) / f[row, column]
    known = reached & np.isfinite(times)
    return np.where(known, V, 0.0), known


def _continue_into_walls(
    V: Float[np.ndarray, "H W"],
    reached: Bool[np.ndarray, "H W"],
    resolution: float,
    slope: float,
) -> Float[np.ndarray, "H W"]:
    nearest = np.empty((2, *V.shape), np.int32)
    distance = ndimage.distance_transform_edt(~reached, return_indices=True, indices=nearest)
    return V[nearest[0], nearest[1]] + slope * resolution * np.asarray(distance)


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
    start_pose, goal_pose = _pose("start", start), _pose("goal", goal)
    start_cell = _free_cell(house_map, blocked, "start", start_pose)
    goal_cell = _free_cell(house_map, blocked, "goal", goal_pose)
    for field, pose in (("start", start_pose), ("goal", goal_pose)):
        if _hits_wall(house_map, blocked, robot, pose):
            expected = f"a free place for a footprint of {robot.length} x {robot.width} m"
            raise InputError(field, _shown(pose), expected, house_map.name)

    f = traversal_speed(blocked, house_map.resolution, passing_radius(robot))
    reach = circumscribed_radius(robot) / house_map.resolution
    ends = [_beside(blocked, *cell, reach) for cell in (start_cell, goal_cell)]
    labels = components((f > 0.0) | ends[0] | ends[1])
    if labels[start_cell] != labels[goal_cell]:
        expected = f"a place that can be reached from {_shown(start_pose)}"
        raise UnreachableError("goal", _shown(goal_pose), expected, house_map.name)


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
    cell = _free_cell(house_map, blocked, "start", _pose("start", start))
    labels = components(traversal_speed(blocked, house_map.resolution, radius) > 0.0)
    return (labels == labels[cell]) & (labels > 0)


def guide_path(
    field: RouteField, start: Numbers, step: float = 0.05, max_len: float = 200.0
) -> Float[np.ndarray, "N 2"]:
    """Descend the field from ``start`` to the goal in steps of ``step`` metres.

    Its length (``path_length``) is what metrics call the shortest path.  It ends at the
    goal, or after ``max_len`` metres.

    Raises:
      UnreachableError: the descent ends in a pit; ``check_query`` would have said so.
    """
    points = list(_descent(field, np.asarray(start, np.float64)[:2], step, max_len))
    return np.asarray(points, np.float64)


def path_length(points: Float[np.ndarray, "N 2"]) -> float:
    """Length of a polyline, m."""
    return float(np.sum(np.hypot(*np.diff(points, axis=0).T)))


def _descent(
    field: RouteField, start: Float[np.ndarray, "2"], step: float, max_len: float
) -> Iterator[tuple[float, float]]:
    table = np.asarray(field.cost_to_go.table, np.float64)
    origin_x, origin_y = np.asarray(field.cost_to_go.origin, np.float64).tolist()
    resolution = float(field.cost_to_go.resolution)
    goal_x, goal_y, _ = np.asarray(field.goal_map, np.float64).tolist()

    def sample(x: float, y: float) -> Float[np.ndarray, "3"]:
        """Bilinear value and slopes."""
        column = min(max((x - origin_x) / resolution, 0.0), table.shape[1] - 1.001)
        row = min(max((y - origin_y) / resolution, 0.0), table.shape[0] - 1.001)
        j, i = int(column), int(row)
        u, v = column - j, row - i
        low = (1.0 - u) * table[i, j] + u * table[i, j + 1]
        high = (1.0 - u) * table[i + 1, j] + u * table[i + 1, j + 1]
        return (1.0 - v) * low + v * high

    def downhill(x: float, y: float) -> tuple[float, float]:
        _, slope_x, slope_y = sample(x, y)
        size = max(math.hypot(slope_x, slope_y), 1e-12)
        return -slope_x / size, -slope_y / size

    x, y = float(start[0]), float(start[1])
    yield x, y
    for _ in range(math.ceil(max_len / step)):
        remaining = math.hypot(goal_x - x, goal_y - y)
        if remaining <= max(step, resolution):
            if remaining > 0.0:
                yield goal_x, goal_y
            return
        dx, dy = downhill(x, y)
        dx, dy = downhill(x + 0.5 * step * dx, y + 0.5 * step * dy)
        here = sample(x, y)[0]
        if sample(x + step * dx, y + step * dy)[0] >= here:
            # On a ridge or in a notch of the grid the slope misleads: look around instead.
            turns = [math.tau * k / 32 for k in range(32)]
            rings = itertools.product((step, 2.0 * step), turns)
            moves = [(r * math.cos(a) / step, r * math.sin(a) / step) for r, a in rings]
            dx, dy = min(moves, key=lambda m: sample(x + step * m[0], y + step * m[1])[0])
            if sample(x + step * dx, y + step * dy)[0] >= here:
                place = (round(float(start[0]), 3), round(float(start[1]), 3))
                raise UnreachableError("start", place, "a place from which the goal is reachable")
        x, y = x + step * dx, y + step * dy
        yield x, y


def _pose(field: str, pose: Numbers) -> Float[np.ndarray, "3"]:
    try:
        values = np.asarray(pose, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(field, pose, "three numbers: x, y, yaw") from error
    if values.shape != (3,):
        raise InputError(field, pose, "three numbers: x, y, yaw")
    if not np.all(np.isfinite(values)):
        raise InputError(field, _shown(values), "a free place on the map, in finite numbers")
    return values


def _free_cell(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    field: str,
    pose: Float[np.ndarray, "3"],
) -> tuple[int, int]:
    row, column, inside = house_map.cell_of(pose[:2])
    if not inside:
        far = house_map.origin + house_map.resolution * np.subtract(blocked.shape[::-1], 1)
        expected = f"a free place on the map, {_shown(house_map.origin)} to {_shown(far)}"
        raise InputError(field, _shown(pose), expected, house_map.name)
    if blocked[row, column]:
        if blocked.all():
            found = "all unknown" if np.all(house_map.occupancy < 0) else "blocked everywhere"
            raise InputError("map", found, "some free place", house_map.name)
        raise InputError(field, _shown(pose), "a free place, not in a wall", house_map.name)
    return int(row), int(column)


def _shown(values: Numbers) -> tuple[float, ...]:
    return tuple(round(float(v), 3) for v in np.asarray(values))


def _beside(
    blocked: Bool[np.ndarray, "H W"], row: int, column: int, radius: float
) -> Bool[np.ndarray, "H W"]:
    """Free cells up to ``radius`` cells from a free one, joined to it within that disc."""
    rows, columns = np.ogrid[: blocked.shape[0], : blocked.shape[1]]
    near = ~blocked & (np.hypot(rows - row, columns - column) <= radius)
    labels = components(near)
    return near & (labels == labels[row, column])


def _hits_wall(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    robot: RobotConfig,
    pose: Float[np.ndarray, "3"],
) -> bool:
    """Whether a blocked cell's centre lies in the footprint, by more than the map resolves."""
    x, y = (house_map.xy_of(np.nonzero(blocked)) - pose[:2]).T
    along = np.abs(np.cos(pose[2]) * x + np.sin(pose[2]) * y)
    across = np.abs(np.cos(pose[2]) * y - np.sin(pose[2]) * x)
    length, width = robot.length - house_map.resolution, robot.width - house_map.resolution
    return bool(np.any((along < 0.5 * length) & (across < 0.5 * width)))
