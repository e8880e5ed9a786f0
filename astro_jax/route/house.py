"""What a house is to the route layer: a floor plan, its rooms, zones and doors.    [host]

Three frames meet here.  The *file's* frame is the one that the map's YAML, zones and people
who click on a map speak of (ROS calls it ``map``).  The *house* frame is the file's, turned
about the same zero until the picture's rows and columns are its axes: cells then stay squares
along x and y everywhere in the package, whatever yaw the file gives its origin, and no pixel
is resampled.  ``to_house`` and ``to_file`` are the only two places where the turn counts.
Where the robot's own frame lies in the house is localisation's word, not the map's.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Int8

Numbers = Sequence[Any] | np.ndarray | jax.Array
"""Anything that NumPy makes an array of: callers hold poses as tuples and as arrays."""
Kind = Literal["no-go", "slow", "stairs"]

LIKELY_OCCUPIED = 50
"""Percent from which a graded cell (modes scale and raw) counts as an obstacle."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Zone:
    """A part of the floor that means something beyond being free."""

    name: str
    kind: Kind
    outline: Float[np.ndarray, "N 2"]
    """Corners in the house frame, m; two are a line."""
    factor: float = 1.0
    """Of the speed (slow)."""
    margin: float = 0.0
    """Also kept clear around the outline (stairs), m."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Door:
    """A passage that may be shut, whatever the map shows."""

    name: str
    """Stable for the same map: given with it, or made of the rooms and the place."""
    jambs: Float[np.ndarray, "2 2"]
    """Both ends of the leaf, in the house frame, m."""
    rooms: tuple[str, ...] = ()
    """Names of the rooms that it joins, if known."""
    habit: float | None = None
    """Share of the time that it stands open, if somebody said so."""

    @property
    def width(self) -> float:
        """From jamb to jamb, m."""
        return math.dist(*self.jambs)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class HouseMap:
    """A floor plan on square cells aligned with the house's axes; row 0 is the smallest y."""

    occupancy: Int8[np.ndarray, "H W"]
    """0 free, 100 occupied, between them percent (modes scale and raw), −1 unknown."""
    resolution: float
    """Edge of a cell, m."""
    origin: Float[np.ndarray, "2"]
    """House coordinates of the *centre* of cell [0, 0], m."""
    name: str = ""
    yaw: float = 0.0
    """How far the house's axes are turned in the file's frame, rad."""
    unknown_is_free: bool = False
    """Whether cells that were never seen may be driven on."""
    rooms: Int[np.ndarray, "H W"] | None = None
    """The number of each cell's room, 0 for none; numbers have names in ``room_names``."""
    room_names: Mapping[int, str] = dataclasses.field(default_factory=dict)
    zones: tuple[Zone, ...] = ()
    doors: tuple[Door, ...] = ()
    """Those given with the map; ``route.doors.find_doors`` looks for others."""

    @property
    def blocked(self) -> Bool[np.ndarray, "H W"]:
        """Where something stands: occupied, or never seen unless that is taken for free.

        Zones are not in it: they bind the robot, not its sensors.
        """
        occupied = self.occupancy >= LIKELY_OCCUPIED
        return occupied if self.unknown_is_free else occupied | (self.occupancy < 0)

    def cell_of(
        self, xy_house: Numbers
    ) -> tuple[Int[np.ndarray, "*n"], Int[np.ndarray, "*n"], Bool[np.ndarray, "*n"]]:
        """Row, column and whether the point is on the map at all.

        Row and column are 0 where the third answer is false (outside, or not finite), so
        that they always index.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            steps = (np.asarray(xy_house, np.float64) - self.origin) / self.resolution
            cells = np.floor(steps + 0.5)
        inside = np.asarray(np.all((cells >= 0) & (cells < self.occupancy.shape[::-1]), axis=-1))
        indices = np.where(inside[..., None], cells, 0.0).astype(np.int64)
        return indices[..., 1], indices[..., 0], inside

    def contains(self, xy_house: Numbers) -> Bool[np.ndarray, "*n"]:
        """Whether points lie on the map; not-a-number does not."""
        return self.cell_of(xy_house)[2]

    def blocked_at(self, xy_house: Numbers) -> Bool[np.ndarray, "*n"]:
        """Whether points are blocked; whatever is off the map, or not a number, is."""
        row, column, inside = self.cell_of(xy_house)
        return ~inside | self.blocked[row, column]

    def xy_of(self, cells: Numbers) -> Float[np.ndarray, "*n 2"]:
        """House coordinates of the centres of cells, m; takes (rows, columns)."""
        return self.origin + self.resolution * np.moveaxis(np.asarray(cells)[::-1], 0, -1)

    def to_house(self, place: Numbers) -> Float[np.ndarray, "*n"]:
        """Points (x, y) or poses (x, y, yaw) of the file's frame in the house's."""
        return turned(place, -self.yaw)

    def to_file(self, place: Numbers) -> Float[np.ndarray, "*n"]:
        """Points (x, y) or poses (x, y, yaw) of the house's frame in the file's."""
        return turned(place, self.yaw)


def turned(place: Numbers, angle: float) -> Float[np.ndarray, "*n"]:
    """Points (x, y) or poses (x, y, yaw) turned about zero, along the last axis."""
    values = np.asarray(place, np.float64)
    x, y = values[..., 0], values[..., 1]
    c, s = math.cos(angle), math.sin(angle)
    return np.stack(
        [c * x - s * y, s * x + c * y, *np.moveaxis(values[..., 2:] + angle, -1, 0)], -1
    )
