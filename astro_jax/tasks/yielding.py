"""Where to step aside for somebody who turned round and comes back.                  [host]

The local planner does not collide with whoever comes towards it, but on its own it backs off
straight ahead of them, as slowly as it drives backwards, and holds them up.  A place aside of the
way they are going ends that: they walk on, and the robot follows again.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.errors import InputError
from astro_jax.route.planner import Route, redirect
from astro_jax.tasks.people import Known

COMES, NEAR = 0.12, 2.5
"""Whoever comes nearer by this (m/s), within this (m), and would pass less than ``WIDTH`` beside
the robot, wants to pass."""
TOO_NEAR = 1.0
"""Whoever stands nearer than this (m) for ``STANDS`` (s) wants room, or to pass."""
STANDS = 1.0
WIDTH, SPREAD = 0.7, 0.1
"""Half the way that somebody needs, m, and by how much more per metre ahead of them."""
ROOM = 1.1
"""Between somebody and the place to wait at, m."""
REACH = 3.0
"""The place is within this, m."""
ARM = 0.5
"""The way to the place leads no nearer than this to the person, m."""
FARTHER = 0.5
"""A place that is a metre beyond 1.6 m of the person is worth so many seconds less."""


def wants_to_pass(known: Known, pose: Float[np.ndarray, "3"]) -> bool:
    """Whether they are on their way to where the robot is."""
    off = pose[:2] - known.xy
    distance = float(np.hypot(*off))
    closing = float(known.velocity @ off) / max(distance, 1e-6)
    speed = float(np.hypot(*known.velocity))
    if closing < COMES or distance > NEAR:
        return False
    aside = abs(float(known.velocity[0] * off[1] - known.velocity[1] * off[0])) / speed
    return aside < WIDTH + SPREAD * distance


def in_their_way(
    known: Known, pose: Float[np.ndarray, "3"], xy: Float[np.ndarray, "N 2"]
) -> Bool[np.ndarray, "N"]:
    """Places on the way that they have ahead of them; who stands is taken to come to the robot."""
    speed = float(np.hypot(*known.velocity))
    towards = pose[:2] - known.xy
    ahead = known.velocity / speed if speed > 0.2 else towards / max(np.hypot(*towards), 1e-6)
    off = xy - known.xy
    along = off @ ahead
    aside = np.abs(ahead[0] * off[:, 1] - ahead[1] * off[:, 0])
    return (along > -0.4) & (aside < WIDTH + SPREAD * np.maximum(along, 0.0))


def place_aside(
    route: Route, known: Known, pose: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "2"] | None:
    """The place out of their way that is soonest reached, in sight of them if there is one."""
    house = route.house_map
    rows, columns = np.indices(house.occupancy.shape)
    x = house.origin[0] + house.resolution * columns
    y = house.origin[1] + house.resolution * rows
    person = np.hypot(x - known.xy[0], y - known.xy[1]) < ARM
    try:
        around = redirect(dataclasses.replace(route, avoided=person), pose, tuple(pose))
    except InputError:
        return None
    seconds = around.searched.found.values[1:-1, 1:-1]
    near = np.isfinite(seconds) & (np.hypot(x - pose[0], y - pose[1]) < REACH) & ~person
    row, column = np.nonzero(near & np.isfinite(around.searched.slowness[1:-1, 1:-1]))
    xy = np.stack([x[row, column], y[row, column]], axis=-1)
    away = np.hypot(*(xy - known.xy).T)
    fits = ~in_their_way(known, pose, xy) & (away >= ROOM)
    if not fits.any():
        return None
    xy, away = xy[fits], away[fits]
    pace = house.resolution / around.searched.body.speed
    cost = pace * seconds[row, column][fits] + FARTHER * np.maximum(away - 1.6, 0.0)
    order = np.argsort(cost)
    blocked = around.closed | around.seen_blocked
    for k in order[:: max(len(order) // 60, 1)]:
        share = np.linspace(0.0, 1.0, max(math.ceil(away[k] / house.resolution), 2))[:, None]
        i, j, _ = house.cell_of(xy[k] + share * (known.xy - xy[k]))
        if not blocked[i, j].any():
            return xy[k]
    return xy[order[0]]
