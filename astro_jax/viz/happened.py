"""What happened in an episode of a suite, as its picture needs it; NumPy only.        [host]

In: a case, its setup, its trace and its row.  Out: where everybody was until the robot arrived,
how near they came to its footprint, and whom or what it touched, when and where.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Float

from astro_jax.config import RobotConfig
from astro_jax.sim.contact import MOVING, SEPARATION_TIME, ContactState
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import TickLog
from astro_jax.suites.case import Case, Row, Setup, Trace
from astro_jax.suites.gaps import outline_gaps
from astro_jax.viz import shapes

Span = tuple[float, float]
"""From one time to another, s."""
SAMPLES = 600
"""Most places of a way, and most distances, that are drawn of a drive."""
FASTEST = 10.0
"""Whoever is faster has not walked: they were put elsewhere, m/s."""
BEYOND = 1.0
"""Bodies so far outside of the floor are not there, m."""
CLOSING = 4.0
"""Speed of approach of fast bodies, m/s."""
SPOTS = 0.01
"""Between places of the outline that are held against the floor, m."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Touch:
    """One contact of the robot."""

    tick: int
    time: float
    """s"""
    who: int | None
    """The body's slot; None for what stands."""
    place: Float[np.ndarray, "2"]
    """On the outline, in the map, m."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Happened:
    """An episode until its end or the arrival."""

    robot: RobotConfig
    ticks: TickLog
    people: Float[np.ndarray, "N M 2"]
    """Not a number where nobody was."""
    gaps: Float[np.ndarray, "N M"]
    """Of the footprint to each body, +inf where nobody was, m."""
    touches: tuple[Touch, ...]
    telling: Touch | None
    """Of the touches the one that the picture is about."""

    @property
    def end(self) -> float:
        """When the last tick was, s."""
        return float(self.ticks.time[-1])

    @property
    def now(self) -> int:
        """The tick of that touch; without one the last."""
        return len(self.ticks.time) - 1 if self.telling is None else self.telling.tick


def happened(case: Case, setup: Setup, trace: Trace, row: Row) -> Happened:
    """Until the arrival; a touch that the rules do not count is left out."""
    robot, scene = setup.robot, case.scene
    kept = np.asarray(trace.ticks.time) <= max(trace.arrived_at, float(trace.ticks.time[0]))
    ticks = jax.tree.map(lambda leaf: np.asarray(leaf)[kept], trace.ticks)
    people = _there(scene, ticks.people_xy)
    outline = shapes.footprint(robot)
    poses = np.asarray(ticks.pose_map, np.float64)
    gaps = outline_gaps(poses, people, np.asarray(scene.radius, np.float64), outline)
    gaps = np.where(np.isfinite(gaps), gaps, np.inf)
    touches: tuple[Touch, ...] = ()
    if row.get("collision", True):
        counts = trace.contacts
        found = _by_outline(ticks, gaps) if robot.footprint else _counted(ticks, gaps, counts)
        touches = tuple(_placed(touch, scene, poses, people, outline) for touch in found)
    return Happened(
        robot=robot,
        ticks=ticks,
        people=people,
        gaps=gaps,
        touches=touches,
        telling=_telling(touches, ticks, row),
    )


def unbroken(xy: Float[np.ndarray, "N 2"], time: Float[np.ndarray, "N"]) -> np.ndarray:
    """The places, not a number where somebody was put elsewhere since the one before."""
    step = np.hypot(*np.diff(xy, axis=0, prepend=xy[:1]).T)
    jumped = step > FASTEST * np.diff(time, prepend=time[:1] - 1.0)
    return np.where(jumped[:, None], np.nan, xy)


def sampled(seen: Happened, span: Span) -> np.ndarray:
    """Ticks within ``span``, at most ``SAMPLES + 1`` of them, the last one among them."""
    time = np.asarray(seen.ticks.time)
    ticks = np.flatnonzero((time >= span[0] - 1e-6) & (time <= span[1] + 1e-6))
    stride = max(1, -(-len(ticks) // SAMPLES))
    return np.unique(np.append(ticks[::stride], ticks[-1:]))


def _there(scene: Scene, xy: np.ndarray) -> Float[np.ndarray, "N M 2"]:
    """Places of whoever is present and on the floor, else not a number."""
    xy = np.asarray(xy, np.float64)
    low = np.asarray(scene.origin, np.float64) - BEYOND
    rows, columns = np.shape(scene.blocked)
    high = low + float(scene.resolution) * np.array([columns, rows]) + 2 * BEYOND
    with np.errstate(invalid="ignore"):
        on = ((xy > low) & (xy < high)).all(axis=-1)
    return np.where((on & np.asarray(scene.present))[..., None], xy, np.nan)


def _counted(ticks: TickLog, gaps: np.ndarray, counts: ContactState) -> list[Touch]:
    """What the referee counted, whose robot is a rectangle too."""
    found = []
    walls = int(counts.wall_contacts)
    reach = _reach(ticks) if walls else np.inf
    reach = -np.inf if walls and walls == int(counts.contacts) else reach
    for tick in np.flatnonzero(np.diff(ticks.contacts, prepend=0) > 0).tolist():
        # a body that only just touches may be apart again at the end of the tick
        near = gaps[max(tick - 1, 0) : tick + 1].min(axis=0)
        nearest = int(np.argmin(near)) if near.size else 0
        who = nearest if near.size and near[nearest] < reach else None
        found.append(_touch(ticks, tick, who))
    return found


def _reach(ticks: TickLog) -> float:
    """How far off whoever was touched may be at both ends of the tick, m."""
    return 0.5 * CLOSING * float(np.diff(ticks.time[:2]).sum())


def _by_outline(ticks: TickLog, gaps: np.ndarray) -> list[Touch]:
    """Overlaps of the outline itself, where the referee's rectangle is larger than the robot."""
    found = []
    for who in range(gaps.shape[1]):
        last = -np.inf
        for tick in np.flatnonzero(gaps[:, who] <= 0.0).tolist():
            time = float(ticks.time[tick])
            if time - last >= SEPARATION_TIME:
                found.append(_touch(ticks, tick, who))
            last = time
    return sorted(found, key=lambda touch: touch.tick)


