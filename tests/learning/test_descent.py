"""Down the slopes: it finds what is better, keeps away from people, goes on where it stopped."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.errors import InputError
from astro_jax.geometry import smooth
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.learning.closed_loop import Search
from astro_jax.learning.descent import (
    FORM,
    LONGEST,
    STIFFNESS,
    VERSION,
    Slopes,
    Step,
    cost_and_breach,
    descend,
    downhill,
    next_multiplier,
)
from astro_jax.learning.slopes import summed_up
from astro_jax.sim.state import TickLog
from astro_jax.types import Grid, RouteField

HAND = PlannerParams()
TASKS = [(f"case {k}", 0) for k in range(12)]
SEARCH = Search(names=("acceleration", "patience"), batch=6, seed=3)


def drive(params, tasks, nearer=0.0, wild=()):
    """A bowl around (.1, 6) in late; patience brings it ``nearer`` to people; some are wild."""
    outcome, slope = [], []
    for name, _ in tasks:
        own = 1.0 + 0.1 * int(name.split()[1])
        a, p = math.log(params.acceleration / 0.1), math.log(params.patience / 6.0)
        outcome.append([own * (1.0 + a**2 + p**2), 2.0, 0.3 + nearer * p])
        late = [2e6 * own, -1e7] if name in wild else [2.0 * own * a, 2.0 * own * p]
        slope.append([late, [0.0, 0.0], [0.0, nearer]])
    return Slopes(outcome=np.array(outcome), slope=np.array(slope))


def test_finds_the_bottom_of_a_bowl():
    best, done = descend(drive, HAND, TASKS, SEARCH, 60)
    assert best.acceleration == pytest.approx(0.1, rel=0.05)
    assert best.patience == pytest.approx(6.0, rel=0.05)
    assert dataclasses.replace(best, acceleration=0.25, patience=4.0) == HAND
    assert cost_and_breach(done[0], 0.5) == (0.0, 0.0)  # it begins beside itself
    assert cost_and_breach(done[-1], 0.5)[0] < -0.3


def test_does_not_buy_time_with_nearness():
    """More patience would be quicker, and nearer to people: it stays where it was."""
    free, _ = descend(drive, HAND, TASKS, SEARCH, 60)
    bound, done = descend(
        lambda params, tasks: drive(params, tasks, nearer=0.2), HAND, TASKS, SEARCH, 120
    )
    assert free.patience > 5.7
    assert bound.patience == pytest.approx(HAND.patience, rel=0.03)
    assert bound.acceleration == pytest.approx(0.1, rel=0.1)
    assert next_multiplier(done[-1]) > 0.5


def test_a_wild_slope_decides_nothing():
    """One drive of twelve hangs on a hair, another one's slope is no number."""

    def shaken(params, tasks):
        found = drive(params, tasks, wild={"case 3"})
        for k, (name, _) in enumerate(tasks):
            if name == "case 5":
                found.slope[k] = np.nan
        return found

    best, _ = descend(shaken, HAND, TASKS, SEARCH, 100)
    assert best.patience == pytest.approx(6.0, rel=0.2)


def test_a_drives_slope_is_cut_to_twice_the_median_of_its_batch():
    late = np.array([[0.3, 0.4], [0.0, -0.5], [3e9, 4e9], [np.nan, 0.0], [0.5, 0.0], [0.4, 0.3]])
    slope = np.zeros((6, 3, 2))
    slope[:, 0] = late
    step = Step(
        x=np.zeros(2),
        tasks=np.arange(6),
        outcome=np.ones((6, 3)),
        slope=slope,
        hand=np.ones((6, 3)),
        multiplier=np.array(0.0),
    )
    assert LONGEST == 2.0
    cut = np.array([[0.3, 0.4], [0.0, -0.5], [0.6, 0.8], [0.5, 0.0], [0.4, 0.3]])
    assert downhill(step, 0.5) == pytest.approx(cut.mean(axis=0))
    lost = dataclasses.replace(step, slope=np.full((6, 3, 2), np.nan))
    assert not downhill(lost, 0.5).any()


def test_the_slope_is_that_of_the_lagrangian():
    """Against finite differences of c + (max(0, λ + μ g)² − λ²)/2μ."""
    nearer, multiplier, smoothness = 0.03, 0.4, 0.5

    def lagrangian(x):
        params = dataclasses.replace(HAND, acceleration=math.exp(x[0]), patience=math.exp(x[1]))
        found = drive(params, TASKS, nearer)
        hand = drive(HAND, TASKS, nearer).outcome
        step = Step(
            x=np.asarray(x),
            tasks=np.arange(12),
            outcome=found.outcome,
            slope=found.slope,
            hand=hand,
            multiplier=np.array(multiplier),
        )
        cost, breach = cost_and_breach(step, smoothness)
        push = max(0.0, multiplier + STIFFNESS * breach)
        return cost + (push**2 - multiplier**2) / (2 * STIFFNESS), downhill(step, smoothness)

    at = np.log([0.12, 5.0])
    slope = lagrangian(at)[1]
    for k, way in enumerate(np.eye(2)):
        h = 1e-6 * way
        expected = (lagrangian(at + h)[0] - lagrangian(at - h)[0]) / 2e-6
        assert slope[k] == pytest.approx(expected, rel=1e-4)


