"""``astro-jax bench``: what can be measured, and how it is asked for.               [host]"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchCycle:
    """The time of one planning cycle, stage by stage; its compilation and its memory."""

    candidates: int | None = None
    """Trajectories judged per cycle; without it the planner's own number."""
    people: int = 16
    """How many people are around."""
    footprint: Literal["robot", "rectangle"] = "robot"
    """robot: as its YAML says, which may be a polygon; rectangle: its length x width."""
    threads: Literal[1, 2] | None = None
    """Cores to use; without it all there are."""
    bare: bool = False
    """Instead the work that a plain sampling planner does, on one core (no people)."""
    soak_cycles: int = 300
    """Cycles run on end to see memory grow (100000 takes some twenty minutes)."""
    runs: int = 300
    """Timed calls."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of the people's places."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchThroughput:
    """Simulated seconds per second with the whole robot inside, against the size of the batch."""

    batches: tuple[int, ...] = ()
    """Episodes per call; without any a series for the device at hand."""
    candidates: int | None = None
    """Trajectories judged per cycle; without it the planner's own number."""
    people: int = 5
    """How many walk about."""
    seconds: float = 5.0
    """Of each episode."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of people and noise."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchRisk:
    """How true the probability of touching is, against Monte Carlo."""

    scenarios: int = 500
    """Random encounters."""
    samples: int = 100_000
    """Monte Carlo samples of each."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of scenarios and samples."""
    plot: Path | None = None
    """Where to draw the reliability diagram (PNG, PDF or SVG)."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchForecast:
    """How true the forecasts of people are, on recorded pedestrians (ETH/UCY)."""

    data: Path | None = None
    """Folder of the recordings; without it the one that ASTRO_JAX_DATA names."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of the samples that stand for a region's mass."""
    plot: Path | None = None
    """Where to draw the calibration (PNG, PDF or SVG)."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchRoute:
    """Whether ways are right (MovingAI), none is missing (home maps), and how long they take."""

    data: Path | None = None
    """Folder with movingai and home_maps; without it the one that ASTRO_JAX_DATA names."""
    pairs: int = 10_000
    """Random pairs of places on the home maps."""
    runs: int = 15
    """Timed searches per size."""
    seed: int = 0
    """Of the pairs, the floor plans and the changes in them."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchGate:
    """The time of one tick of the armed gate, at its own pace, on one core."""

    rate: Literal[50, 100] = 50
    """Ticks per second."""
    seconds: float = 20.0
    """How long to drive."""
    beams: int = 720
    """Of the range sensor."""
    people: int = 16
    """How many are tracked."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of people and noise."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchSurprise:
    """What the reactive gate lets happen when things and people surprise the robot."""

    stack: Literal["gate", "full"] = "gate"
    """gate: a blind driver, nothing but the gate in the way; full: the whole robot at home."""
    episodes: int = 2200
    """Of 20 s each, all strata in turn."""
    replay: int | None = None
    """Instead show this seed's episode, tick by tick around what went wrong."""
    jobs: int = 2
    """Processes of the gate's stack, each on a core of its own."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of the first episode; the others follow."""
    json: Path | None = None
    """Where to write the report; with the full stack also where to go on from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchIntent:
    """Whether the screen shows turns before the base makes them, in drives through a home."""

    episodes: int = 60
    """Drives of at most 40 s each."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of the first drive; the others follow."""
    plot: Path | None = None
    """Where to draw the drive with the most turns (PNG, PDF or SVG)."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchFollow:
    """Walking with somebody: in view, at a distance, without a touch."""

    walkers: Literal["both", "recorded", "home"] = "both"
    """recorded: ETH/UCY; home: through the packaged flat, stopping, turning back, among others."""
    episodes: int = 30
    """Of each kind, all strata in turn."""
    data: Path | None = None
    """Folder of the recordings; without it the one that ASTRO_JAX_DATA names."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of people, noise and search."""
    plot: Path | None = None
    """Where to draw distances and views (PNG, PDF or SVG)."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchDock:
    """Where the robot stands after docking."""

    approaches: int = 500
    """Of some seven seconds each."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    seed: int = 0
    """Of the first approach; the others follow."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchSuite:
    """Cases with published rules, driven in closed loop by the whole robot."""

    data: Path | None = None
    """Folder of the cases; without it the one that ASTRO_JAX_DATA names."""
    cases: tuple[str, ...] = ()
    """Names or patterns of cases (12 circle-* …); without any all of them."""
    runs: int = 1
    """Of each case, every one with a seed of its own."""
    variant: str = ""
    """Of the rules; without it the suite's own."""
    planner: str = "astro"
    """Who drives."""
    jobs: int = 1
    """Processes, each on a core and with a compilation of its own; where an accelerator drives,
    those that search ways."""
    results: Path | None = None
    """File that every episode is added to, a line each; a run that was interrupted goes on from
    it."""
    plots: Path | None = None
    """Folder for pictures of the episodes that failed, a PNG each (barn-lidar-237-0.png: suite,
    variant, case, run); what is in the results file already is not driven again and gets none."""
    json: Path | None = None
    """Where to write the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchBarn(BenchSuite):
    """BARN: 300 static worlds of cylinders, a Jackal, a lidar and no map (lidar, ideal, late)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchDynabarn(BenchSuite):
    """DynaBARN: 60 worlds of discs that move and never yield (lidar, ideal, late)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchPedestrians(BenchSuite):
    """ETH/UCY: one recorded person is replaced by the robot (usual, late, ideal)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchHomes(BenchSuite):
    """Errands between rooms of home maps, people walking about (500, 300 ms of latency)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchCrowd(BenchSuite):
    """CrowdNav: five people cross who do not see the robot (holonomic, differential)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchCrossing(BenchSuite):
    """Somebody crosses the robot's way and does not look (300, 0 ms of latency)."""


Bench = (
    Annotated[BenchCycle, tyro.conf.subcommand("cycle")]
    | Annotated[BenchThroughput, tyro.conf.subcommand("throughput")]
    | Annotated[BenchRisk, tyro.conf.subcommand("risk")]
    | Annotated[BenchForecast, tyro.conf.subcommand("forecast")]
    | Annotated[BenchRoute, tyro.conf.subcommand("route")]
    | Annotated[BenchGate, tyro.conf.subcommand("gate")]
    | Annotated[BenchSurprise, tyro.conf.subcommand("surprise")]
    | Annotated[BenchIntent, tyro.conf.subcommand("intent")]
    | Annotated[BenchFollow, tyro.conf.subcommand("follow")]
    | Annotated[BenchDock, tyro.conf.subcommand("dock")]
    | Annotated[BenchBarn, tyro.conf.subcommand("barn")]
    | Annotated[BenchDynabarn, tyro.conf.subcommand("dynabarn")]
    | Annotated[BenchCrowd, tyro.conf.subcommand("crowd")]
    | Annotated[BenchPedestrians, tyro.conf.subcommand("pedestrians")]
    | Annotated[BenchHomes, tyro.conf.subcommand("homes")]
    | Annotated[BenchCrossing, tyro.conf.subcommand("crossing")]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchCommand:
    """Measure something; every bench writes one report of the same format."""

    bench: tyro.conf.OmitSubcommandPrefixes[Bench]
