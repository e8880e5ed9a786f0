"""How fast the planner wants to be: beside walls, and while somebody comes nearer."""

import argparse
import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams
from astro_jax.geometry import smooth
from astro_jax.local.planner import initial_state, plan
from astro_jax.types import Clearance, Grid, RouteField, Tracks, WorldAtEffect
from astro_jax.viz import style
from astro_jax.world.forecast import forecast

ROBOT = DEFAULT_ROBOT
CONFIG = PlannerConfig(people=1)
CELLS, RESOLUTION = 121, 0.05
CYCLES = 60
"""Replanned that often, the robot held where it is while its speed follows the plans."""
SETTLED = 20
"""Over so many of the last cycles the speed is averaged."""
HALF_WIDTH = 0.35
"""Room on either flank where somebody approaches, m: too little to go around."""


def corridor(side: float) -> Clearance:
    """Walls to both sides of the x axis, ``side`` metres from the robot's flanks."""
    axis = RESOLUTION * (np.arange(CELLS) - CELLS // 2)
    gap = np.minimum(side + ROBOT.width / 2 - np.abs(axis), 1.0)
    grid = Grid(
        values=jnp.asarray(np.repeat(gap[:, None], CELLS, axis=1), jnp.float32),
        origin=jnp.full(2, axis[0], jnp.float32),
        resolution=jnp.float32(RESOLUTION),
    )
    field = smooth(grid)
    table = jnp.concatenate([field.table, jnp.zeros((CELLS, CELLS, 1))], axis=-1)
    return Clearance(table=table, origin=field.origin, resolution=field.resolution)


def walker(distance: float, aside: float, speed: float) -> Tracks:
    """Somebody ``distance`` m ahead and ``aside`` m to the left who walks towards −x."""
    one = np.ones(1, np.float32)
    return Tracks(
        xy_map=jnp.array([[distance, aside]]),
        velocity_map=jnp.array([[-speed, 0.0]]),
        xy_var=jnp.asarray(0.003 * one),
        xy_velocity_cov=jnp.asarray(0.003 * one),
        velocity_var=jnp.asarray(0.02 * one),
        radius=jnp.asarray(0.25 * one),
        kind=jnp.zeros(1, jnp.int32),
        identity=jnp.full(1, -1, jnp.int32),
        credit=jnp.asarray(one),
        valid=jnp.asarray(one > 0),
        age=jnp.float32(0.2),
    )


def preferred(run, params, clearance: Clearance, tracks: Tracks) -> float:
    """The speed that reproduces itself: driving that fast, the plan is to go on so."""
    x = 0.5 * np.arange(40) - 10.0
    seconds = np.repeat((10.0 - x)[None] / (0.8 * ROBOT.speed), 40, axis=0)
    grid = Grid(
        values=jnp.asarray(seconds, jnp.float32),
        origin=jnp.full(2, -10.0),
        resolution=jnp.float32(0.5),
    )
    field = RouteField(cost_to_go=smooth(grid), goal_map=jnp.array([10.0, 0.0, 0.0]))
    times = CONFIG.dt * jnp.arange(0, CONFIG.times, CONFIG.people_stride, dtype=jnp.float32)
    ahead = forecast(tracks, params, jnp.float32(0.2), times)
    ticks = round(CONFIG.period / CONFIG.gate_period)
    state, command, speeds = initial_state(CONFIG, jax.random.key(0)), jnp.zeros(2), []
    for _ in range(CYCLES):
        world = WorldAtEffect(
            pose_map=jnp.zeros(3),
            command=command,
            command_dot=jnp.zeros(2),
            clearance=clearance,
            forecast=ahead,
        )
        state, chosen, _ = run(params, state, world, field)
        command = chosen.commands[ticks] * jnp.array([1.0, 0.0])
        speeds.append(float(command[0]))
    return float(np.mean(speeds[-SETTLED:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    params = jax.tree.map(jnp.float32, PlannerParams())
    run = jax.jit(lambda *given: plan(ROBOT, CONFIG, *given))

    nobody = dataclasses.replace(walker(50.0, 0.0, 0.0), valid=jnp.zeros(1, bool))
    sides = np.concatenate([np.arange(0.0, 0.2, 0.01), np.arange(0.2, 0.62, 0.04)])
    beside_walls = [preferred(run, params, corridor(side), nobody) for side in sides]
    distances = np.arange(0.8, 6.3, 0.2)
    narrow = corridor(HALF_WIDTH)
    meeting = {
        speed: [preferred(run, params, narrow, walker(d, 0.0, speed)) for d in distances]
        for speed in (0.0, 0.8)
    }
    draw(sides, beside_walls, distances, meeting).savefig(
        options.out / "preferred_speed.png", dpi=130
    )
    steps = {"walls": _steepest(sides, beside_walls)}
    steps |= {f"person at {v:g} m/s": _steepest(distances, speeds) for v, speeds in meeting.items()}
    print(json.dumps(steps, indent=1))


def _steepest(x, speeds) -> dict[str, float]:
    change = np.abs(np.diff(speeds))
    return {"largest change between neighbours m/s": float(change.max()), "spacing m": x[1] - x[0]}


def draw(sides, beside_walls, distances, meeting) -> Figure:
    """Two panels: speed against clearance to walls, and against the distance of a walker."""
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.plot(100 * sides, beside_walls, color=style.PLAN, linewidth=2, marker="o", markersize=3)
    left.set(xlabel="clearance to a wall on either side (cm)", ylabel="preferred speed (m/s)")
    left.set_title("In a corridor", loc="left", fontsize=10)
    for dashes, (speed, speeds) in zip(("--", "-"), meeting.items(), strict=True):
        name = f"comes at {speed:g} m/s" if speed else "stands"
        right.plot(distances, speeds, color=style.PERSON, linestyle=dashes, linewidth=2, label=name)
    right.set(xlabel="distance of a person in a corridor too narrow to pass (m)")
    right.set_title("Somebody in the way", loc="left", fontsize=10)
    right.legend(frameon=False, fontsize=9, loc="lower right")
    for axes in (left, right):
        axes.axhline(ROBOT.speed, color=style.FAINT, linewidth=0.8, linestyle=":")
        axes.set_ylim(-0.3, 0.85)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
