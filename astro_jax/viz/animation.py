"""An episode as a film: the whole house on the left, the robot's cycle on the right.   [host]

In: a record.  Out: an MP4 in real time, or a GIF where no ffmpeg can be had.

What stays is drawn once; each frame restores it and draws only what moves, straight into
the canvas's buffer, which is handed to the encoder without a copy.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from astro_jax.viz import layers, plots, style
from astro_jax.viz.record import EpisodeRecord

WIDTH, HEIGHT = 1100, 620
"""Of a frame, pixels; even, as H.264 with 4:2:0 colours wants them."""
REACH = 2.9
"""Half the side of the close-up, m."""
SMALLEST = 0.03
"""Least length of the robot in the overview, as a share of its width."""


class Square(NamedTuple):
    """A place on the frame, pixels from its lower left corner."""

    left: int
    low: int
    size: int


FRAME = Square(left=575, low=56, size=510)
"""Of the close-up."""
ROOM = np.array([540.0, 375.0])
"""Room of the overview, upper left, pixels."""
VALUE_Y = 0.928
CAPTIONS = (
    (15, "time"),
    (115, "speed"),
    (230, "yaw rate"),
    (375, "reactive gate lets through"),
    (575, "survival over the plan"),
    (740, "cost of the plan"),
)
"""Their places from the left, pixels."""


class EncoderError(RuntimeError):
    """ffmpeg is missing or did not do what it was asked to."""


def write_video(stem: str | Path, record: EpisodeRecord) -> Path:
    """Write the film beside nothing half-written, and say where it is.

    Args:
      stem: the path without a suffix; ``.mp4``, or ``.gif`` without a working ffmpeg, is
        added.  Either appears only once it is complete.
      record: the episode; one frame per planning cycle, played in real time.

    Raises:
      OSError: the file cannot be written.
    """
    stem = Path(stem)
    target = stem.with_name(stem.name + ".mp4")
    try:
        write_mp4(target, record)
    except EncoderError:
        target = stem.with_name(stem.name + ".gif")
        write_gif(target, record)
    return target


def write_mp4(target: Path, record: EpisodeRecord) -> None:
    """The film as H.264, whole or not at all.

    Raises:
      EncoderError: ffmpeg is missing or did not do what it was asked to.
      OSError: the file cannot be written.
    """
    with _completed(target) as unfinished:
        _encode_mp4(unfinished, record)


def write_gif(target: Path, record: EpisodeRecord) -> None:
    """The film as a GIF of half the size and rate, whole or not at all.

    Raises:
      OSError: the file cannot be written.
    """
    with _completed(target) as unfinished:
        _encode_gif(unfinished, record)


def frames(record: EpisodeRecord) -> Iterator[UInt8[np.ndarray, "H W 4"]]:
    """RGBA pictures of all cycles; each is valid until the next is asked for."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    overview, close_up, course = _stage(figure, record)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)
    pixels = np.asarray(canvas.buffer_rgba())

    shows, artists = _cast(overview, close_up, course, record)
    values = [
        figure.text(x / WIDTH, VALUE_Y, "", fontsize=13, color=style.INK) for x, _ in CAPTIONS
    ]
    paint = layers.ground(record)
    # row 0 of the frame is its top
    top = HEIGHT - FRAME.low - FRAME.size
    edge = np.s_[1 : FRAME.size - 1]  # leaves the axes' frame visible
    inside = pixels[top : top + FRAME.size, FRAME.left : FRAME.left + FRAME.size][edge, edge]
    offset = (np.arange(FRAME.size)[edge] + 0.5) * (2.0 * REACH / FRAME.size) - REACH
    for cycle in range(record.cycles):
        x, y = record.log.pose_map[cycle, :2]
        canvas.restore_region(background)
        inside[:] = paint(cycle, x + offset, y - offset)
        close_up.set(xlim=(x - REACH, x + REACH), ylim=(y - REACH, y + REACH))
        for show in shows:
            show(cycle)
        for artist in artists:
            close_up.draw_artist(artist)
        for value, word in zip(values, _words(record, cycle), strict=True):
            value.set_text(word)
            figure.draw_artist(value)
        yield pixels


def _stage(figure: Figure, record: EpisodeRecord) -> tuple[Axes, Axes, Axes]:
    """What does not move: three frames, the house, the course of the drive, the key."""
    x_low, x_high, y_low, y_high = record.known_extent
    size = np.array([x_high - x_low, y_high - y_low])
    drawn = size * np.min(ROOM / size)
    left, low = 15 + 0.5 * (ROOM[0] - drawn[0]), FRAME.low + FRAME.size - drawn[1]
    overview = _axes(figure, left, low, drawn[0], drawn[1])
    overview.imshow(
        style.cell_colours(record.occupancy, record.blocked),
        extent=record.extent,
        origin="lower",
        zorder=style.CELLS,
    )
    layers.goal(overview, record, size=0.012 * float(size.max()))
    overview.set(xlim=(x_low, x_high), ylim=(y_low, y_high), aspect="auto")
    layers.scale_bar(overview)
    close_up = _axes(figure, FRAME.left, FRAME.low, FRAME.size, FRAME.size)
    for axes in (overview, close_up):
        axes.set(xticks=[], yticks=[], facecolor=style.UNKNOWN)
    close_up.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH))

    course = _axes(figure, 47, FRAME.low + 18, ROOM[0] - 32, low - FRAME.low - 44)
    plots.draw_course(course, record)
    key = _axes(figure, 15, 2, WIDTH - 30, 44)
    key.set_axis_off()
    plots.draw_key(key, record, brief=True)
    for x, label in CAPTIONS:
        if x == CAPTIONS[-1][0] and record.doing:
            label = "task"
        figure.text(x / WIDTH, VALUE_Y + 0.036, label, fontsize=8, color=style.FAINT)
    return overview, close_up, course


