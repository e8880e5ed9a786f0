"""How to choose: without a memory, by what was seen last, and by habits and odds."""

import functools

import numpy as np
from drive import Home, Known, Shut
from habits import DAY, KINDS, MONDAY, merged

from astro_jax.route.chain import Belief, default_habit, expect, observe, predict
from astro_jax.route.gamble import best_gamble
from astro_jax.route.habit import Record, added, empty_tally, learn
from astro_jax.route.history import KEPT

WEEK, SLOT = 7 * DAY, 300.0


class NoMemory:
    """Every door is open until it is seen shut; after the trip all is forgotten."""

    name = "no memory"

    def __init__(self, home: Home):
        self.home = home

    def chooser(self, goal: int, time: float):
        return lambda xy, known: closed_ones(known)

    def learn(self, known: Known, time: float) -> None:
        pass


class LastSeen(NoMemory):
    """Every door is as it was seen last, for ever; where that leaves no way, it may be open."""

    name = "last seen"

    def __init__(self, home: Home):
        super().__init__(home)
        self.last: Known = {}

    def chooser(self, goal: int, time: float):
        def choose(xy, known: Known) -> Shut:
            shut = closed_ones({**self.last, **known})
            return shut if self.home.joined(xy, goal, shut) else closed_ones(known)

        return choose

    def learn(self, known: Known, time: float) -> None:
        self.last.update(known)


class Habits(NoMemory):
    """The package's: chains with learned habits, and the way of least expected time."""

    name = "habits and odds"

    def __init__(self, home: Home):
        super().__init__(home)
        doors = range(len(home.doors))
        self.habit = {k: default_habit() for k in doors}
        self.belief: dict[int, Belief] = {}
        self.record: dict[int, list[tuple[float, bool]]] = {k: [] for k in doors}
        self.tally = {k: empty_tally() for k in doors}
        self.learned = -np.inf

    def believed(self, door: int, time: float) -> float:
        known = self.belief.get(door)
        habit = self.habit[door]
        return (expect(habit, time) if known is None else predict(habit, known, time)).open

    def chooser(self, goal: int, time: float):
        if time - self.learned >= DAY:
            self._learn_habits(time)
        chance = np.array([self.believed(k, time) for k in range(len(self.home.doors))])
        from_goal = self.home.times(self.home.places[goal])

        def choose(xy, known: Known) -> Shut:
            now = chance.copy()
            for door, opened in known.items():
                now[door] = float(opened)
            gamble = best_gamble(
                self.home.passages, self.home.times(xy), from_goal, tuple(xy.tolist()), now
            )
            return frozenset(self.home.passages.number(name) for name in gamble.shut)

        return choose

    def learn(self, known: Known, time: float) -> None:
        for door, opened in known.items():
            habit = self.habit[door]
            before = self.belief.get(door) or expect(habit, time)
            self.belief[door] = observe(habit, before, time, opened)
            self.record[door].append((time, opened))

    def _learn_habits(self, time: float) -> None:
        for door, rows in self.record.items():
            if len(rows) > 2 * KEPT:
                old = _record(rows[:-KEPT])
                self.tally[door] = added(self.tally[door], old, self.habit[door])
                del rows[:-KEPT]
            self.habit[door] = learn(_record(rows), time, self.tally[door], guess=self.habit[door])
        self.learned = DAY * np.floor(time / DAY)


class KnowsHabits(Habits):
    """The same choice, by odds from three hundred draws of what the doors really do.

    Nobody has these odds: how a door of this kind is on this day at this time, given what was
    seen of it last.  It shows what a memory of the last sight and the habits could bring.
    """

    name = "knows the habits"

    def __init__(self, home: Home, kinds: list[str]):
        super().__init__(home)
        self.draws = [_draws(kind) for kind in kinds]
        self.last: dict[int, tuple[float, bool]] = {}

    def believed(self, door: int, time: float) -> float:
        since, states = time - MONDAY, self.draws[door]
        slot = _slot(2 * WEEK + since % WEEK)
        share = states[:, slot].mean()
        if door in self.last:
            before, opened = self.last[door]
            elapsed = time - before
            if elapsed < 2 * WEEK:
                alike = states[:, _slot(2 * WEEK + since % WEEK - elapsed)] == opened
                # half a draw of the unconditioned share, should there be none alike
                share = (states[alike, slot].sum() + 0.5 * share) / (alike.sum() + 0.5)
        return float(np.clip(share, 0.01, 0.99))

    def learn(self, known: Known, time: float) -> None:
        self.last.update({door: (time, opened) for door, opened in known.items()})

    def _learn_habits(self, time: float) -> None:
        self.learned = np.inf


def _slot(since: float) -> int:
    return int(since / SLOT)


@functools.cache
def _draws(kind: str) -> np.ndarray:
    """Whether doors of that kind are open, in slots of five minutes of three weeks and a bit."""
    rng = np.random.default_rng([7, list(KINDS).index(kind)])
    at = SLOT * (0.5 + np.arange(_slot(3 * WEEK) + 1))
    found = []
    for _ in range(300):
        begin, end = np.array(merged(KINDS[kind](rng, 22))).T
        which = np.searchsorted(begin, at, side="right") - 1
        found.append(~((which >= 0) & (at < end[np.maximum(which, 0)])))
    return np.array(found)


def _record(rows: list[tuple[float, bool]]) -> Record:
    return Record(
        time=np.array([t for t, _ in rows], np.float64), open=np.array([o for _, o in rows], bool)
    )


def closed_ones(known: Known) -> Shut:
    return frozenset(door for door, opened in known.items() if not opened)
