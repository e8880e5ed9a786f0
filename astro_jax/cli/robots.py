"""``astro-jax robot``, ``robot-sim`` and ``robot-check``: a robot, its peer, a trial.   [host]"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from astro_jax.cli.given import check_from
from astro_jax.errors import InputError

Pose = tuple[float, float, float]
WireName = Literal["loopback", "dds"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobotCommand:
    """Drive a robot: gate (50 Hz), planner (10 Hz) and route worker, until SIGTERM.

    0: it was asked to end, and stood still.  1: its planner had died too often.  2: unusable input.
    """

    artifact: Path
    """What to drive with (astro-jax export)."""
    map: Path
    """map_server YAML of the house."""
    wire: WireName = "loopback"
    """loopback: within this machine and user; dds: ROS 2 topics (extra robot)."""
    goal: Annotated[Pose | None, tyro.conf.arg(metavar="X Y YAW")] = None
    """Where to go, in the frame of the map's file (m, m, rad)."""
    listen: bool = False
    """Let goals on the wire (rt/goal_pose) count; without it nobody there can send the robot."""
    domain: int = 0
    """Of DDS (ROS_DOMAIN_ID)."""
    interface: str = "lo"
    """Of DDS: which network interface; others than lo let the whole network talk to the robot."""
    log: Path | None = None
    """Folder for black boxes of every decision; without it none are kept."""
    name: str = "robot"
    """Of this robot on this machine: there is one of each."""
    engine: Literal["auto", "native", "cpu"] = "auto"
    """native: machine code; cpu: compiled here, once; auto: native if there is any."""
    cache: Path | None = None
    """Where to keep what is compiled; without it ~/.cache/astro_jax."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobotSimCommand:
    """Simulate a base and its sensors on the wire, in real time, for a robot of the same name."""

    artifact: Path
    """The robot's: it says what the base is like."""
    wire: WireName = "loopback"
    """As the robot's."""
    map: Path | None = None
    """map_server YAML to drive on; without it the packaged flat."""
    people: int = 3
    """How many walk about."""
    seconds: float = float("inf")
    """How long."""
    seed: int = 0
    """Of people and noise."""
    domain: int = 0
    """As the robot's."""
    interface: str = "lo"
    """As the robot's."""
    name: str = "robot"
    """As the robot's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobotCheckCommand:
    """Try a robot against the simulated base, by the clock: rates, deadlines, kills, memory.

    0: all that was asked for was kept; 1: something was not.
    """

    artifact: Path
    """What to drive with (astro-jax export)."""
    wire: WireName = "loopback"
    """Between robot and base."""
    seconds: float = 30.0
    """Of driving; a kill and a stop come after it."""
    hogs: int = 0
    """Processes beside it that do nothing but keep a core busy."""
    people: int = 3
    """How many walk about."""
    map: Path | None = None
    """map_server YAML to drive on; without it the packaged flat."""
    log: Path | None = None
    """Folder for black boxes; they are run again afterwards."""
    out: Path | None = None
    """Where to write all that was measured (JSON)."""
    engine: Literal["auto", "native", "cpu"] = "auto"
    """As the robot's."""
    cache: Path | None = None
    """As the robot's."""


def drive_robot(command: RobotCommand) -> int:
    """Run it."""
    from astro_jax.process.folder import Start
    from astro_jax.process.robot import run_robot

    if not 0 <= command.domain <= 232:
        raise InputError("domain", command.domain, "a number from 0 to 232")
    given = dataclasses.asdict(command)
    paths = {
        name: None if given[name] is None else str(given[name].absolute())
        for name in ("artifact", "map", "log", "cache")
    }
    return run_robot(Start(**{**given, **paths}))


def simulate_robot(command: RobotSimCommand) -> None:
    """Run its peer."""
    from astro_jax.deploy.artifact import read_artifact
    from astro_jax.home import home_of_map, packaged_home
    from astro_jax.process.folder import folder_of
    from astro_jax.process.parts import joined
    from astro_jax.process.simulator import SIMULATOR_LISTENS, run_simulator

    settings = read_artifact(command.artifact).settings
    folder = folder_of(command.name)
    given: Any = {"people": command.people, "seed": command.seed}
    if command.map is None:
        home = packaged_home(settings.robot, settings.config, **given)
    else:
        home = home_of_map(command.map, settings.robot, settings.config, **given)
    wire = joined(command.wire, folder, SIMULATOR_LISTENS, command.domain, command.interface)
    report = run_simulator(folder, settings, home, wire, command.seed, command.seconds)
    Console().print_json(data=report)


def check_robot(command: RobotCheckCommand) -> int:
    """Run it and print what came of it."""
    from rich.table import Table

    from astro_jax.process.folder import write_json
    from astro_jax.process.trial import Trial, run_trial
    from astro_jax.process.verdict import verdict
    from astro_jax.scenes import flat_scene

    check_from("hogs", command.hogs, 0)
    if not 1.0 <= command.seconds <= 86_400.0:
        raise InputError("seconds", command.seconds, "1 to 86400")
    trial = Trial(
        artifact=command.artifact,
        map=command.map or Path(flat_scene().map_path),
        people=command.people,
        wire=command.wire,
        seconds=command.seconds,
        hogs=command.hogs,
        log=command.log,
        engine=command.engine,
        cache=command.cache,
        name=f"check-{command.wire}",
    )
    report = run_trial(trial)
    if command.out is not None:
        write_json(command.out, report)
    lines = verdict(report, _replays(command))
    table = Table("", "found", "wanted", title=f"{command.wire}, {command.seconds:g} s")
    for line in lines:
        table.add_row(line.what, line.found, line.wanted, style="" if line.kept else "red")
    Console().print(table)
    missed = [line.what for line in lines if not line.kept]
    for what in missed:
        Console().print(f"not kept: {what}", highlight=False)
    return 1 if missed else 0


def _replays(command: RobotCheckCommand) -> dict[str, str]:
    """By black box: the first difference, nothing if there is none."""
    if command.log is None:
        return {}
    from astro_jax.deploy.artifact import read_artifact
    from astro_jax.deploy.cache import own_cache, use_cache
    from astro_jax.deploy.load import engine_of
    from astro_jax.deploy.replay import read_log_file, replay

    artifact = read_artifact(command.artifact)
    use_cache(own_cache(command.cache))
    engine, found = engine_of(artifact, command.engine), {}
    for file in sorted(command.log.rglob("*.mcap")):
        replayed = replay(read_log_file(file), artifact, engine)
        name = f"{file.parent.name}/{file.name} ({sum(replayed.calls.values())} calls)"
        found[name] = "" if replayed.difference is None else str(replayed.difference)
    return found
