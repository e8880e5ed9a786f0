"""The route layer on demand: solve once, then again when the map proves wrong.     [host]

In: the house map, a goal, and now and then the robot's local map.  Out: a ``Route`` whose
field the local planner follows.  What the robot has seen blocked is remembered until it
is seen free again, so a closed door stays closed behind the robot's back.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import check_query, solve_field
from astro_jax.route.maps import HouseMap, Numbers
from astro_jax.route.zones import blocked_by, speed_factor
from astro_jax.types import Grid, RouteField
from astro_jax.world.grid import LOW, PRIOR_FREE

SURE_BLOCKED, SURE_FREE = 1.0, 0.5 * (LOW + PRIOR_FREE)
"""Log-odds of the local map beyond which a cell was seen blocked or free: what the map says
of a cell that has rolled back into view is no sight of it."""
KNOWN_MARGIN = 2
"""Cells around a wall of the map in which a hit says nothing new."""
NEWS = 3
"""Contradicting cells that are worth a new search."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route:
    """The answer to one question of the way, and what was learned since."""

    house_map: HouseMap
    robot: RobotConfig
    goal_map: tuple[float, float, float]
    field: RouteField
    closed: Bool[np.ndarray, "H W"]
    """What the map blocks or forbids."""
    factor: Float[np.ndarray, "H W"]
    """Of the speed, by the map's slow zones."""
    seen_blocked: Bool[np.ndarray, "H W"]
    """Cells that the map calls free and the robot has found blocked."""
    searches: int = 1
    failure: UnreachableError | None = None
    """Why the last search found no way; ``field`` is then the last one that did."""

    def to_go(self, pose_map: Numbers) -> float:
        """Seconds of way left from a pose, by the field's nearest cell."""
        row, column, _ = self.house_map.cell_of(np.asarray(pose_map)[:2])
        return float(np.asarray(self.field.cost_to_go.table)[row, column, 0])


def plan_route(house_map: HouseMap, robot: RobotConfig, start: Numbers, goal: Numbers) -> Route:
    """Search the whole map for the way from ``start`` to ``goal`` (x, y, yaw).

    The map's no-go zones and stairs are closed to it, its slow zones cost their time.

    Raises:
      InputError: start or goal is unusable.
      UnreachableError: there is no way between them.
    """
    closed = house_map.blocked | blocked_by(house_map.zones, house_map)
    factor = speed_factor(house_map.zones, house_map)
    check_query(house_map, robot, start, goal, closed)
    x, y, yaw = (float(value) for value in np.asarray(goal))
    return Route(
        house_map=house_map,
        robot=robot,
        goal_map=(x, y, yaw),
        field=solve_field(house_map, closed, (x, y, yaw), robot, factor=factor),
        closed=closed,
        factor=factor,
        seen_blocked=np.zeros(house_map.blocked.shape, bool),
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
    blocked = route.closed | seen
    searched = dataclasses.replace(route, seen_blocked=seen, searches=route.searches + 1)
    try:
        check_query(route.house_map, route.robot, pose_map, route.goal_map, blocked)
    except UnreachableError as failure:
        return dataclasses.replace(searched, failure=failure)
    except InputError:
        pass  # too close to something to start from: the field still leads out
    try:
        field = solve_field(
            route.house_map, blocked, route.goal_map, route.robot, factor=route.factor
        )
    except InputError as error:  # something stands on the goal
        failure = UnreachableError(error.field, error.value, error.expected, error.where)
        return dataclasses.replace(searched, failure=failure)
    return dataclasses.replace(searched, field=field, failure=None)


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
