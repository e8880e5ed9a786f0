"""What is believed of one door: a chain of two states whose habit follows the clock. [host]

Sightings (open or closed, and when) come in; the probability that the door is open, now or
later, goes out, and a habit learned from the door's own record.

Let m(t) be the usual share of open doors at civil time t.  A door that opens at the rate
λ_o = κ·m + m′ and closes at λ_c = κ·(1 − m) − m′ (κ = λ_o + λ_c) keeps to that share, and
what was seen of it wears off exponentially:

  p(t) = m(t) + (p₀ − m(t₀))·exp(−κ·(t − t₀)),

which for a constant m = π is π + (p₀ − π)·exp(−(λ_o + λ_c)·t).  Predicting in two steps is
predicting in one.  m is a logistic function of harmonics of the day, in which a weekend may
differ.  Source: T. Krajník et al., FreMEn: frequency map enhancement for long-term mobile
robot autonomy in changing environments (2017); there m itself is the sum of harmonics.

*Civil time* is what the clock on the wall shows, in seconds since 1970-01-01 00:00 of that
clock.  Where it is put forward or back, twice a year, beliefs are an hour off once.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float

from astro_jax.errors import InputError

HOUR, DAY = 3600.0, 86400.0
LATEST = 7.3e9
"""Civil times beyond the year 2200 are a broken clock, s."""
FLOOR = 0.01
"""No door is taken to be surer than this, open or closed."""
DAY_HARMONICS, WEEKEND_HARMONICS = 6, 2
FEATURES = 2 + 2 * DAY_HARMONICS + 2 * WEEKEND_HARMONICS
SLOWEST_RATE, FASTEST_RATE = 1.0 / (14.0 * DAY), 1.0 / 60.0
"""Bounds of κ, 1/s."""
USUALLY_OPEN = 0.75
"""Share of time for which a door is taken to be open before anything is known of it."""
USUAL_RATE = 1.0 / (4.0 * HOUR)
BINS = 48
"""Of a day, in a tally."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Habit:
    """When a door is usually open, and how long it stays as it was seen."""

    weights: Float[np.ndarray, "F"]
    """Log-odds of "open" per feature of the civil time (``features``)."""
    rate: float
    """κ = λ_o + λ_c, 1/s: what was seen is forgotten with the time constant 1/κ."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Belief:
    """How probable it is that a door is open."""

    open: float
    time: float
    """Civil time for which that holds, s."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Eye:
    """How far "seen open" can be trusted."""

    true_open: float = 0.97
    """Share of sightings of an open door that say "open"."""
    false_open: float = 0.02
    """Share of sightings of a closed door that say "open"."""


EYE = Eye()


def default_habit(open_share: float = USUALLY_OPEN) -> Habit:
    """Of a door of which nothing is known but, perhaps, how often it is open.

    Raises:
      InputError: ``open_share`` is not between 0 and 1.
    """
    if not 0.0 <= open_share <= 1.0:
        raise InputError("open_share", open_share, "a number from 0 to 1")
    plain = (min(max(open_share, 2.0 * FLOOR), 1.0 - 2.0 * FLOOR) - FLOOR) / (1.0 - 2.0 * FLOOR)
    weights = np.zeros(FEATURES)
    weights[0] = math.log(plain / (1.0 - plain))
    return Habit(weights=weights, rate=USUAL_RATE)


