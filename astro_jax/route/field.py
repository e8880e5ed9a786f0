"""The way to the goal from everywhere: a cost-to-go in seconds over the whole map. [host]

A floor plan and a goal come in; a ``RouteField`` goes out, finite everywhere so that the
local planner may sample it (with slopes) wherever a candidate strays.  A ``Search`` also
keeps what the field was made from: when a door closes, ``search_again`` mends what depends
on it and leaves the rest.

V solves the eikonal equation |∇V| = 1/f (``march``), so routes are any-angle smooth.  The
speed f prefers the middle of corridors and doors (``speed``).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8

from astro_jax.config import RobotConfig
from astro_jax.route.descent import guide_path, path_length
from astro_jax.route.distance import nearest_again, nearest_marked
from astro_jax.route.goals import EXACT_DISC, Goal, Goals, free_goals, goals_of, seeds
from astro_jax.route.house import HouseMap
from astro_jax.route.march import NOBODY, SEED, march, repair
from astro_jax.route.query import beside, check_query, reachable
from astro_jax.route.speed import (
    CRUISE,
    PASSING_MARGIN,
    SLOWEST,
    cells_of_influence,
    circumscribed_radius,
    components,
    passing_radius,
    slowness,
    traversal_speed,
    wall_distance,
)
from astro_jax.route.surface import Found, mended, surface
from astro_jax.types import RouteField, SmoothGrid

__all__ = [
    "CRUISE",
    "PASSING_MARGIN",
    "Body",
    "Search",
    "body_of",
    "check_query",
    "circumscribed_radius",
    "components",
    "disc_field",
    "guide_path",
    "passing_radius",
    "path_length",
    "reachable",
    "search",
    "search_again",
    "solve_field",
    "traversal_speed",
    "wall_distance",
]

WALL_STEEPNESS = 4.0
"""Slope of V inside walls, in units of the slope at cruising speed."""
FRESH_SHARE = 0.25
"""Share of the map within the frame of a change above which everything is searched anew."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Body:
    """What of a robot or a person counts on the way."""

    radius: float
    """Room that it needs beside it, m."""
    approach: float
    """Within this of a goal the room does not count, m: ``check_query`` says what fits there."""
    speed: float
    """At which it cruises, m/s."""
    slowest: float = SLOWEST
    """Fraction of the speed beside walls; 1 gives shortest paths, not routes."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """A field and what it was made from.  Costs are in cells at cruising speed."""

    field: RouteField
    house_map: HouseMap
    body: Body
    goals: Goals
    """As asked for."""
    free: Goals
    """Those that were free: from their cells the wave started."""
    blocked: Bool[np.ndarray, "H W"]
    factor: Float[np.ndarray, "H W"] | None
    slowness: Float32[np.ndarray, "h w"]
    """Cost of a cell, infinite where shut; as all of size h × w with a rim of one shut cell."""
    owed: UInt8[np.ndarray, "h w"]
    found: Found
    renewed: int
    """Cells that had to be settled anew: all with a value, or those that a change touched."""

    def reached(self, row: int, column: int) -> bool:
        """Whether there is a way from a free cell, or from one that the robot can pass to."""
        reach = self.body.approach / self.house_map.resolution
        window, disc = beside(self.blocked, row, column, reach)
        known = np.isfinite(self.found.values)
        rows, columns = (k + w.start + 1 for k, w in zip(np.nonzero(disc), window, strict=True))
        steps = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
        return any(bool(known[rows + i, columns + j].any()) for i, j in steps)


def solve_field(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    goal_map: Goal,
    robot: RobotConfig,
    slowest: float = SLOWEST,
    factor: Float[np.ndarray, "H W"] | None = None,
) -> RouteField:
    """Cost-to-go of this robot to the goal, s.

    Args:
      house_map: where the cells lie.
      blocked: the cells to avoid, usually ``house_map.blocked`` plus closed doors.
      goal_map: (x, y, yaw), m and rad; or several such poses, of which the nearest by the
        field counts; or a mask of cells, each of which will do.  The field's own ``goal_map``
        is then the first pose, or the roomiest cell's.
      robot: its passing radius inflates the walls, its speed gives the seconds.
      slowest: fraction of the speed beside walls; 1 gives shortest paths, not routes.
      factor: of the speed in each cell, above 0, for example of slow zones.

    Raises:
      InputError: the goal is not finite, off the map or in a wall.
    """
    return search(house_map, blocked, goal_map, body_of(robot, slowest), factor).field


def disc_field(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    goal_map: Goal,
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
    body = Body(radius=radius, approach=approach, speed=speed, slowest=slowest)
    return search(house_map, blocked, goal_map, body, factor).field


def body_of(robot: RobotConfig, slowest: float = SLOWEST) -> Body:
    """What of a robot counts on the way."""
    return Body(
        radius=passing_radius(robot),
        approach=circumscribed_radius(robot),
        speed=CRUISE * robot.speed,
        slowest=slowest,
    )


def search(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    goal_map: Goal,
    body: Body,
    factor: Float[np.ndarray, "H W"] | None = None,
) -> Search:
    """The field of ``solve_field`` for any body, and what it takes to mend it.

    Raises:
      InputError: the goal is not finite, off the map or in a wall.
    """
    return _search(house_map, blocked, goals_of(house_map, goal_map), body, factor)


def search_again(before: Search, blocked: Bool[np.ndarray, "H W"]) -> Search:
    """What a new search finds with these cells blocked, for less.

    Only what is owed to a changed cell is settled anew, and what can now be had for less.  A
    change at a goal, or all over the map, takes a new search.

    Raises:
      InputError: no goal is free any more.
    """
    changed = np.nonzero(before.blocked != blocked)
    if len(changed[0]) == 0:
        return before
    resolution, body = before.house_map.resolution, before.body
    reach = cells_of_influence(resolution, body.radius)
    inner = _frame(changed, reach, blocked.shape)
    if _at_goal(before, inner) or _share(inner, blocked.shape) > FRESH_SHARE:
        return _search(before.house_map, blocked, before.goals, body, before.factor)

    # What lies beyond the outer frame is taken for a wall, too far from the inner one to count.
    outer = _frame(changed, 2 * reach, blocked.shape)
    factor = None if before.factor is None else before.factor[outer]
    part = slowness(blocked[outer], resolution, body.radius, body.slowest, factor)
    rim = tuple(slice(i.start + 1, i.stop + 1) for i in inner)
    cut = tuple(
        slice(i.start - o.start + 1, i.stop - o.start + 1)
        for i, o in zip(inner, outer, strict=True)
    )
    costs = before.slowness.copy()
    different = costs[rim] != part[cut]
    costs[rim] = part[cut]
    rows, columns = (k + r.start for k, r in zip(np.nonzero(different), rim, strict=True))
    values, owed = before.found.values.copy(), before.owed.copy()
    stride = costs.shape[1]
    flat = (values.reshape(-1), owed.reshape(-1), costs.reshape(-1))
    renewed, spans = repair(*flat, rows * stride + columns, stride, _bounds(body, before.factor))

    closest = before.found[1:]
    window = _reach_changed(before.found.values, values, spans)
    if window is not None:
        known = np.isfinite(values[1:-1, 1:-1])
        closest = nearest_again(known, closest, window, margin=2 * reach)
    found = Found(values, *closest)
    grid = before.field.cost_to_go
    table = np.asarray(grid.table)
    table = mended(table, before.found, found, *_measures(resolution, body), spans)
    cost_to_go = dataclasses.replace(grid, table=jnp.asarray(table))
    return dataclasses.replace(
        before,
        field=dataclasses.replace(before.field, cost_to_go=cost_to_go),
        blocked=blocked.copy(),
        slowness=costs,
        found=found,
        owed=owed,
        renewed=renewed,
    )


def _search(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    goals: Goals,
    body: Body,
    factor: Float[np.ndarray, "H W"] | None,
) -> Search:
    resolution = house_map.resolution
    free = free_goals(house_map, blocked, goals, inside=body.approach)
    costs = slowness(blocked, resolution, body.radius, body.slowest, factor)
    for cell in free.cells if free.region is None else ():
        window, disc = beside(blocked, *cell, body.approach / resolution)
        part = costs[1:-1, 1:-1][window]
        part[disc & np.isinf(part)] = 1.0 / body.slowest

    values = np.full(costs.shape, np.inf)
    owed = np.full(costs.shape, NOBODY, np.uint8)
    index, cost = seeds(house_map, free, costs)
    values.reshape(-1)[index] = cost
    owed.reshape(-1)[index] = SEED
    flat = (values.reshape(-1), owed.reshape(-1), costs.reshape(-1))
    march(*flat, index, costs.shape[1], _bounds(body, factor))

    known = np.isfinite(values[1:-1, 1:-1])
    found = Found(values, *nearest_marked(known))
    table = surface(found, *_measures(resolution, body))
    small = (house_map.origin, np.array(resolution), free.poses[0])
    origin, edge, pose = jax.device_put([np.asarray(k, np.float32) for k in small])
    return Search(
        field=RouteField(
            cost_to_go=SmoothGrid(
                table=jnp.asarray(table),
                origin=origin,
                resolution=edge,
            ),
            goal_map=pose,
        ),
        house_map=house_map,
        body=body,
        goals=goals,
        free=free,
        blocked=blocked.copy(),  # the caller's may change
        factor=factor,
        slowness=costs,
        found=found,
        owed=owed,
        renewed=int(np.count_nonzero(known)),
    )


def _bounds(body: Body, factor: Float[np.ndarray, "H W"] | None) -> tuple[float, float]:
    """Between which all finite costs of cells lie."""
    fastest, slowest = (1.0, 1.0) if factor is None else (factor.max(), factor.min())
    return 1.0 / max(1.0, float(fastest)), 1.0 / (body.slowest * min(1.0, float(slowest)))


def _measures(resolution: float, body: Body) -> tuple[float, float, float]:
    """Seconds per cell at cruising speed, edge of a cell (m), steepest slope (s/m)."""
    return resolution / body.speed, resolution, WALL_STEEPNESS / body.speed


def _reach_changed(
    before: Float64[np.ndarray, "h w"],
    after: Float64[np.ndarray, "h w"],
    spans: Int64[np.ndarray, "h 2"],
) -> tuple[slice, slice] | None:
    """The part of the map (without its rim) where cells got or lost a value, if there is one."""
    rows = np.flatnonzero(spans[:, 1] >= 0)
    if not len(rows):
        return None
    top, left = int(rows[0]), int(spans[rows, 0].min())
    part = (slice(top, int(rows[-1]) + 1), slice(left, int(spans[rows, 1].max()) + 1))
    differs = np.nonzero(np.isfinite(before[part]) != np.isfinite(after[part]))
    if not len(differs[0]):
        return None
    rows, columns = differs[0] + top - 1, differs[1] + left - 1
    return (
        slice(int(rows.min()), int(rows.max()) + 1),
        slice(int(columns.min()), int(columns.max()) + 1),
    )


def _frame(
    cells: tuple[Int64[np.ndarray, "K"], ...], margin: int, shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """The part of the map that holds these cells, with a margin."""
    rows, columns = cells
    return (
        slice(max(int(rows.min()) - margin, 0), min(int(rows.max()) + margin + 1, shape[0])),
        slice(max(int(columns.min()) - margin, 0), min(int(columns.max()) + margin + 1, shape[1])),
    )


def _share(frame: tuple[slice, slice], shape: tuple[int, ...]) -> float:
    rows, columns = frame
    return (rows.stop - rows.start) * (columns.stop - columns.start) / (shape[0] * shape[1])


def _at_goal(before: Search, frame: tuple[slice, slice]) -> bool:
    """Whether a change within the frame may touch the cells that the wave starts from."""
    if before.goals.region is not None:
        return bool(before.goals.region[frame].any())
    margin = before.body.approach / before.house_map.resolution + EXACT_DISC + 2.0
    rows, columns = frame
    return any(
        rows.start - margin <= row < rows.stop + margin
        and columns.start - margin <= column < columns.stop + margin
        for row, column in before.goals.cells
    )
