"""``bench route``: are the ways right, is none missing, and how long does a search take?  [host]

Three parts: exact costs on MovingAI's scenarios; random pairs on home maps, where there must be
a path if and only if both places hang together; times of a full field and of a repaired one.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy import sparse
from scipy.sparse import csgraph

from astro_jax.bench.floor_plan import floor_plan
from astro_jax.bench.report import Report
from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.field import (
    Search,
    body_of,
    components,
    guide_path,
    search,
    search_again,
    traversal_speed,
)
from astro_jax.route.house import HouseMap
from astro_jax.route.maps import load_map
from astro_jax.route.octile import octile_costs
from astro_jax.suites.movingai import TOLERANCE, GridSuite, load_suites

SIDES = (400, 1000)
PER_GOAL = 50
"""Starts that share a goal: one field answers them all."""
OBSTACLE = 8
"""Side of the obstacle that turns up somewhere, cells: .4 m."""
CHANGES = 40
"""Places where it does."""


def bench_route(data: str | Path, pairs: int = 10_000, runs: int = 15, seed: int = 0) -> Report:
    """Metrics of all three parts.

    ``queries``, ``max_abs_error``, ``mismatches``: of MovingAI's queries, the worst deviation from
    the given cost and how many deviate by more than ``TOLERANCE`` or the rounding of the file;
    ``beyond_0.001``: by more than .001, rounding or not.  ``pairs``, ``missing_paths``,
    ``false_paths``, ``unfinished_paths``: of random pairs on home maps, those joined but without a
    path, with a path but not joined, and with a path that does not arrive.
    ``ms_400`` …: a full field (inflation, wave, continuation into walls, slopes), median wall;
    ``cpu_ms_400`` …: least CPU time of it; ``ms_400_dijkstra``, ``…_fast_marching``: the wave alone
    by SciPy on eight neighbours (graph included) and, if it is installed, by scikit-fmm;
    ``replan_ratio``: CPU time of a repair after an obstacle turned up, over that of a full field,
    median over random places; ``replan_ratio_90``: the 90 % quantile; ``replan_share``: of all
    cells, those that had to be settled anew, median; ``compile_s``: the first field of the process.

    Raises:
      InputError: ``data`` holds no scenarios or no home maps, or a file of them is malformed.
    """
    first = time.perf_counter()
    _, found = _searched(floor_plan(120), seed)
    metrics = {"compile_s": time.perf_counter() - first}
    suites = load_suites(data)
    maps = load_homes(data)
    grid, cases = check_costs(suites)
    metrics.update(grid)
    home, rows = check_pairs(maps, pairs, seed)
    metrics.update(home)
    for side in SIDES:
        metrics.update(time_search(side, runs, seed))
    sides = [metrics[f"replan_ratio_{side}"] for side in SIDES]
    metrics["replan_ratio"] = max(sides)
    del found
    config = {"pairs": pairs, "runs": runs, "maps": [suite.name for suite in suites]}
    return Report(name="route", seed=seed, config=config, metrics=metrics, cases=cases + rows)


def load_homes(folder: str | Path) -> list[HouseMap]:
    """The map_server maps below a folder's ``home_maps``.

    Raises:
      InputError: there are none, or one is malformed.
    """
    paths = sorted(Path(folder).glob("home_maps/*/*.yaml"))
    if not paths:
        raise InputError("data", str(folder), "a folder with home_maps/*/*.yaml")
    return [load_map(path) for path in paths if not path.name.endswith(".zones.yaml")]


# ---- costs ---------------------------------------------------------------------------


def check_costs(suites: Sequence[GridSuite]) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Figures over all suites, and one case per map."""
    cases = []
    for suite in suites:
        began = time.process_time()
        off = np.abs(octile_costs(suite.open_cells, suite.starts, suite.goals) - suite.costs)
        cases.append(
            {
                "id": suite.name,
                "queries": len(off),
                "max_abs_error": float(off.max()),
                "mismatches": int(np.count_nonzero(~(off <= suite.tolerance))),
                f"beyond_{TOLERANCE}": int(np.count_nonzero(~(off <= TOLERANCE))),
                "seconds": time.process_time() - began,
            }
        )
    totals = {
        key: float(sum(case[key] for case in cases))
        for key in ("queries", "mismatches", f"beyond_{TOLERANCE}", "seconds")
    }
    worst = max(case["max_abs_error"] for case in cases)
    return {"max_abs_error": worst, **totals}, cases


# ---- pairs ---------------------------------------------------------------------------


