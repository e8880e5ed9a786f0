"""The BARN challenge: 300 static worlds of cylinders, a Jackal, a lidar and no map.    [host]

Rules: from (−2.25, 3), facing +y, to within 1 m of (−2.25, 13) in 100 s; any contact fails; the
clock starts when the robot has moved .1 m and is read every .1 s.  With the optimal time
OT = (length of the given path)/(2 m/s) and the actual time AT the score is
1[success] · OT / clip(AT, k·OT, 8·OT): k = 4 until 2023, k = 2 since.

The robot is sent as far beyond the goal as the rules let it stop before: it need not brake for
its arrival.  It is told nothing of the world: its route layer has an empty floor on which nothing
was ever seen, the sensor and the wheels' odometry are all there is (``scene.localised``).
Variants: ``lidar`` (.1 s late, odometry 2 % off), ``ideal`` (nothing is late, noisy or off) and
``late`` (.3 s).

Source: Perille, Truong, Xiao, Stone, "Benchmarking metric ground navigation", 2020; rules and
worlds: the BARN challenge's repository (MIT).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from astro_jax.config import Latency, PlannerConfig, PlannerParams, RobotConfig, SensorConfig
from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap
from astro_jax.sim.odometry import EXACT, PoseErrors
from astro_jax.sim.scene import Scene, make_scene
from astro_jax.sim.state import honest
from astro_jax.suites.case import Case, Cases, Drive, Row, Setup, Trace
from astro_jax.suites.drive import driver as usual_driver
from astro_jax.suites.files import arrays_of, inner

VARIANTS: Sequence[str] = ("lidar", "ideal", "late")
LOW, HIGH = (-6.0, -0.5), (1.5, 15.0)
"""Corners of the ground that is simulated, m; the worlds lie within."""
CELL, ROUTE_CELL = 0.02, 0.05
"""Of the true ground, and of the route layer's, m."""
TOP_SPEED = 2.0
"""That the optimal time is of, m/s."""
SETS_OUT, POLL = 0.1, 0.1
"""m, s."""
LATENCY = {"lidar": 0.1, "ideal": 0.0, "late": 0.3}

KEYS = (
    ("world", 1),
    ("centres", 2),
    ("offsets", 1),
    ("radius", 0),
    ("start", 1),
    ("goal", 1),
    ("goal_tolerance", 0),
    ("time_limit", 0),
    ("path_length", 1),
)

JACKAL = RobotConfig(
    name="jackal",
    length=0.458,
    width=0.416,
    height=0.35,
    wheel_base=0.37559,
    wheel_speed=2.0,
    wheel_acceleration=4.0,
    speed=2.0,
    reverse_speed=0.5,
    yaw_rate=4.0,
    yaw_acceleration=12.0,
    lateral_acceleration=4.0,
    braking=5.0,
    actuator_lag=0.05,
    sensor=SensorConfig(beams=720, range_max=10.0, range_noise=0.001, mount_x=-0.065),
)


def setup(variant: str = "lidar") -> Setup:
    """The Jackal, and the planner's settings for it.

    Chosen among five sets on eight of the worlds, of which five had been hard: nobody is carried
    or looks on, so comfort counts for little, and the lidar is five times as exact as a home
    robot's sensor.
    """
    params = PlannerParams(
        wall_noise=0.01,
        wall_noise_speed=0.01,
        acceleration=0.03,
        turning=0.01,
        lateral=0.03,
        heading_weight=0.0,
        harm_wall_speed=3.0,
        unannounced=0.0,
    )
    return Setup(robot=JACKAL, config=PlannerConfig(people=1), params=params)


def load(folder: Path, setup: Setup, variant: str = "lidar") -> Cases:
    """All worlds of ``barn_worlds.npz`` in the folder, or in its subfolder ``barn``.

    Raises:
      InputError: the file is missing, unreadable or not as described.
    """
    data = arrays_of(inner(folder, "barn") / "barn_worlds.npz", KEYS)
    worlds, offsets = data["world"], data["offsets"]
    if len(offsets) != len(worlds) + 1 or offsets[-1] != len(data["centres"]):
        raise InputError("barn_worlds.npz", "offsets", "one more than worlds, up to all centres")
    return {
        str(int(world)): partial(_case, data, k, setup, variant) for k, world in enumerate(worlds)
    }


