"""Everybody's way from above, coloured by time.   [host]

In: a record, or the way of one body.  Out: artists on Matplotlib axes, named by their gid:
``robot``, ``person 0`` …, ``poses``, ``contacts``.
"""

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from astro_jax.config import RobotConfig
from astro_jax.viz import layers, shapes, style
from astro_jax.viz.record import EpisodeRecord


def draw_ways(axes: Axes, record: EpisodeRecord) -> None:
    """The house, everybody's way coloured by time, and the robot now and then."""
    axes.imshow(
        style.cell_colours(record.occupancy, record.blocked),
        extent=record.extent,
        origin="lower",
        interpolation="nearest",
        zorder=style.CELLS,
    )
    log, ticks = record.log, record.ticks
    span = (0.0, float(ticks.time[-1]))
    for who in np.flatnonzero(record.present):
        draw_way(axes, log.people_xy[:, who], log.time, span, 1.6, f"person {who}")
        end = log.people_xy[-1, who]
        if np.isfinite(end).all():
            disc = shapes.circles(end[None], record.radius[who : who + 1])
            look = {"facecolors": style.PERSON, "edgecolors": "white", "zorder": style.BODIES}
            axes.add_collection(PolyCollection(list(disc), **look), autolim=False)
    layers.followed(axes, record)(record.cycles - 1)
    held = np.asarray(ticks.scale) < 0.995
    bands = [ticks.pose_map[part, :2] for part in _stretches(held)]
    look = {"colors": style.TURN, "linewidths": 11.0, "alpha": 0.35, "zorder": style.TRAILS}
    axes.add_collection(LineCollection(bands, capstyle="round", **look), autolim=False)
    axes.plot(*ticks.pose_map[:, :2].T, color="white", linewidth=6.5, zorder=style.PLANS)
    draw_way(axes, ticks.pose_map[:, :2], ticks.time, span, 4.2, "robot")
    draw_poses(axes, record.robot, ticks.time, ticks.pose_map, span)
    layers.goal(axes, record)
    touched = np.flatnonzero(np.diff(ticks.contacts, prepend=ticks.contacts[:1]) > 0)
    axes.plot(
        *ticks.pose_map[touched, :2].T, "X", color=style.CONTACT, markeredgecolor="white",
        markersize=12, zorder=style.ROBOTS + 1, gid="contacts",
    )  # fmt: skip
    x_low, x_high, y_low, y_high = record.known_extent
    axes.set(xlim=(x_low, x_high), ylim=(y_low, y_high), aspect="equal", anchor="NW")
    axes.set(xlabel="x (m)", ylabel="y (m)", facecolor=style.UNKNOWN)
    style.dress(axes)


def draw_way(
    axes: Axes,
    xy: npt.ArrayLike,
    time: npt.ArrayLike,
    span: tuple[float, float],
    width: float,
    name: str,
    opacity: float = 1.0,
) -> None:
    """A line through places (N, 2) in the colours of their times; gaps where they are not finite.

    Args:
      axes: where to draw; its limits stay.
      xy: places in the map, m.
      time: of the places, s.
      span: times of the first and the last colour, s.
      width: of the line, points.
      name: its gid.
      opacity: 0 … 1.
    """
    xy, time = np.asarray(xy), np.asarray(time)
    pieces = np.stack([xy[:-1], xy[1:]], axis=1)
    whole = np.isfinite(pieces).all(axis=(1, 2))
    line = LineCollection(
        list(pieces[whole]), linewidths=width, capstyle="round", zorder=style.PLANS + 0.2
    )
    line.set(array=time[:-1][whole], cmap=style.TIME, gid=name, alpha=opacity)
    line.set_clim(*span)
    axes.add_collection(line, autolim=False)


def draw_poses(
    axes: Axes,
    robot: RobotConfig,
    time: npt.ArrayLike,
    pose_map: npt.ArrayLike,
    span: tuple[float, float],
    apart: float = 0.6,
    aside_of: Float[np.ndarray, "n 2"] | None = None,
) -> None:
    """The footprint at even times, with the time where it is long enough after the last.

    Args:
      axes: where to draw; its limits stay.
      robot: whose footprint it is.
      time: of the poses, s.
      pose_map: poses (N, 3).
      span: times of the first and the last colour, s; footprints are drawn in between.
      apart: least distance between two times that are written, m.
      aside_of: other places to keep as far away from.
    """
    time, pose_map = np.asarray(time), np.asarray(pose_map)
    begin, end = span
    spacing = spacing_of(end - begin)
    even = np.arange(spacing * np.ceil(begin / spacing - 1e-6), end + 1e-6, spacing)
    picks = np.append(np.searchsorted(time, even - 1e-4), np.searchsorted(time, end - 1e-4))
    picks = np.minimum(picks, len(time) - 1)
    poses = pose_map[picks]
    colours = style.TIME((time[picks] - begin) / max(end - begin, 1e-9))
    box = shapes.placed(poses, shapes.footprint(robot))
    body = PolyCollection(list(box), facecolors="white", edgecolors=colours, linewidths=1.3)
    body.set(zorder=style.ROBOTS, gid="poses")
    heads = PolyCollection(list(shapes.placed(poses, shapes.heading_mark(robot))))
    heads.set(facecolor=colours, zorder=style.ROBOTS + 0.1)
    for collection in (body, heads):
        axes.add_collection(collection, autolim=False)
    written = np.full((1, 2), np.inf) if aside_of is None else np.vstack([aside_of, [[np.inf] * 2]])
    for tick, pose in zip(picks[:-1], poses[:-1], strict=True):
        left = np.array([-np.sin(pose[2]), np.cos(pose[2])])
        beside = pose[:2] + (0.5 * robot.width + 0.4 * apart) * left
        if np.linalg.norm(written - beside, axis=1).min() < apart:
            continue
        written = np.concatenate([written, beside[None]])
        text = f"{time[tick]:.0f} s" if spacing >= 1.0 else f"{time[tick]:.1f} s"
        _write_beside(axes, pose[:2] + 0.5 * robot.width * left, left, text)


def _write_beside(
    axes: Axes, xy: Float[np.ndarray, "2"], direction: Float[np.ndarray, "2"], text: str
) -> None:
    """In this direction from a place, clear of it in any size of the picture."""
    x, y = (float(value) for value in direction)
    axes.annotate(
        text, (float(xy[0]), float(xy[1])), xytext=(15.0 * x, 9.0 * y),
        textcoords="offset points", fontsize=8, color=style.INK, ha="center", va="center",
        annotation_clip=True, zorder=style.ROBOTS + 0.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
    )  # fmt: skip


def spacing_of(seconds: float) -> float:
    """Time between two footprints that are drawn: about a dozen of them, s."""
    return next((step for step in (0.5, 1.0, 2.0, 5.0, 10.0) if seconds / step <= 15.0), 20.0)


def _stretches(held: np.ndarray) -> list[slice]:
    """Where it is true on end."""
    edges = np.flatnonzero(np.diff(held, prepend=False, append=False))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