def _axes(figure: Figure, left: float, low: float, width: float, height: float) -> Axes:
    """Axes at a place in pixels."""
    axes = figure.add_axes((left / WIDTH, low / HEIGHT, width / WIDTH, height / HEIGHT))
    for side in axes.spines.values():
        side.set(color=style.FAINT, linewidth=0.8)
    return axes


def _cast(overview: Axes, close_up: Axes, course: Axes, record: EpisodeRecord):
    """What moves: how to move it, and the artists in the order of drawing."""
    stages = (overview, close_up, course)
    before = {id(artist) for axes in stages for artist in axes.get_children()}
    least = SMALLEST * float(np.ptp(overview.get_xlim()))
    scale = max(1.0, least / record.robot.length)
    shows = [
        layers.windows(overview, record, reactive=False),
        layers.trail(overview, record),
        layers.people(overview, record, least=0.4 * least),
        layers.followed(overview, record, least=0.4 * least),
        layers.plan(overview, record, width=2.0, ghosts=False),
        layers.robot(overview, record, scale=scale, screen=False),
        layers.windows(close_up, record),
        layers.guidance(close_up, record, REACH),
        layers.goal(close_up, record),
        layers.trail(close_up, record),
        layers.candidates(close_up, record),
        layers.forecasts(close_up, record),
        layers.people(close_up, record),
        layers.followed(close_up, record),
        layers.plan(close_up, record),
        layers.robot(close_up, record),
        layers.scale_bar(close_up),
        layers.cursor(course, record),
    ]
    artists = []
    for axes in stages:
        added = [artist for artist in axes.get_children() if id(artist) not in before]
        artists += sorted(added, key=lambda artist: artist.get_zorder())
    return shows, artists


def _words(record: EpisodeRecord, cycle: int) -> list[str]:
    """Values of the captions."""
    speed, yaw_rate = record.ticks.twist[record.ticks_of(cycle).start]
    words = [
        f"{float(record.log.time[cycle]):.1f} s",
        f"{speed:z.2f} m/s",
        f"{yaw_rate:+z.2f} rad/s",
        plots.gate_text(record, cycle),
        f"{float(record.log.survival[cycle, -1]):.2f}",
        _last_word(record, cycle),
    ]
    return [word.replace("-", "−") for word in words]


def _last_word(record: EpisodeRecord, cycle: int) -> str:
    if record.doing:
        return record.doing_at(float(record.log.time[cycle]))
    return f"{float(record.log.diagnostics.best_cost[cycle]):z.2f} s"


@contextlib.contextmanager
def _completed(target: Path) -> Iterator[Path]:
    """A name beside the target to write to; renamed at the end, removed on failure."""
    unfinished = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _encode_mp4(path: Path, record: EpisodeRecord) -> None:
    rate = f"{1.0 / record.planner.period:.6g}"
    given = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{WIDTH}x{HEIGHT}", "-r", rate]
    codec = ["-c:v", "libx264", "-preset", "superfast", "-crf", "23", "-pix_fmt", "yuv420p"]
    whole = ["-movflags", "+faststart", "-f", "mp4", str(path)]
    command = [ffmpeg(), "-y", "-loglevel", "error", *given, "-i", "-", "-an", *codec, *whole]
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints
            )
        except OSError as error:
            raise EncoderError(f"ffmpeg does not start: {error}") from error
        try:
            _feed(process, record)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            complaints.seek(0)
            raise EncoderError(complaints.read().decode(errors="replace").strip())


def _feed(process: subprocess.Popen, record: EpisodeRecord) -> None:
    assert process.stdin is not None
    # a broken pipe means that ffmpeg gave up: its exit status says so
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        for frame in frames(record):
            pipe.write(frame.data)


def _encode_gif(path: Path, record: EpisodeRecord) -> None:
    """Half the size and half the rate: GIF compresses badly."""
    size = (WIDTH // 2, HEIGHT // 2)
    pictures = (
        Image.fromarray(frame[..., :3])
        .resize(size, Image.Resampling.BOX)
        .quantize(96, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        for cycle, frame in enumerate(frames(record))
        if cycle % 2 == 0
    )
    first = next(pictures)
    shown = round(2000.0 * record.planner.period)
    first.save(path, "GIF", save_all=True, append_images=pictures, duration=shown, loop=0)


def ffmpeg() -> str:
    """Path of the ffmpeg that comes with imageio-ffmpeg, or of the system's.

    Raises:
      EncoderError: there is neither.
    """
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise EncoderError(f"no ffmpeg: {error}") from error
