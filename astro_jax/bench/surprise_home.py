"""The whole robot in a home whose map is not true, among people: contacts by the thousand. [host]

``bench surprise --stack full``: random ways through the packaged flat with a closed door and
boxes that its map does not know, people who walk about, late and slipping wheels.  The referee
is that of all simulations (``sim/contact.py``), whose K1 to K3 say what is at fault; nobody here
declares an envelope, so that no contact is excused.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from astro_jax.bench.drives import driver
from astro_jax.bench.report import Report, plain, write_json
from astro_jax.bench.surprise import rate_interval
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.home import Home, changed_home
from astro_jax.reactive.senses import Mode
from astro_jax.sim.metrics import MOVING, frozen
from astro_jax.sim.odometry import PoseErrors
from astro_jax.sim.state import SimState, TickLog, honest
from astro_jax.types import Reason

EPISODE = 20.0
"""s"""
KEPT_EVERY = 10
"""Episodes between two writes of what is done."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stratum:
    """How many people and unknown boxes there are, and how well the wheels do."""

    people: int
    moved: int
    command: float = 0.10
    drift: float = 0.01


STRATA: Mapping[str, Stratum] = {
    "nobody, boxes": Stratum(people=0, moved=8),
    "people": Stratum(people=3, moved=0),
    "people, boxes": Stratum(people=3, moved=6),
    "crowd": Stratum(people=6, moved=2),
    "command late": Stratum(people=3, moved=3, command=0.18),
    "odometry slips": Stratum(people=3, moved=3, drift=0.1),
}


def bench_home(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    episodes: int,
    seed: int,
    path: Path | None = None,
    on_episode: Callable[[int], None] = lambda done: None,
) -> Report:
    """``episodes`` episodes from ``seed`` on; those that ``path`` holds already are not run again.

    Raises:
      InputError: ``path`` holds something else.
    """
    done = _begun(path, robot, config)
    seeds = range(seed, seed + episodes)
    run = drive_episode(robot, config, params)
    for count, number in enumerate(seeds, 1):
        if number not in done:
            done[number] = run(number)
            if path is not None and (count % KEPT_EVERY == 0):
                write_json(path, summary(list(done.values()), robot, config, seed).as_dict())
        on_episode(count)
    return summary([done[number] for number in seeds], robot, config, seed)


def drive_episode(
    robot: RobotConfig, config: PlannerConfig, params: PlannerParams, seconds: float = EPISODE
) -> Callable[[int], dict[str, Any]]:
    """A function from a seed to the figures of its episode; it compiles once."""
    drive = driver(robot, config, params)

    def run(seed: int) -> dict[str, Any]:
        kind = STRATA[stratum_of(seed)]
        home = changed_home(robot, config, people=kind.people, moved=kind.moved, seed=seed)
        latency = dataclasses.replace(Latency(), command=kind.command)
        world = honest(latency, PoseErrors(drift=kind.drift))
        log, state = drive(home, world, seed, seconds)
        return _figures(config, seed, home, log, state)

    return run


def stratum_of(seed: int) -> str:
    """Its name: strata take turns."""
    return list(STRATA)[seed % len(STRATA)]


def _figures(
    config: PlannerConfig, seed: int, home: Home, log: TickLog, state: SimState
) -> dict[str, Any]:
    counts = jax.device_get(state.contacts)
    until = float(state.arrived_at)
    kept = np.asarray(log.time) <= until
    speed = np.asarray(log.twist)[kept, 0]
    wants = np.asarray(log.scale)[kept] < 0.999
    slowed = (np.asarray(log.mode)[kept] == Mode.SLOWED) & (
        np.asarray(log.reason)[kept] == Reason.SLOWED
    )
    walls = int(counts.wall_contacts)
    # of several events with walls the last one's judgement stands for all
    static = walls if bool(counts.faulted[-1]) else 0
    violated = walls if bool(counts.violated[-1]) else 0
    return {
        "seed": seed,
        "stratum": stratum_of(seed),
        "driven_m": float(np.abs(speed).sum() * config.gate_period),
        "seconds": float(kept.sum() * config.gate_period),
        "shortest_m": home.shortest_path,
        "arrived": bool(np.isfinite(until)),
        "contacts": int(counts.contacts),
        "static_at_fault": static,
        "at_fault": int(counts.at_fault),
        "passive_people": int(counts.passive_violations) - violated,
        "contact_speed": float(counts.contact_speed),
        "min_ttc": float(counts.min_ttc),
        "first": float(counts.first_contact_at),
        "slowed_s": float(np.count_nonzero(slowed & wants) * config.gate_period),
        "stopped_s": float(
            np.count_nonzero(np.asarray(log.mode)[kept] == Mode.STOPPED) * config.gate_period
        ),
        "resting_s": float(np.count_nonzero(np.abs(speed) <= MOVING) * config.gate_period),
        "frozen_s": frozen(speed, 1.0 / config.gate_period),
        "void": int(bool(counts.void)),
    }


def summary(
    done: Sequence[Mapping[str, Any]], robot: RobotConfig, config: PlannerConfig, seed: int
) -> Report:
    """Figures of all episodes and of every stratum; the episodes themselves for going on."""
    rows = []
    for name in STRATA:
        own = [episode for episode in done if episode["stratum"] == name]
        if own:
            rows.append({"stratum": name, **_row(own)})
    metrics = _row(done)
    counted = {
        name: sum(episode[key] > 0 for episode in done)
        for name, key in (
            ("static_at_fault", "static_at_fault"),
            ("passive_violations", "passive_people"),
        )
    }
    bounds = {name: rate_interval(count, len(done)) for name, count in counted.items()}
    made_of = {"robot": robot, "planner": config, "episodes": list(done)}
    return Report(
        name="surprise at home",
        metrics={key: value for key, value in metrics.items() if key != "violations"},
        intervals=bounds,
        cases=rows,
        config=made_of,
        seed=seed,
    )


def _row(episodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    def total(key: str) -> float:
        return sum(episode[key] for episode in episodes)

    def least(key: str) -> float:
        # JSON knows no infinity: null
        return min(np.inf if e[key] is None else e[key] for e in episodes)

    seconds = max(total("seconds"), 1e-9)
    return {
        "episodes": len(episodes),
        "driven_m": total("driven_m"),
        "arrived": total("arrived") / len(episodes),
        "contacts": total("contacts"),
        "at_fault": total("at_fault"),
        "static_at_fault": total("static_at_fault"),
        "passive_people": total("passive_people"),
        "contact_speed": max(e["contact_speed"] for e in episodes),
        "min_ttc": least("min_ttc"),
        "slowed": total("slowed_s") / seconds,
        "stopped": total("stopped_s") / seconds,
        "resting": total("resting_s") / seconds,
        "frozen_s": total("frozen_s"),
        "void": total("void"),
        "violations": [
            {key: e[key] for key in ("seed", "stratum", "first", "contact_speed")}
            for e in episodes
            if e["at_fault"] or e["static_at_fault"] or e["passive_people"]
        ],
    }


def _begun(
    path: Path | None, robot: RobotConfig, config: PlannerConfig
) -> dict[int, dict[str, Any]]:
    """Episodes by seed that an earlier run has left in its report."""
    if path is None or not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        made_of = content["config"]
        episodes = {int(episode["seed"]): episode for episode in made_of["episodes"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError("json", str(path), "a report of this bench, or no file") from error
    if made_of.get("robot") != plain(robot) or made_of.get("planner") != plain(config):
        raise InputError("json", str(path), "a report of the same robot and planner, or no file")
    return episodes
