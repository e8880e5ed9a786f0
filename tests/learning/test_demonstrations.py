"""Drives in a file: what is not one is refused by name."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.learning.demonstrations import (
    FORM,
    VERSION,
    Recorded,
    drive_of_episode,
    read_drive,
    read_drives,
    write_drive,
)
from astro_jax.sim.scene import make_scene
from astro_jax.sim.state import TickLog
from astro_jax.suites.floor import FAR, floor_of


def some_drive(count=40):
    time = 0.1 * np.arange(count)
    people = np.full((count, 2, 2), np.nan)
    people[:, 0] = [2.0, 1.0]
    return Recorded(
        name="hall/7",
        time=time,
        pose=np.stack([1.0 + 0.5 * time, 0.1 * time, 0.2 * time], axis=-1),
        people=people,
        radius=np.array([0.2, 0.25]),
        kind=np.array([0, 1]),
        goal=np.array([6.0, 1.0, 0.0]),
        occupancy=floor_of((0.0, -2.0), (8.0, 3.0), 0.05, "hall").occupancy,
        origin=np.array([0.025, -1.975]),
        resolution=0.05,
    )


def test_what_was_written_is_read(tmp_path):
    drive = some_drive()
    write_drive(tmp_path / "b.npz", dataclasses.replace(drive, name="hall/8"))
    write_drive(tmp_path / "a.npz", drive)
    first, second = read_drives(tmp_path)
    assert (first.name, second.name) == ("hall/7", "hall/8")
    for field in dataclasses.fields(Recorded):
        got, wanted = getattr(first, field.name), getattr(drive, field.name)
        np.testing.assert_array_equal(got, wanted)


def changed(field, change):
    drive = some_drive()
    value = np.array(getattr(drive, field))
    return dataclasses.replace(drive, **{field: change(value)})


def put(place, number):
    def change(value):
        value = value.astype(float) if value.dtype.kind == "f" else value.astype(int)
        value[place] = number
        return value

    return change


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("time", put(5, np.nan)),
        ("time", put(5, 0.4)),
        ("time", put(5, 0.2)),
        ("time", lambda t: np.where(np.arange(len(t)) > 20, t + 0.6, t)),
        ("time", lambda t: t[:-1]),
        ("pose", put((3, 2), np.inf)),
        ("pose", put((3, 0), 4.0)),
        ("pose", put((3, 1), 1e7)),
        ("pose", lambda p: p[:, :2]),
        ("people", put((3, 0, 0), 1e7)),
        ("people", lambda p: p[..., 0]),
        ("radius", put(0, 0.0)),
        ("radius", put(0, np.nan)),
        ("radius", lambda r: r[:1]),
        ("kind", put(0, 9)),
        ("goal", put(0, np.nan)),
        ("occupancy", put((0, 0), 101)),
        ("occupancy", put((0, 0), -2)),
        ("occupancy", lambda o: o[0]),
        ("occupancy", lambda o: o[:0]),
        ("resolution", lambda r: 0.0),
        ("resolution", lambda r: np.nan),
        ("origin", put(0, np.nan)),
    ],
)
def test_what_is_no_drive_is_neither_written_nor_read(tmp_path, field, change):
    wrong = changed(field, change)
    with pytest.raises(InputError) as error:
        write_drive(tmp_path / "wrong.npz", wrong)
    assert not list(tmp_path.iterdir())
    # and if somebody else has written it
    write_drive(tmp_path / "right.npz", some_drive())
    arrays, note = read_arrays(tmp_path / "right.npz", FORM, VERSION)
    write_arrays(
        tmp_path / "wrong.npz",
        FORM,
        VERSION,
        {**arrays, field: np.array(getattr(wrong, field))},
        note,
    )
    with pytest.raises(InputError) as again:
        read_drive(tmp_path / "wrong.npz")
    assert again.value.field == error.value.field
    assert again.value.where.endswith("wrong.npz")


def test_missing_arrays_names_and_folders_are_refused(tmp_path):
    write_drive(tmp_path / "right.npz", some_drive())
    arrays, note = read_arrays(tmp_path / "right.npz", FORM, VERSION)
    less = {name: array for name, array in arrays.items() if name != "goal"}
    for arrays_held, note_held, field in ((less, note, "goal"), (arrays, {"name": ""}, "name")):
        write_arrays(tmp_path / "wrong.npz", FORM, VERSION, arrays_held, note_held)
        with pytest.raises(InputError) as error:
            read_drive(tmp_path / "wrong.npz")
        assert error.value.field == field
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InputError, match="drives"):
            read_drives(folder)


def test_an_episode_is_a_drive():
    house = floor_of((0.0, 0.0), (5.0, 5.0), 0.05, "room")
    scene = make_scene(
        house.occupancy,
        house.blocked,
        house.origin,
        0.05,
        np.array([1.0, 1.0, 0.0]),
        np.array([4.0, 4.0, 1.0]),
        np.zeros((0, 2, 2)),
        np.zeros(0, np.int32),
        0.1,
        3,
        0,
    )
    scene = dataclasses.replace(scene, present=np.array([True, True, False]))
    ticks = 100
    people = np.zeros((ticks, 3, 2), np.float32)
    people[:, 0] = [2.0, 2.0]
    people[50:, 1] = FAR
    zeros: dict[str, Any] = {
        name: np.zeros((ticks,)) for name in ("scale", "mode", "reason", "pan", "contacts")
    }
    arrays: dict[str, Any] = {
        "time": 0.02 * np.arange(1, ticks + 1, dtype=np.float32),
        "pose_map": np.linspace([1.0, 1.0, 0.0], [2.0, 1.5, 0.4], ticks, dtype=np.float32),
        "twist": np.zeros((ticks, 2)),
        "command": np.zeros((ticks, 2)),
        "people_xy": people,
    }
    log = TickLog(**arrays, **zeros)
    drive = drive_of_episode("room/1", house, jax.device_get(scene), log)
    assert np.allclose(np.diff(drive.time), 0.1, atol=1e-6)
    assert np.allclose(drive.pose[-1], arrays["pose_map"][95])
    seen = np.isfinite(drive.people[..., 0])
    assert seen[:, 0].all() and not seen[:, 2].any()
    assert seen[:10, 1].all() and not seen[10:, 1].any()
    assert np.allclose(drive.goal, [4.0, 4.0, 1.0])
