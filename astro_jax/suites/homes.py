"""From room to room in every home map at hand, among people, behind doors, half blind.   [host]

Maps: every ``home_maps/*/*.yaml`` of the folder, and the packaged flat.  Of each map ``PAIRS``
errands (``errands.py``), drawn with a seed that hangs on nothing but their names: start and goal
at least 5 m apart, in different rooms (of the map's labels; without labels, of the parts that its
doors leave; where no two rooms are so far apart, anywhere).  Where the map has doors one of them
is shut in truth, on the way if the shutting of one there leaves another way, else the nearest that
can be.  Three people walk to and fro within 5 m of the way (``sim/walkers.py``), others in every
run; they step aside.

The robot has the demo's body and a depth camera instead of a laser scanner: 120°, 5 m.  The
variants are the latency in ms, split as everywhere (``sim/late.py``): ``500`` and ``300``.

The truth and what the robot is told end with a square window of 12, 24 or 30 m, the smallest that
holds all that is known of the map, so that few sizes are compiled.  Larger maps are cropped to
30 m around the way, which keeps 1.5 m from the edges.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from astro_jax.config import (
    DEFAULT_ROBOT,
    PlannerConfig,
    PlannerParams,
    SensorConfig,
)
from astro_jax.errors import InputError
from astro_jax.route.field import (
    CRUISE,
    guide_path,
    path_length,
    solve_field,
)
from astro_jax.route.house import HouseMap
from astro_jax.route.maps import load_map
from astro_jax.route.waypoints import walking_paths
from astro_jax.route.zones import closed_cells
from astro_jax.scenes import flat_scene
from astro_jax.sim.late import split_latency
from astro_jax.sim.metrics import episode_metrics
from astro_jax.sim.scene import make_scene
from astro_jax.sim.state import honest
from astro_jax.suites.case import Case, Cases, Drive, Row, Setup, Trace
from astro_jax.suites.drive import driver as usual_driver
from astro_jax.suites.errands import draw_errand

VARIANTS: Sequence[str] = ("500", "300")
PAIRS = 12
"""Errands per map."""
PEOPLE, NEAR, SPACING = 3, 5.0, 0.1
"""How many walk, within how many metres of the way, and metres between points of a walk."""
SECONDS, TIMES = 120.0, 4.0
"""Time limit: at least so long, and so many times what the shortest way takes."""

CAMERA = dataclasses.replace(
    DEFAULT_ROBOT,
    name="astro_camera",
    sensor=SensorConfig(
        field_of_view=math.radians(120.0), beams=150, range_max=5.0, range_noise=0.02
    ),
)


def setup(variant: str = "500") -> Setup:
    """The demo's robot with a camera for a scanner."""
    return Setup(robot=CAMERA, config=PlannerConfig(people=4), params=PlannerParams())


def load(folder: Path, setup: Setup, variant: str = "500") -> Cases:
    """``PAIRS`` errands of each map, the flat's first.

    Raises:
      InputError: no folder, no maps in it, two maps of one name, or a malformed map.
    """
    homes = folder / "home_maps"
    if not homes.is_dir():
        raise InputError("data", str(folder), "a folder with home_maps")
    found = sorted(homes.glob("*/*.yaml"))
    maps = [path for path in found if not path.name.endswith(".zones.yaml")]
    if not maps:
        raise InputError("data", str(homes), "a folder with maps (*/*.yaml)")
    cases, named = {}, {}
    for path in (flat_scene().map_path, *maps):
        if path.stem in named:
            expected = f"one map of that name ({named[path.stem]} is the other)"
            raise InputError("map", str(path), expected)
        named[path.stem] = path
        load_map(path)
        for k in range(PAIRS):
            name = f"{path.stem}-{k:02d}"
            cases[name] = partial(_case, path, setup, variant, name)
    return cases


def _case(path: Path, setup: Setup, variant: str, name: str, seed: int) -> Case:
    robot, errand = setup.robot, draw_errand(path, setup.robot, name)
    house, truth = errand.house, errand.truth
    closed = truth | closed_cells(house)
    metres = solve_field(house, closed, errand.goal, robot, slowest=1.0)
    shortest = path_length(guide_path(metres, errand.start))
    paths, lengths = walking_paths(
        house,
        PEOPLE,
        seed,
        blocked=truth | _far_from(house, errand.way),
        spacing=SPACING,
    )
    return Case(
        name=name,
        stratum=path.stem,
        scene=make_scene(
            house.occupancy,
            truth,
            house.origin,
            house.resolution,
            errand.start,
            errand.goal,
            paths,
            lengths,
            SPACING,
            setup.config.people,
            seed,
        ),
        house_map=house,
        world=honest(split_latency(int(variant) / 1000.0)),
        seconds=max(SECONDS, math.ceil(TIMES * shortest / (CRUISE * robot.speed))),
        shortest_path=shortest,
        touch_ends=False,
    )


def _far_from(house: HouseMap, way: Float[np.ndarray, "n 2"]) -> Bool[np.ndarray, "H W"]:
    """Cells more than ``NEAR`` metres from a way."""
    off = np.ones(house.occupancy.shape, bool)
    row, column, inside = house.cell_of(way)
    off[row[inside], column[inside]] = False
    return np.asarray(ndimage.distance_transform_edt(off)) * house.resolution > NEAR


def driver(setup: Setup, variant: str) -> Drive:
    """With the whole stack."""
    return usual_driver(setup)


def judge(case: Case, setup: Setup, trace: Trace) -> Row:
    """Arrival without a contact at fault, and how well."""
    ticks = trace.ticks
    figures = episode_metrics(
        *(np.asarray(x, np.float64) for x in (ticks.time, ticks.pose_map, ticks.twist)),
        counts=trace.contacts,
        shortest_path=case.shortest_path,
        arrived_at=trace.arrived_at,
    )
    success = figures["success"] > 0.0
    at_best = case.shortest_path / setup.robot.speed
    return {
        "success": success,
        "at_fault": figures["at_fault"] > 0.0,
        "timeout": figures["timeout"] > 0.0,
        "void": figures["void"] > 0.0,
        "contacts": int(figures["contacts"]),
        "wall_contacts": int(figures["wall_contacts"]),
        "contact_speed": figures["contact_speed"],
        "time": figures["time"] if success else math.nan,
        "time_over_shortest": figures["time"] / at_best if success else math.nan,
        "min_gap_people": figures["min_clearance_people"],
        "min_gap_walls": figures["min_clearance_walls"],
        "frozen": figures["frozen"],
        "door_shut": bool((np.asarray(case.scene.blocked) != case.house_map.blocked).any()),
        "searches": trace.routes,
    }
