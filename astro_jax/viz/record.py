"""One episode as the pictures need it: NumPy only, nothing left on the device.   [host]"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from astro_jax.config import PlannerConfig, RobotConfig
from astro_jax.errors import InputError
from astro_jax.sim.state import CycleLog, TickLog
from astro_jax.types import Reason, RouteField


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class EpisodeRecord:
    """A home, a robot and all that happened; logs as ``jax.device_get`` returns them."""

    robot: RobotConfig
    planner: PlannerConfig
    occupancy: Int[np.ndarray, "H W"]
    """What the robot was told: 0 free, 100 occupied, between them percent, −1 unknown."""
    blocked: Bool[np.ndarray, "H W"]
    """What was true, closed doors included."""
    origin: Float[np.ndarray, "2"]
    """Map coordinates of the *centre* of cell [0, 0], m."""
    resolution: float
    start: Float[np.ndarray, "3"]
    goal: Float[np.ndarray, "3"]
    radius: Float[np.ndarray, "M"]
    present: Bool[np.ndarray, "M"]
    """Which of the ``M`` slots hold a person."""
    log: CycleLog
    """Leading axis: cycles."""
    ticks: TickLog
    """Leading axis: gate ticks, that is (cycles, ticks) flattened."""
    routes: tuple[tuple[float, RouteField], ...]
    """(Time from which it guided, field), oldest first; more than one after a re-route."""
    followed: int | None = None
    """Slot of the person whom the robot walks with; it has no other goal then."""
    doing: tuple[tuple[float, str], ...] = ()
    """(Time from which, what the task layer does), oldest first."""

    def __post_init__(self):
        """Refuse what cannot be drawn.

        Raises:
          InputError: nothing was logged, shapes disagree or there is no route.
        """
        if self.cycles < 1 or self.ticks.time.ndim != 1 or not len(self.ticks.time):
            shapes = f"{np.shape(self.log.time)} and {np.shape(self.ticks.time)}"
            raise InputError("log and ticks", shapes, "one leading axis each, not empty")
        if self.occupancy.shape != self.blocked.shape:
            raise InputError("blocked", self.blocked.shape, f"a shape of {self.occupancy.shape}")
        if not self.routes:
            raise InputError("routes", self.routes, "at least one route field")
        bodies = (self.log.people_xy.shape[1],)
        for field, value in (("radius", self.radius), ("present", self.present)):
            if value.shape != bodies:
                raise InputError(field, value.shape, f"a shape of {bodies}, as people_xy")
        if self.followed is not None and not self.followed < bodies[0]:
            raise InputError("followed", self.followed, f"below {bodies[0]}")

    @property
    def cycles(self) -> int:
        """Number of planning cycles."""
        return len(self.log.time) if np.ndim(self.log.time) == 1 else 0

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Outer edges of the map: x_min, x_max, y_min, y_max, m."""
        low = self.origin - 0.5 * self.resolution
        rows, columns = self.occupancy.shape
        high = low + self.resolution * np.array([columns, rows])
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    @property
    def known_extent(self) -> tuple[float, float, float, float]:
        """The same of what is known of the map, and of everything that happened."""
        rows, columns = np.nonzero(self.occupancy >= 0)
        cells = np.stack([columns, rows], axis=1) if len(rows) else np.zeros((1, 2))
        xy = self.origin + self.resolution * cells
        ends = self.goal[None, :2] if self.followed is None else np.empty((0, 2))
        poses = np.concatenate([xy, self.ticks.pose_map[:, :2], ends])
        low, high = poses.min(axis=0) - 0.3, poses.max(axis=0) + 0.3
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    @property
    def plan_times(self) -> Float[np.ndarray, "T"]:
        """Times of a plan's samples after it takes effect, s."""
        return self.planner.dt * np.arange(self.log.plan_pose.shape[1])

    @property
    def forecast_times(self) -> Float[np.ndarray, "t"]:
        """Times of a forecast's samples, s."""
        steps = np.arange(self.log.world.forecast.xy_map.shape[1])
        return self.planner.dt * self.planner.people_stride * steps

    def route_at(self, time: float) -> RouteField:
        """The field that guided the robot at ``time``."""
        started = [field for since, field in self.routes if since <= time + 1e-6]
        return started[-1] if started else self.routes[0][1]

    def doing_at(self, time: float) -> str:
        """What the task layer does at ``time``; empty if there is none."""
        started = [doing for since, doing in self.doing if since <= time + 1e-6]
        return started[-1] if started else ""

    def cycle_at(self, time: float) -> int:
        """The planning cycle that began last before ``time``, s.

        Raises:
          InputError: the episode has no such moment.
        """
        first, last = float(self.log.time[0]), float(self.log.time[-1]) + self.planner.period
        if not first - 1e-6 <= time <= last + 1e-6:
            raise InputError("at", time, f"a time of the episode, {first:.1f} to {last:.1f} s")
        return max(int(np.searchsorted(self.log.time, time + 1e-4, side="right")) - 1, 0)

    def ticks_of(self, cycle: int) -> slice:
        """The gate ticks within a cycle; never empty."""
        begin = float(self.log.time[cycle])
        # a tick is stamped with its end; half a tick of tolerance for float32 time
        edges = np.array([begin, begin + self.planner.period]) + 0.5 * self.planner.gate_period
        first, last = np.searchsorted(self.ticks.time, edges)
        first = min(int(first), len(self.ticks.time) - 1)
        return slice(first, max(int(last), first + 1))

    def gate_of(self, cycle: int) -> tuple[float, Reason]:
        """Strongest intervention of the reactive layer within a cycle: scale and reason."""
        within = self.ticks_of(cycle)
        strongest = int(np.argmin(self.ticks.scale[within]))
        return (
            float(self.ticks.scale[within][strongest]),
            Reason(int(self.ticks.reason[within][strongest])),
        )


def telling_cycle(record: EpisodeRecord) -> int:
    """The cycle in which most is going on: the robot drives and somebody is near."""
    log = record.log
    speed = np.abs([record.ticks.twist[record.ticks_of(k).start, 0] for k in range(record.cycles)])
    gap = np.linalg.norm(log.people_xy - log.pose_map[:, None, :2], axis=-1)
    gap = np.where(log.tracked, gap, np.inf).min(axis=1, initial=np.inf)
    # a person two metres away is best: both fit the picture and neither hides the other
    interest = np.exp(-((gap - 2.0) ** 2)) * np.minimum(speed, 0.5)
    return int(np.argmax(interest + 1e-3 * speed))
