"""The route layer's own thread: floods, cancels, time limits and what holds a robot up."""

import itertools
import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.route.blocker import blocker
from astro_jax.route.field import guide_path, path_length
from astro_jax.route.guidance import (
    BACKS,
    DETOUR,
    MAKES_WAY,
    NOWHERE,
    PATIENT,
    WEDGED,
    WITHOUT_PROGRESS,
    Guidance,
    Look,
    by_motion,
    look_again,
)
from astro_jax.route.house import Door, HouseMap
from astro_jax.route.lay_by import ASIDE
from astro_jax.route.planner import avoid, plan_route
from astro_jax.route.room_to_turn import BESIDE, has_room
from astro_jax.route.speed import circumscribed_radius
from astro_jax.route.worker import (
    Cancelled,
    Failed,
    Found,
    Refused,
    RouteWorker,
    TimedOut,
    Unreachable,
)
from astro_jax.types import Grid
from astro_jax.world.grid import HIGH

START, GOAL = (1.5, 2.0, 0.0), (4.5, 2.0, 0.0)
DOORS = tuple(
    Door(name=name, jambs=np.array([[3.0, y - 0.45], [3.0, y + 0.45]]))
    for name, y in (("near", 1.8), ("far", 5.5))
)


def house_with(*open_doors):
    """Two rooms of 3 m by 7 m; a wall at x = 3 m with these doors."""
    house = HouseMap(
        occupancy=np.zeros((140, 120), np.int8),
        resolution=0.05,
        origin=np.array([0.025, 0.025]),
        name="test",
    )
    x, y = np.moveaxis(house.xy_of(np.indices(house.occupancy.shape)), -1, 0)
    gaps = [np.abs(y - door.jambs.mean(axis=0)[1]) < 0.45 for door in open_doors]
    through = np.any(gaps, axis=0) if gaps else np.zeros(x.shape, bool)
    house.occupancy[(np.abs(x - 3.0) < 0.08) & ~through] = 100
    house.occupancy[[0, -1]] = house.occupancy[:, [0, -1]] = 100
    return house


def look_at(pose, now, blocked=(), standing=(), walking=()):
    """A local map of 6 m around (3, 3.5), unknown but for blocked places (x0, x1, y0, y1)."""
    values = np.zeros((120, 120), np.float32)
    y, x = np.mgrid[0:120, 0:120] * 0.05
    x, y = x + 0.025, y + 0.525
    for x0, x1, y0, y1 in blocked:
        values[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)] = HIGH
    grid = Grid(
        values=jnp.asarray(values),
        origin=jnp.array([0.025, 0.525]),
        resolution=jnp.float32(0.05),
    )
    return Look(
        local_map=grid,
        pose=np.asarray(pose, float),
        house_from_map=np.zeros(3),
        standing_map=np.asarray(standing, float).reshape(-1, 2),
        walking_map=np.asarray(walking, float).reshape(-1, 2),
        time=now,
    )


SHUT = {door.name: (2.98, 3.05, *(door.jambs[:, 1] + [-0.05, 0.05])) for door in DOORS}


def answer_of(worker, patience=60.0):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if answer := worker.poll():
            return answer
        time.sleep(0.005)
    raise AssertionError("no answer")


@pytest.fixture
def start_worker():
    started = []

    def start(house, **others):
        started.append(RouteWorker(house, DEFAULT_ROBOT, DOORS, **others))
        return started[-1]

    yield start
    for worker in started:
        worker.close()


class Gated:
    """A search that waits until it is let go on, and counts."""

    def __init__(self):
        self.go, self.begun, self.asked = threading.Event(), threading.Event(), []

    def __call__(self, house, robot, start, goal):
        self.asked.append(goal)
        self.begun.set()
        assert self.go.wait(60.0)
        return plan_route(house, robot, start, goal)


def test_it_answers_with_the_route_of_plan_route(start_worker):
    house = house_with(*DOORS)
    worker = start_worker(house, limit=60.0)
    ticket = worker.ask(START, GOAL)
    answer = answer_of(worker)
    assert isinstance(answer, Found) and answer.ticket == ticket
    expected = plan_route(house, DEFAULT_ROBOT, START, GOAL)
    np.testing.assert_array_equal(
        answer.route.field.cost_to_go.table, expected.field.cost_to_go.table
    )
    assert worker.poll() is None


