"""Homes to drive in: a map, what is true on it, people, a question of the way.      [host]"""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.errors import InputError
from astro_jax.route.field import check_query, guide_path, path_length, solve_field
from astro_jax.route.house import HouseMap, Numbers
from astro_jax.route.maps import load_map
from astro_jax.route.planner import Route, plan_route
from astro_jax.route.waypoints import paths_through, random_query, walking_paths
from astro_jax.route.zones import blocked_by, closed_cells
from astro_jax.scenes import flat_scene, truth_blocked
from astro_jax.sim.scene import Scene, make_scene

PATH_SPACING = 0.1
"""Metres between the points of a walk."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Home:
    """Everything an episode starts from."""

    house_map: HouseMap
    blocked: Bool[np.ndarray, "H W"]
    """The truth: the map with its closed doors."""
    scene: Scene
    route: Route
    shortest_path: float
    """Length of the shortest way in truth, closed doors known, m."""


def packaged_home(
    robot: RobotConfig,
    config: PlannerConfig,
    *,
    people: int = 3,
    seed: int = 0,
    start: Numbers | None = None,
    goal: Numbers | None = None,
) -> Home:
    """The flat that comes with the package; one door of its map is closed in truth.

    Raises:
      InputError: ``people`` is negative or too many, start or goal unusable or unreachable.
    """
    description = flat_scene()
    house_map = load_map(description.map_path)
    blocked = truth_blocked(house_map, description.doors)
    _check_people(people, config)
    written = [walk.waypoints for walk in description.people[:people]]
    paths, lengths = paths_through(house_map, written, blocked=blocked, spacing=PATH_SPACING)
    if people > len(written):
        more, more_lengths = walking_paths(
            house_map, people - len(written), seed, blocked=blocked, spacing=PATH_SPACING
        )
        paths, lengths = np.concatenate([paths, more]), np.concatenate([lengths, more_lengths])
    start = description.start_map if start is None else start
    goal = description.goal_map if goal is None else goal
    return _home(house_map, blocked, robot, config, start, goal, paths, lengths, seed)


def changed_home(
    robot: RobotConfig,
    config: PlannerConfig,
    *,
    people: int = 3,
    moved: int = 3,
    seed: int = 0,
) -> Home:
    """The packaged flat with a random way, and things in truth that its map does not show.

    ``moved`` boxes of .1 to .5 m stand about, none of them within 1 m of start or goal, and none
    so that the goal cannot be reached.

    Raises:
      InputError: ``people`` is negative or too many.
    """
    description = flat_scene()
    house_map = load_map(description.map_path)
    blocked = truth_blocked(house_map, description.doors)
    _check_people(people, config)
    random = np.random.default_rng([seed, 7])
    start, goal = random_query(house_map, robot, seed, blocked=blocked)
    for _ in range(moved):
        placed = blocked | _box_on(house_map, random, (start, goal))
        try:
            check_query(house_map, robot, start, goal, placed)
        except InputError:
            continue
        blocked = placed
    walks, lengths = walking_paths(house_map, people, seed, blocked=blocked, spacing=PATH_SPACING)
    return _home(house_map, blocked, robot, config, start, goal, walks, lengths, seed)


def _box_on(
    house_map: HouseMap, random: np.random.Generator, ends: tuple[np.ndarray, np.ndarray]
) -> Bool[np.ndarray, "H W"]:
    """The cells of a box somewhere on free floor; none if there is no room for it."""
    rows, columns = house_map.occupancy.shape
    x = house_map.origin[0] + house_map.resolution * np.arange(columns)[None]
    y = house_map.origin[1] + house_map.resolution * np.arange(rows)[:, None]
    for _ in range(50):
        at = random.uniform((x.min(), y.min()), (x.max(), y.max()))
        half = random.uniform(0.05, 0.25, 2)
        box = (np.abs(x - at[0]) <= half[0]) & (np.abs(y - at[1]) <= half[1])
        far = all(np.hypot(*(at - end[:2])) > 1.0 for end in ends)
        if far and not np.any(house_map.blocked & box):
            return box
    return np.zeros((rows, columns), bool)


def home_of_map(
    path: str | Path,
    robot: RobotConfig,
    config: PlannerConfig,
    *,
    people: int = 3,
    seed: int = 0,
    start: Numbers | None = None,
    goal: Numbers | None = None,
) -> Home:
    """Any map_server map; what is not given (start, goal, walks) is drawn with ``seed``.

    Start and goal are poses in the frame of the map's file.

    Raises:
      InputError: the map is missing or malformed, ``people`` is negative or too many, start
        or goal unusable or unreachable.
    """
    house_map = load_map(path)
    _check_people(people, config)
    first = None if start is None else house_map.to_house(start)
    last = None if goal is None else house_map.to_house(goal)
    if first is None or last is None:
        closed = closed_cells(house_map)
        drawn_start, drawn_goal = random_query(house_map, robot, seed, blocked=closed)
        first = drawn_start if first is None else first
        last = drawn_goal if last is None else last
    paths, lengths = walking_paths(house_map, people, seed, spacing=PATH_SPACING)
    return _home(house_map, house_map.blocked, robot, config, first, last, paths, lengths, seed)


def _home(
    house_map: HouseMap,
    blocked: Bool[np.ndarray, "H W"],
    robot: RobotConfig,
    config: PlannerConfig,
    start: Numbers,
    goal: Numbers,
    paths: Float[np.ndarray, "n P 2"],
    lengths: np.ndarray,
    seed: int,
) -> Home:
    route = plan_route(house_map, robot, start, goal)
    closed = blocked | blocked_by(house_map.zones, house_map)
    check_query(house_map, robot, start, goal, closed)
    metres = solve_field(house_map, closed, goal, robot, slowest=1.0)
    scene = make_scene(
        house_map.occupancy,
        blocked,
        house_map.origin,
        house_map.resolution,
        np.asarray(start, float),
        np.asarray(goal, float),
        paths,
        lengths,
        PATH_SPACING,
        config.people,
        seed,
    )
    return Home(
        house_map=house_map,
        blocked=blocked,
        scene=scene,
        route=route,
        shortest_path=path_length(guide_path(metres, start)),
    )


def _check_people(people: int, config: PlannerConfig) -> None:
    if not 0 <= people <= config.people:
        raise InputError("people", people, f"a number from 0 to {config.people}")
