"""The gate alone against things and people that surprise it, by the ten thousand.      [host]

Each seed is one episode of ``sim/ambush``; batches of them run as one jitted call, on one core
per process.  What comes out is counted by stratum, with the seeds of the episodes in which the
gate was at fault: ``bench surprise --replay SEED`` shows what happened.  Which contacts are its
fault the declared envelope says (``sim/ambush/envelope.py``).
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import jax
import numpy as np

from astro_jax.bench.clock import cores, on_accelerator, pin
from astro_jax.bench.report import Report
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.reactive import gate
from astro_jax.sim.ambush.cast import Ambush
from astro_jax.sim.ambush.envelope import AT_FAULT, Kind
from astro_jax.sim.ambush.episode import React, run_ambush, start_ambush
from astro_jax.sim.ambush.oath import Oath
from astro_jax.sim.ambush.script import EPISODE
from astro_jax.sim.ambush.state import Tally
from astro_jax.sim.ambush.strata import NOMINAL, STRATA, draw, stratum_of
from astro_jax.sim.contact import ContactState

BATCH, AT_ONCE = 6 * len(STRATA), 560 * len(STRATA)
"""Episodes in one call, of a CPU and of an accelerator."""
PROMISES = ("P1", "P4", "P6")
COUNTED = ("contacts", "wall_contacts", "passive_violations", "contact_speed", "min_ttc", "void")
"""What the referee of all simulations says."""

Outcome = dict[str, np.ndarray]
"""Arrays with a leading axis of episodes."""


def bench_surprise(
    robot: RobotConfig,
    config: PlannerConfig,
    episodes: int,
    seed: int,
    jobs: int = 1,
    on_batch: Callable[[int], None] = lambda done: None,
) -> Report:
    """``episodes`` episodes with successive seeds from ``seed`` on, strata in turn.

    An accelerator takes far more of them at once, in this process, whatever ``jobs`` says.
    """
    alone = on_accelerator()
    seeds, size = range(seed, seed + episodes), AT_ONCE if alone else BATCH
    batches = [list(seeds[k : k + size]) for k in range(0, episodes, size)]
    jobs = 1 if alone else jobs
    parts = []
    for part in _played(robot, config, batches, jobs):
        parts.append(part)
        on_batch(sum(len(p["seed"]) for p in parts))
    outcome = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return summary(outcome, config.gate_period, seed)


def play(
    robot: RobotConfig,
    config: PlannerConfig,
    seconds: float = EPISODE,
    react: React = gate.react,
) -> Callable[[Sequence[int]], Outcome]:
    """A function from seeds to what happened in these episodes; it compiles once per size."""
    cycles = round(seconds / config.period)

    def episode(ambush: Ambush, key: jax.Array) -> tuple[Tally, ContactState, Oath]:
        start = start_ambush(robot, config, ambush, key)
        end, _ = run_ambush(robot, config, ambush, start, cycles, react)
        return end.tally, end.contacts, end.oath

    batched = jax.jit(jax.vmap(episode))

    def run(seeds: Sequence[int]) -> Outcome:
        scripts = [draw(robot, seed) for seed in seeds]
        script = jax.tree.map(lambda *leaves: np.stack(leaves), *scripts)
        keys = jax.vmap(jax.random.key)(np.asarray(seeds, np.uint32))
        # an accelerator would round the factors of float32 products to ten bits
        with jax.default_matmul_precision("highest"):
            tally, contacts, oath = jax.device_get(batched(script, keys))
        tallied = {f.name: getattr(tally, f.name) for f in dataclasses.fields(tally)}
        judged = {name: getattr(contacts, name) for name in COUNTED}
        sworn = {"broken": oath.broken, "broken_at": oath.first}
        return {"seed": np.asarray(seeds), **tallied, **judged, **sworn}

    return run


def summary(outcome: Outcome, tick: float, seed: int) -> Report:
    """Figures of all episodes, of every stratum, and what went wrong where."""
    names = np.array([stratum_of(int(s)) for s in outcome["seed"]])
    rows = [
        {"stratum": name, **_row({k: v[names == name] for k, v in outcome.items()}, tick)}
        for name in STRATA
        if np.any(names == name)
    ]
    total = _row(outcome, tick)
    surprised = {k: v[names != NOMINAL] for k, v in outcome.items()}
    bounds = {}
    for name, count in (
        ("static_at_fault", _faults(surprised, (Kind.THING, Kind.FORGOTTEN))),
        ("passive_in_envelope", _faults(surprised, (Kind.PERSON,))),
    ):
        bounds[name] = rate_interval(count, len(surprised["seed"]))
    metrics: dict[str, Any] = {k: v for k, v in total.items() if k != "violations"}
    for row in rows:
        if row["stratum"] == NOMINAL:
            metrics |= {f"nominal_{k}": row[k] for k in ("slowed", "blind", "stopped")}
    return Report(name="surprise", metrics=metrics, intervals=bounds, cases=rows, seed=seed)


def rate_interval(count: int, episodes: int) -> tuple[float, float]:
    """95 % bounds on the share of episodes: from (count; Poisson), for none 0 to 3/N.

    Garwood, "Fiducial limits for the Poisson distribution", 1936; the upper one is one-sided
    where nothing was seen (−ln .05 = 3.0).
    """
    from scipy.stats import chi2

    if episodes == 0:
        return 0.0, 1.0
    if count == 0:
        return 0.0, min(-float(np.log(0.05)) / episodes, 1.0)
    low = float(chi2.ppf(0.025, 2 * count)) / 2
    high = float(chi2.ppf(0.975, 2 * count + 2)) / 2
    return low / episodes, min(high / episodes, 1.0)


def _faults(outcome: Outcome, kinds: Sequence[Kind]) -> int:
    """Episodes with a contact of one of these kinds."""
    columns = outcome["kinds"][:, [int(kind) for kind in kinds]]
    return int(np.count_nonzero(columns.sum(axis=1)))


def _row(outcome: Outcome, tick: float) -> dict[str, Any]:
    kinds = outcome["kinds"].sum(axis=0)
    wanting = max(float(outcome["wanting"].sum()), 1.0)
    broken = outcome["broken"].sum(axis=0)
    guilty = outcome["kinds"][:, : len(AT_FAULT)].sum(axis=1) > 0
    unsworn = outcome["broken"].sum(axis=1) > 0
    row: dict[str, Any] = {
        "episodes": len(outcome["seed"]),
        "driven_m": float(outcome["driven"].sum()),
        "contacts": int(outcome["contacts"].sum()),
        **{kind.name.lower(): int(kinds[kind]) for kind in Kind},
        "static_at_fault": int(kinds[Kind.THING] + kinds[Kind.FORGOTTEN]),
        "passive_in_envelope": int(kinds[Kind.PERSON]),
        "passive_outside": int(kinds[[Kind.PERSON_TOO_CLOSE, Kind.PERSON_UNSEEN]].sum())
        + int(kinds[[Kind.PERSON_SUDDEN, Kind.STRUCK_LEAVING]].sum()),
        "contact_speed": float(outcome["contact_speed"].max()),
        "min_ttc": float(outcome["min_ttc"].min()),
        "slowed": float(outcome["slowed"].sum()) / wanting,
        "blind": float(outcome["blind"].sum()) / wanting,
        "stopped": float(outcome["stopped"].sum()) / wanting,
        "frozen_s": float(outcome["frozen"].sum()) * tick,
        "void": int(outcome["void"].sum()),
        **{name: int(count) for name, count in zip(PROMISES, broken, strict=True)},
    }
    row["violations"] = [
        {
            "seed": int(outcome["seed"][k]),
            "stratum": stratum_of(int(outcome["seed"][k])),
            "time": float(min(outcome["first"][k], outcome["broken_at"][k].min())),
            "body": int(outcome["first_body"][k]),
            "kinds": {kind.name: int(n) for kind in AT_FAULT if (n := outcome["kinds"][k, kind])},
            "broken": {p: int(n) for p, n in zip(PROMISES, outcome["broken"][k], strict=True) if n},
        }
        for k in np.flatnonzero(guilty | unsworn)
    ]
    return row


# ---- processes -----------------------------------------------------------------------

_worker: Callable[[Sequence[int]], Outcome] | None = None


def _played(
    robot: RobotConfig, config: PlannerConfig, batches: Sequence[Sequence[int]], jobs: int
) -> Iterator[Outcome]:
    """The batches' outcomes, in order; each process has a core and a compilation of its own."""
    # a last, shorter batch is filled up and cut again: one size, one compilation
    full = [list(batch) + [batch[-1]] * (len(batches[0]) - len(batch)) for batch in batches]
    kept = [len(batch) for batch in batches]
    if jobs == 1:
        outcomes: Any = map(play(robot, config), full)
        yield from map(_cut, outcomes, kept)
        return
    context = get_context("spawn")
    free = context.Queue()
    for core in (cores() * jobs)[:jobs]:
        free.put(core)
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_settle, initargs=(free, robot, config)
    ) as pool:
        yield from map(_cut, pool.map(_work, full), kept)


def _cut(outcome: Outcome, kept: int) -> Outcome:
    return {name: values[:kept] for name, values in outcome.items()}


def _settle(free: Any, robot: RobotConfig, config: PlannerConfig) -> None:
    """In a new process: take a core for oneself before JAX makes its threads."""
    global _worker
    pin([free.get()])
    _worker = play(robot, config)


def _work(seeds: Sequence[int]) -> Outcome:
    assert _worker is not None
    return _worker(seeds)
