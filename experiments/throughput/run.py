"""Sixteen closed loops in one call: same home, different people and noise."""

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.home import packaged_home
from astro_jax.sim.closed_loop import drive
from astro_jax.sim.late import split_latency
from astro_jax.sim.metrics import episode_metrics

SHOWN = ("success", "time", "path_ratio", "contacts", "at_fault", "min_clearance_people")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=90.0)
    options = parser.parse_args()

    seeds = range(options.seeds)
    homes = [packaged_home(DEFAULT_ROBOT, DEFAULT_PLANNER, seed=seed) for seed in seeds]
    began = time.perf_counter()
    episodes = drive(
        DEFAULT_ROBOT,
        DEFAULT_PLANNER,
        PlannerParams(),
        split_latency(options.latency),
        [home.scene for home in homes],
        [home.route for home in homes],
        list(seeds),
        options.seconds,
    )
    wall = time.perf_counter() - began

    table = Table("seed", *SHOWN, title=f"{len(homes)} episodes in one batch")
    rows = []
    for seed, home, episode in zip(seeds, homes, episodes, strict=True):
        ticks = episode.ticks
        figures = episode_metrics(
            *(np.asarray(trace) for trace in (ticks.time, ticks.pose_map, ticks.twist)),
            counts=episode.final.contacts,
            shortest_path=home.shortest_path,
            arrived_at=episode.arrived_at,
        )
        rows.append([figures[name] for name in SHOWN])
        table.add_row(str(seed), *(f"{value:.2f}" for value in rows[-1]))
    table.add_row("mean", *(f"{value:.2f}" for value in np.mean(rows, axis=0)))
    Console().print(table)
    simulated = len(homes) * float(np.max(np.asarray(episodes[0].final.time)))
    print(
        f"{wall:.0f} s of wall time, of which {episodes[0].compile_seconds:.0f} s compilation; "
        f"{simulated / episodes[0].run_seconds:.1f} simulated seconds per second"
    )


if __name__ == "__main__":
    main()
