"""Moments of real closed loops: ``python experiments/search_quality/record.py``.

Drives the packaged flat and scanned homes (whole robot, late sensors, people) and keeps
moments drawn at random times, as many among people, near the goal, in narrow places and on
open floor.  Seeds are fixed; the file goes to ``out/`` and is made again whenever the
types of the package no longer fit it.
"""

import argparse
import dataclasses
import os
import time
import typing
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from problem import CONFIG, PARAMS, ROBOT, Moment

from astro_jax.geometry import sample
from astro_jax.home import Home, home_of_map, packaged_home
from astro_jax.route.planner import revise
from astro_jax.sim.episode import run_cycles, start_episode
from astro_jax.sim.late import split_latency
from astro_jax.sim.odometry import EXACT
from astro_jax.sim.state import honest
from astro_jax.types import RouteField, SmoothGrid

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "out" / "search_quality" / "moments.npz"
STRATA = ("people", "goal", "narrow", "open")
PER_STRATUM = {"test": 32, "train": 12}
HOMES = {
    "test": (
        "flat",
        "ros/aws_small_house",
        "vacuum/S5_FW2020_with_segments",
        "vacuum/converted_3790",
        "vacuum/d9_1058_with_segments",
    ),
    "train": (
        "vacuum/misc_monastery_with_cutoff",
        "vacuum/d9_1093_huge",
        "vacuum/z10_1056_paths",
    ),
}
"""Methods are tuned in homes in which they are not judged."""
PEOPLE = (0, 2, 3, 4, 5, 6)
"""One episode each."""
SECONDS = 40
KEPT_PER_SECOND = 2
LATENCY = 0.3
WINDOW = 100
"""Cells per side of the cut-out field: 5 m, a plan reaches 2.25 m."""


def record(seconds: int = SECONDS) -> dict[str, np.ndarray]:
    """Drive all homes and draw the moments; arrays by name."""
    arrays: dict[str, np.ndarray] = {}
    for split, names in HOMES.items():
        pool: list[tuple[str, str, Moment]] = []
        for number, name in enumerate(names):
            began = time.perf_counter()
            found = drive_home(name, number, split, seconds)
            pool += [(tag, name, moment) for tag, moment in found]
            print(f"{split} {name}: {len(found)} moments, {time.perf_counter() - began:.0f} s")
        chosen = draw(pool, PER_STRATUM[split])
        moments = jax.tree.map(lambda *leaves: np.stack(leaves), *[m for _, _, m in chosen])
        arrays |= flatten(moments, f"{split}.")
        arrays[f"{split}.stratum"] = np.array([tag for tag, _, _ in chosen])
        arrays[f"{split}.home"] = np.array([name for _, name, _ in chosen])
    return arrays


def draw(pool, count: int):
    """``count`` moments of each stratum at random, evenly over the homes that have them."""
    random = np.random.default_rng(7)
    chosen = []
    for stratum in STRATA:
        by_home: dict[str, list] = {}
        for item in pool:
            if item[0] == stratum:
                by_home.setdefault(item[1], []).append(item)
        queues = [[items[k] for k in random.permutation(len(items))] for items in by_home.values()]
        taken: list = []
        while len(taken) < count and any(queues):
            taken += [queue.pop() for queue in queues if queue]
        if len(taken) < count:
            raise SystemExit(f"only {len(taken)} moments of {stratum!r}: drive longer")
        chosen += taken[:count]
    return chosen


def drive_home(name: str, number: int, split: str, seconds: int) -> list[tuple[str, Moment]]:
    """A batch of episodes in one home; moments at random cycles with their stratum."""
    base = (100 if split == "test" else 500) + 10 * number
    homes = [_home(name, people, base + k) for k, people in enumerate(PEOPLE)]
    scene = _stack([home.scene for home in homes])
    keys = _stack([jax.random.key(base + k) for k in range(len(homes))])
    # an exact odometry: what is recorded mixes the robot's own frame and the house's
    circumstances = jax.tree.map(jnp.float32, honest(split_latency(LATENCY), EXACT))

    def start(scene, key):
        return start_episode(ROBOT, CONFIG, circumstances.told, scene, key)

    def second(scene, field, state):
        def cycle(state, _):
            previous = state.robot.planner.controls
            state, log, _ = run_cycles(ROBOT, CONFIG, PARAMS, circumstances, scene, field, state, 1)
            return state, (previous, jax.tree.map(lambda leaf: leaf[0], log.world))

        return jax.lax.scan(cycle, state, length=round(1.0 / CONFIG.period))

    state = jax.jit(jax.vmap(start))(scene, keys)
    second = jax.jit(jax.vmap(second))
    routes = [home.route for home in homes]
    random = np.random.default_rng(base)
    kept = []
    for _ in range(seconds):
        field = _stack([jax.tree.map(jnp.asarray, route.field) for route in routes])
        driving = np.isinf(np.asarray(state.arrived_at))
        if not driving.any():
            break
        state, logs = second(scene, field, state)
        previous, worlds = jax.device_get(logs)
        for k in np.flatnonzero(driving):
            for at in random.choice(previous.shape[1], KEPT_PER_SECOND, replace=False):
                world = jax.tree.map(lambda leaf, k=k, at=at: leaf[k, at], worlds)
                # a door that turns out to be closed is news at the next second, as in life
                near = crop(routes[k].field, world.pose_map)
                moment = Moment(world=world, field=near, previous=previous[k, at])
                kept.append((stratum_of(moment), moment))
        local_map, poses = jax.device_get((state.robot.local_map.grid, state.pose))
        routes = [
            revise(route, jax.tree.map(lambda leaf, k=k: leaf[k], local_map), poses[k])
            for k, route in enumerate(routes)
        ]
    return kept


