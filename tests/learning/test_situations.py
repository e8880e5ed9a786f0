"""Moments are what the planner would have met, and what it could have done."""

import dataclasses

import jax
import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT, PlannerParams
from astro_jax.learning.situations import PAST, cutter, people_at, poses_at, tracks_at
from astro_jax.local.planner import basis_of
from astro_jax.robot import drive as drives
from tests.learning.test_demonstrations import some_drive
from tests.local.conftest import SMALL

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module")
def cut(compiled_quickly):
    return cutter(DEFAULT_ROBOT, SMALL, PlannerParams())


def straight(speed=0.6, seconds=9.0):
    drive = some_drive(round(seconds / 0.1))
    pose = np.stack([0.6 + speed * drive.time, 0 * drive.time, 0 * drive.time], axis=-1)
    return dataclasses.replace(drive, pose=pose, goal=np.array([7.5, 0.0, 0.0]))


def test_what_was_done_is_a_point_of_the_planners_space(cut):
    situations, left_out = cut(straight())
    assert not left_out and len(situations) == 2
    for number, situation in enumerate(situations):
        begin = PAST + 3.0 * number
        world = situation.world
        assert np.allclose(world.pose_map, [0.6 + 0.6 * begin, 0.0, 0.0], atol=1e-5)
        assert np.allclose(world.command, [0.6, 0.0], atol=1e-3)
        basis = basis_of(SMALL)
        controls = drives.decode(
            DEFAULT_ROBOT, basis, world.command, world.command_dot, situation.z
        )
        motion = drives.motion(DEFAULT_ROBOT, basis, world.pose_map, controls)
        assert np.allclose(motion.twist[:, 0], 0.6, atol=0.02)
        # the way to go falls by about the time it takes
        assert np.allclose(situation.field.goal_map, [7.5, 0.0, 0.0], atol=1e-5)
        assert bool(np.isfinite(np.array(situation.field.cost_to_go.table)).all())
    bodies = situations[0].world.forecast
    assert np.array_equal(bodies.valid, [True, False])
    assert np.allclose(bodies.xy_map[0, 0], [2.0, 1.0], atol=1e-5)


def test_what_cannot_be_shown_is_left_out_and_counted(cut):
    def reasons(drive):
        situations, left_out = cut(drive)
        assert not situations
        return dict(left_out)

    drive = straight()
    assert set(reasons(straight(speed=0.85, seconds=7.0))) == {"too fast"}
    still = np.broadcast_to(drive.pose[:1], drive.pose.shape)
    assert set(reasons(dataclasses.replace(drive, pose=still))) == {"standing"}
    people = drive.people.copy()
    people[:, 0] = drive.pose[:, :2] + [0.2, 0.0]
    assert set(reasons(dataclasses.replace(drive, people=people))) == {"touching"}
    assert set(reasons(dataclasses.replace(drive, goal=np.array([7.99, 0.0, 0.0])))) == {
        "walled in"
    }
    # from standing to .7 m/s and back within two samples, again and again
    jerky = drive.pose.copy()
    jerky[:, 0] = 0.6 + np.cumsum(0.07 * (np.arange(len(jerky)) // 4 % 2))
    assert set(reasons(dataclasses.replace(drive, pose=jerky))) == {"too brisk"}


def test_places_between_samples():
    drive = some_drive()
    at = np.array([0.05, 1.23])
    assert np.allclose(poses_at(drive, at)[:, 0], 1.0 + 0.5 * at)
    turned = dataclasses.replace(drive, pose=drive.pose * [1, 1, 0] + [0, 0, 3.1])
    turned.pose[20:, 2] = -3.1
    assert abs(poses_at(turned, np.array([1.95]))[0, 2]) == pytest.approx(np.pi, abs=0.05)
    gone = drive.people.copy()
    gone[15:, 0] = np.nan
    seen = people_at(dataclasses.replace(drive, people=gone), np.array([1.35, 1.45]))
    assert np.isfinite(seen[0, 0]).all() and np.isnan(seen[1, 0]).all()


def test_velocities_are_those_of_the_past():
    drive = some_drive()
    people = drive.people.copy()
    people[:, 0, 0] = np.where(drive.time < 2.0, 1.0 + drive.time, 3.0)  # stops at 2 s
    people[:, 1] = [1.0, 0.5]
    people[:15, 1] = np.nan  # seen since 1.5 s
    drive = dataclasses.replace(drive, people=people)
    before = tracks_at(drive, 2.0, np.array([0.0, 0.0]), 4)
    assert np.array_equal(before.valid, [True, False, False, False])
    assert np.allclose(before.velocity_map[0], [1.0, 0.0], atol=1e-5)
    after = tracks_at(drive, 2.9, np.array([0.0, 0.0]), 1)
    # the nearer of two is kept, and stands
    assert np.allclose(after.xy_map[0], [1.0, 0.5]) and np.allclose(after.velocity_map[0], 0.0)
    assert jax.tree.all(jax.tree.map(lambda leaf: np.isfinite(leaf).all(), after))
