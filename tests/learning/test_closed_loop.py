"""The search finds what is better, pays for contacts, and goes on as if it had not stopped."""

import dataclasses
import math

import numpy as np
import pytest

from astro_jax.config import PlannerParams
from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.learning.closed_loop import (
    MULTIPLIER,
    STIFFNESS,
    Outcome,
    Search,
    augmented,
    costs,
    identity_of,
    next_multiplier,
    tasks_of,
    tune,
)
from astro_jax.learning.record import FORM, VERSION, Generation, read_record

HAND = PlannerParams()
TASKS = [(f"case {k}", 0) for k in range(12)]
SEARCH = Search(names=("acceleration", "patience"), population=8, batch=6, seed=3)


def drive(wanted, risky=math.inf):
    """A bowl around (.1, 6): each task is longer by its own, and the same every time."""
    found = []
    for params, (name, _) in wanted:
        own = 10.0 + int(name.split()[1])
        away = math.log(params.acceleration / 0.1) ** 2 + math.log(params.patience / 6.0) ** 2
        found.append(
            Outcome(
                success=True,
                at_fault=bool(params.patience > risky),
                time=own * (1.0 + away),
                limit=100.0,
                jerk=1.0,
            )
        )
    return found


def test_finds_the_bottom_of_a_bowl():
    best, _ = tune(drive, HAND, TASKS, SEARCH, 25)
    assert best.acceleration == pytest.approx(0.1, rel=0.05)
    assert best.patience == pytest.approx(6.0, rel=0.05)
    # nothing else has moved
    assert dataclasses.replace(best, acceleration=0.25, patience=4.0) == HAND


def test_begins_where_it_is_told_and_compares_with_hand_tuned_params():
    start = dataclasses.replace(HAND, acceleration=0.5, lateral=0.1)
    best, done = tune(drive, HAND, TASKS, SEARCH, 25, start=start)
    assert best.acceleration == pytest.approx(0.1, rel=0.05) and best.lateral == 0.1
    assert np.allclose(np.exp(done[0].x).mean(0), [0.5, 4.0], rtol=0.4)
    hand = [one.numbers() for one in drive([(HAND, TASKS[k]) for k in done[0].tasks])]
    assert np.array_equal(done[0].hand, hand)


def test_stays_where_contacts_are_no_more_than_before():
    risky = lambda wanted: drive(wanted, risky=5.0)
    best, done = tune(risky, HAND, TASKS, SEARCH, 25)
    assert best.patience < 5.0
    assert best.acceleration == pytest.approx(0.1, rel=0.15)
    # it has gone as near as it may: more patience would be quicker
    assert best.patience > 4.2
    assert next_multiplier(done[-1]) >= 0.0


def test_a_search_that_stopped_goes_on_the_same(tmp_path):
    whole, done = tune(drive, HAND, TASKS, SEARCH, 7)
    record = tmp_path / "record.npz"
    tune(drive, HAND, TASKS, SEARCH, 3, record=record)
    calls = []

    def counted(wanted):
        calls.extend(wanted)
        return drive(wanted)

    resumed, again = tune(counted, HAND, TASKS, SEARCH, 7, record=record)
    assert resumed == whole
    for one, other in zip(done, again, strict=True):
        for field in dataclasses.fields(Generation):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name))
    # what was driven is not driven again: four generations, and no hand-tuned drive
    assert len(calls) == 4 * SEARCH.population * SEARCH.batch


def test_interrupted_within_a_generation_nothing_of_it_counts(tmp_path):
    whole, _ = tune(drive, HAND, TASKS, SEARCH, 4)
    record = tmp_path / "record.npz"
    left = 100

    def killed(wanted):
        nonlocal left
        for one in wanted:
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            yield from drive([one])

    with pytest.raises(KeyboardInterrupt):
        tune(killed, HAND, TASKS, SEARCH, 4, record=record)
    assert len(read_record(record, identity_of(HAND, TASKS, SEARCH, HAND))) == 1
    assert tune(drive, HAND, TASKS, SEARCH, 4, record=record)[0] == whole


