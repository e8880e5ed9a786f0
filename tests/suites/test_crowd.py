"""CrowdNav: cases from its file, its rules, and one drive by them."""

import dataclasses

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.local.planner import plan
from astro_jax.suites import crowd, crowd_rules
from astro_jax.suites.crowd_rules import FINE, STEP, holonomic_driver
from tests.suites.made_up import TICK, trace_of


def crowd_file(folder, **changes):
    """One circle and two square crossings; everybody crosses the robot's way once."""
    step = np.arange(101)[:, None]
    walks = np.stack([np.column_stack([x + 0.25 * step, 0 * step + y]) for x, y in PLACES], axis=1)
    arrays = {
        "dt": np.float64(0.25),
        "robot_start": np.array([0, -4]),
        "robot_goal": np.array([0, 4]),
        "radius": np.float64(0.3),
        "time_limit": np.float64(25.0),
        "discomfort_dist": np.float64(0.2),
        "circle_crossing_pos": walks[None].astype(np.float32),
        "square_crossing_pos": np.stack([walks, walks + 1.0]).astype(np.float32),
    } | changes
    (folder / "crowdnav").mkdir(exist_ok=True)
    np.savez(folder / "crowdnav" / "crowdnav_invisible_3.npz", **arrays)
    return folder


PLACES = [(-4.0, 0.0), (-6.0, 1.0), (-2.0, 2.5), (3.0, 0.0), (-5.0, -2.0)]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return crowd.load(crowd_file(tmp_path_factory.mktemp("data")), crowd.setup(), "holonomic")


def test_cases_are_named_by_shape_and_number(cases):
    assert list(cases) == ["circle-0", "square-0", "square-1"]
    case = cases["square-1"](0)
    recorded = np.asarray(case.scene.recorded_map)
    np.testing.assert_allclose(recorded[0, 4], [-4.0 + 1.0 + 1.0, 1.0], atol=1e-6)
    assert float(np.asarray(case.scene.recorded_spacing)) == 0.25
    assert np.asarray(case.scene.present).tolist() == [True] * 5 + [False]


def drive_past(gap: float, arrived_at: float = 1.6) -> dict:
    """A robot that drives straight while somebody stands ``gap`` m beside its way."""
    xy = np.column_stack([np.zeros(100), np.linspace(-4.0, -2.0, 100)])
    people = np.full((100, 6, 2), 1e3)
    people[:, 0] = [0.6 + gap, -3.0]
    return {"xy": xy, "people": people, "arrived_at": arrived_at}


def test_discs_decide_who_touched(cases):
    case, setup = cases["circle-0"](0), crowd.setup()
    near = crowd.judge(case, setup, trace_of(**drive_past(0.05)))
    assert near["success"] and not near["collision"]
    assert near["min_gap"] == pytest.approx(0.05, abs=0.002)
    # within .2 m while nearer than √(.8² − .65²) to the place beside them, of 1.6 s of motion
    inside = 2 * np.sqrt(0.8**2 - 0.65**2) / (2.0 / 99 / TICK)
    assert near["discomfort"] == pytest.approx(inside / 1.6, abs=0.03)
    touched = crowd.judge(case, setup, trace_of(**drive_past(-0.01)))
    assert touched["collision"] and not touched["success"] and np.isnan(touched["time"])
    late = crowd.judge(case, setup, trace_of(**drive_past(0.5, np.inf)))
    assert late["timeout"]


def test_what_happens_after_arrival_does_not_count(cases):
    past = drive_past(-0.01, arrived_at=0.4)
    row = crowd.judge(cases["circle-0"](0), crowd.setup(), trace_of(**past))
    assert row["success"] and row["time"] == 0.4


def test_a_drive_keeps_to_the_rules(cases, compiled_quickly, monkeypatch):
    traced = []
    monkeypatch.setattr(crowd_rules, "plan", lambda *given: (traced.append(1), plan(*given))[1])
    setup = crowd.setup("holonomic")
    few = dataclasses.replace(
        setup.config, candidates=96, descents=1, gradient_steps=0, finalists=4
    )
    case = cases["circle-0"](0)
    drive = holonomic_driver(dataclasses.replace(setup, config=few))
    trace = drive(case, 3, setup.params)
    ticks = trace.ticks
    pose = np.asarray(ticks.pose_map)
    ends = np.concatenate([[[0.0, -4.0]], pose[FINE - 1 :: FINE, :2]])
    speed = np.hypot(*np.diff(ends, axis=0).T) / STEP
    assert speed.max() <= 1.0 + 1e-5
    assert np.isfinite(trace.arrived_at)
    assert np.hypot(*(ends[-1] - [0.0, 4.0])) < 0.3 <= np.hypot(*(ends[-2] - [0.0, 4.0]))
    # people are where the file has them, .25 s apart
    people = np.asarray(ticks.people_xy)[FINE - 1 :: FINE, :5]
    expected = np.asarray(case.scene.recorded_map)[:5, 1 : len(people) + 1]
    np.testing.assert_allclose(people, np.moveaxis(expected, 0, 1), atol=1e-5)
    assert crowd.judge(case, setup, trace)["success"]
    # what the planner values is data
    other = drive(case, 3, dataclasses.replace(setup.params, patience=1.0))
    assert len(traced) == 1 and other.arrived_at != trace.arrived_at


def test_a_crowd_of_another_size_is_refused(tmp_path):
    folder = crowd_file(tmp_path, circle_crossing_pos=np.zeros((1, 101, 4, 2), np.float32))
    with pytest.raises(InputError, match="circle_crossing_pos"):
        crowd.load(folder, crowd.setup(), "holonomic")
    with pytest.raises(InputError, match="crowdnav_invisible"):
        crowd.load(tmp_path / "nowhere", crowd.setup(), "holonomic")


def test_both_robots_can_be_planned_for():
    for variant in crowd.VARIANTS:
        setup = crowd.setup(variant)
        assert not setup.robot.problems()
        assert not setup.config.problems(setup.robot)
