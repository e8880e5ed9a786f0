"""``astro-jax demo --task follow``: a robot walks with somebody through the flat.    [host]"""

from pathlib import Path

from astro_jax.bench.follow import figures_of, run_chase
from astro_jax.bench.follow_scenes import home_chase
from astro_jax.bench.report import Report, write_json
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.demo import record_of, staging
from astro_jax.sim.late import split_latency
from astro_jax.sim.tasked import task_driver
from astro_jax.viz.animation import write_video
from astro_jax.viz.stored import write_episode

STRATUM = "home: all"
"""They stop, turn back, and meet others."""
SHOWN = (
    *("seconds", "in_view", "in_band", "min_gap", "cut_in", "cut_in_others"),
    *("lost", "losses", "contacts", "at_fault"),
)


def walk_along(
    robot: RobotConfig,
    config: PlannerConfig,
    params: PlannerParams,
    latency: float,
    seed: int,
    out: Path,
) -> tuple[Path, Report]:
    """Drive one episode; film, episode.npz and metrics.json appear in ``out``: (film, report).

    Raises:
      InputError: latency out of range, or ``out`` cannot be written.
    """
    times = split_latency(latency)
    chase = home_chase(robot, config, STRATUM, seed)
    drive = task_driver(robot, config, params, whole=True)
    episode = run_chase(drive, chase, seed, times)
    record = record_of(robot, config, chase.house_map, chase.scene, episode, followed=0)
    figures = figures_of(robot, chase, episode)
    report = Report(
        name="demo follow",
        seed=seed,
        config={"latency": latency, "robot": robot, "planner": config},
        metrics={name: float(figures[name]) for name in SHOWN},
    )
    with staging(out) as stage:
        write_episode(stage / "episode.npz", record)
        film = write_video(stage / "follow", record)
        write_json(stage / "metrics.json", report.as_dict())
        for old in ("follow.mp4", "follow.gif"):
            (out / old).unlink(missing_ok=True)
        for made in stage.iterdir():
            made.replace(out / made.name)
    return out / film.name, report
