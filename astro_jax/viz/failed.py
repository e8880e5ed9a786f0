"""An episode of a suite that failed, in one picture: what a stranger sees of it first.   [host]

In: a case, its setup, its trace and its row.  Out: a Matplotlib figure without global state.  On
the left is the whole drive, on the right its last seconds, or those around the touch that counts:
from above, and below that speed, distances and the gate over time.  Time is a colour, each side
has its own scale.  Parts have a gid: ``robot``, ``person 0`` …, ``poses``, ``bodies``, ``goal``,
``contacts``, ``floor``, ``close-up``; ``speed``, ``yaw rate``, ``people``, ``walls``, ``gate``.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon, Rectangle

from astro_jax.suites.case import Case, Row, Setup, Trace
from astro_jax.viz import episode, shapes, style, ways
from astro_jax.viz.happened import Happened, ending, happened, unbroken

Span = tuple[float, float]
Frame = tuple[float, float, float, float]

BEFORE, AFTER, LAST = 3.0, 0.5, 6.0
"""What the right side shows: around a touch; without one, of the end; s."""
ONCOMING = 1.0
"""How long before it whoever was touched is in the picture, s."""
SAMPLES = 600
"""Most places of a way, and most distances, that are drawn."""
MARGIN, NEAR = 1.5, 0.9
"""Around the whole drive, and around its last seconds, m."""
LEAST, MOST = 2.6, 7.0
"""Sides of the close-up, m."""
CROWD = 10
"""More bodies than that have thinner ways."""
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
    near = _close_frame(case, seen, last, shape)
    _draw_view(overview, case, seen, whole, _whole_frame(case, seen, shape), 1.0)
    _draw_view(close_up, case, seen, last, near, 1.7)
    _draw_frame_of(overview, near)
    _draw_ghosts(close_up, case, seen, last)
    _point_out(close_up, case, seen, last, near)
    _draw_curves(figure, LEFT, case, seen, whole, distances, last)
    _draw_curves(figure, RIGHT, case, seen, last, distances, None)
    _write(figure, case, trace, row, seen, distances, last)
    _key(figure, case, seen)
    return figure


def last_span(seen: Happened) -> Span:
    """The seconds that the right side shows."""
    if seen.telling is None:
        return max(0.0, seen.end - LAST), seen.end
    return max(0.0, seen.telling.time - BEFORE), min(seen.end, seen.telling.time + AFTER)


def told_on(case: Case) -> Int[np.ndarray, "H W"]:
    """What the robot is told of each cell of the true floor; the truth, if it has no map.

    0 free, 100 occupied, between them percent, −1 unknown.
    """
    blocked = np.asarray(case.scene.blocked)
    steps = np.moveaxis(np.indices(blocked.shape)[::-1], 0, -1)
    xy = np.asarray(case.scene.origin, np.float64) + float(case.scene.resolution) * steps
    row, column, inside = case.house_map.cell_of(xy)
    told = np.where(inside, case.house_map.occupancy[row, column], -1).astype(int)
    return told if (told >= 0).any() else np.where(blocked, 100, 0)


# ---- seen from above -----------------------------------------------------------------


def _draw_view(
    axes: Axes, case: Case, seen: Happened, span: Span, frame: Frame, scale: float
) -> None:
    """Floor, goal, ways and footprints within ``span``, bodies where they were at the touch."""
    scene, ticks = case.scene, seen.ticks
    axes.imshow(
        style.cell_colours(told_on(case), np.asarray(scene.blocked)),
        extent=_extent(case),
        origin="lower",
        interpolation="nearest",
        zorder=style.CELLS,
        gid="floor",
    )
    within = _sampled(seen, span)
    time = np.asarray(ticks.time)[within]
    around = np.flatnonzero(np.asarray(scene.present))
    width = (0.8 if len(around) > CROWD else 1.2) * scale
    for who in around:
        way = unbroken(seen.people[within, who], time)
        ways.draw_way(axes, way, time, span, width, f"person {who}", 0.75)
    bodies = seen.people[seen.now]
    there = np.isfinite(bodies).all(axis=-1)
    discs = PolyCollection(list(shapes.circles(bodies[there], np.asarray(scene.radius)[there])))
    discs.set(facecolor=style.PERSON, edgecolor="white", zorder=style.BODIES, gid="bodies")
    axes.add_collection(discs, autolim=False)
    held = np.asarray(ticks.pose_map)[within]
    axes.plot(*held[:, :2].T, color="white", linewidth=5.0, zorder=style.PLANS)
    ways.draw_way(axes, held[:, :2], time, span, 3.2, "robot")
    apart = 0.08 * (frame[1] - frame[0])
    places = np.array([t.place for t in seen.touches]).reshape(-1, 2)
    ways.draw_poses(axes, seen.robot, ticks.time, ticks.pose_map, span, apart, places)
    _draw_goal(axes, case)
    axes.plot(
        *places.T, "X", color=style.CONTACT, markeredgecolor="white", markersize=11,
        zorder=style.ROBOTS + 1, gid="contacts",
    )  # fmt: skip
    axes.set(xlim=frame[:2], ylim=frame[2:], aspect="equal")
    axes.set(xlabel="x (m)", ylabel="y (m)", facecolor=style.UNKNOWN)
    style.dress(axes)


def _draw_goal(axes: Axes, case: Case) -> None:
    """All places that count as arrived, and the heading there if it counts."""
    goal = np.asarray(case.scene.goal_map, np.float64)
    reached = np.asarray(case.scene.reached, np.float64)
    (ring,) = shapes.circles(goal[None, :2], reached[:1])
    look: dict[str, Any] = {"facecolor": style.PLAN, "edgecolor": "none", "alpha": 0.15}
    axes.add_patch(Polygon(ring, zorder=style.CLOUDS, gid="goal", **look))
    strokes = [ring]
    if reached[1] < np.pi:
        strokes.append(shapes.goal_arrow(goal, float(reached[0])))
    above = style.ROBOTS - 0.1
    lines = LineCollection(strokes, colors=style.GOAL, linewidths=1.8, zorder=above)
    axes.add_collection(lines, autolim=False)
    axes.plot(*goal[:2, None], "o", color=style.GOAL, markersize=3.5, zorder=above)


def _draw_ghosts(axes: Axes, case: Case, seen: Happened, span: Span) -> None:
    """Where bodies were at the times of the robot's footprints, in the same colours."""
    time = np.asarray(seen.ticks.time)
    radius, rings, colours = np.asarray(case.scene.radius), [], []
    for tick in _even(seen, span):
        there = np.isfinite(seen.people[tick]).all(axis=-1)
        rings += list(shapes.circles(seen.people[tick][there], radius[there]))
        share = (time[tick] - span[0]) / max(span[1] - span[0], 1e-9)
        colours += [style.TIME(share)] * int(there.sum())
    outlines = LineCollection(rings, colors=colours, linewidths=1.1, zorder=style.BODIES + 0.1)
    outlines.set_gid("ghosts")
    axes.add_collection(outlines, autolim=False)


