"""A still picture of one planning cycle.   [host]

In: a record and the number of a cycle.  Out: a Matplotlib figure without global state, to
be saved with ``figure.savefig``.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from astro_jax.types import Reason, Status
from astro_jax.viz import layers, style
from astro_jax.viz.record import EpisodeRecord

REACH = 3.45
"""Half the side of the square around the robot that a still shows, m."""


def cycle_figure(record: EpisodeRecord, cycle: int) -> Figure:
    """The scene around the robot, its plan's survival and speed, and a legend."""
    figure = Figure(figsize=(12.4, 8.1), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    scene = figure.add_axes((0.05, 0.06, 0.54, 0.8267))
    draw_cycle(scene, record, cycle)
    draw_survival(figure.add_axes((0.665, 0.6967, 0.27, 0.16)), record, cycle)
    draw_speed(figure.add_axes((0.665, 0.45, 0.27, 0.16)), record, cycle)
    key = figure.add_axes((0.622, 0.03, 0.368, 0.355))
    key.set_axis_off()
    draw_key(key, record)
    title = f"Planning cycle {cycle} of {record.cycles}, t = {float(record.log.time[cycle]):.1f} s"
    figure.text(0.05, 0.953, title, fontsize=15, weight="bold", color=style.INK)
    figure.text(0.05, 0.914, summary(record, cycle), fontsize=10.5, color=style.INK)
    return figure


def summary(record: EpisodeRecord, cycle: int) -> str:
    """The figures of a cycle in one line."""
    seen = record.log.diagnostics
    speed, yaw_rate = record.ticks.twist[record.ticks_of(cycle).start]
    cost, sampled = float(seen.best_cost[cycle]), float(seen.sampled_cost[cycle])
    status = Status(int(record.log.status[cycle]))
    parts = [
        f"{speed:z.2f} m/s, {yaw_rate:+z.2f} rad/s",
        f"gate {gate_text(record, cycle)}",
        f"cost {cost:z.2f} s, {sampled - cost:z.3f} s better by refinement",
        f"survival {float(record.log.survival[cycle, -1]):.3f}",
    ]
    if status is not Status.OK:
        parts.append(status.name.lower().replace("_", " "))
    return "   ·   ".join(parts).replace("-", "−")


GATE_WORDS = {
    Reason.CLEAR: "clear",
    Reason.SLOWED: "slowed",
    Reason.BAD_PLAN: "no good plan",
    Reason.BAD_SCAN: "bad scan",
    Reason.BAD_STATE: "bad pose",
    Reason.PACED: "paced",
    Reason.BLIND: "out of sight",
    Reason.BAD_MAP: "old map",
    Reason.BAD_CLOCK: "late tick",
    Reason.WAITING: "waiting",
    Reason.E_STOP: "emergency stop",
}
"""What each reason of the reactive layer is called in pictures."""


def gate_text(record: EpisodeRecord, cycle: int) -> str:
    """What the reactive layer let through, and why: ``"40 % (slowed)"``."""
    scale, reason = record.gate_of(cycle)
    return f"{100 * scale:.0f} % ({GATE_WORDS[reason]})"


def draw_cycle(axes: Axes, record: EpisodeRecord, cycle: int, reach: float = REACH) -> None:
    """Everything the robot knew, weighed and chose in one cycle, seen from above.

    Args:
      axes: where to draw; its limits and labels are set.
      record: the episode.
      cycle: which planning cycle.
      reach: half the side of the square that is shown, m.
    """
    x, y = record.log.pose_map[cycle, :2]
    step = 0.2 * record.resolution
    offset = np.arange(-reach + 0.5 * step, reach, step)
    axes.imshow(
        layers.ground(record)(cycle, x + offset, y + offset),
        extent=(x - reach, x + reach, y - reach, y + reach),
        origin="lower",
        interpolation="nearest",
        zorder=style.CELLS,
    )
    for show in (
        layers.windows(axes, record),
        layers.guidance(axes, record, reach),
        layers.goal(axes, record),
        layers.trail(axes, record),
        layers.candidates(axes, record),
        layers.forecasts(axes, record),
        layers.people(axes, record),
        layers.plan(axes, record),
        layers.robot(axes, record),
    ):
        show(cycle)
    axes.set(xlim=(x - reach, x + reach), ylim=(y - reach, y + reach), aspect="equal")
    axes.set(xlabel="x (m)", ylabel="y (m)", facecolor=style.UNKNOWN)
    style.dress(axes)


def draw_survival(axes: Axes, record: EpisodeRecord, cycle: int) -> None:
    """How likely the plan is to get to each time untouched."""
    times, survival = record.plan_times, record.log.survival[cycle]
    axes.fill_between(times, survival, color=style.PLAN, alpha=0.12, linewidth=0)
    axes.plot(times, survival, color=style.PLAN, linewidth=2.0)
    axes.set(xlim=(0.0, times[-1]), ylim=(0.0, 1.05), ylabel="survival S(t)")
    axes.set_title(
        "Chance of having touched nothing by then", fontsize=10, loc="left", color=style.INK
    )
    style.dress(axes)


def draw_speed(axes: Axes, record: EpisodeRecord, cycle: int) -> None:
    """Forward speed (left scale) and yaw rate (right scale) along the plan."""
    times, twist = record.plan_times, record.log.plan_twist[cycle]
    robot = record.robot
    axes.axhline(0.0, color=style.FAINT, linewidth=0.6)
    axes.plot(times, twist[:, 0], color=style.SPEED, linewidth=2.0)
    axes.set(xlim=(0.0, times[-1]), xlabel="time along the plan (s)")
    axes.set_ylim(-1.15 * robot.speed, 1.15 * robot.speed)
    axes.set_ylabel("speed v (m/s)", color=style.SPEED)
    axes.set_title("What the wheels will do", fontsize=10, loc="left", color=style.INK)
    turning = axes.twinx()
    turning.plot(times, twist[:, 2], color=style.TURN, linewidth=1.6, linestyle="--")
    turning.set_ylim(-1.15 * robot.yaw_rate, 1.15 * robot.yaw_rate)
    turning.set_ylabel("yaw rate ω (rad/s)", color=style.TURN)
    for panel in (axes, turning):
        style.dress(panel)
    axes.yaxis.label.set_color(style.SPEED)
    turning.yaxis.label.set_color(style.TURN)


def draw_course(axes: Axes, record: EpisodeRecord) -> None:
    """Speed over the whole episode, shaded where the reactive layer held back."""
    ticks = record.ticks
    top = 1.1 * record.robot.speed
    held = np.where(ticks.scale < 0.995, top * (1.0 - ticks.scale), 0.0)
    axes.fill_between(ticks.time, top - held, top, color=style.TURN, alpha=0.35, linewidth=0)
    axes.plot(ticks.time, ticks.twist[:, 0], color=style.SPEED, linewidth=1.3)
    axes.set(xlim=(0.0, float(ticks.time[-1])), ylim=(min(0.0, ticks.twist[:, 0].min()), top))
    title = "speed (m/s) over time (s); shaded from above: held back by the gate"
    axes.set_title(title, fontsize=8, loc="left", color=style.FAINT, pad=4)
    style.dress(axes)


def draw_key(axes: Axes, record: EpisodeRecord, brief: bool = False) -> None:
    """What the colours and lines of ``draw_cycle`` stand for; ``brief``: the main ones."""
    entries = [(handle, label) for handle, label, main in _key(record) if main or not brief]
    handles, labels = zip(*entries, strict=True)
    axes.legend(
        handles,
        labels,
        ncols=5 if brief else 2,
        loc="upper left",
        mode="expand",
        borderaxespad=0.0,
        fontsize=8.0 if brief else 8.5,
        handlelength=1.7 if brief else 2.0,
        labelcolor=style.INK,
        frameon=False,
        labelspacing=0.5 if brief else 1.05,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0.0)},
    )


