"""A whole drive in one still picture: where, when, how fast, how near.   [host]

In: a record.  Out: a Matplotlib figure without global state.  Time is a colour: the robot and the
people were where their ways have the same one at the same time.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from astro_jax.sim.gaps import person_gap, wall_gap, window_for
from astro_jax.types import Reason
from astro_jax.viz import style
from astro_jax.viz.record import EpisodeRecord
from astro_jax.viz.ways import draw_ways

FAR = 1.0
"""Distances are shown up to this, m."""
ROOM = (0.045, 0.105, 0.505, 0.76)
"""Of the view from above: left, low, width, height as shares of the figure."""


def episode_figure(record: EpisodeRecord) -> Figure:
    """The ways of robot and people from above; speed, distances and the gate over time."""
    figure = Figure(figsize=(13.6, 7.4), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    draw_ways(figure.add_axes(ROOM), record)
    people, walls = gaps(record)
    left, width = 0.62, 0.325
    speed = figure.add_axes((left, 0.645, width, 0.22))
    near = figure.add_axes((left, 0.385, width, 0.20), sharex=speed)
    gate = figure.add_axes((left, 0.205, width, 0.12), sharex=speed)
    strip = figure.add_axes((left, 0.105, width, 0.035), sharex=speed)
    draw_speeds(speed, record)
    draw_gaps(near, record, people, walls)
    draw_gate(gate, record)
    draw_time(strip, record)
    for axes in (speed, near, gate):
        axes.tick_params(labelbottom=False)
    time = record.ticks.time
    speed.set_xlim(min(0.0, float(time[0])), float(time[-1]))
    figure.text(0.045, 0.945, "One drive", fontsize=15, weight="bold", color=style.INK)
    figure.text(0.045, 0.905, summary(record, people, walls), fontsize=10.5, color=style.INK)
    _key(figure, record)
    return figure


def gaps(record: EpisodeRecord) -> tuple[Float[np.ndarray, "C"], Float[np.ndarray, "C"]]:
    """Distance of the footprint's rectangle to the nearest person and wall in each cycle, m.

    As the referee measures it (``sim/gaps.py``), up to ``FAR`` for walls; +inf without people.
    """
    robot, log = record.robot, record.log
    sizes = (jnp.float32(robot.length), jnp.float32(robot.width))
    present = record.present & np.isfinite(log.people_xy).all(axis=(0, 2))
    radius = jnp.asarray(record.radius, jnp.float32)
    window = window_for(robot.length, robot.width, record.resolution, FAR)

    @jax.jit
    def both(poses, people):
        to_people = lambda pose, xy: jnp.min(
            person_gap(pose, *sizes, xy, radius, jnp.asarray(present))
        )
        to_walls = functools.partial(
            wall_gap,
            length=sizes[0],
            width=sizes[1],
            blocked=jnp.asarray(record.blocked),
            origin=jnp.asarray(record.origin, jnp.float32),
            resolution=jnp.float32(record.resolution),
            window_cells=window,
        )
        return jax.vmap(to_people)(poses, people), jax.vmap(to_walls)(poses)

    poses = jnp.asarray(log.pose_map, jnp.float32)
    people, walls = both(poses, jnp.asarray(np.nan_to_num(log.people_xy), jnp.float32))
    return np.asarray(people), np.asarray(walls)


def summary(record: EpisodeRecord, people: np.ndarray, walls: np.ndarray) -> str:
    """The figures of a drive in one line."""
    ticks = record.ticks
    steps = np.hypot(*np.diff(ticks.pose_map[:, :2], axis=0).T)
    nearest = lambda gap: "none" if np.isinf(gap).all() else f"{max(gap.min(), 0.0):.2f} m"
    parts = [
        f"{float(ticks.time[-1]):.1f} s, {steps.sum():.1f} m",
        f"nearest person {nearest(people)}, wall {nearest(walls)}",
        f"slowed by the gate {100 * np.mean(ticks.reason == int(Reason.SLOWED)):.1f} % of the time",
        f"{_contacts(record)} contacts",
    ]
    return "   ·   ".join(parts)


def draw_speeds(axes: Axes, record: EpisodeRecord) -> None:
    """Forward speed (left scale) and yaw rate (right scale) as driven."""
    ticks, robot = record.ticks, record.robot
    turning = axes.twinx()
    turning.plot(ticks.time, ticks.twist[:, 1], color=style.TURN, linewidth=1.2, gid="yaw rate")
    turning.set_ylim(-1.15 * robot.yaw_rate, 1.15 * robot.yaw_rate)
    turning.set_ylabel("yaw rate ω (rad/s)")
    axes.axhline(0.0, color=style.FAINT, linewidth=0.6)
    axes.plot(ticks.time, ticks.twist[:, 0], color=style.SPEED, linewidth=2.0, gid="speed")
    axes.set_ylim(-1.15 * robot.speed, 1.15 * robot.speed)
    axes.set_ylabel("speed v (m/s)")
    axes.set_zorder(turning.get_zorder() + 1)
    axes.patch.set_visible(False)
    for panel in (axes, turning):
        style.dress(panel)
    axes.yaxis.label.set_color(style.SPEED)
    turning.yaxis.label.set_color(style.TURN)


def draw_gaps(axes: Axes, record: EpisodeRecord, people: np.ndarray, walls: np.ndarray) -> None:
    """Distances of the footprint to the nearest person and wall, up to ``FAR``."""
    time = record.log.time
    axes.plot(time, np.minimum(walls, FAR), color=style.WALL, linewidth=1.5, gid="walls")
    if np.isfinite(people).any():
        axes.plot(time, np.minimum(people, FAR), color=style.PERSON, linewidth=2.0, gid="people")
    axes.set_ylim(0.0, 1.05 * FAR)
    axes.set_ylabel(f"distance (m), up to {FAR:g}")
    style.dress(axes, grid=True)


def draw_gate(axes: Axes, record: EpisodeRecord) -> None:
    """What share of the planned speed the gate lets through."""
    ticks = record.ticks
    share = 100.0 * ticks.scale
    axes.fill_between(ticks.time, share, 100.0, color=style.TURN, alpha=0.35, linewidth=0)
    axes.plot(ticks.time, share, color=style.TURN, linewidth=1.2, gid="gate")
    axes.set(ylim=(0.0, 105.0), yticks=[0, 50, 100])
    axes.set_ylabel("gate (%)")
    style.dress(axes)


def draw_time(axes: Axes, record: EpisodeRecord) -> None:
    """Which colour stands for which time."""
    end = float(record.ticks.time[-1])
    ramp = np.linspace(0.0, 1.0, 256)[None]
    axes.imshow(ramp, extent=(0.0, end, 0.0, 1.0), cmap=style.TIME, aspect="auto")
    axes.set(yticks=[], xlabel="time (s): the colour of the ways")
    style.dress(axes)


def _key(figure: Figure, record: EpisodeRecord) -> None:
    line = lambda colour, **look: Line2D([], [], color=colour, **look)
    ramp = style.TIME(0.45)
    tape = Patch(facecolor=style.STRIPES[1], edgecolor=style.STRIPES[0], hatch="////")
    dot = {"marker": "o", "linestyle": "none", "markersize": 8}
    entries: list[tuple[Any, str]] = [
        (line(ramp, linewidth=4.2), "the robot's way"),
        (line(ramp, linewidth=1.6), "people's ways"),
        (line(style.PERSON, **dot), "people at the end; distance to them"),
        (line(style.WALL, linewidth=1.5), "distance to walls"),
        (Patch(facecolor=style.TURN, alpha=0.35), "held back by the gate"),
        (tape, "not on the house map"),
    ]
    if record.followed is not None:
        ring = {**dot, "markerfacecolor": "white", "markeredgewidth": 2.0}
        entries.insert(3, (line(style.FOLLOWED, **ring), "person it walks with"))
    if _contacts(record):
        cross = line(style.CONTACT, marker="X", linestyle="none", markersize=9)
        entries.append((cross, "contact"))
    handles, labels = zip(*entries, strict=True)
    figure.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.04, 0.0),
        ncols=len(entries),
        fontsize=8.5,
        frameon=False,
        labelcolor=style.INK,
        columnspacing=1.3,
    )


def _contacts(record: EpisodeRecord) -> int:
    counts = record.ticks.contacts
    return int(counts[-1]) - int(counts[0])