def _draw_frame_of(axes: Axes, frame: Frame) -> None:
    low, size = (frame[0], frame[2]), (frame[1] - frame[0], frame[3] - frame[2])
    look: dict[str, Any] = {"fill": False, "edgecolor": style.CONTACT, "linewidth": 1.1}
    box = Rectangle(low, *size, linestyle=(0, (4, 2)), zorder=style.ROBOTS + 0.8, **look)
    box.set_gid("close-up")
    axes.add_patch(box)


def _point_out(axes: Axes, case: Case, seen: Happened, span: Span, frame: Frame) -> None:
    """When it was touched, written where it hides least."""
    touch = seen.telling
    if touch is None:
        return
    metres = (frame[1] - frame[0]) / (72.0 * SIZE[0] * WIDTH)
    angle = np.linspace(0.0, 2.0 * np.pi, 32, endpoint=False)
    ring = np.stack([95.0 * np.cos(angle), 60.0 * np.sin(angle)], axis=-1)
    offsets = np.concatenate([ring, 1.5 * ring, 2.2 * ring])  # points
    places = touch.place + metres * offsets
    half = metres * np.array([62.0, 14.0])
    low, high = np.array(frame)[[0, 2]] + half, np.array(frame)[[1, 3]] - half
    beyond = np.maximum(0.0, np.maximum(low - places, places - high)).max(axis=1)
    hidden = _outlines(case, seen, span)
    off = np.maximum(np.abs(places[:, None] - hidden[None]) - half, 0.0)
    room = np.hypot(*np.moveaxis(off, -1, 0)).min(axis=1)
    # the nearest one that is clear of what is drawn by a few points, or else by as much as can be
    best = int(np.argmax(np.minimum(room, 6.0 * metres) - 100.0 * beyond))
    axes.annotate(
        f"touched at {touch.time:.2f} s",
        (float(touch.place[0]), float(touch.place[1])),
        xytext=(float(offsets[best, 0]), float(offsets[best, 1])),
        textcoords="offset points",
        fontsize=9,
        color=style.CONTACT,
        weight="bold",
        ha="center",
        va="center",
        zorder=style.ROBOTS + 2,
        bbox={"facecolor": "white", "edgecolor": style.CONTACT, "linewidth": 0.8, "pad": 2.5},
        arrowprops={"arrowstyle": "-", "color": style.CONTACT, "shrinkB": 7},
    )


