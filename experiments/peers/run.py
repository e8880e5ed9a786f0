"""Drive the peers through a suite: the same scenes, seeds, sensing, mapping, wheels and referee."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from astro_jax.bench.report import write_json
from astro_jax.bench.suites import Order, run_suite
from astro_jax.config import PlannerParams, RobotConfig
from astro_jax.errors import InputError
from astro_jax.sim.steered import Choose
from astro_jax.suites.case import Case, Drive, Setup, Trace
from astro_jax.suites.drive import driver
from astro_jax.tables import suite_table
from experiments.peers import dwa, mppi, orca, pursuit
from experiments.peers.arrive import resting

RESTING = ("crossing", "homes")
"""Suites in which the goal is a pose at which the robot comes to rest."""
PEERS: Mapping[str, Any] = {
    f"{name}-{speed:g}": dataclasses.replace(settings, top_speed=speed)
    for name, settings in (
        ("dwa", dwa.Settings()),
        ("pursuit", pursuit.Settings()),
        ("orca", orca.Settings()),
        ("mppi", mppi.Settings()),
    )
    for speed in (0.5, 1.0, 2.0)
} | {"mppi-barn": mppi.BARN}
"""Settings by name and top speed, m/s; none drives faster than its robot."""
STATELESS: Mapping[type, Callable[..., Choose]] = {
    dwa.Settings: dwa.dwa,
    pursuit.Settings: pursuit.pursuit,
    orca.Settings: orca.orca,
}


def drive_by(settings: Any, suite: str) -> Callable[[Setup], Drive]:
    """What drives the cases of a suite with these settings."""

    def at_rest(robot: RobotConfig, choose: Choose) -> Choose:
        return resting(robot, choose) if suite in RESTING else choose

    def stateless(setup: Setup) -> Drive:
        choose = STATELESS[type(settings)](setup.robot, setup.config.period, settings)
        return driver(setup, at_rest(setup.robot, choose))

    def sampling(setup: Setup) -> Drive:
        planner = mppi.Mppi(setup.robot, settings)
        go = driver(setup, at_rest(setup.robot, mppi.mppi(planner.command)))

        def drive(case: Case, seed: int, params: PlannerParams) -> Trace:
            planner.reset(seed)
            return go(case, seed, params)

        return drive

    return sampling if isinstance(settings, mppi.Settings) else stateless


def main(
    planner: str,
    suite: str = "barn",
    variant: str = "",
    data: Path = Path("../shared/data"),
    cases: tuple[str, ...] = (),
    runs: int = 1,
    results: Path | None = None,
    json: Path | None = None,
) -> None:
    """One peer, one suite."""
    if planner not in PEERS:
        raise InputError("planner", planner, f"one of {', '.join(PEERS)}")
    order = Order(suite=suite, variant=variant, planner=planner, folder=data)
    report = run_suite(
        order,
        cases,
        runs,
        results=results,
        driver=drive_by(PEERS[planner], suite),
        on_row=lambda done, of, row: print(
            done, of, row["case"], row["success"], f"{row['wall_s']:.1f} s", flush=True
        ),
    )
    Console(width=200).print(suite_table(report))
    if json is not None:
        write_json(json, report.as_dict())


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except InputError as error:
        print(f"peers: {error}", file=sys.stderr)
        sys.exit(2)
