"""Stand at a dock to 3 cm and 2°.                                                    [host]

A dock is a thing in the way, and the gate lets nothing touch things; nothing is switched off
for it.  So a dock is a *pose* that leaves the gate's margin: with the footprint ``ROOM`` away
from everything on the map.  What carries the current (a spring contact that reaches out, a pad
on the floor, a light) bridges that.  A pose that has less room is refused as TARGET_IN_WALL.

The approach: to ``RUN_UP`` before the dock on its axis, then along the axis.  There V is

  V = (√(u² + (κ w)² + ε²) − ε) / v

with u the way left along the axis, w the distance from it, and v the speed of the approach:
a robot that is off the axis first comes back to it (a differential drive cannot shift sideways
at the end), and near the end V still falls by tenths of a second per centimetre, which the
comfort terms of the usual V would outweigh.  The table of the field is as large as the house's
but as fine as a centimetre: shapes stay, nothing is compiled anew.

Where the robot's own frame lies in the house is averaged over the last ``MEMORY`` seconds:
dead reckoning is good over so little way, and localisation's errors change in that time.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from astro_jax.body import gaze
from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.route.query import pose_of, standing
from astro_jax.route.zones import closed_cells
from astro_jax.tasks.frames import in_house, in_map, wrapped
from astro_jax.tasks.going import AT_REST, GoMemory, brake, check_goal, go, inside
from astro_jax.tasks.nouns import Belief, Directive, Dock, GoTo, Outcome, Pose, Result, Setting
from astro_jax.tasks.ways import leashed
from astro_jax.types import RouteField, SmoothGrid

ROOM = 0.12
"""Between the footprint and whatever stands around a dock, m."""
RUN_UP = 0.7
"""Length of the straight approach, m."""
SPEED = 0.15
"""Of the approach, m/s."""
SIDEWAYS = 3.0
"""κ: a metre off the axis counts as so many along it."""
BLUNT = 0.05
"""ε, m."""
STEEPNESS = 1.5
"""V on the approach is so many times what the speed says."""
HEADING, NEAR = 8.0, 0.5
"""What the heading is worth, s, within so much of the dock, m."""
HARM = 1.0
"""What a touch at this speed costs, s: the gate does not let it come to that."""
CELL = 0.01
"""Of the approach's field, m."""
MEMORY = 6.0
"""s"""
STEP = 0.2
"""About the time between two steps, s."""
SETTLED = 0.6
"""At rest for so long, it comes no nearer by itself, s."""
GIVE_UP = 25.0
"""For an approach, s."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class DockMemory:
    """What is carried from step to step."""

    began: float
    went: GoMemory
    approaching: float = math.inf
    """Since when it has been on the straight approach, s."""
    at_rest: float = math.inf
    """Since when it has rested on it, s."""
    attempts: int = 0
    placed: Float[np.ndarray, "3"] | None = None
    """Where the robot's frame lies in the house, on average."""
    placed_at: float = -math.inf


def check_dock(setting: Setting, task: Dock) -> None:
    """Refuse what is no dock.

    Raises:
      InputError: not finite, off the map, no attempts.
    """
    check_goal(setting, GoTo(pose=task.pose))
    if task.attempts < 1:
        raise InputError("attempts", task.attempts, "a number from 1")


def dock(
    setting: Setting, task: Dock, memory: DockMemory, belief: Belief
) -> tuple[DockMemory, Directive, Result | None]:
    """One step."""
    x, y, yaw = pose_of("pose", task.pose)
    memory = _averaged(memory, belief)
    if memory.attempts == 0 and not _roomy(setting, task.pose):
        detail = f"a dock leaves the footprint {100 * ROOM:.0f} cm of room"
        return memory, brake(), Result(outcome=Outcome.TARGET_IN_WALL, detail=detail)
    if not math.isfinite(memory.approaching):
        before: Pose = (x - RUN_UP * math.cos(yaw), y - RUN_UP * math.sin(yaw), yaw)
        first = GoTo(pose=before, within=0.15, facing=0.25)
        went, directive, result = go(setting, first, memory.went, belief)
        memory = dataclasses.replace(memory, went=went)
        if result is None and not inside(setting, first, belief):
            return memory, dataclasses.replace(directive, doing="to the approach"), None
        if result is not None and result.outcome is not Outcome.ARRIVED:
            return memory, directive, result
        memory = dataclasses.replace(
            memory, approaching=belief.time, at_rest=math.inf, attempts=memory.attempts + 1
        )
    pose = _as_of_now(memory, belief, (x, y, yaw))
    v, omega = np.abs(belief.twist)
    resting = bool(v <= 0.3 * AT_REST[0] and omega <= 0.3 * AT_REST[1])
    since = min(memory.at_rest, belief.time) if resting else math.inf
    memory = dataclasses.replace(memory, at_rest=since)
    off, turned = _error(pose, belief)
    there = off <= task.within and turned <= task.facing
    settled = belief.time - since > SETTLED and belief.time - memory.approaching > 2.0
    if there and settled:
        detail = f"{1000 * off:.0f} mm, {math.degrees(turned):.1f}° off"
        return memory, brake("docked"), Result(outcome=Outcome.ARRIVED, detail=detail)
    if settled or belief.time - memory.approaching > GIVE_UP:
        detail = f"{1000 * off:.0f} mm, {math.degrees(turned):.1f}° off"
        if memory.attempts >= task.attempts:
            return memory, brake(), Result(outcome=Outcome.MISSED, detail=detail)
        memory = dataclasses.replace(memory, approaching=math.inf, went=GoMemory(began=belief.time))
        return memory, brake("once more"), None
    directive = Directive(
        field=leashed(_funnel(setting, pose)),
        gaze=gaze.ahead(),
        pace=min(SPEED / setting.robot.speed, 1.0),
        params=_precise(setting.params),
        doing="docking",
        target=(x, y),
    )
    return memory, directive, None


