"""An episode in a file: it comes back as it was, and whatever else is in a file is refused."""

import copy
import dataclasses

import jax
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra viz")

from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.viz import plots, stored
from astro_jax.viz.stored import read_episode, write_episode
from tests.viz.made_up import field, made_up

CHANGES = {
    "log.plan_pose": (lambda a: a[:, :3], "shape"),
    "log.time": (lambda a: a[::-1], "rise"),
    "ticks.time": (lambda a: a[:0], "empty"),
    "log.pose_map": (lambda a: a * np.nan, "finite"),
    "ticks.twist": (lambda a: a * np.inf, "finite"),
    "log.survival": (lambda a: a[:-1], "shape"),
    "log.tracked": (lambda a: a.astype(float), "bool"),
    "ticks.scale": (lambda a: a.astype(str), "float"),
    "log.status": (lambda a: a + 0.5, "int"),
    "log.world.clearance.table": (lambda a: a[..., :3], "shape"),
    "log.world.clearance.resolution": (lambda a: 0.0 * a, "from"),
    "log.world.forecast.xy_map": (lambda a: a[:, :0], "shape"),
    "log.diagnostics.cost": (lambda a: a[:, :-1], "shape"),
    "routes.cost_to_go.table": (lambda a: a[..., 0], "shape"),
    "routes.since": (lambda a: np.arange(2.0), "shape"),
    "routes.goal_map": (lambda a: a[:, :2], "shape"),
    "home.occupancy": (lambda a: a[:-1], "shape"),
    "home.resolution": (lambda a: 1e-9, "from 0.005"),
    "home.radius": (lambda a: a[:-1], "shape"),
    "home.start": (lambda a: a + 1e30, "within"),
    "log.world.pose_map": (lambda a: a - 2e5, "within"),
}
NEXT = {
    "log.plan_pose": "log.plan_twist",
    "log.world.forecast.xy_map": "log.world.forecast.velocity_map",
    "log.diagnostics.cost": "log.diagnostics.candidate_xy_map",
    "routes.since": "routes.cost_to_go.table",
    "home.occupancy": "home.blocked",
    "home.radius": "home.present",
}
"""Where two arrays do not agree the second one is named."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(Arrays, note) of a file."""
    path = tmp_path_factory.mktemp("whole") / "episode.npz"
    write_episode(path, made_up(followed=1, doing=((0.0, "walking along"), (0.3, "waiting"))))
    return read_arrays(path, stored.FORM, stored.VERSION)


def refused(folder, arrays, note) -> InputError:
    path = folder / "changed.npz"
    write_arrays(path, stored.FORM, stored.VERSION, arrays, note)
    with pytest.raises(InputError) as caught:
        read_episode(path)
    assert str(path) in str(caught.value) or caught.value.where == ""
    return caught.value


def test_an_episode_comes_back_as_it_was(tmp_path):
    path = tmp_path / "deep" / "episode.npz"
    before = made_up(
        followed=1,
        doing=((0.0, "looking"), (0.2, "")),
        routes=((0.0, field()), (1.5, field((0.0, 2.0)))),
    )
    write_episode(path, before)
    after = read_episode(path)
    for name in ("robot", "planner", "resolution", "followed", "doing"):
        assert getattr(after, name) == getattr(before, name)
    for name in (*stored.HOME, "log", "ticks", "routes"):
        pairs = [jax.tree_util.tree_flatten(getattr(r, name)) for r in (before, after)]
        assert pairs[0][1] == pairs[1][1]
        for old, new in zip(pairs[0][0], pairs[1][0], strict=True):
            np.testing.assert_array_equal(old, new)
    drawn = [plots.cycle_figure(record, 2).axes[0] for record in (before, after)]
    assert len({tuple(len(c.get_paths()) for c in axes.collections) for axes in drawn}) == 1


def test_of_many_fields_the_last_one_of_each_second_is_kept(tmp_path):
    path = tmp_path / "episode.npz"
    slopes = {since: (1.0 + since, 0.0) for since in (0.0, 0.2, 0.8, 1.0, 1.6, 4.2)}
    write_episode(path, made_up(routes=tuple((t, field(slope)) for t, slope in slopes.items())))
    kept = read_episode(path).routes
    assert [since for since, _ in kept] == [0.8, 1.6, 4.2]
    for since, route in kept:
        assert route.cost_to_go.table[3, 4, 1] == np.float32(1.0 + since)


def test_any_reader_of_npz_finds_the_arrays_under_their_path(tmp_path):
    write_episode(tmp_path / "episode.npz", made_up())
    with np.load(tmp_path / "episode.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["log.world.pose_map"], made_up().log.world.pose_map)


@pytest.mark.parametrize("name", CHANGES)
def test_an_array_that_is_not_as_declared_is_named(name, whole, tmp_path):
    arrays, note = whole
    change, expected = CHANGES[name]
    error = refused(tmp_path, {**arrays, name: np.asarray(change(arrays[name]))}, note)
    told = (error.field, error.expected, str(error.value))
    assert error.field == NEXT.get(name, name), told
    assert any(expected in text for text in told), told


def test_none_can_be_missing_and_none_too_many(whole, tmp_path):
    arrays, note = whole
    for name in arrays:
        left = {key: value for key, value in arrays.items() if key != name}
        if name == "log.world.position_var":  # has a usual value
            continue
        error = refused(tmp_path, left, note)
        assert name.startswith(error.field) or error.field == name, (name, error)
    assert refused(tmp_path, {**arrays, "log.more": np.zeros(3)}, note).field == "file"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"robot": None}, "robot"),
        ({"planner": {"candidates": "many"}}, "candidates"),
        ({"planner": {"speed_of_light": 3}}, "speed_of_light"),
        ({"followed": 3}, "followed"),
        ({"followed": True}, "followed"),
        ({"doing": [[0.0, 7]]}, "doing"),
        ({"doing": "x"}, "doing"),
    ],
)
def test_settings_that_make_no_sense_are_named(change, field, whole, tmp_path):
    arrays, note = whole
    assert refused(tmp_path, arrays, {**copy.deepcopy(note), **change}).field == field
    changed = copy.deepcopy(note)
    changed["robot"]["length"] = float(dataclasses.asdict(made_up().robot)["length"]) * 1e9
    assert refused(tmp_path, arrays, changed).field == "length"


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "episode.npz"
    write_episode(path, made_up())
    data = path.read_bytes()
    for kept in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:kept])
        with pytest.raises(InputError):
            read_episode(path)
