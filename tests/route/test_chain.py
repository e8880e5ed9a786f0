"""A door's chain against its formula, Bayes' rule, a simulation, and impossible input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.errors import InputError
from astro_jax.route.chain import (
    DAY,
    FEATURES,
    FLOOR,
    HOUR,
    LATEST,
    Belief,
    Eye,
    Habit,
    check_habit,
    default_habit,
    expect,
    observe,
    predict,
    usually,
)

NOW = 20_000.0 * DAY
IMPOSSIBLE = [math.nan, math.inf, -math.inf, -1.0, 2.0 * LATEST]


def constant(share: float, rate: float) -> Habit:
    return Habit(weights=default_habit(share).weights, rate=rate)


def wavy(rate: float = 1.0 / (3.0 * HOUR)) -> Habit:
    """Between a third and two thirds, slowly enough for the chain to follow."""
    weights = np.zeros(FEATURES)
    weights[2] = 0.7
    return Habit(weights=weights, rate=rate)


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95), st.floats(0.0, 48.0), st.floats(0.2, 40.0))
def test_without_a_clock_it_is_the_two_state_chain(share, before, hours, memory):
    """π + (p₀ − π)·exp(−(λ_o + λ_c)·t)."""
    belief = predict(
        constant(share, 1.0 / (memory * HOUR)), Belief(open=before, time=NOW), NOW + hours * HOUR
    )
    expected = share + (before - share) * math.exp(-hours / memory)
    assert belief.open == pytest.approx(min(max(expected, FLOOR), 1.0 - FLOOR), abs=1e-6)


@given(st.floats(0.45, 0.55), st.floats(0.0, 30.0), st.floats(0.0, 30.0))
def test_two_predictions_are_one(before, first, second):
    habit, start = wavy(), Belief(open=before, time=NOW)
    halfway = predict(habit, start, NOW + first * HOUR)
    twice = predict(habit, halfway, NOW + (first + second) * HOUR)
    once = predict(habit, start, NOW + (first + second) * HOUR)
    assert twice.open == pytest.approx(once.open, abs=1e-9)


def test_it_predicts_what_simulated_doors_do():
    """Doors that open and close at the rates of the docstring, in steps of 20 s."""
    habit, step, doors = wavy(), 20.0, 20_000
    times = NOW + np.arange(0.0, 9.0 * HOUR, step)
    share = usually(habit, times)
    slope = np.gradient(share, step)
    to_open, to_closed = habit.rate * share + slope, habit.rate * (1.0 - share) - slope
    assert to_open.min() > 0.0 and to_closed.min() > 0.0
    rng = np.random.default_rng(0)
    is_open = np.zeros(doors, bool)
    for k in range(len(times) - 1):
        draw = rng.random(doors, np.float32)
        is_open = np.where(is_open, draw >= to_closed[k] * step, draw < to_open[k] * step)
        if (k + 1) % 540 == 0:
            told = predict(habit, Belief(open=0.0, time=NOW), times[k + 1]).open
            assert told == pytest.approx(is_open.mean(), abs=4.0 * 0.5 / math.sqrt(doors) + 0.003)


@given(st.floats(0.02, 0.98), st.booleans(), st.floats(0.6, 0.99), st.floats(0.01, 0.4))
def test_a_look_is_bayes_rule(before, seen_open, true_open, false_open):
    eye = Eye(true_open=true_open, false_open=false_open)
    habit, belief = constant(0.5, 1.0 / HOUR), Belief(open=before, time=NOW)
    after = observe(habit, belief, NOW, seen_open, eye)
    # of a thousand doors like that, those that look like what was seen
    alike = {True: true_open, False: false_open}
    looks = {o: s if seen_open else 1.0 - s for o, s in alike.items()}
    opened, closed = 1000.0 * before * looks[True], 1000.0 * (1.0 - before) * looks[False]
    expected = opened / (opened + closed)
    assert after.open == pytest.approx(min(max(expected, FLOOR), 1.0 - FLOOR), abs=1e-9)


def test_not_seeing_a_door_changes_nothing():
    habit, belief = wavy(), Belief(open=0.9, time=NOW)
    assert observe(habit, belief, NOW + HOUR, None) == predict(habit, belief, NOW + HOUR)


@pytest.mark.parametrize("seen_open", [True, False])
def test_nothing_is_ever_certain(seen_open):
    habit, belief = wavy(), Belief(open=0.5, time=NOW)
    for k in range(50):
        belief = observe(habit, belief, NOW + k, seen_open)
    assert FLOOR <= belief.open <= 1.0 - FLOOR
    assert abs(belief.open - seen_open) < 0.02


def test_a_clock_that_is_put_back_makes_nothing_younger():
    habit, belief = constant(0.5, 1.0 / HOUR), Belief(open=0.9, time=NOW)
    back = predict(habit, belief, NOW - 5.0 * HOUR)
    assert back.open == pytest.approx(0.9) and back.time == NOW - 5.0 * HOUR
    # from there on time goes on as usual
    later = predict(habit, back, NOW - 4.0 * HOUR)
    assert later.open == pytest.approx(0.5 + 0.4 * math.exp(-1.0))


@pytest.mark.parametrize("time", IMPOSSIBLE)
def test_impossible_times_are_refused(time):
    for call in (
        lambda: expect(wavy(), time),
        lambda: predict(wavy(), Belief(open=0.5, time=NOW), time),
        lambda: predict(wavy(), Belief(open=0.5, time=time), NOW),
        lambda: observe(wavy(), Belief(open=0.5, time=NOW), time, True),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.field == "time"


@pytest.mark.parametrize("share", [math.nan, -0.1, 1.1, math.inf])
def test_impossible_probabilities_are_refused(share):
    with pytest.raises(InputError, match="probability"):
        predict(wavy(), Belief(open=share, time=NOW), NOW)
    with pytest.raises(InputError, match="open_share"):
        default_habit(share)


@pytest.mark.parametrize("eye", [(0.5, 0.6), (math.nan, 0.1), (1.0, 0.1), (0.9, 0.0)])
def test_eyes_that_say_nothing_or_never_err_are_refused(eye):
    with pytest.raises(InputError, match="false_open"):
        observe(
            wavy(),
            Belief(open=0.5, time=NOW),
            NOW,
            True,
            Eye(true_open=eye[0], false_open=eye[1]),
        )


def test_impossible_habits_are_refused():
    for weights in (np.zeros(3), np.full(FEATURES, np.nan)):
        with pytest.raises(InputError, match="weights"):
            check_habit(Habit(weights=weights, rate=1.0 / HOUR))
    for rate in (0.0, -1.0, math.nan, 1.0):
        with pytest.raises(InputError, match="rate"):
            check_habit(Habit(weights=np.zeros(FEATURES), rate=rate))
