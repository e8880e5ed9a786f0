"""``astro-jax bench SUITE``: drive cases with published rules, show how it goes.        [host]"""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from astro_jax.cli.benches import (
    BenchBarn,
    BenchCrossing,
    BenchCrowd,
    BenchDynabarn,
    BenchHomes,
    BenchPedestrians,
    BenchSuite,
)
from astro_jax.cli.given import check_from, check_writable, data_folder

if TYPE_CHECKING:
    from astro_jax.bench.report import Report

NAMES = {
    BenchBarn: "barn",
    BenchDynabarn: "dynabarn",
    BenchCrowd: "crowd",
    BenchCrossing: "crossing",
    BenchPedestrians: "pedestrians",
    BenchHomes: "homes",
}
NEEDS_NO_DATA = (BenchCrossing,)


def drive_suite(bench: BenchSuite) -> "Report":
    """Check, drive, report; an InputError if anything that was given cannot be used."""
    for name in ("runs", "jobs"):
        check_from(name, getattr(bench, name), 1)
    folder = Path() if isinstance(bench, NEEDS_NO_DATA) else Path(data_folder(bench.data))
    if bench.results is not None:
        check_writable(bench.results.parent, "results")
    from astro_jax.bench.suites import Order, run_suite, unwatched
    from astro_jax.cli.failures import failures_into

    watch = unwatched if bench.plots is None else failures_into(bench.plots)
    order = Order(
        suite=NAMES[type(bench)], variant=bench.variant, planner=bench.planner, folder=folder
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console()) as progress:
        bar = progress.add_task(order.suite, total=None, rate="compiling")
        failed = 0

        def show(done: int, of: int, row) -> None:
            nonlocal failed
            failed += not row["success"]
            rate = f"{failed} failed, last one {row['wall_s']:.1f} s"
            progress.update(bar, completed=done, total=of, rate=rate)

        return run_suite(
            order, bench.cases, bench.runs, bench.jobs, bench.results, on_row=show, watch=watch
        )
