"""Which way to go when nobody knows which doors are open.                           [host]

Travel times between doors, and how probable it is that each is open, come in; the door to go
for first, what that costs on average, and which doors the field for the local layer takes
to be open go out.

It is the Canadian traveller's problem for a few doors: a door's state is learned by going
where it is seen, and what is learned stays.  With K the knowledge of up to ``MOST`` doors
(open, closed, unknown), i a place and ℓ one from which door d is seen, the least expected
time to the goal is

  W(i, K) = min( D_K(i, goal),  min_{d, ℓ} D_K(i, ℓ) + p_d·W(ℓ, K + d open)
                                                   + (1 − p_d)·W(ℓ, K + d closed) ),

D_K being the travel time through doors known to be open.  Doors that matter little are taken
to be in their likelier state.  Sources: C. H. Papadimitriou and M. Yannakakis, Shortest paths
without a map (1991); G. H. Polychronopoulos and J. N. Tsitsiklis, Stochastic shortest path
problems with recourse (1996).
"""

import dataclasses
import itertools
import math

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.errors import InputError, UnreachableError
from astro_jax.route.passages import Passages, front_times

MOST = 3
"""Doors whose states are enumerated."""
CERTAIN = 0.03
"""Probability from which a door counts as known."""
STRANDED = 300.0
"""What it costs to stand before the last closed door, s: about the time until somebody opens."""
LEAST_GAIN = 0.1
"""Looking for the sake of less is looking for the errors of travel times, s."""

UNKNOWN, OPEN, CLOSED = 0, 1, 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gamble:
    """What to do first, and what that is worth."""

    first: str | None
    """The door to go and look at; None: the way is known."""
    expected: float
    """Time to the goal on average, s."""
    sure: float
    """Time to the goal through doors that are taken for open without a look, s."""
    shut: tuple[str, ...]
    """Doors that the field for the local layer has to take for shut: all but those that are
    known or taken to be open, and those that are looked at as long as they turn out open."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Problem:
    """The graph of one question; nodes are the fronts, then the start, then the goal."""

    passages: Passages
    chance: Float[np.ndarray, "n"]
    base: Float[np.ndarray, "N N"]
    """Travel times with the relevant doors shut, s."""
    relevant: tuple[int, ...]
    stranded: float
    to_lookouts: dict[int, Float[np.ndarray, "N c"]]
    """Per front of a relevant door: from every node to the places from which it is seen."""


def best_gamble(
    passages: Passages,
    from_start: Float[np.ndarray, "H W"],
    from_goal: Float[np.ndarray, "H W"],
    start: tuple[float, float],
    chance: Float[np.ndarray, "n"],
    stranded: float = STRANDED,
) -> Gamble:
    """The policy of least expected time, as far as it says what to do now.

    Args:
      passages: the home.
      from_start: ``times_from`` the start.
      from_goal: ``times_from`` the goal.
      start: where the robot is, m.
      chance: per door, how probable it is that it is open; exactly 0 or 1 for one in sight.
      stranded: what it costs to find the last way closed, s.

    Raises:
      InputError: a probability is none.
      UnreachableError: even if all doors that are not known to be closed were open, there
        would be no way.
    """
    count = len(passages.doors)
    if chance.shape != (count,) or not np.all((chance >= 0.0) & (chance <= 1.0)):
        raise InputError("chance", chance.tolist(), f"{count} probabilities")
    apart = _apart(passages, from_start, from_goal, start)
    closed = chance <= CERTAIN
    if not math.isfinite(_closure(passages, apart, ~closed)[-2, -1]):
        closed = chance <= 0.0  # the only way may be opened after all
    if not math.isfinite(_closure(passages, apart, ~closed)[-2, -1]):
        raise UnreachableError(
            "goal", "behind closed doors", "a place that can be reached", passages.house_map.name
        )
    relevant = _relevant(passages, apart, chance, closed)
    taken = ~closed & (chance >= 0.5)
    taken[list(relevant)] = False
    base = _closure(passages, apart, taken)
    problem = _Problem(
        passages=passages,
        chance=chance,
        base=base,
        relevant=relevant,
        stranded=stranded,
        to_lookouts=_to_lookouts(passages, relevant, from_start, from_goal),
    )
    values, looks = _solve(problem)
    nothing = (UNKNOWN,) * len(relevant)
    hoped = _hoped_for(problem, values, looks)
    first = looks[nothing].get(len(base) - 2)
    shut = ~taken
    shut[hoped] = False
    if not math.isfinite(_closure(passages, apart, ~shut)[-2, -1]):
        shut = closed  # not worth the while, but better than to stand still
    return Gamble(
        first=None if first is None else passages.doors[first[0]].name,
        expected=float(values[nothing][-2]),
        sure=float(base[-2, -1]),
        shut=tuple(door.name for door, no in zip(passages.doors, shut, strict=True) if no),
    )


Knowledge = tuple[int, ...]
Look = tuple[int, int, int]
"""Door, front on whose side, and which of that front's lookouts."""


