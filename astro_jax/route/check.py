"""What a map is worth to a robot: sizes, rooms, doors, reach, and what looks wrong.  [host]"""

import dataclasses

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from astro_jax.config import RobotConfig
from astro_jax.route.doors import door_cells, find_doors
from astro_jax.route.field import components, passing_radius, traversal_speed
from astro_jax.route.house import Door, HouseMap
from astro_jax.route.rooms import room_areas, room_name
from astro_jax.route.zones import blocked_by

SEEN_TO_THE_END = 0.9
"""Share of the floor's edge that should be something seen, not the end of what was seen."""
A_ROOM_IS_REACHED = 0.1
"""Share of its floor that the robot must get to."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MapReport:
    """The answers of ``check_map``; areas in m²."""

    house_map: HouseMap
    robot: RobotConfig
    free: float
    occupied: float
    unknown: float
    rooms: dict[str, float]
    """Free floor by room."""
    doors: tuple[Door, ...]
    reached: Bool[np.ndarray, "H W"]
    """Free floor under the robot wherever it gets to in the largest part of the map."""
    reached_share: float
    """Of the free floor."""
    cut_off: tuple[str, ...]
    """Rooms that it does not get into."""
    warnings: tuple[str, ...]

    def too_narrow(self, door: Door) -> bool:
        """Whether the robot is not sent through a door, open as it may be."""
        return door.width < 2.0 * passing_radius(self.robot) - 1e-6


def check_map(house_map: HouseMap, robot: RobotConfig) -> MapReport:
    """Measure a map, look for its doors and for the places that ``robot`` gets to."""
    blocked = house_map.blocked
    closed = blocked | blocked_by(house_map.zones, house_map)
    cell = house_map.resolution**2
    reached = _reached(house_map, closed, robot) & ~blocked
    free = int(np.count_nonzero(~blocked))
    report = MapReport(
        house_map=house_map,
        robot=robot,
        free=free * cell,
        occupied=float(np.count_nonzero(blocked & (house_map.occupancy >= 0)) * cell),
        unknown=float(np.count_nonzero(house_map.occupancy < 0) * cell),
        rooms=room_areas(house_map),
        doors=find_doors(house_map, house_map.rooms, robot),
        reached=reached,
        reached_share=int(np.count_nonzero(reached)) / free if free else 0.0,
        cut_off=_cut_off(house_map, reached),
        warnings=(),
    )
    return dataclasses.replace(report, warnings=tuple(_warnings(report)))


def _reached(
    house_map: HouseMap, closed: Bool[np.ndarray, "H W"], robot: RobotConfig
) -> Bool[np.ndarray, "H W"]:
    radius = passing_radius(robot)
    labels = components(traversal_speed(closed, house_map.resolution, radius) > 0.0)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    if not sizes.any():
        return np.zeros(closed.shape, bool)
    centres = labels == np.argmax(sizes)
    off = np.asarray(ndimage.distance_transform_edt(~centres))
    # Places are as fine as the cells: what lies within half a cell of the disc is under it.
    return off * house_map.resolution <= radius + 0.5 * house_map.resolution


def _cut_off(house_map: HouseMap, reached: Bool[np.ndarray, "H W"]) -> tuple[str, ...]:
    if house_map.rooms is None:
        return ()
    whole = np.bincount(house_map.rooms[~house_map.blocked])
    part = np.bincount(house_map.rooms[reached], minlength=whole.size)
    missed = np.nonzero((part < A_ROOM_IS_REACHED * whole) & (whole > 0))[0]
    return tuple(room_name(house_map, int(number)) for number in missed if number)


def _warnings(report: MapReport) -> list[str]:
    house_map = report.house_map
    found = []
    if np.all(house_map.occupancy < 0):
        found.append("all of the map is unknown")
    elif report.free == 0.0:
        found.append("no cell of the map is free")
    elif not report.reached.any():
        found.append("there is no place that the robot could turn in")
    seen = _seen_edge(house_map, report.reached)
    if seen < SEEN_TO_THE_END:
        found.append(
            f"{1.0 - seen:.0%} of the floor's edge is only the end of what was seen "
            "(rays through open doors, glass)"
        )
    for door in report.doors:
        if report.too_narrow(door):
            found.append(f"the robot does not fit through {door.name} ({door.width:.2f} m)")
        if not door_cells(house_map, door)[0].size:
            found.append(f"the map shows {door.name} as a wall")
    if report.cut_off:
        found.append(f"the robot does not get into {', '.join(report.cut_off)}")
    return found


def _seen_edge(house_map: HouseMap, reached: Bool[np.ndarray, "H W"]) -> float:
    """Share of the edge of the reached floor where something stands."""
    if house_map.unknown_is_free or not reached.any():
        return 1.0
    steps = ndimage.generate_binary_structure(2, 1)
    # what is free beside it hangs together with it, so that its own edge counts instead
    floor = np.asarray(ndimage.binary_propagation(reached, steps, mask=~house_map.blocked), bool)
    edge = np.asarray(ndimage.binary_dilation(floor, steps), bool) & ~floor
    unknown = int(np.count_nonzero(edge & (house_map.occupancy < 0)))
    return 1.0 - unknown / max(int(np.count_nonzero(edge)), 1)