def check_pairs(
    maps: Sequence[HouseMap], pairs: int, seed: int
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Random pairs of places where the robot's disc fits, shared out over the maps."""
    random = np.random.default_rng(seed)
    body, cases = body_of(DEFAULT_ROBOT), []
    for k, house in enumerate(maps):
        blocked = house.blocked
        passable = traversal_speed(blocked, house.resolution, body.radius) > 0.0
        # the field also opens what lies around a goal: here both ends are places of their own
        places = np.argwhere(passable)
        labels = components(passable)
        share = pairs // len(maps) + (k < pairs % len(maps))
        counts = {"pairs": 0, "joined": 0, "missing_paths": 0}
        counts |= {"false_paths": 0, "unfinished_paths": 0}
        while len(places) and counts["pairs"] < share:
            goal = places[random.integers(len(places))]
            starts = places[random.integers(len(places), size=PER_GOAL)]
            starts = starts[: share - counts["pairs"]]
            target = house.xy_of(goal)
            found = search(house, blocked, np.array([*target, 0.0]), body)
            value = found.found.values[starts[:, 0] + 1, starts[:, 1] + 1]
            joined = labels[tuple(starts.T)] == labels[tuple(goal)]
            counts["pairs"] += len(starts)
            counts["joined"] += int(joined.sum())
            counts["missing_paths"] += int(np.sum(joined & np.isinf(value)))
            opened = np.isfinite(found.found.values[1:-1, 1:-1])
            truly = components(opened | passable)
            apart = truly[tuple(starts.T)] != truly[tuple(goal)]
            counts["false_paths"] += int(np.sum(apart & np.isfinite(value)))
            for start in starts[joined]:
                arrives = _arrives(found, house.xy_of(start), target)
                counts["unfinished_paths"] += not arrives
        cases.append({"id": house.name, **counts})
    totals = ("pairs", "joined", "missing_paths", "false_paths", "unfinished_paths")
    return {key: float(sum(case[key] for case in cases)) for key in totals}, cases


def _arrives(found: Search, start: np.ndarray, goal: np.ndarray) -> bool:
    try:
        way = guide_path(found.field, start, max_len=2000.0)
    except UnreachableError:
        return False
    return bool(np.hypot(*(way[-1] - goal)) < 1e-3)


# ---- times ---------------------------------------------------------------------------


def time_search(side: int, runs: int, seed: int) -> dict[str, float]:
    """One size of map: full field, repairs, and what others take for the wave alone."""
    house, first = _searched(floor_plan(side, seed), seed)
    blocked, body = house.blocked, first.body
    pose = first.goals.poses[0]
    wall, cpu = _clocked(lambda: search(house, blocked, pose, body), runs)
    passable = np.isfinite(first.slowness[1:-1, 1:-1])
    figures = {f"ms_{side}": wall, f"cpu_ms_{side}": cpu}
    row, column = first.goals.cells[0]
    few = max(runs // 5, 1)
    figures[f"cpu_ms_{side}_dijkstra"] = _clocked(
        lambda: csgraph.dijkstra(eight_neighbours(passable), indices=int(row * side + column)),
        few,
    )[1]
    try:
        import skfmm
    except ImportError:  # it is a peer, not a need
        pass
    else:
        front = np.ma.MaskedArray(np.ones(passable.shape), ~passable)
        front[row, column] = -1.0
        speed = np.where(passable, 1.0 / first.slowness[1:-1, 1:-1], 1.0)
        figures[f"cpu_ms_{side}_fast_marching"] = _clocked(
            lambda: skfmm.travel_time(front, speed, order=2), few
        )[1]
    random = np.random.default_rng(seed)
    places = np.argwhere(np.isfinite(first.found.values[1:-1, 1:-1]))
    ratios, shares = [], []
    for _ in range(CHANGES):
        row, column = places[random.integers(len(places))]
        changed = blocked.copy()
        changed[row : row + OBSTACLE, column : column + OBSTACLE] = True
        if changed[first.goals.cells[0]]:
            continue
        again = search_again(first, changed)
        ratios.append(_clocked(lambda: search_again(first, changed), 3)[1] / cpu)  # noqa: B023
        shares.append(again.renewed / len(places))
    figures[f"replan_ratio_{side}"] = float(np.median(ratios))
    figures[f"replan_ratio_{side}_90"] = float(np.quantile(ratios, 0.9))
    figures[f"replan_share_{side}"] = float(np.median(shares))
    figures[f"replan_share_{side}_90"] = float(np.quantile(shares, 0.9))
    return figures


def eight_neighbours(passable: Bool[np.ndarray, "H W"]) -> sparse.csr_matrix:
    """The graph that a general library searches: steps of 1 and √2 between passable cells."""
    rows, columns = passable.shape
    index: Int[np.ndarray, "H W"] = np.arange(rows * columns).reshape(rows, columns)
    links = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = (slice(0, rows - down), slice(max(-right, 0), columns - max(right, 0)))
        b = (slice(down, rows), slice(max(right, 0), columns + min(right, 0)))
        both = passable[a] & passable[b]
        links.append((index[a][both], index[b][both], np.hypot(down, right)))
    tail = np.concatenate([link[0] for link in links])
    head = np.concatenate([link[1] for link in links])
    cost = np.concatenate([np.full(len(link[0]), link[2]) for link in links])
    graph = (np.concatenate([cost, cost]), (np.r_[tail, head], np.r_[head, tail]))
    return sparse.csr_matrix(graph, (index.size, index.size))


def _searched(house: HouseMap, seed: int) -> tuple[HouseMap, Search]:
    """A field to a roomy place of the house's largest part."""
    body, blocked = body_of(DEFAULT_ROBOT), house.blocked
    speed = traversal_speed(blocked, house.resolution, body.radius)
    labels = components(speed > 0.0)
    largest = int(np.argmax(np.bincount(labels[labels > 0])))
    places = np.argwhere((labels == largest) & (speed == 1.0))
    goal = places[np.random.default_rng(seed).integers(len(places))]
    return house, search(house, blocked, np.array([*house.xy_of(goal), 0.0]), body)


def _clocked(call: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Median wall and least CPU milliseconds; on a shared machine the latter says more."""
    wall, cpu = [], []
    for _ in range(runs):
        began, busy = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - busy)
    return 1e3 * float(np.median(wall)), 1e3 * min(cpu)
