"""Stand and look at somebody or something; stand.                                    [host]"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np

from astro_jax.body import gaze
from astro_jax.errors import InputError
from astro_jax.tasks.frames import bearing_to, in_map
from astro_jax.tasks.going import AT_REST, brake
from astro_jax.tasks.nouns import Belief, Directive, LookAt, Outcome, Result, Setting
from astro_jax.tasks.people import Known, check_person, find, keep

SETTLES = 3.0
"""Within this the screen shows what it can, s."""
CENTRED = math.radians(6.0)
"""As near to the middle of the view as it takes."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LookMemory:
    """What is carried from step to step."""

    began: float
    known: Known | None = None
    since: float = math.inf
    """From when on it has been looked at, s."""
    out_of_reach: float = math.inf
    """Since when the screen cannot turn so far, s."""


def check_look(setting: Setting, task: LookAt) -> None:
    """Refuse what cannot be looked at.

    Raises:
      InputError: not exactly one of person and point; a point that is no place; no time.
    """
    if (task.person is None) == (task.point is None):
        found = "both" if task.point is not None else "none"
        raise InputError("look", found, "a person or a point")
    if not (math.isfinite(task.seconds) and task.seconds >= 0.0):
        raise InputError("seconds", task.seconds, "a finite number from 0")
    if task.person is not None:
        check_person(setting, task.person)
    elif task.point is not None:
        point = np.asarray(task.point, np.float64)
        if point.shape != (2,) or not np.all(np.isfinite(point)):
            raise InputError("point", task.point, "two finite numbers: x, y")


def look(
    setting: Setting, task: LookAt, memory: LookMemory, belief: Belief
) -> tuple[LookMemory, Directive, Result | None]:
    """One step; the base stays where it is."""
    if task.person is None:
        target = np.asarray(task.point, np.float64)
        where = in_map(belief.house_from_map, target)
        looks, slot = gaze.at_point(jnp.asarray(where, jnp.float32)), -1
    else:
        known = find(task.person, belief) if memory.known is None else _still(memory.known, belief)
        if known is None:
            detail = f"nobody is tracked for {task.person}"
            return memory, brake(), Result(outcome=Outcome.UNKNOWN_PERSON, detail=detail)
        if known.slot < 0:
            return memory, brake(), Result(outcome=Outcome.LOST, detail="out of sight")
        memory = dataclasses.replace(memory, known=known)
        target, slot = known.xy, known.slot
        looks = gaze.at_body(slot)

    v, omega = np.abs(belief.twist)
    at_rest = bool(v <= AT_REST[0] and omega <= AT_REST[1])
    bearing = bearing_to(belief.pose, target)
    reach = setting.robot.pan_limit + setting.robot.camera.field_of_view / 2
    beyond = at_rest and abs(bearing) > reach
    out = min(memory.out_of_reach, belief.time) if beyond else math.inf
    centred = abs(belief.pan - np.clip(bearing, *_limits(setting))) <= CENTRED
    seen = at_rest and abs(bearing) <= reach and centred
    since = min(memory.since, belief.time) if seen else math.inf
    memory = dataclasses.replace(memory, since=since, out_of_reach=out)
    if belief.time - out > SETTLES:
        detail = (
            f"{math.degrees(bearing):.0f}° to the side, up to {math.degrees(reach):.0f}° is seen"
        )
        return memory, brake(), Result(outcome=Outcome.OUT_OF_REACH, detail=detail)
    if belief.time - since >= task.seconds:
        return memory, brake("looked"), Result(outcome=Outcome.DONE)
    place = (float(target[0]), float(target[1]))
    directive = Directive(field=None, gaze=looks, doing="looking", slot=slot, target=place)
    return memory, directive, None


def stand(belief: Belief) -> tuple[Directive, Result | None]:
    """Brake; done at rest."""
    v, omega = np.abs(belief.twist)
    done = bool(v <= AT_REST[0] and omega <= AT_REST[1])
    return brake("stopping"), Result(outcome=Outcome.DONE) if done else None


def _still(known: Known, belief: Belief) -> Known:
    since = max(belief.time - known.time, 0.0)
    return keep(known, belief, known.xy + since * known.velocity)


def _limits(setting: Setting) -> tuple[float, float]:
    return -setting.robot.pan_limit, setting.robot.pan_limit
