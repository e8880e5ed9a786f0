"""Where people walk and where robots are sent, on any floor plan.               [host]

A map and a seed come in; walks as padded float32 polylines of constant spacing, or a start
and a goal, go out.  The same seed gives the same answer.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import (
    CRUISE,
    components,
    disc_field,
    guide_path,
    passing_radius,
    path_length,
    reachable,
    solve_field,
    traversal_speed,
    wall_distance,
)
from astro_jax.route.house import HouseMap, Numbers
from astro_jax.types import RouteField

BESIDE_WALLS = 0.5
"""Fraction of their speed at which people are taken to pass walls: they mind less than robots."""
PERSON_RADIUS = 0.25
"""Half a pair of shoulders, m."""
PLACE_CLEARANCE = 0.35
"""Gap to walls that people keep where they stop, m."""
SMOOTHING = 0.25
"""Standard deviation of the smoothing along a walk, m."""

_TRIES = 16


def walking_paths(
    house_map: HouseMap,
    n: int,
    seed: int,
    *,
    blocked: Bool[np.ndarray, "H W"] | None = None,
    spacing: float = 0.1,
    capacity: int = 256,
    min_length: float = 4.0,
) -> tuple[Float32[np.ndarray, "n P 2"], Int32[np.ndarray, "n"]]:
    """Walks of ``n`` people between random places that can be reached from each other.

    Each walk leads between two places at least ``min_length`` metres apart as people walk
    (as far as there are such), and starts away from where the others start.

    Args:
      house_map: the floor plan.
      n: number of people.
      seed: of the choice of places.
      blocked: instead of ``house_map.blocked``, for example with doors closed.
      spacing: between points of a walk, m.
      capacity: number of points P; a longer walk ends there.
      min_length: of a walk, m.

    Returns:
      Points in the map frame, m, the last one repeated to fill up; and their number.

    Raises:
      InputError: there is no place for a person on the map.
    """
    blocked = house_map.blocked if blocked is None else blocked
    rng = np.random.default_rng(seed)
    places = _places(house_map, blocked, PERSON_RADIUS, PLACE_CLEARANCE)
    starts: list[np.ndarray] = []
    walks = []
    for _ in range(n):
        options = places[rng.integers(len(places), size=_TRIES)]
        distances = [min((math.dist(p, q) for q in starts), default=0.0) for p in options]
        starts.append(options[int(np.argmax(distances))])
        shortest = _person_field(house_map, blocked, starts[-1], slowest=1.0)
        far = _far_places(shortest, places, 1.0, min_length)
        comfortable = _person_field(house_map, blocked, starts[-1])
        walks.append(guide_path(comfortable, far[rng.integers(len(far))])[::-1])
    return _packed(house_map, blocked, walks, spacing, capacity)


def paths_through(
    house_map: HouseMap,
    waypoint_lists: Sequence[Numbers],
    *,
    blocked: Bool[np.ndarray, "H W"] | None = None,
    spacing: float = 0.1,
    capacity: int = 256,
) -> tuple[Float32[np.ndarray, "n P 2"], Int32[np.ndarray, "n"]]:
    """Walks through given points, each leg along the way a person would take.

    Arguments and results as of ``walking_paths``; each list holds at least two points
    (x, y) of the map frame, m.

    Raises:
      InputError: a point is off the map or in a wall.
      UnreachableError: there is no way for a person from one point to the next.
    """
    blocked = house_map.blocked if blocked is None else blocked
    walks = []
    for waypoints in waypoint_lists:
        points = np.asarray(waypoints, np.float64)
        if points.ndim != 2 or points.shape[0] < 2 or points.shape[1] != 2:
            raise InputError("waypoints", waypoints, "at least two points (x, y)")
        legs = [points[:1]]
        for start, goal in itertools.pairwise(points):
            around = reachable(house_map, blocked, (*goal, 0.0), PERSON_RADIUS)
            row, column, inside = house_map.cell_of(start)
            if not inside or not around[row, column]:
                found = f"{_rounded(start)} to {_rounded(goal)}"
                raise UnreachableError("waypoints", found, "points that a person can walk between")
            legs.append(guide_path(_person_field(house_map, blocked, goal), start)[1:])
        walks.append(np.concatenate(legs))
    return _packed(house_map, blocked, walks, spacing, capacity)


def random_query(
    house_map: HouseMap,
    robot: RobotConfig,
    seed: int,
    min_length: float = 4.0,
    *,
    blocked: Bool[np.ndarray, "H W"] | None = None,
    clearance: float = 0.4,
    rooms: Int[np.ndarray, "H W"] | None = None,
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """A start and a goal, (x, y, yaw) in m and rad, at least ``min_length`` metres apart.

    Both lie in the largest connected part of the map, ``clearance`` metres off the walls;
    the robot starts roughly, and arrives exactly, in the direction of the way.

    Args:
      house_map: the floor plan.
      robot: who is to go there.
      seed: of the choice of places.
      min_length: of the way between them, m.
      blocked: instead of ``house_map.blocked``, for example with doors closed.
      clearance: of either place to walls, m.
      rooms: the number of each cell's room, 0 for none; if given, the two are in different ones.

    Raises:
      InputError: no two places are that far apart, or there is no place at all.
    """
    blocked = house_map.blocked if blocked is None else blocked
    rng = np.random.default_rng(seed)
    radius = passing_radius(robot)
    places = _places(house_map, blocked, radius, clearance)
    room = None
    if rooms is not None:
        row, column, _ = house_map.cell_of(places)
        labelled = rooms[row, column] > 0
        places, room = places[labelled], rooms[row, column][labelled]
    for _ in range(_TRIES if len(places) else 0):
        k = rng.integers(len(places))
        start = places[k]
        others = places if room is None else places[room != room[k]]
        if not len(others):
            continue
        field = solve_field(house_map, blocked, (*start, 0.0), robot, slowest=1.0)
        far = _far_places(field, others, CRUISE * robot.speed, min_length)
        goal = far[rng.integers(len(far))]
        way = guide_path(field, goal)[::-1]
        if path_length(way) < min_length:
            continue
        few = min(len(way) - 1, 6)
        setting_out, arriving = way[few] - way[0], way[-1] - way[-1 - few]
        start_yaw = math.atan2(setting_out[1], setting_out[0]) + rng.normal(0.0, 0.5)
        goal_yaw = math.atan2(arriving[1], arriving[0])
        start_yaw = math.remainder(start_yaw, math.tau)
        return np.array([*start, start_yaw]), np.array([*goal, goal_yaw])
    apart = " between two of its rooms" if rooms is not None else ""
    expected = f"a length that fits into {house_map.name or 'the map'}{apart}"
    raise InputError("min_length", min_length, expected)


def _places(
    house_map: HouseMap, blocked: Bool[np.ndarray, "H W"], radius: float, clearance: float
) -> Float[np.ndarray, "N 2"]:
    """Centres of cells with some clearance in the largest part that a disc can move in."""
    labels = components(traversal_speed(blocked, house_map.resolution, radius) > 0.0)
    roomy = wall_distance(blocked, house_map.resolution) >= clearance
    sizes = np.bincount(labels[roomy & (labels > 0)], minlength=1)
    largest = int(np.argmax(sizes))
    rows, columns = np.nonzero(roomy & (labels == largest) & (labels > 0))
    if rows.size == 0:
        expected = f"some free place {clearance} m from walls"
        raise InputError("map", house_map.name, expected)
    return house_map.xy_of((rows, columns))


def _person_field(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    xy_map: Float[np.ndarray, "2"],
    slowest: float = BESIDE_WALLS,
) -> RouteField:
    """At 1 m/s: with ``slowest`` 1 its seconds are the metres of the shortest path."""
    return disc_field(
        house_map,
        blocked,
        (*xy_map, 0.0),
        radius=PERSON_RADIUS,
        approach=PERSON_RADIUS,
        speed=1.0,
        slowest=slowest,
    )


def _far_places(
    field: RouteField, places: Float[np.ndarray, "N 2"], speed: float, min_length: float
) -> Float[np.ndarray, "K 2"]:
    """Those at least ``min_length`` metres away, or the farthest tenth if there are none."""
    grid = field.cost_to_go
    cells = np.rint((places - np.asarray(grid.origin)) / float(grid.resolution)).astype(int)
    metres = speed * np.asarray(grid.table)[cells[:, 1], cells[:, 0], 0]
    enough = metres >= min_length
    return places[enough if enough.any() else metres >= np.quantile(metres, 0.9)]


def _packed(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    walks: Sequence[Float[np.ndarray, "_ 2"]],
    spacing: float,
    capacity: int,
) -> tuple[Float32[np.ndarray, "n P 2"], Int32[np.ndarray, "n"]]:
    clearance = wall_distance(blocked, house_map.resolution)
    points = np.zeros((len(walks), capacity, 2), np.float32)
    length = np.zeros(len(walks), np.int32)
    for k, walk in enumerate(walks):
        smooth = _smoothed(house_map, clearance, _resampled(walk, spacing), spacing)
        kept = _resampled(smooth, spacing)[:capacity]
        points[k, : len(kept)] = kept
        points[k, len(kept) :] = kept[-1]
        length[k] = len(kept)
    return points, length


def _smoothed(
    house_map: HouseMap,
    clearance: Float[np.ndarray, "H W"],
    walk: Float[np.ndarray, "N 2"],
    spacing: float,
) -> Float[np.ndarray, "N 2"]:
    """Round corners, but nowhere nearer to a wall than a person may be."""
    sigma = SMOOTHING / spacing
    # Odd reflection about the ends keeps them in place.
    reach = min(len(walk) - 1, math.ceil(4.0 * sigma))
    if reach < 1:
        return walk
    before, after = 2.0 * walk[0] - walk[reach:0:-1], 2.0 * walk[-1] - walk[-2 : -2 - reach : -1]
    padded = np.concatenate([before, walk, after])
    smooth = ndimage.gaussian_filter1d(padded, sigma, axis=0, truncate=4.0)[reach:-reach]
    for fraction in (1.0, 0.5, 0.25):
        moved = walk + fraction * (smooth - walk)
        row, column, inside = house_map.cell_of(moved)
        old_row, old_column, _ = house_map.cell_of(walk)
        room = np.minimum(PERSON_RADIUS, clearance[old_row, old_column])
        if np.all(inside & (clearance[row, column] >= room - 1e-6)):
            return moved
    return walk


def _resampled(points: Float[np.ndarray, "N 2"], spacing: float) -> Float[np.ndarray, "K 2"]:
    """Points every ``spacing`` metres along a polyline; a rest shorter than that is dropped."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = spacing * np.arange(int(along[-1] / spacing + 1e-6) + 1)
    return np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=-1)


def _rounded(xy: Float[np.ndarray, "2"]) -> tuple[float, float]:
    return round(float(xy[0]), 3), round(float(xy[1]), 3)
