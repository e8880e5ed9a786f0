"""How the doors of the simulated homes really behave: schedules, jitter and people.

None of it is a two-state chain with a logistic habit: times of the clock with jitter, days on
which a person forgets, visits of a certain length.  A door's states for all weeks come out as
the moments at which it changes.
"""

from collections.abc import Callable

import numpy as np

HOUR, DAY = 3600.0, 86400.0
MONDAY = 20_451 * DAY
"""Civil time of a Monday, 00:00 (2025-12-29)."""

Intervals = list[tuple[float, float]]
"""When a door is closed: begin and end, s since the first Monday."""


def mostly_open(rng: np.random.Generator, days: int) -> Intervals:
    """Shut now and then, for some reason, for an hour or so."""
    closed, t = [], rng.exponential(15.0) * HOUR
    while t < days * DAY:
        length = rng.lognormal(np.log(0.8), 0.8) * HOUR
        closed.append((t, t + length))
        t += length + rng.lognormal(np.log(14.0), 0.7) * HOUR
    return closed


def mostly_closed(rng: np.random.Generator, days: int) -> Intervals:
    """A store room: opened for some minutes several times a day, sometimes left open."""
    visits = rng.poisson(6)
    opened = []
    for day in range(days):
        visits = rng.poisson(6)
        at = np.sort(rng.uniform(8.0, 22.0, visits)) * HOUR + day * DAY
        for t in at:
            forgot = rng.random() < 0.1
            opened.append(
                (t, t + (rng.uniform(2, 5) * HOUR if forgot else rng.uniform(2, 25) * 60))
            )
    return complement(opened, days)


def closed_at_night(rng: np.random.Generator, days: int) -> Intervals:
    """A bedroom: shut from bed time to breakfast, later on weekends, forgotten now and then."""
    closed = []
    for day in range(days):
        late = 1.5 * (day % 7 in (4, 5))
        begin = (22.3 + late + rng.normal(0.0, 0.6)) * HOUR + day * DAY
        sleep_in = 1.7 * ((day + 1) % 7 in (5, 6))
        end = (31.0 + sleep_in + rng.normal(0.0, 0.5)) * HOUR + day * DAY
        if rng.random() > 0.08:
            closed.append((begin, end))
        if rng.random() < 0.15:  # a nap
            nap = (14.0 + rng.normal(0.0, 0.7)) * HOUR + day * DAY
            closed.append((nap, nap + rng.uniform(0.5, 1.5) * HOUR))
    return closed


def shut_while_working(rng: np.random.Generator, days: int) -> Intervals:
    """A study: shut on working days with a lunch break, open otherwise; one day off in eight."""
    closed = []
    for day in range(days):
        if day % 7 >= 5 or rng.random() < 0.12:
            continue
        begin = 8.6 + rng.normal(0.0, 0.4)
        lunch = 12.3 + rng.normal(0.0, 0.3)
        back = lunch + rng.uniform(0.5, 1.2)
        end = 17.2 + rng.normal(0.0, 0.7)
        closed += [
            (begin * HOUR + day * DAY, lunch * HOUR + day * DAY),
            (back * HOUR + day * DAY, end * HOUR + day * DAY),
        ]
    return closed


def office_hours(rng: np.random.Generator, days: int) -> Intervals:
    """A practice: open on working days from nine to five, shut otherwise."""
    opened = []
    for day in range(days):
        if day % 7 < 5 and rng.random() > 0.06:
            begin, end = 9.0 + rng.normal(0.0, 0.3), 17.0 + rng.normal(0.0, 0.5)
            opened.append((begin * HOUR + day * DAY, end * HOUR + day * DAY))
    return complement(opened, days)


def visits(rng: np.random.Generator, days: int) -> Intervals:
    """A bathroom: shut for the length of a visit, mostly in the morning and the evening."""
    closed = []
    for day in range(days):
        for centre, spread, count in ((7.3, 0.8, 4), (14.0, 3.0, 5), (21.5, 1.0, 4)):
            at = rng.normal(centre, spread, rng.poisson(count)) * HOUR + day * DAY
            closed += [(t, t + rng.uniform(4.0, 25.0) * 60.0) for t in at]
    return closed


def flicker(rng: np.random.Generator, days: int) -> Intervals:
    """Whoever passes leaves it as they like: no habit at all."""
    closed, t, shut = [], 0.0, False
    while t < days * DAY:
        length = rng.exponential(1.0) * HOUR
        if shut:
            closed.append((t, t + length))
        t, shut = t + length, rng.random() < 0.5
    return closed


KINDS: dict[str, Callable[[np.random.Generator, int], Intervals]] = {
    "mostly open": mostly_open,
    "mostly closed": mostly_closed,
    "closed at night": closed_at_night,
    "office hours": office_hours,
    "flicker": flicker,
    # these two only where they are asked for
    "shut while working": shut_while_working,
    "visits": visits,
}


def complement(intervals: Intervals, days: int) -> Intervals:
    """When none of the intervals holds."""
    found, t = [], 0.0
    for begin, end in merged(intervals):
        if begin > t:
            found.append((t, begin))
        t = max(t, end)
    return [*found, (t, days * DAY)] if t < days * DAY else found


def merged(intervals: Intervals) -> Intervals:
    """The same moments, in order and without overlap."""
    found: Intervals = []
    for begin, end in sorted(intervals):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def is_open(closed: Intervals, t: float) -> bool:
    """Whether a door is open at ``t`` seconds after the first Monday."""
    return not any(begin <= t < end for begin, end in closed)
