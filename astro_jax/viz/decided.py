"""One decision of a black box: what the robot knew at a moment, weighed and chose.   [host]

In: a call of the artifact that was run again, of the planner or of the gate.  Everything lies in
the frame that the robot plans in.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from astro_jax.config import RobotConfig
from astro_jax.deploy.replay import Again
from astro_jax.reactive.senses import Mode
from astro_jax.types import Reason, Status
from astro_jax.viz import style

GHOSTS = 3
"""Footprints along the plan, besides the robot's own."""


def decision_figure(robot: RobotConfig, call: Again) -> Figure:
    """A planning cycle, or a tick of the gate if the call is one; save it with ``savefig``."""
    thought = call.function == "think"
    inputs, outputs = _numpy(call.inputs), _numpy(call.outputs)
    seen = _part("snapshot." if thought else "", inputs)
    state = _part("state.", outputs)
    plan = _part("next_plan." if thought else "plan.", state)
    figure = Figure(figsize=(7.0, 7.0), layout="constrained")
    axes = figure.add_subplot()
    _ground(axes, state)
    if thought:
        _candidates(axes, _part("report.", outputs))
    _scan(axes, robot, seen)
    _tracks(axes, _part("tracks.", state))
    pose = plan["motion.pose_map"]
    axes.plot(pose[:, 0], pose[:, 1], color=style.PLAN, lw=2.5, zorder=style.PLANS)
    for index in np.linspace(0, len(pose) - 1, GHOSTS + 1).round().astype(int)[1:]:
        _footprint(axes, robot, pose[index], alpha=0.25)
    _footprint(axes, robot, seen["odometry.pose_map"], alpha=0.9)
    axes.set_title(f"{call.time:.2f} s: {_told(call.function, outputs)}", color=style.INK)
    axes.set_xlabel("x, m")
    axes.set_ylabel("y, m")
    return figure


def _told(function: str, outputs: Mapping[str, np.ndarray]) -> str:
    if function == "think":
        status = Status(int(outputs["state.next_plan.status"]))
        finite = int(outputs["report.finite_candidates"])
        return f"{status.name}, cost {float(outputs['report.best_cost']):.2f} s, {finite} finite"
    v, omega = outputs["verdict.twist"]
    mode, reason = Mode(int(outputs["verdict.mode"])), Reason(int(outputs["verdict.reason"]))
    return f"{mode.name} ({reason.name}), {v:+.2f} m/s, {omega:+.2f} rad/s"


def _ground(axes: Axes, state: Mapping[str, np.ndarray]) -> None:
    """What the robot takes for occupied, on its local map."""
    clear, origin = state["clearance.table"][..., 0], state["clearance.origin"]
    cell = float(state["clearance.resolution"])
    rows, columns = clear.shape
    x, y = origin - cell / 2
    axes.imshow(
        np.where(clear <= 0.0, 1.0, np.nan),
        origin="lower",
        extent=(x, x + cell * columns, y, y + cell * rows),
        cmap="gray",
        vmin=0.6,
        vmax=3.0,
        zorder=style.CELLS,
    )
    axes.set_xlim(x, x + cell * columns)
    axes.set_ylim(y, y + cell * rows)


def _candidates(axes: Axes, report: Mapping[str, np.ndarray]) -> None:
    """From the worst to the best, which lies on top."""
    cost, way = report["cost"], report["candidate_xy_map"]
    usable = np.flatnonzero(np.isfinite(cost) & np.isfinite(way).all(axis=(1, 2)))
    order = usable[np.argsort(-cost[usable])]
    shade = np.linspace(1.0, 0.0, len(order))
    colours = style.COST(shade)
    axes.add_collection(LineCollection(list(way[order]), colors=colours, zorder=style.FANS))


def _scan(axes: Axes, robot: RobotConfig, seen: Mapping[str, np.ndarray]) -> None:
    ranges, (x, y, yaw) = seen["scan.ranges"], seen["scan.pose_map"]
    half = robot.sensor.field_of_view / 2
    bearing = yaw + np.linspace(-half, half, len(ranges))
    hit = seen["scan.valid"] & np.isfinite(ranges)
    points = x + ranges[hit] * np.cos(bearing[hit]), y + ranges[hit] * np.sin(bearing[hit])
    axes.plot(*points, ".", color=style.SENSED, ms=4, zorder=style.CLOUDS)


def _tracks(axes: Axes, tracks: Mapping[str, np.ndarray]) -> None:
    for k in np.flatnonzero(tracks["valid"]):
        (x, y), (vx, vy) = tracks["xy_map"][k], tracks["velocity_map"][k]
        body = Circle((x, y), float(tracks["radius"][k]), color=style.PERSON, alpha=0.8)
        body.set_zorder(style.BODIES)
        axes.add_patch(body)
        # where they are a second later
        arrow = {"arrowstyle": "->", "color": style.PERSON}
        axes.annotate("", (x + vx, y + vy), (x, y), arrowprops=arrow, zorder=style.ARROWS)


def _footprint(axes: Axes, robot: RobotConfig, pose: np.ndarray, alpha: float) -> None:
    half = np.array([robot.length, robot.width]) / 2
    corners = half * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    c, s = np.cos(pose[2]), np.sin(pose[2])
    corners = pose[:2] + corners @ np.array([[c, s], [-s, c]])
    shape = Polygon(corners, closed=True, color=style.ROBOT, alpha=alpha, zorder=style.ROBOTS)
    axes.add_patch(shape)


def _numpy(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in arrays.items()}


def _part(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
