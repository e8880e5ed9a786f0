"""Errands through homes: between rooms, past a shut door, in few sizes, the same every time."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from astro_jax.errors import InputError
from astro_jax.route.field import check_query
from astro_jax.suites import errands, homes
from astro_jax.suites.errands import MARGIN, SIDES, draw_errand
from tests.suites.made_up import trace_of

ROBOT = homes.CAMERA
CELL = 0.05


def floor_plan(folder, name="long", size=(200, 800), labels=False):
    """Six rooms in a row along a corridor, each with a door of .9 m to it, .05 m a pixel."""
    columns = size[1]
    free = np.zeros(size, bool)
    free[1:60, 1:-1] = True  # the corridor
    step = columns // 6
    rooms = np.zeros(size, np.uint8)
    for k in range(6):
        left = k * step
        free[62:-1, left + 1 : left + step - 1] = True
        free[60:62, left + 40 : left + 58] = True
        rooms[62:, left : left + step] = k + 1
    rooms[:60] = 7
    (folder / "home_maps" / "made_up").mkdir(parents=True, exist_ok=True)
    path = folder / "home_maps" / "made_up" / f"{name}.yaml"
    # row 0 of a picture is the top
    Image.fromarray(np.where(free, 254, 0).astype(np.uint8)[::-1]).save(path.with_suffix(".png"))
    if labels:
        Image.fromarray(rooms[::-1]).save(path.with_name(f"{name}.rooms.png"))
    path.write_text(
        f"image: {name}.png\nresolution: {CELL}\norigin: [-3.0, 1.0, 0.0]\nnegate: 0\n"
        "occupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    return path


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return floor_plan(tmp_path_factory.mktemp("labelled"), labels=True)


@pytest.fixture(scope="module")
def drawn(labelled):
    return [draw_errand(labelled, ROBOT, f"long-{k:02d}") for k in range(6)]


def test_every_map_offers_errands_and_the_flat_comes_first(tmp_path):
    floor_plan(tmp_path)
    cases = homes.load(tmp_path, homes.setup())
    assert list(cases) == [f"{m}-{k:02d}" for m in ("flat", "long") for k in range(homes.PAIRS)]


def test_a_name_is_an_errand(labelled, drawn):
    again = draw_errand(labelled, ROBOT, "long-03")
    np.testing.assert_array_equal(again.start, drawn[3].start)
    np.testing.assert_array_equal(again.truth, drawn[3].truth)
    assert np.abs(drawn[3].start - drawn[4].start).max() > 0.1


def test_start_and_goal_are_in_different_rooms(drawn):
    for errand in drawn:
        house = errand.house
        assert house.rooms is not None
        rooms = [int(house.rooms[house.cell_of(p[:2])[:2]]) for p in (errand.start, errand.goal)]
        assert rooms[0] != rooms[1] and min(rooms) > 0


def test_without_labels_doors_part_the_rooms(tmp_path):
    errand = draw_errand(floor_plan(tmp_path), ROBOT, "long-00")
    house = errand.house
    walled = house.blocked.copy()
    walled[house.cell_of(np.column_stack([np.linspace(-3, 37, 4000), np.full(4000, 4.05)]))[:2]] = 1
    parts = np.zeros(walled.shape, np.int32)
    ndimage.label(~walled, output=parts)
    ends = [parts[house.cell_of(p[:2])[:2]] for p in (errand.start, errand.goal)]
    assert ends[0] != ends[1]


def test_large_maps_are_cropped_around_the_way(drawn):
    for errand in drawn:
        house = errand.house
        cells = round(SIDES[-1] / CELL)
        assert house.occupancy.shape == (cells, cells)
        low, high = house.origin + MARGIN, house.origin + SIDES[-1] - CELL - MARGIN
        along = errand.way[:, 0]
        assert along.min() >= low[0] - 1e-6 and along.max() <= high[0] + 1e-6
        # what is shown lies where it lay: the corridor's wall at y = 1.025 m
        row = round((1.025 - house.origin[1]) / CELL)
        assert (house.occupancy[row] == 100).sum() == cells and (house.occupancy[row - 1] < 0).all()


def test_a_door_is_shut_and_there_is_another_way(tmp_path):
    # the flat's rooms form loops
    setup = homes.setup()
    floor_plan(tmp_path)
    cases = homes.load(tmp_path, setup)
    sides = set()
    for k in range(2):
        case = cases[f"flat-{k:02d}"](k)
        house, truth = case.house_map, np.asarray(case.scene.blocked)
        shut = truth & ~house.blocked
        assert 10 <= shut.sum() <= 60 and not (house.blocked & ~truth).any()
        rows, columns = np.nonzero(shut)
        assert max(np.ptp(rows), np.ptp(columns)) * CELL < 1.3
        start, goal = np.asarray(case.scene.start_map), np.asarray(case.scene.goal_map)
        check_query(house, ROBOT, start, goal, truth)
        assert case.seconds >= homes.SECONDS
        sides.add(truth.shape)
    assert sides == {(240, 240)}


def test_people_walk_near_the_way_through_nothing_and_differ_by_run(labelled):
    setup = homes.setup()
    make = homes.load(labelled.parents[2], setup)["long-01"]
    cases = [make(seed) for seed in (1, 1, 2)]
    walks = [np.asarray(case.scene.path_map) for case in cases]
    np.testing.assert_array_equal(walks[0], walks[1])
    assert np.abs(walks[0] - walks[2]).max() > 0.5
    case, errand = cases[0], draw_errand(labelled, setup.robot, "long-01")
    assert int(np.asarray(case.scene.present).sum()) == homes.PEOPLE
    house, truth = case.house_map, np.asarray(case.scene.blocked)
    for walk, length in zip(walks[0][: homes.PEOPLE], case.scene.path_length, strict=False):
        points = walk[: int(length)].astype(float)
        assert not truth[house.cell_of(points)[:2]].any()
        off = np.hypot(*np.moveaxis(points[:, None] - errand.way[None], -1, 0)).min(axis=1)
        assert off.max() < homes.NEAR + 0.1


@pytest.mark.parametrize(
    ("arrived_at", "counted", "verdict"),
    [
        (8.0, {}, "success"),
        (8.0, {"contacts": 1, "at_fault": 1, "wall_contacts": 1}, "at_fault"),
        (8.0, {"void": True}, "void"),
        (np.inf, {}, "timeout"),
    ],
)
def test_arrival_without_a_contact_at_fault_is_a_success(labelled, arrived_at, counted, verdict):
    setup = homes.setup()
    case = homes.load(labelled.parents[2], setup)["flat-00"](0)
    trace = trace_of(np.column_stack([0.01 * np.arange(500)] * 2), None, arrived_at, **counted)
    row = homes.judge(case, setup, trace)
    assert [key for key in ("success", "at_fault", "timeout", "void") if row[key]] == [verdict]
    assert row["door_shut"] is True
    if verdict == "success":
        at_best = case.shortest_path / ROBOT.speed
        assert row["time_over_shortest"] == pytest.approx(8.0 / at_best, rel=0.01)
    else:
        assert np.isnan(row["time"])


def test_latency_is_split_as_everywhere(labelled):
    for variant in homes.VARIANTS:
        setup = homes.setup(variant)
        told = homes.load(labelled.parents[2], setup, variant)["flat-00"](0).world.latency
        assert told.sensor + told.command == pytest.approx(int(variant) / 1000)


def test_maps_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(InputError, match="a folder with home_maps"):
        homes.load(tmp_path, homes.setup())
    path = floor_plan(tmp_path)
    other = tmp_path / "home_maps" / "other"
    other.mkdir()
    (other / "long.yaml").write_text(path.read_text())
    with pytest.raises(InputError, match="one map of that name"):
        homes.load(tmp_path, homes.setup())
    (other / "long.yaml").rename(other / "broken.yaml")
    with pytest.raises(InputError, match=r"long\.png"):
        homes.load(tmp_path, homes.setup())


def test_a_map_without_two_places_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(errands, "TRIES", 2)
    path = floor_plan(tmp_path, "closet", (80, 90))
    with pytest.raises(InputError, match="two places 5 m apart"):
        draw_errand(path, ROBOT, "closet-00")


def test_maps_at_hand_have_errands_of_few_sizes(data_dir):
    assert len(homes.load(data_dir, homes.setup())) == 8 * homes.PAIRS
    maps = ("vacuum/z10_1056_paths", "ros/aws_small_house", "vacuum/d9_1093_huge")
    paths = [data_dir / "home_maps" / f"{name}.yaml" for name in maps]
    shapes = {draw_errand(path, ROBOT, "an errand").truth.shape for path in paths}
    assert shapes == {(round(side / CELL),) * 2 for side in SIDES}