@pytest.mark.parametrize("goal", [(np.nan, 0.0, 0.0), (99.0, 0.0, 0.0), (3.0, 3.5, 0.0), "home"])
def test_a_goal_that_makes_no_sense_is_refused(start_worker, goal):
    worker = start_worker(house_with(*DOORS), limit=60.0)
    ticket = worker.ask(START, goal)
    answer = answer_of(worker)
    assert isinstance(answer, Refused) and answer.ticket == ticket
    assert "goal" in str(answer.error)


def test_what_cannot_be_reached_is_answered_with_the_wall_in_between(start_worker):
    worker = start_worker(house_with(), limit=60.0)
    worker.ask(START, GOAL)
    answer = answer_of(worker)
    assert isinstance(answer, Unreachable)
    assert answer.blocker and answer.blocker.place == pytest.approx((2.9, 2.0), abs=0.1)


def test_of_a_flood_of_goals_the_latest_wins(start_worker):
    plan = Gated()
    worker = start_worker(house_with(*DOORS), limit=60.0, plan=plan)
    worker.ask(START, GOAL)
    assert plan.begun.wait(60.0)
    goals = [(4.5, 1.0 + 0.01 * k, 0.0) for k in range(500)]
    tickets = [worker.ask(START, goal) for goal in goals]
    plan.go.set()
    answer = answer_of(worker)
    assert isinstance(answer, Found) and answer.ticket == tickets[-1]
    assert answer.route.goal_map == pytest.approx(goals[-1])
    # the one that had begun, and the last: no queue
    assert plan.asked == [GOAL, goals[-1]]


def test_a_cancelled_search_is_not_heard(start_worker):
    plan = Gated()
    worker = start_worker(house_with(*DOORS), limit=60.0, plan=plan)
    ticket = worker.ask(START, GOAL)
    assert plan.begun.wait(60.0)
    worker.cancel()
    assert worker.poll() == Cancelled(ticket=ticket)
    plan.go.set()
    # whatever comes next is the answer to the next question
    after = worker.ask(START, GOAL)
    assert answer_of(worker).ticket == after


def test_a_search_that_takes_too_long_times_out_and_is_not_heard(start_worker):
    plan = Gated()
    worker = start_worker(house_with(*DOORS), limit=0.01, plan=plan)
    ticket = worker.ask(START, GOAL)
    assert plan.begun.wait(60.0)
    assert answer_of(worker) == TimedOut(ticket=ticket)
    plan.go.set()
    worker.close()
    assert worker.poll() is None


def test_a_search_that_breaks_down_says_so_and_the_next_one_works(start_worker):
    def breaks(house, robot, start, goal):
        if goal == "break":
            raise ZeroDivisionError("a defect")
        return plan_route(house, robot, start, goal)

    worker = start_worker(house_with(*DOORS), limit=60.0, plan=breaks)
    worker.ask(START, "break")
    answer = answer_of(worker)
    assert isinstance(answer, Failed) and isinstance(answer.error, ZeroDivisionError)
    worker.ask(START, GOAL)
    assert isinstance(answer_of(worker), Found)


def test_a_door_that_is_seen_shut_changes_the_way_and_two_leave_none(start_worker):
    worker = start_worker(house_with(*DOORS), limit=60.0)
    worker.ask(START, GOAL)
    first = answer_of(worker)
    assert isinstance(first, Found)
    worker.look(look_at(START, 0.0))
    worker.look(look_at(START, 1.0, blocked=[SHUT["near"]]))
    second = answer_of(worker)
    assert isinstance(second, Found)
    assert second.route.to_go(START) > first.route.to_go(START) + 3.0
    worker.look(look_at(START, 2.0, blocked=[SHUT["near"], SHUT["far"]]))
    last = answer_of(worker)
    assert isinstance(last, Unreachable) and last.ticket == first.ticket
    assert last.blocker and last.blocker.door == "near"


def test_the_door_behind_which_the_goal_lies_is_named_not_the_wall_before_it():
    """The straight way leads through the wall; what can be opened is the door."""
    house = house_with(DOORS[1])
    blocked = house.blocked.copy()
    row, column, _ = house.cell_of(np.linspace(DOORS[1].jambs[0], DOORS[1].jambs[1], 60))
    blocked[row, column] = True
    found = blocker(house, DEFAULT_ROBOT, START, GOAL, blocked, DOORS)
    assert found and found.door == "far"
    assert blocker(house, DEFAULT_ROBOT, START, GOAL, house.blocked, DOORS) is None


def driven(looks):
    guidance = Guidance(route=plan_route(house_with(*DOORS), DEFAULT_ROBOT, START, GOAL))
    found = []
    for look in looks:
        guidance = look_again(guidance, look)
        found.append(guidance)
    return found


