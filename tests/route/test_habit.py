"""Habits learned from records whose makers are known."""

import math

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.route.chain import (
    DAY,
    FASTEST_RATE,
    FEATURES,
    HOUR,
    SLOWEST_RATE,
    Habit,
    check_habit,
    default_habit,
    usually,
)
from astro_jax.route.habit import Record, added, empty_tally, learn

MONDAY = 20_451.0 * DAY
SAME = default_habit()


def hour(time):
    return time / HOUR % 24.0


def weekday(time):
    return np.floor((time - MONDAY) / DAY) % 7.0


def sightings(days, per_day=15, seed=0, first=6.5, last=23.5):
    rng = np.random.default_rng(seed)
    at = rng.uniform(first, last, (days, per_day)) * HOUR + DAY * np.arange(days)[:, None]
    return MONDAY + np.sort(at, axis=None)


def learned(time, opened, **more) -> Habit:
    habit = learn(Record(time=time, open=opened), float(time[-1]), **more)
    check_habit(habit)
    return habit


def at(habit, *clock, day=14):
    return usually(habit, MONDAY + day * DAY + HOUR * np.array(clock))


def test_a_door_that_is_shut_at_night():
    time = sightings(28, first=0.0, last=24.0)
    habit = learned(time, (hour(time) > 7.0) & (hour(time) < 22.0))
    assert at(habit, 9.0, 12.0, 19.0).min() > 0.9
    assert at(habit, 0.5, 3.0, 5.0).max() < 0.1


def test_a_door_that_is_open_on_working_days():
    time = sightings(42)
    habit = learned(time, (hour(time) > 9.0) & (hour(time) < 17.0) & (weekday(time) < 5))
    assert at(habit, 11.0, 15.0, day=15).min() > 0.9
    assert at(habit, 11.0, 15.0, day=19).max() < 1.0 / 3.0
    assert at(habit, 21.0).max() < 0.2


def test_shares_and_memory_of_simulated_chains():
    """Two-state chains of known share and rate, seen 15 times a day."""
    rng = np.random.default_rng(1)
    for share, memory in ((0.8, 2.0), (0.3, 6.0)):
        time = sightings(42, seed=2, first=0.0, last=24.0)
        is_open = np.empty(len(time), bool)
        is_open[0] = rng.random() < share
        for k, kept in enumerate(np.exp(-np.diff(time) / (memory * HOUR))):
            is_open[k + 1] = rng.random() < share + (is_open[k] - share) * kept
        habit = learned(time, is_open)
        assert abs(at(habit, *range(24)).mean() - share) < 0.1
        assert 0.5 < 1.0 / (habit.rate * memory * HOUR) < 2.0


def test_without_a_record_there_is_the_prior():
    nothing = Record(time=np.zeros(0), open=np.zeros(0, bool))
    assert learn(nothing, MONDAY) is not None
    np.testing.assert_array_equal(learn(nothing, MONDAY).weights, SAME.weights)
    mine = default_habit(0.2)
    assert learn(nothing, MONDAY, prior=mine) is mine


def test_many_looks_on_one_evening_are_hardly_more_than_one():
    once, often = MONDAY + 20.0 * HOUR + np.array([0.0]), MONDAY + 20.0 * HOUR + np.arange(100.0)
    before = at(SAME, 20.0)[0]
    told = [before - at(learned(t, np.zeros(len(t), bool)), 20.0)[0] for t in (once, often)]
    assert 0.0 < told[0] < 0.5
    assert told[1] < 1.5 * told[0]


def test_a_new_habit_replaces_an_old_one():
    """Open in the morning for two months, then in the afternoon for as long."""
    time = sightings(120, per_day=6)
    early = time < MONDAY + 60.0 * DAY
    habit = learned(time, (hour(time) < 13.0) == early)
    assert at(habit, 9.0, 11.0, day=121).max() < 0.35
    assert at(habit, 15.0, 18.0, day=121).min() > 0.65


def test_a_tally_says_what_its_record_said():
    time = sightings(42, first=0.0, last=24.0)
    is_open = (hour(time) > 8.0) & (hour(time) < 20.0)
    # what is independent of each other is counted in full
    brisk = Habit(weights=SAME.weights, rate=FASTEST_RATE)
    tally = added(empty_tally(), Record(time=time, open=is_open), brisk)
    nothing = Record(time=np.zeros(0), open=np.zeros(0, bool))
    counted = learn(nothing, float(time[-1]), tally)
    single = learned(time, is_open)
    clock = np.arange(0.5, 24.0)
    assert np.abs(at(counted, *clock) - at(single, *clock)).max() < 0.15
    assert at(counted, 12.0) > 0.9 and at(counted, 2.0) < 0.1


def test_tallies_fade_and_do_not_grow_without_end():
    habit, tally = Habit(weights=SAME.weights, rate=FASTEST_RATE), empty_tally()
    for week in range(60):
        time = sightings(7, seed=week) + 7.0 * week * DAY
        tally = added(tally, Record(time=time, open=np.ones(len(time), bool)), habit)
    # 15 a day with a half-life of 30 days: at most 15·30/ln 2
    assert 0.9 * 650 < tally.open.sum() < 650 and tally.closed.sum() == 0.0


def test_a_clock_that_was_put_back_does_no_harm():
    time = sightings(14)
    is_open = (hour(time) > 7.0) & (hour(time) < 22.0)
    broken = time.copy()
    broken[40:60] = 1000.0 + np.arange(20)  # the year 1970, until somebody sets the clock
    habit, whole = learned(broken, is_open), learned(time, is_open)
    assert np.abs(at(habit, *range(8, 21)) - at(whole, *range(8, 21))).max() < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_record_the_habit_is_bounded(seed):
    rng = np.random.default_rng(seed)
    time = rng.uniform(0.0, 7.0e9, 200)
    habit = learned(time, rng.random(200) < 0.5)
    assert SLOWEST_RATE <= habit.rate <= FASTEST_RATE
    assert habit.weights.shape == (FEATURES,)


def test_impossible_records_are_refused():
    for bad in (math.nan, -5.0, math.inf):
        with pytest.raises(InputError, match="time"):
            learn(Record(time=np.array([MONDAY, bad]), open=np.array([True, False])), MONDAY)
        with pytest.raises(InputError, match="time"):
            learn(Record(time=np.array([MONDAY]), open=np.array([True])), bad)
    with pytest.raises(InputError, match="as many"):
        learn(Record(time=np.array([MONDAY]), open=np.array([], bool)), MONDAY)
