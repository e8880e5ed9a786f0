"""The command line: demo, map, bench, plot, sweep, learn, export, …, robot, play.     [host]"""

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from astro_jax.cli.benches import BenchCommand
from astro_jax.cli.deploying import (
    ArtifactCommand,
    ExportCommand,
    ReplayCommand,
    export,
    show_artifact,
    show_replay,
)
from astro_jax.cli.learning import LearnCommand, learn
from astro_jax.cli.measuring import measure
from astro_jax.cli.playing import PlayCommand, play
from astro_jax.cli.plotting import PlotCommand, plot
from astro_jax.cli.robots import (
    RobotCheckCommand,
    RobotCommand,
    RobotSimCommand,
    check_robot,
    drive_robot,
    simulate_robot,
)
from astro_jax.cli.showing import DemoCommand, MapCommand, show_demo, show_map
from astro_jax.cli.sweeping import SweepCommand, sweep
from astro_jax.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 done, 1 a replay differs, 2 unusable input (a line on stderr says what)."""
    command = tyro.cli(
        Annotated[DemoCommand, tyro.conf.subcommand("demo")]
        | Annotated[PlayCommand, tyro.conf.subcommand("play")]
        | Annotated[MapCommand, tyro.conf.subcommand("map")]
        | Annotated[BenchCommand, tyro.conf.subcommand("bench")]
        | Annotated[PlotCommand, tyro.conf.subcommand("plot")]
        | Annotated[SweepCommand, tyro.conf.subcommand("sweep")]
        | Annotated[LearnCommand, tyro.conf.subcommand("learn")]
        | Annotated[ExportCommand, tyro.conf.subcommand("export")]
        | Annotated[ArtifactCommand, tyro.conf.subcommand("artifact")]
        | Annotated[ReplayCommand, tyro.conf.subcommand("replay")]
        | Annotated[RobotCommand, tyro.conf.subcommand("robot")]
        | Annotated[RobotSimCommand, tyro.conf.subcommand("robot-sim")]
        | Annotated[RobotCheckCommand, tyro.conf.subcommand("robot-check")],
        prog="astro-jax",
        description="Graceful motion among people for home robots.",
        args=arguments,
    )
    try:
        if isinstance(command, DemoCommand):
            show_demo(command)
        elif isinstance(command, PlayCommand):
            play(command)
        elif isinstance(command, MapCommand):
            show_map(command)
        elif isinstance(command, PlotCommand):
            plot(command)
        elif isinstance(command, SweepCommand):
            sweep(command)
        elif isinstance(command, LearnCommand):
            learn(command.learn)
        elif isinstance(command, ExportCommand):
            export(command)
        elif isinstance(command, ArtifactCommand):
            show_artifact(command)
        elif isinstance(command, ReplayCommand):
            return show_replay(command)
        elif isinstance(command, RobotCommand):
            return drive_robot(command)
        elif isinstance(command, RobotCheckCommand):
            return check_robot(command)
        elif isinstance(command, RobotSimCommand):
            simulate_robot(command)
        else:
            measure(command.bench)
    except InputError as error:
        print(f"astro-jax: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("astro-jax: interrupted", file=sys.stderr)
        return 130
    return 0
