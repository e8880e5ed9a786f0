"""A drive that was good: what anybody has to record so that weights can be learned from it. [host]

One file is one drive from one place to one goal: where the robot was, who was around, the map.
Write it with ``write_drive``, or any way you like: it is an npz archive with the arrays

    time        (S)       s, rising by at most .5 s
    pose        (S, 3)    x, y (m), yaw (rad) of the robot in the frame of the map
    people      (S, M, 2) x, y (m) of everybody; NaN where somebody is not seen; M may be 0
    radius      (M)       m
    kind        (M)       a ``types.Kind``
    goal        (3)       x, y, yaw
    occupancy   (H, W)    0 free, 100 occupied, −1 unknown; row 0 is the smallest y
    origin      (2)       of the centre of cell [0, 0], m
    resolution  ()        m

and a manifest of hashes (``archive.py``).  What the robot could do, how late its sensors were and
what its own planner thought is not in it: a person with a joystick, or a walker, does as well.
"""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Int8

from astro_jax.errors import InputError
from astro_jax.learning.archive import read_arrays, write_arrays
from astro_jax.route.house import HouseMap
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import TickLog
from astro_jax.types import Kind

FORM, VERSION = "astro_jax drive", 1
LONGEST_GAP = 0.5
"""Between two samples, s: more than that cannot be filled in."""
FARTHEST = 1e5
"""Coordinates beyond this (m) are no place in a house."""
FASTEST = 5.0
"""Nothing that is followed here moves at more, m/s: a jump is two drives."""
ELSEWHERE = 900.0
"""Bodies of a simulated scene that are farther away (m) are not there."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """One drive; see the module for units."""

    name: str
    """Of whom and where; what is held out together carries the same words before the first /."""
    time: Float[np.ndarray, "S"]
    pose: Float[np.ndarray, "S 3"]
    people: Float[np.ndarray, "S M 2"]
    radius: Float[np.ndarray, "M"]
    kind: Int[np.ndarray, "M"]
    goal: Float[np.ndarray, "3"]
    occupancy: Int8[np.ndarray, "H W"]
    origin: Float[np.ndarray, "2"]
    resolution: float

    @property
    def house_map(self) -> HouseMap:
        """The floor as the route layer takes it."""
        return HouseMap(
            occupancy=self.occupancy,
            resolution=self.resolution,
            origin=self.origin,
            name=self.name,
        )


def checked(drive: Recorded, where: str = "") -> Recorded:
    """The same drive, if it can be one.

    Raises:
      InputError: arrays that do not fit together, are not finite (people may be NaN), are out of
        range, times that do not rise or leave gaps, or a robot that jumps.
    """

    def need(good: bool, field: str, found: object, expected: str) -> None:
        if not good:
            raise InputError(field, found, expected, where)

    count, bodies = len(drive.time), drive.people.shape[1] if drive.people.ndim == 3 else -1
    shapes = {
        "time": (count,),
        "pose": (count, 3),
        "people": (count, bodies, 2),
        "radius": (bodies,),
        "kind": (bodies,),
        "goal": (3,),
        "origin": (2,),
    }
    for field, shape in shapes.items():
        value = np.asarray(getattr(drive, field))
        need(value.shape == shape, field, value.shape, f"a shape of {shape}")
        need(value.dtype.kind in "iuf", field, str(value.dtype), "numbers")
        if field != "people":
            need(bool(np.isfinite(value).all()), field, "not finite", "finite numbers")
        with np.errstate(invalid="ignore"):
            need(not (np.abs(value) > FARTHEST).any(), field, "far", f"within ± {FARTHEST:g}")
    need(count >= 2, "time", count, "at least two samples")
    steps = np.diff(drive.time)
    need(bool((steps > 0.0).all()), "time", float(steps.min()), "times that rise")
    longest = float(steps.max())
    need(longest <= LONGEST_GAP + 1e-6, "time", longest, f"steps of at most {LONGEST_GAP} s")
    speed = float((np.hypot(*np.diff(drive.pose[:, :2], axis=0).T) / steps).max())
    need(speed <= FASTEST, "pose", f"{speed:.1f} m/s", f"at most {FASTEST} m/s")
    need(
        bool((drive.radius > 0.0).all()), "radius", float(drive.radius.min(initial=1.0)), "above 0"
    )
    kinds = (drive.kind >= 0) & (drive.kind < len(Kind))
    need(bool(kinds.all()), "kind", drive.kind.tolist(), f"from 0 to {len(Kind) - 1}")
    need(drive.occupancy.ndim == 2 and drive.occupancy.size > 0, "occupancy", "empty", "a grid")
    within = drive.occupancy.dtype.kind in "iu" and drive.occupancy.min() >= -1
    need(within and drive.occupancy.max() <= 100, "occupancy", "out of range", "from −1 to 100")
    need(0.005 <= drive.resolution <= 1.0, "resolution", drive.resolution, "from .005 to 1 m")
    return drive


def write_drive(path: Path, drive: Recorded) -> None:
    """Write it, whole or not at all.

    Raises:
      InputError: what ``checked`` refuses, or a place that cannot be written.
    """
    checked(drive)
    arrays = {
        field.name: np.asarray(getattr(drive, field.name))
        for field in dataclasses.fields(drive)
        if field.name != "name"
    }
    write_arrays(path, FORM, VERSION, arrays, {"name": drive.name})


def read_drive(path: Path) -> Recorded:
    """The drive in a file.

    Raises:
      InputError: what ``read_arrays`` or ``checked`` refuses.
    """
    arrays, note = read_arrays(path, FORM, VERSION)
    names = [field.name for field in dataclasses.fields(Recorded) if field.name != "name"]
    for name in names:
        if name not in arrays:
            raise InputError(name, "missing", "an array", str(path))
    resolution = arrays["resolution"]
    if resolution.shape != () or resolution.dtype.kind not in "iuf":
        raise InputError("resolution", resolution.shape, "a single number", str(path))
    name = note.get("name") if isinstance(note, dict) else None
    if not (isinstance(name, str) and name and name.isprintable()):
        raise InputError("name", name, "printable text", str(path))
    held = {**{key: arrays[key] for key in names}, "resolution": float(resolution)}
    return checked(Recorded(name=name, **held), str(path))


def read_drives(folder: Path) -> list[Recorded]:
    """All drives (``*.npz``) in a folder, by the names of their files.

    Raises:
      InputError: no folder, no file in it, or what ``read_drive`` refuses.
    """
    if not folder.is_dir():
        raise InputError("drives", str(folder), "an existing folder")
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise InputError("drives", str(folder), "a folder with drives (*.npz)")
    return [read_drive(path) for path in paths]


def drive_of_episode(name: str, house_map: HouseMap, scene: Scene, ticks: TickLog) -> Recorded:
    """What the robot did in a simulated episode, as if an observer had recorded it.

    ``ticks`` has one leading axis of gate ticks; every fifth is kept.
    """
    kept = slice(None, None, 5)
    people = np.asarray(ticks.people_xy, np.float64)[kept]
    there = np.asarray(scene.present) & (np.abs(people) < ELSEWHERE).all(axis=-1)
    return checked(
        Recorded(
            name=name,
            time=np.asarray(ticks.time, np.float64)[kept],
            pose=np.asarray(ticks.pose_map, np.float64)[kept],
            people=np.where(there[..., None], people, np.nan),
            radius=np.asarray(scene.radius, np.float64),
            kind=np.asarray(scene.kind),
            goal=np.asarray(scene.goal_map, np.float64),
            occupancy=np.asarray(house_map.occupancy, np.int8),
            origin=np.asarray(house_map.origin, np.float64),
            resolution=float(house_map.resolution),
        )
    )
