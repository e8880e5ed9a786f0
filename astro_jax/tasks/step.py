"""One step of any task: what it wants of the layers below, until it has a result.    [host]

``begin`` refuses a task that makes no sense, with an ``InputError``, before anything changes.
What turns out about the world is no error: it is a ``Result``, with a directive that brakes and
brings the screen to rest.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from astro_jax.errors import InputError
from astro_jax.tasks.docking import DockMemory, check_dock, dock
from astro_jax.tasks.following import FollowMemory, follow
from astro_jax.tasks.going import (
    GoMemory,
    PatrolMemory,
    brake,
    check_goal,
    check_patrol,
    go,
    patrol,
)
from astro_jax.tasks.looking import LookMemory, check_look, look, stand
from astro_jax.tasks.nouns import (
    Belief,
    Directive,
    Dock,
    Follow,
    GoTo,
    LookAt,
    Outcome,
    Patrol,
    Result,
    Setting,
    Stop,
    Task,
)
from astro_jax.tasks.people import check_person

DISTANCES = (0.8, 4.0)
"""Between which somebody can be followed, m."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """A task under way."""

    task: Task
    began: float
    own: Any
    """What the task itself carries."""


def begin(setting: Setting, task: Task, time: float) -> Memory:
    """Take a task on.

    Raises:
      InputError: it makes no sense on this map or for this robot.
    """
    if not task.limit > 0.0:
        raise InputError("limit", task.limit, "seconds above 0")
    own: Any = None
    if isinstance(task, GoTo):
        check_goal(setting, task)
        own = GoMemory(began=time)
    elif isinstance(task, Follow):
        check_person(setting, task.person)
        _check_follow(task)
        own = FollowMemory(began=time)
    elif isinstance(task, LookAt):
        check_look(setting, task)
        own = LookMemory(began=time)
    elif isinstance(task, Patrol):
        check_patrol(setting, task)
        own = PatrolMemory(went=GoMemory(began=time))
    elif isinstance(task, Dock):
        check_dock(setting, task)
        own = DockMemory(began=time, went=GoMemory(began=time))
    elif not isinstance(task, Stop):
        raise InputError("task", type(task).__name__, "one of those of tasks/nouns.py")
    return Memory(task=task, began=time, own=own)


def step(
    setting: Setting, memory: Memory, belief: Belief
) -> tuple[Memory, Directive, Result | None]:
    """What a task wants now; with a result it has ended, and the directive brakes."""
    task = memory.task
    if belief.e_stopped:
        return memory, brake(), Result(outcome=Outcome.E_STOPPED)
    known = (belief.pose, belief.twist, belief.house_from_map, belief.pan, belief.time)
    if not all(np.all(np.isfinite(value)) for value in known):
        detail = "pose, twist or time is not finite"
        return memory, brake(), Result(outcome=Outcome.NOT_PLACED, detail=detail)
    if belief.time - memory.began > task.limit:
        return memory, brake(), Result(outcome=Outcome.TIMED_OUT, detail=f"{task.limit:g} s")
    own, directive, result = _step(setting, memory, belief)
    return dataclasses.replace(memory, own=own), directive, result


def _step(setting: Setting, memory: Memory, belief: Belief) -> tuple[Any, Directive, Result | None]:
    task, own = memory.task, memory.own
    if isinstance(task, GoTo):
        return go(setting, task, own, belief)
    if isinstance(task, Follow):
        return follow(setting, task, own, belief)
    if isinstance(task, LookAt):
        return look(setting, task, own, belief)
    if isinstance(task, Patrol):
        return patrol(setting, task, own, belief)
    if isinstance(task, Dock):
        return dock(setting, task, own, belief)
    return own, *stand(belief)


def _check_follow(task: Follow) -> None:
    low, high = DISTANCES
    if not low <= task.distance <= high:
        raise InputError("distance", task.distance, f"metres from {low:g} to {high:g}")
    if task.bearing is not None and not math.isfinite(task.bearing):
        raise InputError("bearing", task.bearing, "a finite angle, rad, or none")
    if not task.patience > 0.0:
        raise InputError("patience", task.patience, "seconds above 0")