def test_a_descent_that_stopped_goes_on_the_same(tmp_path):
    whole, done = descend(drive, HAND, TASKS, SEARCH, 9)
    record = tmp_path / "record.npz"
    descend(drive, HAND, TASKS, SEARCH, 4, record=record)
    calls = []

    def counted(params, tasks):
        calls.extend(tasks)
        return drive(params, tasks)

    resumed, again = descend(counted, HAND, TASKS, SEARCH, 9, record=record)
    assert resumed == whole
    for one, other in zip(done, again, strict=True):
        for field in dataclasses.fields(Step):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name))
    assert len(calls) == 5 * SEARCH.batch  # nothing is driven again


def test_another_record_bad_numbers_and_rates_are_refused(tmp_path):
    record = tmp_path / "record.npz"
    descend(drive, HAND, TASKS, SEARCH, 2, record=record)
    for params, tasks, rate in (
        (dataclasses.replace(HAND, lateral=0.3), TASKS, 0.1),
        (HAND, TASKS[1:], 0.1),
        (HAND, TASKS, 0.2),
    ):
        with pytest.raises(InputError, match="other than the record's"):
            descend(drive, params, tasks, SEARCH, 3, rate, record)
    arrays, note = read_arrays(record, FORM, VERSION)
    for name in ("x", "outcome", "hand", "multiplier"):
        broken = {**arrays, name: np.full_like(arrays[name], np.nan)}
        write_arrays(record, FORM, VERSION, broken, note)
        with pytest.raises(InputError) as error:
            descend(drive, HAND, TASKS, SEARCH, 3, record=record)
        assert error.value.field == name
    write_arrays(record, FORM, VERSION, {**arrays, "x": arrays["x"] + 0.01}, note)
    with pytest.raises(InputError, match="would have taken"):
        descend(drive, HAND, TASKS, SEARCH, 3, record=record)
    write_arrays(record, FORM, VERSION, {**arrays, "hand": arrays["hand"][:, :2]}, note)
    with pytest.raises(InputError, match="hand"):
        descend(drive, HAND, TASKS, SEARCH, 3, record=record)
    for rate in (0.0, -1.0, math.nan, 2.0):
        with pytest.raises(InputError, match="rate"):
            descend(drive, HAND, TASKS, SEARCH, 1, rate)


# ---- what a motion comes to -------------------------------------------------------------


def ticks(x, y=None, people=((9.0, 9.0),)):
    """A motion of so many cycles of five ticks, x in m at each tick."""
    x = np.asarray(x, float).reshape(-1, 5)
    y = np.zeros_like(x) if y is None else np.asarray(y, float).reshape(-1, 5)
    speed = np.gradient(x.ravel(), 0.02).reshape(x.shape)
    still = np.zeros_like(x)
    xy = np.broadcast_to(np.asarray(people), (*x.shape, len(people), 2))
    names = ("time", "command", "scale", "mode", "reason", "pan", "contacts")
    logged: dict[str, Any] = dict.fromkeys(names, still)
    return TickLog(
        **logged,
        pose_map=jnp.asarray(np.stack([x, y, still], axis=-1), jnp.float32),
        twist=jnp.asarray(np.stack([speed, still], axis=-1), jnp.float32),
        people_xy=jnp.asarray(xy, jnp.float32),
    )


def came_to(motion, present=(True,)):
    """With 2 s of way per metre up to x = 4."""
    columns = 2.0 * (4.0 - 0.1 * np.arange(60, dtype=np.float32))
    grid = Grid(
        values=jnp.asarray(np.broadcast_to(columns, (60, 60))),
        origin=jnp.array([0.0, -3.0]),
        resolution=jnp.float32(0.1),
    )
    field = RouteField(cost_to_go=smooth(grid), goal_map=jnp.array([4.0, 0.0, 0.0]))
    count = len(present)
    return np.asarray(
        summed_up(
            DEFAULT_ROBOT,
            DEFAULT_PLANNER,
            jnp.full(count, 0.25),
            jnp.asarray(present),
            field,
            motion,
        )
    )


def test_late_is_the_mean_of_what_is_left_of_the_way():
    time = 0.02 * np.arange(100)
    steady, slow, none = (came_to(ticks(v * time)) for v in (1.0, 0.5, 0.0))
    assert steady[0] == pytest.approx(1.0 - 0.99 / 4.0 + 0.02, abs=1e-3)
    assert slow[0] == pytest.approx(1.0 - 0.495 / 4.0 + 0.02, abs=1e-3)
    assert none[0] == pytest.approx(1.02, abs=1e-4)


def test_jerk_is_what_a_changing_acceleration_costs():
    time = 0.02 * np.arange(100)
    # x = j t³/6
    assert came_to(ticks(1.2 * time**3 / 6))[1] == pytest.approx(np.hypot(1.2, 0.05), rel=0.05)
    assert came_to(ticks(time))[1] == pytest.approx(0.05, abs=0.02)


def test_near_counts_whoever_is_there_and_near():
    time = 0.02 * np.arange(100)
    rest = ticks(0 * time, people=((0.0, 0.7), (0.0, -3.0)))
    gap = 0.7 - 0.25 - DEFAULT_ROBOT.length / 2
    expected = 0.1 * np.log1p(np.exp((0.4 - gap) / 0.1))
    assert came_to(rest, (True, True))[2] == pytest.approx(expected, abs=1e-4)
    assert came_to(rest, (False, True))[2] == pytest.approx(0.0, abs=1e-4)
    passing = ticks(time, people=((1.0, 0.7),))
    assert 0.0 < came_to(passing)[2] < expected
