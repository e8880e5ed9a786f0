"""A floor plan with everything that is known of it, as ``astro-jax map check`` draws it. [host]"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Affine2D, Transform
from scipy import ndimage

from astro_jax.route.check import MapReport
from astro_jax.route.house import HouseMap, Zone
from astro_jax.route.rooms import room_name
from astro_jax.viz import style

MARGIN = 0.4
"""Around what is known, m."""
STRIPE = 0.25
"""From stripe to stripe over the floor that cannot be reached, m."""
LABEL_ROOM = 1.0
"""Least floor of a room that gets a label, m²."""


def house_figure(report: MapReport) -> Figure:
    """Rooms tinted and named, doors, zones; striped where the robot does not get to."""
    house_map = report.house_map
    low, high = _frame(house_map)
    wide, tall = high - low
    side = 9.0 / max(wide, tall)
    figure = Figure(figsize=(max(wide * side, 4.5) + 0.8, tall * side + 1.15), dpi=150)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set_facecolor(style.UNKNOWN)
    turn = Affine2D().rotate(house_map.yaw) + axes.transData

    rows, columns = house_map.occupancy.shape
    left, bottom = house_map.origin - 0.5 * house_map.resolution
    extent = (
        left,
        left + columns * house_map.resolution,
        bottom,
        bottom + rows * house_map.resolution,
    )
    axes.imshow(
        _colours(report), origin="lower", extent=extent, interpolation="nearest", transform=turn
    )
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    for zone in house_map.zones:
        _draw_zone(axes, zone, turn)
    for door in report.doors:
        colour = style.DOOR_NARROW if report.too_narrow(door) else style.DOOR
        for width, shade in ((5.0, style.FREE), (2.8, colour)):
            axes.plot(
                *door.jambs.T, color=shade, linewidth=width, transform=turn, zorder=style.BODIES
            )
    _label_rooms(axes, report, turn)
    _finish(figure, axes, report)
    return figure


def _frame(house_map: HouseMap) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the picture in the file's frame, m: what is known, and a margin."""
    known = house_map.occupancy >= 0
    if not known.any():
        known = np.ones_like(known)
    xy = house_map.to_file(house_map.xy_of(np.nonzero(known)))
    return xy.min(axis=0) - MARGIN, xy.max(axis=0) + MARGIN


def _colours(report: MapReport) -> np.ndarray:
    house_map = report.house_map
    free = ~house_map.blocked
    colours = style.cell_colours(house_map.occupancy, house_map.blocked)
    if house_map.rooms is not None:
        tints = np.rint(255.0 * np.array([to_rgba(tint) for tint in style.ROOMS]))
        labelled = free & (house_map.rooms > 0)
        colours[labelled] = tints[(house_map.rooms[labelled] - 1) % len(tints)]
    row, column = np.indices(free.shape)
    period = max(4, round(STRIPE / house_map.resolution))
    striped = free & ~report.reached & ((row + column) % period < max(1, period // 4))
    colours[striped] = np.rint(255.0 * np.array(to_rgba(style.UNREACHED)))
    return colours


def _draw_zone(axes: Axes, zone: Zone, turn: Transform) -> None:
    colour, hatch = style.ZONES[zone.kind]
    if zone.margin:
        around = Polygon(zone.outline, edgecolor=(*to_rgba(colour)[:3], 0.25), fill=False)
        metres = axes.transData.transform([(0.0, 0.0), (2.0 * zone.margin, 0.0)])
        points = 72.0 / axes.figure.dpi * float(metres[1, 0] - metres[0, 0])
        around.set(linewidth=points, joinstyle="round", transform=turn, zorder=style.CLOUDS)
        axes.add_patch(around)
    area = Polygon(zone.outline, facecolor=(*to_rgba(colour)[:3], 0.15), edgecolor=colour)
    area.set(hatch=hatch, linewidth=1.6, transform=turn, zorder=style.WINDOWS)
    axes.add_patch(area)


def _label_rooms(axes: Axes, report: MapReport, turn: Transform) -> None:
    house_map = report.house_map
    if house_map.rooms is None:
        return
    halo = [withStroke(linewidth=2.5, foreground=style.FREE)]
    for number in np.unique(house_map.rooms[house_map.rooms > 0]).tolist():
        name = room_name(house_map, number)
        area = report.rooms.get(name, 0.0)
        if area < LABEL_ROOM:
            continue
        # the middle of the largest disc that the room has space for
        inside = np.pad((house_map.rooms == number) & ~house_map.blocked, 1)
        depth = np.asarray(ndimage.distance_transform_edt(inside))[1:-1, 1:-1]
        place = house_map.xy_of(np.unravel_index(np.argmax(depth), depth.shape))
        text = f"{name}\n{area:.1f} m²" + ("\nnot reached" if name in report.cut_off else "")
        axes.text(
            float(place[0]),
            float(place[1]),
            text,
            transform=turn,
            fontsize=7,
            color=style.INK,
            ha="center",
            va="center",
            path_effects=halo,
            zorder=style.ROBOTS,
        )


def _finish(figure: Figure, axes: Axes, report: MapReport) -> None:
    house_map = report.house_map
    wide, tall = figure.get_size_inches()
    axes.set_position((0.55 / wide, 0.7 / tall, 1.0 - 0.7 / wide, 1.0 - 1.05 / tall))
    axes.tick_params(labelsize=7, colors=style.FAINT, length=2)
    for spine in axes.spines.values():
        spine.set_color(style.FAINT)
    axes.set_xlabel("m", fontsize=7, color=style.FAINT, labelpad=1)
    title = f"{house_map.name or 'map'}: {report.free:.0f} m² of floor, "
    title += f"{report.reached_share:.0%} within reach"
    axes.set_title(title, fontsize=10, color=style.INK, loc="left")

    entries = []
    doors = [report.too_narrow(door) for door in report.doors]
    if not all(doors):
        entries.append(Line2D([], [], color=style.DOOR, linewidth=2.8, label="door or passage"))
    if any(doors):
        entries.append(
            Line2D([], [], color=style.DOOR_NARROW, linewidth=2.8, label="too narrow for the robot")
        )
    if not report.reached[~house_map.blocked].all():
        entries.append(
            Patch(
                facecolor=style.FREE, edgecolor=style.UNREACHED, hatch="////", label="not reached"
            )
        )
    for kind in sorted({zone.kind for zone in house_map.zones}):
        colour, hatch = style.ZONES[kind]
        shade = (*to_rgba(colour)[:3], 0.15)
        entries.append(Patch(facecolor=shade, edgecolor=colour, hatch=hatch, label=kind))
    if entries:
        figure.legend(
            handles=entries,
            loc="lower center",
            ncols=min(len(entries), 6),
            fontsize=7,
            frameon=False,
            bbox_to_anchor=(0.5, 0.05 / tall),
        )
