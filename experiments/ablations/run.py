"""What each idea is worth: the whole robot without it, on the same cases, seeds and referee.

An ablation changes settings, what the planner values and believes, what the robot is told of its
latency or, where there is no such setting, functions of the local planner for the time of the run.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import tyro
from rich.console import Console

from astro_jax.bench.suites import Order, run_suite, unwatched
from astro_jax.cli.failures import failures_into
from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.local import candidates, judge, objective
from astro_jax.suites.case import Case, Drive, Setup, Trace
from astro_jax.suites.drive import driver
from astro_jax.tables import suite_table
from experiments.ablations.product import independent, overlaps, wall_overlaps
from experiments.ablations.weighted_sum import not_expected, weighted_sum

seeds = candidates.seeds


def no_warm_start(robot, config, params, basis, world, field, previous, key):
    """The last plan's place among the candidates is taken by a full stop."""
    return seeds(robot, config, params, basis, world, field, jnp.zeros_like(previous), key)


def no_global_seeds(robot, config, params, basis, world, field, previous, key):
    """Constant commands and the last plan stay; all others are noise around the last plan."""
    all_of = seeds(robot, config, params, basis, world, field, previous, key)
    kept = candidates.anchors(robot, basis).shape[-1] + 1
    last_plan = all_of[..., kept - 1 : kept]
    noise = candidates.around(key, last_plan, all_of.shape[-1] - kept, jnp.float32(0.0))
    return jnp.concatenate([all_of[..., :kept], noise], axis=-1)


Instead = tuple[ModuleType, str, Callable[..., Any]]
"""A module, the name of a function as the module knows it, and what takes its place."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ablation:
    """What is other than usual."""

    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    told: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Of the latency."""
    instead: tuple[Instead, ...] = ()


USUAL, WIDE = PlannerParams(), PlannerParams().walker_wide_share
SAME_VARIANCE = (1 - WIDE) * USUAL.walker_noise + WIDE * USUAL.walker_noise_wide
"""Of the two scales of a walker's noise, weighted by their shares."""
ABLATIONS: Mapping[str, Ablation] = {
    "all": Ablation(),
    "no growth": Ablation(
        params={
            "walker_noise": 0.0,
            "walker_noise_wide": 0.0,
            "wall_noise_time": 0.0,
            "dead_reckoning": 0.0,
        }
    ),
    "one Gaussian": Ablation(params={"walker_noise": SAME_VARIANCE, "walker_wide_share": 0.0}),
    "no refinement": Ablation(config={"gradient_steps": 0}),
    "no warm start": Ablation(instead=((candidates, "seeds", no_warm_start),)),
    "no global seeds": Ablation(instead=((candidates, "seeds", no_global_seeds),)),
    "no latency compensation": Ablation(
        told={"sensor": 0.0, "reactive_sensor": 0.0, "command": 0.0, "command_doubt": 0.0}
    ),
    "product of steps": Ablation(
        instead=(
            (judge, "screening_hazard", overlaps(judge.screening_hazard)),
            (judge, "exact_hazard", overlaps(judge.exact_hazard)),
            (objective, "wall_hazard", wall_overlaps),
            (objective, "unharmed", independent),
        )
    ),
    "weighted sum": Ablation(
        instead=((objective, "unharmed", not_expected), (judge, "evaluate", weighted_sum))
    ),
}
"""By name.  Without growth people keep their course, known as well as the tracker knows it.

Without compensation planner and gate take what is stale for fresh; in ``crowd`` and ``crossing`` 0
nothing is late, and it is worth nothing there.
"""


@contextmanager
def replaced(instead: tuple[Instead, ...]) -> Iterator[None]:
    usual = [(module, name, getattr(module, name)) for module, name, _ in instead]
    try:
        for module, name, function in instead:
            setattr(module, name, function)
        yield
    finally:
        for module, name, function in usual:
            setattr(module, name, function)


def without(ablation: Ablation, compiled: dict) -> Callable[[Setup], Drive]:
    """What drives; ablations that differ in data alone share what is ``compiled``."""
    key = (tuple(ablation.config.items()), ablation.instead)

    def of(setup: Setup) -> Drive:
        config = dataclasses.replace(setup.config, **ablation.config)
        go = compiled.setdefault(key, driver(dataclasses.replace(setup, config=config)))

        def drive(case: Case, seed: int, params: PlannerParams) -> Trace:
            told = dataclasses.replace(case.world.told, **ablation.told)
            world = dataclasses.replace(case.world, told=told)
            params = dataclasses.replace(params, **ablation.params)
            # what is replaced counts while the first episode of its size is compiled
            with replaced(ablation.instead):
                return go(dataclasses.replace(case, world=world), seed, params)

        return drive

    return of


def main(
    names: tuple[str, ...] = tuple(ABLATIONS),
    suite: str = "crowd",
    variant: str = "",
    data: Path = Path("../shared/data"),
    cases: tuple[str, ...] = (),
    results: Path | None = None,
    plots: Path | None = None,
) -> None:
    """Some ablations (all, without names) on one suite; pictures of failures in a folder each."""
    compiled: dict = {}
    for name in names:
        if name not in ABLATIONS:
            raise InputError("names", name, f"some of {', '.join(ABLATIONS)}")
    for name in names:
        report = run_suite(
            Order(suite=suite, variant=variant, planner=name, folder=data),
            cases,
            results=results,
            driver=without(ABLATIONS[name], compiled),
            on_row=lambda done, of, row: print(
                row["planner"], done, of, row["case"], row["success"], flush=True
            ),
            watch=unwatched if plots is None else failures_into(plots / name.replace(" ", "-")),
        )
        print(name)
        Console(width=200).print(suite_table(report))


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except InputError as error:
        print(f"ablations: {error}", file=sys.stderr)
        sys.exit(2)