def test_a_robot_that_is_held_up_by_somebody_takes_the_other_door_for_a_while():
    """It waits for as long as the other way is longer, and no longer."""
    stands = [(3.0, 1.8)]
    pose = (2.4, 1.8, 0.0)
    times = np.arange(0.0, WITHOUT_PROGRESS + DETOUR + 4.0, 1.0)
    found = driven([look_at(pose, float(now), standing=stands) for now in times])
    first = found[0].route
    around = next(guidance for guidance in found if guidance.route is not first)
    longer = around.route.to_go(pose) - first.to_go(pose)
    assert PATIENT < longer < WITHOUT_PROGRESS
    for now, guidance in zip(times, found, strict=True):
        away = guidance.route.to_go(pose) > first.to_go(pose) + 3.0
        # the detour ends, and begins again only after another, longer wait
        waited = np.ceil(longer)
        on_detour = waited <= now <= waited + DETOUR
        assert away == on_detour, now
    way = guide_path(around.route.field, pose)
    assert np.max(way[:, 1]) > 4.9
    assert path_length(way) > 6.0


def test_a_short_way_around_somebody_who_stands_is_taken_soon_and_not_at_once():
    """On an open floor the detour is nothing; whoever walks on in a moment is waited for."""
    stands, pose = [(2.0, 2.4)], (1.3, 2.4, 0.0)
    times = np.arange(0.0, PATIENT + 3.0)
    found = driven([look_at(pose, float(now), standing=stands) for now in times])
    around = [guidance.route is not found[0].route for guidance in found]
    assert around == [now >= PATIENT for now in times]
    way = guide_path(found[-1].route.field, pose)
    assert np.hypot(*(way - np.array(stands)).T).min() > 0.5
    assert np.hypot(*(guide_path(found[0].route.field, pose) - np.array(stands)).T).min() < 0.4
    found = driven(look_at(pose, t, standing=stands if t < PATIENT else []) for t in times)
    assert all(guidance.route is found[0].route for guidance in found)


def test_a_new_way_from_where_it_stands_is_no_progress():
    """Things come into sight behind the door, the way is searched anew: it is held up still."""
    pose, stands = (2.4, 1.8, 0.0), [(3.0, 1.8)]
    things = [(3.5, 3.6, 1.3 + 0.3 * k, 1.6 + 0.3 * k) for k in range(4)]
    times = np.arange(0.0, WITHOUT_PROGRESS)
    found = driven(
        look_at(pose, now, blocked=things[: 1 + int(now)], standing=stands) for now in times
    )
    usual = driven(look_at(pose, now, blocked=things[:1], standing=stands) for now in times)
    searched = [b.route is not a.route for a, b in itertools.pairwise(found)]
    first, expected = (
        np.flatnonzero(np.isfinite([guidance.detour_until for guidance in way]))[0]
        for way in (found, usual)
    )
    assert sum(searched[: first - 1]) >= 3
    # the old way has only got longer: the other is worth it sooner
    assert PATIENT < first <= expected


def test_a_detour_is_not_forgotten_for_somebody_who_stands_elsewhere():
    house, pose = house_with(*DOORS), (2.4, 1.8, 0.0)
    first = plan_route(house, DEFAULT_ROBOT, START, GOAL)
    around = avoid(first, pose, np.array([[3.0, y] for y in np.arange(1.4, 2.2, 0.05)]), NOWHERE)
    assert around.to_go(pose) > first.to_go(pose) + 3.0
    guidance = Guidance(route=around, least=around.to_go(pose), since=0.0, detour_until=DETOUR)
    for now in np.arange(1.0, DETOUR):
        guidance = look_again(guidance, look_at(pose, now, standing=[(1.2, 4.0)]))
        assert guidance.route is around, now


def test_a_way_around_that_leads_nowhere_is_not_tried_for_ever():
    """Where somebody stands is never known to the centimetre; something holds it up as well."""
    pose, random = (1.3, 2.4, 0.0), np.random.default_rng(0)
    thing = (1.5, 1.6, 3.5, 3.6)
    found = driven(
        look_at(pose, t, [thing], [np.array([2.0, 2.4]) + random.normal(0.0, 0.04, 2)])
        for t in np.arange(0.0, 3.0 * WITHOUT_PROGRESS)
    )
    row, column, _ = found[0].route.house_map.cell_of((1.55, 3.55))
    counted = [bool(guidance.route.avoided[row, column]) for guidance in found]
    changes = sum(b.route is not a.route for a, b in itertools.pairwise(found))
    # around the body, back, and then around everything
    assert any(counted) and changes <= 4