def stratum_of(moment: Moment) -> str:
    """What makes this moment interesting; the first that applies."""
    world = moment.world
    xy = world.pose_map[:2]
    forecast = world.forecast
    # the mean position of every body now, whatever axes a forecast may have after M
    bodies = forecast.xy_map[0].reshape(forecast.valid.shape[0], -1, 2)[:, 0]
    gaps = np.hypot(*(bodies - xy).T)[np.asarray(forecast.valid)]
    if np.any(gaps < 2.0):
        return "people"
    if np.hypot(*(np.asarray(moment.field.goal_map)[:2] - xy)) < 1.5:
        return "goal"
    clearance = sample(jax.tree.map(jnp.asarray, world.clearance), xy)
    return "narrow" if float(clearance) < 0.4 else "open"


def crop(field: RouteField, pose_map: np.ndarray) -> RouteField:
    """The part of the field that a plan can reach; the map is never smaller than that."""
    grid = field.cost_to_go
    table, origin = np.asarray(grid.table), np.asarray(grid.origin)
    resolution = float(grid.resolution)
    column, row = np.round((np.asarray(pose_map)[:2] - origin) / resolution).astype(int)
    row = int(np.clip(row - WINDOW // 2, 0, table.shape[0] - WINDOW))
    column = int(np.clip(column - WINDOW // 2, 0, table.shape[1] - WINDOW))
    return RouteField(
        cost_to_go=SmoothGrid(
            table=table[row : row + WINDOW, column : column + WINDOW],
            origin=(origin + resolution * np.array([column, row])).astype(np.float32),
            resolution=np.float32(resolution),
        ),
        goal_map=np.asarray(field.goal_map),
    )


def flatten(tree, prefix: str = "") -> dict[str, np.ndarray]:
    """Arrays of nested dataclasses by dotted name; what is None is left out."""
    if tree is None:
        return {}
    if not dataclasses.is_dataclass(tree):
        return {prefix.removesuffix("."): np.asarray(tree)}
    found: dict[str, np.ndarray] = {}
    for field in dataclasses.fields(tree):
        found |= flatten(getattr(tree, field.name), f"{prefix}{field.name}.")
    return found


def rebuild(kind, arrays, prefix: str):
    """Inverse of ``flatten``; KeyError when the package's types have changed since."""
    kinds = typing.get_args(kind)
    if type(None) in kinds:
        if not any(f"{name}.".startswith(prefix) for name in arrays):
            return None
        kind = kinds[0]
    if not dataclasses.is_dataclass(kind):
        return jnp.asarray(arrays[prefix.removesuffix(".")])
    hints = typing.get_type_hints(kind)
    return kind(
        **{
            field.name: rebuild(hints[field.name], arrays, f"{prefix}{field.name}.")
            for field in dataclasses.fields(kind)
        }
    )


def load(split: str) -> tuple[Moment, np.ndarray, np.ndarray]:
    """(Moments with a leading axis B, their strata, their homes); records if need be."""
    if FILE.exists():
        with np.load(FILE) as arrays:
            try:
                moments = rebuild(Moment, arrays, f"{split}.")
                return moments, arrays[f"{split}.stratum"], arrays[f"{split}.home"]
            except KeyError:
                print("the recorded moments are of an older package")
    save(record())
    return load(split)


def save(arrays: dict[str, np.ndarray]) -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(FILE, **arrays)  # type: ignore[arg-type]
    print(f"{FILE.relative_to(REPOSITORY)}: {FILE.stat().st_size / 1e6:.1f} MB")


def _home(name: str, people: int, seed: int) -> Home:
    if name == "flat":
        # seed by seed there and back, or all episodes would go the same way
        home = packaged_home(ROBOT, CONFIG, people=people, seed=seed)
        if seed % 2:
            start, goal = home.scene.start_map, home.scene.goal_map
            home = packaged_home(
                ROBOT,
                CONFIG,
                people=people,
                seed=seed,
                start=tuple(map(float, goal)),
                goal=tuple(map(float, start)),
            )
        return home
    data = Path(os.environ.get("ASTRO_JAX_DATA", REPOSITORY.parent / "shared" / "data"))
    path = data / "home_maps" / f"{name}.yaml"
    return home_of_map(path, ROBOT, CONFIG, people=people, seed=seed)


def _stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="driven in each home")
    save(record(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
