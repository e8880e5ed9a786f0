"""The packaged flat keeps what the demo promises, and scenes refuse bad files."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError
from astro_jax.route.field import (
    check_query,
    guide_path,
    passing_radius,
    path_length,
    reachable,
    solve_field,
    wall_distance,
)
from astro_jax.route.maps import load_map
from astro_jax.route.waypoints import PERSON_RADIUS, paths_through, random_query, walking_paths
from astro_jax.scenes import Door, flat_scene, load_scene, truth_blocked

REPOSITORY = Path(__file__).resolve().parents[2]
ROOMS = {
    "living room": (3.0, 2.8),
    "kitchen": (1.4, 5.2),
    "hall": (5.2, 6.5),
    "bedroom": (7.3, 6.0),
    "study": (8.0, 2.5),
}


@pytest.fixture(scope="module")
def scene():
    return flat_scene()


@pytest.fixture(scope="module")
def flat(scene):
    return load_map(scene.map_path)


def doors_crossed(path, doors):
    crossed = []
    for door in doors:
        x_min, y_min, x_max, y_max = door.rectangle
        x, y = path.T
        if np.any((x >= x_min) & (x <= x_max) & (y >= y_min) & (y <= y_max)):
            crossed.append(door.name)
    return crossed


def test_the_picture_is_what_the_script_draws(scene):
    script = runpy.run_path(str(REPOSITORY / "experiments" / "draw_flat" / "run.py"))
    with Image.open(scene.map_path.with_suffix(".png")) as committed:
        np.testing.assert_array_equal(np.asarray(committed), np.asarray(script["draw"]()))
    assert scene.map_path.read_text(encoding="utf-8") == script["MAP_YAML"]


def test_every_room_stays_reachable_with_any_one_door_closed(scene, flat):
    radius = passing_radius(DEFAULT_ROBOT)
    for shut in scene.doors:
        doors = [Door(name=shut.name, rectangle=shut.rectangle, closed=True)]
        blocked = truth_blocked(flat, doors)
        joined = reachable(flat, blocked, (*ROOMS["hall"], 0.0), radius)
        for xy in ROOMS.values():
            assert joined[flat.cell_of(xy)[:2]]


def test_doors_are_open_on_the_map_and_shut_tight_in_truth(scene, flat):
    radius = passing_radius(DEFAULT_ROBOT)
    all_shut = [Door(name=d.name, rectangle=d.rectangle, closed=True) for d in scene.doors]
    blocked = truth_blocked(flat, all_shut)
    for door in scene.doors:
        x_min, y_min, x_max, y_max = door.rectangle
        middle = flat.cell_of(((x_min + x_max) / 2, (y_min + y_max) / 2))[:2]
        assert not flat.blocked[middle]
        assert blocked[middle]
        assert 0.85 <= max(x_max - x_min, y_max - y_min) <= 0.95
    for room, xy in ROOMS.items():
        joined = reachable(flat, blocked, (*xy, 0.0), radius)
        assert [name for name, at in ROOMS.items() if joined[flat.cell_of(at)[:2]]] == [room]


def test_the_closed_door_lies_on_the_naive_route_and_the_detour_is_short(scene, flat):
    (closed,) = [door for door in scene.doors if door.closed]
    truth = truth_blocked(flat, scene.doors)
    check_query(flat, DEFAULT_ROBOT, scene.start_map, scene.goal_map)
    check_query(flat, DEFAULT_ROBOT, scene.start_map, scene.goal_map, truth)

    believed = solve_field(flat, flat.blocked, scene.goal_map, DEFAULT_ROBOT)
    known = solve_field(flat, truth, scene.goal_map, DEFAULT_ROBOT)
    naive = guide_path(believed, scene.start_map)
    assert closed.name in doors_crossed(naive, scene.doors)

    middle = np.mean(np.reshape(closed.rectangle, (2, 2)), axis=0)
    before = int(np.argmin(np.hypot(*(naive - middle).T)) - 0.5 / 0.05)
    detour = guide_path(known, naive[before])
    assert closed.name not in doors_crossed(detour, scene.doors)
    total = path_length(naive[: before + 1]) + path_length(detour)
    assert total < 2.0 * path_length(naive)
    assert total <= 18.0


def test_people_walk_through_open_doors_with_room_to_spare(scene, flat):
    truth = truth_blocked(flat, scene.doors)
    clearance = wall_distance(truth, flat.resolution)
    assert len(scene.people) == 3
    for walk in scene.people:
        row, column, inside = flat.cell_of(walk.waypoints)
        assert inside.all()
        assert clearance[row, column].min() >= 0.3
    points, length = paths_through(flat, [w.waypoints for w in scene.people], blocked=truth)
    for k, walk in enumerate(scene.people):
        way = points[k, : length[k]].astype(float)
        assert doors_crossed(way, scene.doors)
        row, column, _ = flat.cell_of(way)
        assert clearance[row, column].min() >= PERSON_RADIUS - 1e-6
        np.testing.assert_allclose(way[0], walk.waypoints[0], atol=0.01)
        assert np.hypot(*(way[-1] - walk.waypoints[-1])) < 0.25


def test_random_walks(flat):
    points, length = walking_paths(flat, 4, seed=3, capacity=160)
    again, _ = walking_paths(flat, 4, seed=3, capacity=160)
    other, _ = walking_paths(flat, 4, seed=4, capacity=160)
    np.testing.assert_array_equal(points, again)
    assert not np.array_equal(points, other)
    assert points.shape == (4, 160, 2)
    assert points.dtype == np.float32
    assert length.dtype == np.int32
    clearance = wall_distance(flat.blocked, flat.resolution)
    for way, count in zip(points.astype(float), length, strict=True):
        assert 30 <= count <= 160
        np.testing.assert_allclose(np.hypot(*np.diff(way[:count], axis=0).T), 0.1, atol=0.01)
        assert np.all(way[count:] == way[count - 1])
        row, column, inside = flat.cell_of(way)
        assert inside.all()
        assert clearance[row, column].min() >= PERSON_RADIUS - 1e-6


def test_walks_need_a_way_between_their_points(flat):
    blocked = truth_blocked(flat, flat_scene().doors)
    blocked[:, flat.cell_of((6.25, 1.0))[1]] = True  # a wall from bottom to top
    with pytest.raises(InputError, match="walk between"):
        paths_through(flat, [[ROOMS["hall"], ROOMS["study"]]], blocked=blocked)
    with pytest.raises(InputError, match="two points"):
        paths_through(flat, [[ROOMS["hall"]]])


@pytest.mark.parametrize("seed", range(3))
def test_random_queries(flat, seed):
    start, goal = random_query(flat, DEFAULT_ROBOT, seed, min_length=5.0)
    check_query(flat, DEFAULT_ROBOT, start, goal)
    field = solve_field(flat, flat.blocked, goal, DEFAULT_ROBOT)
    way = guide_path(field, start)
    assert path_length(way) >= 4.9
    clearance = wall_distance(flat.blocked, flat.resolution)
    for pose in (start, goal):
        assert clearance[flat.cell_of(pose[:2])[:2]] >= 0.3
        assert abs(pose[2]) <= np.pi
    arriving = way[-1] - way[-6]
    assert np.cos(goal[2] - np.arctan2(arriving[1], arriving[0])) > 0.3


def test_random_queries_refuse_the_impossible(flat):
    with pytest.raises(InputError, match="min_length"):
        random_query(flat, DEFAULT_ROBOT, 0, min_length=50.0)
    with pytest.raises(InputError, match="free place"):
        random_query(flat, DEFAULT_ROBOT, 0, blocked=np.ones_like(flat.blocked))


SCENE = "name: s\nmap: m.yaml\nstart: [0, 0, 0]\ngoal: [1, 1, 0]\n"
SHUT = "doors: [{name: d, rectangle: [0, 0, 1, 1], closed: true}]\n"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[]", "scene"),
        ("a: [", "scene"),
        (SCENE + "colour: red\n", "scene.colour"),
        (SCENE.replace("name: s", "name: 3"), "name"),
        (SCENE.replace("map: m.yaml\n", ""), "map"),
        (SCENE.replace("[0, 0, 0]", "[0, 0]"), "start"),
        (SCENE.replace("[1, 1, 0]", "[.nan, 1, 0]"), "goal"),
        (SCENE + "doors: 3\n", "doors"),
        (SCENE + SHUT.replace("[0, 0, 1, 1]", "[1, 0, 0, 1]"), "doors[0].rectangle"),
        (SCENE + SHUT.replace("true", "perhaps"), "doors[0].closed"),
        (SCENE + "people: [{name: p, waypoints: [[0, 0]]}]\n", "people[0].waypoints"),
    ],
)
def test_scenes_refuse_bad_files(tmp_path, text, field):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_scene(path)
    assert caught.value.field == field
    assert caught.value.where == str(path)


def test_scenes_read_what_is_there(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(SCENE + SHUT)
    scene = load_scene(path)
    assert scene.doors == (Door(name="d", rectangle=(0.0, 0.0, 1.0, 1.0), closed=True),)
    assert scene.people == ()
    assert scene.map_path == tmp_path / "m.yaml"
    with pytest.raises(InputError, match="readable"):
        load_scene(tmp_path / "missing.yaml")


@pytest.mark.parametrize("name", ["vacuum/z10_1056_paths", "ros/aws_small_house"])
def test_queries_and_walks_on_real_maps(data_dir, name):
    path = data_dir / "home_maps" / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    house_map = load_map(path)
    clearance = wall_distance(house_map.blocked, house_map.resolution)
    points, length = walking_paths(house_map, 3, seed=0)
    row, column, inside = house_map.cell_of(points.astype(float))
    assert inside.all()
    assert clearance[row, column].min() >= PERSON_RADIUS - 1e-6
    assert length.min() > 30
    start, goal = random_query(house_map, DEFAULT_ROBOT, seed=0)
    check_query(house_map, DEFAULT_ROBOT, start, goal)
    way = guide_path(solve_field(house_map, house_map.blocked, goal, DEFAULT_ROBOT), start)
    np.testing.assert_allclose(way[-1], goal[:2], atol=1e-5)
