"""What it is worth to keep things that passed out of the scan's view: four gates, one ambush."""

import argparse
import json
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from astro_jax.bench.clock import on_accelerator
from astro_jax.bench.report import plain
from astro_jax.bench.surprise import AT_ONCE, BATCH, play, summary
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.reactive import gate, kept

SHOWN = (
    "episodes",
    "thing",
    "forgotten",
    "person",
    "slowed",
    "stopped",
    "frozen_s",
    "nominal_slowed",
)
KEEP, GAPS, LASTS = gate.keep, gate.gaps_to_things, kept.LASTS


def nothing_kept(robot, kept, *_):
    return kept


def no_half_cell(robot, config, path, points, returned, clearance):
    """The map's obstacles half a cell nearer."""
    gaps = GAPS(robot, config, path, points, returned, clearance)
    return gaps.at[:, points.shape[0] :].add(-0.5 * clearance.resolution)


VARIANTS = {
    # name: (keep, gaps, seconds kept)
    "as it is": (KEEP, GAPS, LASTS),
    "nothing kept": (nothing_kept, GAPS, LASTS),
    "nothing kept, walls of the map nearer": (nothing_kept, no_half_cell, LASTS),
    "kept for 3 s": (KEEP, GAPS, 3.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=200_000)
    parser.add_argument("--json", type=Path, help="folder for a report of each variant")
    options = parser.parse_args()
    size = AT_ONCE if on_accelerator() else BATCH
    table = Table("", *SHOWN, title="still things and people touched, per variant")
    for name, (keep, gaps, lasts) in VARIANTS.items():
        gate.keep, gate.gaps_to_things, kept.LASTS = keep, gaps, lasts
        jax.clear_caches()
        drive, parts = play(DEFAULT_ROBOT, DEFAULT_PLANNER), []
        for first in range(0, options.episodes, size):
            seeds = list(range(options.seed + first, options.seed + first + size))
            left = min(size, options.episodes - first)
            parts.append({key: value[:left] for key, value in drive(seeds).items()})
        outcome = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        report = summary(outcome, DEFAULT_PLANNER.gate_period, options.seed)
        table.add_row(name, *(f"{report.metrics[key]:.4g}" for key in SHOWN))
        if options.json:
            options.json.mkdir(parents=True, exist_ok=True)
            path = options.json / f"{name.replace(' ', '_').replace(',', '')}.json"
            path.write_text(json.dumps(plain(report.as_dict()), indent=1))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
