"""What a robot can be asked to do, what it believes meanwhile, and how it ends.      [host]

A task is data.  ``tasks/step.py`` turns (task, memory, belief) into (memory, directive, outcome)
at 5 to 10 Hz; the navigator does the rest.  Poses and places are of the house, m and rad.
"""

import dataclasses
import enum
import math

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.body.gaze import Gaze
from astro_jax.config import PlannerParams, RobotConfig
from astro_jax.route.house import HouseMap
from astro_jax.types import Grid, RouteField, Tracks

Pose = tuple[float, float, float]
Place = tuple[float, float]


# ---- what to do ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """Whom is meant: exactly one of these.

    The detector's name for somebody may be of one who is not here yet; a slot of the tracker or a
    place (whoever is nearest to it, within 1 m) is of somebody who is seen now.
    """

    identity: int | None = None
    slot: int | None = None
    near: Place | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GoTo:
    """Be at a pose, or anywhere in a region (a mask of the map's cells)."""

    pose: Pose | None = None
    region: Bool[np.ndarray, "H W"] | None = None
    within: float = 0.20
    """m of the pose."""
    facing: float = 0.30
    """rad of its heading."""
    limit: float = math.inf
    """Time after which it is given up, s; as in all tasks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Follow:
    """Walk with somebody until cancelled or lost."""

    person: Person
    distance: float = 1.3
    """From centre to centre, along the way, m."""
    bearing: float | None = None
    """Where to be, seen from the person who walks: π/2 to their left, −π/2 to their right.  None
    is behind them, wherever they came through."""
    patience: float = 20.0
    """So long somebody out of sight is looked for, s."""
    limit: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookAt:
    """Stand and look at somebody or at a place for a while."""

    person: Person | None = None
    point: Place | None = None
    seconds: float = 3.0
    limit: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patrol:
    """Go to all of these, so many times around; a goal without a way is left out."""

    goals: tuple[Pose, ...]
    rounds: int = 1
    limit: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dock:
    """Stand at a pose to 3 cm and 2°, coming straight at it.

    See ``tasks/docking.py`` for what a dock has to be.
    """

    pose: Pose
    within: float = 0.03
    """m."""
    facing: float = math.radians(2.0)
    attempts: int = 3
    limit: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stop:
    """Come to rest and stay there."""

    limit: float = math.inf


Task = GoTo | Follow | LookAt | Patrol | Dock | Stop


# ---- what is known -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What does not change while tasks are done."""

    robot: RobotConfig
    params: PlannerParams
    house_map: HouseMap
    people: int
    """Capacity of the tracker."""
    ahead: float = 0.25
    """From now until what is decided takes effect, s: planning, dead time, half a step."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Belief:
    """One moment, as the robot believes it to be; arrays are NumPy."""

    time: float
    """Monotonic, s."""
    pose: Float[np.ndarray, "3"]
    """In the house."""
    twist: Float[np.ndarray, "2"]
    pan: float
    """Of the screen against the base, rad."""
    house_from_map: Float[np.ndarray, "3"]
    """Places tracks and local map."""
    tracks: Tracks
    local_map: Grid
    e_stopped: bool = False


# ---- what follows from it ------------------------------------------------------------


class Outcome(enum.Enum):
    """How a task ended."""

    ARRIVED = "arrived"
    DONE = "done"
    """Looked at, stopped, patrolled."""
    CANCELLED = "cancelled"
    REPLACED = "replaced by a newer task"
    UNREACHABLE = "no way leads there on the map"
    BLOCKED = "the way was found blocked, and there is no other"
    TARGET_IN_WALL = "the target is in a wall, or has no room for the robot"
    NOT_PLACED = "the robot does not know where it is, or believes to be in a wall"
    UNKNOWN_PERSON = "nobody is there who could be meant"
    NEVER_SEEN = "the person was looked for and never seen"
    LOST = "the person was lost and not found again"
    OUT_OF_REACH = "the screen cannot turn so far"
    MISSED = "the last centimetres failed in all attempts"
    TIMED_OUT = "not done within the limit"
    E_STOPPED = "the emergency stop was pressed"
    FAILED = "a defect of the task layer"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """The end of a task; ``detail`` is for people."""

    outcome: Outcome
    detail: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Directive:
    """What the layers below are told until the next step."""

    field: RouteField | None
    """Where to go, in the house; None: nowhere, brake."""
    gaze: Gaze
    pace: float = 1.0
    """Share of the robot's speeds that it may use."""
    params: PlannerParams | None = None
    """What the planner is to value instead of the usual."""
    doing: str = ""
    """For people and pictures."""
    slot: int = -1
    """Of the person whom it is about, in the tracks; −1: nobody, or not seen."""
    target: Place | None = None
    """Where it leads, for pictures."""
