"""Doors in the robot's daily round: look, remember, and choose the way by it.        [host]

In every cycle ``notice`` takes the local map and notes down what it shows of the doors; at
the beginning of a drive ``remembered_route``, and after news ``reconsider``, turn what is
known into a ``Route`` whose field leads where the expected time is least.  ``learn_habits``
belongs in the night.

A history that cannot be written stops nobody: there is a warning, and the drive goes on with
what it has seen itself.
"""

import dataclasses
import math
import time as clocks
import warnings
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from astro_jax.errors import InputError, StorageError, UnreachableError
from astro_jax.route.chain import DAY, Belief, default_habit, expect, observe, predict
from astro_jax.route.doors import door_cells
from astro_jax.route.gamble import Gamble, best_gamble
from astro_jax.route.habit import learn
from astro_jax.route.history import History
from astro_jax.route.house import Numbers
from astro_jax.route.passages import Passages, times_from, with_shut
from astro_jax.route.planner import Route, plan_route, revise
from astro_jax.route.sightings import Sighting, sighting
from astro_jax.types import Grid
from astro_jax.world.grid import HIGH

AGAIN = 60.0
"""The same sight of the same door is noted down again after this time, s."""
FRESH = 120.0
"""For so long a door counts as being what it was seen to be, s."""
BESIDE_DOOR = 3
"""Cells around a door in which what was seen blocked was the door."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """The last sight of a door."""

    open: bool
    time: float
    """Civil, s."""


def civil_time(unix: float | None = None) -> float:
    """What the clock on the wall shows, as seconds since its 1970-01-01 00:00."""
    unix = clocks.time() if unix is None else unix
    return unix + clocks.localtime(unix).tm_gmtoff


def notice(
    history: History,
    passages: Passages,
    seen: Mapping[str, Seen],
    local_map: Grid,
    time: float,
    house_from_map: Numbers = (0.0, 0.0, 0.0),
) -> dict[str, Seen]:
    """What has been seen of the doors, this look included, which is noted down.

    Raises:
      InputError: ``time`` is no civil time.
    """
    latest = dict(seen)
    for k, door in enumerate(passages.doors):
        if not math.isfinite(passages.crossing[k]):
            continue  # no way leads there; where the map itself shows a wall, it would look shut
        sight = sighting(door, local_map, passages.robot, house_from_map)
        if sight == Sighting.HIDDEN:
            continue
        opened, before = sight == Sighting.OPEN, seen.get(door.name)
        if before and before.open == opened and 0.0 <= time - before.time < AGAIN:
            continue
        latest[door.name] = Seen(open=opened, time=time)
        remember(history, door.name, time, opened, "local map")
    return latest


def remember(history: History, door: str, time: float, opened: bool, source: str) -> None:
    """Note down one sighting and what is believed after it.

    Raises:
      InputError: ``time`` is no civil time, or the name is impossible.
    """
    habit, _ = history.habit(door) or (default_habit(), 0.0)
    before = history.belief(door) or expect(habit, time)
    after = observe(habit, before, time, opened)
    try:
        history.append(door, time, opened, source, after)
    except StorageError as error:
        warnings.warn(f"a sighting is not kept: {error}", RuntimeWarning, stacklevel=2)


def believed(history: History, door: str, time: float) -> Belief:
    """How probable it is that a door is open at a civil time.

    Raises:
      InputError: ``time`` is no civil time.
    """
    habit, _ = history.habit(door) or (default_habit(), 0.0)
    belief = history.belief(door)
    return expect(habit, time) if belief is None else predict(habit, belief, time)


def learn_habits(history: History, time: float) -> int:
    """Learn again, from the whole record, what is older than a day; how many doors that were.

    Raises:
      InputError: ``time`` is no civil time.
      StorageError: a habit could not be kept.
    """
    count = 0
    for door in history.doors:
        known = history.habit(door)
        if known and 0.0 <= time - known[1] < DAY:
            continue
        guess = known[0] if known else None
        habit = learn(history.record(door), time, history.tally(door), guess=guess)
        history.keep_habit(door, habit, time)
        count += 1
    return count


def chances(
    history: History, passages: Passages, seen: Mapping[str, Seen], time: float
) -> Float[np.ndarray, "n"]:
    """Per door, how probable it is that it is open; 0 or 1 for what was seen just now."""
    found = []
    for door in passages.doors:
        last = seen.get(door.name)
        if last and 0.0 <= time - last.time < FRESH:
            found.append(float(last.open))
        else:
            found.append(believed(history, door.name, time).open)
    return np.array(found, np.float64)


def remembered_route(
    history: History,
    passages: Passages,
    start: Numbers,
    goal: Numbers,
    time: float,
    seen: Mapping[str, Seen] | None = None,
) -> tuple[Route, Gamble]:
    """The route of least expected time from ``start`` to ``goal`` (x, y, yaw), and why.

    Doors that its field takes for shut are in ``seen_blocked``: seen free, they are open.

    Raises:
      InputError: start, goal or time is unusable.
      UnreachableError: no states of the doors that are possible leave a way.
    """
    house, here = passages.house_map, np.asarray(start, np.float64)[:2]
    fresh = plan_route(house, passages.robot, start, goal)  # refuses what has no answer
    gamble = best_gamble(
        passages,
        times_from(passages, here),
        times_from(passages, np.asarray(goal, np.float64)[:2]),
        (float(here[0]), float(here[1])),
        chances(history, passages, seen or {}, time),
    )
    shut = [door for door in passages.doors if door.name in gamble.shut]
    route = _with_blocked(fresh, with_shut(house, shut) & ~fresh.closed, start)
    if route.failure:
        raise route.failure
    return route, gamble


def _with_blocked(route: Route, cells: Bool[np.ndarray, "H W"], pose: Numbers) -> Route:
    """The route after a look that shows these cells blocked, and nothing else."""
    house = route.house_map
    sight = Grid(
        values=jnp.asarray(np.where(cells, HIGH, 0.0), jnp.float32),
        origin=jnp.asarray(house.origin, jnp.float32),
        resolution=jnp.asarray(house.resolution, jnp.float32),
    )
    return revise(route, sight, pose)


def reconsider(
    route: Route,
    gamble: Gamble,
    history: History,
    passages: Passages,
    seen: Mapping[str, Seen],
    pose: Numbers,
    time: float,
) -> tuple[Route, Gamble]:
    """The route after a look; searched again if a door is not as its field has it.

    What the robot has seen blocked elsewhere stays blocked.  If no way is left the last field
    stays, and ``failure`` says why.

    Raises:
      InputError: ``time`` is no civil time.
    """
    surprises = [
        name
        for name, last in seen.items()
        if 0.0 <= time - last.time < FRESH and last.open == (name in gamble.shut)
    ]
    if not surprises:
        return route, gamble
    try:
        found, chosen = remembered_route(history, passages, pose, route.goal_map, time, seen)
    except UnreachableError as failure:
        return dataclasses.replace(route, failure=failure), gamble
    except InputError:
        return route, gamble  # too close to something to start from: the field still leads out
    elsewhere = route.seen_blocked & ~_beside_doors(passages)
    if np.any(elsewhere & ~found.seen_blocked):
        found = _with_blocked(found, elsewhere, pose)
    return dataclasses.replace(found, searches=route.searches + 1), chosen


def _beside_doors(passages: Passages) -> Bool[np.ndarray, "H W"]:
    cells = np.zeros(passages.shut.shape, bool)
    for door in passages.doors:
        rows, columns = door_cells(passages.house_map, door)
        cells[rows, columns] = True
    return np.asarray(ndimage.binary_dilation(cells, iterations=BESIDE_DOOR), bool)
