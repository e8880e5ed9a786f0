"""Drive the peers through a suite: the same scenes, seeds, sensing, mapping, wheels and referee."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from astro_jax.bench.report import write_json
from astro_jax.bench.suites import Order, run_suite
from astro_jax.config import RobotConfig
from astro_jax.sim.steered import Choose
from astro_jax.suites.case import Drive, Setup
from astro_jax.suites.drive import driver
from astro_jax.tables import suite_table
from experiments.peers import dwa, pursuit

Make = Callable[[RobotConfig, float], Choose]


def at(speed: float, make: Callable[..., Choose], settings: Any) -> Make:
    """With another top speed, m/s."""
    own = dataclasses.replace(settings, top_speed=speed)
    return lambda robot, period: make(robot, period, own)


PEERS: Mapping[str, Make] = {
    f"{name}-{speed:g}": at(speed, make, settings)
    for name, make, settings in (
        ("dwa", dwa.dwa, dwa.Settings()),
        ("pursuit", pursuit.pursuit, pursuit.Settings()),
    )
    for speed in (0.5, 1.0, 2.0)
}
"""By name and top speed."""


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

    def of(setup: Setup) -> Drive:
        return driver(setup, PEERS[planner](setup.robot, setup.config.period))

    order = Order(suite=suite, variant=variant, planner=planner, folder=data)
    report = run_suite(
        order,
        cases,
        runs,
        results=results,
        driver=of,
        on_row=lambda done, of, row: print(done, of, row["case"], row["success"], flush=True),
    )
    Console(width=200).print(suite_table(report))
    if json is not None:
        write_json(json, report.as_dict())


if __name__ == "__main__":
    tyro.cli(main)
