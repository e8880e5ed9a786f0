"""``astro-jax robot`` and ``robot-sim``: the processes of a robot, and its peer.     [host]"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

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
