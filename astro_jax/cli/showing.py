"""``astro-jax demo`` and ``astro-jax map``: something to look at.                  [host]"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from astro_jax.cli.given import check_from, check_writable, configuration, draw
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.strict_yaml import load_robot
from astro_jax.tables import demo_table, map_table, metrics_table

Pose = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoCommand:
    """Drive a robot through a home among people; write a film, a picture and figures."""

    task: Literal["goto", "follow"] = "goto"
    """goto: an errand; follow: walk with somebody through the packaged flat for half a minute."""
    map: Path | None = None
    """map_server YAML to drive on; without it the packaged flat."""
    start: Annotated[Pose | None, tyro.conf.arg(metavar="X Y YAW")] = None
    """Where the robot starts (m, m, rad)."""
    goal: Annotated[Pose | None, tyro.conf.arg(metavar="X Y YAW")] = None
    """Where it shall go (m, m, rad)."""
    people: int = 3
    """How many people walk about."""
    latency: float = 0.3
    """Seconds from a photon to a wheel."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of people, noise and search."""
    out: Path = Path("out/demo")
    """Folder for metrics.json, episode.npz, drive.npz, cycle.png and demo.mp4."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapCommand:
    """Measure a map: floor, rooms, doors, what the robot reaches, what looks wrong."""

    action: tyro.conf.Positional[Literal["check"]]
    """What to do with it."""
    file: tyro.conf.Positional[Path]
    """map_server YAML; its rooms and zones are looked for beside it."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    unknown: Literal["blocked", "free"] = "blocked"
    """What cells that nobody has seen count as."""
    picture: Path | None = None
    """Where to draw the map (PNG, PDF or SVG)."""


def show_demo(command: DemoCommand) -> None:
    """Drive an errand and write its film."""
    # imported late: --help and bad input should not wait for JAX and Matplotlib
    robot, planner, params = configuration(command.robot, command.planner)
    if command.task == "follow":
        _show_follow(command, robot, planner, params)
        return
    from astro_jax import demo as demonstration
    from astro_jax.sim.late import split_latency

    demo = demonstration.Demo(
        robot=robot,
        planner=planner,
        params=params,
        map=command.map,
        start=command.start,
        goal=command.goal,
        people=command.people,
        latency=command.latency,
        seed=command.seed,
    )
    split_latency(command.latency)
    check_writable(command.out, "out")
    home = demonstration.prepare(demo)
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
    )
    whole = home.route.to_go(home.scene.start_map)
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("compiling", total=whole, shown="")

        def show(state: demonstration.SimState) -> None:
            left = home.route.to_go(state.pose)
            speed, time = float(state.twist[0]), float(state.time)
            shown = f"{time:5.0f} s driven · {speed:.1f} m/s · {left:4.1f} s of way left"
            progress.update(
                bar, description="driving", completed=max(whole - left, 0.0), shown=shown
            )

        episode = demonstration.run(demo, home, show)
        progress.update(bar, description="drawing", completed=whole)
        film, report = demonstration.write_results(command.out, demo, home, episode)
        progress.update(bar, description="done")
    console.print(demo_table(report.metrics, episode))
    console.print(f"film and figures: {film.parent} ({film.name}, cycle.png, metrics.json)")


def _show_follow(
    command: DemoCommand, robot: RobotConfig, planner: PlannerConfig, params: PlannerParams
) -> None:
    """Walk with somebody and write the film of it."""
    for name in ("map", "start", "goal"):
        if getattr(command, name) is not None:
            raise InputError(name, getattr(command, name), "--task goto, or nothing")
    check_from("seed", command.seed, 0)
    from astro_jax.demo_follow import walk_along
    from astro_jax.sim.late import split_latency

    split_latency(command.latency)
    check_writable(command.out, "out")
    console = Console()
    console.print("driving half a minute, then drawing it …")
    film, report = walk_along(robot, planner, params, command.latency, command.seed, command.out)
    console.print(metrics_table(report.name, report.metrics))
    console.print(f"film and figures: {film.parent} ({film.name}, metrics.json)")


def show_map(command: MapCommand) -> None:
    """Check a map and print what is on it."""
    robot = DEFAULT_ROBOT if command.robot is None else load_robot(command.robot)
    from astro_jax.route.check import check_map
    from astro_jax.route.maps import load_map

    report = check_map(load_map(command.file, command.unknown), robot)
    console = Console()
    console.print(map_table(report))
    for warning in report.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    if command.picture is not None:
        from astro_jax.viz.house import house_figure

        draw(house_figure(report), command.picture, "picture")
        console.print(f"picture: {command.picture}")
