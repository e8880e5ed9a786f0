"""The closed loop under growing latency, with and without knowing about it.

Results are kept batch by batch in one JSON file; what is there is not driven again.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

import jax
import numpy as np
import plot
import scenes

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency, PlannerParams
from astro_jax.sim.closed_loop import drive
from astro_jax.sim.late import split_latency
from astro_jax.sim.metrics import episode_metrics
from astro_jax.sim.odometry import PoseErrors
from astro_jax.sim.state import Circumstances

KEPT = (
    "success",
    "timeout",
    "void",
    "time",
    "path_ratio",
    "contacts",
    "at_fault",
    "wall_contacts",
    "contact_speed",
    "min_clearance_people",
    "min_clearance_walls",
    "rms_jerk",
    "sparc",
    "frozen",
)
SECONDS = {"homes": 60.0, "crossing": 30.0}
CONFIG = dataclasses.replace(DEFAULT_PLANNER, recorded_stride=1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", choices=list(SECONDS), default="crossing")
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.3, 0.5])
    parser.add_argument("--knowing", type=int, nargs="+", default=[1, 0], help="1: compensated")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--data", type=Path, default=os.environ.get("ASTRO_JAX_DATA", "data"))
    parser.add_argument("--out", type=Path, default=Path("out/latency"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    # latency is data: every batch runs the same program
    jax.config.update("jax_compilation_cache_dir", str(options.out / "compiled"))
    path = options.out / f"{options.scene}.json"
    rows = {key(row): row for row in (json.loads(path.read_text()) if path.exists() else [])}
    for seeds in batches(options.scene, options.episodes, options.batch):
        for seconds in options.latencies:
            for knowing in options.knowing:
                if all((seconds, knowing, seed) in rows for seed in seeds):
                    continue
                began = time.perf_counter()
                new = driven(options.scene, Path(options.data), seeds, seconds, bool(knowing))
                rows |= {key(row): row for row in new}
                path.write_text(json.dumps(list(rows.values())))
                took = time.perf_counter() - began
                print(f"{seconds:g} s, knowing {knowing}, seeds {seeds[0]}…: {took:.0f} s")
    plot.draw(options.out)


def key(row: dict) -> tuple:
    return row["latency"], row["knowing"], row["seed"]


def batches(scene: str, episodes: int, size: int) -> list[list[int]]:
    """Seeds, in batches of scenes of one size."""
    if scene == "crossing":
        return [list(range(k, min(k + size, episodes))) for k in range(0, episodes, size)]
    # even and odd seeds are in different homes
    halves = [list(range(parity, episodes, 2)) for parity in (0, 1)]
    parts = [[half[k : k + size] for k in range(0, len(half), size)] for half in halves]
    return [batch for pair in zip(*parts, strict=True) for batch in pair]


def driven(scene: str, data: Path, seeds: list[int], seconds: float, knowing: bool) -> list[dict]:
    """Drive one batch; a row of figures per episode."""
    make = {"homes": scenes.homes, "crossing": scenes.crossings}[scene]
    found = make(CONFIG, data, seeds)
    truth = split_latency(seconds)
    ignorant = Latency(sensor=0.0, reactive_sensor=0.0, command=0.0, command_doubt=0.0)
    episodes = drive(
        DEFAULT_ROBOT,
        CONFIG,
        PlannerParams(),
        Circumstances(latency=truth, told=truth if knowing else ignorant, errors=PoseErrors()),
        [scene for scene, _, _ in found],
        [route for _, route, _ in found],
        seeds,
        SECONDS[scene],
    )
    rows = []
    for seed, (_, _, shortest), episode in zip(seeds, found, episodes, strict=True):
        ticks = episode.ticks
        figures = episode_metrics(
            *(np.asarray(trace) for trace in (ticks.time, ticks.pose_map, ticks.twist)),
            counts=episode.final.contacts,
            shortest_path=shortest,
            arrived_at=episode.arrived_at,
        )
        kept = {name: figures[name] for name in KEPT}
        rows.append({"latency": seconds, "knowing": int(knowing), "seed": seed} | kept)
    return rows


if __name__ == "__main__":
    main()
