"""The four encounters: where the person is when the robot would meet them."""

from pathlib import Path

import numpy as np
import pytest

from astro_jax.suites import crossing

CASES = crossing.load(Path(), crossing.setup(), "300")
ARRIVES = 3.0 / crossing.setup().robot.speed + 0.5 * (
    crossing.setup().robot.speed / crossing.setup().robot.wheel_acceleration
)


def walk_of(name: str) -> np.ndarray:
    return np.asarray(CASES[name](0).scene.recorded_map)[0]


@pytest.mark.parametrize("name", ["crossing-1.4-007", "head-on-0.5-003", "doorway-1-011"])
def test_the_person_is_on_the_robots_way_within_a_second_of_it(name):
    walk = walk_of(name)
    off = np.hypot(walk[:, 0] - 3.0, np.maximum(np.abs(walk[:, 1]) - 0.4, 0.0))
    meets = crossing.SPACING * int(np.argmin(off))
    assert off.min() < 0.08
    assert abs(meets - ARRIVES) <= 1.0 + crossing.SPACING


@pytest.mark.parametrize("speed", crossing.SPEEDS)
def test_people_walk_as_fast_as_the_name_says(speed):
    steps = np.hypot(*np.diff(walk_of(f"crossing-{speed:g}-000"), axis=0).T) / crossing.SPACING
    assert steps.max() == pytest.approx(speed, rel=1e-4)


def test_they_come_from_both_sides_and_at_many_times():
    walks = [walk_of(f"crossing-1-{k:03d}") for k in range(40)]
    ys = np.array([walk[round(2.0 / crossing.SPACING), 1] for walk in walks])
    assert (ys > 0).any() and (ys < 0).any()
    assert np.std(np.abs(ys)) > 0.2


def test_whom_the_robot_is_to_overtake_sets_out_ahead_of_it_and_is_slower():
    for speed in crossing.SPEEDS:
        walk = walk_of(f"overtaking-{speed:g}-004")
        assert walk[0, 0] >= crossing.AHEAD - 1e-6
        steps = np.diff(walk[:, 0]) / crossing.SPACING
        assert 0.0 < steps.max() < crossing.setup().robot.speed


def test_a_door_hides_whom_the_robot_is_to_meet():
    case = CASES["doorway-1.4-002"](0)
    blocked = np.asarray(case.scene.blocked)
    row, column, _ = case.house_map.cell_of(np.array([[1.0, 1.15], [3.0, 1.15], [3.0, 0.0]]))
    assert blocked[row, column].tolist() == [True, False, False]
    assert walk_of("doorway-1.4-002")[0, 1] > crossing.WALL + crossing.WALL_THICK


def test_the_same_name_is_the_same_case():
    again = crossing.load(Path(), crossing.setup(), "300")
    name = "head-on-1-123"
    np.testing.assert_array_equal(walk_of(name), np.asarray(again[name](5).scene.recorded_map)[0])
