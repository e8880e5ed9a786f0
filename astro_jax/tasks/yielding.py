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

COMES, NEAR = 0.25, 2.8
"""Whoever comes nearer by this (m/s), within this (m), and would pass less than ``WIDTH`` beside
the robot, wants to pass."""
TOO_NEAR = 1.0
"""Whoever stands nearer than this (m) for ``STANDS`` (s) wants room, or to pass."""
STANDS = 1.0
WIDTH, NARROW, BARELY, SPREAD = 1.0, 0.7, 0.55, 0.05
"""Half the way that somebody is given, m; what it must be at least; what a place must still leave
of it, once chosen; and by how much more it takes per metre ahead of them."""
TIGHT, TURNING = 2.0, 1.2
"""What a metre less than ``WIDTH`` costs, s, and a radian of turning towards the place."""
SIDE, CROSSING = 0.1, 2.0
"""A robot that is farther aside than this (m) changes sides only if it saves so much, s."""
WALKS = 0.2
"""From this speed on somebody's direction is that of their velocity, m/s."""
PASSES, BEHIND = 0.3, 0.1
"""Whoever walks faster than this (m/s) with the robot farther behind them than this (m) has passed
it."""
ROOM = 1.15
"""Between somebody and the place to wait at, m."""
REACH = 3.0
"""The place is within this, m."""
ARM, INCH = 0.9, 0.15
"""The way to the place leads no nearer than this to the person, m, and no nearer than the robot
is but for so much."""
FARTHER = 0.5
"""A place that is a metre beyond 1.6 m of the person is worth so many seconds less."""


def wants_to_pass(known: Known, pose: Float[np.ndarray, "3"], still: bool = False) -> bool:
    """Whether they are on their way to where the robot is; ``still``: it was so a moment ago."""
    off = pose[:2] - known.xy
    distance = float(np.hypot(*off))
    closing = float(known.velocity @ off) / max(distance, 1e-6)
    speed = float(np.hypot(*known.velocity))
    if still and (closing > 0.0 or distance < ROOM):
        return distance < NEAR
    if closing < COMES or distance > NEAR:
        return False
    aside = abs(float(known.velocity[0] * off[1] - known.velocity[1] * off[0])) / speed
    return aside < WIDTH + SPREAD * distance


def has_passed(known: Known, pose: Float[np.ndarray, "3"]) -> bool:
    """Whether they walk on with the robot behind them: it may follow again at once."""
    speed = float(np.hypot(*known.velocity))
    along = float(known.velocity @ (pose[:2] - known.xy)) / max(speed, 1e-6)
    return speed > PASSES and along < -BEHIND


def lane_of(
    known: Known, pose: Float[np.ndarray, "3"], before: Float[np.ndarray, "2"] | None
) -> Float[np.ndarray, "2"]:
    """The direction they want to go in: where they walk; who hardly moves came for the robot."""
    speed = float(np.hypot(*known.velocity))
    if speed > WALKS:
        return known.velocity / speed
    towards = pose[:2] - known.xy
    return towards / max(float(np.hypot(*towards)), 1e-6) if before is None else before


def in_their_way(
    known: Known,
    lane: Float[np.ndarray, "2"],
    xy: Float[np.ndarray, "N 2"],
    half_width: float = WIDTH,
) -> Bool[np.ndarray, "N"]:
    """Places on the lane that they have ahead of them."""
    along, aside = _on_lane(known, lane, xy)
    return (along > -0.4) & (np.abs(aside) < half_width + SPREAD * np.maximum(along, 0.0))


def _on_lane(known: Known, lane: Float[np.ndarray, "2"], xy: Float[np.ndarray, "N 2"]):
    off = xy - known.xy
    return off @ lane, lane[0] * off[:, 1] - lane[1] * off[:, 0]


def place_aside(
    route: Route, known: Known, pose: Float[np.ndarray, "3"], lane: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "2"] | None:
    """The place out of their way that is soonest reached, in sight of them if there is one."""
    house = route.house_map
    rows, columns = np.indices(house.occupancy.shape)
    x = house.origin[0] + house.resolution * columns
    y = house.origin[1] + house.resolution * rows
    arm = min(ARM, float(np.hypot(*(known.xy - pose[:2]))) - INCH)
    person = np.hypot(x - known.xy[0], y - known.xy[1]) < arm
    try:
        around = redirect(dataclasses.replace(route, avoided=person), pose, tuple(pose))
    except InputError:
        return None
    seconds = around.searched.found.values[1:-1, 1:-1]
    near = np.isfinite(seconds) & (np.hypot(x - pose[0], y - pose[1]) < REACH) & ~person
    row, column = np.nonzero(near & np.isfinite(around.searched.slowness[1:-1, 1:-1]))
    xy = np.stack([x[row, column], y[row, column]], axis=-1)
    away = np.hypot(*(xy - known.xy).T)
    fits = ~in_their_way(known, lane, xy, NARROW) & (away >= ROOM)
    if not fits.any():
        return None
    xy, away = xy[fits], away[fits]
    pace = house.resolution / around.searched.body.speed
    cost = pace * seconds[row, column][fits] + FARTHER * np.maximum(away - 1.6, 0.0)
    along, aside = _on_lane(known, lane, xy)
    cost = cost + TIGHT * np.maximum(WIDTH - np.abs(aside), 0.0) * (along > 0.0)
    off = xy - pose[:2]
    turn = np.remainder(np.arctan2(off[:, 1], off[:, 0]) - pose[2] + np.pi, 2 * np.pi) - np.pi
    cost = cost + TURNING * np.abs(turn)
    # to the side on which it is already: changing sides in front of somebody holds them up
    own = float(_on_lane(known, lane, pose[None, :2])[1][0])
    if abs(own) > SIDE:
        cost = cost + CROSSING * (aside * own < 0.0)
    order = np.argsort(cost)
    blocked = around.closed | around.seen_blocked
    for k in order[:: max(len(order) // 60, 1)]:
        share = np.linspace(0.0, 1.0, max(math.ceil(away[k] / house.resolution), 2))[:, None]
        i, j, _ = house.cell_of(xy[k] + share * (known.xy - xy[k]))
        if not blocked[i, j].any():
            return xy[k]
    return xy[order[0]]
