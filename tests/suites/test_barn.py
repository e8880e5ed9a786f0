"""BARN: worlds from its file, the clock, both scores."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from astro_jax.config import PlannerConfig
from astro_jax.errors import InputError
from astro_jax.sim.gaps import touches_wall, wall_gap, window_for
from astro_jax.strict_yaml import load_robot
from astro_jax.suites import barn
from tests.suites.made_up import TICK, trace_of


def world_file(folder, **changes):
    """Two worlds in the published format: a lone cylinder beside the way, and two of them."""
    arrays = {
        "world": np.array([7, 9]),
        "centres": np.array([[-2.25, 6.0], [-1.2, 5.0], [-3.3, 8.0]], np.float32),
        "offsets": np.array([0, 1, 3]),
        "radius": np.float32(0.075),
        "start": np.array([-2.25, 3.0, 1.57]),
        "goal": np.array([-2.25, 13.0]),
        "goal_tolerance": np.float64(1.0),
        "time_limit": np.float64(100.0),
        "path_length": np.array([12.0, 10.0]),
    }
    arrays = {k: v for k, v in (arrays | changes).items() if v is not None}
    (folder / "barn").mkdir(exist_ok=True)
    np.savez(folder / "barn" / "barn_worlds.npz", **arrays)
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return barn.load(world_file(tmp_path_factory.mktemp("data")), barn.setup(), "lidar")


def straight(speed: float, rest: float = 0.0, to: float = 12.5) -> np.ndarray:
    """From the start to ``to`` along y after a rest (s), then stands."""
    time = TICK * np.arange(1, round((rest + 12.0 / speed) / TICK))
    y = np.clip(3.0 + speed * np.maximum(time - rest, 0.0), 3.0, to)
    return np.column_stack([np.full_like(y, -2.25), y])


def test_worlds_keep_their_names_and_order(cases):
    assert list(cases) == ["7", "9"]
    assert cases["9"](0).shortest_path == 10.0


def test_a_cylinder_is_where_and_as_large_as_the_file_says(cases):
    scene = cases["7"](0).scene
    rows, columns = np.nonzero(np.asarray(scene.blocked))
    xy = np.asarray(scene.origin) + barn.CELL * np.column_stack([columns, rows])
    np.testing.assert_allclose(xy.mean(axis=0), [-2.25, 6.0], atol=0.005)
    assert len(xy) * barn.CELL**2 == pytest.approx(np.pi * 0.075**2, rel=0.06)


def test_the_referee_sees_the_cylinder_at_its_true_distance(cases):
    scene, robot = cases["7"](0).scene, barn.JACKAL
    nose = 6.0 - 0.075 - robot.length / 2
    for gap in (0.30, 0.05):
        pose = jnp.array([-2.25, nose - gap, np.pi / 2])
        around = (scene.blocked, scene.origin, scene.resolution)
        window = window_for(robot.length, robot.width, scene.cell, 0.4)
        measured = wall_gap(pose, robot.length, robot.width, *around, window)
        assert float(measured) == pytest.approx(gap, abs=0.011)
        assert not touches_wall(pose, robot.length, robot.width, *around, window)
    pose = jnp.array([-2.25, nose + 0.02, np.pi / 2])
    assert touches_wall(pose, robot.length, robot.width, *around, window)


def test_the_robot_is_told_nothing_of_the_world(cases):
    case = cases["9"](0)
    assert not bool(np.asarray(case.scene.localised))
    assert (case.house_map.occupancy == -1).all()
    assert not case.house_map.blocked.any()


def test_the_clock_starts_with_the_motion_and_the_score_is_capped(cases):
    case = cases["7"](0)
    row = barn.judge(case, barn.setup(), trace_of(straight(1.0, rest=5.0)))
    # 9 m to within 1 m of the goal, of which .1 m are over when the clock starts
    assert row["success"] and row["time"] == pytest.approx(8.9, abs=0.11)
    assert row["score_k2"] == 0.5
    assert row["score_k4"] == 0.25
    slow = barn.judge(case, barn.setup(), trace_of(straight(0.5)))
    assert slow["score_k2"] == pytest.approx(6.0 / slow["time"])
    assert slow["time"] == pytest.approx(17.8, abs=0.11)


def test_a_touch_on_the_way_fails_and_one_after_it_does_not(cases):
    case = cases["7"](0)
    touched = barn.judge(case, barn.setup(), trace_of(straight(1.0), first_contact_at=4.0))
    assert touched["collision"] and not touched["success"] and touched["score_k2"] == 0.0
    later = barn.judge(case, barn.setup(), trace_of(straight(1.0), first_contact_at=11.0))
    assert later["success"] and not later["collision"]


def test_who_does_not_come_near_enough_is_out_of_time(cases):
    row = barn.judge(cases["7"](0), barn.setup(), trace_of(straight(1.0, to=11.9)))
    assert row["timeout"] and not row["success"] and row["score_k2"] == 0.0
    rest = np.tile([[-2.25, 3.0]], (50, 1))
    assert barn.judge(cases["7"](0), barn.setup(), trace_of(rest))["timeout"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"centres": None}, "centres"),
        ({"radius": np.array([0.1, 0.2])}, "radius"),
        ({"goal": np.array([np.nan, 1.0])}, "goal"),
        ({"offsets": np.array([0, 1])}, "barn_worlds.npz"),
        ({"world": np.array(["a", "b"])}, "world"),
    ],
)
def test_a_file_that_is_not_as_described_is_refused_by_name(tmp_path, changes, field):
    with pytest.raises(InputError) as caught:
        barn.load(world_file(tmp_path, **changes), barn.setup(), "lidar")
    assert caught.value.field == field


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="data"):
        barn.load(tmp_path, barn.setup(), "lidar")
    (tmp_path / "barn").mkdir()
    (tmp_path / "barn" / "barn_worlds.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match="data"):
        barn.load(tmp_path, barn.setup(), "lidar")


def test_the_folder_may_be_the_suites_own(tmp_path):
    world_file(tmp_path)
    assert list(barn.load(tmp_path / "barn", barn.setup(), "lidar")) == ["7", "9"]


def test_the_configuration_to_edit_is_the_jackal_that_is_driven():
    file = Path(__file__).parents[2] / "configs" / "robots" / "jackal.yaml"
    assert load_robot(file) == barn.JACKAL


def test_the_jackal_can_be_planned_for():
    assert not barn.JACKAL.problems()
    config = dataclasses.replace(barn.setup().config)
    assert isinstance(config, PlannerConfig)
    assert not config.problems(barn.JACKAL)
