"""CrowdNav: one robot among five people who cross a circle or a square and do not see it. [host]

Rules: all are discs of .3 m, the robot's speed is at most 1 m/s, the goal is reached within .3 m,
a touch fails, so do 25 s.  Discomfort is the share of steps with a gap below .2 m.  The people
(ORCA) do not see the robot, so their recorded ways are exact.  Variants:

* ``holonomic``: the original rules.  Every .25 s the robot is told everybody's exact place and
  velocity and sets its own velocity, which it has at once (``suites/crowd_rules.py``).
* ``differential``: the whole stack in the simulator, at its own rates: wheels with 2 m/s² and
  4 rad/s² that lag by .05 s, places from a detector with a tenth of the usual noise, nothing late.

Source: Chen, Liu, Kreiss, Alahi, "Crowd-robot interaction", 2019; cases recorded with
vita-epfl/CrowdNav (MIT) and Python-RVO2 (Apache-2.0).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig, SensorConfig
from astro_jax.errors import InputError
from astro_jax.sim.odometry import EXACT
from astro_jax.sim.state import honest
from astro_jax.suites.case import Case, Cases, Drive, Row, Setup, Trace, gaps_to_people
from astro_jax.suites.crowd_rules import STEP, holonomic_driver
from astro_jax.suites.drive import driver as usual_driver
from astro_jax.suites.files import arrays_of, inner
from astro_jax.suites.floor import floor_of, recorded_scene

VARIANTS: Sequence[str] = ("holonomic", "differential")
HALF, CELL = 8.0, 0.1
"""Half a side of the floor, m, and its cells."""
CORNERS = 12
"""Of the polygon that stands for the disc and has it inside."""
SHAPES = ("circle", "square")
KEYS = (
    ("dt", 0),
    ("robot_start", 1),
    ("robot_goal", 1),
    ("radius", 0),
    ("time_limit", 0),
    ("discomfort_dist", 0),
    ("circle_crossing_pos", 4),
    ("square_crossing_pos", 4),
)
SPACE = 0.3
"""Gap at which somebody's personal space begins, m."""
NOISE = 0.1
"""Of the detector, over the usual: half a centimetre."""


def setup(variant: str = "holonomic") -> Setup:
    """A disc of .3 m on wheels that the rules allow.

    The rules mind gaps below .2 m, and sometimes somebody comes to stand half a metre from the
    goal: with the home robot's personal space of .55 m four of 500 robots stayed away from it.
    """
    out = 0.3 / math.cos(math.pi / CORNERS)
    corners = tuple(
        (out * math.cos(2 * math.pi * k / CORNERS), out * math.sin(2 * math.pi * k / CORNERS))
        for k in range(CORNERS)
    )
    disc = RobotConfig(
        name="crowd_differential",
        length=2 * out,
        width=2 * out,
        footprint=corners,
        wheel_base=0.4,
        wheel_speed=1.4,
        wheel_acceleration=2.0,
        speed=1.0,
        reverse_speed=0.3,
        yaw_rate=2.5,
        yaw_acceleration=4.0,
        lateral_acceleration=2.5,
        braking=2.5,
        actuator_lag=0.05,
        sensor=SensorConfig(field_of_view=2 * math.pi, beams=360, mount_x=0.0),
    )
    if variant == "differential":
        params = PlannerParams(heading_weight=0.0, unannounced=0.0, personal_space=SPACE)
        return Setup(robot=disc, config=PlannerConfig(people=6), params=params)
    holonomic = dataclasses.replace(
        disc,
        name="crowd_holonomic",
        drive="omni",
        mecanum=False,
        wheel_acceleration=6.0,
        braking=6.0,
        reverse_speed=1.0,
        lateral_speed=1.0,
        yaw_rate=1.0,
        lateral_acceleration=1.5,
    )
    config = PlannerConfig(people=6, period=STEP, gate_period=0.025)
    params = PlannerParams(
        heading_weight=0.0,
        unannounced=0.0,
        personal_space=SPACE,
        acceleration=0.0,
        lateral=0.0,
        reversing=0.0,
    )
    return Setup(robot=holonomic, config=config, params=params)


def load(folder: Path, setup: Setup, variant: str = "holonomic") -> Cases:
    """Circle and square crossings of every ``crowdnav_invisible_*.npz`` (perhaps in ``crowdnav``).

    Raises:
      InputError: no such file, or it is not as described.
    """
    files = sorted(inner(folder, "crowdnav").glob("crowdnav_invisible_*.npz"))
    if not files:
        raise InputError("data", str(folder), "a folder with crowdnav_invisible_*.npz")
    cases = {}
    for file in files:
        data = arrays_of(file, KEYS)
        for shape in SHAPES:
            walks = data[f"{shape}_crossing_pos"]
            if walks.shape[2:] != (setup.config.people - 1, 2):
                expected = f"places of {setup.config.people - 1} people"
                raise InputError(f"{shape}_crossing_pos", walks.shape, expected, str(file))
            before = sum(name.startswith(shape) for name in cases)
            for k in range(len(walks)):
                name = f"{shape}-{before + k}"
                cases[name] = partial(_case, data, shape, k, setup, name)
    return cases


def _case(
    data: Mapping[str, np.ndarray], shape: str, k: int, setup: Setup, name: str, seed: int
) -> Case:
    start, goal = data["robot_start"].astype(float), data["robot_goal"].astype(float)
    yaw = math.atan2(*(goal - start)[::-1])
    house = floor_of((-HALF, -HALF), (HALF, HALF), CELL, "open floor")
    scene = recorded_scene(
        house,
        np.array([*start, yaw]),
        np.array([*goal, yaw]),
        np.moveaxis(data[f"{shape}_crossing_pos"][k], 1, 0),
        float(data["dt"]),
        float(data["radius"]),
        setup.config.people,
    )
    at_once = Latency(sensor=0.0, reactive_sensor=0.0, command=0.0, planning=0.0)
    return Case(
        name=name,
        stratum=shape,
        scene=dataclasses.replace(
            scene,
            reached=np.array([data["radius"], np.inf, np.inf], np.float32),
            detector_noise=np.float32(NOISE),
        ),
        house_map=house,
        world=honest(at_once, EXACT),
        seconds=float(data["time_limit"]),
        shortest_path=float(np.hypot(*(goal - start))),
        look=1.0,
        touch_ends=False,
    )


def driver(setup: Setup, variant: str) -> Drive:
    """By the original rules, or with the whole stack."""
    return holonomic_driver(setup) if variant == "holonomic" else usual_driver(setup)


def judge(case: Case, setup: Setup, trace: Trace) -> Row:
    """Arrival without a touch, its time, and how near people were."""
    radius = np.asarray(case.scene.radius)
    gaps = gaps_to_people(trace, radius, float(radius[0]))
    nearest = gaps[:, np.asarray(case.scene.present)].min(axis=1)
    time = np.asarray(trace.ticks.time)
    counted = time <= trace.arrived_at
    touched = bool((nearest[counted] < 0.0).any())
    arrived = math.isfinite(trace.arrived_at)
    return {
        "success": arrived and not touched,
        "collision": touched,
        "timeout": not arrived and not touched,
        "time": trace.arrived_at if arrived and not touched else math.nan,
        "discomfort": float((nearest[counted] < 0.2).mean()),
        "min_gap": float(nearest[counted].min()),
    }
