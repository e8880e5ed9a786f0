"""One planning cycle from above, layer by layer.   [host]

Each function puts its artists on the axes once and returns ``show(cycle)``, which moves
them to another cycle: a still picture calls it once, a video once per frame.
"""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb, to_rgba

from astro_jax.route.field import inscribed_radius, wall_distance
from astro_jax.viz import shapes, style
from astro_jax.viz.record import EpisodeRecord

Show = Callable[[int], None]
AHEAD = (1.0, 2.0, 3.0)
"""Times at which the forecast of people is drawn, s."""
GHOST_SPACING = 0.5
"""Between footprints drawn along the plan, s."""


def house(axes: Axes, record: EpisodeRecord, reach: float | None = None) -> Show:
    """The map, whole or cropped to ``reach`` metres around the robot."""
    colours = np.round(255 * style.cell_colours(record.occupancy, record.blocked)).astype(np.uint8)
    image = axes.imshow(
        colours, extent=record.extent, origin="lower", interpolation="nearest", zorder=style.CELLS
    )

    def show(cycle: int) -> None:
        if reach is None:
            return
        # what is resampled per frame should not grow with the house
        middle = (record.log.pose_map[cycle, :2] - record.origin) / record.resolution
        cells = int(np.ceil(reach / record.resolution)) + 2
        shape = np.array(record.occupancy.shape[::-1])
        low = np.clip(np.rint(middle).astype(int) - cells, 0, shape - 1)
        high = np.clip(np.rint(middle).astype(int) + cells + 1, low + 1, shape)
        image.set_data(colours[low[1] : high[1], low[0] : high[0]])
        edges = record.origin + record.resolution * (np.stack([low, high]) - 0.5)
        image.set_extent((edges[0, 0], edges[1, 0], edges[0, 1], edges[1, 1]))

    return show


def sensed(axes: Axes, record: EpisodeRecord) -> Show:
    """Obstacles of the rolling local map: what the robot plans around now."""
    image = axes.imshow(
        np.zeros((1, 1, 4)),
        extent=(0, 1, 0, 1),
        origin="lower",
        interpolation="nearest",
        zorder=style.CELLS + 0.1,
    )
    clearance = record.log.world.clearance
    colours = np.stack([to_rgba(style.SENSED, 0.0), to_rgba(style.SENSED, 0.85)])

    def show(cycle: int) -> None:
        image.set_data(colours[(clearance.table[cycle, ..., 0] < 0.0).astype(int)])
        x, y = _local_frame(record, cycle)[[0, 2]].T
        image.set_extent((x[0], x[1], y[0], y[1]))

    return show


def windows(axes: Axes, record: EpisodeRecord) -> Show:
    """Dashed frames: what the local planner knows, and what the reactive layer watches."""
    frames = LineCollection([], colors=style.FAINT, linewidths=1.0, zorder=style.WINDOWS)
    frames.set_linestyle([(0, (5, 3)), (0, (2, 2))])
    axes.add_collection(frames, autolim=False)

    def show(cycle: int) -> None:
        reactive = shapes.placed(record.log.pose_map[cycle], shapes.rectangle(2.0, 2.0))
        frames.set_segments([_local_frame(record, cycle), reactive])

    return show


def guidance(axes: Axes, record: EpisodeRecord, reach: float) -> Show:
    """Arrows of the route layer where the robot's centre may be."""
    arrows = LineCollection([], colors=style.GUIDE, linewidths=0.9, zorder=style.ARROWS)
    axes.add_collection(arrows, autolim=False)
    on_map = (record.occupancy < 0) | (record.occupancy >= 50)
    allowed = wall_distance(on_map, record.resolution) >= inscribed_radius(record.robot)

    def show(cycle: int) -> None:
        field = record.route_at(float(record.log.time[cycle]))
        here = record.log.pose_map[cycle, :2]
        arrows.set_segments(list(shapes.descent_arrows(field, allowed, here, reach)))

    return show


