"""Pictures of a tiny made-up episode: what is on them, and what is left on the disk."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra viz")

from matplotlib.colors import to_rgba
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from astro_jax.config import DEFAULT_ROBOT
from astro_jax.errors import InputError
from astro_jax.types import Reason
from astro_jax.viz import animation, layers, plots, shapes, style
from tests.viz.made_up import (
    CANDIDATES,
    CYCLES,
    OCCUPANCY,
    ORIGIN,
    PEOPLE,
    PLANNER,
    RESOLUTION,
    field,
    made_up,
)


def artist(axes, name) -> Any:
    (found,) = [a for a in axes.get_children() if a.get_gid() == name]
    return found


# ---- the still picture ---------------------------------------------------------------


def test_candidates_are_coloured_by_cost_and_the_unusable_left_out():
    record = made_up()
    figure = plots.cycle_figure(record, 1)
    figure.canvas.draw()
    fan = artist(figure.axes[0], "candidates")
    seen = record.log.diagnostics
    usable = [k for k in range(CANDIDATES) if k not in (2, 5, 6)]
    worst_first = sorted(usable, key=lambda k: -seen.cost[1, k])
    assert len(fan.get_segments()) == len(usable)
    for drawn, k in zip(fan.get_segments(), worst_first, strict=True):
        np.testing.assert_allclose(drawn, seen.candidate_xy_map[1, k])
    np.testing.assert_allclose(fan.get_colors(), style.COST(np.linspace(1.0, 0.0, len(usable))))


def test_colours_of_cost_are_told_apart_without_red_and_green():
    linear = lambda c: np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    luminance = lambda rank: linear(np.array(style.COST(rank)[:3])) @ [0.2126, 0.7152, 0.0722]
    best, good, worst = luminance(0.0), luminance(0.25), luminance(1.0)
    # dark is good and pale is bad all the way
    assert np.all(np.diff([luminance(rank) for rank in np.linspace(0.0, 1.0, 21)]) > 0.0)
    assert best < 0.4 * good < 0.4 * worst
    red, green, _, _ = style.COST(1.0)
    assert red > 1.5 * green
    red, green, _, _ = style.COST(0.0)
    assert green > 1.5 * red


def test_the_plan_starts_at_the_robot_and_ends_where_planned():
    record = made_up()
    figure = plots.cycle_figure(record, 3)
    drawn = artist(figure.axes[0], "plan").get_xydata()
    np.testing.assert_allclose(drawn[0], record.log.pose_map[3, :2])
    np.testing.assert_allclose(drawn[1:], record.log.plan_pose[3, :, :2])


@pytest.mark.parametrize("cycle", range(2))
def test_a_cycle_without_candidates_and_people_is_still_a_picture(cycle):
    record = made_up(present=np.zeros(PEOPLE, bool))
    record.log.diagnostics.cost[:] = np.nan
    record.log.world.forecast.valid[:] = False
    figure = plots.cycle_figure(record, cycle)
    figure.canvas.draw()
    assert artist(figure.axes[0], "candidates").get_segments() == []


def test_the_title_says_what_the_gate_did():
    record = made_up()
    assert "gate 40 % (slowed)" in plots.summary(record, 1)
    assert "gate 100 % (clear)" in plots.summary(record, 2)
    record.log.status[2] = 1
    assert "no finite candidate" in plots.summary(record, 2)


# ---- what lies on the ground ---------------------------------------------------------


def test_the_ground_shows_map_truth_and_local_map():
    record = made_up()
    colour = lambda name: np.rint(255 * np.array(to_rgba(name))).astype(int)
    paint = layers.ground(record)
    at = lambda x, y: paint(0, np.array([x]), np.array([y]))[0, 0].astype(int)
    assert (at(0.0, 0.0) == colour(style.FREE)).all()
    assert (at(-0.9, 1.0) == colour(style.FREE)).all()
    assert (at(-1.0, 1.0) == colour(style.WALL)).all()
    assert (at(-0.5, -1.9) == colour(style.UNKNOWN)).all()
    assert (at(-3.0, 9.0) == colour(style.UNKNOWN)).all()
    assert at(3.55, 0.5).tolist() in [colour(stripe).tolist() for stripe in style.STRIPES]
    # the three lowest rows of the local map are obstacles, which reaches to y = -1.2
    assert at(0.5, -1.3)[:3].max() < 100
    assert (at(0.5, -1.1) == colour(style.FREE)).all()


def test_guidance_points_downhill_where_allowed():
    allowed = np.zeros(OCCUPANCY.shape, bool)
    allowed[20:40, 20:40] = True
    arrows = shapes.descent_arrows(field((3.0, -4.0)), allowed, (2.0, 1.0), 3.0)
    tail, tip = arrows[:, 0], arrows[:, 1]
    heading = (tip - tail) / np.linalg.norm(tip - tail, axis=1, keepdims=True)
    np.testing.assert_allclose(heading, np.tile([-0.6, 0.8], (len(arrows), 1)), atol=1e-6)
    cells = np.rint((0.5 * (tail + tip) - ORIGIN) / RESOLUTION)
    assert len(arrows) == 25 and cells.min() >= 20 and cells.max() < 40
    assert len(shapes.descent_arrows(field((0.0, 0.0)), allowed, (2.0, 1.0), 3.0)) == 0
    assert len(shapes.descent_arrows(field(), allowed, (99.0, 99.0), 1.0)) == 0


def test_the_screen_faces_heading_plus_pan():
    pose, mount = np.array([1.0, 2.0, 0.3]), DEFAULT_ROBOT.screen.mount_x
    axis = pose[:2] + mount * np.array([np.cos(0.3), np.sin(0.3)])
    bar = shapes.screen_bar(DEFAULT_ROBOT, pose, 0.4)
    ahead = bar.mean(axis=0) - axis
    assert np.arctan2(ahead[1], ahead[0]) == pytest.approx(0.7)
    assert abs(ahead @ (bar[1] - bar[0])) < 1e-12
    assert np.linalg.norm(bar[1] - bar[0]) == pytest.approx(DEFAULT_ROBOT.screen.width)
    cone = shapes.screen_cone(DEFAULT_ROBOT, pose, 0.4)
    assert np.linalg.norm(cone - axis, axis=1).max() > 0.9
    view = shapes.camera_view(DEFAULT_ROBOT, pose, 0.4)[1:-1] - axis
    bearing = np.arctan2(view[:, 1], view[:, 0]) - 0.7
    half = DEFAULT_ROBOT.camera.field_of_view / 2
    assert (bearing.min(), bearing.max()) == (pytest.approx(-half), pytest.approx(half))


# ---- the film ------------------------------------------------------------------------


def test_frames_follow_the_robot():
    record = made_up()
    pictures = [frame.copy() for frame in animation.frames(record)]
    assert len(pictures) == CYCLES
    assert pictures[0].shape == (animation.HEIGHT, animation.WIDTH, 4)
    assert len({picture.tobytes() for picture in pictures}) == CYCLES
    middle = animation.HEIGHT - animation.FRAME.low - animation.FRAME.size // 2
    body = [animation.FRAME.left + animation.FRAME.size // 2 - 12, middle]
    for picture in pictures:
        np.testing.assert_allclose(picture[body[1], body[0]] / 255, to_rgba(style.ROBOT), atol=0.01)


def test_the_video_decodes(tmp_path):
    pytest.importorskip("imageio_ffmpeg", reason="videos need the extra viz")
    path = animation.write_video(tmp_path / "demo", made_up())
    assert path == tmp_path / "demo.mp4" and [*tmp_path.iterdir()] == [path]
    # imageio_ffmpeg.read_frames leaves a pipe open, which is an error here
    decode = [animation.ffmpeg(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = subprocess.run(decode, capture_output=True, check=True)
    shape = (-1, animation.HEIGHT, animation.WIDTH, 3)
    pictures = np.frombuffer(decoded.stdout, np.uint8).reshape(shape)
    assert len(pictures) == CYCLES
    drawn = np.stack([frame[..., :3].copy() for frame in animation.frames(made_up())])
    assert np.abs(pictures.astype(float) - drawn).mean() < 4.0
    about = decoded.stderr.decode()
    stream = next(line for line in about.splitlines() if "Video: h264" in line)
    assert "yuv420p" in stream and f"{round(1.0 / PLANNER.period)} fps" in stream


def no_ffmpeg():
    raise animation.EncoderError("not here")


@pytest.mark.parametrize(
    "ffmpeg",
    [no_ffmpeg, lambda: "/nowhere/ffmpeg", lambda: sys.executable],
    ids=["missing", "does not start", "fails"],
)
def test_without_ffmpeg_it_is_a_gif(tmp_path, monkeypatch, ffmpeg):
    monkeypatch.setattr(animation, "ffmpeg", ffmpeg)
    path = animation.write_video(tmp_path / "demo", made_up())
    assert path == tmp_path / "demo.gif" and [*tmp_path.iterdir()] == [path]
    with Image.open(path) as picture:
        assert isinstance(picture, GifImageFile) and picture.n_frames == 3  # every second of five
        assert picture.size == (animation.WIDTH // 2, animation.HEIGHT // 2)
        assert picture.info["duration"] == 200


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, suffix):
    def torn(record):
        yield np.zeros((animation.HEIGHT, animation.WIDTH, 4), np.uint8)
        raise ArithmeticError("half-way")

    if suffix == ".gif":
        monkeypatch.setattr(animation, "ffmpeg", no_ffmpeg)
    monkeypatch.setattr(animation, "frames", torn)
    older = tmp_path / f"demo{suffix}"
    older.write_text("older")
    with pytest.raises(ArithmeticError):
        animation.write_video(tmp_path / "demo", made_up())
    assert [*tmp_path.iterdir()] == [older] and older.read_text() == "older"


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        animation.write_video(tmp_path / "nowhere" / "demo", made_up())


# ---- the record ----------------------------------------------------------------------


def test_ticks_belong_to_their_cycle():
    record = made_up()
    assert [record.ticks_of(c) for c in range(3)] == [slice(0, 5), slice(5, 10), slice(10, 15)]
    assert record.gate_of(1) == (0.4, Reason.SLOWED)


def test_every_reason_of_the_gate_has_its_words():
    record = made_up()
    at = record.ticks_of(1).start + 2
    assert len(set(plots.GATE_WORDS.values())) == len(Reason)
    for reason in Reason:
        record.ticks.reason[at] = int(reason)
        assert plots.gate_text(record, 1) == f"40 % ({plots.GATE_WORDS[reason]})"


def test_the_route_of_the_moment():
    first, second = field(), field((1.0, 0.0))
    record = made_up(routes=((0.0, first), (0.2, second)))
    assert record.route_at(0.1) is first and record.route_at(0.2) is second


def test_what_cannot_be_drawn_is_refused():
    nothing = SimpleNamespace(time=np.zeros(0))
    for changed, named in (
        ({"routes": ()}, "routes"),
        ({"blocked": np.zeros((3, 3), bool)}, "blocked"),
        ({"log": nothing}, "log and ticks"),
        ({"ticks": nothing}, "log and ticks"),
    ):
        with pytest.raises(InputError) as caught:
            made_up(**changed)
        assert caught.value.field == named
