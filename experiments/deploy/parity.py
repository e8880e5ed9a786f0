"""Does machine code decide as XLA does?  The same recorded cycles through both, timed in turn."""

import argparse
import collections
import dataclasses
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from astro_jax.bench.clock import cores, load
from astro_jax.bench.moments import Moment, moments
from astro_jax.deploy.arrays import flat, nested
from astro_jax.deploy.artifact import Artifact, read_artifact
from astro_jax.deploy.cache import own_cache, use_cache
from astro_jax.deploy.check import differences
from astro_jax.deploy.engine import Engine, numpy_of, xla_engine
from astro_jax.deploy.golden import drive
from astro_jax.deploy.native import native_engine
from astro_jax.deploy.room import roomy_field, roomy_house
from astro_jax.types import Diagnostics, Plan, PlannerState
from astro_jax.world.inbox import empty_inbox, snapshot

STRICT = 1e-4
"""What counts as the same, relative."""


class Both:
    """Every call goes to both; XLA's answer goes on."""

    def __init__(self, xla: Engine, native: Engine) -> None:
        self.engines = (xla, native)
        self.seconds: dict[str, list[tuple[float, ...]]] = {}
        self.cases: dict[str, list[dict[str, float]]] = {}
        self.places: collections.Counter[str] = collections.Counter()
        """Arrays that came straight from the inputs, and still differ."""

    def calls(self):
        return {name: lambda given, n=name: self.call(n, given) for name in self.engines[0].calls}

    def call(self, name, given):
        found, times = [], []
        for engine in self.engines:
            wall, cpu = time.perf_counter(), time.process_time()
            found.append(numpy_of(engine.calls[name](given)))
            times += [time.perf_counter() - wall, time.process_time() - cpu]
        self.seconds.setdefault(name, []).append(tuple(times))
        self.cases.setdefault(name, []).append(case(name, *found, self.places))
        return found[0]


def case(name, one, other, places) -> dict[str, float]:
    """How far two answers are apart, relative to the largest element of each array."""
    off = {}
    for key, value in one.items():
        finite = np.abs(np.asarray(value, np.float64))
        size = np.max(finite[np.isfinite(finite)], initial=1e-3)
        off[key] = float(np.max(differences(other[key], value), initial=0.0)) / size
    if name != "think":
        return {"worst": max(off.values())}
    maps = ("state.local_map.", "state.clearance.")
    chosen = ("state.planner.", "state.next_plan.", "state.next_screen_plan.", "report.")
    cost = abs(float(other["report.best_cost"]) - float(one["report.best_cost"]))
    straight = {k: v for k, v in off.items() if not k.startswith((*chosen, *maps))}
    places.update(key for key, value in straight.items() if value > STRICT)
    cells = differences(other["state.local_map.evidence"], one["state.local_map.evidence"])
    return {
        "commands": off["state.next_plan.commands"],
        "best cost": cost / max(abs(float(one["report.best_cost"])), 1.0),
        "sampled cost": off["report.sampled_cost"],
        "tracks, health": max(straight.values()),
        "cells on an edge": float(np.mean(cells > STRICT)),
        "status": float(one["state.next_plan.status"] != other["state.next_plan.status"]),
        "better": float(one["report.best_cost"]) - float(other["report.best_cost"]),
    }


def recorded(artifact: Artifact, both: Both, count: int, people: int, seed: int) -> None:
    """Cycles in the packaged flat among people, as ``bench cycle`` has them."""
    settings, room = artifact.settings, artifact.manifest.house
    params, latency = jax.tree.map(jnp.float32, (settings.params, settings.latency))
    form = artifact.manifest.functions["think"].inputs
    # what the moments do not say is as in the golden cycle: gaze, pace, a goal
    neutral, _ = artifact.golden("think")
    empty = flat(snapshot(empty_inbox(settings.robot), 0), "snapshot")
    kept = {}

    def cycle(params, latency, moment: Moment):
        if not kept:
            kept.update(flat(roomy_house(moment.house, room), "house"))
            kept.update(flat(roomy_field(moment.field, room), "field"))
        seen = {name: np.asarray(a) for name, a in flat(moment.snapshot, "snapshot").items()}
        for name, value in empty.items():
            if name.startswith("snapshot.detections.") and np.ndim(value):
                padded = np.array(value)
                padded[: len(seen[name])] = seen[name]
                seen[name] = padded
        seen["snapshot.scan.free"] = np.minimum(seen["snapshot.scan.ranges"], np.float32(8.0))
        seen["snapshot.odometry.cov"] = np.zeros((3, 3), np.float32)
        state = {n: np.asarray(a) for n, a in flat(moment.state, "state").items()}
        given = {**neutral, **kept, **seen, **state}
        given = {name: np.asarray(given[name], kind.dtype) for name, kind in form.items()}
        found = both.call("think", given)
        planner: PlannerState = nested(moment.state.planner, found, "state.planner")
        plan: Plan = nested(moment.state.plan, found, "state.next_plan")
        return planner, plan, _no_diagnostics()

    moments(settings.robot, settings.config, params, latency, people, count, seed, cycle)


def _no_diagnostics() -> Diagnostics:
    return Diagnostics(**{field.name: None for field in dataclasses.fields(Diagnostics)})  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--places", type=int, default=100, help="5 cycles each, twice")
    parser.add_argument("--drives", type=int, default=10, help="of 15 cycles and 75 ticks")
    options = parser.parse_args()
    use_cache(own_cache())
    artifact = read_artifact(options.artifact)
    both = Both(xla_engine(artifact), native_engine(artifact))
    busy = load()
    for seed in range(options.drives):
        for _ in drive(artifact.settings, both.calls(), artifact.manifest.house, 15, seed):
            pass
    for people, seed in ((artifact.settings.config.people, 1), (3, 2)):
        recorded(artifact, both, options.places, people, seed)

    console = Console(width=100)
    table = Table("function", "calls", "", "median", "90 %", "99 %", "worst", f"≤ {STRICT:g}")
    for name, cases in both.cases.items():
        for key in cases[0]:
            values = np.array([one[key] for one in cases])
            spread = [np.percentile(np.abs(values), q) for q in (50, 90, 99, 100)]
            share = np.mean(np.abs(values) <= STRICT)
            shown = [f"{value:.1e}" for value in spread]
            table.add_row(name, str(len(cases)), key, *shown, f"{100 * share:.1f} %")
    console.print(table)
    console.print(f"straight from the inputs, and different: {dict(both.places)}")
    others = [one for one in both.cases["think"] if one["commands"] > STRICT]
    moved = sum(one["cells on an edge"] > 0.0 for one in others)
    gains = np.array([one["better"] for one in others] or [0.0])
    console.print(f"{len(others)} plans differ by more than {STRICT:g}, {moved} on other cells")
    console.print(f"machine code's cost less, s: from {np.min(gains):.1e} to {np.max(gains):.1e}")
    times = Table("function", "XLA wall", "XLA CPU", "machine code wall", "machine code CPU")
    for name, rows in both.seconds.items():
        wall = 1e3 * np.median(rows[5:] if len(rows) > 10 else rows, axis=0)
        times.add_row(name, *(f"{value:.2f} ms" for value in wall))
    console.print(times)
    console.print(f"{len(cores())} cores, load {busy:.1f} before and {load():.1f} after")


if __name__ == "__main__":
    main()
