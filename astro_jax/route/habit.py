"""Learning when a door is usually open from what has been seen of it.               [host]

A record (times, open or closed) and a tally of what is too old to be kept one by one come
in; a ``Habit`` goes out.  It is the most probable one under priors that a door without a
record falls back to, each sighting being judged given the one before: a hundred looks at
a door on one evening are hardly more than one.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize

from astro_jax.errors import InputError
from astro_jax.route.chain import (
    BINS,
    DAY,
    DAY_HARMONICS,
    EYE,
    FASTEST_RATE,
    FEATURES,
    FLOOR,
    HOUR,
    LATEST,
    SLOWEST_RATE,
    WEEKEND_HARMONICS,
    Eye,
    Habit,
    as_open,
    bin_times,
    bins_of,
    check_eye,
    check_time,
    default_habit,
    features,
    independent_share,
    share_of,
)

HALF_LIFE = 30.0 * DAY
"""After this time a sighting counts half: habits change."""
SHARE_SPREAD = 1.5
"""Standard deviation of the mean's log-odds."""
WAVE_SPREADS = (0.3, 1.0, 3.0)
"""Of the first harmonic (of the k-th a k-th of it), and of what is different on weekends: from
a door without a habit to one by the clock.  The record says which."""
RATE_SPREAD = 1.5
"""Standard deviation of ln κ."""
BRISK = 1.0 / HOUR
"""A κ from which learning starts a second time."""
LARGEST = 12.0
"""Log-odds that no weight exceeds."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """What has been seen of one door, in the order in which it was noted down."""

    time: Float[np.ndarray, "n"]
    """Civil, s."""
    open: Bool[np.ndarray, "n"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """How often a door was seen open and closed, by time of day and kind of day."""

    open: Float[np.ndarray, "B"]
    closed: Float[np.ndarray, "B"]
    time: float = 0.0
    """Civil time up to which the counts have faded, s."""


def empty_tally() -> Tally:
    """Nothing seen."""
    return Tally(open=np.zeros(2 * BINS), closed=np.zeros(2 * BINS))


def added(tally: Tally, record: Record, habit: Habit) -> Tally:
    """The tally with a record put in; each sighting counts for what it says by itself."""
    if len(record.time) == 0:
        return tally
    time = max(tally.time, float(np.max(record.time)))
    share = independent_share(habit, record.time) * _faded(time - record.time)
    bins = bins_of(record.time).astype(np.int64)
    kept = float(_faded(np.asarray(time - tally.time)))
    opened = np.bincount(bins, share * record.open, minlength=2 * BINS)
    closed = np.bincount(bins, share * ~record.open, minlength=2 * BINS)
    return Tally(open=kept * tally.open + opened, closed=kept * tally.closed + closed, time=time)


def learn(
    record: Record,
    now: float,
    tally: Tally | None = None,
    prior: Habit | None = None,
    guess: Habit | None = None,
    eye: Eye = EYE,
) -> Habit:
    """The most probable habit of a door with this record.

    Minimises, over the weights w and ln κ,

      − Σᵢ cᵢ·ln P(sᵢ | sᵢ₋₁) − Σ_bins [open·ln m + closed·ln(1 − m)] + ½·Σ ((w − w̄)/σ)²,

    P from the chain's prediction and the eye's error rates, cᵢ halving every ``HALF_LIFE``.
    That is done for each of ``WAVE_SPREADS``; the results are averaged by their evidence
    (Laplace's approximation), so that a door without a habit is not given one.  Source:
    D. J. C. MacKay, Bayesian interpolation (1992).

    Args:
      record: the sightings.
      now: civil time from which they are old, s.
      tally: older sightings.
      prior: the habit of a door without a record.
      guess: where to start from, for example what was learned yesterday.
      eye: how far sightings can be trusted.

    Raises:
      InputError: a time is impossible, or the record's columns differ in length.
    """
    check_time(now)
    check_eye(eye)
    prior = default_habit() if prior is None else prior
    tally = empty_tally() if tally is None else tally
    _check_record(record)
    if len(record.time) == 0 and not np.any(tally.open + tally.closed):
        return prior
    found = [_most_probable(record, now, tally, prior, guess, eye, waves) for waves in WAVE_SPREADS]
    evidence = np.array([log_evidence for _, log_evidence in found])
    share = np.exp(evidence - evidence.max())
    x = share @ np.array([x for x, _ in found]) / share.sum()
    rate = min(max(math.exp(x[-1]), SLOWEST_RATE), FASTEST_RATE)
    return Habit(weights=x[:-1], rate=rate)


def _most_probable(
    record: Record,
    now: float,
    tally: Tally,
    prior: Habit,
    guess: Habit | None,
    eye: Eye,
    waves: float,
) -> tuple[Float[np.ndarray, "G"], float]:
    """Weights and ln κ under one width of the prior, and the logarithm of its evidence."""
    mean, spread = _prior_of(prior, waves)
    loss = _loss_of(record, now, tally, mean, spread, eye)
    low, high = np.full(FEATURES + 1, -LARGEST), np.full(FEATURES + 1, LARGEST)
    low[-1], high[-1] = math.log(SLOWEST_RATE), math.log(FASTEST_RATE)
    tries = []
    # A long memory can stand in for a habit: both are tried, the likelier one is kept.
    for first in (prior if guess is None else guess, dataclasses.replace(prior, rate=BRISK)):
        start = np.concatenate([first.weights, [math.log(first.rate)]])
        # In units of the prior's spread no direction is much steeper than another.
        tries.append(
            minimize(
                loss,
                (start - mean) / spread,
                jac=True,
                method="L-BFGS-B",
                bounds=np.stack([(low - mean) / spread, (high - mean) / spread], axis=-1),
                options={"maxiter": 40, "ftol": 1e-5},
            )
        )
    best = min(tries, key=lambda found: found.fun)
    step = 1e-4
    bend = [loss(best.x + step * way)[1] - best.jac for way in np.eye(len(best.x))]
    bend = 0.5 * (np.array(bend) + np.transpose(bend)) / step
    # the prior alone bends by 1 in every direction
    volume = np.sum(np.log(np.maximum(np.linalg.eigvalsh(bend), 0.5)))
    return np.clip(mean + spread * best.x, low, high), -float(best.fun) - 0.5 * float(volume)


def _loss_of(
    record: Record,
    now: float,
    tally: Tally,
    mean: Float[np.ndarray, "G"],
    spread: Float[np.ndarray, "G"],
    eye: Eye,
):
    at = features(record.time)
    gap = np.diff(record.time, prepend=-np.inf)
    # The first one, and one after a clock was put back, is judged by the habit alone.
    paired = np.isfinite(gap) & (gap >= 0.0)
    gap = np.where(paired, gap, 0.0)
    before = np.roll(as_open(record.open), 1)
    weight = _faded(now - record.time)
    at_bins, bins = features(bin_times()), (tally.open + tally.closed) > 0.0
    counted = float(_faded(np.asarray(now - tally.time)))
    opened, closed = counted * tally.open[bins], counted * tally.closed[bins]
    at_bins = at_bins[bins]

    def loss(off: np.ndarray) -> tuple[float, np.ndarray]:
        x = mean + spread * off
        w, rate = x[:-1], math.exp(x[-1])
        m, slope = share_of(at @ w)
        m_before, slope_before = np.roll(m, 1), np.roll(slope, 1)
        kept = np.where(paired, np.exp(-rate * gap), 0.0)
        away = before - m_before
        raw = m + away * kept
        p = np.clip(raw, FLOOR, 1.0 - FLOOR)
        says_open = eye.false_open + (eye.true_open - eye.false_open) * p
        likely = np.where(record.open, says_open, 1.0 - says_open)
        sign = np.where(record.open, 1.0, -1.0) * (eye.true_open - eye.false_open)
        push = np.where(raw == p, -weight * sign / likely, 0.0)
        own, previous = push * slope, -push * kept * slope_before
        # what hangs on the sighting before belongs to that one's features
        gradient = at.T @ (own + np.roll(previous, -1))
        by_rate = float(np.sum(push * away * -kept * gap * rate))
        m_bins, slope_bins = share_of(at_bins @ w)
        gradient += at_bins.T @ ((closed / (1.0 - m_bins) - opened / m_bins) * slope_bins)
        value = (
            -np.sum(weight * np.log(likely))
            - np.sum(opened * np.log(m_bins) + closed * np.log(1.0 - m_bins))
            + 0.5 * np.sum(off * off)
        )
        return float(value), spread * np.concatenate([gradient, [by_rate]]) + off

    return loss


def _prior_of(prior: Habit, waves: float) -> tuple[Float[np.ndarray, "G"], Float[np.ndarray, "G"]]:
    """Means and standard deviations of the weights and of ln κ."""
    daily = waves / np.repeat(np.arange(1, DAY_HARMONICS + 1), 2)
    weekend = waves / np.repeat(np.arange(1, WEEKEND_HARMONICS + 1), 2)
    spread = [[SHARE_SPREAD], daily, [waves], weekend, [RATE_SPREAD]]
    return np.concatenate([prior.weights, [math.log(prior.rate)]]), np.concatenate(spread)


def _faded(age: np.ndarray) -> Float[np.ndarray, "*n"]:
    return np.asarray(np.exp2(-np.maximum(age, 0.0) / HALF_LIFE))


def _check_record(record: Record) -> None:
    if record.time.shape != record.open.shape:
        found = (record.time.shape, record.open.shape)
        raise InputError("record", found, "as many sightings as times")
    good = (record.time >= 0.0) & (record.time <= LATEST)
    if not np.all(good):
        k = int(np.argmin(good))
        check_time(float(record.time[k]))
