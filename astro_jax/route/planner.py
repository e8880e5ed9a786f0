"""The route layer on demand: solve once, then again when the map proves wrong.     [host]

In: the house map, a goal, and now and then the robot's local map.  Out: a ``Route`` whose
field the local planner follows.  What the robot has seen blocked is remembered until it
is seen free again, so a closed door stays closed behind the robot's back.

A goal may be a pose, several poses of which the nearest will do, or a region (a mask of the
map's cells).  The local planner drives to one pose: the one that is nearest by the field from
where the robot is, or where the way enters the region; it is chosen anew with every search.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import (
    Search,
    body_of,
    check_query,
    guide_path,
    search,
    search_again,
)
from astro_jax.route.goals import Goal, goals_of
from astro_jax.route.house import HouseMap, Numbers
from astro_jax.route.query import beside, standing, unreachable
from astro_jax.route.speed import circumscribed_radius
from astro_jax.route.zones import closed_cells, slow_cells
from astro_jax.types import Grid, RouteField
from astro_jax.world.grid import LOW
from astro_jax.world.prior import PRIOR_FREE

SURE_BLOCKED, SURE_FREE = 1.0, 0.5 * (LOW + PRIOR_FREE)
"""Log-odds of the local map beyond which a cell was seen blocked or free: what the map says
of a cell that has rolled back into view is no sight of it."""
KNOWN_MARGIN = 2
"""Cells around a wall of the map in which a hit says nothing new."""
BODY = 0.25
"""Half a pair of shoulders, m."""
NEWS = 3
"""Contradicting cells that are worth a new search."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route:
    """The answer to one question of the way, and what was learned since."""

    house_map: HouseMap
    robot: RobotConfig
    goal_map: tuple[float, float, float]
    """The pose that is driven to at the moment."""
    field: RouteField
    searched: Search
    """What ``field`` was made from."""
    closed: Bool[np.ndarray, "H W"]
    """What the map blocks or forbids."""
    seen_blocked: Bool[np.ndarray, "H W"]
    """Cells that the map calls free and the robot has found blocked."""
    avoided: Bool[np.ndarray, "H W"]
    """Cells that count as blocked for the time being (``avoid``)."""
    searches: int = 1
    failure: UnreachableError | None = None
    """Why the last search found no way; ``field`` is then the last one that did."""

    def to_go(self, pose_map: Numbers) -> float:
        """Seconds of way left from a pose, by the field's nearest cell."""
        row, column, _ = self.house_map.cell_of(np.asarray(pose_map)[:2])
        return float(np.asarray(self.field.cost_to_go.table)[row, column, 0])


def plan_route(house_map: HouseMap, robot: RobotConfig, start: Numbers, goal: Goal) -> Route:
    """Search the whole map for the way from ``start`` (x, y, yaw) to ``goal``.

    The map's no-go zones and stairs are closed to it, its slow zones cost their time.

    Raises:
      InputError: start or goal is unusable; of several goals, all of them.
      UnreachableError: there is no way between them.
    """
    closed = closed_cells(house_map)
    factor = slow_cells(house_map)
    goals = goals_of(house_map, goal)
    if goals.region is None and len(goals.poses) == 1:
        check_query(house_map, robot, start, goals.poses[0], closed)
        found = search(house_map, closed, goal, body_of(robot), factor)
    else:
        cell = standing(house_map, robot, "start", start, closed)
        usable = _usable(house_map, robot, goal, closed)
        found = search(house_map, closed, usable, body_of(robot), factor)
        if not found.reached(*cell):
            raise unreachable(house_map, start, found.free.poses[0])
    field, pose = _aimed(found, start)
    return Route(
        house_map=house_map,
        robot=robot,
        goal_map=pose,
        field=field,
        searched=found,
        closed=closed,
        seen_blocked=np.zeros(closed.shape, bool),
        avoided=np.zeros(closed.shape, bool),
    )


def revise(
    route: Route, local_map: Grid, pose_map: Numbers, house_from_map: Numbers = (0.0, 0.0, 0.0)
) -> Route:
    """Hold the robot's local map against the route; search again if it contradicts.

    ``pose_map`` is the robot's pose in the house; ``house_from_map`` places the local map.
    A goal that has become unreachable is reported in ``failure``; the last field stays.
    """
    seen = _contradictions(route, local_map, house_from_map)
    if _news(seen, route.seen_blocked) < NEWS:
        return route
    return _searched_again(dataclasses.replace(route, seen_blocked=seen), pose_map)


def avoid(
    route: Route,
    pose_map: Numbers,
    things: Float[np.ndarray, "n 2"],
    bodies: Float[np.ndarray, "m 2"],
) -> Route:
    """The way around these, for a robot that they hold up; the same route if there is none.

    ``things`` are places where something stands, ``bodies`` people and their like (house, m).
    Without either, what was avoided before is not avoided any more.
    """
    cells = taken(route, pose_map, things, bodies)
    if np.array_equal(cells, route.avoided):
        return route
    found = _searched_again(dataclasses.replace(route, avoided=cells), pose_map)
    return route if found.failure and cells.any() else found


def taken(
    route: Route,
    pose_map: Numbers,
    things: Float[np.ndarray, "n 2"],
    bodies: Float[np.ndarray, "m 2"],
) -> Bool[np.ndarray, "H W"]:
    """Cells in which these stand, but for those of the robot itself."""
    house = route.house_map
    cells = np.zeros_like(route.avoided)
    for points, radius in ((things, 0.0), (bodies, BODY)):
        here = np.zeros_like(cells)
        row, column, inside = house.cell_of(points)
        here[row[inside], column[inside]] = True
        if radius and here.any():
            away = np.asarray(ndimage.distance_transform_edt(~here))
            here = away * house.resolution <= radius
        cells |= here
    # the robot itself stands where it stands
    row, column, _ = house.cell_of(np.asarray(pose_map)[:2])
    around, disc = beside(np.zeros_like(cells), int(row), int(column), _reach(route))
    cells[around] &= ~disc
    return cells


