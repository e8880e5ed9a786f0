"""What the bench of following counts, on walks made by hand."""

import dataclasses
import types
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.bench.follow import bootstrap, figures_of, in_view, summary
from astro_jax.bench.follow_scenes import HOMES, SLOWER, Chase, home_chase, recorded_chases
from astro_jax.config import DEFAULT_ROBOT, PlannerConfig
from astro_jax.errors import InputError
from astro_jax.route.house import HouseMap
from astro_jax.sim.contact import no_contacts
from astro_jax.sim.scene import make_scene
from astro_jax.tasks.going import brake
from astro_jax.tasks.nouns import Directive

ROBOT, CONFIG = DEFAULT_ROBOT, PlannerConfig(people=2)
PERIOD, TICK, COUNT = 0.1, 0.02, 100
TIME = PERIOD * np.arange(COUNT)


@pytest.fixture(scope="module")
def chase():
    """A hall of 12 x 6 m with a wall across its upper half at x = 2 m."""
    blocked = np.zeros((60, 120), bool)
    blocked[[0, -1]] = blocked[:, [0, -1]] = True
    blocked[30:, 80] = True
    house = HouseMap(
        occupancy=np.where(blocked, 100, 0).astype(np.int8),
        resolution=0.1,
        origin=np.array([-6.0, -3.0]),
        name="hall",
    )
    start = np.zeros(3)
    scene = make_scene(
        house.occupancy,
        blocked,
        house.origin,
        house.resolution,
        start,
        start,
        np.zeros((0, 2, 2)),
        np.zeros(0, np.int32),
        0.1,
        CONFIG.people,
        0,
    )
    scene = dataclasses.replace(scene, present=jnp.array([True, False]))
    return Chase(name="hall", stratum="hall", scene=scene, house_map=house, seconds=10.0)


def sees(chase, target, yaw=0.0, pan=0.0):
    pose = np.array([[0.0, 0.0, yaw]])
    return bool(in_view(ROBOT, chase, pose, np.array([pan]), np.array([target]))[0])


def test_the_camera_sees_by_angle_distance_and_walls(chase):
    half = ROBOT.camera.field_of_view / 2
    for angle, seen in ((half - 0.05, True), (half + 0.05, False), (-half + 0.05, True)):
        place = 1.5 * np.array([np.cos(angle), -abs(np.sin(angle))]) + [ROBOT.screen.mount_x, 0.0]
        assert sees(chase, place, pan=0.0) is seen, angle
    assert not sees(chase, (1.0, -0.4), yaw=1.5)
    assert sees(chase, (1.0, -0.4), yaw=1.5, pan=-1.5)
    assert sees(chase, (-1.5, -0.2), yaw=np.pi, pan=0.0)
    assert not sees(chase, (5.5, -0.5))
    assert sees(chase, (3.0, -1.0)) and not sees(chase, (3.0, 1.0))


def episode(pose, target, slots=None, pan=0.0) -> Any:
    """As ``sim/tasked.py`` leaves it; the second person is not there."""
    slots = [0] * COUNT if slots is None else slots
    people = np.stack([target, np.zeros_like(target)], axis=1)
    said = [
        Directive(field=None, gaze=brake().gaze, slot=slot, target=tuple(place))
        for slot, place in zip(slots, target.tolist(), strict=True)
    ]
    ticks = TICK * np.arange(1, 5 * COUNT + 1)
    return types.SimpleNamespace(
        log=types.SimpleNamespace(
            time=TIME, pose_map=pose, people_xy=people, pan=np.full(COUNT, pan)
        ),
        ticks=types.SimpleNamespace(time=ticks, twist=np.ones((len(ticks), 2))),
        directives=tuple(zip(TIME.tolist(), said, strict=True)),
        results=(),
        final=types.SimpleNamespace(contacts=no_contacts(CONFIG.people)),
        step_seconds=np.full(COUNT, 0.01),
    )


def behind(distance):
    """The person walks along the hall's lower half, the robot so far behind."""
    x = -5.0 + 0.8 * TIME
    target = np.stack([x, np.full_like(x, -1.0)], axis=-1)
    pose = np.stack([x - distance, target[:, 1], np.zeros_like(x)], axis=-1)
    return pose, target


@pytest.mark.parametrize(("distance", "share"), [(0.9, 0.0), (1.5, 1.0), (2.1, 0.0)])
def test_the_band_is_counted_between_centres(chase, distance, share):
    figures = figures_of(ROBOT, chase, episode(*behind(distance)))
    assert figures["in_band"] == share
    assert figures["in_view"] == 1.0 and figures["right"] == 1.0
    assert figures["distance"] == pytest.approx([distance] * 3, abs=1e-6)
    gap = distance - ROBOT.length / 2 - float(chase.scene.radius[0])
    assert figures["min_gap"] == pytest.approx(gap, abs=1e-6)


