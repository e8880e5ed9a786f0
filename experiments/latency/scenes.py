"""Where latency is tried: homes with people in them, and an open floor that people cross."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from astro_jax.config import DEFAULT_ROBOT, PlannerConfig
from astro_jax.home import home_of_map
from astro_jax.route.house import HouseMap
from astro_jax.scenes import flat_scene
from astro_jax.sim.scene import make_scene
from astro_jax.sim.state import Circumstances
from astro_jax.suites.case import Case

PEOPLE_AT_HOME = 3
FLOOR, RESOLUTION = 12.0, 0.05
"""Side of the open floor, m; a wall around it."""
CROWD = "crowdnav/crowdnav_invisible_250.npz"


def home(config: PlannerConfig, data: Path, seed: int, world: Circumstances) -> Case:
    """A random errand among three people: even seeds in the flat, odd ones in AWS's house."""
    maps = flat_scene().map_path, data / "home_maps/ros/aws_small_house.yaml"
    found = home_of_map(
        maps[seed % 2], DEFAULT_ROBOT, config, people=PEOPLE_AT_HOME, seed=1000 + seed
    )
    return Case(
        name=str(seed),
        stratum=maps[seed % 2].stem,
        scene=found.scene,
        house_map=found.house_map,
        world=world,
        seconds=60.0,
        shortest_path=found.shortest_path,
        touch_ends=False,
    )


def crossing(config: PlannerConfig, data: Path, seed: int, world: Circumstances) -> Case:
    """CrowdNav's circle crossing: five people who do not see the robot walk through its way.

    The recorded people (vita-epfl/CrowdNav, ORCA) of case ``seed``; they stand at the end.
    """
    with np.load(data / CROWD, allow_pickle=False) as file:
        positions, start, goal = (
            file[name] for name in ("circle_crossing_pos", "robot_start", "robot_goal")
        )
        radius, spacing = float(file["radius"]), float(file["dt"])
    cells = round(FLOOR / RESOLUTION)
    blocked = np.zeros((cells, cells), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    origin = np.full(2, (RESOLUTION - FLOOR) / 2)
    house = HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=RESOLUTION,
        origin=origin,
        name="open floor",
    )
    ahead = np.arctan2(*(goal - start)[::-1])
    start, goal = np.array([*start, ahead]), np.array([*goal, ahead])
    people = positions[seed].transpose(1, 0, 2)
    scene = make_scene(
        house.occupancy,
        blocked,
        origin,
        RESOLUTION,
        start,
        goal,
        np.broadcast_to(people[:, :1], (len(people), 2, 2)),
        np.full(len(people), 2),
        0.1,
        config.people,
        seed,
    )
    recorded = np.full((config.people, people.shape[1], 2), 100.0, np.float32)
    recorded[: len(people)] = people
    scene = dataclasses.replace(
        scene,
        recorded_map=jnp.asarray(recorded),
        recorded_spacing=jnp.float32(spacing),
        radius=jnp.full(config.people, radius, jnp.float32),
    )
    return Case(
        name=str(seed),
        stratum="crossing",
        scene=scene,
        house_map=house,
        world=world,
        seconds=30.0,
        shortest_path=float(np.linalg.norm(goal[:2] - start[:2])),
        touch_ends=False,
    )
