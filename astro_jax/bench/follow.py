"""Walking with somebody: how well they are kept in view and at a distance.            [host]

Who is followed and how is in ``bench/follow_scenes.py``.  What is counted, from the moment at which
the person sets out (2 s) to the end, every .1 s, of what is true:

* ``in_view``: the person's centre within the camera's field of view on the screen, near enough
  for it, and not behind a wall;
* ``in_band``: 1 to 2 m between the centres of person and robot;
* ``gap``: from footprint to body, m, quantiles; ``intruded``: anybody within ``INTIMATE`` of the
  footprint (Hall's intimate zone);
* ``contacts`` and those at fault (``sim/contact.py``); ``lost``: the share of time in which the
  task layer had no track of the person; losses, and how many of them were recovered;
* ``cut_in`` and ``cut_in_others``: how often the robot stepped into the way of the person, or of
  anybody else, a metre or less before them (``bench/cutting_in.py``);
* ``right``: of the time in which it followed somebody, the share in which that was the right one;
* ``frozen``: rests of ten seconds and more, s.

Intervals are 95 %: bootstrap over episodes for shares of time, Wilson for shares of episodes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from astro_jax.bench.cutting_in import cut_ins
from astro_jax.bench.follow_scenes import HOMES, STANDS, Chase
from astro_jax.bench.intervals import wilson
from astro_jax.bench.report import Report
from astro_jax.body.view import axis_map
from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.sim.metrics import frozen
from astro_jax.sim.tasked import TaskEpisode, task_driver
from astro_jax.tasks.nouns import Follow, Outcome, Person

INTIMATE = 0.45
BAND = (1.0, 2.0)
SAME = 0.6
"""A track nearer to the person than this is theirs, m."""
BINS = tuple(0.1 * k for k in range(41))
"""Of distances, m."""
WAIT = 0.6
"""Before the task is given the person is seen, s."""
DRAWS = 2000


def bench_follow(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    chases: Sequence[Chase],
    seed: int,
    on_episode: Callable[[dict[str, Any]], None] = lambda figures: None,
) -> Report:
    """Drive all of them and say how it went."""
    drive = task_driver(robot, config, params)
    rows = []
    for k, chase in enumerate(chases):
        rows.append(figures_of(robot, chase, run_chase(drive, chase, seed + k)))
        on_episode(rows[-1])
    return summary(rows, robot, config, seed)


def run_chase(
    drive: Callable[..., TaskEpisode], chase: Chase, seed: int, latency: Latency | None = None
) -> TaskEpisode:
    """One episode."""
    x, y = target_start(chase)
    task = Follow(person=Person(near=(x, y)))
    return drive(chase.scene, chase.house_map, [task], chase.seconds, seed, latency, wait=WAIT)


def target_start(chase: Chase) -> tuple[float, float]:
    """Where the person stands at first, m."""
    scene = chase.scene
    first = scene.path_map[0, 0] if scene.recorded_map is None else scene.recorded_map[0, 0]
    return float(first[0]), float(first[1])


def figures_of(robot: RobotConfig, chase: Chase, episode: TaskEpisode) -> dict[str, Any]:
    """What is counted of one episode."""
    log, ticks = episode.log, episode.ticks
    time = np.asarray(log.time)
    counted, period = time >= STANDS, float(time[1] - time[0])
    pose, people = np.asarray(log.pose_map)[counted], np.asarray(log.people_xy)[counted]
    target = people[:, 0]
    away = np.hypot(*(target - pose[:, :2]).T)
    gaps = _gaps(robot, pose, people, np.asarray(chase.scene.radius))
    present = np.asarray(chase.scene.present)
    gaps = np.where(present[None], gaps, np.inf)
    cut = cut_ins(pose, people, np.asarray(chase.scene.radius), robot.width / 2, period)
    seen = in_view(robot, chase, pose, np.asarray(log.pan)[counted], target)
    tracked, right = _followed(episode, time[counted], target)
    contacts = episode.final.contacts
    outcome = episode.results[0][2].outcome if episode.results else None
    losses = _losses(episode)
    dt = float(np.diff(np.asarray(ticks.time)[:2])[0])
    return {
        "name": chase.name,
        "stratum": chase.stratum,
        "seconds": float(counted.sum()) * period,
        "in_view": float(seen.mean()),
        "in_band": float(((away >= BAND[0]) & (away <= BAND[1])).mean()),
        "histogram": np.histogram(away, BINS)[0].tolist(),
        "distance": [float(q) for q in np.quantile(away, (0.05, 0.5, 0.95))],
        "gap": [float(q) for q in np.quantile(gaps[:, 0], (0.01, 0.05, 0.5))],
        "min_gap": float(gaps.min()),
        "intruded": float((gaps.min(axis=1) < INTIMATE).mean()),
        "cut_in": int(cut[0]),
        "cut_in_others": int(cut[1:][present[1:]].sum()),
        "lost": float(1.0 - tracked.mean()),
        "right": float(right[tracked].mean()) if tracked.any() else math.nan,
        "losses": losses,
        "recovered": losses - int(outcome is Outcome.LOST) - int(not _tracked_at_end(episode)),
        "outcome": "" if outcome is None else outcome.name,
        "contacts": int(contacts.contacts),
        "at_fault": int(contacts.at_fault),
        "passive": int(contacts.passive_violations),
        "void": bool(contacts.void),
        "frozen": frozen(np.asarray(ticks.twist)[:, 0], 1.0 / dt),
        "step_ms": 1e3 * float(np.median(episode.step_seconds)),
        "step_p99_ms": 1e3 * float(np.quantile(episode.step_seconds, 0.99)),
    }


def in_view(
    robot: RobotConfig,
    chase: Chase,
    pose: Float[np.ndarray, "N 3"],
    pan: Float[np.ndarray, "N"],
    target: Float[np.ndarray, "N 2"],
) -> Bool[np.ndarray, "N"]:
    """Whether the camera sees the person: angle, distance, walls."""
    eye = np.asarray(axis_map(robot, jnp.asarray(pose)))
    off = target - eye
    bearing = np.arctan2(off[:, 1], off[:, 0]) - pose[:, 2] - pan
    bearing = np.remainder(bearing + np.pi, 2 * np.pi) - np.pi
    within = np.abs(bearing) <= robot.camera.field_of_view / 2
    near = np.hypot(*off.T) <= robot.camera.range_max
    return within & near & _unhidden(chase, eye, target)


def _unhidden(chase: Chase, eye: Float[np.ndarray, "N 2"], target: Float[np.ndarray, "N 2"]):
    """No blocked cell on the straight line, in truth."""
    blocked, house = np.asarray(chase.scene.blocked), chase.house_map
    share = np.linspace(0.0, 1.0, 200)[None, :, None]
    points = eye[:, None] + share * (target - eye)[:, None]
    row, column, inside = house.cell_of(points)
    return ~np.any(blocked[row, column] & inside, axis=1)


def _gaps(robot: RobotConfig, pose, people, radius) -> Float[np.ndarray, "N M"]:
    off = people - pose[:, None, :2]
    c, s = np.cos(pose[:, 2])[:, None], np.sin(pose[:, 2])[:, None]
    along = np.abs(c * off[..., 0] + s * off[..., 1]) - robot.length / 2
    aside = np.abs(c * off[..., 1] - s * off[..., 0]) - robot.width / 2
    return np.hypot(np.maximum(along, 0.0), np.maximum(aside, 0.0)) - radius


def _followed(
    episode: TaskEpisode, time: Float[np.ndarray, "N"], target: Float[np.ndarray, "N 2"]
) -> tuple[Bool[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
    """Per cycle, whether somebody was tracked as the person, and whether it was them."""
    since = np.array([begin for begin, _ in episode.directives])
    index = np.searchsorted(since, time + 1e-6, side="right") - 1
    said = [episode.directives[int(k)][1] for k in index]
    tracked = np.array([directive.slot >= 0 for directive in said])
    places = np.array([d.target or (np.nan, np.nan) for d in said], np.float64)
    with np.errstate(invalid="ignore"):
        # the task's place is of half a second ahead
        right = np.hypot(*(places - target).T) <= SAME + 0.5
    return tracked, right & tracked


def _losses(episode: TaskEpisode) -> int:
    slots = np.array([d.slot >= 0 for _, d in episode.directives])
    started = np.flatnonzero(slots)
    if not len(started):
        return 0
    return int(np.count_nonzero(np.diff(slots[started[0] :].astype(int)) < 0))


def _tracked_at_end(episode: TaskEpisode) -> bool:
    return bool(episode.results) or episode.directives[-1][1].slot >= 0


def summary(
    rows: Sequence[Mapping[str, Any]], robot: RobotConfig, config: PlannerConfig, seed: int
) -> Report:
    """Figures of all episodes and by stratum, with intervals."""
    cases = []
    for stratum in dict.fromkeys(row["stratum"] for row in rows):
        own = [row for row in rows if row["stratum"] == stratum]
        cases.append({"stratum": stratum, **_row(own)})
    at_home = [row for row in rows if row["stratum"] in HOMES]
    recorded = [row for row in rows if row["stratum"] not in HOMES]
    bounds = {
        f"{name}, {kind}": bootstrap(own, name, seed)
        for kind, own in (("recorded", recorded), ("home", at_home))
        for name in ("in_view", "in_band", "lost", "intruded")
        if own
    }
    for name in ("contacts", "at_fault", "cut_in", "cut_in_others"):
        bounds[f"episodes_with_{name}"] = wilson(sum(row[name] > 0 for row in rows), len(rows))
    return Report(
        name="follow",
        metrics={k: v for k, v in _row(rows).items() if isinstance(v, int | float)},
        intervals=bounds,
        cases=cases,
        config={"robot": robot, "planner": config, "episodes": list(rows)},
        seed=seed,
    )


def _row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    weight = np.array([row["seconds"] for row in rows])

    def share(name: str) -> float:
        values = np.array([row[name] for row in rows], np.float64)
        known = np.isfinite(values)
        return float(np.average(values[known], weights=weight[known])) if known.any() else math.nan

    def middle(name: str, k: int) -> float:
        return float(np.median([row[name][k] for row in rows]))

    return {
        "episodes": len(rows),
        "seconds": float(weight.sum()),
        **{name: share(name) for name in ("in_view", "in_band", "lost", "right", "intruded")},
        "distance_p5": middle("distance", 0),
        "distance_p50": middle("distance", 1),
        "distance_p95": middle("distance", 2),
        "gap_p1": middle("gap", 0),
        "min_gap": float(min(row["min_gap"] for row in rows)),
        "cut_in": sum(row["cut_in"] for row in rows),
        "cut_in_others": sum(row["cut_in_others"] for row in rows),
        "losses": sum(row["losses"] for row in rows),
        "recovered": sum(row["recovered"] for row in rows),
        "given_up": sum(row["outcome"] != "" for row in rows),
        "contacts": sum(row["contacts"] for row in rows),
        "at_fault": sum(row["at_fault"] for row in rows),
        "void": sum(row["void"] for row in rows),
        "frozen": float(sum(row["frozen"] for row in rows)),
        "step_ms": float(np.median([row["step_ms"] for row in rows])),
    }


def bootstrap(rows: Sequence[Mapping[str, Any]], name: str, seed: int) -> tuple[float, float]:
    """95 % percentile interval of a share of time, episodes drawn with replacement.

    Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, §13.3.
    """
    values = np.array([row[name] for row in rows], np.float64)
    weight = np.array([row["seconds"] for row in rows])
    drawn = np.random.default_rng([seed, 3]).integers(len(rows), size=(DRAWS, len(rows)))
    shares = (values * weight)[drawn].sum(axis=1) / weight[drawn].sum(axis=1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)
