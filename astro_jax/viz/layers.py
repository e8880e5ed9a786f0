"""One planning cycle from above, layer by layer.   [host]

Each function puts its artists on the axes once and returns ``show(cycle)``, which moves
them to another cycle: a still picture calls it once, a video once per frame.
"""

from collections.abc import Callable

import jax
import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba

from astro_jax.route.field import passing_radius, wall_distance
from astro_jax.viz import shapes, style
from astro_jax.viz.record import EpisodeRecord
from astro_jax.world.forecast import moments

Show = Callable[[int], None]
Paint = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
AHEAD = (1.0, 2.0, 3.0)
"""Times at which the forecast of people is drawn, s."""
GHOST_SPACING = 0.5
"""Between footprints drawn along the plan, s."""


def ground(record: EpisodeRecord) -> Paint:
    """The house's cells, darker where the local map holds an obstacle now.

    Returns ``paint(cycle, x, y)``: RGBA at every crossing of those map coordinates, by the
    nearest cell; a video writes it straight into its frames, which is several times faster
    than an image that Matplotlib resamples.
    """
    house = style.cell_colours(record.occupancy, record.blocked)
    house = np.pad(house, ((1, 1), (1, 1), (0, 0)))
    rim = np.pad(np.zeros(record.occupancy.shape, bool), 1, constant_values=True)
    house[rim] = np.rint(255.0 * np.array(to_rgba(style.UNKNOWN)))
    # unknown ground counts as an obstacle too but is no wall, and tape must stay legible
    tinted = (record.occupancy < 0) | style.surprising(record.occupancy, record.blocked)
    share = np.where(np.pad(tinted, 1, constant_values=True), 0.3, 0.85)[..., None]
    sensed = np.rint((1.0 - share) * house + share * 255.0 * np.array(to_rgba(style.SENSED)))
    # one word per cell is gathered faster than four bytes
    plain, dark = (
        np.ascontiguousarray(t, np.uint8).view(np.uint32)[..., 0] for t in (house, sensed)
    )
    clearance = record.log.world.clearance

    def paint(cycle: int, x: np.ndarray, y: np.ndarray) -> UInt8[np.ndarray, "h w 4"]:
        near = np.pad(clearance.table[cycle, ..., 0] < 0.0, 1)
        whole = _crossings(plain.shape, x, y, record.origin, record.resolution)
        x_map, y_map = shapes.seen_from(
            np.asarray(record.log.house_from_map[cycle]), x[None, :], y[:, None]
        )
        local = _cells(
            near.shape, x_map, y_map, clearance.origin[cycle], float(clearance.resolution[cycle])
        )
        words = np.where(near[local], dark[whole], plain[whole])
        return words[..., None].view(np.uint8)

    return paint


def _crossings(shape: tuple[int, ...], x: np.ndarray, y: np.ndarray, origin, resolution: float):
    """Index of the nearest cells to every crossing of x and y."""
    return np.ix_(*(index.reshape(-1) for index in _cells(shape, x, y, origin, resolution)))


def _cells(shape: tuple[int, ...], x: np.ndarray, y: np.ndarray, origin, resolution: float):
    """Row and column of the nearest cells, in a table with a rim of one cell for all outside."""
    column = np.clip(np.rint((x - origin[0]) / resolution) + 1, 0, shape[1] - 1)
    row = np.clip(np.rint((y - origin[1]) / resolution) + 1, 0, shape[0] - 1)
    return row.astype(int), column.astype(int)


def windows(axes: Axes, record: EpisodeRecord, reactive: bool = True) -> Show:
    """Dashed frames: what the local planner knows, and what the reactive layer watches."""
    frames = LineCollection([], colors=style.FAINT, linewidths=1.0, zorder=style.WINDOWS)
    frames.set_linestyle([(0, (5, 3)), (0, (2, 2))])
    axes.add_collection(frames, autolim=False)

    def show(cycle: int) -> None:
        around = shapes.placed(record.log.pose_map[cycle], shapes.rectangle(2.0, 2.0))
        frames.set_segments([_local_frame(record, cycle), around][: 2 if reactive else 1])

    return show


