"""ETH/UCY as errands: who makes one, from where to where, among whom, and when it is a success."""

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.suites import pedestrians
from astro_jax.suites.eth_ucy import STEP
from astro_jax.suites.pedestrians import BRISK, CELL, REACHED
from tests.suites.made_up import TICK, trace_of

WALKS = {
    # 12 s from left to right, turning up at the end
    1: (0, np.array([[0.4 * min(k, 27), 0.4 * max(k - 27, 0)] for k in range(31)])),
    # beside them, in the same direction
    2: (0, np.array([[0.4 * k, -0.8] for k in range(31)])),
    # too short a time; not far enough; somebody stands on their start
    3: (5, np.array([[0.5 * k, 3.0] for k in range(20)])),
    4: (5, np.array([[0.1 * k, 6.0] for k in range(40)])),
    5: (10, np.array([[5.0, -8.0 + 0.3 * k] for k in range(40)])),
    6: (0, np.array([[5.2, -8.0] for _ in range(60)])),
}


def recording(folder, walks=WALKS, name="crowds_square.txt"):
    lines = [
        f"{10 * (begin + k)} {person} {x} {y}"
        for person, (begin, path) in walks.items()
        for k, (x, y) in enumerate(path)
    ]
    (folder / "eth_ucy").mkdir(exist_ok=True)
    (folder / "eth_ucy" / name).write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return pedestrians.load(recording(tmp_path_factory.mktemp("data")), pedestrians.setup())


@pytest.fixture(scope="module")
def case(cases):
    return cases["square-1"](0)


def test_who_is_there_for_long_and_goes_far_makes_an_errand(cases):
    assert list(cases) == ["square-1", "square-2"]


