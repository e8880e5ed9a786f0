"""An ambush in the making, and the arrays that come of it.                             [host]"""

import dataclasses
from typing import Any

import numpy as np

from astro_jax.config import RobotConfig
from astro_jax.sim.ambush.cast import BOXES, DROPS, PEOPLE, Ambush, Drops, Roles
from astro_jax.sim.ambush.shapes import Boxes
from astro_jax.sim.ambush.trouble import WINDOWS, Fault, Trouble

EPISODE = 20.0
"""s"""
QUIET = 2.0
"""Nothing surprises before this, s."""


@dataclasses.dataclass
class Script:
    """What a stratum fills in."""

    robot: RobotConfig
    random: np.random.Generator
    room: float = 4.0
    """Half its side, m."""
    boxes: list[tuple[float, float, float, float, float]] = dataclasses.field(default_factory=list)
    """(x, y, yaw, half length, half width)"""
    drops: list[tuple[float, float, tuple[float, float, float], tuple[float, float]]] = (
        dataclasses.field(default_factory=list)
    )
    """(at, stays, place, half)"""
    people: list[dict[str, float | bool | tuple[float, float]]] = dataclasses.field(
        default_factory=list
    )
    windows: dict[Fault, list[tuple[float, float]]] = dataclasses.field(default_factory=dict)
    lost_beams: float = 0.0
    ghost_beams: float = 0.0
    scan_every: int = 1
    noise: float = 1.0
    drift: float = 0.01
    rearm_stuck: bool = False
    command_latency: float = 0.10
    yaw: float = 0.0
    first: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def uniform(self, low: float, high: float) -> float:
        """A number between the two."""
        return float(self.random.uniform(low, high))

    def side(self) -> float:
        """−1 or 1."""
        return float(self.random.choice([-1.0, 1.0]))

    def times(self, count: int) -> np.ndarray:
        """Moments spread over the episode, s."""
        share = (np.arange(count) + self.random.uniform(0.0, 0.9, count)) / count
        return QUIET + share * (EPISODE - QUIET - 2.0)


def written(s: Script, which: int) -> Ambush:
    """The arrays of a script of the stratum of that number; what is more than fits is left out."""
    thick = 0.5
    far, long = s.room + thick, s.room + 2 * thick
    walls = [(far, 0.0, 0.0, thick, long), (-far, 0.0, 0.0, thick, long)]
    walls += [(0.0, far, 0.0, long, thick), (0.0, -far, 0.0, long, thick)]
    table = np.zeros((BOXES, 5))
    filled = (walls + s.boxes)[:BOXES]
    table[: len(filled)] = filled
    drops = np.full((DROPS, 7), np.inf)
    drops[:, 1:] = 0.0
    for k, (at, stays, place, half) in enumerate(s.drops[:DROPS]):
        drops[k] = (at, stays, *place, *half)
    windows = np.full((len(Fault), WINDOWS, 2), np.inf)
    for fault, spans in s.windows.items():
        windows[int(fault), : len(spans)] = spans
    return Ambush(
        start=_f32([0.0, 0.0, s.yaw]),
        boxes=Boxes(
            xy=_f32(table[:, :2]),
            axis=_f32(np.stack([np.cos(table[:, 2]), np.sin(table[:, 2])], axis=1)),
            half=_f32(table[:, 3:]),
            there=_flags(BOXES, len(filled)),
        ),
        drops=Drops(
            at=_f32(drops[:, 0]), stays=_f32(drops[:, 1]),
            ahead=_f32(drops[:, 2:5]), half=_f32(drops[:, 5:]),
        ),
        roles=_roles(s),
        trouble=Trouble(
            windows=_f32(windows),
            lost_beams=_f32(s.lost_beams),
            ghost_beams=_f32(s.ghost_beams),
            scan_every=_count(s.scan_every),
            noise=_f32(s.noise),
            drift=_f32(s.drift),
            rearm_stuck=_flags(1, int(s.rearm_stuck))[0],
            command_latency=_f32(s.command_latency),
        ),
        first_target=_f32(s.first),
        stratum=_count(which),
    )  # fmt: skip


def _roles(s: Script) -> Roles:
    given = s.people[:PEOPLE]
    absent = {"at": np.inf, "place": (0.0, 0.0), "relative": False, "near": np.inf}
    absent |= {"wait": 0.0, "speed": 0.0, "acceleration": 1.0, "meet": 0.0, "aside": 0.0}
    absent |= {"change": np.inf, "turn": 0.0, "pace": 1.0, "shy": False, "radius": 0.2}
    everybody = given + [absent] * (PEOPLE - len(given))

    def column(name: str) -> Any:
        values = np.array([person[name] for person in everybody])
        return values if values.dtype == bool else _f32(values)

    return Roles(**{field.name: column(field.name) for field in dataclasses.fields(Roles)})


def _f32(value: Any) -> Any:
    """A leaf of a script: NumPy, until a batch of them goes to the device as one array."""
    return np.asarray(value, np.float32)


def _flags(count: int, set_: int) -> Any:
    return np.arange(count) < set_


def _count(value: int) -> Any:
    return np.int32(value)
