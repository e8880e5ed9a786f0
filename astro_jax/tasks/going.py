"""Go somewhere: to a pose, to anywhere in a region, to several places in turn.       [host]"""

import dataclasses
import math

import numpy as np

from astro_jax.body import gaze
from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.goals import Goal, goals_of
from astro_jax.route.guidance import Guidance, Look, by_motion, look_again
from astro_jax.route.planner import plan_route
from astro_jax.route.query import standing
from astro_jax.tasks.frames import wrapped
from astro_jax.tasks.nouns import Belief, Directive, GoTo, Outcome, Patrol, Pose, Result, Setting
from astro_jax.tasks.ways import leashed

AT_REST = (0.05, 0.2)
"""Slower than this (m/s, rad/s) the robot has arrived."""
LOOKS = 1.0
"""Time between two looks of the route at the local map, s."""
CLOSED_FOR_GOOD = 10.0
"""For so long there may be no way any more: people and doors move, s."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GoMemory:
    """What is carried from step to step."""

    began: float
    guidance: Guidance | None = None
    looked_at: float = -math.inf
    without_way: float = math.inf


Step = tuple[GoMemory, Directive, Result | None]


def check_goal(setting: Setting, task: GoTo) -> None:
    """Refuse what is no goal on this map.

    Raises:
      InputError: not exactly one of pose and region; not finite, off the map, an empty region.
    """
    if (task.pose is None) == (task.region is None):
        raise InputError("goal", "both" if task.pose is not None else "none", "a pose or a region")
    goal = goals_of(setting.house_map, _goal(task))
    if goal.region is not None and not goal.region.any():
        raise InputError("goal", "an empty region", "one with a cell", setting.house_map.name)


def go(setting: Setting, task: GoTo, memory: GoMemory, belief: Belief) -> Step:
    """One step."""
    if memory.guidance is None:
        house, robot = setting.house_map, setting.robot
        try:
            standing(house, robot, "start", belief.pose, house.blocked)
        except InputError as error:
            return memory, brake(), Result(outcome=Outcome.NOT_PLACED, detail=str(error))
        try:
            route = plan_route(house, robot, belief.pose, _goal(task))
        except UnreachableError as error:
            return memory, brake(), Result(outcome=Outcome.UNREACHABLE, detail=str(error))
        except InputError as error:
            return memory, brake(), Result(outcome=Outcome.TARGET_IN_WALL, detail=str(error))
        memory = dataclasses.replace(memory, guidance=Guidance(route=route))
    elif belief.time - memory.looked_at >= LOOKS:
        guidance = look_again(memory.guidance, look_of(belief))
        memory = dataclasses.replace(memory, guidance=guidance, looked_at=belief.time)
    guidance = memory.guidance
    assert guidance is not None
    if arrived(setting, task, belief):
        return memory, brake("arrived"), Result(outcome=Outcome.ARRIVED)
    route = guidance.route
    since = min(memory.without_way, belief.time) if route.failure else math.inf
    memory = dataclasses.replace(memory, without_way=since)
    if route.failure and belief.time - since > CLOSED_FOR_GOOD:
        return memory, brake(), Result(outcome=Outcome.BLOCKED, detail=str(route.failure))
    x, y, _ = route.goal_map
    doing = "making way" if guidance.onward else "on the way"
    directive = Directive(field=leashed(route.field), gaze=gaze.ahead(), doing=doing, target=(x, y))
    return memory, directive, None


def arrived(setting: Setting, task: GoTo, belief: Belief) -> bool:
    """At rest where the task wants the robot."""
    v, omega = np.abs(belief.twist)
    at_rest = v <= AT_REST[0] and omega <= AT_REST[1]
    return at_rest and inside(setting, task, belief)


def inside(setting: Setting, task: GoTo, belief: Belief) -> bool:
    """Where the task wants the robot, moving or not."""
    if task.region is not None:
        row, column, on_map = setting.house_map.cell_of(belief.pose[:2])
        return bool(on_map and task.region[row, column])
    assert task.pose is not None
    x, y, yaw = task.pose
    near = math.hypot(belief.pose[0] - x, belief.pose[1] - y) <= task.within
    return near and abs(wrapped(float(belief.pose[2]) - yaw)) <= task.facing


def look_of(belief: Belief) -> Look:
    """What the route layer is shown of a moment."""
    tracks = belief.tracks
    standing, walking = by_motion(tracks.xy_map, tracks.velocity_map, tracks.valid)
    return Look(
        local_map=belief.local_map,
        pose=belief.pose,
        house_from_map=belief.house_from_map,
        standing_map=standing,
        walking_map=walking,
        time=belief.time,
    )


def brake(doing: str = "") -> Directive:
    """Nowhere to go; the screen comes to rest."""
    return Directive(field=None, gaze=gaze.rest(), doing=doing)


def _goal(task: GoTo) -> Goal:
    return task.pose if task.region is None else task.region  # type: ignore[return-value]


# ---- several in turn -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PatrolMemory:
    """What is carried from step to step."""

    went: GoMemory
    index: int = 0
    """Of all visits, rounds counted."""
    left_out: tuple[int, ...] = ()
    """Goals without a way, of this round or an earlier one."""


def check_patrol(setting: Setting, task: Patrol) -> None:
    """Refuse a patrol that is none.

    Raises:
      InputError: no goals, no rounds, or a goal that is none.
    """
    if not task.goals:
        raise InputError("goals", "an empty list", "at least one pose")
    if task.rounds < 1:
        raise InputError("rounds", task.rounds, "a number from 1")
    for goal in task.goals:
        check_goal(setting, GoTo(pose=goal))


def patrol(
    setting: Setting, task: Patrol, memory: PatrolMemory, belief: Belief
) -> tuple[PatrolMemory, Directive, Result | None]:
    """One step; after a goal comes the next one, in the same step."""
    for _ in range(len(task.goals) + 1):
        if memory.index >= task.rounds * len(task.goals):
            break
        which = memory.index % len(task.goals)
        pose: Pose = task.goals[which]
        went, directive, result = go(setting, GoTo(pose=pose), memory.went, belief)
        if result is None:
            doing = f"goal {which + 1} of {len(task.goals)}"
            directive = dataclasses.replace(directive, doing=doing)
            return dataclasses.replace(memory, went=went), directive, None
        if result.outcome is Outcome.NOT_PLACED:
            return memory, directive, result
        missed = () if result.outcome is Outcome.ARRIVED else (which,)
        memory = PatrolMemory(
            went=GoMemory(began=belief.time),
            index=memory.index + 1,
            left_out=memory.left_out + missed,
        )
    visited = memory.index - len(memory.left_out)
    if visited == 0 and memory.index:
        result = Result(outcome=Outcome.UNREACHABLE, detail="none of the goals has a way")
        return memory, brake(), result
    detail = f"{visited} visits, {len(memory.left_out)} left out"
    if memory.index >= task.rounds * len(task.goals):
        return memory, brake("done"), Result(outcome=Outcome.DONE, detail=detail)
    return memory, brake(), None
