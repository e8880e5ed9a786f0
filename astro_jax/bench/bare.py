"""``bench cycle --bare``: the same work as a plain sampling planner does, on one core. [host]

A yardstick beside published C++ figures (about 19 ns per trajectory and step for Nav2's MPPI
with point costs on a static grid): decode z, drive, look up two grids at one point per step,
add comfort, sum, pick the best.  No people, no footprint, no refinement.

Variants tell what matters.  ``last``: candidates are the last axis, as in the planner.
``first``: a function of one candidate under ``vmap``.  ``smooth``: the C1 lookups that
gradients need (twelve numbers per point) instead of the nearest cell's value.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from astro_jax.bench.clock import cores, in_fresh_process, interleaved, load, timed
from astro_jax.bench.report import Report
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.geometry import sample_xy, smooth
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive
from astro_jax.types import Grid, SmoothGrid

SIZES = {
    "600x30": (600, PlannerConfig()),
    # 2.8 s in steps of .05 s
    "2000x56": (2000, PlannerConfig(dt=0.05, intervals=(0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.5, 0.5))),
}
"""Trajectories and configuration by name; steps are times − 1."""
CELLS = 120
COMFORT = 0.1

Lookup = Callable[[SmoothGrid, Array, Array], Array]


def bench_bare(robot: RobotConfig, runs: int = 300, seed: int = 0) -> Report:
    """Nanoseconds per trajectory and step, in a process of its own on one core."""
    return in_fresh_process(bare_here, robot, runs, seed, threads=1)


def bare_here(robot: RobotConfig, runs: int, seed: int) -> Report:
    """The same in this process, on whatever cores it has."""
    busy, metrics = load(), {}
    for size, (count, config) in SIZES.items():
        steps = count * (config.times - 1)
        calls = variants(robot, config, count, seed)
        alone, cpu = timed([calls["last_nearest"]], runs)
        wall = interleaved(calls, max(runs // 3, 5))
        fastest = min(alone.min(), wall["last_nearest"].min())
        metrics |= {
            f"ns_per_step_{size}": 1e9 * float(np.median(alone)) / steps,
            f"fastest_ns_per_step_{size}": 1e9 * float(fastest) / steps,
            f"cpu_ns_per_step_{size}": 1e9 * cpu / steps,
            f"median_ms_{size}": 1e3 * float(np.median(alone)),
        }
        # in turn with the others, so that they compare
        for name, seconds in wall.items():
            metrics[f"{name}_ns_{size}"] = 1e9 * float(np.median(seconds)) / steps
    return Report(
        name="cycle",
        seed=seed,
        config={"bare": True, "robot": robot, "runs": runs, "cells": CELLS},
        metrics={
            **metrics,
            "threads": len(cores()),
            "load_before": busy,
            "load_after": load(),
        },
    )


def variants(
    robot: RobotConfig, config: PlannerConfig, count: int, seed: int
) -> dict[str, Callable[[], Any]]:
    """Calls without arguments by layout and lookup; all judge the same ``count`` motions."""
    random = np.random.default_rng(seed)
    shape = (*drive.free_shape(robot, basis_of(config)), count)
    z = jnp.asarray(random.normal(size=shape), jnp.float32)
    cost_to_go, obstacles = _fields(random)
    fields = (cost_to_go, obstacles)

    def first(lookup: Lookup):
        def judge(z, *fields):
            cost = jax.vmap(lambda z: judge_bare(robot, config, lookup, z, *fields))(z)
            return cost, jnp.argmin(cost)

        return judge

    def last(lookup: Lookup):
        def judge(z, *fields):
            cost = judge_bare(robot, config, lookup, z, *fields)
            return cost, jnp.argmin(cost)

        return judge

    by_candidate = jnp.moveaxis(z, -1, 0)
    return {
        "last_nearest": functools.partial(jax.jit(last(nearest_cell)), z, *fields),
        "first_nearest": functools.partial(jax.jit(first(nearest_cell)), by_candidate, *fields),
        "last_smooth": functools.partial(jax.jit(last(sample_xy)), z, *fields),
        "first_smooth": functools.partial(jax.jit(first(sample_xy)), by_candidate, *fields),
    }


def judge_bare(
    robot: RobotConfig,
    config: PlannerConfig,
    lookup: Lookup,
    z: Float[Array, "n D *K"],
    cost_to_go: SmoothGrid,
    obstacles: SmoothGrid,
) -> Float[Array, "*K"]:
    """Σ_t V(x_t) + C(x_t) + w·(a_t² + α_t²): what a plain sampling planner adds up."""
    basis = basis_of(config)
    moving = np.zeros(z.shape[1], np.float32)
    moving[0] = 0.4
    rest = np.zeros(z.shape[1], np.float32)
    controls = drive.decode(robot, basis, jnp.asarray(moving), jnp.asarray(rest), z)
    motion = drive.motion(robot, basis, jnp.array([0.0, 0.0, 0.3]), controls)
    x, y = motion.pose_map[:, 0], motion.pose_map[:, 1]
    effort = motion.twist_dot[:, 0] ** 2 + motion.twist_dot[:, 2] ** 2
    at = lookup(cost_to_go, x, y) + lookup(obstacles, x, y)
    return jnp.sum(at + COMFORT * effort, axis=0)


def nearest_cell(
    field: SmoothGrid, x_map: Float[Array, "*n"], y_map: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """Value of the nearest cell; points outside count as the border."""
    rows, columns = field.table.shape[:2]
    column = (x_map - field.origin[0]) / field.resolution + 0.5
    row = (y_map - field.origin[1]) / field.resolution + 0.5
    # the index is clipped here, so the lookup need not check it again
    column = jnp.clip(column, 0.0, columns - 1.0).astype(jnp.int32)
    row = jnp.clip(row, 0.0, rows - 1.0).astype(jnp.int32)
    values = field.table[..., 0].reshape(-1)
    return values.at[row * columns + column].get(mode="promise_in_bounds")


def _fields(random: np.random.Generator) -> tuple[SmoothGrid, SmoothGrid]:
    """Distance to a goal, and a cost around random obstacles, on 6 x 6 m around the origin."""
    side = 0.05 * (np.arange(CELLS) - CELLS / 2)
    x, y = np.meshgrid(side, side)
    posts = random.uniform(-3.0, 3.0, (30, 2))
    gap = np.hypot(x[..., None] - posts[:, 0], y[..., None] - posts[:, 1]).min(-1)
    origin = jnp.full(2, -0.05 * CELLS / 2)

    def field(values: np.ndarray) -> SmoothGrid:
        resolution = jnp.float32(0.05)
        grid = Grid(values=jnp.asarray(values, jnp.float32), origin=origin, resolution=resolution)
        return jax.jit(smooth)(grid)

    return field(np.hypot(x - 2.0, y - 1.0)), field(10.0 * np.exp(-gap / 0.2))
