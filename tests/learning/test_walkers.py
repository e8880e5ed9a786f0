"""Walkers as drives: the way they went, as fast as a robot goes, without friends."""

import numpy as np
import pytest

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.learning.walkers import TOP, drives_of
from astro_jax.suites.eth_ucy import STEP, Scene
from astro_jax.suites.floor import floor_of

HOUSE = floor_of((-15.0, -15.0), (25.0, 15.0), 0.1, "street")


def along(speed, samples=30, start=(0.0, 0.0), bend=0.0, noise=0.0, seed=0):
    """Places of somebody who walks at ``speed`` m/s on a circle of curvature ``bend``."""
    t = STEP * np.arange(samples)
    yaw = bend * speed * t
    fine = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1) * speed * STEP
    xy = np.array(start) + np.concatenate([np.zeros((1, 2)), np.cumsum(fine[:-1], axis=0)])
    return xy + noise * np.random.default_rng(seed).normal(size=xy.shape)


def recording(*pieces, begins=None):
    count = len(pieces)
    return Scene(
        name="street",
        file="street.txt",
        pieces=pieces,
        begins=tuple(begins or [0.0] * count),
        persons=tuple(range(1, count + 1)),
    )


def test_a_fast_walker_is_slowed_down_with_everybody():
    walker, other = along(1.6, noise=0.02), along(0.6, start=(0.0, 5.0))
    drives, left_out = drives_of(recording(walker, other), HOUSE, DEFAULT_ROBOT)
    assert not left_out and [drive.name for drive in drives] == ["street/1", "street/2"]
    fast, slow = drives
    speed = np.hypot(*np.diff(fast.pose[:, :2], axis=0).T) / np.diff(fast.time)
    assert np.quantile(speed, 0.9) == pytest.approx(TOP * DEFAULT_ROBOT.speed, rel=0.02)
    # noise is smoothed away: they went straight on
    assert np.abs(fast.pose[:, 2]).max() < 0.06
    assert np.abs(fast.pose[:, 1]).max() < 0.04
    # the other one is as much slower, and where they were at that moment
    pace = 0.1 / (fast.time[1] - fast.time[0])
    met = fast.people[:, 0]
    walked = np.hypot(*(met[-1] - met[0])) / (fast.time[-1] - fast.time[0])
    assert walked == pytest.approx(0.6 * pace, rel=1e-6)
    # who is slow already stays so
    assert np.allclose(np.diff(slow.time), 0.1)


def test_heading_is_the_way_that_they_go():
    drives, _ = drives_of(recording(along(0.6, bend=0.2)), HOUSE, DEFAULT_ROBOT)
    drive = drives[0]
    inside = (drive.time > 1.0) & (drive.time < drive.time[-1] - 1.0)  # 2 s from the ends
    rate = np.gradient(drive.pose[:, 2], drive.time)[inside]
    assert np.allclose(rate, 0.6 * 0.2, atol=0.015)
    assert np.allclose(drive.goal, drive.pose[-1])


def test_friends_and_short_visits_are_left_out():
    together = [along(1.2), along(1.2, start=(0.2, 0.6))]
    passing = along(-1.2, start=(14.0, 0.6))
    short = along(1.2, samples=10, start=(0.0, 8.0))
    near = along(0.05, start=(0.0, -8.0))
    drives, left_out = drives_of(recording(*together, passing, short, near), HOUSE, DEFAULT_ROBOT)
    assert [drive.name for drive in drives] == ["street/3"]
    assert left_out == {"in company": 2, "too short": 2}


def test_somebody_who_is_not_there_is_nowhere():
    # the other one comes 20 s later: not within 8 s of the end of this walk of 12 s
    late = recording(along(1.0), along(1.0, start=(0.0, 3.0)), begins=[0.0, 75.0])
    first, second = drives_of(late, HOUSE, DEFAULT_ROBOT)[0]
    assert first.people.shape[1] == 0 and second.people.shape[1] == 0
    soon = recording(along(1.0), along(1.0, start=(0.0, 3.0)), begins=[0.0, 28.0])
    first = drives_of(soon, HOUSE, DEFAULT_ROBOT)[0][0]
    there = np.isfinite(first.people[:, 0, 0])
    # they are led in along their own way for 8 s before they are seen
    assert not there[0] and there[-1]
    assert np.sum(np.abs(np.diff(there.astype(int)))) == 1
