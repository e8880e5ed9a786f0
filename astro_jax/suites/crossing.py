"""Somebody crosses the robot's way and does not look: four encounters at three speeds.  [host]

The robot drives 6 m over an open floor; a person of radius .25 m walks on straight, whatever the
robot does, and is timed so that they would be where the robot's way is within ±1 s of the robot:

* ``crossing``: at a right angle, from the left or the right (the test of Nav2's MPPI, which
  touched the person in 55/77/83 % of runs at .5/1.0/1.4 m/s);
* ``head-on``: along the robot's way towards it, up to .4 m to either side;
* ``overtaking``: ahead along its way at .4 of the speed, up to .3 m to either side;
* ``doorway``: out of a door in a wall 1.1 m beside the way, unseen before.

Nobody comes from behind, where the demo's robot does not look and nothing could be expected of
it.  Touched is touched, whoever's fault it is.  Variants: ``0`` and ``300`` ms of latency.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from jaxtyping import Float

from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerConfig, PlannerParams
from astro_jax.sim.odometry import EXACT, PoseErrors
from astro_jax.sim.state import Circumstances, honest
from astro_jax.suites.case import Case, Cases, Drive, Row, Setup, Trace
from astro_jax.suites.drive import driver as usual_driver
from astro_jax.suites.floor import floor_of, recorded_scene

VARIANTS: Sequence[str] = ("300", "0")
KINDS = ("crossing", "head-on", "overtaking", "doorway")
SPEEDS = (0.5, 1.0, 1.4)
COUNT = 500
"""Runs of each kind and speed."""
WAY, MEET = 6.0, 3.0
"""Length of the robot's way, and where on it the two meet, m."""
RADIUS = 0.25
AHEAD = 0.9
"""Whoever is overtaken is at least so far ahead at the start, m."""
SPACING, SECONDS = 0.1, 30.0
LOW, HIGH, CELL = (-4.0, -6.0), (10.0, 6.0), 0.05
WALL, WALL_THICK, DOOR = 1.1, 0.1, 0.9
"""Where the wall stands beside the way, how thick it is, and how wide its door is, m."""
PATH = {"crossing": 14.0, "head-on": 20.0, "overtaking": 20.0, "doorway": 14.0}
"""How far the person walks at most, m."""


def setup(variant: str = "300") -> Setup:
    """The demo's robot."""
    return Setup(robot=DEFAULT_ROBOT, config=PlannerConfig(people=2), params=PlannerParams())


def load(folder: Path, setup: Setup, variant: str = "300") -> Cases:
    """``COUNT`` cases of each kind and speed; needs no files."""
    late = int(variant) / 1000.0
    # two thirds of it pass between a photon and the planner, one third on the way to the wheels
    latency = Latency(
        sensor=2 * late / 3, reactive_sensor=min(late, 0.04), command=late / 3, planning=0.0
    )
    world = honest(latency, EXACT if not late else PoseErrors())
    cases = {}
    for kind in KINDS:
        for speed in SPEEDS:
            for number in range(COUNT):
                name = f"{kind}-{speed:g}-{number:03d}"
                cases[name] = partial(_case, setup, world, kind, speed, name)
    return cases


def _case(
    setup: Setup, world: Circumstances, kind: str, speed: float, name: str, seed: int
) -> Case:
    random = np.random.default_rng([crc32(name.encode()), 3])
    robot = setup.robot
    # what the robot needs to where they meet, from rest
    arrives = MEET / robot.speed + 0.5 * robot.speed / robot.wheel_acceleration
    meets = arrives + random.uniform(-1.0, 1.0)
    doorway = kind == "doorway"
    house = floor_of(LOW, HIGH, CELL, "open floor", _wall() if doorway else None)
    walk = _walk(kind, speed, meets, random)
    scene = recorded_scene(
        house,
        np.zeros(3),
        np.array([WAY, 0.0, 0.0]),
        walk[None],
        SPACING,
        RADIUS,
        setup.config.people,
    )
    return Case(
        name=name,
        stratum=f"{kind} {speed:g}",
        scene=dataclasses.replace(scene, detector_noise=np.float32(0.1)),
        house_map=house,
        world=world,
        seconds=SECONDS,
        shortest_path=WAY,
        look=1.0,
        touch_ends=False,
    )


def _walk(
    kind: str, speed: float, meets: float, random: np.random.Generator
) -> Float[np.ndarray, "S 2"]:
    """A place every ``SPACING`` s; the person is at the meeting place at ``meets`` s."""
    side = random.choice((-1.0, 1.0))
    if kind in ("crossing", "doorway"):
        direction, through = np.array([0.0, -side if kind == "crossing" else -1.0]), [MEET, 0.0]
    else:
        off = random.uniform(-0.3, 0.3) if kind == "overtaking" else random.uniform(-0.4, 0.4)
        direction, through = np.array([-1.0 if kind == "head-on" else 1.0, 0.0]), [MEET, off]
    if kind == "overtaking":
        # the robot is to reach them where they meet; they set out ahead of it
        speed = 0.4 * speed
        meets = min(meets, (MEET - AHEAD) / speed)
    time = SPACING * np.arange(round(SECONDS / SPACING) + 1)
    along = speed * (time - meets)
    half = 0.5 * PATH[kind]
    return np.asarray(through) + np.clip(along, -half, half)[:, None] * direction


def _wall() -> np.ndarray:
    columns, rows = (round((h - l) / CELL) for l, h in zip(LOW, HIGH, strict=True))
    x = LOW[0] + CELL * (np.arange(columns) + 0.5)
    y = LOW[1] + CELL * (np.arange(rows) + 0.5)
    beside = (y >= WALL) & (y <= WALL + WALL_THICK)
    return beside[:, None] & (np.abs(x - MEET) > DOOR / 2)[None]


def driver(setup: Setup, variant: str) -> Drive:
    """With the whole stack."""
    return usual_driver(setup)


def judge(case: Case, setup: Setup, trace: Trace) -> Row:
    """Touched or not, arrived or not."""
    touched = int(trace.contacts.contacts) > 0
    arrived = math.isfinite(trace.arrived_at)
    return {
        "success": arrived and not touched,
        "collision": touched,
        "timeout": not arrived and not touched,
        "at_fault": int(trace.contacts.at_fault) > 0,
        "time": trace.arrived_at if arrived and not touched else math.nan,
        "min_gap": float(trace.contacts.min_gap_people),
    }
