"""What the task layer says to good and bad requests, one belief at a time."""

import dataclasses
import math

import numpy as np
import pytest

from astro_jax.body.gaze import Intent
from astro_jax.errors import InputError
from astro_jax.tasks.following import TRUST
from astro_jax.tasks.nouns import (
    Directive,
    Dock,
    Follow,
    GoTo,
    LookAt,
    Outcome,
    Patrol,
    Person,
    Stop,
)
from astro_jax.tasks.step import begin, step
from astro_jax.tasks.ways import LOOK, costs_to_go

from .moments import HOUSE, PEOPLE, SETTING, belief

SHAPE = HOUSE.occupancy.shape


def region(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def run(task, beliefs) -> tuple[Outcome | None, float, list[Directive]]:
    """The first result, when it came, and all directives."""
    memory = begin(SETTING, task, beliefs[0].time)
    said = []
    for moment in beliefs:
        memory, directive, result = step(SETTING, memory, moment)
        said.append(directive)
        if result is not None:
            return result.outcome, moment.time, said
    return None, math.nan, said


def waiting(seconds, step_time=0.2, **same):
    return [belief(time=k * step_time, **same) for k in range(round(seconds / step_time) + 1)]


REFUSED = {
    "no goal": (GoTo(), "goal"),
    "two goals": (GoTo(pose=(1.0, 1.0, 0.0), region=region(slice(20, 30), slice(20, 30))), "goal"),
    "NaN pose": (GoTo(pose=(math.nan, 1.0, 0.0)), "goal"),
    "off the map": (GoTo(pose=(99.0, 1.0, 0.0)), "goal"),
    "empty region": (GoTo(region=np.zeros(SHAPE, bool)), "goal"),
    "region of another map": (GoTo(region=np.ones((3, 4), bool)), "goal"),
    "no goals": (Patrol(goals=()), "goals"),
    "patrol off the map": (Patrol(goals=((1.0, 1.0, 0.0), (0.0, -5.0, 0.0))), "goal"),
    "no rounds": (Patrol(goals=((1.0, 1.0, 0.0),), rounds=0), "rounds"),
    "nobody named": (Follow(person=Person()), "person"),
    "named twice": (Follow(person=Person(slot=0, identity=1)), "person"),
    "no such slot": (Follow(person=Person(slot=PEOPLE)), "person.slot"),
    "negative identity": (Follow(person=Person(identity=-1)), "person.identity"),
    "near nowhere": (Follow(person=Person(near=(math.nan, 0.0))), "person.near"),
    "too near": (Follow(person=Person(slot=0), distance=0.2), "distance"),
    "NaN distance": (Follow(person=Person(slot=0), distance=math.nan), "distance"),
    "NaN bearing": (Follow(person=Person(slot=0), bearing=math.nan), "bearing"),
    "no patience": (Follow(person=Person(slot=0), patience=0.0), "patience"),
    "look at nothing": (LookAt(), "look"),
    "look at NaN": (LookAt(point=(math.nan, 0.0)), "point"),
    "look for ever": (LookAt(point=(1.0, 1.0), seconds=math.inf), "seconds"),
    "dock at NaN": (Dock(pose=(1.0, 1.0, math.nan)), "goal"),
    "no attempts": (Dock(pose=(1.0, 1.0, 0.0), attempts=0), "attempts"),
    "no time": (Stop(limit=0.0), "limit"),
    "NaN time": (Stop(limit=math.nan), "limit"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nonsense_is_refused_before_anything_changes(case):
    task, field = REFUSED[case]
    with pytest.raises(InputError) as caught:
        begin(SETTING, task, 0.0)
    assert caught.value.field == field


NEAR_WALL = (0.1, 1.0, 0.0)
CHAMBER = (5.75, 0.25, 0.0)
ENDS = {
    "goal in a wall": (GoTo(pose=(3.05, 0.5, 0.0)), belief(), Outcome.TARGET_IN_WALL),
    "no room at the goal": (GoTo(pose=NEAR_WALL), belief(), Outcome.TARGET_IN_WALL),
    "region in a wall": (
        GoTo(region=region(slice(0, 1), slice(0, 122))),
        belief(),
        Outcome.TARGET_IN_WALL,
    ),
    "region without a way": (
        GoTo(region=region(slice(2, 8), slice(112, 119))),
        belief(),
        Outcome.UNREACHABLE,
    ),
    "robot in a wall": (
        GoTo(pose=(1.0, 1.0, 0.0)),
        belief(pose=(3.05, 0.5, 0.0)),
        Outcome.NOT_PLACED,
    ),
    "NaN pose": (
        GoTo(pose=(1.0, 1.0, 0.0)),
        belief(pose=(math.nan, 1.0, 0.0)),
        Outcome.NOT_PLACED,
    ),
    "nobody in the slot": (Follow(person=Person(slot=1)), belief(), Outcome.UNKNOWN_PERSON),
    "nobody near": (
        Follow(person=Person(near=(2.0, 2.0))),
        belief(people=[(0, 0.5, 2.5, 0.0, 0.0)]),
        Outcome.UNKNOWN_PERSON,
    ),
    "nobody to look at": (LookAt(person=Person(slot=0)), belief(), Outcome.UNKNOWN_PERSON),
    "dock without room": (Dock(pose=(2.75, 0.5, 0.0)), belief(), Outcome.TARGET_IN_WALL),
    "emergency stop": (GoTo(pose=(2.0, 1.0, 0.0)), belief(e_stopped=True), Outcome.E_STOPPED),
    "already there": (GoTo(pose=(1.0, 1.0, 0.0)), belief(), Outcome.ARRIVED),
    "already inside": (
        GoTo(region=region(slice(10, 30), slice(10, 30))),
        belief(),
        Outcome.ARRIVED,
    ),
    "stopped": (Stop(), belief(), Outcome.DONE),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_turns_out_about_the_world_is_a_result_and_the_robot_brakes(case):
    task, moment, outcome = ENDS[case]
    found, when, said = run(task, [moment])
    assert (found, when) == (outcome, 0.0)
    assert said[-1].field is None
    assert int(said[-1].gaze.intent) == Intent.REST


def test_a_person_with_a_name_is_looked_for_and_given_up():
    task = Follow(person=Person(identity=3), patience=2.0)
    others = [(0, 2.0, 1.0, 0.0, 0.0, 1)]
    found, when, said = run(task, waiting(4.0, people=others))
    assert found is Outcome.NEVER_SEEN and 2.0 < when <= 2.2 + 1e-6
    assert all(d.field is None for d in said)
    assert {int(d.gaze.intent) for d in said[:-1]} == {Intent.SCAN}
    assert int(said[-1].gaze.intent) == Intent.REST


def test_a_person_with_a_name_is_followed_once_seen():
    moments = waiting(1.0)
    moments += [belief(time=1.2, people=[(2, 2.6, 1.0, 0.0, 0.0, 3)])]
    found, _, said = run(Follow(person=Person(identity=3)), moments)
    assert found is None
    assert said[-1].slot == 2 and said[-1].field is not None
    assert int(said[-1].gaze.intent) == Intent.BODY and int(said[-1].gaze.body) == 2


def test_one_who_is_lost_is_gone_after_looked_for_and_given_up():
    """Through the door and away: go to where they must be, look around, give up with LOST."""
    walk = [belief(time=0.2 * k, people=[(0, 2.4 + 0.12 * k, 2.5, 0.6, 0.0)]) for k in range(6)]
    gone = [belief(time=1.2 + 0.2 * k) for k in range(30)]
    there = [belief(time=7.2 + 0.2 * k, pose=(3.8, 2.5, 0.0)) for k in range(120)]
    task = Follow(person=Person(slot=0), patience=15.0)
    found, when, said = run(task, walk + gone + there)
    assert found is Outcome.LOST
    assert 15.0 <= when - 1.2 <= 15.5
    followed, going = said[:6], said[6:36]
    assert {d.slot for d in followed} == {0}
    assert all(d.field is not None and d.slot == -1 for d in going)
    # not where they were seen last, but farther on, in the other room
    last_seen = 2.4 + 0.12 * 5
    assert all(d.target is not None and d.target[0] > last_seen + 0.4 for d in going)
    assert "looking around" in {d.doing for d in said[36:-1]}
    assert Intent.SCAN in {int(d.gaze.intent) for d in said[36:-1]}
    assert said[-1].field is None and int(said[-1].gaze.intent) == Intent.REST


def test_somebody_without_a_way_is_unreachable():
    people = [(0, 5.75, 0.25, 0.0, 0.0)]
    found, when, said = run(Follow(person=Person(slot=0)), waiting(8.0, people=people))
    assert found is Outcome.UNREACHABLE and 5.0 < when < 5.5
    assert all(d.field is None for d in said)


def test_the_screen_cannot_turn_all_round():
    behind = (0.3, 1.0)
    found, when, _ = run(LookAt(point=behind), waiting(5.0))
    assert found is Outcome.OUT_OF_REACH and 3.0 < when <= 3.4
    # ahead it can; it has looked once the screen faces it for so long
    task = LookAt(point=(2.0, 2.0), seconds=1.0)
    found, when, said = run(task, waiting(5.0, pan=math.pi / 4))
    assert found is Outcome.DONE and when == pytest.approx(1.0)
    assert int(said[0].gaze.intent) == Intent.POINT
    assert run(task, waiting(5.0, pan=-0.5))[0] is None


def test_looking_at_somebody_ends_when_they_leave():
    seen = waiting(1.0, people=[(1, 2.0, 1.0, 0.0, 0.0)])
    gone = [belief(time=1.2)]
    found, _, said = run(LookAt(person=Person(slot=1), seconds=9.0), seen + gone)
    assert found is Outcome.LOST
    assert int(said[0].gaze.body) == 1 and int(said[0].gaze.intent) == Intent.BODY


def test_a_task_has_a_time_limit():
    found, when, _ = run(GoTo(pose=(5.0, 2.5, 0.0), limit=1.0), waiting(3.0))
    assert found is Outcome.TIMED_OUT and 1.0 < when <= 1.2 + 1e-6


def test_a_patrol_goes_on_and_leaves_out_what_has_no_way():
    first, chamber, last = (2.0, 1.0, 0.0), CHAMBER, (1.0, 2.0, 0.0)
    task = Patrol(goals=(first, chamber, last), rounds=2)
    memory, places, result = begin(SETTING, task, 0.0), [], None
    pose, time = np.array([1.0, 1.0, 0.0]), 0.0
    while result is None and time < 60.0:
        memory, directive, result = step(SETTING, memory, belief(time=time, pose=pose))
        if directive.field is not None:
            goal = np.asarray(directive.field.goal_map, np.float64)
            places.append(tuple(goal.round(2)))
            pose = goal  # in no time
        time += 0.2
    assert result is not None and result.outcome is Outcome.DONE
    assert "4 visits, 2 left out" in result.detail
    assert places == [first, last, first, last]


def test_the_leash_ends_before_the_person_and_goes_through_the_door():
    """V on the leash's end is the way's, not the straight line's through the wall."""
    far = belief(people=[(0, 4.5, 1.0, 0.0, 0.0)])
    _, _, said = run(Follow(person=Person(slot=0), distance=1.4), [far])
    field = said[0].field
    assert field is not None and field.leash is not None
    stand = np.asarray(field.goal_map)
    assert math.dist(stand[:2], (4.5, 1.0)) == pytest.approx(1.4, abs=0.3)
    assert stand[0] > 3.0
    cost = np.asarray(field.cost_to_go.table)[20, 20, 0]
    straight = 3.5 / (0.9 * SETTING.robot.speed)
    assert cost > 1.3 * straight
    assert float(field.leash.receding) == pytest.approx(0.0, abs=0.02)


def test_the_leash_follows_the_forecast():
    away = belief(people=[(0, 2.4, 1.0, 0.0, 0.0)])
    walking = belief(people=[(0, 1.9, 2.4, 0.5, 0.1)], pose=(0.6, 2.2, 0.0))
    receding = []
    for moment in (away, walking):
        field = run(Follow(person=Person(slot=0)), [moment])[2][0].field
        assert field is not None and field.leash is not None
        receding.append(float(field.leash.receding))
    assert receding[0] == pytest.approx(0.0, abs=0.02)
    # .5 m/s of .675 m/s of cruising, most of which it trusts
    assert 0.4 < receding[1] < 0.8


def test_the_leash_is_right_now_and_later_and_does_not_end_where_they_are():
    """Somebody who walks is no place to arrive at: on the way of the next seconds V has to fall."""
    speed, distance = 0.35, 1.0
    moment = belief(people=[(0, 1.6, 1.5, speed, 0.0)], pose=(0.5, 1.5, 0.0))
    field = run(Follow(person=Person(slot=0), distance=distance), [moment])[2][0].field
    assert field is not None and field.leash is not None
    length, receding = float(field.leash.length), float(field.leash.receding)
    now = 1.6 + (float(moment.tracks.age) + SETTING.ahead) * speed
    pace = 0.9 * SETTING.robot.speed

    def beyond(x, time):
        (cost,) = costs_to_go(field, np.array([[x, 1.5]]))
        return float(cost) + receding * time - length

    assert beyond(0.5, 0.0) == pytest.approx((now - distance - 0.5) / pace, abs=0.1)
    # who kept the distance is where the leash ends, but for what the robot does not count on
    kept = now + LOOK * speed - distance
    untrusted = (1.0 - TRUST) * LOOK * speed / pace
    assert beyond(kept, LOOK) == pytest.approx(-untrusted, abs=0.1)
    assert beyond(now + 0.4, LOOK) < beyond(now, LOOK) - 0.3


def test_one_who_has_passed_is_followed_at_once():
    task, pose = Follow(person=Person(slot=0)), (1.0, 1.5, 0.0)
    coming = belief(people=[(0, 2.6, 1.5, -0.6, 0.0)], pose=pose)
    beside = belief(time=0.4, people=[(0, 2.2, 1.5, -0.6, 0.0)], pose=pose)
    behind = belief(time=0.8, people=[(0, 1.9, 2.2, 0.2, 0.5)], pose=pose)
    said = [directive.doing for directive in run(task, [coming, beside, behind])[2]]
    assert said == ["making way", "making way", "following"]


def test_one_who_comes_back_is_let_past():
    coming = belief(people=[(0, 2.6, 1.5, -0.6, 0.0)], pose=(1.0, 1.5, 0.0))
    directive = run(Follow(person=Person(slot=0)), [coming])[2][0]
    assert directive.doing == "making way"
    assert directive.field is not None
    place = np.asarray(directive.field.goal_map)
    assert abs(place[1] - 1.5) > 0.6


def test_beside_somebody_is_to_that_side_of_their_walk():
    for bearing, side in ((math.pi / 2, 1.0), (-math.pi / 2, -1.0)):
        task = Follow(person=Person(slot=0), bearing=bearing, distance=0.8)
        moment = belief(people=[(0, 1.6, 1.5, 0.5, 0.0)], pose=(0.5, 1.5, 0.0))
        directive = run(task, [moment])[2][0]
        assert directive.field is not None
        table = np.asarray(directive.field.cost_to_go.table)[..., 0]
        row, _ = np.unravel_index(int(np.argmin(table)), table.shape)
        assert side * (0.05 * row - 1.5) > 0.5


def test_memory_is_not_changed_in_place():
    memory = begin(SETTING, GoTo(pose=(5.0, 2.5, 0.0)), 0.0)
    before = dataclasses.replace(memory)
    step(SETTING, memory, belief())
    assert memory.own is before.own and memory.own.guidance is None
