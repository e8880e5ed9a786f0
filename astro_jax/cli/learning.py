"""``astro-jax learn``: weights from demonstrations, params from closed loops.             [host]"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from astro_jax.cli.given import check_from, check_writable, configuration, data_folder
from astro_jax.errors import InputError
from astro_jax.tables import intervals_table, metrics_table

Suite = Literal["barn", "dynabarn", "crowd", "crossing", "pedestrians", "homes"]
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnDemos:
    """Weights that make recorded drives likely; writes params.yaml and report.json."""

    drives: Path | None = None
    """Folder of drives (*.npz, see astro_jax/learning/demonstrations.py); without it the walkers
    of ETH/UCY."""
    data: Path | None = None
    """Folder of the walkers; without it the one that ASTRO_JAX_DATA names."""
    most: int = 45
    """Walkers of each place."""
    weights: tuple[str, ...] = ("acceleration", "turning", "lateral", "reversing", "intrusion")
    """That may change."""
    spread: float = 1.0
    """Standard deviation of their logarithms around the hand-tuned ones."""
    farthest: float = 4.0
    """No weight is moved by more than this factor."""
    each: int = 16
    """Candidates per component of the mixture that they are drawn from (30 in all)."""
    robot: Path | None = None
    """Robot YAML (see configs/robots)."""
    planner: Path | None = None
    """Planner YAML whose params are the hand-tuned ones (see configs/planner)."""
    seed: int = 0
    """Of the candidates."""
    out: Path = Path("out/learned")
    """Folder for params.yaml and report.json."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnTune:
    """Params that drive a suite's cases better, by CMA-ES; writes params.yaml and report.json.

    A search that was interrupted goes on from record.npz in the same folder.
    """

    suite: Suite = "crowd"
    """What is driven."""
    variant: str = ""
    """Of the rules; without it the suite's own."""
    train: tuple[str, ...] = ()
    """Names or patterns of cases to learn from (circle-1*); without any all of them."""
    judge: tuple[str, ...] = ()
    """Of cases to judge on, as far as they were not learned from; without any none."""
    runs: int = 1
    """Of each case, every one with a seed of its own."""
    params: tuple[str, ...] = ("acceleration", "turning", "lateral", "patience")
    """That may change.  Only time, jerk and contacts are looked at: personal space, which costs
    time and keeps people at ease, would be given away."""
    generations: int = 10
    """In all, those of the record included."""
    population: int = 8
    """Members of a generation."""
    batch: int = 8
    """Drives of each member."""
    spread: float = 0.3
    """First standard deviation of the logarithms."""
    smoothness: float = 0.5
    """What a per cent of jerk is worth, in per cents of time."""
    data: Path | None = None
    """Folder of the cases; without it the one that ASTRO_JAX_DATA names."""
    planner: Path | None = None
    """Planner YAML whose params to begin from, if not the suite's own; these are compared with."""
    jobs: int = 1
    """Processes that search ways, where an accelerator drives."""
    seed: int = 0
    """Of the search."""
    out: Path = Path("out/tuned")
    """Folder for params.yaml, report.json and record.npz."""
    tensorboard: Path | None = None
    """Folder for TensorBoard's logs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnDescend:
    """Params down the slopes of closed loops: gradients through the whole robot."""

    suite: Suite = "crossing"
    """What is driven."""
    variant: str = ""
    """Of the rules; without it the suite's own."""
    train: tuple[str, ...] = ()
    """Names or patterns of cases to learn from (circle-1*); without any all of them."""
    judge: tuple[str, ...] = ()
    """Of cases to judge on, as far as they were not learned from; without any none."""
    runs: int = 1
    """Of each case, every one with a seed of its own."""
    params: tuple[str, ...] = ("acceleration", "turning", "lateral", "patience")
    """That may change, at most by a factor of 4."""
    steps: int = 12
    """In all, those of the record included."""
    batch: int = 8
    """Drives per step."""
    seconds: float = 5.0
    """Of each drive that is learned from, from its start on."""
    rate: float = 0.1
    """Adam's, in the logarithms of the params."""
    smoothness: float = 0.5
    """What a per cent of jerk is worth, in per cents of time."""
    data: Path | None = None
    """Folder of the cases; without it the one that ASTRO_JAX_DATA names."""
    jobs: int = 1
    """Processes that search ways, where an accelerator judges."""
    seed: int = 0
    """Of the order of the drives."""
    out: Path = Path("out/descended")
    """Folder for params.yaml, report.json and record.npz."""
    tensorboard: Path | None = None
    """Folder for TensorBoard's logs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnJudge:
    """Params of a file beside the suite's own, case by case with the same random numbers."""

    planner: tyro.conf.Positional[Path]
    """Planner YAML, for example a params.yaml that was learned."""
    suite: Suite = "crossing"
    """What is driven."""
    variant: str = ""
    """Of the rules; without it the suite's own."""
    cases: tuple[str, ...] = ()
    """Names or patterns of cases; without any all of them."""
    runs: int = 1
    """Of each case, every one with a seed of its own."""
    jobs: int = 1
    """Processes that search ways, where an accelerator drives."""
    data: Path | None = None
    """Folder of the cases; without it the one that ASTRO_JAX_DATA names."""
    json: Path | None = None
    """Where to write the report."""


