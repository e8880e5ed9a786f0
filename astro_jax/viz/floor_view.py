"""An episode of a suite from above: the floor, everybody's way, what was touched.    [host]

In: a case and what happened.  Out: artists on Matplotlib axes, named by their gid: ``floor``,
``robot``, ``person 0`` …, ``poses``, ``bodies``, ``ghosts``, ``goal``, ``contacts``, ``close-up``.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patches import Polygon, Rectangle

from astro_jax.suites.case import Case
from astro_jax.viz import shapes, style, ways
from astro_jax.viz.frames import Frame, extent
from astro_jax.viz.happened import Happened, Span, sampled, unbroken

CROWD = 10
"""More bodies than that have thinner ways."""


def draw_view(
    axes: Axes, case: Case, seen: Happened, span: Span, frame: Frame, scale: float
) -> None:
    """Floor, goal, ways and footprints within ``span``, bodies where they were at the touch."""
    scene, ticks = case.scene, seen.ticks
    axes.imshow(
        style.cell_colours(told_on(case), np.asarray(scene.blocked)),
        extent=extent(case),
        origin="lower",
        interpolation="nearest",
        zorder=style.CELLS,
        gid="floor",
    )
    within = sampled(seen, span)
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


def draw_ghosts(axes: Axes, case: Case, seen: Happened, span: Span) -> None:
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


def draw_frame_of(axes: Axes, frame: Frame) -> None:
    """Dashed, what another view shows."""
    low, size = (frame[0], frame[2]), (frame[1] - frame[0], frame[3] - frame[2])
    look: dict[str, Any] = {"fill": False, "edgecolor": style.CONTACT, "linewidth": 1.1}
    box = Rectangle(low, *size, linestyle=(0, (4, 2)), zorder=style.ROBOTS + 0.8, **look)
    box.set_gid("close-up")
    axes.add_patch(box)


def point_out(axes: Axes, case: Case, seen: Happened, span: Span, frame: Frame) -> None:
    """When it was touched, written where it hides least."""
    touch = seen.telling
    if touch is None:
        return
    inches = axes.bbox.transformed(axes.figure.dpi_scale_trans.inverted()).width
    metres = (frame[1] - frame[0]) / (72.0 * inches)  # per point
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