def _outlines(case: Case, seen: Happened, span: Span) -> Float[np.ndarray, "n 2"]:
    """Places that lie on something drawn: footprints and bodies within ``span``."""
    ticks = _even(seen, span)
    boxes = shapes.placed(seen.ticks.pose_map[ticks], shapes.footprint(seen.robot))
    rings = shapes.circles(
        seen.people[ticks].reshape(-1, 2), np.tile(np.asarray(case.scene.radius), len(ticks))
    )
    drawn = np.concatenate([boxes.reshape(-1, 2), rings[:, ::4].reshape(-1, 2)])
    return drawn[np.isfinite(drawn).all(axis=-1)]


def _even(seen: Happened, span: Span) -> Int[np.ndarray, "n"]:
    """Ticks at the times at which footprints are drawn."""
    time = np.asarray(seen.ticks.time)
    spacing = ways.spacing_of(span[1] - span[0])
    even = np.arange(spacing * np.ceil(span[0] / spacing - 1e-6), span[1] + 1e-6, spacing)
    return np.minimum(np.searchsorted(time, even - 1e-4), len(time) - 1)


def _extent(case: Case) -> Frame:
    """Outer edges of the floor, m."""
    scene = case.scene
    rows, columns = np.shape(scene.blocked)
    cell = float(scene.resolution)
    x, y = np.asarray(scene.origin, np.float64) - 0.5 * cell
    return float(x), float(x + columns * cell), float(y), float(y + rows * cell)