def features(time: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n F"]:
    """1, cosine and sine of the day's harmonics; on weekends the first few once more."""
    day = np.asarray(time, np.float64) / DAY
    # 1970-01-01 was a Thursday.
    weekend = (np.floor(day) + 3.0) % 7.0 >= 5.0
    angle = 2.0 * np.pi * day[..., None] * np.arange(1, DAY_HARMONICS + 1)
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(*day.shape, 2 * DAY_HARMONICS)
    daily = np.concatenate([np.ones((*day.shape, 1)), waves], axis=-1)
    return np.concatenate(
        [daily, weekend[..., None] * daily[..., : 1 + 2 * WEEKEND_HARMONICS]], axis=-1
    )


def usually(habit: Habit, time: Float[np.ndarray, "*n"] | float) -> Float[np.ndarray, "*n"]:
    """m(t): how often the door is open at this time of the day and the week."""
    return share_of(np.asarray(features(np.asarray(time, np.float64)) @ habit.weights))[0]


def share_of(
    odds: Float[np.ndarray, "*n"],
) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n"]]:
    """M for log-odds, and its slope: a logistic function between FLOOR and 1 − FLOOR."""
    plain = 0.5 * (1.0 + np.tanh(0.5 * odds))
    room = 1.0 - 2.0 * FLOOR
    return np.asarray(FLOOR + room * plain), np.asarray(room * plain * (1.0 - plain))


def expect(habit: Habit, time: float) -> Belief:
    """What is believed of a door that has never been seen.

    Raises:
      InputError: ``time`` is no civil time.
    """
    check_time(time)
    return Belief(open=float(usually(habit, time)), time=float(time))


def predict(habit: Habit, belief: Belief, time: float) -> Belief:
    """The belief at a later time; a clock that was put back makes nothing older than now.

    Raises:
      InputError: ``time`` or the belief is impossible.
    """
    check_time(time)
    check_belief(belief)
    elapsed = max(time - belief.time, 0.0)
    then, now = usually(habit, np.array([belief.time, time]))
    kept = math.exp(-habit.rate * elapsed)
    return Belief(open=_bounded(now + (belief.open - then) * kept), time=float(time))


def observe(
    habit: Habit, belief: Belief, time: float, seen_open: bool | None, eye: Eye = EYE
) -> Belief:
    """The belief after looking: Bayes' rule; None is a look that did not show the door.

    Raises:
      InputError: ``time``, the belief or the eye is impossible.
    """
    check_eye(eye)
    prior = predict(habit, belief, time)
    if seen_open is None:
        return prior
    if_open, if_closed = eye.true_open, eye.false_open
    if not seen_open:
        if_open, if_closed = 1.0 - if_open, 1.0 - if_closed
    joint = if_open * prior.open
    posterior = joint / (joint + if_closed * (1.0 - prior.open))
    return Belief(open=_bounded(posterior), time=prior.time)


def check_time(time: float) -> None:
    """Refuse what no clock on a wall shows.

    Raises:
      InputError: not finite, negative, or beyond the year 2200.
    """
    if not 0.0 <= time <= LATEST:
        raise InputError("time", time, f"civil seconds from 0 to {LATEST:g}")


def check_eye(eye: Eye) -> None:
    """Refuse an eye that says nothing, or never errs.

    Raises:
      InputError: not 0 < false_open < true_open < 1.
    """
    if not 0.0 < eye.false_open < eye.true_open < 1.0:
        found = (eye.false_open, eye.true_open)
        raise InputError("false_open, true_open", found, "0 < false_open < true_open < 1")


def check_belief(belief: Belief) -> None:
    """Refuse a belief that no look at a door can have led to.

    Raises:
      InputError: its probability or its time is impossible.
    """
    check_time(belief.time)
    if not 0.0 <= belief.open <= 1.0:
        raise InputError("open", belief.open, "a probability from 0 to 1")


def check_habit(habit: Habit) -> None:
    """Refuse a habit that was not learned by this version.

    Raises:
      InputError: its weights or its rate are impossible.
    """
    if habit.weights.shape != (FEATURES,) or not np.all(np.isfinite(habit.weights)):
        raise InputError("weights", habit.weights.tolist(), f"{FEATURES} finite numbers")
    if not SLOWEST_RATE <= habit.rate <= FASTEST_RATE:
        raise InputError("rate", habit.rate, f"from {SLOWEST_RATE:.2g} to {FASTEST_RATE:.2g} 1/s")


def bins_of(time: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Bin of a tally: half hours of a working day, then those of a day of the weekend."""
    day = np.asarray(time, np.float64) / DAY
    weekend = (np.floor(day) + 3.0) % 7.0 >= 5.0
    return np.minimum(np.floor(day % 1.0 * BINS), BINS - 1.0) + BINS * weekend


def bin_times() -> Float[np.ndarray, "B"]:
    """A civil time in the middle of every bin of a tally."""
    middle = (np.arange(BINS) + 0.5) / BINS
    # Day 0 is a Thursday, day 2 a Saturday.
    return DAY * np.concatenate([middle, 2.0 + middle])


def independent_share(habit: Habit, time: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """How much each of a row of sightings says that the one before has not said, 0 … 1."""
    gaps = np.diff(time, prepend=-np.inf)
    gaps = np.where(gaps < 0.0, np.inf, gaps)
    return 1.0 - np.exp(-2.0 * habit.rate * gaps)


def as_open(seen: Bool[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """The bounded probability that stands for a plain sighting."""
    return np.where(seen, 1.0 - FLOOR, FLOOR)


def _bounded(probability: float) -> float:
    return float(min(max(probability, FLOOR), 1.0 - FLOOR))