def test_the_errand_is_the_persons_own(case):
    start, goal = np.asarray(case.scene.start_map), np.asarray(case.scene.goal_map)
    np.testing.assert_allclose(start, [0.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(goal, [10.8, 1.2, np.pi / 2], atol=1e-6)
    reached = np.asarray(case.scene.reached)
    assert reached[0] == REACHED and np.isinf(reached[1:]).all()
    own = 30 * STEP
    assert case.seconds == pytest.approx(3 * own + 10) and case.stratum == "square"
    assert case.shortest_path == pytest.approx(np.hypot(10.8, 1.2), rel=0.01)
    assert not case.touch_ends


def test_everybody_else_walks_as_recorded(case):
    scene = case.scene
    assert float(scene.recorded_spacing) == pytest.approx(STEP)
    walks = np.asarray(scene.recorded_map)
    there = walks[np.abs(walks[:, 5]).max(axis=1) < 100.0, 5]
    expected = sorted([[2.0, -0.8], [0.0, 3.0], [0.0, 6.0], [5.0, -9.5], [5.2, -8.0]])
    np.testing.assert_allclose(sorted(there.tolist()), expected, atol=1e-5)


def test_what_people_walk_through_does_not_stand(tmp_path):
    recording(tmp_path, name="crowds_yard.txt")
    maps = tmp_path / "eth_ucy" / "maps"
    maps.mkdir()
    (maps / "UCY_yard__H.txt").write_text("0.05 0 0\n0 0.05 0\n0 0 1\n")
    # x from 2 to 4, y from −1 to 5
    corners = [(360 - u / 0.05, 288 - v / 0.05) for u, v in ((2, -1), (4, -1), (4, 5), (2, 5))]
    (maps / "UCY_yard__static.txt").write_text("\n".join(f"{u} {v}" for u, v in corners))
    case = pedestrians.load(tmp_path, pedestrians.setup())["yard-1"](0)
    blocked, origin = np.asarray(case.scene.blocked), np.asarray(case.scene.origin)

    def stands(x, y):
        column, row = np.rint((np.array([x, y]) - origin) / CELL).astype(int)
        return bool(blocked[row, column])

    assert stands(3.0, 1.5) and stands(3.0, 4.5) and stands(2.1, 0.6)
    free = [y for y in (0.0, 0.3, -0.3, -0.5, -0.8, 3.0, 5.2) if not stands(3.0, y)]
    assert free == [0.0, 0.3, -0.3, -0.5, -0.8, 3.0, 5.2]
    np.testing.assert_array_equal(blocked, case.house_map.blocked)
    np.testing.assert_allclose(origin, case.house_map.origin, atol=1e-5)


@pytest.mark.parametrize(
    ("arrived_at", "counted", "verdict"),
    [
        (8.0, {}, "success"),
        # to be run into at rest is no fault
        (8.0, {"contacts": 1, "at_fault": 0}, "success"),
        (8.0, {"contacts": 1, "at_fault": 1}, "at_fault"),
        (8.0, {"void": True}, "void"),
        (np.inf, {}, "timeout"),
    ],
)
def test_arrival_without_a_contact_at_fault_is_a_success(case, arrived_at, counted, verdict):
    people = np.full((500, len(case.scene.radius), 2), 1e3)
    trace = trace_of(np.zeros((500, 2)), people, arrived_at, **counted)
    row = pedestrians.judge(case, pedestrians.setup(), trace)
    assert [key for key in ("success", "at_fault", "timeout", "void") if row[key]] == [verdict]
    assert row["contacts"] == counted.get("contacts", 0)
    assert np.isnan(row["time"]) != (verdict == "success")
    if verdict == "success":
        assert row["time_over_persons"] == pytest.approx(8.0 / 12.0)


def test_discomfort_is_the_share_of_time_with_somebody_near(case):
    count = 100
    people = np.full((count, len(case.scene.radius), 2), 1e3)
    gap = np.linspace(0.0, 1.0, count)
    # beside the robot, which faces along x
    people[:, 3] = np.column_stack([0 * gap, gap + BRISK.width / 2 + pedestrians.RADIUS])
    trace = trace_of(np.zeros((count, 2)), people, count * TICK)
    row = pedestrians.judge(case, pedestrians.setup(), trace)
    assert row["min_gap"] == pytest.approx(0.0, abs=1e-6)
    assert row["discomfort"] == pytest.approx(0.2, abs=0.011)


def test_variants_differ_in_what_is_late(cases, tmp_path):
    recording(tmp_path)
    for variant, late in (("usual", 0.3), ("late", 0.5), ("ideal", 0.0)):
        setup = pedestrians.setup(variant)
        case = pedestrians.load(tmp_path, setup, variant)["square-1"](0)
        told = case.world.latency
        assert told.sensor + told.command == pytest.approx(late)
        assert (case.world.errors.drift == 0.0) == (variant == "ideal")


@pytest.mark.parametrize(
    ("walks", "message"),
    [
        ({1: WALKS[3]}, "somebody recorded for 10 s"),
        ({1: (0, 1e3 * WALKS[1][1])}, "a place that people walk across"),
    ],
)
def test_recordings_without_errands_are_named(tmp_path, walks, message):
    with pytest.raises(InputError, match=message):
        pedestrians.load(recording(tmp_path, walks), pedestrians.setup())


def test_no_recordings_are_named(tmp_path):
    with pytest.raises(InputError, match=r"trajectory files"):
        pedestrians.load(tmp_path, pedestrians.setup())


def test_the_recordings_at_hand(data_dir):
    cases = pedestrians.load(data_dir, pedestrians.setup())
    places = [name.split("-")[0] for name in cases]
    assert [places.count(name) for name in ("eth", "hotel", "zara01")] == [145, 20, 126]
    shapes = set()
    for name in list(cases)[::60]:
        case = cases[name](0)
        shapes.add((case.scene.blocked.shape, np.asarray(case.scene.recorded_map).shape))
        assert 6.0 < case.shortest_path < 40.0
    assert len(shapes) == 1  # compiled once