def _whole_frame(case: Case, seen: Happened, shape: float) -> Frame:
    """Around way, start and goal; wider to fill the room, as far as there is a floor."""
    goal, reached = np.asarray(case.scene.goal_map)[:2], float(np.asarray(case.scene.reached)[0])
    ends = [goal - reached, goal + reached, np.asarray(case.scene.start_map)[:2]]
    places = np.concatenate([np.asarray(seen.ticks.pose_map)[:, :2], ends])
    places = places[np.isfinite(places).all(axis=-1)]
    low, high = places.min(axis=0) - MARGIN, places.max(axis=0) + MARGIN
    floor = np.array(_extent(case)).reshape(2, 2)
    low, high = np.maximum(low, floor[:, 0] - 0.1), np.minimum(high, floor[:, 1] + 0.1)
    size = high - low
    wanted = np.maximum(size, [size[1] * shape, size[0] / shape])
    for k in (0, 1):
        room = min(wanted[k], floor[k, 1] - floor[k, 0] + 0.2)
        if room > size[k]:
            low[k] = np.clip(
                0.5 * (low[k] + high[k] - room), floor[k, 0] - 0.1, floor[k, 1] + 0.1 - room
            )
            high[k] = low[k] + room
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def _close_frame(case: Case, seen: Happened, span: Span, shape: float) -> Frame:
    """Around the way of the last seconds and who was touched; its end is in it in any case."""
    time, pose = np.asarray(seen.ticks.time), np.asarray(seen.ticks.pose_map)
    touch, so_far = seen.telling, pose[: seen.now + 1, :2]
    so_far = so_far[np.isfinite(so_far).all(axis=-1)]
    end = so_far[-1] if len(so_far) else np.asarray(case.scene.start_map, np.float64)[:2]
    places = np.vstack([pose[(time >= span[0] - 1e-6) & (time <= span[1] + 1e-6), :2], end[None]])
    if touch is not None:
        end = touch.place
        late = (time >= touch.time - ONCOMING) & (time <= touch.time)
        body = seen.people[late, touch.who] if touch.who is not None else end[None]
        places = np.concatenate([places, body, end[None]])
    places = places[np.isfinite(places).all(axis=-1)]
    low, high = places.min(axis=0) - NEAR, places.max(axis=0) + NEAR
    tall = float(np.clip(max((high - low)[0] / shape, (high - low)[1]), LEAST, MOST))
    half = 0.5 * tall * np.array([shape, 1.0])
    centre = np.clip(0.5 * (low + high), end - half + NEAR, end + half - NEAR)
    floor = np.array(_extent(case)).reshape(2, 2)
    inner = floor[:, 0] + half, floor[:, 1] - half
    centre = np.where(inner[0] < inner[1], np.clip(centre, *inner), centre)
    (x, y), (right, up) = centre.tolist(), half.tolist()
    return x - right, x + right, y - up, y + up


# ---- over time -----------------------------------------------------------------------


Distances = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Times (s), distances to the nearest body and to what stands (m)."""


def _distances(case: Case, seen: Happened, last: Span) -> Distances:
    """Over the whole drive, and at every tick of the last seconds."""
    picks = np.union1d(_sampled(seen, (0.0, seen.end)), _sampled(seen, last))
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
    case: Case,
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


def _sampled(seen: Happened, span: Span) -> np.ndarray:
    """Ticks within ``span``, at most about ``SAMPLES`` of them, the last one among them."""
    time = np.asarray(seen.ticks.time)
    ticks = np.flatnonzero((time >= span[0] - 1e-6) & (time <= span[1] + 1e-6))
    stride = max(1, -(-len(ticks) // SAMPLES))
    return np.unique(np.append(ticks[::stride], ticks[-1:]))


# ---- in words ------------------------------------------------------------------------


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
    _fitting(figure, 0.938, _summary(row, seen, distances), fontsize=10.5, color=style.INK)
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


def _summary(row: Row, seen: Happened, distances: Distances) -> str:
    _, people, walls = distances
    ticks = seen.ticks
    driven = float(np.nansum(np.hypot(*np.diff(ticks.pose_map[:, :2], axis=0).T)))
    held = 100.0 * float(np.mean(np.asarray(ticks.scale) < 0.995))
    parts = [f"planner {row['planner']}" if row.get("planner") else ""]
    parts.append(f"variant {row['variant']}" if row.get("variant") else "")
    parts.append(f"{driven:.1f} m driven in {seen.end:.1f} s")
    if np.isfinite(people).any():
        parts.append(f"nearest body {max(float(people.min()), 0.0):.2f} m")
    wall = float(walls.min())
    far = f"at least {episode.FAR:g} m away" if wall >= episode.FAR else f"{wall:.2f} m"
    parts.append(f"nearest obstacle {far}")
    parts.append(f"held back by the gate {held:.0f} % of the time")
    return "   ·   ".join(part for part in parts if part)


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
    frame = Patch(facecolor="none", edgecolor=style.CONTACT, linestyle="--")
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
