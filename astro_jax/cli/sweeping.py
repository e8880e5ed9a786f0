"""``astro-jax sweep``: many settings over many episodes, into a store that loses nothing. [host]"""

import dataclasses
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from astro_jax.cli.given import check_from, data_folder, draw
from astro_jax.errors import InputError
from astro_jax.tables import metrics_table, sweep_table

if TYPE_CHECKING:
    from astro_jax.sweep import run

WIDE = 240
"""Columns of a table that no terminal shows."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepCommand:
    """Drive every setting of a spec through every case, into a store; or report on a store."""

    what: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="SPEC.yaml | report STORE")]
    ]
    """A spec (see configs/sweeps), which is driven as far as the store lacks it; or the word
    report and a store: tables here, pictures and figures in its folder report."""
    store: Path | None = None
    """Folder of the results; a sweep that was interrupted goes on from it."""
    jobs: int = 1
    """Processes, each with a compilation of its own; with --scheduler local its workers."""
    limit: float | None = None
    """Seconds that an episode may take, with the compilation before it: then its process is killed
    and it counts as one that raised; without it there is none.  Not with --scheduler."""
    scheduler: str = ""
    """Address of a Dask scheduler whose workers drive (tcp://host:8786), or local."""
    data: Path | None = None
    """Folder of the suites' cases; without it the spec's, or the one that ASTRO_JAX_DATA names."""


def sweep(command: SweepCommand) -> None:
    """Sweep or report; an InputError if anything that was given cannot be used."""
    words = command.what
    if len(words) == 2 and words[0] == "report":
        _report(Path(words[1]))
    elif len(words) == 1:
        _drive(command, Path(words[0]))
    else:
        raise InputError("sweep", " ".join(words) or "nothing", "SPEC.yaml, or report STORE")


def _drive(command: SweepCommand, path: Path) -> None:
    check_from("jobs", command.jobs, 1)
    limit = math.inf if command.limit is None else command.limit
    if not limit > 0.0:
        raise InputError("limit", limit, "a number of seconds above 0")
    if command.limit is not None and command.scheduler:
        raise InputError("limit", limit, "no --scheduler: whose workers are not killed from here")
    if command.store is None:
        raise InputError("store", "missing", "--store and a folder")
    # imported late: --help and bad input should not wait for JAX and Arrow
    from astro_jax.sweep.spec import load_spec

    spec = load_spec(path)
    from astro_jax.bench.swept import manifest_of, needs_data, play, tasks_of

    folder = None
    if needs_data(spec):
        folder = Path(data_folder(command.data or (Path(spec.data) if spec.data else None)))
        if not folder.is_dir():
            raise InputError("data", str(folder), "a folder")
    tasks = tasks_of(spec, folder)
    manifest = manifest_of(spec, tasks, folder)
    _needs_extra()
    from astro_jax.sweep.cluster import on_cluster
    from astro_jax.sweep.processes import on_processes
    from astro_jax.sweep.run import run_sweep

    def backend(work, tasks):
        if command.scheduler:
            return on_cluster(work, tasks, command.scheduler, command.jobs)
        return on_processes(work, tasks, command.jobs, limit)

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(), speed_estimate_period=600.0) as progress:
        bar = progress.add_task("episodes", total=len(tasks), rate="compiling")

        def show(now: "run.Progress") -> None:
            if (
                now.done == now.before
            ):  # what earlier runs have done says nothing of this one's pace
                progress.reset(bar, total=now.total, completed=now.done, rate="compiling")
                return
            rate = 60.0 * (now.done - now.before) / max(time.monotonic() - began, 1e-9)
            shown = f"{rate:.1f}/min, {now.failed} failed"
            progress.update(bar, completed=now.done, rate=shown)

        ended = run_sweep(play, tasks, manifest, command.store, backend, show)
    console = Console()
    earlier = f", {ended.before} of them earlier" if ended.before else ""
    console.print(f"{ended.done} of {ended.total} episodes are in {command.store}{earlier}")
    if ended.failed:
        console.print(f"{ended.failed} failed: see astro-jax sweep report {command.store}")


def _report(store: Path) -> None:
    _needs_extra()
    from astro_jax.bench.report import write_json
    from astro_jax.bench.sweep_report import MEASURES, is_share, sweep_report

    report = sweep_report(store)
    shares = [name for name in MEASURES if is_share(name)]
    # a table has as many columns as things varied: into a file it goes whole
    console = Console() if Console().is_terminal else Console(width=WIDE)
    console.print(sweep_table(report, MEASURES, shares))
    for row in report.config["failed"]:
        what = f"{row['suite']} {row['case']}, run {row['run']}, setting {row['setting']}"
        line = f"failed after {row['tries']} tries: {what}: {row['reason']}"
        console.print(line, highlight=False, soft_wrap=True)
    console.print(metrics_table(report.name, report.metrics))
    out = store / "report"
    write_json(out / "report.json", report.as_dict(), "report")
    from astro_jax.viz.sweep import grid_figure, marginal_figure, places_of

    for place in places_of(report):
        name = "-".join(place).replace(os.sep, "_")
        draw(marginal_figure(report, place, MEASURES, shares), out / f"{name}.png")
        grid = grid_figure(report, place, MEASURES, shares)
        if grid is not None:
            draw(grid, out / f"{name}-grid.png")
    console.print(f"pictures and figures: {out}")


def _needs_extra() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        expected = "the extra sweep (pip install 'astro-jax[sweep]')"
        raise InputError("pyarrow", "not installed", expected) from error