def goal(axes: Axes, record: EpisodeRecord, size: float = 0.2) -> Show:
    """Rings around the goal and the direction to face there."""
    rings = shapes.circles(np.stack([record.goal[:2]] * 2), np.array([0.45, 1.0]) * size)
    strokes = [*rings, shapes.goal_arrow(record.goal, size)]
    lines = LineCollection(strokes, colors=style.GOAL, linewidths=1.8, zorder=style.TRAILS)
    axes.add_collection(lines, autolim=False)
    return lambda cycle: None


def trail(axes: Axes, record: EpisodeRecord, width: float = 1.6) -> Show:
    """The way driven so far."""
    (line,) = axes.plot(
        [], [], color=style.TRAIL, linewidth=width, linestyle=(0, (1, 1.2)), zorder=style.TRAILS
    )
    ticks = record.ticks
    stride = max(1, round(0.1 / record.planner.gate_period))

    def show(cycle: int) -> None:
        driven = ticks.pose_map[: record.ticks_of(cycle).start : stride, :2]
        line.set_data(*np.concatenate([driven, record.log.pose_map[cycle : cycle + 1, :2]]).T)

    return show


def candidates(axes: Axes, record: EpisodeRecord, width: float = 1.4) -> Show:
    """The recorded share of the evaluated motions, coloured by rank of cost."""
    fan = LineCollection([], linewidths=width, zorder=style.FANS, capstyle="round")
    fan.set_gid("candidates")
    axes.add_collection(fan, autolim=False)
    seen = record.log.diagnostics

    def show(cycle: int) -> None:
        order = usable_candidates(seen.cost[cycle], seen.candidate_xy_map[cycle])
        # worst first: the best lie on top
        order = order[::-1]
        rank = np.linspace(1.0, 0.0, len(order)) if len(order) > 1 else np.zeros(len(order))
        fan.set_segments(list(seen.candidate_xy_map[cycle][order]))
        fan.set_color(style.COST(rank))

    return show


def usable_candidates(cost: np.ndarray, xy_map: np.ndarray) -> np.ndarray:
    """Indices of the finite candidates, best first."""
    finite = np.isfinite(cost) & np.isfinite(xy_map).all(axis=(1, 2))
    order = np.argsort(cost, kind="stable")
    return order[finite[order]]


def people(axes: Axes, record: EpisodeRecord, least: float = 0.0) -> Show:
    """Where people truly are: filled when the robot tracks them, hollow when not."""
    discs = PolyCollection([], linewidths=1.2, zorder=style.BODIES)
    axes.add_collection(discs, autolim=False)
    radius = np.maximum(record.radius, least)[record.present]

    def show(cycle: int) -> None:
        tracked = record.log.track_valid[cycle][record.present]
        centres = record.log.people_xy[cycle][record.present]
        discs.set_verts(list(shapes.circles(centres, radius)))
        discs.set_facecolor([to_rgba(style.PERSON) if t else (1.0, 1.0, 1.0, 0.8) for t in tracked])
        discs.set_edgecolor([style.PERSON if t else style.UNSEEN for t in tracked])

    return show


def forecasts(axes: Axes, record: EpisodeRecord) -> Show:
    """Where people are expected at ``AHEAD``: 1σ filled, 2σ dashed, growing with time."""
    one = PolyCollection([], edgecolors="none", zorder=style.CLOUDS)
    two = LineCollection([], linewidths=0.8, linestyles="--", zorder=style.CLOUDS + 0.1)
    means = LineCollection([], colors=style.PERSON, linewidths=1.3, zorder=style.CLOUDS + 0.2)
    for artist in (one, two, means):
        axes.add_collection(artist, autolim=False)
    expected = record.log.world.forecast
    times = record.forecast_times
    chosen = [int(np.argmin(np.abs(times - t))) for t in AHEAD if t <= times[-1] + 1e-6]
    fade = np.linspace(0.75, 0.25, len(chosen))

    def show(cycle: int) -> None:
        valid = expected.valid[cycle]
        xy = expected.xy_map[cycle][:, valid]
        sigma = np.sqrt(np.maximum(expected.xy_var[cycle][:, valid], 0.0))
        at, spread = xy[chosen].reshape(-1, 2), sigma[chosen].reshape(-1)
        shade = np.repeat(fade, valid.sum())
        one.set_verts(list(shapes.circles(at, spread)))
        one.set_facecolor([to_rgba(style.PERSON, 0.22 * a) for a in shade])
        two.set_segments(list(shapes.circles(at, 2.0 * spread)))
        two.set_color([to_rgba(style.PERSON, a) for a in shade])
        means.set_segments(list(np.swapaxes(xy, 0, 1)))

    return show