def guidance(axes: Axes, record: EpisodeRecord, reach: float) -> Show:
    """Arrows of the route layer where the robot's centre may be."""
    arrows = LineCollection([], colors=style.GUIDE, linewidths=0.9, zorder=style.ARROWS)
    axes.add_collection(arrows, autolim=False)
    on_map = (record.occupancy < 0) | (record.occupancy >= 50)
    allowed = wall_distance(on_map, record.resolution) >= passing_radius(record.robot)

    def show(cycle: int) -> None:
        field = record.route_at(float(record.log.time[cycle]))
        here = record.log.pose_map[cycle, :2]
        arrows.set_segments(list(shapes.descent_arrows(field, allowed, here, reach)))

    return show


def goal(axes: Axes, record: EpisodeRecord, size: float = 0.2) -> Show:
    """Rings around the goal and the direction to face there."""
    if record.followed is not None:
        return lambda cycle: None
    rings = shapes.circles(np.stack([record.goal[:2]] * 2), np.array([0.45, 1.0]) * size)
    strokes = [*rings, shapes.goal_arrow(record.goal, size)]
    lines = LineCollection(strokes, colors=style.GOAL, linewidths=1.8, zorder=style.TRAILS)
    axes.add_collection(lines, autolim=False)
    return lambda cycle: None


def trail(axes: Axes, record: EpisodeRecord, width: float = 1.6) -> Show:
    """The way driven so far, from a dot where it began."""
    axes.plot(*record.start[:2, None], "o", color=style.TRAIL, markersize=5, zorder=style.TRAILS)
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
        fan.set(color=style.COST(rank))

    return show


def usable_candidates(cost: npt.ArrayLike, xy_map: npt.ArrayLike) -> Int[np.ndarray, "k"]:
    """Indices of the finite candidates, best first: costs (K,), places (K, T, 2)."""
    finite = np.isfinite(cost) & np.isfinite(xy_map).all(axis=(1, 2))
    order = np.argsort(np.asarray(cost), kind="stable")
    return order[finite[order]]


def people(axes: Axes, record: EpisodeRecord, least: float = 0.0) -> Show:
    """Where people truly are: filled when the robot tracks them, hollow when not."""
    discs = PolyCollection([], linewidths=1.2, zorder=style.BODIES)
    axes.add_collection(discs, autolim=False)
    radius = np.maximum(record.radius, least)[record.present]

    def show(cycle: int) -> None:
        tracked = record.log.tracked[cycle][record.present]
        centres = record.log.people_xy[cycle][record.present]
        discs.set_verts(list(shapes.circles(centres, radius)))
        discs.set_facecolor([to_rgba(style.PERSON) if t else (1.0, 1.0, 1.0, 0.8) for t in tracked])
        discs.set_edgecolor([style.PERSON if t else style.UNSEEN for t in tracked])

    return show


def followed(axes: Axes, record: EpisodeRecord, least: float = 0.0) -> Show:
    """A ring around the person whom the robot walks with."""
    ring = LineCollection([], colors=style.FOLLOWED, linewidths=2.6, zorder=style.BODIES + 0.2)
    axes.add_collection(ring, autolim=False)
    who = record.followed

    def show(cycle: int) -> None:
        if who is not None:
            radius = np.array([1.35 * max(float(record.radius[who]), least)])
            ring.set_segments(list(shapes.circles(record.log.people_xy[cycle, who][None], radius)))

    return show


