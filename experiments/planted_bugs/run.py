"""Does the ambush find bugs that are planted in the gate?  Each against the gate as it is."""

import argparse
import dataclasses
import importlib.util
import json
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from astro_jax.bench.report import write_json
from astro_jax.bench.surprise import Outcome, play
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT
from astro_jax.sim.ambush.envelope import Kind
from astro_jax.sim.ambush.strata import NOMINAL, STRATA, stratum_of

FALSE_STOPS, FALSE_SLOW = 0.05, 0.2
"""Shares of one episode: ten times what is granted to all of them together."""
ROOT = Path(__file__).parents[2]
SURE = 1e-3
"""Largest probability of a finding by chance, where the gate as it is has findings itself."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=3 * len(STRATA))
    parser.add_argument("--beams", type=int, default=90)
    parser.add_argument("--only", default="", help="part of the bugs' names")
    parser.add_argument("--json", type=Path, help="where to keep what is done, to go on from")
    options = parser.parse_args()
    planted = _planted()
    sensor = dataclasses.replace(DEFAULT_ROBOT.sensor, beams=options.beams)
    robot = dataclasses.replace(DEFAULT_ROBOT, sensor=sensor)
    seeds = list(range(options.episodes))
    done = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    baseline = play(robot, DEFAULT_PLANNER)(seeds)
    print({name: int(flags.sum()) for name, flags in oracles(baseline).items()}, flush=True)
    for bug in planted.BUGS:
        if options.only not in bug.name or bug.name in done:
            continue
        began = time.perf_counter()
        outcome = play(robot, DEFAULT_PLANNER, react=planted.planted(bug))(seeds)
        done[bug.name] = findings(baseline, outcome)
        print(f"{bug.name}: {done[bug.name]} ({time.perf_counter() - began:.0f} s)", flush=True)
        if options.json:
            write_json(options.json, done)
    table = Table("bug", "found by (episodes more than without it)")
    for name, found in done.items():
        table.add_row(name, ", ".join(f"{k} {n}" for k, n in found.items()) or "NOTHING")
    Console(width=120).print(table)


def oracles(outcome: Outcome) -> dict[str, np.ndarray]:
    """By oracle, the episodes in which it speaks."""
    kinds, wanting = outcome["kinds"], np.maximum(outcome["wanting"], 1)
    nominal = np.array([stratum_of(int(seed)) == NOMINAL for seed in outcome["seed"]])
    return {
        "contact: thing": kinds[:, Kind.THING] + kinds[:, Kind.FORGOTTEN] > 0,
        "contact: person": kinds[:, Kind.PERSON] > 0,
        **{f"P{k}": outcome["broken"][:, i] > 0 for i, k in enumerate((1, 4, 6))},
        # a gate that lets nothing through touches nothing: of the time that wants motion it may
        # not stop for more than this, where nothing is in the way
        "false stop": nominal & (outcome["stopped"] > FALSE_STOPS * wanting),
        "false slow-down": nominal & (outcome["slowed"] > FALSE_SLOW * wanting),
    }


def findings(without: Outcome, planted: Outcome) -> dict[str, int]:
    """Oracles that speak of the bug, with the number of episodes that it added.

    Where the gate as it is gives none at all, one is enough; else more must have come than
    gone: a sign test on the same episodes.
    """
    found = {}
    before = oracles(without)
    for name, flags in oracles(planted).items():
        more = int(np.count_nonzero(flags & ~before[name]))
        less = int(np.count_nonzero(before[name] & ~flags))
        by_chance = float(binom.sf(more - 1, more + less, 0.5)) if before[name].any() else 0.0
        if more > 0 and by_chance < SURE:
            found[name] = more - less
    return found


def _planted():
    path = ROOT / "tests" / "reactive" / "planted.py"
    spec = importlib.util.spec_from_file_location("planted", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by name
    import sys

    sys.modules["planted"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
