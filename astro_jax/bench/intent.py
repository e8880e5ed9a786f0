"""Whether the screen shows turns before they come, in closed loop.                    [host]

``bench intent``: random ways through the packaged flat, by turns as it is, among people, and
with boxes that its map does not know.  Every turn of the true base (sim/turns.py) counts,
until the goal is reached.  Wanted: shown ``WANTED`` seconds before, in 95 % of the turns; and no
limit of the pan joint ever exceeded.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from astro_jax.bench.drives import driver
from astro_jax.bench.intervals import wilson
from astro_jax.bench.report import Report
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.home import changed_home
from astro_jax.sim.state import TickLog, honest
from astro_jax.sim.turns import Turn, turns_of

WANTED = 0.5 - 1e-3
"""Half a second, but for rounding."""
SECONDS = 40.0
"""The longest episode, s."""
KINDS = ("on the spot", "in motion", "reversing")
HOMES = ((0, 0), (3, 0), (2, 6), (1, 3))
"""(People, unknown boxes) of the episodes, in turn."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Drive:
    """One episode: what can be seen of the base and its screen, at the gate's rate."""

    seed: int
    time: np.ndarray
    yaw: np.ndarray
    pan: np.ndarray
    speed: np.ndarray
    arrived_at: float
    contacts: int
    turns: Sequence[Turn]


def bench_intent(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    episodes: int,
    seed: int,
    on_episode: Callable[[int], None] = lambda done: None,
) -> tuple[Report, list[Drive]]:
    """Drive ``episodes`` episodes from ``seed`` on; the report, and the drives to draw."""
    run = driver(robot, config, params, until_arrival=True)
    drives = []
    for count in range(episodes):
        number = seed + count
        people, moved = HOMES[number % len(HOMES)]
        home = changed_home(robot, config, people=people, moved=moved, seed=number)
        ticks, state = run(home, honest(Latency()), number, SECONDS)
        drives.append(drive_of(number, ticks, float(state.arrived_at)))
        on_episode(count + 1)
    return summary(robot, config, drives, seed), drives


def drive_of(seed: int, ticks: TickLog, arrived_at: float) -> Drive:
    """An episode up to its arrival."""
    kept = np.asarray(ticks.time) <= arrived_at
    time, pan = np.asarray(ticks.time, float)[kept], np.asarray(ticks.pan, float)[kept]
    yaw = np.asarray(ticks.pose_map, float)[kept, 2]
    speed = np.asarray(ticks.twist, float)[kept, 0]
    return Drive(
        seed=seed,
        time=time,
        yaw=yaw,
        pan=pan,
        speed=speed,
        arrived_at=arrived_at,
        contacts=int(np.max(ticks.contacts)),
        turns=turns_of(time, yaw, pan, speed),
    )


def summary(
    robot: RobotConfig, config: PlannerConfig, drives: Sequence[Drive], seed: int
) -> Report:
    """Leads by kind of turn, the turns that were shown too late, and the joint's limits."""
    turns = [(drive.seed, turn) for drive in drives for turn in drive.turns]
    by_kind = {kind: [turn.lead for _, turn in turns if turn.kind == kind] for kind in KINDS}
    leads = [turn.lead for _, turn in turns]
    rows = [_row(kind, own) for kind, own in by_kind.items()] + [_row("all", leads)]
    excess = _over_limits(robot, config, drives)
    shown = sum(lead >= WANTED for lead in leads)
    return Report(
        name="intent",
        metrics={
            "episodes": len(drives),
            "arrived": float(np.mean([math.isfinite(drive.arrived_at) for drive in drives])),
            "contacts": sum(drive.contacts for drive in drives),
            "turns": len(turns),
            "shown_in_time": shown / max(len(turns), 1),
            "lead_median_s": float(np.median(leads)) if leads else math.nan,
            "lead_p05_s": float(np.quantile(leads, 0.05)) if leads else math.nan,
            **excess,
        },
        intervals={"shown_in_time": wilson(shown, len(turns))},
        cases=[*rows, *_late(turns)],
        config={"robot": robot, "planner": config, "homes": HOMES},
        seed=seed,
    )


def _row(kind: str, leads: Sequence[float]) -> dict[str, Any]:
    shown = sum(lead >= WANTED for lead in leads)
    low, high = wilson(shown, len(leads))
    quantiles = np.quantile(leads, (0.05, 0.25, 0.5)) if leads else np.full(3, math.nan)
    return {
        "turns": kind,
        "count": len(leads),
        "shown_in_time": shown / len(leads) if leads else math.nan,
        "low": low,
        "high": high,
        **dict(zip(("lead_p05_s", "lead_p25_s", "lead_median_s"), quantiles.tolist(), strict=True)),
    }


def _late(turns: Sequence[tuple[int, Turn]]) -> list[Mapping[str, Any]]:
    """Each turn that was shown too late, to be looked at."""
    return [
        {
            "late": turn.kind,
            "seed": seed,
            "begins": turn.begins,
            "angle_deg": math.degrees(turn.angle),
            "speed": turn.speed,
            "lead": turn.lead,
        }
        for seed, turn in turns
        if turn.lead < WANTED
    ]


def _over_limits(
    robot: RobotConfig, config: PlannerConfig, drives: Sequence[Drive]
) -> dict[str, float]:
    """The largest pan angle, rate and acceleration seen, as shares of their limits."""
    tick, most = config.gate_period, np.zeros(3)
    for drive in drives:
        rate = np.diff(drive.pan) / tick
        seen = (drive.pan, rate, np.diff(rate) / tick)
        most = np.maximum(most, [np.abs(x).max(initial=0.0) for x in seen])
    limits = (robot.pan_limit, robot.pan_rate, robot.pan_acceleration)
    names = ("pan_of_limit", "pan_rate_of_limit", "pan_acceleration_of_limit")
    return {
        name: float(value / limit) if limit else float(value)
        for name, value, limit in zip(names, most, limits, strict=True)
    }
