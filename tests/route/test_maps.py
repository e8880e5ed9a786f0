"""The map loader against a slow, independent reading of the format, and its refusals."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from astro_jax.errors import InputError
from astro_jax.route import map_image, maps
from astro_jax.route.house import HouseMap
from astro_jax.route.maps import load_map

GOOD = {
    "image": "m.png",
    "resolution": 0.05,
    "origin": [-1.0, 2.0, 0.0],
    "negate": 0,
    "occupied_thresh": 0.65,
    "free_thresh": 0.196,
}


def write(folder, pixels, extension="png", **entries):
    image = f"m.{extension}"
    Image.fromarray(pixels).save(folder / image)
    path = folder / "m.yaml"
    lines = {**GOOD, "image": image, **entries}
    path.write_text("".join(f"{k}: {v}\n" for k, v in lines.items() if v is not None))
    return path


def slow_occupancy(pixel, mode, negate, occupied, free):
    """One pixel, as the format's documentation words it; numbers 0 to 255."""
    parts = [int(v) for v in np.atleast_1d(pixel)]
    alpha = parts[-1] if len(parts) == 4 else 255
    if len(parts) == 4 and mode != "trinary":
        parts = parts[:3]
    shade = sum(parts) / (255.0 * len(parts))
    if mode == "raw":
        value = round(shade * 255.0)
        return value if value <= 100 else -1
    p = shade if negate else 1.0 - shade
    if mode == "scale" and alpha < 255:
        return -1
    if p > occupied:
        return 100
    if p < free:
        return 0
    return -1 if mode == "trinary" else round(100.0 * (p - free) / (occupied - free))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_agrees_with_a_slow_reading_of_the_format(data):
    mode = data.draw(st.sampled_from(["trinary", "scale", "raw"]))
    negate = data.draw(st.sampled_from([0, 1, True, False]))
    free, occupied = sorted(
        data.draw(st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True))
    )
    channels, extension = data.draw(
        st.sampled_from([(1, "pgm"), (1, "png"), (3, "png"), (4, "png")])
    )
    height, width = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = rng.integers(0, 256, shape).astype(np.uint8)
    if channels == 4:
        pixels[..., 3] = rng.choice([0, 100, 255, 255], (height, width))

    with tempfile.TemporaryDirectory() as folder:
        path = write(
            Path(folder),
            pixels,
            extension,
            mode=mode,
            negate=str(negate).lower(),
            free_thresh=free / 100,
            occupied_thresh=occupied / 100,
        )
        house_map = load_map(path)

    for row in range(height):
        for column in range(width):
            expected = slow_occupancy(
                pixels[height - 1 - row, column], mode, negate, occupied / 100, free / 100
            )
            found = int(house_map.occupancy[row, column])
            # At an exact half percent or threshold the last bit decides: allow one step there.
            assert found == expected or (mode == "scale" and abs(found - expected) <= 1)
    assert house_map.occupancy.dtype == np.int8


def test_axes_and_cells(tmp_path):
    pixels = np.full((3, 5), 254, np.uint8)
    pixels[0, 4] = 0  # upper right of the picture: largest x and y
    pixels[2, 0] = 205  # lower left: unknown
    house_map = load_map(write(tmp_path, pixels, "pgm"))

    np.testing.assert_allclose(house_map.origin, [-0.975, 2.025])
    assert house_map.occupancy.shape == (3, 5)
    assert house_map.name == "m"
    assert house_map.occupancy[2, 4] == 100
    assert house_map.occupancy[0, 0] == -1
    np.testing.assert_array_equal(np.argwhere(house_map.blocked), [[0, 0], [2, 4]])

    row, column, inside = house_map.cell_of([-0.751, 2.149])
    assert (int(row), int(column), bool(inside)) == (2, 4, True)
    outside = [[-1.001, 2.1], [-0.749, 2.1], [-0.9, 2.151], [np.nan, 2.1], [np.inf, -1e300]]
    assert not house_map.contains(outside).any()
    assert house_map.contains([[-0.999, 2.001], [-0.751, 2.149]]).all()


def test_wide_greys_and_graded_modes(tmp_path):
    levels = (np.array([[0, 205, 254]], np.uint16) * 257).astype(np.uint16)
    house_map = load_map(write(tmp_path, levels))
    np.testing.assert_array_equal(house_map.occupancy, [[100, -1, 0]])

    raw = np.array([[0, 49, 50, 100, 101]], np.uint8)
    house_map = load_map(write(tmp_path, raw, mode="raw"))
    np.testing.assert_array_equal(house_map.occupancy, [[0, 49, 50, 100, -1]])
    np.testing.assert_array_equal(house_map.blocked, [[False, False, True, True, True]])


