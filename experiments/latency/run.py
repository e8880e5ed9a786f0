"""The closed loop under growing latency, with and without knowing about it.

Results are kept batch by batch in one JSON file; what is there is not driven again.  An
accelerator drives two thousand episodes at once, a CPU one after the other.
"""

import argparse
import dataclasses
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import plot
import scenes

from astro_jax.bench.clock import on_accelerator
from astro_jax.bench.guides import guides
from astro_jax.bench.together import AT_ONCE, Run, together
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, Latency, PlannerParams
from astro_jax.sim.late import split_latency
from astro_jax.sim.metrics import episode_metrics
from astro_jax.sim.odometry import PoseErrors
from astro_jax.sim.state import Circumstances
from astro_jax.suites.case import Case, Setup, Trace
from astro_jax.suites.drive import driver

BATCH = 20
"""Episodes between two writes, one by one on a CPU."""
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
SCENES = {"homes": scenes.home, "crossing": scenes.crossing}
CONFIG = dataclasses.replace(DEFAULT_PLANNER, recorded_stride=1000)
SETUP = Setup(robot=DEFAULT_ROBOT, config=CONFIG, params=PlannerParams())
IGNORANT = Latency(sensor=0.0, reactive_sensor=0.0, command=0.0, command_doubt=0.0)
Key = tuple[float, int, int]
"""Latency, whether it is known, seed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", choices=list(SCENES), default="crossing")
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.3, 0.5])
    parser.add_argument("--knowing", type=int, nargs="+", default=[1, 0], help="1: compensated")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1, help="processes that search ways")
    parser.add_argument("--data", type=Path, default=os.environ.get("ASTRO_JAX_DATA", "data"))
    parser.add_argument("--out", type=Path, default=Path("out/latency"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{options.scene}.json"
    rows = {key(row): row for row in (json.loads(path.read_text()) if path.exists() else [])}
    # seeds first: what was interrupted has all latencies of some of them
    keys = itertools.product(range(options.episodes), options.latencies, options.knowing)
    missing = [k for s, late, knows in keys if (k := (late, knows, s)) not in rows]
    with guides(options.jobs) as guiding:
        # latency is data: all episodes of a place run the same program
        drive = together(SETUP, guiding) if on_accelerator() else in_turn
        for first in range(0, len(missing), AT_ONCE if on_accelerator() else BATCH):
            began = time.perf_counter()
            part = missing[first : first + (AT_ONCE if on_accelerator() else BATCH)]
            runs = [run_of(options.scene, Path(options.data), wanted) for wanted in part]
            for number, trace in drive(runs):
                rows[part[number]] = row_of(part[number], runs[number].case, trace)
            path.write_text(json.dumps(list(rows.values())))
            took = time.perf_counter() - began
            print(f"{first + len(part)} of {len(missing)}, {took:.0f} s", flush=True)
    plot.draw(options.out)


def key(row: dict) -> Key:
    return row["latency"], row["knowing"], row["seed"]


def run_of(scene: str, data: Path, wanted: Key) -> Run:
    """The episode that a key names."""
    seconds, knows, seed = wanted
    truth = split_latency(seconds)
    told = truth if knows else IGNORANT
    world = Circumstances(latency=truth, told=told, errors=PoseErrors())
    case = SCENES[scene](CONFIG, data, seed, world)
    return Run(case=case, seed=seed, params=SETUP.params)


one_by_one = driver(SETUP)


def in_turn(runs: Sequence[Run]) -> Iterator[tuple[int, Trace]]:
    """On a CPU."""
    for number, run in enumerate(runs):
        yield number, one_by_one(run.case, run.seed, run.params)


def row_of(wanted: Key, case: Case, trace: Trace) -> dict:
    """The figures of one episode."""
    ticks = trace.ticks
    figures = episode_metrics(
        *(np.asarray(column) for column in (ticks.time, ticks.pose_map, ticks.twist)),
        counts=trace.contacts,
        shortest_path=case.shortest_path,
        arrived_at=trace.arrived_at,
    )
    named = dict(zip(("latency", "knowing", "seed"), wanted, strict=True))
    return named | {name: figures[name] for name in KEPT}


if __name__ == "__main__":
    main()
