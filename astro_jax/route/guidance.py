"""A route under way: what the robot sees is held against it, and whether it gets anywhere. [host]

Looks of the local map come in; the route that guides from now on goes out.  Three things make a
new search worth its time: the map is contradicted (``planner.revise``), what contradicted it is
gone, or the robot has not come nearer to the goal for a while.  Then whatever stands about, people
who do not move included, counts as a wall for some time: there may be a way around.  If there is
none and somebody stands before the robot, it makes way for them (``route/lay_by.py``).

Around people it goes sooner: when it has waited for as long as the other way is longer.  Whoever
does so loses at most twice what the best choice would have cost, however long they stand there
(ski rental: Karlin, Manasse, Rudolph & Sleator, "Competitive snoopy caching", 1988).  The local
planner does not find that way by itself: its horizon ends before it pays, so on an open floor
robots stood a third of a metre before somebody who stood there, until the time was out.

Where nobody is about there is nobody to wait for: a robot that is wedged in goes back to where it
can turn, and comes again (``route/room_to_turn.py``).
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from astro_jax.route.house import Numbers
from astro_jax.route.lay_by import lay_by
from astro_jax.route.planner import Route, avoid, revise
from astro_jax.route.room_to_turn import has_room, room_to_turn
from astro_jax.types import Grid

WITHOUT_PROGRESS = 20.0
"""A robot whose cost-to-go has not fallen for so long is held up, s.