def test_whoever_got_on_goes_around_the_next_one_as_soon():
    guidance = Guidance(route=plan_route(house_with(DOORS[0]), DEFAULT_ROBOT, START, GOAL))
    changed = []
    for now in np.arange(0.0, DETOUR + 12.0):
        on = now > PATIENT
        pose, stands = ((1.8, 3.8, 0.0), (2.2, 3.1)) if on else ((1.2, 5.6, 0.0), (1.5, 4.9))
        last, guidance = guidance, look_again(guidance, look_at(pose, now, standing=[stands]))
        changed += [now] if guidance.route is not last.route else []
    # the first detour ends, and after three seconds more the second begins
    over = PATIENT + DETOUR + 1.0
    assert changed == [PATIENT, over, over + PATIENT]


def test_a_robot_that_gets_on_is_left_alone():
    poses = [(1.5 + 0.1 * k, 2.0, 0.0) for k in range(12)]
    found = driven([look_at(p, float(k), standing=[(3.0, 1.8)]) for k, p in enumerate(poses)])
    assert all(guidance.route is found[0].route for guidance in found)


def test_face_to_face_in_the_only_door_it_makes_way_and_comes_again():
    """Where somebody can pass the robot, not past them, and not for ever."""
    house, stands = house_with(DOORS[0]), np.array([3.0, 1.8])
    guidance = Guidance(route=plan_route(house, DEFAULT_ROBOT, START, GOAL))
    before, pose, changes, aside = guidance.route, (2.4, 1.8, 0.0), [], guidance
    for now in np.arange(0.0, WITHOUT_PROGRESS + MAKES_WAY + 5.0):
        last, guidance = guidance, look_again(guidance, look_at(pose, now, standing=[stands]))
        if guidance.route is not last.route:
            changes.append(now)
            aside = guidance if guidance.onward else aside
    # it waits, makes way, and takes up the same way again
    assert changes == [WITHOUT_PROGRESS + 1.0, WITHOUT_PROGRESS + MAKES_WAY + 2.0]
    assert guidance.route is before and guidance.onward is None
    way = guide_path(aside.route.field, pose)
    end = way[-1]
    apart = np.hypot(*(np.array(house.xy_of(np.nonzero(house.blocked))) - end).T).min()
    assert np.hypot(*(end - stands)) >= ASIDE - 0.1 and np.all(way[:, 0] < 2.8)
    # side by side there: half a metre of person and the circle in which the robot turns
    assert 2 * apart > 0.5 + 2 * circumscribed_radius(DEFAULT_ROBOT)


BETWEEN = ((2.15, 2.65, 1.3, 1.58), (2.15, 2.65, 2.02, 2.3))
"""Things on either side of the way to the door: .4 m of room, .25 m wide is the robot."""


def test_wedged_in_alone_it_goes_back_to_where_it_can_turn_and_comes_again():
    house, pose = house_with(DOORS[0]), (2.4, 1.8, 1.0)
    guidance = Guidance(route=plan_route(house, DEFAULT_ROBOT, START, GOAL))
    for now in np.arange(0.0, WEDGED):
        guidance = look_again(guidance, look_at(pose, now, BETWEEN))
        assert guidance.onward is None
    onward = guidance.route
    guidance = look_again(guidance, look_at(pose, WEDGED, BETWEEN))
    assert guidance.onward is onward
    x, y, yaw = guidance.route.goal_map
    # before the gap, not behind it; with room for the circle in which it turns, facing the door
    occupied = np.nonzero(house.blocked | onward.seen_blocked)
    apart = np.hypot(*(np.array(house.xy_of(occupied)) - [x, y]).T).min()
    assert x < 2.15 and apart > circumscribed_radius(DEFAULT_ROBOT) + BESIDE
    assert abs(yaw) < np.pi / 3
    # on its way a look changes nothing; there it goes on as before
    halfway = (0.5 * (x + pose[0]), 0.5 * (y + pose[1]), 1.0)
    assert look_again(guidance, look_at(halfway, WEDGED + 1.0, BETWEEN)) is guidance
    again = look_again(guidance, look_at((x, y, 1.0), WEDGED + 2.0, BETWEEN))
    assert again.onward is None and again.route is onward
    # wedged in once more, which is no progress: it does not go to and fro for ever
    for now in np.arange(WEDGED + 3.0, WEDGED + 2.0 + WITHOUT_PROGRESS):
        again = look_again(again, look_at(pose, now, BETWEEN))
        assert again.onward is None and again.route is onward, now
    # it got through, and may turn again elsewhere
    on = look_again(again, look_at((3.5, 1.8, 0.0), 2.0 * WITHOUT_PROGRESS, BETWEEN))
    assert again.turned and not on.turned


