"""``astro-jax export``, ``artifact`` and ``replay``: a planner in a file, what it did. [host]"""

import dataclasses
import time
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from astro_jax.cli.given import check_from, configuration, draw
from astro_jax.errors import InputError
from astro_jax.tables import answers_table, replay_lines


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportCommand:
    """Write a robot's planner to one file: verified on load, runs without the planner's source."""

    out: Path
    """The artifact to write, for example astro.astro."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML (see configs/planner)."""
    platform: tuple[Literal["cpu", "cuda"], ...] = ("cpu",)
    """What it is to be compiled for on the robot; a GPU need not be here."""
    target: Literal["xla", "iree"] = "xla"
    """iree: also as machine code, which starts at once and needs no JAX (extra iree)."""
    triple: tuple[str, ...] = ()
    """Of the machine code: x86_64-linux-gnu, aarch64-linux-gnu; without it this machine's."""
    house: Annotated[tuple[int, int], tyro.conf.arg(metavar="ROWS COLUMNS")] = (480, 480)
    """Cells of the largest house map that it is to drive on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArtifactCommand:
    """Check an artifact, or unpack its machine code for a robot without Python."""

    action: tyro.conf.Positional[Literal["check", "unpack"]]
    """check: hashes, versions, and whether it answers here as where it was made; unpack: files for
    the program in deploy/native."""
    file: tyro.conf.Positional[Path]
    """The artifact."""
    engine: Literal["auto", "native", "cpu", "cuda"] = "auto"
    """native: machine code; cpu, cuda: compiled here, once; auto: native if there is any."""
    cache: Path | None = None
    """Where to keep what is compiled; without it ~/.cache/astro_jax."""
    runs: int = 50
    """Timed calls of every function."""
    triple: str | None = None
    """unpack: whose machine code; without it this machine's."""
    out: Path | None = None
    """unpack: the folder to write."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReplayCommand:
    """Run a black box's file through its artifact again: 0 bit-identical, 1 a difference."""

    file: tyro.conf.Positional[Path]
    """A file of a black box (box-….mcap)."""
    artifact: Path
    """The artifact that decided, or another one that takes and gives the same."""
    engine: Literal["auto", "native", "cpu", "cuda"] = "auto"
    """As for artifact check; only the one that recorded can be expected to be bit-identical."""
    draw: float | None = None
    """Also draw what was decided at this time, s since the file began."""
    picture: Path = Path("decided.png")
    """Where to draw it (PNG, PDF or SVG)."""
    cache: Path | None = None
    """Where to keep what is compiled; without it ~/.cache/astro_jax."""


def export(command: ExportCommand) -> None:
    """Write an artifact."""
    robot, planner, params = configuration(command.robot, command.planner)
    from astro_jax.deploy.engine import this_target
    from astro_jax.deploy.export import export_artifact
    from astro_jax.deploy.settings import Settings

    if command.triple and command.target != "iree":
        raise InputError("triple", " ".join(command.triple), "--target iree with it")
    triples = command.triple or (this_target(),) if command.target == "iree" else ()
    console = Console()
    console.print("exporting and driving the golden cycle; a minute or more passes …")
    settings = Settings(robot=robot, config=planner, params=params)
    size = export_artifact(
        command.out,
        settings,
        platforms=command.platform,
        triples=triples,
        house=command.house,
    )
    console.print(f"artifact: {command.out} ({size / 2**20:.2f} MB)", highlight=False)


def show_artifact(command: ArtifactCommand) -> None:
    """Check an artifact and print how long everything took, or unpack it."""
    check_from("runs", command.runs, 1)
    from astro_jax.deploy.artifact import read_artifact

    if command.action == "unpack":
        from astro_jax.deploy.engine import this_target
        from astro_jax.deploy.unpack import unpack_native

        if command.out is None:
            raise InputError("out", "missing", "a folder to write, with --out")
        triple = command.triple or this_target()
        files = unpack_native(read_artifact(command.file), triple, command.out)
        Console().print(f"{len(files)} files: {command.out}", highlight=False, soft_wrap=True)
        return
    from astro_jax.deploy.cache import own_cache, use_cache
    from astro_jax.deploy.check import check_artifact
    from astro_jax.deploy.load import engine_of

    began = time.perf_counter()
    artifact = read_artifact(command.file)
    read = time.perf_counter()
    use_cache(own_cache(command.cache))
    engine = engine_of(artifact, command.engine)
    ready = time.perf_counter()
    answers = check_artifact(artifact, engine, command.runs)
    console = Console()
    console.print(answers_table(engine.name, read - began, ready - read, answers))
    console.print(f"{command.file}: sound", highlight=False, soft_wrap=True)


def show_replay(command: ReplayCommand) -> int:
    """Replay a log and print what came of it; 1 if a decision differs."""
    from astro_jax.deploy.artifact import read_artifact
    from astro_jax.deploy.cache import own_cache, use_cache
    from astro_jax.deploy.load import engine_of
    from astro_jax.deploy.replay import call_at, read_log_file, replay

    log = read_log_file(command.file)
    artifact = read_artifact(command.artifact)
    use_cache(own_cache(command.cache))
    engine = engine_of(artifact, command.engine)
    replayed = replay(log, artifact, engine)
    for line in replay_lines(str(command.file), engine.name, replayed):
        Console().print(line, highlight=False, soft_wrap=True, markup=False)
    if command.draw is not None:
        # imported late: without a picture there is no need of Matplotlib
        from astro_jax.viz.decided import decision_figure

        call = call_at(log, artifact, engine, command.draw)
        draw(decision_figure(artifact.settings.robot, call), command.picture, "picture")
        Console().print(f"picture: {command.picture}", highlight=False, soft_wrap=True)
    return 0 if replayed.difference is None else 1