Most people walk on: on twenty busy errands through the flat (half a second late) 6 s gave one
contact, two errands not done in a minute and 28.5 s, 20 s no contact, one not done and 24.3 s, no
detours at all neither and 23.1 s.
"""
PATIENT = 3.0
"""After so long it goes around whoever stands, if that takes no longer than it has waited, s."""
PROGRESS = 0.5
"""By how much it has to fall to count, s."""
DETOUR = 20.0
"""For so long what holds the robot up counts as a wall, s."""
MAKES_WAY = 15.0
"""For so long it leaves the way to somebody who stands before it, s."""
WEDGED, ALONE = 4.0, 2.5
"""After so long (s) without anybody so near (m) it goes back to where it can turn."""
BACKS, THERE = 8.0, 0.2
"""For that it has so long at most (s), or until it is so near to that place (m)."""
NEARLY = 1.0
"""A goal this near (s) is not given up for it."""
STANDING = 0.15
"""Whoever is tracked to be slower than this stands, m/s."""
NOWHERE = np.empty((0, 2))
"""No places."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What the robot knows of its surroundings at a moment."""

    local_map: Grid
    pose: Float[np.ndarray, "3"]
    """In the house."""
    house_from_map: Float[np.ndarray, "3"]
    """Places the local map, and people."""
    standing_map: Float[np.ndarray, "n 2"]
    """People and other bodies that do not move, m."""
    walking_map: Float[np.ndarray, "m 2"]
    """Those that do, m."""
    time: float
    """Monotonic, s."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guidance:
    """A route, and how the drive along it goes."""

    route: Route
    least: float = math.inf
    """The least cost-to-go so far, s."""
    since: float = math.inf
    """When it was reached, s; inf before the first look."""
    detour_until: float = -math.inf
    onward: Route | None = None
    """While the robot makes way until then: the way that it takes up again."""
    went_around: bool = False
    """Whether it has gone around whoever stands since it last came nearer."""
    turned: bool = False
    """Whether it has gone back to turn since then."""


def look_again(before: Guidance, look: Look) -> Guidance:
    """The guidance after a look; the same object if nothing has changed."""
    route, until = before.route, before.detour_until
    if before.onward is not None:
        return _making_way(before, before.onward, look)
    over = until < look.time and math.isfinite(until)
    if over:
        route, until = avoid(route, look.pose, NOWHERE, NOWHERE), -math.inf
    route = revise(route, look.local_map, look.pose, look.house_from_map)
    to_go = route.to_go(look.pose)
    if over or not math.isfinite(before.since):
        began = Guidance(route=route, least=to_go, since=look.time, detour_until=until)
        return dataclasses.replace(began, went_around=before.went_around)
    if route is not before.route:
        # the same place costs more or less by now: that is no progress
        least = before.least + to_go - before.route.to_go(look.pose)
        least = least if math.isfinite(least) else to_go
        before = dataclasses.replace(before, route=route, least=least)
    if to_go < before.least - PROGRESS:
        nearer = dataclasses.replace(before, least=to_go, since=look.time)
        return dataclasses.replace(nearer, went_around=False, turned=False)
    if look.time - before.since <= WITHOUT_PROGRESS:
        if _wedged(before, look, to_go):
            return _turning(before, look)
        return _around_people(before, look, to_go)
    things, bodies = in_the_way(look)
    route = avoid(route, look.pose, things, bodies)
    if route is not before.route:
        to_go, until = route.to_go(look.pose), look.time + DETOUR
        return Guidance(route=route, least=to_go, since=look.time, detour_until=until)
    aside = lay_by(route, look.pose, bodies)
    if aside is None:
        return dataclasses.replace(before, least=to_go, since=look.time)
    return Guidance(route=aside, detour_until=look.time + MAKES_WAY, onward=route)


def _around_people(before: Guidance, look: Look, to_go: float) -> Guidance:
    """Around whoever stands, once it has waited for as long as that is longer.

    Not while it is on a detour already, whose walls would be forgotten; and only once before it
    has come nearer again, or a way that leads nowhere would be tried for ever.
    """
    waited = look.time - before.since
    if waited < PATIENT or before.went_around or math.isfinite(before.detour_until):
        return before
    around = avoid(before.route, look.pose, NOWHERE, in_the_way(look)[1])
    longer = around.to_go(look.pose) - to_go
    if around is before.route or not longer <= waited:
        return before
    return Guidance(
        route=around,
        least=to_go + longer,
        since=look.time,
        detour_until=look.time + DETOUR,
        went_around=True,
    )


def _wedged(before: Guidance, look: Look, to_go: float) -> bool:
    """Held up in between things, short of its goal, with nobody about.

    Once before it has come nearer again, and not on a detour, whose walls would be forgotten.
    """
    waited = look.time - before.since
    if waited < WEDGED or before.turned or math.isfinite(before.detour_until) or to_go < NEARLY:
        return False
    others = np.concatenate([np.asarray(look.standing_map), np.asarray(look.walking_map)])
    if np.any(np.hypot(*(_in_house(look, others) - look.pose[:2]).T) < ALONE):
        return False
    return not has_room(before.route, look.pose)


def _turning(before: Guidance, look: Look) -> Guidance:
    back = room_to_turn(before.route, look.pose)
    if back is None:
        return dataclasses.replace(before, turned=True)
    until = look.time + BACKS
    return dataclasses.replace(
        before, route=back, detour_until=until, onward=before.route, turned=True
    )


def _has_room(before: Guidance, look: Look) -> bool:
    """Whether it is back where it can turn."""
    x, y, _ = before.route.goal_map
    return before.turned and math.hypot(look.pose[0] - x, look.pose[1] - y) < THERE


def _making_way(before: Guidance, onward: Route, look: Look) -> Guidance:
    if look.time <= before.detour_until and not _has_room(before, look):
        route = revise(before.route, look.local_map, look.pose, look.house_from_map)
        return before if route is before.route else dataclasses.replace(before, route=route)
    route = revise(onward, look.local_map, look.pose, look.house_from_map)
    to_go = route.to_go(look.pose)
    if not before.turned:
        return Guidance(route=route, least=to_go, since=look.time)
    # to come back to where it was wedged in is no progress
    least = before.least + to_go - onward.to_go(look.pose)
    return dataclasses.replace(
        before,
        route=route,
        least=least if math.isfinite(least) else to_go,
        since=look.time,
        detour_until=-math.inf,
        onward=None,
    )


def in_the_way(look: Look) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "m 2"]]:
    """Places in the house where something stands: occupied cells of the local map; bodies."""
    rows, columns = np.nonzero(np.asarray(look.local_map.values) > 0.0)
    cells = np.stack([columns, rows], axis=-1) * float(look.local_map.resolution)
    cells = cells + np.asarray(look.local_map.origin)
    return _in_house(look, cells), _in_house(look, np.asarray(look.standing_map))


def by_motion(
    xy_map: Numbers, velocity_map: Numbers, valid: Numbers
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "m 2"]]:
    """Where those of the tracks stand who do, and where the others are, m."""
    xy, there = np.asarray(xy_map), np.asarray(valid, bool)
    slow = np.hypot(*np.asarray(velocity_map).T) < STANDING
    return xy[there & slow], xy[there & ~slow]


def _in_house(look: Look, xy: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    x, y, turn = (float(v) for v in look.house_from_map)
    c, s = math.cos(turn), math.sin(turn)
    return np.stack([x + c * xy[:, 0] - s * xy[:, 1], y + s * xy[:, 0] + c * xy[:, 1]], axis=-1)
