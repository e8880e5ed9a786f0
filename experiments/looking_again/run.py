"""How soon must the route hear of what the local map shows?

Random errands through the packaged flat, each with one door shut that lies on the way and that
the map shows open.  The route is held against the local map every ``--every`` seconds and searched
again over the whole map if it is contradicted: the field is then exact, in the local window too.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import jax
import numpy as np

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency, PlannerParams
from astro_jax.errors import InputError
from astro_jax.home import PATH_SPACING
from astro_jax.route.field import guide_path, path_length, solve_field
from astro_jax.route.house import HouseMap
from astro_jax.route.maps import load_map
from astro_jax.route.planner import plan_route
from astro_jax.route.query import check_query
from astro_jax.route.waypoints import random_query
from astro_jax.scenes import flat_scene, truth_blocked
from astro_jax.sim.closed_loop import drive
from astro_jax.sim.metrics import episode_metrics
from astro_jax.sim.scene import Scene, make_scene

CONFIG = dataclasses.replace(DEFAULT_PLANNER, recorded_stride=1000)
SECONDS = 90.0
BESIDE = 0.2
"""A way that leads nearer than this to a door's middle leads through it, m."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, nargs="+", default=[1.0, 0.3, 0.1])
    parser.add_argument("--episodes", type=int, default=24)
    parser.add_argument("--out", type=Path, default=Path("out/looking_again"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(options.out / "compiled"))
    errands = list(shut_doors(options.episodes))
    rows = []
    for every in options.every:
        episodes = drive(
            DEFAULT_ROBOT,
            CONFIG,
            PlannerParams(),
            Latency(),
            [scene for _, scene, _, _ in errands],
            [route for _, _, route, _ in errands],
            [seed for seed, _, _, _ in errands],
            SECONDS,
            segment=every,
        )
        for (seed, _, _, shortest), episode in zip(errands, episodes, strict=True):
            ticks = episode.ticks
            figures = episode_metrics(
                *(np.asarray(trace) for trace in (ticks.time, ticks.pose_map, ticks.twist)),
                counts=episode.final.contacts,
                shortest_path=shortest,
                arrived_at=episode.arrived_at,
            )
            kept = {k: float(figures[k]) for k in ("time", "timeout", "path_ratio", "contacts")}
            rows.append({"every": every, "seed": seed, "searches": episode.route.searches} | kept)
        own = [row for row in rows if row["every"] == every]
        means = {k: float(np.mean([row[k] for row in own])) for k in own[0]}
        print(json.dumps(means), flush=True)
    (options.out / "rows.json").write_text(json.dumps(rows))


def shut_doors(count: int):
    """(seed, scene, route, shortest way in truth) of errands with a shut door on the way."""
    flat, found, seed = flat_scene(), 0, 0
    house = load_map(flat.map_path)
    while found < count:
        seed += 1
        start, goal = random_query(house, DEFAULT_ROBOT, seed, min_length=5.0)
        route = plan_route(house, DEFAULT_ROBOT, start, goal)
        way = guide_path(route.field, start)
        for door in flat.doors:
            x0, y0, x1, y1 = door.rectangle
            middle = np.array([0.5 * (x0 + x1), 0.5 * (y0 + y1)])
            if np.min(np.hypot(*(way - middle).T)) > BESIDE:
                continue
            blocked = truth_blocked(house, [dataclasses.replace(door, closed=True)])
            try:
                check_query(house, DEFAULT_ROBOT, start, goal, blocked)
            except InputError:
                continue
            found += 1
            shortest = in_truth(house, blocked, start, goal)
            yield seed, scene_of(house, blocked, start, goal, seed), route, shortest
            break


def scene_of(house: HouseMap, blocked, start, goal, seed: int) -> Scene:
    nobody = np.zeros((0, 256, 2), np.float32)
    return make_scene(
        house.occupancy,
        blocked,
        house.origin,
        house.resolution,
        start,
        goal,
        nobody,
        np.zeros(0, np.int32),
        PATH_SPACING,
        CONFIG.people,
        seed,
    )


def in_truth(house: HouseMap, blocked, start, goal) -> float:
    field = solve_field(house, blocked, goal, DEFAULT_ROBOT, slowest=1.0)
    return path_length(guide_path(field, start))


if __name__ == "__main__":
    main()
