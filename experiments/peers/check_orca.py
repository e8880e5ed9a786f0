"""ORCA by CrowdNav's own rules, beside what was measured with CrowdNav and RVO2 themselves.

Every .25 s the robot is told places and velocities and has its new velocity at once; people do
not see it, and ORCA believes that they do (share ½).  10 m and τ = 5 s are RVO2's settings in
CrowdNav; a body's radius is .01 m more, and ``space`` more, than it is.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from astro_jax.bench.intervals import wilson
from astro_jax.suites.files import arrays_of, inner
from experiments.peers.velocity_obstacles import Bodies, half_planes, nearest

STEP, TIME_LIMIT, RADIUS, REACHED = 0.25, 25.0, 0.3, 0.3
SEEN, SECONDS, MORE = 10.0, 5.0, 0.01
KEYS = (("circle_crossing_pos", 4), ("square_crossing_pos", 4), ("robot_start", 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """Of many cases, an entry each."""

    success: np.ndarray
    collision: np.ndarray
    time: np.ndarray
    discomfort: float
    """Share of all steps."""
    gap: float
    """Mean of these steps, m."""


def walk(start, goal, people, space: float):
    """Least gap of each step, and whether the goal is reached at its end; ``people``: S M 2."""

    def step(carry, now):
        xy, velocity, before = carry
        theirs = (now - before) / STEP
        count = len(now)
        away = now - xy
        bodies = Bodies(
            away=away,
            velocity=theirs,
            radius=jnp.full(count, 2.0 * (RADIUS + MORE + space)),
            seconds=jnp.full(count, SECONDS),
            share=jnp.full(count, 0.5),
            counts=jnp.sum(away**2, axis=-1) < SEEN**2,
        )
        to_goal = goal - xy
        wanted = to_goal / jnp.maximum(jnp.hypot(to_goal[0], to_goal[1]), 1.0)
        planes = half_planes(velocity, bodies, STEP)
        chosen = nearest(wanted, 1.0, planes, jnp.ones(count, bool))
        # CrowdNav looks for touches before people move: with the velocities of their last step
        moved = STEP * (theirs - chosen)
        share = -jnp.sum(away * moved, axis=-1) / jnp.maximum(jnp.sum(moved**2, axis=-1), 1e-9)
        closest = away + jnp.clip(share, 0.0, 1.0)[:, None] * moved
        gap = jnp.min(jnp.hypot(*closest.T)) - 2.0 * RADIUS
        xy = xy + STEP * chosen
        return (xy, chosen, now), (gap, jnp.hypot(*(goal - xy)) < REACHED)

    first = (start, jnp.zeros(2), people[0])
    return jax.lax.scan(step, first, people[:-1])[1]


def drive(start, goal, cases, space: float) -> Figures:
    run = jax.jit(jax.vmap(lambda people: walk(start, goal, people, space)))
    gaps, there = (np.asarray(x) for x in run(jnp.asarray(cases, jnp.float32)))
    limit = round((TIME_LIMIT - 1.0) / STEP)
    gaps, there = gaps[:, :limit], there[:, :limit]
    touched, arrived = gaps < 0.0, there.any(axis=1)
    steps = np.where(arrived, there.argmax(axis=1) + 1, gaps.shape[1])
    until = np.arange(gaps.shape[1]) < steps[:, None]
    collision = (touched & until).any(axis=1)
    # an episode ends with its first touch
    first = np.where(collision, touched.argmax(axis=1), steps)
    lived = np.arange(gaps.shape[1]) < first[:, None]
    close = lived & (gaps < 0.2)
    return Figures(
        success=arrived & ~collision,
        collision=collision,
        time=STEP * steps,
        discomfort=close.sum() / lived.sum(),
        gap=gaps[close].mean(),
    )


def main(data: Path = Path("../shared/data")) -> None:
    """All cases at hand, without and with .15 m of safety."""
    (file,) = sorted(inner(data, "crowdnav").glob("crowdnav_invisible_*.npz"))
    found = arrays_of(file, KEYS)
    start = jnp.asarray(found["robot_start"], jnp.float32)
    table = Table(
        "people", "space m", "success", "95 %", "touched", "time s", "steps < .2 m", "gap m"
    )
    for shape in ("circle", "square"):
        for space in (0.0, 0.15):
            done = drive(start, -start, found[f"{shape}_crossing_pos"], space)
            low, high = wilson(int(done.success.sum()), len(done.success))
            table.add_row(
                shape,
                f"{space:g}",
                f"{done.success.mean():.3f}",
                f"{low:.3f}–{high:.3f}",
                f"{done.collision.mean():.3f}",
                f"{done.time[done.success].mean():.2f}",
                f"{done.discomfort:.3f}",
                f"{done.gap:.3f}",
            )
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
