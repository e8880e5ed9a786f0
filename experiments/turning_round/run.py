"""How far, and for how long, robots back through homes: with and without a price for facing away.

PYTHONPATH=. python experiments/turning_round/run.py --cases "flat-0?" --runs 3
"""

import argparse
import dataclasses
import fnmatch
import os
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from astro_jax.bench.suites import SUITES

COLUMNS = ("facing", "case", "run", "s", "backed s", "backed m", "driven m", "contacts", "ended")
BACKS = 0.01
"""m/s."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facing", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--cases", nargs="+", default=["flat-07"])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("ASTRO_JAX_DATA", "../shared/data")
    )
    options = parser.parse_args()
    homes, variant = SUITES["homes"], "500"
    setup = homes.setup(variant)
    cases = homes.load(Path(options.data), setup, variant)
    names = [n for n in cases if any(fnmatch.fnmatch(n, wanted) for wanted in options.cases)]
    drive = homes.driver(setup, variant)
    table = Table(*COLUMNS, title="homes, 500 ms")
    for facing in options.facing:
        params = dataclasses.replace(setup.params, facing=facing)
        for name in names:
            for run in range(options.runs):
                case = cases[name](run)
                trace = drive(case, run, params)
                row = homes.judge(case, setup, trace)
                speed = np.asarray(trace.ticks.twist)[:, 0]
                step = np.diff(trace.ticks.time, append=trace.ticks.time[-1])
                backs = speed < -BACKS
                ended = "there" if row["success"] else "at fault" if row["at_fault"] else "too late"
                numbers = (
                    f"{trace.ticks.time[-1]:.0f}",
                    f"{step @ backs:.1f}",
                    f"{step @ np.where(backs, -speed, 0.0):.2f}",
                    f"{step @ np.abs(speed):.1f}",
                    f"{row['contacts']}",
                )
                table.add_row(f"{facing:g}", name, str(run), *numbers, ended)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