@pytest.mark.parametrize("name", ["x", "outcomes", "hand", "multiplier"])
def test_numbers_that_are_none_are_refused(tmp_path, name):
    record = tmp_path / "record.npz"
    tune(drive, HAND, TASKS, SEARCH, 1, record=record)
    arrays, note = read_arrays(record, FORM, VERSION)
    arrays[name] = np.full_like(arrays[name], np.nan)
    write_arrays(record, FORM, VERSION, arrays, note)
    with pytest.raises(InputError) as error:
        tune(drive, HAND, TASKS, SEARCH, 2, record=record)
    assert error.value.field == name


def test_the_record_of_another_search_is_refused(tmp_path):
    record = tmp_path / "record.npz"
    tune(drive, HAND, TASKS, SEARCH, 1, record=record)
    for params, tasks, search in (
        (dataclasses.replace(HAND, lateral=0.3), TASKS, SEARCH),
        (HAND, TASKS[1:], SEARCH),
        (HAND, TASKS, dataclasses.replace(SEARCH, seed=4)),
    ):
        with pytest.raises(InputError, match="other than the record's"):
            tune(drive, params, tasks, search, 2, record=record)
    arrays, note = read_arrays(record, FORM, VERSION)
    write_arrays(record, FORM, VERSION, {**arrays, "x": arrays["x"] + 0.01}, note)
    with pytest.raises(InputError, match="would have asked for"):
        tune(drive, HAND, TASKS, SEARCH, 2, record=record)


def generation(time, jerk, fault, multiplier=MULTIPLIER):
    """One member and two tasks that hand-tuned params drive in 10 s at 1 m/s³ without a fault."""
    drives = [
        Outcome(success=math.isfinite(t), at_fault=bool(f), time=t, limit=50.0, jerk=j).numbers()
        for t, j, f in zip(time, jerk, fault, strict=True)
    ]
    hand = Outcome(success=True, at_fault=False, time=10.0, limit=50.0, jerk=1.0).numbers()
    return Generation(
        x=np.zeros((1, 1)),
        tasks=np.arange(2),
        outcomes=np.array([drives]),
        hand=np.array([hand, hand]),
        multiplier=np.array(multiplier),
    )


def test_costs_are_the_formula():
    cost, breach = costs(generation([5.0, math.nan], [2.0, math.nan], [0, 1]), 0.5)
    # half the time at twice the jerk, and one out of time whose jerk is unknown
    expected = (math.log(0.5) + 0.5 * math.log(2.0) + math.log(5.0)) / 2.0
    assert cost[0] == pytest.approx(expected)
    assert breach[0] == 0.5
    penalty = ((MULTIPLIER + STIFFNESS * 0.5) ** 2 - MULTIPLIER**2) / (2.0 * STIFFNESS)
    both = generation([5.0, math.nan], [2.0, math.nan], [0, 1])
    assert augmented(both, 0.5)[0] == pytest.approx(expected + penalty)
    assert next_multiplier(both) == pytest.approx(MULTIPLIER + STIFFNESS * 0.5)
    # with nothing to pay, fewer contacts are no merit
    assert augmented(generation([10.0] * 2, [1.0] * 2, [0, 0], 0.0), 0.5)[0] == 0.0


def test_every_task_is_drawn_before_any_is_drawn_again():
    search = dataclasses.replace(SEARCH, batch=4)
    rounds = [np.concatenate([tasks_of(12, search, 3 * k + g) for g in range(3)]) for k in (0, 1)]
    for one in rounds:
        assert sorted(one) == list(range(12))
    assert not np.array_equal(rounds[0], rounds[1])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"names": ()}, "params"),
        ({"names": ("patience", "patience")}, "params"),
        ({"names": ("hurry",)}, "params"),
        ({"names": ("information",)}, "information"),
        ({"names": ("harm_of_kind",)}, "harm_of_kind"),
        ({"population": 3}, "population"),
        ({"batch": 0}, "batch"),
        ({"spread": 0.0}, "spread"),
        ({"spread": math.nan}, "spread"),
    ],
)
def test_what_cannot_be_tuned_is_refused(changes, field):
    with pytest.raises(InputError) as error:
        tune(drive, HAND, TASKS, dataclasses.replace(SEARCH, **changes), 1)
    assert error.value.field == field
