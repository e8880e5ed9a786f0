"""What stands on the pedestrians' ground: frames of the drawings, and files that are none."""

import numpy as np
import pytest
from PIL import Image

from astro_jax.errors import InputError
from astro_jax.suites.eth_ucy import load_scenes
from astro_jax.suites.ground_plans import ground_plan


def stands(plan, *points) -> list[bool]:
    return plan(np.array(points, float)).tolist()


def written(folder, homography="0.1 0 2\n0 0.1 -1\n0 0 1\n", name="ETH_seq_square"):
    (folder / "maps").mkdir(exist_ok=True)
    (folder / "maps" / f"{name}__H.txt").write_text(homography)
    return folder / "maps"


def test_a_picture_is_read_by_row_and_column(tmp_path):
    pixels = np.zeros((20, 30), np.uint8)
    pixels[5, 10] = 255  # x = 2 + .1·5, y = −1 + .1·10
    pixels[6, 10] = 100
    Image.fromarray(pixels).save(written(tmp_path) / "ETH_seq_square__map.png")
    plan = ground_plan(tmp_path, "square")
    assert stands(plan, [2.5, 0.0], [2.54, 0.04], [2.56, 0.0], [2.5, 0.06], [2.6, 0.0]) == [
        *(True, True),
        *(False, False, False),
    ]
    assert stands(plan, [-90.0, 5.0], [90.0, 5.0], [2.5, 99.0]) == [False] * 3


def test_a_line_is_read_from_the_middle_up_and_to_the_left(tmp_path):
    maps = written(tmp_path, "0.02 0 0\n0 0.02 0\n0 0 1\n", "UCY_street")
    # right of the middle by 10 … 60 pixels, above it by 100 … 200
    corners = "370 188\n420 188\n420 88\n370 88\n370 188\n"
    (maps / "UCY_street__static.txt").write_text(corners)
    plan = ground_plan(tmp_path, "street")
    assert stands(plan, [-0.3, 2.1], [-1.1, 3.9], [0.3, 2.1], [-0.3, -2.1], [-1.3, 2.1]) == [
        *(True, True),
        *(False, False, False),
    ]


def test_a_place_without_drawings_is_an_empty_floor(tmp_path):
    assert stands(ground_plan(tmp_path, "moon"), [0.0, 0.0]) == [False]
    written(tmp_path)
    assert stands(ground_plan(tmp_path, "square"), [2.5, 0.0]) == [False]


@pytest.mark.parametrize(
    ("homography", "field"),
    [
        ("1 0 0\n0 1 0\n", "homography"),
        ("1 0 0\n0 1 0\n1 1 0\n", "homography"),
        ("1 0 0\n0 one 0\n0 0 1\n", "file"),
        ("1 0 0\n0 1\n0 0 1\n", "file"),
        ("1 0 0\n0 nan 0\n0 0 1\n", "file"),
        ("", "file"),
    ],
)
def test_a_malformed_homography_is_named(tmp_path, homography, field):
    written(tmp_path, homography)
    with pytest.raises(InputError) as caught:
        ground_plan(tmp_path, "square")
    assert caught.value.field == field and "square__H.txt" in str(caught.value)


def test_two_plans_of_a_place_and_a_broken_picture_are_named(tmp_path):
    maps = written(tmp_path)
    (maps / "ETH_seq_square__map.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"map\.png"):
        ground_plan(tmp_path, "square")
    written(tmp_path, name="UCY_square")
    with pytest.raises(InputError, match="one plan of square"):
        ground_plan(tmp_path, "square")


def test_the_drawings_at_hand_stand_beside_the_ways_that_people_go(data_dir):
    folder = data_dir / "eth_ucy"
    where = {
        # the walls and the door of a courtyard; a lamp post and a house's corner; a shop front
        "eth": ([[14.15, 10.0], [5.0, -0.65]], [[14.15, 5.6], [5.0, 5.0]]),
        "hotel": ([[-0.86, 1.92], [-1.0, -9.0]], [[-0.86, 0.0], [2.0, -9.0]]),
        "zara01": ([[8.0, 8.0], [4.0, 7.5]], [[8.0, 5.0], [4.0, 3.0]]),
    }
    for recording in load_scenes(data_dir):
        plan = ground_plan(folder, recording.name)
        blocked, free = where[recording.name]
        assert stands(plan, *blocked, *free) == [True, True, False, False], recording.name
        through = np.mean([plan(piece).any() for piece in recording.pieces])
        # in Zara they brush along the shop's front, up to .5 m behind the line
        assert through <= (0.3 if recording.name == "zara01" else 0.02), recording.name