def _touch(ticks: TickLog, tick: int, who: int | None) -> Touch:
    place = np.asarray(ticks.pose_map)[tick, :2]
    return Touch(tick=tick, time=float(ticks.time[tick]), who=who, place=place)


def _placed(
    touch: Touch,
    scene: Scene,
    poses: Float[np.ndarray, "N 3"],
    people: Float[np.ndarray, "N M 2"],
    outline: Float[np.ndarray, "v 2"],
) -> Touch:
    """The touch at the place of the outline that is nearest to what it is with."""
    spots = shapes.placed(poses[touch.tick], _spots(outline))
    if touch.who is None:
        away = _to_things(scene, spots)
    else:
        away = np.hypot(*(spots - people[touch.tick, touch.who]).T)
    return dataclasses.replace(touch, place=spots[int(np.argmin(away))])


def _spots(outline: np.ndarray) -> np.ndarray:
    """Places all along an outline."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(outline, axis=0).T))])
    at = np.arange(0.0, along[-1], SPOTS)
    return np.stack([np.interp(at, along, outline[:, k]) for k in (0, 1)], axis=-1)


def _to_things(scene: Scene, xy: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
    """Metres to the nearest cell in which something stands, by its own distance field."""
    distance = np.asarray(scene.distance)
    cells = np.rint((xy - np.asarray(scene.origin)) / float(scene.resolution)).astype(int)
    column, row = np.clip(cells, 0, np.array(distance.shape[::-1]) - 1).T
    return distance[row, column]


def _telling(touches: tuple[Touch, ...], ticks: TickLog, row: Row) -> Touch | None:
    """The first one; if one was at fault, the first at which the robot moved."""
    moved = np.abs(np.asarray(ticks.twist)).max(axis=1) > MOVING
    struck = [touch for touch in touches if moved[max(touch.tick - 1, 0)] or moved[touch.tick]]
    if row.get("at_fault") and struck:
        return struck[0]
    return touches[0] if touches else None