def redirect(route: Route, pose_map: Numbers, goal: Goal) -> Route:
    """The way to another goal, with all that was seen on the way to the last one.

    If there is none, ``failure`` says why, and the last field stays.

    Raises:
      InputError: the goal is not finite, off the map, or without a free cell.
    """
    blocked = route.closed | route.seen_blocked | route.avoided
    found = search(route.house_map, blocked, goal, route.searched.body, route.searched.factor)
    return _towards(dataclasses.replace(route, searches=route.searches + 1), found, pose_map)


def _reach(route: Route) -> float:
    return circumscribed_radius(route.robot) / route.house_map.resolution


def _searched_again(route: Route, pose_map: Numbers) -> Route:
    """The route after a search with what is blocked by now; the last field if there is no way."""
    blocked = route.closed | route.seen_blocked | route.avoided
    revised = dataclasses.replace(route, searches=route.searches + 1)
    try:
        found = search_again(route.searched, blocked)
    except InputError as error:  # something stands on the goal
        failure = UnreachableError(error.field, error.value, error.expected, error.where)
        return dataclasses.replace(revised, failure=failure)
    return _towards(revised, found, pose_map)


def _towards(route: Route, found: Search, pose_map: Numbers) -> Route:
    """The route with what a search has found; the last field if there is no way."""
    try:
        cell = standing(route.house_map, route.robot, "start", pose_map, found.blocked)
        if not found.reached(*cell):
            single = found.free.region is None and len(found.free.poses) == 1
            goal = found.free.poses[0] if single else route.goal_map
            failure = unreachable(route.house_map, pose_map, goal)
            return dataclasses.replace(route, failure=failure)
    except InputError:
        pass  # too close to something to start from: the field still leads out
    field, pose = _aimed(found, pose_map)
    return dataclasses.replace(route, goal_map=pose, field=field, searched=found, failure=None)


def _usable(
    house_map: HouseMap, robot: RobotConfig, goal: Goal, blocked: Bool[np.ndarray, "H W"]
) -> Goal:
    """Of several poses those in which the robot can stand; a region as it is.

    Raises:
      InputError: it can stand in none.
    """
    if isinstance(goal, np.ndarray) and goal.dtype == bool:
        return goal
    usable, refusal = [], None
    for pose in goal:
        try:
            standing(house_map, robot, "goal", pose, blocked)
            usable.append(pose)
        except InputError as error:
            refusal = refusal or error
    if refusal and not usable:
        raise refusal
    return usable


def _aimed(found: Search, start: Numbers) -> tuple[RouteField, tuple[float, float, float]]:
    """The field with the goal that its way from ``start`` leads to."""
    pose, region = found.free.poses[0], found.free.region is not None
    if region or len(found.free.poses) > 1:
        try:
            way = guide_path(found.field, start)
        except UnreachableError:  # the start lies between walls
            way = np.asarray(start, np.float64)[None, :2]
        if region:
            x, y = way[-1] - way[max(len(way) - 6, 0)]
            yaw = math.atan2(y, x) if len(way) > 1 else float(np.asarray(start)[2])
            pose = np.array([*way[-1], yaw])
        else:
            off = np.hypot(*(found.free.poses[:, :2] - way[-1]).T)
            pose = found.free.poses[int(np.argmin(off))]
    x, y, yaw = (float(value) for value in pose)
    field = dataclasses.replace(found.field, goal_map=jnp.asarray(pose, jnp.float32))
    return field, (x, y, yaw)


def _news(seen: Bool[np.ndarray, "H W"], before: Bool[np.ndarray, "H W"]) -> int:
    """Cells that are blocked in one and, with their neighbours, free in the other.

    The local map lies a little differently in the house every time: the same door then shows
    up in the cells next to those it was seen in before, which is not worth a search.
    """
    around = np.ones((3, 3), bool)
    grown = [np.asarray(ndimage.binary_dilation(s, around), bool) for s in (seen, before)]
    return int(np.count_nonzero(seen & ~grown[1]) + np.count_nonzero(before & ~grown[0]))


def _contradictions(
    route: Route, local_map: Grid, house_from_map: Numbers
) -> Bool[np.ndarray, "H W"]:
    house = route.house_map
    values = np.asarray(local_map.values)
    columns, rows = np.meshgrid(np.arange(values.shape[1]), np.arange(values.shape[0]))
    cells = np.stack([columns, rows], axis=-1)
    x, y = np.moveaxis(np.asarray(local_map.origin) + float(local_map.resolution) * cells, -1, 0)
    x0, y0, turn = np.asarray(house_from_map, float)
    c, s = np.cos(turn), np.sin(turn)
    xy = np.stack([x0 + c * x - s * y, y0 + s * x + c * y], axis=-1)
    row, column, inside = house.cell_of(xy)
    known = np.asarray(ndimage.binary_dilation(house.blocked, iterations=KNOWN_MARGIN), bool)

    seen = route.seen_blocked.copy()
    free = inside & (values < SURE_FREE)
    seen[row[free], column[free]] = False
    news = inside & (values > SURE_BLOCKED)
    news[inside] &= ~known[row[inside], column[inside]]
    seen[row[news], column[news]] = True
    return seen
