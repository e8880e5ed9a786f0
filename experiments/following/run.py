"""How far behind whoever walks straight on the robot stays, and who holds it back."""

import argparse
import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from astro_jax.bench.follow import BAND, run_chase
from astro_jax.bench.follow_scenes import BEHIND, CELL, STANDS, Chase
from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.home import PATH_SPACING
from astro_jax.reactive.movers import DOUBT, MOVER_MARGIN, TURN
from astro_jax.reactive.stopping import travelled
from astro_jax.route.house import HouseMap
from astro_jax.sim.scene import make_scene
from astro_jax.sim.tasked import task_driver
from astro_jax.strict_yaml import load_planner, load_robot
from astro_jax.types import Reason

CONFIGS = Path(__file__).parents[2] / "configs"
SECONDS, SETTLED, STEP = 16.0, 8.0, 0.4
SIDE = 360
"""Of the empty square, cells."""


def walker(robot: RobotConfig, config: PlannerConfig, speed: float) -> Chase:
    """Somebody who stands for ``STANDS`` s and then walks straight on at ``speed`` m/s."""
    occupancy = np.zeros((SIDE, SIDE), np.int8)
    occupancy[[0, -1]] = occupancy[:, [0, -1]] = 100
    origin = np.full(2, -0.5 * CELL * (SIDE - 1))
    house = HouseMap(occupancy=occupancy, resolution=CELL, origin=origin, name="open floor")
    time = STEP * np.arange(round(SECONDS / STEP) + 2)
    walks = np.zeros((config.people, len(time), 2), np.float32)
    walks[0, :, 0] = speed * np.maximum(time - STANDS, 0.0) - 14.0
    start = np.array([-14.0 - BEHIND, 0.0, 0.0])
    nobody, none = np.zeros((0, 2, 2)), np.zeros(0, np.int32)
    goal = start + np.array([1e3, 0.0, 0.0])
    walls = house.blocked
    scene = make_scene(
        occupancy,
        walls,
        origin,
        CELL,
        start,
        goal,
        nobody,
        none,
        PATH_SPACING,
        config.people,
        0,
    )
    scene = dataclasses.replace(
        scene,
        present=jnp.arange(config.people) < 1,
        recorded_map=jnp.asarray(walks),
        recorded_spacing=jnp.float32(STEP),
    )
    name = f"{speed:g} m/s"
    return Chase(name=name, stratum=name, scene=scene, house_map=house, seconds=SECONDS)


def least_distance(robot: RobotConfig, speed: float, delay: float = 0.18, age: float = 0.04):
    """Nearest that the gate lets the robot follow at the same speed, centre to centre, m.

    The largest of d(t) − [v s − ½ a s² − w s] over the stop, s = t + age + delay: what the robot
    drives until it rests against what the person still walks if they turn at a, w
    (``reactive/movers.py``).
    """
    reaction = age + 0.02
    t = np.linspace(0.0, reaction + speed / robot.wheel_acceleration, 200)
    s = t + age + delay
    walked = speed * s - 0.5 * TURN * s**2 - DOUBT * s
    driven = np.asarray(travelled(robot, reaction, jnp.asarray(speed), jnp.asarray(t)))
    return float(np.max(driven - walked)) + MOVER_MARGIN + 0.22 + robot.length / 2


def main() -> None:
    """Print a row per speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", default="astro_brisk")
    parser.add_argument("--speeds", type=float, nargs="+", default=[0.5, 0.9, 1.3, 1.5])
    given = parser.parse_args()
    robot = load_robot(CONFIGS / "robots" / f"{given.robot}.yaml")
    config, params = load_planner(CONFIGS / "planner" / "default.yaml")
    drive = task_driver(robot, config, params)
    print(
        "| walks at | settles at | farthest | back within 2 m after | gate lets it | ticks slowed |"
    )
    print("|---|---|---|---|---|---|")
    for speed in given.speeds:
        episode = run_chase(drive, walker(robot, config, speed), 1)
        log, ticks = episode.log, episode.ticks
        away = np.hypot(*(log.people_xy[:, 0] - log.pose_map[:, :2]).T)
        late = np.flatnonzero(away > BAND[1])
        back = f"{log.time[late[-1]] - STANDS:.1f} s" if len(late) else "never left"
        back = back if len(late) == 0 or late[-1] < len(away) - 1 else "not"
        slowed = np.mean((ticks.reason != int(Reason.CLEAR))[ticks.time > STANDS])
        settled = np.median(away[log.time > SECONDS - SETTLED])
        print(
            f"| {speed:g} m/s | {settled:.2f} m | {away.max():.2f} m | {back} "
            f"| {least_distance(robot, speed):.2f} m | {slowed:.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