def plan(axes: Axes, record: EpisodeRecord, width: float = 3.2, ghosts: bool = True) -> Show:
    """The chosen motion, on from where the robot is, with its footprint now and then."""
    outlines = PolyCollection([], facecolors="none", linewidths=1.0, zorder=style.PLANS)
    (casing,) = axes.plot([], [], color="white", linewidth=width + 2.0, zorder=style.PLANS + 0.1)
    (line,) = axes.plot([], [], color=style.PLAN, linewidth=width, zorder=style.PLANS + 0.2)
    line.set_gid("plan")
    for path in (casing, line):
        path.set_solid_capstyle("round")
    axes.add_collection(outlines, autolim=False)
    box = shapes.rectangle(record.robot.length, record.robot.width)
    step = max(1, round(GHOST_SPACING / record.planner.dt))

    def show(cycle: int) -> None:
        poses = record.log.plan_pose[cycle]
        # until the plan takes effect the robot finishes the one before
        xy = np.concatenate([record.log.pose_map[cycle : cycle + 1, :2], poses[:, :2]])
        for path in (casing, line):
            path.set_data(*xy.T)
        if ghosts:
            along = poses[step::step]
            outlines.set_verts(list(shapes.placed(along, box)))
            fade = np.linspace(0.9, 0.35, len(along))
            outlines.set_edgecolor([to_rgba(style.PLAN, a) for a in fade])

    return show


def robot(axes: Axes, record: EpisodeRecord, scale: float = 1.0, cone: bool = True) -> Show:
    """The box with its heading, and the screen that faces where it will go."""
    light = PolyCollection([], facecolors=[to_rgba(style.SCREEN, 0.20)], zorder=style.CLOUDS - 0.1)
    body = PolyCollection([], linewidths=1.2, zorder=style.ROBOTS)
    body.set(facecolor=[style.ROBOT, "white"], edgecolor=["white", "none"])
    (screen,) = axes.plot([], [], color=style.SCREEN, linewidth=4.5, zorder=style.ROBOTS + 0.1)
    screen.set_solid_capstyle("round")
    axes.add_collection(body, autolim=False)
    axes.add_collection(light, autolim=False)
    box = scale * shapes.rectangle(record.robot.length, record.robot.width)
    mark = scale * shapes.heading_mark(record.robot)

    def show(cycle: int) -> None:
        pose, pan = record.log.pose_map[cycle], float(record.log.pan[cycle])
        body.set_verts([shapes.placed(pose, box), shapes.placed(pose, mark)])
        if cone:
            light.set_verts([shapes.screen_cone(record.robot, pose, pan)])
            screen.set_data(*shapes.screen_bar(record.robot, pose, pan).T)

    return show


def scale_bar(axes: Axes, metres: float = 1.0) -> Show:
    """A bar of known length in the lower left corner."""
    across = float(np.ptp(axes.get_xlim()))
    x, y = [0.03, 0.03 + metres / across], [0.035, 0.035]
    look = {"transform": axes.transAxes, "zorder": style.ROBOTS + 1}
    for colour, width in (("white", 6.0), (style.INK, 3.0)):
        axes.plot(x, y, color=colour, linewidth=width, solid_capstyle="butt", **look)
    axes.text(x[1] + 0.012, y[0], f"{metres:g} m", fontsize=9, va="center", **look)
    return lambda cycle: None


def _local_frame(record: EpisodeRecord, cycle: int) -> np.ndarray:
    grid = record.log.world.clearance
    resolution = float(grid.resolution[cycle])
    rows, columns = grid.table.shape[1:3]
    low = grid.origin[cycle] - 0.5 * resolution
    return low + 0.5 * resolution * np.array([columns, rows]) + shapes.rectangle(
        columns * resolution, rows * resolution
    )
