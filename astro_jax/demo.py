"""``astro-jax demo``: one robot, one home, people, latency; a film and figures.    [host]

The robot is given one task, ``GoTo`` the goal, and does the rest.
"""

import dataclasses
import itertools
import operator
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from astro_jax.bench.cycle import peak_memory_mb, timed
from astro_jax.bench.report import Report, write_json
from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.home import Home, home_of_map, packaged_home
from astro_jax.known import known_world
from astro_jax.learning.demonstrations import drive_of_episode, write_drive
from astro_jax.local.planner import initial_state, plan
from astro_jax.route.house import HouseMap
from astro_jax.sim.late import split_latency
from astro_jax.sim.metrics import episode_metrics
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import SimState
from astro_jax.sim.tasked import TaskEpisode, task_driver
from astro_jax.tasks.nouns import GoTo
from astro_jax.types import RouteField
from astro_jax.viz.animation import write_video
from astro_jax.viz.plots import cycle_figure
from astro_jax.viz.record import EpisodeRecord, telling_cycle
from astro_jax.viz.stored import write_episode

TIME_LIMIT = 120.0
"""An episode that has not arrived by then is over, s."""
WITHIN, FACING = 0.15, 0.25
"""Of the goal (m, rad), as the robot believes: what counts is .2 m and .3 rad in truth."""
TIMED_PLANS = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Demo:
    """What to drive; ``None`` means the packaged scene's choice, or one drawn by the seed."""

    robot: RobotConfig
    planner: PlannerConfig
    params: PlannerParams
    map: Path | None = None
    start: tuple[float, float, float] | None = None
    goal: tuple[float, float, float] | None = None
    people: int = 3
    latency: float = 0.3
    seed: int = 0


def prepare(demo: Demo) -> Home:
    """The home that the request describes.

    Raises:
      InputError: anything about the request is unusable.
    """
    if demo.seed < 0:
        raise InputError("seed", demo.seed, "a number from 0")
    wishes: dict[str, Any] = {
        "people": demo.people,
        "seed": demo.seed,
        "start": demo.start,
        "goal": demo.goal,
    }
    if demo.map is None:
        return packaged_home(demo.robot, demo.planner, **wishes)
    return home_of_map(demo.map, demo.robot, demo.planner, **wishes)


def run(
    demo: Demo, home: Home, on_segment: Callable[[SimState], None] = lambda state: None
) -> TaskEpisode:
    """Drive one episode."""
    x, y, yaw = (float(v) for v in np.asarray(home.scene.goal_map))
    return task_driver(demo.robot, demo.planner, demo.params, whole=True)(
        home.scene,
        home.house_map,
        [GoTo(pose=(x, y, yaw), within=WITHIN, facing=FACING)],
        TIME_LIMIT,
        demo.seed,
        split_latency(demo.latency),
        on_segment=on_segment,
    )


def fields_of(episode: TaskEpisode) -> list[tuple[float, RouteField]]:
    """(Time from which it guided, field), oldest first, each once."""
    found: list[tuple[float, RouteField]] = []
    for since, directive in episode.directives:
        field = directive.field
        if field is None:
            continue
        if not found or field.cost_to_go is not found[-1][1].cost_to_go:
            found.append((since, field))
    return found


def report_of(demo: Demo, home: Home, episode: TaskEpisode, plan_seconds: np.ndarray) -> Report:
    """The figures of an episode and of the planning times measured beside it."""
    ticks, ran = episode.ticks, episode.segment_seconds
    metrics = episode_metrics(
        *(np.asarray(trace) for trace in (ticks.time, ticks.pose_map, ticks.twist)),
        counts=episode.final.contacts,
        shortest_path=home.shortest_path,
        arrived_at=float(episode.final.arrived_at),
    )
    driving = float(np.median(ran)) * len(ran)
    return Report(
        name="demo",
        seed=demo.seed,
        config={
            "map": str(demo.map or "packaged flat"),
            "people": demo.people,
            "latency": demo.latency,
            "robot": demo.robot,
            "planner": demo.planner,
        },
        metrics={
            **metrics,
            "searches": len(fields_of(episode)),
            "plan_median_ms": 1e3 * float(np.median(plan_seconds)),
            "plan_p99_ms": 1e3 * float(np.percentile(plan_seconds, 99)),
            "compile_s": max(float(ran.sum()) - driving, 0.0),
            "run_s": driving + float(episode.step_seconds.sum()),
            "recompiles": episode.compilations - 1,
            "peak_mb": peak_memory_mb(),
        },
    )


