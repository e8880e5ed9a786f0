"""Everybody's way from above, coloured by time.   [host]

In: a record.  Out: artists on Matplotlib axes, named by their gid: ``robot``, ``person 0`` …,
``poses``, ``contacts``.
"""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

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
    for who in np.flatnonzero(record.present):
        _way(axes, record, log.people_xy[:, who], log.time, 1.6, f"person {who}")
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
    _way(axes, record, ticks.pose_map[:, :2], ticks.time, 4.2, "robot")
    _draw_poses(axes, record)
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


def _way(
    axes: Axes,
    record: EpisodeRecord,
    xy: npt.ArrayLike,
    time: npt.ArrayLike,
    width: float,
    name: str,
) -> None:
    xy, time = np.asarray(xy), np.asarray(time)
    pieces = np.stack([xy[:-1], xy[1:]], axis=1)
    whole = np.isfinite(pieces).all(axis=(1, 2))
    line = LineCollection(
        list(pieces[whole]), linewidths=width, capstyle="round", zorder=style.PLANS + 0.2
    )
    line.set(array=time[:-1][whole], cmap=style.TIME, gid=name)
    line.set_clim(0.0, float(record.ticks.time[-1]))
    axes.add_collection(line, autolim=False)


def _draw_poses(axes: Axes, record: EpisodeRecord) -> None:
    """The footprint at even times, with the time where it is long enough after the last."""
    ticks, robot = record.ticks, record.robot
    spacing = spacing_of(float(ticks.time[-1]))
    picks = np.searchsorted(ticks.time, np.arange(0.0, float(ticks.time[-1]) + 1e-6, spacing))
    picks = np.append(np.minimum(picks, len(ticks.time) - 1), len(ticks.time) - 1)
    poses = ticks.pose_map[picks]
    box = shapes.placed(poses, shapes.rectangle(robot.length, robot.width))
    colours = style.TIME(ticks.time[picks] / float(ticks.time[-1]))
    body = PolyCollection(list(box), facecolors="white", edgecolors=colours, linewidths=1.3)
    body.set(zorder=style.ROBOTS, gid="poses")
    heads = PolyCollection(list(shapes.placed(poses, shapes.heading_mark(robot))))
    heads.set(facecolor=colours, zorder=style.ROBOTS + 0.1)
    for collection in (body, heads):
        axes.add_collection(collection, autolim=False)
    written = np.array([[np.inf, np.inf]])
    for tick, pose in zip(picks[:-1], poses[:-1], strict=True):
        if np.linalg.norm(written - pose[:2], axis=1).min() < 0.6:
            continue
        written = np.concatenate([written, pose[None, :2]])
        aside = pose[:2] + 0.33 * np.array([-np.sin(pose[2]), np.cos(pose[2])])
        axes.text(
            aside[0], aside[1], f"{ticks.time[tick]:.0f} s", fontsize=8, color=style.INK,
            ha="center", va="center", zorder=style.ROBOTS + 0.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
        )  # fmt: skip


def spacing_of(seconds: float) -> float:
    """Time between two footprints that are drawn: about a dozen of them, s."""
    return next((step for step in (0.5, 1.0, 2.0, 5.0, 10.0) if seconds / step <= 15.0), 20.0)


def _stretches(held: np.ndarray) -> list[slice]:
    """Where it is true on end."""
    edges = np.flatnonzero(np.diff(held, prepend=False, append=False))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
