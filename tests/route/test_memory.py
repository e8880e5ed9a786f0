"""From what the local map shows to the way that is taken on another day."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError, StorageError, UnreachableError
from astro_jax.route.chain import DAY, HOUR
from astro_jax.route.field import guide_path
from astro_jax.route.history import History, open_history
from astro_jax.route.house import Door, HouseMap
from astro_jax.route.memory import (
    AGAIN,
    Seen,
    believed,
    chances,
    civil_time,
    learn_habits,
    notice,
    reconsider,
    remember,
    remembered_route,
)
from astro_jax.route.passages import passages_of
from astro_jax.route.planner import revise
from astro_jax.types import Grid
from astro_jax.world.grid import HIGH, LOW
from astro_jax.world.prior import PRIOR_FREE

RESOLUTION = 0.05
NEAR, FAR = 1.8, 6.5
START, GOAL = (1.0, 4.1, 0.0), (5.0, 4.1, 0.0)
NOON = 20_000.0 * DAY + 12.0 * HOUR


@pytest.fixture(scope="module")
def passages():
    """A wall at x = 3 m; the near door is a little nearer."""
    house = HouseMap(
        occupancy=np.zeros((170, 120), np.int8),
        resolution=RESOLUTION,
        origin=np.array([0.025, 0.025]),
        name="test",
    )
    x, y = np.moveaxis(house.xy_of(np.indices(house.occupancy.shape)), -1, 0)
    through = (np.abs(y - NEAR) < 0.45) | (np.abs(y - FAR) < 0.45)
    house.occupancy[(np.abs(x - 3.0) < 0.08) & ~through] = 100
    house.occupancy[[0, -1]] = house.occupancy[:, [0, -1]] = 100
    doors = [
        Door(name=name, jambs=np.array([[3.0, at - 0.45], [3.0, at + 0.45]]))
        for name, at in (("near", NEAR), ("far", FAR))
    ]
    return passages_of(house, DEFAULT_ROBOT, doors, sight=1.0)


@pytest.fixture
def history(tmp_path):
    with open_history(tmp_path / "doors.db") as opened:
        yield opened


def local_map(passages, *patches) -> Grid:
    """What the robot holds of the whole house: the map, and patches (y0, y1, value) at the wall."""
    house = passages.house_map
    x, y = np.moveaxis(house.xy_of(np.indices(house.occupancy.shape)), -1, 0)
    values = np.where(house.blocked, HIGH, PRIOR_FREE)
    for y0, y1, value in patches:
        # a leaf is thin, what is seen free is not
        near = np.abs(x - 3.0) < (0.06 if value > 0.0 else 0.15)
        values[near & (y > y0) & (y < y1) & ~house.blocked] = value
    return Grid(
        values=jnp.asarray(values, jnp.float32),
        origin=jnp.asarray(house.origin, jnp.float32),
        resolution=jnp.float32(RESOLUTION),
    )


def sees(passages, **states) -> Grid:
    at = {"near": NEAR, "far": FAR}
    patches = [(at[n] - 0.5, at[n] + 0.5, LOW if o else HIGH) for n, o in states.items()]
    return local_map(passages, *patches)


def passes(route, at) -> bool:
    path = guide_path(route.field, START)
    return bool(np.abs(path[np.argmin(np.abs(path[:, 0] - 3.0)), 1] - at) < 0.5)


def test_what_is_seen_is_noted_down_once_a_minute_and_at_every_change(passages, history):
    seen = {}
    for k in range(100):  # ten seconds at 10 Hz
        seen = notice(history, passages, seen, sees(passages, near=True), NOON + 0.1 * k)
    assert history.record("near").time.tolist() == [NOON] and history.doors == ("near",)
    seen = notice(history, passages, seen, sees(passages, near=False), NOON + 11.0)
    seen = notice(history, passages, seen, local_map(passages), NOON + 12.0)
    assert seen == {"near": Seen(open=False, time=NOON + 11.0)}
    notice(history, passages, seen, sees(passages, near=False), NOON + 12.0 + AGAIN)
    assert history.record("near").open.tolist() == [True, False, False]


def test_a_door_that_was_found_shut_is_avoided_tomorrow_less_than_today(passages, history):
    fresh, _ = remembered_route(history, passages, START, GOAL, NOON)
    assert passes(fresh, NEAR)
    for k in range(4):
        remember(history, "near", NOON + 600.0 * k, False, "test")
    later, gamble = remembered_route(history, passages, START, GOAL, NOON + HOUR)
    assert passes(later, FAR) and "near" in gamble.shut
    week = believed(history, "near", NOON + 7.0 * DAY).open
    assert believed(history, "near", NOON + HOUR).open < 0.35 < week
    again, _ = remembered_route(history, passages, START, GOAL, NOON + 7.0 * DAY)
    assert passes(again, NEAR)


def test_it_is_still_known_after_a_restart(passages, tmp_path):
    with open_history(tmp_path / "doors.db") as history:
        notice(history, passages, {}, sees(passages, near=False), NOON)
        before = believed(history, "near", NOON + HOUR)
    with open_history(tmp_path / "doors.db") as history:
        assert believed(history, "near", NOON + HOUR) == before
        route, _ = remembered_route(history, passages, START, GOAL, NOON + 300.0)
    assert passes(route, FAR)


def test_a_door_that_is_shut_every_night_is_avoided_at_night_only(passages, history):
    for day in range(14):
        for hour in range(24):
            remember(history, "near", NOON + day * DAY + hour * HOUR, not 10 <= hour < 18, "test")
    night, noon = NOON + 14 * DAY + 14 * HOUR, NOON + 15 * DAY
    assert learn_habits(history, NOON + 14 * DAY) == 1
    assert learn_habits(history, NOON + 14 * DAY + HOUR) == 0  # not again on the same day
    assert believed(history, "near", night).open < 0.15
    assert believed(history, "near", noon).open > 0.85
    assert passes(remembered_route(history, passages, START, GOAL, night)[0], FAR)
    assert passes(remembered_route(history, passages, START, GOAL, noon)[0], NEAR)


def test_go_and_look_then_go_another_way(passages, history):
    route, gamble = remembered_route(history, passages, START, GOAL, NOON)
    assert gamble.first == "near" and passes(route, NEAR)
    shut = sees(passages, near=False)
    seen = notice(history, passages, {}, shut, NOON + 5.0)
    changed, chosen = reconsider(
        route, gamble, history, passages, seen, (2.0, 2.5, 0.0), NOON + 5.0
    )
    assert passes(changed, FAR) and changed.searches == route.searches + 1
    assert chosen.first in (None, "far") and "near" in chosen.shut
    # nothing new, nothing to do
    same = reconsider(changed, chosen, history, passages, seen, (2.0, 2.5, 0.0), NOON + 6.0)
    assert same == (changed, chosen)
    # the local map agrees with that route
    assert revise(changed, shut, (2.0, 2.5, 0.0)).searches == changed.searches
    # both shut: there is a reason, and the last field
    seen = notice(history, passages, seen, sees(passages, near=False, far=False), NOON + 20.0)
    stuck, _ = reconsider(changed, chosen, history, passages, seen, START, NOON + 20.0)
    assert isinstance(stuck.failure, UnreachableError) and stuck.field is changed.field


def test_a_door_taken_for_shut_and_seen_open_is_used(passages, history):
    remember(history, "near", NOON, False, "test")
    route, gamble = remembered_route(history, passages, START, GOAL, NOON + 60.0)
    assert passes(route, FAR)
    seen = notice(history, passages, {}, sees(passages, near=True), NOON + 70.0)
    found, _ = reconsider(route, gamble, history, passages, seen, START, NOON + 70.0)
    assert passes(found, NEAR)
    # the local map alone says the same to the planner
    assert passes(revise(route, sees(passages, near=True), START), NEAR)


def test_what_stands_about_elsewhere_stays_blocked(passages, history):
    route, gamble = remembered_route(history, passages, START, GOAL, NOON)
    box = np.zeros_like(route.seen_blocked)
    box[100:104, 30:34] = True
    route = dataclasses.replace(route, seen_blocked=route.seen_blocked | box)
    seen = {"near": Seen(open=False, time=NOON)}
    changed, _ = reconsider(route, gamble, history, passages, seen, START, NOON)
    assert np.all(changed.seen_blocked[box]) and passes(changed, FAR)


def test_a_store_that_fails_stops_nobody(passages, history, monkeypatch):
    def full(*given, **more):
        raise StorageError("history", "database or disk is full", "a file to write")

    monkeypatch.setattr(History, "append", full)
    with pytest.warns(RuntimeWarning, match="disk is full"):
        seen = notice(history, passages, {}, sees(passages, near=False), NOON)
    assert chances(history, passages, seen, NOON).tolist()[0] == 0.0
    route, _ = remembered_route(history, passages, START, GOAL, NOON, seen)
    assert passes(route, FAR)


def test_bad_questions_are_refused(passages, history):
    for start, goal, time in (
        ((math.nan, 1.0, 0.0), GOAL, NOON),
        (START, (99.0, 1.0, 0.0), NOON),
        (START, GOAL, math.nan),
        (START, GOAL, -5.0),
    ):
        with pytest.raises(InputError):
            remembered_route(history, passages, start, goal, time)
    with pytest.raises(InputError, match="time"):
        notice(history, passages, {}, sees(passages, near=True), math.inf)
    with pytest.raises(InputError, match="door"):
        passages.number("cellar")


def test_civil_time_is_the_clock_on_the_wall(monkeypatch):
    import time

    for zone, hour in (("UTC", 0.0), ("UTC-5", 5.0)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert civil_time(1.7e9 - 1.7e9 % DAY) % DAY == hour * HOUR
    monkeypatch.undo()
    time.tzset()
