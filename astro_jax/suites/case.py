"""The nouns of a suite: one case to be driven, what was seen of it, and how it is judged. [host]"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from astro_jax.config import PlannerConfig, PlannerParams, RobotConfig
from astro_jax.route.house import HouseMap
from astro_jax.sim.contact import ContactState
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import Circumstances, TickLog


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """Where to drive, among whom, and when it is over."""

    name: str
    """As in the suite's own files, so that ``--cases`` can name it."""
    stratum: str
    """The row of the table that it counts in."""
    scene: Scene
    """What is true."""
    house_map: HouseMap
    """What the route layer is told."""
    world: Circumstances
    """How late and how wrong the sensors are."""
    seconds: float
    """Time limit, from the start of the episode."""
    shortest_path: float
    """m"""
    aim: tuple[float, float, float] | None = None
    """The pose that the robot is sent to, if not the goal at which the rules see it arrive."""
    look: float = 0.5
    """Seconds between two looks of the route layer at the local map."""
    touch_ends: bool = True
    """Whether the first contact ends the episode."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What an episode left behind; all arrays are NumPy."""

    ticks: TickLog
    """The true motion, a leading axis of gate ticks."""
    contacts: ContactState
    """What the referee has counted."""
    arrived_at: float = math.inf
    """s"""
    routes: int = 1
    """Searches of the route layer."""
    wall_seconds: float = 0.0
    """That the episode took to simulate."""


Cases = Mapping[str, Callable[[int], Case]]
"""Of each name a maker: (seed of the run) → the case.  Rules without chance ignore the seed."""
Drive = Callable[[Case, int, PlannerParams], Trace]
"""(case, seed, what the planner values) → one episode; other params do not recompile."""
Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """With what a suite is driven."""

    robot: RobotConfig
    config: PlannerConfig
    params: PlannerParams


class Suite(Protocol):
    """What each module of a suite offers."""

    VARIANTS: Sequence[str]
    """The first one is the suite's own."""

    def setup(self, variant: str) -> Setup:
        """The robot that the rules prescribe, and the planner's settings for it."""
        ...

    def load(self, folder: Path, setup: Setup, variant: str) -> Cases:
        """All cases in the folder, in the order of their files."""
        ...

    def driver(self, setup: Setup, variant: str) -> Drive:
        """What drives them."""
        ...

    def judge(self, case: Case, setup: Setup, trace: Trace) -> Row:
        """One episode by the suite's rules."""
        ...


def gaps_to_people(
    trace: Trace, radius: Float[np.ndarray, "M"], own: float
) -> Float[np.ndarray, "N M"]:
    """Between a robot that is a disc of radius ``own`` and each body, per tick, m."""
    people, pose = np.asarray(trace.ticks.people_xy), np.asarray(trace.ticks.pose_map)
    away = np.hypot(*np.moveaxis(people - pose[:, None, :2], -1, 0))
    return away - radius[None] - own
