"""Which settings of a peer do best on training cases: none of those that are reported.

Settings are handed to the compiled episode as numbers, so that all sets of a peer share one
compilation per suite.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax.experimental import io_callback

from astro_jax.bench.suites import Order, named, player
from astro_jax.config import RobotConfig
from astro_jax.sim.steered import Choose
from astro_jax.suites import barn, crossing, crowd
from astro_jax.suites.case import Drive, Setup
from astro_jax.suites.drive import driver
from experiments.peers import dwa, mppi, orca, pursuit
from experiments.peers.arrive import resting

TRAINING = {
    "crowd": ("differential", ("circle-20[0-4]", "square-20[0-4]")),
    "crossing": ("300", ("*-490",)),
    "barn": ("lidar", ("1", "5", "15", "25", "29")),
}
"""Variant and cases of each suite."""
SUITES: Mapping[str, Any] = {"crowd": crowd, "crossing": crossing, "barn": barn}
GRIDS: Mapping[str, tuple[Any, Any, Sequence[Mapping[str, float]]]] = {
    "dwa": (
        dwa.dwa,
        dwa.Settings(),
        [{"margin": m} for m in (0.08, 0.25)],
    ),
    "pursuit": (
        pursuit.pursuit,
        pursuit.Settings(),
        [{"margin": m} for m in (0.06, 0.25)],
    ),
    "orca": (
        orca.orca,
        orca.Settings(),
        [
            {"ahead": a, "lever": lever, "share": share, "space": space, "seconds": tau}
            for a, lever, share, space, tau in (
                (0.2, 0.2, 0.5, 0.0, 5.0),
                (0.2, 0.2, 0.5, 0.15, 5.0),
                (0.2, 0.2, 1.0, 0.0, 5.0),
                (0.2, 0.2, 1.0, 0.1, 3.0),
                (0.2, 0.2, 1.0, 0.1, 2.0),
                (0.3, 0.3, 1.0, 0.0, 3.0),
                (0.0, 0.3, 1.0, 0.2, 3.0),
                (0.0, 0.5, 1.0, 0.2, 3.0),
                (0.1, 0.4, 1.0, 0.1, 3.0),
            )
        ],
    ),
    "mppi": (
        mppi.mppi,
        mppi.Settings(),
        [
            {"margin": 0.05},
            {"margin": 0.12},
            {"margin": 0.05, "change": 10.0},
        ],
    ),
    "mppi in barn": (
        mppi.mppi,
        mppi.Settings(),
        [
            {"top_speed": 1.0},
            {"top_speed": 1.0, "hit": 2000.0, "margin": 0.06},
            {"top_speed": 1.0, "hit": 2000.0, "margin": 0.06, "change": 10.0},
            {"top_speed": 2.0, "hit": 2000.0, "margin": 0.06, "change": 10.0},
        ],
    ),
}
"""What makes each peer, its usual settings, and what is tried instead of them."""


@dataclasses.dataclass
class Trial:
    """What drives now; the only thing here that changes."""

    values: np.ndarray
    planner: Any = None


def handed_over(
    make: Callable[..., Choose], usual: Any, trial: Trial, names: Sequence[str], robot: RobotConfig
) -> Choose:
    """The peer, asking ``trial`` for its settings at every call."""
    shape = jax.ShapeDtypeStruct((len(names),), jnp.float32)

    def choose(known):
        values = io_callback(lambda: trial.values, shape, ordered=True)
        settings = dataclasses.replace(usual, **dict(zip(names, values, strict=True)))
        return make(robot, 0.1, settings)(known)

    return choose


def main(
    planner: str,
    suites: tuple[str, ...] = ("crowd", "crossing"),
    data: Path = Path("../shared/data"),
) -> None:
    """All sets of one peer: successes, then mean seconds of those, by suite."""
    make, usual, sets = GRIDS[planner]
    names = sorted({name for one in sets for name in one})
    sampling = isinstance(usual, mppi.Settings)
    for suite in suites:
        variant, patterns = TRAINING[suite]
        trial = Trial(values=np.zeros(len(names), np.float32))
        order = Order(suite=suite, variant=variant, planner=planner, folder=data)

        def of(setup: Setup, suite=suite, trial=trial) -> Drive:
            choose = (
                mppi.mppi(lambda *seen: trial.planner.command(*seen))
                if sampling
                else handed_over(make, usual, trial, names, setup.robot)
            )
            resting_there = suite == "crossing"
            return driver(setup, resting(setup.robot, choose) if resting_there else choose)

        play = player(order, of)
        setup = SUITES[suite].setup(variant)
        cases = named(list(SUITES[suite].load(data, setup, variant)), patterns)
        for one in sets:
            settings = dataclasses.replace(usual, **one)
            if sampling:
                trial.planner = mppi.Mppi(setup.robot, settings)
            trial.values = np.array([getattr(settings, k) for k in names], np.float32)
            rows = []
            for case in cases:
                if trial.planner is not None:
                    trial.planner.reset(0)
                rows.append(play(case, 0))
            arrived = [row for row in rows if row["success"]]
            figures = {
                key: float(np.mean([row[key] for row in arrived])) if arrived else np.nan
                for key in ("time", "rms_jerk")
            }
            touched = sum(bool(row["collision"]) for row in rows)
            print(
                f"{suite:9} {one} success {len(arrived)}/{len(rows)} touched {touched}",
                f"time {figures['time']:.2f} jerk {figures['rms_jerk']:.2f}",
                f"({np.sum([row['wall_s'] for row in rows]):.0f} s)",
                flush=True,
            )


if __name__ == "__main__":
    tyro.cli(main)