def _followed(record: EpisodeRecord) -> list[tuple[Any, str, bool]]:
    if record.followed is None:
        return []
    ring = {"marker": "o", "linestyle": "none", "markersize": 9, "markerfacecolor": "white"}
    return [(Line2D([], [], color=style.FOLLOWED, **ring), "person it walks with", True)]


def _key(record: EpisodeRecord) -> list[tuple[Any, str, bool]]:
    line = lambda colour, **look: Line2D([], [], color=colour, **look)
    patch = lambda colour, **look: Patch(facecolor=colour, **look)
    planner = record.planner
    side = planner.map_cells * planner.map_resolution
    dot = {"marker": "o", "linestyle": "none", "markersize": 9}
    ring = {**dot, "markerfacecolor": "white"}
    fan = tuple(line(style.COST(c), linewidth=2.2) for c in np.linspace(0, 1, 6))
    cloud = (patch(style.PERSON, alpha=0.2), line(style.PERSON, linestyle="--", linewidth=0.9))
    tape = patch(style.STRIPES[1], edgecolor=style.STRIPES[0], hatch="////")
    return [
        (fan, f"1 in {planner.recorded_stride} candidates, best → worst", True),
        (line(style.PLAN, linewidth=3.2), "chosen plan with footprints", True),
        (patch(style.ROBOT), "robot; triangle: heading", False),
        (line(style.SCREEN, linewidth=4.5), "screen faces; sector: camera", True),
        (line(style.TRAIL, linewidth=1.6, linestyle=(0, (1, 1.2))), "driven so far", True),
        (line(style.GUIDE, marker=">", markersize=5), "guidance −∇V to the goal", True),
        (line(style.GOAL, **ring), "goal; arrow: heading there", False),
        (line(style.PERSON, **dot), "person the robot tracks", True),
        *_followed(record),
        (line(style.UNSEEN, **ring), "person it does not see", record.followed is None),
        (cloud, "forecast 1, 2, 3 s ahead: 1σ, 2σ", True),
        (patch(style.WALL), "wall on the house map", False),
        (patch(style.UNKNOWN), "unknown", False),
        (patch(style.SENSED), "obstacle in the local map", True),
        (tape, "obstacle not on the house map", True),
        (line(style.FAINT, linestyle=(0, (5, 3))), f"{side:g} × {side:g} m local map", False),
        (line(style.FAINT, linestyle=(0, (2, 2))), "2 × 2 m reactive window", False),
    ]