def _case(data: Mapping[str, np.ndarray], k: int, setup: Setup, variant: str, seed: int) -> Case:
    late = LATENCY[variant]
    latency = Latency(
        sensor=late, reactive_sensor=min(late, 0.04), command=min(late, 0.1), planning=0.04
    )
    errors = EXACT if variant == "ideal" else PoseErrors(drift=0.02)
    offsets = data["offsets"]
    x, y = data["goal"]
    return Case(
        name=str(int(data["world"][k])),
        stratum=variant,
        scene=_scene(data["centres"][offsets[k] : offsets[k + 1]], data, setup, variant),
        house_map=_nothing_known(),
        world=honest(latency, errors),
        seconds=float(data["time_limit"]),
        shortest_path=float(data["path_length"][k]),
        aim=(float(x), float(y) + float(data["goal_tolerance"]), float(data["start"][2])),
    )


def _grid(cell: float) -> tuple[tuple[int, int], Float[np.ndarray, "2"]]:
    columns, rows = (round((h - l) / cell) for l, h in zip(LOW, HIGH, strict=True))
    return (rows, columns), np.array(LOW) + 0.5 * cell


def discs_on(
    shape: tuple[int, int],
    origin: Float[np.ndarray, "2"],
    cell: float,
    centres: Float[np.ndarray, "n 2"],
    radius: float,
) -> Bool[np.ndarray, "H W"]:
    """Cells whose centre lies in a disc: as much area as the discs have, on average."""
    rows, columns = shape
    blocked = np.zeros(shape, bool)
    reach = math.ceil(radius / cell)
    steps = np.arange(-reach, reach + 1)
    for x, y in (centres - origin) / cell:
        i, j = round(float(y)) + steps[:, None], round(float(x)) + steps[None]
        inside = ((i - y) ** 2 + (j - x) ** 2) * cell**2 <= radius**2
        ok = inside & (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
        i, j = np.broadcast_arrays(i, j)
        blocked[i[ok], j[ok]] = True
    return blocked


def _scene(centres: np.ndarray, data, setup: Setup, variant: str) -> Scene:
    shape, origin = _grid(CELL)
    blocked = discs_on(shape, origin, CELL, centres, float(data["radius"]))
    goal = np.array([*data["goal"], data["start"][2]])
    known = _nothing_known()
    scene = make_scene(
        known.occupancy,
        blocked,
        origin,
        CELL,
        data["start"],
        goal,
        np.zeros((0, 2, 2)),
        np.zeros(0, np.int32),
        0.1,
        setup.config.people,
        0,
    )
    return dataclasses.replace(
        scene,
        house=dataclasses.replace(
            scene.house,
            origin=jnp.asarray(known.origin, jnp.float32),
            resolution=jnp.float32(known.resolution),
        ),
        reached=np.array([data["goal_tolerance"], np.inf, np.inf], np.float32),
        localised=variant == "ideal",
        cell=CELL,
    )


def _nothing_known() -> HouseMap:
    shape, origin = _grid(ROUTE_CELL)
    return HouseMap(
        occupancy=np.full(shape, -1, np.int8),
        resolution=ROUTE_CELL,
        origin=origin,
        name="nothing known",
        unknown_is_free=True,
    )


def driver(setup: Setup, variant: str) -> Drive:
    """With the whole stack."""
    return usual_driver(setup)


def judge(case: Case, setup: Setup, trace: Trace) -> Row:
    """Success, time and both scores."""
    ticks = trace.ticks
    xy = np.asarray(ticks.pose_map)[:, :2]
    time = np.asarray(ticks.time, np.float64)
    goal = np.asarray(case.scene.goal_map)[:2]
    touched = float(trace.contacts.first_contact_at)
    off = np.hypot(*(xy - np.asarray(case.scene.start_map)[:2]).T)
    out = np.flatnonzero(off > SETS_OUT)
    begin = float(time[out[0]]) if len(out) else math.inf
    there = np.hypot(*(xy - goal).T) <= float(np.asarray(case.scene.reached)[0])
    arrivals = time[there & (time > begin)]
    arrived = float(arrivals[0]) if len(arrivals) else math.inf
    success = math.isfinite(arrived) and not touched <= arrived
    taken = POLL * math.ceil((arrived - begin) / POLL - 1e-6) if len(arrivals) else math.inf
    optimal = case.shortest_path / TOP_SPEED
    return {
        "success": success,
        "collision": math.isfinite(touched) and not success,
        "timeout": not success and not math.isfinite(touched),
        "time": taken if success else math.nan,
        "score_k2": success * optimal / min(max(taken, 2 * optimal), 8 * optimal),
        "score_k4": success * optimal / min(max(taken, 4 * optimal), 8 * optimal),
        "searches": trace.routes,
    }
