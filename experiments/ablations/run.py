"""What each idea is worth: the whole robot without it, on the same cases, seeds and referee.

An ablation changes settings, what the planner values and believes, or, where there is no such
setting, one function of the local planner for the time of the run.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import tyro
from rich.console import Console

from astro_jax.bench.suites import Order, run_suite
from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.local import candidates
from astro_jax.suites.case import Case, Drive, Setup, Trace
from astro_jax.suites.drive import driver
from astro_jax.tables import suite_table

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ablation:
    """What is other than usual."""

    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seeds: Callable[..., Any] = seeds


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
    "no warm start": Ablation(seeds=no_warm_start),
    "no global seeds": Ablation(seeds=no_global_seeds),
}
"""By name.  Without growth people keep their course, known as well as the tracker knows it."""


@contextmanager
def seeded(by: Callable[..., Any]) -> Iterator[None]:
    candidates.seeds = by
    try:
        yield
    finally:
        candidates.seeds = seeds


def without(ablation: Ablation, compiled: dict) -> Callable[[Setup], Drive]:
    """What drives; ablations that differ in params alone share what is ``compiled``."""
    key = (tuple(ablation.config.items()), ablation.seeds)

    def of(setup: Setup) -> Drive:
        config = dataclasses.replace(setup.config, **ablation.config)
        go = compiled.setdefault(key, driver(dataclasses.replace(setup, config=config)))

        def drive(case: Case, seed: int, params: PlannerParams) -> Trace:
            with seeded(ablation.seeds):
                return go(case, seed, dataclasses.replace(params, **ablation.params))

        return drive

    return of


def main(
    names: tuple[str, ...] = tuple(ABLATIONS),
    suite: str = "crowd",
    variant: str = "",
    data: Path = Path("../shared/data"),
    cases: tuple[str, ...] = (),
    results: Path | None = None,
) -> None:
    """Some ablations (all, without names) on one suite."""
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
        )
        print(name)
        Console(width=200).print(suite_table(report))


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except InputError as error:
        print(f"ablations: {error}", file=sys.stderr)
        sys.exit(2)