Learn = (
    Annotated[LearnDemos, tyro.conf.subcommand("demos")]
    | Annotated[LearnTune, tyro.conf.subcommand("tune")]
    | Annotated[LearnDescend, tyro.conf.subcommand("descend")]
    | Annotated[LearnJudge, tyro.conf.subcommand("judge")]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnCommand:
    """Learn what the planner should value, and judge it on what it was not learned from."""

    learn: tyro.conf.OmitSubcommandPrefixes[Learn]


def learn(command: Learn) -> None:
    """Learn and write; an InputError if anything that was given cannot be used."""
    if isinstance(command, LearnDemos):
        _demos(command)
    elif isinstance(command, LearnTune):
        _tune(command)
    elif isinstance(command, LearnDescend):
        _descend(command)
    else:
        _judge(command)


def _demos(command: LearnDemos) -> None:
    for name in ("most", "each"):
        check_from(name, getattr(command, name), 1)
    check_from("seed", command.seed, 0)
    for name, low in (("spread", 0.0), ("farthest", 1.0)):
        if not low < getattr(command, name) <= 1e3:
            raise InputError(name, getattr(command, name), f"a number above {low:g} and up to 1000")
    robot, config, params = configuration(command.robot, command.planner)
    folder = None if command.drives else Path(data_folder(command.data))
    check_writable(command.out, "out")
    # imported late: --help and bad input should not wait for JAX
    from astro_jax.bench.tuning import learn_demos, walkers_in
    from astro_jax.learning.demonstrations import read_drives
    from astro_jax.learning.features import check_weights
    from astro_jax.learning.maxent import Recipe

    check_weights(params, command.weights)
    console = Console()
    if command.drives is not None:
        drives = read_drives(command.drives)
    else:
        assert folder is not None
        drives, left_out = walkers_in(folder, robot, command.most)
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        console.print(f"{len(drives)} walkers; left out: {reasons or 'nobody'}")
    recipe = Recipe(spread=command.spread, farthest=command.farthest)
    with Progress(*COLUMNS, console=Console()) as progress:
        bar = progress.add_task("compiling", total=len(drives))

        def tell(what: str, done: int, of: int) -> None:
            progress.update(bar, description=what, completed=done, total=of)

        learned, report = learn_demos(
            robot,
            config,
            params,
            drives,
            command.weights,
            recipe,
            command.each,
            command.seed,
            tell,
        )
    remarks = [f"Learned from {len(drives)} drives by astro-jax learn demos."]
    _write(command.out, learned, report, remarks)


def _tune(command: LearnTune) -> None:
    for name, low in (("runs", 1), ("generations", 1), ("seed", 0), ("jobs", 1)):
        check_from(name, getattr(command, name), low)
    start = None if command.planner is None else configuration(None, command.planner)[2]
    folder = _cases(command.suite, command.data)
    check_writable(command.out, "out")
    _needs("cmaes")
    from astro_jax.bench.suites import Order
    from astro_jax.bench.tuning import learn_tune
    from astro_jax.learning.closed_loop import Search

    search = Search(
        names=command.params,
        spread=command.spread,
        population=command.population,
        batch=command.batch,
        smoothness=command.smoothness,
        seed=command.seed,
    )
    with (
        _logging(command.tensorboard) as log,
        Progress(*COLUMNS, console=Console()) as progress,
    ):
        bar = progress.add_task("compiling", total=command.generations * command.population)

        def tell(generation: int, done: int, of: int) -> None:
            progress.update(
                bar, description=f"generation {generation + 1}", completed=generation * of + done
            )

        learned, report = learn_tune(
            Order(suite=command.suite, variant=command.variant, folder=folder),
            start,
            command.train,
            command.judge,
            command.runs,
            search,
            command.generations,
            command.out / "record.npz",
            command.jobs,
            tell,
            log,
        )
    remarks = [f"Tuned in closed loop by astro-jax learn tune: {command.suite}."]
    _write(command.out, learned, report, remarks)


def _descend(command: LearnDescend) -> None:
    for name, low in (("runs", 1), ("steps", 1), ("seed", 0), ("jobs", 1)):
        check_from(name, getattr(command, name), low)
    folder = _cases(command.suite, command.data)
    check_writable(command.out, "out")
    from astro_jax.bench.suites import Order
    from astro_jax.bench.tuning import learn_descend
    from astro_jax.learning.closed_loop import Search

    search = Search(
        names=command.params,
        batch=command.batch,
        smoothness=command.smoothness,
        seed=command.seed,
    )
    with (
        _logging(command.tensorboard) as log,
        Progress(*COLUMNS, console=Console()) as progress,
    ):
        bar = progress.add_task("compiling", total=command.steps)

        def tell(scalars: Mapping[str, float], step: int) -> None:
            log(scalars, step)
            told = f"step {step + 1}, cost {scalars['cost/mean']:+.3f}"
            progress.update(bar, description=told, completed=step + 1)

        learned, report = learn_descend(
            Order(suite=command.suite, variant=command.variant, folder=folder),
            command.train,
            command.judge,
            command.runs,
            search,
            command.steps,
            command.seconds,
            command.rate,
            command.out / "record.npz",
            command.jobs,
            tell,
        )
    remarks = [f"Learned from slopes of closed loops by astro-jax learn descend: {command.suite}."]
    _write(command.out, learned, report, remarks)


def _judge(command: LearnJudge) -> None:
    check_from("runs", command.runs, 1)
    check_from("jobs", command.jobs, 1)
    params = configuration(None, command.planner)[2]
    folder = _cases(command.suite, command.data)
    if command.json is not None:
        check_writable(command.json.parent, "json")
    from astro_jax.bench.report import write_json
    from astro_jax.bench.suites import Order
    from astro_jax.bench.tuning import judge_params

    order = Order(suite=command.suite, variant=command.variant, folder=folder)
    report = judge_params(order, params, command.cases, command.runs, command.jobs)
    Console().print(metrics_table(report.name, report.metrics))
    Console().print(intervals_table(report.intervals))
    if command.json is not None:
        write_json(command.json, report.as_dict())


def _cases(suite: Suite, data: Path | None) -> Path:
    """Where the suite's cases are; crossing makes its own."""
    return Path() if suite == "crossing" else Path(data_folder(data))


def _write(out: Path, learned, report, remarks: list[str]) -> None:
    from astro_jax.bench.report import write_json
    from astro_jax.learning.settings import write_params

    write_params(out / "params.yaml", learned, remarks)
    write_json(out / "report.json", report.as_dict(), "report")
    console = Console()
    console.print(metrics_table(report.name, report.metrics))
    if report.intervals:
        console.print(intervals_table(report.intervals))
    console.print(f"params and figures: {out} (params.yaml, report.json)")


@contextmanager
def _logging(folder: Path | None) -> Iterator[Callable[[Mapping[str, float], int], None]]:
    """A function that writes figures of a step for TensorBoard, or nothing without a folder."""
    if folder is None:
        yield lambda scalars, step: None
        return
    _needs("tensorboardX")
    from tensorboardX import SummaryWriter

    try:
        writer = SummaryWriter(str(folder))
    except OSError as error:
        expected = f"a folder that can be written ({error.strerror})"
        raise InputError("tensorboard", str(folder), expected) from error

    def log(scalars: Mapping[str, float], step: int) -> None:
        for name, value in scalars.items():
            writer.add_scalar(name.replace(" ", "_"), value, step)
        writer.flush()

    try:
        yield log
    finally:
        writer.close()


def _needs(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        expected = "the extra learn (pip install 'astro-jax[learn]')"
        raise InputError(package, "not installed", expected)
