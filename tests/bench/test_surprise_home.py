"""``bench surprise --stack full``: changed homes, sums, and going on from a report."""

import dataclasses

import numpy as np
import pytest

from astro_jax.bench import surprise_home
from astro_jax.bench.surprise_home import STRATA, bench_home, stratum_of, summary
from astro_jax.config import DEFAULT_PLANNER, DEFAULT_ROBOT, PlannerParams
from astro_jax.errors import InputError
from astro_jax.home import changed_home
from astro_jax.sim.gaps import touches_wall, window_for

ROBOT, CONFIG, PARAMS = DEFAULT_ROBOT, DEFAULT_PLANNER, PlannerParams()


def test_a_changed_home_has_boxes_that_its_map_does_not_show_and_a_way():
    plain = changed_home(ROBOT, CONFIG, people=0, moved=0, seed=3)
    home = changed_home(ROBOT, CONFIG, people=2, moved=6, seed=3)
    added = home.blocked & ~plain.blocked
    assert added.sum() > 20 and not np.any(plain.blocked & ~home.blocked)
    np.testing.assert_array_equal(home.house_map.blocked, plain.house_map.blocked)
    assert not np.any(home.house_map.blocked & added)
    assert np.isfinite(home.shortest_path) and home.shortest_path >= plain.shortest_path - 0.05
    assert int(np.sum(home.scene.present)) == 2
    scene = home.scene
    window = window_for(ROBOT.length, ROBOT.width, 0.05)
    for pose in (scene.start_map, scene.goal_map):
        grid = (scene.blocked, scene.origin, scene.resolution)
        assert not touches_wall(pose, ROBOT.length, ROBOT.width, *grid, window)


def episode(seed: int, **given) -> dict:
    figures = {
        "seed": seed, "stratum": stratum_of(seed), "driven_m": 5.0, "seconds": 20.0,
        "shortest_m": 6.0, "arrived": True, "contacts": 0, "static_at_fault": 0, "at_fault": 0,
        "passive_people": 0, "contact_speed": 0.0, "min_ttc": float("inf"),
        "first": float("inf"), "slowed_s": 1.0, "stopped_s": 0.2, "resting_s": 2.0,
        "frozen_s": 0.0, "void": 0,
    }  # fmt: skip
    return figures | given


def test_sums_by_stratum():
    bad = episode(7, contacts=2, at_fault=1, passive_people=1, contact_speed=0.4)
    report = summary([episode(k) for k in range(6)] + [bad], ROBOT, CONFIG, 0)
    assert [row["stratum"] for row in report.cases] == list(STRATA)
    assert report.metrics["contacts"] == 2 and report.metrics["episodes"] == 7
    (named,) = [v for row in report.cases for v in row["violations"]]
    assert named["seed"] == 7
    assert report.intervals["static_at_fault"] == (0.0, pytest.approx(3 / 7, rel=0.01))
    assert report.metrics["slowed"] == pytest.approx(0.05)


def test_a_run_goes_on_from_its_report(monkeypatch, tmp_path):
    ran = []

    def run(seed: int) -> dict:
        ran.append(seed)
        return episode(seed)

    monkeypatch.setattr(surprise_home, "drive_episode", lambda *_: run)
    monkeypatch.setattr(surprise_home, "KEPT_EVERY", 2)
    path = tmp_path / "home.json"
    first = bench_home(ROBOT, CONFIG, PARAMS, 4, 0, path)
    assert ran == [0, 1, 2, 3] and first.metrics["episodes"] == 4
    second = bench_home(ROBOT, CONFIG, PARAMS, 6, 0, path)
    assert ran == [0, 1, 2, 3, 4, 5] and second.metrics["episodes"] == 6
    slower = dataclasses.replace(ROBOT, speed=0.5)
    with pytest.raises(InputError, match="same robot"):
        bench_home(slower, CONFIG, PARAMS, 4, 0, path)
    path.write_text("{}")
    with pytest.raises(InputError, match="report of this bench"):
        bench_home(ROBOT, CONFIG, PARAMS, 4, 0, path)