def forecasts(axes: Axes, record: EpisodeRecord) -> Show:
    """Where people are expected at ``AHEAD``: 1σ filled, 2σ dashed, growing with time."""
    one = PolyCollection([], edgecolors="none", zorder=style.CLOUDS)
    two = LineCollection([], linewidths=0.8, linestyles="--", zorder=style.CLOUDS + 0.1)
    means = LineCollection([], colors=style.PERSON, linewidths=1.3, zorder=style.BODIES - 0.1)
    for artist in (one, two, means):
        axes.add_collection(artist, autolim=False)
    expected = record.log.world.forecast
    times = record.forecast_times
    chosen = [int(np.argmin(np.abs(times - t))) for t in AHEAD if t <= times[-1] + 1e-6]
    fade = np.linspace(0.75, 0.2, len(chosen))

    def show(cycle: int) -> None:
        valid = expected.valid[cycle]
        mean, covariance = moments(jax.tree.map(lambda leaf: leaf[cycle], expected))
        xy = mean[:, valid]
        at, spread = xy[chosen].reshape(-1, 2), covariance[chosen][:, valid].reshape(-1, 2, 2)
        shade = np.repeat(fade, valid.sum())
        one.set_verts(list(shapes.ellipses(at, spread)))
        one.set_facecolor([to_rgba(style.PERSON, 0.14 * a) for a in shade])
        two.set_segments(list(shapes.ellipses(at, 4.0 * spread)))
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


def robot(axes: Axes, record: EpisodeRecord, scale: float = 1.0, screen: bool = True) -> Show:
    """The box with its heading, the screen that faces where it will go, and the camera's view."""
    view = PolyCollection([], zorder=style.CLOUDS - 0.2, linewidths=0.9)
    view.set(facecolor=[to_rgba(style.SCREEN, 0.07)], edgecolor=[to_rgba(style.SCREEN, 0.55)])
    light = PolyCollection([], facecolors=[to_rgba(style.SCREEN, 0.30)], zorder=style.CLOUDS - 0.1)
    body = PolyCollection([], linewidths=1.2, zorder=style.ROBOTS)
    body.set(facecolor=[style.ROBOT, "white"], edgecolor=["white", "none"])
    (casing,) = axes.plot([], [], color="white", linewidth=7.5, zorder=style.ROBOTS + 0.1)
    (bar,) = axes.plot([], [], color=style.SCREEN, linewidth=4.5, zorder=style.ROBOTS + 0.2)
    for line in (casing, bar):
        line.set_solid_capstyle("round")
    for collection in (body, light, view):
        axes.add_collection(collection, autolim=False)
    box = scale * shapes.rectangle(record.robot.length, record.robot.width)
    mark = scale * shapes.heading_mark(record.robot)
    sees = record.robot.camera.field_of_view > 0.0

    def show(cycle: int) -> None:
        pose, pan = record.log.pose_map[cycle], float(record.log.pan[cycle])
        body.set_verts([shapes.placed(pose, box), shapes.placed(pose, mark)])
        if screen:
            light.set_verts([shapes.screen_cone(record.robot, pose, pan)])
            if sees:
                view.set_verts([shapes.camera_view(record.robot, pose, pan)])
            for line in (casing, bar):
                line.set_data(*shapes.screen_bar(record.robot, pose, pan).T)

    return show


def cursor(axes: Axes, record: EpisodeRecord) -> Show:
    """Now, on an axis of time."""
    (line,) = axes.plot([], [], color=style.INK, linewidth=1.4, zorder=style.ROBOTS)

    def show(cycle: int) -> None:
        now = float(record.log.time[cycle])
        line.set_data([now, now], axes.get_ylim())

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


def _local_frame(record: EpisodeRecord, cycle: int) -> Float[np.ndarray, "5 2"]:
    grid = record.log.world.clearance
    resolution = float(grid.resolution[cycle])
    rows, columns = grid.table.shape[1:3]
    size = resolution * np.array([columns, rows])
    centre = grid.origin[cycle] + 0.5 * (size - resolution)
    outline = np.asarray(centre) + shapes.rectangle(*size)
    return shapes.placed(record.log.house_from_map[cycle], outline)
