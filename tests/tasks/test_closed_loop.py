"""Tasks with the whole robot under them, in one small house: one compilation for all."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.body.gaze import Intent
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig, PlannerParams
from astro_jax.errors import InputError
from astro_jax.reactive.senses import Mode, Orders
from astro_jax.sim.scene import make_scene
from astro_jax.sim.tasked import task_driver
from astro_jax.tasks.docking import SPEED
from astro_jax.tasks.nouns import Dock, Follow, GoTo, Outcome, Person

from .moments import HOUSE

ROBOT = DEFAULT_ROBOT
CONFIG = PlannerConfig(
    candidates=96, descents=1, gradient_steps=2, people=2, near_bodies=2, map_cells=64
)
EVERY = 0.25
"""Between two samples of a person's way, s."""
SAMPLES = 120


@pytest.fixture(scope="module")
def drive():
    return task_driver(ROBOT, CONFIG, PlannerParams())


@functools.cache
def scene(start, way=None):
    """``way``: where the only person is, a point every ``EVERY`` s; they see nobody."""
    pose = np.array(start)
    made = make_scene(
        HOUSE.occupancy,
        HOUSE.blocked,
        HOUSE.origin,
        HOUSE.resolution,
        pose,
        pose + np.array([1e3, 0.0, 0.0]),
        np.zeros((0, 2, 2)),
        np.zeros(0, np.int32),
        0.1,
        CONFIG.people,
        0,
    )
    recorded = np.zeros((CONFIG.people, SAMPLES, 2), np.float32)
    if way is not None:
        recorded[0, : len(way)], recorded[0, len(way) :] = way, way[-1]
    return dataclasses.replace(
        made,
        present=jnp.arange(CONFIG.people) < (way is not None),
        recorded_map=jnp.asarray(recorded),
        recorded_spacing=jnp.float32(EVERY),
    )


def walk(*points, speed=0.45, wait=2.0):
    """A person's way along a polyline, after they have stood for ``wait`` s."""
    points = np.array(points, np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0.0, along[-1], speed * EVERY)
    xy = np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=-1)
    stands = [tuple(points[0])] * round(wait / EVERY)
    return (*stands, *(tuple(p) for p in xy.tolist()))


THROUGH_THE_DOOR = walk((2.1, 1.0), (2.5, 2.5), (3.6, 2.5), (4.6, 1.6), (4.7, 0.9))


def test_somebody_is_followed_through_a_door_and_kept_in_view(drive):
    task = Follow(person=Person(near=(2.1, 1.0)))
    episode = drive(scene((0.6, 1.0, 0.0), THROUGH_THE_DOOR), HOUSE, [task], 18.0, wait=0.6)
    assert episode.results == ()
    log = episode.log
    away = np.hypot(*(log.people_xy[:, 0] - log.pose_map[:, :2]).T)[log.time > 2.0]
    assert np.mean((away > 0.9) & (away < 2.1)) > 0.85
    assert episode.final.pose[0] > 3.3  # in the other room
    assert int(episode.final.contacts.contacts) == 0
    looked = [d for since, d in episode.directives if since > 1.0]
    assert {int(d.gaze.intent) for d in looked} == {Intent.BODY}
    off = log.people_xy[:, 0] - log.pose_map[:, :2]
    bearing = np.arctan2(off[:, 1], off[:, 0]) - log.pose_map[:, 2] - log.pan
    seen = np.abs(np.remainder(bearing + np.pi, 2 * np.pi) - np.pi) < 0.61
    assert np.mean(seen[log.time > 2.0]) > 0.9


def test_cancelled_on_the_way_it_brakes_at_once_and_the_screen_comes_to_rest(drive):
    cancelled = 3.0
    events = [(cancelled, lambda runner, state: runner.cancel())]
    goal = GoTo(pose=(2.4, 2.4, 1.2))
    episode = drive(scene((0.6, 1.0, 0.0)), HOUSE, [goal], 8.0, events=events)
    assert [(t, r.outcome) for t, _, r in episode.results] == [(cancelled, Outcome.CANCELLED)]
    time, speed = episode.ticks.time, np.abs(episode.ticks.twist[:, 0])
    assert speed[time < cancelled].max() > 0.3
    # dead time and lag, then the brakes
    rest = cancelled + 0.3 + ROBOT.speed / ROBOT.braking
    assert speed[time > rest].max() < 0.02
    assert np.abs(episode.log.pan[-3:]).max() < 0.03


def test_the_emergency_stop_ends_the_task_and_nothing_starts_it_again(drive):
    refused = []

    def press(runner, state):
        return Orders(stop=True)

    def try_again(runner, state):
        with pytest.raises(InputError):
            runner.give(GoTo(pose=(2.4, 2.4, 1.2)), 5.0)
        refused.append(True)
        return Orders(stop=True)

    held = [(3.0 + 0.2 * k, press) for k in range(10)]
    goal = GoTo(pose=(2.4, 2.4, 1.2))
    episode = drive(scene((0.6, 1.0, 0.0)), HOUSE, [goal], 8.0, events=[*held, (5.0, try_again)])
    assert [r.outcome for _, _, r in episode.results] == [Outcome.E_STOPPED]
    assert refused
    time = episode.ticks.time
    after = time > 3.1 + 0.3 + ROBOT.speed / ROBOT.braking
    assert np.abs(episode.ticks.twist[after]).max() < 0.02
    assert set(episode.ticks.mode[after].tolist()) == {int(Mode.E_STOPPED)}


def test_it_docks_to_the_centimetre_and_slowly(drive):
    dock = (1.2, 2.0, np.pi / 2)
    episode = drive(scene((1.1, 1.2, 1.4)), HOUSE, [Dock(pose=dock)], 30.0)
    assert [r.outcome for _, _, r in episode.results] == [Outcome.ARRIVED]
    x, y, yaw = (float(v) for v in episode.final.pose)
    assert np.hypot(x - dock[0], y - dock[1]) < 0.03
    assert abs(yaw - dock[2]) < np.radians(2.0)
    began = min(since for since, d in episode.directives if d.doing == "docking")
    # the pace is eased into
    approach = episode.ticks.time > began + 2.5
    # wheels are up to 4 % off
    assert np.abs(episode.ticks.twist[approach, 0]).max() < 1.08 * SPEED
    assert int(episode.final.contacts.contacts) == 0


def test_nothing_was_compiled_twice(drive):
    assert drive(scene((0.6, 1.0, 0.0)), HOUSE, [GoTo(pose=(0.8, 1.0, 0.0))], 1.0).compilations == 1


def test_one_who_walks_off_for_good_is_lost_and_the_robot_rests(drive):
    """They leave the house in no time: the robot goes where they must be and gives up."""
    way = (*walk((2.1, 1.0), (2.2, 1.05), wait=3.0), (-50.0, -50.0))
    task = Follow(person=Person(near=(2.1, 1.0)), patience=6.0)
    episode = drive(scene((0.6, 1.0, 0.0), way), HOUSE, [task], 20.0, wait=0.6)
    assert [r.outcome for _, _, r in episode.results] == [Outcome.LOST]
    said = [d.doing for _, d in episode.directives]
    assert "looking around" in said
    assert np.abs(episode.ticks.twist[-10:]).max() < 0.02
    assert np.abs(episode.log.pan[-2:]).max() < 0.05
