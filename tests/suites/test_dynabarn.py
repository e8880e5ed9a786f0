"""DynaBARN: worlds from its file, moments of their loops by the run's seed, any contact fails."""

import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.suites import dynabarn
from astro_jax.suites.floor import FAR
from astro_jax.types import Kind
from tests.suites.made_up import trace_of


def world_file(folder, **changes):
    """World 3 has one slow disc on a closed course, world 8 two fast ones that jump back."""
    arrays = {
        "world": np.array([3, 8, 8]),
        "key_t": np.array([0, 10, 20, 0, 5, 0, 10], np.float32),
        "key_xy": np.array(
            [[0, -4], [0, 4], [0, -4], [-10, 5], [-1, 5], [5, -10], [5, 8]], np.float32
        ),
        "key_offsets": np.array([0, 3, 5, 7]),
        "duration": np.array([20, 5, 10], np.float32),
        "radius": np.float64(0.5),
        "start": np.array([11.0, 0.0, 3.14], np.float32),
        "goal": np.array([-9.0, 0.0], np.float32),
        "walls": np.array([[-10, 0, 0.5, 20], [0, 10, 20, 0.5], [0, -10, 20, 0.5]], np.float32),
    }
    arrays = {k: v for k, v in (arrays | changes).items() if v is not None}
    (folder / "dynabarn").mkdir(exist_ok=True)
    np.savez(folder / "dynabarn" / "dynabarn_worlds.npz", **arrays)
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return dynabarn.load(world_file(tmp_path_factory.mktemp("data")), dynabarn.setup())


def walks(case) -> np.ndarray:
    return np.asarray(case.scene.recorded_map)


def test_worlds_keep_their_names_and_tiers(cases):
    assert list(cases) == ["3", "8"]
    assert cases["3"](0).stratum == "0.73 m/s" and cases["8"](0).stratum == "1.71 m/s"


def test_a_disc_goes_round_its_course_from_a_moment_that_the_seed_picks(cases):
    first, again, other = (walks(cases["3"](seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.5
    round_trip = round(20.0 / dynabarn.SPACING)
    np.testing.assert_allclose(first[round_trip:], first[:-round_trip], atol=1e-4)
    assert first[:, 1].min() == pytest.approx(-4, abs=0.01)
    assert first[:, 1].max() == pytest.approx(4, abs=0.01)


def test_bodies_without_a_disc_are_not_there(cases):
    scene = cases["8"](0).scene
    assert np.asarray(scene.present).tolist() == [True] * 2 + [False] * (dynabarn.DISCS - 2)
    assert (walks(cases["8"](0))[2:] == FAR).all()
    assert (np.asarray(scene.kind) == int(Kind.UNKNOWN)).all()
    np.testing.assert_allclose(np.asarray(scene.radius), 0.5)


def test_walls_stand_where_the_file_says_and_the_robot_is_told_of_none(cases):
    case = cases["3"](0)

    def blocked(x, y):
        column, row = np.rint((np.array([x, y]) - case.scene.origin) / dynabarn.CELL).astype(int)
        return bool(case.scene.blocked[row, column])

    assert blocked(-10.2, 9.9) and blocked(-9.8, -9.9) and blocked(9.9, 10.2)
    assert not any(blocked(*p) for p in [(-9.7, 0), (-10.3, 0), (10.5, 10), (0, 0), (11, 0)])
    assert not case.house_map.blocked.any()
    values = np.asarray(case.scene.house.values)
    assert values.shape == case.scene.blocked.shape and np.ptp(values) == 0.0


def test_worlds_at_hand_begin_with_nobody_on_the_robot(data_dir):
    cases = dynabarn.load(data_dir, dynabarn.setup())
    assert len(cases) == 40
    tiers = [case(0).stratum for case in cases.values()]
    assert [tiers.count(f"{speed:g} m/s") for speed in dynabarn.TIERS] == [13, 13, 14]
    for case in list(cases.values())[::8]:
        scene = case(5).scene
        off = np.hypot(*(walks(case(5))[:, 0] - np.asarray(scene.start_map)[:2]).T)
        assert off.min() > 0.5 + 0.31


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"walls": None}, "walls"),
        ({"walls": np.zeros((2, 3))}, "walls"),
        ({"key_offsets": np.array([0, 3, 5])}, "key_offsets"),
        ({"key_offsets": np.array([0, 5, 3, 7])}, "key_offsets"),
        ({"key_offsets": np.array([0.0, 3.0, 5.0, 7.0])}, "world, key_offsets"),
        ({"duration": np.array([20.0, 6.0, 10.0])}, "key_t of disc 1"),
        ({"start": np.array([30.0, 0.0, 0.0])}, "start"),
        ({"radius": np.float64(-0.5)}, "radius"),
        ({"goal": np.array([np.nan, 0.0])}, "goal"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, changes, field):
    with pytest.raises(InputError) as caught:
        dynabarn.load(world_file(tmp_path, **changes), dynabarn.setup())
    assert caught.value.field == field and "dynabarn_worlds.npz" in str(caught.value)


def test_no_file_and_too_many_discs_are_named(tmp_path):
    with pytest.raises(InputError, match="existing file"):
        dynabarn.load(tmp_path, dynabarn.setup())
    many = {
        "world": np.full(25, 4),
        "key_t": np.tile([0.0, 1.0], 25),
        "key_xy": np.zeros((50, 2)),
        "key_offsets": 2 * np.arange(26),
        "duration": np.ones(25),
    }
    with pytest.raises(InputError, match="25 discs in world 4"):
        dynabarn.load(world_file(tmp_path, **many), dynabarn.setup())


@pytest.mark.parametrize(
    ("arrived_at", "touched_at", "verdict"),
    [
        (12.0, np.inf, "success"),
        (12.0, 12.2, "success"),
        (12.0, 11.9, "collision"),
        (np.inf, 30.0, "collision"),
        (np.inf, np.inf, "timeout"),
    ],
)
def test_any_contact_before_the_arrival_fails(cases, arrived_at, touched_at, verdict):
    ticks = np.zeros((50, 2))
    contacts = int(np.isfinite(touched_at))
    trace = trace_of(ticks, None, arrived_at, first_contact_at=touched_at, contacts=contacts)
    row = dynabarn.judge(cases["3"](0), dynabarn.setup(), trace)
    assert [key for key in ("success", "collision", "timeout") if row[key]] == [verdict]
    assert row["time"] == 12.0 if verdict == "success" else np.isnan(row["time"])
