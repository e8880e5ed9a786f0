"""``astro-jax demo --task follow``: a robot walks with somebody through the flat.    [host]"""

from pathlib import Path
from typing import Any

import numpy as np

from astro_jax.bench.follow import figures_of, run_chase
from astro_jax.bench.follow_scenes import Chase, home_chase
from astro_jax.bench.report import Report, write_json
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.demo import staging
from astro_jax.sim.late import split_latency
from astro_jax.sim.tasked import TaskEpisode, task_driver
from astro_jax.viz.animation import write_video
from astro_jax.viz.record import EpisodeRecord

STRATUM = "home: all"
"""They stop, turn back, and meet others."""


def walk_along(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    latency: float,
    seed: int,
    out: Path,
) -> tuple[Path, Report]:
    """Drive one episode; film and metrics.json appear in ``out``: (film, report).

    Raises:
      InputError: latency out of range, or ``out`` cannot be written.
    """
    times = split_latency(latency)
    chase = home_chase(robot, config, STRATUM, seed)
    drive = task_driver(robot, config, params, whole=True)
    episode = run_chase(drive, chase, seed, times)
    figures = figures_of(robot, chase, episode)
    report = Report(
        name="demo follow",
        seed=seed,
        config={"latency": latency, "robot": robot, "planner": config},
        metrics={name: float(figures[name]) for name in SHOWN},
    )
    with staging(out) as stage:
        film = write_video(stage / "follow", record_of(robot, config, chase, episode))
        write_json(stage / "metrics.json", report.as_dict())
        for old in ("follow.mp4", "follow.gif"):
            (out / old).unlink(missing_ok=True)
        for made in stage.iterdir():
            made.replace(out / made.name)
    return out / film.name, report


SHOWN = ("seconds", "in_view", "in_band", "min_gap", "lost", "losses", "contacts", "at_fault")


def record_of(
    robot: RobotConfig, config: PlannerConfig, chase: Chase, episode: TaskEpisode
) -> EpisodeRecord:
    """The episode as the pictures need it."""
    house, scene = chase.house_map, chase.scene
    fields: list[tuple[float, Any]] = [
        (since, directive.field)
        for since, directive in episode.directives
        if directive.field is not None
    ]
    doing = [
        (since, directive.doing)
        for k, (since, directive) in enumerate(episode.directives)
        if k == 0 or directive.doing != episode.directives[k - 1][1].doing
    ]
    # before there is a task the first field stands for it
    routes = [(0.0, fields[0][1]), *fields[1:]]
    return EpisodeRecord(
        robot=robot,
        planner=config,
        occupancy=house.occupancy,
        blocked=np.asarray(scene.blocked),
        origin=house.origin,
        resolution=house.resolution,
        start=np.asarray(scene.start_map),
        goal=np.asarray(scene.start_map),
        radius=np.asarray(scene.radius),
        present=np.asarray(scene.present),
        log=episode.log,
        ticks=episode.ticks,
        routes=tuple(routes),
        followed=0,
        doing=tuple(doing),
    )
