"""Does the base have to wait for its screen?

    python experiments/screen/run.py --episodes 70 --out experiments/screen

The same drives as ``astro-jax bench intent``, for several prices of turns that the screen has
not shown (``PlannerParams.unannounced``).
"""

import argparse
import dataclasses
import math
from pathlib import Path

import numpy as np

from astro_jax.bench.intent import KINDS, WANTED, Drive, bench_intent
from astro_jax.bench.intervals import wilson
from astro_jax.bench.report import write_json
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.viz.heading import heading_figure

PRICES = (30.0, 0.0)


def row(price: float, drives: list[Drive]) -> str:
    turns = [turn for drive in drives for turn in drive.turns]
    shares = []
    for kind in (*KINDS, ""):
        own = [turn.lead >= WANTED for turn in turns if not kind or turn.kind == kind]
        low, high = wilson(sum(own), len(own))
        share = sum(own) / max(len(own), 1)
        shares.append(f"{share:.1%} of {len(own)} ({low:.0%} to {high:.0%})")
    times = [min(drive.arrived_at, 40.0) for drive in drives]
    arrived = np.mean([math.isfinite(drive.arrived_at) for drive in drives])
    contacts = sum(drive.contacts for drive in drives)
    ends = f"{arrived:.1%} | {np.mean(times):.1f} ({np.median(times):.1f}) | {contacts}"
    return f"| {price:g} | " + " | ".join(shares) + f" | {ends} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=70)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/screen"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print(
        "| price | " + " | ".join(KINDS) + " | all | arrived | time s, mean (median) | contacts |"
    )
    print("|" + "---|" * (len(KINDS) + 5))
    for price in PRICES:
        params = dataclasses.replace(PlannerParams(), unannounced=price)
        sizes = (given.episodes, given.seed)
        report, drives = bench_intent(DEFAULT_ROBOT, DEFAULT_PLANNER, params, *sizes)
        write_json(given.out / f"price_{price:g}.json", report.as_dict())
        print(row(price, drives), flush=True)
        shown = max(drives, key=lambda drive: len(drive.turns) - drive.time[-1] / 10.0)
        heading_figure(shown, DEFAULT_ROBOT.pan_limit).savefig(given.out / f"price_{price:g}.png")


if __name__ == "__main__":
    main()
