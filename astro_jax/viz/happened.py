"""What happened in an episode of a suite, as its picture needs it; NumPy only.        [host]

In: a case, its setup, its trace and its row.  Out: where everybody was until the robot arrived,
how near they came to its footprint, and whom or what it touched, when and where.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Float

from astro_jax.config import RobotConfig
from astro_jax.sim.contact import MOVING, SEPARATION_TIME
from astro_jax.sim.scene import Scene
from astro_jax.sim.state import TickLog
from astro_jax.suites.case import Case, Row, Setup, Trace
from astro_jax.suites.gaps import outline_gaps
from astro_jax.types import Kind
from astro_jax.viz import shapes

FASTEST = 10.0
"""Whoever is faster has not walked: they were put elsewhere, m/s."""
BEYOND = 1.0
"""Bodies so far outside of the floor are not there, m."""
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
        touches = tuple(_by_outline(ticks, gaps) if robot.footprint else _counted(ticks, gaps))
        touches = tuple(_placed(touch, scene, poses, people, outline) for touch in touches)
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


def ending(case: Case, trace: Trace, row: Row, seen: Happened) -> str:
    """How an episode ended that failed, in words."""
    parts = []
    if row.get("void"):
        parts.append("void, as somebody overlapped the robot when they appeared")
    if seen.telling is not None:
        parts.append(_touched(case, row, seen, seen.telling))
    elif row.get("collision") or row.get("at_fault"):
        parts.append("touched something")
    left = float(np.hypot(*(seen.ticks.pose_map[-1, :2] - np.asarray(case.scene.goal_map)[:2])))
    if np.isfinite(trace.arrived_at):
        parts.append(f"arrived after {seen.end:.1f} s")
    elif row.get("timeout"):
        parts.append(f"out of time after {seen.end:.1f} s, {left:.1f} m from the goal")
    return "; ".join(parts) or f"no success after {seen.end:.1f} s"


def _touched(case: Case, row: Row, seen: Happened, touch: Touch) -> str:
    if touch.who is None:
        whom = "something that stands"
    else:
        person = int(np.asarray(case.scene.kind)[touch.who]) == int(Kind.PERSON)
        whom = "somebody" if person else "something that moves"
    fault = {None: "", True: " at fault", False: ", not at fault,"}[row.get("at_fault")]
    number = seen.touches.index(touch) + 1
    order = f" (touch {number} of {len(seen.touches)})" if len(seen.touches) > 1 else ""
    return f"touched {whom}{fault} after {touch.time:.1f} s{order}"


def _there(scene: Scene, xy: np.ndarray) -> Float[np.ndarray, "N M 2"]:
    """Places of whoever is present and on the floor, else not a number."""
    xy = np.asarray(xy, np.float64)
    low = np.asarray(scene.origin, np.float64) - BEYOND
    rows, columns = np.shape(scene.blocked)
    high = low + float(scene.resolution) * np.array([columns, rows]) + 2 * BEYOND
    with np.errstate(invalid="ignore"):
        on = ((xy > low) & (xy < high)).all(axis=-1)
    return np.where((on & np.asarray(scene.present))[..., None], xy, np.nan)


def _counted(ticks: TickLog, gaps: np.ndarray) -> list[Touch]:
    """What the referee counted, whose robot is a rectangle too."""
    found = []
    for tick in np.flatnonzero(np.diff(ticks.contacts, prepend=0) > 0).tolist():
        # a body that only just touches may be apart again at the end of the tick
        near = gaps[max(tick - 1, 0) : tick + 1].min(axis=0)
        nearest = int(np.argmin(near)) if near.size else 0
        who = nearest if near.size and near[nearest] < _reach(ticks, tick) else None
        found.append(_touch(ticks, tick, who))
    return found


def _reach(ticks: TickLog, tick: int) -> float:
    """How far bodies come within a tick at most, m."""
    before = max(tick - 1, 0)
    period = float(ticks.time[before + 1] - ticks.time[before]) if len(ticks.time) > 1 else 0.0
    return 0.02 + 0.5 * period


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