def _averaged(memory: DockMemory, belief: Belief) -> DockMemory:
    """With what localisation says now."""
    now, before = belief.house_from_map, memory.placed
    if before is None:
        return dataclasses.replace(memory, placed=now, placed_at=belief.time)
    share = 1.0 - math.exp(-(belief.time - memory.placed_at) / MEMORY)
    # at first a plain mean
    share = max(share, STEP / (belief.time - memory.began + STEP))
    off = now - before
    placed = before + share * np.array([off[0], off[1], wrapped(float(off[2]))])
    return dataclasses.replace(memory, placed=placed, placed_at=belief.time)


def _as_of_now(memory: DockMemory, belief: Belief, pose: Pose) -> Pose:
    """The dock in the house as localisation has it now, so that it is where it is on average."""
    assert memory.placed is not None
    xy = in_house(belief.house_from_map, in_map(memory.placed, np.array(pose[:2])))
    yaw = pose[2] + float(belief.house_from_map[2]) - float(memory.placed[2])
    return float(xy[0]), float(xy[1]), yaw


def _error(pose: Pose, belief: Belief) -> tuple[float, float]:
    x, y, yaw = pose
    off = math.hypot(float(belief.pose[0]) - x, float(belief.pose[1]) - y)
    return off, abs(wrapped(float(belief.pose[2]) - yaw))


def _roomy(setting: Setting, pose: Pose) -> bool:
    """Whether the footprint has its room there."""
    robot, house = setting.robot, setting.house_map
    wide = dataclasses.replace(
        robot, length=robot.length + 2 * ROOM, width=robot.width + 2 * ROOM, footprint=()
    )
    try:
        standing(house, wide, "dock", pose, closed_cells(house))
    except InputError:
        return False
    return True


def _precise(params: PlannerParams) -> PlannerParams:
    """Near a dock the heading counts more."""
    return dataclasses.replace(params, heading_weight=HEADING, heading_radius=NEAR, harm_wall=HARM)


def _funnel(setting: Setting, pose: Pose) -> RouteField:
    """The field of the approach."""
    x, y, yaw = pose
    rows, columns = setting.house_map.occupancy.shape
    origin = np.array([x, y]) - 0.5 * CELL * np.array([columns - 1, rows - 1])
    dx = origin[0] + CELL * np.arange(columns)[None] - x
    dy = origin[1] + CELL * np.arange(rows)[:, None] - y
    c, s = math.cos(yaw), math.sin(yaw)
    along, aside = c * dx + s * dy, c * dy - s * dx
    value, d_along, d_aside = _cone(along, aside)
    table = np.stack([value, c * d_along - s * d_aside, s * d_along + c * d_aside], axis=-1)
    return RouteField(
        cost_to_go=SmoothGrid(
            table=jnp.asarray(table, jnp.float32),
            origin=jnp.asarray(origin, jnp.float32),
            resolution=jnp.float32(CELL),
        ),
        goal_map=jnp.asarray(pose, jnp.float32),
    )


def _cone(
    along: Float[np.ndarray, "H W"], aside: Float[np.ndarray, "H W"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """V and its slopes along and across the axis (s, s/m)."""
    root = np.sqrt(along**2 + (SIDEWAYS * aside) ** 2 + BLUNT**2)
    steep = STEEPNESS / SPEED
    return (
        steep * (root - BLUNT),
        steep * along / root,
        steep * SIDEWAYS**2 * aside / root,
    )
