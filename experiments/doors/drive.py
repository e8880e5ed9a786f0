"""One trip: follow the field, see doors on the way, choose again when there is news.

Time is the field's own (cruising speed, slower beside walls).  A door is seen as soon as the
robot is within 3 m of it with a free line of sight; doors do not change during a trip.
"""

from collections.abc import Callable

import numpy as np

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.route.field import (
    components,
    guide_path,
    passing_radius,
    solve_field,
    traversal_speed,
)
from astro_jax.route.passages import Passages, passages_of, sight_of, times_from, with_shut

Shut = frozenset[int]
Known = dict[int, bool]
Chooser = Callable[[np.ndarray, Known], Shut]
"""Where the robot is, what it has seen on this trip: the doors to be taken for shut."""


class Home:
    """A map with doors, and everything about it that is used more than once."""

    def __init__(self, house, doors, places: int, seed: int):
        self.passages: Passages = passages_of(house, DEFAULT_ROBOT, doors)
        self.house, self.doors = house, doors
        self.seen_open = [sight_of(house, house.blocked, door).reshape(-1) for door in doors]
        self.seen_shut = [sight_of(house, self.passages.shut, d).reshape(-1) for d in doors]
        self.places = self._drawn_places(places, np.random.default_rng(seed))
        self._fields, self._paths, self._times, self._parts, self._blocked = {}, {}, {}, {}, {}

    def _drawn_places(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Spread over the rooms: every part of the home has its turn."""
        speed = traversal_speed(
            self.passages.shut, self.house.resolution, passing_radius(DEFAULT_ROBOT) + 0.1
        )
        parts = self.passages.region
        big = [p for p in range(1, parts.max() + 1) if np.sum((parts == p) & (speed > 0)) > 400]
        chosen = []
        for k in range(count):
            cells = np.argwhere((parts == big[k % len(big)]) & (speed > 0.0))
            chosen.append(self.house.xy_of(cells[rng.integers(len(cells))]))
        return np.array(chosen)

    def blocked(self, shut: Shut) -> np.ndarray:
        if shut not in self._blocked:
            self._blocked[shut] = with_shut(self.house, [self.doors[k] for k in sorted(shut)])
        return self._blocked[shut]

    def joined(self, xy, goal: int, shut: Shut) -> bool:
        """Whether the robot gets from a place to the goal."""
        if shut not in self._parts:
            radius = passing_radius(DEFAULT_ROBOT)
            speed = traversal_speed(self.blocked(shut), self.house.resolution, radius)
            self._parts[shut] = components(speed > 0.0)
        parts = self._parts[shut]
        return parts[self.house.cell_of(xy)[:2]] == parts[self.house.cell_of(self.places[goal])[:2]]

    def field(self, goal: int, shut: Shut):
        if (goal, shut) not in self._fields:
            x, y = self.places[goal].tolist()
            self._fields[goal, shut] = solve_field(
                self.house, self.blocked(shut), (x, y, 0.0), DEFAULT_ROBOT
            )
        return self._fields[goal, shut]

    def to_go(self, xy, goal: int, shut: Shut) -> float:
        row, column, _ = self.house.cell_of(xy)
        return float(np.asarray(self.field(goal, shut).cost_to_go.table)[row, column, 0])

    def path(self, xy, goal: int, shut: Shut) -> np.ndarray:
        key = (tuple(np.round(xy, 3).tolist()), goal, shut)
        if key not in self._paths:
            self._paths[key] = guide_path(self.field(goal, shut), xy, step=0.1)
        return self._paths[key]

    def times(self, xy) -> np.ndarray:
        key = tuple(np.round(xy, 3).tolist())
        if key not in self._times:
            if len(self._times) > 2000:
                self._times.clear()
            self._times[key] = times_from(self.passages, xy).astype(np.float32)
        return self._times[key]

    def in_sight(self, xy, closed: Shut) -> list[int]:
        """Doors that are seen from a place, through the doors that are open in truth."""
        row, column, _ = self.house.cell_of(xy)
        cell = row * self.house.occupancy.shape[1] + column
        return [
            k
            for k in range(len(self.doors))
            if self.seen_shut[k][cell]
            or (self.seen_open[k][cell] and self._clear(xy, k, closed - {k}))
        ]

    def _clear(self, xy, door: int, closed: Shut) -> bool:
        middle = np.mean(self.doors[door].jambs, axis=0)
        line = xy + np.linspace(0.0, 1.0, 120)[:, None] * (middle - xy)
        row, column, _ = self.house.cell_of(line)
        shut = self.blocked(closed) & ~self.house.blocked
        return not shut[row, column].any()


def trip(home: Home, start: int, goal: int, truth: np.ndarray, choose: Chooser):
    """Seconds on the way, and what was seen of the doors."""
    closed = frozenset(np.flatnonzero(~truth).tolist())
    known: Known = {}
    xy, spent = home.places[start], 0.0
    while True:
        for door in home.in_sight(xy, closed):
            known[door] = bool(truth[door])
        shut = choose(xy, dict(known))
        path = home.path(xy, goal, shut)
        begin = home.to_go(xy, goal, shut)
        for at in path[1:]:
            news = [door for door in home.in_sight(at, closed) if door not in known]
            if news:
                known.update({door: bool(truth[door]) for door in news})
                # as in the package, only a door that is not as the field has it is news
                if all(bool(truth[door]) != (door in shut) for door in news):
                    continue
                if choose(at, dict(known)) != shut:
                    spent += begin - home.to_go(at, goal, shut)
                    xy = at
                    break
        else:
            return spent + begin, known


def oracle_time(home: Home, start: int, goal: int, truth: np.ndarray) -> float:
    """Of one who knows all doors; infinite if there is no way."""
    closed = frozenset(np.flatnonzero(~truth).tolist())
    if not home.joined(home.places[start], goal, closed):
        return float("inf")
    return home.to_go(home.places[start], goal, closed)
