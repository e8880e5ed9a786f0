"""How to choose: without a memory, by what was seen last, and by habits and odds."""

import numpy as np
from drive import Home, Known, Shut

from astro_jax.route.chain import DAY, Belief, default_habit, expect, observe, predict
from astro_jax.route.gamble import best_gamble
from astro_jax.route.habit import Record, added, empty_tally, learn
from astro_jax.route.history import KEPT


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


def _record(rows: list[tuple[float, bool]]) -> Record:
    return Record(
        time=np.array([t for t, _ in rows], np.float64), open=np.array([o for _, o in rows], bool)
    )


def closed_ones(known: Known) -> Shut:
    return frozenset(door for door, opened in known.items() if not opened)