def _solve(
    problem: _Problem,
) -> tuple[dict[Knowledge, Float[np.ndarray, "N"]], dict[Knowledge, dict[int, Look]]]:
    """W(·, K) for all nodes, and where to look first from those from which it pays."""
    values: dict[Knowledge, np.ndarray] = {}
    looks: dict[Knowledge, dict[int, Look]] = {}
    states = itertools.product((UNKNOWN, OPEN, CLOSED), repeat=len(problem.relevant))
    # More is known after a look than before.
    for known in sorted(states, key=lambda states: states.count(UNKNOWN)):
        way = _known_ways(problem, known)
        best = np.minimum(way[:, -1], problem.stranded)
        choice: dict[int, Look] = {}
        for place, door in enumerate(problem.relevant):
            if known[place] != UNKNOWN:
                continue
            p = float(problem.chance[door])
            after = [values[_learned(known, place, state)] for state in (OPEN, CLOSED)]
            for front in (2 * door, 2 * door + 1):
                reach = problem.to_lookouts[front]
                if reach.shape[1] == 0:
                    continue
                on = [np.min(reach + value[:, None], axis=0) for value in after]
                through = reach + (p * on[0] + (1.0 - p) * on[1])
                cell = np.argmin(through, axis=1)
                looked = way + through[np.arange(len(way)), cell]
                entry = np.argmin(looked, axis=1)
                cost = looked[np.arange(len(way)), entry]
                for node in np.flatnonzero(cost < best - LEAST_GAIN):
                    best[node] = cost[node]
                    choice[int(node)] = (door, front, int(cell[entry[node]]))
        values[known], looks[known] = best, choice
    return values, looks


def _hoped_for(
    problem: _Problem,
    values: dict[Knowledge, Float[np.ndarray, "N"]],
    looks: dict[Knowledge, dict[int, Look]],
) -> list[int]:
    """The doors that are looked at one after the other as long as all are found open."""
    known, node, hoped = (UNKNOWN,) * len(problem.relevant), len(problem.base) - 2, []
    while (look := looks[known].get(node)) is not None:
        door, front, cell = look
        hoped.append(door)
        known = _learned(known, problem.relevant.index(door), OPEN)
        node = int(np.argmin(problem.to_lookouts[front][:, cell] + values[known]))
    return hoped


def _learned(known: Knowledge, place: int, state: int) -> Knowledge:
    return (*known[:place], state, *known[place + 1 :])


def _known_ways(problem: _Problem, known: Knowledge) -> Float[np.ndarray, "N N"]:
    """D_K."""
    way = problem.base
    for door, state in zip(problem.relevant, known, strict=True):
        if state == OPEN:
            way = _joined(way, 2 * door, 2 * door + 1, float(problem.passages.crossing[door]))
    return way


def _joined(way: Float[np.ndarray, "N N"], a: int, b: int, cost: float) -> Float[np.ndarray, "N N"]:
    """Shortest ways after one more connection."""
    there = way[:, a, None] + cost + way[None, b, :]
    return np.minimum(way, np.minimum(there, there.T))


def _closure(
    passages: Passages, apart: Float[np.ndarray, "N N"], opened: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "N N"]:
    """Shortest ways with some doors open."""
    way = apart
    for door in np.flatnonzero(opened).tolist():
        way = _joined(way, 2 * door, 2 * door + 1, float(passages.crossing[door]))
    return way


def _apart(
    passages: Passages,
    from_start: Float[np.ndarray, "H W"],
    from_goal: Float[np.ndarray, "H W"],
    start: tuple[float, float],
) -> Float[np.ndarray, "N N"]:
    """Travel times with all doors shut."""
    count = len(passages.fronts)
    ways = np.full((count + 2, count + 2), np.inf)
    ways[:count, :count] = passages.between
    ways[-2, :count] = ways[:count, -2] = front_times(passages, from_start)
    ways[-1, :count] = ways[:count, -1] = front_times(passages, from_goal)
    row, column, inside = passages.house_map.cell_of(start)
    if inside:
        # Each from the other: one that stands in a doorway reaches both sides of it.
        goal = np.argmin(from_goal)
        ways[-2, -1] = ways[-1, -2] = min(from_goal[row, column], from_start.reshape(-1)[goal])
    np.fill_diagonal(ways, 0.0)
    return ways


def _relevant(
    passages: Passages,
    apart: Float[np.ndarray, "N N"],
    chance: Float[np.ndarray, "n"],
    closed: Bool[np.ndarray, "n"],
) -> tuple[int, ...]:
    """The uncertain doors on the best way if all are open, then on the best way around those."""
    uncertain = ~closed & (chance < 1.0 - CERTAIN)
    chosen: list[int] = []
    while len(chosen) < MOST:
        new = [
            door
            for count in range(len(chosen) + 1)
            for shut in itertools.combinations(chosen, count)
            for door in _on_the_way(passages, apart, ~closed, shut)
            if uncertain[door] and door not in chosen
        ]
        if not new:
            break
        chosen.append(new[0])
    return tuple(chosen)


def _on_the_way(
    passages: Passages,
    apart: Float[np.ndarray, "N N"],
    opened: Bool[np.ndarray, "n"],
    shut: tuple[int, ...],
) -> list[int]:
    """Doors through which the shortest way leads, from the start on."""
    opened = opened.copy()
    opened[list(shut)] = False
    way = _closure(passages, apart, opened)
    if not math.isfinite(way[-2, -1]):
        return []
    found = []
    for door in np.flatnonzero(opened):
        for a, b in ((2 * door, 2 * door + 1), (2 * door + 1, 2 * door)):
            if way[-2, a] + passages.crossing[door] + way[b, -1] <= way[-2, -1] + 1e-6:
                found.append((way[-2, a], int(door)))
    return [door for _, door in sorted(found)]


def _to_lookouts(
    passages: Passages,
    relevant: tuple[int, ...],
    from_start: Float[np.ndarray, "H W"],
    from_goal: Float[np.ndarray, "H W"],
) -> dict[int, Float[np.ndarray, "N c"]]:
    found = {}
    for door in relevant:
        for front in (2 * door, 2 * door + 1):
            cells = passages.lookouts[front]
            ends = [t.reshape(-1)[cells] for t in (from_start, from_goal)]
            found[front] = np.concatenate([passages.to_lookouts[front], ends])
    return found
