"""``bench throughput``: simulated seconds per second of wall time, the whole robot inside.  [host]

Rollouts through the packaged flat, people walking about, in batches of several sizes: sensing,
mapping, tracking, forecasts, plan, gate, physics and referee in one call.  The shut door is
known; the host searches each way once, before.  Each size is compiled once, run once to warm up,
and then timed.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.bench.clock import cores, load, on_accelerator
from astro_jax.bench.report import Report
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.home import packaged_home
from astro_jax.route.planner import plan_route
from astro_jax.sim.fleet import Place, compiled, stacked
from astro_jax.sim.late import split_latency
from astro_jax.sim.rollout import rollout
from astro_jax.sim.state import honest

HOMES = 4
"""Different walks of people."""
LATENCY = 0.3
REPEATS = 3


def bench_throughput(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    batches: Sequence[int],
    people: int = 5,
    seconds: float = 5.0,
    seed: int = 0,
    on_batch: Callable[[int], None] = lambda done: None,
) -> Report:
    """Times of ``seconds`` of closed loop in batches of each size.

    Raises:
      InputError: a batch below one, or less than one planning cycle.
    """
    cycles = round(seconds / config.period)
    if cycles < 1:
        raise InputError("seconds", seconds, f"at least {config.period}")
    if not batches or min(batches) < 1:
        raise InputError("batches", list(batches), "sizes from 1")
    busy = load()
    places = stacked([place_of(robot, config, people, seed + k) for k in range(HOMES)])
    own = stacked([params])

    def one(params: PlannerParams, place: Place, number: jax.Array):
        key = jax.random.key(number)
        return rollout(robot, config, params, place.world, place.scene, place.field, key, cycles)

    rows = []
    for done, batch in enumerate(batches):
        rows.append(_timed(functools.partial(compiled, one, own, places), own, places, batch, seed))
        driven = rows[-1]["batch"] * cycles
        rows[-1]["real_time"] = driven * config.period / rows[-1]["wall_s"]
        rows[-1]["cycle_us"] = 1e6 * rows[-1]["wall_s"] / driven
        on_batch(done + 1)
    best = max(rows, key=lambda row: row["real_time"])
    return Report(
        name="throughput",
        seed=seed,
        config={"robot": robot, "planner": config, "seconds": seconds, "people": people},
        metrics={
            "real_time": best["real_time"],
            "batch": best["batch"],
            "cycle_us": best["cycle_us"],
            "candidates": config.candidates * config.stages,
            "people": people,
            "load_before": busy,
            "load_after": load(),
        },
        cases=rows,
    )


def usual_batches() -> tuple[int, ...]:
    """Sizes that show where a device is full: a CPU is with one episode per core."""
    return (1, 64, 1024, 4096, 8192) if on_accelerator() else (len(cores()), 4 * len(cores()))


def place_of(robot: RobotConfig, config: PlannerConfig, people: int, seed: int) -> Place:
    """The flat with its people, and a route that knows which door is shut."""
    home = packaged_home(robot, config, people=people, seed=seed)
    occupancy = np.where(home.blocked, 100, home.house_map.occupancy)
    house_map = dataclasses.replace(home.house_map, occupancy=occupancy)
    scene = home.scene
    route = plan_route(house_map, robot, np.asarray(scene.start_map), np.asarray(scene.goal_map))
    return Place(
        world=honest(split_latency(LATENCY)),
        scene=scene,
        field=jax.tree.map(jnp.asarray, route.field),
    )


def _timed(
    compiling: Callable[[int], Any], params: Any, places: Any, batch: int, seed: int
) -> dict[str, Any]:
    devices = jax.local_device_count()
    size = -(-batch // devices) * devices
    began = time.perf_counter()
    call = compiling(size)
    compile_seconds = time.perf_counter() - began
    which, where = np.zeros(size, np.int32), np.arange(size, dtype=np.int32) % HOMES
    seeds = seed + np.arange(size, dtype=np.int32)
    out = jax.block_until_ready(call(params, places, which, where, seeds))
    walls = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        jax.block_until_ready(call(params, places, which, where, seeds))
        walls.append(time.perf_counter() - began)
    needed = call.memory_analysis()
    return {
        "batch": size,
        "compile_s": compile_seconds,
        "wall_s": float(np.median(walls)),
        "memory_mb": (needed.temp_size_in_bytes if needed else np.nan) / 2.0**20,
        "contacts": int(np.sum(out.contacts.contacts)),
        "finite": bool(jnp.all(jnp.isfinite(out.pose_map))),
    }
