"""ETH/UCY: one recorded pedestrian is taken out, and the robot has their errand.         [host]

Rules.  Whoever is recorded for at least 10 s without a gap, comes at least 6 m from where they
began and has nobody within .1 m of the robot's body at that moment is an errand: from their first
place, facing the way they went, to within .5 m of their last one, in any heading, in three times
their time and 10 s (at most 250 s).  Everybody else walks as recorded, at the true .4 s
(``passers_by.py``); they see nobody.  The robot is one that could keep up with them (1.8 m/s).

What stands there (``ground_plans.py``) stands, but for .35 m around every place where somebody
was recorded to walk: there the drawing is wrong, by up to .5 m.

Success is to arrive without a contact at fault, as the simulator's referee judges it: to be run
into at rest is no fault.  Variants: ``usual`` (.3 s late), ``late`` (.5 s), ``ideal`` (nothing is
late or off, places of people to half a centimetre).

Sources: see ``eth_ucy.py``.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from astro_jax.config import DEFAULT_ROBOT, Latency, PlannerConfig, PlannerParams
from astro_jax.errors import InputError
from astro_jax.route.field import guide_path, path_length, solve_field
from astro_jax.route.house import HouseMap
from astro_jax.sim.late import split_latency
from astro_jax.sim.odometry import EXACT, PoseErrors
from astro_jax.sim.state import honest
from astro_jax.suites.case import Case, Cases, Drive, Row, Setup, Trace
from astro_jax.suites.drive import driver as usual_driver
from astro_jax.suites.eth_ucy import STEP, load_scenes
from astro_jax.suites.eth_ucy import Scene as Recording
from astro_jax.suites.floor import floor_of, recorded_scene
from astro_jax.suites.gaps import nearest_gap, rectangle_gaps
from astro_jax.suites.ground_plans import ground_plan
from astro_jax.suites.passers_by import passers_by

VARIANTS: Sequence[str] = ("usual", "late", "ideal")
LATENCY = {"usual": 0.3, "late": 0.5}
SHORTEST, FAR_ENOUGH, ELBOW = 10.0, 6.0, 0.1
"""What makes an errand: s, m, m."""
REACHED = 0.5
"""m"""
TIMES, EXTRA, LONGEST = 3.0, 10.0, 250.0
"""Time limit over the person's own time; s; s."""
BODIES, RADIUS = 48, 0.22
"""At once on the floor, and half their breadth, m."""
SIDE, GROWS, MARGIN, CELL = 30.0, 6.0, 3.0, 0.05
"""Side of the floor, which grows by so much until there is a margin around everybody; a cell; m."""
WORN = 0.35
"""Around where somebody walked nothing stands, m."""
DISCOMFORT = 0.2
"""m"""

BRISK = dataclasses.replace(
    DEFAULT_ROBOT,
    name="astro_brisk",
    wheel_speed=2.2,
    wheel_acceleration=2.0,
    speed=1.8,
    yaw_rate=2.5,
    braking=2.5,
)


def setup(variant: str = "usual") -> Setup:
    """A robot that keeps up with people outdoors.

    It has to turn and to set out as briskly as they do: the usual weights of comfort are a slow
    robot's, for which a metre takes more than twice as long; with them it would rather stand than
    turn round.  Its last heading is of no account.
    """
    params = PlannerParams(
        acceleration=0.06, turning=0.015, lateral=0.06, heading_weight=0.0, unannounced=0.0
    )
    return Setup(robot=BRISK, config=PlannerConfig(people=20), params=params)


def load(folder: Path, setup: Setup, variant: str = "usual") -> Cases:
    """Everybody who makes an errand in the recordings of ``eth_ucy``, by place.

    Raises:
      InputError: no recordings, a malformed file, or nobody in them makes an errand.
    """
    folder = folder / "eth_ucy" if (folder / "eth_ucy").is_dir() else folder
    cases = {}
    for recording in load_scenes(folder):
        house = floor_under(folder, recording)
        for who in _errands(recording, setup):
            name = f"{recording.name}-{recording.persons[who]}"
            cases[name] = partial(_case, recording, house, who, setup, variant, name)
    if not cases:
        expected = f"somebody recorded for {SHORTEST:g} s who comes {FAR_ENOUGH:g} m far"
        raise InputError("data", str(folder), expected)
    return cases


def _errands(recording: Recording, setup: Setup) -> list[int]:
    """Indices of pieces, one of each person at most."""
    longest: dict[int, int] = {}
    for k, piece in enumerate(recording.pieces):
        person = recording.persons[k]
        if person not in longest or len(piece) > len(recording.pieces[longest[person]]):
            longest[person] = k
    found = []
    for k in longest.values():
        piece = recording.pieces[k]
        far = np.hypot(*(piece - piece[0]).T).max()
        if (len(piece) - 1) * STEP < SHORTEST or far < FAR_ENOUGH:
            continue
        others, _ = passers_by(recording, k, 1, len(recording.pieces))
        start, radius = _poses(piece)[0], np.full(len(others), RADIUS)
        gaps = rectangle_gaps(start[None], np.moveaxis(others, 1, 0), radius, setup.robot)
        if gaps.min() >= ELBOW:
            found.append(k)
    return found


