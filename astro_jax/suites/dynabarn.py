"""DynaBARN: 60 worlds of 5 to 24 discs that roam a walled floor and yield to nobody.     [host]

Rules: a Jackal of 2 m/s drives from (11, 0), facing −x, to within 1 m of (−9, 0) in 100 s among
discs of .5 m on closed courses (``key_frames.py``); any contact fails.  Discs go through walls
and through one another, and most of them jump back to where they began, as published.  Each run
begins at other moments of their loops, drawn from its seed.

The robot is told nothing of the world, not even the walls: there is its lidar, a detector of
discs with the usual noise, and odometry.  Beyond the walls the floor goes on for some metres.
Variants as BARN's: ``lidar`` (.1 s late, odometry 2 % off), ``ideal``, ``late`` (.3 s).

Strata are the published tiers, by the mean speed of a world's discs: .73, 1.22, 1.71 m/s.

Source: Nair, Zhang, Jiang, Stone, Xiao, "DynaBARN: Benchmarking metric ground navigation in
dynamic environments", 2022; worlds from the BARN challenge's repository (MIT).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from astro_jax.config import PlannerConfig, PlannerParams
from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap
from astro_jax.sim.late import split_latency
from astro_jax.sim.odometry import EXACT, PoseErrors
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import honest
from astro_jax.suites.barn import JACKAL, LATENCY
from astro_jax.suites.case import Case, Cases, Drive, Row, Setup, Trace
from astro_jax.suites.drive import driver as usual_driver
from astro_jax.suites.files import arrays_of, inner
from astro_jax.suites.floor import floor_of, recorded_scene
from astro_jax.suites.key_frames import check_frames, replayed
from astro_jax.types import Grid, Kind
from astro_jax.world.prior import prior_from_occupancy

VARIANTS: Sequence[str] = ("lidar", "ideal", "late")
DISCS = 24
"""Most discs of a world."""
LOW, HIGH, CELL = (-12.0, -12.0), (16.0, 12.0), 0.05
"""Corners of the floor and its cells, m."""
TIME_LIMIT, TOLERANCE = 100.0, 1.0
"""s, m."""
SPACING = 0.05
"""Between recorded places, s."""
TIERS = (0.73, 1.22, 1.71)
"""Mean speed of the discs, m/s."""
KEYS = (
    ("world", 1),
    ("key_t", 1),
    ("key_xy", 2),
    ("key_offsets", 1),
    ("duration", 1),
    ("radius", 0),
    ("start", 1),
    ("goal", 1),
    ("walls", 2),
)


def setup(variant: str = "lidar") -> Setup:
    """The Jackal, with room for all discs among its tracks.

    Nobody is carried or looks on, so comfort counts for little.  (To let being run into at rest
    harm as much as running into somebody did not help: 12 of 20 runs against 14.)
    """
    params = PlannerParams(
        acceleration=0.03, turning=0.01, lateral=0.03, heading_weight=0.0, unannounced=0.0
    )
    return Setup(robot=JACKAL, config=PlannerConfig(people=DISCS), params=params)


def load(folder: Path, setup: Setup, variant: str = "lidar") -> Cases:
    """All worlds of ``dynabarn_worlds.npz`` in the folder, or in its subfolder ``dynabarn``.

    Raises:
      InputError: the file is missing, unreadable or not as described.
    """
    path = inner(folder, "dynabarn") / "dynabarn_worlds.npz"
    data = arrays_of(path, KEYS)
    _check(data, str(path))
    return {
        str(int(world)): partial(_case, data, int(world), variant)
        for world in dict.fromkeys(data["world"].tolist())
    }


def _check(data: Mapping[str, np.ndarray], where: str) -> None:
    discs, offsets = len(data["world"]), data["key_offsets"]
    for name, shape in (
        ("key_offsets", (discs + 1,)),
        ("duration", (discs,)),
        ("key_xy", (len(data["key_t"]), 2)),
        ("start", (3,)),
        ("goal", (2,)),
        ("walls", (len(data["walls"]), 4)),
    ):
        if data[name].shape != shape:
            raise InputError(name, data[name].shape, f"shape {shape}", where)
    if offsets.dtype.kind not in "iu" or data["world"].dtype.kind not in "iu":
        found = f"{data['world'].dtype}, {offsets.dtype}"
        raise InputError("world, key_offsets", found, "whole numbers", where)
    if offsets[0] != 0 or offsets[-1] != len(data["key_t"]) or not (np.diff(offsets) >= 0).all():
        expected = f"offsets that rise from 0 to {len(data['key_t'])}, the number of key frames"
        raise InputError("key_offsets", f"from {offsets[0]} to {offsets[-1]}", expected, where)
    if not 0.0 < data["radius"] <= 5.0:
        raise InputError("radius", float(data["radius"]), "from 0 to 5 m", where)
    for name in ("start", "goal"):
        xy = data[name][:2]
        if not ((xy > LOW) & (xy < HIGH)).all():
            raise InputError(name, xy.tolist(), f"on the floor, {LOW} to {HIGH}", where)
    worlds, counts = np.unique(data["world"], return_counts=True)
    if counts.size and counts.max() > DISCS:
        found = f"{counts.max()} discs in world {worlds[np.argmax(counts)]}"
        raise InputError("world", found, f"at most {DISCS}", where)
    for j in range(discs):
        name = f"key_t of disc {j}"
        check_frames(name, *_frames(data, j), float(data["duration"][j]), where)


def _frames(data: Mapping[str, np.ndarray], j: int) -> tuple[np.ndarray, np.ndarray]:
    own = slice(data["key_offsets"][j], data["key_offsets"][j + 1])
    return data["key_t"][own], data["key_xy"][own]


def _case(data: Mapping[str, np.ndarray], world: int, variant: str, seed: int) -> Case:
    random = np.random.default_rng([seed, world, 13])
    times = SPACING * np.arange(round(TIME_LIMIT / SPACING) + 2)
    discs = np.flatnonzero(data["world"] == world).tolist()
    walks, speeds = np.zeros((len(discs), len(times), 2)), []
    for k, j in enumerate(discs):
        frames, duration = _frames(data, j), float(data["duration"][j])
        walks[k] = replayed(*frames, duration, random.uniform(0.0, duration), times)
        speeds.append(np.hypot(*np.diff(frames[1], axis=0).T).sum() / duration)
    tier = int(np.argmin(np.abs(np.array(TIERS) - np.mean(speeds))))
    floor = floor_of(LOW, HIGH, CELL, "walls", _boxes(data["walls"]))
    known = dataclasses.replace(
        floor,
        occupancy=np.full_like(floor.occupancy, -1),
        name="nothing known",
        unknown_is_free=True,
    )
    errors = EXACT if variant == "ideal" else PoseErrors(drift=0.02)
    return Case(
        name=str(world),
        stratum=f"{TIERS[tier]:g} m/s",
        scene=_scene(data, floor, known, walks, variant),
        house_map=known,
        world=honest(split_latency(LATENCY[variant]), errors),
        seconds=TIME_LIMIT,
        shortest_path=float(np.hypot(*(data["goal"] - data["start"][:2]))) - TOLERANCE,
    )


def _scene(
    data: Mapping[str, np.ndarray],
    floor: HouseMap,
    known: HouseMap,
    walks: np.ndarray,
    variant: str,
) -> Scene:
    start = data["start"].astype(np.float64)
    goal = np.array([*data["goal"], start[2]])
    scene = recorded_scene(floor, start, goal, walks, SPACING, float(data["radius"]), DISCS)
    return dataclasses.replace(
        scene,
        house=Grid(
            values=prior_from_occupancy(jnp.asarray(known.occupancy)),
            origin=scene.house.origin,
            resolution=scene.house.resolution,
        ),
        kind=jnp.full(DISCS, int(Kind.UNKNOWN), jnp.int32),
        reached=np.array([TOLERANCE, np.inf, np.inf], np.float32),
        localised=variant == "ideal",
        detector_noise=np.float32(0.1 if variant == "ideal" else 1.0),
    )


def _boxes(walls: np.ndarray) -> np.ndarray:
    """Cells of boxes (centre x, y, size x, y), m."""
    columns, rows = (round((h - l) / CELL) for l, h in zip(LOW, HIGH, strict=True))
    x = LOW[0] + CELL * (np.arange(columns) + 0.5)
    y = LOW[1] + CELL * (np.arange(rows) + 0.5)
    blocked = np.zeros((rows, columns), bool)
    for cx, cy, sx, sy in walls:
        blocked |= (np.abs(y - cy) <= sy / 2)[:, None] & (np.abs(x - cx) <= sx / 2)[None]
    return blocked


def driver(setup: Setup, variant: str) -> Drive:
    """With the whole stack."""
    return usual_driver(setup)


def judge(case: Case, setup: Setup, trace: Trace) -> Row:
    """Arrival without a touch, and its time."""
    touched = float(trace.contacts.first_contact_at) <= trace.arrived_at
    touched = touched and math.isfinite(float(trace.contacts.first_contact_at))
    arrived = math.isfinite(trace.arrived_at)
    return {
        "success": arrived and not touched,
        "collision": touched,
        "timeout": not arrived and not touched,
        "time": trace.arrived_at if arrived and not touched else math.nan,
        "at_fault": int(trace.contacts.at_fault) > 0,
        "wall_contact": touched and int(trace.contacts.wall_contacts) > 0,
        "searches": trace.routes,
    }
