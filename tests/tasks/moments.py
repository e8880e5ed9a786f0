"""Moments for the task layer: a house of two rooms, a robot in it, people as tracked."""

import dataclasses
from typing import Any

import numpy as np

from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.route.house import HouseMap
from astro_jax.tasks.nouns import Belief, Setting
from astro_jax.types import Grid, Tracks

PEOPLE = 4


def two_rooms() -> HouseMap:
    """6 × 3 m with a wall in the middle that has a door at the upper end; a closed chamber."""
    blocked = np.zeros((62, 122), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    blocked[:40, 60:63] = True
    blocked[:12, 108:110] = blocked[10:12, 108:] = True
    return HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=0.05,
        origin=np.zeros(2),
        name="two rooms",
    )


HOUSE = two_rooms()
SETTING = Setting(
    robot=DEFAULT_ROBOT, params=PlannerParams(), house_map=HOUSE, people=PEOPLE, ahead=0.2
)


def tracks(*people, age=0.2) -> Tracks:
    """Each of ``people`` is (slot, x, y, vx, vy) or with an identity, or None."""
    xy, velocity = np.zeros((PEOPLE, 2), np.float32), np.zeros((PEOPLE, 2), np.float32)
    valid, identity = np.zeros(PEOPLE, bool), np.full(PEOPLE, -1, np.int32)
    for slot, x, y, vx, vy, *name in people:
        xy[slot], velocity[slot], valid[slot] = (x, y), (vx, vy), True
        identity[slot] = name[0] if name else -1
    small = np.full(PEOPLE, 0.01, np.float32)
    arrays: dict[str, Any] = dict(
        xy_map=xy,
        velocity_map=velocity,
        xy_var=small,
        xy_velocity_cov=small,
        velocity_var=small,
        radius=np.full(PEOPLE, 0.22, np.float32),
        kind=np.zeros(PEOPLE, np.int32),
        identity=identity,
        credit=np.ones(PEOPLE, np.float32),
        valid=valid,
        age=np.float32(age),
    )
    return Tracks(**arrays)


def belief(time=0.0, pose=(1.0, 1.0, 0.0), people=(), **other) -> Belief:
    """At rest by default; the local map shows nothing new."""
    nothing: dict[str, Any] = dict(
        values=np.zeros((8, 8), np.float32),
        origin=np.zeros(2, np.float32),
        resolution=np.float32(0.05),
    )
    given: dict[str, Any] = {
        "time": time,
        "pose": np.array(pose, np.float64),
        "twist": np.zeros(2),
        "pan": 0.0,
        "house_from_map": np.zeros(3),
        "tracks": tracks(*people),
        "local_map": Grid(**nothing),
    }
    return dataclasses.replace(Belief(**given), **other)