def _poses(
    piece: Float[np.ndarray, "S 2"],
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """The first place and the last one, facing the way of three steps there."""
    ahead, last = piece[3] - piece[0], piece[-1] - piece[-4]
    return (
        np.array([*piece[0], math.atan2(ahead[1], ahead[0])]),
        np.array([*piece[-1], math.atan2(last[1], last[0])]),
    )


def floor_under(folder: Path, recording: Recording) -> HouseMap:
    """What stands where somebody was recorded, but for where they walked.

    Raises:
      InputError: people are spread over more than a place, or a malformed plan.
    """
    places = np.concatenate(recording.pieces)
    low, high = places.min(axis=0), places.max(axis=0)
    grown = math.ceil(max(0.0, float((high - low).max()) + 2 * MARGIN - SIDE) / GROWS)
    side = SIDE + GROWS * grown
    if side > 10 * SIDE:
        found = f"{high[0] - low[0]:.0f} x {high[1] - low[1]:.0f} m"
        raise InputError(recording.name, found, "a place that people walk across", recording.file)
    low = 0.5 * (low + high) - 0.5 * side
    corners = (float(low[0]), float(low[1])), (float(low[0]) + side, float(low[1]) + side)
    empty = floor_of(*corners, CELL, recording.name)
    cells = empty.xy_of(np.indices(empty.occupancy.shape))
    standing = ground_plan(folder, recording.name)(cells)
    walked = np.zeros_like(standing)
    for piece in recording.pieces:
        along = np.linspace(0.0, len(piece) - 1.0, 10 * len(piece))
        known = np.arange(len(piece))
        way = np.stack([np.interp(along, known, piece[:, k]) for k in (0, 1)], axis=-1)
        row, column, _ = empty.cell_of(way)
        walked[row, column] = True
    worn = np.asarray(ndimage.distance_transform_edt(~walked)) * CELL <= WORN + 1e-6
    return floor_of(*corners, CELL, recording.name, standing & ~worn)


def _case(
    recording: Recording,
    house: HouseMap,
    who: int,
    setup: Setup,
    variant: str,
    name: str,
    seed: int,
) -> Case:
    piece = recording.pieces[who]
    start, goal = _poses(piece)
    samples = round(LONGEST / STEP) + 2
    others, _ = passers_by(recording, who, samples, BODIES)
    scene = recorded_scene(house, start, goal, others, STEP, RADIUS, BODIES)
    metres = solve_field(house, house.blocked, goal, setup.robot, slowest=1.0)
    ideal = variant == "ideal"
    at_once = Latency(sensor=0.0, reactive_sensor=0.0, command=0.0, planning=0.0)
    return Case(
        name=name,
        stratum=recording.name,
        scene=dataclasses.replace(
            scene,
            reached=np.array([REACHED, np.inf, np.inf], np.float32),
            detector_noise=np.float32(0.1 if ideal else 1.0),
        ),
        house_map=house,
        world=honest(
            at_once if ideal else split_latency(LATENCY[variant]),
            EXACT if ideal else PoseErrors(),
        ),
        seconds=min(LONGEST, TIMES * STEP * (len(piece) - 1) + EXTRA),
        shortest_path=path_length(guide_path(metres, start)),
        touch_ends=False,
    )


def driver(setup: Setup, variant: str) -> Drive:
    """With the whole stack."""
    return usual_driver(setup)


def judge(case: Case, setup: Setup, trace: Trace) -> Row:
    """Arrival without a contact at fault; how near people came, and how long for."""
    arrived = math.isfinite(trace.arrived_at)
    counts = trace.contacts
    at_fault, void = int(counts.at_fault) > 0, bool(counts.void)
    gap = nearest_gap(trace, np.asarray(case.scene.radius), setup.robot)
    success = arrived and not at_fault and not void
    return {
        "success": success,
        "at_fault": at_fault,
        "timeout": not arrived,
        "void": void,
        "contacts": int(counts.contacts),
        "passive_violations": int(counts.passive_violations),
        "contact_speed": float(counts.contact_speed),
        "time": trace.arrived_at if success else math.nan,
        "time_over_persons": trace.arrived_at / _own_time(case) if success else math.nan,
        "min_gap": float(gap.min()),
        "discomfort": float((gap < DISCOMFORT).mean()),
    }


def _own_time(case: Case) -> float:
    """What the person took whose errand it is, s; of the longest ones at least so much."""
    return (case.seconds - EXTRA) / TIMES
