"""The loader of recorded pedestrians, and its answers to broken files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_jax.errors import InputError
from astro_jax.suites.eth_ucy import OBSERVED, PREDICTED, load_scene, load_scenes

GOOD = "".join(f"{10 * k}\t1.0\t{0.5 * k}\t-1.0\n" for k in range(25))


def write(folder, text, name="crowds_zara01.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path) -> InputError:
    with pytest.raises(InputError) as caught:
        load_scene(path)
    assert path.name in str(caught.value) and "expected" in str(caught.value)
    return caught.value


def test_a_track_becomes_windows(tmp_path):
    scene = load_scene(write(tmp_path, GOOD))
    assert scene.name == "zara01"
    windows = scene.windows(20)
    assert windows.shape == (6, 20, 2)
    np.testing.assert_allclose(windows[3, :, 0], 0.5 * np.arange(3, 23))
    assert scene.windows(26).shape == (0, 26, 2)


def test_a_gap_cuts_a_track_and_order_does_not_matter(tmp_path):
    lines = GOOD.splitlines(keepends=True)
    shuffled = [lines[k] for k in np.random.default_rng(0).permutation(25) if k != 12]
    scene = load_scene(write(tmp_path, "".join(shuffled)))
    assert sorted(len(piece) for piece in scene.pieces) == [12, 12]
    assert all(np.all(np.diff(piece[:, 0]) == 0.5) for piece in scene.pieces)


def test_frames_of_files_with_velocities_are_counted(tmp_path):
    text = "".join(f"{6 * k} 3 {0.5 * k} 2.0 1.25 0.0\n" for k in range(20))
    scene = load_scene(write(tmp_path, text, "eth_obsmat_0p4s.txt"))
    assert scene.name == "eth" and scene.windows(20).shape == (1, 20, 2)


def test_a_place_is_read_once_from_the_plain_file(tmp_path):
    write(tmp_path, GOOD, "biwi_hotel.txt")
    velocities = "".join(f"{10 * k} 1 0.0 0.0 0.0 0.0\n" for k in range(25))
    write(tmp_path, velocities, "hotel_obsmat_0p4s.txt")
    write(tmp_path, velocities, "eth_obsmat_0p4s.txt")
    scenes = load_scenes(tmp_path)
    assert [scene.file for scene in scenes] == ["eth_obsmat_0p4s.txt", "biwi_hotel.txt"]
    write(tmp_path, GOOD, "hotel.txt")
    with pytest.raises(InputError, match=r"hotel\.txt.*one file of each format"):
        load_scenes(tmp_path)


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("1 2 3", "line", "1 2 3"),
        ("1 2 3 4 5", "line", "1 2 3 4 5"),
        ("1 2 nan 4", "x", "nan"),
        ("1 2 3 inf", "y", "inf"),
        ("1 2 3 1e30", "y", "1e30"),
        ("1 two 3 4", "id", "two"),
        ("1.5 2 3 4", "frame", "1.5"),
        ("nan 2 3 4", "frame", "nan"),
        ("0 1 3 4", "frame", 0),
    ],
)
def test_35_a_broken_line_is_named(tmp_path, line, field, value):
    error = refused(write(tmp_path, f"{GOOD}\n{line}\n"))
    assert (error.field, error.value) == (field, value)
    assert error.where.endswith("crowds_zara01.txt:27")


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_named(tmp_path, text):
    assert refused(write(tmp_path, text)).value == "empty"


def test_a_file_of_single_samples_tells_no_step(tmp_path):
    refused(write(tmp_path, "6 1 0 0 0 0\n6 2 0 0 0 0\n", "eth_obsmat_0p4s.txt"))


def test_no_text_at_all_is_named(tmp_path):
    assert refused(write(tmp_path, GOOD.encode() + b"\xff\xfe 1 2 3")).field == "encoding"


def test_missing_folders_and_files_are_named(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError) as caught:
            load_scenes(folder)
        assert caught.value.field == "data" and str(folder) in str(caught.value)
    refused(tmp_path / "gone.txt")


@given(data=st.one_of(st.binary(max_size=200), st.text("0123456789.e-+ \n\tnaif", max_size=200)))
def test_anything_is_either_read_or_refused(tmp_path_factory, data):
    path = write(tmp_path_factory.mktemp("fuzz"), data)
    try:
        scene = load_scene(path)
    except InputError as error:
        assert "fuzz" in str(error)
    else:
        assert scene.pieces and all(np.all(np.isfinite(piece)) for piece in scene.pieces)


@pytest.mark.parametrize(
    ("name", "windows", "ade", "fde"),
    [("eth", 2614, 0.678, 1.344), ("hotel", 1197, 0.319, 0.614), ("zara01", 2356, 0.427, 0.952)],
)
def test_constant_velocity_has_the_published_errors(data_dir, name, windows, ade, fde):
    scene = next(s for s in load_scenes(data_dir) if s.name == name)
    tracks = scene.windows(OBSERVED + PREDICTED)
    assert len(tracks) == windows
    last, before = tracks[:, OBSERVED - 1], tracks[:, OBSERVED - 2]
    steps = np.arange(1, PREDICTED + 1)[:, None]
    error = np.linalg.norm(last[:, None] + steps * (last - before)[:, None] - tracks[:, 8:], axis=2)
    assert error.mean() == pytest.approx(ade, abs=0.01)
    assert error[:, -1].mean() == pytest.approx(fde, abs=0.01)
