"""A whole drive in one still picture: where, when, how fast, how near.   [host]

In: a record.  Out: a Matplotlib figure without global state.  Time is a colour: the robot and the
people were where their ways have the same one at the same time.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from astro_jax.config import RobotConfig
from astro_jax.sim.gaps import person_gap, wall_gap, window_for
from astro_jax.sim.state import TickLog
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
    ticks, end = record.ticks, float(record.ticks.time[-1])
    left, width = 0.62, 0.325
    speed = figure.add_axes((left, 0.645, width, 0.22))
    near = figure.add_axes((left, 0.385, width, 0.20), sharex=speed)
    gate = figure.add_axes((left, 0.205, width, 0.12), sharex=speed)
    strip = figure.add_axes((left, 0.105, width, 0.035), sharex=speed)
    draw_speeds(speed, record.robot, ticks)
    draw_gaps(near, np.asarray(record.log.time), people, walls)
    draw_gate(gate, ticks)
    draw_time(strip, (0.0, end))
    for axes in (speed, near, gate):
        axes.tick_params(labelbottom=False)
    speed.set_xlim(min(0.0, float(ticks.time[0])), end)
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

    @jax.jit
    def to_people(poses, people):
        return jax.vmap(
            lambda pose, xy: jnp.min(person_gap(pose, *sizes, xy, radius, jnp.asarray(present)))
        )(poses, people)

    poses = jnp.asarray(log.pose_map, jnp.float32)
    people = to_people(poses, jnp.asarray(np.nan_to_num(log.people_xy), jnp.float32))
    floor = (record.blocked, record.origin, record.resolution)
    walls = wall_gaps(robot, np.asarray(log.pose_map), *floor)
    return np.asarray(people), walls


def wall_gaps(
    robot: RobotConfig,
    poses: Float[np.ndarray, "N 3"],
    blocked: Bool[np.ndarray, "H W"],
    origin: Float[np.ndarray, "2"],
    resolution: float,
) -> Float[np.ndarray, "N"]:
    """Distance of the footprint's rectangle to what stands on the true grid, up to ``FAR``, m."""
    to_walls = functools.partial(
        wall_gap,
        length=jnp.float32(robot.length),
        width=jnp.float32(robot.width),
        blocked=jnp.asarray(blocked),
        origin=jnp.asarray(origin, jnp.float32),
        resolution=jnp.float32(resolution),
        window_cells=window_for(robot.length, robot.width, resolution, FAR),
    )
    return np.asarray(jax.jit(jax.vmap(to_walls))(jnp.asarray(poses, jnp.float32)))


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


def draw_speeds(axes: Axes, robot: RobotConfig, ticks: TickLog) -> Axes:
    """Forward speed (left scale) and yaw rate (right scale, whose axes are returned) as driven."""
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
    return turning


def draw_gaps(
    axes: Axes,
    time: Float[np.ndarray, "N"],
    people: Float[np.ndarray, "N"],
    walls: Float[np.ndarray, "N"],
) -> None:
    """Distances of the footprint to the nearest person and wall, up to ``FAR``."""
    axes.plot(time, np.minimum(walls, FAR), color=style.WALL, linewidth=1.5, gid="walls")
    if np.isfinite(people).any():
        axes.plot(time, np.minimum(people, FAR), color=style.PERSON, linewidth=2.0, gid="people")
    axes.set_ylim(0.0, 1.05 * FAR)
    axes.set_ylabel(f"distance (m), up to {FAR:g}")
    style.dress(axes, grid=True)


def draw_gate(axes: Axes, ticks: TickLog) -> None:
    """What share of the planned speed the gate lets through."""
    share = 100.0 * ticks.scale
    axes.fill_between(ticks.time, share, 100.0, color=style.TURN, alpha=0.35, linewidth=0)
    axes.plot(ticks.time, share, color=style.TURN, linewidth=1.2, gid="gate")
    axes.set(ylim=(0.0, 105.0), yticks=[0, 50, 100])
    axes.set_ylabel("gate (%)")
    style.dress(axes)


def draw_time(axes: Axes, span: tuple[float, float]) -> None:
    """Which colour stands for which time, from the first to the last one, s."""
    ramp = np.linspace(0.0, 1.0, 256)[None]
    axes.imshow(ramp, extent=(*span, 0.0, 1.0), cmap=style.TIME, aspect="auto")
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
