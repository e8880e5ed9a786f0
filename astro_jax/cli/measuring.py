"""What each bench does once it is asked for: check, measure, draw, tell.             [host]"""

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from astro_jax.cli.benches import (
    Bench,
    BenchCycle,
    BenchDock,
    BenchFollow,
    BenchForecast,
    BenchGate,
    BenchIntent,
    BenchRisk,
    BenchRoute,
    BenchSuite,
    BenchSurprise,
    BenchThroughput,
)
from astro_jax.cli.given import check_from, check_writable, configuration, data_folder, draw
from astro_jax.errors import InputError
from astro_jax.tables import (
    follow_table,
    intent_table,
    intervals_table,
    metrics_table,
    suite_table,
    surprise_table,
    throughput_table,
)

if TYPE_CHECKING:
    from astro_jax.bench.report import Report

WIDE = 240
"""Columns of a table that no terminal shows."""


def measure(bench: Bench) -> None:
    """Run one, print its table, write its report."""
    if bench.json is not None:
        check_writable(bench.json.parent, "json")
    if isinstance(bench, BenchSurprise):
        report = _surprise(bench)
        if report is None:
            return
        console = Console()
        # into a file the table goes whole, not cut to a terminal's width
        wide = console if console.is_terminal else Console(width=WIDE)
        wide.print(surprise_table(report.cases))
    elif isinstance(bench, BenchIntent):
        report = _intent(bench)
        Console().print(intent_table(report.cases))
    elif isinstance(bench, BenchFollow):
        report = _follow(bench)
        Console(width=WIDE).print(follow_table(report.cases))
    elif isinstance(bench, BenchDock):
        report = _dock(bench)
    elif isinstance(bench, BenchSuite):
        from astro_jax.cli.driving import drive_suite

        report = drive_suite(bench)
        Console(width=WIDE).print(suite_table(report))
    elif isinstance(bench, BenchCycle):
        report = _cycle(bench)
    elif isinstance(bench, BenchThroughput):
        report = _throughput(bench)
        Console().print(throughput_table(report.cases))
    elif isinstance(bench, BenchRisk):
        report = _risk(bench)
    elif isinstance(bench, BenchForecast):
        report = _forecast(bench)
    elif isinstance(bench, BenchGate):
        report = _gate(bench)
    else:
        report = _route(bench)
    Console().print(metrics_table(report.name, report.metrics))
    if isinstance(bench, BenchFollow | BenchDock | BenchSuite):
        Console().print(intervals_table(report.intervals))
    if bench.json is not None:
        from astro_jax.bench.report import write_json

        write_json(bench.json, report.as_dict())


def _cycle(bench: BenchCycle) -> "Report":
    for name, low in (("runs", 1), ("soak_cycles", 0), ("seed", 0)):
        check_from(name, getattr(bench, name), low)
    robot, planner, params = configuration(bench.robot, bench.planner)
    if bench.footprint == "rectangle":
        robot = dataclasses.replace(robot, footprint=())
    from astro_jax.bench.bare import bench_bare
    from astro_jax.bench.clock import in_fresh_process
    from astro_jax.bench.cycle import bench_cycle, with_sizes

    planner = with_sizes(planner, bench.candidates, bench.people)
    if bench.bare:
        return bench_bare(robot, bench.runs, bench.seed)
    sizes = (bench.people, bench.runs, bench.soak_cycles, bench.seed)
    if bench.threads is None:
        return bench_cycle(robot, planner, params, *sizes)
    return in_fresh_process(bench_cycle, robot, planner, params, *sizes, threads=bench.threads)


def _throughput(bench: BenchThroughput) -> "Report":
    check_from("seed", bench.seed, 0)
    robot, planner, params = configuration(bench.robot, bench.planner)
    from astro_jax.bench.clock import cores, in_fresh_process, on_accelerator
    from astro_jax.bench.cycle import with_sizes
    from astro_jax.bench.throughput import bench_throughput, usual_batches

    planner = with_sizes(planner, bench.candidates, bench.people)
    batches = bench.batches or usual_batches()
    given = (robot, planner, params, batches, bench.people, bench.seconds, bench.seed)
    if on_accelerator():
        with _counting("sizes", len(batches)) as show:
            return bench_throughput(*given, show)
    # an episode per core; how many devices there are is settled when JAX starts
    flag = f"--xla_force_host_platform_device_count={len(cores())}"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flag}"
    with Console().status(f"driving in batches of {', '.join(map(str, batches))}"):
        return in_fresh_process(bench_throughput, *given, environment={"XLA_FLAGS": flags})


def _risk(bench: BenchRisk) -> "Report":
    for name, low in (("scenarios", 1), ("samples", 1), ("seed", 0)):
        check_from(name, getattr(bench, name), low)
    robot, _, params = configuration(bench.robot, bench.planner)
    from astro_jax.bench.risk import bench_risk

    report = bench_risk(robot, params, bench.scenarios, bench.samples, bench.seed)
    if bench.plot is not None:
        from astro_jax.viz.reliability import reliability_figure

        draw(reliability_figure(report), bench.plot)
    return report


