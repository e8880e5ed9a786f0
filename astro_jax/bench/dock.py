"""Where a robot stands after docking, by the hundred.                                 [host]

A room of 4 × 3 m with a dock before its wall.  Each approach begins where a drive to the run-up may
end: ``AROUND`` beside it, at rest, with wheels of its own (± 2 %), odometry that drifts and
localisation that jumps (``sim/odometry.py``: 1 cm and .3° a standard deviation, anew every two
seconds).  Counted is where the robot is in truth once the task has ended, against the dock's pose;
what localisation is off at that moment is part of it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from astro_jax.bench.follow import DRAWS
from astro_jax.bench.intervals import wilson
from astro_jax.bench.report import Report
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.route.house import HouseMap
from astro_jax.sim.odometry import PoseErrors
from astro_jax.sim.scene import Scene, make_scene
from astro_jax.sim.state import honest
from astro_jax.sim.tasked import task_driver
from astro_jax.tasks.docking import RUN_UP
from astro_jax.tasks.nouns import Dock, Outcome, Pose

AROUND = (0.12, 0.12, 0.20)
"""Largest offset from the run-up's beginning: m, m, rad."""
GAP = 0.15
"""Between the docked robot's front and the wall, m."""
RESOLUTION = 0.05
SECONDS = 60.0


def bench_dock(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    approaches: int,
    seed: int,
    errors: PoseErrors | None = None,
    on_approach: Callable[[int], None] = lambda done: None,
) -> Report:
    """``approaches`` of them with successive seeds."""
    house, pose = room_with_dock(robot)
    drive = task_driver(robot, config, params)
    world = honest(Latency(), errors)
    rows = []
    for k in range(approaches):
        scene = dock_scene(config, house, pose, seed + k)
        episode = drive(scene, house, [Dock(pose=pose)], SECONDS, seed + k, world)
        rows.append(_figures(episode, pose))
        on_approach(k + 1)
    return summary(rows, robot, config, seed)


def room_with_dock(robot: RobotConfig) -> tuple[HouseMap, Pose]:
    """The room, and where a robot stands in its dock."""
    blocked = np.zeros((60, 80), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    wall = 79 * RESOLUTION - 0.5 * RESOLUTION
    house = HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=RESOLUTION,
        origin=np.zeros(2),
        name="room with a dock",
    )
    return house, (wall - GAP - 0.5 * robot.length, 1.5, 0.0)


def dock_scene(config: PlannerConfig, house: HouseMap, pose: Pose, seed: int) -> Scene:
    """Somewhere about the beginning of the run-up, nobody around."""
    off = np.random.default_rng([seed, 7]).uniform(-1.0, 1.0, 3) * AROUND
    start = np.array([pose[0] - RUN_UP, pose[1], pose[2]]) + off
    return make_scene(
        house.occupancy,
        house.blocked,
        house.origin,
        house.resolution,
        start,
        np.asarray(pose) + np.array([1e3, 0.0, 0.0]),
        np.zeros((0, 2, 2)),
        np.zeros(0, np.int32),
        0.1,
        config.people,
        seed,
    )


def _figures(episode: Any, pose: Pose) -> dict[str, Any]:
    x, y, yaw = (float(value) for value in episode.final.pose)
    ended = episode.results[-1] if episode.results else None
    return {
        "along": x - pose[0],
        "across": y - pose[1],
        "turned": math.remainder(yaw - pose[2], 2 * math.pi),
        "arrived": bool(ended and ended[2].outcome is Outcome.ARRIVED),
        "seconds": float(ended[0]) if ended else SECONDS,
        "attempts": sum(
            now.doing == "docking" and before.doing != "docking"
            for (_, before), (_, now) in zip(
                episode.directives[:-1], episode.directives[1:], strict=True
            )
        )
        + int(episode.directives[0][1].doing == "docking"),
        "contacts": int(episode.final.contacts.contacts),
        "gap": float(episode.final.contacts.min_gap_walls),
    }


def summary(
    rows: Sequence[dict[str, Any]], robot: RobotConfig, config: PlannerConfig, seed: int
) -> Report:
    """Quantiles of the errors with bootstrap intervals; shares with Wilson's."""
    off = np.array([math.hypot(row["along"], row["across"]) for row in rows])
    turned = np.degrees(np.abs([row["turned"] for row in rows]))
    random = np.random.default_rng([seed, 3])
    metrics: dict[str, float] = {"approaches": float(len(rows))}
    bounds: dict[str, tuple[float, float]] = {}
    for name, values in (("off_mm", 1e3 * off), ("turned_deg", turned)):
        drawn = values[random.integers(len(values), size=(DRAWS, len(values)))]
        for share, label in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
            metrics[f"{name}_{label}"] = float(np.quantile(values, share))
            low, high = np.quantile(np.quantile(drawn, share, axis=1), (0.025, 0.975))
            bounds[f"{name}_{label}"] = float(low), float(high)
        metrics[f"{name}_max"] = float(values.max())
    good = int(np.count_nonzero((off <= 0.03) & (turned <= 2.0)))
    bounds["within_3cm_2deg"] = wilson(good, len(rows))
    arrived = sum(row["arrived"] for row in rows)
    bounds["arrived"] = wilson(arrived, len(rows))
    metrics |= {
        "within_3cm_2deg": good / len(rows),
        "arrived": arrived / len(rows),
        "seconds_p50": float(np.median([row["seconds"] for row in rows])),
        "attempts_mean": float(np.mean([row["attempts"] for row in rows])),
        "contacts": float(sum(row["contacts"] for row in rows)),
        "min_gap": float(min(row["gap"] for row in rows)),
    }
    return Report(
        name="dock",
        metrics=metrics,
        intervals=bounds,
        cases=list(rows),
        config={"robot": robot, "planner": config},
        seed=seed,
    )