def test_losses_and_what_came_of_them_are_counted(chase):
    slots = np.zeros(COUNT, int)
    slots[40:50] = slots[90:] = -1
    figures = figures_of(ROBOT, chase, episode(*behind(1.5), slots=slots.tolist()))
    assert (figures["losses"], figures["recovered"]) == (2, 1)
    # counted from 2 s on
    assert figures["lost"] == pytest.approx(20 / 80)


def test_stepping_in_front_of_the_person_is_counted_and_of_nobody_is_not(chase):
    pose, target = behind(1.5)
    pose[50:, 0] = target[50:, 0] + 0.8
    pose[50:, 1] += np.interp(TIME[50:], [5.0, 6.0], [0.8, 0.0])
    figures = figures_of(ROBOT, chase, episode(pose, target))
    assert (figures["cut_in"], figures["cut_in_others"]) == (1, 0)


def test_intervals_are_of_episodes_and_time_is_weighed(chase):
    rows = [figures_of(ROBOT, chase, episode(*behind(d))) for d in (1.5, 1.5, 2.5, 1.5)]
    rows[2]["seconds"] *= 3.0
    report = summary(rows, ROBOT, CONFIG, 0)
    assert report.metrics["in_band"] == pytest.approx(0.5)
    low, high = report.intervals["in_band, recorded"]
    assert low < 0.2 and high == 1.0
    assert bootstrap(rows, "in_view", 0) == (1.0, 1.0)
    assert report.cases[0]["episodes"] == 4
    assert not any(name.endswith("home") for name in report.intervals)
    for row in rows[:2]:
        row["stratum"] = HOMES[0]
    apart = summary(rows, ROBOT, CONFIG, 0).intervals
    assert apart["in_band, home"] == (1.0, 1.0) and apart["in_band, recorded"][0] == 0.0


def rests_and_reversals(chase):
    """Of the walk of whoever is followed, in points."""
    steps = np.diff(np.asarray(chase.scene.path_map[0])[: int(chase.scene.path_length[0])], axis=0)
    moves = np.hypot(*steps.T) > 1e-6
    going = steps[moves]
    turned = np.sum(going[1:] * going[:-1], axis=-1) < -0.005
    return np.count_nonzero(~moves), np.count_nonzero(turned)


def test_at_home_they_set_out_from_ahead_of_the_robot_and_stop_or_turn_back():
    walks, stops, turns = (home_chase(ROBOT, CONFIG, kind, 3) for kind in HOMES[:3])
    first = np.asarray(walks.scene.path_map[0, 0])
    away = np.hypot(*(first - np.asarray(walks.scene.start_map)[:2]))
    assert away == pytest.approx(1.5, abs=0.15)
    again = home_chase(ROBOT, CONFIG, HOMES[0], 3)
    assert np.array_equal(np.asarray(again.scene.path_map), np.asarray(walks.scene.path_map))
    rests, reversals = rests_and_reversals(walks)
    speed = float(stops.scene.walk_speed[0])
    # three times 2 to 6 s
    more = rests_and_reversals(stops)[0] - rests
    assert 3 * 2.0 * speed / 0.1 - 3 <= more <= 3 * 6.0 * speed / 0.1 + 3
    assert rests_and_reversals(stops)[1] == reversals
    # twice back and on again; what turn there was on the way is then walked three times
    more = rests_and_reversals(turns)[1] - reversals
    assert more >= 4 and more % 2 == 0


def test_recorded_people_are_no_faster_than_the_robot_can_follow(data_dir):
    chases = recorded_chases(data_dir, ROBOT, CONFIG, 6, 0)
    assert len(chases) == 6 and len({chase.stratum for chase in chases}) > 2
    for chase in chases:
        walk = np.asarray(chase.scene.recorded_map)[0]
        steps = np.hypot(*np.diff(walk, axis=0).T) / float(chase.scene.recorded_spacing)
        moving = steps[5:][steps[5:] > 0.05]
        assert np.quantile(moving, 0.9) < 1.05 * SLOWER * ROBOT.speed
        start = np.asarray(chase.scene.start_map)
        assert np.hypot(*(walk[0] - start[:2])) == pytest.approx(1.5, abs=1e-3)


def test_a_folder_without_recordings_is_refused(tmp_path):
    with pytest.raises(InputError):
        recorded_chases(tmp_path, ROBOT, CONFIG, 1, 0)
