"""An episode of a suite that failed, in one picture: what a stranger sees of it first.   [host]

In: a case, its setup, its trace and its row.  Out: a Matplotlib figure without global state.  On
the left is the whole drive, on the right its last seconds, or those around the touch that counts:
from above, and below that speed, distances and the gate over time.  Time is a colour, each side
has its own scale.
"""

from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from astro_jax.suites.case import Case, Row, Setup, Trace
from astro_jax.viz import episode, style
from astro_jax.viz.ended import ending, summary
from astro_jax.viz.floor_view import draw_frame_of, draw_ghosts, draw_view, point_out, told_on
from astro_jax.viz.frames import close_frame, whole_frame
from astro_jax.viz.happened import Happened, Span, happened, sampled

Distances = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Times (s), distances to the nearest body and to what stands (m)."""

BEFORE, AFTER, LAST = 3.0, 0.5, 6.0
"""What the right side shows: around a touch; without one, of the end; s."""
SIZE = (14.4, 10.4)
"""Of the figure, inches."""
LEFT, RIGHT, WIDTH = 0.048, 0.548, 0.398
"""Where both sides begin, and how wide they are, as shares of the figure."""
ABOVE = (0.445, 0.445)
"""Lower edge and height of the views from above."""


def failed_figure(case: Case, setup: Setup, trace: Trace, row: Row) -> Figure:
    """Where everybody went, what was touched, and speeds, distances and the gate over time.

    Args:
      case: what was driven.
      setup: with what.
      trace: what was seen of it.
      row: its judgement; ``suite``, ``variant``, ``planner``, ``case`` and ``run`` go into the
        title.
    """
    seen = happened(case, setup, trace, row)
    figure = Figure(figsize=SIZE, dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    whole, last = (0.0, seen.end), last_span(seen)
    distances = _distances(case, seen, last)
    overview = figure.add_axes((LEFT, ABOVE[0], WIDTH, ABOVE[1]))
    close_up = figure.add_axes((RIGHT, ABOVE[0], WIDTH, ABOVE[1]))
    shape = SIZE[0] * WIDTH / (SIZE[1] * ABOVE[1])
    near = close_frame(case, seen, last, shape)
    draw_view(overview, case, seen, whole, whole_frame(case, seen, shape), 1.0)
    draw_view(close_up, case, seen, last, near, 1.7)
    draw_frame_of(overview, near)
    draw_ghosts(close_up, case, seen, last)
    point_out(close_up, case, seen, last, near)
    _draw_curves(figure, LEFT, seen, whole, distances, last)
    _draw_curves(figure, RIGHT, seen, last, distances, None)
    _write(figure, case, trace, row, seen, distances, last)
    _key(figure, case, seen)
    return figure


def last_span(seen: Happened) -> Span:
    """The seconds that the right side shows."""
    if seen.telling is None:
        return max(0.0, seen.end - LAST), seen.end
    return max(0.0, seen.telling.time - BEFORE), min(seen.end, seen.telling.time + AFTER)


def _distances(case: Case, seen: Happened, last: Span) -> Distances:
    """Over the whole drive, and at every tick of the last seconds."""
    picks = np.union1d(sampled(seen, (0.0, seen.end)), sampled(seen, last))
    poses = np.asarray(seen.ticks.pose_map)[picks]
    scene = case.scene
    walls = episode.wall_gaps(
        seen.robot,
        poses,
        np.asarray(scene.blocked),
        np.asarray(scene.origin),
        float(scene.resolution),
    )
    people = seen.gaps[picks].min(axis=1, initial=np.inf)
    return np.asarray(seen.ticks.time)[picks], people, walls


def _draw_curves(
    figure: Figure,
    left: float,
    seen: Happened,
    span: Span,
    distances: Distances,
    shaded: Span | None,
) -> None:
    """Speeds, distances, the gate and the colours of time, one above the other."""
    speed = figure.add_axes((left, 0.290, WIDTH, 0.095))
    near = figure.add_axes((left, 0.180, WIDTH, 0.095), sharex=speed)
    gate = figure.add_axes((left, 0.115, WIDTH, 0.050), sharex=speed)
    strip = figure.add_axes((left, 0.088, WIDTH, 0.016), sharex=speed)
    turning = episode.draw_speeds(speed, seen.robot, seen.ticks)
    episode.draw_gaps(near, *distances)
    episode.draw_gate(gate, seen.ticks)
    episode.draw_time(strip, span)
    strip.set_xlabel("time (s): the colour of the ways above")
    named = (speed, "speed (m/s)"), (turning, "yaw (rad/s)"), (near, "distance (m)")
    for axes, name in named:
        axes.set_ylabel(name, fontsize=8.5)
    for axes in (speed, near, gate):
        axes.tick_params(labelbottom=False)
        for touch in seen.touches:
            axes.axvline(touch.time, color=style.CONTACT, linewidth=1.2, gid="contact")
        if shaded is not None:
            axes.axvspan(*shaded, facecolor=style.FAINT, alpha=0.13, edgecolor="none")
    speed.set_xlim(*span)


def _write(
    figure: Figure,
    case: Case,
    trace: Trace,
    row: Row,
    seen: Happened,
    distances: Distances,
    last: Span,
) -> None:
    named = f"{row.get('suite', '')} {row.get('case', case.name)}, run {row.get('run', 0)}".strip()
    title = f"{named}: {ending(case, trace, row, seen)}"
    _fitting(figure, 0.965, title, fontsize=15, weight="bold", color=style.INK)
    _fitting(figure, 0.938, summary(row, seen, *distances[1:]), fontsize=10.5, color=style.INK)
    around = "around the touch" if seen.telling is not None else "before the end"
    for left, text in (
        (LEFT, f"The whole drive, 0 to {seen.end:.1f} s"),
        (RIGHT, f"{last[0]:.1f} to {last[1]:.1f} s, {around}"),
    ):
        figure.text(left, 0.903, text, fontsize=11, weight="bold", color=style.FAINT)


def _fitting(figure: Figure, y: float, words: str, fontsize: float, **look: Any) -> None:
    """A line of text, smaller if it would not end within the figure."""
    text = figure.text(LEFT, y, words, fontsize=fontsize, **look)
    room = (RIGHT + WIDTH - LEFT) * figure.bbox.width
    text.set_fontsize(fontsize * min(1.0, room / text.get_window_extent().width))


def _key(figure: Figure, case: Case, seen: Happened) -> None:
    line = lambda colour, **look: Line2D([], [], color=colour, **look)
    dot = {"marker": "o", "linestyle": "none", "markersize": 8}
    ramp = style.TIME(0.45)
    entries: list[tuple[Any, str]] = [
        (line(ramp, linewidth=3.2), "robot's way"),
        (line(style.GOAL, **dot, markerfacecolor="#d5dff5"), "goal: arrived within"),
        (line(style.WALL, linewidth=1.5), "obstacles; distance to them"),
        (Patch(facecolor=style.TURN, alpha=0.35), "held back by the gate"),
    ]
    if np.asarray(case.scene.present).any():
        when = "at the touch" if seen.telling is not None else "at the end"
        entries.insert(1, (line(ramp, linewidth=1.3), "others' ways"))
        entries.insert(2, (line(style.PERSON, **dot), f"others {when}; distance to them"))
    told = told_on(case)
    if style.surprising(told, np.asarray(case.scene.blocked)).any():
        tape = Patch(facecolor=style.STRIPES[1], edgecolor=style.STRIPES[0], hatch="////")
        entries.append((tape, "not on its map"))
    if seen.touches:
        cross = line(style.CONTACT, marker="X", linestyle="none", markersize=9)
        entries.append((cross, "touched"))
    frame = Patch(facecolor="none", edgecolor=style.CONTACT, linestyle="--", linewidth=1.4)
    entries.append((frame, "right picture"))
    handles, labels = zip(*entries, strict=True)
    figure.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(LEFT - 0.008, 0.0),
        ncols=len(entries),
        fontsize=8.5,
        frameon=False,
        labelcolor=style.INK,
        columnspacing=1.1,
        handlelength=1.5,
        handletextpad=0.6,
    )