def compile_plan(demo: Demo, home: Home) -> Callable[..., Any]:
    """The planner alone, compiled ahead of time, so that it can be timed."""
    params = jax.tree.map(jnp.float32, demo.params)
    world = known_world(demo.planner, params, home.house_map, home.scene.start_map)
    state = initial_state(demo.planner, jax.random.key(demo.seed))
    field = jax.tree.map(jnp.asarray, home.route.field)
    jitted = jax.jit(plan, static_argnums=(0, 1))
    lowered = jitted.lower(demo.robot, demo.planner, params, state, world, field)
    return partial(lowered.compile(), params, state)


def time_plans(planner: Callable[..., Any], episode: TaskEpisode) -> np.ndarray:
    """Seconds that planning takes on moments of the episode spread over its length."""
    field = jax.tree.map(jnp.asarray, dataclasses.replace(fields_of(episode)[-1][1], leash=None))
    picks = np.linspace(0, len(episode.log.time) - 1, TIMED_PLANS).astype(int)
    worlds = [
        jax.tree.map(jnp.asarray, jax.tree.map(operator.itemgetter(k), episode.log.world))
        for k in picks
    ]
    moments = itertools.cycle(worlds)
    calls, _ = timed([lambda: planner(next(moments), field)], TIMED_PLANS)
    return calls


def write_results(out: Path, demo: Demo, home: Home, episode: TaskEpisode) -> tuple[Path, Report]:
    """metrics.json, episode.npz, drive.npz, cycle.png and the film, in ``out``: (film, report).

    Everything is made in a folder beside and moved at the end: nothing is left half-written.

    Raises:
      InputError: ``out`` cannot be written.
    """
    # XLA compiles outside of Python's lock: the planner to be timed is made while we draw
    with staging(out) as stage, ThreadPoolExecutor(max_workers=1) as background:
        planner = background.submit(compile_plan, demo, home)
        record = record_of(demo.robot, demo.planner, home.house_map, home.scene, episode)
        write_episode(stage / "episode.npz", record)
        name = f"{home.house_map.name or 'home'}/{demo.seed}"
        drive = drive_of_episode(name, home.house_map, home.scene, episode.ticks)
        write_drive(stage / "drive.npz", drive)
        cycle_figure(record, telling_cycle(record)).savefig(stage / "cycle.png")
        film = write_video(stage / "demo", record)
        report = report_of(demo, home, episode, time_plans(planner.result(), episode))
        write_json(stage / "metrics.json", report.as_dict())
        for old in ("demo.mp4", "demo.gif"):
            (out / old).unlink(missing_ok=True)
        for made in stage.iterdir():
            os.replace(made, out / made.name)
    return out / film.name, report


class staging:  # noqa: N801 - used as a function
    """A temporary folder inside ``out``, which is made if need be; removed at the end."""

    def __init__(self, out: Path):
        self.out = out

    def __enter__(self) -> Path:
        """Make the folder.

        Raises:
          InputError: ``out`` cannot be made or written to.
        """
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(prefix=".making-", dir=self.out))
        except OSError as error:
            reason = error.strerror or str(error)
            expected = f"a folder that can be written ({reason})"
            raise InputError("out", str(self.out), expected) from error
        return self.folder

    def __exit__(self, *exception: object) -> None:
        """Remove the folder and whatever is still in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def record_of(
    robot: RobotConfig,
    config: PlannerConfig,
    house_map: HouseMap,
    scene: Scene,
    episode: TaskEpisode,
    followed: int | None = None,
) -> EpisodeRecord:
    """The episode as the pictures need it; ``followed``: whom the robot walks with."""
    fields, said = fields_of(episode), episode.directives
    doing = [
        (since, directive.doing)
        for k, (since, directive) in enumerate(said)
        if k == 0 or directive.doing != said[k - 1][1].doing
    ]
    return EpisodeRecord(
        robot=robot,
        planner=config,
        occupancy=house_map.occupancy,
        blocked=np.asarray(scene.blocked),
        origin=house_map.origin,
        resolution=house_map.resolution,
        start=np.asarray(scene.start_map),
        goal=np.asarray(scene.goal_map if followed is None else scene.start_map),
        radius=np.asarray(scene.radius),
        present=np.asarray(scene.present),
        log=episode.log,
        ticks=episode.ticks,
        # before there is a task the first field stands for it
        routes=((0.0, fields[0][1]), *fields[1:]),
        followed=followed,
        doing=tuple(doing),
    )