def _forecast(bench: BenchForecast) -> "Report":
    check_from("seed", bench.seed, 0)
    folder = data_folder(bench.data)
    _, _, params = configuration(None, bench.planner)
    from astro_jax.bench.forecast import bench_forecast
    from astro_jax.suites.eth_ucy import load_scenes

    report = bench_forecast(load_scenes(folder), params, bench.seed)
    if bench.plot is not None:
        from astro_jax.viz.calibration import calibration_figure

        draw(calibration_figure(report), bench.plot)
    return report


def _route(bench: BenchRoute) -> "Report":
    for name, low in (("pairs", 1), ("runs", 1), ("seed", 0)):
        check_from(name, getattr(bench, name), low)
    folder = data_folder(bench.data)
    from astro_jax.bench.route import bench_route

    return bench_route(folder, bench.pairs, bench.runs, bench.seed)


def _gate(bench: BenchGate) -> "Report":
    check_from("seed", bench.seed, 0)
    robot, planner, _ = configuration(bench.robot, bench.planner)
    from astro_jax.bench.clock import in_fresh_process
    from astro_jax.bench.gate import bench_gate, with_sizes

    robot, planner = with_sizes(robot, planner, bench.rate, bench.beams, bench.people)
    sizes = (bench.people, bench.seconds, bench.seed)
    return in_fresh_process(bench_gate, robot, planner, *sizes, threads=1)


def _surprise(bench: BenchSurprise) -> "Report | None":
    for name, low in (("episodes", 1), ("jobs", 1), ("seed", 0)):
        check_from(name, getattr(bench, name), low)
    robot, planner, params = configuration(bench.robot, bench.planner)
    if bench.replay is not None:
        check_from("replay", bench.replay, 0)
        if bench.stack == "full":
            raise InputError("replay", bench.replay, "--stack gate, whose seeds these are")
        from astro_jax.bench.replay import lines_of

        for line in lines_of(robot, planner, bench.replay):
            print(line)
        return None
    with _counting("episodes", bench.episodes) as show:
        if bench.stack == "full":
            from astro_jax.bench.surprise_home import bench_home

            whole = (robot, planner, params, bench.episodes, bench.seed)
            return bench_home(*whole, bench.json, show)
        from astro_jax.bench.surprise import bench_surprise

        return bench_surprise(robot, planner, bench.episodes, bench.seed, bench.jobs, show)


def _intent(bench: BenchIntent) -> "Report":
    for name, low in (("episodes", 1), ("seed", 0)):
        check_from(name, getattr(bench, name), low)
    robot, planner, params = configuration(bench.robot, bench.planner)
    from astro_jax.bench.intent import bench_intent

    with _counting("episodes", bench.episodes) as show:
        report, drives = bench_intent(robot, planner, params, bench.episodes, bench.seed, show)
    if bench.plot is not None:
        from astro_jax.viz.heading import heading_figure

        most = max(drives, key=lambda drive: len(drive.turns))
        draw(heading_figure(most, robot.pan_limit), bench.plot)
    return report


def _follow(bench: BenchFollow) -> "Report":
    for name, low in (("episodes", 1), ("seed", 0)):
        check_from(name, getattr(bench, name), low)
    robot, planner, params = configuration(bench.robot, bench.planner)
    recorded = bench.walkers != "home"
    folder = data_folder(bench.data) if recorded else ""
    from astro_jax.bench.follow import BAND, BINS, bench_follow
    from astro_jax.bench.follow_scenes import home_chases, recorded_chases

    given = (robot, planner, bench.episodes, bench.seed)
    chases = recorded_chases(folder, *given) if recorded else []
    chases += home_chases(*given) if bench.walkers != "recorded" else []
    with Progress(console=Console()) as progress:
        bar = progress.add_task("episodes", total=len(chases))
        report = bench_follow(
            robot, planner, params, chases, bench.seed, lambda _: progress.advance(bar)
        )
    if bench.plot is not None:
        from astro_jax.viz.following import follow_figure

        episodes = report.config["episodes"]
        draw(follow_figure(episodes, report.cases, BINS, BAND), bench.plot)
    return report


def _dock(bench: BenchDock) -> "Report":
    for name, low in (("approaches", 1), ("seed", 0)):
        check_from(name, getattr(bench, name), low)
    robot, planner, params = configuration(bench.robot, bench.planner)
    from astro_jax.bench.dock import bench_dock

    with _counting("approaches", bench.approaches) as show:
        return bench_dock(robot, planner, params, bench.approaches, bench.seed, None, show)


@contextmanager
def _counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal; what comes out is to be told how many are done."""
    with Progress(console=Console()) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda done: progress.update(bar, completed=done)