BAD_ENTRIES = [
    ("resolution", None),
    ("resolution", 0),
    ("resolution", -0.05),
    ("resolution", ".nan"),
    ("resolution", ".inf"),
    ("resolution", 1.5),
    ("resolution", "fine"),
    ("resolution", "true"),
    ("resolution", "[0.05]"),
    ("resolution", "0x" + "f" * 5000),
    ("origin", None),
    ("origin", "[0, 0]"),
    ("origin", "[0, 0, 90]"),
    ("origin", "[0, .nan, 0]"),
    ("origin", "[0, 1.0e+9, 0]"),
    ("origin", "[a, 0, 0]"),
    ("origin", "0"),
    ("negate", None),
    ("negate", 2),
    ("negate", "maybe"),
    ("occupied_thresh", None),
    ("occupied_thresh", 1.1),
    ("occupied_thresh", "high"),
    ("free_thresh", -0.1),
    ("free_thresh", 0.65),
    ("mode", "fancy"),
    ("mode", 3),
    ("image", None),
    ("image", 7),
    ("image", '""'),
    ("image", '"a\\0b"'),
    ("image", "elsewhere.png"),
    ("image", "."),
]


@pytest.mark.parametrize(("field", "value"), BAD_ENTRIES)
def test_refuses_entries(tmp_path, field, value):
    path = write(tmp_path, np.zeros((2, 2), np.uint8), **{field: value})
    with pytest.raises(InputError) as caught:
        load_map(path)
    assert caught.value.field == field
    assert caught.value.where == str(path)
    assert caught.value.expected
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "- a\n- b\n",
        "image: [unclosed",
        "a: *b",
        "a: &x [1]\nb: [*x, *x]",
        "a: 2000-99-99",
        "!!python/object/apply:os.getcwd []",
        "[" * 2000,
        "a: \x01",
        "#" * (maps.MAX_YAML_BYTES + 1),
    ],
)
def test_refuses_files_that_are_no_map(tmp_path, text):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_map(path)
    assert caught.value.field == "map"
    assert caught.value.where == str(path)


def test_refuses_missing_and_binary_files(tmp_path):
    path = tmp_path / "m.yaml"
    for make in (lambda: None, lambda: path.write_bytes(b"\xff\xfe\x00\xd8"), path.unlink):
        make()
        with pytest.raises(InputError, match="YAML"):
            load_map(path)
    with pytest.raises(InputError, match="existing"):
        load_map(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a not a map",
        b"P5\n4 4\n255\nshort",
        b"P5\n0 4\n255\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    ],
)
def test_refuses_images_that_are_none(tmp_path, content):
    path = write(tmp_path, np.zeros((2, 2), np.uint8))
    (tmp_path / "m.png").write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_map(path)
    assert caught.value.field == "image"


@pytest.mark.parametrize("size", ["4001 4000", "100000 100000"])
def test_refuses_huge_images_before_decoding(tmp_path, size):
    # A header without pixels: decoding it would fail with another message.
    path = write(tmp_path, np.zeros((2, 2), np.uint8))
    (tmp_path / "m.png").write_bytes(f"P5\n{size}\n255\n".encode())
    with pytest.raises(InputError, match=f"1 to {map_image.MAX_CELLS} pixels"):
        load_map(path)


def test_maps_are_immutable():
    house_map = HouseMap(occupancy=np.zeros((3, 2), np.int8), resolution=0.1, origin=np.zeros(2))
    with pytest.raises(AttributeError):
        setattr(house_map, "resolution", 0.2)  # noqa: B010


@pytest.mark.parametrize(
    ("name", "free_area"), [("ros/aws_small_house", 157.55), ("vacuum/d9_1058_with_segments", 38.4)]
)
def test_real_maps(data_dir, name, free_area):
    path = data_dir / "home_maps" / f"{name}.yaml"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    house_map = load_map(path)
    area = np.count_nonzero(~house_map.blocked) * house_map.resolution**2
    assert math.isclose(area, free_area, rel_tol=0.01)
    assert set(np.unique(house_map.occupancy)) == {-1, 0, 100}