def test_room_to_turn_counts_walls_of_the_map_and_things_that_were_seen():
    route = plan_route(house_with(DOORS[0]), DEFAULT_ROBOT, START, GOAL)
    # the wall's surface is at x = .05 m
    edge = 0.05 + circumscribed_radius(DEFAULT_ROBOT)
    assert has_room(route, (edge + 0.06, 1.8, 0.0)) and not has_room(route, (edge - 0.06, 1.8, 0.0))
    assert has_room(route, (2.4, 1.8, 0.0))
    (seen,) = driven([look_at((2.4, 1.8, 0.0), 0.0, BETWEEN)])
    assert not has_room(seen.route, (2.4, 1.8, 0.0))


def test_a_place_to_turn_that_is_not_reached_is_given_up():
    pose = (2.4, 1.8, 1.0)
    times = np.arange(0.0, WEDGED + BACKS + 4.0)
    found = driven(look_at(pose, now, BETWEEN) for now in times)
    backs = [guidance.onward is not None for guidance in found]
    assert backs == [WEDGED <= now <= WEDGED + BACKS for now in times]
    assert found[-1].route is found[0].route


def test_on_a_detour_it_does_not_go_back_to_turn():
    """The walls of the detour would be forgotten."""
    pose = (2.4, 1.8, 1.0)
    (seen,) = driven([look_at(pose, 0.0, BETWEEN)])
    around = avoid(seen.route, pose, np.array([[1.2, 4.0]]), NOWHERE)
    guidance = Guidance(
        route=around, least=around.to_go(pose), since=0.0, detour_until=2.0 * WITHOUT_PROGRESS
    )
    for now in np.arange(1.0, WITHOUT_PROGRESS):
        guidance = look_again(guidance, look_at(pose, now, BETWEEN))
        assert guidance.route is around and not guidance.turned, now


def test_tracks_are_told_apart_by_their_motion():
    xy = np.arange(8.0).reshape(4, 2)
    velocity = np.array([[0.1, 0.1], [0.12, 0.12], [0.0, 0.0], [1.0, 0.0]])
    standing, walking = by_motion(xy, velocity, [True, True, False, True])
    np.testing.assert_array_equal(standing, xy[:1])
    np.testing.assert_array_equal(walking, xy[[1, 3]])


@pytest.mark.parametrize("case", ["somebody walks", "somebody stands", "room", "nearly there"])
def test_it_does_not_go_back_to_turn(case):
    """Whoever is near may be what holds it up; with room it can turn where it is."""
    pose = (4.4, 2.0, 1.0) if case == "nearly there" else (2.4, 1.8, 1.0)
    beside = [(4.2, 4.6, 2.15, 2.3)] if case == "nearly there" else list(BETWEEN)
    found = driven(
        look_at(
            pose,
            now,
            () if case == "room" else beside,
            standing=[(1.0, 1.8)] if case == "somebody stands" else (),
            walking=[(1.0, 1.8)] if case == "somebody walks" else (),
        )
        for now in np.arange(0.0, 3.0 * WEDGED)
    )
    assert not any(guidance.onward or guidance.turned for guidance in found)


def test_to_make_way_is_no_other_goal(start_worker):
    worker = start_worker(house_with(DOORS[0]), limit=60.0)
    worker.ask(START, GOAL)
    first, answers = answer_of(worker), []
    until = time.monotonic() + 30.0
    # it makes way for some looks, lest the second answer comes before the first is asked for
    for now in np.arange(1000) * (MAKES_WAY / 3.0):
        worker.look(look_at((2.4, 1.8, 0.0), float(now), standing=[(3.0, 1.8)]))
        time.sleep(0.1)
        answers += [answer for answer in [worker.poll()] if answer]
        if len(answers) == 2 or time.monotonic() > until:
            break
    assert isinstance(first, Found) and not first.makes_way
    aside, again = answers
    assert isinstance(aside, Found) and aside.makes_way
    assert isinstance(again, Found) and not again.makes_way
    assert again.route.goal_map == first.route.goal_map != aside.route.goal_map


def test_without_another_way_the_old_one_stays():
    guidance = Guidance(route=plan_route(house_with(DOORS[0]), DEFAULT_ROBOT, START, GOAL))
    before = guidance.route
    for now in np.arange(0.0, 3.0 * WITHOUT_PROGRESS):
        guidance = look_again(guidance, look_at((1.2, 1.8, 0.0), float(now), standing=[(3.0, 1.8)]))
    assert guidance.route is before and guidance.route.failure is None
