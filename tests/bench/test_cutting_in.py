"""Who cuts in on whom: told apart by hand-made walks."""

import numpy as np
import pytest

from astro_jax.bench.cutting_in import cut_ins

PERIOD, SPEED = 0.1, 1.0
RADIUS, HALF = np.array([0.22]), 0.125
TIME = PERIOD * np.arange(60)
WALK = np.stack([SPEED * TIME, np.zeros_like(TIME)], axis=-1)
"""Along the x axis from the origin."""


def counted(xy, walk=WALK, radius=RADIUS):
    pose = np.concatenate([xy, np.zeros((len(xy), 1))], axis=-1)
    return cut_ins(pose, walk[:, None], radius, HALF, PERIOD).tolist()


def crossing(ahead, at=3.0, speed=1.0):
    """Across their way, through its middle ``ahead`` of their centre at the time ``at``."""
    x = SPEED * at + ahead
    return np.stack([np.full_like(TIME, x), speed * (TIME - at)], axis=-1)


@pytest.mark.parametrize(
    ("ahead", "count"),
    [(0.6, 1), (0.9, 1), (2.5, 0), (-0.8, 0)],
    ids="near almost far behind".split(),
)
def test_crossing_just_before_them_counts_and_farther_on_or_behind_does_not(ahead, count):
    assert counted(crossing(ahead)) == [count]


def test_over_either_side_and_in_any_direction():
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    mirrored = crossing(0.7) * (1.0, -1.0)
    assert counted(mirrored) == [1]
    assert counted(mirrored @ turn.T, WALK @ turn.T) == [1]


def test_overtaking_and_moving_over_counts():
    x = 1.5 * TIME - 1.0
    y = np.interp(x - SPEED * TIME, [0.4, 0.9], [0.8, 0.0])
    assert counted(np.stack([x, y], axis=-1)) == [1]
    beside = np.stack([x, np.full_like(x, 0.8)], axis=-1)
    assert counted(beside) == [0]


def test_walking_behind_head_on_and_resting_in_the_way_do_not_count():
    behind = WALK - (1.4, 0.0)
    assert counted(behind) == [0]
    head_on = np.stack([6.0 - 1.0 * TIME, np.zeros_like(TIME)], axis=-1)
    assert counted(head_on) == [0]
    resting = np.tile([4.0, 0.1], (len(TIME), 1))
    assert counted(resting) == [0]


def test_who_turns_towards_a_robot_is_not_cut_in_on():
    """They walk past it, and then turn so that it is before them: their doing."""
    corner = np.where(TIME[:, None] < 3.0, WALK, [3.0, 0.0] + (TIME[:, None] - 3.0) * [0.0, 1.0])
    robot = np.tile([3.0, 0.8], (len(TIME), 1))
    assert counted(robot, corner) == [0]
    slides = robot + np.clip(TIME[:, None] - 2.9, 0.0, 0.2) * [0.5, 0.0]
    assert counted(slides, corner) == [0]


def test_who_stands_has_no_way():
    standing = np.tile([3.0, 0.0], (len(TIME), 1))
    assert counted(crossing(0.6), standing) == [0]


def test_twice_is_two_and_dithering_on_the_edge_is_one():
    twice = crossing(0.7)
    x = SPEED * TIME + 0.7
    y = np.interp(TIME, [0.0, 1.0, 1.5, 2.5, 3.0, 5.9], [1.0, 1.0, -1.0, -1.0, 1.0, 1.0])
    twice = np.stack([x, y], axis=-1)
    assert counted(twice) == [2]
    edge = RADIUS[0] + HALF + 0.02 * np.where(np.arange(len(TIME)) % 2, 1.0, -1.0)
    assert counted(np.stack([x, edge], axis=-1)) == [1]


def test_everybody_has_their_own_count():
    pose = np.concatenate([crossing(0.6), np.zeros((len(TIME), 1))], axis=-1)
    people = np.stack([WALK - [0.0, 5.0], WALK], axis=1)
    assert cut_ins(pose, people, np.repeat(RADIUS, 2), HALF, PERIOD).tolist() == [0, 1]
